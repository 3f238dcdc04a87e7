//! A process of an orphaned background group goes on using a terminal that it can never have again.
//!
//! When the process that watched over a job is gone, the job's group is orphaned. In the background its reads and changes of
//! the terminal are not stopped but fail with EIO, for ever; so do those of everybody after a hangup. A program that tries
//! again at once spins.
//!
//! **Fix.** End on EIO from the terminal. A wrapper (strace, sudo, a language's launcher) should not end before its child.
//!
//! **Not a problem** once or twice, as when a program ends: three refusals are a warning, a hundred in a second an error.
//!
//! Source: POSIX.1-2024 XBD 11.1.4; `drivers/tty/n_tty.c`, `job_control`. Reads and writes are seen with `--tty-io`.

use super::{super::Refused, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<OrphanedAccess>::default()
}

#[derive(Default)]
struct OrphanedAccess(Waiting<ProcKey, Refusals>);

const EIO: i32 = 5;

struct Refusals {
    count: usize,
    first: Evidence,
}

impl Watch for OrphanedAccess {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Exited { process, .. } = *change {
                self.0.take(process);
            }
        }
        let hung_up = |refused: &Refused| refused.reason == Refusal::NotControllingTty && refused.errno == EIO;
        let hopeless = |refused: &Refused| refused.reason == Refusal::OrphanedBackground || hung_up(refused);
        let Some(refused) = now.refused().filter(hopeless) else { return };
        let after_hangup = hung_up(&refused);
        if matches!(refused.call, Call::TtyIoctl { request: TtyRequest::SetForeground, .. }) {
            return;
        }
        let process = refused.caller;
        let Some(refusals) = self.0.get_mut(process) else {
            // A second from the first refusal: then it is counted anew.
            let refusals = Refusals { count: 1, first: refused.evidence };
            return self.0.put(process, after(now.at, SECOND), refusals);
        };
        refusals.count += 1;
        let (count, first) = (refusals.count, refusals.first.clone());
        let severity = match count {
            3 => Severity::Warning,
            100 => Severity::Error,
            _ => return,
        };
        let orphaned = now.group_of(process).and_then(|group| now.memory.orphaned(group)).cloned();
        let by = orphaned.as_ref().map(|orphaned| say![": ", orphaned.text()]);
        let tty = now.model.process(process).and_then(|process| process.tty);
        let tty = tty.map_or_else(|| say!["its terminal"], |tty| say![tty]);
        let fact = say![now.name(process), " was refused ", tty, " ", count.to_string(), " times in ", now.since(first.at)];
        let why = if after_hangup {
            say!["the terminal was hung up: every call on it fails with EIO"]
        } else {
            say!["its group is orphaned and in the background, and can never be in the foreground again", by]
        };
        out.push(
            Draft::of(now, process, severity, fact)
                .why(why)
                .fix(say!["the program should end on EIO from its terminal"])
                .seen(orphaned)
                .seen([first, refused.evidence]),
        );
    }

    fn due(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        self.0.due(now.at);
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn a_program_that_tries_again_is_a_warning() {
        check("10: read(0) = -5 {fg=77}\n10: read(0) = -5\n10: read(0) = -5\n", expect![[r"
            warning JC402 orphaned-group-tty-access @10000: 10 bash was refused pts/0 3 times in 4000 ns
              why   its group is orphaned and in the background, and can never be in the foreground again
              fix   the program should end on EIO from its terminal
              seen  #6 10 bash: Read { fd: 0 } = errno 5
              seen  #10 10 bash: Read { fd: 0 } = errno 5
        "]]);
    }

    #[test]
    fn one_refusal_is_nothing() {
        check("10: read(0) = -5 {fg=77}\n10: exit 0\n", expect![[""]]);
    }
}
