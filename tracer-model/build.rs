//! Names the model by its sources: a state that another model saved is not taken for one of this.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src");
    let mut hash = 0xcbf2_9ce4_8422_2325;
    add(Path::new("src"), &mut hash)?;
    println!("cargo::rustc-env=TRACER_MODEL_SOURCES={hash:016x}");
    Ok(())
}

/// FNV-1a over names and contents, in the order of names. Tests, and what they compare it with, are no part of the model.
fn add(folder: &Path, hash: &mut u64) -> io::Result<()> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| !["src/tests", "src/reference"].iter().any(|part| path.ends_with(part))) {
        if path.is_dir() {
            add(path, hash)?;
            continue;
        }
        let name = path.to_string_lossy().into_owned().into_bytes();
        for byte in name.into_iter().chain(fs::read(path)?) {
            *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(())
}
