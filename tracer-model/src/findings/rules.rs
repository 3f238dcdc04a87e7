//! The table of rules: a row and a file below `rules/` for each.
//!
//! Must not: hold a predicate.

use super::{Rule, Severity};

/// What every rule uses.
mod prelude {
    pub(super) use super::super::{
        Draft, Evidence, Now, Severity, Subject, Watch,
        waiters::waiter,
        waiting::{MS, SECOND, Waiting, after},
        words::{Errno, Span, Words, count, say},
    };
    pub(super) use crate::{
        delta::{Change, OrphanCause, Refusal, SignalPath},
        event::{Call, Disposition, EventKind, SignalGenerated, SignalOutcome, TtyRequest, WaitStatus},
        ids::{BootNs, Pgid, PgrpKey, Pid, ProcKey, Seq, SessionKey, Signal, TtyKey},
    };
}

macro_rules! rules {
    ($($id:literal $severity:ident $name:literal $file:ident;)*) => {
        $(mod $file;)*

        /// Every rule, by id.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id,
            name: $name,
            severity: Severity::$severity,
            source: include_str!(concat!("rules/", stringify!($file), ".rs")),
            watch: $file::watch,
        }),*];
    };
}

rules! {
    "JC101" Warning "lost-setpgid-race" lost_setpgid_race;
    "JC102" Error "join-dead-group" join_dead_group;
    "JC103" Warning "setpgid-across-session" setpgid_across_session;
    "JC104" Warning "use-before-group-exists" use_before_group_exists;
    "JC105" Info "early-leader-exit" early_leader_exit;
    "JC201" Warning "background-read-stop" background_read_stop;
    "JC202" Error "background-control-stop" background_control_stop;
    "JC203" Error "tcsetpgrp-failed" tcsetpgrp_failed;
    "JC204" Error "terminal-not-returned" terminal_not_returned;
    "JC205" Warning "dead-foreground-group" dead_foreground_group;
    "JC206" Warning "late-handoff" late_handoff;
    "JC207" Error "stop-unnoticed" stop_unnoticed;
    "JC208" Warning "no-controlling-terminal" no_controlling_terminal;
    "JC301" Warning "group-kill-escape" group_kill_escape;
    "JC302" Warning "wrapper-kill-survivors" wrapper_kill_survivors;
    "JC303" Error "overbroad-kill" overbroad_kill;
    "JC304" Error "stale-target" stale_target;
    "JC305" Info "double-delivery" double_delivery;
    "JC306" Warning "signal-not-forwarded" signal_not_forwarded;
    "JC307" Warning "stop-signal-discarded" stop_signal_discarded;
    "JC308" Error "pdeathsig-hazard" pdeathsig_hazard;
    "JC309" Info "signal-attribution" signal_attribution;
    "JC401" Warning "stopped-group-orphaned" stopped_group_orphaned;
    "JC402" Error "orphaned-group-tty-access" orphaned_group_tty_access;
    "JC403" Warning "leftover-after-root-exit" leftover_after_root_exit;
    "JC405" Warning "unreaped-zombie" unreaped_zombie;
    "JC406" Info "session-end-report" session_end_report;
    "JC501" Error "no-new-session" no_new_session;
    "JC502" Info "still-session-leader" still_session_leader;
    "JC503" Error "terminal-reacquired" terminal_reacquired;
    "JC601" Error "init-not-reaping" init_not_reaping;
    "JC602" Warning "signal-to-ns-init-ignored" signal_to_ns_init_ignored;
}
