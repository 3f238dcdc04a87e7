//! The seeds through every target, whole, cut short and with a byte changed: what a fuzzer found stays found.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test, helpers and all")]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use sesstrace_fuzz::{TARGETS, Target, wire};

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn survives(name: &str, target: Target, bytes: &[u8], path: &Path) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(bytes)));
    assert!(outcome.is_ok(), "{name} does not take {} bytes made of {}: {bytes:?}", bytes.len(), path.display());
}

#[test]
fn every_target_takes_its_seeds() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for (path, bytes) in seeds {
            survives(name, target, &bytes, &path);
        }
    }
}

#[test]
fn every_target_takes_what_is_cut_short_or_damaged() {
    for (name, target) in TARGETS {
        for (path, bytes) in seeds(name) {
            let step = (bytes.len() / 60).max(1);
            for at in (0..bytes.len()).step_by(step) {
                survives(name, target, &bytes[..at], &path);
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x81;
                survives(name, target, &damaged, &path);
            }
        }
    }
}

/// Every kind of record is among the seeds of `wire`, and understood.
#[test]
fn seeds_of_the_wire_are_records() {
    let mut kinds = std::collections::BTreeSet::new();
    for (path, bytes) in seeds("wire") {
        for record in wire::records(&bytes) {
            let parsed = tracer_common::parse(record);
            assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
            kinds.insert(parsed.unwrap().header().kind);
        }
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        tracer_common::record::RECORDS.iter().map(|row| row.0).collect::<Vec<_>>()
    );
}

/// Every target has a fuzzer.
#[test]
fn every_target_has_a_binary() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
