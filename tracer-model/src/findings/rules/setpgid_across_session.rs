//! setpgid or setsid was refused because of a session, and the caller did not get what it asked for.
//!
//! A session leader can never leave its group, nothing can move between sessions by setpgid, and a process group leader
//! cannot call setsid. setsid makes a new process group already: a setpgid besides it is not needed and fails.
//!
//! **Fix.** Drop the setpgid where setsid is called; fork before setsid, so that the caller leads no group.
//!
//! **Not a problem** when the process is where the call would have put it: shells that set their own group when they end,
//! a second setsid, a parent and a child that both call. Such calls are not reported, unless the child gave up before exec
//! because of one. A setsid that is followed by a successful one of the caller or its child is not reported either.
//!
//! Source: POSIX.1-2024 setpgid, setsid; `kernel/sys.c`, `setpgid`, `ksys_setsid`.

use super::{super::Refused, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<AcrossSession>::default()
}

#[derive(Default)]
struct AcrossSession {
    /// setsid of a group leader, by caller.
    setsid: Waiting<ProcKey, (Seq, Refusal, Evidence)>,
    /// setpgid that changed nothing, by a caller that has not executed a program yet.
    before_exec: Waiting<ProcKey, (i32, Evidence)>,
}

impl Watch for AcrossSession {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::SessionBorn { leader, .. } = *change {
                let parent = now.model.process(leader).and_then(|leader| leader.parent);
                let launcher = now.memory.life(leader).and_then(|life| life.launcher);
                for caller in [Some(leader), parent, launcher].into_iter().flatten() {
                    self.setsid.take(caller);
                }
            } else if let Change::Executed { process } = *change {
                self.before_exec.take(process);
            } else if let Change::Exited { process, status } = *change
                && let Some((errno, evidence)) = self.before_exec.take(process)
                && status != WaitStatus::Exited(0)
            {
                out.push(gave_up(now, process, errno, evidence));
            }
        }
        if let Some(refused) = now.refused() {
            match (refused.call, refused.reason) {
                (Call::Setsid, Refusal::GroupLeader | Refusal::NumberIsAGroup) => {
                    let entry = (now.seq, refused.reason, refused.evidence);
                    self.setsid.put(refused.caller, after(now.at, 100 * MS), entry);
                }
                (Call::Setpgid { pid, pgid }, Refusal::SessionLeader | Refusal::OtherSession) => {
                    self.setpgid(now, refused, (pid, pgid), out);
                }
                _ => {}
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.setsid.due(now.at).into_iter().map(|(caller, at, entry)| setsid(now, caller, entry).until(at)));
        self.before_exec.due(now.at);
    }

    fn next(&self) -> BootNs {
        self.setsid.next().min(self.before_exec.next())
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.setsid.rest().into_iter().map(|(caller, at, entry)| setsid(now, caller, entry).until(at)));
    }
}

impl AcrossSession {
    fn setpgid(&mut self, now: &Now<'_>, refused: Refused, (pid, pgid): (i32, i32), out: &mut Vec<Draft>) {
        let caller = refused.caller;
        let target = now.delta.subject.filter(|_| pid != 0).unwrap_or(caller);
        let Some(process) = now.model.process(target) else { return };
        let Some(group) = process.group else { return };
        let own = process.namespace.map_or(target.number.0, |namespace| namespace.pid.0).cast_signed();
        let wanted = if pgid == 0 && pid == 0 { own } else if pgid == 0 { pid } else { pgid };
        let there = wanted == own && group.number.0 == target.number.0;
        if there || process.namespace.is_some() {
            if caller == target && process.not_yet_execed {
                self.before_exec.put(caller, after(now.at, SECOND), (refused.errno, refused.evidence));
            }
            return;
        }
        let leads = refused.reason == Refusal::SessionLeader;
        let fix = if leads {
            "drop the setpgid: setsid has made a process group already"
        } else {
            "a process can only be in groups of its own session: leave out the setsid, or the setpgid"
        };
        let why = if leads {
            say![now.name(target), " leads session ", group, ", and a session leader cannot leave its process group"]
        } else {
            let other = now.model.group_by_pgid(Pgid(wanted.unsigned_abs()));
            let other = other.map(|other| say!["group ", other.key, " belongs to session ", other.session, ", "]);
            let own = process.session.map(|session| say![now.name(target), " to session ", session]);
            say![other, own, ": setpgid does not cross sessions"]
        };
        let whom = if target == caller { say![] } else { say![now.name(target), " → "] };
        out.push(
            Draft::of(now, target, Severity::Warning, failed(now, caller, say!["setpgid(", whom, wanted, ")"], refused.errno))
                .why(why)
                .fix(say![fix])
                .about([caller])
                .seen(now.memory.life(target).and_then(|life| life.moved.clone()))
                .seen([refused.evidence]),
        );
    }
}

fn failed(now: &Now<'_>, caller: ProcKey, call: Words, errno: i32) -> Words {
    say![now.name(caller), ": ", call, " failed: ", Errno(errno)]
}

fn gave_up(now: &Now<'_>, process: ProcKey, errno: i32, evidence: Evidence) -> Draft {
    let moved = now.memory.life(process).and_then(|life| life.moved.clone());
    Draft::of(now, process, Severity::Warning, failed(now, process, say!["setpgid on itself"], errno))
        .why(say!["it leads its session, so that it leads its group already; it took the error to heart and ended before exec"])
        .fix(say!["drop the setpgid: setsid has made a process group"])
        .seen(moved)
        .seen([evidence])
        .seen(now.memory.life(process).and_then(|life| life.exited.clone()))
}

fn setsid(now: &Now<'_>, caller: ProcKey, (seq, reason, evidence): (Seq, Refusal, Evidence)) -> Draft {
    let name = now.name_at(&evidence, caller);
    let why = if reason == Refusal::GroupLeader {
        say![name.clone(), " leads process group ", caller.number.to_string(), ", as every command that an interactive shell starts, and stays in its session"]
    } else {
        say!["others are still in process group ", caller.number.to_string(), ", which has its number"]
    };
    Draft::of(now, caller, Severity::Warning, say![name, ": setsid failed: ", Errno(1)])
        .why(why)
        .fix(say!["fork first, and call setsid in the child"])
        .since(seq)
        .seen(now.memory.life(caller).and_then(|life| life.moved.clone()))
        .seen([evidence])
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_group_leader_that_stays_in_its_session_is_a_warning() {
        check("10: fork 11\n11: setpgid(0,0) = 0\n11: exec daemon\n11: setsid() = -1\n@2000000000 50: takes SIGWINCH 0 handler\n", expect![[r"
            warning JC103 setpgid-across-session @100010000: 11 daemon: setsid failed: errno 1
              why   11 daemon leads process group 11, as every command that an interactive shell starts, and stays in its session
              fix   fork first, and call setsid in the child
              seen  #7 11 bash: setpgid, leads new group 11
              seen  #10 11 daemon: Setsid = errno 1
        "]]);
    }

    #[test]
    fn a_leader_that_forks_then_is_nothing() {
        let fork = "10: fork 11\n11: setpgid(0,0) = 0\n11: setsid() = -1\n11: fork 12\n12: setsid() = 12\n";
        check(fork, expect![[""]]);
    }

    #[test]
    fn shells_that_set_their_own_group_are_nothing() {
        check("10: setpgid(0,10) = -1\n10: setsid() = -1\n", expect![[""]]);
    }

    #[test]
    fn a_child_that_gives_up_because_of_it_is_a_warning() {
        check("10: fork 11\n11: setsid() = 11\n11: setpgid(0,0) = -1\n11: exit 1\n", expect![[r"
            warning JC103 setpgid-across-session @10000: 11 bash: setpgid on itself failed: errno 1
              why   it leads its session, so that it leads its group already; it took the error to heart and ended before exec
              fix   drop the setpgid: setsid has made a process group
              seen  #7 11 bash: setsid, leads new session and group 11
              seen  #9 11 bash: Setpgid { pid: 0, pgid: 0 } = errno 1
              seen  #10 11 bash exits 1
        "]]);
    }

    #[test]
    fn a_group_of_another_session_is_a_warning() {
        check("10: fork 11\n10: setpgid(11,50) = -1\n", expect![[r"
            warning JC103 setpgid-across-session @7000: 10 bash: setpgid(11 bash → 50) failed: errno 1
              why   group 50 belongs to session 50, 11 bash to session 10: setpgid does not cross sessions
              fix   a process can only be in groups of its own session: leave out the setsid, or the setpgid
              seen  #7 10 bash: Setpgid { pid: 11, pgid: 50 } = errno 1
        "]]);
    }
}
