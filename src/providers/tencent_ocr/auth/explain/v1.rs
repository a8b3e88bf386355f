//! Mistakes with HmacSHA1 and HmacSHA256.

use std::rc::Rc;

use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::shown;
use super::super::v1::{Method1, check_shape};
use super::{check_time, other_hosts};
use crate::config::TencentCredential;
use crate::explain::{self, Canonical, Context, Effort, Explanation, Mistake, Search};
use crate::intake::{self, query};
use crate::secret;
use crate::signing::percent_encode;

type Pairs = Vec<(String, String)>;

/// Bytes that are signed again: the picture is among the parameters. Long requests are read aside, and so explained there.
const BYTES: usize = 64 << 20;

pub(super) fn explain(parts: &Parts, pairs: &Pairs, context: &Context<'_>) -> Explanation {
    let scheme = match query::first(pairs, "SignatureMethod") {
        Some("HmacSHA256") => "HmacSHA256",
        Some(_) | None => "HmacSHA1",
    };
    let id = query::first(pairs, "SecretId").unwrap_or_default();
    let credentials = context.credentials.key_pairs(id);
    if !id.is_empty() && credentials.is_empty() {
        return Explanation::of_mistakes(scheme, vec![context.unknown_key(id)]);
    }
    let Ok(shape) = check_shape(pairs) else {
        let needed = ["SecretId", "Timestamp", "Nonce", "Signature"];
        let missing = needed.into_iter().find(|name| query::first(pairs, name).is_none_or(str::is_empty));
        let about = missing.map_or_else(
            || "Timestamp and Nonce are whole numbers, SignatureMethod is HmacSHA1 or HmacSHA256".to_owned(),
            |missing| format!("the request has no {missing}"),
        );
        return Explanation::of_mistakes(scheme, vec![Mistake::new("incomplete", about)]);
    };
    let time = check_time(shape.timestamp, id, context);
    let mut hosts = intake::hosts(parts, context.config);
    if hosts.is_empty() {
        hosts.push("");
    }
    let right = Way::right(parts, pairs, &hosts, shape.method);
    let sent = shape.signature;
    let is_right = credentials.iter().any(|credential| {
        let gives = |way: &Way| secret::equal(way.signature(credential.key.expose()).as_bytes(), sent.as_bytes());
        right.iter().any(gives)
    });
    let mut effort = Effort::new(BYTES, pairs.iter().map(|(name, value)| (&**name, &**value)));
    let found = if is_right {
        None
    } else {
        credentials.iter().find_map(|credential| find(sent, &right, credential, context, &mut effort))
    };
    let (mistake, theirs) = match found {
        Some((mistake, way)) => (Some(mistake), Some(way.shown())),
        None => (effort.told(), None),
    };
    let mistakes: Vec<_> = mistake.into_iter().chain(time).collect();
    Explanation::of_texts(scheme, right[0].shown(), theirs, is_right && mistakes.is_empty(), mistakes)
}

/// A way to sign a request: the right one, or one with a mistake.
#[derive(Clone)]
struct Way {
    method: String,
    host: String,
    path: String,
    question: &'static str,
    pairs: Rc<Pairs>,
    sort: fn(&mut Vec<&(String, String)>),
    encode: fn(&str) -> String,
    end: &'static str,
    hash: Method1,
    write: fn(&[u8]) -> String,
}

impl Way {
    /// The right ones, four a host: the path as sent, and `/`; names as sent, and with dots for underscores.
    fn right(parts: &Parts, pairs: &Pairs, hosts: &[&str], hash: Method1) -> Vec<Self> {
        let as_sent = Self {
            method: parts.method.as_str().to_owned(),
            host: String::new(),
            path: parts.uri.path().to_owned(),
            question: "?",
            pairs: Rc::new(pairs.iter().filter(|(name, _)| name != "Signature").cloned().collect()),
            sort: |pairs| pairs.sort_by(|left, right| left.0.cmp(&right.0)),
            encode: str::to_owned,
            end: "",
            hash,
            write: |bytes| BASE64_STANDARD.encode(bytes),
        };
        let mut dotted = as_sent.clone();
        if pairs.iter().any(|(name, _)| name.contains('_')) {
            // Sorted before the names are changed.
            let pairs = as_sent.sorted().map(|(name, value)| (name.replace('_', "."), value.clone()));
            dotted = Self { pairs: Rc::new(pairs.collect()), sort: |_| {}, ..dotted };
        }
        let mut right = Vec::new();
        for host in hosts {
            for path in [parts.uri.path(), "/"] {
                let there = |way: &Self| Self { host: (*host).to_owned(), path: path.to_owned(), ..way.clone() };
                right.extend([there(&as_sent), there(&dotted)]);
            }
        }
        right
    }

    /// What is signed, in its order.
    fn sorted(&self) -> impl Iterator<Item = &(String, String)> {
        let mut pairs = self.pairs.iter().collect();
        (self.sort)(&mut pairs);
        pairs.into_iter()
    }

    fn source_text(&self) -> String {
        let joined: Vec<_> = self.sorted().map(|(name, value)| format!("{name}={}", (self.encode)(value))).collect();
        format!("{}{}{}{}{}{}", self.method, self.host, self.path, self.question, joined.join("&"), self.end)
    }

    fn signature(&self, key: &str) -> String {
        (self.write)(&self.hash.hmac(key.as_bytes(), self.source_text().as_bytes()))
    }

    /// For people: nothing secret is in it, and no picture. This kind of signature has one text alone.
    fn shown(&self) -> Canonical {
        let shown = self.pairs.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect();
        let text = Self { pairs: Rc::new(shown), ..self.clone() }.source_text();
        Canonical { canonical_request: text.clone(), string_to_sign: text }
    }
}

/// The mistake that gives the signature that was sent, and the way with that mistake.
fn find(
    sent: &str,
    right: &[Way],
    credential: &TencentCredential,
    context: &Context<'_>,
    effort: &mut Effort,
) -> Option<(Mistake, Way)> {
    let key = credential.key.expose();
    let is = |made: &str, sent: &str| secret::equal(made.as_bytes(), sent.as_bytes());
    let decoded = percent_encoding::percent_decode_str(sent).decode_utf8_lossy().into_owned();
    for way in right {
        if !effort.may_try() {
            return None;
        }
        let made = way.signature(key);
        if is(&made, &sent.replace(' ', "+")) {
            let about = "a + of the signature arrived as a space; percent-encode the signature in query and form";
            return Some((Mistake::new("plus_in_signature", about), way.clone()));
        }
        if decoded != sent && is(&made, &decoded) {
            let about = "the signature was percent-encoded twice; encode it once";
            return Some((Mistake::new("double_encoding", about), way.clone()));
        }
    }
    for way in right.iter().step_by(4) {
        let found = find_way(way, &|way| is(&way.signature(key), sent), effort);
        if found.is_some() {
            return found;
        }
    }
    for (host, mistake) in other_hosts(&right[0].host, context) {
        let way = Way { host, ..right[0].clone() };
        if effort.may_try() && is(&way.signature(key), sent) {
            return Some((mistake, way));
        }
    }
    let other = |(other, mistake): (String, Mistake)| {
        right.iter().find(|way| effort.may_try() && is(&way.signature(&other), sent)).map(|way| (mistake, way.clone()))
    };
    context.other_keys(credential).into_iter().find_map(other)
}

/// The mistake in the way of signing that gives the signature that was sent, and the way with it.
fn find_way(right: &Way, gives: &dyn Fn(&Way) -> bool, effort: &mut Effort) -> Option<(Mistake, Way)> {
    let mut search = Search::new(right, gives, effort);
    search.add("encoded_values", "values were signed percent-encoded; sign them as they are", &|way| {
        way.encode = percent_encode;
    });
    search.add("plus_for_space", "values were signed percent-encoded, spaces as +; sign them as they are", &|way| {
        way.encode = explain::plus_encode;
    });
    search.add(
        "lower_case_escapes",
        "values were signed percent-encoded in small letters; sign them as they are",
        &|way| {
            way.encode = explain::lower_encode;
        },
    );
    search.add(
        "unsorted_keys",
        "parameters were signed in the order in which they are sent; sort them by name",
        &|way| {
            way.sort = |_| {};
        },
    );
    search.add(
        "unsorted_keys",
        "parameters were sorted without regard to capitals; sort them by their bytes",
        &|way| {
            way.sort = |pairs| pairs.sort_by_key(|pair| pair.0.to_ascii_lowercase());
        },
    );
    for method in ["GET", "POST", "get", "post"] {
        let about = format!("the method was signed as {method}, and sent as {}", right.method);
        search.add("other_method", &about, &|way| method.clone_into(&mut way.method));
    }
    for path in ["", "/v2/index.php", "/ocr"] {
        let about = format!("the path was signed as {path:?}, and sent as {:?}", right.path);
        search.add("other_path", &about, &|way| path.clone_into(&mut way.path));
    }
    search.add("no_question_mark", "the text lacks the ? between path and parameters", &|way| way.question = "");
    let other = match right.hash {
        Method1::Sha1 => (Method1::Sha256, "SHA-256 was used; SignatureMethod says SHA-1, or is missing"),
        Method1::Sha256 => (Method1::Sha1, "SHA-1 was used; SignatureMethod says SHA-256"),
    };
    search.add("other_hash", other.1, &|way| way.hash = other.0);
    search.add("hex_signature", "the signature is hexadecimal; write it in base64", &|way| {
        way.write = |bytes| hex::encode(bytes);
    });
    search.add("hex_signature", "the signature is base64 of hexadecimal; write base64 of its bytes", &|way| {
        way.write = |bytes| BASE64_STANDARD.encode(hex::encode(bytes));
    });
    search.add("trailing_newline", "the text has a line break at its end", &|way| way.end = "\n");
    for (name, _) in right.pairs.iter() {
        let about = format!("the parameter {} was added after the request was signed", shown("", name));
        let goes_on = search.add("unsigned_parameter", &about, &|way| {
            Rc::make_mut(&mut way.pairs).retain(|(signed, _)| signed != name);
        });
        if !goes_on {
            break;
        }
    }
    search.add("unsigned_host", "the host was not signed", &|way| way.host.clear());
    search.found()
}
