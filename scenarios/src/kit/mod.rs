//! What scenarios are written with: processes with roles, gates between them, terminals, shells, and checks of what the
//! kernel did. Must not decide what a scenario means, and must never sleep to synchronise.

pub mod cgroup;
pub mod check;
pub mod clone3;
pub mod follow;
pub mod gate;
pub mod i386;
pub mod prelude;
pub mod proc;
pub mod process;
pub mod shell;
pub mod terminal;
