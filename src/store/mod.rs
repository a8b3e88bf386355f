//! The database: connection, migrations, health, and the lock that keeps two servers off one store.
//!
//! No vendor's queries: each provider keeps its own SQL and migrations in its rooms and hands the migrations in.
//! SQLite in WAL mode.

mod changes;
mod connections;
mod error;
mod memory;
mod schema;
mod tables;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

pub use changes::{Change, Made, Outcome};
pub use error::{Error, OpenError};
pub use memory::Kept;
pub use schema::Migration;
pub use tables::{Column, Kind, Rows, Table};

use changes::Changes;
use connections::Connections;
use memory::Memory;
use schema::SchemaError;

/// The store's file in the data folder.
const FILE: &str = "qrstack.sqlite";
/// Its lock, in the data folder.
const LOCK: &str = "qrstack.lock";
/// How long the lock of a server that was killed may be held by what it left behind.
const HANDOVER: Duration = Duration::from_millis(400);

/// What health checks write: a store that can be read and not written is no healthy one.
const HEALTH: Migration = Migration {
    version: 2_026_112_200,
    about: "the row that health checks write",
    sql: "CREATE TABLE health (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)",
};
/// Bytes that a health check writes: more than any request, so that readiness is lost before an answer is.
const FILLER: usize = 32 * 1024;

/// Failed queries of this program. Of the program and not of a store: errors do not say whose they are.
static FAILURES: AtomicU64 = AtomicU64::new(0);

/// Puts a failed query into the log and into the count.
pub fn note_failure(error: &Error) {
    FAILURES.fetch_add(1, Ordering::Relaxed);
    tracing::error!(%error, "the store failed");
}

/// How many queries failed since the program started.
pub fn failures() -> u64 {
    FAILURES.load(Ordering::Relaxed)
}

/// Who else may have the store open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody else who wants it alone: `serve`.
    Alone,
    /// Anybody: `products import` beside a running server.
    Beside,
}

/// The open store; clones share it.
#[derive(Clone)]
pub struct Store {
    connections: Connections,
    changes: Changes,
    memory: Memory,
    folder: Option<Arc<Path>>,
    /// Held until the last clone is gone.
    _lock: Option<Arc<File>>,
}

impl Store {
    /// Opens the store in `folder`, which is made if it is missing, and brings the schema up to date. A change that
    /// [outlasts a power failure](Change::OUTLASTS_POWER) does so from `sync` on after it was told to be made; zero lets it
    /// wait for the disk before.
    ///
    /// # Errors
    /// Where the folder or the file cannot be used, another server has it, or its schema is newer than `migrations`.
    /// Nothing is ever wiped.
    pub async fn open(
        folder: &Path,
        migrations: &[Migration],
        access: Access,
        sync: Duration,
    ) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
        let lock = match access {
            Access::Alone => Some(Arc::new(lock(&folder.join(LOCK)).await?)),
            Access::Beside => None,
        };
        let path = folder.join(FILE);
        let store = Self::new(Connections::to_file(&path), &path, migrations, Some(sync)).await?;
        Ok(Self { folder: Some(folder.into()), _lock: lock, ..store })
    }

    /// A store that lives as long as it is held and touches no disk.
    ///
    /// # Errors
    /// Where the migrations themselves are wrong.
    pub async fn in_memory(migrations: &[Migration]) -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let connections = Connections::to_memory();
        let connections = connections.map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
        Self::new(connections, path, migrations, None).await
    }

    async fn new(
        connections: Connections,
        path: &Path,
        migrations: &[Migration],
        sync: Option<Duration>,
    ) -> Result<Self, OpenError> {
        let steps = std::iter::once(&HEALTH).chain(migrations).copied().collect();
        let migrated = connections.run(|connection| schema::migrate(connection, steps)).await;
        migrated.map_err(|error| match error {
            SchemaError::Newer(version) => OpenError::Newer { path: path.to_owned(), version },
            SchemaError::Store(source) => OpenError::Database { path: path.to_owned(), source },
        })?;
        let changes = Changes::new(connections.clone(), sync);
        Ok(Self { connections, changes, memory: Memory::default(), folder: None, _lock: None })
    }

    /// Makes a change, together with those of others that come at the same time, and gives what came of it once it is in
    /// the store. The way for changes that many clients wait for.
    ///
    /// # Errors
    /// The change's own refusal, or what it makes of a store that failed.
    pub async fn change<C: Change>(&self, change: C) -> Outcome<C> {
        self.changes.make(change).await
    }

    /// Does `job` with a connection, on a thread that may wait for the disk; at most eight at once. Each statement is a
    /// transaction of its own where the job begins none.
    ///
    /// # Errors
    /// The job's own; also where no connection becomes free in time.
    pub async fn run<T, E>(&self, job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.connections.run(job).await
    }

    /// What a provider keeps in memory of its tables: the same for all who ask, empty at first.
    pub fn memory<T: Kept + Default>(&self) -> Arc<T> {
        self.memory.of()
    }

    /// Empties what is kept in memory of all tables. Whoever changes rows in another way than by [`Store::change`] calls
    /// this once they are in the store.
    fn forget(&self) {
        self.memory.forget();
    }

    /// Writes what only memory knows. Where that fails it is lost, as by a sudden end.
    async fn settle(&self) {
        let memory = self.memory.clone();
        let settled = self.run(move |connection| -> Result<(), Error> {
            let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            memory.settle(&change)?;
            Ok(change.commit()?)
        });
        if let Err(error) = settled.await {
            tracing::debug!(%error, "what only memory knew of the store is lost");
        }
    }

    /// The folder that the store is in; `None` where it touches no disk.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Whether the store can be written; finds out by writing.
    pub async fn is_healthy(&self) -> bool {
        let write =
            "INSERT INTO health (id, filler) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET filler = excluded.filler";
        let written = self.run(|connection| Ok(connection.prepare_cached(write)?.execute([vec![0u8; FILLER]])?)).await;
        written.inspect_err(note_failure).is_ok()
    }

    /// Writes what is pending and closes; the lock goes with the last clone.
    pub async fn close(&self) {
        self.changes.close().await;
        self.settle().await;
        self.connections.close().await;
    }
}

/// A server that was killed leaves its lock to a child that it was about to start, for as long as that takes.
async fn lock(path: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::Folder { path: path.to_owned(), source };
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(unusable)?;
    let until = Instant::now() + HANDOVER;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(HANDOVER / 20).await,
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::Taken { path: path.to_owned() }),
            Err(std::fs::TryLockError::Error(source)) => return Err(unusable(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migration = Migration { version: 1, about: "one", sql: "CREATE TABLE one (a INTEGER)" };
    const TWO: Migration = Migration { version: 2, about: "two", sql: "CREATE TABLE two (a INTEGER)" };

    #[tokio::test]
    async fn a_store_has_one_server_and_any_number_of_guests() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Store::open(folder.path(), &[ONE], Access::Alone, Duration::ZERO).await.expect("opened");
        assert!(matches!(
            Store::open(folder.path(), &[ONE], Access::Alone, Duration::ZERO).await,
            Err(OpenError::Taken { .. })
        ));
        let guest = Store::open(folder.path(), &[ONE], Access::Beside, Duration::ZERO).await.expect("opened");
        guest.run(|guest| Ok::<_, Error>(guest.execute("INSERT INTO one VALUES (7)", ())?)).await.expect("written");
        let seen = server.run(|server| Ok::<i64, Error>(server.query_one("SELECT a FROM one", (), |row| row.get(0))?));
        assert_eq!(seen.await.expect("read"), 7);
        drop(server);
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        Store::open(folder.path(), &[ONE, TWO], Access::Alone, Duration::ZERO).await.expect("opened").close().await;
        let refused = Store::open(folder.path(), &[ONE], Access::Alone, Duration::ZERO).await.err().expect("refused");
        assert!(refused.to_string().contains("newer"), "{refused}");
        Store::open(folder.path(), &[ONE, TWO], Access::Alone, Duration::ZERO).await.expect("still there");
    }

    #[tokio::test]
    async fn a_file_that_is_no_store_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        std::fs::write(&path, vec![b'x'; 8192]).expect("written");
        let refused = Store::open(folder.path(), &[ONE], Access::Alone, Duration::ZERO).await.err().expect("refused");
        assert!(matches!(refused, OpenError::Database { .. }), "{refused}");
        assert_eq!(std::fs::read(&path).expect("kept"), vec![b'x'; 8192]);
    }
}
