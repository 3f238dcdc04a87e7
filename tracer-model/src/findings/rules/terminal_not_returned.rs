//! The terminal was given to a process group that has ended or stopped, nobody took it back, and who had it before needed it.
//!
//! Whoever moves the terminal to a job has to take it back when the job ends or stops. If that is forgotten, or the one who
//! should have done it is gone, the shell itself is in the background: its next read stops it, or fails with EIO.
//!
//! **Fix.** After every wait for the foreground job, call tcsetpgrp with the shell's own group, with SIGTTOU ignored or
//! blocked; restore only a group that was the foreground when the program was started and still lives.
//!
//! **Not a problem** never: the process that touched the terminal was stopped or refused.
//!
//! Source: POSIX.1-2024 tcsetpgrp (rationale); XBD 11.1.4.

use super::prelude::*;
use crate::{delta::ForegroundGroup, findings::Shown, table::Table};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<NotReturned>::default()
}

#[derive(Default)]
struct NotReturned(Table<TtyKey, Given>);

/// The terminal was given from one group to another.
struct Given {
    by: ProcKey,
    from: PgrpKey,
    to: Pgid,
    giving: Shown,
}

impl Watch for NotReturned {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Foreground { tty, from, to, by } = *change {
                self.given(now, tty, (from, to), by, change);
                out.extend(to_strangers(now, tty, to, by).map(|draft| draft.seen(now.evidence_of(change))));
            } else if let Change::TtyLost { tty, .. } = *change {
                self.0.remove(&tty);
            } else if let Change::SignalSent { target, path: SignalPath::BackgroundAccess { by }, .. } = *change
                && by.is_none_or(|by| by == target)
            {
                out.extend(self.needed(now, target, "was stopped when it used ", now.evidence_of(change)));
            }
        }
        if let Some(refused) = now.refused()
            && matches!(refused.reason, Refusal::OrphanedBackground | Refusal::BackgroundSignalIgnored)
        {
            out.extend(self.needed(now, refused.caller, "was refused ", Some(refused.evidence)));
        }
    }
}

impl NotReturned {
    fn given(
        &mut self,
        now: &Now<'_>,
        tty: TtyKey,
        (from, to): (Option<ForegroundGroup>, Option<ForegroundGroup>),
        by: Option<ProcKey>,
        change: &Change,
    ) {
        // The group of that number came into being or ended: it is the same giving.
        if from.map(|from| from.number) == to.map(|to| to.number) {
            return;
        }
        if let (Some(by), Some(from), Some(to)) = (by, from, to)
            && let (Some(from), Some(giving)) = (from.group, now.note(change))
        {
            self.0.insert(tty, Given { by, from, to: to.number, giving });
        } else {
            self.0.remove(&tty);
        }
    }

    /// A process used its terminal and was stopped or refused.
    fn needed(&mut self, now: &Now<'_>, by: ProcKey, how: &'static str, used: Option<Evidence>) -> Option<Draft> {
        let process = now.model.process(by)?;
        let tty = process.tty?;
        let foreground = now.model.terminal(tty)?.foreground?;
        let given = self.0.get(&tty)?;
        let unknown = foreground.group.is_none() && !foreground.empty;
        if process.group != Some(given.from) || foreground.number != given.to || unknown {
            return None;
        }
        let runs = |key: ProcKey| now.model.process(key).is_some_and(|process| process.stopped.is_none());
        if foreground.group.is_some_and(|group| now.living(group).any(runs)) {
            return None;
        }
        let given = self.0.remove(&tty)?;
        let giving = Evidence::from(given.giving);
        let stopped = foreground.group.is_some_and(|group| now.has_living(group));
        let key = foreground.group.or_else(|| now.memory.with_number(Pid(given.to.0)).next_back()?.groups.back().copied());
        let last = key.filter(|_| !stopped).and_then(|group| now.last_of(group));
        let became = if stopped { " is stopped" } else { " has ended" };
        let who = if given.by == by { say!["it"] } else { say![now.name_at(&giving, given.by)] };
        let fact = say![now.name(by), " ", how, tty, ": nobody had taken the terminal back"];
        let draft = Draft::of(now, by, Severity::Error, fact)
            .why(say![who, " gave ", tty, " to group ", given.to.0, " at ", giving.at, "; that group", became, ", and nobody called tcsetpgrp since"])
            .fix(say!["take the terminal back (tcsetpgrp, with SIGTTOU ignored or blocked) whenever the foreground job ends or stops"])
            .seen([giving])
            .seen(last.into_iter().flat_map(|life| life.exited.iter().chain(&life.reaped)).cloned())
            .seen(used);
        Some(draft)
    }
}

/// A terminal was given to a group of which nobody lives, by one who never was in it and is no parent of a member: by number.
fn to_strangers(now: &Now<'_>, tty: TtyKey, to: Option<ForegroundGroup>, by: Option<ProcKey>) -> Option<Draft> {
    let (to, by) = (to?, by?);
    let known = to.group?;
    if now.has_living(known) {
        return None;
    }
    let mut once = now.memory.once_in(known).peekable();
    once.peek()?;
    if !once.all(|life| life.key != by && life.launcher.is_some_and(|it| it != by) && now.has_ended(life.key)) {
        return None;
    }
    let fact = say![now.name(by), " gave ", tty, " to group ", to.number.0, ", of which nobody lives"];
    let draft = Draft::of(now, by, Severity::Error, fact)
        .why(say!["it never was in that group and made none of its members: it gave the terminal back to whom it had found there, by number"])
        .fix(say!["before the terminal is given back, look whether the group that had it still lives (kill -0)"])
        .seen(now.last_of(known).into_iter().flat_map(|life| life.exited.iter()).cloned());
    Some(draft)
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
    fn a_shell_that_forgets_its_terminal_is_told() {
        check(&format!("{JOB}10: read(0) = -5\n"), expect![[r"
            error JC204 terminal-not-returned @15000: 10 bash was refused pts/0: nobody had taken the terminal back
              why   it gave pts/0 to group 11 at @9000; that group has ended, and nobody called tcsetpgrp since
              fix   take the terminal back (tcsetpgrp, with SIGTTOU ignored or blocked) whenever the foreground job ends or stops
              seen  #9 10 bash: tcsetpgrp, foreground of pts/0 10 → 11
              seen  #10 11 bash exits 0
              seen  #13 10 bash reaps 11 bash
              seen  #15 10 bash: Read { fd: 0 } = errno 5
        "]]);
    }

    #[test]
    fn a_shell_that_takes_it_back_is_well() {
        check(&format!("{JOB}10: ioctl(255,TIOCSPGRP,0,10) = 0\n"), expect![[""]]);
    }
}
