//! sesstrace's library: capture, recordings, sinks and the command line.

pub mod capture;
