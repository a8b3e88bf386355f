//! Whether the server takes requests: what the listener knows and `readyz` tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The state of the listener; clones share it. Open from the start, so that a server without a listener is ready.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_stopping: AtomicBool,
    has_no_room: AtomicBool,
}

impl Gate {
    /// Whether new connections are taken: the server is not stopping, and the last one found room.
    pub(super) fn is_open(&self) -> bool {
        !self.is_stopping() && !self.0.has_no_room.load(Ordering::Relaxed)
    }

    /// Whether the server is stopping, so that no connection is kept.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Notes whether a connection found room; gives whether that is news.
    pub(super) fn room(&self, found: bool) -> bool {
        self.0.has_no_room.swap(!found, Ordering::Relaxed) == found
    }
}
