//! The histories that a person meets first: a pipeline, ^C, a stopped reader, a daemon, kills, hangups.

use expect_test::{Expect, expect};

use super::{events, header, shown, timeline};
use crate::{sink::Style, trace_file::Header};

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn check(history: &str, expected: Expect) {
    expected.assert_eq(&timeline(history));
}

#[test]
fn a_pipeline_in_an_interactive_shell() {
    check(
        "
        @3902000 10: fork 11
        @3931000 11: setpgid(0,0) = 0
        @3949000 10: setpgid(11,11) = 0
        @3960000 10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
        @4000000 10: fork 12
        @4410000 12: setpgid(0,11) = 0
        @5120000 11: exec sleep 0.3
        @5200000 12: exec cat
        @305402000 11: exit 0
        11: dead
        @305611000 12: exit 0
        12: dead
        @305902000 10: wait4(-1,2) = 11 got 11 exited:0
        @305950000 10: wait4(-1,2) = 12 got 12 exited:0
        @306004000 10: ioctl(255,TIOCSPGRP,0,10) = 0 {fg=10}
        ",
        expect![[r"
                 ms  process      group  what happened
              0.002   10 bash     10     session 10, terminal pts/3, in the foreground
              3.902   10 bash     10     forks 11
              3.932   11 bash  ┌  11     setpgid: leads new group 11  child first, by 17 µs
              3.961   10 bash  │  10     gives pts/3 to group 11      foreground 10 → 11
              4.000   10 bash  │  10     forks 12
              4.411   12 bash  ├  11     setpgid: joins group 11
              5.120   11 sleep ├  11     exec sleep 0.3
              5.200   12 cat   ├  11     exec cat
            305.402   11 sleep ├  11     exits 0
            305.611   12 cat   ├  11     exits 0
            305.903   10 bash  │  10     reaps 11: group 11 goes on, its leader reaped
            305.951   10 bash  └  10     reaps 12: group 11 ends (2 processes, 302 ms)
            306.005   10 bash     10     takes pts/3 back             foreground 11 → 10

            groups       10  bash ×3     was there, lives on  foreground  3 processes
                         11  sleep, cat  3.932–305.951 ms     foreground  2 processes  last member reaped
            sessions     10  bash  was there, lives on  pts/3
            left behind  10 bash  group 10  session 10  pts/3  running  parent unknown
            races        child first  1 time  closest 17 µs
            findings     none
            25 events, none lost
        "]],
    );
}

#[test]
fn parent_first_and_parent_too_late() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        @60000 11: setpgid(0,0) = 0
        @70000 10: fork 12
        @80000 12: setpgid(0,0) = 0
        @90000 12: exec /bin/sleep 1
        @100000 10: setpgid(12,12) = -13
        10: fork 13
        13: exec /bin/sleep 1
        10: setpgid(13,13) = -13
        ",
        expect![[r"
                 ms  process       group  what happened
              0.002   10 bash      10     session 10, terminal pts/3, in the foreground
              0.004   10 bash      10     forks 11
              0.006   10 bash  ┌   10     setpgid: makes 11 the leader of new group 11  parent first, by 54 µs
              0.070   10 bash  │   10     forks 12
              0.081   12 bash  │┌  12     setpgid: leads new group 12                   child first, by 19 µs
              0.090   12 sleep │├  12     exec /bin/sleep 1
              0.101   10 bash  ││  10     setpgid(12, 12): EACCES                       12 had executed a program already; it is in group 12 all the same
              0.102   10 bash  ││  10     forks 13
              0.103   13 sleep ││  10     exec /bin/sleep 1
              0.105   10 bash  ││  10     setpgid(13, 13): EACCES                       13 had executed a program already, and stays in group 10

            groups       10  bash ×3, sleep  was there, lives on  foreground  4 processes
                         11  bash            0.006 ms, lives on   background  1 process
                         12  sleep           0.081 ms, lives on   background  1 process
            sessions     10  bash  was there, lives on  pts/3
            left behind  10 bash     group 10  session 10  pts/3  running  parent unknown
                           11 bash   group 11  session 10  pts/3  running  child of 10 bash
                           12 sleep  group 12  session 10  pts/3  running  child of 10 bash
                           13 sleep  group 10  session 10  pts/3  running  child of 10 bash
            races        child first   1 time  closest 19 µs  1 refused
                         parent first  1 time  closest 54 µs
            findings     1 warning
            warning JC101 lost-setpgid-race  10 bash could not move 13 sleep to group 13: EACCES
              why    13 sleep had executed a program 1 µs before this call, and did not call setpgid itself; it stays in group 10
              fix    call setpgid in the child too, before exec
              seen   0.103 ms  13 sleep executes a program
                     0.105 ms  10 bash: setpgid(13, 13) = EACCES
            18 events, none lost
        "]],
    );
}

#[test]
fn a_race_under_ptrace_is_one_that_the_tracer_decided() {
    let header = Header { backend: "ptrace".to_owned(), tier: "ptrace".to_owned(), ..header() };
    let events = events("10: fork 11\n@3000 11: setpgid(0,0) = 0\n@5000 10: setpgid(11,11) = 0\n");
    let text = shown("timeline", &header, &events, Style::PLAIN);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("first")).map(str::trim).collect();
    expect![[r"
        0.004   11 bash ┌  11     setpgid: leads new group 11  child first, serialised by the tracer
        races        child first  1 time  serialised by the tracer"]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn control_c_goes_to_the_foreground_group_and_to_nobody_else() {
    check(
        "
        10: fork 20
        10: setpgid(20,20) = 0
        20: exec sleep 60
        @1000000 10: fork 11
        10: setpgid(11,11) = 0
        10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
        10: fork 12
        10: setpgid(12,11) = 0
        11: exec python signal-catcher.py
        12: exec sleep 100
        @5000000 77~5(kworker/u8:1): SIGINT -> 12 kernel
        77~5(kworker/u8:1): SIGINT -> 11 kernel handler
        12: exit SIGINT
        12: dead
        11: exit 0
        11: dead
        @6000000 10: wait4(-1,2) = 11 got 11 exited:0
        10: wait4(-1,2) = 12 got 12 killed:SIGINT
        10: ioctl(255,TIOCSPGRP,0,10) = 0 {fg=10}
        ",
        expect![[r"
                 ms  process        group  what happened
              0.002   10 bash       10     session 10, terminal pts/3, in the foreground
              0.004   10 bash       10     forks 20
              0.006   10 bash   ┌   10     setpgid: makes 20 the leader of new group 20
              0.007   20 sleep  ├   20     exec sleep 60
              1.000   10 bash   │   10     forks 11
              1.002   10 bash   │┌  10     setpgid: makes 11 the leader of new group 11
              1.004   10 bash   ││  10     gives pts/3 to group 11  foreground 10 → 11
              1.005   10 bash   ││  10     forks 12
              1.007   10 bash   ││  10     setpgid: puts 12 into group 11
              1.008   11 python │├  11     exec python signal-catcher.py
              1.009   12 sleep  │├  11     exec sleep 100
              5.000      pts/3  ││         ^C: SIGINT to foreground group 11: 12 sleep, 11 python (handler)
              5.002   12 sleep  │├  11     dies of SIGINT
              5.004   11 python │├  11     exits 0
              6.001   10 bash   ││  10     reaps 11: group 11 goes on, its leader reaped
              6.003   10 bash   │└  10     reaps 12: group 11 ends (2 processes, 5 ms)
              6.005   10 bash   │   10     takes pts/3 back         foreground 11 → 10

            groups       10  bash ×4        was there, lives on  foreground  4 processes
                         20  sleep          0.006 ms, lives on   background  1 process
                         11  python, sleep  1.002–6.003 ms       foreground  2 processes  last member reaped
            sessions     10  bash  was there, lives on  pts/3
            left behind  10 bash     group 10  session 10  pts/3  running  parent unknown
                           20 sleep  group 20  session 10  pts/3  running  child of 10 bash
            races        none
            findings     none  1 for information
            29 events, none lost
        "]],
    );
}

#[test]
fn a_background_reader_is_stopped_killed_and_continued() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        10: fork 12
        10: setpgid(12,11) = 0
        11: exec cat
        12: exec sed s/hello/goodbye/
        @2000000 11: SIGTTIN -> 12 kernel
        11: SIGTTIN -> 11 kernel
        11: takes SIGTTIN 128
        11: stops SIGTTIN
        12: takes SIGTTIN 128
        12: stops SIGTTIN
        10: wait4(-1,3) = 11 got 11 stopped:SIGTTIN
        10: wait4(-1,3) = 12 got 12 stopped:SIGTTIN
        @900000000 10: > kill(-11,SIGTERM)
        10: SIGTERM -> 12
        10: SIGTERM -> 11
        10: < kill(-11,SIGTERM) = 0
        10: > kill(-11,SIGCONT)
        10: SIGCONT -> 12 ignored
        10: SIGCONT -> 11 ignored
        10: < kill(-11,SIGCONT) = 0
        11: exit SIGTERM
        11: dead
        12: exit SIGTERM
        12: dead
        10: wait4(-1,3) = 12 got 12 killed:SIGTERM
        10: wait4(-1,3) = 11 got 11 killed:SIGTERM
        ",
        expect![[r"
                 ms  process     group  what happened
              0.002   10 bash    10     session 10, terminal pts/3, in the foreground
              0.004   10 bash    10     forks 11
              0.006   10 bash ┌  10     setpgid: makes 11 the leader of new group 11
              0.007   10 bash │  10     forks 12
              0.009   10 bash │  10     setpgid: puts 12 into group 11
              0.010   11 cat  ├  11     exec cat
              0.011   12 sed  ├  11     exec sed s/hello/goodbye/
              2.000   11 cat  ├  11     reads pts/3 from the background: SIGTTIN to group 11: 12 sed, 11 cat  in the foreground: 10 bash
              2.003   11 cat  ├  11     stops: SIGTTIN
              2.005   12 sed  ├  11     stops: SIGTTIN
              2.007   10 bash │  10     wait: 11 cat has stopped (SIGTTIN)
              2.009   10 bash │  10     wait: 12 sed has stopped (SIGTTIN)
            900.001   10 bash │  10     kill SIGTERM to group 11: 12 sed, 11 cat
            900.005   10 bash │  10     kill SIGCONT to group 11: 12 sed (continues), 11 cat (continues)
            900.008   11 cat  ├  11     dies of SIGTERM
            900.010   12 sed  ├  11     dies of SIGTERM
            900.013   10 bash └  10     reaps 12, 11: group 11 ends (2 processes, 900 ms)

            groups       10  bash ×3   was there, lives on  foreground  3 processes
                         11  cat, sed  0.006–900.015 ms     background  2 processes  last member reaped
            sessions     10  bash  was there, lives on  pts/3
            left behind  10 bash  group 10  session 10  pts/3  running  parent unknown
            races        none
            findings     none  4 for information
            37 events, none lost
        "]],
    );
}

#[test]
fn a_daemon_of_the_old_school() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
        11: exec redis-server
        @1000000 11: fork 12
        11: exit 0
        11: dead
        12: setsid() = 12 {pp=1}
        10: wait4(-1,2) = 11 got 11 exited:0
        10: ioctl(255,TIOCSPGRP,0,10) = 0 {fg=10}
        12: fork 13
        12: exit 0
        12: dead
        1: wait4(-1,0) = 12 got 12 exited:0
        13: exec redis-server {pp=1}
        ",
        expect![[r"
                 ms  process              group  session  what happened
              0.002   10 bash             10     10       session 10, terminal pts/3, in the foreground
              0.004   10 bash             10     10       forks 11
              0.006   10 bash         ┌   10     10       setpgid: makes 11 the leader of new group 11
              0.008   10 bash         │   10     10       gives pts/3 to group 11                 foreground 10 → 11
              0.009   11 redis-server ├   11     10       exec redis-server
              1.000   11 redis-server ├   11     10       forks 12
              1.001   11 redis-server ├   11     10       exits 0
              1.003   12 redis-server ├   11     10       is now a child of 1 init                its parent 11 redis-server exited
              1.003   11 redis-server ├   11     10       its exit leaves group 11 orphaned
              1.004   12 redis-server │┌  12     12       setsid: leads new session and group 12  leaves pts/3; no controlling terminal
              1.006   10 bash         └│  10     10       reaps 11: group 11 ends (2 processes, 1 ms)
              1.008   10 bash          │  10     10       takes pts/3 back                        foreground 11 → 10
              1.009   12 redis-server  ├  12     12       forks 13
              1.010   12 redis-server  ├  12     12       exits 0
                                       ├  12     12       session 12 goes on without its leader
              1.011   13 redis-server  ├  12     12       is now a child of 1 init                its parent 12 redis-server exited
              1.013    1 init          │  1      1        reaps 12: group 12 goes on, its leader reaped
              1.014   13 redis-server  ├  12     12       exec redis-server

            groups       10  bash ×2          was there, lives on  foreground   2 processes
                         11  redis-server ×2  0.006–1.006 ms       foreground   2 processes  last member reaped; orphaned at 1.003 ms
                         12  redis-server ×2  1.004 ms, lives on   no terminal  2 processes  its leader is reaped
            sessions     10  bash          was there, lives on  pts/3
                         12  redis-server  1.004 ms, lives on   no terminal  its leader exited at 1.010 ms
            left behind  10 bash          group 10  session 10  pts/3        running  parent unknown
                         13 redis-server  group 12  session 12  no terminal  running  child of 1 init
            races        none
            findings     none
            24 events, none lost
        "]],
    );
}

#[test]
fn one_child_is_killed_or_the_whole_group() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        11: exec python signal-catcher.py
        11: fork 12
        10: > kill(12,SIGINT)
        10: SIGINT -> 12 handler
        10: < kill(12,SIGINT) = 0
        12: exit 0
        12: dead
        @2000000 10: > kill(-11,SIGINT)
        10: SIGINT -> 12 ignored {es=32}
        10: SIGINT -> 11 handler
        10: < kill(-11,SIGINT) = 0
        11: exit 0
        11: dead
        10: wait4(-1,2) = 11 got 11 exited:0
        @500000000 1: wait4(-1,0) = 12 got 12 exited:0
        ",
        expect![[r"
                 ms  process       group  what happened
              0.002   10 bash      10     session 10, terminal pts/3, in the foreground
              0.004   10 bash      10     forks 11
              0.006   10 bash   ┌  10     setpgid: makes 11 the leader of new group 11
              0.007   11 python ├  11     exec python signal-catcher.py
              0.008   11 python ├  11     forks 12
              0.010   10 bash   │  10     kill SIGINT: to 12 python (handler)  to the process, not to its group 11
              0.012   12 python ├  11     exits 0
              2.001   10 bash   │  10     kill SIGINT to group 11: 12 python (a zombie), 11 python (handler)
              2.004   11 python ├  11     exits 0
              2.007   10 bash   │  10     reaps 11: group 11 goes on, its leader reaped
            500.001    1 init   └  1      reaps 12: group 11 ends (2 processes, 499 ms)  zombies alone held it for 497 ms

            groups       10  bash ×2    was there, lives on  foreground  2 processes
                         11  python ×2  0.006–500.001 ms     background  2 processes  last member reaped
            sessions     10  bash  was there, lives on  pts/3
            left behind  10 bash  group 10  session 10  pts/3  running  parent unknown
            races        none
            findings     none
            23 events, none lost
        "]],
    );
}

#[test]
fn the_shell_dies_and_leaves_a_stopped_job() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        11: exec vi
        10: fork 12
        10: setpgid(12,12) = 0
        12: exec make
        10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
        77~5(kworker/u8:1): SIGTSTP -> 11 kernel
        11: stops SIGTSTP
        10: ioctl(255,TIOCSPGRP,0,10) = 0 {fg=10}
        @3000000 10: exit SIGKILL
        10: SIGHUP -> 10 kernel ignored
        10: SIGHUP -> 11 kernel {pp=1 tty=- sf=1}
        10: SIGCONT -> 11 kernel {pp=1 tty=-}
        10: dead
        11: takes SIGHUP 128 {tty=-}
        11: exit SIGHUP
        11: dead
        1: wait4(-1,0) = 11 got 11 killed:SIGHUP
        ",
        expect![[r"
                 ms  process       group  what happened
              0.002   10 bash      10     session 10, terminal pts/3, in the foreground
              0.004   10 bash      10     forks 11
              0.006   10 bash  ┌   10     setpgid: makes 11 the leader of new group 11
              0.007   11 vi    ├   11     exec vi
              0.008   10 bash  │   10     forks 12
              0.010   10 bash  │┌  10     setpgid: makes 12 the leader of new group 12
              0.011   12 make  │├  12     exec make
              0.013   10 bash  ││  10     gives pts/3 to group 11                 foreground 10 → 11
              0.014      pts/3 ││         ^Z: SIGTSTP to foreground group 11: 11 vi
              0.015   11 vi    ├│  11     stops: SIGTSTP
              0.017   10 bash  ││  10     takes pts/3 back                        foreground 11 → 10
              3.000   10 bash  ││  10     dies of SIGKILL
                               ││  10     session 10 goes on without its leader
              3.001   10 bash  ││  10     SIGHUP to group 10: 10 bash             its session leader exits
              3.002   11 vi    ├│  11     is now a child of 1 init                its parent 10 bash exited
              3.002   10 bash  ││  10     session 10 loses its controlling terminal pts/3  its leader exited
                               ││  10     its exit orphans group 11               1 member is stopped: SIGHUP, then SIGCONT, to every member
                               ││  10     SIGHUP to group 11: 11 vi               newly orphaned, with a stopped member
              3.003   10 bash  ││  10     SIGCONT to group 11: 11 vi (continues)  newly orphaned, with a stopped member
              3.006   11 vi    ├│  11     dies of SIGHUP
              3.009    1 init  └│  1      reaps 11: group 11 ends (1 process, 3 ms)

            groups       10  bash ×3  was there, lives on  foreground  3 processes  held by zombies alone
                         11  vi       0.006–3.009 ms       foreground  1 process    last member reaped; orphaned at 3.002 ms
                         12  make     0.010 ms, lives on   background  1 process
            sessions     10  bash  was there, lives on  pts/3 (lost)  its leader exited at 3.000 ms
            left behind  10 bash    group 10  session 10  no terminal  zombie   parent unknown
                           12 make  group 12  session 10  no terminal  running  its parent 10 bash exited
            races        none
            findings     2 warnings  6 for information
            warning JC401 stopped-group-orphaned  group 11 was orphaned while it was stopped: the kernel sent it SIGHUP and SIGCONT
              why    10 bash exited and left nobody who could continue it (1 member was stopped); 11 vi died of SIGHUP
              fix    continue or end stopped jobs before the shell ends; nohup for what must live on
              seen   3.000 ms  10 bash dies of SIGKILL
                     3.002 ms  the exit of 10 bash orphans group 11 (1 stopped member)
            warning JC403 leftover-after-root-exit  1 process left behind by 10 bash
              why    the command ended at 3.000 ms; alive: 12 make (in group 12; got no signal)
              fix    wait for them or end their groups before the command ends; a daemon needs a session of its own
              seen   0.008 ms  10 bash forks 12
                     3.000 ms  10 bash dies of SIGKILL
            27 events, none lost
        "]],
    );
}

#[test]
fn a_hangup_of_the_terminal() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        10: ioctl(255,TIOCSPGRP,0,11) = 0 {fg=11}
        11: exec less
        50~5(sshd): SIGHUP -> 10 kernel handler {tty=- old=11}
        50~5(sshd): SIGCONT -> 10 kernel {tty=-}
        10: exit 129
        10: SIGHUP -> 11 kernel {tty=- pp=1}
        10: SIGCONT -> 11 kernel {tty=- pp=1}
        10: dead
        11: exit SIGHUP
        11: dead
        ",
        expect![[r"
                 ms  process     group  what happened
              0.002   10 bash    10     session 10, terminal pts/3, in the foreground
              0.004   10 bash    10     forks 11
              0.006   10 bash ┌  10     setpgid: makes 11 the leader of new group 11
              0.008   10 bash │  10     gives pts/3 to group 11                 foreground 10 → 11
              0.009   11 less ├  11     exec less
              0.010   50 sshd │         session 10 loses its controlling terminal pts/3  it was hung up
                              │         SIGHUP to the session leader: 10 bash (handler)  the terminal is hung up
              0.011   50 sshd │         SIGCONT to the session leader: 10 bash  the terminal is hung up
              0.012   10 bash │  10     exits 129
                              │  10     session 10 goes on without its leader
              0.013   11 less ├  11     is now a child of 1 init                its parent 10 bash exited
              0.013   10 bash │  10     its exit orphans group 11
                              │  10     SIGHUP to group 11: 11 less             its session leader exits; it was in the foreground at the hangup
              0.014   10 bash │  10     SIGCONT to group 11: 11 less            its session leader exits; it was in the foreground at the hangup
              0.016   11 less ├  11     dies of SIGHUP

            groups       10  bash ×2  was there, lives on  foreground  2 processes  held by zombies alone
                         11  less     0.006 ms, lives on   foreground  1 process    held by zombies alone; orphaned at 0.013 ms
            sessions     10  bash  was there, lives on  pts/3 (hung up)  its leader exited at 0.012 ms
            left behind  10 bash  group 10  session 10  no terminal  zombie  parent unknown
                         11 less  group 11  session 10  no terminal  zombie  child of 1 init
            races        none
            findings     none  2 for information
            17 events, none lost
        "]],
    );
}

#[test]
fn what_a_zombie_holds_and_who_reaps_it_by_itself() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        11: exit 7
        11: dead
        @900000000 10: wait4(-1,0) = 11 got 11 exited:7
        10: fork 12 {+autoreap}
        12: exit 0
        12: dead released
        ",
        expect![[r"
                 ms  process     group  what happened
              0.002   10 bash    10     session 10, terminal pts/3, in the foreground
              0.004   10 bash    10     forks 11
              0.006   10 bash ┌  10     setpgid: makes 11 the leader of new group 11
              0.007   11 bash ├  11     exits 7
            900.001   10 bash └  10     reaps 11: group 11 ends (1 process, 899 ms)  zombies alone held it for 899 ms
            900.002   10 bash    10     forks 12
            900.003   12 bash    10     exits 0

            groups       10  bash ×3  was there, lives on  foreground  3 processes
                         11  bash     0.006–900.001 ms     background  1 process    last member reaped
            sessions     10  bash  was there, lives on  pts/3
            left behind  10 bash  group 10  session 10  pts/3  running  parent unknown
            races        none
            findings     none
            13 events, none lost
        "]],
    );
}

#[test]
fn losses_stand_where_they_happened_and_in_the_last_line() {
    check(
        "
        10: fork 11
        #9 @5000000 gap 3 sequence 2000000 5000000 sched_process_exit=2
        #12 @6000000 10: fork 12
        #13 gap 1 late 5000000 6000000
        20: fork 21 {fresh}
        ",
        expect![[r"
                 ms  process   group  what happened
              0.002   10 bash  10     session 10, terminal pts/3, in the foreground
              0.004   10 bash  10     forks 11
              5.000                   3 records are lost  between 2.000 and 5.000 ms: the buffer was full (sched_process_exit 2)
              6.000   10 bash  10     forks 12
              6.001                   1 record is lost    between 5.000 and 6.000 ms: too late to be put in order

            groups       10  bash ×3  was there, lives on  foreground  3 processes
            sessions     10  bash  was there, lives on  pts/3
            left behind  10 bash    group 10  session 10  pts/3  running  parent unknown
                           11 bash  group 10  session 10  pts/3  running  child of 10 bash
                           12 bash  group 10  session 10  pts/3  running  child of 10 bash
            races        none
            findings     none
            8 events, 4 records lost between 2.000 and 6.000 ms (the buffer was full 3, too late to be put in order 1)
        "]],
    );
}

#[test]
fn a_background_process_that_takes_the_terminal_and_an_orphan_that_cannot_be_stopped() {
    check(
        "
        10: fork 11
        10: setpgid(11,11) = 0
        11: > ioctl(0,TIOCSPGRP,0,11)
        11: SIGTTOU -> 11 kernel
        11: < ioctl(0,TIOCSPGRP,0,11) = -512
        11: takes SIGTTOU 128
        11: stops SIGTTOU
        10: fork 12
        12: setsid() = 12
        12: subreaper(1) = 0
        12: pdeathsig(SIGTERM) = 0
        10: SIGTSTP -> 12
        12: takes SIGTSTP 0
        12: ioctl(3,TIOCSCTTY,0,0) = 0 {tty=pts/9 fg=12}
        12: fork 13
        13: setpgid(0,0) = 0
        12: ioctl(3,TIOCSPGRP,0,13) = 0 {fg=13}
        12: > ioctl(3,TIOCNOTTY,0,0)
        12: SIGHUP -> 13 noinfo
        12: SIGCONT -> 13 noinfo
        12: < ioctl(3,TIOCNOTTY,0,0) = 0 {tty=-}
        ",
        expect![[r"
                 ms  process       group  session  what happened
              0.002   10 bash      10     10       session 10, terminal pts/3, in the foreground
              0.004   10 bash      10     10       forks 11
              0.006   10 bash ┌    10     10       setpgid: makes 11 the leader of new group 11
              0.008   11 bash ├    11     10       calls tcsetpgrp on pts/3 from the background: SIGTTOU to group 11: 11 bash  in the foreground: 10 bash
              0.011   11 bash ├    11     10       stops: SIGTTOU
              0.012   10 bash │    10     10       forks 12
              0.014   12 bash │┌   12     12       setsid: leads new session and group 12      leaves pts/3; no controlling terminal
              0.016   12 bash │├   12     12       adopts descendants whose parents exit       PR_SET_CHILD_SUBREAPER
              0.018   12 bash │├   12     12       asks for SIGTERM when its parent exits      PR_SET_PDEATHSIG
              0.019   10 bash ││   10     10       SIGTSTP to 12 bash                          by a call that was not seen: of a 32-bit program, or lost
              0.020   12 bash │├   12     12       SIGTSTP is discarded                        group 12 is orphaned: nobody could continue it
              0.022   12 bash │├   12     12       session 12 gets controlling terminal pts/9  by TIOCSCTTY; in the foreground: 12
              0.023   12 bash │├   12     12       forks 13
              0.025   13 bash ││┌  13     12       setpgid: leads new group 13
              0.027   12 bash │├│  12     12       gives pts/9 to group 13                     foreground 12 → 13
              0.029   12 bash │├│  12     12       SIGHUP to group 13: 13 bash                 its session leader gives up the terminal (TIOCNOTTY)
              0.030   12 bash │├│  12     12       SIGCONT to group 13: 13 bash                its session leader gives up the terminal (TIOCNOTTY)
              0.031   12 bash │├│  12     12       session 12 loses its controlling terminal pts/9  its leader gave it up (TIOCNOTTY)

            groups       10  bash ×3  was there, lives on  foreground  3 processes
                         11  bash     0.006 ms, lives on   background  1 process
                         12  bash ×2  0.014 ms, lives on   foreground  2 processes
                         13  bash     0.025 ms, lives on   foreground  1 process
            sessions     10  bash  was there, lives on  pts/3
                         12  bash  0.014 ms, lives on   pts/9 (given up)
            left behind  10 bash      group 10  session 10  pts/3        running             parent unknown
                           11 bash    group 11  session 10  pts/3        stopped by SIGTTOU  child of 10 bash
                           12 bash    group 12  session 12  no terminal  running             child of 10 bash
                             13 bash  group 13  session 12  no terminal  running             child of 12 bash
            races        none
            findings     1 error  1 warning  1 for information
            warning JC307 stop-signal-discarded  SIGTSTP to 12 bash was discarded: it goes on
              why    group 12 is orphaned: it is the group of session leader 12 bash, whose parent is outside of the session
              fix    SIGSTOP would stop it; a shell must run the job in a group of its own and stay its parent
              seen   0.019 ms  SIGTSTP to 12 bash: sent by 10 bash with a call that was not seen
                     0.020 ms  12 bash takes SIGTSTP, and goes on
            error JC202 background-control-stop  11 bash was stopped by SIGTTOU
              why    it called tcsetpgrp on pts/3 (fd 0) from background group 11; in the foreground was 10 bash
              fix    ignore or block SIGTTOU around tcsetpgrp, or let the process that has the terminal make the call
              seen   0.008 ms  SIGTTOU to 11 bash: from the kernel, because it used its terminal from the background
                     0.011 ms  11 bash is stopped by SIGTTOU
            31 events, none lost
        "]],
    );
}
