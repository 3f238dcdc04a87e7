//! ptrace(2), wait4(2) and the cheap questions about a process, as the kernel has them: nix knows neither `PTRACE_LISTEN`
//! nor real-time signals.
//!
//! Must not: retry, interpret an error, or keep state.

use std::{
    mem::MaybeUninit,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

use libc::{c_int, c_long, c_uint, c_void, pid_t};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use tracer_model::ids::{Pid, Tid};

/// What a traced thread stops for, besides signals and perhaps its exit. Not `PTRACE_O_EXITKILL`: what a command leaves behind is to live on, also
/// if this program is killed. Not `PTRACE_O_TRACEVFORKDONE`: nothing is learnt from it.
const OPTIONS: c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESECCOMP;

fn options(exit: bool) -> c_int {
    if exit { OPTIONS | libc::PTRACE_O_TRACEEXIT } else { OPTIONS }
}

/// A request that takes no address and a number as data.
fn request(request: c_uint, tid: Tid, data: c_long) -> Result<(), Errno> {
    // SAFETY: the requests that are made here take their data as a number and write no memory of ours.
    let result = unsafe { libc::ptrace(request, tid.0 as pid_t, ptr::null_mut::<c_void>(), data) };
    Errno::result(result).map(drop)
}

/// `PTRACE_SEIZE`: traces a thread from now on, without stopping it.
pub(super) fn seize(tid: Tid) -> Result<(), Errno> {
    request(libc::PTRACE_SEIZE, tid, options(true).into())
}

/// `PTRACE_SEIZE` without options: only signals, group stops and the end are told of.
pub(super) fn seize_for_stops(tid: Tid) -> Result<(), Errno> {
    request(libc::PTRACE_SEIZE, tid, 0)
}

/// `PTRACE_SETOPTIONS`: as [`seize`] does, with a stop before its exit or without.
pub(super) fn set_options(tid: Tid, exit: bool) -> Result<(), Errno> {
    request(libc::PTRACE_SETOPTIONS, tid, options(exit).into())
}

/// `PTRACE_INTERRUPT`: stops a thread at the next opportunity.
pub(super) fn interrupt(tid: Tid) -> Result<(), Errno> {
    request(libc::PTRACE_INTERRUPT, tid, 0)
}

/// `PTRACE_CONT`: runs until the next event, with a signal (0 for none).
pub(super) fn cont(tid: Tid, signal: c_int) -> Result<(), Errno> {
    request(libc::PTRACE_CONT, tid, signal.into())
}

/// `PTRACE_SYSCALL`: as [`cont`], and stops at the next entry to or exit from a call.
pub(super) fn syscall(tid: Tid, signal: c_int) -> Result<(), Errno> {
    request(libc::PTRACE_SYSCALL, tid, signal.into())
}

/// `PTRACE_LISTEN`: leaves a thread in its group stop and reports when that ends.
pub(super) fn listen(tid: Tid) -> Result<(), Errno> {
    request(libc::PTRACE_LISTEN, tid, 0)
}

/// `PTRACE_DETACH`, with a signal (0 for none).
pub(super) fn detach(tid: Tid, signal: c_int) -> Result<(), Errno> {
    request(libc::PTRACE_DETACH, tid, signal.into())
}

/// `PTRACE_GETEVENTMSG`: the new thread of a fork, the old tid of an exec, the status of an exit.
pub(super) fn message(tid: Tid) -> Result<u64, Errno> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes one word to `message`.
    let result =
        unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, tid.0 as pid_t, ptr::null_mut::<c_void>(), &raw mut message) };
    Errno::result(result).map(|_| message)
}

/// `PTRACE_GETSIGINFO`.
pub(super) fn signal_info(tid: Tid) -> Result<libc::siginfo_t, Errno> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the kernel writes one siginfo_t to `info`.
    let result =
        unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid.0 as pid_t, ptr::null_mut::<c_void>(), info.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid siginfo_t, and so is what the kernel writes.
    Errno::result(result).map(|_| unsafe { info.assume_init() })
}

/// Whether a thread is in the stop that says that it forked: `si_code` names the event (kernel/signal.c, `ptrace_notify`).
pub(super) fn is_in_fork(tid: Tid) -> bool {
    let forks = [libc::PTRACE_EVENT_FORK, libc::PTRACE_EVENT_VFORK, libc::PTRACE_EVENT_CLONE];
    signal_info(tid).is_ok_and(|info| forks.contains(&(info.si_code >> 8)))
}

/// A system call in progress: `struct ptrace_syscall_info` (include/uapi/linux/ptrace.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyscallStop {
    /// At its entry, or held there by seccomp.
    Entry { arch: u32, number: u64, args: [u64; 6] },
    /// At its return.
    Exit { ret: i64 },
    /// In no call, as far as the kernel says.
    Neither,
}

fn syscall_info(tid: Tid) -> Result<libc::ptrace_syscall_info, Errno> {
    let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let size = size_of::<libc::ptrace_syscall_info>();
    // SAFETY: the kernel writes at most `size` bytes to `info`.
    let result = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, tid.0 as pid_t, size, info.as_mut_ptr()) };
    Errno::result(result)?;
    // SAFETY: plain numbers, zeroed before.
    Ok(unsafe { info.assume_init() })
}

/// `PTRACE_GET_SYSCALL_INFO` (5.3 and later).
pub(super) fn syscall_stop(tid: Tid) -> Result<SyscallStop, Errno> {
    let info = syscall_info(tid)?;
    let arch = info.arch;
    Ok(match info.op {
        // SAFETY: `op` says which member is meant; all are numbers.
        libc::PTRACE_SYSCALL_INFO_ENTRY => unsafe {
            SyscallStop::Entry { arch, number: info.u.entry.nr, args: info.u.entry.args }
        },
        // SAFETY: as above.
        libc::PTRACE_SYSCALL_INFO_SECCOMP => unsafe {
            SyscallStop::Entry { arch, number: info.u.seccomp.nr, args: info.u.seccomp.args }
        },
        // SAFETY: as above.
        libc::PTRACE_SYSCALL_INFO_EXIT => unsafe { SyscallStop::Exit { ret: info.u.exit.sval } },
        _ => SyscallStop::Neither,
    })
}

/// What the system call of this number returns to a thread that has stopped at the end of it, as the kernel has it before a
/// restart. `None` when it has stopped elsewhere, and on other machines than 64-bit x86.
pub(super) fn returning(tid: Tid, number: u64) -> Option<i64> {
    #[cfg(target_arch = "x86_64")]
    {
        let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
        let none = ptr::null_mut::<c_void>();
        // SAFETY: the kernel writes one user_regs_struct to `registers`.
        let result = unsafe { libc::ptrace(libc::PTRACE_GETREGS, tid.0 as pid_t, none, registers.as_mut_ptr()) };
        Errno::result(result).ok()?;
        // SAFETY: plain numbers, zeroed before.
        let registers = unsafe { registers.assume_init() };
        (registers.orig_rax == number).then_some(registers.rax as i64)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (tid, number);
        None
    }
}

/// `PTRACE_GETSIGMASK`: the signals that a thread blocks, signal 1 in the lowest bit.
pub(super) fn blocked_signals(tid: Tid) -> Result<u64, Errno> {
    let mut mask = 0_u64;
    // SAFETY: the kernel writes as many bytes to `mask` as is said.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK, tid.0 as pid_t, size_of_val(&mask), &raw mut mask) };
    Errno::result(result).map(|_| mask)
}

/// Words of the general registers that are asked for: more than any architecture here has.
const REGISTERS: usize = 64;

/// `AUDIT_ARCH_*` of a thread.
pub(super) fn arch(tid: Tid) -> Result<u32, Errno> {
    syscall_info(tid).map(|info| info.arch)
}

/// The general registers of a thread (`PTRACE_GETREGSET`), as 32-bit words.
pub(super) fn registers(tid: Tid) -> Result<Vec<u32>, Errno> {
    const NT_PRSTATUS: usize = 1;
    let mut words = vec![0_u32; 2 * REGISTERS];
    let mut area = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: size_of_val(&*words) };
    // SAFETY: the kernel writes at most `iov_len` bytes to `words`, and how many to `area`.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, tid.0 as pid_t, NT_PRSTATUS, &raw mut area) };
    Errno::result(result)?;
    words.truncate(area.iov_len / size_of::<u32>());
    Ok(words)
}

/// Reads memory of a traced process. `None` when not all of it can be read.
pub(super) fn read_memory<const N: usize>(tid: Tid, address: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: N };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: N };
    // SAFETY: the kernel writes at most N bytes to `bytes`; the other address is one of the other process.
    let read = unsafe { libc::process_vm_readv(tid.0 as pid_t, &raw const local, 1, &raw const remote, 1, 0) };
    (read == N as isize).then_some(bytes)
}

/// The next state change of any thread that this thread traces: number, and the word of wait(2). Waits for one unless told
/// not to; then `None` is that there is none. `__WNOTHREAD` leaves out the children of this program's other threads.
pub(super) fn wait(no_hang: bool) -> Result<Option<(Tid, c_int)>, Errno> {
    let mut word = 0;
    let options = libc::__WALL | libc::__WNOTHREAD | if no_hang { libc::WNOHANG } else { 0 };
    // SAFETY: the kernel writes one int to `word`.
    let pid = unsafe { libc::waitpid(-1, &raw mut word, options) };
    Errno::result(pid).map(|pid| (pid != 0).then_some((Tid(pid as u32), word)))
}

/// The process group of a process, zombie or not.
pub(super) fn pgid(pid: Pid) -> Option<u32> {
    // 0 would mean ourselves, and is the number of a parent that is not visible here.
    // SAFETY: integers only.
    u32::try_from(unsafe { libc::getpgid(pid.0 as pid_t) }).ok().filter(|_| pid.0 != 0)
}

/// The session of a process, zombie or not.
pub(super) fn sid(pid: Pid) -> Option<u32> {
    // As above.
    // SAFETY: integers only.
    u32::try_from(unsafe { libc::getsid(pid.0 as pid_t) }).ok().filter(|_| pid.0 != 0)
}

/// Whether a process group has a member. Asks with signal 0, which is sent to nobody.
pub(super) fn group_exists(pgid: u32) -> bool {
    // kill(-1) would mean everybody.
    // SAFETY: integers only.
    pgid == 1 || unsafe { libc::kill(-(pgid as pid_t), 0) } == 0 || Errno::last() != Errno::ESRCH
}

/// Whether a thread is one of a process. Asks with signal 0.
pub(super) fn is_thread_of(pid: Pid, tid: Tid) -> bool {
    // SAFETY: integers only.
    unsafe { libc::syscall(libc::SYS_tgkill, pid.0 as pid_t, tid.0 as pid_t, 0) == 0 }
}

/// A descriptor of a process, to be asked later whether it was reaped.
pub(super) fn pidfd(pid: Pid) -> Option<OwnedFd> {
    // SAFETY: integers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.0 as pid_t, 0) };
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether the process of this descriptor has been reaped.
pub(super) fn is_reaped(pidfd: &OwnedFd) -> bool {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: signal 0 is sent to nobody; no memory is passed.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), 0, no_info, 0) };
    sent < 0 && Errno::last() == Errno::ESRCH
}

/// Whether the process of this descriptor has exited, reaped or not.
pub(super) fn has_exited(pidfd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// The calling thread's number.
pub(super) fn own_tid() -> Tid {
    Tid(nix::unistd::gettid().as_raw() as u32)
}
