//! The guest's file system: busybox, sesstrace with its libraries, and the script that tries it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::output;

/// What the guest prints when everything went well.
pub const PASSED: &str = "sesstrace-vm: passed";

/// Runs as process 1. A shell is traced while another process forks beside it.
const INIT: &str = "#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
export PATH=/bin HOME=/tmp XDG_STATE_HOME=/tmp
uname -r
sesstrace doctor; doctor=$?
sesstrace run -o /tmp/report -- sh -c 'true | cat; setsid true; sleep 0.1 & kill -STOP $!; kill -CONT $!; wait'; run=$?
cat /tmp/report
echo doctor $doctor, run $run
grep -q 'none lost' /tmp/report && [ $doctor = 0 ] && [ $run = 0 ] && echo \"sesstrace-vm: passed\"
poweroff -f
";

/// Builds sesstrace and packs the file system; returns the archive.
pub fn initramfs(root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let sesstrace = build(root)?;
    let files = folder.join("guest");
    if files.exists() {
        fs::remove_dir_all(&files).with_context(|| files.display().to_string())?;
    }
    for directory in ["bin", "dev", "proc", "sys", "tmp"] {
        fs::create_dir_all(files.join(directory))?;
    }
    let busybox = output(Command::new("sh").args(["-c", "command -v busybox"]))?;
    fs::copy(busybox.trim_end(), files.join("bin/busybox"))?;
    symlink("busybox", files.join("bin/sh"))?;
    fs::copy(&sesstrace, files.join("bin/sesstrace"))?;
    for library in libraries(&sesstrace)? {
        let inside = files.join(library.strip_prefix("/").unwrap_or(&library));
        fs::create_dir_all(inside.parent().context("a library at /")?)?;
        fs::copy(&library, inside).with_context(|| library.display().to_string())?;
    }
    let init = files.join("init");
    fs::write(&init, INIT)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let archive = folder.join("initramfs.cpio");
    let pack = "find . | cpio --quiet -o -H newc > \"$0\"";
    output(Command::new("sh").args(["-c", pack]).arg(&archive).current_dir(&files))?;
    Ok(archive)
}

fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "-p", "tracer-user", "--bin", "sesstrace"]).current_dir(root);
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("sesstrace does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/sesstrace"))
}

/// The shared libraries of a program and its loader.
fn libraries(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let text = output(Command::new("ldd").arg(program))?;
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}
