//! A command for `qrstack example`.

use super::{QRCODE_GENERATE as OPERATION, auth};
use crate::secret::Secret;
use crate::shell;
use crate::signing::percent_encode;
use crate::vendor::{Example, ExampleContext};

pub(super) const QRCODE_GENERATE: Example = Example { name: "cos", about: "draw a QR code", command: qrcode_generate };

/// Seconds that the signature holds; the same as Go and Java ask for.
const LIFETIME: i64 = 3600;

fn qrcode_generate(context: &ExampleContext<'_>) -> String {
    let config = context.config;
    let (id, key, token) = config.tencent_credentials.first().map_or(("", "", None), |credential| {
        (credential.id.as_str(), credential.key.expose(), credential.token.as_ref().map(Secret::expose))
    });
    let bucket = match config.cos_buckets.as_slice() {
        [first, ..] if !config.cos_buckets.contains(&config.cos_default_bucket) => first,
        _ => &config.cos_default_bucket,
    };
    let host = format!("{bucket}.cos.ap-beijing.myqcloud.com");
    let parameters =
        [("ci-process", OPERATION), ("qrcode-content", "https://www.example.com"), ("mode", "0"), ("width", "200")];
    let now = context.clock.unix_seconds();
    let sign_time = format!("{};{}", now - 60, now + LIFETIME);
    let authorization = auth::sign_get((id, key), &sign_time, &parameters, &host);

    let query: Vec<_> = parameters.iter().map(|(key, value)| format!("{key}={}", percent_encode(value))).collect();
    let token = token.map_or_else(String::new, |token| {
        format!(" \\\n  -H {}", shell::word(&format!("x-cos-security-token: {token}")))
    });
    format!(
        "curl -s {} \\\n  -H {} \\\n  -H {}{token}",
        shell::word(&format!("{}/?{}", context.base, query.join("&"))),
        shell::word(&format!("Host: {host}")),
        shell::word(&format!("Authorization: {authorization}")),
    )
}
