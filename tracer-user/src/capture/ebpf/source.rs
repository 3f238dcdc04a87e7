//! [`EbpfSource`]: opens the capture, reads it, counts what was lost.
//!
//! Must not: print, exit, wait for events, or apply any meaning to them.

use std::{
    collections::VecDeque,
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::maps::{Map, RingBuf};
use nix::{errno::Errno, unistd::getpgid};
use tracer_common::control::{SCOPE_ALL, SCOPE_NONE};
use tracer_model::{
    event::{Event, EventKind, GapCause, RawTask, State},
    ids::Seq,
};

use super::{
    Mode, Options,
    btf::Btf,
    control::Control,
    decode::{Decoded, Decoder},
    load::{self, Loaded},
    offsets::{self, Layout},
    rings::{A_PART, AT_MOST, Rings},
    scope::Scope,
    with_btf,
};
use crate::{
    capture::{
        CaptureError, Description, Item, Loss, Observation, Source, boot_now,
        facts::{self, INITIAL_PID_NAMESPACE},
        procfs, sys,
    },
    prebuilt,
};

/// Oldest kernel that the probes are tested on.
const OLDEST: (u32, u32) = (6, 1);

/// Command lines read from `/proc` before the rings are looked at again.
const COMMAND_LINES_AT_ONCE: usize = 256;

/// A running capture.
pub struct EbpfSource {
    pub(super) options: Options,
    pub(super) loaded: Loaded,
    pub(super) control: Control,
    /// Follow mode: who is followed, once that has been said.
    pub(super) scope: Option<Scope>,
    /// Records up to this number were emitted whomever they concern; whom they do is judged here.
    pub(super) unscoped_until: Seq,
    /// What was read and not yielded yet.
    pub(super) pending: VecDeque<Read>,
    description: Description,
    rings: Rings,
    /// While the rings hold more: the number up to which they were read.
    read_until: Option<Seq>,
    pub(super) decoder: Decoder,
    /// Skip counters of [`Loaded::programs`] when they were last read.
    misses: Vec<u64>,
    /// The numbers here are those of `/proc`.
    pub(super) proc_has_our_numbers: bool,
}

/// One thing that was read.
pub(super) enum Read {
    Event { event: Event, unpaired: Option<Event> },
    Skip(Seq),
    Unnumbered(Event),
}

impl EbpfSource {
    /// Loads and attaches the probes, and looks at every process. The command that is to be traced must not run yet, or its
    /// past is unknown.
    pub fn open(options: Options) -> Result<Self, CaptureError> {
        Self::open_any(options).map_err(explain)
    }

    fn open_any(options: Options) -> Result<Self, CaptureError> {
        let (reason, layout) = layout()?;
        let mut loaded = load::load(prebuilt::OBJECT, &layout, &options.load)?;
        loaded.require()?;
        let control = control_of(&loaded)?;
        let rings = Rings::new(ring(&mut loaded, "CRITICAL")?, ring(&mut loaded, "CHATTY")?);
        control.set_scope(SCOPE_ALL);
        let decoder = Decoder::new(boot_now());
        let misses = vec![0; loaded.programs.len()];
        let description =
            Description { backend: "ebpf", tier: "tracepoint", reason, pid_namespace: INITIAL_PID_NAMESPACE };
        let mut source = Self {
            options,
            loaded,
            control,
            scope: None,
            unscoped_until: Seq(0),
            pending: VecDeque::new(),
            description,
            rings,
            read_until: None,
            decoder,
            misses,
            proc_has_our_numbers: facts::in_initial_pid_namespace(),
        };
        source.run_snapshot()?;
        Ok(source)
    }
}

impl EbpfSource {
    /// Every probe and how it fared: what could not be attached although a capture goes without it.
    #[must_use]
    pub fn outcomes(&self) -> &[load::Outcome] {
        &self.loaded.outcomes
    }

    /// Lets go of the probes without waiting for it. Dropping a source takes seconds, for the kernel waits for RCU at each
    /// tracepoint: a process that a shell waits for must not do that.
    pub fn detach_in_background(self) {
        self.loaded.detach_in_background();
    }

    /// Moves what the rings hold to `pending`.
    pub(super) fn read(&mut self) {
        self.read_some(AT_MOST);
    }

    /// Says whether some may be left.
    pub(super) fn read_some(&mut self, at_most: usize) -> bool {
        let Self { rings, decoder, pending, read_until, .. } = self;
        *read_until = rings.drain(at_most, |bytes| {
            let read = read_one(decoder, bytes)?;
            let number = read.number();
            pending.push_back(read);
            number
        });
        read_until.is_some()
    }

    /// Yields everything that is pending.
    fn release(&mut self, out: &mut Vec<Item>) {
        let mut command_lines = 0;
        while let Some(read) = self.pending.pop_front() {
            match read {
                Read::Skip(seq) => out.push(Item::Skip { seq }),
                Read::Unnumbered(event) => out.push(Item::Unnumbered(event)),
                Read::Event { mut event, unpaired } => {
                    if !self.admit(&mut event) {
                        out.push(Item::Skip { seq: event.seq });
                        continue;
                    }
                    command_lines += usize::from(self.complete(&mut event));
                    out.extend(unpaired.map(Item::Unnumbered));
                    out.push(Item::Event(event));
                }
            }
            if command_lines == COMMAND_LINES_AT_ONCE {
                self.read();
                command_lines = 0;
            }
        }
    }

    /// Adds the command line to a snapshot event. Says whether `/proc` was read for it.
    fn complete(&self, event: &mut Event) -> bool {
        let wanted = self.options.load.capture_arguments && self.proc_has_our_numbers;
        match (&mut event.kind, &event.subject) {
            (EventKind::Snapshot { args }, Some(process)) if wanted && process.exit_state == 0 => {
                *args = procfs::command_line(process.id.pid);
                true
            }
            _ => false,
        }
    }
}

impl Source for EbpfSource {
    fn describe(&self) -> &Description {
        &self.description
    }

    fn poll(&mut self, out: &mut Vec<Item>) -> Result<bool, CaptureError> {
        self.read_some(A_PART);
        if self.options.mode == Mode::All || self.scope.is_some() {
            self.release(out);
            if let Some(scope) = self.scope.as_mut().filter(|_| self.read_until.is_none()) {
                scope.everything_is_read();
            }
        }
        Ok(self.read_until.is_some())
    }

    fn lost(&mut self) -> Vec<Loss> {
        let mut losses = self.control.lost();
        for ((name, program), seen) in self.loaded.programs.iter().zip(&mut self.misses) {
            let misses = sys::recursion_misses(program.as_fd()).unwrap_or(*seen);
            let lost = misses.saturating_sub(std::mem::replace(seen, misses));
            if lost != 0 {
                losses.push(Loss { probe: name.clone(), lost, cause: GapCause::Recursion });
            }
        }
        losses
    }

    fn attributes_left_out(&self) -> u64 {
        self.control.attributes_left_out()
    }

    fn last_seq(&self) -> Seq {
        self.control.last_seq()
    }

    fn read_until(&self) -> Seq {
        self.read_until.unwrap_or_else(|| self.last_seq())
    }

    fn resynchronise(&mut self, out: &mut Vec<Item>) -> Result<(), CaptureError> {
        self.run_snapshot()?;
        self.poll(out).map(drop)
    }

    fn observe(&mut self, out: &mut Vec<Item>) -> Result<Vec<Observation>, CaptureError> {
        let observations = self.run_oracle()?;
        self.poll(out)?;
        Ok(observations)
    }

    /// The probes are only loaded where numbers are those of the initial pid namespace.
    fn is_gone(&self, zombie: RawTask) -> bool {
        let pid = zombie.pid;
        let is_another = |state: State| !procfs::same_tick(state.id.start, zombie.start);
        getpgid(Some(nix::unistd::Pid::from_raw(pid.0 as i32))) == Err(Errno::ESRCH)
            || procfs::read_stat(pid).is_some_and(is_another)
    }

    fn stop(&mut self) -> Result<(), CaptureError> {
        self.control.set_scope(SCOPE_NONE);
        sys::wait_for_programs();
        Ok(())
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.rings.fds().to_vec()
    }

    fn retire(self: Box<Self>) {
        self.detach_in_background();
    }
}

/// Decodes one record.
pub(super) fn read_one(decoder: &mut Decoder, bytes: &[u8]) -> Option<Read> {
    match decoder.decode(bytes) {
        Decoded::Event { event, unpaired } => Some(Read::Event { event, unpaired }),
        Decoded::Skip(seq) => Some(Read::Skip(seq)),
        Decoded::Nothing => None,
    }
}

/// Where the running kernel keeps what the probes read, and why there is no better tier than tracepoints.
pub(super) fn layout() -> Result<(String, Layout), CaptureError> {
    let (reason, layout) = with_btf(|btf| (trampoline_reason(btf), offsets::resolve(btf)))?;
    let layout = layout.map_err(|fields| CaptureError::MissingFields { release: facts::kernel_release(), fields })?;
    Ok((reason, layout))
}

/// The mapped words of the object.
pub(super) fn control_of(loaded: &Loaded) -> Result<Control, CaptureError> {
    let Some(Map::Array(words)) = loaded.ebpf.map("CONTROL") else {
        return Err(CaptureError::Object("it has no array CONTROL".to_owned()));
    };
    Control::map(words.fd().as_fd())
        .map_err(|error| CaptureError::system("map the words of CONTROL", &error, "cap_bpf"))
}

pub(super) fn ring(loaded: &mut Loaded, name: &'static str) -> Result<RingBuf<aya::maps::MapData>, CaptureError> {
    let map = loaded.ebpf.take_map(name).ok_or_else(|| CaptureError::Object(format!("it has no map {name}")))?;
    RingBuf::try_from(map).map_err(|error| CaptureError::Object(format!("{name}: {error}")))
}

/// Why there is no better tier.
fn trampoline_reason(btf: &Btf<'_>) -> String {
    match btf.function_id(facts::TRAMPOLINE_FUNCTION).map(sys::try_trampoline) {
        Some(Ok(())) => "trampolines are not used yet".to_owned(),
        Some(Err(_)) => "this kernel refuses trampolines".to_owned(),
        None => "this kernel does not list its functions".to_owned(),
    }
}

/// Says more than EPERM where more is known.
fn explain(error: CaptureError) -> CaptureError {
    let release = facts::kernel_release();
    if facts::kernel_version(&release).is_some_and(|version| version < OLDEST) {
        return CaptureError::KernelTooOld { release, needs: "6.1" };
    }
    if let CaptureError::NotPermitted { what, .. } = &error
        && facts::lockdown() == facts::Lockdown::Confidentiality
    {
        return CaptureError::Lockdown { what: what.clone() };
    }
    error
}

#[cfg(test)]
mod tests;
