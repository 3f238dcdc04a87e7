//! Who handled a signal and then ended itself with the same died of the first, if that was not long before.

use expect_test::expect;

use super::{HANDLED, ask};
use crate::findings::tests::check;

#[test]
fn who_ends_itself_answers_to_what_it_handled_shortly_before() {
    let again = "11: > kill(11,SIGTERM)\n11: SIGTERM -> 11\n11: exit SIGTERM\n11: dead\n";
    ask(
        11,
        &format!("{HANDLED}{again}"),
        expect![[r"
            11 bash is a zombie, for 1000 ns: it died of SIGTERM
              because: its parent 10 bash has not waited for it
              release: 10 bash waits, or ends
              by: sent by 50 tmux, to this process alone; it handled that, and then sent itself the same
              seen #11 11 bash dies of SIGTERM
            --
            11 bash died of SIGTERM at @11000
              by: sent by 50 tmux, to this process alone; it handled that, and then sent itself the same
              lives on: 10 bash of the same group did not get it
              before: SIGTERM (handled) 3000 ns earlier, sent by 50 tmux, to this process alone
              seen #7 SIGTERM to 11 bash: sent by 50 tmux, to this process alone
              seen #10 SIGTERM to 11 bash: sent by itself
              seen #11 11 bash dies of SIGTERM
        "]],
    );
    ask(
        11,
        &format!("{HANDLED}@86400000000000 50: takes SIGWINCH 0 handler\n{again}"),
        expect![[r"
        11 bash is a zombie, for 1000 ns: it died of SIGTERM
          because: its parent 10 bash has not waited for it
          release: 10 bash waits, or ends
          by: sent by itself
          seen #12 11 bash dies of SIGTERM
        --
        11 bash died of SIGTERM at @86400000003000
          by: sent by itself
          lives on: 10 bash of the same group did not get it
          before: SIGTERM (handled) 86399999995000 ns earlier, sent by 50 tmux, to this process alone
          seen #11 SIGTERM to 11 bash: sent by itself
          seen #12 11 bash dies of SIGTERM
    "]],
    );
}

#[test]
fn the_record_of_the_death_says_the_same() {
    let again = "
        11: > kill(11,SIGHUP)
        11: SIGHUP -> 11
        11: exit SIGHUP
    ";
    let sent = "
        10: fork 11
        50: > kill(11,SIGHUP)
        50: SIGHUP -> 11 handler
        50: < kill(11,SIGHUP) = 0
    ";
    check(
        &format!("{sent}{again}"),
        expect![[r"
        info JC309 signal-attribution @11000: 11 bash died of SIGHUP
          why   sent by 50 tmux, to this process alone; it handled that, and then sent itself the same
          fix   if this was not meant, look at what 50 tmux was running when it sent it
          seen  #7 SIGHUP to 11 bash: sent by 50 tmux, to this process alone
          seen  #10 SIGHUP to 11 bash: sent by itself
          seen  #11 11 bash dies of SIGHUP
    "]],
    );
    // A day later it is no answer any more: that was a reload.
    check(
        &format!("{sent}@86400000000000 50: takes SIGWINCH 0 handler\n{again}"),
        expect![[r"
        info JC309 signal-attribution @86400000003000: 11 bash died of SIGHUP
          why   sent by itself
          fix   nothing, if this was meant
          seen  #11 SIGHUP to 11 bash: sent by itself
          seen  #12 11 bash dies of SIGHUP
    "]],
    );
    let key = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        10: ioctl(255,TIOCSPGRP,0,11) = 0
        77(kworker): SIGINT -> 11 kernel handler
        11: > kill(11,SIGINT)
        11: SIGINT -> 11
        11: exit SIGINT
    ";
    check(
        key,
        expect![[r"
        info JC309 signal-attribution @13000: 11 bash died of SIGINT
          why   Ctrl-C typed at pts/0, to its foreground group; it handled that, and then sent itself the same
          fix   nothing, if the key was meant; what must survive it needs a group in the background
          seen  #10 SIGINT to 11 bash: Ctrl-C typed at pts/0, to its foreground group
          seen  #12 SIGINT to 11 bash: sent by itself
          seen  #13 11 bash dies of SIGINT
    "]],
    );
}

#[test]
fn who_exits_by_itself_is_nothing() {
    check("10: fork 11\n11: exit 143\n", expect![[""]]);
}
