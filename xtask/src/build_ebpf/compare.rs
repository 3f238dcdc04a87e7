//! Compares the committed object with a new build: byte for byte where the same tools built both, else by what they
//! promise their loader.

use anyhow::{Context as _, bail};

use super::{hash::manifest_value, object};

/// Says how the two agree, or fails.
pub fn objects(old: &[u8], old_manifest: &str, new: &[u8], new_manifest: &str) -> anyhow::Result<String> {
    let same = |key| manifest_value(old_manifest, key) == manifest_value(new_manifest, key);
    if !same("sources") {
        bail!("the committed object was not built from these sources: run `cargo xtask build-ebpf`");
    }
    if same("rustc") && same("linker") {
        if old == new {
            return Ok(format!("the probe object, rebuilt with the same tools, is the same {} bytes", old.len()));
        }
        bail!(
            "the same tools built other bytes from the same sources: the committed object is not what they say it is"
        );
    }
    let old = object::summary(old).context("the committed object")?;
    let new = object::summary(new).context("the rebuilt object")?;
    object::compare(&old, &new)?;
    let (programs, maps, types) = (new.programs.len(), new.maps.len(), new.layouts.len());
    Ok(format!(
        "the probe object, rebuilt with other tools, has the same {programs} programs, {maps} maps and {types} types"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "sources = \"a\"\nrustc = \"b\"\nlinker = \"c\"\n";

    #[test]
    fn the_same_tools_must_give_the_same_bytes() {
        assert!(objects(b"x", OURS, b"x", OURS).unwrap().contains("same 1 bytes"));
        assert!(objects(b"x", OURS, b"y", OURS).unwrap_err().to_string().contains("other bytes"));
    }

    #[test]
    fn other_sources_are_stale() {
        let other = OURS.replace("\"a\"", "\"z\"");
        assert!(objects(b"x", OURS, b"x", &other).unwrap_err().to_string().contains("cargo xtask build-ebpf"));
    }

    #[test]
    fn other_tools_are_compared_by_content() {
        let other = OURS.replace("\"c\"", "\"z\"");
        assert!(
            objects(b"x", OURS, b"x", &other).unwrap_err().to_string().contains("committed object"),
            "it is not ELF"
        );
    }
}
