//! The bundle and the names in it.
//!
//! Must not: interpret. A number stays the number that the kernel held.

use tracer_common::record::{
    self, BIT_AUTO_REAPS_CHILDREN, BIT_FOREGROUND_EMPTY, BIT_HAS_SUBREAPER, BIT_HUP_IGNORED, BIT_PARENT_IS_INIT,
    BIT_SESSION_LEADER, BIT_SINGLE_THREAD, BIT_SUBREAPER, BIT_TTIN_IGNORED_OR_BLOCKED, BIT_TTOU_IGNORED_OR_BLOCKED,
    FLAG_STATE_UNREADABLE,
};
use tracer_model::{
    event::{Comm, Facts, Namespace, RawId, RawTask, State, TtyState},
    ids::{BootNs, Pgid, Pid, RawTty, Sid, Tid, Uid},
};

pub(super) fn task(id: record::TaskId) -> RawTask {
    RawTask { pid: Pid(id.tgid), tid: Tid(id.tid), start: BootNs(id.start) }
}

/// A name up to its NUL.
pub(super) fn comm(bytes: &[u8]) -> Comm {
    Comm(bytes.split(|&byte| byte == 0).next().unwrap_or_default().into())
}

/// A device number as the kernel keeps it: 12 bits of major, 20 of minor (`include/linux/kdev_t.h`).
fn tty(raw: &record::State) -> Option<TtyState> {
    (raw.tty_dev != 0).then_some(TtyState {
        tty: RawTty { major: raw.tty_dev >> 20, minor: raw.tty_dev & 0xf_ffff, instance: raw.tty_instance },
        foreground: RawId { number: raw.tty_foreground, ino: raw.tty_foreground_ino },
        foreground_empty: raw.bits & BIT_FOREGROUND_EMPTY != 0,
        session: Sid(raw.tty_session),
    })
}

pub(super) fn state(raw: &record::State, flags: u32) -> State {
    let bit = |mask: u32| raw.bits & mask != 0;
    State {
        id: task(raw.id),
        ino: raw.pid_ino,
        parent: task(raw.parent),
        parent_pgrp: RawId { number: raw.parent_pgid, ino: raw.parent_pgid_ino },
        parent_session: Sid(raw.parent_sid),
        pgrp: RawId { number: raw.pgid, ino: raw.pgid_ino },
        session: RawId { number: raw.sid, ino: raw.sid_ino },
        tty: tty(raw),
        tty_old_pgrp: Pgid(raw.tty_old_pgrp),
        signal_flags: raw.signal_flags,
        exit_state: raw.exit_state,
        task_exit_state: raw.task_exit_state,
        exit_code: raw.exit_code,
        group_exit_code: raw.group_exit_code,
        task_flags: raw.task_flags,
        jobctl: raw.jobctl,
        live: raw.live,
        facts: Facts {
            session_leader: bit(BIT_SESSION_LEADER),
            subreaper: bit(BIT_SUBREAPER),
            no_subreaper_above: !bit(BIT_HAS_SUBREAPER) && flags & FLAG_STATE_UNREADABLE == 0,
            single_thread: bit(BIT_SINGLE_THREAD),
            parent_is_init: bit(BIT_PARENT_IS_INIT),
            ttou_ignored_or_blocked: bit(BIT_TTOU_IGNORED_OR_BLOCKED),
            ttin_ignored_or_blocked: bit(BIT_TTIN_IGNORED_OR_BLOCKED),
            auto_reaps_children: bit(BIT_AUTO_REAPS_CHILDREN),
            hup_ignored: bit(BIT_HUP_IGNORED),
            unreadable: flags & FLAG_STATE_UNREADABLE != 0,
        },
        uid: Uid(raw.uid),
        namespace: (raw.ns_level != 0).then_some(Namespace {
            inum: raw.ns_inum,
            level: raw.ns_level,
            pid: Pid(raw.ns_pid),
            pgid: Pgid(raw.ns_pgid),
            sid: Sid(raw.ns_sid),
        }),
        cgroup: raw.cgroup,
        comm: comm(&raw.comm),
    }
}
