//! From an event to the finding that is told: no round of the engine later than the one that read the event, and for what a rule
//! waits for, when it is due and not at the next tick.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::BorrowedFd,
    rc::Rc,
    time::Duration,
};

use tracer_model::{
    delta::Delta,
    dsl,
    event::{Event, RawTask},
    findings::Finding,
    ids::{BootNs, Pid, Seq},
    order::WINDOW_NS,
    state::Model,
};
use tracer_user::{
    capture::{CaptureError, Description, Item, Loss, Source, boot_now},
    live::{Live, unix_now},
    pipeline::Pipeline,
    sink::Sink,
    trace_file::{Header, Scope, Summary},
};

/// Gives out what it was given, at the next poll, or at the next ones `part` at each.
struct Script {
    part: Rc<Cell<usize>>,
    description: Description,
    events: Rc<RefCell<Vec<Event>>>,
    last: Seq,
    /// Numbers that nobody has.
    free: Vec<Pid>,
}

impl Source for Script {
    fn describe(&self) -> &Description {
        &self.description
    }
    fn poll(&mut self, out: &mut Vec<Item>) -> Result<bool, CaptureError> {
        let mut events = self.events.borrow_mut();
        let part = self.part.get().min(events.len());
        // Numbers are given out when something happens, and not when it is read.
        self.last = events.iter().map(|event| event.seq).max().unwrap_or(self.last).max(self.last);
        out.extend(events.drain(..part).map(Item::Event));
        Ok(!events.is_empty())
    }
    fn lost(&mut self) -> Vec<Loss> {
        Vec::new()
    }
    fn last_seq(&self) -> Seq {
        self.last
    }
    fn read_until(&self) -> Seq {
        let next = self.events.borrow().iter().map(|event| event.seq).min();
        next.map_or(self.last, |next| Seq(next.0 - 1))
    }
    fn resynchronise(&mut self, _: &mut Vec<Item>) -> Result<(), CaptureError> {
        Ok(())
    }
    fn is_gone(&self, zombie: RawTask) -> bool {
        self.free.contains(&zombie.pid)
    }
    fn stop(&mut self) -> Result<(), CaptureError> {
        Ok(())
    }
    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }
    fn retire(self: Box<Self>) {}
}

/// Keeps the rules that found something, and how much the source still had at each event.
struct Found {
    rules: Rc<RefCell<Vec<&'static str>>>,
    source: Rc<RefCell<Vec<Event>>>,
    left: Rc<RefCell<Vec<usize>>>,
}

impl Sink for Found {
    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }
    fn event(&mut self, _: &Event, _: &Delta, _: &Model) -> io::Result<()> {
        self.left.borrow_mut().push(self.source.borrow().len());
        Ok(())
    }
    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.rules.borrow_mut().push(finding.rule.id);
        Ok(())
    }
    fn end(&mut self, _: &Model, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

/// An engine over a script, begun `ago` in the past.
struct Stage {
    live: Live,
    part: Rc<Cell<usize>>,
    events: Rc<RefCell<Vec<Event>>>,
    found: Rc<RefCell<Vec<&'static str>>>,
    left: Rc<RefCell<Vec<usize>>>,
    history: Vec<Event>,
}

impl Stage {
    fn new(backend: &'static str, history: &str, ago: Duration) -> Self {
        let mut history = dsl::parse(history).unwrap();
        let begun = BootNs(boot_now().0 - ago.as_nanos() as u64);
        for event in &mut history {
            event.at = BootNs(event.at.0 + begun.0);
        }
        let description = Description { backend, tier: backend, reason: String::new(), pid_namespace: 0 };
        let header = Header {
            tool: String::new(),
            host: Vec::new(),
            kernel: String::new(),
            boot_id: String::new(),
            backend: backend.to_owned(),
            tier: backend.to_owned(),
            tier_reason: String::new(),
            pid_namespace: 0,
            boot_ns: begun,
            // The clocks go together: a step would be an event of now.
            unix_ns: unix_now() - ago.as_nanos() as i64,
            command: Vec::new(),
            scope: Scope::Tree { root: Pid(10), name: b"bash".to_vec() },
            user: None,
        };
        let (part, events) = (Rc::new(Cell::new(usize::MAX)), Rc::default());
        let (found, left) = (Rc::default(), Rc::default());
        let sink = Found { rules: Rc::clone(&found), source: Rc::clone(&events), left: Rc::clone(&left) };
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink)];
        let pipeline = Pipeline::begin(&header, None, sinks).unwrap();
        let source = Script {
            part: Rc::clone(&part),
            description,
            events: Rc::clone(&events),
            last: Seq(0),
            free: vec![Pid(10), Pid(11)],
        };
        Self { live: Live::new(Box::new(source), pipeline, &header), part, events, found, left, history }
    }

    /// One round for each event; the rules that had found something after each of them.
    fn play(&mut self) -> Vec<usize> {
        let mut found = Vec::new();
        for event in std::mem::take(&mut self.history) {
            self.events.borrow_mut().push(event);
            self.live.pump(Seq(u64::MAX)).unwrap();
            found.push(self.found.borrow().len());
        }
        found
    }
}

const LATE_JOIN: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader tty=pts/3 fg=10}
    snapshot-end
    10: fork 11
    11: setpgid(0,0) = 0
    11: exec echo
    11: exit 0
    11: dead
    10: wait4(-1,2) = 11 got 11 exited:0
    10: fork 12
    10: setpgid(12,11) = -1
";

#[test]
fn a_finding_is_told_in_the_round_that_reads_its_event() {
    for backend in ["ebpf", "ptrace"] {
        let mut stage = Stage::new(backend, LATE_JOIN, Duration::ZERO);
        let found = stage.play();
        let (last, before) = found.split_last().unwrap();
        assert!(before.iter().all(|found| *found == 0), "{found:?}");
        assert_eq!((*last, stage.found.borrow().first().copied()), (1, Some("JC102")), "{backend}");
    }
}

/// What is read in parts is not missing in between, also where the numbers come in another order.
#[test]
fn a_backlog_that_comes_in_parts_is_through_in_one_round() {
    let mut stage = Stage::new("ebpf", LATE_JOIN, Duration::from_secs(1));
    stage.part.set(3);
    stage.history.rotate_left(5);
    stage.events.borrow_mut().append(&mut stage.history);
    assert!(stage.live.pump(Seq(1)).unwrap());
    assert_eq!(*stage.found.borrow(), ["JC102"]);
    assert_eq!(stage.live.model().process_by_pid(Pid(12)).map(|process| process.key.number), Some(Pid(12)));
}

/// A backlog of more parts than are taken at once, of two rings: the last record is in the one that is read first.
fn long_backlog() -> Stage {
    let births: Vec<String> = (12..32).map(|pid| format!("10: fork {pid}\n{pid}: exit 0\n{pid}: dead\n")).collect();
    let begin = "snapshot 1 init {+init_parent pp=0}\nsnapshot 10 bash {pg=10 sid=10 +leader}\nsnapshot-end\n";
    let mut stage = Stage::new("ebpf", &(begin.to_owned() + &births.concat()), Duration::from_secs(1));
    stage.history.rotate_right(1);
    stage.part.set(1);
    stage.events.borrow_mut().append(&mut stage.history);
    stage
}

/// Numbers that are in the one ring still are not lost, however long the reading takes and whatever the other one has shown.
#[test]
fn what_is_in_the_ring_for_longer_than_the_window_is_no_loss() {
    let mut stage = long_backlog();
    while !stage.live.pump(Seq(1 + 2 + 20 * 3)).unwrap() {
        let until = boot_now().0 + 2 * WINDOW_NS;
        while boot_now().0 < until {}
        assert!(!stage.live.model().has_open_gap());
    }
    let zombies = (12..32).filter_map(|pid| stage.live.model().process_by_pid(Pid(pid)));
    assert_eq!(zombies.filter(|process| process.is_zombie()).count(), 20);
}

/// What is left at the end is passed on as it is read, and nothing of it is lost.
#[test]
fn the_last_backlog_is_not_held_whole() {
    let stage = long_backlog();
    let Stage { live, left, events, .. } = stage;
    let (_, ended) = live.finish(true);
    ended.unwrap();
    let left = left.borrow();
    assert!(events.borrow().is_empty() && left.len() > 60, "{left:?}");
    assert!(left.first().is_some_and(|left| *left > 50), "{left:?}");
}

const BACKGROUND_READ: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader tty=pts/3 fg=10}
    snapshot-end
    10: fork 11
    11: setpgid(0,0) = 0
    11: exec cat
    11: SIGTTIN -> 11 kernel
    11: stops SIGTTIN
";

#[test]
fn what_a_rule_waits_for_wakes_the_engine_when_it_is_due() {
    // So long a stop is not meant, and so much later than an event nothing older comes.
    const LATEST: Duration = Duration::from_millis(2100);
    for backend in ["ebpf", "ptrace"] {
        let mut early = Stage::new(backend, BACKGROUND_READ, Duration::ZERO);
        assert_eq!(early.play().last(), Some(&0));
        let due = early.live.due().unwrap();
        assert!(due <= LATEST, "{due:?}");
        // The same stop, when that has passed: the round that reads it tells it.
        let mut late = Stage::new(backend, BACKGROUND_READ, LATEST + Duration::from_millis(1));
        late.events.borrow_mut().append(&mut late.history);
        late.live.pump(Seq(u64::MAX)).unwrap();
        assert!(late.found.borrow().contains(&"JC201"), "{backend}: {:?}", late.found.borrow());
        assert!(late.live.due().is_none_or(|due| due > Duration::ZERO));
    }
}

/// A shell that ends as a child of init, and a job of it: both have been reaped when they are asked after.
const UNSEEN_REAPS: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader pp=1}
    snapshot-end
    10: fork 11
    11: exit 0
    11: dead
    10: exit 0
    10: dead
";

fn play_at_once(history: &str) -> Stage {
    let mut stage = Stage::new("ebpf", history, Duration::ZERO);
    stage.events.borrow_mut().append(&mut stage.history);
    for _ in 0..2 {
        stage.live.pump(Seq(u64::MAX)).unwrap();
    }
    stage
}

#[test]
fn a_reap_of_which_nothing_tells_is_asked_for() {
    let there = |history: &str| {
        let stage = play_at_once(history);
        [10, 11].map(|pid| stage.live.model().process_by_pid(Pid(pid)).is_some())
    };
    assert_eq!(there(UNSEEN_REAPS), [false, false], "no call of init was seen, which is the parent of both by now");
    // Its calls are seen: that of a wait will come.
    assert_eq!(there(&format!("{UNSEEN_REAPS}\n1: wait4(-1,0) = -10")), [true, true]);
}
