//! A disk whose power can be cut, and that can fail: what a running program has synced, and nothing else. `disk.c` stands
//! between the program and the system.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::program::{Program, qrstack};

pub struct Disk {
    folder: TempDir,
}

impl Disk {
    pub fn new() -> Self {
        let disk = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(disk.synced()).expect("made");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-pthread", "-o"])
            .arg(disk.library())
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/disk.c"))
            .status();
        // SQLite has been compiled before, and so there is a compiler.
        assert!(compiled.expect("a C compiler").success());
        disk
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("disk.so")
    }

    fn synced(&self) -> PathBuf {
        self.folder.path().join("synced")
    }

    /// Starts a server whose store is on this disk.
    pub fn start(&self, arguments: &[&str]) -> Program {
        let mut command = qrstack();
        command.env("LD_PRELOAD", self.library()).env("DISK", self.synced());
        Program::launch(command, Arc::new(tempfile::tempdir().expect("a folder")), arguments)
    }

    /// From now on it takes nothing, or does again.
    pub fn fail(&self, fails: bool) {
        let mark = self.synced().join("fails");
        if fails { fs::write(mark, "").expect("written") } else { fs::remove_file(mark).expect("removed") }
    }

    /// A folder with what would be left, were the power cut now.
    pub fn after_power_cut(&self) -> Arc<TempDir> {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("made");
        // The log first: what the file has of it is on the disk by then.
        for name in ["qrstack.sqlite-wal", "qrstack.sqlite"] {
            fs::copy(self.synced().join(name), data.join(name)).expect("synced at least once");
        }
        Arc::new(folder)
    }
}
