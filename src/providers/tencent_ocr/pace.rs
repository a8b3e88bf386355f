//! How often a key may call an action in a second. Off by default, as nobody wants it locally.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::action::Action;
use super::error::Error;

/// Calls of the present second, by key and action.
#[derive(Default)]
pub(super) struct Pace(Mutex<Second>);

#[derive(Default)]
struct Second {
    at: i64,
    calls: HashMap<(String, Action), u64>,
}

impl Pace {
    /// Counts a call; `limit` 0 means any number.
    pub(super) fn count(&self, secret_id: &str, action: Action, now: i64, limit: u64) -> Result<(), Error> {
        if limit == 0 {
            return Ok(());
        }
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if second.at != now {
            *second = Second { at: now, calls: HashMap::new() };
        }
        let calls = second.calls.entry((secret_id.to_owned(), action)).or_default();
        *calls += 1;
        if *calls > limit { Err(Error::RequestLimitExceeded { calls: *calls, limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_and_action_has_its_own_count_a_second() {
        let pace = Pace::default();
        let call = |id, action, now| pace.count(id, action, now, 2);
        assert_eq!(call("a", Action::QrcodeOcr, 1), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 1), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 1), Err(Error::RequestLimitExceeded { calls: 3, limit: 2 }));
        assert_eq!(call("b", Action::QrcodeOcr, 1), Ok(()));
        assert_eq!(call("a", Action::QueryBarCode, 1), Ok(()));
        assert_eq!(call("a", Action::QrcodeOcr, 2), Ok(()));
        assert_eq!(pace.count("a", Action::QrcodeOcr, 2, 0), Ok(()));
    }
}
