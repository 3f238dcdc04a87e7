//! Hash of the sources of the probe object: all of `tracer-ebpf`, its lock file included, and the wire format that it
//! shares with userspace. Compiled into build.rs, which compares it, and into xtask, which writes it.
//!
//! Must not: need a crate (every build of tracer-user compiles it), or depend on where the tree is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What is hashed, relative to the root of the tree.
pub const SOURCES: [&str; 4] =
    ["tracer-common/src", "tracer-ebpf/Cargo.lock", "tracer-ebpf/Cargo.toml", "tracer-ebpf/src"];

/// FNV-1a, 64 bits, of the paths and contents of all source files. It tells changes apart, not attackers.
pub fn of_sources(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(root, Path::new(source), &mut files)?;
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let bytes = fs::read(root.join(&file))?;
        for part in [file.as_os_str().as_encoded_bytes(), &(bytes.len() as u64).to_le_bytes(), &bytes] {
            for byte in part {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
    Ok(format!("{hash:016x}"))
}

/// Value of `key` in the manifest beside the object.
pub fn manifest_value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
}

fn collect(root: &Path, path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !root.join(path).is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(root.join(path))? {
        collect(root, &path.join(entry?.file_name()), files)?;
    }
    Ok(())
}
