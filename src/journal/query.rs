//! Which entries somebody wants to see.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Entry;
use super::entry::Gist;
use super::view::View;

/// What entries must have; what is absent may be anything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The vendor's name.
    pub vendor: Option<String>,
    /// The operation as its vendor calls it.
    pub operation: Option<String>,
    /// The method, in any case.
    pub method: Option<String>,
    /// The path as it was sent, without the query.
    pub path: Option<String>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// The vendor's code; `ok` for successes.
    pub code: Option<String>,
    /// One of these credentials.
    pub credential: Option<Vec<Arc<str>>>,
    /// Part of a text that the request is about.
    pub content: Option<String>,
    /// Part of the exchange as it is shown: target, headers, bodies.
    pub text: Option<String>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Later than the entry with this id.
    pub after: Option<u64>,
    /// Earlier than the entry with this id.
    pub before: Option<u64>,
    /// Whether a fault struck.
    pub fault: Option<bool>,
}

impl Query {
    /// Whether an entry fits as far as can be told without reading it.
    pub(super) fn is_near(&self, gist: &Gist<'_>) -> bool {
        let is = |asked: &Option<String>, found: &str| asked.as_deref().is_none_or(|asked| asked == found);
        let is_one_of = |any: &Vec<Arc<str>>| gist.credential.is_some_and(|own| any.iter().any(|one| **one == *own));
        is(&self.vendor, gist.vendor)
            && is(&self.operation, gist.operation)
            && is(&self.code, gist.code)
            && self.status.is_none_or(|status| status == gist.status)
            && self.credential.as_ref().is_none_or(is_one_of)
            && self.since.is_none_or(|since| gist.at >= since)
            && self.until.is_none_or(|until| gist.at < until)
            && self.after.is_none_or(|after| gist.id > after)
            && self.before.is_none_or(|before| gist.id < before)
            && self.fault.is_none_or(|fault| gist.has_fault == fault)
    }

    /// Whether an entry must be read to tell.
    pub(super) fn reads(&self) -> bool {
        self.method.is_some() || self.path.is_some() || self.content.is_some() || self.text.is_some()
    }

    /// Whether an entry fits.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.is_near(&entry.gist()) && self.fits(entry)
    }

    /// Whether an entry that is near fits.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        self.fits_head(entry) && self.fits_texts(entry)
    }

    fn fits_head(&self, entry: &Entry) -> bool {
        if self.method.is_none() && self.path.is_none() {
            return true;
        }
        let [method, target, _] = entry.request.line();
        let path = target.split('?').next().unwrap_or_default();
        self.method.as_deref().is_none_or(|asked| method.eq_ignore_ascii_case(asked))
            && self.path.as_deref().is_none_or(|asked| path == asked)
    }

    fn fits_texts(&self, entry: &Entry) -> bool {
        let about = |part: &String| entry.content.iter().any(|text| text.contains(part.as_str()));
        // What is masked cannot be found, so that nobody guesses secrets by searching.
        let shown = |part: &String| View::of(entry).texts().any(|text| text.contains(part.as_str()));
        self.content.as_ref().is_none_or(about) && self.text.as_ref().is_none_or(shown)
    }
}

/// How many there must be; at least one where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// So many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exactly: Option<usize>,
    /// So many or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<usize>,
    /// So many or fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<usize>,
}

impl Bounds {
    /// Whether `count` is within.
    pub fn hold(self, count: usize) -> bool {
        let Self { exactly, at_least, at_most } =
            if self == Self::default() { Self { at_least: Some(1), ..self } } else { self };
        exactly.is_none_or(|exactly| count == exactly)
            && at_least.is_none_or(|least| count >= least)
            && at_most.is_none_or(|most| count <= most)
    }
}
