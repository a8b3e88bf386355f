//! One request with its answer, as recorded: bytes, nothing looked into.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Version};
use axum::response::Response;
use jiff::Timestamp;

use super::Kept;
use crate::explain::Explanation;

/// A request with its answer.
#[derive(Debug)]
pub struct Entry {
    /// Its number, counted from 1 since the start of the server; [`super::Journal::record`] gives it.
    pub id: u64,
    /// When the request came, in real time.
    pub at: Timestamp,
    /// From its head to its answer.
    pub elapsed: Duration,
    /// Whose it was.
    pub vendor: &'static str,
    /// What it asked for.
    pub operation: &'static str,
    /// The vendor's code; empty where no vendor answered.
    pub code: Cow<'static, str>,
    /// HTTP status of the answer.
    pub status: u16,
    /// The id of the credential that it named.
    pub credential: Option<Arc<str>>,
    /// What it was about.
    pub content: Vec<String>,
    /// The fault that it met, as it is written.
    pub fault: Option<String>,
    /// Why its signature was refused.
    pub explanation: Option<Arc<Explanation>>,
    /// The request as it came.
    pub request: Head,
    /// Its body, as far as it was read.
    pub request_body: Kept,
    /// The answer as it was made, before any fault damaged it.
    pub answer: Head,
    /// Its body.
    pub answer_body: Kept,
}

impl Entry {
    /// Puts heads and short bodies into one piece of memory. What is scattered is slow to let go of once it is no longer
    /// in the processor's cache, and each request pays for letting go of an old one.
    pub(super) fn pack(&mut self) {
        let Self { request, answer, request_body, answer_body, .. } = self;
        let mut pieces = [Some(&mut request.0), request_body.short(), Some(&mut answer.0), answer_body.short()];
        let mut packed = Vec::with_capacity(pieces.iter().flatten().map(|piece| piece.len()).sum());
        for piece in pieces.iter().flatten() {
            packed.extend_from_slice(piece);
        }
        let packed = Bytes::from(packed);
        let mut start = 0;
        for piece in pieces.iter_mut().flatten() {
            let end = start + piece.len();
            **piece = packed.slice(start..end);
            start = end;
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let content: usize = self.content.iter().map(|text| text.len() + size_of::<String>()).sum();
        let fault = self.fault.as_ref().map_or(0, String::len);
        let explanation = self.explanation.as_deref().map_or(0, explanation_bytes);
        size_of::<Self>()
            + content
            + fault
            + explanation
            + self.code.len()
            + self.request.0.len()
            + self.answer.0.len()
            + self.request_body.bytes()
            + self.answer_body.bytes()
    }
}

fn explanation_bytes(explanation: &Explanation) -> usize {
    let Explanation { ours, theirs, mistakes, .. } = explanation;
    let texts = [ours, theirs].into_iter().flatten();
    let texts: usize = texts.map(|text| text.canonical_request.len() + text.string_to_sign.len()).sum();
    size_of::<Explanation>()
        + texts
        + mistakes.iter().map(|mistake| size_of_val(mistake) + mistake.about.len()).sum::<usize>()
}

/// The head of a message in one piece of memory: the first line, then a line a header, as HTTP/1.1 writes them.
#[derive(Debug, Default)]
pub struct Head(Bytes);

impl Head {
    /// Of a request.
    pub fn of_request(parts: &Parts) -> Self {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        // An absolute target names another host than the header may.
        let scheme = parts.uri.scheme_str().unwrap_or_default();
        let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
        let divider = if scheme.is_empty() { "" } else { "://" };
        let line = [parts.method.as_str(), " ", scheme, divider, authority, target, " ", version(parts.version)];
        Self::new(&line, &parts.headers)
    }

    /// Of an answer.
    pub fn of_answer(answer: &Response) -> Self {
        let reason = answer.status().canonical_reason().unwrap_or_default();
        Self::new(&["HTTP/1.1 ", answer.status().as_str(), " ", reason], answer.headers())
    }

    fn new(line: &[&str], headers: &HeaderMap) -> Self {
        let lines: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let mut bytes = Vec::with_capacity(line.iter().map(|part| part.len()).sum::<usize>() + 2 + lines);
        for part in line {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        Self(bytes.into())
    }

    /// The words of the first line: method, target and version, or version, status and reason.
    pub fn line(&self) -> [Cow<'_, str>; 3] {
        let mut words = self.lines().next().unwrap_or_default().splitn(3, |byte| *byte == b' ');
        [(); 3].map(|()| String::from_utf8_lossy(words.next().unwrap_or_default()))
    }

    /// Names, lower-case, and values.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.lines().skip(1).filter_map(|line| {
            let divider = line.windows(2).position(|pair| pair == b": ")?;
            Some((String::from_utf8_lossy(&line[..divider]), String::from_utf8_lossy(&line[divider + 2..])))
        })
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        // No header holds a line feed.
        self.0
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_sent() {
        let request = |target: &str| {
            let request = Request::builder().method("POST").uri(target).header("Host", "h:1").header("X-Text", "中: b");
            Head::of_request(&request.body(()).expect("valid").into_parts().0)
        };
        let head = request("/a?b=%20c");
        assert_eq!(head.line(), ["POST", "/a?b=%20c", "HTTP/1.1"]);
        let headers: Vec<_> = head.headers().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(headers, ["host=h:1", "x-text=中: b"]);
        assert_eq!(head.header("host").as_deref(), Some("h:1"));
        assert_eq!(request("http://other:2/a").line()[1], "http://other:2/a");
        let answer = Head::of_answer(&Response::new(axum::body::Body::empty()));
        assert_eq!(answer.line(), ["HTTP/1.1", "200", "OK"]);
        assert_eq!(Head::default().line(), ["", "", ""]);
    }
}
