//! Calls that send signals: a history of fixed size, for sources that see a signal only when it is taken.
//!
//! A signal that is taken belongs to a call that its sender made before, with the same number and aimed at its target. When
//! two such calls are not accounted for, nothing tells which one it was, and nothing is said. Must not grow.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Call, Namespace},
    ids::{PgrpKey, Pid, ProcKey, Seq, Signal, Tid},
};

/// How many calls are remembered.
const CAPACITY: usize = 256;

/// First signal of which several are queued, and taken in the order of their calls (signal(7)).
const FIRST_REALTIME: u32 = 32;

/// A call of the kill family, from its ENTER on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Send {
    sender: ProcKey,
    call: Call,
    signal: Signal,
    entered: Seq,
    /// The sender's group at ENTER, which `kill(0)` means.
    own_group: Option<PgrpKey>,
    /// Who has taken a signal that can be this one.
    taken: Vec<ProcKey>,
}

/// Who takes a signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub key: ProcKey,
    pub thread: Tid,
    pub group: Option<PgrpKey>,
    pub namespace: Option<Namespace>,
}

/// The history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sends(VecDeque<Send>);

impl Sends {
    /// A process calls kill or one of its relatives.
    pub fn entered(&mut self, sender: ProcKey, own_group: Option<PgrpKey>, call: Call, signal: Signal, entered: Seq) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(Send { sender, call, signal, entered, own_group, taken: Vec::new() });
    }

    /// The call with this ENTER reached nobody.
    pub fn failed(&mut self, entered: Seq) {
        self.0.retain(|send| send.entered != entered);
    }

    /// Whether the call with this ENTER is aimed at a process of which it was not said yet.
    pub fn reaches(&self, entered: Seq, taker: &Taker) -> bool {
        self.0.iter().any(|send| send.entered == entered && !send.taken.contains(&taker.key) && reaches(send, taker))
    }

    /// Says of the call with this ENTER that it reached a process.
    pub fn reached(&mut self, entered: Seq, target: ProcKey) {
        self.0.iter_mut().filter(|send| send.entered == entered).for_each(|send| send.taken.push(target));
    }

    /// The call that is aimed at a process, and of which that was not said yet: its caller, itself, its ENTER. Of several
    /// nothing tells which one it was.
    pub fn only(&self, signal: Signal, taker: &Taker) -> Option<(ProcKey, Call, Seq)> {
        let possible = |send: &&Send| send.signal == signal && !send.taken.contains(&taker.key) && reaches(send, taker);
        let mut candidates = self.0.iter().filter(possible);
        let found = candidates.next().map(|send| (send.sender, send.call, send.entered));
        found.filter(|_| candidates.next().is_none())
    }

    /// The call that sent the signal which is being taken, when there is only one that can have.
    pub fn taken(&mut self, sender: ProcKey, signal: Signal, taker: &Taker) -> Option<(Call, Seq)> {
        let possible = |send: &&mut Send| {
            send.sender == sender && send.signal == signal && !send.taken.contains(&taker.key) && reaches(send, taker)
        };
        let mut candidates = self.0.iter_mut().filter(possible);
        let first = candidates.next()?;
        first.taken.push(taker.key);
        let found = (first.call, first.entered);
        if signal.0 >= FIRST_REALTIME {
            return Some(found);
        }
        // Of a standard signal one is pending at most: whatever was sent before this one was taken is spent, or may be.
        let others = candidates.map(|send| send.taken.push(taker.key)).count();
        (others == 0).then_some(found)
    }
}

fn reaches(send: &Send, taker: &Taker) -> bool {
    aims_at(send.call, send.own_group, taker)
}

/// Whether a call of a member of `own_group` sends a signal to a process, as far as its arguments tell: a pidfd can be anybody's.
pub(crate) fn aims_at(call: Call, own_group: Option<PgrpKey>, taker: &Taker) -> bool {
    let is_it = |number: i32| {
        let inside = taker.namespace.map(|namespace| namespace.pid);
        let number = Pid(number as u32);
        number == taker.key.number || Some(number) == inside || number.0 == taker.thread.0
    };
    match call {
        Call::Kill { target: -1, .. } | Call::PidfdSendSignal { .. } => true,
        Call::Kill { target: 0, .. } => own_group == taker.group,
        Call::Kill { target: target @ ..0, .. } => {
            taker.group.is_some_and(|group| group.number.0 == target.unsigned_abs())
                || taker.namespace.is_some_and(|inside| inside.pgid.0 == target.unsigned_abs())
        }
        Call::Kill { target: number, .. }
        | Call::Tkill { tid: number, .. }
        | Call::Sigqueue { pid: number, .. }
        | Call::Tgkill { pid: number, .. }
        | Call::Tgsigqueue { pid: number, .. } => is_it(number),
        Call::Setpgid { .. }
        | Call::Setsid
        | Call::TtyIoctl { .. }
        | Call::Wait4 { .. }
        | Call::Waitid { .. }
        | Call::SetSubreaper { .. }
        | Call::SetParentDeathSignal { .. }
        | Call::Vhangup
        | Call::Open
        | Call::Read { .. }
        | Call::Write { .. } => false,
    }
}
