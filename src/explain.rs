//! Why a signature was refused, told to whoever debugs a client: what both sides signed, where that differs, and the
//! mistake that makes the difference. The vendor's answer says none of it.
//!
//! What a signature covers, and which mistakes are usual, is each provider's matter; here is what they have in common.
//! Nothing here holds a key or a signature. Values whose names say that they are secret are masked before they get here.

use std::fmt::Write;
use std::ops::Range;

use axum::body::Bytes;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use serde::Serialize;

use crate::clock::Clock;
use crate::config::{Config, TencentCredential};
use crate::credentials::Credentials;

/// What is known of a signed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The kind of signature: `q-sign`, `TC3-HMAC-SHA256`, `HmacSHA1`, `HmacSHA256`.
    pub scheme: &'static str,
    /// Whether nothing is wrong with it.
    pub right: bool,
    /// What we sign of the request; `None` where it is not even clear how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Canonical>,
    /// What the client signed, where a known mistake gives its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Canonical>,
    /// Where the two differ first, if both are known and differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// What is wrong, the likeliest first; empty where the signature is right, or wrong in a way that nobody knows.
    pub mistakes: Vec<Mistake>,
}

/// The two texts that a signature is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Canonical {
    /// The request in the vendor's canonical form, whatever the vendor calls it.
    pub canonical_request: String,
    /// What the key is applied to.
    pub string_to_sign: String,
}

/// The first place where two texts differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which of the two texts: `canonical_request` or `string_to_sign`.
    #[serde(rename = "in")]
    pub place: &'static str,
    /// Bytes before it, which are the same in both.
    pub byte: usize,
    /// The line that it is on, from 1.
    pub line: usize,
    /// Our text around it.
    pub ours: String,
    /// The client's text around it.
    pub theirs: String,
}

/// What a client did wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Its name, for programs: `plus_for_space`, `skewed_clock` …
    pub name: &'static str,
    /// What happened and what to do, in a sentence.
    pub about: String,
}

/// How often a request may be signed again for one explanation. Whoever sent it need not be anybody, and may have made it
/// long so that each of a hundred mistakes takes its time.
pub struct Effort {
    tries_left: usize,
    was_enough: bool,
}

impl Effort {
    /// Bytes to sign where only the head of a request is signed: all mistakes of the longest heads that clients send, or
    /// some milliseconds.
    pub const OF_HEADS: usize = 4 << 20;
    /// What a name takes beside its text, in bytes to sign.
    const NAME: usize = 256;

    /// As many tries as sign so many bytes, where each signs these names and values.
    pub fn new<'a>(bytes: usize, signed: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let each: usize = signed.into_iter().map(|(name, value)| Self::NAME + name.len() + value.len()).sum();
        Self { tries_left: bytes / each.max(1), was_enough: true }
    }

    /// Whether one mistake more may be tried; asked before each one.
    pub fn may_try(&mut self) -> bool {
        self.was_enough = self.tries_left > 0;
        self.tries_left = self.tries_left.saturating_sub(1);
        self.was_enough
    }

    /// What there is to say where no mistake was found, and not all of them were tried.
    pub fn told(&self) -> Option<Mistake> {
        let about = "the request is so long that not every usual mistake was tried; sign a shorter one to find out";
        (!self.was_enough).then(|| Mistake::new("too_long", about))
    }
}

/// The search for the mistake that gives the signature that was sent.
pub struct Search<'a, W> {
    right: &'a W,
    gives: &'a dyn Fn(&W) -> bool,
    effort: &'a mut Effort,
    found: Option<(Mistake, W)>,
}

impl<'a, W: Clone> Search<'a, W> {
    /// Among ways of signing that are the `right` one but for a mistake; `gives` says whether a way gives the signature.
    pub fn new(right: &'a W, gives: &'a dyn Fn(&W) -> bool, effort: &'a mut Effort) -> Self {
        Self { right, gives, effort, found: None }
    }

    /// Tries a mistake, by its name and sentence and by what it changes in the right way; `false` where there is nothing
    /// more to try.
    pub fn add(&mut self, name: &'static str, about: &str, change: &dyn Fn(&mut W)) -> bool {
        if self.found.is_some() || !self.effort.may_try() {
            return false;
        }
        let mut way = self.right.clone();
        change(&mut way);
        if (self.gives)(&way) {
            self.found = Some((Mistake::new(name, about), way));
        }
        self.found.is_none()
    }

    /// The mistake, and the way with it.
    pub fn found(self) -> Option<(Mistake, W)> {
        self.found
    }
}

/// An explanation, and whose signature it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The vendor.
    pub provider: &'static str,
    /// What is known.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// Head and body of a request as it is on the wire. Lines may end in a line feed alone. Bytes past `Content-Length` do not
/// count; without it, all that is there is the body.
///
/// # Errors
/// Why it is no request, in a sentence.
pub fn request(raw: &[u8]) -> Result<(Parts, Bytes), String> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut head = httparse::Request::new(&mut headers);
    let start = raw.len() - raw.trim_ascii_start().len();
    let raw = &raw[start..];
    let length = match head.parse(raw) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => {
            return Err("the request ends before its head does: an empty line ends it".to_owned());
        }
        Err(error) => return Err(format!("this is no HTTP/1.1 request: {error}")),
    };
    let mut request =
        axum::http::Request::builder().method(head.method.unwrap_or_default()).uri(head.path.unwrap_or_default());
    for header in head.headers.iter() {
        request = request.header(header.name, header.value);
    }
    let (parts, ()) = request.body(()).map_err(|error| format!("this is no HTTP/1.1 request: {error}"))?.into_parts();
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err("the body is in chunks; send it as a whole, with Content-Length".to_owned());
    }
    let rest = &raw[length..];
    let body = match parts.headers.get(CONTENT_LENGTH) {
        None => rest,
        Some(announced) => {
            let announced = announced.to_str().ok().and_then(|text| text.trim().parse::<usize>().ok());
            let announced = announced.ok_or("Content-Length is no number")?;
            rest.get(..announced)
                .ok_or_else(|| format!("the body has {} bytes, Content-Length says {announced}", rest.len()))?
        }
    };
    Ok((parts, Bytes::copy_from_slice(body)))
}

/// What explanations are made from, beside the request.
pub struct Context<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Who there is.
    pub credentials: &'a Credentials,
    /// The time.
    pub clock: &'a Clock,
}

/// Other key pairs that are tried for a signature.
const OTHER_KEYS: usize = 64;

impl Context<'_> {
    /// Why a key's id is nobody's.
    pub fn unknown_key(&self, id: &str) -> Mistake {
        let pairs = self.credentials.some_key_pairs(OTHER_KEYS);
        // All are compared, so that the time does not tell which one it is.
        if pairs.iter().fold(false, |found, pair| found | pair.key.matches(id)) {
            return Mistake::new("swapped_id_and_key", "the secret key was sent as the key's id; swap the two");
        }
        if !self.credentials.key_pairs(id.trim()).is_empty() {
            return Mistake::new("id_with_space", "the key's id has white space around it; trim it");
        }
        let about = "no key has this id; QRSTACK_TENCENT_CREDENTIALS names those that there are, and \
                     POST /_qrstack/v1/credentials makes new ones";
        Mistake::new("unknown_key", about)
    }

    /// Keys that a client may have used in place of the one of `credential`, each with what happened.
    pub fn other_keys(&self, credential: &TencentCredential) -> Vec<(String, Mistake)> {
        let own = credential.key.expose();
        let mut keys = spoilt_keys(own);
        let swapped = "the request was signed with the key's id in place of the secret key; swap the two";
        keys.push((credential.id.clone(), Mistake::new("swapped_id_and_key", swapped)));
        for pair in self.credentials.some_key_pairs(OTHER_KEYS).iter().filter(|pair| !pair.key.matches(own)) {
            let about = format!("the request was signed with the secret key of {}", pair.id);
            keys.push((pair.key.expose().to_owned(), Mistake::new("other_key", about)));
        }
        keys
    }
}

impl Mistake {
    /// A mistake by its name, and a sentence about it.
    pub fn new(name: &'static str, about: impl Into<String>) -> Self {
        Self { name, about: about.into() }
    }
}

impl Explanation {
    /// Nothing is known but the mistakes.
    pub fn of_mistakes(scheme: &'static str, mistakes: Vec<Mistake>) -> Self {
        Self { scheme, right: false, ours: None, theirs: None, difference: None, mistakes }
    }

    /// What both sides signed, as far as it is known; right where nothing is wrong.
    pub fn of_texts(
        scheme: &'static str,
        ours: Canonical,
        theirs: Option<Canonical>,
        right: bool,
        mistakes: Vec<Mistake>,
    ) -> Self {
        let difference = theirs.as_ref().and_then(|theirs| Difference::between(&ours, theirs));
        Self { scheme, right, ours: Some(ours), theirs, difference, mistakes }
    }
}

impl Difference {
    /// The first difference of two pairs of texts: in the canonical request, else in the string to sign.
    pub fn between(ours: &Canonical, theirs: &Canonical) -> Option<Self> {
        Self::of("canonical_request", &ours.canonical_request, &theirs.canonical_request)
            .or_else(|| Self::of("string_to_sign", &ours.string_to_sign, &theirs.string_to_sign))
    }

    fn of(place: &'static str, ours: &str, theirs: &str) -> Option<Self> {
        if ours == theirs {
            return None;
        }
        let same = ours.bytes().zip(theirs.bytes()).take_while(|(ours, theirs)| ours == theirs).count();
        let line = ours.as_bytes()[..same].split(|byte| *byte == b'\n').count();
        Some(Self { place, byte: same, line, ours: around(ours, same), theirs: around(theirs, same) })
    }
}

/// Up to twenty characters on each side of a byte of `text`.
fn around(text: &str, byte: usize) -> String {
    const SIDE: usize = 20;
    let floor =
        |place: usize| (0..=place.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    let Range { start, end } = floor(byte.saturating_sub(SIDE))..floor(byte.saturating_add(SIDE));
    text[start..end].to_owned()
}

/// What a clock that is off makes of a moment: the mistake, where `sent` (Unix seconds as a client wrote them) is further
/// from `now` than `window`.
pub fn skewed_clock(sent: i64, now: i64, window: i64) -> Option<Mistake> {
    let off = sent.saturating_sub(now);
    if off.saturating_abs() <= window {
        return None;
    }
    let in_seconds = sent / 1000;
    if in_seconds.abs_diff(now) <= 86_400 * 366 && sent > now {
        return Some(Mistake::new(
            "milliseconds",
            "the time is in milliseconds where seconds are wanted; divide it by 1000",
        ));
    }
    let (side, by) = if off < 0 { ("behind", off.unsigned_abs()) } else { ("ahead of", off.unsigned_abs()) };
    Some(Mistake::new(
        "skewed_clock",
        format!(
            "the client's time is {by} seconds {side} ours, more than the {window} that are allowed; set its clock"
        ),
    ))
}

/// The ways in which a secret key is often spoilt on its way into a client: the key as it is then used, and the mistake.
fn spoilt_keys(key: &str) -> Vec<(String, Mistake)> {
    let newline = "the key was used with a line break behind it, as files and shells add one; trim it";
    let space = "the key was used with a space around it; trim it";
    let quotes = "the key was used with quotation marks around it; take them away";
    vec![
        (format!("{key}\n"), Mistake::new("key_with_newline", newline)),
        (format!("{key}\r\n"), Mistake::new("key_with_newline", newline)),
        (format!("{key} "), Mistake::new("key_with_space", space)),
        (format!(" {key}"), Mistake::new("key_with_space", space)),
        (format!("\"{key}\""), Mistake::new("key_with_quotes", quotes)),
        (String::new(), Mistake::new("empty_key", "the signature was made with an empty key; the client has none set")),
    ]
}

/// Hosts that a client may have signed in place of the one it sent: with a port, or one of the vendor's own names.
pub fn other_hosts<'a>(sent: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<(String, Mistake)> {
    let bare = crate::intake::without_port(sent);
    let mut others = Vec::new();
    for port in ["80", "443", "8080"] {
        let host = format!("{bare}:{port}");
        if host != sent {
            let about = format!(
                "the signature covers the host {host}, the request was sent to {sent}; sign the host without a port, or \
                 the one that the header Host has"
            );
            others.push((host, Mistake::new("port_in_host", about)));
        }
    }
    for name in names.into_iter().filter(|name| *name != sent && *name != bare) {
        let about = format!(
            "the signature covers the host {name}, the request was sent to {sent}; send the header Host: {name}, or set \
             QRSTACK_PUBLIC_HOSTS={name}"
        );
        others.push((name.to_owned(), Mistake::new("other_host", about)));
    }
    others
}

/// Percent-encodes as [`crate::signing::percent_encode`], with `+` for a space.
pub fn plus_encode(text: &str) -> String {
    crate::signing::percent_encode(text).replace("%20", "+")
}

/// Percent-encodes as [`crate::signing::percent_encode`], in lower-case hexadecimal.
pub fn lower_encode(text: &str) -> String {
    map_escapes(&crate::signing::percent_encode(text), str::to_ascii_lowercase)
}

/// `text` with each of its percent escapes changed.
pub fn map_escapes(text: &str, change: impl Fn(&str) -> String) -> String {
    let mut changed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('%') {
        changed.push_str(&rest[..place]);
        rest = &rest[place..];
        match rest.get(..3) {
            Some(escape) if escape[1..].bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                changed.push_str(&change(escape));
                rest = &rest[3..];
            }
            _ => {
                changed.push('%');
                rest = &rest[1..];
            }
        }
    }
    changed + rest
}

/// Other spellings of a JSON text that libraries make of it, each with what it is.
///
/// The text is changed between its strings alone, so that nothing is lost of numbers and order.
pub fn json_spellings(text: &str) -> Vec<(String, &'static str)> {
    let compact = respaced(text, "", "");
    let spaced = respaced(text, ", ", ": ");
    let mut spellings = Vec::new();
    for (text, about) in [(&compact, "without spaces"), (&spaced, "with a space behind each comma and colon")] {
        spellings.push((text.clone(), about));
        spellings.push((escaped(text), "with \\u escapes for what is not ASCII"));
        spellings.push((unescaped(text), "without \\u escapes"));
        spellings.push((text.replace('/', "\\/"), "with escaped slashes"));
        spellings.push((text.replace("\\/", "/"), "without escaped slashes"));
    }
    spellings.push((escaped(text), "with \\u escapes for what is not ASCII"));
    spellings.push((unescaped(text), "without \\u escapes"));
    spellings.push((format!("{text}\n"), "with a line break at its end"));
    spellings.push((text.trim_end().to_owned(), "without white space at its end"));
    let mut seen = vec![text.to_owned()];
    spellings.retain(|(spelling, _)| {
        let new = !seen.contains(spelling);
        if new {
            seen.push(spelling.clone());
        }
        new
    });
    spellings
}

/// JSON with `comma` and `colon` behind its marks, and no other white space outside of strings.
fn respaced(text: &str, comma: &str, colon: &str) -> String {
    let (mut out, mut in_string, mut escape) = (String::with_capacity(text.len()), false, false);
    for character in text.chars() {
        if in_string {
            out.push(character);
            match character {
                _ if escape => escape = false,
                '\\' => escape = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match character {
            ' ' | '\t' | '\r' | '\n' => {}
            ',' => out.push_str(if comma.is_empty() { "," } else { comma }),
            ':' => out.push_str(if colon.is_empty() { ":" } else { colon }),
            other => {
                in_string = other == '"';
                out.push(other);
            }
        }
    }
    out
}

/// JSON with `\u` escapes for what is not ASCII.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("memory takes every text");
            }
        }
    }
    out
}

/// JSON with the characters themselves for `\u` escapes of what is not ASCII.
fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        let unit = rest.strip_prefix("\\u").and_then(|rest| u16::from_str_radix(rest.get(..4)?, 16).ok());
        if let Some(unit) = unit.filter(|unit| *unit >= 0x80) {
            units.push(unit);
            rest = &rest[6..];
            continue;
        }
        out.push_str(&String::from_utf16_lossy(&std::mem::take(&mut units)));
        // An escaped backslash keeps what follows from being an escape.
        let step = if rest.starts_with("\\\\") { 2 } else { rest.chars().next().map_or(1, char::len_utf8) };
        out.push_str(&rest[..step]);
        rest = &rest[step..];
    }
    out.push_str(&String::from_utf16_lossy(&units));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(canonical_request: &str, string_to_sign: &str) -> Canonical {
        Canonical { canonical_request: canonical_request.to_owned(), string_to_sign: string_to_sign.to_owned() }
    }

    #[test]
    fn the_first_difference_is_told_with_its_line_and_surroundings() {
        let (ours, theirs) = (canonical("get\n/\na=1%202\nhost=x\n", "s"), canonical("get\n/\na=1+2\nhost=x\n", "t"));
        let difference = Difference::between(&ours, &theirs).expect("they differ");
        assert_eq!((difference.place, difference.byte, difference.line), ("canonical_request", 9, 3));
        assert!(difference.ours.contains("a=1%20") && difference.theirs.contains("a=1+2"), "{difference:?}");
        assert_eq!(Difference::between(&ours, &ours), None);
        let longer = canonical("get\n/\na=1%202\nhost=x\n", "s\n");
        assert_eq!(
            Difference::between(&ours, &longer).map(|found| (found.place, found.byte)),
            Some(("string_to_sign", 1))
        );
        // Within a character of several bytes.
        let (ours, theirs) = (canonical("你", ""), canonical("佀", ""));
        assert_eq!(Difference::between(&ours, &theirs).map(|found| found.byte), Some(2));
    }

    #[test]
    fn clocks_are_told_apart_from_units() {
        for (sent, expected) in [
            (1_700_000_000, None),
            (1_700_000_300, None),
            (1_699_999_699, Some("skewed_clock")),
            (1_700_003_600, Some("skewed_clock")),
            (1_700_000_000_123, Some("milliseconds")),
            (0, Some("skewed_clock")),
            (i64::MIN, Some("skewed_clock")),
            (i64::MAX, Some("skewed_clock")),
        ] {
            assert_eq!(skewed_clock(sent, 1_700_000_000, 300).map(|mistake| mistake.name), expected, "{sent}");
        }
    }

    #[test]
    fn json_is_spelled_as_libraries_do() {
        let all: Vec<_> =
            json_spellings(r#"{"a": "b, c: \" 中/", "d":[1 , 2.50]}"#).into_iter().map(|(text, _)| text).collect();
        for expected in [
            r#"{"a":"b, c: \" 中/","d":[1,2.50]}"#,
            r#"{"a": "b, c: \" 中/", "d": [1, 2.50]}"#,
            r#"{"a":"b, c: \" \u4e2d/","d":[1,2.50]}"#,
            r#"{"a":"b, c: \" 中\/","d":[1,2.50]}"#,
            "{\"a\": \"b, c: \\\" 中/\", \"d\":[1 , 2.50]}\n",
        ] {
            assert!(all.iter().any(|text| text == expected), "{expected} in {all:?}");
        }
        let raw: Vec<_> =
            json_spellings(r#"{"a":"\u4e2d\ud83d\ude00 \\u4e2d \u0026"}"#).into_iter().map(|(text, _)| text).collect();
        assert!(raw.iter().any(|text| text == r#"{"a":"中😀 \\u4e2d \u0026"}"#), "{raw:?}");
    }

    #[test]
    fn a_request_is_taken_apart_as_it_stands() {
        let (parts, body) =
            request(b"\nPOST /a?b=c+d HTTP/1.1\nHost: h:1\nContent-Length: 2\n\nabcd\n").expect("whole");
        assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), ("POST", "/a?b=c+d"));
        assert_eq!((parts.headers["host"].as_bytes(), body.as_ref()), (&b"h:1"[..], &b"ab"[..]));
        let (_, body) = request(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest").expect("whole");
        assert_eq!(body.as_ref(), b"rest");
        for raw in [
            &b""[..],
            b"GET",
            b"GET / HTTP/1.1\r\nHost: h\r\n",
            b"hello world",
            b"POST / HTTP/1.1\nContent-Length: 9\n\nab",
            b"POST / HTTP/1.1\nContent-Length: x\n\nab",
            b"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n",
        ] {
            assert!(request(raw).is_err(), "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn escapes_alone_are_changed() {
        assert_eq!(map_escapes("a%E4b%2G%", str::to_ascii_lowercase), "a%e4b%2G%");
        assert_eq!(lower_encode("你 b"), "%e4%bd%a0%20b");
        assert_eq!(plus_encode("a b+c"), "a+b%2Bc");
    }
}
