//! A process group was addressed before it existed.
//!
//! Between fork and setpgid a child is in the group of its parent. A kill or a join that names the child's group in that
//! window finds no such group and reaches nobody, while the child runs. By how much it was too early is told when the group
//! comes into being within a second.
//!
//! **Fix.** Call setpgid in the parent too, right after fork and before the number is used; then the group exists when it
//! is named, whoever of the two is first.
//!
//! **Not a problem** when signal 0 only asks whether the group is there: information, for "not there" is no "ended".
//!
//! Source: POSIX.1-2024 setpgid (rationale), kill.

use super::{super::Refused, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<UseBeforeGroup>::default()
}

/// Numbers that were addressed too early: until a group has them.
#[derive(Default)]
struct UseBeforeGroup(Waiting<Pgid, Early>);

struct Early {
    process: ProcKey,
    caller: ProcKey,
    severity: Severity,
    fact: Words,
    why: Words,
    then: Words,
    began: BootNs,
    evidence: Evidence,
}

/// A group that comes later than this was not meant.
const SOON: u64 = SECOND;

impl Watch for UseBeforeGroup {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::GroupBorn { group, .. } = *change
                && let Some(early) = self.0.take(group.number)
            {
                let too_early = now.since(early.began);
                out.push(early.draft(now, Some(too_early)).seen(now.evidence_of(change)));
            }
        }
        let Some(refused) = now.refused() else { return };
        let number = match refused.call {
            Call::Setpgid { pgid, .. } => pgid.unsigned_abs(),
            Call::Kill { target, .. } => target.unsigned_abs(),
            _ => return,
        };
        if let Some(early) = early(now, refused, number) {
            self.0.put_first(Pgid(number), after(now.at, SOON), early);
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().map(|(_, at, early)| early.draft(now, None).at(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.drain().map(|(_, early)| early.draft(now, None)));
    }
}

fn early(now: &Now<'_>, refused: Refused, number: u32) -> Option<Early> {
    let Refused { call, errno, reason, caller, began, evidence } = refused;
    let why = where_it_is(now, number);
    match (call, reason) {
        (Call::Setpgid { pid, .. }, Refusal::GroupNotYet | Refusal::NoSuchGroup) => {
            let process = now.delta.subject.filter(|_| pid != 0).unwrap_or(caller);
            // A program that tries numbers on itself is a test of setpgid.
            let tries = process == caller && now.model.process(process).is_some_and(|it| !it.not_yet_execed);
            let known = reason == Refusal::GroupNotYet;
            let severity = if tries && !known { Severity::Info } else { Severity::Warning };
            let fact = say![now.name(caller), ": ", call, " failed: ", Errno(errno)];
            let then = now.group_of(process).map(|group| say!["; ", now.name(process), " stays in group ", group]);
            Some(Early { process, caller, severity, fact, why, then: then.unwrap_or_default(), began, evidence })
        }
        (Call::Kill { signal, .. }, Refusal::NoSuchGroup | Refusal::GroupEnded { .. }) => {
            let process = now.model.process_by_pid(Pid(number)).filter(|process| now.is_alive(process.key))?;
            if process.parent != Some(caller) {
                return None;
            }
            let severity = if signal == 0 { Severity::Info } else { Severity::Warning };
            let fact = say![now.name(caller), ": ", call, " reached nobody: there is no group ", number];
            Some(Early { process: process.key, caller, severity, fact, why, then: say!["; it goes on"], began, evidence })
        }
        _ => None,
    }
}

impl Early {
    fn draft(self, now: &Now<'_>, too_early: Option<Span>) -> Draft {
        let by = too_early.map(|by| say![" (", by, " too early)"]);
        Draft::of(now, self.process, self.severity, self.fact)
            .why(say![self.why, by, self.then])
            .fix(say!["call setpgid in the parent too, right after fork and before the number is used"])
            .about([self.caller])
            .seen([self.evidence])
    }
}

fn where_it_is(now: &Now<'_>, number: u32) -> Words {
    match now.model.process_by_pid(Pid(number)) {
        Some(process) => {
            let group = process.group.map(|group| say![" and is in group ", group]);
            say![now.name(process.key), " has not made a group of its number yet", group]
        }
        None => say!["no process that was seen has the number ", number],
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_kill_right_after_fork_reaches_nobody() {
        check("10: fork 11\n10: kill(-11,SIGTERM) = -3\n11: setpgid(0,0) = 0\n", expect![[r"
            warning JC104 use-before-group-exists @9000: 10 bash: Kill { target: -11, signal: 15 } reached nobody: there is no group 11
              why   11 bash has not made a group of its number yet and is in group 10 (3000 ns too early); it goes on
              fix   call setpgid in the parent too, right after fork and before the number is used
              seen  #7 10 bash: Kill { target: -11, signal: 15 } = errno 3
              seen  #9 11 bash: setpgid, leads new group 11
        "]]);
    }

    #[test]
    fn a_join_before_the_leader_leads_is_a_warning() {
        check("10: fork 11\n10: fork 12\n10: setpgid(12,11) = -1\n11: setpgid(0,0) = 0\n", expect![[r"
            warning JC104 use-before-group-exists @10000: 10 bash: Setpgid { pid: 12, pgid: 11 } failed: errno 1
              why   11 bash has not made a group of its number yet and is in group 10 (3000 ns too early); 12 bash stays in group 10
              fix   call setpgid in the parent too, right after fork and before the number is used
              seen  #8 10 bash: Setpgid { pid: 12, pgid: 11 } = errno 1
              seen  #10 11 bash: setpgid, leads new group 11
        "]]);
    }

    #[test]
    fn asking_with_signal_0_is_information_and_a_group_that_is_there_is_well() {
        check("10: fork 11\n10: kill(-11,0) = -3\n10: setpgid(11,11) = 0\n10: kill(-11,SIGTERM) = 0\n", expect![[r"
            info JC104 use-before-group-exists @9000: 10 bash: Kill { target: -11, signal: 0 } reached nobody: there is no group 11
              why   11 bash has not made a group of its number yet and is in group 10 (3000 ns too early); it goes on
              fix   call setpgid in the parent too, right after fork and before the number is used
              seen  #7 10 bash: Kill { target: -11, signal: 0 } = errno 3
              seen  #9 10 bash: setpgid, makes 11 bash lead new group 11
        "]]);
    }
}
