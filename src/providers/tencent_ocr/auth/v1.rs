//! HmacSHA1 and HmacSHA256, the older signatures: all parameters in the query of a `GET` or the form of a `POST`.
//!
//! Documented: "Signature v1". Recorded: vectors in `fixtures/vectors/tencent_ocr.json`.

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{check_time, check_token, known, shown, timestamp};
use crate::intake::{self, query};
use crate::providers::tencent_ocr::error::Error;
use crate::providers::tencent_ocr::received::Received;
use crate::secret::equal;
use crate::shared::Shared;
use crate::signing::{hmac_sha1, hmac_sha256};

/// Bytes of a request that an older signature covers. Documented: "Request Structure", 1 MB; recorded: what the real
/// gateway answers past it. Refused in strict mode alone, because a refusal helps nobody here.
const MAX_SIGNED: usize = 1 << 20;

type Pairs = [(String, String)];

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method1 {
    Sha1,
    Sha256,
}

impl Method1 {
    /// Documented: without `SignatureMethod` it is HmacSHA1.
    fn of(name: Option<&str>) -> Result<Self, Error> {
        match name {
            None | Some("HmacSHA1") => Ok(Self::Sha1),
            Some("HmacSHA256") => Ok(Self::Sha256),
            Some(_) => Err(Error::InvalidParameterValue("SignatureMethod".into())),
        }
    }

    pub(super) fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => hmac_sha1(key, message),
            Self::Sha256 => hmac_sha256(key, message),
        }
    }
}

/// What every request has, in its form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    pub(super) secret_id: &'a str,
    pub(super) timestamp: i64,
    pub(super) method: Method1,
    pub(super) signature: &'a str,
}

/// What must be there whoever calls.
pub(super) fn check_shape(pairs: &Pairs) -> Result<Shape<'_>, Error> {
    let required = |name: &'static str| query::first(pairs, name).ok_or_else(|| Error::MissingParameter(name.into()));
    let secret_id = required("SecretId")?;
    let timestamp = timestamp(required("Timestamp")?)?;
    // Recorded: up to 2^63 − 1 in Python and Go, far less elsewhere. No memory of what was used: the vendor documents none.
    required("Nonce")?.parse::<u64>().map_err(|_| Error::InvalidParameter("Nonce".into()))?;
    let signature = required("Signature")?;
    let method = Method1::of(query::first(pairs, "SignatureMethod"))?;
    Ok(Shape { secret_id, timestamp, method, signature })
}

/// Key, time, signature, token; gives the key's id.
pub(super) fn verify<'a>(received: &Received, pairs: &'a Pairs, shared: &Shared) -> Result<&'a str, Error> {
    let config = shared.config();
    let secret_id = query::first(pairs, "SecretId").filter(|id| !id.is_empty());
    let mut signed = known(shared, secret_id.ok_or(Error::MissingParameter("SecretId".into()))?)?;
    let shape = check_shape(pairs)?;
    check_time(shape.timestamp, shared.clock().of(shape.secret_id).unix_seconds())?;
    if config.ocr_strict && received.parts.method == Method::POST && received.body.len() > MAX_SIGNED {
        return Err(Error::SignatureOverSize);
    }
    let sent = shape.signature.as_bytes();
    let sources = source_texts(received, pairs, shared);
    signed.retain(|credential| {
        sources.iter().any(|source| equal(signature(shape.method, credential.key.expose(), source).as_bytes(), sent))
    });
    if signed.is_empty() {
        log_refusal(received, pairs, shared);
        return Err(Error::SignatureFailure);
    }
    check_token(&signed, query::first(pairs, "Token"))?;
    Ok(shape.secret_id)
}

/// All forms that an SDK may have signed this request in, likeliest first.
///
/// Recorded: all sign the host with its port and the path as sent; Python and Java put dots for the underscores of
/// names, the others do not.
fn source_texts(received: &Received, pairs: &Pairs, shared: &Shared) -> Vec<String> {
    let parts = &received.parts;
    let mut paths = vec![parts.uri.path()];
    paths.extend((parts.uri.path() != "/").then_some("/"));
    let mut spellings = vec![false];
    spellings.extend(pairs.iter().any(|(name, _)| name.contains('_')).then_some(true));
    let mut sources = Vec::new();
    for host in intake::hosts(parts, shared.config()) {
        for path in &paths {
            for dots in &spellings {
                sources.push(source_text(parts.method.as_str(), host, path, pairs, *dots));
            }
        }
    }
    sources
}

/// Step 1: method, host, path, and the decoded parameters by name. `dots`: underscores of names become dots.
fn source_text(method: &str, host: &str, path: &str, pairs: &Pairs, dots: bool) -> String {
    let mut sorted: Vec<_> = pairs.iter().filter(|(name, _)| name != "Signature").collect();
    sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
    let spell = |name: &str| if dots { name.replace('_', ".") } else { name.to_owned() };
    let joined: Vec<_> = sorted.into_iter().map(|(name, value)| format!("{}={value}", spell(name))).collect();
    format!("{method}{host}{path}?{}", joined.join("&"))
}

/// Step 2, in standard base64.
fn signature(method: Method1, secret_key: &str, source_text: &str) -> String {
    BASE64_STANDARD.encode(method.hmac(secret_key.as_bytes(), source_text.as_bytes()))
}

/// For clients whose signature does not fit: what it was compared with. No key, no token, no picture.
fn log_refusal(received: &Received, pairs: &Pairs, shared: &Shared) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    // The signature is no part of what is signed: taken out by its name, not masked.
    let shown: Vec<_> = pairs.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect();
    let source = source_texts(received, &shown, shared).into_iter().next();
    tracing::debug!(string_to_sign = source, "a signature does not fit");
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// A case of `fixtures/vectors/tencent_ocr.json`.
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        secret_key: String,
        method: String,
        target: String,
        signed_host: String,
        body: String,
        v1: Option<Steps>,
    }

    #[derive(Deserialize)]
    struct Steps {
        source_text: String,
        signature: String,
    }

    #[test]
    fn every_step_agrees_with_the_recorded_vectors() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../../../fixtures/vectors/tencent_ocr.json")).expect("vectors");
        let mut seen = 0;
        for vector in vectors {
            let Some(steps) = vector.v1 else { continue };
            let (path, query) = vector.target.split_once('?').unwrap_or((&vector.target, ""));
            let pairs = query::owned_pairs(if vector.method == "GET" { query } else { &vector.body }).expect("pairs");
            let source = source_text(&vector.method, &vector.signed_host, path, &pairs, false);
            assert_eq!(source, steps.source_text, "{}", vector.name);
            let shape = check_shape(&pairs).unwrap_or_else(|error| panic!("{}: {error:?}", vector.name));
            assert_eq!(signature(shape.method, &vector.secret_key, &source), steps.signature, "{}", vector.name);
            assert_eq!(query::first(&pairs, "Signature"), Some(steps.signature.as_str()), "{}", vector.name);
            seen += 1;
        }
        assert_eq!(seen, 3);
    }

    #[test]
    fn names_are_sorted_by_their_bytes_and_may_have_dots_for_underscores() {
        let pairs = query::owned_pairs("b_2=%26&a=1&Signature=x&B=%E4%BD%A0&b_1=").expect("pairs");
        assert_eq!(source_text("GET", "h:1", "/p", &pairs, false), "GETh:1/p?B=你&a=1&b_1=&b_2=&");
        assert_eq!(source_text("GET", "h:1", "/p", &pairs, true), "GETh:1/p?B=你&a=1&b.1=&b.2=&");
    }

    #[test]
    fn what_is_missing_or_of_the_wrong_type_is_named() {
        let missing = |name: &'static str| Err(Error::MissingParameter(name.into()));
        let whole = Shape { secret_id: "a", timestamp: 1, method: Method1::Sha1, signature: "s" };
        let wrong = |name: &'static str| Err(Error::InvalidParameter(name.into()));
        for (query, expected) in [
            ("", missing("SecretId")),
            ("SecretId=a", missing("Timestamp")),
            ("SecretId=a&Timestamp=x", wrong("Timestamp")),
            ("SecretId=a&Timestamp=1.5", wrong("Timestamp")),
            ("SecretId=a&Timestamp=1", missing("Nonce")),
            ("SecretId=a&Timestamp=1&Nonce=-1", wrong("Nonce")),
            ("SecretId=a&Timestamp=1&Nonce=18446744073709551616", wrong("Nonce")),
            ("SecretId=a&Timestamp=1&Nonce=18446744073709551615", missing("Signature")),
            ("SecretId=a&Timestamp=1&Nonce=0&Signature=s", Ok(Shape { ..whole })),
            (
                "SecretId=a&Timestamp=1&Nonce=0&Signature=s&SignatureMethod=HmacSHA256",
                Ok(Shape { method: Method1::Sha256, ..whole }),
            ),
            (
                "SecretId=a&Timestamp=1&Nonce=0&Signature=s&SignatureMethod=HmacMD5",
                Err(Error::InvalidParameterValue("SignatureMethod".into())),
            ),
        ] {
            assert_eq!(check_shape(&query::owned_pairs(query).expect("pairs")), expected, "{query}");
        }
    }
}
