//! Ends processes that a command left behind: asks them (SIGTERM, and SIGCONT, without which those that are stopped would not
//! take it: kernel/signal.c, `wants_signal`), waits, and kills those that do not end. SIGCONT goes to all, for one may stop
//! meanwhile; whoever runs goes on running.
//!
//! Each process is named by a pidfd that was opened before its start time was compared, so that a number which was given to
//! somebody else is never signalled. Groups whose every member was left behind are looked through again before each signal: a
//! member may have forked; such a number cannot be in other hands while a member that is held lives. Must not: signal a group
//! of which a stranger is a member.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::getpgrp,
};
use tracer_model::ids::{BootNs, Pgid, Pid};

use crate::{
    capture::procfs,
    placement::{pidfd_open, send_signal},
};

/// How long a process has from SIGKILL to its end: it may be in an uninterruptible call.
const AFTER_KILL: Duration = Duration::from_secs(2);

/// Whom to end.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its number.
    pub pid: Pid,
    /// When it was started, as the capture has it.
    pub start: BootNs,
    /// Its group, if all that is in that is to be ended.
    pub group: Option<Pgid>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It had ended already, or its number is somebody else's now.
    Gone,
    /// It ended after SIGTERM.
    Terminated,
    /// It ended after SIGKILL.
    Killed,
    /// It lives.
    Lives,
    /// It may not be signalled.
    Refused(i32),
}

/// One that is held by its pidfd.
struct Held {
    pidfd: OwnedFd,
    outcome: Option<Outcome>,
}

/// Whether a group may be ended as one. That of this process is its caller's, whatever was seen of it, and 0 stands for it (kill(2)).
#[must_use]
pub fn may_be_ended(group: Pgid) -> bool {
    group.0 != 0 && group.0 != getpgrp().as_raw().cast_unsigned()
}

/// Ends them. `grace`: how long each has to end by itself.
#[must_use]
pub fn end(targets: &[Target], grace: Duration) -> Vec<(Pid, Outcome)> {
    let mut held: BTreeMap<Pid, Held> = BTreeMap::new();
    let mut groups: BTreeSet<Pgid> = BTreeSet::new();
    let mut gone = Vec::new();
    for target in targets {
        match hold(target) {
            Some(pidfd) => {
                held.insert(target.pid, Held { pidfd, outcome: None });
                groups.extend(target.group.filter(|group| may_be_ended(*group)));
            }
            None => gone.push((target.pid, Outcome::Gone)),
        }
    }
    for (signal, long, outcome) in
        [(libc::SIGTERM, grace, Outcome::Terminated), (libc::SIGKILL, AFTER_KILL, Outcome::Killed)]
    {
        find_more(&mut held, &groups);
        let open = |held: &&mut Held| held.outcome.is_none();
        for one in held.values_mut().filter(open) {
            one.signal(signal);
            if signal == libc::SIGTERM {
                one.signal(libc::SIGCONT);
            }
        }
        wait(&mut held, long, outcome);
    }
    let rest = held.into_iter().map(|(pid, one)| (pid, one.outcome.unwrap_or(Outcome::Lives)));
    gone.into_iter().chain(rest).collect()
}

impl Held {
    fn signal(&mut self, signal: i32) {
        match send_signal(self.pidfd.as_fd(), signal) {
            // It has ended: that is seen by its pidfd.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => self.outcome = Some(Outcome::Refused(errno as i32)),
        }
    }
}

/// The process, if it is still the one that was seen.
fn hold(target: &Target) -> Option<OwnedFd> {
    let pidfd = pidfd_open(target.pid.0.cast_signed()).ok()?;
    let state = procfs::read_stat(target.pid)?;
    (state.exit_state == 0 && procfs::same_tick(state.id.start, target.start)).then_some(pidfd)
}

/// Who has come to the groups meanwhile, of which a member is held and lives.
fn find_more(held: &mut BTreeMap<Pid, Held>, groups: &BTreeSet<Pgid>) {
    if groups.is_empty() {
        return;
    }
    let mut alive: BTreeSet<Pgid> = BTreeSet::new();
    let mut others = Vec::new();
    for state in procfs::states() {
        let group = state.pgrp.pgid();
        match held.get(&state.id.pid) {
            Some(one) if one.outcome.is_none() => {
                alive.insert(group);
            }
            None if groups.contains(&group) && state.exit_state == 0 => others.push(state),
            Some(_) | None => {}
        }
    }
    for state in others.into_iter().filter(|state| alive.contains(&state.pgrp.pgid())) {
        let target = Target { pid: state.id.pid, start: state.id.start, group: None };
        let still = |_: &OwnedFd| {
            procfs::read_stat(state.id.pid).is_some_and(|now| now.pgrp == state.pgrp && now.id == state.id)
        };
        if let Some(pidfd) = hold(&target).filter(still) {
            held.insert(state.id.pid, Held { pidfd, outcome: None });
        }
    }
}

/// Until all have ended, or the time is over.
fn wait(held: &mut BTreeMap<Pid, Held>, long: Duration, outcome: Outcome) {
    let deadline = Instant::now() + long;
    loop {
        let mut open: Vec<&mut Held> = held.values_mut().filter(|one| one.outcome.is_none()).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        if open.is_empty() {
            return;
        }
        let mut fds: Vec<PollFd<'_>> =
            open.iter().map(|one| PollFd::new(one.pidfd.as_fd(), PollFlags::POLLIN)).collect();
        // Rounded up: a remainder below a millisecond would be polled for without waiting.
        let millis = left.as_millis().saturating_add(u128::from(!left.subsec_nanos().is_multiple_of(1_000_000)));
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut fds, timeout);
        let ended: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        for (one, _) in open.iter_mut().zip(ended).filter(|(_, ended)| *ended) {
            one.outcome = Some(outcome);
        }
        match ready {
            Ok(0) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        os::unix::process::CommandExt as _,
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A shell that has set itself up, in a group of its own.
    fn child(script: &str) -> (Child, Target) {
        started(Command::new("sh").process_group(0), script)
    }

    fn started(command: &mut Command, script: &str) -> (Child, Target) {
        let script = format!("{script}\necho; while :; do read x; done");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid(child.id());
        let start = procfs::read_stat(pid).unwrap().id.start;
        (child, Target { pid, start, group: Some(Pgid(pid.0)) })
    }

    /// Longer than any of them takes.
    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn who_ends_when_asked_is_not_killed_and_who_does_not_is() {
        let (mut polite, first) = child(":");
        let (mut stopped, second) = child(":");
        let raw = nix::unistd::Pid::from_raw(stopped.id().cast_signed());
        nix::sys::signal::kill(raw, nix::sys::signal::SIGSTOP).unwrap();
        let ended = end(&[first, second], LONG);
        let mut wanted = [(first.pid, Outcome::Terminated), (second.pid, Outcome::Terminated)];
        wanted.sort_unstable_by_key(|row| row.0);
        assert_eq!(ended, wanted);
        let (mut deaf, third) = child("trap '' TERM");
        assert_eq!(end(&[third], Duration::ZERO), [(third.pid, Outcome::Killed)]);
        for child in [&mut polite, &mut stopped, &mut deaf] {
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_number_that_is_somebody_elses_is_left_alone() {
        let (mut child, target) = child(":");
        let other = Target { start: BootNs(target.start.0 + 1_000_000_000), ..target };
        assert_eq!(end(&[other], Duration::ZERO), [(target.pid, Outcome::Gone)]);
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(end(&[target], Duration::ZERO), [(target.pid, Outcome::Gone)]);
    }

    #[test]
    fn in_its_callers_group_nobody_else_is_ended() {
        let own = Pgid(getpgrp().as_raw().cast_unsigned());
        let (mut child, target) = started(&mut Command::new("sh"), ":");
        let (mut stranger, _) = started(&mut Command::new("sh"), ":");
        assert_eq!(end(&[Target { group: Some(own), ..target }], LONG), [(target.pid, Outcome::Terminated)]);
        assert_eq!(stranger.try_wait().unwrap(), None);
        stranger.kill().unwrap();
        for child in [&mut child, &mut stranger] {
            child.wait().unwrap();
        }
    }

    #[test]
    fn who_was_forked_into_the_group_is_ended_too() {
        let (mut leader, target) = child("sleep 1000 &");
        let outcomes = end(&[target], LONG);
        assert_eq!(outcomes.iter().map(|row| row.1).collect::<Vec<_>>(), [Outcome::Terminated; 2]);
        leader.wait().unwrap();
    }
}
