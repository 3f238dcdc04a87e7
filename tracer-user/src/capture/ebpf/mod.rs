//! The eBPF backend: probes on tracepoints, the task iterator, two ring buffers.
//!
//! A capture begins without a hole: the probes are attached and emit everything, then the task iterator says what was there
//! before, numbered from the same counter. In follow mode the source then holds back what it reads until
//! [`EbpfSource::follow`] has said whom to follow, narrows the probes' scope, and lets through what concerns the followed.

pub mod btf;
mod control;
pub mod costs;
pub mod decode;
mod follow;
pub mod load;
pub mod offsets;
pub mod probes;
#[cfg(test)]
mod prune;
mod rings;
mod scope;
mod snapshot;
mod source;
pub mod tracefs;

pub use source::EbpfSource;

use std::path::PathBuf;

use nix::errno::Errno;

use self::{btf::Btf, load::LoadOptions};
use super::{CaptureError, facts::BTF_PATH};

/// What to capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Of whom.
    pub mode: Mode,
    /// How.
    pub load: LoadOptions,
}

/// Whose events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everybody's.
    All,
    /// Those of the processes given to [`EbpfSource::follow`]; nothing is yielded before that.
    Follow,
}

impl Options {
    /// Everything that is watched by default, in buffers that a fork storm on all CPUs does not fill.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let (critical_bytes, chatty_bytes) = (8 << 20, 8 << 20);
        let load = LoadOptions {
            tty_io: false,
            attributes: None,
            attribute_rate: 0,
            capture_arguments: true,
            critical_bytes,
            chatty_bytes,
        };
        Self { mode, load }
    }
}

/// Lends the running kernel's types.
pub(super) fn with_btf<T>(ask: impl FnOnce(&Btf<'_>) -> T) -> Result<T, CaptureError> {
    let bytes = std::fs::read(BTF_PATH).map_err(|error| CaptureError::NoBtf {
        path: PathBuf::from(BTF_PATH),
        errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
    })?;
    Ok(ask(&Btf::parse(&bytes)?))
}
