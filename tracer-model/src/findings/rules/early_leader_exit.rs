//! A process joined a group whose leader had exited already: it worked because nobody had waited for the leader yet.
//!
//! This is the near miss of join-dead-group. It is normal in correct shells, which do not wait before all members have been
//! forked; in others it shows that the race exists, without the one bad run. How much time was left, from the join to the
//! leader's reap, is the margin.
//!
//! **Fix.** Nothing, where the shell never waits before all have joined. Otherwise see `sesstrace explain JC102`.
//!
//! **Not a problem** by itself: information.
//!
//! Source: POSIX.1-2024 XBD 3.272 (a process group lives until its last member's lifetime ends).

use super::prelude::*;
use crate::delta::LeaderState;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<EarlyLeaderExit>::default()
}

/// By group: the last that joined it after its leader had exited.
#[derive(Default)]
struct EarlyLeaderExit(Waiting<PgrpKey, Joined>);

struct Joined {
    process: ProcKey,
    leader: ProcKey,
    /// From the leader's exit to the join, ns.
    after_exit: Option<u64>,
    at: BootNs,
    evidence: Vec<Evidence>,
}

/// How long the leader's reap is waited for.
const UNTIL_REAPED: u64 = SECOND;

impl Watch for EarlyLeaderExit {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Joined { process, group, leader: LeaderState::Zombie, .. } = *change {
                let leader = now.model.group(group).and_then(|group| group.leader).and_then(|key| now.memory.life(key));
                let Some(leader) = leader else { continue };
                let after_exit = leader.exited.as_ref().map(|exited| now.at.since(exited.at));
                let evidence = leader.exited.clone().into_iter().chain(now.evidence_of(change)).collect();
                let joined = Joined { process, leader: leader.key, after_exit, at: now.at, evidence };
                self.0.put(group, after(now.at, UNTIL_REAPED), joined);
            } else if let Change::Reaped { process, bounds, .. } = *change {
                let group = now.memory.life(process).and_then(|life| life.groups.back()).copied();
                let led = group.filter(|group| group.number.0 == process.number.0).and_then(|group| self.0.take(group).map(|it| (group, it)));
                let Some((group, joined)) = led else { continue };
                let left = bounds.until.since(joined.at);
                out.push(draft(now, group, joined, Some(left)).seen(now.evidence_of(change)));
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().map(|(group, at, joined)| draft(now, group, joined, None).until(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.rest().into_iter().map(|(group, at, joined)| draft(now, group, joined, None).until(at)));
    }
}

fn draft(now: &Now<'_>, group: PgrpKey, joined: Joined, left: Option<u64>) -> Draft {
    let Joined { process, leader, after_exit, at: _, evidence } = joined;
    let before = after_exit.map(|ns| say![" ", Span(ns), " before"]);
    let left = left.map_or_else(
        || say!["and was not reaped for a second, which keeps the group"],
        |ns| say!["and was reaped ", Span(ns), " after the join, which from then on would have failed"],
    );
    let fact = say![now.name(process), " joined group ", group, " after its leader ", now.name(leader), " had exited"];
    Draft::of(now, process, Severity::Info, fact)
        .why(say!["the leader had exited", before, ", ", left])
        .fix(say!["the parent must not wait for the leader before all members have joined; nothing, where it never does"])
        .seen(evidence)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn joining_a_zombie_leader_is_a_near_miss() {
        check(
            "10: fork 11\n11: setpgid(0,0) = 0\n11: exit 0\n11: dead\n10: fork 12\n12: setpgid(0,11) = 0\n10: wait4(-1,0) = 11 got 11 exited:0\n",
            expect![[r"
                info JC105 early-leader-exit @14000: 12 bash joined group 11 after its leader 11 bash had exited
                  why   the leader had exited 4000 ns before, and was reaped 2000 ns after the join, which from then on would have failed
                  fix   the parent must not wait for the leader before all members have joined; nothing, where it never does
                  seen  #8 11 bash exits 0
                  seen  #12 12 bash: setpgid, joins group 11
                  seen  #14 10 bash reaps 11 bash
            "]],
        );
    }

    #[test]
    fn joining_a_living_leader_is_nothing() {
        check("10: fork 11\n11: setpgid(0,0) = 0\n10: fork 12\n12: setpgid(0,11) = 0\n", expect![[""]]);
    }
}
