//! The last requests and their answers, for whoever tests a client: what was sent, what was answered, and what is known
//! of it besides.
//!
//! Recording is cheap, because every request pays for it: bytes are copied (`ring.rs`). Everything else is done when
//! somebody looks: masking what is secret (`mask.rs`), pictures as digests (`view.rs`), searching (`query.rs`), other
//! forms (`har.rs`, `curl.rs`). The journal is bounded by entries and by bytes; the oldest make room.

mod answer;
mod curl;
mod entry;
mod har;
mod mask;
mod query;
mod ring;
mod view;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

pub use answer::{put_back, take_whole};
pub use curl::command as curl;
pub use entry::{Entry, Head, Record};
pub use har::archive;
pub use query::{Bounds, Query};
pub use view::{Summary, View};

use ring::{Found as Lying, Ring};

use crate::locks::locked;

/// Entries that one look may give.
pub const MAX_FOUND: usize = 1000;

/// All entries; clones share them.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    max_entries: usize,
    max_bytes: usize,
    ring: Mutex<Ring>,
    /// Changes with each entry, as far as anybody listens; true once the server stops.
    is_over: watch::Sender<bool>,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fill {
    /// Entries that are here.
    pub entries: usize,
    /// Entries that may be here.
    pub max_entries: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Bytes that they may take.
    pub max_bytes: usize,
    /// Entries since the start.
    pub recorded: u64,
    /// Those that had to make room.
    pub dropped: u64,
}

/// What a look found.
#[derive(Debug)]
pub struct Found {
    /// The latest of them, the oldest first.
    pub entries: Vec<Entry>,
    /// How many there are in all.
    pub total: usize,
}

impl Journal {
    /// Keeps at most `max_entries` entries of `max_bytes` bytes in all; nothing at all where either is 0.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        let max_entries = if max_bytes == 0 { 0 } else { max_entries };
        let (ring, is_over) = (Mutex::default(), watch::Sender::new(false));
        Self(Arc::new(Inner { max_entries, max_bytes, ring, is_over }))
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.0.max_entries > 0
    }

    /// Adds an entry.
    pub fn record(&self, record: &Record<'_>) {
        if !self.is_on() {
            return;
        }
        let made_room = self.ring().push(record, self.0.max_entries, self.0.max_bytes);
        drop(made_room);
        // Who listens from here on looks after that, and finds the entry: the lock lies between.
        if self.0.is_over.receiver_count() > 0 {
            self.0.is_over.send_modify(|_| {});
        }
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let ring = self.ring();
        Fill {
            entries: ring.len(),
            max_entries: self.0.max_entries,
            bytes: ring.bytes(),
            max_bytes: self.0.max_bytes,
            recorded: ring.last_id(),
            dropped: ring.dropped(),
        }
    }

    /// The entry with this id, if it is still here.
    pub fn get(&self, id: u64) -> Option<Entry> {
        let found = self.ring().look(id.saturating_sub(1), |gist| gist.id == id);
        found.first().map(Lying::entry)
    }

    /// The latest `limit` entries that `query` is for.
    pub fn find(&self, query: &Query, limit: usize) -> Found {
        let found = self.all(query);
        let total = found.len();
        let latest = &found[total.saturating_sub(limit.min(MAX_FOUND))..];
        Found { entries: latest.iter().map(Lying::entry).collect(), total }
    }

    /// How many entries `query` is for.
    pub fn count(&self, query: &Query) -> usize {
        self.all(query).len()
    }

    /// Every entry that `query` is for, the oldest first.
    fn all(&self, query: &Query) -> Vec<Lying> {
        // Texts are looked at without the ring: that takes longer than others should wait.
        let mut found = self.ring().look(0, |gist| query.is_near(gist));
        if query.reads() {
            found.retain(|found| query.fits(&found.entry()));
        }
        found
    }

    /// Waits until `count` entries match, or for `time`, or until the server stops; gives what matches then.
    pub async fn wait(&self, query: &Query, count: usize, limit: usize, time: Duration) -> Found {
        let mut is_over = self.0.is_over.subscribe();
        let enough = async {
            loop {
                // Seen before the look, so that what comes meanwhile is looked at again.
                let is_last = *is_over.borrow_and_update();
                let found = self.find(query, limit);
                if found.total >= count || is_last || is_over.changed().await.is_err() {
                    return found;
                }
            }
        };
        match tokio::time::timeout(time, enough).await {
            Ok(found) => found,
            Err(_) => self.find(query, limit),
        }
    }

    /// Whether the requests that `queries` are for came in this order, others between them or not; gives how many of
    /// them, from the first, did.
    pub fn in_order(&self, queries: &[Query]) -> usize {
        let found = self.all(&Query::default());
        let mut entries = found.iter().map(Lying::entry);
        queries.iter().take_while(|query| entries.any(|entry| query.matches(&entry))).count()
    }

    /// Forgets every entry that `query` is for; gives how many there were.
    pub fn clear(&self, query: &Query) -> usize {
        let cleared: Vec<_> = self.all(query).iter().map(Lying::id).collect();
        if cleared.is_empty() { 0 } else { self.ring().forget(&cleared) }
    }

    /// What comes after the entry with the id `after`, as it comes.
    pub fn follow(&self, after: Option<u64>) -> Following {
        let after = after.unwrap_or_else(|| self.ring().last_id());
        Following { journal: self.clone(), is_over: self.0.is_over.subscribe(), after, ready: VecDeque::new() }
    }

    /// Ends everything that waits or follows, because the server stops.
    pub fn end(&self) {
        self.0.is_over.send_modify(|is_over| *is_over = true);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        locked(&self.0.ring)
    }
}

/// Entries as they come.
pub struct Following {
    journal: Journal,
    is_over: watch::Receiver<bool>,
    after: u64,
    ready: VecDeque<Lying>,
}

impl Following {
    /// The next entry; `None` once the server stops. What makes room before it is seen is left out.
    pub async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                self.after = found.id();
                return Some(found.entry());
            }
            let is_over = *self.is_over.borrow_and_update();
            self.ready = self.journal.ring().look(self.after, |_| true).into();
            if self.ready.is_empty() && (is_over || self.is_over.changed().await.is_err()) {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
