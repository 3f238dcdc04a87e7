//! A session lost its leader or its terminal: who was hung up, by whom, and who was not told.
//!
//! When the leader exits, the kernel sends SIGHUP to the foreground process group of the terminal and to nobody else; when the
//! terminal itself is gone, to the leader first. Whether background jobs get one is the shell's decision; what is in another
//! session gets none.
//!
//! **Fix.** To outlive the session: `nohup`, `setsid`, or a terminal multiplexer. To end with it: do not `disown`.
//!
//! **Not a problem** by itself: a report. A warning where a process that lives on holds the terminal open, as far as that was
//! seen: two seconds after the end its descriptors have been read.
//!
//! Source: POSIX.1-2024 XSH `_exit`; `drivers/tty/tty_jobctrl.c`, `disassociate_ctty`.

use super::{
    super::{
        descriptors::on_terminal,
        memory::{Life, Received},
    },
    prelude::*,
};
use crate::{delta::TtyChange, event::inspection::Moment};

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
    /// Somebody has outlived it, and is looked at.
    outlived: bool,
}

/// How long its members have to react.
const TO_REACT: u64 = 100 * MS;
/// How long a look at the descriptors of those that live on is waited for: they are read when they have settled.
const TO_SETTLE: u64 = 2 * SECOND;

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
        for (session, at, ended) in self.0.due(now.at) {
            if !ended.outlived && ended.members.iter().any(|member| now.is_alive(*member)) {
                self.0.put(session, after(at, TO_SETTLE), Ended { outlived: true, ..ended });
            } else {
                out.push(draft(now, session, ended).at(at));
            }
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (session, at, ended) in self.0.rest() {
            let open = ended.members.iter().any(|member| now.is_alive(*member));
            let draft = draft(now, session, ended);
            out.push(if open { draft.until(at) } else { draft });
        }
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
            self.0.put(session, after(now.at, TO_REACT), Ended { leader, hung_up, tty, seq: now.seq, members, evidence, outlived: false });
        }
    }
}

fn draft(now: &Now<'_>, session: SessionKey, ended: Ended) -> Draft {
    let Ended { leader, hung_up, tty, seq, members, evidence, .. } = ended;
    let held = |member: &ProcKey| now.held(*member, tty).unwrap_or_default();
    let severity = if members.iter().any(|member| !held(member).is_empty()) { Severity::Warning } else { Severity::Info };
    // That somebody was not told rests on what was seen since the shell told its jobs.
    let untold = members.iter().any(|member| told(now, *member, (leader, seq)).is_none());
    let since = if untold { Seq(seq.0.saturating_sub(BEFORE)) } else { seq };
    let fates = Words::list(members.iter().map(|member| say![now.name(*member), " ", fate(now, *member, session, (leader, seq)), holds(now, *member, tty)]));
    let leader_name = leader.map(|leader| say![now.name(leader)]);
    let others = count(members.len(), "other", "others");
    let fact = if hung_up {
        say![tty, " was hung up: session ", session, " of ", leader_name, " and ", others, " lost its terminal"]
    } else {
        say!["session ", session, " on ", tty, " ended: its leader ", leader_name, " exited and left ", others]
    };
    let hup = members.iter().filter_map(|member| now.last_received(*member, |it| it.signal.signal == Signal::HUP && it.evidence.seq > seq));
    Draft::on(Subject::Session(session), severity, fact)
        .why(fates)
        .fix(if severity == Severity::Info {
            say!["to outlive a terminal: nohup, setsid, or a multiplexer"]
        } else {
            say!["start what is to live on with </dev/null >LOG 2>&1: a login over ssh ends when nobody holds its terminal"]
        })
        .seen(hup.take(4).map(|hup| hup.evidence.clone()))
        .about(members)
        .about(leader)
        .since(since)
        .seen(evidence)
}

/// The shell tells its jobs before it exits itself: not more events before than this.
const BEFORE: u64 = 1000;

/// The signal by which a member was told.
fn told<'a>(now: &'a Now<'_>, member: ProcKey, (leader, since): (Option<ProcKey>, Seq)) -> Option<&'a Received> {
    let lately = |it: &Received| it.evidence.seq.0.saturating_add(BEFORE) > since.0;
    let hup = now.last_received(member, |it| lately(it) && it.signal.signal == Signal::HUP);
    // Some shells end stopped jobs in another way.
    let by_leader = || now.last_received(member, |it| lately(it) && leader.is_some() && it.path.sender() == leader && it.signal.signal == Signal::TERM);
    hup.or_else(by_leader)
}

/// What became of a member, or of one that has left.
fn fate(now: &Now<'_>, member: ProcKey, session: SessionKey, end: (Option<ProcKey>, Seq)) -> Words {
    let Some(signal) = told(now, member, end) else {
        let state = now.model.process(member);
        return match state.and_then(|state| state.session).filter(|own| *own != session) {
            Some(own) => say!["is in session ", own, " and ", then(now, member, None)],
            None => say!["was not told and ", then(now, member, None)],
        };
    };
    let name = signal.signal.signal;
    let how = match signal.signal.disposition {
        _ if signal.signal.blocked => say!["blocks ", name],
        Disposition::Ignored => say!["ignored ", name],
        Disposition::Handler => say!["handled ", name],
        Disposition::Default => say!["got ", name],
    };
    let by = match signal.path.sender() {
        Some(sender) => say![" from ", now.name_at(&signal.evidence, sender)],
        None => say![" from the kernel"],
    };
    say![how, by, " and ", then(now, member, Some(name))]
}

/// What one that lives on keeps of the terminal.
fn holds(now: &Now<'_>, member: ProcKey, tty: TtyKey) -> Words {
    if !now.is_alive(member) {
        return say![];
    }
    match now.held(member, tty) {
        Some(held) if held.is_empty() => say![],
        Some(held) => say!["; it holds ", tty, " open (", held, ")"],
        None => say!["; it is not known whether it holds ", tty, " open"],
    }
}

impl Now<'_> {
    /// The descriptors of a living process that are this terminal, when it was looked at last. `None`: it was not.
    fn held(&self, process: ProcKey, tty: TtyKey) -> Option<Words> {
        let life = self.memory.life(process).filter(|_| self.is_alive(process))?;
        let look = life.inspections.iter().rfind(|it| it.moment != Moment::Launch && it.descriptors.is_ok())?;
        Some(on_terminal(look, tty).unwrap_or_default())
    }
}

/// `lives on`, `died of it`, `died of SIGKILL`, `exited`.
fn then(now: &Now<'_>, member: ProcKey, signal: Option<Signal>) -> Words {
    match now.memory.life(member).and_then(|life| life.status) {
        _ if now.is_alive(member) => say!["lives on"],
        Some(WaitStatus::Killed { signal: by, .. }) if Some(by) == signal => say!["died of it"],
        Some(WaitStatus::Killed { signal: by, .. }) => say!["died of ", by],
        _ => say!["exited"],
    }
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
                info too-early JC406 session-end-report @18000: session 10 on pts/0 ended: its leader 10 bash exited and left 2 others
                  why   11 vi got SIGHUP from the kernel and died of it, 12 make was not told and lives on; it is not known whether it holds pts/0 open
                  fix   to outlive a terminal: nohup, setsid, or a multiplexer
                  seen  #15 10 bash exits 0
                  seen  #16 SIGHUP to 11 vi: from the kernel, because session leader 10 bash exited
            "]],
        );
    }

    #[test]
    fn who_lives_on_and_holds_the_terminal_is_a_warning() {
        let left = "10: fork 12 {tty=pts/0}\n12: setpgid(0,0) = 0\n12: exec make\n10: exit 0\n10: dead\n";
        let later = "@4000000000 50: takes SIGWINCH 0 handler\n";
        let look = |fd: &str| format!("{left}@1000000000 inspected 12 settled {fd}\n{later}");
        check(&look("fd=0:null:6:4:r:/dev/null fd=1:136,0,0:9:3:rw:/dev/pts/0 fd=2:136,0,0:9:3:rw:/dev/pts/0"), expect![[r"
            warning JC504 stdio-not-detached @1000000000: 12 make still holds fd 1 /dev/pts/0, fd 2 /dev/pts/0
              why   it has no controlling terminal, and the descriptor keeps the terminal: whoever waits for its end waits for this process
              fix   open 0, 1 and 2 again on /dev/null or a log: </dev/null >>LOG 2>&1
              seen  #5 10 bash forks 12
              seen  #11 /proc of 12 make is read
            warning JC406 session-end-report @2100009000: session 10 on pts/0 ended: its leader 10 bash exited and left 1 other
              why   12 make was not told and lives on; it holds pts/0 open (fd 1, fd 2)
              fix   start what is to live on with </dev/null >LOG 2>&1: a login over ssh ends when nobody holds its terminal
              seen  #9 10 bash exits 0
        "]]);
        check(&look("fd=1:file:8:9:w:/tmp/log"), expect![[r"
            info JC406 session-end-report @2100009000: session 10 on pts/0 ended: its leader 10 bash exited and left 1 other
              why   12 make was not told and lives on
              fix   to outlive a terminal: nohup, setsid, or a multiplexer
              seen  #9 10 bash exits 0
        "]]);
        check(&format!("{left}{later}"), expect![[r"
            info JC406 session-end-report @2100009000: session 10 on pts/0 ended: its leader 10 bash exited and left 1 other
              why   12 make was not told and lives on; it is not known whether it holds pts/0 open
              fix   to outlive a terminal: nohup, setsid, or a multiplexer
              seen  #9 10 bash exits 0
        "]]);
    }

    #[test]
    fn what_is_due_twice_before_anything_else_happens_is_decided_before_it() {
        let left = "10: fork 12 {tty=pts/0}\n12: setpgid(0,0) = 0\n12: exec make\n10: exit 0\n10: dead\n";
        // When it ends, it has outlived its session for longer than its descriptors are waited for.
        check(&format!("{left}@4000000000 12: exit 0\n12: dead\n"), expect![[r"
            info JC406 session-end-report @2100009000: session 10 on pts/0 ended: its leader 10 bash exited and left 1 other
              why   12 make was not told and lives on; it is not known whether it holds pts/0 open
              fix   to outlive a terminal: nohup, setsid, or a multiplexer
              seen  #9 10 bash exits 0
        "]]);
    }

    #[test]
    fn a_shell_that_leaves_nobody_is_nothing() {
        check("10: exit 0\n10: dead\n", expect![[""]]);
    }
}
