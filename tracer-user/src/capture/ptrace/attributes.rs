//! Calls that change an attribute of their process: what matters of them at their entry, and what they did at their return.
//!
//! Must not: be asked for where attributes are not, or look at more than the thread that stops.

use tracer_model::{
    event::{Attribute, Attributes, Disposition},
    ids::{Signal, Tid},
};

use super::{
    abi::{Abi, Watched, X32_BIT},
    sys::{self, read_memory},
};
use crate::capture::inspect;

/// `CLOSE_RANGE_CLOEXEC` (`include/uapi/linux/close_range.h`).
const CLOSE_AT_EXEC: u32 = 4;
/// `F_DUPFD` and `F_DUPFD_CLOEXEC` (include/uapi/linux/fcntl.h).
pub(super) const DUPLICATES: [u32; 2] = [0, 1030];
const EBADF: i64 = -9;

/// Such a call that has begun: what its return will be told with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Chdir,
    Umask { new: u32 },
    Open,
    Dup,
    Close { first: u32, last: u32 },
    Sigaction { signal: Signal, disposition: Disposition },
    Sigprocmask { old: u64 },
}

impl Pending {
    /// A call at its entry. `None` when it changes no attribute that is wanted.
    pub fn of(arch: u32, number: u64, args: [u64; 6], tid: Tid, wanted: Attributes) -> Option<Self> {
        let abi = Abi::of_audit(arch)?;
        let call = abi.watched(number).filter(|call| call.is_attribute())?;
        let [a, b, c, ..] = args;
        let [first, second, third] = [a, b, c].map(|word| word as u32);
        let narrow = abi == Abi::I386 || abi == Abi::X86_64 && number & u64::from(X32_BIT) != 0;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other calls change no attribute")]
        match call {
            Watched::Chdir => Some(Self::Chdir),
            Watched::Umask => Some(Self::Umask { new: first & 0o777 }),
            Watched::Open => Some(Self::Open),
            Watched::Dup => Some(Self::Dup),
            Watched::Fcntl => DUPLICATES.contains(&second).then_some(Self::Dup),
            Watched::Close => wanted.has_descriptor(first).then_some(Self::Close { first, last: first }),
            Watched::CloseRange => (third & CLOSE_AT_EXEC == 0).then_some(Self::Close { first, last: second }),
            Watched::Sigaction if b != 0 && wanted.has_disposition(first) => {
                let disposition = disposition(tid, b, narrow)?;
                let before = inspect::disposition(tid, Signal(first))?;
                (before != disposition).then_some(Self::Sigaction { signal: Signal(first), disposition })
            }
            Watched::Sigprocmask if b != 0 && wanted.blocked != 0 => {
                Some(Self::Sigprocmask { old: sys::blocked_signals(tid).ok()? })
            }
            _ => None,
        }
    }

    /// What it did. The thread is held.
    pub fn returned(self, ret: i64, tid: Tid, wanted: Attributes) -> Option<Attribute> {
        let descriptor = || u32::try_from(ret).ok();
        match self {
            Self::Chdir => {
                Some(Attribute::Chdir { root: inspect::is_at_root(tid), errno: ret.min(0).wrapping_neg() as i32 })
            }
            Self::Umask { new } => (ret as u32 != new).then_some(Attribute::Umask { old: ret as u32, new }),
            Self::Open => {
                let opened =
                    descriptor().and_then(|fd| Some(Attribute::Open { fd, target: inspect::target(tid, fd)? }));
                opened.filter(|open| {
                    open.terminal().is_some() || descriptor().is_some_and(|fd| wanted.has_descriptor(fd))
                })
            }
            Self::Dup => {
                let fd = descriptor().filter(|fd| wanted.has_descriptor(*fd))?;
                Some(Attribute::Dup { fd, target: inspect::target(tid, fd)? })
            }
            Self::Close { first, last } => (ret != EBADF).then_some(Attribute::Close { first, last }),
            Self::Sigaction { signal, disposition } => {
                (ret == 0).then_some(Attribute::Sigaction { signal, disposition })
            }
            Self::Sigprocmask { old } => {
                let new = sys::blocked_signals(tid).ok()?;
                ((old ^ new) & u64::from(wanted.blocked) != 0).then_some(Attribute::Sigprocmask { old, new })
            }
        }
    }
}

/// The handler that a `struct sigaction` of the kernel begins with (`include/linux/signal_types.h`).
fn disposition(tid: Tid, address: u64, narrow: bool) -> Option<Disposition> {
    let handler = if narrow {
        u64::from(u32::from_ne_bytes(read_memory(tid, address)?))
    } else {
        u64::from_ne_bytes(read_memory(tid, address)?)
    };
    Some(match handler {
        0 => Disposition::Default,
        1 => Disposition::Ignored,
        _ => Disposition::Handler,
    })
}
