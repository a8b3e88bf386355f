//! Takes out of texts what nobody who looks at the journal may see: secrets, by the names that they have; and pictures in
//! base64, which are of no use to anybody, by their digests.
//!
//! A secret is known by the name beside it, wherever in an exchange that stands (`access_token=…`, `"secret": "…"`,
//! `Signature=…`). What is found so is masked wherever else it stands, since an answer may repeat what a request said.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use crate::secret::is_secret_name;

/// What stands in the place of a secret.
pub(super) const MASK: &str = "***";

/// Characters of base64 from which on it is taken for a picture.
const PICTURE: usize = 512;
/// Secrets that are shorter are masked beside their names alone: as parts of other words they would mask those.
const SHORT: usize = 8;

/// Knows the secrets of one exchange.
#[derive(Debug, Default)]
pub(super) struct Masker {
    secrets: Vec<String>,
}

impl Masker {
    /// A text without its pictures and without the secrets that it names; these are known from here on.
    pub(super) fn named(&mut self, text: &str) -> String {
        self.mask_named(&without_pictures(text))
    }

    /// A header without what is secret in it.
    pub(super) fn header(&mut self, name: &str, value: &str) -> String {
        let masked = self.mask_named(value);
        // Credentials that are made of named parts are masked part by part.
        if !is_secret_name(name) || masked != value {
            return masked;
        }
        let (scheme, secret) = value.split_once(' ').unwrap_or(("", value));
        self.learn(secret);
        if scheme.is_empty() { MASK.to_owned() } else { format!("{scheme} {MASK}") }
    }

    /// A target: parameters may be written in many ways, so each is looked at decoded.
    pub(super) fn target(&mut self, target: &str) -> String {
        let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
        let parameters = query.split('&').map(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return Cow::Borrowed(parameter) };
            let plain = decoded(value);
            if is_secret_name(&decoded(name)) {
                self.learn(value);
                self.learn(&plain);
                return format!("{name}={MASK}").into();
            }
            // A parameter may be an address with parameters of its own.
            self.named(&plain);
            without_pictures(parameter)
        });
        let parameters: Vec<_> = parameters.collect();
        format!("{path}?{}", parameters.join("&"))
    }

    /// A text without the secrets that are known, wherever they stand.
    pub(super) fn known(&self, mut text: String) -> String {
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
        }
        text
    }

    fn learn(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() >= SHORT && !self.secrets.iter().any(|known| known == secret) {
            self.secrets.push(secret.to_owned());
            // A longer one may hold a shorter one.
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// Masks the value beside each secret name.
    fn mask_named(&mut self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_of_name) {
            let name_end = rest[start..].find(|c| !is_of_name(c)).map_or(rest.len(), |length| start + length);
            let name = decoded(&rest[start..name_end]);
            let value = if is_secret_name(&name) { value_behind(&rest[name_end..]) } else { None };
            match value {
                Some((before, length)) => {
                    let (from, to) = (name_end + before, name_end + before + length);
                    self.learn(&rest[from..to]);
                    self.learn(&decoded(&rest[from..to]));
                    masked.push_str(&rest[..from]);
                    masked.push_str(MASK);
                    rest = &rest[to..];
                }
                None => {
                    masked.push_str(&rest[..name_end]);
                    rest = &rest[name_end..];
                }
            }
        }
        masked.push_str(rest);
        masked
    }
}

/// Whether a character can be part of a name, escaped or not.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | '%' | '\\')
}

/// A name or value with percent sequences and JSON's escapes undone.
fn decoded(text: &str) -> String {
    let text = percent_decode_str(text).decode_utf8_lossy();
    if !text.contains('\\') {
        return text.into_owned();
    }
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.replace('\\', ""))
}

/// Where the value begins that a name is followed by, and its length: `="…"`, `: "…"`, `=…`, `":"…"`.
fn value_behind(text: &str) -> Option<(usize, usize)> {
    let bare = text.trim_start_matches(['"', '\'', '\\', ' ']);
    let behind = bare.strip_prefix(['=', ':', '>'])?;
    let value = behind.trim_start_matches([' ', '\\']);
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let value = quote.map_or(value, |_| &value[1..]);
    let length = match quote {
        Some(quote) => quoted_length(value, quote),
        None => value
            .find(['&', ';', ',', '"', '\'', '<', '>', '{', '}', '[', ']', ' ', '\t', '\r', '\n'])
            .unwrap_or(value.len()),
    };
    (length > 0).then(|| (text.len() - value.len(), length))
}

/// The length of a text up to its closing quote, or to its end where that is missing.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (place, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return place,
            _ => {}
        }
    }
    text.len()
}

/// The same text with the digest of each picture in its place.
fn without_pictures(text: &str) -> Cow<'_, str> {
    if text.len() < PICTURE {
        return text.into();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_of_base64) {
        let end = rest[start..].find(|c| !is_of_base64(c)).map_or(rest.len(), |length| start + length);
        shown.push_str(&rest[..start]);
        let run = &rest[start..end];
        match (run.len() >= PICTURE).then(|| picture(run)).flatten() {
            Some(picture) => shown.push_str(&picture),
            None => shown.push_str(run),
        }
        rest = &rest[end..];
    }
    shown.push_str(rest);
    shown.into()
}

/// Base64 as it stands in JSON and in forms.
fn is_of_base64(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '-' | '_' | '=' | '%' | '\\')
}

/// What is shown of a picture in base64; `None` where it is none.
fn picture(run: &str) -> Option<String> {
    use base64::Engine;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    // A form writes `ImageBase64=` before it, JSON may escape slashes.
    let plain = percent_decode_str(run).decode_utf8_lossy().replace('\\', "");
    let (name, text) = match plain.trim_end_matches('=').split_once('=') {
        Some((name, text)) => (format!("{name}="), text),
        None => (String::new(), plain.trim_end_matches('=')),
    };
    let standard = text.replace('-', "+").replace('_', "/");
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT).decode(standard).ok()?;
    Some(format!("{name}[base64 of {} bytes, sha256 {}]", bytes.len(), hex::encode(Sha256::digest(&bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for (text, masked) in [
            (r#"{"access_token":"AAAAAAAAAAAA","expires_in":7200}"#, r#"{"access_token":"***","expires_in":7200}"#),
            (r#"{ "secret" : "a\"b", "x": 1 }"#, r#"{ "secret" : "***", "x": 1 }"#),
            (r#"{"acc\u0065ss_token":"AAAAAAAAAAAA"}"#, r#"{"acc\u0065ss_token":"***"}"#),
            (r#"{"secret":"never ends"#, r#"{"secret":"***"#),
            ("grant_type=x&secret=abc&appid=wx1", "grant_type=x&secret=***&appid=wx1"),
            ("Signature=0a1b, Credential=AKID", "Signature=***, Credential=AKID"),
            ("q-ak=AKID&q-signature=0a1b", "q-ak=AKID&q-signature=***"),
            ("<SecurityToken>abc</SecurityToken>", "<SecurityToken>***</SecurityToken>"),
            ("access_token missing", "access_token missing"),
            ("access_token is invalid or not latest: ask again", "access_token is invalid or not latest: ask again"),
            ("{\"token\":{\"a\":1}}", "{\"token\":{\"a\":1}}"),
            ("", ""),
            ("中文 token=密码 x", "中文 token=*** x"),
        ] {
            assert_eq!(Masker::default().named(text), masked, "{text}");
        }
    }

    #[test]
    fn headers_and_targets_are_masked_in_part() {
        for (name, value, masked) in [
            ("authorization", "Bearer Abc123456", "Bearer ***"),
            ("authorization", "Abc123456", "***"),
            (
                "authorization",
                "TC3-HMAC-SHA256 Credential=AKID/2026-11-21/ocr/tc3_request, SignedHeaders=host, Signature=0a1b2c3d",
                "TC3-HMAC-SHA256 Credential=AKID/2026-11-21/ocr/tc3_request, SignedHeaders=host, Signature=***",
            ),
            ("x-cos-security-token", "temporary", "***"),
            ("host", "127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(Masker::default().header(name, value), masked, "{name}: {value}");
        }
        for (target, masked) in [
            ("/cgi-bin/token?appid=wx1&secret=0123456789abcdef", "/cgi-bin/token?appid=wx1&secret=***"),
            ("/?access%5Ftoken=AAAA%2BAAAA", "/?access%5Ftoken=***"),
            ("/a?b", "/a?b"),
            ("/token=x", "/token=x"),
        ] {
            assert_eq!(Masker::default().target(target), masked, "{target}");
        }
    }

    #[test]
    fn what_is_known_is_masked_wherever_it_stands() {
        let mut masker = Masker::default();
        masker.target("/?access_token=AAAA%2BAAAA&img_url=http%3A%2F%2Fh%2F%3Ftoken%3Dinner-token");
        for (text, masked) in [
            ("the token AAAA+AAAA is unknown", "the token *** is unknown"),
            ("AAAA%2BAAAA", "***"),
            ("http%3A%2F%2Fh%2F%3Ftoken%3Dinner-token", "http%3A%2F%2Fh%2F%3Ftoken%3D***"),
        ] {
            assert_eq!(masker.known(text.to_owned()), masked, "{text}");
        }
        masker.header("authorization", "Bearer a");
        assert_eq!(masker.known("a banana".to_owned()), "a banana");
    }

    #[test]
    fn pictures_are_shown_by_their_digest() {
        use base64::Engine;
        let bytes = [0xFB; 600];
        let text = base64::prelude::BASE64_STANDARD.encode(bytes);
        let shown = format!("[base64 of 600 bytes, sha256 {}]", hex::encode(Sha256::digest(bytes)));
        let form = text.replace('+', "%2B").replace('/', "%2F");
        for (text, expected) in [
            (format!("{{\"ImageBase64\":\"{text}\"}}"), format!("{{\"ImageBase64\":\"{shown}\"}}")),
            (text.replace('/', "\\/"), shown.clone()),
            (format!("ImageBase64={form}&x=1"), format!("ImageBase64={shown}&x=1")),
            ("a".repeat(511), "a".repeat(511)),
        ] {
            assert_eq!(without_pictures(&text), expected);
        }
    }

    #[test]
    fn no_text_panics() {
        for text in ["\"token\"", "token=", "token:\"", "token=\\", "%", "\\", "token\\\":\\\"x\\\"", "token=\u{1F600}"]
        {
            Masker::default().named(text);
            Masker::default().target(&format!("/?{text}"));
            Masker::default().header("authorization", text);
        }
    }
}
