//! cli.im (Caoliao) open API: reading the QR code behind a public picture address.
//!
//! Documented: "QR Code Scanning (via URL)", open API v1, read 2025-10; neighbouring pages of the same API for errors.
//! There is no SDK; clients are the vendor's samples and a Dify plugin.
//!
//! | part of the request | |
//! |---|---|
//! | `POST /api/v1/qrcode/scan_url`, also `/qrcode/scan_url` | honoured; other methods get code 405 |
//! | `Authorization: Bearer <key>` | honoured |
//! | `url`, in JSON or urlencoded | honoured |
//! | further fields | ignored |
//! | multipart body | refused with code 400 |
//! | `Upgrade: h2c` | ignored |
//!
//! Known difference: the numbers 401, 405, 429 and 1030–1032 are ours; the vendor publishes none for these cases.

mod auth;
mod error;
mod example;
mod routes;
mod wire;

use std::collections::HashMap;

use axum::http::request::Parts;
use url::Url;

use crate::codec::{encode, render};
use crate::domains::Domain;
use crate::fetch::StandIn;
use crate::shared::Shared;
use crate::vendor::{Claim, Door, Vendor};

/// The name of the one operation.
const SCAN_URL: &str = "scan_url";

/// The picture of the vendor's own sample; its code says `https://cli.im`.
pub(super) const SAMPLE_PICTURE: &str = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png";

/// cli.im.
pub const VENDOR: Vendor = Vendor {
    name: "cli_im",
    domains: &[Domain::new("open.cli.im")],
    places: |_, _| Vec::new(),
    migrations: &[],
    tables: &[],
    failures: error::failures,
    codes_elsewhere: &[],
    explain: |_, _, _| None,
    stand_ins,
    examples: &[example::SCAN_URL],
    openapi: include_str!("openapi.json"),
    claim,
    form: None,
    header_names: &[],
    open,
};

fn claim(parts: &Parts) -> Option<Claim> {
    let path = parts.uri.path();
    (path.starts_with("/api/") || path.starts_with("/qrcode/")).then_some(Claim::Path)
}

fn open(shared: &Shared) -> Door {
    Door {
        routes: routes::routes(shared.clone()),
        elsewhere: routes::elsewhere(),
        operation: |_: &Parts| SCAN_URL,
        forget: None,
        defect: |_| error::defect(),
        simulator: None,
    }
}

fn stand_ins() -> HashMap<Url, StandIn> {
    let url = Url::parse(SAMPLE_PICTURE).expect("the address is a constant and valid");
    HashMap::from([(url, StandIn::Drawn(sample_picture))])
}

fn sample_picture() -> Vec<u8> {
    let code = encode::qr("https://cli.im", &encode::QrOptions::default()).expect("a short text fits");
    render::png(&render::place(&code, 8, 264, 264))
}
