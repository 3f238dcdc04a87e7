//! Attributes: numbers of the kernel to what they mean.
//!
//! Must not: look anything up.

use tracer_common::record::{self, AttributeCall};
use tracer_model::event::{Attribute, inspection::Target};

use super::{disposition, signal};

/// What was changed. `None` when the probes do not write such a record.
pub(super) fn attribute(raw: &record::Attribute) -> Option<Attribute> {
    let word = |value: u64| value as u32;
    let opened = || Some((u32::try_from(raw.ret).ok()?, target(raw)));
    Some(match AttributeCall::from_number(raw.call)? {
        AttributeCall::Chdir | AttributeCall::Fchdir => {
            Attribute::Chdir { root: raw.value != 0, errno: raw.ret.min(0).wrapping_neg() as i32 }
        }
        AttributeCall::Umask => Attribute::Umask { old: raw.ret as u32, new: word(raw.value) },
        AttributeCall::Open | AttributeCall::Openat | AttributeCall::Openat2 => {
            let (fd, target) = opened()?;
            Attribute::Open { fd, target }
        }
        AttributeCall::Dup | AttributeCall::Dup2 | AttributeCall::Dup3 | AttributeCall::Fcntl => {
            let (fd, target) = opened()?;
            Attribute::Dup { fd, target }
        }
        AttributeCall::Close | AttributeCall::CloseRange => {
            Attribute::Close { first: word(raw.value), last: word(raw.other) }
        }
        AttributeCall::Sigaction => {
            Attribute::Sigaction { signal: signal(word(raw.value))?, disposition: disposition(word(raw.other))? }
        }
        AttributeCall::Sigprocmask => Attribute::Sigprocmask { old: raw.other, new: raw.value },
    })
}

/// What a descriptor refers to. `S_IFMT` is empty for what has no inode of its own (`fs/anon_inodes.c`).
fn target(raw: &record::Attribute) -> Target {
    match raw.mode & libc::S_IFMT {
        libc::S_IFCHR => Target::of_device(raw.device >> 20, raw.device & 0xf_ffff, raw.file_system),
        libc::S_IFBLK => Target::Device,
        libc::S_IFIFO => Target::Pipe,
        libc::S_IFSOCK => Target::Socket,
        libc::S_IFDIR => Target::Directory,
        libc::S_IFREG => Target::File,
        _ => Target::Anonymous,
    }
}
