//! Why a store fails, and why one cannot be opened: the latter in sentences for the operator.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// Why the store did not do what it was asked for. Clones tell all who waited for the same.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// What SQLite says.
    #[error("{0}")]
    Database(Arc<rusqlite::Error>),
    /// What was written did not reach the disk, says the system.
    #[error("the disk did not take what was written: {0}")]
    Disk(Arc<std::io::Error>),
    /// What is in the store is not what was put there.
    #[error("a row cannot be understood: {0}")]
    Row(String),
    /// Others hold what is needed, a connection or the right to write, for too long.
    #[error("the store is busy")]
    Busy,
    /// The server ends.
    #[error("the store is closed")]
    Closed,
    /// A defect of ours ended the work.
    #[error("the work on the store ended without a result")]
    Crashed,
}

impl Error {
    /// Whether a key is there already that a row was to have.
    pub fn is_taken(&self) -> bool {
        use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
        let Self::Database(error) = self else { return false };
        let code = error.sqlite_error().map(|error| error.extended_code);
        matches!(code, Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder or the lock file cannot be made or used.
    #[error("data_dir: {}: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Another server holds the lock.
    #[error("data_dir: another qrstack serves this store ({} is locked); give each server its own folder", path.display())]
    Taken {
        /// The lock file.
        path: PathBuf,
    },
    /// The file cannot be opened, is no database, or its schema cannot be brought up to date.
    #[error("data_dir: {} cannot be opened: {source}; it is left as it is", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        source: Error,
    },
    /// The file is of a later version of this program.
    #[error(
        "data_dir: {}: the store was written by a newer qrstack (schema step {version} is not known here); it is left as it is",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The step that is not known.
        version: i64,
    },
}
