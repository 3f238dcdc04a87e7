//! Which scenarios show what: for each rule one in which it fires and a close neighbour in which it does not, for each path of a
//! signal what is said of it; and `docs/SCENARIOS.md`, which is made from this.
//!
//! Must not: run anything.

use std::{collections::BTreeSet, fmt::Write as _};

use tracer_model::findings::RULES;

use crate::{
    Scenario, cases, find,
    story::finds::{self, Line},
};

/// A rule, with a scenario that it fires in, and one that looks like it and is well.
pub struct Pair {
    /// The rule.
    pub rule: &'static str,
    /// It must find something here.
    pub fires: &'static str,
    /// And nothing here.
    pub well: &'static str,
    /// What is other there.
    pub differs: &'static str,
}

const fn pair(rule: &'static str, fires: &'static str, well: &'static str, differs: &'static str) -> Pair {
    Pair { rule, fires, well, differs }
}

/// A pair for each rule.
pub const PAIRS: &[Pair] = &[
    pair("JC101", "parent-late-harmful", "parent-late-innocuous", "the child had called setpgid itself"),
    pair("JC102", "join-too-late", "join-zombie-leader", "the leader has ended and is not reaped yet"),
    pair("JC103", "join-other-session", "setsid-twice", "the caller has what it asked for already"),
    pair("JC104", "join-too-early", "race-parent-first", "the group is made before it is named"),
    pair("JC105", "join-zombie-leader", "race-child-first", "the leader lives when it is joined"),
    pair("JC106", "job-in-shell-group", "job-in-own-group", "the same shell, with a group for each job"),
    pair("JC201", "bash-background-reader", "bash-background-null", "the same pipeline with its input from /dev/null"),
    pair("JC202", "timeout-hangs-stty", "timeout-foreground", "the same with --foreground"),
    pair(
        "JC203",
        "tcsetpgrp-errors",
        "dangling-foreground",
        "the group's last member has ended and is not reaped yet: the call succeeds",
    ),
    pair(
        "JC204",
        "dangling-foreground",
        "bash-ctrl-c",
        "the foreground job dies, and the shell takes the terminal back before it reads",
    ),
    pair("JC205", "nobody-in-foreground", "dangling-foreground", "it lasts less than a second"),
    pair(
        "JC206",
        "late-handoff",
        "dash-stop-and-resume",
        "the job was stopped in the background and is brought to the foreground on purpose",
    ),
    pair(
        "JC207",
        "frozen-terminal",
        "bash-stop-and-resume",
        "the shell waits with WUNTRACED and takes the terminal back",
    ),
    pair("JC208", "interactive-no-terminal", "interactive-on-terminal", "the same shell on a terminal"),
    pair("JC301", "setsid-escapes-kill", "wrapper-group-killed", "nobody has left the group"),
    pair("JC302", "wrapper-killed", "wrapper-group-killed", "the group is signalled, not the wrapper"),
    pair("JC303", "kill-own-group", "kill-other-group", "the child has a group of its own"),
    pair("JC304", "stale-target", "fresh-target", "the number is that of a new child of the sender"),
    pair("JC305", "ctrl-c-twice", "ctrl-c", "nobody passes the signal on"),
    pair("JC306", "ctrl-z-misses-children", "ctrl-z-passed-on", "it is passed on"),
    pair("JC307", "orphan-stop-discarded", "job-in-own-group", "the group is not orphaned, and stops"),
    pair("JC308", "thread-death-kills", "parent-death-kills", "the whole parent ends, not one thread of it"),
    pair("JC309", "bash-ctrl-c", "process-1-handles", "the signal is handled, and its target exits by itself"),
    pair("JC401", "orphan-stopped", "orphan-running", "no member is stopped"),
    pair("JC402", "orphan-spins", "orphan-access", "it is refused once and ends"),
    pair("JC403", "left-behind", "left-nothing", "the command waits for the same child"),
    pair("JC404", "left-holds-pipe", "careful-daemon", "what lives on has opened its output again"),
    pair("JC405", "zombie-kept", "held-by-zombie", "the parent waits, if late"),
    pair("JC406", "leader-exit", "su-on-terminal", "the session's leader is its last process"),
    pair("JC501", "half-daemon", "daemon", "setsid is called"),
    pair("JC502", "daemon-left-behind", "daemon", "it forks again after setsid"),
    pair("JC503", "daemon-reacquires", "terminal-opened", "its parent waits for it: it is no daemon"),
    pair("JC504", "careless-daemon", "careful-daemon", "0, 1 and 2 are opened again"),
    pair("JC505", "careless-daemon", "careful-daemon", "what was inherited is closed"),
    pair("JC506", "careless-daemon", "careful-daemon", "directory, umask and signals are set"),
    pair("JC507", "outside-listens-late", "outside-listens-in-time", "it listens before its launcher returns"),
    pair("JC508", "forks-from-supervisor", "careful-daemon", "no supervisor has started it"),
    pair("JC601", "adopted-zombie", "subreaper", "who adopts waits"),
    pair("JC602", "process-1-ignores", "process-1-handles", "process 1 has a handler"),
    pair("JC603", "tini-misses-session", "tini-group", "with -g, and nobody in another session"),
    pair("JC604", "exec-client-gone", "exec-client-waits", "the client passes the signal on and waits"),
    pair("JC605", "foreground-outside", "foreground-inside", "the session and its terminal are of the namespace"),
];

/// What a rule says of a cause that only descriptors or the state of a process show.
pub const CAUSES: &[(&str, &str, &str)] = &[
    ("JC208", "interactive-no-terminal", "*; fd 0 is /dev/null, which is no terminal"),
    ("JC403", "left-in-vfork", "*stuck (in a call that takes no signal (state D), in the command's group*"),
    ("JC406", "leader-exit-held", "*back was not told and lives on; it holds * (fd *)"),
];

/// A path along which a signal comes, a scenario with it, and what `signal-attribution` must say there: fact and cause, with names
/// instead of numbers.
pub const PATHS: &[(&str, &str, &str)] = &[
    ("Ctrl-C", "bash-ctrl-c", "* died of SIGINT: Ctrl-C typed at *"),
    ("Ctrl-Z", "bash-stop-and-resume", "cat was stopped by SIGTSTP: Ctrl-Z typed at *"),
    ("Ctrl-\\", "ctrl-backslash", "dies died of SIGQUIT: Ctrl-\\ typed at *; also to *handles (handled)*"),
    ("kill to a process", "wrapper-killed", "sh died of SIGTERM: sent by runner, to this process alone*"),
    ("kill to a group", "group-signal", "* died of SIGUSR1: sent by shell, to group *"),
    ("kill(-1)", "kill-all-in-container", "*died of SIGTERM: sent by init with kill(-1)*"),
    ("tgkill", "kill-family", "by-tgkill died of SIGTERM: sent by sender, to this process alone*"),
    ("rt_sigqueueinfo", "kill-family", "by-sigqueue died of SIGTERM: sent by sender, to this process alone*"),
    ("pidfd_send_signal", "kill-family", "by-pidfd died of SIGTERM: sent by sender, to this process alone*"),
    ("pidfd_send_signal to a group", "kill-family", "* died of SIGTERM: sent by sender, to group *"),
    ("a timer (alarm)", "by-itself", "sleeper died of SIGALRM: *a timer of its own ran out*"),
    (
        "a write that nobody reads",
        "by-itself",
        "writer died of SIGPIPE: *a write to a pipe or socket that nobody reads",
    ),
    ("a fault", "by-itself", "stray died of SIGSEGV: *an access to memory that is not its own"),
    (
        "the end of a session leader",
        "leader-exit",
        "* died of SIGHUP: from the kernel, because session leader shell exited*",
    ),
    (
        "a hangup of the terminal, and the end of its leader",
        "hangup",
        "front died of SIGHUP: from the kernel, because session leader shell exited after its terminal had been hung up*",
    ),
    ("vhangup", "vhangup", "shell died of SIGHUP: from the kernel, because the terminal was hung up by getty*"),
    ("TIOCNOTTY", "give-up-terminal", "*: from the kernel, because session leader * gave up the terminal*"),
    (
        "the orphan rule",
        "orphan-stopped",
        "* SIGHUP: from the kernel, because the exit of * orphaned its group while a member was stopped*",
    ),
    ("PR_SET_PDEATHSIG", "thread-death-kills", "sandbox died of SIGKILL: *PR_SET_PDEATHSIG*"),
    (
        "the end of a pid namespace",
        "tini-misses-session",
        "sleep died of SIGKILL: from the kernel, because tini, the first process of its pid namespace, ended*",
    ),
    (
        "memory that ran out (OOM)",
        "oom-kill",
        "hog died of SIGKILL: from the kernel, most likely because memory ran out (OOM)*",
    ),
    ("cgroup.kill", "cgroup-kill", "* died of SIGKILL: sent by manager, which wrote to cgroup.kill*"),
    (
        "the terminal, used from the background",
        "bash-background-reader",
        "sed, cat were stopped by SIGTTIN: from the kernel, because cat of its group used their terminal from the background*",
    ),
    ("SIGCONT of a shell's fg", "bash-stop-and-resume", "cat was continued by SIGCONT: sent by bash, to group *"),
];

/// The scenarios that a rule must find something in, by their own expectations.
fn fires_in(rule: &str) -> impl Iterator<Item = &'static Scenario> {
    let fires = move |line: &Line<'_>| matches!(line, Line::Finds(_, found, _) if *found == rule);
    cases::all().filter(move |scenario| finds::parse(scenario.finds).unwrap_or_default().iter().any(fires))
}

/// The scenarios that say of themselves that a rule must find nothing in them.
fn quiet_in(rule: &str) -> impl Iterator<Item = &'static Scenario> {
    let quiet = move |line: &Line<'_>| *line == Line::Never(rule);
    cases::all().filter(move |scenario| finds::parse(scenario.finds).unwrap_or_default().iter().any(quiet))
}

/// What others have reported and a scenario of this rule reproduces: of those in which it fires, and of those in which it must
/// not.
#[must_use]
pub fn cites(rule: &str) -> BTreeSet<&'static str> {
    let pair = PAIRS.iter().filter(|row| row.rule == rule).flat_map(|row| [row.fires, row.well]).filter_map(find);
    let all = pair.chain(fires_in(rule)).chain(quiet_in(rule));
    all.flat_map(|scenario| scenario.cites.iter().copied()).collect()
}

/// `docs/SCENARIOS.md`.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Scenarios\n\nSmall programs with a known job-control history (`scenarios/src/cases`), recorded for real under \
         `tests/golden` and replayed by the tests. What must be said of each stands beside it, written by hand. This text is made \
         from them; `cargo run -p scenarios -- list` has all.\n\n## Rules\n\nFor each rule the scenarios in which it must fire, \
         a close neighbour in which it must not, with what is other there, further ones, and the reports of others that these \
         reproduce; [all of these](REPORTS.md).\n\n| rule | fires in | quiet in the close neighbour | and in | reports |\n|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let pair = PAIRS.iter().find(|row| row.rule == rule.id);
        let mut fires: BTreeSet<&str> = fires_in(rule.id).map(|scenario| scenario.name).collect();
        fires.extend(pair.map(|row| row.fires));
        let code = |names: BTreeSet<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let neighbour = pair.map(|row| format!("`{}`: {}", row.well, row.differs)).unwrap_or_default();
        let well = pair.map(|row| row.well);
        let quiet = code(quiet_in(rule.id).map(|scenario| scenario.name).filter(|name| Some(*name) != well).collect());
        let cites = cites(rule.id).into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "| [{}](FINDINGS.md#{}-{}) | {} | {neighbour} | {quiet} | {cites} |",
            rule.id,
            rule.id.to_lowercase(),
            rule.name,
            code(fires)
        );
    }
    text.push_str(
        "\n## Paths of signals\n\nEvery death, stop and continuation by a signal is told with its sender, its path and all whom \
         the same call or key reached (JC309). `*` stands for any text.\n\n| path | scenario | what is said |\n|---|---|---|\n",
    );
    for (path, scenario, says) in PATHS {
        let _ = writeln!(text, "| {path} | `{scenario}` | {says} |");
    }
    text.push_str(
        "\n## Causes that only a look shows\n\nDescriptors and states that no event carries are read from `/proc` when they \
         matter; where that came too late, the rule says so.\n\n| rule | scenario | what is said |\n|---|---|---|\n",
    );
    for (rule, scenario, says) in CAUSES {
        let _ = writeln!(text, "| {rule} | `{scenario}` | {says} |");
    }
    text
}
