//! Follows the messages of one connection: which of the bytes that arrived may go on to hyper, and which belong to a
//! head that is not judged yet. No socket, no time.

use super::chunked::Chunked;
use super::head::{Length, Refusal, Search};

/// Bytes of capacity that a connection keeps between two messages.
const KEPT: usize = 16 << 10;

/// What hyper gets in place of a head that is refused: the connection's service knows, and answers.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";

/// The bytes that arrived and were not given on, and where in the messages they stand.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// What arrived; the first `released` bytes may go on.
    incoming: Vec<u8>,
    released: usize,
    phase: Phase,
    /// Whole heads that were found.
    heads: u64,
}

#[derive(Debug)]
enum Phase {
    Head(Search),
    /// Bytes left of a body.
    Body(u64),
    Chunked(Chunked),
    /// Everything goes on as it comes.
    Tunnel,
    /// Nothing more is read.
    Refused,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Head(Search::default())
    }
}

/// What is needed before anything can go on to hyper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: bytes are released.
    Nothing,
    /// The first byte of a head: of the first one, or of a later one.
    FirstByte {
        /// Whether a request came before.
        is_later: bool,
    },
    /// More of a head.
    Head,
    /// More of a body; where its length is known, so many bytes, which may go to hyper directly.
    Body(Option<u64>),
    /// Whatever a tunnel carries, which may go to hyper directly.
    Tunnel,
    /// The end: what comes is of no interest.
    End,
}

/// Why nothing more can go on to hyper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A head is refused; a stand-in is released in its place.
    Refused(Refusal),
    /// A chunked body is broken.
    BrokenBody,
}

impl Framing {
    /// How many heads were found.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Where bytes that arrive are put.
    pub(super) fn incoming(&mut self) -> &mut Vec<u8> {
        &mut self.incoming
    }

    /// The bytes that may go on.
    pub(super) fn released(&self) -> &[u8] {
        &self.incoming[..self.released]
    }

    /// Takes away `count` of the released bytes.
    pub(super) fn given(&mut self, count: usize) {
        self.incoming.drain(..count);
        self.released -= count;
        if self.incoming.is_empty() && self.incoming.capacity() > KEPT {
            self.incoming = Vec::new();
        }
    }

    /// Counts `count` bytes of a body that went to hyper directly.
    pub(super) fn passed(&mut self, count: usize) {
        if let Phase::Body(left) = &mut self.phase {
            *left = left.saturating_sub(count as u64);
        }
    }

    /// Whether the client may still be sending what nobody will read.
    pub(super) fn is_owed(&self) -> bool {
        match self.phase {
            Phase::Head(_) | Phase::Tunnel => !self.incoming.is_empty(),
            Phase::Body(left) => left > 0,
            Phase::Chunked(chunked) => !chunked.is_over(),
            Phase::Refused => true,
        }
    }

    /// Whether a part of a body has not arrived.
    pub(super) fn is_amid_body(&self) -> bool {
        let waiting = &self.incoming[self.released..];
        match self.phase {
            Phase::Head(_) | Phase::Tunnel | Phase::Refused => false,
            Phase::Body(left) => left > waiting.len() as u64,
            Phase::Chunked(mut chunked) => chunked.advance(waiting).is_err() || !chunked.is_over(),
        }
    }

    /// Refuses whatever is arriving.
    pub(super) fn refuse(&mut self) {
        self.incoming = STAND_IN.to_vec();
        self.released = STAND_IN.len();
        self.phase = Phase::Refused;
    }

    /// Releases what can be released, and says what is needed where that is nothing.
    pub(super) fn release(&mut self) -> Result<Need, Trouble> {
        loop {
            if self.released > 0 {
                return Ok(Need::Nothing);
            }
            match &mut self.phase {
                Phase::Head(search) => match search.take(&mut self.incoming) {
                    Ok(Some(head)) => {
                        self.heads += 1;
                        self.released = head.bytes;
                        self.phase = match head.body {
                            Length::Bytes(0) => Phase::default(),
                            // What is here of the body goes along: for what comes later hyper makes room anew.
                            Length::Bytes(left) => {
                                let here = self.incoming.len() - head.bytes;
                                let here = usize::try_from(left).map_or(here, |left| left.min(here));
                                self.released += here;
                                Phase::Body(left - here as u64)
                            }
                            Length::Chunked => Phase::Chunked(Chunked::default()),
                            Length::Tunnel => Phase::Tunnel,
                        };
                    }
                    Ok(None) if search.has_begun() => return Ok(Need::Head),
                    Ok(None) => return Ok(Need::FirstByte { is_later: self.heads > 0 }),
                    Err(refusal) => {
                        self.refuse();
                        return Err(Trouble::Refused(refusal));
                    }
                },
                Phase::Body(0) => self.phase = Phase::default(),
                Phase::Body(left) if self.incoming.is_empty() => return Ok(Need::Body(Some(*left))),
                Phase::Body(left) => {
                    self.released =
                        usize::try_from(*left).map_or(self.incoming.len(), |left| left.min(self.incoming.len()));
                    *left -= self.released as u64;
                }
                Phase::Chunked(chunked) if chunked.is_over() => self.phase = Phase::default(),
                Phase::Chunked(_) if self.incoming.is_empty() => return Ok(Need::Body(None)),
                Phase::Chunked(chunked) => {
                    self.released = chunked.advance(&self.incoming).map_err(|_| Trouble::BrokenBody)?;
                }
                Phase::Tunnel if self.incoming.is_empty() => return Ok(Need::Tunnel),
                Phase::Tunnel => self.released = self.incoming.len(),
                Phase::Refused => return Ok(Need::End),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that is released of `pieces`, joined, and how it ends.
    fn released(pieces: &[&[u8]]) -> (Vec<u8>, Result<Need, Trouble>) {
        let (mut framing, mut all) = (Framing::default(), Vec::new());
        let mut end = framing.release();
        for piece in pieces {
            framing.incoming().extend_from_slice(piece);
            loop {
                end = framing.release();
                if end != Ok(Need::Nothing) {
                    break;
                }
                let count = framing.released().len();
                all.extend_from_slice(framing.released());
                framing.given(count);
            }
            if end.is_err() {
                break;
            }
        }
        (all, end)
    }

    #[test]
    fn a_refused_head_is_replaced_and_ends_everything() {
        let sent = b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\nHost: x\r\n\r\nGET /c HTTP/1.1\r\n\r\n";
        let mut framing = Framing::default();
        framing.incoming().extend_from_slice(sent);
        assert_eq!(framing.release(), Ok(Need::Nothing));
        assert_eq!(framing.released(), b"GET /a HTTP/1.1\r\n\r\n");
        framing.given(framing.released().len());
        assert!(matches!(framing.release(), Err(Trouble::Refused(Refusal::Malformed(_)))));
        assert_eq!(framing.released(), STAND_IN);
        framing.given(STAND_IN.len());
        assert_eq!(framing.release(), Ok(Need::End));
        assert!(framing.is_owed());
    }

    #[test]
    fn a_body_goes_along_with_its_head_as_far_as_it_is_here() {
        let head = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n";
        for (here, goes_along) in [("", ""), ("ab", "ab"), ("abcd", "abcd"), ("abcdGET / HTTP/1.1\r\n\r\n", "abcd")] {
            let mut framing = Framing::default();
            framing.incoming().extend_from_slice(&[head, here.as_bytes()].concat());
            assert_eq!(framing.release(), Ok(Need::Nothing));
            assert_eq!(framing.released(), [head, goes_along.as_bytes()].concat(), "{here}");
            assert_eq!(framing.is_amid_body(), goes_along.len() < 4, "{here}");
        }
    }

    #[test]
    fn a_broken_chunk_ends_everything() {
        let (_, end) = released(&[b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]);
        assert_eq!(end, Err(Trouble::BrokenBody));
    }

    #[test]
    fn behind_connect_everything_goes_on_as_it_comes() {
        let head = b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nContent-Length: 3\r\n\r\n";
        let pieces: [&[u8]; 4] = [head, b"\x16\x03", b"GET /<> HTTP/1.1\n\r\n\r\n", b"\0"];
        assert_eq!(released(&pieces), (pieces.concat(), Ok(Need::Tunnel)));
        let at_once = pieces.concat();
        assert_eq!(released(&[&at_once]), (at_once.clone(), Ok(Need::Tunnel)));
    }

    /// A request as sent, and as hyper is to see it.
    fn request() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let target = "/[a-z<>\"]{0,6}(\\?[a-z=<>\"]{0,6})?";
        // Bodies are made of what would be a head, or be rewritten, if they were taken for one.
        let piece =
            prop::sample::select(vec!["<\">", "\r\n", "\r\n\r\n", "GET /<> HTTP/1.1\r\n", "\n", "0\r\n\r\n", "a"]);
        let body = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
        (target, body, 0..3usize, "[0-9a-f<>\"]{0,5}").prop_map(|(target, body, kind, extra)| {
            let encoded = target.replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
            let rest = match kind {
                0 => format!("X: {extra}\r\n\r\n"),
                1 => format!("content-length: {}\r\n\r\n{body}", body.len()),
                _ if body.is_empty() => format!("transfer-encoding: chunked\r\n\r\n0\r\nT: {extra}\r\n\r\n"),
                _ => format!("transfer-encoding: chunked\r\n\r\n{:x};{extra}\r\n{body}\r\n0\r\n\r\n", body.len()),
            };
            let line = |target: &str| format!("POST {target} HTTP/1.1\r\n{rest}").into_bytes();
            (line(&target), line(&encoded))
        })
    }

    proptest! {
        #[test]
        fn targets_are_encoded_and_bodies_are_not_however_they_arrive(
            requests in prop::collection::vec(request(), 1..5),
            cuts in prop::collection::vec(1..40usize, 1..30),
        ) {
            let sent: Vec<u8> = requests.iter().flat_map(|(sent, _)| sent.clone()).collect();
            let expected: Vec<u8> = requests.iter().flat_map(|(_, seen)| seen.clone()).collect();
            let mut rest = sent.as_slice();
            let mut pieces = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            let (all, end) = released(&pieces);
            prop_assert_eq!(String::from_utf8_lossy(&all), String::from_utf8_lossy(&expected));
            prop_assert_eq!(end, Ok(Need::FirstByte { is_later: true }));
        }

        #[test]
        fn no_bytes_at_all_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = released(&[&bytes]);
        }
    }
}
