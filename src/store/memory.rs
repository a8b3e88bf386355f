//! What providers keep in memory of their tables, so that what is asked for all the time need not be read each time.
//!
//! The tables stay the truth: what is kept is bounded ([`Recent`](crate::recent::Recent)), filled by readings and by changes
//! that are in the store already, and can be emptied at any moment, once what the tables lack is [written](Kept::settle).

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use crate::locks::locked;

/// What a provider keeps in memory of its tables.
pub trait Kept: Any + Send + Sync {
    /// Writes what the tables lack, if that is anything, and lets nothing more come that they would lack: what is kept is
    /// to be forgotten. `change` is within a transaction.
    ///
    /// # Errors
    /// The store's.
    fn settle(&self, change: &Connection) -> Result<(), rusqlite::Error> {
        let _ = change;
        Ok(())
    }
}

/// One place for each type that a provider keeps.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<HashMap<TypeId, Arc<dyn Kept>>>>);

impl Memory {
    /// The one `T`, made where it is not there.
    pub(super) fn of<T: Kept + Default>(&self) -> Arc<T> {
        let mut places = locked(&self.0);
        let kept = places.entry(TypeId::of::<T>()).or_insert_with(|| Arc::<T>::default());
        let kept: Arc<dyn Any + Send + Sync> = Arc::clone(kept) as _;
        kept.downcast().expect("a type's place holds that type")
    }

    /// Settles everything.
    pub(super) fn settle(&self, change: &Connection) -> Result<(), rusqlite::Error> {
        // Not under the lock: it takes a while.
        let places: Vec<_> = locked(&self.0).values().cloned().collect();
        places.iter().try_for_each(|kept| kept.settle(change))
    }

    /// Starts anew. Who still holds what was kept keeps it for himself alone.
    pub(super) fn forget(&self) {
        locked(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Kept for Mutex<u8> {}
    impl Kept for Mutex<u16> {}

    #[test]
    fn a_type_has_one_place_until_all_is_forgotten() {
        let memory = Memory::default();
        *memory.of::<Mutex<u8>>().lock().expect("whole") = 7;
        assert_eq!(*memory.clone().of::<Mutex<u8>>().lock().expect("whole"), 7);
        assert_eq!(*memory.of::<Mutex<u16>>().lock().expect("whole"), 0);
        memory.forget();
        assert_eq!(*memory.of::<Mutex<u8>>().lock().expect("whole"), 0);
    }
}
