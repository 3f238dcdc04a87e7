//! The rule of who is followed and what concerns them. A process's start is its number plus 1000.

use tracer_model::{
    event::{
        Comm, Disposition, Facts, Leave, RawId, SIGNAL_STOP_STOPPED, SignalGenerated, SignalOrigin, SignalOutcome,
        WaitStatus, Waited,
    },
    ids::{Signal, Tid},
};

use super::*;

fn task(pid: u32) -> RawTask {
    RawTask { pid: Pid(pid), tid: Tid(pid), start: BootNs(u64::from(pid) + 1000) }
}

fn state(pid: u32, parent: u32, session: u32) -> State {
    State {
        id: task(pid),
        parent: task(parent),
        session: RawId { number: session, ino: 0 },
        signal_flags: SIGNAL_STOP_STOPPED,
        facts: Facts { session_leader: pid == session, ..Facts::default() },
        ..State::default()
    }
}

fn event(seq: u64, actor: u32, subject: Option<State>, kind: EventKind) -> Event {
    Event {
        seq: Seq(seq),
        at: BootNs(seq),
        cpu: 0,
        actor: task(actor),
        actor_comm: Comm::default(),
        subject: subject.map(Box::new),
        kind,
    }
}

fn birth(seq: u64, actor: u32, child: u32) -> Event {
    event(seq, actor, Some(state(child, actor, 10)), EventKind::NewTask { flags: 0 })
}

fn leave(seq: u64, actor: u32, session: u32, call: Call, ret: i64, entered: u64) -> Event {
    let entered = Some((Seq(entered), BootNs(entered)));
    let leave = Leave { call, ret, entered, enter_emitted: true, target_unknown: false, waited: None };
    event(seq, actor, Some(state(actor, 1, session)), EventKind::Leave(leave))
}

fn enter(seq: u64, actor: u32, session: u32, call: Call) -> Event {
    event(seq, actor, Some(state(actor, 1, session)), EventKind::Enter { call, target_unknown: false })
}

/// Session 10: shell 10 with parent 5 in another session; 20 below it, 21 and 22 below 20; 30 a sibling of 20.
fn machine() -> Vec<State> {
    vec![state(5, 1, 5), state(10, 5, 10), state(20, 10, 10), state(22, 21, 10), state(21, 20, 10), state(30, 10, 10)]
}

/// Follows 20 on [`machine`].
fn following() -> Scope {
    let mut scope = Scope::default();
    scope.begin(machine().iter(), Pid(20)).unwrap();
    scope
}

fn admits(event: &Event) -> bool {
    following().admit(&mut event.clone())
}

#[test]
fn a_root_brings_its_descendants_and_the_ancestors_in_its_session() {
    let mut scope = Scope::default();
    let additions = scope.begin(machine().iter(), Pid(20)).unwrap();
    let mut members: Vec<_> = additions.members.iter().map(|member| (member.pid.0, member.children)).collect();
    members.sort_unstable();
    assert_eq!(members, [(10, false), (20, true), (21, true), (22, true)]);
    assert_eq!(additions.sessions, [(10, BootNs(1010))]);
    assert_eq!(Scope::default().begin(machine().iter(), Pid(99)), None, "no such process");
}

#[test]
fn a_second_root_above_the_first_takes_the_rest() {
    let mut scope = following();
    let additions = scope.begin(machine().iter(), Pid(10)).unwrap();
    let members: Vec<_> = additions.members.iter().map(|member| (member.pid.0, member.children)).collect();
    assert_eq!(members, [(10, true), (30, true)], "what was followed stays");
}

#[test]
fn an_ancestor_by_number_only_is_none() {
    let mut processes = machine();
    processes[2].parent.start = BootNs(1);
    let mut scope = Scope::default();
    let additions = scope.begin(processes.iter(), Pid(20)).unwrap();
    assert!(additions.members.iter().all(|member| member.pid != Pid(10)), "pid 10 is another process by now");
}

#[test]
fn missed_births_are_found_in_any_number_of_passes() {
    let mut scope = following();
    let events = [birth(1, 10, 40), birth(2, 20, 41), birth(3, 41, 42), birth(4, 30, 43)];
    let found: Vec<_> =
        events.iter().flat_map(|event| scope.missed(event).members).map(|member| member.pid.0).collect();
    assert_eq!(found, [41, 42], "not the child of an ancestor, not the child of a stranger");
    assert!(events.iter().all(|event| scope.missed(event).is_empty()), "nothing is found twice");
}

#[test]
fn a_new_session_of_a_followed_process_is_followed() {
    let mut scope = following();
    assert_eq!(scope.missed(&leave(2, 21, 21, Call::Setsid, 21, 1)).sessions, [(21, BootNs(1021))]);
    assert!(scope.missed(&leave(4, 30, 30, Call::Setsid, 30, 3)).is_empty(), "a stranger's");
    assert!(scope.missed(&leave(6, 22, 10, Call::Setsid, -1, 5)).is_empty(), "refused");
}

#[test]
fn the_freed_are_forgotten_and_threads_are_not_processes() {
    let mut scope = following();
    let thread = RawTask { tid: Tid(99), ..task(21) };
    scope.observe(&event(1, 0, None, EventKind::Freed { task: thread }));
    scope.everything_is_read();
    assert!(scope.follows(task(21)));
    scope.observe(&event(2, 0, None, EventKind::Freed { task: task(21) }));
    scope.everything_is_read();
    assert!(!scope.follows(task(21)));
}

/// Births are in the one ring, ends in the other, and a part of the one is read before a part of the other.
#[test]
fn an_end_that_is_read_before_the_birth_ends_it_all_the_same() {
    let mut scope = following();
    scope.observe(&event(4, 0, None, EventKind::Freed { task: task(23) }));
    scope.observe(&birth(1, 20, 23));
    assert!(
        scope.missed(&birth(2, 23, 24)).members.iter().any(|member| member.pid == Pid(24)),
        "its child is followed"
    );
    scope.everything_is_read();
    assert!(!scope.follows(task(23)) && scope.follows(task(24)));
}

#[test]
fn what_the_followed_do_and_what_is_done_to_them_concerns_them() {
    assert!(admits(&event(1, 30, Some(state(21, 20, 10)), EventKind::Dead)), "subject");
    assert!(admits(&event(1, 20, Some(state(30, 10, 10)), EventKind::Dead)), "actor");
    assert!(!admits(&event(1, 30, Some(state(30, 10, 10)), EventKind::Dead)));
    assert!(admits(&birth(1, 20, 50)) && !admits(&birth(1, 30, 50)));
    assert!(admits(&event(1, 7, None, EventKind::Freed { task: task(22) })));
    assert!(!admits(&event(1, 7, None, EventKind::Freed { task: task(30) })));
    assert!(admits(&event(1, 7, Some(state(10, 5, 10)), EventKind::Snapshot { args: Vec::new() })));
    assert!(!admits(&event(1, 7, Some(state(30, 10, 10)), EventKind::Snapshot { args: Vec::new() })));
}

#[test]
fn the_leader_of_a_followed_session_counts_although_it_is_a_stranger() {
    let mut scope = Scope::default();
    // Its parent has gone: 20 was given to 1, and 10 is no ancestor any more.
    scope.begin([state(10, 5, 10), state(20, 1, 10)].iter(), Pid(20)).unwrap();
    assert!(!scope.follows(task(10)));
    assert!(scope.admit(&mut event(1, 10, Some(state(10, 5, 10)), EventKind::Exit { group_dead: true })));
}

#[test]
fn a_number_of_theirs_that_is_reused_is_proof_of_their_end() {
    let mut reused = birth(9, 30, 21);
    reused.subject = Some(Box::new(State { id: RawTask { start: BootNs(5000), ..task(21) }, ..state(21, 30, 10) }));
    assert!(admits(&reused));
    reused.kind = EventKind::NewTask { flags: CLONE_THREAD };
    assert!(!admits(&reused), "a thread of a stranger");
    // After a loss it is the iterator that shows it.
    reused.kind = EventKind::Snapshot { args: Vec::new() };
    assert!(admits(&reused));
    reused.subject = Some(Box::new(state(31, 30, 10)));
    assert!(!admits(&reused), "a number that none of them had");
}

#[test]
fn a_wait_that_returns_one_of_them_concerns_them() {
    let mut wait = leave(2, 30, 10, Call::Wait4 { pid: -1, options: 0 }, 21, 1);
    assert!(!admits(&wait));
    let EventKind::Leave(leave) = &mut wait.kind else { unreachable!() };
    leave.waited = Some(Waited { child: task(21), status: WaitStatus::Exited(0), left_waitable: false });
    assert!(admits(&wait));
}

#[test]
fn the_terminal_of_their_session_concerns_them() {
    let ioctl = |request, arg| Call::TtyIoctl { fd: 0, request, arg, value: 0 };
    let in_session = |call| admits(&enter(1, 30, 10, call));
    assert!(in_session(ioctl(TtyRequest::SetForeground, 0)) && in_session(Call::Vhangup) && in_session(Call::Open));
    assert!(!in_session(ioctl(TtyRequest::GetForeground, 0)), "changes nothing");
    let elsewhere = |call| admits(&enter(1, 30, 5, call));
    assert!(!elsewhere(ioctl(TtyRequest::SetForeground, 0)) && !elsewhere(Call::Vhangup));
    assert!(elsewhere(ioctl(TtyRequest::SetControlling, 1)), "may take anybody's terminal");
    assert!(!elsewhere(ioctl(TtyRequest::SetControlling, 0)));
}

#[test]
fn a_kill_that_names_them_or_hits_them_concerns_them() {
    let kill = |target| Call::Kill { target, signal: 15 };
    assert!(admits(&enter(1, 30, 5, kill(21))) && admits(&enter(1, 30, 5, kill(-21))));
    assert!(!admits(&enter(1, 30, 5, kill(30))) && !admits(&enter(1, 30, 5, kill(-1))));

    // kill(-30) does not name them, yet it hits 22. Its LEAVE is kept, and says that its ENTER is not in the stream.
    let mut scope = following();
    assert!(!scope.admit(&mut enter(5, 30, 5, kill(-30))));
    let generated = SignalGenerated {
        signal: Signal::TERM,
        origin: SignalOrigin::Info(0),
        process_directed: true,
        outcome: SignalOutcome::Delivered,
        disposition: Disposition::Default,
        blocked: false,
        at_delivery: false,
    };
    let mut hit = event(6, 30, Some(state(22, 21, 10)), EventKind::SignalGenerated(generated));
    assert!(scope.admit(&mut hit));
    let mut returned = leave(7, 30, 5, kill(-30), 0, 5);
    assert!(scope.admit(&mut returned));
    assert!(matches!(&returned.kind, EventKind::Leave(leave) if !leave.enter_emitted));
    assert!(!scope.admit(&mut leave(9, 30, 5, kill(-30), 0, 8)), "the next one does not hit them");
}
