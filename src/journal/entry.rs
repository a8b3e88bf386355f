//! One request with its answer: as it is recorded ([`Record`]), and as it is looked at ([`Entry`]). Bytes, nothing looked
//! into.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Version};
use jiff::Timestamp;

use crate::explain::Explanation;
use crate::underway::{Kept, Texts};

/// A request with its answer, to be recorded.
#[derive(Debug)]
pub struct Record<'a> {
    /// When the request came, in real time.
    pub at: Timestamp,
    /// From its head to its answer.
    pub elapsed: Duration,
    /// Whose it was.
    pub vendor: &'static str,
    /// What it asked for.
    pub operation: &'static str,
    /// The vendor's code; empty where no vendor answered.
    pub code: &'a str,
    /// The id of the credential that it named.
    pub credential: Option<&'a str>,
    /// What it was about.
    pub content: &'a Texts,
    /// The fault that it met, as it is written.
    pub fault: Option<&'a str>,
    /// Why its signature was refused.
    pub explanation: Option<&'a Arc<Explanation>>,
    /// The request as it came.
    pub request: &'a Head,
    /// Its body, as far as it was read.
    pub request_body: &'a Kept,
    /// HTTP status of the answer.
    pub status: StatusCode,
    /// Headers of the answer as it was made, before any fault damaged it.
    pub headers: &'a HeaderMap,
    /// Its body; `None` where that is not there as a whole.
    pub answer_body: Option<&'a Bytes>,
}

/// A request with its answer, as recorded.
#[derive(Debug)]
pub struct Entry {
    /// Its number, counted from 1 since the start of the server.
    pub id: u64,
    /// When the request came, in real time.
    pub at: Timestamp,
    /// From its head to its answer.
    pub elapsed: Duration,
    /// Whose it was.
    pub vendor: String,
    /// What it asked for.
    pub operation: String,
    /// The vendor's code; empty where no vendor answered.
    pub code: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// The id of the credential that it named.
    pub credential: Option<String>,
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

/// Bytes of most heads.
const HEAD: usize = 1 << 10;

/// What can be told of an entry without reading it.
pub(super) struct Gist<'a> {
    pub(super) id: u64,
    pub(super) at: Timestamp,
    pub(super) vendor: &'a str,
    pub(super) operation: &'a str,
    pub(super) code: &'a str,
    pub(super) status: u16,
    pub(super) credential: Option<&'a str>,
    pub(super) has_fault: bool,
}

impl Entry {
    pub(super) fn gist(&self) -> Gist<'_> {
        Gist {
            id: self.id,
            at: self.at,
            vendor: &self.vendor,
            operation: &self.operation,
            code: &self.code,
            status: self.status,
            credential: self.credential.as_deref(),
            has_fault: self.fault.is_some(),
        }
    }
}

/// The head of a message in one piece of memory: the first line, then a line a header, as HTTP/1.1 writes them.
#[derive(Debug, Default)]
pub struct Head(pub(super) Vec<u8>);

impl Head {
    /// Of a request.
    pub fn of_request(parts: &Parts) -> Self {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        // An absolute target names another host than the header may.
        let scheme = parts.uri.scheme_str().unwrap_or_default();
        let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
        let divider = if scheme.is_empty() { "" } else { "://" };
        let line = [parts.method.as_str(), " ", scheme, divider, authority, target, " ", version(parts.version)];
        let mut bytes = Vec::with_capacity(HEAD);
        write(|part| bytes.extend_from_slice(part), &line, &parts.headers);
        Self(bytes)
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

/// The first line of an answer with this status, in its parts.
pub(super) fn answer_line(status: &StatusCode) -> [&str; 4] {
    ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default()]
}

/// Writes a head with this first line.
pub(super) fn write(mut put: impl FnMut(&[u8]), line: &[&str], headers: &HeaderMap) {
    for part in line {
        put(part.as_bytes());
    }
    put(b"\r\n");
    for (name, value) in headers {
        put(name.as_str().as_bytes());
        put(b": ");
        put(value.as_bytes());
        put(b"\r\n");
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
        let (mut answer, line) = (Vec::new(), answer_line(&StatusCode::OK));
        write(|part| answer.extend_from_slice(part), &line, &HeaderMap::new());
        assert_eq!(Head(answer).line(), ["HTTP/1.1", "200", "OK"]);
        assert_eq!(Head::default().line(), ["", "", ""]);
    }
}
