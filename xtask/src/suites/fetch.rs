//! Fetches what a suite needs: Debian packages, which are installed, and the upstream archive of a source package, which is
//! unpacked in the suite's folder. Then builds it there.
//!
//! Must not: change the system's list of package sources.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::list::{PACKAGES, Suite};

/// Where Debian's source packages are.
const SOURCES: &str =
    "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main\n";

/// Fetches and builds, unless that was done.
pub fn fetch(suite: &Suite, folder: &Path) -> anyhow::Result<()> {
    install(suite.packages.iter().chain(PACKAGES))?;
    if let Some(source) = suite.source
        && !folder.join(".unpacked").exists()
    {
        unpack(source, folder)?;
        fs::write(folder.join(".unpacked"), "")?;
    }
    for (name, text) in suite.files {
        fs::write(folder.join(name), text).with_context(|| folder.join(name).display().to_string())?;
    }
    run(Command::new("sh").args(["-c", suite.build]).current_dir(folder))
}

/// Installs those packages that are not there.
fn install<'a>(packages: impl Iterator<Item = &'a &'static str>) -> anyhow::Result<()> {
    let is_there = |package: &str| {
        let said = Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]).output();
        said.is_ok_and(|said| said.stdout.ends_with(b"ok installed"))
    };
    let missing: Vec<&str> = packages.copied().filter(|package| !is_there(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.args(["-o", "DPkg::Lock::Timeout=600", "install", "-y", "--no-install-recommends"]).args(missing);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Downloads a source package and unpacks its upstream archive. Debian's own part of it is not needed.
fn unpack(source: &str, folder: &Path) -> anyhow::Result<()> {
    let state = folder.join(".apt");
    let download = folder.join(".download");
    fs::create_dir_all(state.join("lists/partial"))?;
    fs::create_dir_all(&download)?;
    let list = state.join("sources.list");
    fs::write(&list, SOURCES)?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        apt.args(["-o", &option("Dir::Etc::sourcelist", &list), "-o", "Dir::Etc::sourceparts=/dev/null"]);
        apt.args(["-o", &option("Dir::State::lists", &state.join("lists")), "-o", "APT::Sandbox::User=root"]);
        apt.current_dir(&download);
        apt
    };
    run(apt().arg("update"))?;
    // A mirror may lack Debian's part: what counts is whether the archive came.
    let _ = run(apt().args(["--download-only", "source", source]));
    let archive = archive(&download).with_context(|| format!("no upstream archive of {source} came"))?;
    run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder).arg("--strip-components=1"))
}

fn archive(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_archive = |path: &PathBuf| {
        let is_signature = path.extension().is_some_and(|extension| extension == "asc");
        path.file_name().is_some_and(|name| name.to_string_lossy().contains(".orig.tar.")) && !is_signature
    };
    files.into_iter().find(is_archive)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
