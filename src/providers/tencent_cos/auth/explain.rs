//! Why a signature of COS was refused: the request is signed again with each mistake that clients make, until one gives the
//! signature that was sent.

use std::collections::{HashMap, HashSet};

use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::error::Error;
use super::super::wire::Target;
use super::authorization::{self, Authorization};
use super::canonical::{MASK, Pairs};
use super::{Signed, headers};
use crate::config::TencentCredential;
use crate::explain::{self, Canonical, Context, Effort, Explanation, Mistake, Search};
use crate::intake::{hosts, query};
use crate::secret::{self, is_secret_name};
use crate::signing::{hmac_sha1, hmac_sha256, percent_encode, sha1_hex, sha256_hex};

const SCHEME: &str = "q-sign";

/// Explains a request that carries a signature of COS; `None` where it carries none.
pub(in super::super) fn explain(parts: &Parts, _: &[u8], context: &Context<'_>) -> Option<Explanation> {
    let target = Target::parse(&parts.uri).ok()?;
    let (fields, unsigned) = authorization::find(&parts.headers, &target.pairs)?;
    if !fields.iter().any(|(key, _)| key.starts_with("q-")) {
        return None;
    }
    let Some(authorization) = Authorization::parse(&fields) else {
        return Some(Explanation::of_mistakes(SCHEME, vec![broken(&fields)]));
    };
    let credentials = context.credentials.key_pairs(authorization.key_id);
    if credentials.is_empty() {
        return Some(Explanation::of_mistakes(SCHEME, vec![context.unknown_key(authorization.key_id)]));
    }
    let mut hosts = hosts(parts, context.config);
    if hosts.is_empty() {
        hosts.push("");
    }
    let now = context.clock.of(authorization.key_id).unix_seconds();
    let time = check_time(&authorization, now);
    let request = Signed {
        method: parts.method.as_str(),
        path: &target.path,
        parameters: Pairs::new(unsigned.iter().map(|(key, value)| (&**key, &**value))),
        headers: headers(&parts.headers),
    };
    let is_right = |string: String| credentials.iter().any(|credential| authorization.is_by(credential, &string));
    let right = request
        .forms(&authorization)
        .any(|form| form.strings_to_sign(authorization.sign_time.text, &hosts).any(is_right));

    let case = Case { parameters: unsigned.into_owned(), headers: header_texts(parts) };
    let way = Way::right(parts, &target, &authorization, hosts[0]);
    let ours = way.shown(&case);
    let tries = Tries { case: &case, authorization: &authorization, hosts: &hosts, parts, context };
    let mut effort = tries.effort();
    let found =
        if right { None } else { credentials.iter().find_map(|credential| tries.find(&way, credential, &mut effort)) };
    let (mistake, theirs) = match found {
        Some((mistake, way)) => (Some(mistake), Some(way.shown(&case))),
        None => (effort.told(), None),
    };
    let mistakes: Vec<_> = mistake.into_iter().chain(time).collect();
    Some(Explanation::of_texts(SCHEME, ours, theirs, right && mistakes.is_empty(), mistakes))
}

/// What is wrong with a signature whose parts are not all there.
fn broken(fields: &query::Pairs<'_>) -> Mistake {
    let value = |name: &str| query::last(fields, name);
    let needed =
        ["q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature"];
    if let Some(missing) = needed.into_iter().find(|name| value(name).is_none()) {
        return Mistake::new(
            "incomplete",
            format!("the signature has no {missing}; an empty list is written as {missing}="),
        );
    }
    if value("q-sign-algorithm") != Some("sha1") {
        return Mistake::new("other_algorithm", "q-sign-algorithm is not sha1, which is the only one there is");
    }
    if value("q-signature").is_some_and(str::is_empty) {
        return Mistake::new("incomplete", "q-signature is empty");
    }
    Mistake::new("malformed_time", "q-sign-time and q-key-time are start;end in seconds since 1970, the start first")
}

fn check_time(authorization: &Authorization<'_>, now: i64) -> Option<Mistake> {
    let (start, end) = authorization.sign_time.span();
    match authorization.check_time(now) {
        Ok(()) => None,
        Err(Error::TimeTooSkewed) => explain::skewed_clock(start, now, 0),
        Err(_) if end >= now => Some(Mistake::new(
            "sign_time_outside_key_time",
            "q-sign-time does not lie within q-key-time; SDKs send the same span in both",
        )),
        Err(_) => Some(Mistake::new(
            "expired",
            format!(
                "the signature ended {} seconds ago by our clock; sign anew, or set the client's clock if it is behind",
                now.saturating_sub(end)
            ),
        )),
    }
}

/// The request as a client sees it: parameters and headers, decoded.
struct Case<'a> {
    parameters: query::Pairs<'a>,
    headers: query::Pairs<'a>,
}

impl Case<'_> {
    /// The same with nothing that is secret by its name.
    fn masked(&self) -> Self {
        fn mask<'a>(texts: &query::Pairs<'a>) -> query::Pairs<'a> {
            let shown = |(key, value): &query::Pair<'a>| {
                (key.clone(), if is_secret_name(key) { MASK.into() } else { value.clone() })
            };
            texts.iter().map(shown).collect()
        }
        Self { parameters: mask(&self.parameters), headers: mask(&self.headers) }
    }
}

fn header_texts(parts: &Parts) -> query::Pairs<'_> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned().into();
    parts.headers.iter().map(|(name, value)| (name.as_str().into(), text(value.as_bytes()))).collect()
}

/// What is done with the secret key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyUse {
    /// HMAC of the key time, in hexadecimal.
    Hex,
    /// The same, as bytes.
    Raw,
    /// Nothing.
    Direct,
}

/// A way to sign a request: the right one, or one with a mistake.
#[derive(Clone)]
struct Way {
    method: String,
    path: String,
    host: String,
    header_list: Vec<String>,
    parameter_list: Vec<String>,
    encode: fn(&str) -> String,
    sorted: bool,
    lower_case: bool,
    format_end: &'static str,
    string_end: &'static str,
    sign_time: String,
    key_time: String,
    key_use: KeyUse,
    sha256: bool,
    write: fn(&[u8]) -> String,
}

impl Way {
    fn right(parts: &Parts, target: &Target<'_>, authorization: &Authorization<'_>, host: &str) -> Self {
        Self {
            method: parts.method.as_str().to_ascii_lowercase(),
            path: target.path.to_string(),
            host: host.to_owned(),
            header_list: authorization.headers.iter().map(ToString::to_string).collect(),
            parameter_list: authorization.parameters.iter().map(ToString::to_string).collect(),
            encode: percent_encode,
            sorted: true,
            lower_case: true,
            format_end: "\n",
            string_end: "\n",
            sign_time: authorization.sign_time.text.to_owned(),
            key_time: authorization.key_time.text.to_owned(),
            key_use: KeyUse::Hex,
            sha256: false,
            write: |bytes| hex::encode(bytes),
        }
    }

    fn canonical(&self, case: &Case<'_>) -> Canonical {
        let mut headers = case.headers.clone();
        headers.retain(|(name, _)| name != "host");
        headers.push(("host".into(), self.host.as_str().into()));
        let canonical_request = format!(
            "{}\n{}\n{}\n{}{}",
            self.method,
            self.path,
            self.listed(&case.parameters, &self.parameter_list),
            self.listed(&headers, &self.header_list),
            self.format_end
        );
        let bytes = canonical_request.as_bytes();
        let digest = if self.sha256 { sha256_hex(bytes) } else { sha1_hex(bytes) };
        let string_to_sign = format!("sha1\n{}\n{digest}{}", self.sign_time, self.string_end);
        Canonical { canonical_request, string_to_sign }
    }

    /// The same for people: nothing secret is in it.
    fn shown(&self, case: &Case<'_>) -> Canonical {
        let string_to_sign = self.canonical(case).string_to_sign;
        Canonical { string_to_sign, ..self.canonical(&case.masked()) }
    }

    fn listed(&self, texts: &query::Pairs<'_>, list: &[String]) -> String {
        let spell = |key: &String| if self.lower_case { key.to_ascii_lowercase() } else { key.clone() };
        let mut keys: Vec<_> = list.iter().map(spell).collect();
        let mut seen = HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        if self.sorted {
            keys.sort_unstable();
        }
        // Of several values the last.
        let values: HashMap<_, _> =
            texts.iter().map(|(name, value)| (percent_encode(name).to_ascii_lowercase(), value)).collect();
        let value =
            |key: &str| values.get(&key.to_ascii_lowercase()).map_or(String::new(), |value| (self.encode)(value));
        keys.iter().map(|key| format!("{key}={}", value(key))).collect::<Vec<_>>().join("&")
    }

    fn signature(&self, case: &Case<'_>, key: &str) -> String {
        let hmac = if self.sha256 { hmac_sha256 } else { hmac_sha1 };
        let of_time = hmac(key.as_bytes(), self.key_time.as_bytes());
        let key = match self.key_use {
            KeyUse::Hex => hex::encode(of_time).into_bytes(),
            KeyUse::Raw => of_time,
            KeyUse::Direct => key.as_bytes().to_vec(),
        };
        (self.write)(&hmac(&key, self.canonical(case).string_to_sign.as_bytes()))
    }
}

/// What mistakes are looked for in.
struct Tries<'a> {
    case: &'a Case<'a>,
    authorization: &'a Authorization<'a>,
    hosts: &'a [&'a str],
    parts: &'a Parts,
    context: &'a Context<'a>,
}

impl Tries<'_> {
    /// What a request with these names and values may take; the lists are gone through with each try, too.
    fn effort(&self) -> Effort {
        let Self { case, authorization, .. } = self;
        let texts = case.parameters.iter().chain(&case.headers).map(|(name, value)| (&**name, &**value));
        let lists = authorization.parameters.iter().chain(&authorization.headers).map(|name| (*name, ""));
        Effort::new(Effort::OF_HEADS, texts.chain(lists))
    }

    /// Whether this way and key give the signature that was sent.
    fn gives(&self, way: &Way, key: &str) -> bool {
        secret::equal(way.signature(self.case, key).as_bytes(), self.authorization.signature.as_bytes())
    }

    /// The mistake that gives the signature that was sent, and the way with that mistake.
    fn find(&self, right: &Way, credential: &TencentCredential, effort: &mut Effort) -> Option<(Mistake, Way)> {
        let Self { hosts, context, .. } = self;
        let key = credential.key.expose();
        // Whichever host it was that the client signed.
        let at = |host: &&str| Way { host: (*host).to_owned(), ..right.clone() };
        if let Some(found) = hosts.iter().find_map(|host| self.find_way(&at(host), key, effort)) {
            return Some(found);
        }
        let bucket = format!("{}.cos.ap-guangzhou.myqcloud.com", context.config.cos_default_bucket);
        let names: Vec<_> = std::iter::once(bucket.as_str())
            .chain(["localhost", "127.0.0.1"])
            .chain(context.config.public_hosts.iter().map(String::as_str))
            .collect();
        for (host, mistake) in explain::other_hosts(&right.host, names) {
            let way = Way { host, ..right.clone() };
            if effort.may_try() && self.gives(&way, key) {
                return Some((mistake, way));
            }
        }
        for (other, mistake) in context.other_keys(credential) {
            if hosts.iter().any(|host| effort.may_try() && self.gives(&at(host), &other)) {
                return Some((mistake, right.clone()));
            }
        }
        None
    }

    /// The mistake in the way of signing that gives the signature that was sent, and the way with it.
    fn find_way(&self, right: &Way, key: &str, effort: &mut Effort) -> Option<(Mistake, Way)> {
        let gives = |way: &Way| self.gives(way, key);
        let mut search = Search::new(right, &gives, effort);
        search.add("plus_for_space", "spaces were signed as +; sign %20, whatever the address has", &|way| {
            way.encode = explain::plus_encode;
        });
        search.add("unencoded_values", "values were signed as they are; sign them percent-encoded", &|way| {
            way.encode = str::to_owned;
        });
        search.add(
            "lower_case_escapes",
            "percent escapes were signed with small letters (%2f); sign capitals (%2F)",
            &|way| {
                way.encode = explain::lower_encode;
            },
        );
        search.add(
            "double_encoding",
            "values were percent-encoded twice before they were signed; encode them once",
            &|way| {
                way.encode = |text| percent_encode(&percent_encode(text));
            },
        );
        search.add("upper_case_method", "the method was signed in capitals; sign it in small letters", &|way| {
            way.method = way.method.to_ascii_uppercase();
        });
        for method in ["get", "head", "put", "post", "delete"] {
            let about = format!("the method was signed as {method}, and sent as {}", right.method);
            search.add("other_method", &about, &|way| method.clone_into(&mut way.method));
        }
        search.add("encoded_path", "the path was signed percent-encoded; sign it decoded", &|way| {
            self.parts.uri.path().clone_into(&mut way.path);
        });
        for path in ["/", ""] {
            let about = format!("the path was signed as {path:?}, and sent as {:?}", right.path);
            search.add("other_path", &about, &|way| path.clone_into(&mut way.path));
        }
        self.lists(&mut search);
        search.add("no_trailing_newline", "the text of the request lacks the line break at its end", &|way| {
            way.format_end = "";
        });
        search.add("no_trailing_newline", "the string to sign lacks the line break at its end", &|way| {
            way.string_end = "";
        });
        search.add("no_trailing_newline", "both texts lack the line break at their ends", &|way| {
            way.format_end = "";
            way.string_end = "";
        });
        search.add("trailing_newline", "the text of the request has a line break too many", &|way| {
            way.format_end = "\n\n";
        });
        search.add("raw_sign_key", "the signing key was used as bytes; use its hexadecimal text", &|way| {
            way.key_use = KeyUse::Raw;
        });
        search.add(
            "no_sign_key",
            "the request was signed with SecretKey itself; sign with the key made from it and q-key-time",
            &|way| {
                way.key_use = KeyUse::Direct;
            },
        );
        search.add("other_hash", "SHA-256 was used; this signature is made with SHA-1", &|way| way.sha256 = true);
        search.add("swapped_times", "q-sign-time was used for the key, or q-key-time for the string to sign", &|way| {
            way.key_time.clone_from(&way.sign_time);
        });
        search.add("swapped_times", "q-sign-time was used for the key, or q-key-time for the string to sign", &|way| {
            way.sign_time.clone_from(&way.key_time);
        });
        search.add("upper_case_signature", "the signature is in capitals; write it in small letters", &|way| {
            way.write = |bytes| hex::encode_upper(bytes);
        });
        search.add("base64_signature", "the signature is base64; write it in hexadecimal", &|way| {
            way.write = |bytes| BASE64_STANDARD.encode(bytes);
        });
        search.found()
    }

    /// Mistakes in what is listed, and in its order.
    fn lists(&self, search: &mut Search<'_, Way>) {
        let Self { case, authorization, .. } = self;
        search.add("unsorted_keys", "keys were signed in the order of the list; sort them", &|way| way.sorted = false);
        search.add("header_list_case", "keys were signed with capitals; sign them in small letters", &|way| {
            way.lower_case = false;
        });
        search.add(
            "header_list_case",
            "keys were signed with capitals and unsorted; sign them in small letters, sorted",
            &|way| {
                way.lower_case = false;
                way.sorted = false;
            },
        );
        search.add("unlisted_host", "the host was signed, and q-header-list does not name it", &|way| {
            way.header_list.push("host".to_owned());
        });
        search.add("unsigned_host", "q-header-list names the host, and it was not signed", &|way| {
            way.header_list.retain(|name| !name.eq_ignore_ascii_case("host"));
        });
        search.add("unsigned_headers", "q-header-list names headers, and none was signed", &|way| {
            way.header_list.clear();
        });
        let all: Vec<_> = case.parameters.iter().map(|(name, _)| percent_encode(name).to_ascii_lowercase()).collect();
        search.add(
            "unlisted_parameters",
            "all parameters were signed, and q-url-param-list does not name them",
            &|way| {
                way.parameter_list.clone_from(&all);
            },
        );
        search.add("unsigned_parameters", "q-url-param-list names parameters, and none was signed", &|way| {
            way.parameter_list.clear();
        });
        for name in &authorization.parameters {
            let about = format!("q-url-param-list names {name}, and it was not signed");
            if !search.add("unsigned_parameter", &about, &|way| way.parameter_list.retain(|listed| listed != name)) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::super::canonical::Repeated;
    use super::*;

    #[test]
    fn the_right_way_is_the_one_that_is_verified() {
        let pairs = [("b", "1 2"), ("A", "你"), ("b", "3")].map(|(key, value)| (key.into(), value.into()));
        let uri: Uri = "/?b=1+2&A=%E4%BD%A0&b=3".parse().expect("a target");
        let target = Target::parse(&uri).expect("a target");
        let fields = "q-sign-algorithm=sha1&q-ak=ID&q-sign-time=10;20&q-key-time=10;20&q-header-list=host;range&\
                      q-url-param-list=b;a;c&q-signature=ab";
        let fields: Vec<_> = fields
            .split('&')
            .filter_map(|piece| piece.split_once('='))
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        let authorization = Authorization::parse(&fields).expect("whole");
        let request = axum::http::Request::builder().uri(&uri).header("host", "h:1").header("range", " x ").body(());
        let parts = request.expect("a request").into_parts().0;
        let way = Way::right(&parts, &target, &authorization, "h:1");
        let ours = way.canonical(&Case { parameters: pairs.to_vec(), headers: header_texts(&parts) });
        let signed = Signed {
            method: "GET",
            path: "/",
            parameters: Pairs::new(pairs.iter().map(|(key, value)| (&**key, &**value))),
            headers: headers(&parts.headers),
        };
        let form = signed.form(&authorization, Repeated::Last);
        assert_eq!(ours.canonical_request, form.text("h:1"));
        assert_eq!(ours.string_to_sign, form.string_to_sign("10;20", "h:1"));
    }
}
