//! An audit of what is there: no capture, every process from `/proc` once, and an inspection of each that may matter.
//!
//! Must not: know a rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt as _,
    process::ExitCode,
};

use nix::{sys::utsname::uname, unistd::gethostname};
use tracer_model::{
    event::{Comm, Coverage, Event, EventKind, Inspection, PF_KTHREAD, RawTask, State, inspection::Moment},
    ids::{Pid, Seq},
};

use super::AuditArgs;
use crate::{
    capture::{
        CaptureError, boot_now,
        inspect::{self, Sockets},
        procfs,
    },
    cli::{
        common::ColorChoice,
        exit::{ExpectedError, say, unwritable},
    },
    live::unix_now,
    pipeline::Pipeline,
    sink::audit::Whom,
    trace_file::{Header, Scope},
};

/// Whoever is not shown is not judged, or unknown.
pub(super) const HIDES: &str =
    "/proc hides processes of others (hidepid, or no pid 1): not everybody was seen; CAP_SYS_PTRACE shows more";

/// Audits the processes that are meant.
pub(super) fn run(args: &AuditArgs, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let mut events = procfs::snapshot(true);
    // Whoever sees pid 1 sees every process of the namespace (hidepid hides that of others first of all): who is not there has ended.
    let sees_all = events.iter().filter_map(|event| event.subject.as_deref()).any(|state| state.id.pid == Pid(1));
    if let Some(EventKind::SnapshotEnd { coverage, .. }) = events.last_mut().map(|event| &mut event.kind)
        && sees_all
    {
        *coverage = Coverage::All;
    }
    let states: BTreeMap<u32, &State> =
        events.iter().filter_map(|event| event.subject.as_deref()).map(|state| (state.id.pid.0, state)).collect();
    let whom = whom(args, &states)?;
    let inspections = inspections(&whom, &states);
    let header = header();
    let (audit, outcome) = args.sink(whom, color)?;
    let failed = |error| unwritable("the audit", error);
    let mut pipeline = Pipeline::begin(&header, None, vec![Box::new(audit)]).map_err(failed)?;
    let last = events.last().map_or(0, |event| event.seq.0);
    let inspections = (last + 1..).map(Seq).zip(inspections).map(|(seq, kind)| Event {
        seq,
        at: boot_now(),
        cpu: 0,
        actor: RawTask::default(),
        actor_comm: Comm::default(),
        subject: None,
        kind,
    });
    for event in events.iter().cloned().chain(inspections) {
        pipeline.event(&event).map_err(failed)?;
    }
    pipeline.end(true).map_err(failed)?;
    if args.all && !sees_all {
        say(HIDES);
    }
    Ok(args.code(outcome.get(), sees_all || !args.all))
}

fn whom(args: &AuditArgs, states: &BTreeMap<u32, &State>) -> Result<Whom, ExpectedError> {
    if args.all {
        return Ok(Whom::All);
    }
    if let Some(gone) = args.pid.iter().find(|pid| !states.contains_key(pid)) {
        return Err(CaptureError::NoSuchProcess(*gone).into());
    }
    let mut these: BTreeSet<u32> = args.pid.iter().copied().collect();
    for unit in &args.unit {
        let of_unit = states.keys().copied().filter(|pid| is_in(*pid, unit));
        let before = these.len();
        these.extend(of_unit);
        if these.len() == before {
            let what = format!("no process is in a cgroup called {unit}");
            return Err(ExpectedError::usage(what, "systemctl status UNIT"));
        }
    }
    Ok(Whom::These(these))
}

/// In a cgroup of this name, or below it.
fn is_in(pid: u32, unit: &str) -> bool {
    let cgroup = std::fs::read(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    cgroup.split(|byte| matches!(byte, b'/' | b'\n')).any(|part| part == unit.as_bytes())
}

/// Of everybody who is judged, of those above them, with whom they are compared, and where it matters who has the other end of a
/// pipe, of everybody: parents before children.
fn inspections(whom: &Whom, states: &BTreeMap<u32, &State>) -> Vec<EventKind> {
    let all = || states.values().copied().collect();
    let tasks: Vec<&State> = match whom {
        Whom::All | Whom::Followed => all(),
        Whom::These(numbers) => {
            let above = |pid: &u32| {
                std::iter::successors(states.get(pid).copied(), |state| states.get(&state.parent.pid.0).copied())
                    .take(16)
            };
            let all: BTreeMap<u32, &State> =
                numbers.iter().flat_map(above).map(|state| (state.id.pid.0, state)).collect();
            all.into_values().collect()
        }
    };
    let looks = looks(tasks);
    let asked = |it: &Inspection| matches!(whom, Whom::These(numbers) if numbers.contains(&it.task.pid.0));
    // Whose launch was not seen may have a pipe of it: only who has the other end tells.
    let looks =
        if looks.iter().any(|it| asked(it) && it.half_pipes().next().is_some()) { self::looks(all()) } else { looks };
    looks.into_iter().map(|it| EventKind::Inspected(Box::new(it))).collect()
}

fn looks(mut tasks: Vec<&State>) -> Vec<Inspection> {
    // Whose first thread alone has ended lives.
    let lives = |state: &State| state.exit_state == 0 || !state.facts.single_thread;
    tasks.retain(|state| state.task_flags & PF_KTHREAD == 0 && lives(state) && state.id.pid != Pid(std::process::id()));
    // Whoever was there first is above.
    tasks.sort_by_key(|state| state.id.start);
    let mut sockets = Sockets::default();
    tasks.into_iter().map(|state| inspect::inspect(state.id, Moment::Asked, &mut sockets)).collect()
}

fn header() -> Header {
    Header {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        host: gethostname().map(|name| name.as_bytes().to_vec()).unwrap_or_default(),
        kernel: uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default(),
        boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        backend: "proc".to_owned(),
        tier: "snapshot".to_owned(),
        tier_reason: String::new(),
        pid_namespace: procfs::pid_namespace(Pid(std::process::id())).unwrap_or_default(),
        boot_ns: boot_now(),
        unix_ns: unix_now(),
        command: Vec::new(),
        scope: Scope::All,
        user: None,
    }
}
