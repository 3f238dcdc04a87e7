//! A signal killed one process, and its children live on.
//!
//! kill to a process number reaches that process alone. When it is a wrapper (`sh -c`, npm, timeout), the program that was
//! meant is its child: it gets nothing, has another parent now, and goes on.
//!
//! **Fix.** Start the command in a group of its own (setsid, `set -m`, `start_new_session=True`) and signal that group with
//! kill(-group); or let the wrapper exec the program (`sh -c 'exec program'`). A signal to a group that the sender is in
//! reaches the sender too.
//!
//! **Not a problem** when the children are in a session of their own: that they outlive is on purpose, and not reported.
//! Children that get a signal or end within a second are not reported either.
//!
//! Source: POSIX.1-2024 kill.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<WrapperKill>::default()
}

#[derive(Default)]
struct WrapperKill(Waiting<ProcKey, Killed>);

/// A process that was killed alone.
struct Killed {
    sender: ProcKey,
    signal: Signal,
    /// The group that it was in, and whether the sender was.
    group: Option<(PgrpKey, bool)>,
    seq: Seq,
    children: Vec<ProcKey>,
    sent: Evidence,
    died: Option<Evidence>,
}

impl Watch for WrapperKill {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Exited { process, status: WaitStatus::Killed { signal, .. } } = *change else { continue };
            let Some(received) = now.memory.life(process).and_then(|life| now.fatal(life)) else { continue };
            let SignalPath::KillProcess { sender, .. } = received.path else { continue };
            let Some(state) = now.model.process(process).filter(|_| sender != process) else { continue };
            let same = |key: &ProcKey| now.model.process(*key).is_some_and(|child| child.session == state.session);
            let children: Vec<_> = state.children.iter().copied().filter(|key| now.is_alive(*key) && same(key)).collect();
            if !children.is_empty() {
                let group = received.group.map(|group| (group, now.group_of(sender) == Some(group)));
                let (sent, died) = (received.evidence.clone(), now.evidence_of(change));
                let killed = Killed { sender, signal, group, seq: sent.seq, children, sent, died };
                self.0.put(process, after(now.at, SECOND), killed);
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (process, at, killed) in self.0.due(now.at) {
            out.extend(draft(now, process, killed).map(|draft| draft.until(at)));
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (process, at, killed) in self.0.rest() {
            out.extend(draft(now, process, killed).map(|draft| draft.until(at)));
        }
    }
}

fn draft(now: &Now<'_>, process: ProcKey, killed: Killed) -> Option<Draft> {
    let Killed { sender, signal, group, seq, children, sent, died } = killed;
    let told = |key: ProcKey| now.last_received(key, |received| received.evidence.seq > seq).is_some();
    let alive: Vec<_> = children.into_iter().filter(|key| now.is_alive(*key) && !told(*key)).collect();
    let first = *alive.first()?;
    let names = Words::list(alive.iter().map(|key| say![now.name(*key)]));
    let parent = now.model.process(first).filter(|process| !process.parent_exited).and_then(|process| process.parent);
    let parent = parent.map(|parent| say![", now below ", now.name(parent)]);
    let lives = if alive.len() == 1 { " lives on" } else { " live on" };
    let fact = say![now.name_at(&sent, sender), " killed ", now.name(process), " alone: ", names, lives, parent];
    let draft = Draft::of(now, process, Severity::Warning, fact)
        .why(say![signal, " was sent to the process, not to its group, and nobody passed it on"])
        .fix(say![signal_group(group), ", or let the wrapper exec the program"])
        .about(alive)
        .since(seq)
        .seen([sent])
        .seen(died);
    Some(draft)
}

/// How to reach all of the group, and nobody else.
fn signal_group(group: Option<(PgrpKey, bool)>) -> Words {
    match group {
        Some((group, false)) => say!["signal the process group (kill -- -", group, ")"],
        _ => say!["start it in a group of its own (setsid, set -m, start_new_session=True), then signal that group"],
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const WRAPPER: &str = "
        10: fork 11
        11: exec sh -c program
        11: fork 12
        12: exec program
    ";

    #[test]
    fn a_program_below_a_killed_shell_lives_on() {
        check(
            &format!("{WRAPPER}
                10: > kill(11,SIGTERM)
                10: SIGTERM -> 11
                10: < kill(11,SIGTERM) = 0
                11: exit SIGTERM
                11: dead
                @2000000000 50: takes SIGWINCH 0 handler
            "),
            expect![[r"
                info JC309 signal-attribution @100012000: 11 sh died of SIGTERM
                  why   sent by 10 bash, to this process alone
                  fix   if this was not meant, look at what 10 bash was running when it sent it
                  seen  #10 SIGTERM to 11 sh: sent by 10 bash, to this process alone
                  seen  #12 11 sh dies of SIGTERM
                warning JC302 wrapper-kill-survivors @1000012000: 10 bash killed 11 sh alone: 12 program lives on, now below 1 init
                  why   SIGTERM was sent to the process, not to its group, and nobody passed it on
                  fix   start it in a group of its own (setsid, set -m, start_new_session=True), then signal that group, or let the wrapper exec the program
                  seen  #10 SIGTERM to 11 sh: sent by 10 bash, to this process alone
                  seen  #12 11 sh dies of SIGTERM
            "]],
        );
    }

    #[test]
    fn a_sender_that_is_another_program_by_then_is_told_as_it_was() {
        check(
            &format!("{WRAPPER}
                50: > kill(11,SIGTERM)
                50: SIGTERM -> 11
                50: < kill(11,SIGTERM) = 0
                50: exec sleep
                11: exit SIGTERM
                11: dead
                @2000000000 50: takes SIGWINCH 0 handler
            "),
            expect![[r"
                info JC309 signal-attribution @100013000: 11 sh died of SIGTERM
                  why   sent by 50 tmux, to this process alone, from session 50
                  fix   if this was not meant, look at what 50 tmux was running when it sent it
                  seen  #10 SIGTERM to 11 sh: sent by 50 tmux, to this process alone
                  seen  #13 11 sh dies of SIGTERM
                warning JC302 wrapper-kill-survivors @1000013000: 50 tmux killed 11 sh alone: 12 program lives on, now below 1 init
                  why   SIGTERM was sent to the process, not to its group, and nobody passed it on
                  fix   signal the process group (kill -- -10), or let the wrapper exec the program
                  seen  #10 SIGTERM to 11 sh: sent by 50 tmux, to this process alone
                  seen  #13 11 sh dies of SIGTERM
            "]],
        );
    }

    #[test]
    fn a_group_that_the_sender_is_not_in_can_be_signalled() {
        check(
            &format!("{WRAPPER}
                11: setpgid(0,0) = 0
                12: setpgid(0,11) = 0
                10: > kill(11,SIGTERM)
                10: SIGTERM -> 11
                10: < kill(11,SIGTERM) = 0
                11: exit SIGTERM
                @2000000000 50: takes SIGWINCH 0 handler
            "),
            expect![[r"
                info JC309 signal-attribution @100016000: 11 sh died of SIGTERM
                  why   sent by 10 bash, to this process alone
                  fix   if this was not meant, look at what 10 bash was running when it sent it
                  seen  #14 SIGTERM to 11 sh: sent by 10 bash, to this process alone
                  seen  #16 11 sh dies of SIGTERM
                warning JC302 wrapper-kill-survivors @1000016000: 10 bash killed 11 sh alone: 12 program lives on, now below 11 sh
                  why   SIGTERM was sent to the process, not to its group, and nobody passed it on
                  fix   signal the process group (kill -- -11), or let the wrapper exec the program
                  seen  #14 SIGTERM to 11 sh: sent by 10 bash, to this process alone
                  seen  #16 11 sh dies of SIGTERM
            "]],
        );
    }

    #[test]
    fn a_kill_of_the_group_is_nothing() {
        check(
            &format!("{WRAPPER}
                10: > kill(-11,SIGTERM)
                10: SIGTERM -> 12
                10: SIGTERM -> 11
                10: < kill(-11,SIGTERM) = 0
                11: exit SIGTERM
                12: exit SIGTERM
                @2000000000 50: takes SIGWINCH 0 handler
            "),
            expect![[r"
                info JC309 signal-attribution @100013000: 12 program, 11 sh died of SIGTERM
                  why   sent by 10 bash, to group 10
                  fix   if this was not meant, look at what 10 bash was running when it sent it
                  seen  #10 SIGTERM to 12 program: sent by 10 bash, to group 10
                  seen  #11 SIGTERM to 11 sh: sent by 10 bash, to group 10
                  seen  #13 11 sh dies of SIGTERM
                  seen  #14 12 program dies of SIGTERM
            "]],
        );
    }
}
