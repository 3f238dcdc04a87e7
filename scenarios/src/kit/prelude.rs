//! What nearly every scenario needs, for a glob import. Only names, no code.

pub use anyhow::{Context as _, Result, bail, ensure};
pub use nix::{
    errno::Errno,
    sys::signal::Signal,
    unistd::{Pid, getpgrp, setpgid, setsid},
};

pub use super::{
    check::{refused, same},
    follow::followed,
    gate::Gate,
    proc,
    process::{Catch, Child, SELF, catch, execute, in_session, let_pass, me, spawn},
    terminal::Terminal,
};
pub use crate::scenario::{Follow, Picture, Scenario};
