//! How often a key may call an action in a second. Off by default, as nobody wants it locally.

use std::collections::HashMap;
use std::sync::Mutex;

use super::action::Action;
use super::error::Error;
use crate::locks::locked;

/// Keys and actions that are counted at the same time, before those of other seconds are let go. Each key's second is by
/// its own clock.
const COUNTED: usize = 1024;

/// Calls by key and action, each of its latest second.
#[derive(Default)]
pub(super) struct Pace(Mutex<HashMap<(String, Action), Second>>);

struct Second {
    at: i64,
    calls: u64,
}

impl Pace {
    /// Counts a call; `limit` 0 means any number.
    pub(super) fn count(&self, secret_id: &str, action: Action, now: i64, limit: u64) -> Result<(), Error> {
        if limit == 0 {
            return Ok(());
        }
        let mut seconds = locked(&self.0);
        if seconds.len() >= COUNTED {
            seconds.retain(|_, second| second.at == now);
        }
        let second = seconds.entry((secret_id.to_owned(), action)).or_insert(Second { at: now, calls: 0 });
        if second.at != now {
            *second = Second { at: now, calls: 0 };
        }
        second.calls += 1;
        if second.calls > limit { Err(Error::RequestLimitExceeded { calls: second.calls, limit }) } else { Ok(()) }
    }

    /// Forgets the calls of keys that `is_meant` says yes to.
    pub(super) fn forget(&self, is_meant: impl Fn(&str) -> bool) {
        let mut seconds = locked(&self.0);
        seconds.retain(|(secret_id, _), _| !is_meant(secret_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_and_action_has_its_own_count_a_second() {
        let pace = Pace::default();
        let call = |id, action, now| pace.count(id, action, now, 2);
        let refused = || Err(Error::RequestLimitExceeded { calls: 3, limit: 2 });
        assert_eq!(call("a", Action::QrcodeOcr, 1), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 1), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 1), refused());
        assert_eq!(call("b", Action::QrcodeOcr, 100), Ok(()), "another key, by its own clock");
        assert_eq!(call("a", Action::QueryBarCode, 1), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 2), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 2), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 2), refused());
        pace.forget(|id| id == "a");
        assert_eq!(call("a", Action::QrcodeOcr, 2), Ok(()));
        assert_eq!(pace.count("a", Action::QrcodeOcr, 2, 0), Ok(()));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let pace = Pace::default();
        for (number, second) in (0..10_000).zip(0..) {
            let _ = pace.count(&format!("key {number}"), Action::QrcodeOcr, second, 1);
        }
        assert!(pace.0.lock().expect("nobody panics").len() <= COUNTED);
    }
}
