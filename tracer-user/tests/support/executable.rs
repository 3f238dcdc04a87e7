//! Copies of programs, to be executed.
#![allow(dead_code, reason = "not every test crate needs both")]

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus},
};

/// Puts a program where tests execute it: a link to it where that can be, else a copy.
///
/// Another program makes the copy. Who has a file open for writing, and be it as a child that another thread has just forked,
/// keeps everybody from executing it (execve(2), ETXTBSY).
pub fn install(program: impl AsRef<Path>, here: impl AsRef<Path>) {
    let (program, here) = (program.as_ref(), here.as_ref());
    if fs::hard_link(program, here).is_err() {
        copy(program, here);
    }
}

/// Puts a copy where tests execute it, with permissions of its own.
pub fn copy(program: impl AsRef<Path>, here: impl AsRef<Path>) {
    let copied = Command::new("cp").arg(program.as_ref()).arg(here.as_ref()).status();
    assert!(copied.as_ref().is_ok_and(ExitStatus::success), "cp: {copied:?}");
}
