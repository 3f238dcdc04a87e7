//! The capture process's side of a placement: what it says to the waiter, and what it learns about the command.
//!
//! Must not: print, decide anything about events, or keep the user's descriptors after [`CaptureSide::done`].

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags},
};
use tracer_model::ids::{Pid, Signal};

use super::{
    Placement, detach,
    pidfd::{self, pidfd_open},
    protocol::{Channel, Preparation, Reach, Received, ToCapture, ToWaiter},
    report::ReportWriter,
    status::CommandStatus,
};

/// The process that the shell started is gone, and with it the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process that waits for the command is gone")]
pub struct WaiterGone;

/// The process to follow. It waits until [`CaptureSide::release`]; everything that it and the waiter fork is followed too.
#[derive(Debug)]
pub struct Root {
    /// Its number in this program's pid namespace.
    pub pid: Pid,
    /// Names it for good, whatever happens to the number.
    pub pidfd: OwnedFd,
}

/// What became known about the command since the last question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It ended. Without a status in place, where its own parent waits for it.
    CommandEnded(Option<CommandStatus>),
    /// It could not be executed, and the user is told so. There is nothing to report, and [`CaptureSide::done`] is done.
    NotStarted,
    /// The waiter was killed before the command ended. SIGKILL has been passed on to the command, and the user's descriptors
    /// are closed.
    WaiterGone,
}

/// What the capture closure is given.
#[derive(Debug)]
pub struct CaptureSide {
    placement: Placement,
    channel: Option<Channel>,
    waiter: Root,
    /// The command, when it is not the process that the shell started.
    command: Option<OwnedFd>,
    readiness: Epoll,
    over: bool,
}

impl CaptureSide {
    /// Called in the capture process, whose stdio and inherited descriptors are dealt with already.
    pub(super) fn new(
        placement: Placement,
        channel: Channel,
        waiter: i32,
    ) -> Result<Self, (Channel, &'static str, Errno)> {
        match Self::watch(&channel, waiter) {
            Ok((readiness, pidfd)) => {
                let waiter = Root { pid: Pid(waiter as u32), pidfd };
                Ok(Self { placement, channel: Some(channel), waiter, command: None, readiness, over: false })
            }
            Err(errno) => Err((channel, "watch the process that waits for the command", errno)),
        }
    }

    fn watch(channel: &Channel, waiter: i32) -> Result<(Epoll, OwnedFd), Errno> {
        let pidfd = pidfd_open(waiter)?;
        let readiness = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        readiness.add(channel, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        readiness.add(&pidfd, EpollEvent::new(EpollFlags::EPOLLIN, 1))?;
        Ok((readiness, pidfd))
    }

    /// Where the command stands.
    #[must_use]
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// The process that the shell started: the waiter, or the command itself in place. A number of this program's pid
    /// namespace. It is to be followed before [`Self::ready`], so that nothing it forks is missed.
    #[must_use]
    pub fn waiter(&self) -> Pid {
        self.waiter.pid
    }

    /// Says that the capture is ready to follow the command, and what that process has to do for it. The message, if any, is
    /// a line for the user, printed before the command starts (the wrapper only). Returns the process to follow, which waits
    /// for [`Self::release`].
    pub fn ready(&mut self, message: Option<&str>, preparation: Preparation) -> Result<Root, WaiterGone> {
        let text = message.unwrap_or_default().to_owned();
        self.say(&ToWaiter::Ready { capture: std::process::id() as i32, preparation, text })?;
        let channel = self.channel.as_ref().ok_or(WaiterGone)?;
        let Some((ToCapture::Root { pid }, Some(pidfd))) = channel.wait() else { return Err(WaiterGone) };
        if self.placement == Placement::Wrapper {
            self.command = Some(pidfd.try_clone().map_err(|_| WaiterGone)?);
        }
        Ok(Root { pid: Pid(pid as u32), pidfd })
    }

    /// Lets the command run. It is executed only after this.
    pub fn release(&mut self) -> Result<(), WaiterGone> {
        self.say(&ToWaiter::Release)
    }

    /// Says that nothing can be followed, why, and with which exit code the program is to end. The command is not run. Only
    /// of use before [`Self::release`].
    pub fn failed(self, text: &str, code: u8) {
        // Whoever reads from the user's standard error need not wait until the probes are closed.
        detach::drop_stderr();
        // A waiter that is gone needs no reason.
        if let Some(channel) = &self.channel {
            let _ = channel.send(&ToWaiter::Failed { text: text.to_owned(), code }, None);
        }
    }

    /// What became known. Never blocks; [`AsFd`] has a descriptor that is readable when it is worth asking.
    pub fn next_control(&mut self) -> Option<Control> {
        if self.over {
            return None;
        }
        let control = self.heard().or_else(|| self.process_ended())?;
        self.over = true;
        // Both ends stay readable from now on, which is nothing to wake up for.
        let _ = self.readiness.delete(&self.waiter.pidfd);
        if let Some(channel) = &self.channel {
            let _ = self.readiness.delete(channel);
        }
        Some(control)
    }

    fn heard(&mut self) -> Option<Control> {
        let channel = self.channel.as_ref()?;
        match channel.receive() {
            Received::Message(ToCapture::Ended { word }, _) => {
                Some(Control::CommandEnded(CommandStatus::from_word(word)))
            }
            Received::Message(ToCapture::NotStarted, _) => {
                // Nothing will be reported, so that nobody need wait.
                self.done();
                Some(Control::NotStarted)
            }
            Received::Message(ToCapture::Root { .. }, _) | Received::Nothing => None,
            Received::Closed if self.placement == Placement::InPlace => {
                // Its exec closed the socket: the command runs. From here on only the pidfd can tell anything.
                let _ = self.readiness.delete(channel);
                self.channel = None;
                None
            }
            Received::Closed => Some(self.waiter_gone()),
        }
    }

    fn process_ended(&mut self) -> Option<Control> {
        let ended = is_readable(self.waiter.pidfd.as_fd());
        match self.placement {
            Placement::InPlace if ended => Some(Control::CommandEnded(None)),
            // What the waiter said before it ended comes first.
            Placement::Wrapper if ended => Some(self.heard().unwrap_or_else(|| self.waiter_gone())),
            Placement::InPlace | Placement::Wrapper => None,
        }
    }

    fn waiter_gone(&mut self) -> Control {
        if let Some(command) = &self.command {
            // It may have ended by itself in the meantime.
            let _ = pidfd::send_signal(command.as_fd(), libc::SIGKILL);
        }
        self.channel = None;
        detach::drop_stderr();
        Control::WaiterGone
    }

    /// Tells the waiter about a signal that it got from `sender` (the actor of the event): whether the command got it as
    /// well. To be called for each signal that was generated for the waiter, except SIGCHLD. Without this the waiter judges
    /// by itself after a tenth of a second, and less well. Does nothing in place.
    ///
    /// SIGSTOP, which no process can pass on, is passed on from here.
    pub fn waiter_was_signalled(&mut self, signal: Signal, sender: Pid, reach: Reach) {
        let (Some(channel), Some(command)) = (&self.channel, &self.command) else { return };
        if sender == self.waiter.pid {
            // It stops itself when the command has stopped.
            return;
        }
        // A waiter that does not read falls back on its own judgement.
        if (signal, reach) == (Signal::STOP, Reach::WaiterAlone) {
            if channel.send(&ToWaiter::StoppedForWaiter, None).is_ok() {
                let _ = pidfd::send_signal(command.as_fd(), libc::SIGSTOP);
            }
        } else {
            let _ = channel.send(&ToWaiter::Signal { signal: signal.0 as i32, reach }, None);
        }
    }

    /// Where the report goes when the user names no file: the standard error that the program was started with. Nothing in
    /// place, where the terminal belongs to the command alone. Writing fails with [`io::ErrorKind::BrokenPipe`] when the
    /// waiter is gone; what is written after [`Self::done`] is lost.
    pub fn report_writer(&self) -> io::Result<Option<ReportWriter>> {
        match self.placement {
            Placement::Wrapper => Ok(Some(ReportWriter::new(self.waiter.pidfd.try_clone()?))),
            Placement::InPlace => Ok(None),
        }
    }

    /// Ends the conversation: closes the user's descriptors, then lets the waiter return. What this process does afterwards
    /// (closing probes takes seconds) nobody waits for.
    pub fn done(&mut self) {
        detach::drop_stderr();
        if let Some(channel) = self.channel.take() {
            // A waiter that is gone waits for nothing.
            let _ = channel.send(&ToWaiter::Done, None);
        }
        self.over = true;
    }

    fn say(&self, message: &ToWaiter) -> Result<(), WaiterGone> {
        self.channel.as_ref().ok_or(WaiterGone)?.send(message, None).map_err(|_| WaiterGone)
    }
}

impl AsFd for CaptureSide {
    /// Readable when [`CaptureSide::next_control`] has something to say.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.0.as_fd()
    }
}

pub(super) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
