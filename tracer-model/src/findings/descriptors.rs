//! What a descriptor is to a process that wants its terminal there, in words.
//!
//! Must not: judge, or take a descriptor that was not read for one that is closed.

use super::{
    Now,
    words::{Word, Words, say},
};
use crate::{
    event::{
        Inspection,
        inspection::{Descriptor, Target},
    },
    ids::{ProcKey, RawTty, TtyKey},
};

impl Now<'_> {
    /// `fd 0 is pipe:[77], which is no terminal`; `fd 0 is pts/3, the controlling terminal of session 30 of 30 bash`.
    pub(super) fn descriptor(&self, inspection: &Inspection, number: u32, process: ProcKey) -> Words {
        let Ok(descriptors) = &inspection.descriptors else {
            return say!["it is not known what fd ", number, " refers to: that may not be read"];
        };
        match inspection.descriptor(number) {
            Some(open) => say!["fd ", number, " is ", self.target(open, process)],
            None if descriptors.more > 0 || descriptors.unread.is_some() => {
                say!["it is not known what fd ", number, " refers to"]
            }
            None => say!["fd ", number, " is not open"],
        }
    }

    fn target(&self, open: &Descriptor, process: ProcKey) -> Words {
        let Target::Terminal(tty) = open.target else {
            return say![Word::Bytes(open.path.clone()), ", which is no terminal"];
        };
        let name = tty.to_string();
        let own = self.model.process(process).and_then(|process| process.tty);
        if own.is_some_and(|own| same(own.tty, tty)) {
            return say![name, ", its controlling terminal"];
        }
        let session = self.model.terminals().filter(|it| same(it.key.tty, tty)).find_map(|it| it.session);
        let Some(session) = session.and_then(|session| self.model.session(session)) else {
            return say![name, ", which is not the controlling terminal of its session"];
        };
        let leader = session.leader.map(|leader| say![" of ", self.name(leader)]);
        say![name, ", the controlling terminal of session ", session.key, leader]
    }
}

/// The descriptors of a process that are this terminal: `fd 0, fd 1`.
pub(super) fn on_terminal(inspection: &Inspection, tty: TtyKey) -> Option<Words> {
    let open = &inspection.descriptors.as_ref().ok()?.open;
    let held = open.iter().filter(|it| matches!(it.target, Target::Terminal(of) if same(of, tty.tty)));
    let fds = Words::list(held.map(|it| say!["fd ", it.number]));
    (!fds.is_empty()).then_some(fds)
}

/// The same device. A tracer does not know which devpts instance a controlling terminal is of.
pub(super) fn same(a: RawTty, b: RawTty) -> bool {
    (a.major, a.minor) == (b.major, b.minor) && (a.instance == b.instance || a.instance == 0 || b.instance == 0)
}
