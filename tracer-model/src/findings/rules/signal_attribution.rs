//! A process died of a signal: who sent it, along which path, and who else got it.
//!
//! A signal comes from the terminal (a character, to the whole foreground group), from a process (to one process or to a
//! group), or from the kernel: a hangup, the end of a session leader, the orphan rule, a parent's death, a fault.
//!
//! **Fix.** None is needed for what was intended; the sender is the one to ask.
//!
//! **Not a problem** by itself: this is the record of every death by a signal.
//!
//! Source: signal(7); `kernel/signal.c`, `__send_signal_locked`.

use super::{
    super::{answer::others, memory::Received},
    prelude::*,
};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(Attribution)
}

struct Attribution;

impl Watch for Attribution {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Exited { process, status: WaitStatus::Killed { signal, .. } } = *change else { continue };
            let fact = say![now.name(process), " died of ", signal];
            let draft = Draft::of(now, process, Severity::Info, fact).seen(now.evidence_of(change));
            let received = now.last_received(process, |received| received.signal.signal == signal);
            let fix = fix(now, process, received);
            let Some(received) = received else {
                let why = say!["who sent it was not seen: before the capture, to a parent in mid-fork, or a fault of its own"];
                out.push(draft.why(why).fix(fix));
                continue;
            };
            let path = now.path(received.path, process, signal);
            let others = others(now, process, received);
            let others = if others.is_empty() { others } else { say!["; so did ", others] };
            out.push(draft.why(say![path, others]).fix(fix).seen([received.evidence.clone()]));
        }
    }
}

fn fix(now: &Now<'_>, process: ProcKey, received: Option<&Received>) -> Words {
    match received.map(|received| received.path) {
        Some(SignalPath::KillProcess { sender, .. } | SignalPath::KillGroup { sender, .. }) if sender != process => {
            say!["ask ", now.name(sender), " why, if this was not meant"]
        }
        Some(SignalPath::Hangup { .. }) => say!["to outlive its terminal: nohup, setsid, or a terminal multiplexer"],
        Some(SignalPath::OrphanRule { .. }) => say!["do not leave stopped jobs behind when a shell ends"],
        _ => say!["none needed, if this was meant"],
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
            77(kworker): SIGINT -> 12 kernel handler
            77(kworker): SIGINT -> 11 kernel
            11: exit SIGINT
            ",
            expect![[r"
                info JC309 signal-attribution @15000: 11 sleep died of SIGINT
                  why   Ctrl-C typed at pts/0, to its foreground group; so did 12 cat (handled)
                  fix   none needed, if this was meant
                  seen  #14 SIGINT to 11 sleep: Ctrl-C typed at pts/0, to its foreground group
                  seen  #15 11 sleep dies of SIGINT
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
            ",
            expect![[r"
                info JC309 signal-attribution @8000: 11 bash died of SIGKILL
                  why   sent by 50 tmux, to this process alone
                  fix   ask 50 tmux why, if this was not meant
                  seen  #7 SIGKILL to 11 bash: sent by 50 tmux, to this process alone
                  seen  #8 11 bash dies of SIGKILL
                info JC309 signal-attribution @10000: 12 bash died of SIGSEGV
                  why   who sent it was not seen: before the capture, to a parent in mid-fork, or a fault of its own
                  fix   none needed, if this was meant
                  seen  #10 12 bash dies of SIGSEGV
            "]],
        );
    }

    #[test]
    fn who_exits_by_itself_is_nothing() {
        check("10: fork 11\n11: exit 143\n", expect![[""]]);
    }
}
