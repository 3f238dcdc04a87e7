//! A signal was not passed on to children that it could not reach: they are in process groups of their own, and go on.
//!
//! Ctrl-C and Ctrl-Z reach the foreground process group and nobody else, and a kill of one process reaches that one. A program
//! that gives its children groups of their own takes them out of that reach, and has to pass the signal on.
//!
//! **Fix.** Leave the children in the group; or handle SIGINT, SIGTERM and SIGTSTP and signal each of their groups.
//!
//! **Not a problem** for the background jobs of a shell, which are meant to go on: descendants of a shell are not reported.
//! Neither are those in other sessions, and those that end, stop or are signalled within a second of a character. Who handles
//! or ignores SIGTERM, SIGINT or SIGTSTP that was sent to it alone has two seconds to end its children: servers drain.
//!
//! Source: POSIX.1-2024 XBD 11.1.9.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<NotForwarded>::default()
}

#[derive(Default)]
struct NotForwarded {
    typed: Waiting<PgrpKey, Typed>,
    sent: Waiting<ProcKey, Sent>,
}

/// A signal was sent to a process alone, which caught or ignored it; these are its children in other groups.
struct Sent {
    signal: Signal,
    seq: Seq,
    ignored: bool,
    children: Vec<ProcKey>,
    evidence: Evidence,
}

/// A character was typed and did not reach these.
struct Typed {
    signal: Signal,
    tty: Option<TtyKey>,
    seq: Seq,
    /// Who was not reached, and the member of the group that it descends from, as that was called.
    beyond: Vec<(ProcKey, (ProcKey, Word))>,
    evidence: Vec<Evidence>,
}

impl Watch for NotForwarded {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            match *change {
                Change::SignalSent { target, signal, path: SignalPath::TerminalCharacter { tty }, .. } => {
                    self.typed(now, target, (signal.signal, tty), change);
                }
                Change::SignalSent { target, signal, path: SignalPath::KillProcess { sender, .. }, .. }
                    if sender != target && matches!(signal.signal, Signal::TERM | Signal::INT | Signal::TSTP) =>
                {
                    self.sent(now, target, signal, change);
                }
                Change::Exited { process, .. } => {
                    self.sent.take(process);
                }
                _ => {}
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (group, at, typed) in self.typed.due(now.at) {
            out.extend(draft(now, group, typed).map(|draft| draft.until(at)));
        }
        for (process, at, sent) in self.sent.due(now.at) {
            out.extend(kept(now, process, sent).map(|draft| draft.until(at)));
        }
    }

    fn next(&self) -> BootNs {
        self.typed.next().min(self.sent.next())
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (group, at, typed) in self.typed.rest() {
            out.extend(draft(now, group, typed).map(|draft| draft.until(at)));
        }
        for (process, at, sent) in self.sent.rest() {
            out.extend(kept(now, process, sent).map(|draft| draft.until(at)));
        }
    }
}

impl NotForwarded {
    fn typed(&mut self, now: &Now<'_>, target: ProcKey, (signal, tty): (Signal, Option<TtyKey>), change: &Change) {
        let Some(group) = now.group_of(target).filter(|group| self.typed.get_mut(*group).is_none()) else { return };
        let beyond = beyond(now, group).into_iter().map(|(key, above)| (key, (above, now.name(above))));
        let beyond: Vec<_> = beyond.collect();
        if !beyond.is_empty() {
            let evidence = now.evidence_of(change).into_iter().collect();
            self.typed.put(group, after(now.at, SECOND), Typed { signal, tty, seq: now.seq, beyond, evidence });
        }
    }

    fn sent(&mut self, now: &Now<'_>, target: ProcKey, signal: SignalGenerated, change: &Change) {
        if signal.disposition == Disposition::Default || signal.blocked || now.is_shell(target) {
            return;
        }
        let Some(state) = now.model.process(target) else { return };
        let apart = |key: &ProcKey| {
            let child = now.model.process(*key);
            now.is_alive(*key) && child.is_some_and(|child| child.group != state.group && child.session == state.session)
        };
        let children: Vec<ProcKey> = state.children.iter().copied().filter(apart).collect();
        if let Some(evidence) = now.evidence_of(change).filter(|_| !children.is_empty()) {
            let ignored = signal.disposition == Disposition::Ignored;
            let sent = Sent { signal: signal.signal, seq: now.seq, ignored, children, evidence };
            self.sent.put(target, after(now.at, 2 * SECOND), sent);
        }
    }
}

/// It got nothing since, and runs.
fn goes_on(now: &Now<'_>, process: ProcKey, since: Seq) -> bool {
    let told = now.last_received(process, |received| received.evidence.seq > since).is_some();
    !told && now.is_alive(process) && now.model.process(process).is_some_and(|process| process.stopped.is_none())
}

fn kept(now: &Now<'_>, process: ProcKey, sent: Sent) -> Option<Draft> {
    let Sent { signal, seq, ignored, children, evidence } = sent;
    let name = now.name_at(&evidence, process);
    let left: Vec<ProcKey> = children.into_iter().filter(|key| goes_on(now, *key, seq)).collect();
    let first = *left.first()?;
    let names = Words::list(left.iter().map(|key| say![now.name(*key)]));
    let did = if ignored { " ignores it" } else { " handled it" };
    let moved = now.memory.life(first).and_then(|life| life.moved.clone());
    let (children, them) = if left.len() == 1 { ("child ", "did not signal it; it is in ") } else { ("children ", "signalled none of them; they are in ") };
    let fact = say![signal, " was sent to ", name.clone(), " alone, and its ", children, names, " heard nothing of it"];
    let draft = Draft::of(now, process, Severity::Warning, fact)
        .why(say![name, did, ", and ", them, groups(now, &left)])
        .fix(say!["pass the signal on to each group of the children, or leave them in the own group and signal that"])
        .about(left)
        .since(seq)
        .seen(moved)
        .seen([evidence]);
    Some(draft)
}

/// `group 12`, `3 other groups`.
fn groups(now: &Now<'_>, processes: &[ProcKey]) -> Words {
    let groups: std::collections::BTreeSet<PgrpKey> = processes.iter().filter_map(|key| now.group_of(*key)).collect();
    match groups.first() {
        Some(group) if groups.len() == 1 => say!["group ", *group],
        _ => say![groups.len(), " other groups"],
    }
}

/// Living processes of the same session in other groups that descend from a member of this one which is no shell.
fn beyond(now: &Now<'_>, group: PgrpKey) -> Vec<(ProcKey, ProcKey)> {
    let session = now.model.group(group).map(|group| group.session);
    let mut found = Vec::new();
    let mut open: Vec<(ProcKey, ProcKey)> =
        now.living(group).filter(|member| !now.is_shell(*member)).map(|member| (member, member)).collect();
    while let Some((key, member)) = open.pop() {
        let children = now.model.process(key).into_iter().flat_map(|process| process.children.iter().copied());
        for child in children.filter(|child| now.is_alive(*child) && now.group_of(*child) != Some(group)) {
            let state = now.model.process(child);
            if state.is_some_and(|child| child.session == session && child.stopped.is_none()) {
                found.push((child, member));
            }
            open.push((child, member));
        }
    }
    found.sort_unstable();
    found
}

fn draft(now: &Now<'_>, group: PgrpKey, typed: Typed) -> Option<Draft> {
    let Typed { signal, tty, seq, beyond, mut evidence } = typed;
    let left: Vec<_> = beyond.into_iter().filter(|(key, _)| goes_on(now, *key, seq)).collect();
    let (first, (member, above)) = left.first()?.clone();
    let names = Words::list(left.iter().map(|(key, _)| say![now.name(*key)]));
    let on = if left.len() == 1 { " goes on" } else { " go on" };
    let tty = tty.map(|tty| say![" at ", tty]);
    let moved = now.memory.life(first).and_then(|life| life.moved.clone());
    let keys: Vec<ProcKey> = left.iter().map(|(key, _)| *key).collect();
    let are = if left.len() == 1 { " is in " } else { " are in " };
    evidence.extend(moved);
    let draft = Draft::of(now, first, Severity::Warning, say![signal, tty, " reached group ", group, ", but ", names.clone(), on])
        .why(say!["the terminal signals its foreground group alone; ", names.clone(), are, groups(now, &keys), ", and ", above, " did not pass it on"])
        .fix(say!["leave the children in the group, or pass the signal on to each of their groups"])
        .about(left.iter().map(|(key, _)| *key))
        .about([member])
        .since(seq)
        .seen(evidence);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const NINJA: &str = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        10: ioctl(255,TIOCSPGRP,0,11) = 0
        11: exec ninja
        11: fork 12
        12: setpgid(0,0) = 0
        12: exec cc1
        77(kworker): SIGTSTP -> 11 kernel
        11: stops SIGTSTP
    ";

    #[test]
    fn a_compiler_in_a_group_of_its_own_goes_on() {
        check(&format!("{NINJA}@2000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            info JC309 signal-attribution @100016000: 11 ninja was stopped by SIGTSTP
              why   Ctrl-Z typed at pts/0, to its foreground group
              fix   fg or bg in the shell continues it
              seen  #15 SIGTSTP to 11 ninja: Ctrl-Z typed at pts/0, to its foreground group
              seen  #16 11 ninja is stopped by SIGTSTP
            warning JC306 signal-not-forwarded @1000015000: SIGTSTP at pts/0 reached group 11, but 12 cc1 goes on
              why   the terminal signals its foreground group alone; 12 cc1 is in group 12, and 11 ninja did not pass it on
              fix   leave the children in the group, or pass the signal on to each of their groups
              seen  #13 12 ninja: setpgid, leads new group 12
              seen  #15 SIGTSTP to 11 ninja: Ctrl-Z typed at pts/0, to its foreground group
        "]]);
    }

    #[test]
    fn a_signal_that_is_passed_on_is_nothing() {
        check(&format!("{NINJA}11: > kill(-12,SIGTSTP)\n11: SIGTSTP -> 12\n12: stops SIGTSTP\n@2000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            info JC309 signal-attribution @100016000: 11 ninja was stopped by SIGTSTP
              why   Ctrl-Z typed at pts/0, to its foreground group
              fix   fg or bg in the shell continues it
              seen  #15 SIGTSTP to 11 ninja: Ctrl-Z typed at pts/0, to its foreground group
              seen  #16 11 ninja is stopped by SIGTSTP
            info JC309 signal-attribution @100019000: 12 cc1 was stopped by SIGTSTP
              why   sent by 11 ninja, to group 12
              fix   kill -CONT continues it
              seen  #18 SIGTSTP to 12 cc1: sent by 11 ninja, to group 12
              seen  #19 12 cc1 is stopped by SIGTSTP
        "]]);
    }
}
