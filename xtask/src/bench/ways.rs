//! The ways to run a command: untraced, under strace, under sesstrace.

use std::path::Path;

use anyhow::{Context as _, bail};

/// The system calls that sesstrace watches, for strace.
const WATCHED: &str = "trace=setpgid,setsid,kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_send_signal,ioctl,\
                       wait4,waitid,prctl,vhangup,execve,execveat,unshare,setns";

/// A way to run a command.
pub struct Way {
    /// For people.
    pub name: &'static str,
    /// What stands before the command.
    before: Vec<String>,
    /// What ours is compared with.
    pub is_strace: bool,
    /// What is compared.
    pub is_ours: bool,
}

impl Way {
    fn new(name: &'static str, before: &[&str]) -> Self {
        let before: Vec<String> = before.iter().map(ToString::to_string).collect();
        Self { name, before, is_strace: name.starts_with("strace"), is_ours: name.starts_with("sesstrace") }
    }

    /// The words that run `command` in this way.
    pub fn words(&self, command: &[String]) -> Vec<String> {
        [&self.before, command].concat()
    }

    /// Where the program that traces lies, for finding its processes.
    pub fn tracer(&self) -> Option<&str> {
        self.before.first().map(String::as_str)
    }
}

/// Untraced, strace in both of its ways, sesstrace.
pub fn tracing_ways(sesstrace: &str, folder: &Path) -> anyhow::Result<Vec<Way>> {
    let log = folder.join("strace.log");
    let log = log.to_str().context("the path of the repository")?;
    let recording = folder.join("bench.sesstrace");
    let recording = recording.to_str().context("the path of the repository")?;
    let Some(strace) = find("strace") else {
        bail!("STRACE IS NOT INSTALLED, and nothing can be compared: apt-get install strace");
    };
    Ok(vec![
        Way::new("untraced", &[]),
        Way::new("strace -f", &[&strace, "-f", "-qq", "-e", WATCHED, "-o", log]),
        Way::new("strace -f --seccomp-bpf", &[&strace, "-f", "--seccomp-bpf", "-qq", "-e", WATCHED, "-o", log]),
        Way::new("sesstrace record -b ptrace", &[sesstrace, "record", "-b", "ptrace", "-o", recording, "--"]),
    ])
}

/// Untraced, and `record` with each backend, without and with what processes do to attributes of their own.
pub fn attribute_ways(sesstrace: &str, folder: &Path) -> anyhow::Result<Vec<Way>> {
    let recording = folder.join("bench.sesstrace");
    let recording = recording.to_str().context("the path of the repository")?;
    let record = |name, backend, options: &[&str]| {
        let before = [&[sesstrace, "record", "-b", backend, "-o", recording][..], options, &["--"]].concat();
        Way { is_ours: false, ..Way::new(name, &before) }
    };
    Ok(vec![
        Way::new("untraced", &[]),
        record("record -b ebpf", "ebpf", &[]),
        record("record -b ebpf --attributes", "ebpf", &["--attributes"]),
        record("record -b ptrace", "ptrace", &[]),
        record("record -b ptrace --attributes", "ptrace", &["--attributes"]),
    ])
}

/// Untraced, and `run` under each backend and in each placement.
pub fn start_ways(sesstrace: &str, folder: &Path) -> Vec<Way> {
    let report = folder.join("report").display().to_string();
    let run = |name, options: &[&str]| {
        let before = [&[sesstrace, "run", "-w", "/dev/null"][..], options, &["--"]].concat();
        Way { is_ours: false, ..Way::new(name, &before) }
    };
    vec![
        Way::new("untraced", &[]),
        run("run -b ptrace", &["-b", "ptrace"]),
        run("run -b ptrace --in-place", &["-b", "ptrace", "--in-place", "-o", &report]),
        run("run -b ptrace --no-seccomp", &["-b", "ptrace", "--no-seccomp"]),
        run("run -b auto", &[]),
        run("run -b ebpf", &["-b", "ebpf"]),
    ]
}

/// The path of a program in PATH.
fn find(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let file = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())?;
    file.to_str().map(str::to_owned)
}
