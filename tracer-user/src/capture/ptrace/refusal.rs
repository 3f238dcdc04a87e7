//! Why ptrace is refused, and what would change it. The kernel says EPERM for all of it.
//!
//! Must not: guess; the circumstances are looked at, and judged by functions of them alone.

use std::fs;

use nix::{
    errno::Errno,
    unistd::{User, geteuid, getuid},
};
use tracer_model::{
    event::{PF_KTHREAD, State},
    ids::Pid,
};

use super::Options;
use crate::capture::{
    CaptureError,
    facts::{self, Attempt},
    procfs,
};

/// `CAP_SYS_PTRACE`.
const CAP_SYS_PTRACE: u32 = 19;
/// The parameter of Yama, with the value that lets a process trace what it started.
const YAMA: &str = "kernel.yama.ptrace_scope";

/// What is tried before anything is traced.
const TRYING: &str = "trace a process with ptrace";

/// What decides, as far as this process can see it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Circumstances {
    /// `kernel.yama.ptrace_scope`.
    yama: Option<i32>,
    /// This process has `CAP_SYS_PTRACE`, for every process.
    privileged: bool,
    /// This process is root, perhaps without its capabilities.
    root: bool,
    /// A seccomp filter is on this process.
    confined: bool,
    /// This kernel has filters, and none is on this process.
    unconfined: bool,
    /// Number and name of this process's own tracer.
    tracer: Option<(Pid, String)>,
}

/// What is known of a process that may not be traced.
#[derive(Clone, Debug, Default)]
struct Target {
    /// Number and name of its tracer.
    tracer: Option<(Pid, String)>,
    kernel_thread: bool,
    /// It is in a user namespace that this process's capabilities do not reach.
    elsewhere: bool,
    /// Its first thread has exited, which the kernel lets nobody trace (kernel/ptrace.c, `ptrace_attach`).
    over: bool,
    /// Its real user, if that is not this process's: by name or number.
    other_user: Option<String>,
}

impl Circumstances {
    fn here() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let seccomp =
            |wanted| status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == wanted));
        Self {
            yama: facts::sysctl(YAMA),
            privileged: facts::has_capability(facts::effective_capabilities(), CAP_SYS_PTRACE)
                && facts::in_initial_user_namespace(),
            root: geteuid().is_root(),
            confined: seccomp("2"),
            unconfined: seccomp("0"),
            tracer: tracer(&status),
        }
    }
}

/// Whether this process may trace any other: tries it.
pub fn works() -> Result<(), CaptureError> {
    judge_altogether(facts::try_ptrace(), &Circumstances::here())
}

/// Fails if ptrace, or with a filter the filter, is known not to work. Where nothing speaks against it, nothing is tried: that
/// takes two processes, and the kernel says no soon enough.
pub(super) fn foresee(options: Options) -> Result<(), CaptureError> {
    if procfs::is_foreign() {
        return Err(CaptureError::ForeignProc);
    }
    let here = Circumstances::here();
    // Yama has other rules, and another remedy, for what runs already; then the process itself is asked for.
    let by_yama = !options.running && here.yama.is_some_and(|scope| scope >= 2);
    if here.unconfined && here.tracer.is_none() && !by_yama {
        return Ok(());
    }
    works()?;
    if options.seccomp { filters_work() } else { Ok(()) }
}

/// Whether the filters may be installed by which nothing but the watched calls stops: tries it.
pub fn filters_work() -> Result<(), CaptureError> {
    judge_filters(facts::try_seccomp())
}

/// This process cannot be traced.
pub(super) fn of_process(pid: Pid, errno: Errno) -> CaptureError {
    if errno == Errno::ESRCH {
        return CaptureError::NoSuchProcess(pid.0);
    }
    let what = format!("trace process {pid} with ptrace");
    let Some(state) = procfs::read(pid).filter(|_| errno == Errno::EPERM) else {
        return CaptureError::System { what, errno };
    };
    judge(what, &target(pid, &state), &Circumstances::here())
}

fn target(pid: Pid, state: &State) -> Target {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let name = |uid: u32| User::from_uid(uid.into()).ok().flatten().map_or(uid.to_string(), |user| user.name);
    let other_user = (state.uid.0 != getuid().as_raw()).then(|| name(state.uid.0));
    let kernel_thread = state.task_flags & PF_KTHREAD != 0;
    // What the map of a process looks like from here is what its own namespace makes of it (user_namespaces(7)).
    let map = |pid: &str| fs::read(format!("/proc/{pid}/uid_map")).ok();
    let elsewhere = !facts::in_initial_user_namespace() && map(&pid.to_string()) != map("self");
    Target { tracer: tracer(&status), kernel_thread, elsewhere, over: state.exit_state != 0, other_user }
}

fn judge_filters(attempt: Attempt) -> Result<(), CaptureError> {
    let why = match attempt {
        Attempt::Works => return Ok(()),
        Attempt::Refused(errno) => format!("{errno:?} ({})", errno.desc()),
        Attempt::Killed => "SIGSYS: a seccomp filter over this process forbids it".to_owned(),
    };
    let what = "install the seccomp filter that finds the calls to trace".to_owned();
    Err(CaptureError::PtraceRefused { what, why, fix: Some("--no-seccomp, which is slower".to_owned()) })
}

/// The tracer that a `/proc/PID/status` names.
fn tracer(status: &str) -> Option<(Pid, String)> {
    let number: u32 = status.lines().find_map(|line| line.strip_prefix("TracerPid:")?.trim().parse().ok())?;
    let name = fs::read(format!("/proc/{number}/comm")).unwrap_or_default();
    (number != 0).then(|| (Pid(number), crate::text::sanitize(name.trim_ascii_end()).into_owned()))
}

fn judge_altogether(attempt: Attempt, here: &Circumstances) -> Result<(), CaptureError> {
    if let (Attempt::Refused(errno), Some((pid, name))) = (attempt, &here.tracer) {
        let why = format!("{errno:?}: {pid} {name} traces sesstrace and what it starts, and only one process can");
        let fix = "-b ebpf, as root, goes beside another tracer".to_owned();
        return Err(CaptureError::PtraceRefused { what: TRYING.to_owned(), why, fix: Some(fix) });
    }
    let (why, fix) = match (attempt, here.yama) {
        (Attempt::Works, _) => return Ok(()),
        (Attempt::Killed, _) => ("SIGSYS: a seccomp filter over this process forbids it".to_owned(), UNCONFINED),
        (Attempt::Refused(errno), _) if here.confined || errno == Errno::ENOSYS => {
            (format!("{errno:?}: a seccomp filter over this process forbids it"), UNCONFINED)
        }
        (Attempt::Refused(errno), Some(3)) => {
            // It can only be raised (Documentation/admin-guide/LSM/Yama.rst).
            (
                format!("{errno:?}: {YAMA} is 3, and nobody may until the next boot"),
                "-b ebpf, or boot with kernel.yama.ptrace_scope=1",
            )
        }
        (Attempt::Refused(errno), Some(2)) if !here.privileged => {
            (format!("{errno:?}: {YAMA} is 2, and only cap_sys_ptrace may"), "sudo sysctl kernel.yama.ptrace_scope=1")
        }
        (Attempt::Refused(errno), _) => {
            (format!("{errno:?} ({}): a security module forbids it", errno.desc()), "-b ebpf, as root")
        }
    };
    Err(CaptureError::PtraceRefused { what: TRYING.to_owned(), why, fix: Some(fix.to_owned()) })
}

/// Docker's and podman's words; others have others for the same.
const UNCONFINED: &str = "in a container: --cap-add SYS_PTRACE when it is started";

fn judge(what: String, target: &Target, here: &Circumstances) -> CaptureError {
    let as_root =
        if here.root { "in a container: --cap-add SYS_PTRACE when it is started" } else { "run sesstrace with sudo" };
    let (why, fix) = match (target, here.yama) {
        (Target { tracer: Some((pid, name)), .. }, _) => (
            format!("EPERM: {pid} {name} traces it, and only one process can"),
            Some(format!("kill {pid}    ends that tracer; -b ebpf, as root, goes beside it")),
        ),
        (Target { kernel_thread: true, .. }, _) => ("EPERM: it is a thread of the kernel".to_owned(), None),
        (Target { over: true, .. }, _) => (
            "EPERM: its first thread has exited, and ptrace begins with that".to_owned(),
            Some("-b ebpf, as root".to_owned()),
        ),
        (Target { elsewhere: true, .. }, _) => (
            "EPERM: it is in another user namespace, and sesstrace has privilege only in its own".to_owned(),
            Some("run sesstrace outside of this user namespace".to_owned()),
        ),
        (Target { other_user: Some(user), .. }, _) if !here.privileged => {
            (format!("EPERM: it belongs to user {user}"), Some(as_root.to_owned()))
        }
        (_, Some(3)) => (
            format!("EPERM: {YAMA} is 3, and nobody may until the next boot"),
            Some("-b ebpf, or boot with kernel.yama.ptrace_scope=1".to_owned()),
        ),
        (_, Some(2)) if !here.privileged => {
            (format!("EPERM: {YAMA} is 2, and only cap_sys_ptrace may"), Some(as_root.to_owned()))
        }
        (_, Some(1)) if !here.privileged => {
            (format!("EPERM: {YAMA} is 1, and sesstrace has not started it"), Some(as_root.to_owned()))
        }
        (_, _) if !here.privileged => (
            "EPERM: it has more privilege than sesstrace (a set-user-ID program?), or has forbidden it".to_owned(),
            Some(as_root.to_owned()),
        ),
        (_, _) => ("EPERM (Operation not permitted): a security module forbids it".to_owned(), None),
    };
    CaptureError::PtraceRefused { what, why, fix }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// The error and its remedy.
    fn told(error: &CaptureError) -> String {
        let fix = error.hint().unwrap_or_else(|| "none".to_owned());
        format!("{error}\n  fix {fix}\n")
    }

    const ORDINARY: Circumstances =
        Circumstances { yama: None, privileged: false, root: false, confined: false, unconfined: true, tracer: None };

    #[test]
    fn what_forbids_ptrace_altogether_is_named_with_its_remedy() {
        let mut said = String::new();
        let yama = |scope| Circumstances { yama: Some(scope), ..ORDINARY };
        for (attempt, here) in [
            (Attempt::Refused(Errno::EPERM), yama(2)),
            (Attempt::Refused(Errno::EPERM), yama(3)),
            (Attempt::Refused(Errno::EPERM), Circumstances { confined: true, ..ORDINARY }),
            (Attempt::Refused(Errno::ENOSYS), ORDINARY),
            (Attempt::Killed, ORDINARY),
            (Attempt::Refused(Errno::EPERM), ORDINARY),
            (
                Attempt::Refused(Errno::EPERM),
                Circumstances { tracer: Some((Pid(4711), "strace".to_owned())), ..ORDINARY },
            ),
        ] {
            said += &told(&judge_altogether(attempt, &here).unwrap_err());
        }
        assert!(judge_altogether(Attempt::Works, &yama(3)).is_ok(), "what works is not judged");
        expect![[r"
            cannot trace a process with ptrace: EPERM: kernel.yama.ptrace_scope is 2, and only cap_sys_ptrace may
              fix sudo sysctl kernel.yama.ptrace_scope=1
            cannot trace a process with ptrace: EPERM: kernel.yama.ptrace_scope is 3, and nobody may until the next boot
              fix -b ebpf, or boot with kernel.yama.ptrace_scope=1
            cannot trace a process with ptrace: EPERM: a seccomp filter over this process forbids it
              fix in a container: --cap-add SYS_PTRACE when it is started
            cannot trace a process with ptrace: ENOSYS: a seccomp filter over this process forbids it
              fix in a container: --cap-add SYS_PTRACE when it is started
            cannot trace a process with ptrace: SIGSYS: a seccomp filter over this process forbids it
              fix in a container: --cap-add SYS_PTRACE when it is started
            cannot trace a process with ptrace: EPERM (Operation not permitted): a security module forbids it
              fix -b ebpf, as root
            cannot trace a process with ptrace: EPERM: 4711 strace traces sesstrace and what it starts, and only one process can
              fix -b ebpf, as root, goes beside another tracer
        "]]
        .assert_eq(&said);
    }

    #[test]
    fn what_forbids_one_process_is_named_with_its_remedy() {
        let mut said = String::new();
        let yama = |scope| Circumstances { yama: Some(scope), ..ORDINARY };
        let root = Circumstances { root: true, ..ORDINARY };
        let own = Target::default();
        let traced = Target { tracer: Some((Pid(4711), "strace".to_owned())), ..Target::default() };
        let others = Target { other_user: Some("ada".to_owned()), ..Target::default() };
        let over = Target { over: true, ..Target::default() };
        let elsewhere = Target { elsewhere: true, ..others.clone() };
        let kernel = Target { kernel_thread: true, ..Target::default() };
        for (target, here) in [
            (&traced, ORDINARY),
            (&others, ORDINARY),
            (&others, root.clone()),
            (&own, yama(0)),
            (&own, yama(1)),
            (&own, yama(2)),
            (&own, Circumstances { privileged: true, ..yama(3) }),
            (&kernel, Circumstances { privileged: true, ..root.clone() }),
            (&over, ORDINARY),
            (&elsewhere, root),
        ] {
            said += &told(&judge("trace process 9 with ptrace".to_owned(), target, &here));
        }
        expect![[r"
            cannot trace process 9 with ptrace: EPERM: 4711 strace traces it, and only one process can
              fix kill 4711    ends that tracer; -b ebpf, as root, goes beside it
            cannot trace process 9 with ptrace: EPERM: it belongs to user ada
              fix run sesstrace with sudo
            cannot trace process 9 with ptrace: EPERM: it belongs to user ada
              fix in a container: --cap-add SYS_PTRACE when it is started
            cannot trace process 9 with ptrace: EPERM: it has more privilege than sesstrace (a set-user-ID program?), or has forbidden it
              fix run sesstrace with sudo
            cannot trace process 9 with ptrace: EPERM: kernel.yama.ptrace_scope is 1, and sesstrace has not started it
              fix run sesstrace with sudo
            cannot trace process 9 with ptrace: EPERM: kernel.yama.ptrace_scope is 2, and only cap_sys_ptrace may
              fix run sesstrace with sudo
            cannot trace process 9 with ptrace: EPERM: kernel.yama.ptrace_scope is 3, and nobody may until the next boot
              fix -b ebpf, or boot with kernel.yama.ptrace_scope=1
            cannot trace process 9 with ptrace: EPERM: it is a thread of the kernel
              fix none
            cannot trace process 9 with ptrace: EPERM: its first thread has exited, and ptrace begins with that
              fix -b ebpf, as root
            cannot trace process 9 with ptrace: EPERM: it is in another user namespace, and sesstrace has privilege only in its own
              fix run sesstrace outside of this user namespace
        "]].assert_eq(&said);
    }
}
