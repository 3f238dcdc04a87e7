//! What `sesstrace doctor` looks at: everything that decides whether, and how well, this system can be traced.
//!
//! Must not: word anything for people beyond what errors say, or leave anything attached.

use nix::errno::Errno;
use tracer_common::offsets::Offsets;
use tracer_model::event::Attributes;

use super::{
    CaptureError,
    ebpf::{
        Mode, Options,
        btf::Btf,
        load::{self, Outcome},
        offsets,
        probes::Need,
        tracefs::Tracefs,
        with_btf,
    },
    facts::{self, Lockdown, TRAMPOLINE_FUNCTION},
    ptrace, sys,
};
use crate::prebuilt;

/// What was found.
#[derive(Debug)]
pub struct Examination {
    /// `uname -r`.
    pub release: String,
    /// Whether this process is in the initial pid namespace, whose numbers the probes use.
    pub initial_pid_namespace: bool,
    /// The kernel's types.
    pub layout: Result<Fields, CaptureError>,
    /// Kernel lockdown.
    pub lockdown: Lockdown,
    /// Effective capabilities.
    pub capabilities: u64,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<i32>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i32>,
    /// `kernel.yama.ptrace_scope`; `None` without Yama.
    pub ptrace_scope: Option<i32>,
    /// Where tracefs was opened.
    pub tracefs: Result<&'static str, CaptureError>,
    /// Whether a program may run on entry to a function.
    pub trampoline: Result<(), Errno>,
    /// Every probe, or why none could be tried.
    pub probes: Result<Vec<Outcome>, CaptureError>,
    /// Whether ptrace works.
    pub ptrace: Result<(), CaptureError>,
    /// Whether the filters work by which ptrace stops nothing but the watched calls.
    pub filters: Result<(), CaptureError>,
}

/// What the kernel's types say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Fields that were found.
    pub found: usize,
    /// BTF paths of required fields that are missing.
    pub missing: Vec<String>,
    /// BTF paths of fields that the probes go without.
    pub absent: Vec<&'static str>,
}

impl Examination {
    /// Looks at everything. Takes up to a few seconds.
    #[must_use]
    pub fn run() -> Self {
        let (layout, trampoline) = with_btf(|btf| (fields(btf), try_trampoline(btf)))
            .map_or_else(|error| (Err(error), Err(Errno::ENOENT)), |(fields, trampoline)| (Ok(fields), trampoline));
        Self {
            release: facts::kernel_release(),
            initial_pid_namespace: facts::in_initial_pid_namespace(),
            layout,
            lockdown: facts::lockdown(),
            capabilities: facts::effective_capabilities(),
            unprivileged_bpf_disabled: facts::sysctl("kernel.unprivileged_bpf_disabled"),
            perf_event_paranoid: facts::sysctl("kernel.perf_event_paranoid"),
            ptrace_scope: facts::sysctl("kernel.yama.ptrace_scope"),
            tracefs: Tracefs::open().map(|tracefs| tracefs.place),
            trampoline,
            probes: try_probes(),
            ptrace: ptrace::works(),
            filters: ptrace::filters_work(),
        }
    }

    /// Whether a capture with probes would start.
    #[must_use]
    pub fn ebpf_works(&self) -> bool {
        let needed = |outcome: &&Outcome| outcome.probe.need == Need::Required;
        self.probes.as_ref().is_ok_and(|outcomes| outcomes.iter().filter(needed).all(|outcome| outcome.result.is_ok()))
    }
}

fn fields(btf: &Btf<'_>) -> Fields {
    let all = Offsets::COUNT;
    match offsets::resolve(btf) {
        Ok(layout) => Fields { found: all - layout.absent.len(), missing: Vec::new(), absent: layout.absent },
        Err(missing) => Fields { found: all.saturating_sub(missing.len()), missing, absent: Vec::new() },
    }
}

fn try_trampoline(btf: &Btf<'_>) -> Result<(), Errno> {
    let function = btf.function_id(TRAMPOLINE_FUNCTION).ok_or(Errno::ENOENT)?;
    sys::try_trampoline(function).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// Loads and attaches every probe, those of terminal input and output and of attributes too, and lets go of them in the background.
fn try_probes() -> Result<Vec<Outcome>, CaptureError> {
    let layout = with_btf(offsets::resolve)?
        .map_err(|fields| CaptureError::MissingFields { release: facts::kernel_release(), fields })?;
    let mut options = Options::new(Mode::All).load;
    options.tty_io = true;
    options.attributes = Some(Attributes { blocked: 1, ..Attributes::USUAL });
    let mut loaded = load::load(prebuilt::OBJECT, &layout, &options)?;
    let outcomes = std::mem::take(&mut loaded.outcomes);
    loaded.detach_in_background();
    Ok(outcomes)
}
