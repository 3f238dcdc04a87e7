//! What `leftovers`, `why` and `who-killed` answer of the same program under the probes and under ptrace: the same, but for the row
//! that says what a tracer does not see. A backend that does not work here is skipped, and that said, unless `SESSTRACE_REQUIRE` contains it.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod decided;
mod fail;
mod outlive;
mod states;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

const BACKENDS: [&str; 2] = ["ebpf", "ptrace"];

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn command(here: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sesstrace"));
    command.args(arguments).current_dir(here).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", here).env("XDG_STATE_HOME", here).env("TMPDIR", here).env("LC_ALL", "C.UTF-8");
    command
}

fn sesstrace(here: &Path, arguments: &[&str]) -> Output {
    command(here, arguments).output().unwrap()
}

/// Whether a backend works here. If it must and does not, that is a failure.
fn works(here: &Path, backend: &str) -> bool {
    let doctor = sesstrace(here, &["doctor"]);
    let can = doctor.status.success() || backend == "ptrace" && doctor.status.code() == Some(3);
    let required = std::env::var("SESSTRACE_REQUIRE").is_ok_and(|list| list.split(',').any(|item| item == backend));
    assert!(can || !required, "{backend} does not work here, and SESSTRACE_REQUIRE contains it:\n{}", text(&doctor));
    if !can {
        eprintln!("SKIPPED: nothing was asked under {backend}, which does not work here; `sesstrace doctor` says why");
    }
    can
}

/// Numbers as `N`, and without the events at the end: they differ from run to run.
fn shape(answer: &str) -> String {
    let told = answer.split("\n  seen ").next().unwrap();
    let mut text = String::new();
    for c in told.chars() {
        let c = if c.is_ascii_digit() { 'N' } else { c };
        if c != 'N' || !text.ends_with('N') {
            text.push(c);
        }
    }
    text
}

/// Every length of time as `N ms`, process 1 by what it is, and a sleep that was interrupted as one that was not.
fn timeless(shape: &str) -> String {
    let init = std::fs::read_to_string("/proc/1/comm").unwrap();
    let text = shape
        .replace("N.N ", "N ")
        .replace("N µs", "N ms")
        .replace("N ns", "N ms")
        .replace(&format!(" N {}", init.trim()), " N init")
        .replace("is in restart_syscall", "is in clock_nanosleep");
    text.replace("N s\n", "N ms\n").replace("N s, N", "N ms, N").replace("N s earlier", "N ms earlier")
}

#[test]
fn leftovers_say_the_same_under_both_backends() {
    const LEAVES: &str = r#"
        setsid sh -c 'echo $$ > daemon; exec sleep 1000' &
        until [ -s daemon ]; do sleep 0.01; done
        sleep 1000 &
        until [ "$(cat /proc/$!/comm)" = sleep ] && [ "$(cat /proc/$(cat daemon)/comm)" = sleep ]; do sleep 0.01; done
    "#;
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        if !works(here, backend) {
            continue;
        }
        let output = sesstrace(here, &["leftovers", "-b", backend, "--kill=all", "--", "sh", "-c", LEAVES]);
        let told = shape(&text(&output));
        // What they ignore is in their state, which a tracer does not get.
        let told = told.replace("\n  not seen   signals that they block or ignore: ptrace shows what is taken", "");
        expect_test::expect![[r"
            N processes are left behind by N sh
              same group N sleep: running, in the command's group N; got no signal
              daemon     N sleep: running, session N, no terminal, no parent of what was started; got no signal
              holds      N sleep, N sleep: fd N on pipe:[N], the command's standard output: its reader waits for an end that does not come
              holds      N sleep, N sleep: fd N on pipe:[N], the command's standard error: its reader waits for an end that does not come
              ended      N sleep: by SIGTERM
              ended      N sleep: by SIGTERM"]]
        .assert_eq(&told);
    }
}

#[test]
fn who_stopped_and_who_killed_are_answered_the_same_under_both_backends() {
    // The one that is stopped is in a session of its own: neither the shell nor the kernel continues it at the end.
    const SCRIPT: &str = r#"
        is_sleep() { until [ "$(cat /proc/$1/comm)" = sleep ]; do :; done; }
        (
            setsid sleep 1000 > log 2>&1 &
            echo $! > stopped; is_sleep $!
            kill -STOP $!
            until grep -q 'State:.[tT]' /proc/$!/status; do :; done
        )
        set -m
        sleep 1000 | sleep 1000 &
        echo $! > killed; jobs -p %1 > group
        is_sleep $!; is_sleep $(cat group)
        kill -TERM %1; wait %1; :
    "#;
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        if !works(here, backend) {
            continue;
        }
        let recorded = sesstrace(here, &["record", "-b", backend, "-o", "told.sesstrace", "--", "bash", "-c", SCRIPT]);
        assert!(recorded.status.success(), "{}", text(&recorded));
        let number = |name: &str| std::fs::read_to_string(here.join(name)).unwrap().trim().to_owned();
        let (stopped, killed, group) = (number("stopped"), number("killed"), format!("-{}", number("group")));
        let ask = |words: &[&str]| shape(&text(&sesstrace(here, &[words, &["told.sesstrace"]].concat())));
        let why = ask(&["why", &stopped]);
        let who = ask(&["who-killed", &killed]);
        let whom = ask(&["why", "--signal", "TERM", "--to", &group]);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(stopped.parse().unwrap()), nix::sys::signal::SIGKILL)
            .unwrap();
        expect_test::expect![[r"
            N sleep is stopped by SIGSTOP, for N ms
              because    sent by N bash, to this process alone
              group      N: N sleep (stopped)
              waits      nobody: its parent N init is in no wait for it
              release    kill -CONT -- -N: its group is orphaned, no shell is left that could continue it
            N sleep died of SIGTERM at N ms
              by         sent by N bash, to group N
              also       N sleep died of it after N ms
              reaped by  N bash
            SIGTERM to group N at N ms reached N processes
              by         sent by N bash, to group N
              reached    N sleep died of it after N ms, N sleep died of it after N ms"]]
        .assert_eq(&timeless(&[why, who, whom].join("\n")));
    }
}

#[test]
fn each_class_is_told_and_ended_under_both_backends() {
    // In the order of the classes: beside the command, in a group of its own, in a session whose parent is there, and one that is
    // stopped in a session of its own.
    const LEAVES: &str = r#"
        is() { until read -r it < /proc/$1/comm && [ "$it" = sleep ]; do :; done; }
        number() { until read -r it < $1; do :; done 2> /dev/null; is $it; }
        sleep 1000 & is $!
        bash -c 'set -m; sleep 1000 & echo $! > group'; number group
        sh -c 'setsid sh -c "echo \$\$ > session; exec sleep 1000" & exec sleep 1000' & is $!; number session
        setsid sh -c 'echo $$ > stopped; exec sleep 1000' & number stopped
        kill -STOP $(cat stopped)
        until read -r it < /proc/$(cat stopped)/stat && [[ ${it##*) } == [tT]* ]]; do :; done
    "#;
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        if !works(here, backend) {
            continue;
        }
        let mut leftovers = command(
            here,
            &["leftovers", "-b", backend, "--fail", "--kill=all", "--grace=60s", "--", "bash", "-c", LEAVES],
        );
        let output = leftovers.output().unwrap();
        let told = shape(&text(&output));
        let told = told.replace("\n  not seen   signals that they block or ignore: ptrace shows what is taken", "");
        expect_test::expect![[r"
            N processes are left behind by N bash
              same group N sleep: running, in the command's group N; got no signal
              same group N sleep: running, in the command's group N; got no signal
              own group  N sleep: running, in group N; got no signal
              session    N sleep: running, in session N, no terminal; got no signal
              daemon     N sleep: stopped by SIGSTOP, session N, no terminal, no parent of what was started; got SIGSTOP N ms earlier, sent by N bash, to this process alone
              holds      N sleep, N sleep, N sleep, N sleep, N sleep: fd N on pipe:[N], the command's standard output: its reader waits for an end that does not come
              holds      N sleep, N sleep, N sleep, N sleep, N sleep: fd N on pipe:[N], the command's standard error: its reader waits for an end that does not come
              ended      N sleep: by SIGTERM
              ended      N sleep: by SIGTERM
              ended      N sleep: by SIGTERM
              ended      N sleep: by SIGTERM
              ended      N sleep: by SIGTERM"]]
        .assert_eq(&timeless(&told));
        assert_eq!(output.status.code(), Some(1), "{backend}: not all of them are daemons");
    }
}
