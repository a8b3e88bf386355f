//! What providers keep in memory of their tables, so that what is asked for all the time need not be read each time.
//!
//! The tables stay the truth: what is kept is bounded ([`Recent`](crate::recent::Recent)), filled by readings and by changes
//! that are in the store already, and can be emptied at any moment.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::locks::locked;

/// One place for each type that a provider keeps.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl Memory {
    /// The one `T`, made where it is not there.
    pub(super) fn of<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut places = locked(&self.0);
        let kept = places.entry(TypeId::of::<T>()).or_insert_with(|| Arc::<T>::default());
        Arc::downcast(Arc::clone(kept)).expect("a type's place holds that type")
    }

    /// Starts anew. Who still holds what was kept keeps it for himself alone.
    pub(super) fn forget(&self) {
        locked(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
