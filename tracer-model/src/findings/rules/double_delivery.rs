//! A process got the same signal twice: once from the terminal, and once passed on by another process.
//!
//! A character typed at the terminal goes to every member of the foreground group, and so does the SIGHUP of its end. A wrapper that passes the signal on to
//! its child gives the child a second one; some programs take that as the order to stop at once.
//!
//! **Fix.** Pass a signal on only if the child left the group, or if it came from a process and not from the terminal.
//!
//! **Not a problem** by itself: information. A signal of somebody who did not get it and is no ancestor in the session is another
//! one, and not reported.
//!
//! Source: POSIX.1-2024 XBD 11.1.9.

use super::prelude::*;

/// Two signals closer than this are one intention.
const TOGETHER: u64 = 200 * MS;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(DoubleDelivery)
}

struct DoubleDelivery;

impl Watch for DoubleDelivery {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::SignalSent { target, signal, path, .. } = *change else { continue };
            let (SignalPath::KillProcess { sender, .. } | SignalPath::KillGroup { sender, .. }) = path else { continue };
            let typed = now.last_received(target, |received| {
                let group = matches!(received.path, SignalPath::TerminalCharacter { .. } | SignalPath::Hangup { .. });
                received.signal.signal == signal.signal && group
            });
            let Some(typed) = typed.filter(|typed| now.at.since(typed.evidence.at) <= TOGETHER) else { continue };
            if sender == target || !passes_on(now, sender, target, signal.signal) {
                continue;
            }
            let fact = say![now.name(target), " got ", signal.signal, " twice within ", now.since(typed.evidence.at)];
            out.push(
                Draft::of(now, target, Severity::Info, fact)
                    .why(say![first(typed.path), " sent it to the whole foreground group, and ", now.name(sender), " passed it on"])
                    .fix(say!["pass a signal on only to children that have left the group"])
                    .seen([typed.evidence.clone()])
                    .seen(now.evidence_of(change)),
            );
        }
    }
}

/// It got the same signal just now, or is an ancestor in the same session, as a wrapper is.
fn passes_on(now: &Now<'_>, sender: ProcKey, target: ProcKey, signal: Signal) -> bool {
    let got = now.last_received(sender, |it| it.signal.signal == signal && now.at.since(it.evidence.at) <= TOGETHER);
    let session = |key: ProcKey| now.model.process(key).and_then(|process| process.session);
    let is_above = || now.model.ancestors(target).any(|above| above.key == sender);
    got.is_some() || session(sender) == session(target) && is_above()
}

/// Who sent it first.
fn first(path: SignalPath) -> &'static str {
    if matches!(path, SignalPath::Hangup { .. }) { "the kernel, at the hangup of the terminal," } else { "the terminal" }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::{check, ids};

    const JOB: &str = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        10: ioctl(255,TIOCSPGRP,0,11) = 0
        11: fork 12
        77(kworker): SIGINT -> 12 kernel handler
        77(kworker): SIGINT -> 11 kernel handler
    ";

    #[test]
    fn a_wrapper_that_passes_ctrl_c_on_doubles_it() {
        check(&format!("{JOB}11: > kill(12,SIGINT)\n11: SIGINT -> 12 handler\n"), expect![[r"
            info JC305 double-delivery @14000: 12 bash got SIGINT twice within 3000 ns
              why   the terminal sent it to the whole foreground group, and 11 bash passed it on
              fix   pass a signal on only to children that have left the group
              seen  #11 SIGINT to 12 bash: Ctrl-C typed at pts/0, to its foreground group
              seen  #14 SIGINT to 12 bash: sent by 11 bash, to this process alone
        "]]);
    }

    #[test]
    fn a_kill_from_elsewhere_passes_nothing_on() {
        // 50 is in another session and was sent nothing.
        assert_eq!(ids(&format!("{JOB}50: > kill(12,SIGINT)\n50: SIGINT -> 12 handler\n")), [""; 0]);
        assert_eq!(ids(&format!("{JOB}10: > kill(12,SIGINT)\n10: SIGINT -> 12 handler\n")), ["JC305"]);
        let got = "10: SIGINT -> 50 handler\n50: > kill(12,SIGINT)\n50: SIGINT -> 12 handler\n";
        assert_eq!(ids(&format!("{JOB}10: > kill(50,SIGINT)\n{got}")), ["JC305"]);
    }

    #[test]
    fn ctrl_c_alone_is_nothing() {
        check(JOB, expect![[""]]);
    }
}
