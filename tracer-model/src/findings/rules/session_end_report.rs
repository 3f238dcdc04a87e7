//! A session lost its leader or its terminal: who was hung up, by whom, and who was not told.
//!
//! When the leader exits, the kernel sends SIGHUP to the foreground process group of the terminal and to nobody else; when the
//! terminal itself is gone, to the leader first. Whether background jobs get one is the shell's decision; what is in another
//! session gets none.
//!
//! **Fix.** To outlive the session: `nohup`, `setsid`, or a terminal multiplexer. To end with it: do not `disown`.
//!
//! **Not a problem** by itself: a report.
//!
//! Source: POSIX.1-2024 XSH `_exit`; `drivers/tty/tty_jobctrl.c`, `disassociate_ctty`.

use super::{super::memory::Life, prelude::*};
use crate::delta::TtyChange;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<SessionEnd>::default()
}

#[derive(Default)]
struct SessionEnd(Waiting<SessionKey, Ended>);

/// A session when it lost its leader or its terminal.
struct Ended {
    leader: Option<ProcKey>,
    hung_up: bool,
    tty: TtyKey,
    seq: Seq,
    members: Vec<ProcKey>,
    evidence: Vec<Evidence>,
}

/// How long its members have to react.
const TO_REACT: u64 = 100 * MS;

impl Watch for SessionEnd {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            match *change {
                Change::Exited { process, .. } => {
                    let leads = now.model.process(process).filter(|process| process.facts.session_leader);
                    if let Some((session, tty)) = leads.and_then(|it| it.session.zip(it.tty)) {
                        self.ended(now, (session, tty, Some(process)), false, now.evidence_of(change));
                    }
                }
                Change::TtyLost { session, tty, how: Some(TtyChange::Hangup) } => {
                    let leader = now.model.session(session).and_then(|session| session.leader);
                    self.ended(now, (session, tty, leader), true, None);
                }
                _ => {}
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

impl SessionEnd {
    fn ended(
        &mut self,
        now: &Now<'_>,
        (session, tty, leader): (SessionKey, TtyKey, Option<ProcKey>),
        hung_up: bool,
        evidence: Option<Evidence>,
    ) {
        let groups = now.model.session(session).into_iter().flat_map(|session| session.groups.iter().copied());
        let members: Vec<ProcKey> = groups.flat_map(|group| now.living(group)).filter(|it| Some(*it) != leader).collect();
        // What left for a session of its own before gets nothing of this one's end.
        let from_here = |life: &&Life| life.launch_session == Some(session) && now.is_alive(life.key);
        let left = now.memory.all().filter(from_here).map(|life| life.key);
        let left = left.filter(|key| now.model.process(*key).is_some_and(|it| it.session != Some(session)));
        let members: Vec<ProcKey> = members.into_iter().chain(left).collect();
        if !members.is_empty() {
            let evidence = evidence.into_iter().collect();
            self.0.put(session, after(now.at, TO_REACT), Ended { leader, hung_up, tty, seq: now.seq, members, evidence });
        }
    }
}

fn draft(now: &Now<'_>, session: SessionKey, ended: Ended) -> Draft {
    let Ended { leader, hung_up, tty, seq, members, evidence } = ended;
    let fates = Words::list(members.iter().map(|member| say![now.name(*member), " ", fate(now, *member, session, seq)]));
    let leader_name = leader.map(|leader| say![now.name(leader)]);
    let others = count(members.len(), "other", "others");
    let fact = if hung_up {
        say![tty, " was hung up under session ", session, " of ", leader_name, " and ", others]
    } else {
        say!["session ", session, " on ", tty, " ended: its leader ", leader_name, " exited before ", others]
    };
    let hup = members.iter().filter_map(|member| now.last_received(*member, |it| it.signal.signal == Signal::HUP && it.evidence.seq > seq));
    Draft::on(Subject::Session(session), Severity::Info, fact)
        .why(fates)
        .fix(say!["to outlive a terminal: nohup, setsid, or a multiplexer"])
        .seen(hup.take(4).map(|hup| hup.evidence.clone()))
        .about(members)
        .about(leader)
        .seen(evidence)
}

/// The shell tells its jobs before it exits itself: not more events before than this.
const BEFORE: u64 = 1000;

/// What became of a member, or of one that has left.
fn fate(now: &Now<'_>, member: ProcKey, session: SessionKey, since: Seq) -> Words {
    let lives = if now.is_alive(member) { "lives on" } else { "ended" };
    let recent = |seq: Seq| seq.0.saturating_add(BEFORE) > since.0;
    let Some(hup) = now.last_received(member, |it| it.signal.signal == Signal::HUP && recent(it.evidence.seq)) else {
        let state = now.model.process(member);
        return match state.and_then(|state| state.session).filter(|own| *own != session) {
            Some(own) => say!["is in session ", own, " and ", lives],
            None => say!["was not told and ", lives],
        };
    };
    let how = match hup.signal.disposition {
        _ if hup.signal.blocked => "blocks SIGHUP",
        Disposition::Ignored => "ignored SIGHUP",
        Disposition::Handler => "handled SIGHUP",
        Disposition::Default => "got SIGHUP",
    };
    let by = match hup.path.sender() {
        Some(sender) => say![" of ", now.name(sender)],
        None => say![" of the kernel"],
    };
    say![how, by, " and ", lives]
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
                info JC206 late-handoff @10000: 11 vi ran for 2000 ns before it was given pts/0
                  why   10 bash made group 11 the foreground after the exec; had it used the terminal before, it would have been stopped
                  fix   call tcsetpgrp in the child too, before exec, with SIGTTOU ignored or blocked
                  seen  #8 11 vi executes a program
                  seen  #10 10 bash: tcsetpgrp, foreground of pts/0 10 → 11
                info JC309 signal-attribution @18000: 11 vi died of SIGHUP
                  why   from the kernel, because session leader 10 bash exited
                  fix   to outlive its terminal: nohup, setsid, or a terminal multiplexer
                  seen  #16 SIGHUP to 11 vi: from the kernel, because session leader 10 bash exited
                  seen  #18 11 vi dies of SIGHUP
                info JC406 session-end-report @18000: session 10 on pts/0 ended: its leader 10 bash exited before 2 others
                  why   11 vi got SIGHUP of the kernel and ended, 12 make was not told and lives on
                  fix   to outlive a terminal: nohup, setsid, or a multiplexer
                  seen  #15 10 bash exits 0
                  seen  #16 SIGHUP to 11 vi: from the kernel, because session leader 10 bash exited
            "]],
        );
    }

    #[test]
    fn a_shell_that_leaves_nobody_is_nothing() {
        check("10: exit 0\n10: dead\n", expect![[""]]);
    }
}
