//! What the waiter and the capture process say to each other: one message a packet on a socket pair that keeps boundaries,
//! so that a message is whole or absent and the end of either process reads as the end of the stream.
//!
//! Must not: block on sending. A stopped waiter reads nothing, and a busy capture process must not hold up the command.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
    },
};

/// Longest text that a message carries, in bytes; longer ones are cut.
const MAX_TEXT: usize = 16 * 1024;

/// Whom a signal to the waiter also reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The command did not get this signal: it was sent to the waiter alone, or to a group that the command has left.
    WaiterAlone,
    /// The command got it by the same call or the same key: it is in the group that was signalled.
    CommandToo,
}

/// What the process that is to become the command does so that it can be followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preparation {
    /// Nothing: what follows it needs no consent.
    #[default]
    Nothing,
    /// Lets the capture process trace it with ptrace(2).
    Traced {
        /// It also installs [`super::Launch::filter`] on itself, right before its exec.
        filter: bool,
    },
}

/// From the capture process to the waiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToWaiter {
    /// The capture process of this number is ready to follow, and what the process that is to become the command does for
    /// that; the text, if any, is for the user.
    Ready { capture: i32, preparation: Preparation, text: String },
    /// It cannot start or cannot follow; the command must not run.
    Failed { text: String, code: u8 },
    /// The command is followed: let it run.
    Release,
    /// A signal that the waiter got, and whether the command got it too.
    Signal { signal: i32, reach: Reach },
    /// The command is being stopped because the waiter was, by a SIGSTOP to it alone.
    StoppedForWaiter,
    /// The report is written.
    Done,
}

/// From the waiter to the capture process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToCapture {
    /// This process is to become the command. It has prepared itself and waits before its exec; a pidfd of it comes along.
    Root { pid: i32 },
    /// The command ended; the status word of wait(2).
    Ended { word: i32 },
    /// The command was never executed.
    NotStarted,
}

/// A message of one of the two directions.
pub(super) trait Message: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Self>;
}

fn with_text(tag: u8, text: &str) -> Vec<u8> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    [&[tag], text.get(..end).unwrap_or_default().as_bytes()].concat()
}

fn with_int(tag: u8, value: i32) -> Vec<u8> {
    [&[tag][..], &value.to_le_bytes()].concat()
}

fn int(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Preparation {
    fn encode(self) -> u8 {
        match self {
            Self::Nothing => b'n',
            Self::Traced { filter: false } => b't',
            Self::Traced { filter: true } => b'f',
        }
    }

    fn decode(byte: u8) -> Option<Self> {
        match byte {
            b'n' => Some(Self::Nothing),
            b't' => Some(Self::Traced { filter: false }),
            b'f' => Some(Self::Traced { filter: true }),
            _ => None,
        }
    }
}

impl Message for ToWaiter {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready { capture, preparation, text } => {
                let mut bytes = with_text(b'r', text);
                let [a, b, c, d] = capture.to_le_bytes();
                bytes.splice(1..1, [preparation.encode(), a, b, c, d]);
                bytes
            }
            Self::Failed { text, code } => {
                let mut bytes = with_text(b'f', text);
                bytes.insert(1, *code);
                bytes
            }
            Self::Release => vec![b'g'],
            Self::Signal { signal, reach: Reach::WaiterAlone } => with_int(b'a', *signal),
            Self::Signal { signal, reach: Reach::CommandToo } => with_int(b'b', *signal),
            Self::StoppedForWaiter => vec![b's'],
            Self::Done => vec![b'd'],
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'r', preparation, a, b, c, d, rest @ ..] => Some(Self::Ready {
                capture: i32::from_le_bytes([*a, *b, *c, *d]),
                preparation: Preparation::decode(*preparation)?,
                text: text(rest),
            }),
            [b'f', code, rest @ ..] => Some(Self::Failed { text: text(rest), code: *code }),
            [b'g'] => Some(Self::Release),
            [b'a', rest @ ..] => Some(Self::Signal { signal: int(rest)?, reach: Reach::WaiterAlone }),
            [b'b', rest @ ..] => Some(Self::Signal { signal: int(rest)?, reach: Reach::CommandToo }),
            [b's'] => Some(Self::StoppedForWaiter),
            [b'd'] => Some(Self::Done),
            _ => None,
        }
    }
}

impl Message for ToCapture {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Root { pid } => with_int(b'r', *pid),
            Self::Ended { word } => with_int(b'e', *word),
            Self::NotStarted => vec![b'n'],
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'r', rest @ ..] => Some(Self::Root { pid: int(rest)? }),
            [b'e', rest @ ..] => Some(Self::Ended { word: int(rest)? }),
            [b'n'] => Some(Self::NotStarted),
            _ => None,
        }
    }
}

/// What reading found.
#[derive(Debug)]
pub(super) enum Received<M> {
    /// A message, with the descriptor that came along.
    Message(M, Option<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// The other side is gone, or speaks nonsense (which only a bug would explain).
    Closed,
}

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Both ends, neither inherited by an exec.
    pub(super) fn pair() -> Result<(Self, Self), Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self(one), Self(other)))
    }

    /// Sends a message, with a descriptor if there is one. Fails when the other side is gone or does not read.
    pub(super) fn send(&self, message: &impl Message, fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
        let bytes = message.encode();
        let fds: Vec<RawFd> = fd.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights[..] };
        sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(&bytes)], control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
    }

    /// Reads a message if there is one.
    pub(super) fn receive<M: Message>(&self) -> Received<M> {
        let mut bytes = vec![0; MAX_TEXT + 16];
        let mut control = cmsg_space!(RawFd);
        let (length, fd) = loop {
            let mut buffers = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            match recvmsg::<()>(self.0.as_raw_fd(), &mut buffers, Some(&mut control), flags) {
                Ok(message) => break (message.bytes, message.cmsgs().ok().and_then(first_fd)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Received::Nothing,
                Err(_) => return Received::Closed,
            }
        };
        match bytes.get(..length).and_then(M::decode) {
            Some(message) => Received::Message(message, fd),
            None => Received::Closed,
        }
    }

    /// Waits for a message; nothing when the other side is gone.
    pub(super) fn wait<M: Message>(&self) -> Option<(M, Option<OwnedFd>)> {
        loop {
            match self.receive() {
                Received::Message(message, fd) => return Some((message, fd)),
                Received::Closed => return None,
                Received::Nothing => {}
            }
            // An interrupted or failed wait only means that reading is tried again.
            let _ = poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn first_fd(messages: impl Iterator<Item = ControlMessageOwned>) -> Option<OwnedFd> {
    let mut first = None;
    for message in messages {
        if let ControlMessageOwned::ScmRights(fds) = message {
            for fd in fds {
                // SAFETY: the kernel has just installed this descriptor for us, and nobody else knows of it.
                first.get_or_insert(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
        assert_eq!(M::decode(&message.encode()).as_ref(), Some(message));
    }

    #[test]
    fn every_message_survives_the_way() {
        let preparations =
            [Preparation::Nothing, Preparation::Traced { filter: false }, Preparation::Traced { filter: true }];
        for preparation in preparations {
            round_trip(&ToWaiter::Ready { capture: 4_194_304, preparation, text: "eBPF".to_owned() });
            round_trip(&ToWaiter::Ready { capture: 4_194_304, preparation, text: String::new() });
        }
        round_trip(&ToWaiter::Failed { text: "no".to_owned(), code: 125 });
        round_trip(&ToWaiter::Release);
        round_trip(&ToWaiter::Signal { signal: 15, reach: Reach::WaiterAlone });
        round_trip(&ToWaiter::Signal { signal: 64, reach: Reach::CommandToo });
        round_trip(&ToWaiter::StoppedForWaiter);
        round_trip(&ToWaiter::Done);
        round_trip(&ToCapture::Root { pid: 4_194_304 });
        round_trip(&ToCapture::Ended { word: 0x8b });
        round_trip(&ToCapture::NotStarted);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let message = ToWaiter::Failed { text: "é".repeat(MAX_TEXT), code: 4 };
        let Some(ToWaiter::Failed { text, .. }) = ToWaiter::decode(&message.encode()) else { panic!("no text") };
        assert_eq!(text, "é".repeat(MAX_TEXT / 2));
    }

    #[test]
    fn a_descriptor_comes_along_and_the_end_is_seen() {
        let (one, other) = Channel::pair().unwrap();
        assert!(matches!(other.receive::<ToCapture>(), Received::Nothing));
        let (reader, writer) = nix::unistd::pipe().unwrap();
        one.send(&ToCapture::Root { pid: 7 }, Some(writer.as_fd())).unwrap();
        drop(writer);
        let Some((ToCapture::Root { pid: 7 }, Some(fd))) = other.wait() else { panic!("no descriptor") };
        nix::unistd::write(&fd, b"x").unwrap();
        drop(fd);
        let mut byte = [0; 2];
        assert_eq!(nix::unistd::read(&reader, &mut byte).unwrap(), 1);
        drop(one);
        assert!(matches!(other.receive::<ToCapture>(), Received::Closed));
        assert_eq!(other.send(&ToWaiter::Done, None), Err(Errno::EPIPE));
    }
}
