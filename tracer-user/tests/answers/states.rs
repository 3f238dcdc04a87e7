//! Each state that a process can be in, under both backends: what `why` says of it while it lasts, by a look alone, and of the same
//! instant by the recording.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    path::Path,
    process::Stdio,
};

use expect_test::{Expect, expect};
use nix::{
    sys::stat::Mode,
    unistd::{mkfifo, setsid},
};

use super::{BACKENDS, command, outlive::written, sesstrace, shape, text, timeless, works};

/// A process in a state. The script writes its number to `pid`, returns when the state is reached, and leaves it so.
struct Case {
    name: &'static str,
    script: &'static str,
    /// Lets it end.
    end: &'static str,
    /// By a look alone. Of who is no more the recording is asked at its end.
    live: Expect,
    /// The same of who has a tracer, where that shows.
    traced: Option<Expect>,
    /// By the recording, of that instant.
    recorded: Expect,
}

/// What every script can call: nothing of it forks, and so takes the terminal from whom it waits for.
const TOOLS: &str = r#"
    is() { until read -r it < /proc/$1/comm && [ "$it" = "$2" ]; do :; done; }
    state() { until read -r it < /proc/$1/stat && [[ ${it##*) } == [$2]* ]]; do :; done; }
"#;

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "stopped",
            script: "sleep 1000 & echo $! > pid; is $! sleep; kill -STOP $!; state $! tT",
            end: "kill -KILL $!; wait",
            live: expect![[r"
                N sleep is stopped by SIGSTOP
                  because    sender unknown
                  group      N: N sesstrace (runs), N bash (runs), N sleep (stopped), N head (runs)
                  waits      N bash waits for any of its children, and others of them run: it does not hang yet
                  release    kill -CONT -- -N: its group is orphaned, no shell is left that could continue it
                  not seen   what was before this look: sesstrace record -p N sees what comes
            "]],
            traced: Some(expect![[r"
                N sleep is stopped by SIGSTOP
                  because    sender unknown
                  group      N: N sesstrace (runs), N bash (runs), N sleep (stopped), N head (runs)
                  traced     by N tracer, which can keep it stopped
                  waits      N bash waits for any of its children, and others of them run: it does not hang yet
                  release    kill -CONT -- -N: its group is orphaned, no shell is left that could continue it
                  not seen   what was before this look: sesstrace record -p N sees what comes
            "]]),
            recorded: expect![[r"
                N sleep is stopped by SIGSTOP, for N ms
                  because    sent by N bash, to this process alone
                  group      N: N bash (runs), N sleep (stopped), N head (runs)
                  waits      N bash waits for any of its children, and others of them run: it does not hang yet
                  release    kill -CONT -- -N: its group is orphaned, no shell is left that could continue it"]],
        },
        Case {
            name: "blocked in the background",
            // Who has a tracer is held by it now and then: the shell knows when it is stopped.
            script: "set -m; cat & echo $! > pid; until jobs -s > stopped; [ -s stopped ]; do :; done",
            end: "kill -KILL $!; wait",
            live: expect![[r"
                N cat is stopped
                  because    it is in read(N) on /dev/pts/N, from background group N; in the foreground is N head
                  group      N: N cat (stopped)
                  waits      N bash waits and is told of stops: nobody hangs
                  release    fg in N bash; kill -CONT -- -N alone would let it stop again
                  not seen   what was before this look: sesstrace record -p N sees what comes
            "]],
            traced: Some(expect![[r"
                N cat is stopped
                  because    it is in read(N) on /dev/pts/N, from background group N; in the foreground is N head
                  group      N: N cat (stopped)
                  traced     by N tracer, which can keep it stopped
                  waits      N bash waits and is told of stops: nobody hangs
                  release    fg in N bash; kill -CONT -- -N alone would let it stop again
                  not seen   what was before this look: sesstrace record -p N sees what comes
            "]]),
            recorded: expect![[r"
                N cat is stopped by SIGTTIN, for N ms
                  because    it read pts/N from background group N; in the foreground was N sesstrace
                  group      N: N cat (stopped)
                  waits      N bash waits and is told of stops: nobody hangs
                  release    fg in N bash; kill -CONT -- -N alone would let it stop again"]],
        },
        Case {
            name: "zombie",
            // A shell would wait for it between two commands.
            script: "sh -c '. ./tools; is $$ sleep & echo $! > pid; exec sleep 1000' & is $! sleep; state $(cat pid) Z",
            end: "kill -KILL $!; wait",
            live: expect![[r"
                N sh is a zombie: it exited with N
                  because    its parent N sleep has not waited for it
                  release    N sleep waits, or ends
                  not seen   what was before this look: sesstrace record -p N sees what comes
            "]],
            traced: None,
            recorded: expect![[r"
                N sh is a zombie, for N ms: it exited with N
                  because    its parent N sleep has not waited for it
                  release    N sleep waits, or ends
                  by         nobody: it ended by itself"]],
        },
        Case {
            name: "orphaned",
            script: "set -m; sh -c 'sleep 1000 & echo $! > pid'; is $(cat pid) sleep",
            end: "kill -KILL $(cat pid)",
            live: expect![[r"
                N sleep is in clock_nanosleep
                  waits      nobody: its parent N init is in no wait for it
                  terminal   in the background of pts/N, in orphaned group N; in the foreground is N head: a read fails with EIO instead of stopping it
                  signals    ignores SIGINT SIGQUIT
                  not seen   what was before this look: sesstrace record -p N sees what comes
            "]],
            traced: None,
            recorded: expect![[r"
                N sleep runs
                  waits      nobody: its parent N init is in no wait for it
                  parent     it was forked by N sh, which exited with N; N init adopted it
                  terminal   in the background of pts/N, in orphaned group N; in the foreground is N head: a read fails with EIO instead of stopping it"]],
        },
        Case {
            name: "ignoring",
            script: "(trap '' TERM; exec sleep 1000) & echo $! > pid; is $! sleep; kill -TERM $!",
            end: "kill -KILL $!; wait",
            live: expect![[r"
                N sleep is in clock_nanosleep
                  waits      N bash waits for it to end
                  terminal   in the foreground of pts/N; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
                  signals    ignores SIGTERM
                  not seen   what was before this look: sesstrace record -p N sees what comes
            "]],
            traced: None,
            recorded: expect![[r"
                N sleep runs
                  because    SIGTERM N ms ago did not end it: it ignores that signal
                  waits      N bash waits for it to end
                  terminal   in the foreground of pts/N; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
                  signals    SIGTERM (ignored) N ms earlier, sent by N bash, to this process alone"]],
        },
        Case {
            name: "killed",
            script: "sleep 1000 & echo $! > pid; is $! sleep; kill -TERM $!; wait",
            end: "",
            live: expect![[r"
                N sleep died of SIGTERM at N ms
                  by         sent by N bash, to this process alone
                  reaped by  N bash"]],
            traced: None,
            recorded: expect![[r"
                N sleep died of SIGTERM at N ms
                  by         sent by N bash, to this process alone
                  lives on   N bash of the same group did not get it
                  reaped by  N bash"]],
        },
        Case {
            name: "exited",
            script: "sh -c 'exit 3' & echo $! > pid; wait",
            end: "",
            live: expect![[r"
                N sh exited with N at N ms
                  by         nobody: it ended by itself
                  reaped by  N bash"]],
            traced: None,
            recorded: expect![[r"
                N sh exited with N at N ms
                  by         nobody: it ended by itself
                  reaped by  N bash"]],
        },
    ]
}

/// The last event before a program of this name exits.
fn before_the_exit_of(here: &Path, name: &str) -> String {
    let events = text(&sesstrace(here, &["replay", "--json"]));
    let is_it = |event: &serde_json::Value| event["kind"] == "exit" && event["by"]["comm"]["text"] == name;
    let mut events = events.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let event = events.find(is_it).unwrap_or_else(|| panic!("nobody exits as {name}"));
    format!("#{}", event["seq"].as_u64().unwrap() - 1)
}

/// What is told while it is so, and of then.
fn told(case: &Case, backend: &str) -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    mkfifo(&here.join("gate"), Mode::S_IRWXU).unwrap();
    std::fs::write(here.join("tools"), TOOLS).unwrap();
    let Case { script, end, .. } = case;
    let script = format!(". ./tools; {script}; echo $$ > shell; head -n 1 gate > /dev/null; {end}");
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut run = command(here, &["run", "-b", backend, "-o", "report", "--", "bash", "-c", &script]);
    let [stdin, stdout, stderr] = [0; 3].map(|_| Stdio::from(terminal.slave.try_clone().unwrap()));
    run.stdin(stdin).stdout(stdout).stderr(stderr);
    let leads = || {
        setsid()?;
        // SAFETY: the first descriptor is the terminal.
        if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: both are system calls.
    unsafe { run.pre_exec(leads) };
    let mut run = run.spawn().unwrap();
    drop(terminal.slave);
    let (shell, mut gate) = (written(here, "shell"), until_waited_for(here));
    while !std::fs::read_to_string(format!("/proc/{shell}/stat")).unwrap().contains(") S ") {
        std::thread::yield_now();
    }
    let pid = written(here, "pid");
    let now = sesstrace(here, &["why", &pid]);
    gate.write_all(b"\n").unwrap();
    drop(gate);
    assert!(run.wait().unwrap().success(), "{}: {:?}", case.name, said(terminal.master));
    let seen = if now.stderr.is_empty() { now } else { sesstrace(here, &["why", &pid]) };
    // Head exits when the gate is opened, and that is after the look: all that was so then has been told before.
    let then = sesstrace(here, &["why", &pid, "--at", &before_the_exit_of(here, "head")]);
    [seen, then].map(|output| timeless(&shape(&text(&output))))
}

/// The gate, when somebody has come to it (fifo(7): without a reader it cannot be opened so).
fn until_waited_for(here: &Path) -> File {
    loop {
        match File::options().write(true).custom_flags(libc::O_NONBLOCK).open(here.join("gate")) {
            Ok(gate) => return gate,
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn said(terminal: impl Into<File>) -> String {
    let mut said = String::new();
    // EIO: nobody has the other side any more.
    let _ = terminal.into().read_to_string(&mut said);
    said
}

#[test]
fn every_state_is_told_by_a_look_and_by_a_recording() {
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        if !works(folder.path(), backend) {
            continue;
        }
        for case in cases() {
            let [live, recorded] = told(&case, backend);
            let traced = case.traced.as_ref().filter(|_| backend == "ptrace");
            traced.unwrap_or(&case.live).assert_eq(&live);
            case.recorded.assert_eq(&recorded);
        }
    }
}
