//! Refuses a probe object that is older than its sources. A packaged crate has no sources beside it and is not checked.

#[path = "prebuilt/hash.rs"]
mod hash;

use std::{fs, path::Path};

const MANIFEST: &str = "prebuilt/manifest.toml";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=prebuilt");
    let root = Path::new("..");
    if !root.join("tracer-ebpf").exists() {
        return;
    }
    for source in hash::SOURCES {
        println!("cargo::rerun-if-changed=../{source}");
    }
    let manifest = fs::read_to_string(MANIFEST).unwrap_or_default();
    match hash::of_sources(root) {
        Ok(current) if hash::manifest_value(&manifest, "sources") == Some(current.as_str()) => {}
        Ok(current) => println!(
            "cargo::error=tracer-user/prebuilt/sesstrace.bpf.o was not built from these sources (their hash is {current}): \
             run `cargo xtask build-ebpf`"
        ),
        Err(error) => println!("cargo::error=cannot read the sources of the probe object: {error}"),
    }
}
