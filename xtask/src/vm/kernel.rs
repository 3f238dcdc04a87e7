//! Kernel images out of Debian's packages, which are unpacked and never installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::output;

/// Downloads the newest cloud kernel of a series, unless it is there, and says its package and its image.
pub fn image(series: &str, folder: &Path) -> anyhow::Result<(String, PathBuf)> {
    let pattern = format!("^linux-image-{}[.][0-9].*-cloud-amd64$", series.replace('.', "[.]"));
    let found = output(Command::new("apt-cache").args(["search", "--names-only", &pattern]))?;
    let Some(package) = newest(&found) else {
        bail!("apt knows no cloud kernel of series {series}: apt-get update, on Debian");
    };
    let unpacked = folder.join(package);
    if !unpacked.join("boot").exists() {
        download(package, &unpacked)?;
    }
    for entry in fs::read_dir(unpacked.join("boot")).context("the package has no /boot")? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinuz")) {
            return Ok((package.to_owned(), path));
        }
    }
    bail!("the package {package} has no vmlinuz")
}

fn download(package: &str, unpacked: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(unpacked).with_context(|| unpacked.display().to_string())?;
    output(Command::new("apt-get").args(["download", package]).current_dir(unpacked))?;
    for entry in fs::read_dir(unpacked)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            output(Command::new("dpkg-deb").arg("-x").arg(&path).arg(unpacked))?;
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The package with the highest version in its name, of the lines of `apt-cache search`.
fn newest(found: &str) -> Option<&str> {
    let numbers = |name: &str| -> Vec<u64> {
        name.split(|character: char| !character.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    found.lines().filter_map(|line| line.split(' ').next()).max_by_key(|name| numbers(name))
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn versions_are_compared_as_numbers() {
        let found = "linux-image-6.1.0-9-cloud-amd64 - Linux\nlinux-image-6.1.0-56-cloud-amd64 - Linux\n\
                     linux-image-6.1.0-10-cloud-amd64 - Linux\n";
        assert_eq!(newest(found), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(newest(""), None);
    }
}
