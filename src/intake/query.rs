//! Queries and urlencoded bodies as pairs, each decoded once: `+` and `%20` are both a space.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use thiserror::Error;

/// Why a query could not be decoded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QueryError {
    /// `%` without two hexadecimal digits behind it.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    BadPercent,
    /// The decoded bytes are not UTF-8.
    #[error("the decoded text is not UTF-8")]
    NotUtf8,
}

/// A key and its value, decoded.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);
/// Keys with their values, in the order in which they came.
pub type Pairs<'a> = Vec<Pair<'a>>;

/// The pairs in the order of the text; a key without `=` has an empty value; empty pieces between `&` do not count.
///
/// # Errors
/// Where a percent sequence is broken, or a decoded text is not UTF-8.
pub fn pairs(raw: &str) -> Result<Pairs<'_>, QueryError> {
    pieces(raw).map(|(key, value)| Ok((decode(key)?, decode(value)?))).collect()
}

/// As [`pairs`], for whoever keeps them longer than the text.
///
/// # Errors
/// As [`pairs`].
pub fn owned_pairs(raw: &str) -> Result<Vec<(String, String)>, QueryError> {
    Ok(pairs(raw)?.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
}

/// As [`pairs`], but never fails: broken percent sequences stay as they are, bytes that are not UTF-8 become U+FFFD.
pub fn pairs_lossy(raw: &str) -> Pairs<'_> {
    each_lossy(raw).collect()
}

/// As [`pairs_lossy`], each pair when it is its turn.
pub fn each_lossy(raw: &str) -> impl Iterator<Item = Pair<'_>> {
    pieces(raw).map(|(key, value)| (decode_lossy(key), decode_lossy(value)))
}

/// Of [`pairs_lossy`] the value of the first pair with this key; no other value is decoded.
pub fn first_lossy<'a>(raw: &'a str, key: &str) -> Option<Cow<'a, str>> {
    pieces(raw).find(|(name, _)| decode_lossy(name) == key).map(|(_, value)| decode_lossy(value))
}

/// Of [`pairs_lossy`] the value of the last pair with this key; no other value is decoded.
pub fn last_lossy<'a>(raw: &'a str, key: &str) -> Option<Cow<'a, str>> {
    pieces(raw).rev().find(|(name, _)| decode_lossy(name) == key).map(|(_, value)| decode_lossy(value))
}

/// Keys and values as they stand there.
fn pieces(raw: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    raw.split('&').filter(|piece| !piece.is_empty()).map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// The value of the first pair with this key.
pub fn first<'a, T: AsRef<str>>(pairs: &'a [(T, T)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| name.as_ref() == key).map(|(_, value)| value.as_ref())
}

/// The value of the last pair with this key.
pub fn last<'a, T: AsRef<str>>(pairs: &'a [(T, T)], key: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(name, _)| name.as_ref() == key).map(|(_, value)| value.as_ref())
}

/// A path decoded once; a plus is a plus there.
///
/// # Errors
/// As [`pairs`].
pub fn decode_path(raw: &str) -> Result<Cow<'_, str>, QueryError> {
    unescape(raw)
}

fn decode(text: &str) -> Result<Cow<'_, str>, QueryError> {
    if !text.contains('+') {
        return unescape(text);
    }
    let spaced = text.replace('+', " ");
    let changed = changed(unescape(&spaced)?);
    Ok(changed.unwrap_or(spaced).into())
}

fn decode_lossy(text: &str) -> Cow<'_, str> {
    if !text.contains('+') {
        return unescape_lossy(text);
    }
    let spaced = text.replace('+', " ");
    changed(unescape_lossy(&spaced)).unwrap_or(spaced).into()
}

/// What became of a text, if anything did.
fn changed(text: Cow<'_, str>) -> Option<String> {
    match text {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text),
    }
}

fn unescape(text: &str) -> Result<Cow<'_, str>, QueryError> {
    // As most texts are.
    if !text.contains('%') {
        return Ok(text.into());
    }
    let broken = text.split('%').skip(1).any(|behind| {
        let digits = behind.as_bytes();
        digits.len() < 2 || !digits[..2].iter().all(u8::is_ascii_hexdigit)
    });
    if broken {
        return Err(QueryError::BadPercent);
    }
    // The library would let the text grow.
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend(percent_decode(text.as_bytes()));
    Ok(String::from_utf8(bytes).map_err(|_| QueryError::NotUtf8)?.into())
}

fn unescape_lossy(text: &str) -> Cow<'_, str> {
    // As most texts are; the library would look twice at each byte.
    if !text.contains('%') {
        return text.into();
    }
    percent_decode(text.as_bytes()).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spaces_and_a_literal_plus_are_told_apart() {
        let decoded = pairs("a=1+2%203&b=%2B&c&=d&&a=%E4%BD%A0").expect("valid");
        let expected = [("a", "1 2 3"), ("b", "+"), ("c", ""), ("", "d"), ("a", "你")];
        assert_eq!(decoded, expected.map(|(key, value)| (key.into(), value.into())));
        assert_eq!(first(&decoded, "a"), Some("1 2 3"));
        assert_eq!(last(&decoded, "a"), Some("你"));
    }

    #[test]
    fn a_plus_in_a_path_is_a_plus() {
        assert_eq!(decode_path("/a+b%20%2B"), Ok("/a+b +".into()));
        assert_eq!(decode_path("/%4"), Err(QueryError::BadPercent));
    }

    #[test]
    fn broken_sequences_are_errors() {
        for (raw, expected) in [
            ("a=%", QueryError::BadPercent),
            ("a=%4", QueryError::BadPercent),
            ("a=%zz", QueryError::BadPercent),
            ("a=%e4%bd", QueryError::NotUtf8),
            ("%ff=1", QueryError::NotUtf8),
        ] {
            assert_eq!(pairs(raw), Err(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_broken_stays_where_nothing_may_fail() {
        for (raw, key, value) in [
            ("a=%4&", "a", "%4"),
            ("&%zz=1+2", "%zz", "1 2"),
            ("%ff=%e4%bd", "\u{fffd}", "\u{fffd}"),
            ("a+%E4%BD%A0=%2B=", "a 你", "+="),
            ("a", "a", ""),
        ] {
            assert_eq!(pairs_lossy(raw), [(key.into(), value.into())], "{raw}");
            assert_eq!(
                (first_lossy(raw, key), last_lossy(raw, key)),
                (Some(value.into()), Some(value.into())),
                "{raw}"
            );
        }
        let several = "%61=1&b=2&a=%33&&c";
        assert_eq!((first_lossy(several, "a"), last_lossy(several, "a")), (Some("1".into()), Some("3".into())));
        assert_eq!((first_lossy(several, "c"), last_lossy(several, "d")), (Some("".into()), None));
    }
}
