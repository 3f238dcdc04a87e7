//! The first process of a container (or a reaper) does not wait for what it adopted: zombies pile up.
//!
//! Whose parent ends is adopted by the init of its pid namespace, which has to wait for it. A program that was not written to
//! be process 1 does not, and each health check or helper that leaves a child behind adds a zombie.
//!
//! **Fix.** Start an init in the container (`docker run --init`, tini, dumb-init); or wait for every child on SIGCHLD.
//!
//! **Not a problem** for ten seconds, for an init that waits on a timer. Reported at 1, 10, 100 … zombies, with how many an
//! hour there are.
//!
//! Source: `pid_namespaces(7)`; `kernel/exit.c`, `find_new_reaper`.

use std::collections::BTreeMap;

use super::prelude::*;
use crate::state::{Phase, Process};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<InitNotReaping>::default()
}

#[derive(Default)]
struct InitNotReaping {
    zombies: Waiting<ProcKey, Seq>,
    told: BTreeMap<ProcKey, usize>,
}

impl Watch for InitNotReaping {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Zombie { process } = *change {
                self.zombies.put(process, after(now.at, 10 * SECOND), now.seq);
            } else if let Change::Reaped { process, .. } = *change {
                self.zombies.take(process);
                self.told.remove(&process);
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (zombie, at, seq) in self.zombies.due(now.at) {
            let parent = now.model.process(zombie).filter(|it| it.phase == Phase::Zombie && !it.parent_exited);
            let Some(parent) = parent.and_then(|it| it.parent).and_then(|key| now.model.process(key)) else { continue };
            let launcher = now.memory.life(zombie).and_then(|life| life.launcher);
            let adopted = launcher.is_some_and(|launcher| launcher != parent.key);
            if parent.phase != Phase::Alive || !parent.adopts() || !adopted {
                continue;
            }
            let is_zombie = |key: &&ProcKey| now.model.process(**key).is_some_and(|child| child.phase == Phase::Zombie);
            let zombies = parent.children.iter().filter(is_zombie).count();
            let told = self.told.entry(parent.key).or_default();
            if *told != 0 && zombies < told.saturating_mul(10) {
                continue;
            }
            *told = zombies;
            let from = launcher.map(|launcher| say![" when ", now.name(launcher), " ended"]);
            let inside = parent.namespace.filter(|it| it.pid == Pid(1)).map(|_| ", process 1 of its pid namespace,");
            let from_many = (zombies > 1).then(|| say!["; the zombies: ", super::unreaped_zombie::origins(now, parent.key), per_hour(now, parent)]);
            let fact = say![now.name(parent.key), inside, " does not reap what it adopts: ", count(zombies, "zombie", "zombies")];
            out.push(
                Draft::of(now, parent.key, Severity::Error, fact)
                    .why(say![now.name(zombie), " has been a zombie for 10 s; it was adopted", from, from_many])
                    .fix(say!["run an init as the first process (--init, tini), or wait for every child on SIGCHLD"])
                    .about([zombie])
                    .since(seq)
                    .seen(now.memory.life(zombie).and_then(|life| life.exited.clone()))
                    .at(at),
            );
        }
    }

    fn next(&self) -> BootNs {
        self.zombies.next()
    }
}

/// How fast they become more: `, 120 an hour`.
fn per_hour(now: &Now<'_>, parent: &Process) -> Option<Words> {
    const HOUR: u64 = 3600 * SECOND;
    let children = parent.children.iter().filter_map(|child| now.model.process(*child));
    let exits = children.filter(|child| child.phase == Phase::Zombie).filter_map(|child| child.exited_at);
    let (mut first, mut last, mut many) = (None::<BootNs>, BootNs(0), 0u64);
    for at in exits {
        first = Some(first.map_or(at, |first| first.min(at)));
        (last, many) = (last.max(at), many + 1);
    }
    let rate = HOUR.saturating_mul(many.saturating_sub(1)).checked_div(last.since(first?))?;
    Some(say![", ", rate.to_string(), " an hour"])
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use crate::findings::{tests::check, waiting::SECOND};

    const PROBE: &str = "
        10: takes SIGWINCH 0 handler {+subreaper}
        10: fork 11 {-subreaper}
        11: exec probe
        11: fork 12
        11: exit 0
        12: takes SIGWINCH 0 handler {pp=10}
        11: dead
        10: wait4(-1,0) = 11 got 11 exited:0
        12: exit 0
        12: dead {pp=10}
    ";

    #[test]
    fn an_adopted_zombie_is_an_error() {
        check(&format!("{PROBE}@11000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            error JC601 init-not-reaping @10000015000: 10 bash does not reap what it adopts: 1 zombie
              why   12 probe has been a zombie for 10 s; it was adopted when 11 probe ended
              fix   run an init as the first process (--init, tini), or wait for every child on SIGCHLD
              seen  #14 12 probe exits 0
        "]]);
    }

    #[test]
    fn many_are_told_with_how_fast_they_become_more() {
        let mut text = PROBE.to_owned();
        for (index, at) in (1..10u64).map(|index| (index, index * 60 * SECOND)) {
            let (probe, helper) = (20 + 2 * index, 21 + 2 * index);
            let _ = write!(
                text,
                "@{at} 10: fork {probe} {{-subreaper}}\n{probe}: exec probe\n{probe}: fork {helper}\n{probe}: exit 0\n\
                 {helper}: takes SIGWINCH 0 handler {{pp=10}}\n{probe}: dead\n10: wait4(-1,0) = {probe} got {probe} exited:0\n\
                 {helper}: exit 0\n{helper}: dead {{pp=10}}\n"
            );
        }
        check(&format!("{text}@600000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            error JC601 init-not-reaping @10000015000: 10 bash does not reap what it adopts: 1 zombie
              why   12 probe has been a zombie for 10 s; it was adopted when 11 probe ended
              fix   run an init as the first process (--init, tini), or wait for every child on SIGCHLD
              seen  #14 12 probe exits 0
            error JC601 init-not-reaping @550000009000: 10 bash does not reap what it adopts: 10 zombies
              why   39 probe has been a zombie for 10 s; it was adopted when 38 probe ended; the zombies: 10 forked by probe, 60 an hour
              fix   run an init as the first process (--init, tini), or wait for every child on SIGCHLD
              seen  #104 39 probe exits 0
        "]]);
    }

    #[test]
    fn an_init_that_waits_is_well() {
        check(&format!("{PROBE}10: wait4(-1,0) = 12 got 12 exited:0\n@11000000000 50: takes SIGWINCH 0 handler\n"), expect![[""]]);
    }
}
