//! The protobuf messages of a `.sesstrace` recording; `docs/TRACE-FORMAT.md` has them as a `.proto` file.
//!
//! Must not: change what a number means; fields are only added.

use prost::{
    Message as _,
    encoding::{encode_varint, sint64},
};

/// Everything in a frame is one of these, each behind its length.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    /// New entries of the frame's tables, before anything refers to them.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub strings: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    pub tasks: Vec<Task>,
    #[prost(message, repeated, tag = "3")]
    pub ids: Vec<Id>,
    #[prost(message, repeated, tag = "4")]
    pub ttys: Vec<Tty>,
    /// Minus one more than the number of the event before.
    #[prost(sint64, tag = "5")]
    pub seq: i64,
    /// Minus the time of the event before.
    #[prost(sint64, tag = "6")]
    pub at: i64,
    /// Absent: as of the event before.
    #[prost(uint32, optional, tag = "7")]
    pub cpu: Option<u32>,
    /// A task. Absent: as of the event before.
    #[prost(uint32, optional, tag = "8")]
    pub actor: Option<u32>,
    /// A string. Absent: as this actor was called before.
    #[prost(uint32, optional, tag = "9")]
    pub actor_comm: Option<u32>,
    /// A task. Absent: the actor.
    #[prost(uint32, optional, tag = "10")]
    pub subject: Option<u32>,
    #[prost(message, optional, tag = "11")]
    pub state: Option<Changes>,
    /// The event has no subject.
    #[prost(bool, tag = "30")]
    pub no_subject: bool,
    /// What this is. None: an event of a kind that is newer than this release.
    #[prost(
        oneof = "Content",
        tags = "12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31, 32, 33"
    )]
    pub content: Option<Content>,
}

/// The field of [`Record::at`].
const AT: u32 = 6;

impl Record {
    /// Appends the message behind its length. The time stands last: nothing can foretell it, and what stands before it is often
    /// as it was in an earlier message, which compresses the better the less is in between.
    pub(super) fn append(mut self, out: &mut Vec<u8>) {
        let at = std::mem::take(&mut self.at);
        let has_time = at != 0;
        let length = self.encoded_len() + if has_time { sint64::encoded_len(AT, &at) } else { 0 };
        encode_varint(length as u64, out);
        self.encode_raw(out);
        if has_time {
            sint64::encode(AT, &at, out);
        }
    }
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Content {
    #[prost(message, tag = "12")]
    Enter(Enter),
    #[prost(message, tag = "13")]
    Leave(Leave),
    #[prost(message, tag = "14")]
    SignalGenerated(SignalGenerated),
    /// CRC-32 of everything since the check before or since the begin of the frame.
    #[prost(fixed32, tag = "15")]
    Check(u32),
    /// The header, as the first line of a JSON Lines recording.
    #[prost(bytes = "vec", tag = "16")]
    Header(Vec<u8>),
    #[prost(message, tag = "17")]
    Keyframe(Keyframe),
    #[prost(message, tag = "18")]
    End(End),
    #[prost(message, tag = "19")]
    NewTask(NewTask),
    #[prost(message, tag = "20")]
    Exec(Exec),
    /// Of the whole process.
    #[prost(bool, tag = "21")]
    Exit(bool),
    #[prost(message, tag = "22")]
    Dead(Nothing),
    /// The signal.
    #[prost(uint32, tag = "23")]
    Stopped(u32),
    /// A task.
    #[prost(uint32, tag = "24")]
    Freed(u32),
    #[prost(message, tag = "25")]
    SignalDelivered(SignalDelivered),
    #[prost(message, tag = "26")]
    Snapshot(Snapshot),
    #[prost(message, tag = "27")]
    SnapshotEnd(SnapshotEnd),
    /// Wall time, ns since 1970.
    #[prost(sint64, tag = "28")]
    ClockAnchor(i64),
    #[prost(message, tag = "29")]
    Gap(Gap),
    #[prost(message, tag = "31")]
    Continued(Nothing),
    /// What JSON Lines have beside `kind`.
    #[prost(bytes = "vec", tag = "32")]
    Inspected(Vec<u8>),
    /// What JSON Lines have beside `kind`.
    #[prost(bytes = "vec", tag = "33")]
    Attribute(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Nothing {}

/// A thread of a process.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Task {
    /// Minus that of the entry before.
    #[prost(sint64, tag = "1")]
    pub pid: i64,
    /// Absent: the pid.
    #[prost(uint32, optional, tag = "2")]
    pub tid: Option<u32>,
    /// Minus the time of the event.
    #[prost(sint64, tag = "3")]
    pub start: i64,
}

/// A number and the `pid->ino` that says which one of its lives.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Id {
    /// Minus that of the entry before.
    #[prost(sint64, tag = "1")]
    pub number: i64,
    /// Minus that of the entry before.
    #[prost(sint64, tag = "2")]
    pub ino: i64,
}

/// A controlling terminal with its job-control state.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Tty {
    #[prost(uint32, tag = "1")]
    pub major: u32,
    #[prost(uint32, tag = "2")]
    pub minor: u32,
    #[prost(uint32, tag = "3")]
    pub instance: u32,
    /// An id.
    #[prost(uint32, tag = "4")]
    pub foreground: u32,
    #[prost(bool, tag = "5")]
    pub foreground_empty: bool,
    #[prost(uint32, tag = "6")]
    pub session: u32,
}

/// What of the subject's bundle is other than in the bundle before of the same task (or of the task that it is `like`, or of
/// one all of whose fields are zero).
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Changes {
    /// A task: for the first bundle of a subject, begin with that one's.
    #[prost(uint32, optional, tag = "1")]
    pub like: Option<u32>,
    /// An id: the process's own.
    #[prost(uint32, optional, tag = "2")]
    pub id: Option<u32>,
    /// A task.
    #[prost(uint32, optional, tag = "3")]
    pub parent: Option<u32>,
    /// An id.
    #[prost(uint32, optional, tag = "4")]
    pub pgrp: Option<u32>,
    /// An id.
    #[prost(uint32, optional, tag = "5")]
    pub session: Option<u32>,
    /// 0: none; else a tty, plus 1.
    #[prost(uint32, optional, tag = "6")]
    pub tty: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub signal_flags: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    pub exit_state: Option<u32>,
    #[prost(uint32, optional, tag = "9")]
    pub task_exit_state: Option<u32>,
    #[prost(sint32, optional, tag = "10")]
    pub exit_code: Option<i32>,
    #[prost(sint32, optional, tag = "11")]
    pub group_exit_code: Option<i32>,
    #[prost(uint32, optional, tag = "12")]
    pub task_flags: Option<u32>,
    #[prost(sint32, optional, tag = "13")]
    pub live: Option<i32>,
    /// A bit each, in the order of docs/TRACE-FORMAT.md.
    #[prost(uint32, optional, tag = "14")]
    pub facts: Option<u32>,
    /// A string.
    #[prost(uint32, optional, tag = "15")]
    pub comm: Option<u32>,
    #[prost(uint32, optional, tag = "16")]
    pub jobctl: Option<u32>,
    #[prost(uint32, optional, tag = "17")]
    pub tty_old_pgrp: Option<u32>,
    #[prost(uint32, optional, tag = "18")]
    pub uid: Option<u32>,
    #[prost(uint64, optional, tag = "19")]
    pub cgroup: Option<u64>,
    /// An id.
    #[prost(uint32, optional, tag = "20")]
    pub parent_pgrp: Option<u32>,
    #[prost(uint32, optional, tag = "21")]
    pub parent_session: Option<u32>,
    #[prost(message, optional, tag = "22")]
    pub namespace: Option<Namespace>,
    /// It is in the pid namespace of the capture again.
    #[prost(bool, tag = "23")]
    pub no_namespace: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Namespace {
    #[prost(uint32, tag = "1")]
    pub inum: u32,
    #[prost(uint32, tag = "2")]
    pub level: u32,
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    #[prost(uint32, tag = "4")]
    pub pgid: u32,
    #[prost(uint32, tag = "5")]
    pub sid: u32,
}

/// A call: its number and its arguments, in the order of docs/TRACE-FORMAT.md.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Call {
    #[prost(uint32, tag = "1")]
    pub name: u32,
    #[prost(sint64, tag = "2")]
    pub a: i64,
    #[prost(sint64, tag = "3")]
    pub b: i64,
    #[prost(sint64, tag = "4")]
    pub c: i64,
    #[prost(uint64, tag = "5")]
    pub d: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Enter {
    #[prost(message, optional, tag = "1")]
    pub call: Option<Call>,
    #[prost(bool, tag = "2")]
    pub target_unknown: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Leave {
    /// Absent: that of this actor's last `Enter` in the frame.
    #[prost(message, optional, tag = "1")]
    pub call: Option<Call>,
    /// Absent: the pid of `waited`, or 0.
    #[prost(sint64, optional, tag = "2")]
    pub ret: Option<i64>,
    /// The call began with this actor's last `Enter` in the frame, at that event's time plus this.
    #[prost(sint64, optional, tag = "3")]
    pub paired: Option<i64>,
    /// Where it began, when `paired` is absent. Neither: not known.
    #[prost(message, optional, tag = "4")]
    pub entered: Option<Entered>,
    /// That `Enter` is an event of the recording, when `paired` is absent. With `paired`: it is not.
    #[prost(bool, tag = "5")]
    pub emitted_differs: bool,
    #[prost(bool, tag = "6")]
    pub target_unknown: bool,
    #[prost(message, optional, tag = "7")]
    pub waited: Option<Waited>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Entered {
    /// Minus the event's.
    #[prost(sint64, tag = "1")]
    pub seq: i64,
    /// Minus the event's.
    #[prost(sint64, tag = "2")]
    pub at: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Waited {
    /// A task.
    #[prost(uint32, tag = "1")]
    pub child: u32,
    /// 0 exited, 1 killed, 2 killed and dumped core, 3 stopped, 4 continued, 5 unknown, 6 unknown and may be a stop.
    #[prost(uint32, tag = "2")]
    pub status: u32,
    /// The exit code or the signal.
    #[prost(sint64, tag = "3")]
    pub value: i64,
    #[prost(bool, tag = "4")]
    pub left_waitable: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct SignalGenerated {
    #[prost(uint32, tag = "1")]
    pub signal: u32,
    /// 0 siginfo, 1 kernel, 2 kernel as user.
    #[prost(uint32, tag = "2")]
    pub origin: u32,
    /// `si_code` for origin 0.
    #[prost(sint32, tag = "3")]
    pub code: i32,
    #[prost(bool, tag = "4")]
    pub process_directed: bool,
    /// 0 delivered, 1 ignored, 2 already pending, 3 overflow, 4 information lost.
    #[prost(uint32, tag = "5")]
    pub outcome: u32,
    /// 0 default, 1 ignored, 2 handler.
    #[prost(uint32, tag = "6")]
    pub disposition: u32,
    #[prost(bool, tag = "7")]
    pub blocked: bool,
    #[prost(bool, tag = "8")]
    pub at_delivery: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct SignalDelivered {
    #[prost(uint32, tag = "1")]
    pub signal: u32,
    #[prost(sint32, tag = "2")]
    pub code: i32,
    /// As in `SignalGenerated`.
    #[prost(uint32, tag = "3")]
    pub disposition: u32,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct NewTask {
    #[prost(uint64, tag = "1")]
    pub flags: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Exec {
    /// Absent: the actor's.
    #[prost(uint32, optional, tag = "1")]
    pub old_tid: Option<u32>,
    /// Strings.
    #[prost(uint32, repeated, tag = "2")]
    pub args: Vec<u32>,
    #[prost(bool, tag = "3")]
    pub truncated: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Snapshot {
    /// Strings.
    #[prost(uint32, repeated, tag = "1")]
    pub args: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct SnapshotEnd {
    /// Minus the event's.
    #[prost(sint64, tag = "1")]
    pub from: i64,
    /// Who is in it for certain: 0 nobody in particular, 1 the followed processes, 2 all.
    #[prost(uint32, tag = "2")]
    pub coverage: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Gap {
    /// Minus the event's time.
    #[prost(sint64, tag = "1")]
    pub from: i64,
    /// Minus the event's time.
    #[prost(sint64, tag = "2")]
    pub until: i64,
    #[prost(uint64, tag = "3")]
    pub lost: u64,
    /// 0 missing sequence, 1 recursion, 2 unpaired call, 3 map full, 4 malformed, 5 late.
    #[prost(uint32, tag = "4")]
    pub cause: u32,
    #[prost(message, repeated, tag = "5")]
    pub probes: Vec<Probe>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Probe {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint64, tag = "2")]
    pub lost: u64,
}

/// The state before the next event, for a reader that begins here.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Keyframe {
    /// Which model wrote it; others begin elsewhere.
    #[prost(string, tag = "1")]
    pub model: String,
    #[prost(bytes = "vec", tag = "2")]
    pub state: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct End {
    #[prost(uint64, tag = "1")]
    pub events: u64,
    #[prost(uint64, tag = "2")]
    pub lost: u64,
    #[prost(bool, tag = "3")]
    pub complete: bool,
}
