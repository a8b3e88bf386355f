//! Bodies as far as they are kept while they pass.

use axum::body::Bytes;
use sha2::{Digest, Sha256};

/// Bytes of one body that are kept as they are; of a longer one its beginning and its digest.
const MAX_WHOLE: usize = 256 << 10;
/// Bytes of a longer body that are kept.
const BEGINNING: usize = 4 << 10;

/// A body, as far as it is kept.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Most bodies come in one piece.
    first: Bytes,
    /// All further pieces.
    rest: Vec<u8>,
    size: u64,
    /// Of a body whose end is not kept.
    running: Option<Box<Sha256>>,
    is_complete: bool,
}

impl Kept {
    /// A whole body.
    pub fn whole(bytes: Bytes) -> Self {
        let mut kept = Self::default();
        kept.push(bytes, true);
        kept
    }

    /// Bytes of which nothing is known but whether the end of the body passed with them.
    pub fn part(bytes: Bytes, is_complete: bool) -> Self {
        Self { size: bytes.len() as u64, first: bytes, is_complete, ..Self::default() }
    }

    /// Adds what comes next, the end perhaps.
    pub fn push(&mut self, piece: Bytes, is_last: bool) {
        self.is_complete |= is_last;
        self.size += piece.len() as u64;
        if let Some(running) = &mut self.running {
            running.update(&piece);
        } else if self.size <= MAX_WHOLE as u64 {
            if self.first.is_empty() {
                self.first = piece;
            } else {
                self.rest.extend_from_slice(&piece);
            }
        } else {
            self.cut(&piece);
        }
    }

    /// Keeps the beginning alone from here on.
    fn cut(&mut self, last: &[u8]) {
        let (first, rest) = (std::mem::take(&mut self.first), std::mem::take(&mut self.rest));
        let mut running = Box::new(Sha256::new());
        let mut beginning = Vec::with_capacity(BEGINNING);
        for piece in [&first, rest.as_slice(), last] {
            running.update(piece);
            let room = BEGINNING - beginning.len();
            beginning.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.first = beginning.into();
        self.running = Some(running);
    }

    /// Bytes that passed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is kept: the first piece, and all others.
    pub fn pieces(&self) -> [&[u8]; 2] {
        [&self.first, &self.rest]
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// The same in one piece of memory, for long.
    #[must_use]
    pub fn settled(self) -> Self {
        if self.rest.is_empty() { self } else { Self { first: self.joined(), rest: Vec::new(), ..self } }
    }

    /// Whether the end of the body passed; nobody need read a body that does not matter.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether everything that passed is kept.
    pub fn is_whole(&self) -> bool {
        self.running.is_none()
    }

    /// What is kept, in one piece.
    pub fn joined(&self) -> Bytes {
        if self.rest.is_empty() { self.first.clone() } else { self.pieces().concat().into() }
    }

    /// SHA-256 of what passed, in hexadecimal.
    pub fn digest(&self) -> String {
        match &self.running {
            Some(running) => hex::encode(running.as_ref().clone().finalize()),
            None => hex::encode(Sha256::digest(self.joined())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_in_its_order() {
        let mut kept = Kept::default();
        for (piece, is_last) in [("", false), ("12", false), ("3", false), ("", false), ("45", true)] {
            assert!(!kept.is_complete(), "{piece}");
            kept.push(piece.into(), is_last);
        }
        for kept in [kept.joined(), kept.settled().joined()] {
            assert_eq!(kept.as_ref(), b"12345");
        }
    }

    #[test]
    fn of_a_long_body_the_beginning_and_the_digest_are_kept() {
        let pieces: Vec<_> = (0..40_u8).map(|number| Bytes::from(vec![number; 20_000])).collect();
        let whole = pieces.concat();
        for mut kept in [Kept::default(), Kept::whole("".into())] {
            for piece in &pieces {
                kept.push(piece.clone(), false);
            }
            assert_eq!((kept.size(), kept.is_whole()), (800_000, false));
            assert_eq!(kept.joined().as_ref(), &whole[..BEGINNING]);
            assert_eq!(kept.digest(), hex::encode(Sha256::digest(&whole)));
        }
        let at_once = Kept::whole(whole.clone().into());
        assert_eq!((at_once.is_complete(), at_once.bytes()), (true, BEGINNING));
        assert_eq!(at_once.digest(), hex::encode(Sha256::digest(&whole)));
    }
}
