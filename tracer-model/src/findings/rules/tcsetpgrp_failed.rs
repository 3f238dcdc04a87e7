//! tcsetpgrp failed: the terminal keeps the foreground process group that it had.
//!
//! The errno alone misleads. ESRCH: no process and no group has the number. EPERM: it is in another session. ENOTTY: the
//! descriptor is not the caller's controlling terminal, or (on Linux) the caller's own group is orphaned and in the
//! background, of which POSIX says nothing.
//!
//! **Fix.** Give the terminal to a group while it lives, before its members are waited for; take it back before the process
//! that watches over the job ends.
//!
//! **Not a problem** when a process without a controlling terminal asks at start, as under cron, in CI or in docker without
//! -t, or a shell one whose descriptor leads elsewhere (a script with `set -m` and its errors in a file): information only.
//!
//! Source: POSIX.1-2024 tcsetpgrp; `drivers/tty/tty_jobctrl.c`, `tiocspgrp`, `__tty_check_change`.

use super::prelude::*;
use crate::event::{Inspection, inspection::Moment};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<TcsetpgrpFailed>::default()
}

/// Calls of which it is not known yet what their descriptor is, by caller.
#[derive(Default)]
struct TcsetpgrpFailed(Waiting<ProcKey, Vec<Elsewhere>>);

/// Calls of one caller that are kept.
const MANY: usize = 16;

/// A call whose descriptor is not the controlling terminal of the caller.
struct Elsewhere {
    caller: ProcKey,
    descriptor: i32,
    severity: Severity,
    fact: Words,
    why: Words,
    fix: Fix,
    evidence: Evidence,
}

/// How long a look at the descriptors is waited for.
const LOOK: u64 = SECOND;

const EBADF: i32 = 9;

impl Watch for TcsetpgrpFailed {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        self.looked(now, out);
        let Some(refused) = now.refused() else { return };
        let Call::TtyIoctl { fd, request: TtyRequest::SetForeground, value, .. } = refused.call else { return };
        let caller = now.model.process(refused.caller);
        let fact = say![now.name(refused.caller), ": ", refused.call, " failed: ", Errno(refused.errno)];
        if refused.reason == Refusal::NotControllingTty {
            let inside = caller.and_then(|caller| caller.namespace.zip(caller.group));
            let inside = inside.filter(|(inside, group)| inside.pgid.0 == value.unsigned_abs() && inside.pgid.0 != group.number.0);
            let fact = say![fact, inside.map(|(inside, group)| say![" (group ", group, ", which is ", inside.pgid.0, " inside)"])];
            let elsewhere = Elsewhere::of(now, (refused.caller, fd), fact, refused.evidence);
            let before = now.memory.life(refused.caller).and_then(|life| life.inspected(Moment::Refused));
            // One that is not in it may have been opened since: it is looked at again.
            let has = |look: &&Inspection| u32::try_from(fd).is_ok_and(|fd| look.descriptor(fd).is_some());
            if let Some(before) = before.filter(has) {
                out.push(elsewhere.draft(now, Some(before)));
                return;
            }
            match self.0.get_mut(refused.caller) {
                Some(calls) if calls.len() < MANY => calls.push(elsewhere),
                Some(_) => out.push(elsewhere.draft(now, None)),
                None => self.0.put(refused.caller, after(now.at, LOOK), vec![elsewhere]),
            }
            return;
        }
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
                let by = orphaned.as_ref().map(|orphaned| say![" (", orphaned.text(), " at ", orphaned.at, ")"]);
                seen.extend(orphaned);
                let group = group.map(|group| say!["its own group ", group]);
                let why = say![group, " is in the background and orphaned", by, ", where the kernel refuses instead of stopping the caller"];
                (Severity::Error, why, Fix::Orphaned)
            }
            Refusal::Invalid if refused.errno == EBADF => {
                (Severity::Warning, say!["that descriptor is not open"], Fix::DevTty)
            }
            Refusal::Invalid => (Severity::Warning, say![value, " is no number of a process group"], Fix::WhileItLives),
            _ => return,
        };
        out.push(Draft::of(now, refused.caller, severity, fact).why(why).fix(fix.words()).seen(seen));
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (_, at, calls) in self.0.due(now.at) {
            out.extend(calls.into_iter().map(|call| call.draft(now, None).at(at)));
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.drain().flat_map(|(_, calls)| calls).map(|call| call.draft(now, None)));
    }
}

impl TcsetpgrpFailed {
    /// The descriptors of a caller were read, or it has ended or executed another program.
    fn looked(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let ended = now.changes().find_map(|change| match *change {
            Change::Exited { process, .. } | Change::Executed { process } => Some(process),
            _ => None,
        });
        let look = match now.event.map(|event| &event.kind) {
            Some(EventKind::Inspected(look)) if look.moment == Moment::Refused => Some(&**look),
            _ => None,
        };
        if let Some(caller) = ended.or(now.delta.subject.filter(|_| look.is_some())) {
            let decided = self.0.take(caller).into_iter().flatten();
            out.extend(decided.map(|call| call.draft(now, look)));
        }
    }
}

impl Elsewhere {
    fn of(now: &Now<'_>, (caller, descriptor): (ProcKey, i32), fact: Words, evidence: Evidence) -> Self {
        let (severity, why, fix) = if now.model.process(caller).is_some_and(|caller| caller.tty.is_none()) {
            (Severity::Info, say!["the caller has no controlling terminal, as under cron, in CI or in docker without -t"], Fix::NoTerminal)
        } else {
            // A shell that runs a script with `set -m` tries the descriptor of its errors, wherever that leads.
            let severity = if now.is_shell(caller) { Severity::Info } else { Severity::Warning };
            (severity, say!["that descriptor is not the caller's controlling terminal"], Fix::DevTty)
        };
        Self { caller, descriptor, severity, fact, why, fix, evidence }
    }

    /// `look`: at the descriptors of the caller, soon after, or after such a call before.
    fn draft(self, now: &Now<'_>, look: Option<&Inspection>) -> Draft {
        let Self { caller, descriptor, severity, fact, why, fix, evidence } = self;
        let number = u32::try_from(descriptor).ok();
        let what = number.zip(look).map(|(number, look)| say!["; ", now.descriptor(look, number, caller)]);
        let what = what.unwrap_or_else(|| say!["; it is not known what fd ", descriptor, " refers to"]);
        let just_read = now.event.is_some_and(|event| matches!(event.kind, EventKind::Inspected(_)));
        let read = just_read.then(|| now.read(caller));
        Draft::of(now, caller, severity, fact).why(say![why, what]).fix(fix.words()).seen([evidence]).seen(read)
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
              why   its own group 10 is in the background and orphaned, where the kernel refuses instead of stopping the caller
              fix   exit: without a parent in its session that group can never have the terminal again
              seen  #7 10 bash: TtyIoctl { fd: 255, request: SetForeground, arg: 0, value: 10 } = errno 25
        "]]);
    }

    #[test]
    fn what_the_descriptor_is_is_told_when_it_was_seen() {
        let call = "10: ioctl(7,TIOCSPGRP,0,10) = -25\n";
        check(&format!("{call}inspected 10 refused fd=7:file:8:9:w:/tmp/log"), expect![[r"
            info JC203 tcsetpgrp-failed @7000: 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   that descriptor is not the caller's controlling terminal; fd 7 is /tmp/log, which is no terminal
              fix   call it on /dev/tty
              seen  #6 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } = errno 25
              seen  #7 /proc of 10 bash is read
        "]]);
        check(&format!("{call}inspected 10 refused fd=7:136,9,0:9:3:rw:/dev/pts/9"), expect![[r"
            info JC203 tcsetpgrp-failed @7000: 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   that descriptor is not the caller's controlling terminal; fd 7 is pts/9, which is not the controlling terminal of its session
              fix   call it on /dev/tty
              seen  #6 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } = errno 25
              seen  #7 /proc of 10 bash is read
        "]]);
        check(&format!("{call}10: exit 0\n"), expect![[r"
            info JC203 tcsetpgrp-failed @7000: 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   that descriptor is not the caller's controlling terminal; it is not known what fd 7 refers to
              fix   call it on /dev/tty
              seen  #6 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } = errno 25
        "]]);
    }

    #[test]
    fn a_look_is_of_the_program_and_the_descriptors_that_it_saw() {
        let seen = "10: ioctl(7,TIOCSPGRP,0,10) = -25\ninspected 10 refused fd=7:file:8:9:w:/tmp/log\n";
        check(&format!("{seen}10: exec /bin/cat\n10: ioctl(7,TIOCSPGRP,0,10) = -25\n"), expect![[r"
            info JC203 tcsetpgrp-failed @7000: 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   that descriptor is not the caller's controlling terminal; fd 7 is /tmp/log, which is no terminal
              fix   call it on /dev/tty
              seen  #6 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } = errno 25
              seen  #7 /proc of 10 bash is read
            warning JC203 tcsetpgrp-failed @10000: 10 cat: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   that descriptor is not the caller's controlling terminal; it is not known what fd 7 refers to
              fix   call it on /dev/tty
              seen  #10 10 cat: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } = errno 25
        "]]);
        check(&format!("{seen}10: ioctl(8,TIOCSPGRP,0,10) = -25\n10: exit 0\n"), expect![[r"
            info JC203 tcsetpgrp-failed @7000: 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   that descriptor is not the caller's controlling terminal; fd 7 is /tmp/log, which is no terminal
              fix   call it on /dev/tty
              seen  #6 10 bash: TtyIoctl { fd: 7, request: SetForeground, arg: 0, value: 10 } = errno 25
              seen  #7 /proc of 10 bash is read
            info JC203 tcsetpgrp-failed @10000: 10 bash: TtyIoctl { fd: 8, request: SetForeground, arg: 0, value: 10 } failed: errno 25
              why   that descriptor is not the caller's controlling terminal; it is not known what fd 8 refers to
              fix   call it on /dev/tty
              seen  #9 10 bash: TtyIoctl { fd: 8, request: SetForeground, arg: 0, value: 10 } = errno 25
        "]]);
    }

    #[test]
    fn who_has_no_terminal_and_asks_is_information_and_success_is_nothing() {
        check("50: ioctl(0,TIOCSPGRP,0,50) = -25\n10: ioctl(0,TIOCSPGRP,0,10) = 0\n", expect![[r"
            info JC203 tcsetpgrp-failed @8000: 50 tmux: TtyIoctl { fd: 0, request: SetForeground, arg: 0, value: 50 } failed: errno 25
              why   the caller has no controlling terminal, as under cron, in CI or in docker without -t; it is not known what fd 0 refers to
              fix   nothing, unless job control is wanted: then run it on a terminal (script, docker -t, setsid -c)
              seen  #6 50 tmux: TtyIoctl { fd: 0, request: SetForeground, arg: 0, value: 50 } = errno 25
        "]]);
    }
}
