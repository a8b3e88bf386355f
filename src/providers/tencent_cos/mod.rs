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
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::config::Config;
use crate::domains::Domain;
use crate::intake::{named_host, query, without_port};
use crate::shared::Shared;
use crate::vendor::{Claim, Door, Vendor};

/// The name of the one operation, and the value of `ci-process` that asks for it.
const QRCODE_GENERATE: &str = "qrcode-generate";

/// Documented: host names of COS and of Cloud Infinite. Recorded: what the SDKs make of bucket and region, and where some go
/// on after failures (`tencentcos.cn`, `tencentci.cn`).
const DOMAINS: &[Domain] = &[
    Domain::new("<bucket>.cos.<region>.myqcloud.com"),
    Domain::new("cos.<region>.myqcloud.com"),
    Domain::new("<bucket>.ci.<region>.myqcloud.com"),
    Domain::new("<bucket>.pic.<region>.myqcloud.com"),
    Domain::new("<bucket>.cos.<region>.tencentcos.cn"),
    Domain::new("<bucket>.ci.<region>.tencentci.cn"),
];

/// Tencent COS.
pub const VENDOR: Vendor = Vendor {
    name: "tencent_cos",
    domains: DOMAINS,
    places,
    migrations: &[],
    tables: &[],
    failures: error::failures,
    codes_elsewhere: &[],
    explain: auth::explain,
    stand_ins: HashMap::new,
    examples: &[example::QRCODE_GENERATE],
    openapi: include_str!("openapi.json"),
    claim,
    form: None,
    header_names: &["x-cos-request-id", "x-ci-request-id", "x-cos-trace-id"],
    open,
};

/// The buckets of the settings, in the regions that samples name most.
fn places(config: &Config, place: &str) -> Vec<String> {
    match place {
        "bucket" if config.cos_buckets.is_empty() => vec![config.cos_default_bucket.clone()],
        "bucket" => config.cos_buckets.clone(),
        _ => ["ap-beijing", "ap-guangzhou", "ap-shanghai"].map(str::to_owned).into(),
    }
}

/// `ci-process` is a mark of its own; other calls of COS are known by their signature or their host.
fn claim(parts: &Parts) -> Option<Claim> {
    let authorization = parts.headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let mut is_signed = authorization.starts_with(b"q-sign-algorithm");
    for (key, _) in query::each_lossy(parts.uri.query().unwrap_or_default()) {
        match &*key {
            wire::CI_PROCESS => return Some(Claim::Mark),
            "q-sign-algorithm" | "sign" => is_signed = true,
            _ => {}
        }
    }
    (is_signed || is_cos_host(named_host(parts))).then_some(Claim::Trace)
}

/// Whether a host looks like one of COS, whatever the bucket's name: `<bucket>.cos.<region>…`, or `ci`, or `pic`.
fn is_cos_host(host: &str) -> bool {
    let mut labels = without_port(host).split('.').skip(1);
    let is_service = |label: &str| ["cos", "ci", "pic"].iter().any(|service| service.eq_ignore_ascii_case(label));
    labels.next().is_some_and(is_service) && labels.next().is_some()
}

fn open(shared: &Shared) -> Door {
    // COS has no paths of its own: a path is an object's name, and what the query says decides.
    Door {
        routes: Router::new(),
        elsewhere: routes::elsewhere(shared.clone()),
        operation,
        forget: None,
        defect: routes::defect,
        simulator: None,
    }
}

fn operation(parts: &Parts) -> &'static str {
    let process = query::last_lossy(parts.uri.query().unwrap_or_default(), wire::CI_PROCESS);
    if process.is_some_and(|process| process == QRCODE_GENERATE) { QRCODE_GENERATE } else { "other" }
}
