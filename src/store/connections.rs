//! Connections to the database, each used by one thread at a time. SQLite waits for the disk where it is called: but for
//! the writer's, which knows when it would, that is never a thread that serves clients.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use crate::locks::locked;

/// How long a query waits for a connection, and for the write lock of another process.
const PATIENCE: Duration = Duration::from_secs(2);
/// Connections that are used at once, beside that of the writer.
const MOST: u32 = 8;
/// Statements that a connection knows.
const STATEMENTS: usize = 64;

/// The connections of a store; clones share them.
#[derive(Clone)]
pub(super) struct Connections(Arc<Source>);

enum Source {
    File {
        path: PathBuf,
        idle: Mutex<Vec<Connection>>,
        permits: Arc<Semaphore>,
    },
    /// Another connection would be another database. `None` once it is closed.
    Memory(Mutex<Option<Connection>>),
}

impl Connections {
    /// To the file at `path`, which is made by the first one.
    pub(super) fn to_file(path: &Path) -> Self {
        let (idle, permits) = (Mutex::default(), Arc::new(Semaphore::new(MOST as usize)));
        Self(Arc::new(Source::File { path: path.to_owned(), idle, permits }))
    }

    /// To a database of their own.
    pub(super) fn to_memory() -> Result<Self, Error> {
        let connection = Connection::open_in_memory()?;
        prepare(&connection)?;
        Ok(Self(Arc::new(Source::Memory(Mutex::new(Some(connection))))))
    }

    /// Does `job` with a connection, where that holds no client up.
    ///
    /// # Errors
    /// The job's own; also where no connection becomes free in time, or none can be opened.
    pub(super) async fn run<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let permit = self.permit().await?;
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = this.run_here(job);
            drop(permit);
            done
        });
        done.await.unwrap_or_else(|_| Err(Error::Crashed.into()))
    }

    /// The right to use a connection; `None` where there is no more than one, which is waited for where it is used.
    async fn permit(&self) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let Source::File { permits, .. } = &*self.0 else { return Ok(None) };
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(permits).acquire_owned()).await;
        Ok(Some(permit.map_err(|_| Error::Busy)?.map_err(|_| Error::Closed)?))
    }

    fn run_here<T, E: From<Error>>(&self, job: impl FnOnce(&mut Connection) -> Result<T, E>) -> Result<T, E> {
        match &*self.0 {
            Source::File { path, idle, .. } => {
                let kept = locked(idle).pop();
                let mut connection = match kept {
                    Some(connection) => connection,
                    None => open(path)?,
                };
                let done = job(&mut connection);
                if is_reusable(&connection) {
                    locked(idle).push(connection);
                }
                done
            }
            Source::Memory(only) => job(locked(only).as_mut().ok_or(Error::Closed)?),
        }
    }

    /// Does `job` with the connection of the writer, which is `own` or everybody's. What others hold is waited for if it
    /// `waits`.
    ///
    /// # Errors
    /// The job's own; [`Error::Busy`] where others hold what it needs.
    pub(super) fn run_as_writer<T>(
        &self,
        own: &mut Option<Connection>,
        waits: bool,
        job: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &*self.0 {
            Source::File { path, .. } => {
                let mut connection = match own.take() {
                    Some(connection) => connection,
                    None => open_writer(path)?,
                };
                connection.busy_timeout(if waits { PATIENCE } else { Duration::ZERO })?;
                let done = job(&mut connection);
                *own = Some(connection).filter(is_reusable);
                done
            }
            Source::Memory(only) if waits => job(locked(only).as_mut().ok_or(Error::Closed)?),
            Source::Memory(only) => match only.try_lock() {
                Ok(mut only) => job(only.as_mut().ok_or(Error::Closed)?),
                Err(_) => Err(Error::Busy),
            },
        }
    }

    /// Brings what was committed so far to the disk, which takes as long as that takes.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let Source::File { path, .. } = &*self.0 else { return Ok(()) };
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        // SQLite has no lock on its log that were lost where this one is closed. What was written back from there, or was
        // when the log was removed, is on the disk.
        let synced = match File::options().write(true).open(log) {
            Ok(log) => log.sync_data(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        synced.map_err(|error| Error::Disk(Arc::new(error)))
    }

    /// Waits for those that are used, and closes all; the last one writes what is pending into the file.
    pub(super) async fn close(&self) {
        if let Source::File { permits, .. } = &*self.0 {
            // Nobody else closes it, so this is no error but once it is closed already.
            let _all = permits.acquire_many(MOST).await;
            permits.close();
        }
        let this = self.clone();
        let closed = tokio::task::spawn_blocking(move || match &*this.0 {
            Source::File { idle, .. } => locked(idle).clear(),
            Source::Memory(only) => *locked(only) = None,
        });
        // It does not panic; and if the runtime ends, so do the connections.
        let _ = closed.await;
    }
}

/// A connection to the file at `path`, which is made if it is missing.
fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // What is acknowledged is on the disk, not just with the operating system. The writer makes exceptions.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    prepare(&connection)?;
    Ok(connection)
}

/// The writer's: a group of changes touches many pages. It writes its log back by itself when it is time to.
fn open_writer(path: &Path) -> Result<Connection, Error> {
    let connection = open(path)?;
    connection.execute_batch("PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 0")?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection.execute_batch("PRAGMA foreign_keys = ON")?)
}

/// Whether a connection may be used again. Where a full disk fails a commit and then its rollback too, a transaction is
/// left open: what comes next would be part of it, acknowledged and never written.
fn is_reusable(connection: &Connection) -> bool {
    connection.is_autocommit()
}
