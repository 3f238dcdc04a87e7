//! Ctrl-Z (or another stop signal) did nothing: the kernel discards it in an orphaned process group.
//!
//! A group in which no member has a parent in another group of the same session is orphaned: if it stopped, nobody could
//! continue it. So the default action of SIGTSTP, SIGTTIN and SIGTTOU does not happen there. The group of a session leader is
//! always orphaned: a shell that runs its jobs in its own group loses Ctrl-Z, and so does the first program of a terminal.
//!
//! **Fix.** A shell has to put each job into a group of its own (setpgid) and stay the parent of one of its members. SIGSTOP
//! is never discarded.
//!
//! **Not a problem** never: somebody asked for a stop that did not happen.
//!
//! Source: POSIX.1-2024 XSH 2.4.3; `kernel/signal.c`, `get_signal`.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(StopDiscarded)
}

struct StopDiscarded;

impl Watch for StopDiscarded {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let Some(EventKind::SignalDelivered { signal, disposition: Disposition::Default, .. }) =
            now.event.map(|event| &event.kind)
        else {
            return;
        };
        let Some(process) = now.delta.by.filter(|_| signal.stops() && *signal != Signal::STOP) else { return };
        let Some(group) = now.group_of(process).and_then(|group| now.model.group(group)) else { return };
        if !group.is_orphaned() {
            return;
        }
        let leads = group.leader.and_then(|leader| now.model.process(leader)).filter(|leader| leader.facts.session_leader);
        let orphaned = now.memory.orphaned(group.key).cloned();
        let why = match (leads, &orphaned) {
            (Some(leader), _) => say![": it is the group of session leader ", now.name(leader.key), ", whose parent is outside of the session"],
            (None, Some(orphaned)) => say![": ", orphaned.text()],
            (None, None) => say![": no member has a parent in another group of the session"],
        };
        let sent = now.last_received(process, |received| received.signal.signal == *signal);
        let delivered = now.evidence(say![now.name(process), " takes ", *signal, ", and goes on"]);
        out.push(
            Draft::of(now, process, Severity::Warning, say![*signal, " to ", now.name(process), " was discarded: it goes on"])
                .why(say!["group ", group.key, " is orphaned", why])
                .fix(say!["SIGSTOP would stop it; a shell must run the job in a group of its own and stay its parent"])
                .seen(orphaned)
                .seen(sent.map(|sent| sent.evidence.clone()))
                .seen([delivered]),
        );
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_job_in_the_shells_own_group_does_not_stop() {
        check(
            "
            10: fork 11 {tty=pts/0}
            11: exec vi
            77(kworker): SIGTSTP -> 11 kernel
            11: takes SIGTSTP 128
            ",
            expect![[r"
                warning JC307 stop-signal-discarded @8000: SIGTSTP to 11 vi was discarded: it goes on
                  why   group 10 is orphaned: it is the group of session leader 10 bash, whose parent is outside of the session
                  fix   SIGSTOP would stop it; a shell must run the job in a group of its own and stay its parent
                  seen  #7 SIGTSTP to 11 vi: Ctrl-Z typed at pts/0, to its foreground group
                  seen  #8 11 vi takes SIGTSTP, and goes on
            "]],
        );
    }

    #[test]
    fn a_job_in_its_own_group_stops() {
        check(
            "
            10: fork 11 {tty=pts/0}
            11: setpgid(0,0) = 0
            10: ioctl(255,TIOCSPGRP,0,11) = 0
            77(kworker): SIGTSTP -> 11 kernel
            11: takes SIGTSTP 128
            11: stops SIGTSTP
            ",
            expect![[r"
                info JC309 signal-attribution @12000: 11 bash was stopped by SIGTSTP
                  why   Ctrl-Z typed at pts/0, to its foreground group
                  fix   fg or bg in the shell continues it
                  seen  #10 SIGTSTP to 11 bash: Ctrl-Z typed at pts/0, to its foreground group
                  seen  #12 11 bash is stopped by SIGTSTP
            "]],
        );
    }
}
