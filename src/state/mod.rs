//! What requests have left behind, as a whole: to be cleared, taken along and put back, for everybody or for a credential
//! alone. Rows of the vendors' tables, the clock, seeds, faults, and the credentials that were made; what an operator
//! brought in (settings, products) is no part of it. The journal is cleared with the rest, but not taken along.

mod document;
mod snapshots;

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

pub use document::{Document, Time};
pub use snapshots::{Name, Snapshot, SnapshotError};

use document::{Own, Seeds, SetSecrets, Times};
use snapshots::Snapshots;

use crate::clock::{Ids, Motion, Owned, Seeding, Unreachable};
use crate::credentials::{AddError, Set};
use crate::faults::{Refused, Saved};
use crate::journal::Query;
use crate::shared::Shared;
use crate::store::{self, Rows, Table};

/// Forgets what a door has in memory of these credentials' requests, or of all.
pub type Forget = Arc<dyn Fn(Option<&[Arc<str>]>) + Send + Sync>;

/// The state of a server; clones share it.
#[derive(Clone)]
pub struct State(Arc<Parts>);

struct Parts {
    shared: Shared,
    tables: Vec<Table>,
    forget: Vec<Forget>,
    snapshots: Snapshots,
}

/// Why a state cannot be put back. Nothing is changed then.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Another version of the document.
    #[error("the document has version {0}, and this server knows another")]
    Version(u32),
    /// Rows of a table that does not exist, or that is not like them.
    #[error("tables.{0}: rows that this server cannot have")]
    Rows(String),
    /// A moment that no clock shows.
    #[error("clock: {0}")]
    Clock(#[from] Unreachable),
    /// No scale, or a sequence that went on for too long.
    #[error("{0}")]
    Field(&'static str),
    /// Credentials that do not fit beside the settings' ones.
    #[error("sets: {0}")]
    Sets(#[from] AddError),
    /// A rule that this server cannot have.
    #[error("faults: {0}")]
    Faults(#[from] Refused),
    /// The store failed, or rows do not fit beside those of others.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl State {
    /// The state of `shared`: rows of `tables`, and what the doors `forget`.
    pub fn new(shared: Shared, tables: Vec<Table>, forget: Vec<Forget>) -> Self {
        let snapshots = Snapshots::beside(shared.store());
        Self(Arc::new(Parts { shared, tables, forget, snapshots }))
    }

    /// Clears everything, or what belongs to `credentials`: rows, own clock, own seed. Of everything, also the sets that
    /// were made; clock and ids are as at the start then.
    ///
    /// # Errors
    /// The store's; nothing is changed then.
    pub async fn reset(&self, credentials: Option<&[Arc<str>]>) -> Result<(), store::Error> {
        let Parts { shared, tables, .. } = &*self.0;
        shared.store().replace_rows(tables, credentials, Rows::new()).await?;
        shared.faults().clear(credentials);
        shared.journal().clear(&Query { credential: credentials.map(<[_]>::to_vec), ..Query::default() });
        match credentials {
            None => {
                shared.clock().reset();
                shared.ids().reset();
                shared.credentials().clear();
            }
            Some(credentials) => {
                shared.clock().disown(credentials);
                shared.ids().seed_of(credentials, None);
            }
        }
        self.forget(credentials);
        Ok(())
    }

    fn forget(&self, credentials: Option<&[Arc<str>]>) {
        self.0.forget.iter().for_each(|forget| forget(credentials));
    }

    /// Takes a set of credentials away with all that belongs to it. Whether it was there.
    ///
    /// # Errors
    /// The store's; nothing is changed then.
    pub async fn remove(&self, set: &str) -> Result<bool, store::Error> {
        let Some(set) = self.0.shared.credentials().set(set) else { return Ok(false) };
        self.reset(Some(&set.members())).await?;
        Ok(self.0.shared.credentials().remove(&set.id).is_some())
    }

    /// The state as it is, of everybody or of `credentials`.
    ///
    /// # Errors
    /// The store's.
    pub async fn document(&self, credentials: Option<&[Arc<str>]>) -> Result<Document, store::Error> {
        let Parts { shared, tables, .. } = &*self.0;
        let tables = shared.store().rows(tables, credentials).await?;
        let is_meant = |id: &Arc<str>| credentials.is_none_or(|meant| meant.contains(id));
        let (server, own) = shared.clock().all();
        let server = if credentials.is_none() { Time::of(server) } else { None };
        let own = own
            .into_iter()
            .filter(|(id, _)| is_meant(id))
            .map(|(id, motion)| (id.to_string(), Time::of(motion)))
            .collect();
        let (seed, seeds) = shared.ids().all();
        let seeds = Seeds {
            server: seed.filter(|_| credentials.is_none()),
            own: seeds
                .into_iter()
                .map(|(ids, seeding)| {
                    let credentials = ids.iter().filter(|id| is_meant(id)).map(ToString::to_string).collect();
                    Own { credentials, seeding }
                })
                .filter(|own| !own.credentials.is_empty())
                .collect(),
        };
        let (sets, _) = shared.credentials().sets("", usize::MAX);
        let sets = sets.iter().filter(|set| is_meant(&set.id)).map(|set| SetSecrets::from(&**set)).collect();
        let faults = shared.faults().save(credentials);
        let credentials = credentials.map(|ids| ids.iter().map(ToString::to_string).collect());
        let clock = Times { server, own };
        Ok(Document { version: Document::VERSION, credentials, clock, seeds, sets, faults, tables })
    }

    /// Puts a state back: everybody's, or what belongs to the credentials that the document is about.
    ///
    /// # Errors
    /// Where the document is none of this server's, or the store fails; nothing is changed then.
    pub async fn restore(&self, document: Document) -> Result<(), RestoreError> {
        let Parts { shared, tables, .. } = &*self.0;
        let restored = Restored::check(document, tables)?;
        let Restored { credentials, server, own, seed, seeds, sets, faults, rows } = restored;
        shared.faults().check(&faults)?;
        let registry = shared.credentials();
        let mut before = Vec::new();
        if credentials.is_none() {
            before = registry.replace_all(sets)?;
        } else {
            // A set that is still there is the same one: nobody can change it.
            for set in sets.into_iter().filter(|set| registry.set(&set.id).is_none()) {
                registry.add(set)?;
            }
        }
        if let Err(error) = shared.store().replace_rows(tables, credentials.as_deref(), rows).await {
            if credentials.is_none() {
                registry.put_back(&before);
            }
            return Err(error.into());
        }
        shared.faults().restore(faults, credentials.as_deref())?;
        match &credentials {
            None => {
                shared.clock().replace_all(server, own);
                shared.ids().replace_all(seed, seeds);
            }
            Some(credentials) => {
                shared.clock().disown(credentials);
                shared.clock().give_all(own);
                shared.ids().seed_of(credentials, None);
                for (credentials, seeding) in seeds {
                    shared.ids().seed_of(&credentials, Some(seeding));
                }
            }
        }
        self.forget(credentials.as_deref());
        Ok(())
    }

    /// The snapshots that there are.
    ///
    /// # Errors
    /// The system's.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        self.0.snapshots.all().await
    }

    /// Takes a snapshot of everybody's state, or of that of `credentials`; one of the same name goes.
    ///
    /// # Errors
    /// The store's or the system's, or there are as many as there may be.
    pub async fn take(&self, name: &Name, credentials: Option<&[Arc<str>]>) -> Result<(), SnapshotError> {
        let document = self.document(credentials).await?;
        self.0.snapshots.write(name, document.to_json()).await
    }

    /// The snapshot of this name as it was taken, in JSON.
    ///
    /// # Errors
    /// Where there is none, or the system's.
    pub async fn snapshot(&self, name: &Name) -> Result<Vec<u8>, SnapshotError> {
        self.0.snapshots.read(name).await
    }

    /// Deletes the snapshot of this name.
    ///
    /// # Errors
    /// Where there is none, or the system's.
    pub async fn delete(&self, name: &Name) -> Result<(), SnapshotError> {
        self.0.snapshots.delete(name).await
    }
}

/// A document, checked.
struct Restored {
    credentials: Option<Vec<Arc<str>>>,
    server: Motion,
    own: BTreeMap<Arc<str>, Motion>,
    seed: Option<Seeding>,
    seeds: Vec<Owned>,
    sets: Vec<Set>,
    faults: Vec<Saved>,
    rows: Rows,
}

impl Restored {
    fn check(document: Document, tables: &[Table]) -> Result<Self, RestoreError> {
        let Document { version, credentials, clock, seeds, sets, faults, tables: rows } = document;
        if version != Document::VERSION {
            return Err(RestoreError::Version(version));
        }
        let shared = |ids: Vec<String>| -> Vec<Arc<str>> { ids.into_iter().map(Arc::from).collect() };
        let credentials = credentials.map(shared);
        for (name, rows) in &rows {
            let table = tables.iter().find(|table| table.name == name);
            if !table.is_some_and(|table| table.takes(rows, credentials.as_deref())) {
                return Err(RestoreError::Rows(name.clone()));
            }
        }
        let motion = |time: Option<Time>| time.map_or(Ok(Motion::default()), Motion::try_from);
        let server = motion(clock.server)?;
        let mut own = BTreeMap::new();
        for (id, time) in clock.own {
            own.insert(Arc::from(id), motion(time)?);
        }
        let Seeds { server: seed, own: seeds } = seeds;
        let all = seeds.iter().map(|own| own.seeding).chain(seed);
        if all.map(|Seeding { drawn, .. }| drawn).fold(0, u64::saturating_add) > Ids::MAX_DRAWN {
            return Err(RestoreError::Field("seeds: more was drawn from them than can be gone through again"));
        }
        let seeds: Vec<_> = seeds.into_iter().map(|own| (shared(own.credentials), own.seeding)).collect();
        let sets: Vec<Set> = sets.into_iter().map(Set::from).collect();
        let is_meant = |id: &Arc<str>| credentials.as_ref().is_none_or(|meant| meant.contains(id));
        let others = own.keys().chain(seeds.iter().flat_map(|(ids, _)| ids)).chain(sets.iter().map(|set| &set.id));
        let members = faults.iter().flat_map(|rule| &rule.members).map(|id| Arc::from(id.as_str()));
        let is_scoped = credentials.is_none() || faults.iter().all(|rule| !rule.members.is_empty());
        if !is_scoped || !others.into_iter().all(is_meant) || !members.collect::<Vec<_>>().iter().all(is_meant) {
            return Err(RestoreError::Field("credentials: the document is about others as well"));
        }
        Ok(Self { credentials, server, own, seed, seeds, sets, faults, rows })
    }
}
