//! What the policy of a process is recognised by, taken together from the model and the looks at it and at its parent.
//!
//! Must not: recognise; `tracer_model::audit` does.

use tracer_model::{
    audit::{Looks as _, Observed},
    event::{
        Inspection,
        inspection::{Status, Target},
    },
    ids::RawTty,
    state::{Model, Process},
};

use super::book::Book;

/// What was observed of a process.
pub(super) fn observe<'a>(process: &'a Process, model: &'a Model, book: &'a Book) -> Observed<'a> {
    let own = book.inspection(process.key);
    let status = own.and_then(|it| it.status.ok());
    let target = |number| Some(own?.descriptor(number)?.target);
    let terminal = |target| if let Target::Terminal(tty) = target { Some(tty) } else { None };
    let terminals = || open_terminals(own).chain(process.tty.map(|it| it.tty));
    Observed {
        name: &process.comm.0,
        above: model.ancestors(process.key).take(8).map(|it| &*it.comm.0).collect(),
        cgroup: own.and_then(|it| it.cgroup.as_deref().ok()).unwrap_or_default(),
        marks: own.and_then(|it| it.marks.as_ref().ok()).into_iter().flatten().map(Vec::as_slice).collect(),
        tty: process.tty,
        input: target(0).and_then(terminal),
        on_console: terminals().next().is_some() && terminals().all(RawTty::is_console),
        first_in_namespace: status.is_some_and(|status| status.inner_pid == 1),
        put_in_namespace: status.is_some_and(|status| put_in_namespace(process, status, book)),
        adopted: process.parent_exited || by_reaper(process, model) || by_manager(process, model, book),
        leads_session: process.facts.session_leader,
        ignores_hangup: status.is_some_and(|status| status.ignored & 1 != 0),
        output_is_socket: target(1) == Some(Target::Socket),
    }
}

fn open_terminals(look: Option<&Inspection>) -> impl Iterator<Item = RawTty> {
    let open = look.and_then(|it| it.descriptors.as_ref().ok()).into_iter().flat_map(|it| &it.open);
    open.filter_map(|it| if let Target::Terminal(tty) = it.target { Some(tty) } else { None })
}

/// Its parent is in the reader's namespace, and it is not.
fn put_in_namespace(process: &Process, own: Status, book: &Book) -> bool {
    let parent = process.parent.and_then(|parent| book.of(parent)?.status.ok());
    own.inner_pid != 0 && parent.is_some_and(|parent| parent.inner_pid == 0)
}

/// Its parent is the service manager of a container: as on the machine, all that it tells from whoever it started is what they
/// write to.
fn by_manager(process: &Process, model: &Model, book: &Book) -> bool {
    let parent = process.parent.and_then(|parent| Some((model.process(parent)?, book.of(parent)?.status.ok()?)));
    parent.is_some_and(|(parent, status)| &*parent.comm.0 == b"systemd" && status.inner_pid == 1)
}

/// Whether its parent adopts: as is known of that one, or because a fork inherits the session, and it has another one that it did
/// not begin. Nothing but the second tells of a subreaper where only `/proc` was read.
pub(super) fn by_reaper(process: &Process, model: &Model) -> bool {
    let Some(parent) = process.parent.and_then(|parent| model.process(parent)) else { return true };
    let elsewhere = !process.facts.session_leader
        && process.session.is_some()
        && parent.session.is_some()
        && process.session != parent.session;
    parent.key.number.0 <= 1 || parent.facts.subreaper || elsewhere
}
