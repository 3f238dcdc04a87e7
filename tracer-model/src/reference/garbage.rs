//! Events from nowhere: every kind, with numbers small enough to collide.

use proptest::{collection::vec, option, prelude::*};

use crate::{
    event::{
        Attribute, Call, Comm, Coverage, Disposition, Event, EventKind, Facts, Gap, GapCause, Leave, Namespace, RawId,
        RawTask, SignalGenerated, SignalOrigin, SignalOutcome, State, TtyRequest, TtyState, WaitStatus, Waited,
        inspection::{Access, Descriptor, Descriptors, Directory, Inspection, Moment, Status, Target, Unread},
    },
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid, Uid},
};

fn task() -> impl Strategy<Value = RawTask> {
    (0_u32..7, 0_u32..7, 0_u64..4).prop_map(|(pid, tid, start)| {
        let tid = if tid < 5 { pid } else { tid };
        RawTask { pid: Pid(pid), tid: Tid(tid), start: BootNs(start) }
    })
}

fn raw_id() -> impl Strategy<Value = RawId> {
    (0_u32..7, 0_u64..4).prop_map(|(number, ino)| RawId { number, ino })
}

fn tty() -> impl Strategy<Value = TtyState> {
    (0_u32..2, raw_id(), any::<bool>(), 0_u32..7).prop_map(|(minor, foreground, foreground_empty, session)| TtyState {
        tty: RawTty { major: 136, minor, instance: 1 },
        foreground,
        foreground_empty,
        session: Sid(session),
    })
}

fn coverage() -> impl Strategy<Value = Coverage> {
    prop::sample::select(vec![Coverage::Some, Coverage::Followed, Coverage::All])
}

fn facts() -> impl Strategy<Value = Facts> {
    any::<[bool; 10]>().prop_map(|bits| Facts {
        session_leader: bits[0],
        subreaper: bits[1],
        no_subreaper_above: bits[9],
        single_thread: bits[2],
        parent_is_init: bits[3],
        ttou_ignored_or_blocked: bits[4],
        ttin_ignored_or_blocked: bits[5],
        auto_reaps_children: bits[6],
        hup_ignored: bits[7],
        unreadable: bits[8] && bits[7] && bits[6],
    })
}

fn state() -> impl Strategy<Value = State> {
    let who = (task(), 0_u64..4, (task(), raw_id(), 0_u32..7), raw_id(), raw_id(), option::of(tty()), 0_u32..7);
    let flags =
        (prop::sample::select(vec![0, 1, 4, 0x22]), prop::sample::select(vec![0, 0, 0, 0x10, 0x20]), any::<i32>());
    let rest = (facts(), option::weighted(0.2, (0_u32..3, 0_u32..2, 0_u32..4)), vec(any::<u8>(), 0..3));
    let flags = (flags, prop::sample::select(vec![0, 0x40, 0x0020_0000]));
    (who, flags, rest).prop_map(
        |((id, ino, parent, pgrp, session, tty, old), ((sf, es, code), flags), (facts, ns, comm))| State {
            id,
            ino,
            parent: parent.0,
            parent_pgrp: parent.1,
            parent_session: Sid(parent.2),
            pgrp,
            session,
            tty,
            tty_old_pgrp: Pgid(old),
            signal_flags: sf,
            exit_state: es,
            task_exit_state: es,
            exit_code: code,
            group_exit_code: code,
            task_flags: flags,
            jobctl: 0,
            live: 1,
            facts,
            uid: Uid(0),
            namespace: ns.map(|(inum, level, pid)| Namespace { inum, level, pid: Pid(pid), ..Namespace::default() }),
            cgroup: 0,
            comm: Comm(comm.into()),
        },
    )
}

fn request() -> impl Strategy<Value = TtyRequest> {
    (0..TtyRequest::ALL.len()).prop_map(|row| TtyRequest::ALL[row].0)
}

fn call() -> impl Strategy<Value = Call> {
    let n = -3_i32..7;
    prop_oneof![
        4 => (n.clone(), n.clone()).prop_map(|(pid, pgid)| Call::Setpgid { pid, pgid }),
        2 => Just(Call::Setsid),
        2 => (n.clone(), 1_u32..24).prop_map(|(target, signal)| Call::Kill { target, signal }),
        1 => (n.clone(), n.clone(), 1_u32..24).prop_map(|(pid, tid, signal)| Call::Tgkill { pid, tid, signal }),
        1 => (n.clone(), 1_u32..24).prop_map(|(tid, signal)| Call::Tkill { tid, signal }),
        1 => (n.clone(), 1_u32..24).prop_map(|(pid, signal)| Call::Sigqueue { pid, signal }),
        1 => (n.clone(), n.clone(), 1_u32..24).prop_map(|(pid, tid, signal)| Call::Tgsigqueue { pid, tid, signal }),
        1 => (n.clone(), 1_u32..24, 0_u32..5).prop_map(|(pidfd, signal, flags)| Call::PidfdSendSignal { pidfd, signal, flags }),
        4 => (request(), n.clone()).prop_map(|(request, value)| Call::TtyIoctl { fd: 0, request, arg: 1, value }),
        2 => (n.clone(), 0_u32..11).prop_map(|(pid, options)| Call::Wait4 { pid, options }),
        1 => (n.clone(), 0_u32..11).prop_map(|(id, options)| Call::Waitid { idtype: 1, id, options }),
        1 => (0_u64..2).prop_map(|on| Call::SetSubreaper { on }),
        1 => (0_u32..70).prop_map(|signal| Call::SetParentDeathSignal { signal }),
        1 => Just(Call::Vhangup),
        1 => Just(Call::Open),
        1 => n.clone().prop_map(|fd| Call::Read { fd }),
        1 => n.prop_map(|fd| Call::Write { fd }),
    ]
}

fn status() -> impl Strategy<Value = WaitStatus> {
    prop_oneof![
        any::<i32>().prop_map(WaitStatus::from_word),
        Just(WaitStatus::Continued),
        any::<bool>().prop_map(|may_be_stop| WaitStatus::Unknown { may_be_stop }),
    ]
}

fn leave() -> impl Strategy<Value = Leave> {
    let waited = (task(), status(), any::<bool>());
    let ret = prop::sample::select(vec![0, 0, 0, 1, 2, 3, -1, -3, -5, -13, -22, -25, -512, i64::MIN]);
    let entered = option::of((0_u64..90, 0_u64..90));
    (call(), ret, entered, any::<bool>(), prop::bool::weighted(0.1), option::weighted(0.3, waited)).prop_map(
        |(call, ret, entered, enter_emitted, target_unknown, waited)| Leave {
            call,
            ret,
            entered: entered.map(|(seq, at)| (Seq(seq), BootNs(at))),
            enter_emitted,
            target_unknown,
            waited: waited.map(|(child, status, left_waitable)| Waited { child, status, left_waitable }),
        },
    )
}

fn disposition() -> impl Strategy<Value = Disposition> {
    prop::sample::select(vec![Disposition::Default, Disposition::Ignored, Disposition::Handler])
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![
        3 => prop::sample::select(vec![1, 2, 9, 15, 17, 18, 19, 20, 21, 22, 28]),
        1 => 0_u32..70
    ]
    .prop_map(Signal)
}

fn generated() -> impl Strategy<Value = SignalGenerated> {
    let origin = prop_oneof![
        Just(SignalOrigin::KernelAsUser),
        Just(SignalOrigin::Kernel),
        prop::sample::select(vec![0, -6, -1, -2, 1, 5, 6, 128]).prop_map(SignalOrigin::Info),
    ];
    let outcome = prop::sample::select(vec![
        SignalOutcome::Delivered,
        SignalOutcome::Ignored,
        SignalOutcome::AlreadyPending,
        SignalOutcome::Overflow,
        SignalOutcome::InfoLost,
    ]);
    (signal(), origin, any::<bool>(), outcome, disposition(), any::<bool>()).prop_map(
        |(signal, origin, process_directed, outcome, disposition, blocked)| SignalGenerated {
            signal,
            origin,
            process_directed,
            outcome,
            disposition,
            blocked,
            at_delivery: blocked,
        },
    )
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let (fd, target) = (|| 0_u32..9, prop::sample::select(vec![Target::Null, Target::Terminal(TERMINAL)]));
    prop_oneof![
        (any::<bool>(), 0..3).prop_map(|(root, errno)| Attribute::Chdir { root, errno }),
        (fd(), fd()).prop_map(|(old, new)| Attribute::Umask { old, new }),
        (fd(), target.clone()).prop_map(|(fd, target)| Attribute::Open { fd, target }),
        (fd(), target).prop_map(|(fd, target)| Attribute::Dup { fd, target }),
        (fd(), fd()).prop_map(|(first, last)| Attribute::Close { first, last }),
        (signal(), disposition()).prop_map(|(signal, disposition)| Attribute::Sigaction { signal, disposition }),
        any::<(u64, u64)>().prop_map(|(old, new)| Attribute::Sigprocmask { old, new }),
    ]
}

const TERMINAL: RawTty = RawTty { major: 136, minor: 1, instance: 7 };

fn inspection() -> impl Strategy<Value = Inspection> {
    let moment =
        prop::sample::select(vec![Moment::Launch, Moment::Left, Moment::Settled, Moment::Asked, Moment::Refused]);
    let target = prop::sample::select(vec![
        Target::Null,
        Target::Terminal(TERMINAL),
        Target::Pipe,
        Target::File,
        Target::Anonymous,
    ]);
    let access = prop::sample::select(vec![Access::Read, Access::Write, Access::ReadWrite, Access::Path]);
    let descriptor = (0_u32..9, target, 0_u64..3, access, any::<bool>()).prop_map(
        |(number, target, inode, access, close_on_exec)| Descriptor {
            number,
            target,
            device: 5,
            inode,
            access,
            close_on_exec,
            listening: close_on_exec,
            path: vec![b'/', 0xff],
        },
    );
    let open = vec(descriptor, 0..3).prop_map(|open| Descriptors { open, more: 1, unread: None });
    (task(), moment, option::of(open), option::of(any::<u64>()), any::<bool>()).prop_map(
        |(task, moment, open, mask, other_mount)| {
            let status = mask.map(|blocked| Status { blocked, umask: 18, ..Status::default() });
            Inspection {
                descriptors: open.ok_or(Unread(13)),
                status: status.ok_or(Unread(3)),
                directory: Ok(Directory { path: b"/tmp".to_vec(), device: 1, inode: 2, other_mount }),
                marks: Ok(vec![b"TERM".to_vec()]),
                ..Inspection::unread(task, moment, Unread(1))
            }
        },
    )
}

fn kind() -> impl Strategy<Value = EventKind> {
    let word =
        || prop::sample::select(vec![b"sh".to_vec(), b"a b".to_vec(), vec![], vec![0xff, b'{'], b"x:41".to_vec()]);
    prop_oneof![
        4 => prop::sample::select(vec![0_u64, 0x8000, 0x0001_0000, 0x4100]).prop_map(|flags| EventKind::NewTask { flags }),
        1 => (0_u32..7, vec(word(), 0..3), any::<bool>())
            .prop_map(|(old, args, truncated)| EventKind::Exec { old_tid: Tid(old), args, truncated }),
        3 => any::<bool>().prop_map(|group_dead| EventKind::Exit { group_dead }),
        3 => Just(EventKind::Dead),
        1 => signal().prop_map(|signal| EventKind::Stopped { signal }),
        1 => Just(EventKind::Continued),
        1 => task().prop_map(|task| EventKind::Freed { task }),
        4 => generated().prop_map(EventKind::SignalGenerated),
        1 => (signal(), any::<i32>(), disposition())
            .prop_map(|(signal, code, disposition)| EventKind::SignalDelivered { signal, code, disposition }),
        4 => (call(), prop::bool::weighted(0.1))
            .prop_map(|(call, target_unknown)| EventKind::Enter { call, target_unknown }),
        6 => leave().prop_map(EventKind::Leave),
        2 => vec(word(), 0..2).prop_map(|args| EventKind::Snapshot { args }),
        1 => (0_u64..90, coverage()).prop_map(|(from, coverage)| EventKind::SnapshotEnd { from: Seq(from), coverage }),
        1 => any::<i64>().prop_map(|unix_ns| EventKind::ClockAnchor { unix_ns }),
        1 => inspection().prop_map(|it| EventKind::Inspected(Box::new(it))),
        1 => attribute().prop_map(EventKind::Attribute),
        1 => (0_u64..90, 0_u64..90, 0_u64..9).prop_map(|(from, until, lost)| EventKind::Gap(Gap {
            from: BootNs(from),
            until: BootNs(until),
            lost,
            cause: GapCause::Late,
            probes: vec![("exit".into(), lost)],
        })),
    ]
}

/// Any event.
pub fn event() -> impl Strategy<Value = Event> {
    (0_u64..90, 0_u64..90, 0_u16..3, task(), vec(any::<u8>(), 0..2), option::weighted(0.9, state()), kind()).prop_map(
        |(seq, at, cpu, actor, comm, subject, kind)| Event {
            seq: Seq(seq),
            at: BootNs(at),
            cpu,
            actor,
            actor_comm: Comm(comm.into()),
            subject: subject.map(Box::new),
            kind,
        },
    )
}
