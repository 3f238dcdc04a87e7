//! For whom `run` waits when its command has ended: for what is still in the command's session, and for no daemon.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Stdio},
};

use nix::{
    errno::Errno,
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};

use super::{BACKENDS, command, sesstrace, text, works};

/// Says who it is, and lives until somebody writes to the gate.
const LIVES: &str = "echo $$ > left; read line < gate";

fn lives(number: &str) -> bool {
    let pid = nix::unistd::Pid::from_raw(number.parse().unwrap());
    nix::sys::signal::kill(pid, None) != Err(Errno::ESRCH)
}

/// The line of a file, when it is written.
pub fn written(here: &Path, name: &str) -> String {
    loop {
        match fs::read_to_string(here.join(name)) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            Ok(_) | Err(_) => std::thread::yield_now(),
        }
    }
}

/// Lets the one at the gate end, when it is there.
pub fn open_gate(here: &Path) {
    fs::write(here.join("gate"), "\n").unwrap();
}

/// A run whose command has ended and left one in its session that lives until the gate is opened.
fn waiting(here: &Path, backend: &str) -> Child {
    let script = format!("echo $$ > command; sh -c '{LIVES}' & until [ -s left ]; do :; done");
    let mut run = command(here, &["run", "-b", backend, "-o", "report", "--", "sh", "-c", &script]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let command = written(here, "command");
    // Nobody reaps it but who waits for it.
    while lives(&command) {
        assert_eq!(run.try_wait().unwrap(), None, "{backend}: it goes on");
    }
    run
}

#[test]
fn a_run_waits_for_what_is_left_in_its_session() {
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        if !works(here, backend) {
            continue;
        }
        mkfifo(&here.join("gate"), Mode::S_IRWXU).unwrap();
        let mut run = waiting(here, backend);
        let left = written(here, "left");
        assert!(lives(&left) && run.try_wait().unwrap().is_none(), "{backend}: it waits");
        open_gate(here);
        assert!(run.wait().unwrap().success());
        let report = fs::read_to_string(here.join("report")).unwrap();
        let ends = report.lines().any(|line| line.contains(&format!("{left} sh")) && line.contains("exits 0"));
        assert!(ends && !report.contains("JC403"), "{backend}: what is left has ended by itself:\n{report}");
    }
}

/// It ends of the signal while what it waits for lives. A machine may be too busy to send it within the two seconds of the wait: then
/// it has ended by itself, and is run again.
#[test]
fn a_signal_ends_the_wait() {
    for (backend, signal) in
        BACKENDS.into_iter().flat_map(|backend| [(backend, Signal::SIGINT), (backend, Signal::SIGTERM)])
    {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        if !works(here, backend) {
            continue;
        }
        mkfifo(&here.join("gate"), Mode::S_IRWXU).unwrap();
        let ended = (0..20).find_map(|_| {
            let mut run = waiting(here, backend);
            let pid = nix::unistd::Pid::from_raw(run.id().cast_signed());
            nix::sys::signal::kill(pid, signal).unwrap();
            let status = run.wait().unwrap();
            assert!(lives(&written(here, "left")), "{backend}: it ends by nothing but the gate");
            open_gate(here);
            for name in ["command", "left"] {
                fs::remove_file(here.join(name)).unwrap();
            }
            status.signal()
        });
        assert_eq!(ended, Some(signal as i32), "{backend}");
    }
}

#[test]
fn a_run_ends_while_a_daemon_lives_and_says_so() {
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        if !works(here, backend) {
            continue;
        }
        mkfifo(&here.join("gate"), Mode::S_IRWXU).unwrap();
        let script = format!("setsid sh -c '{LIVES}' > /dev/null 2>&1 & until [ -s left ]; do :; done");
        let mut run = command(here, &["run", "-b", backend, "--", "sh", "-c", &script]);
        assert!(run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        let left = written(here, "left");
        assert!(lives(&left), "{backend}: it ends by nothing but the gate");
        let report = text(&sesstrace(here, &["report"]));
        let finding =
            report.split_once("info JC403").unwrap_or_else(|| panic!("{backend}: nothing is told:\n{report}")).1;
        let finding: Vec<&str> = finding.lines().take_while(|line| !line.starts_with("info")).collect();
        let finding = finding.join("\n");
        assert!(
            finding.contains("a daemon") && !finding.contains("the recording ends"),
            "{backend}: decided:\n{finding}"
        );
        open_gate(here);
    }
}

#[test]
fn nothing_waits_for_what_goes_on_for_ever_though_nothing_happens() {
    for backend in BACKENDS {
        for verb in ["run", "record"] {
            let folder = tempfile::tempdir().unwrap();
            let here = folder.path();
            if !works(here, backend) {
                continue;
            }
            mkfifo(&here.join("gate"), Mode::S_IRWXU).unwrap();
            let script = format!("sh -c '{LIVES}' & until [ -s left ]; do :; done");
            let mut run = command(here, &[verb, "-b", backend, "-o", "told", "--", "sh", "-c", &script]);
            assert!(run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
            assert!(lives(&written(here, "left")), "{backend}: it ends by nothing but the gate");
            open_gate(here);
        }
    }
}
