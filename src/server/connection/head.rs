//! The head of a request, judged before hyper sees it: its limits, what no honest client sends, how long its body is,
//! and the three characters of a target that hyper would refuse.
//!
//! Stricter than hyper on purpose. Where a head could be understood in two ways, it is refused, so that hyper and
//! [`super::framing`] never disagree about where a request ends. Documented: RFC 9110, RFC 9112.

use std::ops::Range;
use std::str::from_utf8;

use axum::http::{StatusCode, Uri};
use memchr::memchr;

/// Bytes of a target. hyper's own bound; COS takes 60 000.
pub(super) const MAX_TARGET: usize = 65_534;
/// Bytes of a request line: method and version beside the target.
const MAX_LINE: usize = MAX_TARGET + 64;
/// Bytes of all header lines together.
const MAX_FIELDS: usize = 64 << 10;
/// Header lines. The SDK that sends most has some twenty.
const MAX_FIELD_COUNT: usize = 100;
/// Bytes of the longest head that is taken, for the size of hyper's buffer.
pub(super) const MAX_HEAD: usize = MAX_LINE + MAX_FIELDS;

/// Why a request is refused before anybody owns it. The connection ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Refusal {
    /// It does not follow the grammar, or could be read in two ways: what is wrong.
    Malformed(&'static str),
    /// More header lines, or bytes in them, than anybody needs.
    HeadersTooLarge,
    /// The target is too long.
    TargetTooLong,
    /// A version that is neither 1.0 nor 1.1.
    UnknownVersion,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
    /// The head did not arrive in time.
    TooSlow,
}

impl Refusal {
    /// The status of the answer, and its text.
    pub(in crate::server) fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(what) => (StatusCode::BAD_REQUEST, what),
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too many or too long")
            }
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "the request target is too long"),
            Self::UnknownVersion => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are spoken"),
            Self::UnknownCoding => (StatusCode::NOT_IMPLEMENTED, "the only transfer coding is chunked"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time"),
        }
    }
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes; none where neither header says otherwise.
    Bytes(u64),
    /// Until the last chunk.
    Chunked,
    /// Behind `CONNECT` there are no more messages: what follows is whatever the tunnel carries.
    Tunnel,
}

/// A whole head that was found at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of it in the buffer, its empty line included.
    pub(super) bytes: usize,
    pub(super) body: Length,
}

/// Looks for the end of a head, a piece at a time.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Bytes that were looked through.
    seen: usize,
    /// Bytes of the request line with its end, once that is known.
    line: Option<usize>,
}

impl Search {
    /// Whether anything of a head is here.
    pub(super) fn has_begun(&self) -> bool {
        self.seen > 0
    }

    /// Takes the head at the start of `buffer`, `None` until it is whole. Empty lines before it are taken away, and its
    /// target is rewritten where that is needed.
    ///
    /// # Errors
    /// As soon as what is here cannot become a head that is taken.
    pub(super) fn take(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Head>, Refusal> {
        // Documented: RFC 9112, 2.2: some clients end a body with an empty line that they do not count.
        if self.line.is_none() {
            let empty_lines = buffer.chunks_exact(2).take_while(|pair| pair == b"\r\n").count();
            if empty_lines > 0 {
                buffer.drain(..2 * empty_lines);
                self.seen = 0;
            }
        }
        while let Some(found) = memchr(b'\n', &buffer[self.seen..]) {
            let end = self.seen + found;
            if end == 0 || buffer[end - 1] != b'\r' {
                return Err(Refusal::Malformed("a line ends without a carriage return"));
            }
            self.seen = end + 1;
            if self.line.is_none() {
                self.line = Some(self.seen);
                check_line(&buffer[..end - 1])?;
            }
            if buffer[..=end].ends_with(b"\r\n\r\n") {
                let line = std::mem::take(self).line.unwrap_or_default();
                return finish(buffer, line, end + 1).map(Some);
            }
        }
        self.seen = buffer.len();
        match self.line {
            None if self.seen > MAX_LINE => Err(Refusal::TargetTooLong),
            Some(line) if self.seen - line > MAX_FIELDS => Err(Refusal::HeadersTooLarge),
            None | Some(_) => Ok(None),
        }
    }
}

/// The three parts of a request line.
fn split_line(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = line.split(|&byte| byte == b' ');
    let found = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(found)
}

/// Judges a request line without its end as soon as it is here: a client of HTTP/0.9 sends nothing after it.
fn check_line(line: &[u8]) -> Result<(), Refusal> {
    let (method, target, version) =
        split_line(line).ok_or(Refusal::Malformed("the request line is not method, target and version"))?;
    if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) {
        return Err(Refusal::Malformed("the method is not a word"));
    }
    if target.len() > MAX_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        other if other.starts_with(b"HTTP/") => Err(Refusal::UnknownVersion),
        _ => Err(Refusal::Malformed("the request line has no version")),
    }
}

/// Judges a whole head: `line` bytes of request line, `end` bytes in all.
fn finish(buffer: &mut Vec<u8>, line: usize, end: usize) -> Result<Head, Refusal> {
    if end - line > MAX_FIELDS {
        return Err(Refusal::HeadersTooLarge);
    }
    let is_http_10 = buffer[..line].ends_with(b"HTTP/1.0\r\n");
    let mut body = check_fields(&buffer[line..end - 2], is_http_10)?;
    // Documented: RFC 9110, 9.3.6: a body has no meaning there.
    if buffer.starts_with(b"CONNECT ") {
        body = Length::Tunnel;
    }
    let grown = encode_target(buffer, line)?;
    Ok(Head { bytes: end + grown, body })
}

/// Judges the header lines, each with its end, and says how long the body is.
fn check_fields(mut fields: &[u8], is_http_10: bool) -> Result<Length, Refusal> {
    let (mut count, mut hosts, mut codings, mut length) = (0, 0, 0, None);
    while let Some(end) = memchr(b'\n', fields) {
        let field = &fields[..end - 1];
        fields = &fields[end + 1..];
        count += 1;
        if count > MAX_FIELD_COUNT {
            return Err(Refusal::HeadersTooLarge);
        }
        if field.starts_with(b" ") || field.starts_with(b"\t") {
            return Err(Refusal::Malformed("a header is folded"));
        }
        let colon = field.iter().position(|&byte| byte == b':');
        let (name, value) = field.split_at(colon.ok_or(Refusal::Malformed("a header has no colon"))?);
        let value = value[1..].trim_ascii();
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(Refusal::Malformed("a header's name is not a word"));
        }
        // Counted, not looked for: that takes many at once, and hardly ever is there one.
        if value.iter().filter(|&&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f).count() > 0 {
            return Err(Refusal::Malformed("a header has a control character"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let bytes = content_length(value).ok_or(Refusal::Malformed("the content length is not a number"))?;
            if length.replace(bytes).is_some_and(|earlier| earlier != bytes) {
                return Err(Refusal::Malformed("there are two content lengths"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            codings += 1;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::UnknownCoding);
            }
        } else if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        }
    }
    match (codings, length) {
        _ if hosts > 1 => Err(Refusal::Malformed("there are two hosts")),
        (0, length) => Ok(Length::Bytes(length.unwrap_or(0))),
        (1, None) if !is_http_10 => Ok(Length::Chunked),
        (1, None) => Err(Refusal::Malformed("HTTP/1.0 has no transfer codings")),
        (_, None) => Err(Refusal::Malformed("there are two transfer codings")),
        (_, Some(_)) => Err(Refusal::Malformed("there are both a content length and a transfer coding")),
    }
}

/// Digits alone: no sign, no list. A length beyond what any file has is none.
fn content_length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length: u64 = if is_number { from_utf8(value).ok()?.parse().ok()? } else { return None };
    i64::try_from(length).is_ok().then_some(length)
}

/// Percent-encodes `<`, `>` and `"` in the target of the request line, which has `line` bytes; gives how many bytes the
/// head grew.
///
/// Documented: the page of COS prints `qrcode-content=<https://…>` in its example, to be used as it stands. No other
/// character is touched, unless the library would still refuse the target: then bytes that are no UTF-8 and back quotes
/// are encoded too, so that whoever owns the request can say in its own words what it thinks of them.
fn encode_target(buffer: &mut Vec<u8>, line: usize) -> Result<usize, Refusal> {
    let start = buffer.iter().position(|&byte| byte == b' ').map_or(0, |space| space + 1);
    let mut end = line - " HTTP/1.1\r\n".len();
    if buffer.get(start) == Some(&b'/') && buffer[start..end].iter().all(|&byte| is_plain(byte)) {
        return Ok(0);
    }
    let brackets = |byte: u8| matches!(byte, b'<' | b'>' | b'"');
    let strange = |byte: u8| byte == b'`' || !byte.is_ascii();
    let mut grown = encode(buffer, start..end, brackets)?;
    end += grown;
    if Uri::try_from(&buffer[start..end]).is_err() {
        let more = encode(buffer, start..end, strange)?;
        grown += more;
        if Uri::try_from(&buffer[start..end + more]).is_err() {
            return Err(Refusal::Malformed("the request target is not one"));
        }
    }
    Ok(grown)
}

/// Percent-encodes what `chosen` says within `target`; gives how many bytes that added.
fn encode(buffer: &mut Vec<u8>, target: Range<usize>, chosen: impl Fn(u8) -> bool) -> Result<usize, Refusal> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let added = 2 * buffer[target.clone()].iter().filter(|&&byte| chosen(byte)).count();
    if target.len() + added > MAX_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    if added > 0 {
        let mut encoded = Vec::with_capacity(target.len() + added);
        for &byte in &buffer[target.clone()] {
            if chosen(byte) {
                let (high, low) = (byte >> 4, byte & 15);
                encoded.extend_from_slice(&[b'%', DIGITS[usize::from(high)], DIGITS[usize::from(low)]]);
            } else {
                encoded.push(byte);
            }
        }
        buffer.splice(target, encoded);
    }
    Ok(added)
}

/// Whether a target that begins with a slash and has such characters alone is one as it stands, as most are.
/// Documented: RFC 3986, 3.3 and 3.4.
fn is_plain(byte: u8) -> bool {
    const PLAIN: [bool; 256] = table(b"-._~!$&'()*+,;=:@/?%");
    PLAIN[usize::from(byte)]
}

/// Documented: RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
    TOKEN[usize::from(byte)]
}

/// Letters, digits, and `further`.
const fn table(further: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < further.len() {
        table[further[at] as usize] = true;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `text`: the head as hyper gets it with the length of its body, or a refusal.
    fn judged(text: &str) -> Result<Option<(String, Length)>, Refusal> {
        let mut buffer = text.as_bytes().to_vec();
        let head = Search::default().take(&mut buffer)?;
        Ok(head.map(|head| (String::from_utf8_lossy(&buffer[..head.bytes]).into_owned(), head.body)))
    }

    #[test]
    fn a_head_is_taken_as_it_stands() {
        for (text, body) in [
            ("GET / HTTP/1.1\r\n\r\n", Length::Bytes(0)),
            ("GET http://h/a?b HTTP/1.0\r\nHost: h\r\n\r\n", Length::Bytes(0)),
            ("POST / HTTP/1.1\r\nhost:\tx \r\nContent-Length: 12\r\n\r\n", Length::Bytes(12)),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nCONTENT-LENGTH:3\r\n\r\n", Length::Bytes(3)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nx:\r\n\r\n", Length::Chunked),
            ("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", Length::Tunnel),
            ("CONNECT h:443 HTTP/1.1\r\nContent-Length: 3\r\n\r\n", Length::Tunnel),
            ("OPTIONS * HTTP/1.1\r\nHost: http://127.0.0.1:8080\r\n\r\n", Length::Bytes(0)),
            (
                "GET /{a}?b={\"c\":[1]} HTTP/1.1\r\nx-\u{fc}: 1\r\n\r\n".replace('\u{fc}', "u").as_str(),
                Length::Bytes(0),
            ),
        ] {
            let (head, found) = judged(text).expect(text).expect(text);
            assert_eq!(found, body, "{text}");
            assert_eq!(head, text.replacen("\"c\"", "%22c%22", 1), "{text}");
        }
        assert_eq!(judged("GET / HTTP/1.1\r\nHost: x\r\n"), Ok(None));
        assert_eq!(
            judged("\r\n\r\nGET / HTTP/1.1\r\n\r\nGET").expect("taken").expect("whole").0,
            "GET / HTTP/1.1\r\n\r\n"
        );
    }

    #[test]
    fn three_characters_of_the_target_are_encoded_and_nothing_else() {
        let sent = "GET /<a>?q=<https://x/?a=\"b\">&c=%3C HTTP/1.1\r\nX: <\">\r\n\r\n";
        let expected = "GET /%3Ca%3E?q=%3Chttps://x/?a=%22b%22%3E&c=%3C HTTP/1.1\r\nX: <\">\r\n\r\n";
        assert_eq!(judged(sent).expect("taken").expect("whole").0, expected);

        for (sent, expected) in [
            (&b"/?q=`\xe4\xbd\xa0"[..], &b"/?q=`\xe4\xbd\xa0"[..]),
            (b"/?q=<`\xe4\xff", b"/?q=%3C%60%E4%FF"),
            (b"/`^<\xe4\xbd\xa0", b"/%60^%3C%E4%BD%A0"),
        ] {
            let line = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\n\r\n"].concat();
            let mut buffer = line(sent);
            assert!(Search::default().take(&mut buffer).expect("taken").is_some());
            assert_eq!(buffer, line(expected));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let bad = |what| Err(Refusal::Malformed(what));
        for (text, expected) in [
            ("GET /\r\n", bad("the request line is not method, target and version")),
            ("GET / HTTP/1.1 \r\n", bad("the request line is not method, target and version")),
            ("GET  / HTTP/1.1\r\n", bad("the request line is not method, target and version")),
            ("G(T / HTTP/1.1\r\n", bad("the method is not a word")),
            ("GET / http/1.1\r\n", bad("the request line has no version")),
            ("GET / HTTP/2.0\r\n", Err(Refusal::UnknownVersion)),
            ("GET / HTTP/1.1\n", bad("a line ends without a carriage return")),
            ("\nGET / HTTP/1.1\r\n\r\n", bad("a line ends without a carriage return")),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", bad("a line ends without a carriage return")),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", bad("a header is folded")),
            ("GET / HTTP/1.1\r\n\tA: b\r\n\r\n", bad("a header is folded")),
            ("GET / HTTP/1.1\r\nA\r\n\r\n", bad("a header has no colon")),
            ("GET / HTTP/1.1\r\nA : b\r\n\r\n", bad("a header's name is not a word")),
            ("GET / HTTP/1.1\r\n: b\r\n\r\n", bad("a header's name is not a word")),
            ("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", bad("a header has a control character")),
            ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", bad("a header has a control character")),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", bad("there are two hosts")),
            ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", bad("the content length is not a number")),
            ("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", bad("the content length is not a number")),
            ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", bad("the content length is not a number")),
            (
                "POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n",
                bad("the content length is not a number"),
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", bad("there are two content lengths")),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                bad("there are both a content length and a transfer coding"),
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                bad("there are two transfer codings"),
            ),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Err(Refusal::UnknownCoding)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n", bad("a header has a control character")),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", bad("HTTP/1.0 has no transfer codings")),
            ("GET http:///a HTTP/1.1\r\n\r\n", bad("the request target is not one")),
            ("GET a?b HTTP/1.1\r\n\r\n", bad("the request target is not one")),
            ("GET /\u{1} HTTP/1.1\r\n\r\n", bad("the request target is not one")),
            ("GET a b HTTP/1.1\r\n\r\n", bad("the request line is not method, target and version")),
        ] {
            assert_eq!(judged(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_head_may_reach_its_limits_and_not_pass_them() {
        let target = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1));
        assert!(judged(&target(MAX_TARGET)).expect("taken").is_some());
        assert_eq!(judged(&target(MAX_TARGET + 1)), Err(Refusal::TargetTooLong));
        // Grows past the limit only once it is encoded.
        assert_eq!(judged(&target(MAX_TARGET).replacen("aa", "a<", 1)), Err(Refusal::TargetTooLong));
        assert_eq!(judged(&"G".repeat(MAX_LINE)), Ok(None));
        assert_eq!(judged(&"G".repeat(MAX_LINE + 1)), Err(Refusal::TargetTooLong));

        let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(count));
        assert!(judged(&fields(MAX_FIELD_COUNT)).expect("taken").is_some());
        assert_eq!(judged(&fields(MAX_FIELD_COUNT + 1)), Err(Refusal::HeadersTooLarge));
        let bytes = |length: usize| format!("GET / HTTP/1.1\r\na:{}\r\n\r\n", "b".repeat(length - 6));
        assert!(judged(&bytes(MAX_FIELDS)).expect("taken").is_some());
        assert_eq!(judged(&bytes(MAX_FIELDS + 1)), Err(Refusal::HeadersTooLarge));
        assert_eq!(judged(bytes(MAX_FIELDS + 5).trim_end()), Err(Refusal::HeadersTooLarge));
    }

    #[test]
    fn a_head_may_arrive_byte_by_byte() {
        let text = "\r\nPOST /<> HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
        let (mut search, mut buffer) = (Search::default(), Vec::new());
        for (at, byte) in text.bytes().enumerate() {
            buffer.push(byte);
            let found = search.take(&mut buffer).expect("well-formed");
            assert_eq!(found.is_some(), at + 1 == text.len(), "{at}");
        }
        assert_eq!(buffer, b"POST /%3C%3E HTTP/1.1\r\nContent-Length: 2\r\n\r\n");
    }
}
