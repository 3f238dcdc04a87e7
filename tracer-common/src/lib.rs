//! The wire format between the kernel probes and userspace: bytes, not meaning.
//!
//! Both sides compile this crate, so a record has one definition. Records are host-endian, free of padding and as long as
//! their type; [`record::RECORDS`] is the one table of kinds. Kind numbers are permanent: a retired kind stays listed.
//!
//! Must not: allocate, panic, know what an event means, or depend on anything.
#![no_std]

pub mod control;
pub mod offsets;
pub mod parse;
pub mod record;
mod wire;

pub use parse::{ParseError, parse};
pub use record::Record;
pub use wire::Wire;

/// Version of the layout of every record and of [`offsets::Offsets`]. The built object carries it in a read-only global,
/// and the loader refuses an object of another version.
pub const ABI_VERSION: u32 = 3;
