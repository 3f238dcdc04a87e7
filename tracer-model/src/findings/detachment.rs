//! What a process that was inspected shares with where it comes from: the material of the rules about daemons.
//!
//! Where it comes from is known in one of three ways, in this order: the command before it was executed; the nearest process
//! above it that was inspected too; or, where its launch was not seen, a process that holds the very same thing under the
//! same number. Must not: judge.

use super::Now;
use crate::{
    event::{
        EventKind, Inspection,
        inspection::{Descriptor, Moment, Target},
    },
    ids::ProcKey,
};

/// Ancestors that are looked at.
const ABOVE: usize = 16;

/// A process with its inspection, and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Inspected<'a> {
    pub process: ProcKey,
    pub inspection: &'a Inspection,
    pub origin: Option<Origin<'a>>,
}

/// Where a process comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub process: ProcKey,
    pub inspection: &'a Inspection,
}

impl<'a> Now<'a> {
    /// The inspection that the event at hand is, of a process that has settled or was asked for.
    pub(super) fn inspected(&self) -> Option<Inspected<'a>> {
        let EventKind::Inspected(inspection) = &self.event?.kind else { return None };
        let process = self.delta.subject?;
        let asked = matches!(inspection.moment, Moment::Settled | Moment::Asked);
        let daemon = asked && inspection.is_of_the_living() && self.is_alive(process);
        daemon.then(|| Inspected { process, inspection, origin: self.origin(process) })
    }

    /// Where a process comes from, as far as that was inspected.
    pub(super) fn origin(&self, process: ProcKey) -> Option<Origin<'a>> {
        let memory = self.memory;
        // The parent, of who was there before the capture.
        let above = |key: &ProcKey| memory.life(*key)?.launcher.or_else(|| self.model.launching_parent(*key));
        let ancestors = std::iter::successors(above(&process), above);
        // The command itself was inspected before it was executed: what it got is what its launcher handed on.
        let launch = |key: ProcKey| Some((key, memory.life(key)?.inspected(Moment::Launch)?));
        let asked = |key: ProcKey| Some((key, memory.life(key)?.inspected(Moment::Asked)?));
        let own = launch(process);
        let found = own.or_else(|| ancestors.take(ABOVE).find_map(|key| launch(key).or_else(|| asked(key))));
        found.map(|(process, inspection)| Origin { process, inspection })
    }
}

impl<'a> Inspected<'a> {
    /// Its open descriptors; none where they could not be read.
    pub fn open(&self) -> &'a [Descriptor] {
        self.inspection.descriptors.as_ref().map_or(&[], |descriptors| &descriptors.open)
    }

    /// The descriptor of its origin that an exec keeps and that this one is.
    pub fn inherited(&self, open: &Descriptor) -> Option<&'a Descriptor> {
        let there = &self.origin?.inspection.descriptors.as_ref().ok()?.open;
        // A file can be opened twice; a pipe, a socket or a terminal under another number was handed on and moved.
        let alike = |it: &&Descriptor| {
            let named = matches!(it.target, Target::File | Target::Directory | Target::Device | Target::Null);
            it.same_target(open)
                && !it.close_on_exec
                && (!named || it.number == open.number && it.access == open.access)
        };
        there.iter().find(alike)
    }

    /// This pipe is one of which its origin holds an end: nobody comes by a nameless pipe but by inheriting it, whether or not
    /// the origin's own end survives an exec.
    pub fn is_pipe_of_origin(&self, open: &Descriptor) -> bool {
        let there = || self.origin?.inspection.descriptors.as_ref().ok()?.open.iter().find(|it| it.same_target(open));
        open.target == Target::Pipe && open.path.starts_with(b"pipe:") && there().is_some()
    }

    /// Its environment had this variable at its last exec.
    pub fn has_mark(&self, name: &str) -> bool {
        self.inspection.marks.as_ref().is_ok_and(|marks| marks.iter().any(|mark| mark == name.as_bytes()))
    }
}
