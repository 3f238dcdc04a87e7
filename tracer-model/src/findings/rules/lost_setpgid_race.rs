//! A parent came too late to move its child: the child had executed a program and stays in another process group.
//!
//! setpgid on a child fails with EACCES once the child has executed a program. If the child did not call setpgid itself, it
//! stays where it was forked: the pipeline is in two groups, and signals and the terminal reach only one of them.
//!
//! **Fix.** Call setpgid in both, parent and child, the child before exec; ignore EACCES in the parent only if the child is
//! in the group by then.
//!
//! **Not a problem** when the child is in that group all the same: that is the usual, healthy outcome of the two calls, and
//! is not reported. A child that joins within 100 ms is not reported either.
//!
//! Source: POSIX.1-2024 setpgid; `kernel/sys.c`, `setpgid` (`PF_FORKNOEXEC`).

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<LostRace>::default()
}

#[derive(Default)]
struct LostRace(Waiting<ProcKey, Late>);

/// A call that came too late.
struct Late {
    caller: ProcKey,
    wanted: u32,
    executed_before: Words,
    seq: Seq,
    executed: Option<Evidence>,
    refused: Evidence,
}

impl Watch for LostRace {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Joined { process, .. } | Change::GroupBorn { leader: Some(process), .. } = *change {
                self.0.take(process);
            } else if let Change::Exited { process, .. } = *change
                && let Some(late) = self.0.take(process)
            {
                out.push(draft(now, process, late));
            }
        }
        if let Some(refused) = now.refused()
            && refused.reason == Refusal::ExecutedBefore
            && let Call::Setpgid { pid, pgid } = refused.call
            && let Some(target) = now.delta.subject
        {
            let executed = now.memory.life(target).and_then(|life| life.executed.clone());
            let before = executed.as_ref().map(|executed| refused.began.since(executed.at)).filter(|ns| *ns > 0);
            let late = Late {
                caller: refused.caller,
                wanted: if pgid == 0 { pid } else { pgid }.unsigned_abs(),
                executed_before: say![before.map(|ns| say![Span(ns), " before this call"])],
                seq: now.seq,
                executed,
                refused: refused.evidence,
            };
            self.0.put(target, after(now.at, 100 * MS), late);
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().map(|(target, at, late)| draft(now, target, late).until(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.rest().into_iter().map(|(target, at, late)| draft(now, target, late).until(at)));
    }
}

fn draft(now: &Now<'_>, target: ProcKey, late: Late) -> Draft {
    let Late { caller, wanted, executed_before, seq, executed, refused } = late;
    let child = executed.as_ref().map_or_else(|| now.name(target), |executed| now.name_at(executed, target));
    let when = if executed_before.is_empty() { say![] } else { say![" ", executed_before] };
    let stays = now.group_of(target).map(|group| say!["; it stays in group ", group]);
    let fact = say![now.name_at(&refused, caller), " could not move ", child.clone(), " to group ", wanted, ": EACCES"];
    Draft::of(now, target, Severity::Warning, fact)
        .why(say![child, " had executed a program", when, ", and did not call setpgid itself", stays])
        .fix(say!["call setpgid in the child too, before exec"])
        .since(seq)
        .seen(executed)
        .seen([refused])
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_child_that_never_joins_is_a_warning() {
        check(
            "
            10: fork 11
            11: exec sleep 1
            10: setpgid(11,11) = -13
            @200000000 50: takes SIGWINCH 0 handler
            ",
            expect![[r"
                warning JC101 lost-setpgid-race @100008000: 10 bash could not move 11 sleep to group 11: EACCES
                  why   11 sleep had executed a program 1000 ns before this call, and did not call setpgid itself; it stays in group 10
                  fix   call setpgid in the child too, before exec
                  seen  #6 11 sleep executes a program
                  seen  #8 10 bash: Setpgid { pid: 11, pgid: 11 } = errno 13
            "]],
        );
    }

    #[test]
    fn a_child_that_is_there_or_comes_is_nothing() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: exec sleep 1
            10: setpgid(11,11) = -13
            10: fork 12
            12: exec sleep 1
            10: setpgid(12,11) = -13
            12: setpgid(0,11) = 0
            @200000000 50: takes SIGWINCH 0 handler
            ",
            expect![[""]],
        );
    }

    #[test]
    fn after_a_gap_it_is_undecided() {
        check(
            "
            10: fork 11
            11: exec sleep 1
            10: setpgid(11,11) = -13
            gap 5 sequence 9000 12000
            @200000000 50: takes SIGWINCH 0 handler
            ",
            expect![[r"
                info undecided JC101 lost-setpgid-race @100008000: 10 bash could not move 11 sleep to group 11: EACCES
                  why   11 sleep had executed a program 1000 ns before this call, and did not call setpgid itself; it stays in group 10
                  fix   call setpgid in the child too, before exec
                  seen  #6 11 sleep executes a program
                  seen  #8 10 bash: Setpgid { pid: 11, pgid: 11 } = errno 13
            "]],
        );
    }
}
