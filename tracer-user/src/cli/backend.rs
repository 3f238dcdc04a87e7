//! The one place that chooses a backend and opens its source.
//!
//! Must not: know which verb it serves, or fall back from a failure that is one: a backend that is not allowed here is passed
//! over, a broken one is not.

use std::{sync::Arc, time::Duration};

use clap::ValueEnum;
use nix::errno::Errno;
use tracer_model::{event::Attributes, ids::Pid};

use super::{exit::ExpectedError, signals::Sight};
use crate::{
    capture::{CaptureError, Source, ebpf, facts, inspect, ptrace, setcap_command},
    placement::{Placement, Preparation},
    redaction::Redaction,
};

/// Which backend captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Kernel probes where they are allowed, else ptrace
    Auto,
    /// Kernel probes, or an error
    Ebpf,
    /// ptrace: needs no privilege, follows a command or a process, slows down what it follows
    Ptrace,
}

/// What was asked for, checked.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Which.
    pub backend: Backend,
    /// How, if it is eBPF.
    pub ebpf: ebpf::Options,
    /// How, if it is ptrace.
    pub ptrace: ptrace::Options,
    /// What is kept from it of the arguments.
    pub redaction: Redaction,
}

/// A source that is open and follows nobody yet, unless it follows everybody.
pub struct Opened {
    source: Which,
    /// Why it is not a better backend.
    passed_over: Option<String>,
    redaction: Redaction,
}

enum Which {
    Ebpf(Box<ebpf::EbpfSource>),
    Ptrace { source: ptrace::PtraceSource, filter: bool },
}

/// When to look at a source.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So often, whether anything happens or not, unless there is nothing to look for ([`super::engine::Pacer::resting`]).
    pub tick: Duration,
    /// So long after it said that something happened: more is likely to follow.
    pub gather: Duration,
}

/// The probes say that something happened only when their buffers fill up.
const EBPF_PACE: Pace = Pace { tick: Duration::from_millis(20), gather: Duration::ZERO };
/// ptrace says it always, and what it follows must not pay for a consumer that wakes all the time.
const PTRACE_PACE: Pace = Pace { tick: Duration::from_secs(1), gather: Duration::from_millis(5) };

/// A source that captures.
pub struct Capturing {
    /// The source.
    pub source: Box<dyn Source>,
    /// What the header says of why this tier is used and no better one.
    pub reason: String,
    /// When to look at it.
    pub pace: Pace,
    /// What it follows waits for this process now and then.
    pub stops_what_it_follows: bool,
    /// What is kept from it of the arguments.
    pub redaction: Redaction,
}

impl Choice {
    /// What a command's process is to install on itself, should ptrace capture it.
    pub fn filter(&self) -> Option<ptrace::Filter> {
        self.ptrace.filter().filter(|_| self.backend != Backend::Ebpf)
    }

    /// Also captures what processes do to attributes of their own: of everybody the usual ones, of a command also what it is
    /// given by this process. `rate`: at most so many of everybody in a tenth of a second, of who may be a daemon; 0: all.
    #[must_use]
    pub fn with_attributes(mut self, rate: u32) -> Self {
        let everybody = self.ebpf.mode == ebpf::Mode::All;
        let attributes = if everybody { Attributes::USUAL } else { inspect::handed_on() };
        self.ebpf.load.attribute_rate = rate;
        (self.ebpf.load.attributes, self.ptrace.attributes) = (Some(attributes), Some(attributes));
        self
    }

    fn ebpf(&self, source: ebpf::EbpfSource) -> Opened {
        Opened { source: Which::Ebpf(Box::new(source)), passed_over: None, redaction: self.redaction.clone() }
    }

    /// Opens the source for a command or a process.
    pub fn open(&self) -> Result<Opened, ExpectedError> {
        let passed_over = match self.backend {
            Backend::Ptrace => None,
            Backend::Ebpf => return Ok(self.ebpf(ebpf::EbpfSource::open(self.ebpf)?)),
            Backend::Auto => match obstacle() {
                Some(obstacle) => Some(obstacle),
                None => match ebpf::EbpfSource::open(self.ebpf) {
                    Ok(source) => return Ok(self.ebpf(source)),
                    Err(error) => Some(not_allowed(&error).ok_or(error)?),
                },
            },
        };
        let filter = self.ptrace.seccomp;
        let source = ptrace::PtraceSource::open(self.ptrace).map_err(|error| refused(error, passed_over.as_deref()))?;
        Ok(Opened { source: Which::Ptrace { source, filter }, passed_over, redaction: self.redaction.clone() })
    }

    /// Opens a source that captures everybody, which ptrace cannot.
    pub fn open_for_all(&self) -> Result<Capturing, ExpectedError> {
        let only_ebpf = "only eBPF sees every process, ptrace what it started or was given with -p";
        if self.backend == Backend::Ptrace {
            return Err(ExpectedError::usage(format!("--all does not go with ptrace: {only_ebpf}"), &setcap_command()));
        }
        let source = ebpf::EbpfSource::open(self.ebpf).map_err(|error| {
            let refused = not_allowed(&error).is_some();
            let mut error = ExpectedError::from(error);
            if refused {
                error.what = format!("{} ({only_ebpf})", error.what);
            }
            error
        })?;
        Ok(self.ebpf(source).capturing())
    }
}

impl Opened {
    /// What the process that is to become the command does before it can be followed.
    pub fn preparation(&self) -> Preparation {
        match self.source {
            Which::Ebpf(_) => Preparation::Nothing,
            Which::Ptrace { filter, .. } => Preparation::Traced { filter },
        }
    }

    /// Before the command's process exists: the probes follow the process that forks it, so that they miss nothing. ptrace
    /// would make that process visible as a tracee, and does without.
    pub fn follow_starter(&mut self, starter: Pid) -> Result<(), ExpectedError> {
        match &mut self.source {
            Which::Ebpf(source) => Ok(source.follow(&[starter])?),
            Which::Ptrace { .. } => Ok(()),
        }
    }

    /// Begins to watch the waiter, and says what will be seen of it. In place it is the command.
    pub fn watch_waiter(&mut self, waiter: Pid, placement: Placement) -> Sight {
        match (&mut self.source, placement) {
            (Which::Ebpf(_), _) => Sight::Everything,
            (Which::Ptrace { .. }, Placement::InPlace) => Sight::Stops(Arc::default()),
            (Which::Ptrace { source, .. }, Placement::Wrapper) => {
                source.watch_waiter(waiter).map_or(Sight::Nothing, Sight::Stops)
            }
        }
    }

    /// When the command's process waits to be released.
    pub fn follow_command(mut self, root: Pid) -> Result<Capturing, ExpectedError> {
        if let Which::Ptrace { source, .. } = &mut self.source {
            source.follow(&[root]).map_err(|error| refused(error, self.passed_over.as_deref()))?;
        }
        Ok(self.capturing())
    }

    /// A process that runs already.
    pub fn follow_process(mut self, root: Pid) -> Result<Capturing, ExpectedError> {
        self.follow_starter(root)?;
        self.follow_command(root)
    }

    fn capturing(self) -> Capturing {
        let (source, filter, pace): (Box<dyn Source>, _, _) = match self.source {
            Which::Ebpf(source) => (source, None, EBPF_PACE),
            Which::Ptrace { source, filter } => (Box::new(source), Some(filter), PTRACE_PACE),
        };
        let known = self.passed_over.unwrap_or_else(|| source.describe().reason.clone());
        let without = filter.and_then(|filter| lost_privilege(filter, facts::effective_capabilities()));
        let reason = [known.as_str(), without.unwrap_or_default()];
        let reason = reason.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        Capturing { source, reason, pace, stops_what_it_follows: filter.is_some(), redaction: self.redaction }
    }
}

/// What becomes of set-user-ID programs under ptrace, if anything does.
///
/// The kernel gives a traced process no privilege that its tracer could not take from it: that is `CAP_SYS_PTRACE`
/// (security/commoncap.c, `cap_bprm_creds_from_file`), whatever finds the calls. And a filter that is installed without
/// `CAP_SYS_ADMIN` needs `no_new_privs` (seccomp(2)).
fn lost_privilege(filter: bool, capabilities: u64) -> Option<&'static str> {
    const CAP_SYS_PTRACE: u32 = 19;
    const CAP_SYS_ADMIN: u32 = 21;
    if !facts::has_capability(capabilities, CAP_SYS_PTRACE) {
        Some("set-user-ID programs gain no privilege")
    } else if filter && !facts::has_capability(capabilities, CAP_SYS_ADMIN) {
        Some("set-user-ID programs gain no privilege without --no-seccomp")
    } else {
        None
    }
}

/// Why the probes need not be tried, if that can be said at once: trying takes as long as reading the kernel's types.
fn obstacle() -> Option<String> {
    if !facts::in_initial_pid_namespace() {
        return not_allowed(&CaptureError::InnerPidNamespace);
    }
    let capabilities = facts::effective_capabilities();
    let missing: Vec<&str> = facts::CAPABILITIES
        .iter()
        .filter(|row| matches!(row.1, "cap_bpf" | "cap_perfmon") && !facts::has_capability(capabilities, row.0))
        .map(|row| row.1)
        .collect();
    if !missing.is_empty() {
        return Some(format!("eBPF needs {}", missing.join(" and ")));
    }
    (!facts::in_initial_user_namespace()).then(|| "eBPF needs capabilities outside of this user namespace".to_owned())
}

/// Whether a failure of the probes means that they are not allowed or not possible here, and what is missing, in a few words.
/// `None`: something is broken, and saying so is better than doing without.
fn not_allowed(error: &CaptureError) -> Option<String> {
    match error {
        CaptureError::NotPermitted { what, errno, needs } => {
            let has_all =
                facts::CAPABILITIES.iter().all(|row| facts::has_capability(facts::effective_capabilities(), row.0));
            Some(if has_all { format!("cannot {what}: {errno:?}") } else { format!("eBPF needs {needs}") })
        }
        CaptureError::NoTracefs => Some("eBPF needs tracefs, which is not mounted".to_owned()),
        CaptureError::NoBtf { .. } => Some("eBPF needs BTF, which this kernel lacks".to_owned()),
        CaptureError::MissingFields { .. } => Some("eBPF needs fields that this kernel lacks".to_owned()),
        CaptureError::Lockdown { .. } => Some("kernel lockdown forbids eBPF".to_owned()),
        CaptureError::KernelTooOld { needs, .. } => Some(format!("eBPF needs kernel {needs}")),
        CaptureError::InnerPidNamespace => Some("eBPF knows no numbers of this pid namespace".to_owned()),
        CaptureError::System { errno: Errno::ENOSYS, .. } => Some("this kernel has no eBPF".to_owned()),
        CaptureError::BadBtf(_)
        | CaptureError::AbiMismatch { .. }
        | CaptureError::Object(_)
        | CaptureError::Probe { .. }
        | CaptureError::NoSuchProcess(_)
        | CaptureError::ForeignProc
        | CaptureError::Thread { .. }
        | CaptureError::PtraceRefused { .. }
        | CaptureError::System { .. } => None,
    }
}

/// A failure of ptrace, and why nothing else was used.
fn refused(error: CaptureError, passed_over: Option<&str>) -> ExpectedError {
    let mut error = ExpectedError::from(error);
    if let Some(reason) = passed_over {
        error.what = format!("{}; {reason}", error.what);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_is_not_passed_over() {
        let broken = [
            CaptureError::Object("it has no map SCRATCH".to_owned()),
            CaptureError::AbiMismatch { found: "3".to_owned(), expected: 4 },
            CaptureError::Probe { what: "load the probe exit".to_owned(), message: "R1 invalid mem access".to_owned() },
            CaptureError::System { what: "create the map CALLS".to_owned(), errno: Errno::ENOMEM },
        ];
        for error in broken {
            assert_eq!(not_allowed(&error), None, "{error}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_passed_over_and_named() {
        let what = || "create the maps of the probes".to_owned();
        let release = || "5.10.0".to_owned();
        for (error, reason) in [
            (CaptureError::NoTracefs, "eBPF needs tracefs, which is not mounted"),
            (
                CaptureError::NoBtf { path: "/sys".into(), errno: Errno::ENOENT },
                "eBPF needs BTF, which this kernel lacks",
            ),
            (CaptureError::Lockdown { what: what() }, "kernel lockdown forbids eBPF"),
            (CaptureError::KernelTooOld { release: release(), needs: "6.1" }, "eBPF needs kernel 6.1"),
            (CaptureError::InnerPidNamespace, "eBPF knows no numbers of this pid namespace"),
            (CaptureError::System { what: what(), errno: Errno::ENOSYS }, "this kernel has no eBPF"),
        ] {
            assert_eq!(not_allowed(&error).as_deref(), Some(reason), "{error}");
        }
        let refused = CaptureError::NotPermitted { what: what(), errno: Errno::EPERM, needs: "cap_bpf" };
        let reason = not_allowed(&refused).unwrap();
        assert!(["eBPF needs cap_bpf", "cannot create the maps of the probes: EPERM"].contains(&reason.as_str()));
    }

    #[test]
    fn set_user_id_programs_keep_their_privilege_where_the_kernel_lets_them() {
        let (ptrace, admin) = (1 << 19, 1 << 21);
        let says = |filter, capabilities| lost_privilege(filter, capabilities).unwrap_or("nothing");
        assert_eq!(says(true, 0), "set-user-ID programs gain no privilege");
        assert_eq!(says(false, 0), "set-user-ID programs gain no privilege");
        assert_eq!(says(true, ptrace), "set-user-ID programs gain no privilege without --no-seccomp");
        assert_eq!(says(false, ptrace), "nothing");
        assert_eq!(says(true, ptrace | admin), "nothing");
    }
}
