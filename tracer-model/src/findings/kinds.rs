//! What a rule can ask to be told of: kinds of change, and the events that change nothing and matter all the same.
//!
//! Must not: know a rule.

use crate::{
    delta::{Change, SignalPath},
    event::{Call, Event, EventKind, Leave, TtyRequest},
};

macro_rules! kinds {
    ($($change:ident)*) => {
        /// A kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind {
            $(
                #[doc = concat!("[`Change::", stringify!($change), "`].")]
                $change,
            )*
            /// prctl(2) returned, with `PR_SET_PDEATHSIG`.
            Asked,
            /// tcgetpgrp or tcsetpgrp returned without an error.
            Foregrounds,
            /// A call found nobody of the number that it was given (ESRCH).
            FoundNobody,
            /// A process takes a signal.
            Delivered,
            /// [`Change::SignalSent`] that tells a parent of its child: no [`Self::SignalSent`].
            ChildStatus,
            /// What a process shares and holds was read.
            Inspected,
        }

        impl Kind {
            /// How many there are.
            pub const COUNT: usize = Self::Inspected as usize + 1;

            /// That of a change.
            pub fn of(change: &Change) -> Self {
                match change {
                    Change::SignalSent { path: SignalPath::ChildStatus { .. }, .. } => Self::ChildStatus,
                    $(Change::$change { .. } => Self::$change,)*
                }
            }
        }
    };
}

kinds! {
    Forked Found Executed Exited Zombie Reaped Reparented
    GroupBorn Joined GroupEnded Leaderless HeldByZombies Orphaned NoLongerOrphaned
    SessionBorn SessionEnded SessionLeaderExited TtyGained TtyLost TtyLeft Foreground
    LeaderRace Refused SignalSent Stopped Continued WaitReported UnseenCall Gap Anomaly
}

/// The kind of an event, beside those of its changes.
#[expect(clippy::wildcard_enum_match_arm, reason = "the events that no change tells of")]
pub(super) fn own_kind(event: &Event) -> Option<Kind> {
    match &event.kind {
        EventKind::SignalDelivered { .. } => Some(Kind::Delivered),
        EventKind::Inspected(_) => Some(Kind::Inspected),
        EventKind::Leave(leave) => returned(leave),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the calls that no change tells of")]
fn returned(leave: &Leave) -> Option<Kind> {
    const ESRCH: i64 = 3;
    match leave.call {
        Call::SetParentDeathSignal { .. } => Some(Kind::Asked),
        Call::TtyIoctl { request: TtyRequest::GetForeground | TtyRequest::SetForeground, .. } if leave.ret == 0 => {
            Some(Kind::Foregrounds)
        }
        _ => (leave.ret == -ESRCH).then_some(Kind::FoundNobody),
    }
}
