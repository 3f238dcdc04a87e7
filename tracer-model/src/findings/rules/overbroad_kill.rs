//! A process sent a fatal signal to a group that it is in itself, or to everybody.
//!
//! kill(0), kill of the own group and kill(-1) include the caller or all that it may signal. What was meant is usually a
//! child's group that was never made: the child is still in the caller's own group, or the number was 0 or 1 by mistake.
//!
//! **Fix.** Check that the group to be signalled is not the caller's own (getpgrp) and that its number is greater than 1;
//! put the child into its own group with setpgid right after fork.
//!
//! **Not a problem** in shell scripts, where `kill 0` in a trap is an idiom: information only. A caller that ignores,
//! blocks or handles the signal has thought of itself, and is not reported.
//!
//! Source: POSIX.1-2024 kill.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<OverbroadKill>::default()
}

/// The last call that was reported: its other targets are not told again.
#[derive(Default)]
struct OverbroadKill(Option<Seq>);

impl Watch for OverbroadKill {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::SignalSent { target, signal, path, .. } = *change else { continue };
            if !is_fatal(signal) {
                continue;
            }
            match path {
                SignalPath::KillGroup { sender, group: Some(group), .. } if sender == target => {
                    out.extend(own_group(now, sender, group, signal.signal, change));
                }
                SignalPath::KillAll { sender, intent } if self.0 != Some(intent) => {
                    self.0 = Some(intent);
                    out.extend(everybody(now, sender, signal.signal, change));
                }
                _ => {}
            }
        }
    }
}

/// It ends its target: by default, unblocked, and not to stop or continue.
fn is_fatal(signal: SignalGenerated) -> bool {
    let harmless = matches!(signal.signal, Signal::CHLD | Signal::CONT | Signal::WINCH | Signal(23)) || signal.signal.stops();
    !harmless
        && !signal.blocked
        && signal.disposition == Disposition::Default
        && matches!(signal.outcome, SignalOutcome::Delivered | SignalOutcome::AlreadyPending)
}

fn own_group(now: &Now<'_>, sender: ProcKey, group: PgrpKey, signal: Signal, change: &Change) -> Option<Draft> {
    let members = now.model.group(group)?.members.len();
    let severity = if now.is_shell(sender) { Severity::Info } else { Severity::Error };
    let others = now.living(group).filter(|member| *member != sender).map(|member| say![now.name(member)]);
    let others = Words::list(others);
    let others = if others.is_empty() { say!["and to nobody else"] } else { say!["and to ", others] };
    let fact = say![now.name(sender), " sent ", signal, " to its own process group ", group, ": to itself ", others];
    let draft = Draft::of(now, sender, severity, fact)
        .why(say!["it is one of the ", count(members, "member", "members"), " of the group that it named"])
        .fix(say!["put the child into its own group (setpgid right after fork), and check that the group is not getpgrp()"])
        .seen(now.memory.life(sender).and_then(|life| life.moved.clone()))
        .seen(now.evidence_of(change));
    Some(draft)
}

fn everybody(now: &Now<'_>, sender: ProcKey, signal: Signal, change: &Change) -> Option<Draft> {
    let process = now.model.process(sender)?;
    // The init of a container, or whoever shuts one down, does this on purpose.
    if process.namespace.is_some() || process.key.number == Pid(1) {
        return None;
    }
    let root = process.uid.is_some_and(|uid| uid.0 == 0);
    let scope = if root { "as root, to every process of the machine" } else { "to every process of its user" };
    let draft = Draft::of(now, sender, Severity::Error, say![now.name(sender), ": kill(-1, ", signal, "), ", scope])
        .why(say!["-1 means everybody; often it is the result of a getpgid or fork that failed, negated or not"])
        .fix(say!["check the result of fork and getpgid before it is used in kill"])
        .seen(now.evidence_of(change));
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_program_that_signals_its_own_group_is_an_error() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: exec runner
            11: fork 12
            11: > kill(0,SIGTERM)
            11: SIGTERM -> 12
            11: SIGTERM -> 11
            11: < kill(0,SIGTERM) = 0
            ",
            expect![[r"
                error JC303 overbroad-kill @12000: 11 runner sent SIGTERM to its own process group 11: to itself and to 12 runner
                  why   it is one of the 2 members of the group that it named
                  fix   put the child into its own group (setpgid right after fork), and check that the group is not getpgrp()
                  seen  #7 11 bash: setpgid, leads new group 11
                  seen  #12 SIGTERM to 11 runner: sent by 11 runner, to group 11
            "]],
        );
    }

    #[test]
    fn who_handles_it_has_thought_of_itself() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: exec runner
            11: > kill(0,SIGTERM)
            11: SIGTERM -> 11 handler
            11: < kill(0,SIGTERM) = 0
            ",
            expect![[""]],
        );
    }
}
