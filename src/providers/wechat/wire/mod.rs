//! What is on the wire: one file an operation, and the one form of JSON that real answers have.

mod create;
mod scan;
mod token;

use std::io::{self, Write};

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::ser::Formatter;

pub(super) use create::{Create, Created, Scene};
pub(super) use scan::Scanned;
pub(super) use token::{Credentials, StableToken, Token};

use crate::shared::Outcome;

/// Bytes of most answers.
const ANSWER: usize = 256;

/// The fields of a JSON body.
pub(super) type Fields = serde_json::Map<String, serde_json::Value>;

/// The body of every failure.
///
/// Documented: both fields on every page. Successful answers of token and create have neither: a Go SDK takes a text in
/// `errmsg` for a failure whatever the code.
#[derive(Serialize)]
pub(super) struct Failure {
    pub(super) errcode: i64,
    pub(super) errmsg: String,
}

/// A successful answer.
pub(super) struct Reply<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let mut response = json(&self.0);
        response.extensions_mut().insert(Outcome::ok());
        response
    }
}

/// A JSON answer on one line without an end of line: co-wechat-api fails on any raw CR or LF.
///
/// Recorded: the content type, by a comment of WxJava and reports; co-wechat-api parses this type and `text/plain` alone.
pub(super) fn json(value: &impl Serialize) -> Response {
    ([(CONTENT_TYPE, "application/json; encoding=utf-8")], text(value)).into_response()
}

fn text(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ANSWER);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, EscapedSlashes);
    value.serialize(&mut serializer).expect("texts and numbers are always JSON, and memory takes every byte");
    bytes
}

/// Compact, and `/` as `\/`, as in published real answers.
struct EscapedSlashes;

impl Formatter for EscapedSlashes {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut pieces = fragment.split('/');
        if let Some(first) = pieces.next() {
            writer.write_all(first.as_bytes())?;
        }
        pieces.try_for_each(|piece| {
            writer.write_all(br"\/")?;
            writer.write_all(piece.as_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compact_with_escaped_slashes_and_bare_chinese() {
        let value = serde_json::json!({ "a": "//x/你\n\"\u{1}", "b/": [1, null] });
        assert_eq!(text(&value), r#"{"a":"\/\/x\/你\n\"\u0001","b\/":[1,null]}"#.as_bytes());
        let read: serde_json::Value = serde_json::from_slice(&text(&value)).expect("JSON");
        assert_eq!(read, value);
    }
}
