//! How histories read: text in, text out, through the real model.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them when it updates")]

mod form;
mod histories;
mod listings;
mod long;
mod refusals;
mod same;

use std::{cell::RefCell, io, rc::Rc};

use tracer_model::{
    dsl,
    event::Event,
    findings::Findings,
    ids::{BootNs, Pid},
    state::Model,
};

use super::{SINKS, Style};
use crate::trace_file::{Header, Scope, Summary};

/// A shell on a terminal, run by sesstrace in a terminal's own shell: numbers as in the histories below.
const SHELL: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader tty=pts/3 fg=10}
    snapshot-end
";

/// Bytes that a sink wrote.
#[derive(Clone, Default)]
pub(super) struct Page(pub Rc<RefCell<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn header() -> Header {
    Header {
        tool: "0.1.0".to_owned(),
        host: b"build7".to_vec(),
        kernel: "6.18.44".to_owned(),
        boot_id: "6a1d0c3e-0000-4000-8000-000000000001".to_owned(),
        backend: "ebpf".to_owned(),
        tier: "tracepoint".to_owned(),
        tier_reason: "this kernel refuses trampolines".to_owned(),
        pid_namespace: 4_026_531_836,
        boot_ns: BootNs(0),
        unix_ns: 1_700_000_000_000_000_000,
        command: vec![b"bash".to_vec()],
        scope: Scope::Tree { root: Pid(10), name: b"bash".to_vec() },
        user: None,
    }
}

/// The events of a history on top of [`SHELL`].
fn events(history: &str) -> Vec<Event> {
    dsl::parse(&format!("{SHELL}{history}")).unwrap_or_else(|error| panic!("{error}"))
}

/// Some seconds after the last event.
fn after(events: &[Event]) -> BootNs {
    BootNs(events.iter().map(|event| event.at.0).max().unwrap_or_default() + 2_500_000_000)
}

/// What a sink makes of events.
fn shown(form: &str, header: &Header, events: &[Event], style: Style) -> String {
    let page = Page::default();
    let row = SINKS.iter().find(|row| row.name == form).expect("a form");
    let mut sink = (row.make)(Box::new(page.clone()), style);
    let (mut model, mut rules) = (Model::new(), Findings::new());
    if let Scope::Tree { root, .. } = header.scope {
        model.follow(root);
    }
    let mut summary = Summary { complete: true, ..Summary::default() };
    sink.begin(header).expect("a page never fails");
    for event in events {
        summary.count(event);
        rules.advance(event.at, &model);
        let delta = model.apply(event);
        rules.observe(event, &delta, &model);
        sink.event(event, &delta, &model).expect("a page never fails");
        rules.take().iter().for_each(|finding| sink.finding(finding).expect("a page never fails"));
    }
    // Nothing happens for a while, in which what stays as it is is decided.
    rules.advance(after(events), &model);
    rules.end(&model);
    rules.take().iter().for_each(|finding| sink.finding(finding).expect("a page never fails"));
    sink.end(&model, &summary).expect("a page never fails");
    String::from_utf8(page.0.take()).expect("UTF-8")
}

/// The timeline of a history, without its first lines, which are the same for all.
fn timeline(history: &str) -> String {
    let text = shown("timeline", &header(), &events(history), Style::PLAIN);
    text.lines().skip(2).flat_map(|line| [line, "\n"]).collect()
}
