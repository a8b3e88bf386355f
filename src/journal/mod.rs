//! The last requests and their answers, for whoever tests a client: what was sent, what was answered, and what is known
//! of it besides.
//!
//! Recording is cheap, because every request pays for it: heads are copied into one piece of memory, bodies are kept as
//! they came. Everything else is done when somebody looks: masking what is secret (`mask.rs`), pictures as digests
//! (`view.rs`), searching (`query.rs`), other forms (`har.rs`, `curl.rs`). The journal is bounded by entries and by
//! bytes; the oldest make room.

mod body;
mod curl;
mod entry;
mod har;
mod mask;
mod query;
mod view;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

pub use body::{Kept, Recording, record_answer};
pub use curl::command as curl;
pub use entry::{Entry, Head};
pub use har::archive;
pub use query::{Bounds, Query};
pub use view::{Summary, View};

/// Entries that one look may give.
pub const MAX_FOUND: usize = 1000;

/// All entries; clones share them.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    max_entries: usize,
    max_bytes: usize,
    ring: Mutex<Ring>,
    pulse: watch::Sender<Pulse>,
}

#[derive(Default)]
struct Ring {
    /// The oldest first.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    last_id: u64,
    dropped: u64,
}

/// What those who wait are told.
#[derive(Clone, Copy, Debug, Default)]
struct Pulse {
    last_id: u64,
    is_over: bool,
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
#[derive(Clone, Debug)]
pub struct Found {
    /// The latest of them, the oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// How many there are in all.
    pub total: usize,
}

impl Journal {
    /// Keeps at most `max_entries` entries of `max_bytes` bytes in all; nothing at all where either is 0.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        let max_entries = if max_bytes == 0 { 0 } else { max_entries };
        let (ring, pulse) = (Mutex::default(), watch::Sender::new(Pulse::default()));
        Self(Arc::new(Inner { max_entries, max_bytes, ring, pulse }))
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.0.max_entries > 0
    }

    /// Adds an entry, which gets its id here.
    pub fn record(&self, mut entry: Entry) {
        if !self.is_on() {
            return;
        }
        entry.pack();
        let bytes = entry.bytes();
        let mut made_room = Vec::new();
        let mut ring = self.ring();
        ring.last_id += 1;
        entry.id = ring.last_id;
        let last_id = entry.id;
        if bytes > self.0.max_bytes {
            ring.dropped += 1;
        } else {
            while ring.entries.len() >= self.0.max_entries || ring.bytes + bytes > self.0.max_bytes {
                let Some(oldest) = ring.entries.pop_front() else { break };
                ring.bytes -= oldest.bytes();
                ring.dropped += 1;
                made_room.push(oldest);
            }
            ring.bytes += bytes;
            ring.entries.push_back(Arc::new(entry));
        }
        drop(ring);
        // Without the lock: freeing takes its time.
        drop(made_room);
        self.0.pulse.send_if_modified(|pulse| {
            pulse.last_id = pulse.last_id.max(last_id);
            true
        });
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let ring = self.ring();
        Fill {
            entries: ring.entries.len(),
            max_entries: self.0.max_entries,
            bytes: ring.bytes,
            max_bytes: self.0.max_bytes,
            recorded: ring.last_id,
            dropped: ring.dropped,
        }
    }

    /// The entry with this id, if it is still here.
    pub fn get(&self, id: u64) -> Option<Arc<Entry>> {
        let ring = self.ring();
        let place = ring.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        ring.entries.get(place).cloned()
    }

    /// The latest `limit` entries that `query` is for.
    pub fn find(&self, query: &Query, limit: usize) -> Found {
        let mut entries = self.all(query);
        let total = entries.len();
        entries.drain(..total.saturating_sub(limit.min(MAX_FOUND)));
        Found { entries, total }
    }

    /// Every entry that `query` is for, the oldest first.
    pub fn all(&self, query: &Query) -> Vec<Arc<Entry>> {
        // A copy of the list: looking at texts takes longer than others should wait.
        let mut entries: Vec<_> = self.ring().entries.iter().filter(|entry| query.is_near(entry)).cloned().collect();
        entries.retain(|entry| query.matches(entry));
        entries
    }

    /// Waits until `count` entries match, or for `time`, or until the server stops; gives what matches then.
    pub async fn wait(&self, query: &Query, count: usize, limit: usize, time: Duration) -> Found {
        let mut pulse = self.0.pulse.subscribe();
        let enough = async {
            loop {
                // Seen before the look, so that what comes meanwhile is looked at again.
                let is_over = pulse.borrow_and_update().is_over;
                let found = self.find(query, limit);
                if found.total >= count || is_over || pulse.changed().await.is_err() {
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
        let entries: Vec<_> = self.ring().entries.iter().cloned().collect();
        let mut entries = entries.iter();
        queries.iter().take_while(|query| entries.any(|entry| query.matches(entry))).count()
    }

    /// Forgets every entry that `query` is for; gives how many there were.
    pub fn clear(&self, query: &Query) -> usize {
        let cleared: Vec<_> = self.all(query).iter().map(|entry| entry.id).collect();
        let mut ring = self.ring();
        let before = ring.entries.len();
        ring.entries.retain(|entry| cleared.binary_search(&entry.id).is_err());
        ring.bytes = ring.entries.iter().map(|entry| entry.bytes()).sum();
        before - ring.entries.len()
    }

    /// What comes after the entry with the id `after`, as it comes.
    pub fn follow(&self, after: Option<u64>) -> Following {
        let after = after.unwrap_or_else(|| self.ring().last_id);
        Following { journal: self.clone(), pulse: self.0.pulse.subscribe(), after, ready: VecDeque::new() }
    }

    /// Ends everything that waits or follows, because the server stops.
    pub fn end(&self) {
        self.0.pulse.send_modify(|pulse| pulse.is_over = true);
    }

    /// The entries later than the one with the id `after`.
    fn since(&self, after: u64) -> VecDeque<Arc<Entry>> {
        let ring = self.ring();
        let from = ring.entries.partition_point(|entry| entry.id <= after);
        ring.entries.range(from..).cloned().collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entries as they come.
pub struct Following {
    journal: Journal,
    pulse: watch::Receiver<Pulse>,
    after: u64,
    ready: VecDeque<Arc<Entry>>,
}

impl Following {
    /// The next entry; `None` once the server stops. What makes room before it is seen is left out.
    pub async fn next(&mut self) -> Option<Arc<Entry>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.after = entry.id;
                return Some(entry);
            }
            let is_over = self.pulse.borrow_and_update().is_over;
            self.ready = self.journal.since(self.after);
            if self.ready.is_empty() && (is_over || self.pulse.changed().await.is_err()) {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
