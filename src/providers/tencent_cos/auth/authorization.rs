//! Where a signature stands, and what it says: key, times, what it covers.

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::super::error::Error;
use crate::intake::query::{self, Pair, Pairs};

/// Seconds that a client's clock may run ahead. Assumed; Node.js corrects its clock when it is told.
const AHEAD: i64 = 900;

/// The fields of a signature.
///
/// Documented: "Request Signature", section on the signature's parts.
const FIELDS: [&str; 7] =
    ["q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature"];

/// The parameter that holds a whole signature.
const SIGN: &str = "sign";

/// The fields of the signature, and the parameters that it may cover: all but those that carry it. `None` where there is
/// no signature.
///
/// Recorded: the header from all SDKs, the fields as parameters from presigned URLs of Python and Node.js, one parameter
/// `sign` from those of PHP. Python's anonymous mode is an empty header. Assumed: the order of precedence.
pub(super) fn find<'a>(headers: &'a HeaderMap, pairs: &'a [Pair<'a>]) -> Option<(Pairs<'a>, Cow<'a, [Pair<'a>]>)> {
    let header = headers.get(AUTHORIZATION).map(super::text);
    let without =
        |carries: &dyn Fn(&str) -> bool| pairs.iter().filter(|(key, _)| !carries(key)).cloned().collect::<Vec<_>>();
    let is_field = |key: &str| FIELDS.contains(&key);
    if let Some(header) = header.filter(|header| !header.trim().is_empty()) {
        Some((split(header), pairs.into()))
    } else if ["q-sign-algorithm", "q-ak", "q-signature"].iter().any(|key| query::first(pairs, key).is_some()) {
        let fields = pairs.iter().filter(|(key, _)| is_field(key)).cloned().collect();
        Some((fields, without(&is_field).into()))
    } else {
        // Of a repeated one the last counts, as of every parameter.
        let sign = query::last(pairs, SIGN).filter(|sign| !sign.trim().is_empty())?;
        Some((split(sign), without(&|key| key == SIGN).into()))
    }
}

/// The fields of a signature in one text. They are not escaped any further.
fn split<'a>(text: impl Into<Cow<'a, str>>) -> Pairs<'a> {
    fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
        let pieces = text.trim().split('&').map(|piece| piece.split_once('=').unwrap_or((piece, "")));
        pieces.map(|(key, value)| (key.trim(), value.trim()))
    }
    match text.into() {
        Cow::Borrowed(text) => fields(text).map(|(key, value)| (key.into(), value.into())).collect(),
        Cow::Owned(text) => {
            fields(&text).map(|(key, value)| (key.to_owned().into(), value.to_owned().into())).collect()
        }
    }
}

/// A signature whose parts are all there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    /// `q-ak`.
    pub(super) key_id: &'a str,
    /// `q-sign-time`: when the signature holds.
    pub(super) sign_time: Window<'a>,
    /// `q-key-time`: when the key made for it holds.
    pub(super) key_time: Window<'a>,
    /// `q-header-list`, which may be empty.
    pub(super) headers: Vec<&'a str>,
    /// `q-url-param-list`, which may be empty.
    pub(super) parameters: Vec<&'a str>,
    /// `q-signature`.
    pub(super) signature: &'a str,
}

/// A span of time, both ends included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window<'a> {
    /// As sent; it is signed like this.
    pub(super) text: &'a str,
    /// Seconds since 1970.
    start: i64,
    /// Seconds since 1970.
    end: i64,
}

impl<'a> Window<'a> {
    /// Start and end in seconds since 1970.
    pub(super) fn span(&self) -> (i64, i64) {
        (self.start, self.end)
    }

    /// Reads `start;end`.
    fn parse(text: &'a str) -> Option<Self> {
        let seconds = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse::<i64>().ok() } else { None }
        };
        let (start, end) = text.split_once(';')?;
        let (start, end) = (seconds(start)?, seconds(end)?);
        (start <= end).then_some(Self { text, start, end })
    }
}

impl<'a> Authorization<'a> {
    /// Takes the fields in any order; of a repeated one the last counts, as of every parameter. `None` where one lacks, the algorithm is another, or a time is no time.
    pub(super) fn parse(fields: &'a [Pair<'a>]) -> Option<Self> {
        let field = |key: &str| query::last(fields, key);
        let list = |key: &str| Some(field(key)?.split(';').filter(|item| !item.is_empty()).collect());
        if field("q-sign-algorithm")? != "sha1" {
            return None;
        }
        Some(Self {
            key_id: field("q-ak")?,
            sign_time: Window::parse(field("q-sign-time")?)?,
            key_time: Window::parse(field("q-key-time")?)?,
            headers: list("q-header-list")?,
            parameters: list("q-url-param-list")?,
            signature: field("q-signature").filter(|signature| !signature.is_empty())?,
        })
    }

    /// Whether the signature holds at `now`, in seconds since 1970.
    ///
    /// Documented: the signature's time lies within its key's. Assumed: the tolerance, and that the end has none. (A time
    /// that ends before its start is malformed. The Java SDK signs so where it is told an end in the past: Recorded,
    /// cos_api 5.6.265, captures/tencent_cos/java-presigned-ended.)
    pub(super) fn check_time(&self, now: i64) -> Result<(), Error> {
        let (sign, key) = (&self.sign_time, &self.key_time);
        if sign.start < key.start || sign.end > key.end || now > sign.end {
            Err(Error::Expired)
        } else if now.saturating_add(AHEAD) < sign.start {
            Err(Error::TimeTooSkewed)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "q-sign-algorithm=sha1&q-ak=ID&q-sign-time=10;20&q-key-time=10;20&q-header-list=host;range&\
                         q-url-param-list=&q-signature=ab";

    #[test]
    fn a_signature_needs_all_its_parts_in_any_order() {
        let fields = split(WHOLE);
        let parsed = Authorization::parse(&fields).expect("whole");
        assert_eq!(parsed.headers, ["host", "range"]);
        assert!(parsed.parameters.is_empty());
        let mut reversed: Vec<_> = WHOLE.split('&').collect();
        reversed.reverse();
        assert_eq!(Authorization::parse(&split(reversed.join("&"))), Some(parsed));
        for field in FIELDS {
            let rest: Vec<_> = WHOLE.split('&').filter(|piece| !piece.starts_with(&format!("{field}="))).collect();
            assert_eq!(Authorization::parse(&split(rest.join("&"))), None, "without {field}");
        }
    }

    #[test]
    fn odd_algorithms_and_times_are_no_signature() {
        for (from, to) in [
            ("sha1", "sha256"),
            ("sha1", "SHA1"),
            ("q-sign-time=10;20", "q-sign-time=10"),
            ("q-sign-time=10;20", "q-sign-time=20;10"),
            ("q-sign-time=10;20", "q-sign-time=10;"),
            ("q-sign-time=10;20", "q-sign-time=-10;20"),
            ("q-sign-time=10;20", "q-sign-time=10;20;30"),
            ("q-key-time=10;20", "q-key-time=1e1;20"),
            ("q-key-time=10;20", "q-key-time=10;99999999999999999999"),
            ("q-signature=ab", "q-signature="),
        ] {
            assert_eq!(Authorization::parse(&split(WHOLE.replace(from, to))), None, "{to}");
        }
        assert_eq!(Authorization::parse(&split("Bearer x")), None);
    }

    #[test]
    fn a_signature_holds_from_a_quarter_hour_before_its_start_to_its_end() {
        let at = |sign: &str, key: &str, now| {
            let text = WHOLE.replace("q-sign-time=10;20", &format!("q-sign-time={sign}"));
            let text = text.replace("q-key-time=10;20", &format!("q-key-time={key}"));
            Authorization::parse(&split(&text)).expect("whole").check_time(now)
        };
        for (sign, key, now, expected) in [
            ("1000;2000", "1000;2000", 1000, Ok(())),
            ("1000;2000", "1000;2000", 100, Ok(())),
            ("1000;2000", "1000;2000", 99, Err(Error::TimeTooSkewed)),
            ("1000;2000", "1000;2000", 2000, Ok(())),
            ("1000;2000", "1000;2000", 2001, Err(Error::Expired)),
            ("1000;2000", "900;2100", 1500, Ok(())),
            ("1000;2000", "1001;2000", 1500, Err(Error::Expired)),
            ("1000;2000", "1000;1999", 1500, Err(Error::Expired)),
            ("0;9223372036854775807", "0;9223372036854775807", i64::MAX, Ok(())),
        ] {
            assert_eq!(at(sign, key, now), expected, "{sign} {key} {now}");
        }
    }

    #[test]
    fn the_header_comes_before_the_parameters_and_these_before_sign() {
        let pairs =
            [("q-ak", "query"), ("sign", "q-ak=sign"), ("a", "1")].map(|(key, value)| (key.into(), value.into()));
        let found = |header: Option<&'static str>, pairs: &[Pair<'_>]| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, header.parse().expect("a value"));
            }
            let (fields, unsigned) = find(&headers, pairs)?;
            let keys: Vec<_> = unsigned.iter().map(|(key, _)| &**key).collect();
            Some((query::first(&fields, "q-ak").unwrap_or_default().to_owned(), keys.join(" ")))
        };
        let is = |key_id: &str, keys: &str| Some((key_id.to_owned(), keys.to_owned()));
        assert_eq!(found(Some("q-ak=header"), &pairs), is("header", "q-ak sign a"));
        assert_eq!(found(Some(" "), &pairs), is("query", "sign a"));
        assert_eq!(found(None, &pairs[1..]), is("sign", "a"));
        assert_eq!(found(Some(""), &pairs[2..]), None);
        assert_eq!(found(Some("Basic eA=="), &pairs[2..]), is("", "a"));
    }
}
