//! The probes, a file for each family.

pub mod attributes;
pub mod calls;
pub mod lifecycle;
pub mod signals;
pub mod snapshot;
pub mod tty;
mod wait;
