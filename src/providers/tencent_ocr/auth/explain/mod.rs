//! Why a signature of Tencent Cloud was refused: the request is signed again with each mistake that clients make, until one
//! gives the signature that was sent. What it is made of is `tc3.rs` and `v1.rs`.

mod tc3;
mod v1;

use axum::http::request::Parts;

use super::super::received::{is_tc3, v1_pairs};
use super::{WINDOW, shown};
use crate::explain::{self, Context, Explanation, Mistake};
use crate::intake::query;

/// Names that a client may have signed for, wherever it sent the request.
const NAMES: [&str; 7] = [
    "ocr.tencentcloudapi.com",
    "ocr.ap-guangzhou.tencentcloudapi.com",
    "ocr.ap-beijing.tencentcloudapi.com",
    "ocr.ap-shanghai.tencentcloudapi.com",
    "ocr.intl.tencentcloudapi.com",
    "localhost",
    "127.0.0.1",
];

/// Explains a request that carries a signature of either kind; `None` where it carries none.
pub(in super::super) fn explain(parts: &Parts, body: &[u8], context: &Context<'_>) -> Option<Explanation> {
    if is_tc3(&parts.headers) {
        return tc3::explain(parts, body, context);
    }
    let pairs = v1_pairs(parts, body).ok()?;
    query::first(&pairs, "SecretId").or_else(|| query::first(&pairs, "Signature"))?;
    Some(v1::explain(parts, &pairs, context))
}

/// Hosts to try: the vendor's own, and those of the settings.
fn other_hosts(sent: &str, context: &Context<'_>) -> Vec<(String, Mistake)> {
    let names = NAMES.into_iter().chain(context.config.public_hosts.iter().map(String::as_str));
    explain::other_hosts(sent, names)
}

fn check_time(timestamp: i64, secret_id: &str, context: &Context<'_>) -> Option<Mistake> {
    let now = context.clock.of(secret_id).unix_seconds();
    explain::skewed_clock(timestamp, now, i64::try_from(WINDOW).unwrap_or(i64::MAX))
}

/// A query for people: nothing secret, and no picture.
fn shown_query(query: &str) -> String {
    let pair = |piece: &str| match piece.split_once('=') {
        Some((name, value)) => format!("{name}={}", shown(name, value)),
        None => shown("", piece),
    };
    query.split('&').map(pair).collect::<Vec<_>>().join("&")
}
