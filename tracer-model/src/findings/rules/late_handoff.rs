//! A new foreground job used the terminal before it was given to it.
//!
//! A job that is meant for the foreground is in the background until somebody calls tcsetpgrp. What reads or changes the
//! terminal in that time is stopped, or sees the terminal as another's.
//!
//! **Fix.** Call tcsetpgrp in the child too, before exec, with SIGTTOU ignored or blocked; or hold the child until the parent
//! has called it.
//!
//! **Not a problem** for a member that runs before, and does not touch the terminal until it has it: information only. Nor when a
//! stopped job is brought to the foreground (`fg`): when the shell was told of the stop before, or
//! the group is older than 100 ms, nothing is reported.
//!
//! Source: POSIX.1-2024 tcsetpgrp (rationale).

use super::prelude::*;
use crate::few::Few;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<LateHandoff>::default()
}

#[derive(Default)]
struct LateHandoff {
    /// Groups of which a member was stopped for using the terminal: until they get it.
    stopped: Waiting<PgrpKey, (ProcKey, Evidence)>,
    /// Groups that have had the terminal: what comes later is `fg`.
    had: Few<PgrpKey>,
}

/// A terminal that comes so soon after the birth of the group was meant for it from the beginning.
const AT_BIRTH: u64 = 100 * MS;

impl Watch for LateHandoff {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Stopped { process, signal: Signal::TTIN | Signal::TTOU, .. } = *change
                && let Some(group) = now.group_of(process)
                && let Some(evidence) = now.evidence_of(change)
            {
                self.stopped.put(group, after(now.at, AT_BIRTH), (process, evidence));
            } else if let Change::WaitReported { child, .. } = *change
                && let Some(group) = now.group_of(child)
            {
                self.stopped.take(group);
            } else if let Change::GroupEnded { group, .. } = *change {
                self.had.remove(&group);
            } else if let Change::Foreground { tty, to: Some(to), by, .. } = *change
                && let Some(group) = to.group
            {
                let first = !self.had.contains(&group);
                self.had.insert(group);
                let stopped = self.stopped.take(group).filter(|_| first);
                if first && stopped.is_none() && let Some(by) = by {
                    out.extend(unnoticed(now, (by, tty, group)).map(|it| it.seen(now.evidence_of(change))));
                }
                if let (Some(by), Some((process, stopped))) = (by, stopped) {
                    out.extend(draft(now, (by, tty, group), process, stopped).map(|it| it.seen(now.evidence_of(change))));
                }
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        self.stopped.due(now.at);
    }

    fn next(&self) -> BootNs {
        self.stopped.next()
    }
}

/// A member ran its program before the group was given the terminal, and did not use it in that time.
fn unnoticed(now: &Now<'_>, (by, tty, group): (ProcKey, TtyKey, PgrpKey)) -> Option<Draft> {
    let born = now.model.group(group)?.born?;
    let since = |process: &ProcKey| now.memory.life(*process)?.executed.clone().filter(|executed| executed.at > born);
    let (process, executed) = now.living(group).find_map(|member| Some((member, since(&member)?)))?;
    let used = now.last_received(process, |it| matches!(it.signal.signal, Signal::TTIN | Signal::TTOU)).is_some();
    if used || process == by || now.at.since(born) > AT_BIRTH {
        return None;
    }
    let fact = say![now.name(process), " ran for ", now.since(executed.at), " before it was given ", tty];
    let draft = Draft::of(now, process, Severity::Info, fact)
        .why(say![now.name(by), " made group ", group, " the foreground after the exec; had it used the terminal before, it would have been stopped"])
        .fix(say!["call tcsetpgrp in the child too, before exec, with SIGTTOU ignored or blocked"])
        .about([by])
        .seen([executed]);
    Some(draft)
}

fn draft(
    now: &Now<'_>,
    (by, tty, group): (ProcKey, TtyKey, PgrpKey),
    process: ProcKey,
    stopped: Evidence,
) -> Option<Draft> {
    let born = now.model.group(group)?.born?;
    if now.at.since(born) > AT_BIRTH {
        return None;
    }
    let late = now.since(stopped.at);
    // That the group has not had the terminal before is known from its birth on.
    let forked = now.memory.life(process)?.forked.clone()?;
    let draft = Draft::of(now, process, Severity::Warning, say![now.name(process), " was stopped before it was given ", tty])
        .why(say![now.name(by), " made group ", group, " the foreground ", late, " after it had used the terminal"])
        .fix(say!["call tcsetpgrp in the child too, before exec, with SIGTTOU ignored or blocked"])
        .about([by])
        .since(forked.seq)
        .seen([stopped]);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const JOB: &str = "
        10: fork 11 {tty=pts/0}
        11: setpgid(0,0) = 0
        11: exec less
        11: SIGTTIN -> 11 kernel
        11: stops SIGTTIN
    ";

    #[test]
    fn a_pager_that_was_quicker_than_the_shell() {
        check(&format!("{JOB}10: ioctl(255,TIOCSPGRP,0,11) = 0\n10: SIGCONT -> 11\n"), expect![[r"
            warning JC206 late-handoff @12000: 11 less was stopped before it was given pts/0
              why   10 bash made group 11 the foreground 2000 ns after it had used the terminal
              fix   call tcsetpgrp in the child too, before exec, with SIGTTOU ignored or blocked
              seen  #10 11 less is stopped by SIGTTIN
              seen  #12 10 bash: tcsetpgrp, foreground of pts/0 10 → 11
            info JC201 background-read-stop @13000: 11 less was stopped by SIGTTIN, and was continued 4000 ns later
              why   it read pts/0 from background group 11; in the foreground was 10 bash
              fix   fg in the shell that started it, or start it with its input from elsewhere: </dev/null
              seen  #9 SIGTTIN to 11 less: from the kernel, because it used its terminal from the background
              seen  #10 11 less is stopped by SIGTTIN
              seen  #13 11 less is continued
            info JC309 signal-attribution @13000: 11 less was stopped by SIGTTIN
              why   from the kernel, because it used its terminal from the background
              fix   fg in its shell; kill -CONT alone lets it stop again at the next read
              seen  #9 SIGTTIN to 11 less: from the kernel, because it used its terminal from the background
              seen  #10 11 less is stopped by SIGTTIN
            info JC309 signal-attribution @13000: 11 less was continued by SIGCONT
              why   sent by 10 bash with a call that was not seen
              fix   nothing: it goes on
              seen  #13 SIGCONT to 11 less: sent by 10 bash with a call that was not seen
        "]]);
    }

    #[test]
    fn fg_of_a_job_whose_stop_the_shell_knows_is_nothing() {
        let told = "10: wait4(-1,2) = 11 got 11 stopped:SIGTTIN\n10: ioctl(255,TIOCSPGRP,0,11) = 0\n10: SIGCONT -> 11\n";
        let findings = crate::findings::tests::ids(&format!("{JOB}{told}"));
        assert_eq!(findings, ["JC201", "JC309", "JC309"]);
    }

    #[test]
    fn fg_of_a_background_job_is_nothing() {
        let later = "@500000000 10: ioctl(255,TIOCSPGRP,0,11) = 0\n10: SIGCONT -> 11\n";
        check(&format!("{JOB}{later}"), expect![[r"
            info JC309 signal-attribution @100010000: 11 less was stopped by SIGTTIN
              why   from the kernel, because it used its terminal from the background
              fix   fg in its shell; kill -CONT alone lets it stop again at the next read
              seen  #9 SIGTTIN to 11 less: from the kernel, because it used its terminal from the background
              seen  #10 11 less is stopped by SIGTTIN
            info JC201 background-read-stop @500002000: 11 less was stopped by SIGTTIN, and was continued 499993000 ns later
              why   it read pts/0 from background group 11; in the foreground was 10 bash
              fix   fg in the shell that started it, or start it with its input from elsewhere: </dev/null
              seen  #9 SIGTTIN to 11 less: from the kernel, because it used its terminal from the background
              seen  #10 11 less is stopped by SIGTTIN
              seen  #13 11 less is continued
            info JC309 signal-attribution @500002000: 11 less was continued by SIGCONT
              why   sent by 10 bash with a call that was not seen
              fix   nothing: it goes on
              seen  #13 SIGCONT to 11 less: sent by 10 bash with a call that was not seen
        "]]);
    }
}
