//! `/cgi-bin/token` and `/cgi-bin/stable_token`.

use serde::Serialize;
use serde_json::Value;

use super::Fields;
use crate::intake::query;
use crate::providers::wechat::error::Error;
use crate::providers::wechat::store::tokens::Issued;

/// Who asks for a token. An empty value counts as none. Not `Debug`: it holds a secret.
///
/// Documented: "Get access token", parameters.
#[derive(Default)]
pub(in super::super) struct Credentials {
    pub(in super::super) grant_type: Option<String>,
    pub(in super::super) appid: Option<String>,
    pub(in super::super) secret: Option<String>,
}

impl Credentials {
    /// From the query of `/cgi-bin/token`.
    ///
    /// Recorded: values in the body of a POST count as missing (a published transcript).
    pub(in super::super) fn from_query(raw: &str) -> Self {
        let pairs = query::pairs_lossy(raw);
        let value = |key| query::first(&pairs, key).filter(|value| !value.is_empty()).map(str::to_owned);
        Self { grant_type: value("grant_type"), appid: value("appid"), secret: value("secret") }
    }
}

/// The body of `/cgi-bin/stable_token`.
///
/// Documented: "Get stable access token", parameters.
pub(in super::super) struct StableToken {
    pub(in super::super) credentials: Credentials,
    /// Absent means no.
    pub(in super::super) force_refresh: bool,
}

impl TryFrom<Fields> for StableToken {
    type Error = Error;

    /// Assumed: a field of another type is a data format error; `null` counts as absent.
    fn try_from(fields: Fields) -> Result<Self, Error> {
        let text = |key| match fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(Error::DataFormat),
        };
        let force_refresh = match fields.get("force_refresh") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(force)) => *force,
            Some(Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(Error::DataFormat);
            }
        };
        let credentials =
            Credentials { grant_type: text("grant_type")?, appid: text("appid")?, secret: text("secret")? };
        Ok(Self { credentials, force_refresh })
    }
}

/// The answer of both.
///
/// Documented: keys in this order, and no `errcode`.
#[derive(Serialize)]
pub(in super::super) struct Token {
    access_token: String,
    /// Seconds. Recorded: silenceper keeps a token 1500 s less than this.
    expires_in: i64,
}

impl From<Issued> for Token {
    fn from(issued: Issued) -> Self {
        Self { access_token: issued.token, expires_in: issued.expires_in }
    }
}
