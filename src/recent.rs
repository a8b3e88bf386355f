//! A bounded memory of what was used last.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::locks::locked;

/// Values by their key, those that were used last: rows of a table, or what takes its time to make.
///
/// Whoever reads one that is not here takes the [`Moment`] before, and hands it in with what was read: where a change
/// came in between, what was read may be old and is not kept.
pub struct Recent<V>(Mutex<Generations<V>>);

/// Two generations, the older of which goes as a whole when the younger is full: what is used in time moves over.
struct Generations<V> {
    young: HashMap<Box<str>, V>,
    old: HashMap<Box<str>, V>,
    /// Rows in a generation.
    capacity: usize,
    changes: u64,
}

/// When something was read.
#[derive(Clone, Copy)]
pub struct Moment(u64);

impl<V: Clone> Recent<V> {
    /// Room for at least `capacity` rows and at most twice as many.
    pub fn new(capacity: usize) -> Self {
        Self(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new(), capacity, changes: 0 }))
    }

    /// The row of `key`, if it is here.
    pub fn get(&self, key: &str) -> Option<V> {
        let mut kept = locked(&self.0);
        if let Some(row) = kept.young.get(key) {
            return Some(row.clone());
        }
        let (key, row) = kept.old.remove_entry(key)?;
        kept.insert(key, row.clone());
        Some(row)
    }

    /// The moment before a reading.
    pub fn moment(&self) -> Moment {
        Moment(locked(&self.0).changes)
    }

    /// Keeps what was read after `moment`.
    pub fn keep(&self, moment: Moment, key: &str, row: V) {
        let mut kept = locked(&self.0);
        if kept.changes == moment.0 {
            kept.insert(key.into(), row);
        }
    }

    /// A row is another in the store, or is new.
    pub fn change(&self, key: &str, row: V) {
        let mut kept = locked(&self.0);
        kept.changes += 1;
        kept.old.remove(key);
        kept.insert(key.into(), row);
    }

    /// A row is another in the store, or gone.
    pub fn forget(&self, key: &str) {
        let mut kept = locked(&self.0);
        kept.changes += 1;
        kept.young.remove(key);
        kept.old.remove(key);
    }
}

impl<V> Generations<V> {
    fn insert(&mut self, key: Box<str>, row: V) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let recent = Recent::new(10);
        recent.change("used", 0);
        for number in 1..1000 {
            recent.change(&number.to_string(), number);
            assert_eq!(recent.get("used"), Some(0), "{number}");
        }
        let left = (1..1000).filter(|number| recent.get(&number.to_string()).is_some()).count();
        assert!((9..20).contains(&left), "{left}");
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let recent = Recent::new(10);
        let moment = recent.moment();
        recent.keep(moment, "a", 1);
        assert_eq!(recent.get("a"), Some(1));
        recent.forget("b");
        recent.keep(moment, "b", 1);
        assert_eq!(recent.get("b"), None);
        recent.change("a", 2);
        recent.keep(moment, "a", 1);
        assert_eq!(recent.get("a"), Some(2));
    }
}
