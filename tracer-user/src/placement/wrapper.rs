//! The waiter: the process that the shell started, when it stays between the shell and the command (as time(1) does).
//!
//! It is the command's untraced parent in the same session, process group and terminal. Every signal is blocked and read from
//! a descriptor, so that nothing the terminal sends to the group ends or stops it by itself; it stops, goes on and ends as
//! the command does. Must not: hold a probe, write to the terminal while the command runs, or touch what the command leaves
//! behind.

use std::{
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::SigSet,
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::{Pid, getpgid, getpgrp, getpid, getsid, pipe2, read, write},
};
use tracer_model::event::WaitStatus;

use super::{
    detach::exit_now,
    error::LaunchError,
    exec::{ExecFailure, Program, allow_tracer, introduce},
    forwarding::{Incoming, Ledger, Standing, by_own_judgement, is_ambiguous, is_for_the_command},
    init_hook,
    protocol::{Channel, Preparation, Received, ToCapture, ToWaiter},
    raw_signals,
    status::CommandStatus,
    terminal,
};

/// Starts the command when the capture process is ready, waits for it, and returns when the report is written.
pub(super) fn run(program: &Program, channel: Channel) -> Result<CommandStatus, LaunchError> {
    let to_do = match channel.wait::<ToWaiter>() {
        Some((ToWaiter::Ready { capture, preparation, text }, _)) => {
            if !text.is_empty() {
                // Nobody is served by refusing to run the command because standard error is closed.
                let _ = writeln!(io::stderr(), "{text}");
            }
            if preparation != Preparation::Nothing {
                // It tells of this process's stops, which nothing else does.
                allow_tracer(capture);
            }
            (capture, preparation)
        }
        Some((ToWaiter::Failed { text, code }, _)) => return Err(LaunchError::Capture { text, code }),
        Some(_) | None => return Err(LaunchError::CaptureVanished),
    };
    let (mut waiter, failures) = Waiter::fork_command(program, channel, to_do)?;
    let word = waiter.wait_for_end()?;
    let not_started = exec_failure(&failures);
    let message = if not_started.is_some() { ToCapture::NotStarted } else { ToCapture::Ended { word } };
    waiter.wait_for_report(message);
    match (waiter.failure, not_started) {
        (Some(failure), _) => Err(failure),
        (None, Some(failure)) => Err(program.explain(failure)),
        (None, None) => {
            CommandStatus::from_word(word).ok_or(LaunchError::System { what: "wait", errno: Errno::EINVAL })
        }
    }
}

/// What the command's process wrote before it gave up becoming the command.
fn exec_failure(failures: &OwnedFd) -> Option<ExecFailure> {
    let mut bytes = [0; 5];
    let length = read(failures, &mut bytes).ok()?;
    ExecFailure::decode(bytes.get(..length)?)
}

struct Waiter {
    command: Pid,
    /// Nothing once the capture process is gone.
    channel: Option<Channel>,
    signals: SignalFd,
    /// The command's process waits for a byte from here; nothing once it has got it.
    release: Option<OwnedFd>,
    ledger: Ledger,
    /// The capture process traces the command, and tells of every signal that it gets.
    traced: bool,
    /// The capture process stops the command because this process was stopped by a SIGSTOP of its own.
    stopped_for_us: bool,
    /// Why the command was not run, though its process was there.
    failure: Option<LaunchError>,
}

impl Waiter {
    /// Forks the command's process, which introduces itself to the capture process. Also returns where it says why it failed
    /// to become the command.
    ///
    /// Signals are blocked only after the fork: what the terminal sends to the group in between ends or stops both, as it
    /// should. (A signal that is blocked before the fork would be lost for the command.)
    fn fork_command(
        program: &Program,
        channel: Channel,
        (capture, preparation): (i32, Preparation),
    ) -> Result<(Self, OwnedFd), LaunchError> {
        let failed = |what| move |errno| LaunchError::System { what, errno };
        let (released, release) = pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
        let (failures, failed_exec) = pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
        // An inherited SIG_IGN would have the kernel reap the command unseen, or keep this process from stopping with it.
        for signal in [libc::SIGCHLD, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            raw_signals::make_default(signal);
        }
        // SAFETY: this process has one thread, so that the child may do anything.
        let command = match unsafe { libc::fork() } {
            -1 => return Err(LaunchError::System { what: "fork the command", errno: Errno::last() }),
            0 => {
                drop((release, failures));
                init_hook::restore_signals();
                init_hook::restore_pending();
                let introduced = introduce(&channel, capture, preparation);
                drop(channel);
                match introduced {
                    Ok(()) => become_command(program, preparation, &released, &failed_exec),
                    Err(errno) => give_up(program, ExecFailure::Introduction(errno), &failed_exec),
                }
            }
            pid => Pid::from_raw(pid),
        };
        // These are the command's, which has sent them to itself: the fork did not copy them.
        init_hook::pending_at_start().for_each(raw_signals::take_pending);
        raw_signals::set_mask(!0);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&SigSet::all(), flags).map_err(failed("make a signalfd"))?;
        let waiter = Self {
            command,
            channel: Some(channel),
            signals,
            release: Some(release),
            ledger: Ledger::default(),
            traced: preparation != Preparation::Nothing,
            stopped_for_us: false,
            failure: None,
        };
        Ok((waiter, failures))
    }

    /// Lives with the command until it ends; the status word of wait(2).
    fn wait_for_end(&mut self) -> Result<i32, LaunchError> {
        loop {
            if let Some(word) = self.follow_state()? {
                return Ok(word);
            }
            self.sleep();
            // Signals first: what the capture process says about a signal comes after the signal.
            self.read_signals();
            self.read_messages();
            for incoming in self.ledger.overdue(Instant::now()) {
                self.judge_silence(incoming);
            }
        }
    }

    fn sleep(&self) {
        let timeout = self.ledger.deadline().map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // One more, for poll counts whole milliseconds.
            PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::ZERO)
        });
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.channel.iter().map(|channel| PollFd::new(channel.as_fd(), PollFlags::POLLIN)));
        // Interrupted or not, everything is looked at again.
        let _ = poll(&mut fds, timeout);
    }

    /// Does what the command does: stops with it, and returns its status word when it ended.
    fn follow_state(&mut self) -> Result<Option<i32>, LaunchError> {
        self.reap_orphans();
        let mut resumed = false;
        loop {
            let Some(word) = self.next_state()? else {
                // Resumed, and no news of the command: it is still in the stop that we followed. Had it been continued with
                // the group, that would be news by now, for the newest member of a group is signalled first
                // (kernel/pid.c `attach_pid`, kernel/signal.c `__kill_pgrp_info`).
                if std::mem::take(&mut resumed) {
                    self.continue_command();
                }
                return Ok(None);
            };
            resumed = false;
            match WaitStatus::from_word(word) {
                // Another signal is another stop: with its group it was continued meanwhile.
                WaitStatus::Stopped(signal)
                    if std::mem::take(&mut self.stopped_for_us) && signal.0 == libc::SIGSTOP as u32 =>
                {
                    self.continue_command();
                }
                WaitStatus::Stopped(signal) => {
                    self.stop_too(signal.0 as i32);
                    resumed = true;
                }
                // With its group, by somebody else: it is not in the stop any more that it was put into for this process.
                WaitStatus::Continued => self.stopped_for_us = false,
                WaitStatus::Exited(_) | WaitStatus::Killed { .. } | WaitStatus::Unknown { .. } => {
                    return Ok(Some(word));
                }
            }
        }
    }

    /// Reaps whoever was orphaned and ended: the first process of a pid namespace is who adopts them. The command is left.
    fn reap_orphans(&self) {
        while getpid().as_raw() == 1 {
            // SAFETY: all zeroes is a valid siginfo_t.
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            // SAFETY: the kernel writes one siginfo_t to `info`.
            let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
            // SAFETY: waitid fills in si_pid, or leaves it 0 when there is nothing.
            let pid = unsafe { info.si_pid() };
            if result != 0 || pid == 0 || pid == self.command.as_raw() {
                return;
            }
            // SAFETY: no status is asked for.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
        }
    }

    /// The next unread state of the command, as a status word. Not nix's waitpid, which cannot tell a death by a real-time
    /// signal from a failure.
    fn next_state(&self) -> Result<Option<i32>, LaunchError> {
        let mut word = 0;
        let options = libc::WUNTRACED | libc::WCONTINUED | libc::WNOHANG;
        // SAFETY: the kernel writes one int to `word`.
        match unsafe { libc::waitpid(self.command.as_raw(), &raw mut word, options) } {
            0 => Ok(None),
            -1 => Err(LaunchError::System { what: "wait for the command", errno: Errno::last() }),
            _ => Ok(Some(word)),
        }
    }

    /// Whether the command was continued and [`Self::next_state`] has not yet said so.
    fn was_continued(&self) -> bool {
        // SAFETY: all zeroes is a valid siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let options = libc::WCONTINUED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: the kernel writes one siginfo_t to `info`.
        let result = unsafe { libc::waitid(libc::P_PID, self.command.as_raw() as u32, &raw mut info, options) };
        // SAFETY: waitid fills in si_pid, or leaves it 0 when there is nothing.
        result == 0 && unsafe { info.si_pid() } != 0
    }

    /// Stops this process with the signal that stopped the command; returns when it was continued, or at once if the command
    /// was continued meanwhile or the kernel discards the signal (this process's group is orphaned).
    fn stop_too(&self, signal: i32) {
        let foreground = terminal::foreground_group_of(self.command);
        if signal == libc::SIGSTOP {
            if !self.was_continued() {
                raw_signals::signal_self(signal);
            }
        } else {
            // Pending first, together with the one that the terminal may have sent to the group: a SIGCONT to the group
            // takes both away, and the process stops once.
            raw_signals::signal_self(signal);
            if !self.was_continued() {
                raw_signals::unblock(signal);
                raw_signals::set_mask(!0);
            }
        }
        if let Some(group) = foreground {
            terminal::hand_on(group);
        }
    }

    /// Continues the command, and its group with it when it has one of its own: a shell continues a job's whole group.
    fn continue_command(&mut self) {
        let own = getpgid(Some(self.command)).ok().filter(|group| *group != getpgrp());
        let target = own.map_or(self.command.as_raw(), |group| -group.as_raw());
        // SAFETY: kill has no memory arguments; the command is not reaped, so that its number is its own.
        unsafe { libc::kill(target, libc::SIGCONT) };
        self.ledger.passed_on(libc::SIGCONT, Instant::now());
    }

    fn read_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let incoming = Incoming { signal: info.ssi_signo as i32, code: info.ssi_code };
            let own = incoming.code <= 0 && info.ssi_pid == getpid().as_raw() as u32;
            if own || incoming.signal == libc::SIGCHLD {
                continue;
            }
            if self.channel.is_some() && is_ambiguous(incoming, self.standing()) {
                self.ledger.received(incoming, Instant::now());
            } else {
                self.judge(incoming);
            }
        }
    }

    fn read_messages(&mut self) {
        while let Some(channel) = &self.channel {
            match channel.receive() {
                Received::Message(ToWaiter::Release, _) => self.let_command_run(),
                Received::Message(ToWaiter::Failed { text, code }, _) => {
                    self.abandon(LaunchError::Capture { text, code });
                }
                Received::Message(ToWaiter::Signal { signal, reach }, _) => {
                    if self.ledger.told(signal, reach, Instant::now()) {
                        self.pass_on(signal);
                    }
                }
                Received::Message(ToWaiter::StoppedForWaiter, _) => self.stopped_for_us = true,
                Received::Message(ToWaiter::Ready { .. }, _) => {}
                Received::Message(ToWaiter::Done, _) | Received::Closed => {
                    self.abandon(LaunchError::CaptureVanished);
                    for incoming in self.ledger.all() {
                        self.judge(incoming);
                    }
                }
                Received::Nothing => return,
            }
        }
    }

    fn let_command_run(&mut self) {
        if let Some(release) = self.release.take() {
            // If the process is gone, its status says more.
            let _ = write(release, b"!");
        }
    }

    /// The capture process gives up. If the command's process still waits, it ends without becoming the command; else the
    /// command goes on unobserved.
    fn abandon(&mut self, failure: LaunchError) {
        self.channel = None;
        if self.release.take().is_some() {
            self.failure = Some(failure);
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            same_group: getpgid(Some(self.command)) == Ok(getpgrp()),
            leads_session: getsid(None) == Ok(getpid()),
        }
    }

    fn judge(&mut self, incoming: Incoming) {
        if by_own_judgement(incoming, self.standing()) {
            self.pass_on(incoming.signal);
            self.ledger.passed_on(incoming.signal, Instant::now());
        }
    }

    /// The capture process said nothing about a signal in time.
    fn judge_silence(&mut self, incoming: Incoming) {
        if self.traced && self.channel.is_some() {
            // It would have said that the command got it too. If the command blocks it, it is pending there, and another one
            // changes nothing (signal(7): standard signals do not queue).
            if is_for_the_command(incoming.signal) {
                self.pass_on(incoming.signal);
                self.ledger.passed_on(incoming.signal, Instant::now());
            }
        } else {
            self.judge(incoming);
        }
    }

    fn pass_on(&self, signal: i32) {
        // SAFETY: kill has no memory arguments; the command is not reaped, so that its number is its own.
        unsafe { libc::kill(self.command.as_raw(), signal) };
    }

    /// Says how it ended and waits until the report is written. A signal now means this process alone, and ends it: whoever
    /// interrupts a long report wants the prompt.
    fn wait_for_report(&mut self, message: ToCapture) {
        // The Ctrl-C that ended the command is here too.
        while let Ok(Some(_)) = self.signals.read_signal() {}
        init_hook::restore_signals();
        // As Rust has it: a closed standard error is an error, not a death.
        raw_signals::ignore(libc::SIGPIPE);
        let Some(channel) = &self.channel else { return };
        if channel.send(&message, None).is_ok() {
            while let Some((other, _)) = channel.wait::<ToWaiter>() {
                if other == ToWaiter::Done {
                    return;
                }
            }
        }
    }
}

/// The forked process: waits until it is followed, then becomes the command.
fn become_command(program: &Program, preparation: Preparation, released: &OwnedFd, failed_exec: &OwnedFd) -> ! {
    let go = loop {
        match read(released, &mut [0]) {
            Ok(length) => break length == 1,
            Err(Errno::EINTR) => {}
            Err(_) => break false,
        }
    };
    if !go {
        exit_now(125);
    }
    give_up(program, program.exec(preparation), failed_exec)
}

/// Says why this process does not become the command. The parent holds the other end until this process is reaped.
fn give_up(program: &Program, failure: ExecFailure, failed_exec: &OwnedFd) -> ! {
    let _ = write(failed_exec, &failure.encode());
    exit_now(program.explain(failure).exit_code().into())
}
