//! By which names processes are told of.

use expect_test::expect;

use super::{super::Asked, ask, signals};
use crate::{
    findings::tests::check_following,
    ids::{Pid, Signal},
};

#[test]
fn who_sent_a_signal_is_told_by_the_name_of_then() {
    // A shell executes its last command: it is another program when it is asked.
    let script = "
        10: fork 11
        11: exec node
        10: fork 12
        12: exec deploy.sh
        12: > kill(11,SIGTERM)
        12: SIGTERM -> 11 handler
        12: < kill(11,SIGTERM) = 0
        12: exec sleep
        11: exit 0
        11: dead
        10: wait4(-1,0) = 11 got 11 exited:0
        10: exec login
    ";
    ask(
        11,
        script,
        expect![[r"
        11 node exited with 0 at @13000
          by: itself, 3000 ns after it handled SIGTERM, sent by 12 deploy.sh, to this process alone
          before: SIGTERM (handled) 3000 ns earlier, sent by 12 deploy.sh, to this process alone
          reaped by: 10 bash
          seen #13 11 node exits 0
          seen #16 10 bash reaps 11 node
        --
        11 node exited with 0 at @13000
          by: itself, 3000 ns after it handled SIGTERM, sent by 12 deploy.sh, to this process alone
          before: SIGTERM (handled) 3000 ns earlier, sent by 12 deploy.sh, to this process alone
          reaped by: 10 bash
          seen #13 11 node exits 0
          seen #16 10 bash reaps 11 node
    "]],
    );
    signals(
        Asked::Process(Pid(11)),
        Signal::TERM,
        script,
        expect![[r"
        SIGTERM to 11 node at @10000: it handled it, and exited with 0 after 3000 ns
          by: sent by 12 deploy.sh, to this process alone
          not told: 10 bash, of the same group
          seen #10 SIGTERM to 11 node: sent by 12 deploy.sh, to this process alone
          seen #13 11 node exits 0
    "]],
    );
}

#[test]
fn a_signal_that_is_taken_later_is_told_by_the_name_that_its_sender_had_in_the_call() {
    // As a tracer sees it: the call, another program, and then the signal.
    let script = "
        10: fork 11
        11: exec node
        10: fork 12
        12: exec deploy.sh
        12: kill(11,SIGTERM) = 0
        12: exec sleep
        12: SIGTERM -> 11 taken
        11: exit SIGTERM
    ";
    signals(
        Asked::Process(Pid(11)),
        Signal::TERM,
        script,
        expect![[r"
        SIGTERM to 11 node at @12000: it died of it after 1000 ns
          by: sent by 12 deploy.sh, to this process alone
          not told: 10 bash, of the same group
          seen #12 SIGTERM to 11 node: sent by 12 deploy.sh, to this process alone
          seen #13 11 node dies of SIGTERM
    "]],
    );
}

#[test]
fn a_command_is_told_of_by_the_name_that_it_was_started_by() {
    let script = "
        10: fork 11
        11: exec build.sh
        11: fork 12
        12: exec server
        11: exec true
        11: exit 0
        11: dead
        @3000000000 12: takes SIGWINCH 0 handler
    ";
    check_following(
        11,
        script,
        expect![[r"
        warning JC403 leftover-after-root-exit @2000010000: 1 process left behind by 11 build.sh
          why   the command ended at @10000; alive: 12 server (in the command's group; got no signal)
          fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
          seen  #7 11 build.sh forks 12
          seen  #10 11 true exits 0
    "]],
    );
}

#[test]
fn a_status_that_says_a_signal_says_who_sent_it() {
    // sigtimedwait takes a signal that has no handler.
    let met = |met: &str, code: u32| {
        format!(
            "10: fork 11\n11: exec tini\n50: > kill(11,SIGTERM)\n50: SIGTERM -> 11{met}\n50: < kill(11,SIGTERM) = 0\n11: exit {code}\n11: dead\n"
        )
    };
    let ended = |code: u32| met("", code);
    // What it ignores it cannot have waited for.
    ask(
        11,
        &met(" ignored", 143),
        expect![[r"
        11 tini is a zombie, for 1000 ns: it exited with 143
          because: its parent 10 bash has not waited for it
          release: 10 bash waits, or ends
          by: nobody: it ended by itself
          seen #10 11 tini exits 143
        --
        11 tini exited with 143 at @10000
          by: nobody: it ended by itself
          before: SIGTERM (ignored) 2000 ns earlier, sent by 50 tmux, to this process alone
          seen #10 11 tini exits 143
    "]],
    );
    ask(
        11,
        &ended(143),
        expect![[r"
        11 tini is a zombie, for 1000 ns: it exited with 143
          because: its parent 10 bash has not waited for it
          release: 10 bash waits, or ends
          by: itself, 2000 ns after SIGTERM, sent by 50 tmux, to this process alone
          seen #10 11 tini exits 143
        --
        11 tini exited with 143 at @10000
          by: itself, 2000 ns after SIGTERM, sent by 50 tmux, to this process alone
          before: SIGTERM 2000 ns earlier, sent by 50 tmux, to this process alone
          seen #10 11 tini exits 143
    "]],
    );
    ask(
        11,
        &ended(1),
        expect![[r"
        11 tini is a zombie, for 1000 ns: it exited with 1
          because: its parent 10 bash has not waited for it
          release: 10 bash waits, or ends
          by: nobody: it ended by itself
          seen #10 11 tini exits 1
        --
        11 tini exited with 1 at @10000
          by: nobody: it ended by itself
          before: SIGTERM 2000 ns earlier, sent by 50 tmux, to this process alone
          seen #10 11 tini exits 1
    "]],
    );
}
