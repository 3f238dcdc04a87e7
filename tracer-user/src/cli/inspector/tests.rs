//! Whose time comes after which events.

use std::{
    cell::Cell,
    process::{Command, Stdio},
};

use tracer_model::dsl;

use super::{plan::LOOKS, *};
use crate::capture::inspect::Pipes;

/// What is waited for after these events, with the moment, when the machine is watched.
fn waited_for(text: &str) -> Vec<(u32, Moment)> {
    let (mut inspector, mut model) = (Inspector::default(), Model::default());
    inspector.watch();
    for event in dsl::parse(text).unwrap() {
        let delta = model.apply(&event);
        inspector.event(&event, &delta, &model).unwrap();
    }
    let plan = inspector.0.borrow();
    plan.since.iter().map(|(key, (_, moment))| (key.number.0, *moment)).collect()
}

#[test]
fn who_was_adopted_settles_and_so_does_an_orphan_that_nobody_is_known_to_have_adopted() {
    let daemon = "10: fork 11\n11: fork 12\n11: exit 0\n11: dead\n";
    let known = "snapshot 1 init {+init_parent pp=0}\nsnapshot 10 bash {pp=1 +leader}\nsnapshot-end\n";
    assert_eq!(waited_for(&format!("{known}{daemon}")), [(12, Moment::Settled)]);
    // Who is above 10, and could adopt, was not seen.
    let unknown = "snapshot 10 bash {pp=7 +leader}\nsnapshot-end partial\n";
    assert_eq!(waited_for(&format!("{unknown}{daemon}")), [(12, Moment::Settled)]);
    assert_eq!(waited_for(&format!("{unknown}{daemon}12: exit 0\n12: dead\n")), []);
}

#[test]
fn a_refused_call_is_looked_at_once_for_each_descriptor_of_a_program() {
    let looked_at = |text: &str| {
        let (mut inspector, mut model) = (Inspector::default(), Model::default());
        model.follow(Pid(10));
        for event in dsl::parse(text).unwrap() {
            let delta = model.apply(&event);
            inspector.event(&event, &delta, &model).unwrap();
        }
        inspector.0.borrow().refused.len()
    };
    let shell = "snapshot 10 bash {pp=1 +leader}\nsnapshot-end partial\n";
    let call = |fd: u32| format!("10: ioctl({fd},TIOCSPGRP,0,10) = -25\n");
    assert_eq!(looked_at(&format!("{shell}{}{}", call(7), call(7))), 1);
    assert_eq!(looked_at(&format!("{shell}{}{}", call(7), call(8))), 2);
    assert_eq!(looked_at(&format!("{shell}{}10: exec /bin/cat\n{}", call(7), call(7))), 2);
    let all: String = (0..20).map(call).collect();
    assert_eq!(looked_at(&format!("{shell}{all}")), LOOKS);
}

#[test]
fn whoever_reads_is_told_before_who_writes_whatever_happens_between_the_looks() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (left, own) = (child.id(), std::process::id());
    let mut model = Model::default();
    model.follow(Pid(1_000_001));
    let start = procfs::read_stat(Pid(left)).unwrap().id.start;
    let history = format!(
        "snapshot 1000001 sh {{pp=1}}\nsnapshot {left} cat {{pp=1000001}}\nsnapshot-end partial\n1000001: exit 0\n1000001: dead\n"
    );
    for mut event in dsl::parse(&history).unwrap() {
        // What is looked at is a process of this machine.
        if let Some(state) = event.subject.as_mut().filter(|state| state.id.pid == Pid(left)) {
            state.id.start = start;
        }
        model.apply(&event);
    }
    let task = RawTask { pid: Pid(left), tid: Tid(left), start: BootNs(0) };
    let launch = inspect::inspect(task, Moment::Launch, &mut Sockets::default());
    let mut outputs = Pipes::default();
    outputs.add(launch.descriptor(1));
    // Every look is at a later number than the one before.
    let seq = Cell::new(100);
    let last = || Seq(seq.replace(seq.get() + 1));
    let items = Look { model: &model, sockets: Sockets::default(), last: &last }.left(&outputs);
    let told = |item: &Item| match item {
        Item::Unnumbered(Event { seq, kind: EventKind::Inspected(it), .. }) => (seq.0, it.task.pid.0),
        Item::Event(_) | Item::Skip { .. } | Item::Unnumbered(_) => panic!("{item:?}"),
    };
    let mut told: Vec<(u64, u32)> = items.iter().map(told).collect();
    // As they are put in order: by number, and of the same number as they came.
    told.sort_by_key(|(seq, _)| *seq);
    assert_eq!(told.iter().map(|(_, pid)| *pid).collect::<Vec<_>>(), [own, left]);
    drop(child.stdin.take());
    child.wait().unwrap();
}
