//! What a process still shares with who launched it, and what it changed since, by two inspections. Where the step that changed it
//! was an event it has its time; otherwise it lies between the two.
//!
//! Must not: judge.

use std::collections::BTreeSet;

use super::Step;
use crate::{
    delta::Bounds,
    event::{
        Attribute,
        inspection::{Descriptor, Inspection, RESERVED, Status, signals},
    },
    ids::{BootNs, ProcKey, Signal},
};

/// Descriptors beyond 0 to 2 that are listed, of each kind.
const LISTED: usize = 8;

/// One thing, and what it was and is. The names of files are hostile bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// `fd 0`, `umask`, `SIGUSR2`.
    pub what: String,
    /// With the launcher. Empty: nothing.
    pub was: Vec<u8>,
    /// Now. Empty: nothing.
    pub is: Vec<u8>,
    /// What of the process that is.
    pub of: Aspect,
    /// The step that changed it: when, and by whom. `None`: no event shows it.
    pub by: Option<(BootNs, ProcKey)>,
}

/// What of a process is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// A descriptor.
    Descriptor(u32),
    /// The working directory.
    Directory,
    /// The umask.
    Umask,
    /// Whether this signal is ignored.
    Ignored(Signal),
    /// Whether it is blocked.
    Blocked(Signal),
    /// Group, session, terminal.
    Job,
}

impl Aspect {
    /// Whether a step may have changed this.
    fn is_changed_by(self, attribute: Attribute) -> bool {
        match (self, attribute) {
            (Self::Descriptor(number), attribute) => attribute.changes_descriptor(number),
            (Self::Directory, Attribute::Chdir { errno, .. }) => errno == 0,
            (Self::Umask, Attribute::Umask { .. }) => true,
            (Self::Ignored(own), Attribute::Sigaction { signal, .. }) => own == signal,
            (Self::Blocked(own), Attribute::Sigprocmask { old, new }) => {
                own.0.checked_sub(1).is_some_and(|bit| (old ^ new).checked_shr(bit).unwrap_or(0) & 1 != 0)
            }
            _ => false,
        }
    }
}

/// A comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What is as the launcher had it.
    pub shares: Vec<Thing>,
    /// What is not.
    pub changed: Vec<Thing>,
    /// When the changes happened, together: between the two inspections.
    pub between: Option<Bounds>,
}

impl Comparison {
    fn take(&mut self, of: Aspect, what: impl Into<String>, was: &[u8], is: &[u8]) {
        let thing = Thing { what: what.into(), was: was.to_vec(), is: is.to_vec(), of, by: None };
        let list = if was == is { &mut self.shares } else { &mut self.changed };
        list.push(thing);
    }
}

/// Gives what was changed the time of the last step on the path that did it, within the bounds.
pub fn date(comparison: &mut Comparison, path: &[Step]) {
    let Some(Bounds { after, until }) = comparison.between else { return };
    for thing in &mut comparison.changed {
        let did = |step: &&Step| step.kind.attribute().is_some_and(|it| thing.of.is_changed_by(it));
        let mut within = path.iter().filter(|step| after <= step.at && step.at <= until);
        thing.by = within.rfind(did).map(|step| (step.at, step.process));
    }
}

/// Compares a process with who launched it, as far as both could be looked at.
#[must_use]
pub fn compare(own: &Inspection, launcher: &Inspection) -> Comparison {
    let mut comparison = Comparison::default();
    if let (Ok(own), Ok(there)) = (&own.descriptors, &launcher.descriptors) {
        descriptors(&own.open, &there.open, &mut comparison);
    }
    if let (Ok(own), Ok(there)) = (&own.directory, &launcher.directory) {
        let same = (own.device, own.inode) == (there.device, there.inode);
        let on = if own.other_mount { "working directory on another mount than /," } else { "working directory" };
        comparison.take(Aspect::Directory, on, if same { &own.path } else { &there.path }, &own.path);
    }
    if let (Ok(own), Ok(there)) = (&own.status, &launcher.status) {
        statuses(own, there, &mut comparison);
    }
    comparison
}

fn descriptors(own: &[Descriptor], there: &[Descriptor], comparison: &mut Comparison) {
    let find = |open: &[Descriptor], number| open.iter().find(|it| it.number == number).cloned();
    let numbers: BTreeSet<u32> = own.iter().chain(there).map(|it| it.number).collect();
    let mut listed = 0;
    for number in numbers {
        // What an exec closes was not handed on, and what only the process itself has is its own.
        let Some(was) = find(there, number).filter(|it| !it.close_on_exec) else { continue };
        if number > 2 {
            listed += 1;
            if listed > LISTED {
                continue;
            }
        }
        let of = Aspect::Descriptor(number);
        match find(own, number) {
            Some(is) if is.same_target(&was) => comparison.take(of, format!("fd {number}"), &is.path, &is.path),
            Some(is) => comparison.take(of, format!("fd {number}"), &was.path, &is.path),
            None => comparison.take(of, format!("fd {number}"), &was.path, b""),
        }
    }
}

fn statuses(own: &Status, there: &Status, comparison: &mut Comparison) {
    let octal = |mask: u32| format!("{mask:03o}").into_bytes();
    comparison.take(Aspect::Umask, "umask", &octal(there.umask), &octal(own.umask));
    for (word, own, there) in [("blocked", own.blocked, there.blocked), ("ignored", own.ignored, there.ignored)] {
        for signal in signals(there & !RESERVED) {
            let of = if word == "blocked" { Aspect::Blocked(signal) } else { Aspect::Ignored(signal) };
            let is = if own >> (signal.0 - 1) & 1 == 0 { "" } else { word };
            comparison.take(of, signal.to_string(), word.as_bytes(), is.as_bytes());
        }
    }
}
