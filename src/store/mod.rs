//! The database: connection, migrations, health, and the lock that keeps two servers off one store.
//!
//! No vendor's queries: each provider keeps its own SQL and migrations in its rooms and hands the migrations in.
//! SQLite in WAL mode.

mod changes;
mod error;
mod memory;
mod tables;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlSafeStr};

pub use changes::{Change, Made, Outcome};
pub use error::OpenError;
pub use memory::{Moment, Recent};
pub use tables::{Column, Kind, Rows, Table};

use changes::Changes;
use memory::Memory;

/// The store's file in the data folder.
const FILE: &str = "qrstack.sqlite";
/// Its lock, in the data folder.
const LOCK: &str = "qrstack.lock";
/// How long a query waits for a connection, and for the write lock of another process.
const PATIENCE: Duration = Duration::from_secs(2);
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

/// Failed queries of this program. Of the program and not of a store: the driver's errors do not say whose they are.
static FAILURES: AtomicU64 = AtomicU64::new(0);

/// Puts a failed query into the log and into the count.
pub fn note_failure(error: &sqlx::Error) {
    FAILURES.fetch_add(1, Ordering::Relaxed);
    tracing::error!(%error, "the store failed");
}

/// How many queries failed since the program started.
pub fn failures() -> u64 {
    FAILURES.load(Ordering::Relaxed)
}

/// A step of the schema. Steps are never changed once released; the next one gets the next version.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Unique over all providers: date and number, for instance 2026112101.
    pub version: i64,
    /// What it does.
    pub about: &'static str,
    /// One or more statements.
    pub sql: &'static str,
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
    pool: SqlitePool,
    /// The one connection of the writer, or that of everybody.
    writer: SqlitePool,
    changes: Changes,
    memory: Memory,
    folder: Option<Arc<Path>>,
    /// Held until the last clone is gone.
    _lock: Option<Arc<File>>,
}

impl Store {
    /// Opens the store in `folder`, which is made if it is missing, and brings the schema up to date.
    ///
    /// # Errors
    /// Where the folder or the file cannot be used, another server has it, or its schema is newer than `migrations`.
    /// Nothing is ever wiped.
    pub async fn open(folder: &Path, migrations: &[Migration], access: Access) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
        let lock = match access {
            Access::Alone => Some(Arc::new(lock(&folder.join(LOCK)).await?)),
            Access::Beside => None,
        };
        let path = folder.join(FILE);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is acknowledged is on the disk, not just with the operating system. The writer makes exceptions.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true);
        let pool = connections(8).connect_with(options.clone()).await;
        let pool = pool.map_err(|source| OpenError::Database { path: path.clone(), source })?;
        // Opened by the first change, and kept: it knows its statements, and how patient it is.
        let writer = connections(1).idle_timeout(None).max_lifetime(None).connect_lazy_with(
            // A group of changes touches as many pages as it has rows, wherever their keys lie.
            options.pragma("cache_size", "-16384").pragma("wal_autocheckpoint", "4096"),
        );
        let store = Self::new(pool, writer, Some(folder.into()), lock);
        store.migrate(&path, migrations).await?;
        Ok(store)
    }

    /// A store that lives as long as it is held and touches no disk.
    ///
    /// # Errors
    /// Where the migrations themselves are wrong.
    pub async fn in_memory(migrations: &[Migration]) -> Result<Self, OpenError> {
        // One connection that never ends: each connection to `:memory:` is a database of its own.
        let path = Path::new(":memory:");
        let options = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        // Memory does not hang: how long is waited for the others is the request's own deadline.
        let options = options.acquire_timeout(Duration::from_hours(1));
        let pool = options.connect_with(SqliteConnectOptions::new().in_memory(true)).await;
        let pool = pool.map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
        let store = Self::new(pool.clone(), pool, None, None);
        store.migrate(path, migrations).await?;
        Ok(store)
    }

    fn new(pool: SqlitePool, writer: SqlitePool, folder: Option<Arc<Path>>, lock: Option<Arc<File>>) -> Self {
        Self { changes: Changes::start(writer.clone()), pool, writer, memory: Memory::default(), folder, _lock: lock }
    }

    /// Makes a change, together with those of others that come at the same time, and gives what came of it once it is in
    /// the store. The way for changes that many clients wait for.
    ///
    /// # Errors
    /// The change's own refusal, or what it makes of a store that failed.
    pub async fn change<C: Change>(&self, change: C) -> Outcome<C> {
        self.changes.make(change).await
    }

    /// What a provider keeps in memory of its tables: the same for all who ask, empty at first.
    pub fn memory<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.memory.of()
    }

    /// Empties what is kept in memory of all tables. Whoever changes rows in another way than by [`Store::change`] calls
    /// this once they are in the store.
    pub fn forget(&self) {
        self.memory.forget();
    }

    /// The folder that the store is in; `None` where it touches no disk.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The connections, for a provider's queries.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Whether the store can be written; finds out by writing.
    pub async fn is_healthy(&self) -> bool {
        let write =
            "INSERT INTO health (id, filler) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET filler = excluded.filler";
        let written = sqlx::query(write).bind(vec![0u8; FILLER]).execute(&self.pool).await;
        written.inspect_err(note_failure).is_ok()
    }

    /// Writes what is pending and closes; the lock goes with the last clone.
    pub async fn close(&self) {
        self.writer.close().await;
        self.pool.close().await;
    }

    async fn migrate(&self, path: &Path, migrations: &[Migration]) -> Result<(), OpenError> {
        let mut all: Vec<_> = std::iter::once(&HEALTH).chain(migrations).collect();
        all.sort_by_key(|step| step.version);
        let steps = all.into_iter().map(|step| {
            let kind = MigrationType::Simple;
            sqlx::migrate::Migration::new(step.version, step.about.into(), kind, step.sql.into_sql_str(), false)
        });
        let result = Migrator::with_migrations(steps.collect()).run(&self.pool).await;
        result.map_err(|source| OpenError::Schema { path: path.to_owned(), source })
    }
}

/// Connections to a store on the disk, so many at most.
fn connections(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(most)
        .acquire_timeout(PATIENCE)
        // A file does not hang up.
        .test_before_acquire(false)
        // Where a full disk fails a commit, SQLite has rolled back already, the driver's rollback fails, and it still
        // counts a transaction: the next ones would be savepoints within one that nobody ends, acknowledged and never
        // written. Such a connection is not used again.
        .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
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
        let server = Store::open(folder.path(), &[ONE], Access::Alone).await.expect("opened");
        assert!(matches!(Store::open(folder.path(), &[ONE], Access::Alone).await, Err(OpenError::Taken { .. })));
        let guest = Store::open(folder.path(), &[ONE], Access::Beside).await.expect("opened");
        sqlx::query("INSERT INTO one VALUES ($1)").bind(7).execute(guest.pool()).await.expect("written");
        let seen: i64 = sqlx::query_scalar("SELECT a FROM one").fetch_one(server.pool()).await.expect("read");
        assert_eq!(seen, 7);
        drop(server);
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        Store::open(folder.path(), &[ONE, TWO], Access::Alone).await.expect("opened").close().await;
        let refused = Store::open(folder.path(), &[ONE], Access::Alone).await.err().expect("refused");
        assert!(refused.to_string().contains("newer"), "{refused}");
        Store::open(folder.path(), &[ONE, TWO], Access::Alone).await.expect("still there");
    }

    #[tokio::test]
    async fn a_file_that_is_no_store_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        std::fs::write(&path, vec![b'x'; 8192]).expect("written");
        let refused = Store::open(folder.path(), &[ONE], Access::Alone).await.err().expect("refused");
        assert!(matches!(refused, OpenError::Database { .. } | OpenError::Schema { .. }), "{refused}");
        assert_eq!(std::fs::read(&path).expect("kept"), vec![b'x'; 8192]);
    }
}
