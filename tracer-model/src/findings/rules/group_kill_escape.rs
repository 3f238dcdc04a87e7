//! A signal to a process group did not reach a process that had been in it: it had left before, and lives on.
//!
//! kill to a group reaches its members of that moment. What called setsid or setpgid before is not among them: the classic
//! way in which a timeout, a test runner or a container's init leaves something running.
//!
//! **Fix.** Signal the other groups too, or do not let the children leave; in a container or service, end the cgroup.
//!
//! **Not a problem** when the process is a daemon on purpose (own session, its launcher gone before the kill): information
//! only. A second's grace, so that a parent can pass the signal on.
//!
//! Source: POSIX.1-2024 kill; `kernel/signal.c`, `__kill_pgrp_info`.

use super::{super::memory::Life, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<GroupKillEscape>::default()
}

#[derive(Default)]
struct GroupKillEscape(Waiting<Seq, Kill>);

/// One kill of a group and who was not reached by it.
struct Kill {
    sender: ProcKey,
    group: PgrpKey,
    signal: Signal,
    reached: usize,
    escaped: Vec<(ProcKey, bool)>,
    sent: Evidence,
}

impl Watch for GroupKillEscape {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::SignalSent { signal, path, .. } = *change else { continue };
            let SignalPath::KillGroup { sender, intent, group: Some(group) } = path else { continue };
            if !ends(signal.signal) {
                continue;
            }
            if let Some(kill) = self.0.get_mut(intent) {
                kill.reached += 1;
                continue;
            }
            let out = |key: ProcKey| now.is_alive(key) && now.group_of(key) != Some(group) && key != sender;
            let lives = now.memory.all().filter(|life| out(life.key) && was_in(now, life, group) && !is_above(now, life.key, sender));
            let escaped: Vec<_> = lives.map(|life| (life.key, is_daemon(now, life.key))).collect();
            if let Some(sent) = now.evidence_of(change).filter(|_| !escaped.is_empty()) {
                let kill = Kill { sender, group, signal: signal.signal, reached: 1, escaped, sent };
                self.0.put(intent, after(now.at, SECOND), kill);
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (intent, at, kill) in self.0.due(now.at) {
            out.extend(draft(now, intent, kill).map(|draft| draft.until(at)));
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (intent, at, kill) in self.0.rest() {
            out.extend(draft(now, intent, kill).map(|draft| draft.until(at)));
        }
    }
}

/// It was in the group, or whoever it descends from was.
fn was_in(now: &Now<'_>, life: &Life, group: PgrpKey) -> bool {
    std::iter::once(life).chain(now.memory.launchers(life.key)).any(|life| life.groups.contains(&group))
}

/// A signal that is meant to end its targets.
fn ends(signal: Signal) -> bool {
    matches!(signal, Signal::HUP | Signal::INT | Signal::QUIT | Signal::TERM | Signal::KILL)
}

/// An ancestor of the sender is no target of its.
fn is_above(now: &Now<'_>, process: ProcKey, sender: ProcKey) -> bool {
    sender == process || now.model.ancestors(sender).any(|it| it.key == process)
}

/// In a session of its own, and who forked it is not its parent any more.
fn is_daemon(now: &Now<'_>, process: ProcKey) -> bool {
    let life = now.memory.life(process);
    let state = now.model.process(process);
    let left = life.zip(state).is_some_and(|(life, state)| {
        state.session != life.launch_session && (life.launcher != state.parent || state.parent_exited)
    });
    left && state.is_some_and(|state| state.tty.is_none())
}

fn draft(now: &Now<'_>, intent: Seq, kill: Kill) -> Option<Draft> {
    let Kill { sender, group, signal, reached, escaped, sent } = kill;
    let told = |key: ProcKey| {
        now.last_received(key, |received| received.evidence.seq > intent && ends(received.signal.signal)).is_some()
    };
    let alive: Vec<_> = escaped.into_iter().filter(|(key, _)| now.is_alive(*key) && !told(*key)).collect();
    let (first, _) = *alive.first()?;
    let all_daemons = alive.iter().all(|(_, daemon)| *daemon);
    let names = Words::list(alive.iter().map(|(key, _)| say![now.name(*key)]));
    let moved: Vec<Evidence> = alive.iter().filter_map(|(key, _)| now.memory.life(*key)?.moved.clone()).collect();
    let where_now = now.group_of(first).map(|group| say![now.name(first), " had left it before, and is in group ", group]);
    let reached = count(reached, "process", "processes");
    let fact = say![signal, " to group ", group, " by ", now.name_at(&sent, sender), " did not reach ", names, ": still running"];
    let draft = Draft::of(now, first, if all_daemons { Severity::Info } else { Severity::Warning }, fact)
        .why(say!["it reached the members that the group had then (", reached, "); ", where_now])
        .fix(say!["signal the other groups too, or keep the children from leaving the group (setsid, setpgid)"])
        .about(alive.iter().map(|(key, _)| *key))
        .since(intent)
        .seen([sent])
        .seen(moved);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const JOB: &str = "
        10: fork 11
        11: setpgid(0,0) = 0
        11: fork 12
        12: setsid() = 12
        12: exec sleep 1001
        50: > kill(-11,SIGTERM)
        50: SIGTERM -> 11
        50: < kill(-11,SIGTERM) = 0
    ";

    #[test]
    fn what_left_the_group_before_is_named() {
        check(&format!("{JOB}@2000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            warning JC301 group-kill-escape @1000013000: SIGTERM to group 11 by 50 tmux did not reach 12 sleep: still running
              why   it reached the members that the group had then (1 process); 12 sleep had left it before, and is in group 12
              fix   signal the other groups too, or keep the children from leaving the group (setsid, setpgid)
              seen  #10 12 bash: setsid, leads new session and group 12
              seen  #13 SIGTERM to 11 bash: sent by 50 tmux, to group 11
        "]]);
    }

    #[test]
    fn what_is_signalled_on_its_own_is_nothing() {
        let other = "50: kill(12,SIGTERM) = 0\n50: SIGTERM -> 12\n@2000000000 50: takes SIGWINCH 0 handler\n";
        check(&format!("{JOB}{other}"), expect![[""]]);
    }
}
