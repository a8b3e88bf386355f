//! WeChat: reading codes in a picture, creating parameter QR codes and showing them, and the tokens that both need.
//!
//! Documented: "QR Code / Barcode Identification", "Generate QR code with parameters", "Get access token", "Get stable
//! access token", "Global return codes", read 2025-12. Recorded: fourteen SDKs against a loopback server.
//!
//! | part of a request | |
//! |---|---|
//! | `/cgi-bin/token`, by GET or POST | honoured; the values count in the query alone |
//! | `/cgi-bin/stable_token`, by POST | honoured, `force_refresh` too |
//! | `/cv/img/qrcode`, by GET or POST | honoured: `img_url` in query or form, else a part of the form |
//! | `/cgi-bin/qrcode/create`, by POST | honoured: four actions; JSON whatever the content type says |
//! | `/cgi-bin/showqrcode`, by GET or HEAD | honoured; a token is ignored, and so is `Range` |
//! | `access_token`, `cloudbase_access_token` in the query | honoured; in a header or body it counts as missing |
//! | `expire_seconds` of a permanent code | ignored |
//! | plain http | accepted; the vendor refuses it with 43003 |
//! | every other path under `/cgi-bin/`, `/cv/` | refused with 40066 |
//!
//! The rooms are those of every door; besides, `store/` holds this vendor's tables, `ticket.rs` the byte layout of
//! tickets, and `simulator.rs` and `callback/` what happens where a user scans a code.
//!
//! Known differences: mini-program codes (`WX_CODE`) are not read; scan events are sent where the control API asks for
//! it, in XML alone; the vendor's daily quotas are off unless they are set.

mod auth;
mod callback;
mod error;
mod example;
mod routes;
mod simulator;
mod store;
mod ticket;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::request::Parts;

use crate::domains::Domain;
use crate::shared::Shared;
use crate::vendor::{Claim, Door, Vendor};

/// Documented: the interface domain page. The pictures of codes are at `mp`.
const DOMAINS: &[Domain] = &[
    Domain::new("api.weixin.qq.com"),
    Domain::new("mp.weixin.qq.com"),
    Domain::new("api2.weixin.qq.com"),
    Domain::new("sh.api.weixin.qq.com"),
    Domain::new("sz.api.weixin.qq.com"),
    Domain::new("hk.api.weixin.qq.com"),
];

/// WeChat.
pub const VENDOR: Vendor = Vendor {
    name: "wechat",
    domains: DOMAINS,
    places: |_, _| Vec::new(),
    migrations: store::MIGRATIONS,
    tables: store::TABLES,
    failures: error::failures,
    codes_elsewhere: &[error::INVALID_URL],
    explain: |_, _, _| None,
    stand_ins: HashMap::new,
    examples: &[example::SCAN, example::CREATE],
    openapi: include_str!("openapi.json"),
    claim,
    form: None,
    // Documented: the page's example of `showqrcode`.
    header_names: &["Cache-control"],
    open,
};

fn claim(parts: &Parts) -> Option<Claim> {
    let path = parts.uri.path();
    (path.starts_with("/cgi-bin/") || path.starts_with("/cv/")).then_some(Claim::Path)
}

fn open(shared: &Shared) -> Door {
    let simulator = Arc::new(simulator::Wechat::new(shared.clone()));
    Door {
        routes: routes::routes(shared.clone()),
        elsewhere: routes::elsewhere(shared.clone()),
        operation: |parts: &Parts| Operation::of(parts.uri.path()).map_or("unknown", Operation::name),
        forget: {
            let simulator = Arc::clone(&simulator);
            Some(Arc::new(move |credentials| simulator.forget(credentials)))
        },
        defect: error::defect,
        simulator: Some(simulator),
    }
}

/// What can be asked of WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Token,
    StableToken,
    Scan,
    Create,
    Show,
}

impl Operation {
    const ALL: [Self; 5] = [Self::Token, Self::StableToken, Self::Scan, Self::Create, Self::Show];

    /// The path on the wire.
    const fn path(self) -> &'static str {
        match self {
            Self::Token => "/cgi-bin/token",
            Self::StableToken => "/cgi-bin/stable_token",
            Self::Scan => "/cv/img/qrcode",
            Self::Create => "/cgi-bin/qrcode/create",
            Self::Show => "/cgi-bin/showqrcode",
        }
    }

    /// The name in logs and settings.
    const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::StableToken => "stable_token",
            Self::Scan => "img/qrcode",
            Self::Create => "qrcode/create",
            Self::Show => "showqrcode",
        }
    }

    /// The fields that hold a text which a call is about.
    const fn content(self) -> &'static [&'static str] {
        match self {
            Self::Token | Self::StableToken => &[],
            Self::Scan => &["img_url"],
            Self::Create => &["scene_str", "scene_id"],
            Self::Show => &["ticket", "scene_str", "scene_id"],
        }
    }

    fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.path() == path)
    }
}
