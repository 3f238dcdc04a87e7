//! A process in the background changed its terminal, or took it, and its process group was stopped.
//!
//! Changing the terminal (tcsetattr, tcsetpgrp, tcflush and the like), or writing to it under `stty tostop`, is for the
//! foreground process group. From the background the kernel sends SIGTTOU to the whole group of the caller, and by default
//! every member stops inside the call, before it has had any effect. Who waits for one of them hangs: no error is returned to
//! anybody. Programs that restore the terminal when they end, and children that take the terminal before exec, are the usual
//! ones.
//!
//! **Fix.** Ignore or block SIGTTOU around the call; or give the job the terminal first (`tcsetpgrp` by the foreground);
//! or run the program in a session of its own (`setsid`), where it has no terminal to change.
//! `timeout` has `--foreground` for this.
//!
//! **Not a problem** when it is continued within two seconds, as job-control shells do on purpose at start: information only.
//!
//! Source: POSIX.1-2024 XBD 11.1.4; `drivers/tty/tty_jobctrl.c`, `__tty_check_change`.

use super::{super::background::{BackgroundStop, BackgroundStops, Outcome}, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(BackgroundControl(BackgroundStops::of(Signal::TTOU)))
}

struct BackgroundControl(BackgroundStops);

impl Watch for BackgroundControl {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.event(now).into_iter().map(|(stop, outcome)| draft(now, stop, outcome, now.at)));
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now).into_iter().map(|(stop, at)| draft(now, stop, Outcome::Stopped, at).until(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.end().into_iter().map(|(stop, at)| draft(now, stop, Outcome::Stopped, at).until(at)));
    }
}

fn draft(now: &Now<'_>, stop: BackgroundStop, outcome: Outcome, at: BootNs) -> Draft {
    let then = match outcome {
        Outcome::Stopped => say![],
        Outcome::Continued => say![", and was continued ", Span(at.since(stop.at)), " later"],
        Outcome::Ended => say![", and never went on"],
    };
    let blocks = now.hangs(stop.by);
    let blocks = if blocks.is_empty() { blocks } else { say!["; ", blocks] };
    let others = stop.stopped.iter().filter(|process| **process != stop.by).map(|process| say![now.name(*process)]);
    let others = Words::list(others);
    let with = if others.is_empty() { others } else { say![", and with it ", others] };
    let leader = Pid(stop.group.number.0);
    let timeout = now.model.process_by_pid(leader).is_some_and(|leader| leader.comm.0 == b"timeout");
    let fix = if timeout {
        "timeout --foreground: without it, timeout takes what it runs out of the foreground"
    } else if stop.is_tcsetpgrp() {
        "ignore or block SIGTTOU around tcsetpgrp, or let the process that has the terminal make the call"
    } else {
        "ignore or block SIGTTOU around the call, give the job the terminal first, or run it in its own session (setsid)"
    };
    let severity = if outcome == Outcome::Continued { Severity::Info } else { Severity::Error };
    let draft = Draft::of(now, stop.by, severity, say![now.name(stop.by), " was stopped by SIGTTOU", with, then])
        .why(say![stop.cause(Signal::TTOU), blocks])
        .fix(say![fix])
        .about(stop.stopped)
        .seen(stop.evidence)
        .at(at);
    if outcome == Outcome::Continued { draft } else { draft.since(stop.seq) }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_child_that_takes_the_terminal_before_exec_hangs_who_waits_for_it() {
        check(
            "
            10: fork 11 {tty=pts/0}
            10: > wait4(11,0)
            11: setpgid(0,0) = 0
            11: > ioctl(0,TIOCSPGRP,0,11)
            11: SIGTTOU -> 11 kernel
            11: < ioctl(0,TIOCSPGRP,0,11) = -512
            11: stops SIGTTOU
            @3000000000 50: takes SIGWINCH 0 handler
            ",
            expect![[r"
                info JC309 signal-attribution @100012000: 11 bash was stopped by SIGTTOU
                  why   from the kernel, because it used its terminal from the background
                  fix   fg in its shell; kill -CONT alone lets it stop again at the next change of the terminal
                  seen  #10 SIGTTOU to 11 bash: from the kernel, because it used its terminal from the background
                  seen  #12 11 bash is stopped by SIGTTOU
                error JC202 background-control-stop @2000010000: 11 bash was stopped by SIGTTOU
                  why   it called tcsetpgrp on pts/0 (fd 0) from background group 11; in the foreground was 10 bash; 10 bash waits for it to end, and hangs
                  fix   ignore or block SIGTTOU around tcsetpgrp, or let the process that has the terminal make the call
                  seen  #10 SIGTTOU to 11 bash: from the kernel, because it used its terminal from the background
                  seen  #12 11 bash is stopped by SIGTTOU
            "]],
        );
    }

    #[test]
    fn what_stops_it_again_is_what_stopped_it() {
        check(
            "
            10: fork 11 {tty=pts/0}
            11: setpgid(0,0) = 0
            11: > write(1)
            11: SIGTTOU -> 11 kernel
            11: < write(1) = -512
            11: stops SIGTTOU
            ",
            expect![[r"
                info too-early JC202 background-control-stop @11000: 11 bash was stopped by SIGTTOU
                  why   it wrote to pts/0 (fd 1) under `stty tostop` from background group 11; in the foreground was 10 bash
                  fix   ignore or block SIGTTOU around the call, give the job the terminal first, or run it in its own session (setsid)
                  seen  #9 SIGTTOU to 11 bash: from the kernel, because it used its terminal from the background
                  seen  #11 11 bash is stopped by SIGTTOU
                info JC309 signal-attribution @11000: 11 bash was stopped by SIGTTOU
                  why   from the kernel, because it used its terminal from the background
                  fix   fg in its shell; kill -CONT alone lets it stop again at the next write
                  seen  #9 SIGTTOU to 11 bash: from the kernel, because it used its terminal from the background
                  seen  #11 11 bash is stopped by SIGTTOU
            "]],
        );
    }

    #[test]
    fn who_ignores_sigttou_is_not_stopped() {
        check(
            "
            10: fork 11 {tty=pts/0 +ttou}
            11: setpgid(0,0) = 0
            11: ioctl(0,TIOCSPGRP,0,11) = 0
            @3000000000 50: takes SIGWINCH 0 handler
            ",
            expect![[""]],
        );
    }
}
