//! A process has ended and its parent does not wait for it.
//!
//! A zombie keeps its number and its place in its process group until its parent waits. The parent that is named here is the
//! one that has to: not the init of the system or container, unless that is the parent.
//!
//! **Fix.** The parent must wait for its children (on SIGCHLD), or ignore SIGCHLD; in a container whose first process is no
//! init, start one (`--init`, tini).
//!
//! **Not a problem** for five seconds. Each parent is reported when it has 1, 10, 100 … of them.
//!
//! Source: POSIX.1-2024 XBD 3.436; `kernel/exit.c`, `exit_notify`.

use std::collections::BTreeMap;

use super::prelude::*;
use crate::state::{Phase, Process};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<UnreapedZombie>::default()
}

#[derive(Default)]
struct UnreapedZombie {
    zombies: Waiting<ProcKey, Seq>,
    /// Zombies of a parent, as reported last.
    told: BTreeMap<ProcKey, usize>,
}

impl Watch for UnreapedZombie {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Zombie { process } = *change {
                self.zombies.put(process, after(now.at, 5 * SECOND), now.seq);
            } else if let Change::Reaped { process, .. } = *change {
                self.zombies.take(process);
                self.told.remove(&process);
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (zombie, at, seq) in self.zombies.due(now.at) {
            let parent = now.model.process(zombie).filter(|process| process.phase == Phase::Zombie && !process.parent_exited);
            let Some(parent) = parent.and_then(|process| process.parent).filter(|parent| now.is_alive(*parent)) else { continue };
            let launcher = now.memory.life(zombie).and_then(|life| life.launcher);
            // The reapers of others have a rule of their own, and more time.
            if launcher != Some(parent) && now.model.process(parent).is_some_and(Process::adopts) {
                continue;
            }
            let siblings = now.model.process(parent).map(|parent| parent.children.clone()).unwrap_or_default();
            let is_zombie = |key: &ProcKey| now.model.process(*key).is_some_and(|child| child.phase == Phase::Zombie);
            let zombies = siblings.into_iter().filter(is_zombie).count();
            let told = self.told.entry(parent).or_default();
            if *told != 0 && zombies < told.saturating_mul(10) {
                continue;
            }
            *told = zombies;
            out.push(draft(now, zombie, parent, zombies, &origins(now, parent)).since(seq).at(at));
        }
    }

    fn next(&self) -> BootNs {
        self.zombies.next()
    }
}

/// Of which programs the zombies of a parent are, by who forked them.
pub(in crate::findings) fn origins(now: &Now<'_>, parent: ProcKey) -> Words {
    let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for child in now.model.process(parent).into_iter().flat_map(|parent| &parent.children) {
        if now.model.process(*child).is_some_and(|child| child.phase == Phase::Zombie) {
            let launcher = now.memory.life(*child).and_then(|life| life.launcher).unwrap_or(parent);
            *counts.entry(now.comm(launcher).0.to_vec()).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Words::list(counts.into_iter().map(|(name, count)| say![count, " forked by ", Word::Bytes(name)]))
}

fn draft(now: &Now<'_>, zombie: ProcKey, parent: ProcKey, zombies: usize, origins: &Words) -> Draft {
    let life = now.memory.life(zombie);
    let launcher = life.and_then(|life| life.launcher).filter(|launcher| *launcher != parent);
    let adopted = launcher.map(|launcher| say![", which adopted it when ", now.name(launcher), " ended"]);
    let many = if zombies > 1 { say!["; ", count(zombies, "zombie", "zombies"), " of its in all: ", origins.clone()] } else { say![] };
    let exited = life.and_then(|life| life.exited.clone());
    Draft::of(now, zombie, Severity::Warning, say![now.name(zombie), " has been a zombie for 5 s"])
        .why(say!["its parent ", now.name(parent), adopted, " does not wait for it", many])
        .fix(say![now.name(parent), " must wait for its children, or ignore SIGCHLD"])
        .about([parent])
        .seen(exited)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_parent_that_never_waits_is_a_warning() {
        check("10: fork 11\n11: exec probe\n11: exit 0\n11: dead\n@6000000000 50: takes SIGWINCH 0 handler\n", expect![[r"
            warning JC405 unreaped-zombie @5000008000: 11 probe has been a zombie for 5 s
              why   its parent 10 bash does not wait for it
              fix   10 bash must wait for its children, or ignore SIGCHLD
              seen  #7 11 probe exits 0
        "]]);
    }

    #[test]
    fn a_parent_that_waits_late_is_well() {
        check(
            "10: fork 11\n11: exit 0\n11: dead\n@4000000000 10: wait4(-1,0) = 11 got 11 exited:0\n@6000000000 50: takes SIGWINCH 0 handler\n",
            expect![[""]],
        );
    }
}
