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

/// The pairs in the order of the text; a key without `=` has an empty value; empty pieces between `&` do not count.
///
/// # Errors
/// Where a percent sequence is broken, or a decoded text is not UTF-8.
pub fn pairs(raw: &str) -> Result<Vec<(String, String)>, QueryError> {
    pieces(raw).map(|(key, value)| Ok((decode(key)?, decode(value)?))).collect()
}

/// As [`pairs`], but never fails: broken percent sequences stay as they are, bytes that are not UTF-8 become U+FFFD.
pub fn pairs_lossy(raw: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    each_lossy(raw).collect()
}

/// As [`pairs_lossy`], each pair when it is its turn, for whoever looks for a few of them.
pub fn each_lossy(raw: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    pieces(raw).map(|(key, value)| (decode_lossy(key), decode_lossy(value)))
}

/// Keys and values as they stand there.
fn pieces(raw: &str) -> impl Iterator<Item = (&str, &str)> {
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
pub fn decode_path(raw: &str) -> Result<String, QueryError> {
    unescape(raw)
}

fn decode(text: &str) -> Result<String, QueryError> {
    if text.contains('+') { unescape(&text.replace('+', " ")) } else { unescape(text) }
}

fn decode_lossy(text: &str) -> Cow<'_, str> {
    // As most texts are.
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned().into()
}

fn unescape(text: &str) -> Result<String, QueryError> {
    // As most texts are.
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let broken = text.split('%').skip(1).any(|behind| {
        let digits = behind.as_bytes();
        digits.len() < 2 || !digits[..2].iter().all(u8::is_ascii_hexdigit)
    });
    if broken {
        return Err(QueryError::BadPercent);
    }
    let decoded = percent_decode(text.as_bytes()).decode_utf8().map_err(|_| QueryError::NotUtf8)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spaces_and_a_literal_plus_are_told_apart() {
        let decoded = pairs("a=1+2%203&b=%2B&c&=d&&a=%E4%BD%A0").expect("valid");
        let expected = [("a", "1 2 3"), ("b", "+"), ("c", ""), ("", "d"), ("a", "你")];
        assert_eq!(decoded, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(first(&decoded, "a"), Some("1 2 3"));
        assert_eq!(last(&decoded, "a"), Some("你"));
    }

    #[test]
    fn a_plus_in_a_path_is_a_plus() {
        assert_eq!(decode_path("/a+b%20%2B"), Ok("/a+b +".to_owned()));
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
        }
    }
}
