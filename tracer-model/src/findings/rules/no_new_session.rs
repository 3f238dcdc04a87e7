//! A daemon is still in the session of who started it.
//!
//! A process that forks, lets its parent end and goes on without exec means to be a daemon. Without setsid it keeps the
//! controlling terminal: Ctrl-C there reaches it while its group is in the foreground, and the end of the session can end it.
//!
//! **Fix.** Call setsid after the first fork: the child leads no process group, so it is allowed.
//!
//! **Not a problem** for jobs of a shell: what executes a program is a background job and not reported. Subshells, and
//! processes of a session without a terminal, are information.
//!
//! Source: daemon(7), System V daemons, step 6.

use super::{super::{detachment::Inspected, settled::{Settled, Settling}}, prelude::*};
use crate::event::inspection::Moment;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<NoNewSession>::default()
}

#[derive(Default)]
struct NoNewSession(Settling);

impl Watch for NoNewSession {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        self.0.event(now);
        out.extend(now.inspected().and_then(|it| asked(now, it)));
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now).into_iter().filter_map(|settled| draft(now, settled)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.end(now).into_iter().filter_map(|settled| draft(now, settled)));
    }
}

fn draft(now: &Now<'_>, settled: Settled) -> Option<Draft> {
    let Settled { process, launcher, at, reparented } = settled;
    let state = now.model.process(process)?;
    let life = now.memory.life(process)?;
    let ended = now.memory.life(launcher)?;
    let on_purpose = ended.status == Some(WaitStatus::Exited(0)) && state.not_yet_execed;
    let session = state.session.filter(|session| on_purpose && life.launch_session == Some(*session))?;
    // By its second fork a daemon leaves the session leader that setsid made of it.
    let leader = now.model.session(session).and_then(|session| session.leader);
    if leader == Some(launcher) || state.tty.is_none() && leader.is_none_or(|leader| now.has_ended(leader)) {
        return None;
    }
    let severity = match state.tty {
        _ if now.is_shell(process) => Severity::Info,
        Some(_) => Severity::Error,
        None => Severity::Info,
    };
    let terminal = match state.tty {
        Some(tty) => say!["with ", tty, ": Ctrl-C there can reach it, and it can end with the session"],
        None => say!["still"],
    };
    let fact = say![now.name(process), " was left running by ", now.name(launcher), " in session ", session];
    let draft = Draft::of(now, process, severity, fact)
        .why(say!["its parent forked it and ended, as for a daemon, but it never called setsid: it is in the session ", terminal])
        .fix(say!["call setsid after the fork"])
        .since(life.forked.as_ref().map_or(now.seq, |forked| forked.seq))
        .seen(life.forked.clone())
        .seen(ended.exited.clone())
        .seen(reparented)
        .until(at);
    Some(draft)
}

/// What is not left to itself, and what was there before the capture: somebody asks, and nothing need happen to it.
fn asked(now: &Now<'_>, inspected: Inspected<'_>) -> Option<Draft> {
    let process = now.model.process(inspected.process)?;
    let tty = process.tty?;
    let life = now.memory.life(process.key)?;
    let fact = |what: &'static str| say![now.name(process.key), what, process.session, " with ", tty];
    let job = "it was started there and not detached";
    let (severity, fact, why) = match (life.launcher, life.launch_session) {
        _ if process.facts.session_leader => return None,
        // Whoever forked and ended on purpose is told when it settles.
        (Some(launcher), Some(session)) if process.session == Some(session) => {
            let told = now.has_ended(launcher) && process.not_yet_execed;
            if told {
                return None;
            }
            (Severity::Info, fact(" is a job in session "), job)
        }
        (Some(_), _) => return None,
        (None, _) if inspected.inspection.moment == Moment::Settled => return None,
        (None, _) if process.facts.parent_is_init || process.parent_exited => {
            (Severity::Error, fact(" was left running in session "), "it has no parent there any more")
        }
        (None, _) => (Severity::Info, fact(" is a job in session "), "its parent is there, too"),
    };
    Some(
        Draft::of(now, process.key, severity, fact)
            .why(say![why, ": Ctrl-C at ", tty, " can reach it, and it can end with the session"])
            .fix(say!["call setsid after a fork"])
            .seen(life.forked.clone())
            .seen([now.read(process.key)]),
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_fork_alone_makes_no_daemon() {
        check(
            "10: fork 11 {tty=pts/0}\n11: exec server\n11: fork 12\n11: exit 0\n11: dead\n12: takes SIGWINCH 0 handler\n@2000000000 50: takes SIGWINCH 0 handler\n",
            expect![[r"
                error JC501 no-new-session @1000009000: 12 server was left running by 11 server in session 10
                  why   its parent forked it and ended, as for a daemon, but it never called setsid: it is in the session with pts/0: Ctrl-C there can reach it, and it can end with the session
                  fix   call setsid after the fork
                  seen  #7 11 server forks 12
                  seen  #8 11 server exits 0
                  seen  #9 12 server is now a child of 1 init
            "]],
        );
    }

    #[test]
    fn setsid_does() {
        check(
            "10: fork 11 {tty=pts/0}\n11: exec server\n11: fork 12\n12: setsid() = 12 {tty=-}\n12: fork 13\n12: exit 0\n12: dead\n11: exit 0\n11: dead\n13: takes SIGWINCH 0 handler\n@2000000000 50: takes SIGWINCH 0 handler\n",
            expect![""],
        );
    }
}
