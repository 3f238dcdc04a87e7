//! Between the model's events and the file's, both ways and without loss.
//!
//! Times are relative to the header's `boot_ns` in the file. The difference wraps, so that every pair of 64-bit times comes
//! back as it was.

use tracer_model::{
    event::{
        Comm, Coverage, Disposition, Event, EventKind, Gap, GapCause, Leave, Namespace, RawId, RawTask,
        SignalGenerated, SignalOrigin, SignalOutcome, State, TtyState, Waited,
    },
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Tid, Uid},
};

use super::{
    event::{FileDisposition, FileEntered, FileEvent, FileGapCause, FileKind, FileOrigin, FileOutcome, FileWaited},
    task::{FileActor, FileBytes, FileFacts, FileNamespace, FileSignal, FileState, FileTask, FileTty, Wide},
};

fn relative(at: BootNs, base: BootNs) -> i64 {
    at.0.wrapping_sub(base.0).cast_signed()
}

fn absolute(at: i64, base: BootNs) -> BootNs {
    BootNs(base.0.wrapping_add(at.cast_unsigned()))
}

fn strings(args: &[Vec<u8>]) -> Vec<FileBytes> {
    args.iter().map(FileBytes::from).collect()
}

fn bytes(args: Vec<FileBytes>) -> Vec<Vec<u8>> {
    args.into_iter().map(Into::into).collect()
}

/// A tid is written only where it differs from the pid.
fn short_tid(pid: Pid, tid: Tid) -> Option<u32> {
    (pid.0 != tid.0).then_some(tid.0)
}

impl FileEvent {
    /// The event as a file holds it whose header has the time `base`.
    pub(super) fn new(event: &Event, base: BootNs) -> Self {
        let Event { seq, at, cpu, actor, actor_comm, subject, kind } = event;
        let nobody = *actor == RawTask::default() && actor_comm.0.is_empty();
        Self {
            seq: seq.0,
            at: relative(*at, base),
            cpu: *cpu,
            kind: kind_to_file(kind, base),
            by: (!nobody).then(|| FileActor {
                pid: actor.pid.0,
                tid: short_tid(actor.pid, actor.tid),
                start: Wide(actor.start.0),
                comm: FileBytes::from(&*actor_comm.0),
            }),
            of: subject.as_deref().map(FileState::from),
        }
    }

    /// The event of a file whose header has the time `base`.
    pub(super) fn into_event(self, base: BootNs) -> Event {
        let by = self.by.unwrap_or_default();
        Event {
            seq: Seq(self.seq),
            at: absolute(self.at, base),
            cpu: self.cpu,
            actor: FileTask { pid: by.pid, tid: by.tid, start: by.start }.into(),
            actor_comm: Comm(Vec::from(by.comm).into()),
            subject: self.of.map(|state| Box::new(state.into())),
            kind: kind_from_file(self.kind, base),
        }
    }
}

fn kind_to_file(kind: &EventKind, base: BootNs) -> FileKind {
    match kind {
        EventKind::NewTask { flags } => FileKind::NewTask { flags: *flags },
        EventKind::Exec { old_tid, args, truncated } => {
            FileKind::Exec { old_tid: old_tid.0, args: strings(args), truncated: *truncated }
        }
        EventKind::Exit { group_dead } => FileKind::Exit { group_dead: *group_dead },
        EventKind::Dead => FileKind::Dead,
        EventKind::Continued => FileKind::Continued,
        EventKind::Stopped { signal } => FileKind::Stopped { signal: FileSignal(*signal) },
        EventKind::Freed { task } => FileKind::Freed { task: (*task).into() },
        EventKind::SignalGenerated(signal) => generated_to_file(*signal),
        EventKind::SignalDelivered { signal, code, disposition } => {
            FileKind::SignalDelivered { signal: FileSignal(*signal), code: *code, disposition: (*disposition).into() }
        }
        EventKind::Enter { call, target_unknown } => {
            FileKind::Enter { call: (*call).into(), target_unknown: *target_unknown }
        }
        EventKind::Leave(leave) => leave_to_file(leave, base),
        EventKind::Snapshot { args } => FileKind::Snapshot { args: strings(args) },
        EventKind::SnapshotEnd { from, coverage } => FileKind::SnapshotEnd {
            from: from.0,
            complete: *coverage == Coverage::All,
            followed: *coverage == Coverage::Followed,
        },
        EventKind::ClockAnchor { unix_ns } => FileKind::ClockAnchor { unix_ns: Wide(*unix_ns) },
        EventKind::Gap(Gap { from, until, lost, cause, probes }) => FileKind::Gap {
            from: relative(*from, base),
            until: relative(*until, base),
            lost: *lost,
            cause: (*cause).into(),
            probes: probes.clone(),
        },
        EventKind::Inspected(inspection) => FileKind::Inspected((&**inspection).into()),
        EventKind::Attribute(attribute) => FileKind::Attribute((*attribute).into()),
    }
}

fn generated_to_file(generated: SignalGenerated) -> FileKind {
    let SignalGenerated { signal, origin, process_directed, outcome, disposition, blocked, at_delivery } = generated;
    FileKind::SignalGenerated {
        signal: FileSignal(signal),
        origin: match origin {
            SignalOrigin::KernelAsUser => FileOrigin::KernelAsUser,
            SignalOrigin::Kernel => FileOrigin::Kernel,
            SignalOrigin::Info(code) => FileOrigin::Info(code),
        },
        process_directed,
        outcome: outcome.into(),
        disposition: disposition.into(),
        blocked,
        at_delivery,
    }
}

fn leave_to_file(leave: &Leave, base: BootNs) -> FileKind {
    let Leave { call, ret, entered, enter_emitted, target_unknown, waited } = leave;
    FileKind::Leave {
        call: (*call).into(),
        ret: *ret,
        entered: entered.map(|(seq, at)| FileEntered { seq: seq.0, at: relative(at, base) }),
        enter_emitted: *enter_emitted,
        target_unknown: *target_unknown,
        waited: waited.map(|Waited { child, status, left_waitable }| FileWaited {
            child: child.into(),
            status: status.into(),
            left_waitable,
        }),
    }
}

fn kind_from_file(kind: FileKind, base: BootNs) -> EventKind {
    match kind {
        FileKind::NewTask { flags } => EventKind::NewTask { flags },
        FileKind::Exec { old_tid, args, truncated } => {
            EventKind::Exec { old_tid: Tid(old_tid), args: bytes(args), truncated }
        }
        FileKind::Exit { group_dead } => EventKind::Exit { group_dead },
        FileKind::Dead => EventKind::Dead,
        FileKind::Continued => EventKind::Continued,
        FileKind::Stopped { signal } => EventKind::Stopped { signal: signal.0 },
        FileKind::Freed { task } => EventKind::Freed { task: task.into() },
        FileKind::SignalGenerated { signal, origin, process_directed, outcome, disposition, blocked, at_delivery } => {
            EventKind::SignalGenerated(SignalGenerated {
                signal: signal.0,
                origin: match origin {
                    FileOrigin::KernelAsUser => SignalOrigin::KernelAsUser,
                    FileOrigin::Kernel => SignalOrigin::Kernel,
                    FileOrigin::Info(code) => SignalOrigin::Info(code),
                },
                process_directed,
                outcome: outcome.into(),
                disposition: disposition.into(),
                blocked,
                at_delivery,
            })
        }
        FileKind::SignalDelivered { signal, code, disposition } => {
            EventKind::SignalDelivered { signal: signal.0, code, disposition: disposition.into() }
        }
        FileKind::Enter { call, target_unknown } => EventKind::Enter { call: call.into(), target_unknown },
        FileKind::Leave { call, ret, entered, enter_emitted, target_unknown, waited } => EventKind::Leave(Leave {
            call: call.into(),
            ret,
            entered: entered.map(|e| (Seq(e.seq), absolute(e.at, base))),
            enter_emitted,
            target_unknown,
            waited: waited.map(|w| Waited {
                child: w.child.into(),
                status: w.status.into(),
                left_waitable: w.left_waitable,
            }),
        }),
        FileKind::Snapshot { args } => EventKind::Snapshot { args: bytes(args) },
        FileKind::SnapshotEnd { from, complete, followed } => {
            let some = if followed { Coverage::Followed } else { Coverage::Some };
            EventKind::SnapshotEnd { from: Seq(from), coverage: if complete { Coverage::All } else { some } }
        }
        FileKind::ClockAnchor { unix_ns } => EventKind::ClockAnchor { unix_ns: unix_ns.0 },
        FileKind::Gap { from, until, lost, cause, probes } => EventKind::Gap(Gap {
            from: absolute(from, base),
            until: absolute(until, base),
            lost,
            cause: cause.into(),
            probes,
        }),
        FileKind::Inspected(inspection) => EventKind::Inspected(Box::new(inspection.into())),
        FileKind::Attribute(attribute) => EventKind::Attribute(attribute.into()),
    }
}

impl From<RawTask> for FileTask {
    fn from(task: RawTask) -> Self {
        Self { pid: task.pid.0, tid: short_tid(task.pid, task.tid), start: Wide(task.start.0) }
    }
}

impl From<FileTask> for RawTask {
    fn from(file: FileTask) -> Self {
        Self { pid: Pid(file.pid), tid: Tid(file.tid.unwrap_or(file.pid)), start: BootNs(file.start.0) }
    }
}

impl From<&State> for FileState {
    fn from(state: &State) -> Self {
        Self {
            pid: state.id.pid.0,
            tid: short_tid(state.id.pid, state.id.tid),
            start: Wide(state.id.start.0),
            comm: FileBytes::from(&*state.comm.0),
            ino: Wide(state.ino),
            parent: state.parent.into(),
            parent_pgid: state.parent_pgrp.number,
            parent_pgid_ino: Wide(state.parent_pgrp.ino),
            parent_sid: state.parent_session.0,
            pgid: state.pgrp.number,
            pgid_ino: Wide(state.pgrp.ino),
            sid: state.session.number,
            sid_ino: Wide(state.session.ino),
            tty: state.tty.map(Into::into),
            tty_old_pgrp: state.tty_old_pgrp.0,
            signal_flags: state.signal_flags,
            exit_state: state.exit_state,
            task_exit_state: state.task_exit_state,
            exit_code: state.exit_code,
            group_exit_code: state.group_exit_code,
            task_flags: state.task_flags,
            jobctl: state.jobctl,
            live: state.live,
            facts: FileFacts(state.facts),
            uid: state.uid.0,
            namespace: state.namespace.map(Into::into),
            cgroup: Wide(state.cgroup),
        }
    }
}

impl From<FileState> for State {
    fn from(file: FileState) -> Self {
        Self {
            id: FileTask { pid: file.pid, tid: file.tid, start: file.start }.into(),
            ino: file.ino.0,
            parent: file.parent.into(),
            parent_pgrp: RawId { number: file.parent_pgid, ino: file.parent_pgid_ino.0 },
            parent_session: Sid(file.parent_sid),
            pgrp: RawId { number: file.pgid, ino: file.pgid_ino.0 },
            session: RawId { number: file.sid, ino: file.sid_ino.0 },
            tty: file.tty.map(Into::into),
            tty_old_pgrp: Pgid(file.tty_old_pgrp),
            signal_flags: file.signal_flags,
            exit_state: file.exit_state,
            task_exit_state: file.task_exit_state,
            exit_code: file.exit_code,
            group_exit_code: file.group_exit_code,
            task_flags: file.task_flags,
            jobctl: file.jobctl,
            live: file.live,
            facts: file.facts.0,
            uid: Uid(file.uid),
            namespace: file.namespace.map(Into::into),
            cgroup: file.cgroup.0,
            comm: Comm(Vec::from(file.comm).into()),
        }
    }
}

impl From<Namespace> for FileNamespace {
    fn from(namespace: Namespace) -> Self {
        let Namespace { inum, level, pid, pgid, sid } = namespace;
        Self { inum, level, pid: pid.0, pgid: pgid.0, sid: sid.0 }
    }
}

impl From<FileNamespace> for Namespace {
    fn from(file: FileNamespace) -> Self {
        let FileNamespace { inum, level, pid, pgid, sid } = file;
        Self { inum, level, pid: Pid(pid), pgid: Pgid(pgid), sid: Sid(sid) }
    }
}

impl From<TtyState> for FileTty {
    fn from(state: TtyState) -> Self {
        let TtyState { tty: RawTty { major, minor, instance }, foreground, foreground_empty, session } = state;
        Self {
            major,
            minor,
            instance,
            foreground: foreground.number,
            foreground_ino: Wide(foreground.ino),
            foreground_empty,
            session: session.0,
        }
    }
}

impl From<FileTty> for TtyState {
    fn from(file: FileTty) -> Self {
        Self {
            tty: RawTty { major: file.major, minor: file.minor, instance: file.instance },
            foreground: RawId { number: file.foreground, ino: file.foreground_ino.0 },
            foreground_empty: file.foreground_empty,
            session: Sid(file.session),
        }
    }
}

/// Conversions of enums whose variants have the same names on both sides.
macro_rules! same_names {
    ($($model:ident = $file:ident { $($variant:ident)* })*) => {$(
        impl From<$model> for $file {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => Self::$variant,)* }
            }
        }
        impl From<$file> for $model {
            fn from(value: $file) -> Self {
                match value { $($file::$variant => Self::$variant,)* }
            }
        }
    )*};
}

same_names! {
    SignalOutcome = FileOutcome { Delivered Ignored AlreadyPending Overflow InfoLost }
    Disposition = FileDisposition { Default Ignored Handler }
    GapCause = FileGapCause { MissingSequence Recursion UnpairedCall MapFull Malformed Late }
}
