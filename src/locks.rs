//! Locks without poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for `mutex`. Whoever held it and panicked is no reason to fail: nobody here leaves anything half done behind one.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
