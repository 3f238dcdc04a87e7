//! Refused calls: the errno, and what it means in this state.

use expect_test::expect;

use super::timeline;

/// The lines about refusals, without times.
fn refusals(history: &str) -> String {
    let text = timeline(history);
    let refused = text.lines().filter(|line| line.contains("): E"));
    refused.flat_map(|line| [line.get(9..).unwrap_or_default().trim_start(), "\n"]).collect()
}

#[test]
fn every_refusal_says_why() {
    let text = refusals(
        "
        10: fork 11
        11: setpgid(0,0) = 0
        11: setsid() = -1
        10: fork 12
        12: setpgid(0,11) = 0
        12: setsid() = 12
        12: setpgid(0,11) = -1
        12: setsid() = -1
        10: setpgid(12,11) = -1
        10: fork 13
        10: setpgid(13,14) = -1
        10: setpgid?(999,0) = -3
        13: exec sh
        10: setpgid(13,13) = -13
        10: fork 14
        14: setpgid(0,0) = 0
        14: exit 0
        14: dead
        10: wait4(-1,0) = 14 got 14 exited:0
        @900000 10: setpgid(13,14) = -1
        10: setpgid?(14,14) = -3
        10: kill(-14,SIGTERM) = -3
        10: ioctl(255,TIOCSPGRP,0,14) = -3
        12: ioctl(0,TIOCSPGRP,0,12) = -25
        13: ioctl(0,TIOCSCTTY,0,0) = -1
        10: setpgid(0,-5) = -22
        ",
    );
    expect![[r#"
         11 bash ├    11     10       setsid(): EPERM                         11 leads a process group, and may not leave it: fork first
         12 bash │├   12     12       setpgid(0, 11): EPERM                   12 is a session leader, which stays where it is
         12 bash │├   12     12       setsid(): EPERM                         12 is a session leader, which stays where it is
         10 bash ││   10     10       setpgid(12, 11): EPERM                  12 is a session leader, which stays where it is
         10 bash ││   10     10       setpgid(13, 14): EPERM                  there is no group 14
         10 bash ││   10     10       setpgid(999, 0): ESRCH                  that is neither the caller nor a child of it
         10 bash ││   10     10       setpgid(13, 13): EACCES                 13 had executed a program already, and stays in group 10
         10 bash ││   10     10       setpgid(13, 14): EPERM                  group 14 has ended, 867 µs before: its last member was reaped or moved away
         10 bash ││   10     10       setpgid(14, 14): ESRCH                  that child has been reaped
         10 bash ││   10     10       kill(-14, SIGTERM): ESRCH               group 14 has ended, 871 µs before: its last member was reaped or moved away
         10 bash ││   10     10       tcsetpgrp(fd 255, 14): ESRCH            group 14 has ended, 873 µs before: its last member was reaped or moved away
         12 bash │├   12     12       tcsetpgrp(fd 0, 12): ENOTTY             that is not its controlling terminal
         13 sh   ││   10     10       ioctl(fd 0, TIOCSCTTY): EPERM           only a session leader may, and it is none
         10 bash ││   10     10       setpgid(0, -5): EINVAL                  the arguments are invalid
    "#]].assert_eq(&text);
}
