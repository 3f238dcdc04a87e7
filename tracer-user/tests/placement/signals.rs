//! Signals to the waiter alone, to the group, and from timers: the command gets what it would have got, and nothing twice.

use std::{
    io,
    os::{fd::AsRawFd, unix::process::ExitStatusExt},
};

use crate::{
    double::{Mode, PLACEMENTS},
    proc::{Stat, lives},
    pty::{describe, eventually},
    run::{Run, Setup, exists, pipe, read_to_end, script, send},
};

/// Notes each signal in the file `got`, ends with 7 at SIGUSR2.
const WITNESS: &str = "
    for s in HUP INT QUIT TERM USR1; do trap \"echo $s >> got\" $s; done
    trap 'exit 7' USR2
    touch ready
    while :; do sleep 0.01; done";

fn witness(setup: Setup, mode: Mode) -> Run {
    let run = setup.start(mode, &script(WITNESS));
    eventually("the command", || exists(&run.path("ready")));
    run
}

fn wait_for(run: &Run, got: &str) {
    eventually(&format!("{got:?} in what the command got"), || (run.text("got") == got).then_some(()));
}

fn wait_for_state(pid: i32, state: char) {
    eventually(&format!("process {pid} in state {state}"), || Stat::of(pid).filter(|stat| stat.state == state));
}

#[test]
fn a_signal_to_the_waiter_alone_is_passed_on_when_the_capture_process_says_so() {
    let mut run = witness(Setup::new().fifo("orders"), Mode::Wrapper);
    for (signal, got) in [(libc::SIGTERM, "TERM\n"), (libc::SIGINT, "TERM\nINT\n"), (libc::SIGHUP, "TERM\nINT\nHUP\n")]
    {
        send(run.pid(), signal);
        run.order(&format!("alone {signal}"));
        wait_for(&run, got);
    }
    send(run.pid(), libc::SIGUSR2);
    assert_eq!(describe(run.wait()), "exit 7");
    assert_eq!(run.text("got"), "TERM\nINT\nHUP\n", "nothing came twice");
}

#[test]
fn a_signal_that_the_command_got_as_well_is_not_passed_on() {
    let mut run = witness(Setup::new().fifo("orders"), Mode::Wrapper);
    for signal in [libc::SIGTERM, libc::SIGUSR1] {
        send(-run.pid(), signal);
        run.order(&format!("both {signal}"));
    }
    // Nobody says anything about this one. It is judged after the others would have been.
    send(run.pid(), libc::SIGUSR2);
    assert_eq!(describe(run.wait()), "exit 7");
    let mut got: Vec<_> = run.text("got").lines().map(str::to_owned).collect();
    got.sort();
    assert_eq!(got, ["TERM", "USR1"]);
}

#[test]
fn a_silent_capture_process_leaves_the_decision_to_the_waiter() {
    let mut run = witness(Setup::new().fifo("orders"), Mode::Wrapper);
    send(run.pid(), libc::SIGTERM);
    wait_for(&run, "TERM\n");
    // Too late: it is known to be about the signal that was passed on already.
    run.order("alone 15");
    // A terminal or a shell sends these to groups.
    send(run.pid(), libc::SIGINT);
    send(run.pid(), libc::SIGHUP);
    send(run.pid(), libc::SIGUSR2);
    assert_eq!(describe(run.wait()), "exit 7");
    assert_eq!(run.text("got"), "TERM\n");
}

#[test]
fn what_a_group_gets_is_passed_on_to_a_command_that_left_the_group() {
    let setup = Setup::new().fifo("orders");
    let mut run = setup.start(Mode::Wrapper, &["setsid", "sh", "-c", WITNESS]);
    eventually("the command", || exists(&run.path("ready")));
    send(-run.pid(), libc::SIGINT);
    wait_for(&run, "INT\n");
    send(-run.pid(), libc::SIGUSR2);
    assert_eq!(describe(run.wait()), "exit 7");
}

#[test]
fn a_waiter_that_is_stopped_alone_stops_and_continues_the_command() {
    let mut run = witness(Setup::new().fifo("orders"), Mode::Wrapper);
    let command = run.log.root();
    send(run.pid(), libc::SIGSTOP);
    wait_for_state(run.pid(), 'T');
    run.order("alone 19");
    wait_for_state(command, 'T');
    send(run.pid(), libc::SIGCONT);
    eventually("the command to go on", || Stat::of(command).filter(|stat| stat.state != 'T'));
    run.order("alone 18");
    send(run.pid(), libc::SIGUSR2);
    assert_eq!(describe(run.wait()), "exit 7");
}

#[test]
fn what_was_stopped_for_the_waiter_and_continued_with_its_group_stops_again() {
    let mut run =
        Setup::new().fifo("orders").start(Mode::Wrapper, &script("touch ready; while :; do sleep 0.01; done"));
    eventually("the command", || exists(&run.path("ready")));
    let command = run.log.root();
    send(run.pid(), libc::SIGSTOP);
    assert_eq!(wait_stopped(run.pid()), libc::SIGSTOP);
    run.order("alone 19");
    wait_for_state(command, 'T');
    send(-run.pid(), libc::SIGCONT);
    eventually("the command to go on", || Stat::of(command).filter(|stat| stat.state != 'T'));
    send(-run.pid(), libc::SIGTSTP);
    assert_eq!(wait_stopped(run.pid()), libc::SIGTSTP, "the waiter stops with the command");
    wait_for_state(command, 'T');
    send(-run.pid(), libc::SIGCONT);
    run.order("alone 18");
    send(command, libc::SIGTERM);
    assert_eq!(describe(run.wait()), "signal 15");
}

#[test]
fn a_waiter_that_stopped_with_the_command_continues_it_when_it_is_continued_alone() {
    for stop in [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN] {
        let mut run =
            Setup::new().fifo("orders").start(Mode::Wrapper, &script("touch ready; while :; do sleep 0.01; done"));
        eventually("the command", || exists(&run.path("ready")));
        let command = run.log.root();
        send(command, stop);
        let stopped = wait_stopped(run.pid());
        assert_eq!(stopped, stop, "the waiter stops with the signal of the command");
        wait_for_state(command, 'T');
        send(run.pid(), libc::SIGCONT);
        eventually("the command to go on", || Stat::of(command).filter(|stat| stat.state != 'T'));
        // Told of it or not, the waiter does not continue it again and does not stop again.
        run.order("alone 18");
        send(command, libc::SIGTERM);
        assert_eq!(describe(run.wait()), "signal 15");
    }
}

/// Waits until a child stops; its stop signal.
fn wait_stopped(pid: i32) -> i32 {
    eventually("the waiter to stop", || {
        let mut word = 0;
        // SAFETY: the kernel writes one int to `word`.
        let result = unsafe { libc::waitpid(pid, &raw mut word, libc::WUNTRACED | libc::WNOHANG) };
        assert_ne!(result, -1, "{}", io::Error::last_os_error());
        (result == pid).then(|| std::process::ExitStatus::from_raw(word).stopped_signal().expect("stopped, not ended"))
    })
}

#[test]
fn an_alarm_that_was_set_before_reaches_the_command() {
    for mode in PLACEMENTS {
        let setup = Setup::new().prepare(|| {
            let soon = libc::itimerval {
                it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
                it_value: libc::timeval { tv_sec: 0, tv_usec: 300_000 },
            };
            // SAFETY: the kernel reads one itimerval; the old one is not asked for.
            match unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const soon, std::ptr::null_mut()) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
        let mut run = setup.start(mode, &["sleep", "1000"]);
        assert_eq!(describe(run.wait()), format!("signal {}", libc::SIGALRM), "{mode:?}");
    }
}

#[test]
fn an_interrupt_before_the_command_runs_ends_everything() {
    for mode in PLACEMENTS {
        let (_reader, writer) = pipe();
        let mut run = Setup::new().fifo("hold").stderr(writer).start(mode, &["touch", "ran"]);
        let capture = run.log.capture();
        send(-run.pid(), libc::SIGINT);
        assert_eq!(describe(run.wait()), "signal 2", "{mode:?}");
        assert!(lives(capture), "the terminal's keys do not reach the capture process");
        std::fs::write(run.path("hold"), "").unwrap();
        eventually("the end of the capture process", || (!lives(capture)).then_some(()));
        assert!(!run.path("ran").exists());
    }
}

#[test]
fn an_interrupt_while_the_report_is_written_ends_the_report() {
    let (reader, writer) = pipe();
    // More than a pipe holds.
    let report = "line\n".repeat(20_000);
    let mut run = Setup::new().option("--report", &report).stderr(writer).start(Mode::Wrapper, &["true"]);
    run.log.expect("CommandEnded");
    eventually("a report that waits for its reader", || {
        let mut unread = 0;
        // SAFETY: the kernel writes one int to `unread`.
        unsafe { libc::ioctl(reader.as_raw_fd(), libc::FIONREAD, &raw mut unread) };
        (unread > 60_000).then_some(())
    });
    send(-run.pid(), libc::SIGINT);
    assert_eq!(describe(run.wait()), "signal 2");
    let written = read_to_end(reader);
    assert!(written.len() < report.len(), "all {} bytes were written", written.len());
    assert_eq!(run.log.expect("report "), "Err(BrokenPipe)");
}
