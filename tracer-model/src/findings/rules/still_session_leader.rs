//! A daemon leads its session: an open of a terminal without `O_NOCTTY` would give it a controlling terminal.
//!
//! A session leader without a terminal acquires the first one that it opens. A second fork after setsid leaves a process that
//! leads no session and never can.
//!
//! **Fix.** Fork again after setsid and let the parent end; or open terminals with `O_NOCTTY`.
//!
//! **Not a problem** in practice for most daemons, daemon(3) among them: information.
//!
//! Source: daemon(7), System V daemons, step 7; POSIX.1-2024 open, `O_NOCTTY`.

use super::{super::{detachment::Inspected, settled::{Settled, Settling}}, prelude::*};
use crate::event::inspection::Moment;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<StillLeader>::default()
}

#[derive(Default)]
struct StillLeader(Settling);

impl Watch for StillLeader {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        self.0.event(now);
        // What has settled is told then; what was there before the capture, or still has its parent, when somebody asks.
        let asked = now.inspected().filter(|it| it.inspection.moment == Moment::Asked);
        if let Some(Inspected { process, .. }) = asked
            && let Some(life) = now.memory.life(process)
            && life.launcher.is_none_or(|launcher| now.is_alive(launcher))
        {
            let launcher = life.launcher.unwrap_or(process);
            let settled = Settled { process, launcher, at: now.at, reparented: Some(now.read(process)) };
            out.extend(draft(now, &settled));
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now).into_iter().filter_map(|settled| draft(now, &settled)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.end(now).into_iter().filter_map(|settled| draft(now, &settled)));
    }
}

fn draft(now: &Now<'_>, settled: &Settled) -> Option<Draft> {
    let process = settled.process;
    let state = now.model.process(process).filter(|state| state.facts.session_leader && state.tty.is_none())?;
    let life = now.memory.life(process)?;
    let fact = say![now.name(process), " runs detached and leads its session ", state.session];
    let draft = Draft::of(now, process, Severity::Info, fact)
        .why(say!["it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one"])
        .fix(say!["fork again after setsid, or open terminals with O_NOCTTY"])
        .seen(life.moved.clone())
        .seen(now.memory.life(settled.launcher).and_then(|life| life.exited.clone()))
        .seen(settled.reparented.clone().filter(|_| life.moved.is_none()))
        .until(settled.at);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn one_fork_leaves_a_leader() {
        check(
            "10: fork 11\n11: exec redis\n11: fork 12\n12: setsid() = 12 {tty=-}\n11: exit 0\n11: dead\n12: takes SIGWINCH 0 handler\n@2000000000 50: takes SIGWINCH 0 handler\n",
            expect![[r"
                info JC502 still-session-leader @1000011000: 12 redis runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #9 12 redis: setsid, leads new session and group 12
                  seen  #10 11 redis exits 0
            "]],
        );
    }

    #[test]
    fn two_forks_leave_none() {
        check(
            "10: fork 11\n11: exec redis\n11: fork 12\n12: setsid() = 12 {tty=-}\n12: fork 13\n12: exit 0\n12: dead\n13: takes SIGWINCH 0 handler\n@2000000000 50: takes SIGWINCH 0 handler\n",
            expect![""],
        );
    }
}
