//! The recording of this release: JSON Lines, one object a line, readable with nothing but a text editor.
//!
//! ```text
//! {"kind":"header","sesstrace":"1.3","tool":"0.1.0","host":{"text":"…"},…}     always the first line
//! {"seq":1,"at":120417,"kind":"exec","args":[{"text":"ls"}],"by":{…},"of":{…}}  one line for each event, in order
//! {"kind":"end","events":812,"lost":0,"complete":true}                           absent: the recording was cut off
//! ```
//!
//! `at` and other times are ns since the header's `boot_ns`, and may be negative. 64-bit identities are strings. Byte
//! strings are `{"text":…}` or, where they are not UTF-8, `{"bytes":BASE64}`. Fields that are zero, false or empty are left
//! out. Within a major version fields and kinds are only added, so a reader ignores what it does not know.
//!
//! File types are separate from [`tracer_model::event::Event`]: a change of the model must not change the format. This module
//! knows nothing of the model's state, of sinks, or of where events come from.

mod attribute;
mod call;
mod compact;
mod convert;
mod event;
mod finding;
mod header;
mod inspection;
mod json;
mod lines;
mod names;
mod place;
mod reader;
mod rotation;
mod task;
#[cfg(test)]
pub(crate) mod tests;
mod unwritten;
mod warning;
mod writer;

pub(crate) use attribute::attribute_value;
pub(crate) use event::KINDS;
pub use header::{Header, PTRACE, Scope, Summary};
pub(crate) use json::{end_line, event_line, finding_line, header_line};
pub(crate) use names::{CALL_NAMES, call_name, kind_name};
pub use place::Place;
pub use reader::{ReadError, Reader};
pub use rotation::Rotation;
pub(crate) use task::FileBytes;
pub use unwritten::Unwritten;
pub(crate) use unwritten::{is_being_written, unfinished};
pub use warning::Warnings;
pub use writer::{WriteError, Writer};
pub(crate) use writer::{how_to_create, how_to_write};

/// An I/O error by the name of its errno.
pub(crate) fn cause(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |errno| nix::errno::Errno::from_raw(errno).to_string())
}

/// The longest name of a process that is read, in either form. The kernel's have 15 bytes; every bundle has a copy, so that a few
/// bytes that ask for a long one again and again would take all memory.
const LONGEST_NAME: usize = 4096;

/// Major version of the format: a reader of another one refuses.
pub const FORMAT_MAJOR: u32 = 1;
/// Minor version: raised when fields or kinds are added.
pub const FORMAT_MINOR: u32 = 3;
