//! Loads the probe object and attaches its programs.
//!
//! Must not: give up at the first probe that fails (doctor shows them all), or use bpf(2) on maps afterwards.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfError, EbpfLoader,
    maps::MapError,
    programs::{BtfTracePoint, Iter, ProgramError, ProgramFd, TracePoint},
};
use nix::errno::Errno;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use tracer_common::{ABI_VERSION, control::Config, offsets::Offsets};

use super::{
    offsets::Layout,
    probes::{Hook, Need, Probe, probes},
    tracefs::Tracefs,
};
use crate::capture::{CaptureError, sys};

/// Capabilities for creating maps and loading programs.
const NEEDS: &str = "cap_bpf and cap_perfmon";

/// What is decided before loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Also watch reads and writes of the controlling terminal from the background.
    pub tty_io: bool,
    /// Collect the arguments of programs.
    pub capture_arguments: bool,
    /// Bytes of the ring buffer for what must not be lost: a power of two, and whole pages.
    pub critical_bytes: u32,
    /// Bytes of the ring buffer for the rest; likewise.
    pub chatty_bytes: u32,
}

/// How one probe fared.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub probe: Probe,
    /// Attached, or why not.
    pub result: Result<(), CaptureError>,
}

/// The loaded object. Dropping it detaches everything, which takes seconds: the kernel waits for RCU at each tracepoint.
#[derive(Debug)]
pub struct Loaded {
    /// Maps, programs, and the links of the typed tracepoints.
    pub ebpf: Ebpf,
    /// Attached programs by name, for their skip counters.
    pub programs: Vec<(String, ProgramFd)>,
    /// Every probe, whether it could be attached or not.
    pub outcomes: Vec<Outcome>,
    /// Perf events that hold the tracepoint programs.
    _events: Vec<OwnedFd>,
}

/// Values of the object's read-only globals.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Global<T>(T);

// SAFETY: `repr(C)` structs of 32-bit integers without padding (`const` below).
unsafe impl aya::Pod for Global<Config> {}
// SAFETY: as above.
unsafe impl aya::Pod for Global<Offsets> {}
const _: () = assert!(size_of::<Config>() == 8 * 4 && size_of::<Offsets>() == Offsets::COUNT * 4);

/// Loads the object and attaches every probe that the options ask for and the kernel permits.
pub fn load(object: &[u8], layout: &Layout, options: &LoadOptions) -> Result<Loaded, CaptureError> {
    check_abi(object)?;
    let tracefs = Tracefs::open()?;
    let btf = AyaBtf::from_sys_fs().map_err(|error| CaptureError::Object(error.to_string()))?;
    let mut ebpf = create(object, layout, options, &btf)?;
    let (mut programs, mut outcomes, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for probe in probes() {
        if probe.need == Need::TtyIo && !options.tty_io {
            continue;
        }
        let result = attach(&mut ebpf, &probe, &btf, &tracefs).map(|attached| {
            programs.push((probe.program.clone(), attached.program));
            events.extend(attached.event);
        });
        outcomes.push(Outcome { probe, result });
    }
    Ok(Loaded { ebpf, programs, outcomes, _events: events })
}

impl Loaded {
    /// Lets go of the probes without waiting for it: a child process keeps them until this one is rid of them, and it is the
    /// child's end that takes the time.
    pub fn detach_in_background(self) {
        let Ok(keeper) = sys::keep_descriptors() else { return drop(self) };
        drop(self);
        drop(keeper);
    }

    /// Fails with the first required probe that could not be attached.
    pub fn require(&mut self) -> Result<(), CaptureError> {
        let failed = |outcome: &Outcome| outcome.result.is_err() && outcome.probe.need == Need::Required;
        match self.outcomes.iter().position(failed) {
            Some(index) => self.outcomes.swap_remove(index).result,
            None => Ok(()),
        }
    }
}

/// Creates the maps and the read-only globals.
fn create(object: &[u8], layout: &Layout, options: &LoadOptions, btf: &AyaBtf) -> Result<Ebpf, CaptureError> {
    let config = Global(Config {
        capture_arguments: options.capture_arguments.into(),
        tty_io: options.tty_io.into(),
        ..layout.config
    });
    let offsets = Global(layout.offsets);
    EbpfLoader::new()
        .btf(Some(btf))
        .override_global("CONFIG", &config, true)
        .override_global("OFFSETS", &offsets, true)
        .map_max_entries("CRITICAL", options.critical_bytes)
        .map_max_entries("CHATTY", options.chatty_bytes)
        .load(object)
        .map_err(refused_object)
}

/// Refuses an object whose records this program cannot read: its `CONFIG` begins with the version it was built with.
fn check_abi(object: &[u8]) -> Result<(), CaptureError> {
    let damaged = |error: object::Error| CaptureError::Object(error.to_string());
    let file = object::File::parse(object).map_err(damaged)?;
    let version = file.symbols().find(|symbol| symbol.name() == Ok("CONFIG")).and_then(|symbol| {
        let section = file.section_by_index(symbol.section_index()?).ok()?;
        let start = usize::try_from(symbol.address().checked_sub(section.address())?).ok()?;
        Some(u32::from_ne_bytes(*section.data().ok()?.get(start..)?.first_chunk()?))
    });
    match version {
        Some(ABI_VERSION) => Ok(()),
        other => Err(CaptureError::AbiMismatch {
            found: other.map_or_else(|| "none".to_owned(), |found| found.to_string()),
            expected: ABI_VERSION,
        }),
    }
}

/// One attached program.
struct Attached {
    program: ProgramFd,
    /// The perf event that holds it, for a tracepoint.
    event: Option<OwnedFd>,
}

fn attach(ebpf: &mut Ebpf, probe: &Probe, btf: &AyaBtf, tracefs: &Tracefs) -> Result<Attached, CaptureError> {
    let name = probe.program.as_str();
    let loading = |error| refused_program(format!("load the probe {name}"), error);
    let attaching = |error| refused_program(format!("attach the probe {name}"), error);
    let missing = || CaptureError::Object(format!("it has no program {name}"));
    let program = ebpf.program_mut(name).ok_or_else(missing)?;
    let keep = |fd: Result<&ProgramFd, ProgramError>| fd.and_then(|fd| Ok(fd.try_clone()?)).map_err(loading);
    match probe.hook {
        Hook::Typed(tracepoint) => {
            let program: &mut BtfTracePoint = program.try_into().map_err(loading)?;
            program.load(tracepoint, btf).map_err(loading)?;
            program.attach().map_err(attaching)?;
            Ok(Attached { program: keep(program.fd())?, event: None })
        }
        Hook::Iterator(kind) => {
            let program: &mut Iter = program.try_into().map_err(loading)?;
            program.load(kind, btf).map_err(loading)?;
            Ok(Attached { program: keep(program.fd())?, event: None })
        }
        Hook::Enter(_) | Hook::Leave(_) => {
            let program: &mut TracePoint = program.try_into().map_err(loading)?;
            program.load().map_err(loading)?;
            let program = keep(program.fd())?;
            let (category, tracepoint) = probe.hook.tracepoint().unwrap_or_default();
            let id = tracefs.event_id(category, &tracepoint).map_err(|error| {
                let what = format!("read the number of {category}:{tracepoint} in {}", tracefs.place);
                CaptureError::system(what, &error, "cap_dac_read_search")
            })?;
            let event = sys::attach_tracepoint(id, program.as_fd()).map_err(|error| {
                CaptureError::system(format!("attach the probe {name} to {category}:{tracepoint}"), &error, NEEDS)
            })?;
            Ok(Attached { program, event: Some(event) })
        }
    }
}

/// A failure to create what the object consists of.
#[expect(clippy::wildcard_enum_match_arm, reason = "aya has dozens of errors; all others say that the object is bad")]
fn refused_object(error: EbpfError) -> CaptureError {
    match error {
        EbpfError::MapError(MapError::CreateError { name, io_error }) => {
            CaptureError::system(format!("create the map {name}"), &io_error, "cap_bpf")
        }
        other => match first_errno(&other) {
            Some(error) => CaptureError::system("load the types of the probe object", &error, "cap_bpf"),
            None => CaptureError::Object(with_sources(&other)),
        },
    }
}

/// A failure to load or attach one program.
#[expect(clippy::wildcard_enum_match_arm, reason = "aya has dozens of errors; all others are told in its words")]
fn refused_program(what: String, error: ProgramError) -> CaptureError {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = format!("{verifier_log}");
            if log.trim().is_empty() {
                return CaptureError::system(what, &io_error, NEEDS);
            }
            // The verdict is at the end; statistics follow it.
            let lines: Vec<_> = log.lines().filter(|line| !line.starts_with("processed ")).collect();
            let end = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join("; ");
            CaptureError::Probe { what, message: format!("{io_error}: {end}") }
        }
        other => match first_errno(&other) {
            Some(error) => CaptureError::system(what, &error, NEEDS),
            None => CaptureError::Probe { what, message: with_sources(&other) },
        },
    }
}

/// The system's error at the bottom of a chain.
fn first_errno(error: &(dyn std::error::Error + 'static)) -> Option<io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(number) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(Errno::from_raw(number).into());
        }
        next = error.source();
    }
    None
}

fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
