//! The `sesstrace` binary.
fn main() {}
