//! A process signals a number that it knows from before: another process, or another process group, has it now.
//!
//! A number is free as soon as its process is reaped and nothing else bears it. Who keeps numbers of ended children, of
//! processes that it signalled or of groups, and signals them later, hits whoever got the number since.
//!
//! **Fix.** Forget a number when wait returns it; or hold a pidfd, which never means another process.
//!
//! **Not a problem** when the target is a child or descendant of the sender again: not reported. Signal 0 is not a signal.
//! Nor is a program reported that has looked the number up itself, as killall does: it has no history with the old one.
//!
//! Source: POSIX.1-2024 XBD 4.16 (process ID reuse); `pidfd_open(2)`.

use super::prelude::*;
use crate::findings::lately::Lately;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<StaleTarget>::default()
}

/// Whom a process meant by a number when it used it last, and how.
#[derive(Default)]
struct StaleTarget {
    processes: Lately<(ProcKey, Pid), (ProcKey, Evidence), MOST>,
    groups: Lately<(ProcKey, Pgid), (PgrpKey, Evidence), MOST>,
}

/// Contacts that are remembered.
const MOST: usize = 4096;

impl Watch for StaleTarget {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            match *change {
                Change::Reaped { process, by: Some(by), .. } => self.meets(now, by, process, change),
                Change::SignalSent { target, signal, path: SignalPath::KillProcess { sender, .. }, .. } => {
                    out.extend(self.process(now, (sender, target), signal.signal, change));
                    self.meets(now, sender, target, change);
                }
                Change::SignalSent { target, signal, path: SignalPath::KillGroup { sender, group: Some(group), .. }, .. } => {
                    out.extend(self.group(now, (sender, group), target, signal.signal, change));
                    self.meets_group(sender, group, now.evidence_of(change));
                }
                Change::GroupBorn { group, leader: Some(leader), .. } => {
                    let parent = now.memory.life(leader).and_then(|life| life.launcher);
                    let evidence = now.evidence_of(change);
                    for party in [Some(leader), parent].into_iter().flatten() {
                        self.meets_group(party, group, evidence.clone());
                    }
                }
                _ => {}
            }
        }
    }
}

impl StaleTarget {
    fn meets(&mut self, now: &Now<'_>, who: ProcKey, whom: ProcKey, change: &Change) {
        if let Some(evidence) = now.evidence_of(change) {
            self.processes.put((who, whom.number), (whom, evidence));
        }
    }

    fn meets_group(&mut self, who: ProcKey, group: PgrpKey, evidence: Option<Evidence>) {
        if let Some(evidence) = evidence {
            self.groups.put((who, group.number), (group, evidence));
        }
    }

    fn process(
        &self,
        now: &Now<'_>,
        (sender, target): (ProcKey, ProcKey),
        signal: Signal,
        change: &Change,
    ) -> Option<Draft> {
        let (before, met) = self.processes.get((sender, target.number)).filter(|(before, _)| *before != target)?;
        if descends(now, target, sender) {
            return None;
        }
        let fact = say![now.name(sender), " sent ", signal, " to ", now.name(target), ", which is not who had that number before"];
        let reaped = now.memory.life(*before).filter(|life| life.reaper == Some(sender)).and_then(|life| life.reaped.clone());
        let contact = match &reaped {
            Some(reaped) => say!["it reaped its child ", now.name_at(reaped, *before), " at ", reaped.at],
            None => say!["it knew ", now.name_at(met, *before), " by that number, last at ", met.at],
        };
        let born = now.memory.life(target).and_then(|life| life.forked.clone());
        let since = born.as_ref().map(|born| say![" since ", born.at]);
        let draft = Draft::of(now, target, Severity::Error, fact)
            .why(say![contact, "; the number is that of ", now.name(target), since])
            .fix(say!["forget the number when wait returns it, or signal by pidfd"])
            .about([sender])
            .seen([met.clone()])
            .seen(born)
            .seen(now.evidence_of(change));
        Some(draft)
    }

    fn group(
        &self,
        now: &Now<'_>,
        (sender, group): (ProcKey, PgrpKey),
        target: ProcKey,
        signal: Signal,
        change: &Change,
    ) -> Option<Draft> {
        let (_, met) = self.groups.get((sender, group.number)).filter(|(before, _)| *before != group)?;
        if descends(now, target, sender) {
            return None;
        }
        let born = now.model.group(group).and_then(|group| group.born).map(|born| say![" since ", born]);
        let fact = say![now.name(sender), " sent ", signal, " to process group ", group, ", which is not the one that had that number before"];
        let draft = Draft::of(now, target, Severity::Error, fact)
            .why(say!["it knew another group by that number, last at ", met.at, "; the number is that of ", now.group_name(group.number), born])
            .fix(say!["forget the number of a group when its last member has been waited for"])
            .about([sender])
            .seen([met.clone()])
            .seen(now.memory.life(target).and_then(|life| life.moved.clone()))
            .seen(now.evidence_of(change));
        Some(draft)
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
