//! What this system allows: read-only looks at files that say so.
//!
//! Must not: change anything that outlives the look, or judge.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::fd::AsFd as _,
};

use nix::{
    errno::Errno,
    fcntl,
    sys::{
        stat::Mode,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd,
};

use super::sys;

/// Inode of the initial pid namespace (`include/linux/proc_ns.h`, `PROC_PID_INIT_INO`).
pub const INITIAL_PID_NAMESPACE: u32 = 0xEFFF_FFFC;

/// Where the kernel describes its types.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// A function that every kernel has, to try a trampoline on.
pub const TRAMPOLINE_FUNCTION: &str = "ksys_setsid";

/// Capabilities that capture can use (include/uapi/linux/capability.h): number, name, what for.
pub const CAPABILITIES: [(u32, &str, &str); 4] = [
    (39, "cap_bpf", "create maps and load programs"),
    (38, "cap_perfmon", "read kernel memory in programs and attach them"),
    (19, "cap_sys_ptrace", "look at processes of other users"),
    (2, "cap_dac_read_search", "read the numbers of tracepoints, and other users' descriptors"),
];

/// `CAP_SYS_ADMIN`, which includes `cap_bpf` and `cap_perfmon`.
const CAP_SYS_ADMIN: u32 = 21;

/// Kernel lockdown (`kernel_lockdown(7)`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Off, or not built in.
    None,
    /// Forbids to change the running kernel: trampolines are refused on some kernels, tracepoints are not.
    Integrity,
    /// Forbids to read kernel memory too: no probes.
    Confidentiality,
    /// Could not be read, for this reason.
    Unknown(String),
}

/// `uname -r`.
#[must_use]
pub fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Major and minor version of a release such as `6.18.44-generic`.
#[must_use]
pub fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The state of lockdown, from securityfs: where it is mounted, else through a mount that nobody else sees.
#[must_use]
pub fn lockdown() -> Lockdown {
    let read = || -> io::Result<String> {
        match fs::read_to_string("/sys/kernel/security/lockdown") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = sys::detached_mount(c"securityfs")?;
                let flags = fcntl::OFlag::O_RDONLY | fcntl::OFlag::O_CLOEXEC;
                let mut text = String::new();
                File::from(fcntl::openat(directory.as_fd(), "lockdown", flags, Mode::empty())?)
                    .read_to_string(&mut text)?;
                Ok(text)
            }
            read => read,
        }
    };
    match read() {
        Ok(text) => parse_lockdown(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Lockdown::None,
        Err(error) => Lockdown::Unknown({
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
            format!("securityfs is not mounted, and mounting it failed: {errno:?} ({})", errno.desc())
        }),
    }
}

/// `none [integrity] confidentiality`: the one in brackets is in force.
fn parse_lockdown(text: &str) -> Lockdown {
    match text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(state, _)| state) {
        Some("none") => Lockdown::None,
        Some("integrity") => Lockdown::Integrity,
        Some("confidentiality") => Lockdown::Confidentiality,
        _ => Lockdown::Unknown(format!("not understood: {}", text.trim())),
    }
}

/// Effective capabilities of the calling thread, as a mask.
#[must_use]
pub fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Whether a mask of capabilities has this one, or the one that includes it.
#[must_use]
pub fn has_capability(mask: u64, number: u32) -> bool {
    let has = |number: u32| mask >> number & 1 != 0;
    has(number) || matches!(number, 38 | 39) && has(CAP_SYS_ADMIN)
}

/// A sysctl that holds a number. `None` when this kernel has no such thing.
#[must_use]
pub fn sysctl(name: &str) -> Option<i32> {
    fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?.trim().parse().ok()
}

/// Whether this process's numbers are those of the initial pid namespace.
#[must_use]
pub fn in_initial_pid_namespace() -> bool {
    let own = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    own.to_str() == Some(&format!("pid:[{INITIAL_PID_NAMESPACE}]"))
}

/// Whether this process's capabilities hold for the whole system: the initial user namespace maps every number to itself
/// (`user_namespaces(7)`), and a map that does the same gives the same.
#[must_use]
pub fn in_initial_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// How a system call went that may be forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is allowed.
    Works,
    /// It failed.
    Refused(Errno),
    /// Whoever made it was killed: a seccomp filter may answer so.
    Killed,
}

/// Whether ptrace works at all: a child asks to be traced.
#[must_use]
pub fn try_ptrace() -> Attempt {
    in_a_child(|| {
        // SAFETY: integers only; the child ends without a signal or an exec, which alone would stop it.
        unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) }
    })
}

/// Whether this process may install a seccomp filter that tells a tracer.
#[must_use]
pub fn try_seccomp() -> Attempt {
    in_a_child(|| {
        let action: u32 = libc::SECCOMP_RET_TRACE;
        // SAFETY: the kernel reads one integer.
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) }
    })
}

/// Makes a call in a child, which may be killed for it. The call is async-signal-safe.
///
/// The child has no exit signal (clone(2)): no SIGCHLD is left pending for what this process is going to execute, and the
/// child can be waited for even where SIGCHLD is ignored.
fn in_a_child(call: impl FnOnce() -> libc::c_long) -> Attempt {
    // SAFETY: without CLONE_VM and with no stack given this is fork(2). The child makes only async-signal-safe calls.
    let child = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if child == 0 {
        let code = if call() == -1 { Errno::last_raw() } else { 0 };
        // SAFETY: it does not return, and runs no destructors of ours.
        unsafe { libc::_exit(code) }
    }
    if child == -1 {
        return Attempt::Refused(Errno::last());
    }
    loop {
        match waitpid(unistd::Pid::from_raw(child as i32), Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Exited(_, 0)) => return Attempt::Works,
            Ok(WaitStatus::Exited(_, errno)) => return Attempt::Refused(Errno::from_raw(errno)),
            Ok(_) => return Attempt::Killed,
            Err(Errno::EINTR) => {}
            Err(errno) => return Attempt::Refused(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_lockdown_is_the_one_in_brackets() {
        assert_eq!(parse_lockdown("[none] integrity confidentiality\n"), Lockdown::None);
        assert_eq!(parse_lockdown("none [integrity] confidentiality\n"), Lockdown::Integrity);
        assert_eq!(parse_lockdown("none integrity [confidentiality]\n"), Lockdown::Confidentiality);
        assert!(matches!(parse_lockdown("nonsense"), Lockdown::Unknown(_)));
    }

    #[test]
    fn releases_have_versions() {
        assert_eq!(kernel_version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(kernel_version("6.1.0-50-cloud-amd64"), Some((6, 1)));
        assert_eq!(kernel_version("unknown"), None);
        assert!(kernel_version(&kernel_release()).is_some());
    }

    #[test]
    fn a_call_that_may_kill_is_made_by_a_child() {
        assert_eq!(in_a_child(|| 0), Attempt::Works);
        let fail = || {
            Errno::EPERM.set();
            -1
        };
        assert_eq!(in_a_child(fail), Attempt::Refused(Errno::EPERM));
        // SAFETY: abort ends this process, which is the child.
        assert_eq!(in_a_child(|| unsafe { libc::abort() }), Attempt::Killed);
    }

    #[test]
    fn sys_admin_stands_for_what_was_split_from_it() {
        assert!(has_capability(1 << CAP_SYS_ADMIN, 39) && has_capability(1 << 39, 39));
        assert!(!has_capability(1 << CAP_SYS_ADMIN, 19) && !has_capability(0, 38));
    }
}
