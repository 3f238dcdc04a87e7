//! By which names processes are told of.

use expect_test::expect;

use super::{super::Asked, ask, signals};
use crate::ids::{Pid, Signal};

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
