//! sesstrace's library: capture, recordings, sinks and the command line.

pub mod capture;
pub mod cli;
pub mod config;
pub mod ending;
pub mod filter;
pub mod live;
pub mod pipeline;
pub mod placement;
pub mod prebuilt;
pub mod redaction;
pub mod sink;
pub mod text;
pub mod trace_file;
pub mod verify;
