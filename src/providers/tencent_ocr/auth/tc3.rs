//! TC3-HMAC-SHA256.
//!
//! Documented: "Signature v3", read 2025-10. Recorded: what the SDKs sign where the page is silent; vectors in
//! `fixtures/vectors/tencent_ocr.json`.

use axum::http::Method;
use axum::http::request::Parts;
use jiff::Timestamp;

use super::{check_time, check_token, known, shown, timestamp};
use crate::intake;
use crate::providers::tencent_ocr::error::Error;
use crate::providers::tencent_ocr::received::{Received, header};
use crate::secret::equal;
use crate::shared::Shared;
use crate::signing::{hmac_sha256, lower_hex, sha256_hex};

pub(super) const ALGORITHM: &str = "TC3-HMAC-SHA256";
pub(super) const TERMINATOR: &str = "tc3_request";
/// The value of `X-TC-Content-SHA256` that stands for a body that is not signed.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The header `Authorization`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) secret_id: &'a str,
    /// `2023-11-14`.
    pub(super) date: &'a str,
    /// `ocr`, or whatever the SDK made of its endpoint: the first label of a host.
    pub(super) service: &'a str,
    /// Names in lower case, divided by `;`.
    pub(super) signed_headers: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Parts in any order, with or without white space between them.
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=')?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        let mut scope = credential?.split('/');
        let (secret_id, date, service) = (scope.next()?, scope.next()?, scope.next()?);
        if scope.next()? != TERMINATOR || scope.next().is_some() || secret_id.is_empty() {
            return None;
        }
        let signed_headers: &str = signed_headers?;
        let lists = |name: &str| signed_headers.split(';').any(|listed| listed == name);
        // Documented: these two are always signed.
        (lists("content-type") && lists("host")).then_some(Self {
            secret_id,
            date,
            service,
            signed_headers,
            signature: signature?,
        })
    }

    fn scope(&self) -> String {
        format!("{}/{}/{TERMINATOR}", self.date, self.service)
    }
}

/// The header `Authorization`, which must be there whoever calls.
pub(super) fn parsed(received: &Received) -> Result<Authorization<'_>, Error> {
    let authorization = header(&received.parts.headers, "authorization").and_then(Authorization::parse);
    authorization.ok_or(Error::InvalidAuthorization)
}

/// The timestamp, which must be there whoever calls: as sent, and as a number.
fn moment(received: &Received) -> Result<(&str, i64), Error> {
    let sent = received.common("Timestamp").ok_or(Error::MissingParameter("Timestamp".into()))?;
    Ok((sent, timestamp(sent)?))
}

/// What must be there whoever calls: the header and the timestamp, in their forms.
pub(super) fn check_shape(received: &Received) -> Result<(Authorization<'_>, i64), Error> {
    let authorization = parsed(received)?;
    Ok((authorization, moment(received)?.1))
}

/// Key, time, signature, token; gives the key's id.
pub(super) fn verify<'a>(received: &'a Received, shared: &Shared) -> Result<&'a str, Error> {
    let authorization = parsed(received)?;
    let mut signed = known(shared, authorization.secret_id)?;
    let (sent_timestamp, timestamp) = moment(received)?;
    check_time(timestamp, shared.clock().of(authorization.secret_id).unix_seconds())?;

    let request = Request::of(received, &authorization);
    let strings: Vec<String> = request
        .canonical_forms(&intake::hosts(&received.parts, shared.config()))
        .iter()
        .map(|canonical| string_to_sign(sent_timestamp, &authorization.scope(), canonical))
        .collect();
    let refuse = |reason| {
        request.log_refusal(shared, strings.first(), reason);
        Err(Error::SignatureFailure)
    };
    if !is_utc_date(authorization.date, timestamp) {
        return refuse("the credential's date is not the UTC day of the timestamp");
    }
    signed.retain(|credential| {
        let [.., key] = keys(credential.key.expose(), authorization.date, authorization.service);
        strings.iter().any(|string| equal(signature(&key, string).as_bytes(), authorization.signature.as_bytes()))
    });
    if signed.is_empty() {
        return refuse("a signature does not fit");
    }
    check_token(&signed, received.common("Token"))?;
    Ok(authorization.secret_id)
}

pub(super) fn is_utc_date(date: &str, timestamp: i64) -> bool {
    Timestamp::from_second(timestamp).is_ok_and(|moment| moment.strftime("%Y-%m-%d").to_string() == date)
}

/// What is signed of a request, whatever its host.
struct Request<'a> {
    parts: &'a Parts,
    signed_headers: &'a str,
    payload_hash: String,
}

impl<'a> Request<'a> {
    fn of(received: &'a Received, authorization: &Authorization<'a>) -> Self {
        let parts = &received.parts;
        let payload: &[u8] = if header(&parts.headers, "x-tc-content-sha256") == Some(UNSIGNED) {
            UNSIGNED.as_bytes()
        } else if parts.method == Method::GET {
            b""
        } else {
            &received.body
        };
        Self { parts, signed_headers: authorization.signed_headers, payload_hash: sha256_hex(payload) }
    }

    /// All forms that an SDK may have signed this request in, likeliest first.
    ///
    /// Recorded: Node.js signs the host without its port, Go signs `/` whatever path it sends. Documented: the page
    /// lower-cases header values, which no SDK does.
    fn canonical_forms(&self, hosts: &[&str]) -> Vec<String> {
        let path = self.parts.uri.path();
        let mut paths = vec![path];
        paths.extend((path != "/").then_some("/"));
        let query = self.parts.uri.query().unwrap_or_default();

        let mut canonical = Vec::new();
        for host in hosts {
            let as_sent = self.headers(host, |_, value| value.to_owned());
            let lower = as_sent.to_lowercase();
            let mut spellings = vec![as_sent];
            spellings.extend((lower != spellings[0]).then_some(lower));
            for headers in &spellings {
                canonical.extend(paths.iter().map(|path| self.canonical(path, query, headers)));
            }
        }
        canonical
    }

    /// A line for each signed header, values trimmed; `show` makes of a name and its value what stands there.
    fn headers(&self, host: &str, show: impl Fn(&str, &str) -> String) -> String {
        let mut lines = String::new();
        for name in self.signed_headers.split(';') {
            let value = if name == "host" { host } else { header(&self.parts.headers, name).unwrap_or_default() };
            lines.extend([name, ":", &show(name, value.trim()), "\n"]);
        }
        lines
    }

    fn canonical(&self, path: &str, query: &str, headers: &str) -> String {
        canonical_request(self.parts.method.as_str(), path, query, headers, self.signed_headers, &self.payload_hash)
    }

    /// For clients whose signature does not fit: what it was compared with. No key, no token, no picture.
    fn log_refusal(&self, shared: &Shared, string_to_sign: Option<&String>, reason: &'static str) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let hosts = intake::hosts(self.parts, shared.config());
        let headers = self.headers(hosts.first().copied().unwrap_or_default(), shown);
        let pair = |piece: &str| match piece.split_once('=') {
            Some((name, value)) => format!("{name}={}", shown(name, value)),
            None => shown("", piece),
        };
        let query = self.parts.uri.query().unwrap_or_default().split('&').map(pair).collect::<Vec<_>>().join("&");
        let canonical_request = self.canonical(self.parts.uri.path(), &query, &headers);
        tracing::debug!(canonical_request, string_to_sign, reason, "a signature is refused");
    }
}

/// Step 1. `headers` ends in a line break; `query` is the raw one.
pub(super) fn canonical_request(
    method: &str,
    path: &str,
    query: &str,
    headers: &str,
    signed_headers: &str,
    payload_hash: &str,
) -> String {
    [method, path, query, headers, signed_headers, payload_hash].join("\n")
}

/// Step 2.
fn string_to_sign(timestamp: &str, scope: &str, canonical_request: &str) -> String {
    [ALGORITHM, timestamp, scope, &sha256_hex(canonical_request.as_bytes())].join("\n")
}

/// Step 3: the keys of the day, of the service, and for signing.
fn keys(secret_key: &str, date: &str, service: &str) -> [Vec<u8>; 3] {
    let day = hmac_sha256(format!("TC3{secret_key}").as_bytes(), date.as_bytes());
    let of_service = hmac_sha256(&day, service.as_bytes());
    let signing = hmac_sha256(&of_service, TERMINATOR.as_bytes());
    [day, of_service, signing]
}

/// Step 4, in lower-case hexadecimal.
fn signature(signing_key: &[u8], string_to_sign: &str) -> String {
    lower_hex(&hmac_sha256(signing_key, string_to_sign.as_bytes()))
}

/// `Authorization` of a `POST` of JSON to `/`, as the Python SDK makes it.
pub(in crate::providers::tencent_ocr) fn authorization(
    secret_id: &str,
    secret_key: &str,
    host: &str,
    body: &str,
    moment: Timestamp,
) -> String {
    const SIGNED: &str = "content-type;host";
    let date = moment.strftime("%Y-%m-%d").to_string();
    let scope = format!("{date}/ocr/{TERMINATOR}");
    let headers = format!("content-type:application/json\nhost:{host}\n");
    let canonical = canonical_request("POST", "/", "", &headers, SIGNED, &sha256_hex(body.as_bytes()));
    let [.., key] = keys(secret_key, &date, "ocr");
    let signature = signature(&key, &string_to_sign(&moment.as_second().to_string(), &scope, &canonical));
    format!("{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={SIGNED}, Signature={signature}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::body::Body;
    use axum::http::Request as HttpRequest;
    use serde::Deserialize;

    use super::*;
    use crate::intake::Intake;

    /// A case of `fixtures/vectors/tencent_ocr.json`.
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        secret_key: String,
        method: String,
        target: String,
        headers: BTreeMap<String, String>,
        signed_host: String,
        body: String,
        tc3: Option<Steps>,
    }

    #[derive(Deserialize)]
    struct Steps {
        authorization: String,
        canonical_request: String,
        string_to_sign: String,
        keys: Option<[String; 3]>,
        signature: String,
    }

    #[tokio::test]
    async fn every_step_agrees_with_the_recorded_vectors() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../../../fixtures/vectors/tencent_ocr.json")).expect("vectors");
        let mut seen = 0;
        for vector in vectors {
            let Some(steps) = vector.tc3 else { continue };
            let name = vector.name;
            let mut request = HttpRequest::builder().method(vector.method.as_str()).uri(&vector.target);
            for (header, value) in &vector.headers {
                request = request.header(header, value);
            }
            let request = request.header("authorization", &steps.authorization).body(Body::from(vector.body));
            let received = Received::take(request.expect("valid"), &Intake::new(16)).await;
            let received = received.unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let (authorization, timestamp) = check_shape(&received).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            assert!(is_utc_date(authorization.date, timestamp), "{name}");

            let request = Request::of(&received, &authorization);
            let headers = request.headers(&vector.signed_host, |_, value| value.to_owned());
            let query = received.parts.uri.query().unwrap_or_default();
            let canonical = |headers: &str| request.canonical(received.parts.uri.path(), query, headers);
            assert!(
                [canonical(&headers), canonical(&headers.to_lowercase())].contains(&steps.canonical_request),
                "{name}: {}",
                canonical(&headers)
            );
            let string = string_to_sign(&timestamp.to_string(), &authorization.scope(), &steps.canonical_request);
            assert_eq!(string, steps.string_to_sign, "{name}");
            let keys = keys(&vector.secret_key, authorization.date, authorization.service);
            if let Some(expected) = steps.keys {
                assert_eq!(keys.each_ref().map(hex::encode), expected, "{name}");
            }
            assert_eq!(signature(&keys[2], &string), steps.signature, "{name}");
            assert_eq!(authorization.signature, steps.signature, "{name}");
            seen += 1;
        }
        assert_eq!(seen, 9);
    }

    /// Documented: "Signature v3", the worked example up to its string to sign; its key is masked.
    #[test]
    fn the_official_example_agrees_up_to_its_string_to_sign() {
        let body = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let headers = "content-type:application/json; charset=utf-8\nhost:cvm.tencentcloudapi.com\n\
                       x-tc-action:describeinstances\n";
        let signed = "content-type;host;x-tc-action";
        let canonical = canonical_request("POST", "/", "", headers, signed, &sha256_hex(body.as_bytes()));
        let string = string_to_sign("1551113065", "2019-02-25/cvm/tc3_request", &canonical);
        assert!(string.ends_with("\n7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"), "{string}");
    }

    #[test]
    fn the_header_is_taken_apart_strictly() {
        let good =
            "TC3-HMAC-SHA256 Credential=id/2023-11-14/ocr/tc3_request, SignedHeaders=content-type;host, Signature=ab";
        let expected = Authorization {
            secret_id: "id",
            date: "2023-11-14",
            service: "ocr",
            signed_headers: "content-type;host",
            signature: "ab",
        };
        assert_eq!(Authorization::parse(good), Some(expected));
        assert_eq!(Authorization::parse(&good.replace(", ", ",")), Some(expected));
        for (from, to) in [
            ("TC3-HMAC-SHA256 ", "TC3-HMAC-SHA256"),
            ("TC3-HMAC-SHA256", "TC3-HMAC-SHA1"),
            ("id/", "/"),
            ("/tc3_request", ""),
            ("/tc3_request", "/tc3_request/x"),
            ("tc3_request", "aws4_request"),
            ("content-type;", ""),
            (";host", ""),
            ("Signature=ab", ""),
            ("Signature=ab", "Signature"),
            ("Signature=ab", "Signature=ab, Signature=cd"),
            ("Signature=ab", "Signature=ab, More=x"),
            ("Credential=", "credential="),
        ] {
            assert_eq!(Authorization::parse(&good.replacen(from, to, 1)), None, "{from} -> {to}");
        }
        assert_eq!(Authorization::parse("SKIP"), None);
        assert_eq!(Authorization::parse(""), None);
    }

    #[test]
    fn the_date_is_the_day_in_utc() {
        // 23:59:59 and midnight; in China it is 08:00 of the next day already.
        for (date, timestamp, expected) in [
            ("2023-11-14", 1_700_006_399, true),
            ("2023-11-15", 1_700_006_399, false),
            ("2023-11-15", 1_700_006_400, true),
            ("2023-11-14", 1_700_006_400, false),
            ("20231114", 1_700_000_000, false),
            ("2023-11-14", i64::MAX, false),
        ] {
            assert_eq!(is_utc_date(date, timestamp), expected, "{date} {timestamp}");
        }
    }
}
