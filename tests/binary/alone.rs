//! Commands in a namespace of their own, where all ports and the hosts file are free.

use std::path::Path;
use std::process::Command;

use crate::text;

/// `PATH` with the folder of our program before the rest.
pub fn path() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_qrstack"));
    format!("{}:{}", program.parent().expect("a folder").display(), std::env::var("PATH").expect("a path"))
}

/// Runs commands in `folder`, in a network and a file system of their own; what they print, or nothing where this machine has
/// no such namespaces.
pub fn alone(folder: &Path, commands: &str) -> Option<String> {
    // The folder and not the file, which could not be replaced. What may not be read is not needed.
    const ALONE: &str = "ip link set lo up; cp -a /etc etc 2>/dev/null || true; mount --bind etc /etc";
    let isolated = |commands: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-Urmn", "sh", "-ec", &format!("{ALONE}\n{commands}")]).current_dir(folder);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QRSTACK_")) {
            unshare.env_remove(name);
        }
        unshare.output()
    };
    if !isolated("true").is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: this machine lets us have no namespaces");
        return None;
    }
    let output = isolated(commands).expect("unshare runs");
    assert!(output.status.success(), "{} {}", text(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(text(&output.stdout).to_owned())
}
