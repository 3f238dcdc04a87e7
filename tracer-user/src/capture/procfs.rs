//! Processes from `/proc`: the snapshot of those who may not run the task iterator, and the tests' second opinion.
//!
//! `/proc` is read one process after the other, so its whole is of no single instant; a process that vanishes on the way is
//! left out. It knows no subreapers, no devpts instances and no empty foreground groups, its start times are in steps of
//! 10 ms, and its numbers are those of the reader's pid namespace.
//! Must not: fail because of a process.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use tracer_model::{
    event::{
        Comm, Coverage, EXIT_DEAD, EXIT_ZOMBIE, Event, EventKind, Facts, Namespace, RawId, RawTask,
        SIGNAL_STOP_STOPPED, State, TtyState,
    },
    ids::{BootNs, Pgid, Pid, RawTty, Seq, Sid, Signal, Tid, Uid},
};

use super::{boot_now, strings};

/// Nanoseconds in a clock tick of `/proc` (`USER_HZ` is 100 on every architecture that this program knows).
pub(super) const TICK_NS: u64 = 10_000_000;

/// Whether a start time of `/proc` can be this one.
#[must_use]
pub fn same_tick(proc: BootNs, exact: BootNs) -> bool {
    proc.0 / TICK_NS == exact.0 / TICK_NS
}

/// Every process, as snapshot events numbered from 1, and the end of the run. `arguments` adds the command lines.
#[must_use]
pub fn snapshot(arguments: bool) -> Vec<Event> {
    let mut states: BTreeMap<Pid, State> = pids().filter_map(|pid| Some((pid, read(pid)?))).collect();
    let jobs: BTreeMap<Pid, _> =
        states.iter().map(|(pid, state)| (*pid, (state.id.start, state.pgrp, state.session.sid()))).collect();
    for state in states.values_mut() {
        let parent = jobs.get(&state.parent.pid).copied().unwrap_or_default();
        (state.parent.start, state.parent_pgrp, state.parent_session) = parent;
    }
    let args = |pid| if arguments { command_line(pid) } else { Vec::new() };
    let mut kinds: Vec<_> =
        states.into_iter().map(|(pid, state)| (Some(state), EventKind::Snapshot { args: args(pid) })).collect();
    kinds.push((None, EventKind::SnapshotEnd { from: Seq(1), coverage: Coverage::Some }));
    let at = boot_now();
    let numbered = (1..).map(Seq).zip(kinds);
    numbered
        .map(|(seq, (subject, kind))| Event {
            seq,
            at,
            cpu: 0,
            actor: RawTask::default(),
            actor_comm: Comm::default(),
            subject: subject.map(Box::new),
            kind,
        })
        .collect()
}

/// Bytes that hold nearly every file about a process.
const USUAL: usize = 4096;

/// The whole of a file in `/proc`. Such a file has no size, and what the standard library does not know the size of it reads in
/// small pieces: for `status` that is ten system calls instead of two.
pub(super) fn whole(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; USUAL];
    let mut length = 0;
    loop {
        let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) else {
            bytes.resize(2 * length, 0);
            continue;
        };
        match file.read(room) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The argument strings of a process; none for a kernel thread, a zombie, or one that is gone.
#[must_use]
pub fn command_line(pid: Pid) -> Vec<Vec<u8>> {
    strings(&whole(format!("/proc/{pid}/cmdline")).unwrap_or_default())
}

/// One process. `None` when it is gone, or hidden.
#[must_use]
pub fn read(pid: Pid) -> Option<State> {
    let directory = Path::new("/proc").join(pid.to_string());
    let mut state = parse_stat(&whole(directory.join("stat")).ok()?)?;
    parse_status(&whole(directory.join("status")).ok()?, &mut state);
    if let Some(namespace) = &mut state.namespace {
        namespace.inum = pid_namespace(pid).unwrap_or_default();
    }
    Some(state)
}

/// What `/proc/PID/stat` alone has of a process.
#[must_use]
pub fn read_stat(pid: Pid) -> Option<State> {
    parse_stat(&whole(format!("/proc/{pid}/stat")).ok()?)
}

/// Whether a process is held by its tracer, also one that is stopped for job control besides.
#[must_use]
pub fn is_in_trace_stop(pid: Pid) -> bool {
    let stat = whole(format!("/proc/{pid}/stat")).unwrap_or_default();
    let close = stat.iter().rposition(|&byte| byte == b')');
    close.and_then(|close| stat.get(close + 2)) == Some(&b't')
}

/// Whether `/proc` has other numbers than this process knows others by: those of the pid namespace that it was mounted for.
#[must_use]
pub fn is_foreign() -> bool {
    fs::read_link("/proc/self").is_ok_and(|own| own.to_str() != Some(&std::process::id().to_string()))
}

/// The process of a thread, from `/proc/TID/status`. `None` when there is none of this number.
#[must_use]
pub fn process_of(tid: Tid) -> Option<Pid> {
    let text = whole(format!("/proc/{tid}/status")).ok()?;
    let lines = text.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(|line| line.strip_prefix("Tgid:")).find_map(|pid| pid.trim().parse().ok().map(Pid))
}

/// Whether the children that a process forks are in its own pid namespace.
pub(super) fn keeps_children(pid: Pid) -> bool {
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).ok();
    let own = link("pid");
    own.is_some() && own == link("pid_for_children")
}

/// Inode of the pid namespace of a process. `None` for those who may not trace the process, and when it is gone.
#[must_use]
pub fn pid_namespace(pid: Pid) -> Option<u32> {
    // pid:[4026531836]
    let link = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// What `/proc/PID/stat` has of every process.
pub fn states() -> impl Iterator<Item = State> {
    pids().filter_map(read_stat)
}

/// Every process that is listed.
pub(super) fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid))
}

/// `/proc/PID/stat` (`proc_pid_stat(5)`). The name may hold anything, brackets too, so it ends at the last one.
pub(super) fn parse_stat(bytes: &[u8]) -> Option<State> {
    let open = bytes.iter().position(|&byte| byte == b'(')?;
    let close = bytes.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(bytes.get(..open)?).ok()?.trim().parse().ok()?;
    let fields: Vec<&str> = std::str::from_utf8(bytes.get(close + 1..)?).ok()?.split_ascii_whitespace().collect();
    // Numbered as in the manual, where the state is field 3.
    let field = |number: usize| fields.get(number - 3).copied();
    let number = |at| field(at).and_then(|text| text.parse::<i64>().ok());
    let start = BootNs((number(22)? as u64).saturating_mul(TICK_NS));
    let session = number(6)? as u32;
    let threads = number(20)?;
    if threads == 0 {
        // It is being released, so that group, session and terminal are shown as none (fs/proc/array.c, `do_task_stat`).
        return None;
    }
    let run_state = field(3)?;
    let exit_state = match run_state {
        "Z" => EXIT_ZOMBIE,
        "X" | "x" => EXIT_DEAD,
        _ => 0,
    };
    let (stopped, code) = (run_state == "T", number(52).unwrap_or(0) as i32);
    Some(State {
        id: RawTask { pid: Pid(pid), tid: Tid(pid), start },
        parent: RawTask { pid: Pid(number(4)? as u32), tid: Tid(number(4)? as u32), start: BootNs(0) },
        pgrp: RawId { number: number(5)? as u32, ino: 0 },
        session: RawId { number: session, ino: 0 },
        tty: tty(number(7)?, number(8)?, session),
        signal_flags: if stopped { SIGNAL_STOP_STOPPED } else { 0 },
        exit_state,
        task_exit_state: exit_state,
        exit_code: code,
        // Of a stopped process it is the signal, until its parent has been told (`do_task_stat`).
        group_exit_code: if stopped { code } else { 0 },
        task_flags: number(9)? as u32,
        live: if exit_state == 0 { threads as i32 } else { 0 },
        facts: Facts {
            session_leader: pid == session,
            single_thread: threads == 1,
            parent_is_init: number(4)? == 1,
            ..Facts::default()
        },
        comm: Comm(bytes.get(open + 1..close)?.into()),
        ..State::default()
    })
}

/// `tty_nr` holds a device number as user space does: minor in bits 0-7 and 20-31, major in 8-19.
fn tty(device: i64, foreground: i64, session: u32) -> Option<TtyState> {
    let device = device as u32;
    (device != 0).then(|| TtyState {
        tty: RawTty { major: device >> 8 & 0xfff, minor: device & 0xff | device >> 12 & 0xf_ff00, instance: 0 },
        foreground: RawId { number: u32::try_from(foreground).unwrap_or(0), ino: 0 },
        foreground_empty: false,
        session: Sid(session),
    })
}

/// What `/proc/PID/status` adds. A line that is not there, or not understood, adds nothing.
pub(super) fn parse_status(bytes: &[u8], state: &mut State) {
    let mask = |value: &str| u64::from_str_radix(value.trim(), 16).unwrap_or(0);
    let has = |mask: u64, signal: Signal| mask >> (signal.0 - 1) & 1 != 0;
    let (mut ignored, mut blocked) = (0, 0);
    // The first line holds the name, which need not be UTF-8.
    for line in bytes.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key {
            "Uid" => {
                let real = value.split_ascii_whitespace().next();
                state.uid = Uid(real.and_then(|uid| uid.parse().ok()).unwrap_or(0));
            }
            "NSpid" => state.namespace = namespace(value),
            "NSpgid" => set_inside(&mut state.namespace, value, |inside, pgid| inside.pgid = Pgid(pgid)),
            "NSsid" => set_inside(&mut state.namespace, value, |inside, sid| inside.sid = Sid(sid)),
            "SigIgn" => ignored = mask(value),
            "SigBlk" => blocked = mask(value),
            _ => {}
        }
    }
    state.facts.hup_ignored = has(ignored, Signal::HUP);
    state.facts.ttou_ignored_or_blocked = has(ignored | blocked, Signal::TTOU);
    state.facts.ttin_ignored_or_blocked = has(ignored | blocked, Signal::TTIN);
    state.facts.auto_reaps_children = has(ignored, Signal::CHLD);
}

/// `NSpid` lists the number in the reader's namespace and in each one below it.
fn namespace(value: &str) -> Option<Namespace> {
    let numbers: Vec<u32> = value.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
    let level = numbers.len().checked_sub(1).filter(|level| *level > 0)?;
    Some(Namespace { level: level as u32, pid: Pid(*numbers.last()?), ..Namespace::default() })
}

/// The innermost number of a line like `NSpgid`, which comes after `NSpid`.
fn set_inside(namespace: &mut Option<Namespace>, value: &str, set: impl FnOnce(&mut Namespace, u32)) {
    let innermost = value.split_ascii_whitespace().next_back().and_then(|number| number.parse().ok());
    if let (Some(namespace), Some(number)) = (namespace, innermost) {
        set(namespace, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] =
        b"4711 (a) T 1 (b) T 4700 4710 4700 34819 4720 1077936128 0 0 0 0 1 2 3 4 20 0 1 0 30500 1 1 1 \
        1 1 1 1 1 1 1 1 1 1 0 0 17 1 0 0 0 0 0 1 1 1 1 1 1 1 256\n";

    #[test]
    fn a_file_is_read_whole_whatever_its_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in [0, 1, USUAL - 1, USUAL, USUAL + 1, 3 * USUAL] {
            let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
            fs::write(file.path(), &bytes).unwrap();
            assert_eq!(whole(file.path()).unwrap(), bytes);
        }
        assert_eq!(whole("/nonexistent").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn stat_is_read_past_a_name_that_looks_like_fields() {
        let state = parse_stat(STAT).unwrap();
        assert_eq!(state.comm.0, b"a) T 1 (b");
        assert_eq!((state.id.pid, state.parent.pid), (Pid(4711), Pid(4700)));
        assert_eq!((state.pgrp.number, state.session.number), (4710, 4700));
        assert_eq!(state.id.start, BootNs(305_000_000_000));
        assert!(state.is_stopped());
        assert_eq!(state.exit_code, 256);
        let tty = state.tty.unwrap();
        assert_eq!((tty.tty.major, tty.tty.minor, tty.foreground.number), (136, 3, 4720));
        for end in 0..STAT.len() - 40 {
            let _ = parse_stat(&STAT[..end]);
        }
    }

    #[test]
    fn large_minor_numbers_are_put_together() {
        assert_eq!(tty(0x1000_8801, -1, 1).unwrap().tty.minor, 0x1_0001);
        assert_eq!(tty(0x1000_8801, -1, 1).unwrap().foreground.number, 0);
        assert_eq!(tty(0, -1, 1), None);
    }

    #[test]
    fn status_adds_owner_namespace_and_dispositions() {
        let mut state = State::default();
        let status = b"Name:\t\xff\xfe\nUid:\t1000\t0\t0\t0\nNSpid:\t4711\t12\nNSpgid:\t4700\t3\nNSsid:\t4700\t0\nSigBlk:\t0000000000200000\nSigIgn:\t0000000000010001\n";
        parse_status(status, &mut state);
        assert_eq!(state.uid, Uid(1000));
        assert_eq!(state.namespace, Some(Namespace { level: 1, pid: Pid(12), pgid: Pgid(3), ..Namespace::default() }));
        assert!(state.facts.hup_ignored && state.facts.ttou_ignored_or_blocked && state.facts.auto_reaps_children);
        assert!(!state.facts.ttin_ignored_or_blocked);
        parse_status(b"NSpid:\t4711\n", &mut state);
        assert_eq!(state.namespace, None);
    }

    #[test]
    fn this_process_is_found() {
        let events = snapshot(true);
        let own = Pid(std::process::id());
        let event =
            events.iter().find(|event| event.subject.as_ref().is_some_and(|state| state.id.pid == own)).unwrap();
        let state = event.subject.as_ref().unwrap();
        let parent = nix::unistd::getppid().as_raw() as u32;
        assert_eq!((state.parent.pid, state.parent.start.0 > 0), (Pid(parent), true));
        assert_eq!(state.pgrp.number, nix::unistd::getpgrp().as_raw() as u32);
        assert!(matches!(&event.kind, EventKind::Snapshot { args } if !args.is_empty()));
        assert!(matches!(events.last().unwrap().kind, EventKind::SnapshotEnd { coverage: Coverage::Some, .. }));
        assert_eq!(read(Pid(u32::MAX)), None);
    }
}
