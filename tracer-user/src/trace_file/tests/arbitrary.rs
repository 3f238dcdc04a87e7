//! Arbitrary events: every kind, every number, every byte.

use proptest::{collection::vec, option, prelude::*, strategy::Union};
use tracer_model::{
    event::{
        Attribute, Call, Comm, Coverage, Disposition, Event, EventKind, Facts, Gap, GapCause, Leave, Namespace, RawId,
        RawTask, SignalGenerated, SignalOrigin, SignalOutcome, State, TtyRequest, TtyState, WaitStatus, Waited,
        inspection::{Access, Descriptor, Descriptors, Directory, Inspection, Known, Moment, Status, Target, Unread},
    },
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid, Uid},
};

/// A name or an argument: often plain, often hostile.
fn bytes() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        Just(b"bash".to_vec()),
        Just(b"\x1b]0;pwned\x07\xff".to_vec()),
        Just("\u{202e}\u{9b}31m\u{2028}\\\"".as_bytes().to_vec()),
        vec(any::<u8>(), 0..20),
        ".{0,12}".prop_map(String::into_bytes),
    ]
    .boxed()
}

fn args() -> BoxedStrategy<Vec<Vec<u8>>> {
    vec(bytes(), 0..4).boxed()
}

fn number<T>(make: fn(u32) -> T) -> impl Strategy<Value = T>
where
    T: std::fmt::Debug,
{
    prop_oneof![0..5u32, any::<u32>()].prop_map(make)
}

fn boot() -> impl Strategy<Value = BootNs> {
    prop_oneof![Just(0), 0..1_000_000_000_u64, any::<u64>()].prop_map(BootNs)
}

fn task() -> impl Strategy<Value = RawTask> {
    (number(Pid), number(Tid), boot()).prop_map(|(pid, tid, start)| RawTask { pid, tid, start })
}

fn id() -> impl Strategy<Value = RawId> {
    (number(|n| n), prop_oneof![Just(0), any::<u64>()]).prop_map(|(number, ino)| RawId { number, ino })
}

fn tty() -> impl Strategy<Value = TtyState> {
    (number(|n| n), number(|n| n), number(|n| n), id(), any::<bool>(), number(Sid)).prop_map(
        |(major, minor, instance, foreground, foreground_empty, session)| TtyState {
            tty: RawTty { major, minor, instance },
            foreground,
            foreground_empty,
            session,
        },
    )
}

fn facts() -> impl Strategy<Value = Facts> {
    any::<[bool; 10]>().prop_map(|f| Facts {
        session_leader: f[0],
        subreaper: f[1],
        single_thread: f[2],
        parent_is_init: f[3],
        ttou_ignored_or_blocked: f[4],
        ttin_ignored_or_blocked: f[5],
        auto_reaps_children: f[6],
        hup_ignored: f[7],
        unreadable: f[8],
        no_subreaper_above: f[9],
    })
}

fn state() -> impl Strategy<Value = State> {
    let parent = (task(), id(), number(Sid));
    let ids = (task(), any::<u64>(), parent, id(), id(), option::of(tty()), number(Pgid));
    let words = any::<[u32; 5]>();
    let codes = any::<[i32; 3]>();
    let namespace = (number(|n| n), any::<u32>(), number(Pid), number(Pgid), number(Sid));
    let namespace =
        option::of(namespace.prop_map(|(inum, level, pid, pgid, sid)| Namespace { inum, level, pid, pgid, sid }));
    (ids, words, codes, facts(), number(Uid), namespace, any::<u64>(), bytes()).prop_map(
        |((id, ino, parent, pgrp, session, tty, tty_old_pgrp), w, c, facts, uid, namespace, cgroup, comm)| State {
            id,
            ino,
            parent: parent.0,
            parent_pgrp: parent.1,
            parent_session: parent.2,
            pgrp,
            session,
            tty,
            tty_old_pgrp,
            signal_flags: w[0],
            exit_state: w[1],
            task_exit_state: w[2],
            task_flags: w[3],
            jobctl: w[4],
            exit_code: c[0],
            group_exit_code: c[1],
            live: c[2],
            facts,
            uid,
            namespace,
            cgroup,
            comm: Comm(comm.into()),
        },
    )
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![0..70u32, any::<u32>()].prop_map(Signal)
}

fn disposition() -> impl Strategy<Value = Disposition> {
    prop_oneof![Just(Disposition::Default), Just(Disposition::Ignored), Just(Disposition::Handler)]
}

fn generated() -> impl Strategy<Value = SignalGenerated> {
    let origin = prop_oneof![
        Just(SignalOrigin::KernelAsUser),
        Just(SignalOrigin::Kernel),
        any::<i32>().prop_map(SignalOrigin::Info)
    ];
    let outcome = prop_oneof![
        Just(SignalOutcome::Delivered),
        Just(SignalOutcome::Ignored),
        Just(SignalOutcome::AlreadyPending),
        Just(SignalOutcome::Overflow),
        Just(SignalOutcome::InfoLost)
    ];
    (signal(), origin, any::<bool>(), outcome, disposition(), any::<bool>()).prop_map(
        |(signal, origin, process_directed, outcome, disposition, blocked)| SignalGenerated {
            signal,
            origin,
            process_directed,
            outcome,
            disposition,
            blocked,
            at_delivery: process_directed && blocked,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let request = (0..TtyRequest::ALL.len()).prop_map(|n| TtyRequest::ALL[n].0);
    (any::<[i32; 2]>(), any::<[u32; 2]>(), prop_oneof![0..65u32, any::<u32>()], any::<u64>(), request, 0..17u8)
        .prop_map(|([a, b], [u, v], signal, arg, request, which)| match which {
            0 => Call::Setpgid { pid: a, pgid: b },
            1 => Call::Setsid,
            2 => Call::Kill { target: a, signal },
            3 => Call::Tkill { tid: a, signal },
            4 => Call::Tgkill { pid: a, tid: b, signal },
            5 => Call::Sigqueue { pid: a, signal },
            6 => Call::Tgsigqueue { pid: a, tid: b, signal },
            7 => Call::PidfdSendSignal { pidfd: a, signal, flags: u },
            8 => Call::TtyIoctl { fd: a, request, arg, value: b },
            9 => Call::Wait4 { pid: a, options: u },
            10 => Call::Waitid { idtype: u, id: a, options: v },
            11 => Call::SetSubreaper { on: arg },
            12 => Call::SetParentDeathSignal { signal },
            13 => Call::Vhangup,
            14 => Call::Open,
            15 => Call::Read { fd: a },
            _ => Call::Write { fd: a },
        })
}

fn wait_status() -> impl Strategy<Value = WaitStatus> {
    prop_oneof![
        any::<i32>().prop_map(WaitStatus::Exited),
        (signal(), any::<bool>()).prop_map(|(signal, core)| WaitStatus::Killed { signal, core }),
        signal().prop_map(WaitStatus::Stopped),
        Just(WaitStatus::Continued),
        any::<bool>().prop_map(|may_be_stop| WaitStatus::Unknown { may_be_stop }),
    ]
}

fn leave() -> impl Strategy<Value = Leave> {
    let waited = (task(), wait_status(), any::<bool>()).prop_map(|(child, status, left_waitable)| Waited {
        child,
        status,
        left_waitable,
    });
    let entered = option::of((any::<u64>().prop_map(Seq), boot()));
    (call(), any::<i64>(), entered, any::<bool>(), any::<bool>(), option::of(waited)).prop_map(
        |(call, ret, entered, enter_emitted, target_unknown, waited)| Leave {
            call,
            ret,
            entered,
            enter_emitted,
            target_unknown,
            waited,
        },
    )
}

fn gap() -> impl Strategy<Value = Gap> {
    let cause = prop_oneof![
        Just(GapCause::MissingSequence),
        Just(GapCause::Recursion),
        Just(GapCause::UnpairedCall),
        Just(GapCause::MapFull),
        Just(GapCause::Malformed),
        Just(GapCause::Late)
    ];
    (boot(), boot(), any::<u64>(), cause, vec((".{0,8}", any::<u64>()), 0..3))
        .prop_map(|(from, until, lost, cause, probes)| Gap { from, until, lost, cause, probes })
}

fn known<T: Clone + std::fmt::Debug + 'static>(fact: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Known<T>> {
    prop_oneof![3 => fact.prop_map(Ok), 1 => any::<i32>().prop_map(|errno| Err(Unread(errno)))].boxed()
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let fd = || number(|n| n);
    prop_oneof![
        (any::<bool>(), any::<i32>()).prop_map(|(root, errno)| Attribute::Chdir { root, errno }),
        (fd(), fd()).prop_map(|(old, new)| Attribute::Umask { old, new }),
        (fd(), target()).prop_map(|(fd, target)| Attribute::Open { fd, target }),
        (fd(), target()).prop_map(|(fd, target)| Attribute::Dup { fd, target }),
        (fd(), fd()).prop_map(|(first, last)| Attribute::Close { first, last }),
        (signal(), disposition()).prop_map(|(signal, disposition)| Attribute::Sigaction { signal, disposition }),
        any::<(u64, u64)>().prop_map(|(old, new)| Attribute::Sigprocmask { old, new }),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    let terminal = (number(|n| n), number(|n| n), number(|n| n))
        .prop_map(|(major, minor, instance)| Target::Terminal(RawTty { major, minor, instance }));
    prop_oneof![
        terminal,
        prop::sample::select(vec![
            Target::Null,
            Target::Pipe,
            Target::Socket,
            Target::File,
            Target::Directory,
            Target::Device,
            Target::Anonymous,
        ])
    ]
}

fn descriptor() -> impl Strategy<Value = Descriptor> {
    let access = prop::sample::select(vec![Access::Read, Access::Write, Access::ReadWrite, Access::Path]);
    (number(|n| n), target(), any::<[u64; 2]>(), access, any::<[bool; 2]>(), bytes()).prop_map(
        |(number, target, [device, inode], access, [close_on_exec, listening], path)| Descriptor {
            number,
            target,
            device,
            inode,
            access,
            close_on_exec,
            listening,
            path,
        },
    )
}

fn inspection() -> impl Strategy<Value = Inspection> {
    let unread = proptest::option::of(number(|n| Unread(n.cast_signed())));
    let descriptors = (vec(descriptor(), 0..4), number(|n| n), unread).prop_map(|(open, more, unread)| Descriptors {
        open,
        more,
        unread,
    });
    let status = (any::<[u32; 6]>(), any::<[u64; 5]>(), any::<u8>()).prop_map(|(small, wide, state)| Status {
        umask: small[0],
        blocked: wide[0],
        ignored: wide[1],
        caught: wide[2],
        uids: [small[1], small[2]],
        gids: [small[3], small[4]],
        capabilities: [wide[3], wide[4]],
        inner_pid: small[5],
        state,
    });
    let directory = (bytes(), any::<[u64; 2]>(), any::<bool>())
        .prop_map(|(path, [device, inode], other_mount)| Directory { path, device, inode, other_mount });
    let moment =
        prop::sample::select(vec![Moment::Launch, Moment::Left, Moment::Settled, Moment::Asked, Moment::Refused]);
    (task(), moment, known(descriptors), known(status), known(directory), known(args()), known(bytes()), known(bytes()))
        .prop_map(|(task, moment, descriptors, status, directory, marks, cgroup, program)| Inspection {
            task,
            moment,
            descriptors,
            status,
            directory,
            marks,
            cgroup,
            program,
        })
}

/// One strategy for each kind.
pub(super) fn kinds() -> Vec<BoxedStrategy<EventKind>> {
    vec![
        any::<u64>().prop_map(|flags| EventKind::NewTask { flags }).boxed(),
        (number(Tid), args(), any::<bool>())
            .prop_map(|(old_tid, args, truncated)| EventKind::Exec { old_tid, args, truncated })
            .boxed(),
        any::<bool>().prop_map(|group_dead| EventKind::Exit { group_dead }).boxed(),
        Just(EventKind::Dead).boxed(),
        signal().prop_map(|signal| EventKind::Stopped { signal }).boxed(),
        Just(EventKind::Continued).boxed(),
        task().prop_map(|task| EventKind::Freed { task }).boxed(),
        generated().prop_map(EventKind::SignalGenerated).boxed(),
        (signal(), any::<i32>(), disposition())
            .prop_map(|(signal, code, disposition)| EventKind::SignalDelivered { signal, code, disposition })
            .boxed(),
        (call(), any::<bool>()).prop_map(|(call, target_unknown)| EventKind::Enter { call, target_unknown }).boxed(),
        leave().prop_map(EventKind::Leave).boxed(),
        args().prop_map(|args| EventKind::Snapshot { args }).boxed(),
        (any::<u64>(), prop::sample::select(vec![Coverage::Some, Coverage::Followed, Coverage::All]))
            .prop_map(|(from, coverage)| EventKind::SnapshotEnd { from: Seq(from), coverage })
            .boxed(),
        any::<i64>().prop_map(|unix_ns| EventKind::ClockAnchor { unix_ns }).boxed(),
        gap().prop_map(EventKind::Gap).boxed(),
        inspection().prop_map(|it| EventKind::Inspected(Box::new(it))).boxed(),
        attribute().prop_map(EventKind::Attribute).boxed(),
    ]
}

/// Any event.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let kind = Union::new(kinds());
    (any::<u64>(), boot(), any::<u16>(), task(), bytes(), option::of(state()), kind).prop_map(
        |(seq, at, cpu, actor, comm, subject, kind)| Event {
            seq: Seq(seq),
            at,
            cpu,
            actor,
            actor_comm: Comm(comm.into()),
            subject: subject.map(Box::new),
            kind,
        },
    )
}
