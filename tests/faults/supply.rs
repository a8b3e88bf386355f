//! What we are built of: every package is pinned, has a check sum, and comes from one registry.

use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::{Check, check};

pub fn checks() -> Vec<Check> {
    vec![check(
        "F58",
        "every package in `Cargo.lock` has a check sum and comes from the one registry; builds are `--locked`",
        pinned,
    )]
}

fn pinned() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    let mut sources = BTreeSet::new();
    for package in lock["package"].as_array().expect("a list") {
        let name = package["name"].as_str().expect("a name");
        let Some(source) = package.get("source") else {
            assert_eq!(name, "qrstack", "{name} has no source: it is not what everybody else has");
            continue;
        };
        let sum = package.get("checksum").and_then(toml::Value::as_str).unwrap_or_default();
        assert!(sum.len() == 64, "{name} has no check sum");
        sources.insert(source.as_str().expect("text").to_owned());
    }
    assert_eq!(sources.len(), 1, "{sources:?}");
    for (file, command) in [("Dockerfile", "cargo build"), (".ci/run", "cargo test")] {
        let text = read(file);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && line.contains(command)).collect();
        assert!(!lines.is_empty(), "{file} has no {command}");
        assert!(lines.iter().all(|line| line.contains("--locked")), "{file}: {lines:?}");
    }
    "one source".to_owned()
}
