//! Why a store cannot be opened, in sentences for the operator.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;
use thiserror::Error;

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
    /// The file cannot be opened, or is no database.
    #[error("data_dir: {} cannot be opened: {source}; it is left as it is", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The driver's words.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("data_dir: {}: {}; it is left as it is", path.display(), schema(source))]
    Schema {
        /// The file.
        path: PathBuf,
        /// The driver's words.
        source: MigrateError,
    },
}

fn schema(error: &MigrateError) -> String {
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
            format!("the store was written by a newer qrstack (schema step {version} is not known here)")
        }
        other => other.to_string(),
    }
}
