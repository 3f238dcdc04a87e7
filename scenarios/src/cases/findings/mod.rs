//! What goes wrong in practice, and what looks like it and is well: two scenarios for each rule that no other family shows.

use crate::Scenario;

mod containers;
mod daemons;
mod detachment;
mod foreground;
mod job_control;
mod kills;
mod leftovers;
mod namespaces;
mod passed_on;
mod paths;
mod reported;
mod tools;
mod wrappers;
mod zombies;

/// This family.
pub const ALL: &[&Scenario] = &[
    &foreground::FROZEN,
    &foreground::NOBODY,
    &foreground::LATE,
    &foreground::SPINS,
    &kills::WRAPPER,
    &kills::WRAPPER_GROUP,
    &kills::ESCAPE,
    &kills::OWN_GROUP,
    &kills::OTHER_GROUP,
    &kills::STALE,
    &kills::FRESH,
    &passed_on::TWICE,
    &passed_on::NINJA,
    &passed_on::NINJA_FORWARDS,
    &passed_on::THREAD,
    &passed_on::PARENT,
    &leftovers::LEFT,
    &leftovers::DAEMON,
    &leftovers::WAITED,
    &leftovers::IN_VFORK,
    &leftovers::HOLDS_TERMINAL,
    &daemons::HALF,
    &daemons::REACQUIRES,
    &detachment::CARELESS,
    &detachment::CAREFUL,
    &detachment::STEP_BY_STEP,
    &detachment::HOLDS_PIPE,
    &detachment::UNREADY,
    &detachment::READY,
    &detachment::UNDER_SUPERVISOR,
    &zombies::KEPT,
    &zombies::INIT,
    &namespaces::IGNORES,
    &namespaces::HANDLES,
    &tools::TIMEOUT,
    &tools::TIMEOUT_FOREGROUND,
    &tools::NO_TERMINAL,
    &tools::TERMINAL,
    &job_control::SHARED,
    &job_control::APART,
    &job_control::BASH_QUICK,
    &job_control::DASH_QUICK,
    &job_control::ZSH_QUICK,
    &job_control::MKSH_QUICK,
    &job_control::YASH_QUICK,
    &job_control::MAKE,
    &containers::TINI,
    &containers::DUMB_INIT,
    &containers::TINI_GROUP,
    &containers::EXEC,
    &containers::EXEC_WAITS,
    &containers::OUTSIDE,
    &containers::INSIDE,
    &containers::PROCESS_1,
    &containers::EVERYBODY,
    &paths::QUIT,
    &paths::CALLS,
    &paths::ITSELF,
    &paths::VHANGUP,
    &paths::CGROUP,
    &paths::OOM,
    &paths::KEPT,
    &paths::TOLD,
    &reported::PYTHON_TIMEOUT,
    &reported::NODE_KILL,
    &reported::PYTHON_GROUP,
    &reported::TINI_ZOMBIE,
    &reported::PARENT_DEATH_MISSED,
    &reported::STOPPED_BEFORE_EXEC,
    &wrappers::SUDO,
    &wrappers::SETSID,
    &wrappers::SU,
    &wrappers::NPM,
];
