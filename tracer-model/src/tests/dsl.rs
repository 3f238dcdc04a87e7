//! The language itself.

use crate::dsl::{parse, write};

#[test]
fn a_history_survives_writing_and_reading() {
    let text = "
        snapshot 1 init {pp=0 +leader}
        snapshot 10 bash -i {pp=1 +leader tty=pts/3 fg=10 uid=1000 cgroup=77}
        snapshot-end from=1
        %1 10(ba sh): fork 11 {ns=4026531836/1/2}
        11: exec.. old=12 /bin/x:y a {comm=x:1b5b306d}
        10: kill(-11,SIGTERM) = 0
        #40 @90000 10: SIGTERM -> 11 code=-6 thread pending handler blocked taken
        11/12: takes SIGTERM -6 handler {fresh on=11/12}
        10: < wait4(-1,2) = 11 got 11 killed:SIGTERM waitable {hidden=3@4000}
        10: setpgid?(99,99) = -3
        gap 3 sequence 1000 2000 exit=2
        clock -5
        11: exit SIGTERM {sf=4 gcode=15}
        11: dead released
        freed 11
        10: vhangup() = 0 {nobody}
    ";
    let events = parse(&text.replace("ba sh", "x:62612073")).unwrap();
    let written = write(&events);
    assert_eq!(parse(&written).map(|read| read.len()), Ok(events.len()));
    for (read, event) in parse(&written).unwrap().iter().zip(&events) {
        assert_eq!(read, event, "{written}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let error = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(error("\n10: fork 11"), "line 2: process 10 is not there");
    assert_eq!(error("snapshot 10 x {teapot=1}"), "line 1: no fact is called \"teapot\"");
    assert_eq!(error("10: sings"), "line 1: no event is written \"sings\"");
    assert_eq!(error("10: setpgid(1) = 0"), "line 1: no call is written \"setpgid(1)\"");
    assert_eq!(error("10: SIGFOO -> 11"), "line 1: \"SIGFOO\" is no signal");
}
