//! The table of rules: a row and a file below `rules/` for each. A row ends with the kinds of change that its rule is told of.
//!
//! Must not: hold a predicate.

use super::{Rule, Severity, kinds::Kind};

/// What every rule uses.
mod prelude {
    pub(super) use super::super::{
        Draft, Evidence, Now, Severity, Subject, Watch,
        waiters::waiter,
        waiting::{MS, SECOND, Waiting, after},
        words::{Errno, Span, Word, Words, count, say},
    };
    pub(super) use crate::{
        delta::{Change, OrphanCause, Refusal, SignalPath},
        event::{Call, Disposition, EventKind, SignalGenerated, SignalOutcome, TtyRequest, WaitStatus},
        ids::{BootNs, Pgid, PgrpKey, Pid, ProcKey, Seq, SessionKey, Signal, TtyKey},
    };
}

macro_rules! rules {
    ($($id:literal $severity:ident $name:literal $file:ident: $($kind:ident)+;)*) => {
        $(mod $file;)*

        /// Every rule, by id.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id,
            name: $name,
            severity: Severity::$severity,
            source: include_str!(concat!("rules/", stringify!($file), ".rs")),
            hears: &[$(Kind::$kind),+],
            watch: $file::watch,
        }),*];
    };
}

rules! {
    "JC101" Warning "lost-setpgid-race" lost_setpgid_race: Joined GroupBorn Exited Refused;
    "JC102" Error "join-dead-group" join_dead_group: Refused;
    "JC103" Warning "setpgid-across-session" setpgid_across_session: SessionBorn Executed Exited Refused;
    "JC104" Warning "use-before-group-exists" use_before_group_exists: Refused GroupBorn;
    "JC105" Info "early-leader-exit" early_leader_exit: Joined Reaped;
    "JC106" Warning "job-in-shell-group" job_in_shell_group: GroupBorn Joined Executed SignalSent Exited Foregrounds;
    "JC201" Warning "background-read-stop" background_read_stop: SignalSent Stopped Continued Exited;
    "JC202" Error "background-control-stop" background_control_stop: SignalSent Stopped Continued Exited;
    "JC203" Error "tcsetpgrp-failed" tcsetpgrp_failed: Refused Exited Inspected;
    "JC204" Error "terminal-not-returned" terminal_not_returned: Foreground TtyLost SignalSent Refused;
    "JC205" Warning "dead-foreground-group" dead_foreground_group: TtyLost Foreground;
    "JC206" Warning "late-handoff" late_handoff: Stopped WaitReported GroupEnded Foreground;
    "JC207" Error "stop-unnoticed" stop_unnoticed: Stopped Continued Exited Foreground;
    "JC208" Warning "no-controlling-terminal" no_controlling_terminal: Exited Refused TtyLost Inspected;
    "JC301" Warning "group-kill-escape" group_kill_escape: SignalSent;
    "JC302" Warning "wrapper-kill-survivors" wrapper_kill_survivors: Exited;
    "JC303" Error "overbroad-kill" overbroad_kill: SignalSent;
    "JC304" Error "stale-target" stale_target: Reaped SignalSent GroupBorn;
    "JC305" Info "double-delivery" double_delivery: SignalSent;
    "JC306" Warning "signal-not-forwarded" signal_not_forwarded: SignalSent Exited;
    "JC307" Warning "stop-signal-discarded" stop_signal_discarded: Delivered;
    "JC308" Error "pdeathsig-hazard" pdeathsig_hazard: SignalSent Exited Asked;
    "JC309" Info "signal-attribution" signal_attribution: Exited Stopped Continued;
    "JC401" Warning "stopped-group-orphaned" stopped_group_orphaned: Orphaned;
    "JC402" Error "orphaned-group-tty-access" orphaned_group_tty_access: Exited Refused;
    "JC403" Warning "leftover-after-root-exit" leftover_after_root_exit: Exited;
    "JC404" Error "leftover-holds-output" leftover_holds_output: Inspected;
    "JC405" Warning "unreaped-zombie" unreaped_zombie: Zombie Reaped;
    "JC406" Warning "session-end-report" session_end_report: Exited TtyLost;
    "JC501" Error "no-new-session" no_new_session: Reparented Exited Inspected;
    "JC502" Info "still-session-leader" still_session_leader: Reparented Exited Inspected;
    "JC503" Error "terminal-reacquired" terminal_reacquired: TtyGained;
    "JC504" Warning "stdio-not-detached" stdio_not_detached: Inspected;
    "JC505" Warning "inherited-fds" inherited_fds: Inspected;
    "JC506" Warning "context-not-reset" context_not_reset: Inspected;
    "JC507" Info "readiness-order" readiness_order: Inspected;
    "JC508" Warning "daemonized-under-supervisor" daemonized_under_supervisor: Inspected;
    "JC601" Error "init-not-reaping" init_not_reaping: Zombie Reaped;
    "JC602" Warning "signal-to-ns-init-ignored" signal_to_ns_init_ignored: SignalSent;
    "JC603" Warning "forwarding-misses-session" forwarding_misses_session: Exited;
    "JC604" Warning "injected-process-outlives-client" injected_process_outlives_client: Exited;
    "JC605" Warning "pidns-id-mismatch" pidns_id_mismatch: Executed Exited Foregrounds FoundNobody;
}
