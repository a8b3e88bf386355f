//! The seeds of the fuzzers, and every input that one of them ever failed on (`fuzz/regressions/<target>/`), replayed.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;

fn replay(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).expect("a target");
    let seeds = targets::seeds(&root.join("fixtures"), name);
    assert!(seeds.len() >= 2, "{name} has {} seeds", seeds.len());
    let found = std::fs::read_dir(root.join("fuzz/regressions").join(name)).into_iter().flatten();
    let found = found.map(|entry| std::fs::read(entry.expect("readable").path()).expect("readable"));
    for seed in seeds.into_iter().chain(found) {
        target(&seed);
    }
}

#[test]
fn pictures_load() {
    replay("load");
}

#[test]
fn pixels_are_read() {
    replay("read");
}

#[test]
fn signatures_are_judged() {
    replay("authorization");
}

#[test]
fn bodies_are_answered() {
    replay("body");
    replay("multipart");
}

#[test]
fn queries_and_tickets_are_answered() {
    replay("query");
    replay("ticket");
}

#[test]
fn products_are_imported() {
    replay("import");
}

#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).expect("there");
    for (name, _) in targets::ALL {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
