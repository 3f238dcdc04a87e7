//! A character at the terminal signalled the foreground group, and descendants of its members in other groups go on.
//!
//! Ctrl-C and Ctrl-Z reach the foreground process group and nobody else. A program that gives its children groups of their
//! own takes them out of that reach, and has to pass the signal on.
//!
//! **Fix.** Leave the children in the group; or handle SIGINT, SIGTERM and SIGTSTP and signal each of their groups.
//!
//! **Not a problem** for the background jobs of a shell, which are meant to go on: descendants of a shell in the group are
//! not reported. Neither are those in other sessions, and those that end, stop or are signalled within a second.
//!
//! Source: POSIX.1-2024 XBD 11.1.9.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<NotForwarded>::default()
}

#[derive(Default)]
struct NotForwarded(Waiting<PgrpKey, Typed>);

/// A character was typed and did not reach these.
struct Typed {
    signal: Signal,
    tty: Option<TtyKey>,
    seq: Seq,
    /// Who was not reached, and the member of the group that it descends from.
    beyond: Vec<(ProcKey, ProcKey)>,
    evidence: Vec<Evidence>,
}

impl Watch for NotForwarded {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::SignalSent { target, signal, path: SignalPath::TerminalCharacter { tty }, .. } = *change else { continue };
            let Some(group) = now.group_of(target).filter(|group| self.0.get_mut(*group).is_none()) else { continue };
            let beyond = beyond(now, group);
            if !beyond.is_empty() {
                let evidence = now.evidence_of(change).into_iter().collect();
                let typed = Typed { signal: signal.signal, tty, seq: now.seq, beyond, evidence };
                self.0.put(group, after(now.at, SECOND), typed);
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (group, at, typed) in self.0.due(now.at) {
            out.extend(draft(now, group, typed).map(|draft| draft.at(at)));
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let drafts = self.0.drain().filter_map(|(group, typed)| draft(now, group, typed));
        out.extend(drafts.collect::<Vec<_>>());
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
    let goes_on = |key: ProcKey| {
        let told = now.last_received(key, |received| received.evidence.seq > seq).is_some();
        !told && now.is_alive(key) && now.model.process(key).is_some_and(|process| process.stopped.is_none())
    };
    let left: Vec<_> = beyond.into_iter().filter(|(key, _)| goes_on(*key)).collect();
    let (first, member) = *left.first()?;
    let names = Words::list(left.iter().map(|(key, _)| say![now.name(*key)]));
    let on = if left.len() == 1 { " goes on" } else { " go on" };
    let tty = tty.map(|tty| say![" at ", tty]);
    let moved = now.memory.life(first).and_then(|life| life.moved.clone());
    let in_group = now.group_of(first).map(|first| say![" is in group ", first]);
    evidence.extend(moved);
    let draft = Draft::of(now, first, Severity::Warning, say![signal, tty, " reached group ", group, ", but ", names, on])
        .why(say!["the terminal signals its foreground group alone; ", now.name(first), in_group, ", and ", now.name(member), " did not pass it on"])
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
            warning JC306 signal-not-forwarded @1000015000: SIGTSTP at pts/0 reached group 11, but 12 cc1 goes on
              why   the terminal signals its foreground group alone; 12 cc1 is in group 12, and 11 ninja did not pass it on
              fix   leave the children in the group, or pass the signal on to each of their groups
              seen  #13 12 ninja: setpgid, leads new group 12
              seen  #15 SIGTSTP to 11 ninja: Ctrl-Z typed at pts/0, to its foreground group
        "]]);
    }

    #[test]
    fn a_signal_that_is_passed_on_is_nothing() {
        check(&format!("{NINJA}11: > kill(-12,SIGTSTP)\n11: SIGTSTP -> 12\n12: stops SIGTSTP\n@2000000000 50: takes SIGWINCH 0 handler\n"), expect![[""]]);
    }
}
