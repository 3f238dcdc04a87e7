//! Tests of the answers.

mod executed;
mod itself;
mod names;
mod untraced;

use expect_test::{Expect, expect};

use super::{Answer, Asked, Doing, Look};
use crate::{
    dsl::parse,
    findings::{
        Findings,
        tests::{SHELL, plain},
    },
    ids::{Pgid, Pid, Signal},
    state::Model,
};

fn text(answer: &Answer) -> String {
    let rows = answer.rows.iter().map(|(label, words)| format!("  {label}: {}\n", plain(words)));
    let seen = answer.evidence.iter().map(|it| format!("  seen #{} {}\n", it.seq.0, plain(&it.text())));
    format!("{}\n{}", plain(&answer.fact), rows.chain(seen).collect::<String>())
}

/// A history that somebody will ask about.
fn history(asked: Asked, signal: Option<Signal>, text: &str) -> (Model, Findings) {
    let events = parse(&format!("{SHELL}{text}")).unwrap_or_else(|error| panic!("{error}"));
    let (mut model, mut rules) = (Model::new(), Findings::new());
    rules.ask(asked, signal);
    for event in &events {
        let delta = model.apply(event);
        rules.observe(event, &delta, &model);
    }
    (model, rules)
}

/// Why a process is as it is at the end of a history, and who killed it.
#[expect(clippy::needless_pass_by_value, reason = "so that the calls read as `ask(pid, text, expect![…])`")]
fn ask(pid: u32, of: &str, expect: Expect) {
    let (model, rules) = history(Asked::Process(Pid(pid)), None, of);
    let show = |answer: Option<Answer>| answer.map_or_else(|| "nobody\n".to_owned(), |answer| text(&answer));
    let why = show(rules.why(&model, Pid(pid), &Look::default()));
    expect.assert_eq(&format!("{why}--\n{}", show(rules.who_killed(&model, Pid(pid)))));
}

/// What became of the signals to somebody.
#[expect(clippy::needless_pass_by_value, reason = "as above")]
fn signals(asked: Asked, signal: Signal, of: &str, expect: Expect) {
    let (model, rules) = history(asked, Some(signal), of);
    let told: Vec<String> = rules.signals(&model).iter().map(text).collect();
    expect.assert_eq(&told.join("--\n"));
}

#[test]
fn why_a_process_is_stopped_and_who_hangs_for_it() {
    let make = "
        10: fork 11 {tty=pts/0}
        11: exec make
        11: fork 12
        12: setpgid(0,0) = 0
        12: exec vi
        11: > wait4(-1,0)
        12: SIGTTOU -> 12 kernel
        12: stops SIGTTOU
        @3000000000 50: takes SIGWINCH 0 handler
    ";
    ask(
        12,
        make,
        expect![[r"
            12 vi is stopped by SIGTTOU, for 2999987000 ns
              because: it changed the settings of pts/0 (tcsetattr), or wrote to it under `stty tostop`, from background group 12; in the foreground was 10 bash
              group: 12: 12 vi (stopped)
              waits: 11 make waits for it to end: what hangs at pts/0 is 11 make
              release: 11 make gives it the terminal (tcsetpgrp) and continues it; kill -CONT -- -12 alone would let it stop again
              seen #9 12 make: setpgid, leads new group 12
              seen #12 SIGTTOU to 12 vi: from the kernel, because it used its terminal from the background
              seen #13 12 vi is stopped by SIGTTOU
            --
            12 vi has not died
              so far: SIGTTOU 2999988000 ns earlier, from the kernel, because it used its terminal from the background
        "]],
    );
    ask(
        11,
        make,
        expect![[r"
            11 make waits for a child
              because: 12 vi is stopped by SIGTTOU, and it waits for that
              waits: for 12 vi to end
              release: 11 make gives it the terminal (tcsetpgrp) and continues it; kill -CONT -- -12 alone would let it stop again
              terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
              seen #5 10 bash forks 11
              seen #6 11 make executes a program
            --
            11 make has not died
        "]],
    );
}

#[test]
fn who_killed_it_and_what_else_the_signal_met() {
    let kill = "
        10: fork 11
        11: setpgid(0,0) = 0
        11: exec node
        11: fork 12
        12: exec esbuild
        50: > kill(11,SIGTERM)
        50: SIGTERM -> 11 handler
        50: < kill(11,SIGTERM) = 0
        @2000000000 50: > kill(-11,SIGKILL)
        50: SIGKILL -> 12
        50: SIGKILL -> 11
        50: < kill(-11,SIGKILL) = 0
        11: exit SIGKILL
        11: dead
    ";
    ask(
        11,
        kill,
        expect![[r"
            11 node is a zombie, for 1000 ns: it died of SIGKILL
              because: its parent 10 bash has not waited for it
              release: 10 bash waits, or ends
              by: sent by 50 tmux, to group 11
              seen #18 11 node dies of SIGKILL
            --
            11 node died of SIGKILL at @2000004000
              by: sent by 50 tmux, to group 11
              also: 12 esbuild lives on
              before: SIGTERM (handled) 1999990000 ns earlier, sent by 50 tmux, to this process alone
              seen #16 SIGKILL to 11 node: sent by 50 tmux, to group 11
              seen #18 11 node dies of SIGKILL
        "]],
    );
}

/// 50 signals 11, which handles that and lives on.
const HANDLED: &str = "
    10: fork 11
    50: > kill(11,SIGTERM)
    50: SIGTERM -> 11 handler
    50: < kill(11,SIGTERM) = 0
";

#[test]
fn what_was_handled_killed_nobody_and_the_sender_may_be_lost() {
    let lost = format!("{HANDLED}gap 3 sequence 8500 8900\n11: exit SIGTERM\n");
    ask(
        11,
        &lost,
        expect![[r"
            11 bash is exiting
              because: SIGTERM 3000 ns ago did not end it: it has a handler for it, and goes on
              waits: nobody: its parent 10 bash is in no wait for it
              terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
              signals: SIGTERM (handled) 3000 ns earlier, sent by 50 tmux, to this process alone
              seen #5 10 bash forks 11
              seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
            --
            11 bash died of SIGTERM at @10000
              by: sender unknown: records were lost
              lives on: 10 bash of the same group did not get it
              before: SIGTERM (handled) 3000 ns earlier, sent by 50 tmux, to this process alone
              seen #10 11 bash dies of SIGTERM
        "]],
    );
    signals(
        Asked::Process(Pid(11)),
        Signal::TERM,
        &lost,
        expect![[r"
        SIGTERM to 11 bash at @7000: it handled it, and died of SIGTERM after 3000 ns
          by: sent by 50 tmux, to this process alone
          not told: 10 bash, of the same group
          seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
          seen #10 11 bash dies of SIGTERM
    "]],
    );
    let again = "10: > kill(11,SIGTERM)\n10: SIGTERM -> 11\n50: > kill(11,SIGTERM)\n50: SIGTERM -> 11 handler\n";
    ask(
        11,
        &format!("{HANDLED}{again}11: exit SIGTERM\n"),
        expect![[r"
        11 bash is exiting
          because: SIGTERM 1000 ns ago did not end it: it has a handler for it, and goes on
          waits: nobody: its parent 10 bash is in no wait for it
          terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
          signals: SIGTERM (handled) 6000 ns earlier, sent by 50 tmux, to this process alone
          signals: SIGTERM 3000 ns earlier, sent by 10 bash, to this process alone
          signals: SIGTERM (handled) 1000 ns earlier, sent by 50 tmux, to this process alone
          seen #5 10 bash forks 11
          seen #12 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
        --
        11 bash died of SIGTERM at @13000
          by: sent by 10 bash, to this process alone
          lives on: 10 bash of the same group did not get it
          before: SIGTERM (handled) 3000 ns earlier, sent by 50 tmux, to this process alone
          seen #10 SIGTERM to 11 bash: sent by 10 bash, to this process alone
          seen #13 11 bash dies of SIGTERM
    "]],
    );
}

#[test]
fn who_waited_blocked_is_not_sure_to_have_killed_when_records_were_lost() {
    let blocked = "10: fork 11\n50: > kill(11,SIGTERM)\n50: SIGTERM -> 11 blocked\n";
    ask(
        11,
        &format!("{blocked}11: exit SIGTERM\n"),
        expect![[r"
        11 bash is exiting
          because: SIGTERM 1000 ns ago did not end it: it blocks that signal, which waits until it does not
          waits: nobody: its parent 10 bash is in no wait for it
          terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
          signals: SIGTERM (blocked) 1000 ns earlier, sent by 50 tmux, to this process alone
          seen #5 10 bash forks 11
          seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
        --
        11 bash died of SIGTERM at @8000
          by: sent by 50 tmux, to this process alone
          lives on: 10 bash of the same group did not get it
          seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
          seen #8 11 bash dies of SIGTERM
    "]],
    );
    ask(
        11,
        &format!("{blocked}gap 3 sequence 7500 7900\n11: exit SIGTERM\n"),
        expect![[r"
            11 bash is exiting
              because: SIGTERM 2000 ns ago did not end it: it blocks that signal, which waits until it does not
              waits: nobody: its parent 10 bash is in no wait for it
              terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
              signals: SIGTERM (blocked) 2000 ns earlier, sent by 50 tmux, to this process alone
              seen #5 10 bash forks 11
              seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
            --
            11 bash died of SIGTERM at @9000
              by: sender unknown: records were lost
              lives on: 10 bash of the same group did not get it
              before: SIGTERM (blocked) 2000 ns earlier, sent by 50 tmux, to this process alone
              seen #9 11 bash dies of SIGTERM
        "]],
    );
}

#[test]
fn who_ended_by_itself_was_killed_by_nobody() {
    ask(
        11,
        &format!("{HANDLED}11: exit 143\n"),
        expect![[r"
        11 bash is exiting
          because: SIGTERM 2000 ns ago did not end it: it has a handler for it, and goes on
          waits: nobody: its parent 10 bash is in no wait for it
          terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
          signals: SIGTERM (handled) 2000 ns earlier, sent by 50 tmux, to this process alone
          seen #5 10 bash forks 11
          seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
        --
        11 bash exited with 143 at @9000
          by: itself, 2000 ns after it handled SIGTERM, sent by 50 tmux, to this process alone
          before: SIGTERM (handled) 2000 ns earlier, sent by 50 tmux, to this process alone
          seen #9 11 bash exits 143
    "]],
    );
    // A minute later is too late to be an answer to it.
    ask(
        11,
        &format!("{HANDLED}@60000000000 11: exit 0\n"),
        expect![[r"
        11 bash is exiting
          because: SIGTERM 59999993000 ns ago did not end it: it has a handler for it, and goes on
          waits: nobody: its parent 10 bash is in no wait for it
          terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
          signals: SIGTERM (handled) 59999993000 ns earlier, sent by 50 tmux, to this process alone
          seen #5 10 bash forks 11
          seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
        --
        11 bash exited with 0 at @60000000000
          by: nobody: it ended by itself
          before: SIGTERM (handled) 59999993000 ns earlier, sent by 50 tmux, to this process alone
          seen #9 11 bash exits 0
    "]],
    );
    ask(
        11,
        "10: fork 11\n11: exit 3\n11: dead\n",
        expect![[r"
            11 bash is a zombie, for 1000 ns: it exited with 3
              because: its parent 10 bash has not waited for it
              release: 10 bash waits, or ends
              by: nobody: it ended by itself
              seen #6 11 bash exits 3
            --
            11 bash exited with 3 at @6000
              by: nobody: it ended by itself
              seen #6 11 bash exits 3
        "]],
    );
    ask(
        99,
        "10: fork 11\n",
        expect![[r"
        nobody
        --
        nobody
    "]],
    );
}

/// A job of three, of which one left its group; 50 signals it.
const JOB: &str = "
    10: fork 11 {tty=pts/0}
    11: setpgid(0,0) = 0
    11: exec node
    11: fork 12
    12: exec esbuild
    11: fork 13
    13: setsid() = 13
    13: exec watch
    50: > kill(-11,SIGTERM)
    50: SIGTERM -> 12
    50: SIGTERM -> 11 handler
    50: < kill(-11,SIGTERM) = 0
    12: exit SIGTERM
    @2000000000 11: exit 0
";

#[test]
fn a_signal_to_a_group_is_one_with_all_that_it_reached() {
    signals(
        Asked::Group(Pgid(11)),
        Signal::TERM,
        JOB,
        expect![[r"
            SIGTERM to group 11 at @16000 reached 2 processes
              by: sent by 50 tmux, to group 11
              reached: 12 esbuild died of it after 3000 ns, 11 node handled it, and exited with 0 after 1999983000 ns
              escaped: 13 watch is in group 13 since @13000 (13 node: setsid, leads new session and group 13), and lives on
              seen #16 SIGTERM to 12 esbuild: sent by 50 tmux, to group 11
              seen #17 SIGTERM to 11 node: sent by 50 tmux, to group 11
              seen #19 12 esbuild dies of SIGTERM
              seen #20 11 node exits 0
        "]],
    );
    signals(
        Asked::Process(Pid(12)),
        Signal::TERM,
        JOB,
        expect![[r"
            SIGTERM to 12 esbuild at @16000: it died of it after 3000 ns
              by: sent by 50 tmux, to group 11
              also: 11 node handled it, and exited with 0 after 1999983000 ns
              escaped: 13 watch is in group 13 since @13000 (13 node: setsid, leads new session and group 13), and lives on
              seen #16 SIGTERM to 12 esbuild: sent by 50 tmux, to group 11
              seen #19 12 esbuild dies of SIGTERM
        "]],
    );
}

#[test]
fn who_had_left_is_told_what_it_missed_and_by_which_call() {
    signals(
        Asked::Process(Pid(13)),
        Signal::TERM,
        JOB,
        expect![[r"
        SIGTERM at @16000 did not reach 13 watch
          by: sent by 50 tmux, to group 11
          reached: 12 esbuild died of it after 3000 ns, 11 node handled it, and exited with 0 after 1999983000 ns
          escaped: 13 watch is in group 13 since @13000 (13 node: setsid, leads new session and group 13), and lives on
          seen #13 13 node: setsid, leads new session and group 13
          seen #16 SIGTERM to 12 esbuild: sent by 50 tmux, to group 11
          seen #17 SIGTERM to 11 node: sent by 50 tmux, to group 11
          seen #19 12 esbuild dies of SIGTERM
          seen #20 11 node exits 0
    "]],
    );
}

#[test]
fn a_call_that_reached_nobody_is_told() {
    signals(
        Asked::Group(Pgid(11)),
        Signal::TERM,
        "10: fork 11\n50: kill(-11,SIGTERM) = -3\n50: kill(-12,SIGTERM) = -3\n",
        expect![[r"
            a signal at @7000 reached nobody
              by: 50 tmux: Kill { target: -11, signal: 15 } = errno 3: there was no such process group
              seen #7 50 tmux: Kill { target: -11, signal: 15 } = errno 3: there was no such process group
        "]],
    );
}

#[test]
fn other_signals_and_others_are_not_asked_for() {
    signals(Asked::Process(Pid(11)), Signal::INT, JOB, expect![[""]]);
    signals(Asked::Process(Pid(50)), Signal::TERM, JOB, expect![[""]]);
}

#[test]
fn what_a_signal_met_is_told() {
    let met = "
        10: fork 11
        10: fork 12
        12: setpgid(0,0) = 0
        11: setpgid(0,0) = 0
        50: > kill(11,SIGTERM)
        50: SIGTERM -> 11 ignored
        50: < kill(11,SIGTERM) = 0
    ";
    ask(
        11,
        met,
        expect![[r"
            11 bash runs
              because: SIGTERM 1000 ns ago did not end it: it ignores that signal
              waits: nobody: its parent 10 bash is in no wait for it
              terminal: in the background of pts/0, in group 11; in the foreground is 10 bash: a read would stop it
              signals: SIGTERM (ignored) 1000 ns earlier, sent by 50 tmux, to this process alone
              seen #5 10 bash forks 11
              seen #10 11 bash: setpgid, leads new group 11
              seen #12 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
            --
            11 bash has not died
              so far: SIGTERM (ignored) 1000 ns earlier, sent by 50 tmux, to this process alone
        "]],
    );
    let pending = "10: fork 11\n50: > kill(11,SIGTERM)\n50: SIGTERM -> 11 blocked\n50: < kill(11,SIGTERM) = 0\n\
                   50: > kill(11,SIGTERM)\n50: SIGTERM -> 11 blocked pending\n50: < kill(11,SIGTERM) = 0\n";
    signals(
        Asked::Process(Pid(11)),
        Signal::TERM,
        pending,
        expect![[r"
        SIGTERM to 11 bash at @10000: it blocks it and lives on
          by: sent by 50 tmux, to this process alone
          not told: 10 bash, of the same group
          seen #10 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
        --
        SIGTERM to 11 bash at @7000: it blocks it and lives on
          by: sent by 50 tmux, to this process alone
          not told: 10 bash, of the same group
          seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
    "]],
    );
}

#[test]
fn who_waits_for_what_is_asked_of_each() {
    let waits = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        11: exec make
        11: fork 12
        12: exec cc
        11: > wait4(-1,0)
        10: > wait4(-1,2)
    ";
    ask(
        11,
        waits,
        expect![[r"
            11 make waits for a child
              waits: for 12 cc to end
              terminal: in the background of pts/0, in group 11; in the foreground is 10 bash: a read would stop it
              seen #5 10 bash forks 11
              seen #7 11 bash: setpgid, leads new group 11
              seen #8 11 make executes a program
            --
            11 make has not died
        "]],
    );
    ask(
        12,
        waits,
        expect![[r"
            12 cc runs
              waits: 11 make waits for it to end, and 10 bash for that
              terminal: in the background of pts/0, in group 11; in the foreground is 10 bash: a read would stop it
              seen #9 11 make forks 12
              seen #10 12 cc executes a program
            --
            12 cc has not died
        "]],
    );
}

#[test]
fn a_stop_that_its_shell_is_told_of_hangs_nobody() {
    let stopped = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        11: exec cat
        10: > wait4(-1,2)
        11: SIGTTIN -> 11 kernel
        11: stops SIGTTIN
    ";
    ask(
        11,
        stopped,
        expect![[r"
            11 cat is stopped by SIGTTIN, for 0 ns
              because: it read pts/0 from background group 11; in the foreground was 10 bash
              group: 11: 11 cat (stopped)
              waits: 10 bash waits and is told of stops: nobody hangs
              release: fg in 10 bash; kill -CONT -- -11 alone would let it stop again
              seen #7 11 bash: setpgid, leads new group 11
              seen #10 SIGTTIN to 11 cat: from the kernel, because it used its terminal from the background
              seen #11 11 cat is stopped by SIGTTIN
            --
            11 cat has not died
              so far: SIGTTIN 1000 ns earlier, from the kernel, because it used its terminal from the background
        "]],
    );
    ask(
        10,
        stopped,
        expect![[r"
        10 bash waits for a child
          waits: for 11 cat to end
          terminal: in the foreground of pts/0; its group is orphaned: Ctrl-Z is discarded, for nobody could continue it
        --
        10 bash has not died
    "]],
    );
}

#[test]
fn what_is_left_behind_has_classes() {
    let left = "
        10: fork 11
        11: setpgid(0,0) = 0
        11: exec make
        11: fork 12
        12: exec near
        11: fork 13
        13: setpgid(0,0) = 0
        13: exec job
        11: fork 14
        14: setsid() = 14 {tty=-}
        14: exec daemon
        11: exit 0
        11: dead
        12: takes SIGWINCH 0 handler
        13: takes SIGWINCH 0 handler
        14: takes SIGWINCH 0 handler
    ";
    let events = parse(&format!("{SHELL}{left}")).unwrap_or_else(|error| panic!("{error}"));
    let (mut model, mut rules) = (Model::new(), Findings::new());
    model.follow(Pid(11));
    for event in &events {
        let delta = model.apply(event);
        rules.observe(event, &delta, &model);
    }
    let (left, answer) = rules.left_behind(&model);
    assert!(left.iter().all(|left| left.group_is_left));
    expect![[r"
        3 processes are left behind by 11 make
          same group: 12 near: running, in the command's group 11; got no signal
          own group: 13 job: running, in group 13; got no signal
          daemon: 14 daemon: running, session 14, no terminal, no parent of what was started; got no signal
          seen #9 11 make forks 12
          seen #11 11 make forks 13
          seen #15 11 make forks 14
    "]]
    .assert_eq(&text(&answer));
}

/// The shell has waited for the stop, and the kernel shows its signal no more; what it was in the middle of is there to be seen.
#[test]
fn a_job_that_reads_its_terminal_would_stop_again_whatever_stopped_it() {
    let stopped = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        11: exec cat
        11: stops SIGSTOP
    ";
    let doing = |on_terminal| Doing { name: "read", on: Some((0, b"/dev/pts/0".to_vec())), request: None, on_terminal };
    let (model, rules) = history(Asked::Process(Pid(11)), None, stopped);
    for (on_terminal, alone) in
        [(true, "; kill -CONT -- -11 alone would let it stop again"), (false, ", or kill -CONT -- -11")]
    {
        let look = Look { live: true, doing: Some(doing(on_terminal)), ..Look::default() };
        let answer = text(&rules.why(&model, Pid(11), &look).unwrap());
        assert!(answer.contains(&format!("  release: fg in 10 bash{alone}\n")), "{answer}");
    }
}
