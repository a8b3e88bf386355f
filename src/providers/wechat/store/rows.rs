//! Rows whose keys are drawn at random, where they lie, and when those that ended are looked for.
//!
//! In a table of some size each random key has a page of its own, which is read and written for it alone. So keys that are
//! drawn one after the other begin alike: their rows lie beside each other, and what is added is near to what was added
//! before. At least 48 bits of a key remain that nobody knows who knows its neighbours.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use rusqlite::{CachedStatement, Connection};

use crate::clock::Ids;
use crate::locks::locked;
use crate::store;

/// Draws of a code or token until one is free. More than one is only ever needed where ids come from a seed.
const DRAWS: usize = 64;

/// A row whose key is drawn at random.
pub(super) trait Drawn {
    /// The statement that adds a row.
    const INSERT: &'static str;

    /// Adds the row by that statement; gives how many were added.
    fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<usize, rusqlite::Error>;

    /// Draws another key, where this one is taken.
    fn draw_again(&mut self);
}

/// Adds `rows`. Where a key is taken, it is another afterwards.
///
/// # Errors
/// As [`add`].
pub(super) fn insert<R: Drawn>(connection: &Connection, rows: &mut [R]) -> Result<(), store::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(R::INSERT)?;
    rows.iter_mut().try_for_each(|row| add(&mut statement, row).map(drop))
}

/// Adds `row` by its statement, or finds that this one adds no such row beside those that are there. Where its key is
/// taken, it is another afterwards.
///
/// # Errors
/// The store's; also where there seems to be no free key.
pub(super) fn add<R: Drawn>(statement: &mut CachedStatement<'_>, row: &mut R) -> Result<bool, store::Error> {
    let mut draws = 1;
    loop {
        // Nothing stays of a statement that fails.
        match row.insert(statement).map_err(store::Error::from) {
            Ok(rows) => return Ok(rows > 0),
            Err(error) if !error.is_taken() || draws == DRAWS => return Err(error),
            Err(_) => {
                draws += 1;
                row.draw_again();
            }
        }
    }
}

/// What the keys begin with that are drawn one after the other.
#[derive(Default)]
pub(super) struct Gathering(Mutex<Last>);

#[derive(Default)]
struct Last {
    prefix: String,
    drawn: u32,
}

impl Gathering {
    /// Keys that begin alike.
    const KEYS: u32 = 64;

    /// Lets a key that was just drawn begin as the last ones do, with so many characters; each sixty-fourth keeps its own,
    /// and the next ones take them over. Those that a seed gives are what it gives.
    pub(super) fn take_in(&self, ids: &Ids, key: &mut String, characters: usize) {
        if ids.is_seeded() {
            return;
        }
        let mut last = locked(&self.0);
        if last.drawn.is_multiple_of(Self::KEYS) {
            key[..characters].clone_into(&mut last.prefix);
        } else {
            key.replace_range(..characters, &last.prefix);
        }
        last.drawn = last.drawn.wrapping_add(1);
    }
}

/// When rows that ended long ago were last looked for, and which part of the table is next: not with every change, and never
/// all of a table at once.
#[derive(Default)]
pub(super) struct Sweep {
    last: AtomicI64,
    next: AtomicUsize,
}

impl Sweep {
    /// Seconds between two looks.
    const PAUSE: i64 = 60;

    /// Which of `parts` is to be looked through at `now`, if it is time; the next one a while later.
    pub(super) fn due(&self, now: i64, parts: usize) -> Option<usize> {
        let last = self.last.load(Ordering::Relaxed);
        if (last..last + Self::PAUSE).contains(&now) {
            return None;
        }
        self.last.store(now, Ordering::Relaxed);
        Some(self.next.fetch_add(1, Ordering::Relaxed) % parts)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::providers::wechat::ticket::URL_SAFE;

    #[test]
    fn keys_that_are_drawn_one_after_the_other_begin_alike() {
        let (ids, gathering) = (Ids::system(), Gathering::default());
        let mut keys = HashMap::new();
        for _ in 0..640 {
            let mut key = format!("02{}", ids.text(11, URL_SAFE));
            gathering.take_in(&ids, &mut key, 5);
            assert!(key.len() == 13 && key.starts_with("02"), "{key}");
            *keys.entry(key[..5].to_owned()).or_insert(0) += 1;
        }
        assert!(keys.len() > 5 && keys.values().all(|alike| alike % 64 == 0), "{keys:?}");
    }

    #[test]
    fn what_a_seed_gives_is_left_as_it_is() {
        let (ids, gathering) = (Ids::seeded(1), Gathering::default());
        for _ in 0..3 {
            let mut key = ids.text(8, URL_SAFE);
            let before = key.clone();
            gathering.take_in(&ids, &mut key, 3);
            assert_eq!(key, before);
        }
    }

    #[test]
    fn a_part_is_due_once_a_minute_and_after_a_step_back() {
        let sweep = Sweep::default();
        let due = [1_000, 1_000, 1_059, 1_060, 1_061, 500, 501, 560].map(|now| sweep.due(now, 3));
        assert_eq!(due, [Some(0), None, None, Some(1), None, Some(2), None, Some(0)]);
    }
}
