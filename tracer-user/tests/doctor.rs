//! `sesstrace doctor` on the running system: as whoever runs the tests, and as somebody without privileges.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests; a skip must be seen")]

#[path = "support/executable.rs"]
mod executable;

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Output},
};

const NOBODY: u32 = 65534;

fn doctor(program: &Path, user: Option<u32>) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command.arg("doctor").current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(String::from_utf8(stderr).unwrap(), "");
    (status.code(), String::from_utf8(stdout).unwrap())
}

#[test]
fn it_agrees_with_itself() {
    let (code, text) = doctor(Path::new(env!("CARGO_BIN_EXE_sesstrace")), None);
    let verdict = text.lines().find(|line| line.starts_with("verdict")).unwrap();
    match code {
        Some(0) => {
            assert!(verdict.ends_with("eBPF works, tracepoint tier; -b auto takes it"), "{text}");
            let probes = text.lines().find_map(|line| line.strip_prefix("probes ")?.strip_suffix(" load and attach"));
            let (good, all) = probes.unwrap().trim().split_once(" of ").unwrap();
            assert!(good == all && good != "0", "{text}");
        }
        Some(3) => assert!(verdict.contains("-b auto takes ptrace"), "{text}"),
        Some(4) => assert!(verdict.contains("neither"), "{text}"),
        other => panic!("{other:?}: {text}"),
    }
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    assert!(code == Some(0) || !required.contains("ebpf"), "SESSTRACE_REQUIRE=ebpf, but: {text}");
}

#[test]
fn without_privileges_it_names_the_command_that_gives_them() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can become somebody else");
        return;
    }
    // Where everybody may read and execute it.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("sesstrace");
    executable::copy(env!("CARGO_BIN_EXE_sesstrace"), &program);
    let (code, text) = doctor(&program, Some(NOBODY));
    assert_eq!(code, Some(3), "{text}");
    let setcap = format!(
        "fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep {}",
        program.canonicalize().unwrap().display()
    );
    assert_eq!(text.lines().last().unwrap().trim(), setcap, "{text}");
    assert!(text.contains("ptrace works, eBPF does not; -b auto takes ptrace"), "{text}");
}
