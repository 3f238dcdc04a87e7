//! What `/proc` shows of a process: the truth that an audit is compared with, read here without any of its code.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context as _, Result};

/// The truth, in the words of [`super::Animal::truth`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground(pub String);

/// SIGUSR2 and SIGWINCH as bits of a mask.
const USR2: u64 = 1 << 11;
const WINCH: u64 = 1 << 27;

impl Ground {
    /// Reads a process that was started in `directory` from session `launcher`.
    pub fn read(pid: u32, directory: &Path, launcher: u32) -> Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        let stat = fs::read_to_string(process.join("stat")).context("stat")?;
        let fields: Vec<i64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect())
            .unwrap_or_default();
        let [_, group, session, tty, ..] = fields[..] else { anyhow::bail!("stat of {pid} is short") };
        let status = fs::read_to_string(process.join("status")).context("status")?;
        let line =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
        let mask = |key: &str| u64::from_str_radix(&line(key), 16).unwrap_or(0);
        let yes = |kept: bool| if kept { "no" } else { "yes" };
        let cwd = fs::read_link(process.join("cwd")).context("cwd")?;
        let session_is = if session == i64::from(launcher) { "old" } else { "new" };
        let leader = match i64::from(pid) {
            own if own == session => "S",
            own if own == group => "G",
            _ => "-",
        };
        let tty = if tty == 0 { "no" } else { "tty" };
        let cwd = match cwd.as_path() {
            path if path == directory => "kept",
            path if path == Path::new("/") => "/",
            _ => "other",
        };
        let umask = format!("{:03o}", u32::from_str_radix(&line("Umask:"), 8).unwrap_or(0));
        let [fd0, fd7] = [0, 7].map(|fd| target(&process, fd));
        let fd7 = if leads_to(&process, 7, "/etc/hostname") {
            "leak"
        } else if fd7 == "closed" {
            "closed"
        } else {
            "own"
        };
        let signals = format!("{}/{}", yes(mask("SigIgn:") & USR2 != 0), yes(mask("SigBlk:") & WINCH != 0));
        Ok(Self(format!("{session_is} {leader} {tty} {cwd} {umask} {fd0} {fd7} {signals}")))
    }
}

fn target(process: &Path, fd: u32) -> &'static str {
    let Ok(link) = fs::read_link(process.join("fd").join(fd.to_string())) else { return "closed" };
    match link.to_string_lossy() {
        path if path == "/dev/null" => "null",
        path if path.starts_with("/dev/pts/") || path.starts_with("/dev/tty") => "tty",
        path if path.starts_with("pipe:") => "pipe",
        path if path.starts_with("socket:") => "socket",
        _ => "file",
    }
}

fn leads_to(process: &Path, fd: u32, path: &str) -> bool {
    let inode = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    let own = inode(&process.join("fd").join(fd.to_string()));
    own.is_some() && own == inode(Path::new(path))
}
