//! A process sent a fatal signal to a group that it is in itself, to everybody, or to process 1.
//!
//! kill(0), kill of the own group and kill(-1) include the caller or all that it may signal. What was meant is usually a
//! child's group that was never made: the child is still in the caller's own group, or the number was 0 or 1 by mistake; a
//! getpgid that failed, negated, is 1.
//!
//! **Fix.** Check that the group to be signalled is not the caller's own (getpgrp) and that its number is greater than 1;
//! put the child into its own group with setpgid right after fork.
//!
//! **Not a problem** in shell scripts, where `kill 0` in a trap is an idiom, for a leader that says kill(0) to end what it
//! started and itself, as timeout does, and for a caller that handles the signal, as one
//! does that passes it on to its group: information only, unless it hits an ancestor of the caller, which is a warning. A
//! caller that ignores or blocks the signal has thought of itself, and is not reported. To end a container by its process 1
//! is information, and what shuts a machine down is not reported.
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
            match path {
                SignalPath::KillGroup { sender, group: Some(group), .. } if sender == target && counts(signal) => {
                    out.extend(own_group(now, sender, group, signal, change));
                }
                SignalPath::KillAll { sender, intent } if self.0 != Some(intent) && is_fatal(signal) => {
                    self.0 = Some(intent);
                    out.extend(everybody(now, sender, signal.signal, change));
                }
                SignalPath::KillProcess { sender, .. } if sender != target && ends(signal.signal) => {
                    out.extend(process_1(now, sender, target, signal.signal, change));
                }
                _ => {}
            }
        }
    }
}

/// It would end who neither blocks nor ignores it.
fn counts(signal: SignalGenerated) -> bool {
    let harmless = matches!(signal.signal, Signal::CHLD | Signal::CONT | Signal::WINCH | Signal::URG) || signal.signal.stops();
    let open = !signal.blocked && signal.disposition != Disposition::Ignored;
    !harmless && open && matches!(signal.outcome, SignalOutcome::Delivered | SignalOutcome::AlreadyPending)
}

/// It ends its target.
fn is_fatal(signal: SignalGenerated) -> bool {
    counts(signal) && signal.disposition == Disposition::Default
}

/// It asks for an end.
fn ends(signal: Signal) -> bool {
    matches!(signal, Signal::HUP | Signal::INT | Signal::QUIT | Signal::TERM | Signal::KILL)
}

/// What ends or restarts a whole system tells its first process.
const SHUTS_DOWN: [&str; 8] = ["systemctl", "telinit", "init", "shutdown", "reboot", "halt", "poweroff", "busybox"];

fn process_1(now: &Now<'_>, sender: ProcKey, target: ProcKey, signal: Signal, change: &Change) -> Option<Draft> {
    let process = now.model.process(target)?;
    let inside = |key: ProcKey| now.model.process(key).and_then(|it| it.namespace).map(|it| it.inum);
    let container = process.namespace.filter(|it| it.pid == Pid(1)).map(|it| it.inum);
    // A container's runtime ends it from outside, by another number.
    if process.key.number != Pid(1) && (container.is_none() || container != inside(sender)) {
        return None;
    }
    let comm = now.comm(sender);
    if SHUTS_DOWN.iter().any(|name| name.as_bytes() == &*comm.0) {
        return None;
    }
    let severity = if container.is_some() || signal == Signal::HUP { Severity::Info } else { Severity::Error };
    let what = if container.is_some() { "of its container" } else { "of the system" };
    let draft = Draft::of(now, sender, severity, say![now.name(sender), " sent ", signal, " to process 1, ", now.name(target)])
        .why(say!["process 1 is the first process ", what, "; often the number is the result of a getpgid that failed, negated"])
        .fix(say!["check the result of fork and getpgid before it is used in kill"])
        .seen(now.evidence_of(change));
    Some(draft)
}

/// It leads the group, and named it as its own: kill(0), as timeout does to end what it started and itself.
fn means_its_own(now: &Now<'_>, sender: ProcKey, group: PgrpKey) -> bool {
    let tid = now.event.map(|event| event.actor.tid);
    let open = now.model.process(sender).zip(tid).and_then(|(process, tid)| process.book.calls.get(tid));
    group.number.0 == sender.number.0 && matches!(open.map(|open| open.call), Some(Call::Kill { target: 0, .. }))
}

fn own_group(now: &Now<'_>, sender: ProcKey, group: PgrpKey, sent: SignalGenerated, change: &Change) -> Option<Draft> {
    let (signal, handled) = (sent.signal, sent.disposition == Disposition::Handler);
    let members = now.model.group(group)?.members.len();
    let above = now.model.ancestors(sender).map(|it| it.key);
    let above: Vec<ProcKey> = above.filter(|key| now.group_of(*key) == Some(group)).collect();
    let severity = match (now.is_shell(sender) || means_its_own(now, sender, group), handled) {
        (true, _) => Severity::Info,
        (false, true) if above.is_empty() => Severity::Info,
        (false, true) => Severity::Warning,
        (false, false) => Severity::Error,
    };
    let others = now.living(group).filter(|member| *member != sender).map(|member| say![now.name(member)]);
    let others = Words::list(others);
    // Alone in its group it has killed itself, and nobody besides.
    if others.is_empty() {
        return None;
    }
    let above = Words::list(above.into_iter().map(|key| say![now.name(key)]));
    let hits = if above.is_empty() { above } else { say!["; so is what started it: ", above] };
    let fact = say![now.name(sender), " sent ", signal, " to its own process group ", group, ": to itself and to ", others];
    let draft = Draft::of(now, sender, severity, fact)
        .why(say!["it is one of the ", count(members, "member", "members"), " of the group that it named", hits])
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
            11: > kill(-11,SIGTERM)
            11: SIGTERM -> 12
            11: SIGTERM -> 11
            11: < kill(-11,SIGTERM) = 0
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
    fn who_handles_it_has_thought_of_itself_and_who_ignores_it_more_so() {
        let kill = |disposition| {
            format!("10: fork 11\n11: setpgid(0,0) = 0\n11: exec runner\n11: fork 12\n11: > kill(0,SIGTERM)\n11: SIGTERM -> 12\n11: SIGTERM -> 11 {disposition}\n")
        };
        check(&kill("handler"), expect![[r"
            info JC303 overbroad-kill @12000: 11 runner sent SIGTERM to its own process group 11: to itself and to 12 runner
              why   it is one of the 2 members of the group that it named
              fix   put the child into its own group (setpgid right after fork), and check that the group is not getpgrp()
              seen  #7 11 bash: setpgid, leads new group 11
              seen  #12 SIGTERM to 11 runner: sent by 11 runner, to group 11
        "]]);
        check(&kill("ignoring"), expect![[""]]);
    }

    #[test]
    fn process_1_is_nobodys_child() {
        check("50: > kill(1,SIGTERM)\n50: SIGTERM -> 1 handler\n", expect![[r"
            error JC303 overbroad-kill @6000: 50 tmux sent SIGTERM to process 1, 1 init
              why   process 1 is the first process of the system; often the number is the result of a getpgid that failed, negated
              fix   check the result of fork and getpgid before it is used in kill
              seen  #6 SIGTERM to 1 init: sent by 50 tmux, to this process alone
        "]]);
    }
}
