//! Nobody is in the foreground process group of a terminal: Ctrl-C reaches no process.
//!
//! A terminal keeps the number of its foreground group when that group ends, and takes one that does not exist yet. Until
//! somebody calls tcsetpgrp, what is typed signals nobody, and every process that reads is in the background.
//!
//! **Fix.** The shell has to take the terminal back when its job has ended.
//!
//! **Not a problem** for the moment that a shell needs to notice: less than a second is not reported. On a loaded machine healthy
//! shells took longer than a fifth of a second to take their terminal back, and nobody at a keyboard notices that.
//!
//! Source: POSIX.1-2024 XBD 3.149; `drivers/tty/tty_jobctrl.c`, `tiocspgrp`.

use super::prelude::*;
use crate::table::Table;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<DeadForeground>::default()
}

#[derive(Default)]
struct DeadForeground {
    empty: Waiting<TtyKey, Empty>,
    /// Who gave each terminal to its foreground group last: who should take it back.
    givers: Table<TtyKey, ProcKey>,
}

/// Nobody is in the foreground since this event.
struct Empty {
    number: Pgid,
    ended: Option<PgrpKey>,
    seq: Seq,
    evidence: Vec<Evidence>,
}

impl Watch for DeadForeground {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::TtyLost { tty, .. } = *change {
                self.empty.take(tty);
                self.givers.remove(&tty);
            } else if let Change::Foreground { tty, from, to, by } = *change {
                self.empty.take(tty);
                if let Some(by) = by.filter(|by| self.givers.get(&tty) != Some(by)) {
                    self.givers.insert(tty, by);
                }
                if let Some(to) = to.filter(|to| to.empty) {
                    let ended = from.filter(|from| from.number == to.number).and_then(|from| from.group);
                    let last = ended.and_then(|group| now.last_of(group));
                    let last = last.into_iter().flat_map(|life| life.exited.iter().chain(&life.reaped)).cloned();
                    let given = by.and_then(|_| now.evidence_of(change));
                    let evidence = last.chain(given).collect();
                    let empty = Empty { number: to.number, ended, seq: now.seq, evidence };
                    self.empty.put(tty, after(now.at, SECOND), empty);
                }
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (tty, at, Empty { number, ended, seq, evidence }) in self.empty.due(now.at) {
            let Some(terminal) = now.model.terminal(tty) else { continue };
            let session = terminal.session.and_then(|session| now.model.session(session));
            let alive: Vec<ProcKey> = terminal.users.iter().copied().filter(|user| now.is_alive(*user)).collect();
            let Some(session) = session.filter(|_| !alive.is_empty()) else { continue };
            let giver = self.givers.get(&tty).copied().filter(|giver| now.is_alive(*giver));
            let giver = giver.or_else(|| session.leader.filter(|leader| now.is_alive(*leader)));
            let who = giver.map_or_else(|| say!["nobody"], |giver| say![now.name(giver)]);
            let why = match ended {
                Some(group) => {
                    let when = now.last_of(group).and_then(|life| life.reaped.as_ref()).map(|reaped| say![" at ", reaped.at]);
                    say!["group ", group, " ended", when, ", and ", who, " has not taken the terminal back since"]
                }
                None => say!["the foreground was set to ", number.0, ", and no group of that number came into being"],
            };
            out.push(
                Draft::on(Subject::Terminal(tty), Severity::Warning, say!["nobody owns ", tty, ": Ctrl-C there reaches no process"])
                    .why(why)
                    .fix(say!["take the terminal back with tcsetpgrp when the job has ended"])
                    .about(alive)
                    .since(seq)
                    .seen(evidence)
                    .at(at),
            );
        }
    }

    fn next(&self) -> BootNs {
        self.empty.next()
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
        11: exit 0
        11: dead
        10: wait4(-1,0) = 11 got 11 exited:0
    ";

    #[test]
    fn a_terminal_that_nobody_owns_is_a_warning() {
        check(&format!("{JOB}@2000000000 50: takes SIGWINCH 0 handler\n"), expect![[r"
            warning JC205 dead-foreground-group @1000013000: nobody owns pts/0: Ctrl-C there reaches no process
              why   group 11 ended at @13000, and 10 bash has not taken the terminal back since
              fix   take the terminal back with tcsetpgrp when the job has ended
              seen  #10 11 bash exits 0
              seen  #13 10 bash reaps 11 bash
        "]]);
    }

    #[test]
    fn a_shell_that_needs_a_moment_is_well() {
        let taken = "10: ioctl(255,TIOCSPGRP,0,10) = 0\n@2000000000 50: takes SIGWINCH 0 handler\n";
        check(&format!("{JOB}{taken}"), expect![[""]]);
    }
}
