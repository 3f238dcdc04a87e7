//! tcsetpgrp failed: the terminal keeps the foreground process group that it had.
//!
//! The errno alone misleads. ESRCH: no process and no group has the number. EPERM: it is in another session. ENOTTY: the
//! descriptor is not the caller's controlling terminal, or (on Linux) the caller's own group is orphaned and in the
//! background, of which POSIX says nothing.
//!
//! **Fix.** Give the terminal to a group while it lives, before its members are waited for; take it back before the process
//! that watches over the job ends.
//!
//! **Not a problem** when a process without a controlling terminal asks at start, or a shell one whose descriptor leads
//! elsewhere (a script with `set -m` and its errors in a file): information only.
//!
//! Source: POSIX.1-2024 tcsetpgrp; `drivers/tty/tty_jobctrl.c`, `tiocspgrp`, `__tty_check_change`.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(TcsetpgrpFailed)
}

struct TcsetpgrpFailed;

const EBADF: i32 = 9;

impl Watch for TcsetpgrpFailed {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let Some(refused) = now.refused() else { return };
        let Call::TtyIoctl { request: TtyRequest::SetForeground, value, .. } = refused.call else { return };
        let caller = now.model.process(refused.caller);
        let mut seen = vec![refused.evidence];
        let (severity, why, fix) = match refused.reason {
            Refusal::NoSuchGroup => (Severity::Error, say!["there is no process group ", value], Fix::WhileItLives),
            Refusal::GroupEnded { group, ended } => {
                let last = now.last_of(group);
                seen.extend(last.into_iter().flat_map(|life| life.exited.iter().chain(&life.reaped)).cloned());
                let last = last.map(|life| say![": its last member ", now.name(life.key), " was reaped"]);
                let ago = say![" ", Span(refused.began.since(ended.until)), " before this call"];
                (Severity::Error, say!["group ", group, " had ended", ago, last], Fix::WhileItLives)
            }
            Refusal::OtherSession => {
                let group = now.model.group_by_pgid(Pgid(value.unsigned_abs()));
                let session = group.map(|group| say![", but in session ", group.session]);
                (Severity::Error, say!["group ", value, " is not in the caller's session", session], Fix::OwnSession)
            }
            Refusal::OrphanedBackground => {
                let group = caller.and_then(|caller| caller.group);
                let orphaned = group.and_then(|group| now.memory.orphaned(group)).cloned();
                let by = orphaned.as_ref().map(|orphaned| say![": ", orphaned.text()]);
                seen.extend(orphaned);
                let group = group.map(|group| say!["its own group ", group]);
                let why = say![group, " is orphaned and in the background, where the kernel refuses instead of stopping", by];
                (Severity::Error, why, Fix::Orphaned)
            }
            Refusal::NotControllingTty if caller.is_some_and(|caller| caller.tty.is_none()) => {
                (Severity::Info, say!["the caller has no controlling terminal"], Fix::NoTerminal)
            }
            Refusal::NotControllingTty => {
                // A shell that runs a script with `set -m` tries the descriptor of its errors, wherever that leads.
                let severity = if now.is_shell(refused.caller) { Severity::Info } else { Severity::Warning };
                (severity, say!["that descriptor is not the caller's controlling terminal"], Fix::DevTty)
            }
            Refusal::Invalid if refused.errno == EBADF => {
                (Severity::Warning, say!["that descriptor is not open"], Fix::DevTty)
            }
            Refusal::Invalid => (Severity::Warning, say![value, " is no number of a process group"], Fix::WhileItLives),
            _ => return,
        };
        let fact = say![now.name(refused.caller), ": ", refused.call, " failed: ", Errno(refused.errno)];
        out.push(Draft::of(now, refused.caller, severity, fact).why(why).fix(fix.words()).seen(seen));
    }
}

enum Fix {
    WhileItLives,
    OwnSession,
    Orphaned,
    NoTerminal,
    DevTty,
}

impl Fix {
    fn words(&self) -> Words {
        match self {
            Self::WhileItLives => say!["give the terminal to the group before its members are waited for"],
            Self::OwnSession => say!["only groups of the terminal's session can be in its foreground: do not call setsid in the job"],
            Self::Orphaned => say!["exit: without a parent in its session that group can never have the terminal again"],
            Self::NoTerminal => say!["nothing, unless job control is wanted: then run it on a terminal (script, docker -t, setsid -c)"],
            Self::DevTty => say!["call it on /dev/tty"],
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_group_that_has_ended_is_an_error() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: exit 0
            11: dead
            10: wait4(-1,0) = 11 got 11 exited:0
            10: ioctl(255,TIOCSPGRP,0,11) = -3
            ",
            expect![[r"
                error JC203 tcsetpgrp-failed @13000: 10 bash: TtyIoctl { fd: 255, request: SetForeground, arg: 0, value: 11 } failed: errno 3
                  why   group 11 had ended 1000 ns before this call: its last member 11 bash was reaped
                  fix   give the terminal to the group before its members are waited for
                  seen  #8 11 bash exits 0
                  seen  #11 10 bash reaps 11 bash
                  seen  #13 10 bash: TtyIoctl { fd: 255, request: SetForeground, arg: 0, value: 11 } = errno 3
            "]],
        );
    }

    #[test]
    fn an_orphaned_background_group_is_told_so() {
        check("10: takes SIGWINCH 0 handler {fg=77}\n10: ioctl(255,TIOCSPGRP,0,10) = -25\n", expect![[r"
            error JC203 tcsetpgrp-failed @7000: 10 bash: TtyIoctl { fd: 255, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   its own group 10 is orphaned and in the background, where the kernel refuses instead of stopping
              fix   exit: without a parent in its session that group can never have the terminal again
              seen  #7 10 bash: TtyIoctl { fd: 255, request: SetForeground, arg: 0, value: 10 } = errno 25
        "]]);
    }

    #[test]
    fn who_has_no_terminal_and_asks_is_information_and_success_is_nothing() {
        check("50: ioctl(0,TIOCSPGRP,0,50) = -25\n10: ioctl(0,TIOCSPGRP,0,10) = 0\n", expect![[r"
            info JC203 tcsetpgrp-failed @6000: 50 tmux: TtyIoctl { fd: 0, request: SetForeground, arg: 0, value: 50 } failed: errno 25
              why   the caller has no controlling terminal
              fix   nothing, unless job control is wanted: then run it on a terminal (script, docker -t, setsid -c)
              seen  #6 50 tmux: TtyIoctl { fd: 0, request: SetForeground, arg: 0, value: 50 } = errno 25
        "]]);
    }
}
