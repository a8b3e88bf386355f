//! Inputs that ask for a fault themselves, so that a black-box test needs nothing but the vendor's SDK: a text, a scene, a
//! number or a picture's address that begins with `qrstack-fault:`, or the address `http://qrstack-fault/…` where an SDK
//! insists on one with a host. What follows is a plan (`plan.rs`), and besides
//!
//! - `times=2`: the input fails so often, then works as if it were an ordinary one;
//! - `id=anything`: tells one input from another that counts for itself.
//!
//! An input that asks for what there is not is an ordinary one, and the log says so.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use thiserror::Error;

use super::Asked;
use super::plan::{Plan, PlanError};

const PREFIX: &str = "qrstack-fault:";
const ADDRESSES: [&str; 2] = ["http://qrstack-fault/", "https://qrstack-fault/"];

/// Inputs that are counted at the same time; past that the oldest is forgotten.
const MAX_COUNTED: usize = 4096;

/// Why an input asks for nothing that there is.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum WishError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{0:?} is no number of times")]
    Times(String),
}

/// What a text asks for, if it does.
pub(super) fn wish(text: &str) -> Option<Cow<'_, str>> {
    if let Some(wish) = text.strip_prefix(PREFIX) {
        return Some(wish.into());
    }
    let path = ADDRESSES.iter().find_map(|address| text.strip_prefix(address))?;
    Some(percent_decode_str(path).decode_utf8_lossy())
}

/// The plan of a wish, and how often it holds.
pub(super) fn parse(wish: &str) -> Result<(Plan, Option<u32>), WishError> {
    let mut times = None;
    let mut plan = Vec::new();
    for item in wish.split(';').map(str::trim) {
        match item.split_once('=') {
            Some(("times", number)) => {
                times = Some(number.parse().map_err(|_| WishError::Times(number.to_owned()))?);
            }
            Some(("id", _)) => {}
            _ => plan.push(item),
        }
    }
    Ok((plan.join(";").parse()?, times))
}

/// How often inputs have failed that fail a number of times.
#[derive(Debug, Default)]
pub(super) struct Magic {
    counts: HashMap<Key, u32>,
    /// The oldest first.
    order: VecDeque<Key>,
}

/// Who asked which operation for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    vendor: &'static str,
    operation: &'static str,
    credential: Option<String>,
    wish: String,
}

impl Magic {
    /// Counts one more of `times`, and says whether it is still one of them.
    pub(super) fn count(&mut self, asked: Asked<'_>, wish: &str, times: u32) -> bool {
        let Asked { vendor, operation, credential } = asked;
        let key = Key { vendor, operation, credential: credential.map(str::to_owned), wish: wish.to_owned() };
        if !self.counts.contains_key(&key) {
            if self.order.len() >= MAX_COUNTED
                && let Some(oldest) = self.order.pop_front()
            {
                self.counts.remove(&oldest);
            }
            self.order.push_back(key.clone());
        }
        let count = self.counts.entry(key).or_default();
        let is_left = *count < times;
        *count = count.saturating_add(1);
        is_left
    }

    /// Counts from the beginning, for everybody or some credentials.
    pub(super) fn forget(&mut self, credentials: Option<&[Arc<str>]>) {
        let is_one = |key: &Key, credentials: &[Arc<str>]| {
            key.credential.as_deref().is_some_and(|own| credentials.iter().any(|credential| **credential == *own))
        };
        let is_kept = |key: &Key| credentials.is_some_and(|credentials| !is_one(key, credentials));
        self.counts.retain(|key, _| is_kept(key));
        self.order.retain(is_kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_begins_with_its_prefix_or_is_an_address() {
        for (text, expected) in [
            ("qrstack-fault:45009", Some("45009")),
            ("http://qrstack-fault/45009", Some("45009")),
            ("https://qrstack-fault/latency=2s%3B45009", Some("latency=2s;45009")),
            (" qrstack-fault:45009", None),
            ("http://qrstack-fault.example/45009", None),
            ("qrstack-fault", None),
            ("", None),
        ] {
            assert_eq!(wish(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_wish_has_a_plan_and_may_have_a_number() {
        let plan = |text: &str| text.parse::<Plan>().expect("a plan");
        assert_eq!(parse("45009"), Ok((plan("45009"), None)));
        assert_eq!(parse("latency=1s;45009;times=2;id=a=b"), Ok((plan("latency=1s;45009"), Some(2))));
        assert_eq!(parse("times=2"), Err(WishError::Plan(PlanError::Empty)));
        assert!(parse("45009;times=often").is_err());
    }

    #[test]
    fn inputs_are_counted_each_for_itself_and_no_more_than_there_is_room() {
        let mut magic = Magic::default();
        let asked = |credential| Asked { vendor: "v", operation: "o", credential };
        let outcomes: Vec<_> = (0..3).map(|_| magic.count(asked(Some("a")), "x", 2)).collect();
        assert_eq!(outcomes, [true, true, false]);
        assert!(magic.count(asked(Some("b")), "x", 2) && magic.count(asked(None), "x", 2));
        magic.forget(Some(&["a".into()]));
        assert!(magic.count(asked(Some("a")), "x", 1) && !magic.count(asked(None), "x", 1));
        for number in 0..2 * MAX_COUNTED {
            magic.count(asked(None), &number.to_string(), 1);
        }
        assert_eq!((magic.counts.len(), magic.order.len()), (MAX_COUNTED, MAX_COUNTED));
        magic.forget(None);
        assert!(magic.counts.is_empty() && magic.order.is_empty());
    }
}
