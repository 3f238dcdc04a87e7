//! Yama (Documentation/admin-guide/LSM/Yama.rst): what each `kernel.yama.ptrace_scope` allows, and what is said of the rest.
//! The scope is the machine's, and nothing here changes it: `cargo xtask vm` runs these tests under each of the four. Where
//! there is no Yama they are those of scope 0, which is the kernel's own rule.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{executable, place::Place, pty::eventually};

const SUDO: &str = "run sesstrace with sudo";
const REBOOT: &str = "-b ebpf, or boot with kernel.yama.ptrace_scope=1";
const NOBODY_MAY: &str = "EPERM: kernel.yama.ptrace_scope is 3, and nobody may until the next boot";
const CAPABLE_MAY: &str = "EPERM: kernel.yama.ptrace_scope is 2, and only cap_sys_ptrace may";

fn scope() -> u8 {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").map_or(0, |text| text.trim().parse().unwrap())
}

/// What is said of what is refused.
fn refused(what: &str, why: &str, fix: &str, code: u8) -> String {
    format!("sesstrace: cannot {what} with ptrace: {why}\n  fix    {fix}\nexit status: {code}\n")
}

/// Somebody's process that runs until it is killed.
struct Sleeper(Child);

impl Sleeper {
    fn of(user: u32, program: &str) -> Self {
        // The group, too, is compared (kernel/ptrace.c, `__ptrace_may_access`).
        Self(Command::new(program).arg("1000").uid(user).gid(user).stdout(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn tracer(&self) -> i32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Follows a process until it is traced, or it is said why not; and what was said.
fn follow(place: &Place, mut sesstrace: Command, target: &Sleeper) -> String {
    sesstrace.args(["live", "-b", "ptrace", "-p", &target.pid()]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut live = sesstrace.spawn().unwrap();
    // The tracer is a thread of the process, which handles the signal from its beginning.
    eventually("a tracer or an end", || (target.tracer() != 0 || live.try_wait().unwrap().is_some()).then_some(()));
    let _ = kill(Pid::from_raw(live.id() as i32), Signal::SIGINT);
    let said = place.said(&live.wait_with_output().unwrap());
    assert_eq!(target.tracer(), 0, "it is let go of: {said}");
    said
}

#[test]
fn a_command_of_ones_own() {
    let Some(place) = Place::for_root() else { return };
    let state = place.open_folder("state");
    let what = "trace a process";
    for verb in [&["run"][..], &["record", "-o", "recording.jsonl"]] {
        for backend in ["ptrace", "auto"] {
            let mut command = place.nobody();
            command.args(verb).args(["-b", backend, "--", "touch", "ran"]).current_dir(&state);
            let said = place.said(&command.output().unwrap());
            let because = if backend == "auto" { "; eBPF needs cap_bpf and cap_perfmon" } else { "" };
            let sysctl = "sudo sysctl kernel.yama.ptrace_scope=1";
            match scope() {
                2 => assert_eq!(said, refused(what, &format!("{CAPABLE_MAY}{because}"), sysctl, 125)),
                3 => assert_eq!(said, refused(what, &format!("{NOBODY_MAY}{because}"), REBOOT, 125)),
                _ => assert!(said.ends_with("exit status: 0\n"), "{said}"),
            }
            let ran = fs::remove_file(state.join("ran")).is_ok();
            assert_eq!(ran, scope() < 2, "{verb:?}");
            assert_eq!(fs::remove_file(state.join("recording.jsonl")).is_ok(), ran && verb[0] == "record");
        }
    }
}

#[test]
fn a_command_of_roots() {
    let Some(place) = Place::for_root() else { return };
    let said = place.said(&place.through(&[]).args(["run", "-b", "ptrace", "--", "true"]).output().unwrap());
    if scope() == 3 {
        assert_eq!(said, refused("trace a process", NOBODY_MAY, REBOOT, 125));
    } else {
        assert!(said.ends_with("none lost\nexit status: 0\n"), "{said}");
    }
}

#[test]
fn a_process_of_ones_own_that_runs_already() {
    let Some(place) = Place::for_root() else { return };
    let target = Sleeper::of(65534, "sleep");
    let what = format!("trace process {}", target.pid());
    let said = follow(&place, place.nobody(), &target);
    let started = "EPERM: kernel.yama.ptrace_scope is 1, and sesstrace has not started it";
    match scope() {
        1 => assert_eq!(said, refused(&what, started, SUDO, 4)),
        2 => assert_eq!(said, refused(&what, CAPABLE_MAY, SUDO, 4)),
        3 => assert_eq!(said, refused(&what, NOBODY_MAY, REBOOT, 4)),
        _ => assert_eq!(said, "exit status: 0\n"),
    }
}

#[test]
fn a_process_that_root_follows() {
    let Some(place) = Place::for_root() else { return };
    let target = Sleeper::of(65534, "sleep");
    let said = follow(&place, place.through(&[]), &target);
    if scope() == 3 {
        assert_eq!(said, refused(&format!("trace process {}", target.pid()), NOBODY_MAY, REBOOT, 4));
    } else {
        assert_eq!(said, "exit status: 0\n");
    }
}

#[test]
fn a_process_of_another_user() {
    let Some(place) = Place::for_root() else { return };
    let target = Sleeper::of(0, "sleep");
    let said = follow(&place, place.nobody(), &target);
    assert_eq!(said, refused(&format!("trace process {}", target.pid()), "EPERM: it belongs to user root", SUDO, 4));
}

#[test]
fn a_set_user_id_program_that_runs_already() {
    let Some(place) = Place::for_root() else { return };
    let program = place.path("sleep");
    executable::copy("/usr/bin/sleep", &program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let target = Sleeper::of(65534, program.to_str().unwrap());
    let said = follow(&place, place.nobody(), &target);
    let privileged = "EPERM: it has more privilege than sesstrace (a set-user-ID program?), or has forbidden it";
    let (why, fix) = match scope() {
        0 => (privileged, SUDO),
        1 => ("EPERM: kernel.yama.ptrace_scope is 1, and sesstrace has not started it", SUDO),
        2 => (CAPABLE_MAY, SUDO),
        _ => (NOBODY_MAY, REBOOT),
    };
    assert_eq!(said, refused(&format!("trace process {}", target.pid()), why, fix, 4));
}

#[test]
fn inside_a_user_namespace_its_processes_and_no_others() {
    let Some(place) = Place::for_root() else { return };
    let inside = [&crate::place::NOBODY[..], &["unshare", "--user", "--map-root-user"]].concat();
    let weak = [&inside[..], &["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]].concat();
    for (through, capable) in [(&inside, true), (&weak, false)] {
        let said = place.said(&place.through(through).args(["run", "--", "true"]).output().unwrap());
        // The capability counts in the namespace that it is of.
        let works = scope() < 2 || scope() == 2 && capable;
        assert_eq!(said.ends_with("none lost\nexit status: 0\n"), works, "{said}");
    }
    let target = Sleeper::of(65534, "sleep");
    let said = follow(&place, place.through(&inside), &target);
    let (what, fix) = (format!("trace process {}", target.pid()), "run sesstrace outside of this user namespace");
    let why = "EPERM: it is in another user namespace, and sesstrace has privilege only in its own";
    assert_eq!(said, refused(&what, why, fix, 4));
}
