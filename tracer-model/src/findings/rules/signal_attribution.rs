//! Processes died, stopped or went on by a signal: who sent it, along which path, and what it did to everybody who got it.
//!
//! A signal comes from the terminal (a character, to the whole foreground group), from a process (to one process or to a
//! group), or from the kernel: a hangup, the end of a session leader, the orphan rule, a parent's death, the end of a pid
//! namespace, a timer, a fault. One call or one key is one finding, with all whom it reached.
//!
//! **Fix.** None is needed for what was intended. Of what was not, the sender is named: look at what that was running then.
//!
//! **Not a problem** by itself: this is the record of every death, stop and continuation by a signal.
//!
//! Source: signal(7); `kernel/signal.c`, `__send_signal_locked`.

use super::{
    super::{
        answer,
        background::used_again,
        evidence::unsent,
        intents::{Delivery, Fate, Intent},
        memory::Received,
    },
    prelude::*,
};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<Attribution>::default()
}

/// Intents that did something to somebody, by their first delivery: until all whom they reached have had the time to react.
#[derive(Default)]
struct Attribution(Waiting<Seq, ()>);

/// How long everybody has.
const TO_REACT: u64 = 100 * MS;

impl Watch for Attribution {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let (process, signal, fate) = match *change {
                Change::Exited { process, status: WaitStatus::Killed { signal, .. } } => (process, signal, Fate::Died),
                Change::Stopped { process, signal, .. } => (process, signal, Fate::Stopped),
                Change::Continued { process, .. } => (process, Signal::CONT, Fate::Continued),
                _ => continue,
            };
            match now.intent(process, signal, fate) {
                Some(intent) => self.0.put_first(intent.seq, after(now.at, TO_REACT), ()),
                None if fate == Fate::Died => out.push(by_itself(now, process, signal, change)),
                None => {}
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (seq, at, ()) in self.0.due(now.at) {
            out.extend(now.memory.intents.get(seq).and_then(|intent| draft(now, intent)).map(|draft| draft.at(at)));
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let drafts = self.0.drain().filter_map(|(seq, ())| draft(now, now.memory.intents.get(seq)?));
        out.extend(drafts.collect::<Vec<_>>());
    }
}

fn draft(now: &Now<'_>, intent: &Intent) -> Option<Draft> {
    let (hit, rest): (Vec<&Delivery>, Vec<&Delivery>) =
        intent.deliveries.iter().partition(|delivery| delivery.fate.is_decisive());
    let first = *hit.first()?;
    let names = Words::list(hit.iter().map(|it| say![now.name_at(it.seen.as_ref().unwrap_or(&it.sent), it.target)]));
    let one = hit.len() == 1;
    let did = match first.fate {
        Fate::Stopped => say![if one { " was stopped by " } else { " were stopped by " }, intent.signal],
        Fate::Continued => say![if one { " was continued by " } else { " were continued by " }, intent.signal],
        _ => say![" died of ", intent.signal],
    };
    let subject = match first.group {
        Some(group) if !one && hit.iter().all(|it| it.group == first.group) => Subject::Group(group),
        _ => now.subject(first.target),
    };
    let others = Words::list(rest.iter().map(|it| say![now.name_at(&it.sent, it.target), fate(it.fate)]));
    let others = if others.is_empty() { others } else { say!["; also to ", others] };
    let life = now.memory.life(first.target);
    let received = life.and_then(|life| life.received.iter().find(|it| it.evidence.seq == first.sent.seq));
    let fatal = life.zip(received).filter(|_| first.fate == Fate::Died);
    let handled = fatal.and_then(|(life, fatal)| answer::handled_first(life, fatal));
    let cause = handled.map_or_else(|| first.sent.path(), answer::ended_itself);
    let shown = |of: fn(&Delivery) -> Option<&Evidence>| hit.iter().filter_map(move |it| of(it)).take(4).cloned();
    let draft = Draft::on(subject, Severity::Info, say![names, did])
        .why(say![cause, credentials(now, intent, first), others])
        .fix(fix(now, intent, first, received, handled))
        .about(hit.iter().map(|it| it.target))
        .since(intent.seq)
        .seen(handled.map(|handled| handled.evidence.clone()))
        .seen(shown(|it| Some(&it.sent)))
        .seen(shown(|it| it.seen.as_ref()));
    Some(draft)
}

/// What the signal was for one whom it did nothing to.
fn fate(fate: Fate) -> &'static str {
    match fate.aside() {
        "" => " (no effect yet)",
        aside => aside,
    }
}

/// The sender, where it is somebody else than the target.
fn credentials(now: &Now<'_>, intent: &Intent, first: &Delivery) -> Words {
    let (Some(sender), Some(target)) = (intent.sender, now.model.process(first.target)) else { return say![] };
    let mut parts = Vec::new();
    if let Some(uid) = sender.uid.filter(|_| sender.uid != target.uid) {
        parts.push(say!["as user ", uid.0]);
    }
    if let Some(session) = sender.session.filter(|_| sender.session != target.session) {
        parts.push(say!["from session ", session]);
    }
    if sender.cgroup != target.cgroup && sender.cgroup != 0 && target.cgroup != 0 {
        parts.push(say!["from another cgroup"]);
    }
    let parts = Words::list(parts);
    if parts.is_empty() { parts } else { say![", ", parts] }
}

fn fix(now: &Now<'_>, intent: &Intent, first: &Delivery, received: Option<&Received>, handled: Option<&Received>) -> Words {
    let (path, sent) = handled.map_or((intent.path, &first.sent), |handled| (handled.path, &handled.evidence));
    match (first.fate, path) {
        (Fate::Stopped, SignalPath::TerminalCharacter { .. }) => say!["fg or bg in the shell continues it"],
        (Fate::Stopped, SignalPath::BackgroundAccess { .. }) => {
            let again = used_again(intent.signal, received.and_then(|it| it.call));
            say!["fg in its shell; kill -CONT alone lets it stop again at the next ", again]
        }
        (Fate::Stopped, _) => say!["kill -CONT continues it"],
        (Fate::Continued, _) => say!["nothing: it goes on"],
        (_, SignalPath::Hangup { .. }) => say!["to outlive its terminal: nohup, setsid, or a terminal multiplexer"],
        (_, SignalPath::OrphanRule { .. }) => say!["do not leave stopped jobs behind when a shell ends"],
        (_, SignalPath::NamespaceEnd { .. }) => say!["let the first process of a container end last: it should wait for the others"],
        (_, SignalPath::Kernel) if intent.signal == Signal::KILL => say!["look at the memory limit of its cgroup, and at dmesg"],
        (_, SignalPath::TerminalCharacter { .. }) => {
            let handler = if handled.is_some() { "" } else { "a handler, or " };
            say!["nothing, if the key was meant; what must survive it needs ", handler, "a group in the background"]
        }
        (_, SignalPath::ParentDeath { .. }) => say!["nothing, if it was to end with its parent; else see `sesstrace explain JC308`"],
        (_, path) => match path.sender().filter(|sender| *sender != first.target) {
            Some(sender) => {
                say!["if this was not meant, look at what ", now.name_at(sent, sender), " was running when it sent it"]
            }
            None => say!["nothing, if this was meant"],
        },
    }
}

/// It died of a signal that no call sent and no key.
fn by_itself(now: &Now<'_>, process: ProcKey, signal: Signal, change: &Change) -> Draft {
    let fix = match signal.0 {
        13 => say!["nothing, in a pipeline whose reader has enough (head); else look why the reader ended"],
        4 | 7 | 8 | 11 => say!["look for the fault in the program: a core file or a debugger shows the place"],
        _ => say!["nothing, if this was meant"],
    };
    let lost = now.memory.life(process).and_then(|life| now.lost_of(life));
    let draft = Draft::of(now, process, Severity::Info, say![now.name(process), " died of ", signal])
        .why(unsent(signal, lost.is_some()))
        .fix(fix)
        .seen(now.evidence_of(change));
    // The gap itself is what has not shown it.
    match lost {
        Some(gap) => draft.since(Seq(gap.0.saturating_sub(1))),
        None => draft,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn ctrl_c_says_who_else_got_it() {
        check(
            "
            10: fork 11 {tty=pts/0}
            11: setpgid(0,0) = 0
            10: ioctl(255,TIOCSPGRP,0,11) = 0
            11: exec sleep
            11: fork 12
            12: exec cat
            11: fork 13
            77(kworker): SIGINT -> 13 kernel
            77(kworker): SIGINT -> 12 kernel handler
            77(kworker): SIGINT -> 11 kernel
            11: exit SIGINT
            13: exit SIGINT
            ",
            expect![[r"
                info JC309 signal-attribution @18000: 13 sleep, 11 sleep died of SIGINT
                  why   Ctrl-C typed at pts/0, to its foreground group; also to 12 cat (handled)
                  fix   nothing, if the key was meant; what must survive it needs a handler, or a group in the background
                  seen  #14 SIGINT to 13 sleep: Ctrl-C typed at pts/0, to its foreground group
                  seen  #16 SIGINT to 11 sleep: Ctrl-C typed at pts/0, to its foreground group
                  seen  #17 11 sleep dies of SIGINT
                  seen  #18 13 sleep dies of SIGINT
            "]],
        );
    }

    #[test]
    fn a_stop_and_what_continues_it() {
        check(
            "
            10: fork 11 {tty=pts/0}
            11: setpgid(0,0) = 0
            10: ioctl(255,TIOCSPGRP,0,11) = 0
            77(kworker): SIGTSTP -> 11 kernel
            11: stops SIGTSTP
            10: ioctl(255,TIOCSPGRP,0,10) = 0
            @1000000000 10: ioctl(255,TIOCSPGRP,0,11) = 0
            10: > kill(-11,SIGCONT)
            10: SIGCONT -> 11
            10: < kill(-11,SIGCONT) = 0
            ",
            expect![[r"
                info JC309 signal-attribution @100011000: 11 bash was stopped by SIGTSTP
                  why   Ctrl-Z typed at pts/0, to its foreground group
                  fix   fg or bg in the shell continues it
                  seen  #10 SIGTSTP to 11 bash: Ctrl-Z typed at pts/0, to its foreground group
                  seen  #11 11 bash is stopped by SIGTSTP
                info JC309 signal-attribution @1000004000: 11 bash was continued by SIGCONT
                  why   sent by 10 bash, to group 11
                  fix   nothing: it goes on
                  seen  #17 SIGCONT to 11 bash: sent by 10 bash, to group 11
            "]],
        );
    }

    #[test]
    fn kill_says_who_sent_it_and_a_fault_says_so() {
        check(
            "
            10: fork 11
            50: > kill(11,SIGKILL)
            50: SIGKILL -> 11
            11: exit SIGKILL
            10: fork 12
            12: exit SIGSEGV
            10: fork 13
            13: exit SIGALRM
            10: fork 14
            14: exit SIGHUP
            ",
            expect![[r"
                info JC309 signal-attribution @10000: 12 bash died of SIGSEGV
                  why   no process sent it; it comes from an access to memory that is not its own
                  fix   look for the fault in the program: a core file or a debugger shows the place
                  seen  #10 12 bash dies of SIGSEGV
                info JC309 signal-attribution @12000: 13 bash died of SIGALRM
                  why   no process sent it: a timer of its own ran out (alarm, setitimer or the like)
                  fix   nothing, if this was meant
                  seen  #12 13 bash dies of SIGALRM
                info JC309 signal-attribution @14000: 14 bash died of SIGHUP
                  why   sender unknown: it was sent before the capture, or to its parent while that forked it
                  fix   nothing, if this was meant
                  seen  #14 14 bash dies of SIGHUP
                info JC309 signal-attribution @14000: 11 bash died of SIGKILL
                  why   sent by 50 tmux, to this process alone, from session 50
                  fix   if this was not meant, look at what 50 tmux was running when it sent it
                  seen  #7 SIGKILL to 11 bash: sent by 50 tmux, to this process alone
                  seen  #8 11 bash dies of SIGKILL
            "]],
        );
    }

    #[test]
    fn what_was_handled_killed_nobody() {
        // The second signal, of which 11 died, was lost.
        let handled = "
            10: fork 11
            50: > kill(11,SIGTERM)
            50: SIGTERM -> 11 handler
            50: < kill(11,SIGTERM) = 0
        ";
        check(&format!("{handled}gap 3 sequence 8500 8900\n11: exit SIGTERM\n"), expect![[r"
            info undecided JC309 signal-attribution @10000: 11 bash died of SIGTERM
              why   sender unknown: records were lost
              fix   nothing, if this was meant
              seen  #10 11 bash dies of SIGTERM
        "]]);
        check(&format!("{handled}11: exit SIGTERM\n"), expect![[r"
            info JC309 signal-attribution @9000: 11 bash died of SIGTERM
              why   sender unknown: it was sent before the capture, or to its parent while that forked it
              fix   nothing, if this was meant
              seen  #9 11 bash dies of SIGTERM
        "]]);
    }
}
