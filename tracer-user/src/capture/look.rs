//! A look at the machine as it is, without probes and without stopping anybody: the snapshot of `/proc`, the calls that some
//! processes are in, and what else is shown of one of them.
//!
//! It needs no privilege for the processes of the same user, and says what it could not see of others. Must not: fail because
//! of a process, or disturb one.

use std::{collections::BTreeSet, fs, io, os::unix::ffi::OsStringExt as _};

use tracer_model::{
    event::{Call, Comm, Coverage, Event, EventKind, RawTask, SIGNAL_STOP_STOPPED, State, TtyRequest},
    findings::{Doing, Look, words::Word},
    ids::{BootNs, Pid, Seq, Signal, Tid},
};

use super::{facts, held::is_terminal, procfs};

const CAP_SYS_PTRACE: u32 = 19;

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Its first argument is a descriptor.
    Descriptor,
    /// The same, and its second a request.
    Ioctl,
    /// Nothing that is shown.
    Nothing,
}

/// Calls that processes are found in, by number.
const CALLS: &[(libc::c_long, &str, About)] = &[
    (libc::SYS_read, "read", About::Descriptor),
    (libc::SYS_readv, "readv", About::Descriptor),
    (libc::SYS_write, "write", About::Descriptor),
    (libc::SYS_writev, "writev", About::Descriptor),
    (libc::SYS_ioctl, "ioctl", About::Ioctl),
    (libc::SYS_flock, "flock", About::Descriptor),
    (libc::SYS_fcntl, "fcntl", About::Descriptor),
    (libc::SYS_accept, "accept", About::Descriptor),
    (libc::SYS_accept4, "accept4", About::Descriptor),
    (libc::SYS_connect, "connect", About::Descriptor),
    (libc::SYS_recvfrom, "recvfrom", About::Descriptor),
    (libc::SYS_recvmsg, "recvmsg", About::Descriptor),
    (libc::SYS_sendmsg, "sendmsg", About::Descriptor),
    (libc::SYS_epoll_pwait, "epoll_pwait", About::Descriptor),
    (libc::SYS_ppoll, "ppoll", About::Nothing),
    (libc::SYS_pselect6, "pselect", About::Nothing),
    (libc::SYS_futex, "futex", About::Nothing),
    (libc::SYS_nanosleep, "nanosleep", About::Nothing),
    (libc::SYS_clock_nanosleep, "clock_nanosleep", About::Nothing),
    (libc::SYS_restart_syscall, "restart_syscall", About::Nothing),
    (libc::SYS_rt_sigsuspend, "sigsuspend", About::Nothing),
    (libc::SYS_rt_sigtimedwait, "sigtimedwait", About::Nothing),
    (libc::SYS_wait4, "wait4", About::Nothing),
    (libc::SYS_waitid, "waitid", About::Nothing),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll", About::Nothing),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_select, "select", About::Nothing),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait", About::Descriptor),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_pause, "pause", About::Nothing),
];

/// Requests that change a terminal, which a background process is stopped for (`tty_check_change`), beside
/// [`TtyRequest::ALL`].
const CHANGES: [(u64, &str); 10] = [
    (0x5402, "TCSETS"),
    (0x5403, "TCSETSW"),
    (0x5404, "TCSETSF"),
    (0x5406, "TCSETA"),
    (0x5409, "TCSBRK"),
    (0x540a, "TCXONC"),
    (0x540b, "TCFLSH"),
    (0x402c_542b, "TCSETS2"),
    (0x402c_542c, "TCSETSW2"),
    (0x402c_542d, "TCSETSF2"),
];

/// The machine now, as events: every process, and the waits of those that hang together with one. And what a look at that one
/// tells beside them. `None`: there is no such process.
#[must_use]
pub fn look(pid: Pid) -> Option<(Vec<Event>, Look)> {
    let mut events = procfs::snapshot(true);
    for state in events.iter_mut().filter_map(|event| event.subject.as_deref_mut()) {
        held(state);
    }
    let states: Vec<State> = events.iter().filter_map(|event| event.subject.as_deref().cloned()).collect();
    let own = states.iter().find(|state| state.id.pid == pid)?;
    // Whoever sees pid 1 sees every process of the namespace (hidepid hides that of others first of all).
    let sees_all = states.iter().any(|state| state.id.pid == Pid(1));
    if let Some(EventKind::SnapshotEnd { coverage, .. }) = events.last_mut().map(|event| &mut event.kind)
        && sees_all
    {
        *coverage = Coverage::All;
    }
    for state in family(&states, pid) {
        enters(state, &mut events);
    }
    Some((events, facts(own)))
}

/// Who has a tracer is stopped for job control inside it, and shown as held by it (`do_jobctl_trap`, kernel/signal.c).
fn held(state: &mut State) {
    if procfs::is_in_trace_stop(state.id.pid) {
        state.signal_flags |= SIGNAL_STOP_STOPPED;
        state.group_exit_code = state.exit_code;
    }
}

/// A process, its ancestors and its descendants.
fn family(states: &[State], pid: Pid) -> Vec<&State> {
    let parent = |pid: Pid| states.iter().find(|state| state.id.pid == pid).map(|state| state.parent.pid);
    let mut members = BTreeSet::from([pid]);
    let mut above = parent(pid);
    while let Some(ancestor) = above.filter(|ancestor| members.insert(*ancestor)) {
        above = parent(ancestor);
    }
    let mut below = vec![pid];
    while let Some(parent) = below.pop() {
        let children = states.iter().filter(|state| state.parent.pid == parent).map(|state| state.id.pid);
        below.extend(children.filter(|child| members.insert(*child)).collect::<Vec<_>>());
    }
    states.iter().filter(|state| members.contains(&state.id.pid)).collect()
}

/// The waits that the threads of a process are in, as if they were begun now.
fn enters(state: &State, events: &mut Vec<Event>) {
    let pid = state.id.pid;
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for tid in threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        let Ok((number, args)) = syscall(pid, Tid(tid)) else { continue };
        let call = match number {
            libc::SYS_wait4 => Call::Wait4 { pid: args[0] as i32, options: args[2] as u32 },
            libc::SYS_waitid => waitid(pid, args),
            _ => continue,
        };
        let (seq, at) = events.last().map_or((Seq(0), BootNs(0)), |event| (event.seq, event.at));
        events.push(Event {
            seq: Seq(seq.0 + 1),
            at,
            cpu: 0,
            actor: RawTask { tid: Tid(tid), ..state.id },
            actor_comm: state.comm.clone(),
            subject: Some(Box::new(state.clone())),
            kind: EventKind::Enter { call, target_unknown: false },
        });
    }
}

/// A wait for a pidfd (`P_PIDFD`) is one for its process.
fn waitid(pid: Pid, args: [u64; 6]) -> Call {
    const P_PID: u32 = 1;
    const P_PIDFD: u32 = 3;
    let (idtype, id, options) = (args[0] as u32, args[1] as i32, args[3] as u32);
    let target = (idtype == P_PIDFD).then(|| pidfd(pid, id)).flatten();
    target.map_or(Call::Waitid { idtype, id, options }, |id| Call::Waitid { idtype: P_PID, id, options })
}

/// The process of a pidfd that another process holds.
fn pidfd(pid: Pid, fd: i32) -> Option<i32> {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
}

/// The call that a thread sleeps or is stopped in, with its arguments (`proc_pid_syscall(5)`).
fn syscall(pid: Pid, tid: Tid) -> io::Result<(libc::c_long, [u64; 6])> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{}/syscall", tid.0))?;
    parse_syscall(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_syscall(text: &str) -> Option<(libc::c_long, [u64; 6])> {
    let mut words = text.split_ascii_whitespace();
    let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    Some((number, args))
}

/// What is shown of one process beside its bundle.
fn facts(state: &State) -> Look {
    let pid = state.id.pid;
    let mut look = Look { live: true, ..Look::default() };
    let status = procfs::whole(format!("/proc/{pid}/status")).unwrap_or_default();
    for line in status.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key {
            "SigPnd" | "ShdPnd" => look.pending.extend(signals(value)),
            "SigBlk" => look.blocked = signals(value),
            "SigIgn" => look.ignored = signals(value),
            "SigCgt" => look.handled = signals(value),
            "TracerPid" => look.tracer = tracer(value),
            _ => {}
        }
    }
    // It tells of children, and nobody sent it.
    look.pending.retain(|signal| *signal != Signal::CHLD);
    look.pending.sort_unstable();
    look.pending.dedup();
    match syscall(pid, Tid(pid.0)) {
        Ok((number, args)) => look.doing = doing(pid, number, args),
        // It runs, or is gone.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {}
        Err(_) if state.exit_state != 0 => {}
        Err(_) if facts::has_capability(facts::effective_capabilities(), CAP_SYS_PTRACE) => {
            look.unseen.push("which call it is in (this kernel does not show it)");
        }
        Err(_) => look.unseen.push("which call it is in (that takes cap_sys_ptrace)"),
    }
    // A stop signal that is still there has not been told to its parent; that there is none is shown only to those who may
    // trace the process (fs/proc/array.c, `do_task_stat`).
    let may_trace = fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    look.stop_told = state.is_stopped().then_some(state.group_exit_code == 0).filter(|told| !told || may_trace);
    look
}

/// The signals of a mask in `/proc/PID/status`.
fn signals(mask: &str) -> Vec<Signal> {
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap_or(0);
    (1..=64).filter(|number| mask >> (number - 1) & 1 != 0).map(Signal).collect()
}

fn tracer(value: &str) -> Option<Word> {
    let pid = value.trim().parse().ok().filter(|pid| *pid != 0).map(Pid)?;
    let comm = procfs::read_stat(pid).map_or_else(Comm::default, |state| state.comm);
    Some(Word::Process(pid, comm))
}

fn doing(pid: Pid, number: libc::c_long, args: [u64; 6]) -> Option<Doing> {
    let (_, name, about) = CALLS.iter().find(|row| row.0 == number)?;
    let fd = (*about != About::Nothing).then_some(args[0] as i32);
    let target = fd.map(|fd| format!("/proc/{pid}/fd/{fd}"));
    let path = target.as_ref().and_then(|link| fs::read_link(link).ok());
    let path = path.map(|path| path.into_os_string().into_vec()).unwrap_or_default();
    let request = (*about == About::Ioctl).then(|| request(args[1])).flatten();
    let on_terminal = target.as_ref().and_then(|link| fs::metadata(link).ok()).is_some_and(|file| is_terminal(&file));
    Some(Doing { name, on: fd.map(|fd| (fd, path)), request, on_terminal })
}

fn request(number: u64) -> Option<&'static str> {
    let known = u32::try_from(number).ok().and_then(TtyRequest::from_number).map(TtyRequest::name);
    known.or_else(|| CHANGES.iter().find(|row| row.0 == number).map(|row| row.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_with_its_arguments() {
        let line = "61 0xffffffffffffffff 0x7ffc 0x2 0x0 0x0 0x0 0x7ffe15cdb670 0x7f01f5136aec\n";
        assert_eq!(parse_syscall(line), Some((61, [u64::MAX, 0x7ffc, 2, 0, 0, 0])));
        for none in ["running\n", "-1 0x7ffe 0x7f01\n", "", "61 0x1\n", "61 1 2 3 4 5 6\n"] {
            assert_eq!(parse_syscall(none), None, "{none}");
        }
    }

    #[test]
    fn masks_are_signals_from_1() {
        assert_eq!(signals("\t0000000000000001"), [Signal::HUP]);
        assert_eq!(signals("8000000000004002"), [Signal::INT, Signal::TERM, Signal(64)]);
        assert_eq!(signals("garbage"), []);
    }

    #[test]
    fn this_process_and_what_waits_for_it_are_seen() {
        let own = Pid(std::process::id());
        let (events, look) = look(own).unwrap();
        assert!(look.live && events.iter().any(|event| event.subject.as_ref().is_some_and(|it| it.id.pid == own)));
        assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        assert_eq!(super::look(Pid(u32::MAX)), None);
    }

    #[test]
    fn a_family_is_what_is_above_and_below() {
        let state = |pid: u32, parent: u32| State {
            id: RawTask { pid: Pid(pid), ..RawTask::default() },
            parent: RawTask { pid: Pid(parent), ..RawTask::default() },
            ..State::default()
        };
        let states = [state(1, 0), state(5, 1), state(6, 5), state(7, 6), state(8, 5), state(9, 1)];
        let members: Vec<u32> = family(&states, Pid(6)).iter().map(|state| state.id.pid.0).collect();
        assert_eq!(members, [1, 5, 6, 7]);
        // Read at different instants, parents can make a ring.
        assert_eq!(family(&[state(3, 4), state(4, 3)], Pid(3)).len(), 2);
    }
}
