//! The races of a double fork: who ends when, who has a number afterwards, a setsid that is refused, a terminal that comes back.

use std::{
    ffi::CString,
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::{Command, Stdio},
};

use nix::sys::{
    signal::{Signal, kill},
    wait::waitpid,
};

use crate::{
    actor::{Actor, terminal},
    place::{Place, rows},
    watcher::{Row, Watcher},
};

/// The steps of a path in their order, of those that are asked for.
fn steps<'a>(row: &'a Row, of: &[&str]) -> Vec<&'a str> {
    let all = row.0.get("path").and_then(serde_json::Value::as_array).unwrap();
    all.iter().map(|step| crate::place::field(step, "step")).filter(|step| of.contains(step)).collect()
}

/// What a daemon must be that forked twice, whenever its launcher ended.
fn is_detached(row: &Row) {
    assert_eq!(row.text("verdict"), "detached", "{row:?}");
    let path = steps(row, &["fork", "setsid"]);
    assert_eq!(path.last_chunk(), Some(&["fork", "setsid", "fork"]), "{row:?}");
    assert!(!row.rules().iter().any(|rule| ["JC501", "JC502", "JC503", "JC504"].contains(rule)), "{row:?}");
    assert!(row.0.get("launch_seen").is_some_and(|seen| *seen == true), "{row:?}");
}

#[test]
fn it_makes_no_difference_when_the_launcher_ends() {
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    // Each has to be judged: a row for it, and not for its like only.
    let orders = [
        ("before", ["END", "fork", "setsid", "fork"]),
        ("between", ["fork", "setsid", "END", "fork"]),
        ("after", ["fork", "setsid", "fork", "END"]),
    ];
    for (name, order) in orders {
        let mut actor = Actor::start(None);
        actor.does(&format!("name {name}"));
        for step in order {
            if step == "END" { actor.launcher_ends() } else { actor.does(step) }
        }
        is_detached(&watcher.row_of(actor.pid));
    }
}

/// A daemon whose launcher ends as the first word says.
const ORDERS: &str = r#"
import os, sys, time
order = sys.argv[1]
hears, says = os.pipe()
def launcher_has_ended():
    while os.getppid() == launcher: pass
def launcher_may_end(): os.write(says, b".")
launcher = os.getpid()
if os.fork():
    if order != "before": os.read(hears, 1)
    os._exit(0)
if order == "before": launcher_has_ended()
os.setsid()
if order == "between":
    launcher_may_end()
    launcher_has_ended()
if os.fork(): os._exit(0)
null = os.open("/dev/null", os.O_RDWR)
for fd in (0, 1, 2): os.dup2(null, fd)
if order == "after": launcher_may_end()
os.close(hears)
os.close(says)
time.sleep(600)
"#;

#[test]
fn it_makes_no_difference_to_a_command_either_with_each_backend() {
    let place = Place::new();
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    for (backend, order) in [("ebpf", "before"), ("ebpf", "between"), ("ebpf", "after")].into_iter().chain([
        ("ptrace", "before"),
        ("ptrace", "between"),
        ("ptrace", "after"),
    ]) {
        let command = ["-b", backend, "--format", "json", "--", "python3", "-c", ORDERS, order];
        // In a session that has a leader, whoever runs this.
        let output = place.audit(&["setsid", "-w"], &command);
        if output.status.code() == Some(125) && !required.contains(backend) {
            eprintln!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr));
            continue;
        }
        let mut rows = rows(&output).into_iter().map(Row);
        let row = rows.next().unwrap_or_else(|| panic!("{backend} {order}: {output:?}"));
        let pid = row.0.get("pid").and_then(serde_json::Value::as_i64).unwrap();
        kill(nix::unistd::Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
        is_detached(&row);
        assert!(rows.next().is_none(), "{backend} {order}");
    }
}

#[test]
fn who_has_the_number_of_a_daemon_that_has_ended_is_another() {
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    let mut sleep = Command::new("sleep");
    sleep.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    let lead = || nix::unistd::setsid().map(drop).map_err(Into::into);
    // SAFETY: setsid is async-signal-safe.
    let mut first = unsafe { sleep.pre_exec(lead) }.spawn().unwrap();
    let (pid, settled) = (first.id(), watcher.row_of(first.id()));
    assert_eq!(settled.text("verdict"), "detached", "{settled:?}");
    first.kill().unwrap();
    first.wait().unwrap();
    // No look comes in between: the next one would be a minute after the first.
    let (_master, name) = terminal();
    let Some(second) = with_number(pid, &name) else { return eprintln!("SKIPPED: only root can choose a number") };
    let row = watcher.row_of(pid);
    assert_eq!((row.text("verdict"), row.text("occasion")), ("partial", "settled"), "{row:?}");
    assert_ne!(row.text("start"), settled.text("start"));
    assert_eq!(steps(&row, &["setsid", "adopted"]), ["setsid"], "nothing of the first one's path: {row:?}");
    kill(second, Signal::SIGKILL).unwrap();
    waitpid(second, None).unwrap();
}

/// A process with this number that leads a session, and has the terminal open without being controlled by it. `None`: that is
/// not allowed here.
fn with_number(pid: u32, terminal: &str) -> Option<nix::unistd::Pid> {
    let (path, number) = (CString::new(terminal).unwrap(), pid.cast_signed());
    let (program, words) = (c"/bin/sleep", [c"sleep".as_ptr(), c"600".as_ptr(), std::ptr::null()]);
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    let mut arguments = libc::clone_args {
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        set_tid: (&raw const number) as u64,
        set_tid_size: 1,
        // SAFETY: integers; 0 is what is not asked for.
        ..unsafe { std::mem::zeroed() }
    };
    // SAFETY: without CLONE_VM this is a fork: the child has memory of its own, and makes only async-signal-safe calls.
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    if child == 0 {
        // SAFETY: as above; what is pointed to lives until the exec.
        unsafe {
            libc::setsid();
            for fd in 0..3 {
                libc::dup2(null.as_raw_fd(), fd);
            }
            libc::dup2(libc::open(path.as_ptr(), libc::O_RDWR | libc::O_NOCTTY), 0);
            libc::execv(program.as_ptr(), words.as_ptr());
            libc::_exit(127)
        }
    }
    (child > 0).then(|| nix::unistd::Pid::from_raw(child as i32))
}

#[test]
fn a_setsid_that_is_refused_leaves_it_where_it_was() {
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &[]) else { return };
    let (_master, name) = terminal();
    let mut actor = Actor::start(Some(&name));
    actor.does("group");
    assert_eq!(actor.fails("setsid"), libc::EPERM, "a group leader may not");
    actor.does("fork");
    let row = watcher.row_of(actor.pid);
    assert_eq!(row.text("verdict"), "attached", "{row:?}");
    assert!(row.rules().contains(&"JC501"), "{row:?}");
    // The session is its launcher's.
    assert_eq!(steps(&row, &["setsid", "setsid refused"]), ["setsid", "setsid refused"], "{row:?}");
}

#[test]
fn a_grandchild_gets_a_terminal_back_only_if_it_leads_a_session() {
    let place = Place::new();
    let Some(mut watcher) = Watcher::start(&place, &[], &["--again", "1s"]) else { return };
    let (_masters, names): (Vec<_>, Vec<_>) = [terminal(), terminal()].into_iter().unzip();
    let [mut last, mut between] = [["fork", "fork", "setsid"], ["fork", "setsid", "fork"]].map(|steps| {
        let mut actor = Actor::start(None);
        actor.does(&format!("name {}", if steps[2] == "setsid" { "last" } else { "between" }));
        for step in steps {
            actor.does(step);
        }
        actor
    });
    for actor in [&last, &between] {
        assert_eq!(watcher.row_of(actor.pid).text("verdict"), "detached");
    }
    last.does(&format!("open {}", names[0]));
    let row = watcher.row_of(last.pid);
    assert_eq!((row.text("verdict"), row.rules().contains(&"JC503")), ("attached", true), "{row:?}");
    between.does(&format!("open {}", names[1]));
    let row = watcher.row_of(between.pid);
    assert_eq!((row.text("verdict"), row.rules().contains(&"JC503")), ("partial", false), "{row:?}");
}
