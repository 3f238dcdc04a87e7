//! The guest's file system: busybox, a few programs of this machine with their libraries, sesstrace, tests of the project,
//! and the script that runs them.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::output;

/// What the guest prints when everything went well.
pub const PASSED: &str = "sesstrace-vm: passed";

/// Runs as process 1.
const INIT: &str = include_str!("guest.sh");
/// Programs that the tests need as they are on Debian; the rest is busybox's.
const PROGRAMS: [&str; 15] = [
    "bash", "cat", "dash", "id", "mount", "ps", "readlink", "sed", "setpriv", "setsid", "sleep", "strace", "touch",
    "true", "unshare",
];
/// Test programs of tracer-user that say something about a kernel.
const TESTS: [&str; 3] = ["capture_ebpf", "ordinary", "verify"];
/// Scenarios of which both backends say the same.
const SCENARIOS: [&str; 7] = [
    "race-child-first",
    "leaderless-group",
    "orphan-by-setpgid",
    "daemon",
    "ctrl-c",
    "bash-pipeline",
    "dash-stop-and-resume",
];
/// Files that programs look for.
const FILES: [&str; 3] = ["/lib/terminfo/x/xterm", "/lib/terminfo/v/vt100", "/lib/terminfo/d/dumb"];
/// Users of the guest.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";

/// Builds what the guest runs and packs the file system; returns the archive.
pub fn initramfs(root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    build(root)?;
    let files = folder.join("guest");
    if files.exists() {
        fs::remove_dir_all(&files).with_context(|| files.display().to_string())?;
    }
    // As Debian has it, so that a library is found by each of its names.
    for directory in ["usr/bin", "usr/lib", "usr/lib64", "dev", "proc", "sys", "tmp", "etc", "tests"] {
        fs::create_dir_all(files.join(directory))?;
    }
    for name in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), files.join(name))?;
    }
    let mut guest = Guest { files: &files, there: BTreeSet::new() };
    guest.add(&find("busybox")?, Path::new("usr/bin/busybox"))?;
    for program in PROGRAMS {
        guest.add(&find(program)?, &Path::new("usr/bin").join(program))?;
    }
    symlink("dash", files.join("usr/bin/sh"))?;
    let (release, debug) = (target.join("release"), target.join("debug"));
    guest.add(&release.join("sesstrace"), Path::new("usr/bin/sesstrace"))?;
    for program in ["golden", "scenarios"] {
        guest.add(&debug.join(program), &Path::new("usr/bin").join(program))?;
    }
    for (name, program) in tests(root)? {
        guest.add(&program, &Path::new("tests").join(name))?;
    }
    // Where the tests were told that it is. The emulator is slow enough: it is the fast one.
    guest.add(&release.join("sesstrace"), &debug.join("sesstrace"))?;
    guest.add(&root.join("README.md"), &root.join("README.md"))?;
    for file in FILES.iter().map(Path::new).filter(|file| file.exists()) {
        guest.add(file, file)?;
    }
    // Tests name it by way of their own folder.
    fs::create_dir_all(files.join(root.strip_prefix("/")?).join("tracer-user"))?;
    fs::write(files.join("etc/passwd"), PASSWD)?;
    let init = files.join("init");
    fs::write(&init, INIT.replace("SCENARIOS", &SCENARIOS.join(" ")))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(files.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let archive = folder.join("initramfs.cpio");
    let pack = "find . | cpio --quiet -o -H newc > \"$0\"";
    output(Command::new("sh").args(["-c", pack]).arg(&archive).current_dir(&files))?;
    Ok(archive)
}

/// The file system while it is made.
struct Guest<'a> {
    files: &'a Path,
    there: BTreeSet<PathBuf>,
}

impl Guest<'_> {
    /// Copies a file of this machine, and the libraries that it needs, if any.
    fn add(&mut self, file: &Path, inside: &Path) -> anyhow::Result<()> {
        let inside = inside.strip_prefix("/").unwrap_or(inside).to_owned();
        if !self.there.insert(inside.clone()) {
            return Ok(());
        }
        let place = self.files.join(&inside);
        fs::create_dir_all(place.parent().context("a file at /")?)?;
        fs::copy(file, &place).with_context(|| file.display().to_string())?;
        let Ok(libraries) = output(Command::new("ldd").arg(file)) else { return Ok(()) };
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            self.add(Path::new(library), Path::new(library))?;
        }
        Ok(())
    }
}

fn find(program: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file());
    found.with_context(|| format!("the guest needs {program}: cargo xtask test installs it"))
}

fn build(root: &Path) -> anyhow::Result<()> {
    for arguments in [
        &["build", "--release", "-p", "tracer-user", "--bin", "sesstrace"][..],
        &["build", "-p", "scenarios", "--bins"],
    ] {
        let status = Command::new("cargo").args(arguments).current_dir(root).status().context("cannot run cargo")?;
        if !status.success() {
            bail!("cargo {} failed", arguments.join(" "));
        }
    }
    Ok(())
}

/// Builds the test programs. Cargo says where they are.
fn tests(root: &Path) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--no-run", "-p", "tracer-user"]).current_dir(root);
    cargo.args(TESTS.iter().flat_map(|test| ["--test", *test]));
    let made = cargo.output().context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&made.stderr);
    if !made.status.success() {
        bail!("the tests do not build:\n{said}");
    }
    // `  Executable tests/verify.rs (/…/deps/verify-0123456789abcdef)`
    let programs: Vec<&str> =
        said.lines().filter_map(|line| Some(line.trim_end().strip_suffix(')')?.rsplit_once('(')?.1)).collect();
    let path = |name: &'static str| {
        let is_it = |path: &&&str| path.rsplit_once('/').is_some_and(|(_, file)| file.starts_with(&format!("{name}-")));
        let path =
            programs.iter().find(is_it).with_context(|| format!("cargo does not say where the test {name} is"))?;
        Ok((name, root.join(path)))
    };
    TESTS.into_iter().map(path).collect()
}
