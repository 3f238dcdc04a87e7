//! What a process still shares with who launched it, and what it changed since: the steps of a daemon that no event shows.
//!
//! chdir, umask, close, dup2, sigaction and sigprocmask are watched by no probe. What they did shows in two inspections, so that
//! these steps have bounds and no instant. Must not: judge.

use std::collections::BTreeSet;

use crate::{
    delta::Bounds,
    event::inspection::{Descriptor, Inspection, Status},
    ids::Signal,
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
    fn take(&mut self, what: impl Into<String>, was: &[u8], is: &[u8]) {
        let thing = Thing { what: what.into(), was: was.to_vec(), is: is.to_vec() };
        let list = if was == is { &mut self.shares } else { &mut self.changed };
        list.push(thing);
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
        comparison.take(on, if same { &own.path } else { &there.path }, &own.path);
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
        match find(own, number) {
            Some(is) if is.same_target(&was) => comparison.take(format!("fd {number}"), &is.path, &is.path),
            Some(is) => comparison.take(format!("fd {number}"), &was.path, &is.path),
            None => comparison.take(format!("fd {number}"), &was.path, b""),
        }
    }
}

fn statuses(own: &Status, there: &Status, comparison: &mut Comparison) {
    let octal = |mask: u32| format!("{mask:03o}").into_bytes();
    comparison.take("umask", &octal(there.umask), &octal(own.umask));
    for (word, own, there) in [("blocked", own.blocked, there.blocked), ("ignored", own.ignored, there.ignored)] {
        for signal in (1..=64).filter(|signal| there >> (signal - 1) & 1 != 0) {
            let is = if own >> (signal - 1) & 1 == 0 { "" } else { word };
            comparison.take(Signal(signal).to_string(), word.as_bytes(), is.as_bytes());
        }
    }
}
