//! Commands for `qrstack example`, signed at the moment they are printed.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use super::action::{Action, VERSION};
use super::auth::tc3;
use crate::codec::{encode, render};
use crate::secret::Secret;
use crate::shell;
use crate::vendor::{Example, ExampleContext};

pub(super) const QRCODE_OCR: Example =
    Example { name: "ocr", about: "read the codes in a picture sent as base64", command: qrcode_ocr };

pub(super) const QUERY_BAR_CODE: Example =
    Example { name: "barcode", about: "look a product up by its bar code", command: query_bar_code };

fn qrcode_ocr(context: &ExampleContext<'_>) -> String {
    let code = encode::qr("Hello from qrstack", &encode::QrOptions::default()).expect("a short text fits");
    let side = (code.width() as u32 + 8) * 4;
    let picture = BASE64_STANDARD.encode(render::png(&render::place(&code, 4, side, side)));
    command(context, Action::QrcodeOcr, &format!(r#"{{"ImageBase64":"{picture}"}}"#))
}

fn query_bar_code(context: &ExampleContext<'_>) -> String {
    command(context, Action::QueryBarCode, r#"{"BarCode":"6941858722888"}"#)
}

fn command(context: &ExampleContext<'_>, action: Action, body: &str) -> String {
    let credential = context.config.tencent_credentials.first();
    let (id, key) = credential.map_or(("", ""), |credential| (&credential.id, credential.key.expose()));
    let token = credential.and_then(|credential| credential.token.as_ref()).map(Secret::expose);
    let moment = context.clock.now();
    let headers = [
        ("Authorization", tc3::authorization(id, key, &host(context.base), body, moment)),
        ("Content-Type", "application/json".to_owned()),
        ("X-TC-Action", action.name().to_owned()),
        ("X-TC-Version", VERSION.to_owned()),
        ("X-TC-Timestamp", moment.as_second().to_string()),
        ("X-TC-Region", "ap-guangzhou".to_owned()),
    ];
    let headers = headers.into_iter().chain(token.map(|token| ("X-TC-Token", token.to_owned())));
    let headers = headers.map(|(name, value)| format!(" \\\n  -H {}", shell::word(&format!("{name}: {value}"))));
    format!("curl -s {}/{} \\\n  -d {}", context.base, headers.collect::<String>(), shell::word(body))
}

/// What curl sends as `Host` to `base`: the port only where it is not the scheme's own.
fn host(base: &str) -> String {
    let Ok(url) = Url::parse(base) else { return String::new() };
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_curl_sends() {
        for (base, expected) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost:80", "localhost"),
            ("https://ocr.example", "ocr.example"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(host(base), expected, "{base}");
        }
    }
}
