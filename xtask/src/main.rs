//! `cargo xtask`: automation.
fn main() {}
