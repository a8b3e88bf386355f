//! Ids and tokens: from the system's secure source, or reproducibly from a seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::locks::locked;

/// Makes ids and tokens; the server's, or a credential's own.
#[derive(Clone)]
pub struct Ids {
    house: Arc<House>,
    /// What this one draws from, where it is not the server's.
    own: Option<Arc<Mutex<Sequence>>>,
}

/// The server's source and the credentials' own ones.
struct House {
    /// The seed that the server's ids began with.
    start: Option<u64>,
    /// Whether any source is a seed's: without one, nobody takes a lock.
    has_seed: AtomicBool,
    seeded: RwLock<Seeded>,
}

#[derive(Default)]
struct Seeded {
    server: Option<Arc<Mutex<Sequence>>>,
    own: HashMap<Arc<str>, Arc<Mutex<Sequence>>>,
}

/// A seed, and how far its sequence was drawn: enough to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeding {
    /// What the sequence began with.
    pub seed: u64,
    /// Words of 32 bits that were drawn.
    pub drawn: u64,
}

impl From<u64> for Seeding {
    /// The beginning of a seed's sequence.
    fn from(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

/// Credentials, and the seed of the ids that they have together.
pub type Owned = (Vec<Arc<str>>, Seeding);

/// What a seed gives, one draw after the other.
struct Sequence {
    random: StdRng,
    seeding: Seeding,
}

impl Sequence {
    fn new(Seeding { seed, drawn }: Seeding) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..drawn {
            random.next_u32();
        }
        Self { random, seeding: Seeding { seed, drawn } }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        self.random.fill_bytes(bytes);
        self.seeding.drawn += bytes.len().div_ceil(size_of::<u32>()) as u64;
    }
}

impl Seeded {
    fn is_empty(&self) -> bool {
        self.server.is_none() && self.own.is_empty()
    }
}

impl Ids {
    /// Words that a sequence may have been drawn: what [`Ids::replace_all`] goes through again.
    pub const MAX_DRAWN: u64 = 1 << 26;

    /// Unguessable ids, until a seed is given.
    pub fn system() -> Self {
        Self::starting(None)
    }

    fn starting(start: Option<u64>) -> Self {
        let house = House { start, has_seed: AtomicBool::new(false), seeded: RwLock::default() };
        let ids = Self { house: house.into(), own: None };
        ids.reset();
        ids
    }

    /// The same ids in the same order for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self::starting(Some(seed))
    }

    /// As at the start: the server's ids from their beginning, and no credential with its own.
    pub fn reset(&self) {
        self.replace_all(self.house.start.map(Seeding::from), Vec::new());
    }

    /// The ids of a credential: from its own seed where it was given one, else the server's.
    #[must_use]
    pub fn of(&self, credential: &str) -> Self {
        let own = if self.has_seed() { self.read(|seeded| seeded.own.get(credential).cloned()) } else { None };
        Self { house: Arc::clone(&self.house), own }
    }

    fn has_seed(&self) -> bool {
        self.house.has_seed.load(Ordering::Acquire)
    }

    fn read<T>(&self, look: impl FnOnce(&Seeded) -> T) -> T {
        look(&self.house.seeded.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Seeded)) {
        let mut seeded = self.house.seeded.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut seeded);
        self.house.has_seed.store(!seeded.is_empty(), Ordering::Release);
    }

    /// Lets the server's ids come from a seed, or from the system.
    pub fn seed(&self, seeding: Option<Seeding>) {
        self.write(|seeded| seeded.server = seeding.map(sequence));
    }

    /// Lets the ids that `credentials` have together come from a seed, or from where the server's come.
    pub fn seed_of(&self, credentials: &[Arc<str>], seeding: Option<Seeding>) {
        self.write(|seeded| match seeding.map(sequence) {
            None => seeded.own.retain(|credential, _| !credentials.contains(credential)),
            Some(sequence) => {
                let owners = credentials.iter().map(|credential| (Arc::clone(credential), Arc::clone(&sequence)));
                seeded.own.extend(owners);
            }
        });
    }

    /// The seeds of the server and of credentials with their own, as far as they were drawn. Credentials that share a
    /// sequence stand together.
    pub fn all(&self) -> (Option<Seeding>, Vec<Owned>) {
        self.read(|seeded| {
            let mut groups: BTreeMap<usize, Owned> = BTreeMap::new();
            for (credential, sequence) in &seeded.own {
                let seeding = locked(sequence).seeding;
                let group = groups.entry(Arc::as_ptr(sequence) as usize).or_insert((Vec::new(), seeding));
                group.0.push(Arc::clone(credential));
            }
            let mut own: Vec<_> = groups.into_values().collect();
            for (credentials, _) in &mut own {
                credentials.sort_unstable();
            }
            own.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
            (seeded.server.as_ref().map(|sequence| locked(sequence).seeding), own)
        })
    }

    /// Lets all ids go on from these seeds; nobody else has one.
    pub fn replace_all(&self, server: Option<Seeding>, own: Vec<Owned>) {
        let server = server.map(sequence);
        let mut all = HashMap::new();
        for (credentials, seeding) in own {
            let sequence = sequence(seeding);
            all.extend(credentials.into_iter().map(|credential| (credential, Arc::clone(&sequence))));
        }
        self.write(|seeded| *seeded = Seeded { server, own: all });
    }

    /// Ids that are drawn apart from these: from one draw of the same seed, or from the system. [`Fork::ids`] begins them
    /// anew each time, for what may have to be done twice and must come out the same.
    pub fn fork(&self) -> Fork {
        Fork(self.is_seeded().then(|| u64::from_le_bytes(self.bytes())))
    }

    /// Whether a seed gives the ids, so that they are the same ones each time.
    pub fn is_seeded(&self) -> bool {
        self.own.is_some() || (self.has_seed() && self.read(|seeded| seeded.server.is_some()))
    }

    fn source(&self) -> Option<Arc<Mutex<Sequence>>> {
        if self.own.is_some() {
            return self.own.clone();
        }
        if self.has_seed() { self.read(|seeded| seeded.server.clone()) } else { None }
    }

    /// `N` random bytes.
    ///
    /// # Panics
    /// If the operating system has no randomness to give, which leaves nothing sensible to do.
    #[expect(clippy::disallowed_methods, reason = "all others ask here")]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self.source() {
            // A secure generator of each thread, which takes its keys from the operating system again and again.
            None => rand::rng().fill_bytes(&mut bytes),
            Some(sequence) => locked(&sequence).fill(&mut bytes),
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
        let mut text = String::with_capacity(length);
        self.add_text(&mut text, length, alphabet);
        text
    }

    /// Adds to `text` what [`Self::text`] gives.
    pub fn add_text(&self, text: &mut String, length: usize, alphabet: &[u8]) {
        // Bytes past the last whole multiple are drawn again, so that every character is equally likely.
        let bound = 256 - 256 % alphabet.len();
        let end = text.len() + length;
        while text.len() < end {
            let even = self.bytes::<64>().into_iter().map(usize::from).filter(|byte| *byte < bound);
            text.extend(even.take(end - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
        }
    }
}

fn sequence(seeding: Seeding) -> Arc<Mutex<Sequence>> {
    Arc::new(Mutex::new(Sequence::new(seeding)))
}

/// Ids of their own for one undertaking ([`Ids::fork`]).
#[derive(Clone, Copy)]
pub struct Fork(Option<u64>);

impl Fork {
    /// Whether a seed gives the ids.
    pub fn is_seeded(self) -> bool {
        self.0.is_some()
    }

    /// The ids, from their beginning.
    pub fn ids(self) -> Ids {
        self.0.map_or_else(Ids::system, Ids::seeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_equally_likely() {
        let alphabet: Vec<u8> = (0..100).collect();
        let text = Ids::seeded(7).text(20_000, &alphabet);
        assert_eq!(text.len(), 20_000);
        // Of a byte that is simply divided, these would come 13 125 times.
        let first = text.bytes().filter(|character| *character < 56).count();
        assert!((11_000..11_400).contains(&first), "{first}");
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

    #[test]
    fn a_credential_with_its_own_seed_draws_apart_from_the_rest() {
        let ids = Ids::system();
        ids.seed_of(&["a".into(), "b".into()], Some(7.into()));
        let expected = Ids::seeded(7);
        assert_eq!(ids.of("a").uuid(), expected.uuid());
        let _ = (ids.uuid(), ids.of("c").uuid());
        assert_eq!(ids.of("b").uuid(), expected.uuid(), "both draw from one sequence");
        ids.seed_of(&["a".into(), "b".into()], None);
        assert!(ids.of("a").source().is_none());
    }

    #[test]
    fn a_sequence_goes_on_from_where_it_was() {
        let ids = Ids::system();
        ids.seed(Some(3.into()));
        ids.seed_of(&["a".into()], Some(4.into()));
        let draw = |ids: &Ids| (ids.number(), ids.bytes::<5>(), ids.uuid(), ids.text(7, b"xyz"));
        let _ = (draw(&ids), draw(&ids.of("a")), ids.bytes::<1>());
        let (server, own) = ids.all();
        let expected = (draw(&ids), draw(&ids.of("a")));
        let restored = Ids::system();
        restored.replace_all(server, own);
        assert_eq!((draw(&restored), draw(&restored.of("a"))), expected);
    }

    #[test]
    fn a_fork_gives_the_same_ids_each_time() {
        let ids = Ids::seeded(1);
        let (one, other) = (ids.fork(), ids.fork());
        assert_eq!(one.ids().uuid(), one.ids().uuid());
        assert_ne!(one.ids().uuid(), other.ids().uuid());
        let free = Ids::system().fork();
        assert_ne!(free.ids().uuid(), free.ids().uuid());
    }
}
