//! What waits for a process when it executes a program has no handler any more (execve(2)).

use expect_test::expect;

use super::{super::Asked, ask, signals};
use crate::{
    findings::tests::check,
    ids::{Pid, Signal},
};

/// Ctrl-C, when a child of the shell still had its handlers.
const TYPED: &str = "
    10: fork 11 {tty=pts/0}
    11: setpgid(0,0) = 0
    10: ioctl(255,TIOCSPGRP,0,11) = 0
    77(kworker): SIGINT -> 11 kernel handler
";

#[test]
fn a_key_that_was_typed_before_kills_what_is_executed() {
    let typed = &format!("{TYPED}11: exec sleep\n11: takes SIGINT\n11: exit SIGINT\n");
    check(
        typed,
        expect![[r"
            info JC309 signal-attribution @13000: 11 sleep died of SIGINT
              why   Ctrl-C typed at pts/0, to its foreground group
              fix   nothing, if the key was meant; what must survive it needs a handler, or a group in the background
              seen  #10 SIGINT to 11 bash: Ctrl-C typed at pts/0, to its foreground group
              seen  #13 11 sleep dies of SIGINT
        "]],
    );
    ask(
        11,
        typed,
        expect![[r"
        11 sleep is exiting
          waits: nobody: its parent 10 bash is in no wait for it
          terminal: in the foreground of pts/0
          signals: SIGINT 3000 ns earlier, Ctrl-C typed at pts/0, to its foreground group
          seen #5 10 bash forks 11
          seen #7 11 bash: setpgid, leads new group 11
          seen #10 SIGINT to 11 bash: Ctrl-C typed at pts/0, to its foreground group
          seen #11 11 sleep executes a program
        --
        11 sleep died of SIGINT at @13000
          by: Ctrl-C typed at pts/0, to its foreground group
          seen #10 SIGINT to 11 bash: Ctrl-C typed at pts/0, to its foreground group
          seen #13 11 sleep dies of SIGINT
    "]],
    );
    signals(
        Asked::Process(Pid(11)),
        Signal::INT,
        typed,
        expect![[r"
        SIGINT to 11 bash at @10000: it died of it after 3000 ns
          by: Ctrl-C typed at pts/0, to its foreground group
          seen #10 SIGINT to 11 bash: Ctrl-C typed at pts/0, to its foreground group
          seen #13 11 sleep dies of SIGINT
    "]],
    );
}

#[test]
fn what_was_taken_before_did_not() {
    check(
        &format!("{TYPED}11: takes SIGINT handler\n11: exec sleep\n11: exit SIGINT\n"),
        expect![[r"
            info JC309 signal-attribution @13000: 11 sleep died of SIGINT
              why   sender unknown: it was sent before the capture, or to its parent while that forked it
              fix   nothing, if this was meant
              seen  #13 11 sleep dies of SIGINT
        "]],
    );
    // It may have been, in what was lost.
    check(
        &format!("{TYPED}gap 3 sequence 10500 10900\n11: exec sleep\n11: exit SIGINT\n"),
        expect![[r"
            info undecided JC309 signal-attribution @13000: 11 sleep died of SIGINT
              why   sender unknown: records were lost
              fix   nothing, if this was meant
              seen  #13 11 sleep dies of SIGINT
        "]],
    );
}

/// A second one waits; the first was taken by the handler.
#[test]
fn what_waits_is_the_last_that_was_sent() {
    signals(
        Asked::Process(Pid(11)),
        Signal::INT,
        &format!(
            "{TYPED}11: takes SIGINT handler\n77(kworker): SIGINT -> 11 kernel handler\n11: exec sleep\n11: exit SIGINT\n"
        ),
        expect![[r"
            SIGINT to 11 bash at @12000: it died of it after 2000 ns
              by: Ctrl-C typed at pts/0, to its foreground group
              seen #12 SIGINT to 11 bash: Ctrl-C typed at pts/0, to its foreground group
              seen #14 11 sleep dies of SIGINT
            --
            SIGINT to 11 bash at @10000: it handled it, and died of SIGINT after 4000 ns
              by: Ctrl-C typed at pts/0, to its foreground group
              seen #10 SIGINT to 11 bash: Ctrl-C typed at pts/0, to its foreground group
              seen #14 11 sleep dies of SIGINT
        "]],
    );
}
