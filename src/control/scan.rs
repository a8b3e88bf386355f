//! Scans: a user's phone, acted out.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::Control;
use super::area::Area;
use super::body::{self, Body, Query};
use super::error::Error;
use super::strict;
use crate::codec::Kinds;
use crate::intake::{self, form};
use crate::secret::Secret;
use crate::shared::DecodeError;
use crate::simulator::{Callback, Mode, Scan, ScanError, Scanned, Shown, ShownCallback, Simulator, Verified};

/// Bytes of a request that may carry a picture.
const MAX_BODY: usize = 12 << 20;

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/scan.json"))
        .post("/scan", scan)
        .get("/callbacks", callbacks)
        .put("/callbacks", set_callback)
        .delete("/callbacks", remove_callback)
        .post("/callbacks/verify", verify)
}

/// Who scans what: one of `ticket`, `url`, `scene` and `picture`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    ticket: Option<String>,
    url: Option<String>,
    scene: Option<String>,
    picture: Option<String>,
    credential: Option<String>,
    openid: Option<String>,
    follows: Option<bool>,
}

/// `POST /scan`.
async fn scan(State(control): State<Control>, request: Request) -> Result<Json<Scanned>, Error> {
    let (asked, picture) = if intake::content_type(request.headers()) == "multipart/form-data" {
        posted(&control, request).await?
    } else {
        let bytes = body::json_bytes(request, &control, MAX_BODY).await?;
        let asked: Asked = body::parse(&bytes)?;
        let picture = asked.picture.as_deref().map(|text| BASE64_STANDARD.decode(text.trim())).transpose();
        let picture = picture.map_err(|error| Error::invalid(format!("picture: no base64: {error}")))?;
        (asked, picture.map(Bytes::from))
    };
    let given = [asked.ticket.is_some(), asked.url.is_some(), asked.scene.is_some(), picture.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err(Error::invalid("give one of ticket, url, scene and picture"));
    }
    let code = match (asked.ticket, asked.url, asked.scene, picture) {
        (Some(ticket), ..) => Shown::Ticket(ticket),
        (_, Some(url), ..) => Shown::Texts(vec![url]),
        (_, _, Some(scene), _) => Shown::Scene(scene),
        (.., picture) => Shown::Texts(read(&control, picture.unwrap_or_default()).await?),
    };
    let credential = asked.credential.map(|name| control.account(&name)).transpose()?;
    let scan = Scan { code, credential, openid: asked.openid, follows: asked.follows };
    Ok(Json(control.simulator()?.scan(scan).await?))
}

/// The same in a form, whose part `picture` is the file.
async fn posted(control: &Control, request: Request) -> Result<(Asked, Option<Bytes>), Error> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let bytes = body::bytes(request, control, MAX_BODY).await?;
    let parts = form::parts(&content_type, bytes).map_err(|error| Error::malformed(error.to_string()))?;
    let (mut fields, mut picture) = (BTreeMap::new(), None);
    for part in parts {
        let taken = if part.name == "picture" {
            picture.replace(part.bytes).is_none()
        } else {
            let text =
                std::str::from_utf8(&part.bytes).map_err(|_| Error::invalid(format!("{}: no UTF-8", part.name)))?;
            fields.insert(part.name.clone(), text.to_owned()).is_none()
        };
        if !taken {
            return Err(Error::invalid(format!("{} is there more than once", part.name)));
        }
    }
    let asked = strict::texts(fields).map_err(|error| Error::invalid(error.to_string()))?;
    Ok((asked, picture))
}

/// The texts of the codes in a picture.
async fn read(control: &Control, picture: Bytes) -> Result<Vec<String>, Error> {
    let limits = control.shared.limits();
    let decoded = control.shared.decode(picture, limits, Kinds::ALL).await.map_err(|error| match error {
        DecodeError::Load(error) => Error::invalid(format!("picture: {error}")),
        DecodeError::Work(error) => Error::busy(error.to_string()),
    })?;
    if decoded.symbols.is_empty() {
        return Err(Error::invalid("picture: there is no code in it"));
    }
    Ok(decoded.symbols.into_iter().map(|symbol| symbol.text).collect())
}

/// All callbacks.
#[derive(Serialize)]
struct Callbacks {
    callbacks: Vec<ShownCallback>,
}

/// `GET /callbacks`.
async fn callbacks(State(control): State<Control>) -> Result<Json<Callbacks>, Error> {
    /// Callbacks that are listed.
    const LISTED: usize = 1000;
    let mut callbacks = control.simulator()?.callbacks();
    callbacks.truncate(LISTED);
    Ok(Json(Callbacks { callbacks }))
}

/// Where a customer is told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCallback {
    credential: String,
    url: String,
    token: String,
    #[serde(default)]
    encoding_aes_key: Option<String>,
    #[serde(default)]
    mode: Option<Mode>,
}

/// `PUT /callbacks`.
async fn set_callback(
    State(control): State<Control>,
    Body(new): Body<NewCallback>,
) -> Result<Json<ShownCallback>, Error> {
    let callback = Callback {
        credential: control.account(&new.credential)?,
        url: new.url,
        token: Secret::new(new.token),
        aes_key: new.encoding_aes_key.map(Secret::new),
        mode: new.mode,
    };
    Ok(Json(control.simulator()?.set_callback(callback)?))
}

/// Whose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    credential: String,
}

/// `DELETE /callbacks`.
async fn remove_callback(State(control): State<Control>, Query(of): Query<Of>) -> Result<StatusCode, Error> {
    let appid = control.account(&of.credential)?;
    if control.simulator()?.remove_callback(&appid) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::not_found(format!("{appid} has no callback")))
    }
}

/// `POST /callbacks/verify`.
async fn verify(State(control): State<Control>, Body(of): Body<Of>) -> Result<Json<Verified>, Error> {
    let appid = control.account(&of.credential)?;
    Ok(Json(control.simulator()?.verify(&appid).await?))
}

impl Control {
    pub(super) fn simulator(&self) -> Result<&dyn Simulator, Error> {
        let first = self.simulators.first().map(AsRef::as_ref);
        first.ok_or_else(|| Error::not_found("no vendor here has codes that users scan"))
    }

    /// The account that `name` stands for: of a set, the one in it.
    fn account(&self, name: &str) -> Result<String, Error> {
        let credentials = self.shared.credentials();
        let ids = self.scope(Some(name))?.unwrap_or_default();
        let account = ids.iter().find(|id| credentials.app(id).is_some()).or_else(|| ids.first());
        Ok(account.map_or_else(|| name.to_owned(), |id| id.as_ref().to_owned()))
    }
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        let message = error.to_string();
        match error {
            ScanError::NoSuchCode => Self::new(StatusCode::NOT_FOUND, "no_such_code", message),
            ScanError::Expired => Self::new(StatusCode::GONE, "code_expired", message),
            ScanError::NoCallback { .. } => Self::new(StatusCode::CONFLICT, "no_callback", message),
            ScanError::BadCallback(_) | ScanError::BadUser(_) => Self::invalid(message),
            ScanError::Store => Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", message),
        }
    }
}
