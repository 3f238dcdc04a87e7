//! Why a capture cannot start or go on, and the one command that would change it.

use std::{io, path::PathBuf};

use nix::errno::Errno;

/// A failure of capture. [`Self::hint`] has the remedy where the user has one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel refused for lack of privilege.
    #[error("cannot {what}: {errno:?} ({}): needs {needs}", .errno.desc())]
    NotPermitted {
        /// What was tried, on which object: `load the probe newtask`.
        what: String,
        /// EPERM or EACCES.
        errno: Errno,
        /// The capabilities that allow it.
        needs: &'static str,
    },
    /// tracefs, which numbers the tracepoints, is mounted nowhere, and may not be mounted by us.
    #[error("cannot open tracefs: it is not mounted, and mounting it needs cap_sys_admin")]
    NoTracefs,
    /// The kernel describes no types.
    #[error("cannot read {}: {errno:?} ({}): this kernel has no BTF", path.display(), .errno.desc())]
    NoBtf {
        /// The file.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// The types that the kernel describes cannot be understood.
    #[error("the kernel's BTF cannot be used: {0}")]
    BadBtf(#[from] super::ebpf::btf::BtfError),
    /// Fields that the probes read do not exist on this kernel.
    #[error("kernel {release} lacks fields that the probes read: {}", fields.join(", "))]
    MissingFields {
        /// `uname -r`.
        release: String,
        /// BTF paths.
        fields: Vec<String>,
    },
    /// Kernel lockdown.
    #[error("cannot {what}: kernel lockdown is at `confidentiality`, which forbids reading kernel memory")]
    Lockdown {
        /// What was tried.
        what: String,
    },
    /// The kernel is older than the oldest one the probes work on.
    #[error("kernel {release} is too old: the probes need {needs} or later")]
    KernelTooOld {
        /// `uname -r`.
        release: String,
        /// Oldest supported version.
        needs: &'static str,
    },
    /// The probe object is of another version than this program.
    #[error("the probe object has record layout {found}, this program reads {expected}")]
    AbiMismatch {
        /// In the object; `none` when it carries no version.
        found: String,
        /// [`tracer_common::ABI_VERSION`].
        expected: u32,
    },
    /// The probe object is damaged or incomplete.
    #[error("the probe object cannot be used: {0}")]
    Object(String),
    /// A probe that is needed does not load or attach.
    #[error("cannot {what}: {message}")]
    Probe {
        /// `load the probe newtask`.
        what: String,
        /// The kernel's words; the last lines of the verifier's log where there is one.
        message: String,
    },
    /// A process was named by a number of another pid namespace than the probes'.
    #[error("cannot follow a process from inside a pid namespace: the probes know the numbers of the initial one")]
    InnerPidNamespace,
    /// `/proc` numbers processes as another pid namespace does, so that what it says of a number is of somebody else.
    #[error(
        "cannot trace with ptrace: /proc is of another pid namespace than this process, and its numbers are of other processes"
    )]
    ForeignProc,
    /// A thread was named that does not lead its process.
    #[error("{thread} is a thread of process {process}, and processes are what is followed")]
    Thread {
        /// As given.
        thread: u32,
        /// The process.
        process: u32,
    },
    /// ptrace is refused.
    #[error("cannot {what}: {why}")]
    PtraceRefused {
        /// What was tried, on which object: `trace process 4711 with ptrace`.
        what: String,
        /// The errno by name, and what is known of the reason.
        why: String,
        /// What the user can do.
        fix: Option<String>,
    },
    /// A process that was to be followed does not exist.
    #[error("process {0} does not exist")]
    NoSuchProcess(u32),
    /// Another operation of the system failed.
    #[error("cannot {what}: {errno:?} ({})", .errno.desc())]
    System {
        /// What, on which object.
        what: String,
        /// Why.
        errno: Errno,
    },
}

/// Capabilities that the probes need; what each is for is in the manual.
pub const CAPABILITIES: &str = "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search";

/// The command that makes tracefs reachable for those who may not mount it.
pub const MOUNT_TRACEFS: &str = "sudo mount -t tracefs tracefs /sys/kernel/tracing";

/// The command that lets ordinary users run this program with probes.
#[must_use]
pub fn setcap_command() -> String {
    let path = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("sesstrace"));
    format!("sudo setcap {CAPABILITIES}+ep {}", path.display())
}

impl CaptureError {
    /// A failed system call: [`Self::NotPermitted`] for EPERM and EACCES, else [`Self::System`].
    pub fn system(what: impl Into<String>, error: &io::Error, needs: &'static str) -> Self {
        let (what, errno) = (what.into(), Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        if matches!(errno, Errno::EPERM | Errno::EACCES) {
            Self::NotPermitted { what, errno, needs }
        } else {
            Self::System { what, errno }
        }
    }

    /// What the user can do: one command, or one sentence where no command helps.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotPermitted { .. } => Some(setcap_command()),
            Self::NoTracefs => Some(MOUNT_TRACEFS.to_owned()),
            Self::NoBtf { .. } => Some("boot a kernel built with CONFIG_DEBUG_INFO_BTF=y".to_owned()),
            Self::Lockdown { .. } => Some("boot with lockdown=integrity or lockdown=none".to_owned()),
            Self::KernelTooOld { needs, .. } => Some(format!("boot kernel {needs} or later")),
            Self::AbiMismatch { .. } | Self::Object(_) => {
                Some("rebuild it with `cargo xtask build-ebpf`, then this program".to_owned())
            }
            Self::MissingFields { .. } | Self::Probe { .. } => Some("sesstrace doctor".to_owned()),
            Self::InnerPidNamespace => {
                Some("run sesstrace outside of the container, with -p PID as numbered there".to_owned())
            }
            Self::ForeignProc => Some("mount -t proc proc /proc    (or unshare --mount-proc)".to_owned()),
            Self::Thread { process, .. } => Some(format!("-p {process}")),
            Self::PtraceRefused { fix, .. } => fix.clone(),
            Self::NoSuchProcess(_) => Some("sesstrace ps -e    lists the processes that are there".to_owned()),
            Self::BadBtf(_) | Self::System { .. } => None,
        }
    }
}
