//! `/_qrstack/journal`: a page that follows the journal. It is the same for everybody and holds nothing; what it shows, it
//! asks the control API for, which says who may see it.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{Html, IntoResponse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("live/style.css");
const SCRIPT: &str = include_str!("live/script.js");

/// The page with its style and its script.
static PAGE: LazyLock<String> =
    LazyLock::new(|| include_str!("live/page.html").replace("STYLE", STYLE).replace("SCRIPT", SCRIPT));

/// Nothing runs on the page but its own script, which reaches nothing but this server.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; form-action 'none'; \
         frame-ancestors 'none'; base-uri 'none'",
        digest(SCRIPT),
        digest(STYLE)
    )
});

pub(super) async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(PAGE.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_script_and_the_style_that_its_policy_lets_run() {
        for (tag, text) in [("style", STYLE), ("script", SCRIPT)] {
            let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
            let within = PAGE.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).expect("it is there").0;
            assert_eq!(within, text);
            assert!(POLICY.contains(&BASE64_STANDARD.encode(Sha256::digest(within))));
        }
    }

    #[test]
    fn nothing_is_put_onto_the_page_as_markup() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(way), "{way}");
        }
    }
}
