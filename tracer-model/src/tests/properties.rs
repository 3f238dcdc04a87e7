//! Properties: the model against a kernel in small, under loss and disorder, and against garbage.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use crate::{
    delta::{Change, Refusal},
    dsl,
    event::{Event, EventKind, GapCause},
    ids::{BootNs, Pgid, Pid},
    query,
    reference::{
        agree::{Picture, difference},
        garbage,
        history::{self, Op, damaged, faults, gap, op, ordered},
        invariants,
        kernel::{Kernel, Machine, Step},
    },
    state::{Knowledge, Model, Phase},
    timeline::Lifetimes,
};

/// A reap was inside the bounds that are said of it.
fn bounds_hold(changes: &[Change], model: &Model, kernel: &Kernel) {
    for change in changes {
        if let Change::Reaped { process, bounds, .. } = change {
            let start = model.process(*process).unwrap().start;
            let at = kernel.released[&(process.number, start)];
            assert!(bounds.after <= at && at <= bounds.until, "{change:?}, it was {at:?}");
        }
    }
}

/// When everything is seen nothing is contradictory, unseen or unexplained.
fn nothing_odd(changes: &[Change]) {
    let odd = |change: &&Change| {
        matches!(
            change,
            Change::Anomaly(_)
                | Change::UnseenCall { .. }
                | Change::Gap { .. }
                | Change::Found { by_snapshot: false, .. }
                | Change::Refused { reason: Refusal::Unexplained, .. }
        )
    };
    assert_eq!(changes.iter().find(odd), None);
}

/// The history as text, to be made a test of.
fn shown(kernel: &Kernel) -> String {
    dsl::write(&kernel.events)
}

fn machine() -> impl Strategy<Value = Machine> {
    prop::bool::weighted(0.7).prop_map(|new| Machine { new, reuses_numbers: true })
}

fn history() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..60)
}

/// The kernel after a history, and how many events that took; then everything was looked at once more.
fn kernel_and_snapshot(machine: Machine, ops: &[Op]) -> (Kernel, usize) {
    let mut kernel = Kernel::new(machine);
    history::run(&mut kernel, ops);
    let whole = kernel.events.len();
    kernel.snapshot(true);
    (kernel, whole)
}

fn model_of(events: &[Event]) -> Model {
    let mut model = Model::new();
    for event in events {
        model.apply(event);
        invariants::hold(&model);
    }
    model
}

/// Neither contradicts the other, nor does the model doubt itself.
fn same(model: &Model, kernel: &Kernel) -> Result<(), TestCaseError> {
    if let Some(difference) = difference(model, kernel) {
        return Err(TestCaseError::fail(format!("{difference}\n{}", shown(kernel))));
    }
    prop_assert!(model.processes().all(|process| model.uncertain(process.key).is_none()));
    Ok(())
}

proptest! {

    /// After each call of a history that is seen as a whole, the model is the kernel.
    #[test]
    fn the_model_is_the_kernel(ops in history(), machine in machine()) {
        let mut kernel = Kernel::new(machine);
        let (mut model, mut lifetimes) = (Model::new(), Lifetimes::new());
        let mut applied = 0;
        // The first time nothing is done: what was there is seen.
        for op in std::iter::once(None).chain(ops.into_iter().map(Some)) {
            let step = op.and_then(|op| op.resolve(&kernel));
            step.map(|step| kernel.step(step));
            for event in &kernel.events[applied..] {
                let delta = model.apply(event);
                let checked = std::panic::catch_unwind(|| {
                    nothing_odd(&delta.changes);
                    bounds_hold(&delta.changes, &model, &kernel);
                    invariants::hold(&model);
                });
                prop_assert!(checked.is_ok(), "after {step:?}\n{}", shown(&kernel));
                lifetimes.observe(event, &delta, &model);
            }
            applied = kernel.events.len();
            same(&model, &kernel)?;
        }
        let lives = lifetimes.finish(&model);
        let open: BTreeSet<_> = lives.groups.iter().filter(|life| life.end.is_none()).map(|life| life.key.number.0).collect();
        prop_assert_eq!(open, Picture::from(&kernel).groups.into_keys().collect(), "lifetimes of groups");
        for life in lives.groups.iter().filter(|life| life.end.is_none()) {
            let open = life.members.iter().filter(|member| member.until.is_none()).map(|member| member.process).collect();
            prop_assert_eq!(&model.group(life.key).unwrap().members, &open, "members of {}", life.key.number);
        }
    }

    /// With records lost, and the loss known, a complete snapshot makes the model the kernel again.
    #[test]
    fn a_snapshot_heals_what_a_loss_left(ops in history(), machine in machine(), lost in vec(prop::bool::weighted(0.2), 400)) {
        let (kernel, whole) = kernel_and_snapshot(machine, &ops);
        let seen = |(index, event): (usize, &Event)| {
            let dropped = index < whole && *lost.get(index).unwrap_or(&false);
            if dropped { gap(event) } else { event.clone() }
        };
        let events: Vec<_> = kernel.events.iter().enumerate().map(seen).collect();
        same(&model_of(&events), &kernel)?;
    }

    /// What the model says of a process without doubt is so, whatever was lost before.
    #[test]
    fn what_is_not_in_doubt_is_so(ops in history(), machine in machine(), lost in vec(prop::bool::weighted(0.1), 400)) {
        let mut kernel = Kernel::new(machine);
        let mut model = Model::new();
        let mut applied = 0;
        for op in ops {
            let Some(step) = op.resolve(&kernel) else { continue };
            kernel.step(step);
            for (index, event) in kernel.events.iter().enumerate().skip(applied) {
                let dropped = *lost.get(index).unwrap_or(&false);
                model.apply(&if dropped { gap(event) } else { event.clone() });
            }
            applied = kernel.events.len();
            let (said, is) = (Picture::from(&model), Picture::from(&kernel));
            for process in model.processes().filter(|process| process.knowledge == Knowledge::Seen) {
                // Of one that was released before its last record the model knows that, and waits for who did it.
                let decided = process.phase != Phase::Released && !process.parent_exited;
                if decided && model.uncertain(process.key).is_none() {
                    let number = process.key.number.0;
                    prop_assert_eq!(said.processes.get(&number), is.processes.get(&number), "{} after {:?}\n{}", number, step, shown(&kernel));
                }
            }
        }
    }

    /// Records that nobody misses, that come twice or in another order: the next complete snapshot ends what they did.
    #[test]
    fn a_snapshot_heals_what_disorder_left(ops in history(), machine in machine(), faults in faults()) {
        let (kernel, whole) = kernel_and_snapshot(machine, &ops);
        let mut events = damaged(&kernel.events[..whole], &faults);
        events.extend_from_slice(&kernel.events[whole..]);
        same(&model_of(&events), &kernel)?;
    }

    /// What comes within the window is put in order; what comes later is told as a gap and not applied, and so is what never
    /// comes: every number is accounted for.
    #[test]
    fn a_reorder_buffer_accounts_for_every_number(ops in history(), faults in faults(), window in 1_u64..20_000) {
        let (kernel, _) = kernel_and_snapshot(Machine { new: true, reuses_numbers: true }, &ops);
        let last = kernel.events.last().unwrap();
        let coming = damaged(&kernel.events, &faults);
        let out = ordered(&coming, last, window);
        let is_gap = |event: &&Event| matches!(event.kind, EventKind::Gap(_));
        let numbers: Vec<_> = out.iter().filter(|event| !is_gap(event)).map(|event| event.seq).collect();
        prop_assert!(numbers.is_sorted_by(|one, next| one < next), "in order, and each once");
        for event in out.iter().filter(|event| !is_gap(event)) {
            prop_assert_eq!(event, &kernel.events[event.seq.0 as usize - 1]);
        }
        let missing = |event: &Event| {
            let EventKind::Gap(gap) = &event.kind else { return None };
            (gap.cause == GapCause::MissingSequence).then_some(gap.lost)
        };
        let missing: u64 = out.iter().filter_map(missing).sum();
        prop_assert_eq!(missing + numbers.len() as u64, last.seq.0);
        let came = history::numbers(&coming);
        prop_assert!(numbers.iter().all(|seq| came.contains(&seq.0)), "nothing is made up");
    }

    /// Through the reorder buffer, with loss and disorder, up to a complete snapshot: the model is the kernel.
    #[test]
    fn order_and_snapshot_heal_everything(ops in history(), machine in machine(), faults in faults(), window in 1_u64..20_000) {
        let (kernel, whole) = kernel_and_snapshot(machine, &ops);
        let mut coming = damaged(&kernel.events[..whole], &faults);
        coming.extend_from_slice(&kernel.events[whole..]);
        let out = ordered(&coming, kernel.events.last().unwrap(), window);
        same(&model_of(&out), &kernel)?;
    }

    /// Events that no kernel would write break nothing.
    #[test]
    fn garbage_breaks_nothing(events in vec(garbage::event(), 1..80)) {
        let mut model = Model::new();
        let mut lifetimes = Lifetimes::new();
        model.follow(Pid(3));
        for event in &events {
            let delta = model.apply(event);
            let checked = std::panic::catch_unwind(|| invariants::hold(&model));
            prop_assert!(checked.is_ok(), "{}", dsl::write(&events));
            lifetimes.observe(event, &delta, &model);
        }
        let seen = model.processes().filter(|process| process.knowledge == Knowledge::Seen).count();
        prop_assert_eq!(query::ps(&model).len(), seen);
        let in_tree: usize = query::tree(&model).iter().flat_map(|session| &session.groups).map(|it| it.processes.len()).sum();
        prop_assert_eq!(in_tree, model.processes().filter(|process| process.group.is_some()).count());
        let left = lifetimes.finish(&model).left_behind.len();
        prop_assert_eq!(left, model.processes().filter(|process| process.followed).count());
    }

    /// The same events give the same state and the same words.
    #[test]
    fn the_model_is_deterministic(events in vec(garbage::event(), 1..60)) {
        let run = || {
            let mut model = Model::new();
            let deltas: Vec<_> = events.iter().map(|event| model.apply(event)).collect();
            (model, deltas)
        };
        prop_assert_eq!(run(), run());
    }

    /// Any events can be written down and read again.
    #[test]
    fn every_event_can_be_written_down(events in vec(garbage::event(), 1..20)) {
        let text = dsl::write(&events);
        let read = dsl::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        for (read, event) in read.iter().zip(&events) {
            prop_assert_eq!(read, event, "{}", text);
        }
        prop_assert_eq!(read.len(), events.len());
    }
}

/// Whatever ended is forgotten: the model does not grow with history.
#[test]
fn memory_is_bounded_by_what_lives() {
    let mut kernel = Kernel::new(Machine { new: true, reuses_numbers: true });
    let mut model = Model::new();
    for event in kernel.events.drain(..) {
        model.apply(&event);
    }
    for round in 0..3_000 {
        for step in [
            Step::Fork { who: 1, clone_parent: false },
            Step::Setpgid { who: 2, pid: 0, pgid: 0 },
            Step::Exit { who: 2, quick: round % 2 == 0 },
            Step::WaitAny { who: 1 },
        ] {
            kernel.step(step);
        }
        for event in kernel.events.drain(..) {
            model.apply(&event);
        }
    }
    assert_eq!(model.processes().count(), 1);
    let entities = model.processes.len() + model.groups.len() + model.sessions.len();
    assert!(entities < 8, "{entities}");
    assert!(model.referenced.len() < 8);
    assert_eq!(model.group_by_pgid(Pgid(1)).unwrap().members.len(), 1);
    assert!(model.now().at > BootNs(0));
}
