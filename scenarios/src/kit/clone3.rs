//! Forking a process that gets a chosen number: how a scenario shows which numbers the kernel will not give away.

use anyhow::Result;
use nix::{errno::Errno, unistd::Pid};

use super::process::{self, Child};

/// Forks a child that gets the number `pid` (`set_tid` of clone3(2)); it plays `role` and runs `body`.
///
/// Refused with EEXIST while anything, also a process group or a session, bears the number. Needs `CAP_CHECKPOINT_RESTORE`
/// or `CAP_SYS_ADMIN`.
pub fn spawn_with_number(pid: Pid, role: &str, body: impl FnOnce() -> Result<()>) -> nix::Result<Child> {
    let wanted = pid.as_raw();
    // SAFETY: all zeroes is a valid clone_args.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.exit_signal = libc::SIGCHLD as u64;
    args.set_tid = (&raw const wanted) as u64;
    args.set_tid_size = 1;
    // SAFETY: the arguments outlive the call, and without CLONE_VM this is a fork; scenarios have one thread.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match Errno::result(result)? {
        0 => process::finish(role, process::play(role).and_then(|()| body())),
        child => Ok(Child::known(Pid::from_raw(child as i32), role)),
    }
}
