//! The frame of every answer: XML, ids, headers.
//!
//! Documented: the page's sample of a success, with its status, `Server` and `x-cos-request-id`. Recorded, in public
//! reports of users: the shape of a failure to the letter, single quotes, tabs and order included.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, SERVER, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use quick_xml::escape::partial_escape;

use super::super::error::{Error, Mismatch};
use crate::clock::http_date;
use crate::intake::named_host;
use crate::shared::{Outcome, Shared};
use crate::signing::{lower_hex, percent_encode};

const DECLARATION: &str = "<?xml version='1.0' encoding='utf-8' ?>";
const COS_REQUEST_ID: HeaderName = HeaderName::from_static("x-cos-request-id");
const CI_REQUEST_ID: HeaderName = HeaderName::from_static("x-ci-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("x-cos-trace-id");

/// Who answers. Documented for successes; assumed for failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Server {
    /// Cloud Infinite: successes, and failures of parameters.
    Ci,
    /// The store before it: everything else.
    Cos,
}

/// The body of an answer that carries a picture. Nothing else is in it, so that the same picture has the same body.
#[derive(Clone)]
pub(in super::super) struct Success(Bytes);

impl Success {
    /// Recorded: Java and Go take the text of `ResultImage` as it stands, so that it is one line without white space.
    pub(in super::super) fn of(picture: &[u8]) -> Self {
        const BEFORE: &str = "\n<Response>\n\t<ResultImage>";
        const BEHIND: &str = "</ResultImage>\n</Response>\n";
        let around = DECLARATION.len() + BEFORE.len() + BEHIND.len();
        let mut body = String::with_capacity(around + picture.len().div_ceil(3) * 4);
        body.extend([DECLARATION, BEFORE]);
        BASE64_STANDARD.encode_string(picture, &mut body);
        body.push_str(BEHIND);
        Self(body.into())
    }

    /// Bytes of it.
    pub(in super::super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Headers of an answer, with the one that failures have besides.
const HEADERS: usize = 8;

/// Bytes that the id of a trace is made of.
const TRACE_BYTES: usize = 48;

/// What an answer says beside its outcome.
pub(in super::super) struct Frame {
    /// Host and path, without scheme; `/` where they are not known.
    resource: Cow<'static, str>,
    request_id: String,
    /// Random; the id of a trace is made of them.
    trace_bytes: [u8; TRACE_BYTES],
    /// When it is answered.
    now: Timestamp,
    /// Whether no further answer comes on this connection.
    closes: bool,
    /// Whether the client wants the headers alone.
    head: bool,
    /// The key that the request names.
    credential: Option<Arc<str>>,
}

impl Frame {
    /// The frame of the answer to a request that names a key, or none.
    pub(in super::super) fn new(shared: &Shared, parts: &Parts, credential: Option<Arc<str>>) -> Self {
        let path = parts.uri.path();
        let host = named_host(parts);
        // Recorded: the root of a bucket is its host alone. Python needs a resource that is not empty.
        let resource = if path == "/" && !host.is_empty() { host.to_owned() } else { format!("{host}{path}") };
        let head = parts.method == Method::HEAD;
        Self { resource: resource.into(), closes: closes(parts), head, ..Self::to(shared, credential) }
    }

    /// The frame of an answer to nobody knows what.
    pub(in super::super) fn without_request(shared: &Shared) -> Self {
        Self::to(shared, None)
    }

    fn to(shared: &Shared, credential: Option<Arc<str>>) -> Self {
        let now = shared.clock_of(credential.as_deref()).now();
        let ids = shared.ids_of(credential.as_deref());
        // Recorded: ids in public reports are base64 of seconds, address, process and counter in hexadecimal, and of a
        // long hexadecimal text.
        // Drawn at once, since each draw asks the system.
        let drawn = ids.bytes::<{ 12 + TRACE_BYTES }>();
        let number = |at: usize| drawn[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
        let (address, process, counter) = (number(0), number(4) & 0xFFFF, number(8) & 0x00FF_FFFF);
        let mut request_id = String::with_capacity(32);
        write!(request_id, "{:x}_{address:08x}_{process:x}_{counter:x}", now.as_second())
            .expect("memory takes every text");
        Self {
            resource: "/".into(),
            request_id: BASE64_STANDARD.encode(request_id),
            trace_bytes: *drawn.last_chunk().expect("so many were drawn"),
            now,
            closes: false,
            head: false,
            credential,
        }
    }

    /// The answer that carries a picture.
    pub(in super::super) fn success(self, body: Success) -> Response {
        self.respond(StatusCode::OK, "ok", Server::Ci, body.0)
    }

    /// The answer that carries a failure.
    ///
    /// Recorded: the order of the elements. Java gives up where one of them has children; Python where `Resource` or
    /// `RequestId` is empty.
    pub(in super::super) fn failure(self, error: &Error) -> Response {
        let (status, code, message, server) = error.table();
        let mut body = format!("{DECLARATION}\n<Error>\n");
        let mut element = |name: &str, value: &str| {
            writeln!(body, "\t<{name}>{}</{name}>", text(value)).expect("memory takes every text");
        };
        element("Code", code);
        element("Message", message);
        if let Error::SignatureDoesNotMatch(Some(mismatch)) = error {
            let Mismatch { string_to_sign, format_string } = mismatch.as_ref();
            element("StringToSign", string_to_sign);
            element("FormatString", format_string);
        }
        if error.tells_time() {
            element("ServerTime", &self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        let trace_id = BASE64_STANDARD.encode(lower_hex(&self.trace_bytes));
        element("Resource", &self.resource);
        element("RequestId", &self.request_id);
        element("TraceId", &trace_id);
        body.push_str("</Error>\n");
        let trace_id = header_value(trace_id);
        let mut response = self.respond(status, code, server, body.into());
        response.headers_mut().insert(TRACE_ID, trace_id);
        response
    }

    fn respond(self, status: StatusCode, code: &'static str, server: Server, body: Bytes) -> Response {
        // Documented: the order of the sample; headers leave in the order in which they are put in.
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(CONNECTION, HeaderValue::from_static(if self.closes { "close" } else { "keep-alive" }));
        headers.insert(DATE, header_value(http_date(self.now)));
        let server = match server {
            Server::Ci => "tencent-ci",
            Server::Cos => "tencent-cos",
        };
        headers.insert(SERVER, HeaderValue::from_static(server));
        let request_id = header_value(self.request_id);
        headers.insert(COS_REQUEST_ID, request_id.clone());
        headers.insert(CI_REQUEST_ID, request_id);

        let mut response = Response::new(if self.head { Body::empty() } else { Body::from(body) });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.extensions_mut().insert(Outcome::new(code).by(self.credential));
        response
    }
}

fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("base64 and dates are visible ASCII")
}

/// Whether the connection ends with this answer, so that `Connection` tells the truth.
fn closes(parts: &Parts) -> bool {
    let says = |word: &str| {
        let values = parts.headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    // No operation reads a body; where there is one, the next request cannot be told from it.
    let length = parts.headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes).unwrap_or_default();
    let has_body = parts.headers.contains_key(TRANSFER_ENCODING) || length.iter().any(|digit| *digit != b'0');
    has_body || says("close") || (parts.version == Version::HTTP_10 && !says("keep-alive"))
}

/// `raw` as the text of an element, whatever it holds. XML 1.0 has no way to write most control characters; they appear
/// as they do in a target, percent-encoded. A bare carriage return would be read as a line feed.
fn text(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    for character in partial_escape(raw).chars() {
        match character {
            '\r' => text.push_str("&#13;"),
            '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => text.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                text.push_str(&percent_encode(character.encode_utf8(&mut [0; 4])));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    #[test]
    fn texts_are_escaped_and_always_well_formed() {
        for (raw, expected) in [
            ("a&b<c>d]]>\"'", "a&amp;b&lt;c&gt;d]]&gt;\"'"),
            ("get\n/\n\t", "get\n/\n\t"),
            ("\r\n", "&#13;\n"),
            ("\0\u{b}\u{1f}\u{fffe}\u{ffff}", "%00%0B%1F%EF%BF%BE%EF%BF%BF"),
            ("你\u{7f}\u{85}\u{10ffff}", "你\u{7f}\u{85}\u{10ffff}"),
        ] {
            assert_eq!(text(raw), expected, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_back_but_for_what_xml_lacks(raw in any::<String>()) {
            let document = format!("<a>{}</a>", text(&raw));
            let mut reader = Reader::from_str(&document);
            let mut read = String::new();
            loop {
                match reader.read_event().expect("well-formed") {
                    Event::Text(part) => read.push_str(&part),
                    Event::GeneralRef(name) => match name.resolve_char_ref().expect("a reference") {
                        Some(character) => read.push(character),
                        None => read.push_str(
                            quick_xml::escape::resolve_predefined_entity(&name).expect("known"),
                        ),
                    },
                    Event::Eof => break,
                    _ => {}
                }
            }
            let lacking = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
            let expected: String = raw.chars().map(|c| {
                if lacking(c) { percent_encode(&c.to_string()) } else { c.to_string() }
            }).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_connection_is_kept_unless_a_body_stays_unread() {
        for (name, value, expected) in [
            (CONTENT_LENGTH, "0", false),
            (CONTENT_LENGTH, "1", true),
            (CONTENT_LENGTH, "10", true),
            (TRANSFER_ENCODING, "chunked", true),
            (CONTENT_TYPE, "text/plain", false),
        ] {
            let request = axum::http::Request::builder().header(&name, value).header(CONNECTION, "keep-alive").body(());
            let (parts, ()) = request.expect("valid").into_parts();
            assert_eq!(closes(&parts), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_connection_is_kept_unless_the_client_leaves() {
        for (version, header, expected) in [
            (Version::HTTP_11, "", false),
            (Version::HTTP_11, "keep-alive", false),
            (Version::HTTP_11, "TE, Close", true),
            (Version::HTTP_10, "", true),
            (Version::HTTP_10, "Keep-Alive", false),
        ] {
            let request = axum::http::Request::builder().version(version).header(CONNECTION, header).body(());
            let (parts, ()) = request.expect("valid").into_parts();
            assert_eq!(closes(&parts), expected, "{version:?} {header:?}");
        }
    }
}
