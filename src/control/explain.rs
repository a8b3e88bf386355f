//! Signatures, explained: why a request would be refused, or was.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::Control;
use super::area::Area;
use super::body::{self, json_bytes};
use super::clock::Moment;
use super::error::Error;
use crate::clock::Clock;
use crate::explain::{self, Explained};
use crate::vendor;

/// Bytes of the body.
const MAX_BODY: usize = 16 << 20;

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/explain.json")).post("/explain", explain)
}

/// A request as it is on the wire, in one of two forms, and when it is judged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    request: Option<String>,
    #[serde(default)]
    request_base64: Option<String>,
    #[serde(default)]
    at: Option<Moment>,
}

/// `POST /explain`.
async fn explain(State(control): State<Control>, request: axum::extract::Request) -> Result<Json<Explained>, Error> {
    let bytes = json_bytes(request, &control, MAX_BODY).await?;
    let asked: Asked = body::parse(&bytes)?;
    let raw = match (asked.request, asked.request_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => {
            let decoded = BASE64_STANDARD.decode(text.trim());
            decoded.map_err(|error| Error::invalid(format!("request_base64: no base64: {error}")))?
        }
        (None, None) | (Some(_), Some(_)) => return Err(Error::invalid("give one of request and request_base64")),
    };
    let clock = asked.at.map(|Moment(moment)| Clock::fixed(moment.as_second()));
    let (shared, vendors) = (control.shared.clone(), control.vendors);
    let judge = move || {
        let context = shared.explaining();
        let context = explain::Context { clock: clock.as_ref().unwrap_or(context.clock), ..context };
        vendor::explain(vendors, &raw, &context).map(Json).map_err(Error::invalid)
    };
    control.shared.intake().aside(bytes.len(), judge).await
}
