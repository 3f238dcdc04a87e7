//! A process signals the number of a child that it has reaped: another process has that number now.
//!
//! A number is free as soon as its process is reaped and nothing else bears it. Who keeps numbers of ended children and
//! signals them later hits whoever got the number since.
//!
//! **Fix.** Forget a number when wait returns it; or hold a pidfd, which never means another process.
//!
//! **Not a problem** when the target is a child or descendant of the sender again: not reported. Signal 0 is not a signal.
//!
//! Source: POSIX.1-2024 XBD 4.16 (process ID reuse); `pidfd_open(2)`.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(StaleTarget)
}

struct StaleTarget;

impl Watch for StaleTarget {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::SignalSent { target, signal, path: SignalPath::KillProcess { sender, .. }, .. } = *change else {
                continue;
            };
            let before = now.memory.with_number(target.number).rev().find(|life| life.key != target && life.reaper == Some(sender));
            let Some(before) = before.filter(|_| !descends(now, target, sender)) else { continue };
            let fact = say![now.name(sender), " sent ", signal.signal, " to ", now.name(target), ", which is not who had that number before"];
            let reaped = before.reaped.as_ref().map(|reaped| say![" at ", reaped.at]);
            let born = now.memory.life(target).and_then(|life| life.forked.clone());
            let since = born.as_ref().map(|born| say![" since ", born.at]);
            out.push(
                Draft::of(now, target, Severity::Error, fact)
                    .why(say!["it reaped its child ", now.name(before.key), reaped, "; the number is that of ", now.name(target), since])
                    .fix(say!["forget the number when wait returns it, or signal by pidfd"])
                    .about([sender])
                    .seen(before.reaped.clone())
                    .seen(born)
                    .seen(now.evidence_of(change)),
            );
        }
    }
}

/// A process is a descendant of another by fork.
fn descends(now: &Now<'_>, process: ProcKey, ancestor: ProcKey) -> bool {
    let mut above = Some(process);
    for _ in 0..64 {
        let Some(key) = above else { return false };
        if key == ancestor {
            return true;
        }
        let launcher = now.memory.life(key).and_then(|life| life.launcher);
        above = launcher.or_else(|| now.model.process(key).and_then(|process| process.parent)).filter(|up| *up != key);
    }
    false
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const FIRST: &str = "
        10: fork 11
        11: exec test
        11: exit 0
        11: dead
        10: wait4(-1,0) = 11 got 11 exited:0
    ";

    #[test]
    fn a_stranger_has_the_number_now() {
        check(&format!("{FIRST}50: fork 11\n11: exec database\n10: > kill(11,SIGKILL)\n10: SIGKILL -> 11\n"), expect![[r"
            error JC304 stale-target @14000: 10 bash sent SIGKILL to 11 database, which is not who had that number before
              why   it reaped its child 11 test at @10000; the number is that of 11 database since @11000
              fix   forget the number when wait returns it, or signal by pidfd
              seen  #10 10 bash reaps 11 test
              seen  #11 50 tmux forks 11
              seen  #14 SIGKILL to 11 database: sent by 10 bash, to this process alone
        "]]);
    }

    #[test]
    fn a_new_child_of_the_same_number_is_meant() {
        check(&format!("{FIRST}10: fork 11\n10: > kill(11,SIGTERM)\n10: SIGTERM -> 11\n"), expect![[""]]);
    }
}
