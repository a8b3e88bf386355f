//! The only source of time and of randomness. Everything else asks [`Clock`] and [`Ids`]; clippy refuses the rest.
//!
//! What the vendors time (signatures, tokens, tickets, `Date`) follows the clock. Deadlines of sockets and jobs do
//! not: they are tokio's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};

/// Tells the time: the system's, or one that stands still until it is set.
#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `unix_seconds` until [`Clock::set`] moves it.
    pub fn fixed(unix_seconds: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(unix_seconds))))
    }

    /// Moves a fixed clock, for all who hold it. The system's clock cannot be moved and stays as it is.
    pub fn set(&self, unix_seconds: i64) {
        if let Some(fixed) = &self.0 {
            fixed.store(unix_seconds, Ordering::SeqCst);
        }
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(fixed) => Timestamp::from_second(fixed.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// The present moment in whole seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// The present moment as HTTP writes it (RFC 9110, IMF-fixdate).
    pub fn http_date(&self) -> String {
        http_date(self.now())
    }
}

/// A moment as HTTP writes it (RFC 9110, IMF-fixdate): `Sat, 21 Nov 2026 10:00:00 GMT`.
pub fn http_date(moment: Timestamp) -> String {
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Makes ids and tokens: from the system's secure source, or reproducibly from a seed.
#[derive(Clone)]
pub struct Ids(Option<Arc<Mutex<StdRng>>>);

impl Ids {
    /// Unguessable ids.
    pub fn system() -> Self {
        Self(None)
    }

    /// The same ids in the same order for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// `N` random bytes.
    ///
    /// # Panics
    /// If the operating system has no randomness to give, which leaves nothing sensible to do.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            None => SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes"),
            Some(seeded) => seeded.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes),
        }
        bytes
    }

    /// A random 32-bit number.
    pub fn number(&self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    /// A UUID of version 4, lower-case with hyphens.
    pub fn uuid(&self) -> String {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid().hyphenated().to_string()
    }

    /// `length` characters drawn evenly from `alphabet`, which has at most 256 of them, all ASCII.
    pub fn text(&self, length: usize, alphabet: &[u8]) -> String {
        // Bytes past the last whole multiple are drawn again, so that every character is equally likely.
        let bound = 256 - 256 % alphabet.len();
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let drawn = self.bytes::<64>();
            let usable = drawn.into_iter().map(usize::from).filter(|byte| *byte < bound);
            text.extend(usable.take(length - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_until_it_is_set() {
        let clock = Clock::fixed(1_700_000_000);
        assert_eq!(clock.http_date(), "Tue, 14 Nov 2023 22:13:20 GMT");
        let held_elsewhere = clock.clone();
        clock.set(1_700_000_001);
        assert_eq!(held_elsewhere.unix_seconds(), 1_700_000_001);
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (one, other, third) = (Ids::seeded(7), Ids::seeded(7), Ids::seeded(8));
        let uuid = one.uuid();
        assert_eq!(uuid, other.uuid());
        assert_ne!(uuid, third.uuid());
        assert_eq!(&uuid[14..15], "4");
    }

    #[test]
    fn text_uses_its_alphabet_alone_and_has_its_length() {
        let text = Ids::system().text(1000, b"abc");
        assert_eq!(text.len(), 1000);
        for letter in ['a', 'b', 'c'] {
            assert!(text.contains(letter));
        }
        assert!(text.bytes().all(|byte| b"abc".contains(&byte)));
    }
}
