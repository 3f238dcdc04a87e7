//! A session leader ended with a terminal: who was hung up, and who was not told.
//!
//! When the leader exits, the kernel sends SIGHUP to the foreground process group of the terminal and to nobody else. Whether
//! background jobs get one is the shell's decision; what is in another session gets none.
//!
//! **Fix.** To outlive the session: `nohup`, `setsid`, or a terminal multiplexer. To end with it: do not `disown`.
//!
//! **Not a problem** by itself: a report.
//!
//! Source: POSIX.1-2024 XSH `_exit`; `drivers/tty/tty_jobctrl.c`, `disassociate_ctty`.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<SessionEnd>::default()
}

#[derive(Default)]
struct SessionEnd(Waiting<SessionKey, Ended>);

/// A session when its leader ended.
struct Ended {
    leader: ProcKey,
    tty: TtyKey,
    members: Vec<ProcKey>,
    evidence: Vec<Evidence>,
}

impl Watch for SessionEnd {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Exited { process, .. } = *change else { continue };
            let Some(state) = now.model.process(process).filter(|process| process.facts.session_leader) else { continue };
            let (Some(tty), Some(session)) = (state.tty, state.session.and_then(|session| now.model.session(session))) else {
                continue;
            };
            let groups = session.groups.iter().copied();
            let members: Vec<ProcKey> = groups.flat_map(|group| now.living(group)).filter(|it| *it != process).collect();
            if !members.is_empty() {
                let evidence = now.evidence_of(change).into_iter().collect();
                self.0.put(session.key, after(now.at, 100 * MS), Ended { leader: process, tty, members, evidence });
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().map(|(session, at, ended)| draft(now, session, ended).at(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.drain().map(|(session, ended)| draft(now, session, ended)));
    }
}

fn draft(now: &Now<'_>, session: SessionKey, ended: Ended) -> Draft {
    let Ended { leader, tty, members, evidence } = ended;
    let fates = Words::list(members.iter().map(|member| say![now.name(*member), " ", fate(now, *member)]));
    let fact = say!["session ", session, " on ", tty, " ended: its leader ", now.name(leader), " exited before ", count(members.len(), "other", "others")];
    Draft::on(Subject::Session(session), Severity::Info, fact)
        .why(fates)
        .fix(say!["to outlive a terminal: nohup, setsid, or a multiplexer"])
        .about(members)
        .about([leader])
        .seen(evidence)
}

/// What became of a member.
fn fate(now: &Now<'_>, member: ProcKey) -> Words {
    let lives = if now.is_alive(member) { "lives on" } else { "ended" };
    let Some(hup) = now.last_received(member, |received| received.signal.signal == Signal::HUP) else {
        return say!["was not told and ", lives];
    };
    let how = match hup.signal.disposition {
        _ if hup.signal.blocked => " blocked SIGHUP and ",
        Disposition::Ignored => " ignored SIGHUP and ",
        Disposition::Handler => " handled SIGHUP and ",
        Disposition::Default => " got SIGHUP and ",
    };
    say![how.trim_start(), lives]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn each_job_is_told_with_its_fate() {
        check(
            "
            10: fork 11 {tty=pts/0}
            11: setpgid(0,0) = 0
            11: exec vi
            10: ioctl(255,TIOCSPGRP,0,11) = 0
            10: fork 12 {tty=pts/0}
            12: setpgid(0,0) = 0
            12: exec make
            10: exit 0
            10: SIGHUP -> 11 kernel
            10: dead
            11: exit SIGHUP
            ",
            expect![[r"
                info JC309 signal-attribution @18000: 11 vi died of SIGHUP
                  why   from the kernel, because session leader 10 bash exited
                  fix   to outlive its terminal: nohup, setsid, or a terminal multiplexer
                  seen  #16 SIGHUP to 11 vi: from the kernel, because session leader 10 bash exited
                  seen  #18 11 vi dies of SIGHUP
                info JC406 session-end-report @18000: session 10 on pts/0 ended: its leader 10 bash exited before 2 others
                  why   11 vi got SIGHUP and ended, 12 make was not told and lives on
                  fix   to outlive a terminal: nohup, setsid, or a multiplexer
                  seen  #15 10 bash exits 0
            "]],
        );
    }

    #[test]
    fn a_shell_that_leaves_nobody_is_nothing() {
        check("10: exit 0\n10: dead\n", expect![[""]]);
    }
}
