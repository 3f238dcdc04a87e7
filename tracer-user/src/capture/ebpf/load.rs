//! Loads the probe object and attaches its programs.
//!
//! Must not: give up at the first probe that fails (doctor shows them all), or use bpf(2) on maps afterwards.

use std::{collections::BTreeMap, io, os::fd::AsFd as _, sync::Mutex};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfError, EbpfLoader,
    maps::MapError,
    programs::{BtfTracePoint, Iter, Program, ProgramError, ProgramFd, TracePoint},
};
use nix::errno::Errno;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use tracer_common::{ABI_VERSION, control::Config, offsets::Offsets, record::AttributeCall};
use tracer_model::event::Attributes;

use super::{
    offsets::Layout,
    probes::{Hook, Need, Probe, probes},
    tracefs::Tracefs,
};
use crate::capture::{CaptureError, sys};

/// Capabilities for creating maps and loading programs.
const NEEDS: &str = "cap_bpf and cap_perfmon";
/// Programs that are loaded at the same time.
const MOST_LOADERS: usize = 8;

/// What is decided before loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Also watch reads and writes of the controlling terminal from the background.
    pub tty_io: bool,
    /// Also watch what processes do to these attributes of their own.
    pub attributes: Option<Attributes>,
    /// At most so many of these in a tenth of a second, of whoever may be about to become a daemon; 0: all.
    pub attribute_rate: u32,
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
    /// What holds the tracepoint programs.
    _attachments: Vec<sys::Attachment>,
}

/// Values of the object's read-only globals.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Global<T>(T);

// SAFETY: `repr(C)` structs of 32-bit integers without padding (`const` below).
unsafe impl aya::Pod for Global<Config> {}
// SAFETY: as above.
unsafe impl aya::Pod for Global<Offsets> {}
const _: () = assert!(size_of::<Config>() == 11 * 4 && size_of::<Offsets>() == Offsets::COUNT * 4);

/// Loads the object and attaches every probe that the options ask for and the kernel permits.
pub fn load(object: &[u8], layout: &Layout, options: &LoadOptions) -> Result<Loaded, CaptureError> {
    check_abi(object)?;
    let btf = AyaBtf::from_sys_fs().map_err(|error| CaptureError::Object(error.to_string()))?;
    let mut ebpf = create(object, layout, options, &btf)?;
    let tracefs = Tracefs::open()?;
    let is_wanted = |probe: &Probe| match probe.need {
        Need::TtyIo => options.tty_io,
        Need::Attributes => options.attributes.is_some_and(|wanted| needs(probe.hook, wanted)),
        Need::Required | Need::Optional => true,
    };
    let wanted: Vec<Probe> = probes().into_iter().filter(is_wanted).collect();
    let failures = load_programs(&mut ebpf, &wanted, &btf);
    let (mut outcomes, mut attachments) = (Vec::new(), Vec::new());
    for probe in wanted {
        let result = match failures.get(probe.program) {
            Some(failure) => Err(failure.clone()),
            None => attach(&mut ebpf, &probe, &tracefs).map(|attachment| attachments.extend(attachment)),
        };
        outcomes.push(Outcome { probe, result });
    }
    let programs = ebpf.programs().filter_map(skip_counter).collect::<Result<_, _>>()?;
    Ok(Loaded { ebpf, programs, outcomes, _attachments: attachments })
}

/// Whether these attributes need what is at this hook: what is blocked is seldom asked for.
fn needs(hook: Hook, wanted: Attributes) -> bool {
    let (Hook::AttributeEnter(call) | Hook::AttributeLeave(call)) = hook else { return true };
    call != AttributeCall::Sigprocmask || wanted.blocked != 0
}

/// The descriptor by which a program's skip counter is read, if it is loaded. Without it losses would go unseen.
fn skip_counter((name, program): (&str, &Program)) -> Option<Result<(String, ProgramFd), CaptureError>> {
    let copy = program.fd().ok()?.try_clone();
    let failed = |error| CaptureError::system(format!("watch what the program {name} skips"), &error, NEEDS);
    Some(copy.map(|descriptor| (name.to_owned(), descriptor)).map_err(failed))
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
        let needed = |need| matches!(need, Need::Required | Need::Attributes);
        let failed = |outcome: &Outcome| outcome.result.is_err() && needed(outcome.probe.need);
        match self.outcomes.iter().position(failed) {
            Some(index) => self.outcomes.swap_remove(index).result,
            None => Ok(()),
        }
    }
}

/// Creates the maps and the read-only globals.
fn create(object: &[u8], layout: &Layout, options: &LoadOptions, btf: &AyaBtf) -> Result<Ebpf, CaptureError> {
    let attributes = options.attributes.unwrap_or(Attributes::NONE);
    let config = Global(Config {
        descriptors: attributes.descriptors,
        dispositions: attributes.dispositions,
        blocked: attributes.blocked,
        attribute_rate: options.attribute_rate,
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

/// Loads the programs, on all CPUs at once: the verifier takes tens of milliseconds for each. Returns those that failed.
fn load_programs(ebpf: &mut Ebpf, wanted: &[Probe], btf: &AyaBtf) -> BTreeMap<&'static str, CaptureError> {
    let hooks: BTreeMap<&'static str, Hook> = wanted.iter().map(|probe| (probe.program, probe.hook)).collect();
    let mut programs: BTreeMap<String, &mut Program> =
        ebpf.programs_mut().map(|(name, program)| (name.to_owned(), program)).collect();
    let work = hooks.into_iter().map(|(name, hook)| (name, hook, programs.remove(name)));
    let work: Mutex<Vec<_>> = Mutex::new(work.collect());
    let worker = || {
        let next = || work.lock().ok().and_then(|mut work| work.pop());
        let one = |(name, hook, program)| Some((name, load_program(name, hook, program, btf).err()?));
        std::iter::from_fn(next).filter_map(one).collect::<Vec<_>>()
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_LOADERS);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        // A worker does not panic; if one did, its programs would fail to attach.
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    })
}

fn load_program(name: &str, hook: Hook, program: Option<&mut Program>, btf: &AyaBtf) -> Result<(), CaptureError> {
    let refused = |error| refused_program(format!("load the program {name}"), error);
    let program = program.ok_or_else(|| CaptureError::Object(format!("it has no program {name}")))?;
    match hook {
        Hook::Typed(tracepoint) => {
            let program: &mut BtfTracePoint = program.try_into().map_err(refused)?;
            program.load(tracepoint, btf)
        }
        Hook::Iterator(kind) => {
            let program: &mut Iter = program.try_into().map_err(refused)?;
            program.load(kind, btf)
        }
        Hook::Enter(_) | Hook::Leave(_) | Hook::AttributeEnter(_) | Hook::AttributeLeave(_) => {
            let program: &mut TracePoint = program.try_into().map_err(refused)?;
            program.load()
        }
    }
    .map_err(refused)
}

/// Attaches a loaded program. The iterator is only run, and a typed tracepoint's link stays with its program.
fn attach(ebpf: &mut Ebpf, probe: &Probe, tracefs: &Tracefs) -> Result<Option<sys::Attachment>, CaptureError> {
    let name = probe.name.as_str();
    let refused = |error| refused_program(format!("attach the probe {name}"), error);
    let program = ebpf.program_mut(probe.program);
    let program = program.ok_or_else(|| CaptureError::Object(format!("it has no program {}", probe.program)))?;
    if let Program::BtfTracePoint(program) = program {
        program.attach().map_err(refused)?;
    }
    let Some((category, tracepoint)) = probe.hook.tracepoint() else {
        return Ok(None);
    };
    let id = tracefs.event_id(category, &tracepoint).map_err(|error| {
        let what = format!("read the number of {category}:{tracepoint} in {}", tracefs.place);
        CaptureError::system(what, &error, "cap_dac_read_search")
    })?;
    let program = program.fd().map_err(refused)?;
    let attachment = sys::attach_tracepoint(id, program.as_fd(), probe.hook.cookie()).map_err(|error| {
        CaptureError::system(format!("attach the probe {name} to {category}:{tracepoint}"), &error, NEEDS)
    })?;
    Ok(Some(attachment))
}

/// A failure to create what the object consists of.
#[expect(clippy::wildcard_enum_match_arm, reason = "aya has dozens of errors; all others say that the object is bad")]
fn refused_object(error: EbpfError) -> CaptureError {
    match error {
        EbpfError::MapError(MapError::CreateError { name, io_error }) => {
            // Without privilege any map is refused, and which one is tried first is chance.
            let refused = io_error.kind() == io::ErrorKind::PermissionDenied;
            let what =
                if refused { "create the maps of the probes".to_owned() } else { format!("create the map {name}") };
            CaptureError::system(what, &io_error, "cap_bpf")
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::prebuilt::OBJECT;

    #[test]
    fn every_program_of_the_object_has_a_row_and_every_row_a_program() {
        let file = object::File::parse(OBJECT).unwrap();
        let in_program_section = |symbol: &object::Symbol<'_, '_>| {
            let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
            let name = section.and_then(|section| section.name().ok().map(str::to_owned)).unwrap_or_default();
            ["tp_btf", "tracepoint", "iter/"].iter().any(|kind| name.starts_with(kind))
        };
        let symbols = file.symbols().filter(|symbol| symbol.is_global() && in_program_section(symbol));
        let there: BTreeSet<String> = symbols.map(|symbol| symbol.name().unwrap().to_owned()).collect();
        assert_eq!(there, probes().into_iter().map(|probe| probe.program.to_owned()).collect());
    }

    #[test]
    fn an_object_of_another_layout_is_refused() {
        assert!(check_abi(OBJECT).is_ok());
        let file = object::File::parse(OBJECT).unwrap();
        let symbol = file.symbols().find(|symbol| symbol.name() == Ok("CONFIG")).unwrap();
        let section = file.section_by_index(symbol.section_index().unwrap()).unwrap();
        let at = (section.file_range().unwrap().0 + symbol.address() - section.address()) as usize;
        let mut other = OBJECT.to_vec();
        other[at] += 1;
        let refused = check_abi(&other).unwrap_err().to_string();
        let (found, expected) = (ABI_VERSION + 1, ABI_VERSION);
        assert_eq!(refused, format!("the probe object has record layout {found}, this program reads {expected}"));
        assert!(matches!(check_abi(&OBJECT[..100]), Err(CaptureError::Object(_))));
        assert!(matches!(check_abi(b"no ELF"), Err(CaptureError::Object(_))));
    }

    #[test]
    fn the_systems_error_is_found_under_ayas() {
        let refused = |number| {
            let io_error = io::Error::from_raw_os_error(number);
            refused_object(EbpfError::MapError(MapError::CreateError { name: "CALLS".to_owned(), io_error }))
        };
        let error = refused(libc::EPERM);
        assert_eq!(
            error.to_string(),
            "cannot create the maps of the probes: EPERM (Operation not permitted): needs cap_bpf"
        );
        assert!(error.hint().unwrap().starts_with("sudo setcap cap_bpf,"));
        assert_eq!(refused(libc::ENOMEM).to_string(), "cannot create the map CALLS: ENOMEM (Out of memory)");
        let io_error = io::Error::from_raw_os_error(libc::EINVAL);
        let other = ProgramError::SyscallError(aya::sys::SyscallError { call: "bpf_link_create", io_error });
        let error = refused_program("attach the probe exit".to_owned(), other);
        assert_eq!(error.to_string(), "cannot attach the probe exit: EINVAL (Invalid argument)");
    }
}
