//! Which signals the waiter passes on to the command: those that the command would have got, had the shell started it itself,
//! and that it did not get with its group.
//!
//! A signal does not say to whom else it was sent. Most often it is clear all the same, and the waiter decides at once. When it
//! is not, the capture process, which sees the call, says so; only when it is gone, or silent for [`PATIENCE`], the waiter
//! goes by what is likely. Must not: send anything.

use std::time::{Duration, Instant};

use super::protocol::Reach;

/// How long the capture process may take to say whom a signal reached.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// How long after the waiter passed on a signal by itself a late word about it is still taken to be about that one.
const MEMORY: Duration = Duration::from_secs(5);

/// A signal that the waiter got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) signal: i32,
    /// `si_code`: 0 and below from a process, above from the kernel (sigaction(2)).
    pub(super) code: i32,
}

/// What the waiter knows of itself and the command when it has to judge alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The command is in the waiter's process group.
    pub(super) same_group: bool,
    /// The waiter leads its session: the kernel sends the hangup of the terminal to it alone.
    pub(super) leads_session: bool,
}

/// Whether the signal itself leaves open if the command got it too: a process may have sent it to the waiter or to the group
/// that both are in. The kernel sends terminal signals to groups (a hangup to the session leader), and all others to one
/// process; and what is sent to a group does not reach a command that has left it.
pub(super) fn is_ambiguous(incoming: Incoming, standing: Standing) -> bool {
    incoming.code <= 0 && standing.same_group
}

/// Whether a signal is passed on when nobody says whom else it reached.
///
/// SIGALRM is of a timer that was set before this program was executed, which the fork did not copy. What a terminal makes
/// (and a shell too, for whole jobs) goes to groups. Anything else from a process is more likely to be meant for the command
/// alone, as by `kill $!`, than for a group; a group that it was for gets it once too often.
pub(super) fn by_own_judgement(incoming: Incoming, standing: Standing) -> bool {
    let Incoming { signal, code } = incoming;
    let from_process = code <= 0;
    match signal {
        // The command's states, and what follows from its being continued, are acted on where they are seen. Background
        // access is the affair of whoever reads or writes, and a size that changed is seen by whoever has the terminal.
        libc::SIGCHLD | libc::SIGCONT | libc::SIGTTIN | libc::SIGTTOU | libc::SIGWINCH => false,
        libc::SIGALRM => true,
        libc::SIGHUP if standing.leads_session && !from_process => true,
        libc::SIGINT | libc::SIGQUIT | libc::SIGTSTP | libc::SIGHUP => !standing.same_group,
        _ => from_process,
    }
}

/// Whether a signal is passed on that the waiter alone got. What these mean is acted on where it is seen.
pub(super) fn is_for_the_command(signal: i32) -> bool {
    ![libc::SIGCHLD, libc::SIGTTIN, libc::SIGTTOU].contains(&signal)
}

/// Signals that wait for a word from the capture process, and those that were passed on without one.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    undecided: Vec<(Incoming, Instant)>,
    passed_on: Vec<(i32, Instant)>,
}

impl Ledger {
    /// The waiter got a signal.
    pub(super) fn received(&mut self, incoming: Incoming, now: Instant) {
        self.undecided.push((incoming, now + PATIENCE));
    }

    /// The waiter sent this signal to the command without having been told to.
    pub(super) fn passed_on(&mut self, signal: i32, now: Instant) {
        self.passed_on.push((signal, now));
    }

    /// The capture process says whom a signal reached. Returns whether it is to be passed on.
    pub(super) fn told(&mut self, signal: i32, reach: Reach, now: Instant) -> bool {
        self.passed_on.retain(|(_, at)| now.duration_since(*at) < MEMORY);
        if let Some(late) = self.passed_on.iter().position(|(passed, _)| *passed == signal) {
            self.passed_on.remove(late);
            return false;
        }
        if let Some(decided) = self.undecided.iter().position(|(waiting, _)| waiting.signal == signal) {
            self.undecided.remove(decided);
        }
        reach == Reach::WaiterAlone && is_for_the_command(signal)
    }

    /// Takes out the signals about which nothing was said in time.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Incoming> {
        self.undecided.extract_if(.., |(_, deadline)| *deadline <= now).map(|(incoming, _)| incoming).collect()
    }

    /// Takes out all signals: nobody is left to say anything.
    pub(super) fn all(&mut self) -> Vec<Incoming> {
        self.undecided.drain(..).map(|(incoming, _)| incoming).collect()
    }

    /// When the next signal is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.undecided.iter().map(|(_, deadline)| *deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: i32 = 0x80;
    const USER: i32 = 0;
    const TIMER: i32 = -2;
    const TOGETHER: Standing = Standing { same_group: true, leads_session: false };
    const APART: Standing = Standing { same_group: false, leads_session: false };
    const LEADER: Standing = Standing { same_group: true, leads_session: true };

    #[test]
    fn judgement_without_the_capture_process() {
        let table = [
            (libc::SIGTERM, USER, TOGETHER, true, "kill $!"),
            (libc::SIGUSR1, TIMER, TOGETHER, true, "a POSIX timer of whoever executed us"),
            (libc::SIGINT, KERNEL, TOGETHER, false, "Ctrl-C reached the group"),
            (libc::SIGINT, USER, TOGETHER, false, "a shell interrupts the job"),
            (libc::SIGINT, KERNEL, APART, true, "the command left the group, Ctrl-C reached us alone"),
            (libc::SIGTSTP, KERNEL, TOGETHER, false, "Ctrl-Z reached the group"),
            (libc::SIGHUP, USER, TOGETHER, false, "a shell hangs up its jobs"),
            (libc::SIGHUP, KERNEL, LEADER, true, "hangup is sent to the session leader alone"),
            (libc::SIGHUP, KERNEL, TOGETHER, false, "the foreground group is hung up"),
            (libc::SIGALRM, KERNEL, TOGETHER, true, "alarm(2) before exec"),
            (libc::SIGWINCH, KERNEL, TOGETHER, false, "resize reached the group"),
            (libc::SIGCONT, USER, TOGETHER, false, "acted on where the command is continued"),
            (libc::SIGCHLD, KERNEL, TOGETHER, false, "the command's own state"),
            (libc::SIGTTIN, KERNEL, APART, false, "another process of our group read"),
            (libc::SIGXCPU, KERNEL, TOGETHER, false, "our own limit"),
        ];
        for (signal, code, standing, expected, why) in table {
            assert_eq!(by_own_judgement(Incoming { signal, code }, standing), expected, "{signal}: {why}");
        }
    }

    #[test]
    fn only_a_process_can_send_to_either() {
        let term = Incoming { signal: libc::SIGTERM, code: USER };
        assert!(is_ambiguous(term, TOGETHER));
        assert!(!is_ambiguous(term, APART));
        assert!(!is_ambiguous(Incoming { signal: libc::SIGINT, code: KERNEL }, TOGETHER));
    }

    #[test]
    fn what_the_capture_process_says_decides() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let term = Incoming { signal: libc::SIGTERM, code: USER };
        ledger.received(term, now);
        assert!(!ledger.told(libc::SIGTERM, Reach::CommandToo, now));
        assert_eq!(ledger.deadline(), None);
        ledger.received(term, now);
        assert!(ledger.told(libc::SIGTERM, Reach::WaiterAlone, now));
        assert!(ledger.overdue(now + PATIENCE).is_empty());
    }

    #[test]
    fn a_late_word_does_not_send_the_signal_twice_and_an_old_one_is_forgotten() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let term = Incoming { signal: libc::SIGTERM, code: USER };
        ledger.received(term, now);
        assert!(ledger.overdue(now).is_empty());
        assert_eq!(ledger.overdue(now + PATIENCE), [term]);
        ledger.passed_on(libc::SIGTERM, now + PATIENCE);
        assert!(!ledger.told(libc::SIGTERM, Reach::WaiterAlone, now + 2 * PATIENCE));
        ledger.passed_on(libc::SIGTERM, now);
        assert!(ledger.told(libc::SIGTERM, Reach::WaiterAlone, now + MEMORY), "about a later signal");
    }
}
