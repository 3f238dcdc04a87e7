//! The signal calls of the kernel itself. Those of the C library refuse the two signals that it keeps for itself (32, 33),
//! which are inherited like the others; and those of nix know no real-time signals.
//!
//! Must not: allocate (a constructor uses this before `main`), or write what is as it should be: even setting the same
//! disposition again discards pending signals (sigaction(2), kernel/signal.c `do_sigaction`).

/// Signals are numbered from 1 to this (`_NSIG`, on every architecture that the probes know).
pub(super) const LAST_SIGNAL: i32 = 64;

/// `struct sigaction` of the kernel, or larger; the handler comes first.
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelSigaction {
    handler: usize,
    rest: [usize; 7],
}

/// Size of the kernel's `sigset_t` in bytes.
const SIGSET_BYTES: usize = 8;

/// The set with one signal, as the kernel lays it out.
pub(super) fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The signals that this thread blocks.
pub(super) fn mask() -> u64 {
    let mut set = 0u64;
    // SAFETY: the kernel writes SIGSET_BYTES bytes to `set`; no new mask is given.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            std::ptr::null::<u64>(),
            std::ptr::from_mut(&mut set),
            SIGSET_BYTES,
        )
    };
    set
}

/// The signals that are pending for this thread or its process.
pub(super) fn pending() -> u64 {
    let mut set = 0u64;
    // SAFETY: the kernel writes SIGSET_BYTES bytes to `set`.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, std::ptr::from_mut(&mut set), SIGSET_BYTES) };
    set
}

/// The handler of a signal: `SIG_DFL`, `SIG_IGN` or an address.
pub(super) fn handler(signal: i32) -> Option<usize> {
    let mut action = KernelSigaction { handler: 0, rest: [0; 7] };
    // SAFETY: `action` is at least as large as the kernel's structure; no new action is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            std::ptr::null::<KernelSigaction>(),
            std::ptr::from_mut(&mut action),
            SIGSET_BYTES,
        )
    };
    (result == 0).then_some(action.handler)
}

/// Sets a handler to `SIG_DFL` or `SIG_IGN`, unless it is that already.
pub(super) fn set_handler(signal: i32, wanted: usize) {
    if handler(signal).is_none_or(|now| now == wanted) {
        return;
    }
    let action = KernelSigaction { handler: wanted, rest: [0; 7] };
    // SAFETY: `action` is at least as large as the kernel's structure, and no handler of ours is installed, so that neither
    // flags nor a restorer are needed.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            std::ptr::from_ref(&action),
            std::ptr::null_mut::<KernelSigaction>(),
            SIGSET_BYTES,
        )
    };
}

/// Sets the signals that this thread blocks.
pub(super) fn set_mask(set: u64) {
    // SAFETY: the kernel reads SIGSET_BYTES bytes from `set`; no old mask is asked for.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            std::ptr::from_ref(&set),
            std::ptr::null_mut::<u64>(),
            SIGSET_BYTES,
        )
    };
}

/// Sets the default action of a signal.
pub(super) fn make_default(signal: i32) {
    set_handler(signal, libc::SIG_DFL);
}

/// Ignores a signal.
pub(super) fn ignore(signal: i32) {
    set_handler(signal, libc::SIG_IGN);
}

/// Lets a signal through.
pub(super) fn unblock(signal: i32) {
    set_mask(mask() & !bit(signal));
}

/// Takes a blocked signal out of those that are pending, if it is there.
pub(super) fn take_pending(signal: i32) {
    let (set, now) = (bit(signal), libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: the kernel reads SIGSET_BYTES bytes from `set` and one timespec; no siginfo is asked for.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            std::ptr::from_ref(&set),
            std::ptr::null_mut::<libc::siginfo_t>(),
            std::ptr::from_ref(&now),
            SIGSET_BYTES,
        )
    };
}

/// Sends a signal to this process.
pub(super) fn signal_self(signal: i32) {
    // SAFETY: neither call has memory arguments.
    unsafe { libc::kill(libc::getpid(), signal) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signals_of_the_c_library_can_be_read() {
        for signal in [32, 33] {
            assert!(handler(signal).is_some(), "{signal}");
        }
        assert!(handler(65).is_none());
    }

    #[test]
    fn sets_are_those_of_proc() {
        let before = mask();
        set_mask(before | bit(33) | bit(64));
        // A thread's own file: the test harness runs each test in a thread.
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        set_mask(before);
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
        assert_eq!(u64::from_str_radix(blocked, 16).unwrap(), before | bit(33) | bit(64));
    }
}
