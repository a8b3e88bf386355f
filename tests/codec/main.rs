//! Tests of the workshop through its public face.

#![allow(missing_docs, clippy::missing_panics_doc)]

mod corpus;
mod hostile;
mod loading;
mod mutated;
mod roundtrip;

use std::path::{Path, PathBuf};

/// The folder of picture corpora, where this machine has it.
pub fn corpora() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no picture corpora at {}", folder.display());
    None
}

/// The folder of small pictures stored in many ways.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/images/loading")
}

/// Every file below `folder` with one of these endings, sorted.
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e.eq_ignore_ascii_case(ending))) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
