//! Mistakes with TC3-HMAC-SHA256.

use axum::http::Method;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;

use super::super::shown;
use super::super::tc3::{ALGORITHM, Authorization, TERMINATOR, UNSIGNED, canonical_request, is_utc_date};
use super::{check_time, other_hosts, shown_query};
use crate::config::TencentCredential;
use crate::explain::{self, Canonical, Context, Effort, Explanation, Mistake, Search};
use crate::intake;
use crate::providers::tencent_ocr::received::header;
use crate::secret;
use crate::signing::{hmac_sha256, sha256_hex};

/// Bytes of a body whose other spellings are tried.
const MAX_RESPELLED: usize = 256 << 10;
/// Seconds of a day.
const DAY: i64 = 86_400;

pub(super) fn explain(parts: &Parts, body: &[u8], context: &Context<'_>) -> Option<Explanation> {
    let sent = header(&parts.headers, "authorization").filter(|sent| !sent.is_empty() && *sent != "SKIP")?;
    let Some(authorization) = Authorization::parse(sent) else {
        return Some(Explanation::of_mistakes(ALGORITHM, vec![broken(sent)]));
    };
    let id = authorization.secret_id;
    let timestamp = header(&parts.headers, "x-tc-timestamp").unwrap_or_default();
    let Ok(moment) = timestamp.parse::<i64>() else {
        let about = "X-TC-Timestamp is missing, or not a whole number of seconds since 1970";
        return Some(Explanation::of_mistakes(ALGORITHM, vec![Mistake::new("malformed_time", about)]));
    };
    let credentials = context.credentials.key_pairs(id);
    if credentials.is_empty() {
        return Some(Explanation::of_mistakes(ALGORITHM, vec![context.unknown_key(id)]));
    }
    let time = check_time(moment, id, context);
    let date = date(&authorization, moment);
    let case = Case { parts, body, authorization: &authorization, timestamp };
    let mut hosts = intake::hosts(parts, context.config);
    if hosts.is_empty() {
        hosts.push("");
    }
    let payload_hash = case.payload_hash();
    let right: Vec<_> = hosts.iter().flat_map(|host| Way::right(&case, host, &payload_hash)).collect();
    let ours = right[0].shown();
    let is_by = |credential: &TencentCredential| {
        right.iter().any(|way| secret::equal(way.signature(credential.key.expose()).as_bytes(), case.sent()))
    };
    let is_right = credentials.iter().any(|credential| is_by(credential));
    let mut effort = case.effort();
    let found = if is_right {
        None
    } else {
        let hashes = Hashes::new(body);
        credentials.iter().find_map(|credential| find(&case, &hashes, &right, credential, context, &mut effort))
    };
    let (mistake, theirs) = match found {
        Some((mistake, way)) => (Some(mistake), Some(way.shown())),
        None => (effort.told(), None),
    };
    let mistakes: Vec<_> = mistake.into_iter().chain(date).chain(time).collect();
    Some(Explanation::of_texts(ALGORITHM, ours, theirs, is_right && mistakes.is_empty(), mistakes))
}

/// What is wrong with a header that cannot be taken apart.
fn broken(sent: &str) -> Mistake {
    if !sent.starts_with(ALGORITHM) {
        return Mistake::new("other_algorithm", "the header Authorization does not begin with TC3-HMAC-SHA256");
    }
    let field =
        |name: &str| sent.split([',', ' ']).find_map(|piece| piece.trim().strip_prefix(name)?.strip_prefix('='));
    let Some(credential) = field("Credential") else {
        return Mistake::new("incomplete", "the header Authorization has no Credential");
    };
    let scope: Vec<_> = credential.split('/').collect();
    if scope.len() == 5 {
        let about = "the scope has five parts, as Amazon's has; it is <SecretId>/<date>/<service>/tc3_request, without a \
                     region";
        return Mistake::new("region_in_scope", about);
    }
    if scope.len() != 4 || scope.last() != Some(&TERMINATOR) || scope[0].is_empty() {
        return Mistake::new("wrong_scope", "the scope is not <SecretId>/<date>/<service>/tc3_request");
    }
    let Some(listed) = field("SignedHeaders") else {
        return Mistake::new("incomplete", "the header Authorization has no SignedHeaders");
    };
    for (name, mistake) in [("host", "unsigned_host"), ("content-type", "unsigned_content_type")] {
        if listed.split(';').any(|listed| listed == name) {
            continue;
        }
        if listed.split(';').any(|listed| listed.eq_ignore_ascii_case(name)) {
            return Mistake::new("header_list_case", "SignedHeaders has capitals; write and sign small letters");
        }
        return Mistake::new(mistake, format!("SignedHeaders does not name {name}, which must be signed"));
    }
    if field("Signature").is_none() {
        return Mistake::new("incomplete", "the header Authorization has no Signature");
    }
    Mistake::new("malformed", "the header Authorization has fields that are unknown or stand there twice")
}

/// Whether the date is another than the UTC day of the timestamp.
fn date(authorization: &Authorization<'_>, moment: i64) -> Option<Mistake> {
    if is_utc_date(authorization.date, moment) {
        return None;
    }
    let of = |moment: i64| Timestamp::from_second(moment).ok().map(|moment| moment.strftime("%Y-%m-%d").to_string());
    let today = of(moment)?;
    let is_near = [moment.saturating_sub(DAY), moment.saturating_add(DAY)]
        .into_iter()
        .any(|moment| of(moment).as_deref() == Some(authorization.date));
    let sent = shown("", authorization.date);
    Some(if is_near {
        let about =
            format!("the date in the scope, {sent}, is not the UTC day of the timestamp, {today}: it is a local one");
        Mistake::new("local_date", about)
    } else {
        Mistake::new(
            "wrong_date",
            format!("the date in the scope, {sent}, is not the UTC day of the timestamp, {today}"),
        )
    })
}

struct Case<'a> {
    parts: &'a Parts,
    body: &'a [u8],
    authorization: &'a Authorization<'a>,
    timestamp: &'a str,
}

impl Case<'_> {
    fn sent(&self) -> &[u8] {
        self.authorization.signature.as_bytes()
    }

    /// What a request with these headers and this query may take; the body is signed by its hash.
    fn effort(&self) -> Effort {
        let Self { parts, authorization, .. } = self;
        let value = |name| header(&parts.headers, name).unwrap_or_default();
        let headers = authorization.signed_headers.split(';').map(|name| (name, value(name)));
        Effort::new(Effort::OF_HEADS, headers.chain([(parts.uri.path(), parts.uri.query().unwrap_or_default())]))
    }

    /// What stands for the body in the right ways.
    fn payload_hash(&self) -> String {
        let Self { parts, body, .. } = self;
        let payload = if header(&parts.headers, "x-tc-content-sha256") == Some(UNSIGNED) {
            UNSIGNED.as_bytes()
        } else if parts.method == Method::GET {
            b""
        } else {
            *body
        };
        sha256_hex(payload)
    }
}

/// A way to sign a request: the right one, or one with a mistake.
#[derive(Clone)]
struct Way {
    method: String,
    path: String,
    query: String,
    /// Names and values in the order in which they are signed.
    headers: Vec<(String, String)>,
    signed_headers: String,
    /// What stands behind the headers.
    headers_end: &'static str,
    payload_hash: String,
    request_end: &'static str,
    string_end: &'static str,
    timestamp: String,
    date: String,
    service: String,
    key_date: String,
    key_service: String,
    key_prefix: &'static str,
    hashed: bool,
    hex_keys: bool,
    write: fn(&[u8]) -> String,
}

impl Way {
    /// The right ones for a host: values as sent, and in small letters as the page has them; the path as sent, and `/`.
    fn right(case: &Case<'_>, host: &str, payload_hash: &str) -> Vec<Self> {
        let Case { parts, authorization, timestamp, .. } = case;
        let value = |name: &str| {
            let value = if name == "host" { host } else { header(&parts.headers, name).unwrap_or_default() };
            value.trim().to_owned()
        };
        let as_sent = Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: authorization.signed_headers.split(';').map(|name| (name.to_owned(), value(name))).collect(),
            signed_headers: authorization.signed_headers.to_owned(),
            headers_end: "\n",
            payload_hash: payload_hash.to_owned(),
            request_end: "",
            string_end: "",
            timestamp: (*timestamp).to_owned(),
            date: authorization.date.to_owned(),
            service: authorization.service.to_owned(),
            key_date: authorization.date.to_owned(),
            key_service: authorization.service.to_owned(),
            key_prefix: "TC3",
            hashed: true,
            hex_keys: false,
            write: |bytes| hex::encode(bytes),
        };
        let mut small = as_sent.clone();
        small.headers.iter_mut().for_each(|(_, value)| *value = value.to_lowercase());
        let rooted = |way: &Self| Self { path: "/".to_owned(), ..way.clone() };
        let (rooted_sent, rooted_small) = (rooted(&as_sent), rooted(&small));
        vec![as_sent, small, rooted_sent, rooted_small]
    }

    fn canonical_request(&self) -> String {
        let mut headers = String::new();
        for (name, value) in &self.headers {
            headers.extend([name, ":", value, "\n"]);
        }
        let headers = format!("{}{}", headers.trim_end_matches('\n'), self.headers_end);
        let parts = (self.method.as_str(), self.path.as_str(), self.query.as_str());
        let (method, path, query) = parts;
        canonical_request(method, path, query, &headers, &self.signed_headers, &self.payload_hash) + self.request_end
    }

    fn string_to_sign(&self) -> String {
        let canonical = self.canonical_request();
        let digest = if self.hashed { sha256_hex(canonical.as_bytes()) } else { canonical };
        let scope = format!("{}/{}/{TERMINATOR}", self.date, self.service);
        [ALGORITHM, &self.timestamp, &scope, &digest].join("\n") + self.string_end
    }

    fn signature(&self, secret_key: &str) -> String {
        let step = |key: &[u8], text: &str| {
            let made = hmac_sha256(key, text.as_bytes());
            if self.hex_keys { hex::encode(made).into_bytes() } else { made }
        };
        let day = step(format!("{}{secret_key}", self.key_prefix).as_bytes(), &self.key_date);
        let signing = step(&step(&day, &self.key_service), TERMINATOR);
        (self.write)(&hmac_sha256(&signing, self.string_to_sign().as_bytes()))
    }

    /// Both texts for people: nothing secret is in them, and no picture.
    fn shown(&self) -> Canonical {
        let mut way = self.clone();
        way.query = shown_query(&self.query);
        way.headers.iter_mut().for_each(|(name, value)| *value = shown(name, value));
        Canonical { canonical_request: way.canonical_request(), string_to_sign: self.string_to_sign() }
    }
}

/// What a client may have hashed for the body: the same whichever host it signed.
struct Hashes {
    /// Of the body that was sent.
    body: String,
    /// Of its other spellings, each with what that is.
    spellings: Vec<(String, &'static str)>,
}

impl Hashes {
    fn new(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= MAX_RESPELLED);
        let spellings = text.map(explain::json_spellings).unwrap_or_default().into_iter();
        let spellings = spellings.map(|(spelling, about)| (sha256_hex(spelling.as_bytes()), about)).collect();
        Self { body: sha256_hex(body), spellings }
    }
}

/// The mistake that gives the signature that was sent, and the way with that mistake.
fn find(
    case: &Case<'_>,
    hashes: &Hashes,
    right: &[Way],
    credential: &TencentCredential,
    context: &Context<'_>,
    effort: &mut Effort,
) -> Option<(Mistake, Way)> {
    let key = credential.key.expose();
    let gives = |way: &Way, key: &str| secret::equal(way.signature(key).as_bytes(), case.sent());
    // Of the four right ways of a host the first is what SDKs do.
    for way in right.iter().step_by(4) {
        let found = find_way(case, hashes, way, &|way| gives(way, key), effort);
        if found.is_some() {
            return found;
        }
    }
    let first = &right[0];
    let sent_host = first.headers.iter().find(|(name, _)| name == "host").map_or("", |(_, value)| value.as_str());
    for (host, mistake) in other_hosts(sent_host, context) {
        let mut way = first.clone();
        for (_, value) in way.headers.iter_mut().filter(|(name, _)| name == "host") {
            value.clone_from(&host);
        }
        if effort.may_try() && gives(&way, key) {
            return Some((mistake, way));
        }
    }
    let other = |(other, mistake): (String, Mistake)| {
        right.iter().find(|way| effort.may_try() && gives(way, &other)).map(|way| (mistake, way.clone()))
    };
    context.other_keys(credential).into_iter().find_map(other)
}

/// The mistake in the way of signing that gives the signature that was sent, and the way with it.
fn find_way(
    case: &Case<'_>,
    hashes: &Hashes,
    right: &Way,
    gives: &dyn Fn(&Way) -> bool,
    effort: &mut Effort,
) -> Option<(Mistake, Way)> {
    let mut search = Search::new(right, gives, effort);
    bodies(case, hashes, &mut search);
    queries(right, &mut search);
    headers(right, &mut search);
    for method in ["GET", "POST", "get", "post"] {
        let about = format!("the method was signed as {method}, and sent as {}", right.method);
        search.add("other_method", &about, &|way| method.clone_into(&mut way.method));
    }
    for path in ["", "/ocr", "/v1"] {
        let about = format!("the path was signed as {path:?}, and sent as {:?}", right.path);
        search.add("other_path", &about, &|way| path.clone_into(&mut way.path));
    }
    search.add(
        "missing_blank_line",
        "the canonical request lacks the empty line between headers and SignedHeaders",
        &|way| {
            way.headers_end = "";
        },
    );
    search.add("trailing_newline", "the canonical request has a line break at its end", &|way| way.request_end = "\n");
    search.add("trailing_newline", "the string to sign has a line break at its end", &|way| way.string_end = "\n");
    search.add(
        "unhashed_request",
        "the string to sign holds the canonical request; it must hold its SHA-256",
        &|way| {
            way.hashed = false;
        },
    );
    search.add("hex_keys", "the keys were derived in hexadecimal; use their bytes", &|way| way.hex_keys = true);
    for prefix in ["", "AWS4"] {
        let about =
            format!("the first key was derived from {prefix:?} and the secret key; it is TC3 and the secret key");
        search.add("wrong_key_prefix", &about, &|way| way.key_prefix = prefix);
    }
    scopes(case, right, &mut search);
    search.add("upper_case_signature", "the signature is in capitals; write it in small letters", &|way| {
        way.write = |bytes| hex::encode_upper(bytes);
    });
    search.add("base64_signature", "the signature is base64; write it in hexadecimal", &|way| {
        way.write = |bytes| BASE64_STANDARD.encode(bytes);
    });
    search.found()
}

fn bodies(case: &Case<'_>, hashes: &Hashes, search: &mut Search<'_, Way>) {
    let hash = |way: &mut Way, payload: &[u8]| way.payload_hash = sha256_hex(payload);
    if !case.body.is_empty() {
        search.add(
            "empty_body_hash",
            "the hash of an empty body was signed; sign that of the body that is sent",
            &|way| {
                hash(way, b"");
            },
        );
    }
    let is_unsigned =
        case.parts.method == Method::GET || header(&case.parts.headers, "x-tc-content-sha256") == Some(UNSIGNED);
    if is_unsigned {
        let about = "the body was signed, and the request says that it is not (UNSIGNED-PAYLOAD, or GET)";
        search.add("signed_payload", about, &|way| way.payload_hash.clone_from(&hashes.body));
    } else {
        let about = "UNSIGNED-PAYLOAD was signed, and the header X-TC-Content-SHA256 does not say so";
        search.add("unsigned_payload", about, &|way| hash(way, UNSIGNED.as_bytes()));
    }
    search.add("empty_json_hash", "the hash of {} was signed, and another body sent", &|way| hash(way, b"{}"));
    search.add("upper_case_body_hash", "the hash of the body was signed in capitals; sign small letters", &|way| {
        way.payload_hash = way.payload_hash.to_ascii_uppercase();
    });
    if let Some(text) = std::str::from_utf8(case.body).ok().filter(|text| text.len() <= MAX_RESPELLED) {
        search.add("unhashed_body", "the body was signed itself; sign its SHA-256 in hexadecimal", &|way| {
            text.clone_into(&mut way.payload_hash);
        });
    }
    for (spelling, about) in &hashes.spellings {
        let about =
            format!("the body was signed {about}, and encoded again before it was sent; sign the bytes that are sent");
        search.add("body_reencoded", &about, &|way| way.payload_hash.clone_from(spelling));
    }
}

fn queries(right: &Way, search: &mut Search<'_, Way>) {
    let query = &right.query;
    if query.is_empty() {
        return;
    }
    search.add("query_not_signed", "the query was not signed; sign it as it is sent", &|way| way.query.clear());
    search.add("plus_for_space", "spaces were signed as %20, and sent as +; sign the query as it is sent", &|way| {
        way.query = query.replace('+', "%20");
    });
    search.add("plus_for_space", "spaces were signed as +, and sent as %20; sign the query as it is sent", &|way| {
        way.query = query.replace("%20", "+");
    });
    search.add("lower_case_escapes", "percent escapes were signed in small letters, and sent in capitals", &|way| {
        way.query = explain::map_escapes(query, str::to_ascii_lowercase);
    });
    search.add("upper_case_escapes", "percent escapes were signed in capitals, and sent in small letters", &|way| {
        way.query = explain::map_escapes(query, str::to_ascii_uppercase);
    });
    search.add("double_encoding", "the query was percent-encoded once more before it was signed", &|way| {
        way.query = explain::map_escapes(query, |escape| format!("%25{}", &escape[1..]));
    });
    let decoded = percent_encoding::percent_decode_str(query).decode_utf8_lossy().into_owned();
    search.add("unencoded_values", "the query was signed decoded; sign it as it is sent", &|way| {
        way.query.clone_from(&decoded);
    });
    let mut sorted: Vec<_> = query.split('&').collect();
    sorted.sort_unstable();
    let sorted = sorted.join("&");
    search.add("sorted_query", "the query was signed sorted, and sent in another order", &|way| {
        way.query.clone_from(&sorted);
    });
}

fn headers(right: &Way, search: &mut Search<'_, Way>) {
    let types = [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=utf-8",
        "application/json;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/octet-stream",
        "",
    ];
    let sent = right.headers.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value.as_str());
    for signed in types {
        let about = format!("the signature covers the content type {signed:?}, the request has {:?}", shown("", sent));
        search.add("other_content_type", &about, &|way| {
            for (_, value) in way.headers.iter_mut().filter(|(name, _)| name == "content-type") {
                signed.clone_into(value);
            }
        });
    }
    search.add("unsorted_headers", "headers were signed unsorted; sort them by name", &|way| way.headers.reverse());
    search.add("unsorted_headers", "headers were signed in another order than SignedHeaders names them", &|way| {
        way.headers.sort();
    });
    let capitals = |name: &str| -> String {
        let piece = |piece: &str| {
            let mut letters = piece.chars();
            letters.next().map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        };
        name.split('-').map(piece).collect::<Vec<_>>().join("-")
    };
    search.add("header_list_case", "header names were signed with capitals; sign small letters", &|way| {
        way.headers.iter_mut().for_each(|(name, _)| *name = capitals(name));
    });
    search.add(
        "header_list_case",
        "header names and SignedHeaders were signed with capitals; sign small letters",
        &|way| {
            way.headers.iter_mut().for_each(|(name, _)| *name = capitals(name));
            way.signed_headers = way.signed_headers.split(';').map(capitals).collect::<Vec<_>>().join(";");
        },
    );
    search.add("space_behind_colon", "headers were signed with a space behind the colon", &|way| {
        way.headers.iter_mut().for_each(|(_, value)| value.insert(0, ' '));
    });
    for (name, _) in &right.headers {
        let about = format!("SignedHeaders names {name}, and it was not signed");
        let mistake = if name == "host" { "unsigned_host" } else { "unsigned_header" };
        if !search.add(mistake, &about, &|way| way.headers.retain(|(signed, _)| signed != name)) {
            break;
        }
    }
}

fn scopes(case: &Case<'_>, right: &Way, search: &mut Search<'_, Way>) {
    for service in ["ocr", "cvm", "tc3", "cos", ""] {
        let about =
            format!("a key for the service {service:?} was used, the scope says {:?}", shown("", &right.service));
        search.add("wrong_service", &about, &|way| service.clone_into(&mut way.key_service));
        search.add("wrong_service", &about, &|way| {
            service.clone_into(&mut way.key_service);
            service.clone_into(&mut way.service);
        });
        let about =
            format!("the string to sign has the service {service:?}, the scope says {:?}", shown("", &right.service));
        search.add("wrong_service", &about, &|way| service.clone_into(&mut way.service));
    }
    let Ok(moment) = case.timestamp.parse::<i64>() else { return };
    for off in [-DAY, 0, DAY] {
        let Ok(day) = Timestamp::from_second(moment.saturating_add(off)) else { continue };
        let day = day.strftime("%Y-%m-%d").to_string();
        let about = format!(
            "the date {day} was signed, the scope says {}; use the UTC day of the timestamp in all places",
            shown("", &right.date)
        );
        search.add("local_date", &about, &|way| way.key_date.clone_from(&day));
        search.add("local_date", &about, &|way| {
            way.key_date.clone_from(&day);
            way.date.clone_from(&day);
        });
        search.add("local_date", &about, &|way| way.date.clone_from(&day));
        let compact = day.replace('-', "");
        search.add("wrong_date", "the date was signed without hyphens", &|way| {
            way.key_date.clone_from(&compact);
            way.date.clone_from(&compact);
        });
    }
    for off in -2..=2 {
        let about = "another timestamp was signed than the one in X-TC-Timestamp; take the time once";
        search.add("other_timestamp", about, &|way| way.timestamp = moment.saturating_add(off).to_string());
    }
    search.add("other_timestamp", "the timestamp was signed in milliseconds", &|way| {
        way.timestamp = moment.saturating_mul(1000).to_string();
    });
}
