//! A process could not join a process group because the group had ended.
//!
//! A group lives until its last member is reaped. While the leader is a zombie it can still be joined; once the shell has
//! waited for it, setpgid fails with EPERM and tcsetpgrp with ESRCH. A pipeline whose first command is quick loses this race
//! now and then: what decides is the shell's own wait, not the exit. How often it was lost, and how close it was when it was
//! won, is told besides.
//!
//! **Fix.** Do not wait for members of a pipeline until all have joined; or hold the first one on a pipe until the last has
//! been forked.
//!
//! **Not a problem** when a program that runs already moves itself, as tests of setpgid do, or when the group ended more than
//! ten seconds before: information only. A child that was reaped before its parent moved it is information too: there is
//! nothing left to move. When the group is still there 100 ms later, held by a zombie, the kernel is not Linux as it should
//! be, or the number is that of another pid namespace; the finding says so.
//!
//! Source: POSIX.1-2024 setpgid, XBD 3.272; `kernel/sys.c`, `setpgid`; `kernel/exit.c`, `release_task`.

use super::{
    super::{
        Refused,
        memory::Life,
        races::{Outcomes, Race},
    },
    prelude::*,
};
use crate::delta::Bounds;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<JoinDeadGroup>::default()
}

/// Joins of a group whose members are zombies, as far as was seen: until their reap is seen as well.
#[derive(Default)]
struct JoinDeadGroup(Waiting<Seq, Join>);

/// A join that was refused.
struct Join {
    refused: Refused,
    target: ProcKey,
    group: PgrpKey,
    ended: Bounds,
    severity: Severity,
    whom: Words,
    pgid: i32,
}

/// A group that ended longer ago is no race.
const RACE: u64 = 10 * SECOND;

impl Watch for JoinDeadGroup {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let Some(refused) = now.refused() else { return };
        let Call::Setpgid { pid, pgid } = refused.call else { return };
        match refused.reason {
            Refusal::GroupEnded { group, ended } => {
                let join = Join::new(now, refused, group, ended, (pid, pgid));
                if now.model.group(group).is_some_and(|group| group.ended.is_none()) {
                    self.0.put(now.seq, after(now.at, 100 * MS), join);
                } else {
                    out.push(join.draft(now));
                }
            }
            Refusal::ChildReaped => out.push(reaped_child(now, refused, (pid, pgid))),
            _ => {}
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().map(|(_, at, join)| join.draft(now).until(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.rest().into_iter().map(|(_, at, join)| join.draft(now).until(at)));
    }
}

impl Join {
    fn new(now: &Now<'_>, refused: Refused, group: PgrpKey, ended: Bounds, (pid, pgid): (i32, i32)) -> Self {
        let caller = refused.caller;
        let target = now.delta.subject.filter(|_| pid != 0).unwrap_or(caller);
        let runs = now.model.process(target).is_some_and(|process| !process.not_yet_execed);
        let long_ago = refused.began.since(ended.until) > RACE;
        let severity = if target == caller && runs || long_ago { Severity::Info } else { Severity::Error };
        let whom = if target == caller { say![] } else { say![now.name(target), " → "] };
        Self { refused, target, group, ended, severity, whom, pgid }
    }

    fn draft(self, now: &Now<'_>) -> Draft {
        let Self { refused, target, group, ended, severity, whom, pgid } = self;
        let caller = refused.caller;
        if now.model.group(group).is_some_and(|group| group.ended.is_none()) {
            let leader = now.model.group(group).and_then(|group| group.leader);
            let leader = leader.map(|leader| say![": its leader ", now.name(leader), " is a zombie"]);
            return Draft::of(now, target, severity, fact(now, &refused, whom, pgid))
                .why(say!["group ", group, " still exists", leader, ", and on Linux it can be joined until that is reaped"])
                .fix(say!["look whether the number is meant for another pid namespace; else this kernel is at fault"])
                .about([caller])
                .seen([refused.evidence]);
        }
        let last = now.last_of(group);
        let leads = |life: &&Life| life.key.number.0 == group.number.0;
        let role = if last.as_ref().is_some_and(leads) { "its leader " } else { "its last member " };
        let before = refused.began.since(ended.until);
        let before = (before > 0).then(|| say![", ", Span(before), " before this call"]);
        let cause = match last {
            Some(life) => {
                let reaped = life.reaped.as_ref().map(|reaped| reaped.at);
                let by = life.reaper.map(|by| say![" by ", now.name(by)]);
                let exited = life.exited.as_ref().map(|exited| say![" exited at ", exited.at]);
                let reaped = reaped.map(|at| say![" and was reaped", by, " at ", at]);
                say!["group ", group, " had no members left: ", role, now.name(life.key), exited, reaped, before]
            }
            None => say!["group ", group, " had no members left: the last one was reaped or moved away", before],
        };
        let seen = last.into_iter().flat_map(|life| life.exited.iter().chain(&life.reaped)).cloned();
        Draft::of(now, target, severity, fact(now, &refused, whom, pgid))
            .why(say![cause, how_often(&now.memory.races.of(Race::Join))])
            .fix(say!["do not wait for members of a pipeline until all have joined, or hold the first on a pipe until the last fork"])
            .about([caller])
            .seen(seen.chain([refused.evidence]))
    }
}

/// `; 3 of 812 pipelines so far, closest success 7 µs`.
fn how_often(joins: &Outcomes) -> Words {
    let lost = joins.lost.count;
    let closest = joins.won.closest.map(|closest| say!["; the closest that went well had ", Span(closest.margin), " left"]);
    if joins.count() < 2 {
        return closest.unwrap_or_default();
    }
    say!["; this happened to ", lost.to_string(), " of ", joins.count().to_string(), " pipelines so far", closest]
}

fn reaped_child(now: &Now<'_>, refused: Refused, (pid, pgid): (i32, i32)) -> Draft {
    let number = Pid(pid.unsigned_abs());
    let child = now.memory.with_number(number).next_back();
    let whom = child.map_or_else(|| say![pid, " → "], |life| say![now.name(life.key), " → "]);
    let seen = child.into_iter().flat_map(|life| life.exited.iter().chain(&life.reaped)).cloned();
    Draft::of(now, refused.caller, Severity::Info, fact(now, &refused, whom, if pgid == 0 { pid } else { pgid }))
        .why(say!["that child had exited and been reaped before the call"])
        .fix(say!["call setpgid before anything can wait for the child; SIGCHLD must not be ignored meanwhile"])
        .seen(seen.chain([refused.evidence]))
}

fn fact(now: &Now<'_>, refused: &Refused, whom: Words, pgid: i32) -> Words {
    say![now.name_at(&refused.evidence, refused.caller), ": setpgid(", whom, pgid, ") failed: ", Errno(refused.errno)]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_leader_that_was_reaped_too_early_is_an_error() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: exec echo
            11: exit 0
            11: dead
            10: wait4(-1,0) = 11 got 11 exited:0
            10: fork 12
            10: setpgid(12,11) = -1
            ",
            expect![[r"
                error JC102 join-dead-group @15000: 10 bash: setpgid(12 bash → 11) failed: errno 1
                  why   group 11 had no members left: its leader 11 echo exited at @9000 and was reaped by 10 bash at @12000, 2000 ns before this call
                  fix   do not wait for members of a pipeline until all have joined, or hold the first on a pipe until the last fork
                  seen  #9 11 echo exits 0
                  seen  #12 10 bash reaps 11 echo
                  seen  #15 10 bash: Setpgid { pid: 12, pgid: 11 } = errno 1
            "]],
        );
    }

    #[test]
    fn a_program_that_moves_itself_is_information() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: exit 0
            11: dead
            10: wait4(-1,0) = 11 got 11 exited:0
            10: fork 12
            12: exec setpgid-test
            12: setpgid(0,11) = -1
            ",
            expect![[r"
                info JC102 join-dead-group @15000: 12 setpgid-test: setpgid(11) failed: errno 1
                  why   group 11 had no members left: its leader 11 bash exited at @8000 and was reaped by 10 bash at @11000, 3000 ns before this call
                  fix   do not wait for members of a pipeline until all have joined, or hold the first on a pipe until the last fork
                  seen  #8 11 bash exits 0
                  seen  #11 10 bash reaps 11 bash
                  seen  #15 12 setpgid-test: Setpgid { pid: 0, pgid: 11 } = errno 1
            "]],
        );
    }

    #[test]
    fn how_often_and_how_close_is_told() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            10: fork 12
            12: setpgid(0,11) = 0
            11: exit 0
            11: dead
            10: wait4(-1,0) = 11 got 11 exited:0
            10: fork 13
            13: setpgid(0,0) = 0
            13: exit 0
            13: dead
            10: wait4(-1,0) = 13 got 13 exited:0
            10: fork 14
            10: setpgid(14,13) = -1
            ",
            expect![[r"
                error JC102 join-dead-group @24000: 10 bash: setpgid(14 bash → 13) failed: errno 1
                  why   group 13 had no members left: its leader 13 bash exited at @18000 and was reaped by 10 bash at @21000, 2000 ns before this call; this happened to 1 of 2 pipelines so far; the closest that went well had 3000 ns left
                  fix   do not wait for members of a pipeline until all have joined, or hold the first on a pipe until the last fork
                  seen  #18 13 bash exits 0
                  seen  #21 10 bash reaps 13 bash
                  seen  #24 10 bash: Setpgid { pid: 14, pgid: 13 } = errno 1
            "]],
        );
    }

    #[test]
    fn a_group_that_is_held_by_a_zombie_should_have_been_joined() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: exit 0
            11: dead
            10: fork 12
            10: setpgid(12,11) = -1
            @300000000 50: takes SIGWINCH 0 handler
            ",
            expect![[r"
                error JC102 join-dead-group @100012000: 10 bash: setpgid(12 bash → 11) failed: errno 1
                  why   group 11 still exists: its leader 11 bash is a zombie, and on Linux it can be joined until that is reaped
                  fix   look whether the number is meant for another pid namespace; else this kernel is at fault
                  seen  #12 10 bash: Setpgid { pid: 12, pgid: 11 } = errno 1
            "]],
        );
    }
}
