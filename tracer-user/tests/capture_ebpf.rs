//! The eBPF source on the running kernel. Needs root or the capabilities that `sesstrace doctor` names; without them every
//! test says so on stderr and passes, unless `SESSTRACE_REQUIRE` contains `ebpf`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests; a skip must be seen")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::{fd::FromRawFd as _, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tracer_model::{
    event::{
        CLONE_THREAD, Call, Coverage, EXIT_DEAD, EXIT_ZOMBIE, Event, EventKind, GapCause, PF_KTHREAD, State, WaitStatus,
    },
    ids::Pid,
};
use tracer_user::capture::{
    Item, Source as _,
    ebpf::{EbpfSource, Mode, Options, tracefs::Tracefs},
    procfs,
};

/// A source, or `None` with a loud word when this machine forbids it.
fn open(options: Options) -> Option<EbpfSource> {
    match EbpfSource::open(options) {
        Ok(source) => Some(source),
        Err(error) => {
            let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|word| word == "ebpf"), "SESSTRACE_REQUIRE=ebpf, but: {error}");
            eprintln!("SKIPPED: no eBPF here: {error}");
            None
        }
    }
}

/// Polls until the events satisfy a condition; gives them in order.
fn until(source: &mut EbpfSource, what: &str, done: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let deadline = Instant::now() + Duration::from_mins(1);
    let (mut items, mut events) = (Vec::new(), Vec::new());
    loop {
        source.poll(&mut items).unwrap();
        for item in items.drain(..) {
            match item {
                Item::Event(event) => events.push(event),
                Item::Unnumbered(event) => assert!(!matches!(event.kind, EventKind::Gap(_)), "{event:?}"),
                Item::Skip { .. } => {}
            }
        }
        if done(&events) {
            events.sort_by_key(|event| event.seq);
            return events;
        }
        assert!(Instant::now() < deadline, "not within a minute: {what}; lost {:?}", source.lost());
        std::thread::yield_now();
    }
}

/// A verifier gives up a program after it went through a million instructions (kernel/bpf/verifier.c,
/// `BPF_COMPLEXITY_LIMIT_INSNS`), and the number for the same program differs from kernel to kernel.
#[test]
fn the_limit_of_the_verifier_is_far() {
    let mut options = Options::new(Mode::All);
    options.load.tty_io = true;
    let Some(_source) = open(options) else { return };
    let descriptors = fs::read_dir("/proc/self/fdinfo").unwrap().map(|entry| entry.unwrap().path());
    let verified = |path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("verified_insns:")?.trim().parse::<u32>().ok())
    };
    let mut counts: Vec<u32> = descriptors.filter_map(verified).collect();
    counts.sort_unstable();
    eprintln!("verified insns {counts:?}");
    assert!(counts.last().is_some_and(|most| *most < 500_000), "{counts:?}");
}

/// Events whose subject is this process.
fn of(events: &[Event], pid: u32) -> impl Iterator<Item = (&Event, &State)> {
    events.iter().filter_map(move |event| {
        let state = event.subject.as_deref().filter(|state| state.id.pid == Pid(pid))?;
        Some((event, state))
    })
}

/// A wait that returned this process.
fn is_wait_for(event: &Event, pid: u32) -> bool {
    matches!(&event.kind, EventKind::Leave(leave) if leave.waited.is_some_and(|waited| waited.child.pid == Pid(pid)))
}

/// Runs `true` after `prepare` in the child.
fn child_that(prepare: fn() -> nix::Result<()>) -> Child {
    let mut command = Command::new("true");
    // SAFETY: `prepare` makes one system call.
    unsafe { command.pre_exec(move || prepare().map_err(Into::into)) };
    command.spawn().unwrap()
}

/// Which of the two calls this is.
fn is_call(call: Call, name: &str) -> bool {
    match name {
        "setpgid" => matches!(call, Call::Setpgid { .. }),
        _ => matches!(call, Call::Setsid),
    }
}

#[test]
fn a_life_is_seen_from_fork_to_reap() {
    let Some(mut source) = open(Options::new(Mode::All)) else { return };
    let mut joined = child_that(|| nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0)));
    let mut leader = child_that(|| nix::unistd::setsid().map(drop));
    let pids = [joined.id(), leader.id()];
    assert!(joined.wait().unwrap().success() && leader.wait().unwrap().success());
    let events = until(&mut source, "both children reaped", |events| {
        pids.iter().all(|pid| {
            let dead = of(events, *pid).any(|(event, _)| event.kind == EventKind::Dead);
            dead && events.iter().any(|event| is_wait_for(event, *pid))
        })
    });

    let own_group = nix::unistd::getpgrp().as_raw() as u32;
    let own_session = nix::unistd::getsid(None).unwrap().as_raw() as u32;
    for (pid, call, session) in [(pids[0], "setpgid", own_session), (pids[1], "setsid", pids[1])] {
        let of_child: Vec<_> = of(&events, pid).collect();
        let find = |what: &str, test: &dyn Fn(&EventKind) -> bool| {
            let found = of_child.iter().find(|(event, _)| test(&event.kind));
            *found.unwrap_or_else(|| panic!("{call}: no {what} among {of_child:#?}"))
        };
        let (born, state) =
            find("birth", &|kind| matches!(kind, EventKind::NewTask { flags } if flags & CLONE_THREAD == 0));
        assert_eq!(born.actor.pid, Pid(std::process::id()));
        assert_eq!((state.pgrp.number, state.session.number), (own_group, own_session), "inherited");
        assert!(state.not_yet_execed());
        let start = state.id.start;

        let (_, before) =
            find("entry", &|kind| matches!(kind, EventKind::Enter { call: seen, .. } if is_call(*seen, call)));
        assert_eq!((before.pgrp.number, before.session.number), (own_group, own_session), "the state before the call");
        let (_, after) = find(
            "return",
            &|kind| matches!(kind, EventKind::Leave(leave) if is_call(leave.call, call) && leave.ret >= 0),
        );
        assert_eq!((after.pgrp.number, after.session.number), (pid, session), "the state after the call");
        assert_eq!(after.facts.session_leader, call == "setsid");

        let (event, state) = find("exec", &|kind| matches!(kind, EventKind::Exec { .. }));
        assert_eq!((&*state.comm.0, state.pgrp.number), (&b"true"[..], pid), "kept by exec");
        assert!(matches!(&event.kind, EventKind::Exec { args, .. } if *args == [b"true".to_vec()]));
        let (_, dead) = find("end", &|kind| matches!(kind, EventKind::Dead));
        // The waiting parent can be quicker than the switch away from the dead: then the group is given up, or about to be
        // (kernel/exit.c, `wait_task_zombie`, marks the dead before `release_task`).
        let given_up = dead.pgrp.number == 0 || dead.exit_state == EXIT_DEAD;
        assert!(dead.pgrp.number == pid && dead.exit_state == EXIT_ZOMBIE || given_up, "{dead:?}");
        assert_eq!(dead.wait_status(), 0);

        let wait = events.iter().find(|event| is_wait_for(event, pid)).unwrap();
        let EventKind::Leave(leave) = &wait.kind else { unreachable!() };
        let waited = leave.waited.unwrap();
        assert_eq!((waited.child.start, waited.status), (start, WaitStatus::Exited(0)));
    }
    drop(source);
}

/// What both the iterator and `/proc` know of a process: ppid, pgid, sid, tty, uid, name.
fn common(state: &State) -> String {
    let tty = state.tty.map(|tty| tty.tty.to_string());
    let State { parent, pgrp, session, uid, comm, .. } = state;
    format!("{} {} {} {tty:?} {uid} {comm:?}", parent.pid, pgrp.number, session.number)
}

fn snapshot_of(events: &[Event]) -> BTreeMap<Pid, State> {
    let snapshots = events.iter().filter(|event| matches!(event.kind, EventKind::Snapshot { .. }));
    snapshots.filter_map(|event| event.subject.clone()).map(|state| (state.id.pid, *state)).collect()
}

#[test]
fn the_iterator_and_proc_agree() {
    let before = snapshot_of(&procfs::snapshot(false));
    let Some(mut source) = open(Options::new(Mode::All)) else { return };
    let mut items = Vec::new();
    source.poll(&mut items).unwrap();
    let after = snapshot_of(&procfs::snapshot(false));
    let mut events = Vec::new();
    for item in items {
        if let Item::Event(event) | Item::Unnumbered(event) = item {
            events.push(event);
        }
    }
    assert!(events.iter().any(|event| matches!(event.kind, EventKind::SnapshotEnd { coverage: Coverage::All, .. })));
    let iterated = snapshot_of(&events);
    let mut compared = 0;
    for (pid, state) in &before {
        let Some(later) = after.get(pid) else { continue };
        // A process that changed meanwhile proves nothing; neither does a kernel worker, whose name /proc decorates.
        let kernel_thread = state.task_flags & PF_KTHREAD != 0;
        if later.id.start != state.id.start || common(state) != common(later) || kernel_thread {
            continue;
        }
        let seen = iterated.get(pid).unwrap_or_else(|| panic!("{pid} is not in the iterator: {state:?}"));
        assert_eq!(common(seen), common(state), "{pid}");
        assert!(
            procfs::same_tick(state.id.start, seen.id.start),
            "{pid}: {} and {}",
            state.id.start.0,
            seen.id.start.0
        );
        assert_eq!(seen.facts.session_leader, state.facts.session_leader, "{pid}");
        let foreground = |state: &State| state.tty.map(|tty| tty.foreground.number);
        if foreground(state) == foreground(later) {
            assert_eq!(foreground(seen), foreground(state), "{pid}: foreground group");
        }
        compared += 1;
    }
    assert!(compared >= 2, "only {compared} processes were comparable");
    drop(source);
}

/// A shell that forks `count` times when it is told to, and lives on until its input is closed.
fn storm(count: u32) -> Child {
    let script = format!("read go; i=0; while [ $i -lt {count} ]; do /bin/true; i=$((i+1)); done; echo done; read end");
    Command::new("sh").arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn run_storm(child: &mut Child) {
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let mut done = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut done).unwrap();
    assert_eq!(&done, b"done\n");
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn every_number_is_read_or_counted_as_lost() {
    let mut options = Options::new(Mode::Follow);
    options.load.critical_bytes = 64 << 10;
    options.load.chatty_bytes = 4096;
    let mut child = storm(300);
    let Some(mut source) = open(options) else { return end(child) };
    source.follow(&[Pid(child.id())]).unwrap();
    run_storm(&mut child);
    // Nobody read meanwhile, so the rings are full.
    let (mut items, mut read, mut lost) = (Vec::new(), BTreeSet::new(), 0);
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        source.poll(&mut items).unwrap();
        for item in items.drain(..) {
            let seq = match item {
                Item::Event(event) => event.seq,
                Item::Skip { seq } => seq,
                Item::Unnumbered(_) => continue,
            };
            assert!(read.insert(seq.0), "{seq:?} came twice");
        }
        for loss in source.lost() {
            assert_eq!(loss.cause, GapCause::MissingSequence, "{loss:?}");
            lost += loss.lost;
        }
        // The freeing of the last children may still be going on: then the sum lags.
        if read.len() as u64 + lost == source.last_seq().0 {
            break;
        }
        assert!(Instant::now() < deadline, "{} read + {lost} lost, of {:?}", read.len(), source.last_seq());
    }
    assert!(lost > 300, "{lost} lost: the rings were too large to lose anything");
    end(child);
    drop(source);
}

#[test]
fn following_leaves_everyone_else_out() {
    let (mut stranger, mut followed) = (storm(40), storm(40));
    let Some(mut source) = open(Options::new(Mode::Follow)) else {
        end(stranger);
        return end(followed);
    };
    let mut items = Vec::new();
    source.poll(&mut items).unwrap();
    assert!(items.is_empty(), "nothing before it is said whom to follow");
    assert!(source.follow(&[Pid(u32::MAX)]).is_err(), "no such process");
    source.follow(&[Pid(followed.id())]).unwrap();
    run_storm(&mut stranger);
    run_storm(&mut followed);
    let own = Pid(std::process::id());
    let root = Pid(followed.id());
    let births = |events: &[Event]| {
        let of_root = |event: &&Event| matches!(event.kind, EventKind::NewTask { .. }) && event.actor.pid == root;
        events.iter().filter(of_root).count()
    };
    let events = until(&mut source, "40 births", |events| births(events) >= 40);
    assert_eq!(births(&events), 40);
    let snapshots = snapshot_of(&events);
    assert!(
        snapshots.contains_key(&root) && snapshots.contains_key(&own),
        "itself, and its parent in the same session"
    );
    assert!(!snapshots.contains_key(&Pid(stranger.id())), "not its sibling");
    let by_stranger: Vec<_> = events.iter().filter(|event| event.actor.pid == Pid(stranger.id())).collect();
    assert!(by_stranger.is_empty(), "{by_stranger:#?}");
    end(stranger);
    end(followed);
    drop(source);
}

#[test]
fn descendants_are_found_while_they_fork() {
    // A grandchild that forks all the time; only the child is named.
    let script = "sh -c 'while :; do /bin/true; done' & echo $!; read end; kill $!";
    let mut child =
        Command::new("sh").arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let grandchild: u32 = line.trim().parse().unwrap();
    let Some(mut source) = open(Options::new(Mode::Follow)) else { return end(child) };
    source.follow(&[Pid(child.id())]).unwrap();
    let is_birth =
        |event: &&Event| matches!(event.kind, EventKind::NewTask { .. }) && event.actor.pid == Pid(grandchild);
    let events =
        until(&mut source, "births under the grandchild", |events| events.iter().filter(is_birth).count() > 60);
    // Whoever was born is seen to exec and to die, whether the probes knew its parent or not; the last few are still at it.
    let born: Vec<u32> = events.iter().filter(is_birth).map(|event| event.subject.as_ref().unwrap().id.pid.0).collect();
    for pid in &born[..40] {
        let kinds: Vec<_> = of(&events, *pid).map(|(event, _)| &event.kind).collect();
        assert!(kinds.iter().any(|kind| matches!(kind, EventKind::Exec { .. })), "{pid}: {kinds:?}");
        assert!(kinds.iter().any(|kind| matches!(kind, EventKind::Dead)), "{pid}: {kinds:?}");
    }
    end(child);
    drop(source);
}

/// Counts a tracepoint's hits by this thread, as `perf stat` does.
fn hits_counted(category: &str, name: &str, hit: impl Fn()) -> u64 {
    /// `struct perf_event_attr`, its first version (`include/uapi/linux/perf_event.h`).
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        kind: u32,
        size: u32,
        config: u64,
        rest: [u64; 6],
    }
    const PERF_TYPE_TRACEPOINT: u32 = 2;
    let config = Tracefs::open().unwrap().event_id(category, name).unwrap();
    let attr = Attr { kind: PERF_TYPE_TRACEPOINT, size: size_of::<Attr>() as u32, config, ..Attr::default() };
    let (this_thread, any_cpu, no_group) = (0_i64, -1_i64, -1_i64);
    // SAFETY: `attr` is as long as its `size` says and outlives the call.
    let counter =
        unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attr, this_thread, any_cpu, no_group, 0_i64) };
    assert!(counter >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: it was just opened, and is nobody else's.
    let mut counter = unsafe { fs::File::from_raw_fd(counter as i32) };
    hit();
    let mut count = [0; 8];
    counter.read_exact(&mut count).unwrap();
    u64::from_ne_bytes(count)
}

#[test]
fn what_others_count_at_the_same_tracepoints_is_still_counted() {
    let Some(_source) = open(Options::new(Mode::All)) else { return };
    let zero = nix::unistd::Pid::from_raw(0);
    // The process of a test may lead a session: how the call ends does not matter.
    let calls = || {
        for _ in 0..100 {
            let _ = nix::unistd::setpgid(zero, zero);
        }
    };
    for name in ["sys_enter_setpgid", "sys_exit_setpgid"] {
        assert_eq!(hits_counted("syscalls", name, calls), 100, "{name}");
    }
    let kills = || (0..100).for_each(|_| nix::sys::signal::kill(nix::unistd::getpid(), None).unwrap());
    for name in ["sys_enter_kill", "sys_exit_kill"] {
        assert_eq!(hits_counted("syscalls", name, kills), 100, "{name}");
    }
}
