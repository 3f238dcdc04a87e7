//! The file's form of an event.
//!
//! Must not: change what a name means; fields and kinds are only added.

use serde::{Deserialize, Serialize};

use super::{
    attribute::FileAttribute,
    call::{FileCall, FileWaitStatus},
    inspection::FileInspection,
    task::{FileActor, FileBytes, FileSignal, FileState, FileTask, Wide, is_default},
};

/// One line. The order of the fields is the order in which a person reads them.
#[derive(Serialize, Deserialize)]
pub(super) struct FileEvent {
    pub seq: u64,
    pub at: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu: u16,
    #[serde(flatten)]
    pub kind: FileKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<FileActor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<FileState>,
}

/// What happened.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum FileKind {
    NewTask {
        #[serde(default)]
        flags: u64,
    },
    Exec {
        old_tid: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<FileBytes>,
        #[serde(default, skip_serializing_if = "is_default")]
        truncated: bool,
    },
    Exit {
        #[serde(default, skip_serializing_if = "is_default")]
        group_dead: bool,
    },
    Dead,
    Stopped {
        signal: FileSignal,
    },
    Continued,
    Freed {
        task: FileTask,
    },
    SignalGenerated {
        signal: FileSignal,
        origin: FileOrigin,
        #[serde(default, skip_serializing_if = "is_default")]
        process_directed: bool,
        outcome: FileOutcome,
        disposition: FileDisposition,
        #[serde(default, skip_serializing_if = "is_default")]
        blocked: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        at_delivery: bool,
    },
    SignalDelivered {
        signal: FileSignal,
        #[serde(default, skip_serializing_if = "is_default")]
        code: i32,
        disposition: FileDisposition,
    },
    Enter {
        call: FileCall,
        #[serde(default, skip_serializing_if = "is_default")]
        target_unknown: bool,
    },
    Leave {
        call: FileCall,
        ret: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entered: Option<FileEntered>,
        #[serde(default, skip_serializing_if = "is_default")]
        enter_emitted: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        target_unknown: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waited: Option<FileWaited>,
    },
    Snapshot {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<FileBytes>,
    },
    SnapshotEnd {
        from: u64,
        #[serde(default, skip_serializing_if = "is_default")]
        complete: bool,
        /// Of the followed processes only.
        #[serde(default, skip_serializing_if = "is_default")]
        followed: bool,
    },
    ClockAnchor {
        unix_ns: Wide<i64>,
    },
    Gap {
        from: i64,
        until: i64,
        lost: u64,
        cause: FileGapCause,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        probes: Vec<(String, u64)>,
    },
    Inspected(FileInspection),
    Attribute(FileAttribute),
}

/// The names in `kind` that this release knows; a test compares them with [`FileKind`].
pub(crate) const KINDS: [&str; 17] = [
    "new_task",
    "exec",
    "exit",
    "dead",
    "stopped",
    "continued",
    "freed",
    "signal_generated",
    "signal_delivered",
    "enter",
    "leave",
    "snapshot",
    "snapshot_end",
    "clock_anchor",
    "gap",
    "inspected",
    "attribute",
];

/// Where a call was entered.
#[derive(Serialize, Deserialize)]
pub(super) struct FileEntered {
    pub seq: u64,
    pub at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FileWaited {
    pub child: FileTask,
    pub status: FileWaitStatus,
    #[serde(default, skip_serializing_if = "is_default")]
    pub left_waitable: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileOrigin {
    KernelAsUser,
    Kernel,
    Info(i32),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileOutcome {
    Delivered,
    Ignored,
    AlreadyPending,
    Overflow,
    InfoLost,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileDisposition {
    Default,
    Ignored,
    Handler,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileGapCause {
    MissingSequence,
    Recursion,
    UnpairedCall,
    MapFull,
    Malformed,
    Late,
}
