//! A process group was addressed before it existed.
//!
//! Between fork and setpgid a child is in the group of its parent. A kill or a join that names the child's group in that
//! window finds no such group and reaches nobody, while the child runs.
//!
//! **Fix.** Call setpgid in the parent too, right after fork and before the number is used; then the group exists when it
//! is named, whoever of the two is first.
//!
//! **Not a problem** when signal 0 only asks whether the group is there: that is not reported.
//!
//! Source: POSIX.1-2024 setpgid (rationale), kill.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(UseBeforeGroup)
}

struct UseBeforeGroup;

impl Watch for UseBeforeGroup {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let Some(refused) = now.refused() else { return };
        match (refused.call, refused.reason) {
            (Call::Setpgid { pid, pgid }, Refusal::GroupNotYet) => {
                let target = now.delta.subject.filter(|_| pid != 0).unwrap_or(refused.caller);
                let number = pgid.unsigned_abs();
                let fact = say![now.name(refused.caller), ": ", refused.call, " failed: ", Errno(refused.errno)];
                let stays = now.group_of(target).map(|group| say![now.name(target), " stays in group ", group]);
                out.push(
                    Draft::of(now, target, Severity::Warning, fact)
                        .why(say![where_it_is(now, number), "; ", stays])
                        .fix(fix())
                        .about([refused.caller])
                        .seen([refused.evidence]),
                );
            }
            (Call::Kill { target, signal: 1.. }, Refusal::NoSuchGroup | Refusal::GroupEnded { .. }) => {
                let number = target.unsigned_abs();
                let addressed = now.model.process_by_pid(Pid(number));
                let Some(process) = addressed.filter(|process| now.is_alive(process.key)) else { return };
                if process.parent != Some(refused.caller) {
                    return;
                }
                let fact = say![now.name(refused.caller), ": ", refused.call, " reached nobody: there is no group ", number];
                out.push(
                    Draft::of(now, process.key, Severity::Warning, fact)
                        .why(say![where_it_is(now, number), "; it goes on"])
                        .fix(fix())
                        .about([refused.caller])
                        .seen([refused.evidence]),
                );
            }
            _ => {}
        }
    }
}

fn where_it_is(now: &Now<'_>, number: u32) -> Words {
    match now.model.process_by_pid(Pid(number)) {
        Some(process) => {
            let group = process.group.map(|group| say![" and is in group ", group]);
            say![now.name(process.key), " has not made a group of its number yet", group]
        }
        None => say!["no process and no group has the number ", number],
    }
}

fn fix() -> Words {
    say!["call setpgid in the parent too, right after fork and before the number is used"]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_kill_right_after_fork_reaches_nobody() {
        check("10: fork 11\n10: kill(-11,SIGTERM) = -3\n11: setpgid(0,0) = 0\n", expect![[r"
            warning JC104 use-before-group-exists @7000: 10 bash: Kill { target: -11, signal: 15 } reached nobody: there is no group 11
              why   11 bash has not made a group of its number yet and is in group 10; it goes on
              fix   call setpgid in the parent too, right after fork and before the number is used
              seen  #7 10 bash: Kill { target: -11, signal: 15 } = errno 3
        "]]);
    }

    #[test]
    fn a_join_before_the_leader_leads_is_a_warning() {
        check("10: fork 11\n10: fork 12\n10: setpgid(12,11) = -1\n11: setpgid(0,0) = 0\n", expect![[r"
            warning JC104 use-before-group-exists @8000: 10 bash: Setpgid { pid: 12, pgid: 11 } failed: errno 1
              why   11 bash has not made a group of its number yet and is in group 10; 12 bash stays in group 10
              fix   call setpgid in the parent too, right after fork and before the number is used
              seen  #8 10 bash: Setpgid { pid: 12, pgid: 11 } = errno 1
        "]]);
    }

    #[test]
    fn asking_with_signal_0_is_nothing_and_neither_is_a_group_that_is_there() {
        check("10: fork 11\n10: kill(-11,0) = -3\n10: setpgid(11,11) = 0\n10: kill(-11,SIGTERM) = 0\n", expect![[""]]);
    }
}
