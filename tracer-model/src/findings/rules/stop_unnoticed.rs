//! Everything in the foreground is stopped and nobody reacts: the terminal is frozen.
//!
//! A shell learns that its job has stopped by waiting with WUNTRACED, and takes the terminal back. A program that waits only
//! for the end of its child, or waits for another process than the one that stopped, does neither: nothing reads the
//! keyboard until somebody outside sends SIGCONT. A child that is stopped before exec also blocks its parent inside vfork.
//!
//! **Fix.** Rescue: `kill -CONT -- -GROUP`. The program that waits must use WUNTRACED and take the terminal back on a stop,
//! or not pass SIGTSTP on.
//!
//! **Not a problem** for three seconds; after that it is reported.
//!
//! Source: POSIX.1-2024 waitpid (WUNTRACED), XBD 11.1.3.

use super::{super::waiters::blocked_by, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<StopUnnoticed>::default()
}

#[derive(Default)]
struct StopUnnoticed(Waiting<PgrpKey, Frozen>);

/// The foreground group has stopped.
struct Frozen {
    first: ProcKey,
    signal: Signal,
    seq: Seq,
    evidence: Vec<Evidence>,
}

impl Watch for StopUnnoticed {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Stopped { process, signal, .. } = *change
                && let Some(group) = now.group_of(process)
            {
                let evidence = now.evidence_of(change);
                if let Some(frozen) = self.0.get_mut(group) {
                    frozen.evidence.extend(evidence);
                } else if now.model.foreground_of(group).is_some() {
                    let sent = now.last_received(process, |received| received.signal.signal == signal);
                    let evidence = sent.map(|sent| sent.evidence.clone()).into_iter().chain(evidence).collect();
                    let frozen = Frozen { first: process, signal, seq: now.seq, evidence };
                    self.0.put(group, after(now.at, 3 * SECOND), frozen);
                }
            } else if let Change::Continued { process, .. } | Change::Exited { process, .. } = *change
                && let Some(group) = now.group_of(process)
            {
                self.0.take(group);
            } else if let Change::Foreground { from: Some(from), .. } = *change
                && let Some(group) = from.group
            {
                self.0.take(group);
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (group, at, Frozen { first, signal, seq, evidence }) in self.0.due(now.at) {
            let is_stopped = |key: &ProcKey| now.model.process(*key).is_some_and(|process| process.stopped.is_some());
            let (members, waiting): (Vec<ProcKey>, Vec<ProcKey>) = now.living(group).partition(is_stopped);
            // Who waits for one that is stopped is as good as stopped itself.
            let blocked: Vec<ProcKey> = members.iter().flat_map(|member| blocked_by(now.model, *member)).collect();
            let all = waiting.iter().all(|member| blocked.contains(member)) && !members.is_empty();
            let Some(tty) = now.model.foreground_of(group).filter(|_| all) else { continue };
            let names = Words::list(members.iter().map(|member| say![now.name(*member)]));
            let are = if members.len() == 1 { " is" } else { " are" };
            out.push(
                Draft::of(now, first, Severity::Error, say![tty, " is frozen: ", names, are, " stopped by ", signal])
                    .why(why(now, first))
                    .fix(say!["kill -CONT -- -", group, " lets it go on; who waits must use WUNTRACED and take the terminal back"])
                    .about(members)
                    .since(seq)
                    .seen(evidence)
                    .at(at),
            );
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }
}

fn why(now: &Now<'_>, stopped: ProcKey) -> Words {
    let Some(process) = now.model.process(stopped) else { return say![] };
    let parent = process.parent.filter(|_| !process.parent_exited);
    match (waiter(now.model, stopped), parent) {
        (Some(waiter), _) if !waiter.sees_stops => {
            say![now.name(waiter.process), " waits for it to end, without WUNTRACED, and does not learn of the stop"]
        }
        (None, Some(parent)) if process.not_yet_execed => {
            say!["it was stopped before it executed a program; its parent ", now.name(parent), " did not take the terminal back"]
        }
        (_, Some(parent)) => say!["its parent ", now.name(parent), " has not taken the terminal back for 3 s"],
        (_, None) => say!["its parent has ended, and nobody has taken the terminal back for 3 s"],
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const JOB: &str = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        10: ioctl(255,TIOCSPGRP,0,11) = 0
        11: exec vi
        10: > wait4(11,0)
        77(kworker): SIGTSTP -> 11 kernel
        11: stops SIGTSTP
    ";

    #[test]
    fn a_shell_that_does_not_see_stops_freezes_the_terminal() {
        check(&format!("{JOB}@4000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            info JC309 signal-attribution @100013000: 11 vi was stopped by SIGTSTP
              why   Ctrl-Z typed at pts/0, to its foreground group
              fix   fg or bg in the shell continues it
              seen  #12 SIGTSTP to 11 vi: Ctrl-Z typed at pts/0, to its foreground group
              seen  #13 11 vi is stopped by SIGTSTP
            error JC207 stop-unnoticed @3000013000: pts/0 is frozen: 11 vi is stopped by SIGTSTP
              why   10 bash waits for it to end, without WUNTRACED, and does not learn of the stop
              fix   kill -CONT -- -11 lets it go on; who waits must use WUNTRACED and take the terminal back
              seen  #12 SIGTSTP to 11 vi: Ctrl-Z typed at pts/0, to its foreground group
              seen  #13 11 vi is stopped by SIGTSTP
        "]]);
    }

    #[test]
    fn a_shell_that_takes_the_terminal_back_is_well() {
        let taken = "10: < wait4(11,0) = 11 got 11 stopped:SIGTSTP\n10: ioctl(255,TIOCSPGRP,0,10) = 0\n";
        check(&format!("{JOB}{taken}@4000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            info JC309 signal-attribution @100013000: 11 vi was stopped by SIGTSTP
              why   Ctrl-Z typed at pts/0, to its foreground group
              fix   fg or bg in the shell continues it
              seen  #12 SIGTSTP to 11 vi: Ctrl-Z typed at pts/0, to its foreground group
              seen  #13 11 vi is stopped by SIGTSTP
        "]]);
    }
}
