//! A process of the world: does what it is told, one call at a time, and says what the call returned.
//!
//! SIGHUP and SIGCONT are blocked in it, so that `/proc` still shows them when they were sent.

use std::{
    ffi::CString,
    io::{Read as _, Write as _},
    mem::ManuallyDrop,
    os::fd::{FromRawFd as _, RawFd},
};

use anyhow::{Context as _, Result};
use tracer_model::reference::kernel::Step;

/// The name under which this executable goes on as one after its exec.
pub const NAME: &str = "world-worker";
/// Descriptor of the terminal.
pub(super) const TERMINAL_FD: RawFd = 100;

/// Where a process reads what to do.
pub(super) fn orders_fd(slot: u32) -> RawFd {
    TERMINAL_FD + 2 * slot as RawFd
}

/// Where it writes what came of it.
pub(super) fn answers_fd(slot: u32) -> RawFd {
    TERMINAL_FD + 2 * slot as RawFd + 1
}

/// An order: what, and two arguments.
pub(super) type Order = [i32; 3];

/// A step as an order; numbers are real ones already.
pub(super) fn order(step: Step, real: impl Fn(i32) -> i32, child: u32) -> Order {
    let number = |number: u32| real(number.cast_signed());
    match step {
        Step::Fork { clone_parent, .. } => [1, i32::from(clone_parent), child.cast_signed()],
        Step::Setpgid { pid, pgid, .. } => [2, real(pid), real(pgid)],
        Step::Setsid { .. } => [3, 0, 0],
        Step::Exec { .. } => [4, 0, 0],
        Step::Exit { .. } => [5, 0, 0],
        Step::Wait { child, .. } => [6, number(child), 0],
        Step::WaitAny { .. } => [6, -1, 0],
        Step::SetForeground { pgid, .. } => [7, real(pgid), 0],
        Step::AcquireTty { .. } => [8, 0, 0],
        Step::GiveTtyUp { .. } => [9, 0, 0],
        Step::IgnoreTtou { .. } => [10, 0, 0],
        Step::Stop { target, .. } => [11, number(target), libc::SIGSTOP],
        Step::Continue { target, .. } => [11, number(target), libc::SIGCONT],
        Step::Kill { target, .. } => [11, number(target), libc::SIGKILL],
        Step::Subreaper { .. } => [12, 0, 0],
        Step::IgnoreChildren { .. } => [13, 0, 0],
    }
}

/// Blocks what is to be seen, and obeys for ever.
pub(super) fn begin(slot: u32) -> ! {
    let mut hidden = nix::sys::signal::SigSet::empty();
    hidden.add(nix::sys::signal::Signal::SIGHUP);
    hidden.add(nix::sys::signal::Signal::SIGCONT);
    let _same_as_before = hidden.thread_block();
    obey(slot)
}

/// Goes on after an exec.
pub fn after_exec(words: &[String]) -> Result<()> {
    let [slot] = words else { anyhow::bail!("usage: {NAME} SLOT") };
    let slot = slot.parse().context("a slot")?;
    answer(slot, 0);
    obey(slot)
}

fn obey(mut slot: u32) -> ! {
    loop {
        let Some([what, one, other]) = next(slot) else { leave() };
        if let Some(ret) = act(&mut slot, what, one, other) {
            answer(slot, ret);
        }
    }
}

/// The next order. `None`: nobody is there to give one.
fn next(slot: u32) -> Option<Order> {
    // SAFETY: the descriptor is open, and stays so.
    let mut orders = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(orders_fd(slot)) });
    let mut bytes = [0_u8; 12];
    orders.read_exact(&mut bytes).ok()?;
    let mut order = [0; 3];
    for (word, chunk) in order.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = i32::from_ne_bytes(*chunk);
    }
    Some(order)
}

fn answer(slot: u32, ret: i64) {
    // SAFETY: as above.
    let mut answers = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(answers_fd(slot)) });
    if answers.write_all(&ret.to_ne_bytes()).is_err() {
        leave();
    }
}

fn leave() -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(0) }
}

/// Does one thing. `None`: the answer is another's to give, or nobody's.
fn act(slot: &mut u32, what: i32, one: i32, other: i32) -> Option<i64> {
    // SAFETY: plain system calls, of a process that has one thread.
    let ret = unsafe {
        match what {
            1 => {
                let parent = if one == 0 { 0 } else { libc::CLONE_PARENT };
                let ret = libc::syscall(libc::SYS_clone, i64::from(parent | libc::SIGCHLD), 0, 0, 0, 0);
                if ret == 0 {
                    *slot = other.cast_unsigned();
                    return None;
                }
                ret
            }
            2 => i64::from(libc::setpgid(one, other)),
            3 => i64::from(libc::setsid()),
            4 => return Some(execute(*slot)),
            5 => leave(),
            6 => i64::from(libc::waitpid(one, std::ptr::null_mut(), libc::WNOHANG)),
            7 => i64::from(libc::ioctl(TERMINAL_FD, libc::TIOCSPGRP, &raw const one)),
            8 => i64::from(libc::ioctl(TERMINAL_FD, libc::TIOCSCTTY, 0)),
            9 => i64::from(libc::ioctl(TERMINAL_FD, libc::TIOCNOTTY)),
            10 => i64::from(libc::signal(libc::SIGTTOU, libc::SIG_IGN) == libc::SIG_ERR),
            11 => i64::from(libc::kill(one, other)),
            12 => i64::from(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1)),
            _ => i64::from(libc::signal(libc::SIGCHLD, libc::SIG_IGN) == libc::SIG_ERR),
        }
    };
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    Some(if ret == -1 { -i64::from(errno) } else { ret })
}

/// Executes this program anew, which answers.
fn execute(slot: u32) -> i64 {
    let words = [NAME.to_owned(), slot.to_string()].map(|word| CString::new(word).unwrap_or_default());
    match nix::unistd::execv(c"/proc/self/exe", &words) {
        Err(errno) => -i64::from(errno as i32),
        Ok(never) => match never {},
    }
}
