//! Forking with clone3(2): a process that gets a chosen number, which shows the numbers that the kernel will not give away, and
//! one that becomes a sibling.

use anyhow::Result;
use nix::{errno::Errno, unistd::Pid};

use super::process::{self, Child};

/// Forks a child that gets the number `pid` (`set_tid` of clone3(2)); it plays `role` and runs `body`.
///
/// Refused with EEXIST while anything, also a process group or a session, bears the number. Needs `CAP_CHECKPOINT_RESTORE`
/// or `CAP_SYS_ADMIN`.
pub fn spawn_with_number(pid: Pid, role: &str, body: impl FnOnce() -> Result<()>) -> nix::Result<Child> {
    let wanted = pid.as_raw();
    let mut args = nothing();
    args.exit_signal = libc::SIGCHLD as u64;
    args.set_tid = (&raw const wanted) as u64;
    args.set_tid_size = 1;
    spawn_as(&args, role, body)
}

/// Forks a process that is a child of the caller's parent (`CLONE_PARENT`), and so no child of the caller.
pub fn spawn_sibling(role: &str, body: impl FnOnce() -> Result<()>) -> nix::Result<Child> {
    let mut args = nothing();
    // Its end is told as that of the caller would be: an exit signal of its own is refused.
    args.flags = libc::CLONE_PARENT as u64;
    spawn_as(&args, role, body)
}

/// Forks a child that sends no signal at its end, and that a wait without `__WALL` or `__WCLONE` does not find.
pub fn spawn_silent(role: &str, body: impl FnOnce() -> Result<()>) -> nix::Result<Child> {
    spawn_as(&nothing(), role, body)
}

/// Forks a child and waits in the kernel until it has ended or executes a program (`CLONE_VFORK`): the calling thread takes no
/// signal meanwhile.
pub fn spawn_and_wait(role: &str, body: impl FnOnce() -> Result<()>) -> nix::Result<Child> {
    let mut args = nothing();
    args.exit_signal = libc::SIGCHLD as u64;
    args.flags = libc::CLONE_VFORK as u64;
    spawn_as(&args, role, body)
}

fn nothing() -> libc::clone_args {
    // SAFETY: all zeroes is a valid clone_args.
    unsafe { std::mem::zeroed() }
}

fn spawn_as(args: &libc::clone_args, role: &str, body: impl FnOnce() -> Result<()>) -> nix::Result<Child> {
    // SAFETY: the arguments outlive the call, and without CLONE_VM this is a fork; scenarios have one thread.
    let result = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::from_ref(args), size_of::<libc::clone_args>()) };
    match Errno::result(result)? {
        0 => process::finish(role, process::play(role).and_then(|()| body())),
        child => Ok(Child::known(Pid::from_raw(child as i32), role)),
    }
}
