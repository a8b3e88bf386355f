//! States that are kept under a name: files in the store's folder, or in memory where the store touches no disk.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::locks::locked;
use crate::store::{self, Store};

/// Snapshots that may be there at the same time.
const MOST: usize = 100;
/// The folder of snapshots within the store's.
const FOLDER: &str = "snapshots";
const EXTENSION: &str = ".json";

/// The name of a snapshot: up to 64 of `a–z 0–9 _ -`, the first a letter or digit. Never a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Takes a text that is a name.
    pub fn new(text: &str) -> Option<Self> {
        let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=64).contains(&text.len())
            && text.as_bytes().first().is_some_and(is_first)
            && text.bytes().all(|byte| is_first(&byte) || matches!(byte, b'_' | b'-'));
        fits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub name: Name,
    /// Its size.
    pub bytes: u64,
}

/// Why a snapshot cannot be taken, read or deleted.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Nobody took one of this name.
    #[error("there is no snapshot of this name")]
    Missing,
    /// There are as many as there may be.
    #[error("there are {MOST} snapshots already; delete those that are not needed any more")]
    Full,
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The system.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Where snapshots are.
pub(super) enum Snapshots {
    Folder(PathBuf),
    Memory(Mutex<BTreeMap<Name, Vec<u8>>>),
}

impl Snapshots {
    /// Beside the tables of `store`.
    pub(super) fn beside(store: &Store) -> Self {
        match store.folder() {
            Some(folder) => Self::Folder(folder.join(FOLDER)),
            None => Self::Memory(Mutex::default()),
        }
    }

    pub(super) async fn all(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        match self {
            Self::Memory(kept) => Ok(locked(kept)
                .iter()
                .map(|(name, text)| Snapshot { name: name.clone(), bytes: text.len() as u64 })
                .collect()),
            Self::Folder(folder) => {
                let folder = folder.clone();
                aside(move || list(&folder)).await
            }
        }
    }

    pub(super) async fn read(&self, name: &Name) -> Result<Vec<u8>, SnapshotError> {
        match self {
            Self::Memory(kept) => locked(kept).get(name).cloned().ok_or(SnapshotError::Missing),
            Self::Folder(folder) => {
                let path = file(folder, name);
                aside(move || std::fs::read(path).map_err(missing)).await
            }
        }
    }

    pub(super) async fn write(&self, name: &Name, text: Vec<u8>) -> Result<(), SnapshotError> {
        let others = self.all().await?.into_iter().filter(|snapshot| snapshot.name != *name).count();
        if others >= MOST {
            return Err(SnapshotError::Full);
        }
        match self {
            Self::Memory(kept) => {
                locked(kept).insert(name.clone(), text);
                Ok(())
            }
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), file(folder, name));
                aside(move || Ok(replace(&folder, &path, &text)?)).await
            }
        }
    }

    pub(super) async fn delete(&self, name: &Name) -> Result<(), SnapshotError> {
        match self {
            Self::Memory(kept) => locked(kept).remove(name).map(drop).ok_or(SnapshotError::Missing),
            Self::Folder(folder) => {
                let path = file(folder, name);
                aside(move || std::fs::remove_file(path).map_err(missing)).await
            }
        }
    }
}

/// Waits for the disk where that holds nobody up.
async fn aside<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    tokio::task::spawn_blocking(job).await.map_err(|error| io::Error::other(error.to_string()))?
}

fn file(folder: &Path, name: &Name) -> PathBuf {
    folder.join(format!("{name}{EXTENSION}"))
}

fn missing(error: io::Error) -> SnapshotError {
    if error.kind() == io::ErrorKind::NotFound { SnapshotError::Missing } else { SnapshotError::System(error) }
}

/// The snapshots in a folder, by name; other files are none.
fn list(folder: &Path) -> Result<Vec<Snapshot>, SnapshotError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let name = file_name.to_str().and_then(|name| name.strip_suffix(EXTENSION)).and_then(Name::new);
        if let Some(name) = name {
            all.push(Snapshot { name, bytes: entry.metadata()?.len() });
        }
    }
    all.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(all)
}

/// Writes a file that is there as a whole or not at all, for nobody else to read.
fn replace(folder: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    /// Of files that are being written; no snapshot has such a name.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("{}.part", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let mut file = std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // Half a file is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for name in ["a", "before-login", "0_1", &"x".repeat(64)] {
            assert!(Name::new(name).is_some(), "{name}");
        }
        for text in ["", ".", "..", "a/b", "../a", "a.json", "A", "-a", "_a", "a b", "你", "a\0", &"x".repeat(65)] {
            assert_eq!(Name::new(text), None, "{text:?}");
        }
    }

    #[tokio::test]
    async fn snapshots_in_a_folder_and_in_memory_behave_alike() {
        let folder = tempfile::tempdir().expect("a folder");
        for snapshots in [Snapshots::Folder(folder.path().join(FOLDER)), Snapshots::Memory(Mutex::default())] {
            let [one, other] = ["one", "other"].map(|name| Name::new(name).expect("a name"));
            assert!(snapshots.all().await.expect("listed").is_empty());
            assert!(matches!(snapshots.read(&one).await, Err(SnapshotError::Missing)));
            assert!(matches!(snapshots.delete(&one).await, Err(SnapshotError::Missing)));
            snapshots.write(&other, b"22".to_vec()).await.expect("written");
            snapshots.write(&one, b"1".to_vec()).await.expect("written");
            snapshots.write(&one, b"111".to_vec()).await.expect("written again");
            let listed = snapshots.all().await.expect("listed");
            let expected = [(one.clone(), 3), (other.clone(), 2)].map(|(name, bytes)| Snapshot { name, bytes });
            assert_eq!(listed, expected);
            assert_eq!(snapshots.read(&one).await.expect("read"), b"111");
            snapshots.delete(&one).await.expect("deleted");
            assert_eq!(snapshots.all().await.expect("listed").len(), 1);
        }
    }

    #[tokio::test]
    async fn there_is_an_end_to_snapshots() {
        let snapshots = Snapshots::Memory(Mutex::default());
        let name = |number| Name::new(&format!("n{number}")).expect("a name");
        for number in 0..MOST {
            snapshots.write(&name(number), Vec::new()).await.expect("room");
        }
        assert!(matches!(snapshots.write(&name(MOST), Vec::new()).await, Err(SnapshotError::Full)));
        snapshots.write(&name(0), b"x".to_vec()).await.expect("one that is there already");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_with_secrets_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let snapshots = Snapshots::Folder(folder.path().to_owned());
        let name = Name::new("a").expect("a name");
        snapshots.write(&name, b"x".to_vec()).await.expect("written");
        let metadata = std::fs::metadata(file(folder.path(), &name)).expect("there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing beside it");
    }
}
