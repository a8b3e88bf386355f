//! Rows whose keys are drawn at random, and where they lie.
//!
//! A random key costs a page of the index that it lies in, and a table of some size has another page for each row that is
//! added. So keys that are drawn one after the other have a part in common, their place, and the tables have it in front
//! of the key: sixty-four rows lie beside each other, and what is added is near to what was added before. A place is said
//! by six characters of the key itself, and looks as random as they do.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use rusqlite::{CachedStatement, Connection};

use crate::clock::Ids;
use crate::providers::wechat::ticket::URL_SAFE;
use crate::store;

/// Draws of a code or token until one is free. More than one is only ever needed where ids come from a seed.
const DRAWS: usize = 64;

/// A row whose key is drawn at random.
pub(super) trait Drawn {
    /// The statement that adds a row.
    const INSERT: &'static str;

    /// Adds the row by that statement.
    fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<usize, rusqlite::Error>;

    /// Draws another key, where this one is taken.
    fn draw_again(&mut self);
}

/// Adds `rows`. Where a key is taken, it is another afterwards.
///
/// # Errors
/// The store's; also where there seems to be no free key.
pub(super) fn insert<R: Drawn>(connection: &Connection, rows: &mut [R]) -> Result<(), store::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(R::INSERT)?;
    for row in rows {
        let mut draws = 1;
        // Nothing stays of a statement that fails.
        while let Err(error) = row.insert(&mut statement).map_err(store::Error::from) {
            if !error.is_taken() || draws == DRAWS {
                return Err(error);
            }
            draws += 1;
            row.draw_again();
        }
    }
    Ok(())
}

/// Characters of a key that say its place: half of them are as they were drawn, the others so far ahead of these.
const PLACE: usize = 6;

/// Where the row of a key lies: the six characters from `at` on, to which all keys of a kind stick. 0 where they are none
/// of a key's.
pub(super) fn place(key: &str, at: usize) -> u32 {
    let digit = |character: &u8| URL_SAFE.iter().position(|known| known == character).map(|digit| digit as u32);
    let Some(characters) = key.as_bytes().get(at..at + PLACE) else { return 0 };
    let (ahead, drawn) = characters.split_at(PLACE / 2);
    let digits = ahead.iter().zip(drawn).map(|(ahead, drawn)| Some((digit(ahead)? + 64 - digit(drawn)?) % 64));
    digits.reduce(|number, digit| Some(number? * 64 + digit?)).flatten().unwrap_or_default()
}

/// The place of the keys that are drawn one after the other.
#[derive(Default)]
pub(super) struct Gathering {
    place: AtomicU32,
    drawn: AtomicU32,
}

impl Gathering {
    /// Keys in a place.
    const KEYS: u32 = 64;

    /// Moves a key that was just drawn to where the last ones are; each sixty-fourth stays where it is, and the next ones
    /// follow it there. Those that a seed gives are what it gives.
    pub(super) fn take_in(&self, ids: &Ids, key: &mut String, at: usize) {
        if ids.is_seeded() {
            return;
        }
        if self.drawn.fetch_add(1, Ordering::Relaxed).is_multiple_of(Self::KEYS) {
            self.place.store(place(key, at), Ordering::Relaxed);
            return;
        }
        let place = self.place.load(Ordering::Relaxed);
        let drawn = &key.as_bytes()[at + PLACE / 2..at + PLACE];
        let ahead: String = drawn
            .iter()
            .zip([place / 4096, place / 64, place])
            .map(|(drawn, digit)| {
                let drawn = URL_SAFE.iter().position(|known| known == drawn).unwrap_or_default();
                char::from(URL_SAFE[(drawn + digit as usize) % 64])
            })
            .collect();
        key.replace_range(at..at + PLACE / 2, &ahead);
    }
}

/// When rows that ended long ago were last looked for: not with every change.
#[derive(Default)]
pub(super) struct Sweep(AtomicI64);

impl Sweep {
    /// Seconds between two looks.
    const PAUSE: i64 = 60;

    /// Whether it is time at `now`; then the next time is a while later.
    pub(super) fn is_due(&self, now: i64) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due = !(last..last + Self::PAUSE).contains(&now);
        if due {
            self.0.store(now, Ordering::Relaxed);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn keys_that_are_drawn_one_after_the_other_lie_together_and_look_as_if_not() {
        let (ids, gathering) = (Ids::system(), Gathering::default());
        let mut keys = Vec::new();
        for _ in 0..640 {
            let mut key = format!("02{}", ids.text(11, URL_SAFE));
            gathering.take_in(&ids, &mut key, 2);
            assert!(key.len() == 13 && key.starts_with("02"), "{key}");
            keys.push(key);
        }
        let mut places = HashMap::new();
        for key in &keys {
            *places.entry(place(key, 2)).or_insert(0) += 1;
        }
        assert!(places.len() <= 10 && places.values().all(|keys| keys % 64 == 0), "{places:?}");
        for at in 2..8 {
            let seen: std::collections::BTreeSet<_> = keys.iter().map(|key| key.as_bytes()[at]).collect();
            assert!(seen.len() > 48, "one of 64 at {at}, {} seen", seen.len());
        }
    }

    #[test]
    fn a_place_is_said_by_six_characters() {
        assert_eq!(place("02AAAAAA", 2), 0);
        assert_eq!(place("02BAAAAA", 2), 4096);
        assert_eq!(place("02AABAAA", 2), 1);
        assert_eq!(place("02AAAAAB", 2), 63);
        assert_eq!(place("02-__A_-", 2), 63 * 4096 + 63);
        for short in ["", "02AAAAA", "02AAAAA/", "02AA\u{e9}AAA"] {
            assert_eq!(place(short, 2), 0, "{short}");
        }
    }

    #[test]
    fn what_a_seed_gives_is_left_as_it_is() {
        let (ids, gathering) = (Ids::seeded(1), Gathering::default());
        for _ in 0..3 {
            let mut key = ids.text(8, URL_SAFE);
            let before = key.clone();
            gathering.take_in(&ids, &mut key, 0);
            assert_eq!(key, before);
        }
    }

    #[test]
    fn a_look_is_due_once_a_minute_and_after_a_step_back() {
        let sweep = Sweep::default();
        let due = [1_000, 1_000, 1_059, 1_060, 1_061, 500, 501].map(|now| sweep.is_due(now));
        assert_eq!(due, [true, false, false, true, false, true, false]);
    }
}
