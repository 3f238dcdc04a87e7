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

/// Rule, a scenario that it fires in, one that looks like it and is well.
pub const PAIRS: &[(&str, &str, &str)] = &[
    ("JC101", "parent-late-harmful", "parent-late-innocuous"),
    ("JC102", "join-too-late", "join-zombie-leader"),
    ("JC103", "join-other-session", "setsid-twice"),
    ("JC104", "join-too-early", "race-parent-first"),
    ("JC105", "join-zombie-leader", "race-child-first"),
    ("JC106", "job-in-shell-group", "job-in-own-group"),
    ("JC201", "bash-background-reader", "bash-pipeline"),
    ("JC202", "timeout-hangs-stty", "timeout-foreground"),
    ("JC203", "tcsetpgrp-errors", "bash-pipeline"),
    ("JC204", "dangling-foreground", "bash-pipeline"),
    ("JC205", "nobody-in-foreground", "dangling-foreground"),
    ("JC206", "late-handoff", "dash-stop-and-resume"),
    ("JC207", "frozen-terminal", "bash-stop-and-resume"),
    ("JC208", "interactive-no-terminal", "interactive-on-terminal"),
    ("JC301", "setsid-escapes-kill", "wrapper-group-killed"),
    ("JC302", "wrapper-killed", "wrapper-group-killed"),
    ("JC303", "kill-own-group", "kill-other-group"),
    ("JC304", "stale-target", "fresh-target"),
    ("JC305", "ctrl-c-twice", "ctrl-c"),
    ("JC306", "ctrl-z-misses-children", "ctrl-z-passed-on"),
    ("JC307", "orphan-stop-discarded", "bash-stop-and-resume"),
    ("JC308", "thread-death-kills", "parent-death-kills"),
    ("JC309", "bash-ctrl-c", "bash-pipeline"),
    ("JC401", "orphan-stopped", "orphan-running"),
    ("JC402", "orphan-spins", "orphan-access"),
    ("JC403", "left-behind", "bash-pipeline"),
    ("JC404", "left-holds-pipe", "careful-daemon"),
    ("JC405", "zombie-kept", "held-by-zombie"),
    ("JC406", "leader-exit", "bash-pipeline"),
    ("JC501", "half-daemon", "daemon"),
    ("JC502", "daemon-left-behind", "daemon"),
    ("JC503", "daemon-reacquires", "login-session"),
    ("JC504", "careless-daemon", "careful-daemon"),
    ("JC505", "careless-daemon", "careful-daemon"),
    ("JC506", "careless-daemon", "careful-daemon"),
    ("JC507", "outside-listens-late", "outside-listens-in-time"),
    ("JC508", "forks-from-supervisor", "careful-daemon"),
    ("JC601", "adopted-zombie", "subreaper"),
    ("JC602", "process-1-ignores", "process-1-handles"),
    ("JC603", "tini-misses-session", "tini-group"),
    ("JC604", "exec-client-gone", "exec-client-waits"),
    ("JC605", "foreground-outside", "foreground-inside"),
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
    let pair = PAIRS.iter().filter(|row| row.0 == rule).flat_map(|row| [row.1, row.2]).filter_map(find);
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
         close neighbours in which it must not, and the reports of others that these reproduce.\n\n| rule | fires in | quiet in | \
         reports |\n|---|---|---|---|\n",
    );
    for rule in RULES {
        let pair = PAIRS.iter().find(|row| row.0 == rule.id);
        let mut fires: BTreeSet<&str> = fires_in(rule.id).map(|scenario| scenario.name).collect();
        fires.extend(pair.map(|row| row.1));
        let code = |names: BTreeSet<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let mut quiet: BTreeSet<&str> = quiet_in(rule.id).map(|scenario| scenario.name).collect();
        quiet.extend(pair.map(|row| row.2));
        let quiet = code(quiet);
        let cites = cites(rule.id).into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "| [{}](FINDINGS.md#{}-{}) | {} | {quiet} | {cites} |",
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
    text
}
