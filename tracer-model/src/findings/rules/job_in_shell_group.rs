//! A shell runs a job in its own process group: Ctrl-Z does nothing, and Ctrl-C reaches the shell too.
//!
//! The group of a session leader is orphaned, so the kernel discards SIGTSTP there; and the terminal signals all of the
//! foreground group, the shell among it. A shell with job control puts each job into a group of its own.
//!
//! **Fix.** After fork, call setpgid in both parent and child, and give the group the terminal with tcsetpgrp before the shell
//! waits.
//!
//! **Not a problem** for scripts and `-c` commands, under `set +m`, for command substitutions, and for whatever is no shell:
//! only the leader of a session with a terminal that is an interactive shell, or asks for the foreground group with SIGTTOU
//! ignored as shells do, is reported; only if it never made a group for a child; and only when it has waited for two seconds,
//! or a key was typed meanwhile.
//!
//! Source: POSIX.1-2024 XBD 3.152 (job control), XSH 2.4.3; `kernel/signal.c`, `get_signal`.

use super::prelude::*;
use crate::few::Few;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<JobInShellGroup>::default()
}

#[derive(Default)]
struct JobInShellGroup {
    /// Children that executed a program in the group of a session leader.
    jobs: Waiting<ProcKey, Evidence>,
    /// Processes that made a group for a child, or were reported.
    settled: Few<ProcKey>,
    /// Session leaders that asked for the foreground group of their terminal.
    asked: Few<ProcKey>,
}

impl Watch for JobInShellGroup {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            match *change {
                Change::GroupBorn { leader: Some(process), .. } | Change::Joined { process, .. } => {
                    if let Some(launcher) = now.memory.life(process).and_then(|life| life.launcher) {
                        self.settled.insert(launcher);
                    }
                    self.jobs.take(process);
                }
                Change::Executed { process } if shell_of(now, process).is_some() => {
                    if let Some(evidence) = now.evidence_of(change) {
                        self.jobs.put(process, after(now.at, 2 * SECOND), evidence);
                    }
                }
                Change::SignalSent { target, path: SignalPath::TerminalCharacter { .. }, .. } => {
                    if let Some(executed) = self.jobs.take(target) {
                        out.extend(self.decide(now, target, executed));
                    }
                }
                Change::Exited { process, .. } => {
                    self.jobs.take(process);
                    self.settled.remove(&process);
                    self.asked.remove(&process);
                }
                _ => {}
            }
        }
        if let Some(EventKind::Leave(leave)) = now.event.map(|event| &event.kind)
            && let Call::TtyIoctl { request: TtyRequest::GetForeground | TtyRequest::SetForeground, .. } = leave.call
            && let Some(caller) = now.delta.by.filter(|_| leave.ret == 0)
        {
            self.asked.insert(caller);
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (process, at, executed) in self.jobs.due(now.at) {
            out.extend(self.decide(now, process, executed).map(|draft| draft.at(at)));
        }
    }

    fn next(&self) -> BootNs {
        self.jobs.next()
    }
}

impl JobInShellGroup {
    fn decide(&mut self, now: &Now<'_>, job: ProcKey, executed: Evidence) -> Option<Draft> {
        let shell = shell_of(now, job)?;
        let waits = waiter(now.model, job).is_some_and(|waiter| waiter.process == shell);
        if !waits || !now.is_alive(job) || !self.is_interactive(now, shell) || self.settled.contains(&shell) {
            return None;
        }
        self.settled.insert(shell);
        let group = now.group_of(shell)?;
        let fact = say![now.name(job), " runs in the process group of its shell, ", now.name(shell)];
        let draft = Draft::of(now, shell, Severity::Warning, fact)
            .why(say!["group ", group, " is that of the session leader, and so orphaned: Ctrl-Z is discarded there, and Ctrl-C also goes to ", now.name(shell)])
            .fix(say!["put each job into a group of its own (setpgid in parent and child), and give it the terminal (tcsetpgrp)"])
            .about([job])
            .seen(now.memory.life(job).and_then(|life| life.forked.clone()))
            .seen([executed]);
        Some(draft)
    }

    /// By its name and arguments, or by what it does.
    fn is_interactive(&self, now: &Now<'_>, shell: ProcKey) -> bool {
        let Some(process) = now.model.process(shell) else { return false };
        let options = process.args.get(1..).unwrap_or_default();
        let bare = options.iter().all(|arg| arg.starts_with(b"-") && (arg.starts_with(b"--") || !arg.contains(&b'c')));
        let named = now.is_shell(shell) && !process.args.is_empty() && bare;
        named || process.facts.ttou_ignored_or_blocked && self.asked.contains(&shell)
    }
}

/// The session leader on a terminal that forked a process and has it in its own group.
fn shell_of(now: &Now<'_>, job: ProcKey) -> Option<ProcKey> {
    let process = now.model.process(job)?;
    let parent = now.model.process(process.parent.filter(|_| !process.parent_exited)?)?;
    let is = parent.facts.session_leader && parent.tty.is_some() && parent.group == process.group;
    is.then_some(parent.key)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const SHELL: &str = "
        10: takes SIGWINCH 0 handler {+ttou}
        10: ioctl(0,TIOCGPGRP,0,10) = 0
        10: fork 11 {tty=pts/0 -leader}
    ";

    #[test]
    fn a_job_in_the_group_of_its_shell_is_a_warning() {
        check(
            &format!("{SHELL}11: exec vi\n10: > wait4(11,2)\n77(kworker): SIGTSTP -> 11 kernel\n"),
            expect![[r"
                warning JC106 job-in-shell-group @11000: 11 vi runs in the process group of its shell, 10 bash
                  why   group 10 is that of the session leader, and so orphaned: Ctrl-Z is discarded there, and Ctrl-C also goes to 10 bash
                  fix   put each job into a group of its own (setpgid in parent and child), and give it the terminal (tcsetpgrp)
                  seen  #8 10 bash forks 11
                  seen  #9 11 vi executes a program
            "]],
        );
    }

    #[test]
    fn a_shell_that_makes_groups_is_well() {
        let other = "10: fork 12 {tty=pts/0}\n10: setpgid(12,12) = 0\n";
        check(
            &format!("{SHELL}{other}11: exec lesspipe\n10: > wait4(11,0)\n@9000000000 50: takes SIGWINCH 0 handler\n"),
            expect![[r""]],
        );
    }
}
