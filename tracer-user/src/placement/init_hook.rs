//! What the process was given, before Rust's runtime changed it, and the way back.
//!
//! Before `main`, the runtime ignores SIGPIPE, opens `/dev/null` on whichever of the descriptors 0 to 2 are closed, and
//! installs handlers for SIGSEGV and SIGBUS on an alternate stack (library/std/src/sys/pal/unix: `init`). A command would
//! inherit the first two. So a constructor (ELF `.init_array`, run by the C library before `main`) notes how things were.
//! Handlers do not survive an exec, so that each signal is either ignored or at its default at that time.
//!
//! Must not: allocate or use anything of std beyond atomics in the constructor.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::raw_signals::{LAST_SIGNAL, bit, handler, mask, pending, set_handler, set_mask, signal_self};

static CAPTURED: AtomicBool = AtomicBool::new(false);
static MASK: AtomicU64 = AtomicU64::new(0);
static IGNORED: AtomicU64 = AtomicU64::new(0);
static PENDING: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs [`capture`] before Rust's runtime starts.
#[used]
#[unsafe(link_section = ".init_array")]
static HOOK: extern "C" fn() = capture;

extern "C" fn capture() {
    let mut ignored = 0;
    for signal in 1..=LAST_SIGNAL {
        if handler(signal) == Some(libc::SIG_IGN) {
            ignored |= bit(signal);
        }
    }
    let mut closed = 0;
    for fd in 0..3 {
        // SAFETY: F_GETFD has no memory arguments, and a closed descriptor is an answer.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            closed |= 1 << fd;
        }
    }
    MASK.store(mask(), Ordering::Relaxed);
    IGNORED.store(ignored, Ordering::Relaxed);
    PENDING.store(pending(), Ordering::Relaxed);
    CLOSED.store(closed, Ordering::Relaxed);
    CAPTURED.store(true, Ordering::Release);
}

/// Whether the constructor ran: not when this library was loaded in some way that skips `.init_array`.
pub(super) fn ran() -> bool {
    CAPTURED.load(Ordering::Acquire)
}

/// Restores the dispositions and the mask that this process was started with.
pub(super) fn restore_signals() {
    let ignored = IGNORED.load(Ordering::Relaxed);
    for signal in 1..=LAST_SIGNAL {
        let wanted = if ignored & bit(signal) == 0 { libc::SIG_DFL } else { libc::SIG_IGN };
        set_handler(signal, wanted);
    }
    set_mask(MASK.load(Ordering::Relaxed));
}

/// Closes the descriptors among 0 to 2 that were closed.
pub(super) fn restore_closed_fds() {
    let closed = CLOSED.load(Ordering::Relaxed);
    for fd in (0..3).filter(|fd| closed & 1 << fd != 0) {
        // SAFETY: Rust's runtime opened it before `main`; whoever calls this is about to exec.
        unsafe { libc::close(fd) };
    }
}

/// What was pending, and blocked, when this process was started.
pub(super) fn pending_at_start() -> impl Iterator<Item = i32> {
    let set = PENDING.load(Ordering::Relaxed) & MASK.load(Ordering::Relaxed);
    (1..=LAST_SIGNAL).filter(move |signal| set & bit(*signal) != 0)
}

/// Sends this process again what was pending at the start and is no more: Rust's runtime discards a pending SIGPIPE when it
/// starts to ignore that signal, and a forked process has none. Call it after [`restore_signals`], which blocks them.
pub(super) fn restore_pending() {
    let lost = !pending();
    for signal in pending_at_start().filter(|signal| lost & bit(*signal) != 0) {
        signal_self(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constructor_ran_before_the_runtime_ignored_sigpipe() {
        assert!(ran());
        assert_eq!(handler(libc::SIGPIPE), Some(libc::SIG_IGN), "the runtime ignores SIGPIPE");
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        // Starting a thread, as the test harness does, makes the C library handle its own two.
        let comparable = !(bit(libc::SIGPIPE) | bit(32) | bit(33));
        assert_eq!(ignored & comparable, IGNORED.load(Ordering::Relaxed) & comparable, "nothing else changed");
    }
}
