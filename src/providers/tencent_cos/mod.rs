//! Tencent COS, Cloud Infinite: drawing a QR code or a bar code with `ci-process=qrcode-generate`.
//!
//! Documented: "Generating Image QR Codes" (2025-09-09) and "Request Signature" of COS. Recorded: the SDKs for Python
//! 1.9.44, Node.js 3.0.0, Go 0.7.75, Java 5.6.269 and PHP 2.6.16, under `fixtures/captures/tencent_cos`.
//!
//! | part of the request | |
//! |---|---|
//! | `GET`, `HEAD` on any path with `ci-process=qrcode-generate` | honoured; other methods get `MethodNotAllowed` |
//! | another `ci-process` | refused with `InvalidArgument` |
//! | any other call of COS | refused with `NotImplemented` |
//! | `qrcode-content` | honoured, literally: angle brackets stay |
//! | `mode` | honoured: 0 is a QR Code, 1 is Code 128 |
//! | `width` | honoured; where whole modules do not fit, the picture is wider, or refused by a setting |
//! | `Authorization`, `q-sign-…` in the query, `sign` in the query | honoured, in this order |
//! | `x-cos-security-token`, `x-ci-security-token` | compared where the key has a token, else ignored |
//! | `Host` | honoured in signatures, and for the bucket |
//! | further parameters and headers, a body | ignored |
//!
//! Known differences: the vendor publishes no picture, so format, symbology, error correction and quiet zone are ours;
//! objects, other media processing and permissions do not exist.

mod auth;
mod error;
mod example;
mod routes;
mod wire;

use std::collections::HashMap;

use axum::Router;
use axum::http::request::Parts;

use crate::intake::query;
use crate::providers::{Door, Vendor};
use crate::shared::Shared;

/// The name of the one operation, and the value of `ci-process` that asks for it.
const QRCODE_GENERATE: &str = "qrcode-generate";

/// Tencent COS.
pub const VENDOR: Vendor = Vendor {
    name: "tencent_cos",
    migrations: &[],
    forceable: error::forceable,
    stand_ins: HashMap::new,
    examples: &[example::QRCODE_GENERATE],
    open,
};

fn open(shared: &Shared) -> Door {
    // COS has no paths of its own: a path is an object's name, and what the query says decides.
    Door { routes: Router::new(), elsewhere: routes::elsewhere(shared.clone()), operation, defect: routes::defect }
}

fn operation(parts: &Parts) -> &'static str {
    let pairs = query::pairs_lossy(parts.uri.query().unwrap_or_default());
    if query::last(&pairs, wire::CI_PROCESS) == Some(QRCODE_GENERATE) { QRCODE_GENERATE } else { "other" }
}
