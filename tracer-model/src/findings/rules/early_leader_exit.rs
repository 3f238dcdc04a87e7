//! A process joined a group whose leader had exited already: it worked because nobody had waited for the leader yet.
//!
//! This is the near miss of join-dead-group. It is normal in correct shells, which do not wait before all members have been
//! forked; in others it shows that the race exists, without the one bad run.
//!
//! **Fix.** Nothing, where the shell never waits before all have joined. Otherwise see `sesstrace explain JC102`.
//!
//! **Not a problem** by itself: information.
//!
//! Source: POSIX.1-2024 XBD 3.272 (a process group lives until its last member's lifetime ends).

use super::prelude::*;
use crate::delta::LeaderState;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(EarlyLeaderExit)
}

struct EarlyLeaderExit;

impl Watch for EarlyLeaderExit {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Joined { process, group, leader: LeaderState::Zombie, .. } = *change else { continue };
            let leader = now.model.group(group).and_then(|group| group.leader).and_then(|key| now.memory.life(key));
            let Some(leader) = leader else { continue };
            let before = leader.exited.as_ref().map(|exited| say![" ", now.since(exited.at), " before"]);
            let fact = say![now.name(process), " joined group ", group, " after its leader ", now.name(leader.key), " had exited"];
            out.push(
                Draft::of(now, process, Severity::Info, fact)
                    .why(say!["the leader exited", before, " and had not been reaped, which keeps the group"])
                    .fix(say!["nothing, if the parent never waits before all members have joined"])
                    .seen(leader.exited.clone())
                    .seen(now.evidence_of(change)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn joining_a_zombie_leader_is_a_near_miss() {
        check(
            "10: fork 11\n11: setpgid(0,0) = 0\n11: exit 0\n11: dead\n10: fork 12\n12: setpgid(0,11) = 0\n",
            expect![[r"
                info JC105 early-leader-exit @12000: 12 bash joined group 11 after its leader 11 bash had exited
                  why   the leader exited 4000 ns before and had not been reaped, which keeps the group
                  fix   nothing, if the parent never waits before all members have joined
                  seen  #8 11 bash exits 0
                  seen  #12 12 bash: setpgid, joins group 11
            "]],
        );
    }

    #[test]
    fn joining_a_living_leader_is_nothing() {
        check("10: fork 11\n11: setpgid(0,0) = 0\n10: fork 12\n12: setpgid(0,11) = 0\n", expect![[""]]);
    }
}
