//! System calls that neither nix nor aya wraps: detached mounts, tracepoint events of perf, a program's skip counter, and
//! a shared mapping of words.
//!
//! Must not: retry, interpret an error, or keep state.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    ptr::NonNull,
    sync::atomic::AtomicU64,
    time::Duration,
};

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = checked(result)? as i32;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Mounts a filesystem nowhere: a directory descriptor that no mount namespace shows. Needs `CAP_SYS_ADMIN`.
pub(super) fn detached_mount(filesystem: &CStr) -> io::Result<OwnedFd> {
    const FSCONFIG_CMD_CREATE: libc::c_long = 6;
    const CLOEXEC: libc::c_long = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: `filesystem` ends with NUL and outlives the call.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, filesystem.as_ptr(), CLOEXEC) })?;
    let fd = libc::c_long::from(context.as_raw_fd());
    // SAFETY: FSCONFIG_CMD_CREATE takes no key and no value.
    checked(unsafe { libc::syscall(libc::SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, nothing, nothing, 0_i64) })?;
    // SAFETY: integers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, fd, CLOEXEC, 0_i64) })
}

/// Waits until every program that was running in the kernel when this was called has returned: they run under RCU, and
/// `MEMBARRIER_CMD_GLOBAL` waits for a grace period (kernel/sched/membarrier.c), about 8 ms. A kernel with `nohz_full` CPUs
/// has no such command: then it waits for longer than a program that cannot be preempted takes.
pub(super) fn wait_for_programs() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_long = 1;
    const WITHOUT_MEMBARRIER: Duration = Duration::from_millis(20);
    // SAFETY: integers only.
    if checked(unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0_i64, 0_i64) }).is_err() {
        std::thread::sleep(WITHOUT_MEMBARRIER);
    }
}

/// `struct perf_event_attr` as of its first version (`include/uapi/linux/perf_event.h`, `PERF_ATTR_SIZE_VER0`).
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

/// What holds a program at a tracepoint.
#[derive(Debug)]
pub(super) struct Attachment {
    _link: OwnedFd,
    _event: OwnedFd,
}

/// Runs a loaded tracepoint program at every hit of a tracepoint, on all CPUs, until the attachment is dropped. The program
/// reads `cookie` with `bpf_get_attach_cookie` (5.15 and later).
pub(super) fn attach_tracepoint(event_id: u64, program: BorrowedFd<'_>, cookie: u64) -> io::Result<Attachment> {
    const PERF_TYPE_TRACEPOINT: u32 = 2;
    const PERF_FLAG_FD_CLOEXEC: libc::c_long = 8;
    /// `perf_event_attr.disabled`.
    const DISABLED: u64 = 1;
    const BPF_LINK_CREATE: libc::c_long = 28;
    const BPF_PERF_EVENT: u32 = 41;
    /// The members of `union bpf_attr` for `BPF_LINK_CREATE`.
    #[repr(C)]
    struct Link {
        program: u32,
        target: u32,
        attach_type: u32,
        flags: u32,
        cookie: u64,
    }
    let size = size_of::<PerfEventAttr>() as u32;
    // The event itself counts nothing and is never enabled; the program runs all the same.
    let attr =
        PerfEventAttr { kind: PERF_TYPE_TRACEPOINT, size, config: event_id, flags: DISABLED, ..Default::default() };
    // The event is opened on one CPU; the program is attached to the tracepoint itself (kernel/trace/bpf_trace.c,
    // `perf_event_attach_bpf_prog`).
    let (any_process, cpu, no_group) = (-1_i64, 0_i64, -1_i64);
    // SAFETY: `attr` is as long as its `size` says and outlives the call.
    let event = owned(unsafe {
        libc::syscall(libc::SYS_perf_event_open, &raw const attr, any_process, cpu, no_group, PERF_FLAG_FD_CLOEXEC)
    })?;
    let link = Link {
        program: program.as_raw_fd() as u32,
        target: event.as_raw_fd() as u32,
        attach_type: BPF_PERF_EVENT,
        flags: 0,
        cookie,
    };
    // SAFETY: `link` is as long as the call is told, and outlives it.
    let link = owned(unsafe { libc::syscall(libc::SYS_bpf, BPF_LINK_CREATE, &raw const link, size_of::<Link>()) })?;
    Ok(Attachment { _link: link, _event: event })
}

/// How often the kernel skipped a program because it was running already, or another one was in its way
/// (`bpf_prog_info.recursion_misses`).
pub(super) fn recursion_misses(program: BorrowedFd<'_>) -> io::Result<u64> {
    const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    /// Word of `recursion_misses` in `struct bpf_prog_info` (include/uapi/linux/bpf.h); since 5.12.
    const WORD: usize = 26;
    #[repr(C)]
    struct Attr {
        fd: u32,
        info_len: u32,
        info: u64,
    }
    let mut info = [0_u64; WORD + 1];
    let attr =
        Attr { fd: program.as_raw_fd() as u32, info_len: size_of_val(&info) as u32, info: info.as_mut_ptr() as u64 };
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, and the pointers in it are null, so it follows none.
    checked(unsafe { libc::syscall(libc::SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &raw const attr, size_of::<Attr>()) })?;
    Ok(info[WORD])
}

/// Whether the kernel lets a program run on entry to a function (a BPF trampoline). The program does nothing and is gone
/// when this returns.
pub(super) fn try_trampoline(function_id: u32) -> io::Result<()> {
    const BPF_PROG_LOAD: libc::c_long = 5;
    const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
    const BPF_PROG_TYPE_TRACING: u32 = 26;
    const BPF_TRACE_FENTRY: u32 = 24;
    #[repr(C)]
    #[derive(Default)]
    struct Load {
        kind: u32,
        instruction_count: u32,
        instructions: u64,
        license: u64,
        log: [u64; 2],
        kernel_version_and_flags: u64,
        name: [u64; 2],
        interface: u32,
        attach_type: u32,
        program_btf_and_functions: [u64; 4],
        line_info_count: u32,
        attach_btf_id: u32,
        attach_program: u64,
    }
    #[repr(C)]
    struct Open {
        name: u64,
        program: u32,
        reserved: u32,
    }
    const _: () = assert!(std::mem::offset_of!(Load, attach_btf_id) == 108, "as in union bpf_attr");
    // r0 = 0; exit
    let instructions = [0xb7_u64, 0x95];
    let load = Load {
        kind: BPF_PROG_TYPE_TRACING,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        attach_type: BPF_TRACE_FENTRY,
        attach_btf_id: function_id,
        ..Default::default()
    };
    // SAFETY: `load` holds pointers to the instructions and to a string that ends with NUL, both alive here.
    let program = owned(unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<Load>()) })?;
    let open = Open { name: 0, program: program.as_raw_fd() as u32, reserved: 0 };
    // SAFETY: no pointers in it.
    owned(unsafe { libc::syscall(libc::SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &raw const open, size_of::<Open>()) })
        .map(drop)
}

/// Forks a child that holds a copy of every descriptor but the standard ones, until what this returns is dropped. It runs no
/// code of ours but two system calls, so any number of threads may exist.
pub(super) fn keep_descriptors() -> io::Result<OwnedFd> {
    let (gone, held) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    // SAFETY: the child makes only async-signal-safe calls.
    if let nix::unistd::ForkResult::Parent { .. } = unsafe { nix::unistd::fork() }? {
        return Ok(held);
    }
    let mut byte = [0_u8];
    // SAFETY: integers, and a buffer that is as long as is said. The child's own copy of the writing end is closed first, or
    // it would wait for itself; the standard descriptors, or a reader of our output would wait for it.
    unsafe {
        for fd in [held.as_raw_fd(), 0, 1, 2] {
            libc::close(fd);
        }
        libc::read(gone.as_raw_fd(), byte.as_mut_ptr().cast(), 1);
        libc::_exit(0)
    }
}

/// A shared mapping of 64-bit words.
#[derive(Debug)]
pub(super) struct Words {
    start: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the words are atomics in memory that is mapped for as long as the value lives; it has no other state.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Maps the first `count` words of what the descriptor stands for.
    pub(super) fn map(fd: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let anywhere = std::ptr::null_mut();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { libc::mmap(anywhere, count * 8, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, count })
    }

    /// The words.
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: mapped, page-aligned, `count` words long, and alive as long as `self`; the kernel changes them only
        // as atomics may change.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * 8) };
    }
}
