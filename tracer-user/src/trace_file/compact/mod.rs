//! `.sesstrace`: the compact form of a recording. `docs/TRACE-FORMAT.md` specifies it.
//!
//! ```text
//! version                      skippable frame
//! header                       zstd frame of one message
//! ( mark                       skippable frame: what was before
//!   events )*                  zstd frame of messages; at intervals the first is a keyframe
//! index                        skippable frame: where the marks are
//! seek table                   skippable frame, as of the zstd seekable format
//! ```
//!
//! A message is a protobuf message behind its length. Within a frame, what an event has in common with those before it is
//! left out: a frame can be read alone, an event cannot. Messages are believed once the check after them is right.

mod batch;
mod decode;
mod encode;
mod frame;
mod leaf;
mod numbers;
mod reader;
mod record;
mod seek;
mod tape;
mod wire;
mod writer;

pub(super) use reader::Reader;
pub(super) use tape::Source;
pub(super) use writer::{Limits, Writer};

/// Whether these first bytes are those of a compact recording.
pub(super) fn begins(first: &[u8]) -> bool {
    first == frame::VERSION.to_le_bytes()
}
