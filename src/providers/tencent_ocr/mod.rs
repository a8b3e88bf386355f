//! Tencent Cloud API 3.0, service `ocr`, version 2018-11-19: `QrcodeOCR` and `QueryBarCode`.
//!
//! Documented: the two action pages (2021-03-26 and 2020-12-17), the newer API models, "Signature v3", "Signature v1",
//! "Request Structure", "Responses" and "Common Error Codes". Recorded: the Python, Node.js, Go, Java and PHP SDKs and
//! tccli, see `fixtures/captures/tencent_ocr`.
//!
//! | part of the request | |
//! |---|---|
//! | any path, `GET` and `POST` | honoured; other methods get `UnsupportedProtocol` |
//! | TC3-HMAC-SHA256, signed and unsigned payload | honoured |
//! | HmacSHA1 and HmacSHA256 in the query or a form | honoured |
//! | `Authorization: SKIP` | refused (the two actions need a key), unless `auth` is `open` |
//! | JSON, multipart, urlencoded parameters | honoured; an octet-stream carries none |
//! | `X-TC-Action`, `-Version`, `-Timestamp`, `-Region`, `-Token`, `-Language`, `-TraceId`, `-Content-SHA256` | honoured |
//! | `X-TC-RequestClient`, `Nonce` beyond its type | ignored |
//! | `ImageBase64`, `ImageUrl` | honoured; the address wins |
//! | `BarCode` | honoured |
//! | unknown parameters | ignored, or refused by a setting |
//!
//! Known differences: mini-program codes (`WX_CODE`) and PDF files are not read; `QueryBarCode`, which the vendor has
//! shut down, answers from a catalogue of our own.

mod action;
mod auth;
pub mod catalog;
mod error;
mod example;
mod pace;
mod parameters;
mod received;
mod routes;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::http::request::Parts;

use pace::Pace;

use crate::domains::Domain;
use crate::intake::{self, query};
use crate::shared::Shared;
use crate::vendor::{Claim, Door, Form, Vendor};

/// Bytes of a body: 11 MiB, so that 10 MiB of base64 and the JSON around it fit.
///
/// Assumed: the documented bound of version 3 requests is 10 MB; a picture over its own limit is to be named as such.
const MAX_BODY: usize = 11_534_336;

/// Tencent Cloud OCR.
pub const VENDOR: Vendor = Vendor {
    name: "tencent_ocr",
    domains: &[Domain::new("ocr.tencentcloudapi.com"), Domain::new("ocr.<region>.tencentcloudapi.com")],
    // Recorded: where SDKs go on after failures.
    places: |_, _| vec!["ap-guangzhou".to_owned()],
    migrations: catalog::MIGRATIONS,
    tables: &[],
    failures: error::failures,
    codes_elsewhere: &[],
    explain: auth::explain,
    stand_ins: HashMap::new,
    examples: &[example::QRCODE_OCR, example::QUERY_BAR_CODE],
    openapi: include_str!("openapi.json"),
    claim,
    form: Some(Form { max_bytes: MAX_BODY, is_mine: received::has_action }),
    header_names: &["X-TC-RequestId", "X-TC-TraceId"],
    open,
};

/// `Action` in the query, a header or an authorization of version 3; a form of version 1 has its `Action` in its body.
fn claim(parts: &Parts) -> Option<Claim> {
    let pairs = query::pairs_lossy(parts.uri.query().unwrap_or_default());
    let is_tencent_cloud = parts.headers.keys().any(|name| name.as_str().starts_with("x-tc-"));
    if query::first(&pairs, "Action").is_some() || is_tencent_cloud || received::is_tc3(&parts.headers) {
        return Some(Claim::Mark);
    }
    let is_form = intake::content_type(&parts.headers) == "application/x-www-form-urlencoded";
    (parts.method == Method::POST && is_form).then_some(Claim::Form)
}

fn open(shared: &Shared) -> Door {
    let pace = Arc::<Pace>::default();
    Door {
        // The vendor has one path, `/`, and shares it: who owns a request is decided by what it carries.
        routes: Router::new(),
        elsewhere: routes::routes(shared.clone(), Arc::clone(&pace)),
        operation: received::operation,
        forget: Some(Arc::new(move |credentials| {
            pace.forget(|secret_id| credentials.is_none_or(|meant| meant.iter().any(|id| id.as_ref() == secret_id)));
        })),
        defect: |shared| wire::Frame::bare(shared).close(Err(error::Error::InternalError)),
        simulator: None,
    }
}
