//! Terminals that are meant: those of containers and of display servers, and the same where they are not.

use std::{
    fs::{self, File},
    os::unix::fs::{OpenOptionsExt as _, symlink},
    process::Command,
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::{
    actor::terminal,
    place::{Place, Sleeper, field, is_root, rows},
};

/// A program that lives until it is dropped, with `terminal` as 0, 1 and 2.
fn on(terminal: &str, words: &[&str]) -> Sleeper {
    let opened = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(terminal).unwrap();
    let copy = || opened.try_clone().unwrap();
    let (program, arguments) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/");
    Sleeper::as_it_is(command.stdin(copy()).stdout(copy()).stderr(copy()))
}

/// Waits until whoever `find` finds has become `name`.
pub fn becomes(name: &str, find: impl Fn() -> Option<u32>) -> u32 {
    let begun = Instant::now();
    loop {
        let comm = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if let Some(pid) = find().filter(|pid| comm(*pid).trim_end() == name) {
            return pid;
        }
        assert!(begun.elapsed().as_secs() < 60, "nobody has become {name}");
        thread::yield_now();
    }
}

/// It, and its only child.
fn itself(process: &Sleeper) -> Option<u32> {
    process.pid().parse().ok()
}

pub fn child_of(process: &Sleeper) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", process.pid())).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Verdict and policy, the rules that found something, and the exit code, of one process.
fn judged(place: &Place, pid: u32) -> (String, Vec<Value>, Option<i32>) {
    let output = place.audit(&[], &["--format", "json", "-p", &pid.to_string()]);
    let row = rows(&output).remove(0);
    let said = format!("{} {}", field(&row, "verdict"), field(&row, "policy"));
    (said, row.get("rules").and_then(Value::as_array).cloned().unwrap_or_default(), output.status.code())
}

const INSIDE: [&str; 6] = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--"];

#[test]
fn the_terminal_of_a_container_is_its_own() {
    if !is_root() {
        return eprintln!("SKIPPED: only root can make a container here");
    }
    let place = Place::new();
    // As `docker run -t` starts it.
    let (_master, name) = terminal();
    let container = on(&name, &[&INSIDE[..], &["setsid", "--ctty", "sleep", "600"]].concat());
    let first = becomes("sleep", || child_of(&container));
    assert_eq!(judged(&place, first), ("attached container-terminal".to_owned(), vec![], Some(0)));
    let all = rows(&place.audit(&[], &["--format", "json", "--all"]));
    let of_all = all.iter().find(|row| row.get("pid").is_some_and(|pid| *pid == first)).unwrap();
    assert_eq!(field(of_all, "policy"), "container-terminal");
    // As `docker exec -t` puts somebody in it.
    let (_another_master, another) = terminal();
    let number = first.to_string();
    let enter = ["nsenter", "--target", &number, "--pid", "--mount", "setsid", "--ctty", "sleep", "601"];
    let entered = on(&another, &enter);
    let second = becomes("sleep", || child_of(&entered));
    assert_eq!(judged(&place, second), ("attached container-terminal".to_owned(), vec![], Some(0)));
}

/// A container in somebody's own session hears that one's ^C; and a daemon that opened a terminal does not read from it.
#[test]
fn a_terminal_that_a_container_was_not_given_counts() {
    if !is_root() {
        return eprintln!("SKIPPED: only root can make a container here");
    }
    let place = Place::new();
    for (words, in_it) in [
        (&["setsid", "--ctty"][..], &["sleep", "600"][..]),
        (&[], &["setsid", "--ctty", "sh", "-c", "exec sleep 600 </dev/null"]),
    ] {
        let (_master, name) = terminal();
        let container = on(&name, &[words, &INSIDE, in_it].concat());
        let (said, _, code) = judged(&place, becomes("sleep", || child_of(&container)));
        assert_eq!((said.as_str(), code), ("attached container-init", Some(1)), "{in_it:?}");
    }
}

/// A virtual console that is nobody's.
fn console() -> Option<String> {
    let mut consoles = (40..=63).map(|number| format!("/dev/tty{number}"));
    consoles.find(|path| {
        let opened = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path);
        opened.is_ok_and(|console| nix::sys::termios::tcgetsid(console).is_err())
    })
}

#[test]
fn a_virtual_console_is_a_display_servers_own_and_another_terminal_is_not() {
    let place = Place::new();
    let server = place.path("Xorg").to_string_lossy().into_owned();
    let sleep = Command::new("sh").args(["-c", "command -v sleep"]).output().unwrap();
    symlink(String::from_utf8(sleep.stdout).unwrap().trim(), &server).unwrap();
    let policy = |terminal: &str, program: &str, name: &str| {
        let holder = on(terminal, &["setsid", "--ctty", program, "600"]);
        judged(&place, becomes(name, || itself(&holder)))
    };
    let (_master, terminal) = terminal();
    assert_eq!(policy(&terminal, &server, "Xorg").0, "attached shell-job");
    let Some(console) = console() else { return eprintln!("SKIPPED: no virtual console can be opened here") };
    assert_eq!(policy(&console, &server, "Xorg"), ("attached display-server".to_owned(), vec![], Some(0)));
    assert_eq!(policy(&console, "sleep", "sleep").0, "attached shell-job");
}
