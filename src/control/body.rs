//! What requests carry: a JSON body, a query, a name in the path. Fields that a request does not have are refused by
//! their name (its type says `deny_unknown_fields`), so that a typo in a test does not pass.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::Control;
use super::error::Error;
use super::strict;
use crate::intake::{self, BodyError, query};

/// Bytes of a JSON body, where an area does not take more.
const MAX_BODY: usize = 1 << 20;

/// A JSON body; an empty one is `{}`.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Control> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Error> {
        let bytes = json_bytes(request, control, MAX_BODY).await?;
        parse(&bytes).map(Self)
    }
}

/// The bytes of a JSON body of at most `limit` bytes.
pub(super) async fn json_bytes(request: Request, control: &Control, limit: usize) -> Result<Bytes, Error> {
    let content_type = intake::content_type(request.headers());
    let bytes = bytes(request, control, limit).await?;
    // Forms are what pages of other origins can send without being asked.
    if !bytes.is_empty() && content_type != "application/json" {
        let message = "a body comes with `Content-Type: application/json`";
        return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    Ok(bytes)
}

/// The bytes of a body of any kind, at most `limit` of them.
pub(super) async fn bytes(request: Request, control: &Control, limit: usize) -> Result<Bytes, Error> {
    control.shared.intake().body(request.into_body(), limit).await.map_err(|error| match error {
        BodyError::TooLarge { limit } => {
            let message = format!("the body has more than {limit} bytes");
            Error::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        }
        BodyError::Broken(_) => Error::malformed("the body did not arrive as a whole"),
        BodyError::NoRoom => {
            let message = "there is no memory for the body just now; see QRSTACK_BODY_MEMORY_MIB";
            Error::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
        }
    })
}

/// Reads JSON; nothing is `{}`.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).and_then(strict::json).map_err(|error| match error.classify() {
        Category::Data => Error::invalid(error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => Error::malformed(error.to_string()),
    })
}

/// The parameters of a query, each at most once.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Control> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Control) -> Result<Self, Error> {
        let pairs = query::owned_pairs(parts.uri.query().unwrap_or_default())
            .map_err(|_| Error::malformed("the query is not percent-encoded UTF-8"))?;
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            if fields.insert(name.clone(), value).is_some() {
                return Err(Error::invalid(format!("{name} stands in the query more than once")));
            }
        }
        strict::texts(fields).map(Self).map_err(|error| Error::invalid(error.to_string()))
    }
}

/// For `deserialize_with`, beside `default`: a field that may be absent, and is no `null` where it is there.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A number that has bounds.
pub(super) fn within(name: &str, number: usize, bounds: RangeInclusive<usize>) -> Result<usize, Error> {
    let (least, most) = (bounds.start(), bounds.end());
    let message = || Error::invalid(format!("{name}: {number} is not from {least} to {most}"));
    if bounds.contains(&number) { Ok(number) } else { Err(message()) }
}

/// A name in the path, decoded.
pub(super) struct Name(pub(super) String);

impl FromRequestParts<Control> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Error> {
        let name = Path::<String>::from_request_parts(parts, control).await;
        name.map(|Path(name)| Self(name)).map_err(|_| Error::malformed("the path is not percent-encoded UTF-8"))
    }
}
