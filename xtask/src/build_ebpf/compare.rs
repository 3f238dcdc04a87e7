//! Compares the committed object with a new build: byte for byte where the same tools built both.

use super::hash::manifest_value;

/// Says how the two agree, or fails.
pub fn objects(old: &[u8], old_manifest: &str, new: &[u8], new_manifest: &str) -> anyhow::Result<String> {
    let same = |key| manifest_value(old_manifest, key) == manifest_value(new_manifest, key);
    anyhow::ensure!(same("sources"), "the committed object is not of these sources: run `cargo xtask build-ebpf`");
    anyhow::ensure!(old == new, "differs");
    Ok("the same bytes".into())
}
