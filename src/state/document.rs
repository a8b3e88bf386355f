//! A state written down. It holds the secrets of made credentials and the tokens that were issued: to be kept like them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RestoreError;
use crate::clock::{Adjustment, Motion, Scale, Seeding};
use crate::config::{TencentCredential, WechatApp};
use crate::credentials::{ApiKey, Set};
use crate::faults::Saved;
use crate::secret::Secret;
use crate::store::Rows;

/// A state written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Of this form.
    pub(super) version: u32,
    /// Whose state it is; everybody's where there is none.
    pub(super) credentials: Option<Vec<String>>,
    pub(super) clock: Times,
    pub(super) seeds: Seeds,
    pub(super) sets: Vec<SetSecrets>,
    #[serde(default)]
    pub(super) faults: Vec<Saved>,
    pub(super) tables: Rows,
}

/// The server's time and the credentials' own ones; null is the system's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Times {
    pub(super) server: Option<Time>,
    pub(super) own: BTreeMap<String, Option<Time>>,
}

/// A time that is not the system's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    now: Timestamp,
    frozen: bool,
    scale: f64,
}

fn as_text<S: serde::Serializer>(moment: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(moment)
}

fn from_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| serde::de::Error::custom(format_args!("{text:?} is no moment in RFC 3339")))
}

/// The server's seed and the credentials' own ones, as far as they were drawn.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seeds {
    pub(super) server: Option<Seeding>,
    pub(super) own: Vec<Own>,
}

/// A sequence of ids that `credentials` have together.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    pub(super) credentials: Vec<String>,
    pub(super) seeding: Seeding,
}

/// A set with its secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetSecrets {
    id: String,
    appid: String,
    app_secret: String,
    secret_id: String,
    secret_key: String,
    api_key_id: String,
    api_key: String,
    bucket: String,
}

impl From<&Set> for SetSecrets {
    fn from(set: &Set) -> Self {
        Self {
            id: set.id.to_string(),
            appid: set.app.appid.clone(),
            app_secret: set.app.secret.expose().to_owned(),
            secret_id: set.key_pair.id.clone(),
            secret_key: set.key_pair.key.expose().to_owned(),
            api_key_id: set.api_key.id.to_string(),
            api_key: set.api_key.key.expose().to_owned(),
            bucket: set.bucket.to_string(),
        }
    }
}

impl From<SetSecrets> for Set {
    fn from(set: SetSecrets) -> Self {
        let key = Secret::new(set.secret_key);
        Self {
            id: set.id.into(),
            app: WechatApp { appid: set.appid, secret: Secret::new(set.app_secret) }.into(),
            key_pair: TencentCredential { id: set.secret_id, key, token: None }.into(),
            api_key: ApiKey { id: set.api_key_id.into(), key: Secret::new(set.api_key) }.into(),
            bucket: set.bucket.into(),
        }
    }
}

impl Document {
    /// The version of the form.
    pub const VERSION: u32 = 1;

    /// In JSON.
    #[expect(clippy::missing_panics_doc, reason = "texts and numbers are always JSON")]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }
}

impl Time {
    /// How a time goes; `None` where it is the system's.
    pub(super) fn of(motion: Motion) -> Option<Self> {
        let (now, frozen, scale) = (motion.now(), motion.is_frozen(), motion.scale().number());
        (!motion.is_real()).then_some(Self { now, frozen, scale })
    }
}

impl TryFrom<Time> for Motion {
    type Error = RestoreError;

    fn try_from(time: Time) -> Result<Self, RestoreError> {
        let scale = Scale::from_number(time.scale);
        if scale.is_none() {
            return Err(RestoreError::Field("clock: a scale that no clock has"));
        }
        let (set, freeze) = (Some(time.now), Some(time.frozen));
        Ok(Self::default().adjusted(&Adjustment { set, freeze, scale, ..Adjustment::default() })?)
    }
}
