//! A daemon still holds a terminal, or a pipe of its launcher, as its standard input or output.
//!
//! setsid takes the controlling terminal away and leaves the descriptors. As long as the daemon holds one, the terminal or the
//! pipe cannot end: a login over ssh does not close, `$(command)` waits for ever, and what the daemon writes lands in somebody
//! else's screen or fails with SIGPIPE.
//!
//! **Fix.** Open 0, 1 and 2 again on `/dev/null` or a log: `</dev/null >>LOG 2>&1`.
//!
//! **Not a problem** where whoever reads the pipe is the supervisor that started it, or a socket was handed over on purpose, as
//! inetd does: sockets are not reported, and a pipe whose launcher still lives and is its parent is information.
//!
//! Source: daemon(7), System V daemons, step 9.

use super::{super::detachment::Inspected, prelude::*};
use crate::event::inspection::{Descriptor, Target};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(StandardStreams)
}

struct StandardStreams;

impl Watch for StandardStreams {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(now.inspected().and_then(|inspected| draft(now, inspected)));
    }
}

fn draft(now: &Now<'_>, inspected: Inspected<'_>) -> Option<Draft> {
    let process = now.model.process(inspected.process)?;
    // What has the terminal as its controlling one is a job, and another rule's.
    let foreign = |tty: &Descriptor| matches!(tty.target, Target::Terminal(_)) && process.tty.is_none();
    let held = |open: &&Descriptor| open.number < 3 && (foreign(open) || open.target == Target::Pipe && (inspected.inherited(open).is_some() || inspected.is_pipe_of_origin(open)));
    let held: Vec<&Descriptor> = inspected.open().iter().filter(held).collect();
    let first = held.first()?;
    let supervised = process.parent.is_some_and(|parent| Some(parent) == inspected.origin.map(|origin| origin.process));
    let severity = if supervised && first.target == Target::Pipe { Severity::Info } else { Severity::Warning };
    let each = Words::list(held.iter().map(|open| say!["fd ", open.number, " ", Word::Bytes(open.path.clone())]));
    let fact = say![now.name(inspected.process), " still holds ", each];
    let why = if matches!(first.target, Target::Terminal(_)) {
        say!["it has no controlling terminal, and the descriptor keeps the terminal: whoever waits for its end waits for this process"]
    } else {
        say!["its launcher", inspected.origin.map(|origin| say![" ", now.name(origin.process)]), " handed the pipe on: whoever reads it to the end waits for this process"]
    };
    Some(
        Draft::of(now, inspected.process, severity, fact)
            .why(why)
            .fix(say!["open 0, 1 and 2 again on /dev/null or a log: </dev/null >>LOG 2>&1"])
            .seen(now.memory.life(inspected.process)?.forked.clone())
            .seen([now.read(inspected.process)]),
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::{check, ids};

    const DAEMON: &str = "
        10: fork 11
        inspected 11 launch fd=0:136,0,7:9:3:rw:/dev/pts/0 fd=1:pipe:10:77:w:pipe:[77] status=
        11: exec logger
        11: fork 12
        12: setsid() = 12 {tty=-}
        11: exit 0
        11: dead
        @1000000000 12: takes SIGWINCH 0 handler
    ";

    #[test]
    fn a_terminal_and_the_launchers_pipe_are_kept() {
        check(
            &format!("{DAEMON}inspected 12 settled fd=0:136,0,7:9:3:rw:/dev/pts/0 fd=1:pipe:10:77:w:pipe:[77] fd=2:null:6:4:rw:/dev/null"),
            expect![[r"
                warning JC504 stdio-not-detached @1000001000: 12 logger still holds fd 0 /dev/pts/0, fd 1 pipe:[77]
                  why   it has no controlling terminal, and the descriptor keeps the terminal: whoever waits for its end waits for this process
                  fix   open 0, 1 and 2 again on /dev/null or a log: </dev/null >>LOG 2>&1
                  seen  #8 11 logger forks 12
                  seen  #14 /proc of 12 logger is read
                info too-early JC502 still-session-leader @1000001000: 12 logger runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #10 12 logger: setsid, leads new session and group 12
                  seen  #11 11 logger exits 0
            "]],
        );
    }

    #[test]
    fn the_other_end_may_be_closed_by_an_exec_of_the_launcher() {
        let reads = DAEMON.replace("fd=1:pipe:10:77:w:pipe:[77]", "fd=5:pipe:10:77:r+:pipe:[77]");
        assert_ne!(reads, DAEMON);
        let held = "fd=0:null:6:4:r:/dev/null fd=1:pipe:10:77:w:pipe:[77]";
        assert_eq!(ids(&format!("{reads}inspected 12 settled {held}")), ["JC504", "JC502"]);
    }

    #[test]
    fn a_pipe_of_its_own_is_not_its_launchers() {
        let own = "fd=0:null:6:4:r:/dev/null fd=1:pipe:10:99:w:pipe:[99]";
        assert_eq!(ids(&format!("{DAEMON}inspected 12 settled {own}")), ["JC502"]);
    }
}
