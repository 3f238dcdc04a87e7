//! The terminal is closed under a shell with a background job: the shell gets SIGHUP, and what it does with its jobs is its
//! own affair.

use crate::kit::{
    prelude::*,
    proc::child_named,
    process::adopt,
    shell::{Kind, Shell},
};

/// GNU bash.
pub const BASH: Scenario = Scenario {
    name: "bash-hangup",
    shows: "bash: the terminal is closed; bash hands SIGHUP on to its background job and dies of it",
    cites: &["att/ast#1377", "fish-shell/fish-shell#1771"],
    run: || run(Kind::Bash),
    expect: "
        some sleep execs
        then bash gets SIGHUP by hangup of scenarios
        then bash gets SIGCONT by hangup of scenarios*
        some session bash loses terminal by hangup
        then sleep gets SIGHUP by kill of bash to group sleep
        some bash dies of SIGHUP
        some sleep dies of SIGHUP
    ",
    finds: "info JC309 sleep",
    ..Scenario::DEFAULT
};

/// dash.
pub const DASH: Scenario = Scenario {
    name: "dash-hangup",
    shows: "dash: the terminal is closed; dash dies of SIGHUP and leaves its background job alone",
    run: || run(Kind::Dash),
    expect: "
        some sleep execs
        then dash gets SIGHUP by hangup of scenarios
        then dash gets SIGCONT by hangup of scenarios*
        some session dash loses terminal by hangup
        then dash dies of SIGHUP
        then sleep gets SIGKILL by kill of scenarios
        never sleep gets SIGHUP *
    ",
    ..Scenario::DEFAULT
};

/// zsh.
pub const ZSH: Scenario = Scenario {
    name: "zsh-hangup",
    shows: "zsh: the terminal is closed; zsh hands SIGHUP on to its background job",
    run: || run(Kind::Zsh),
    expect: "
        some sleep execs
        then zsh gets SIGHUP by hangup of scenarios
        then zsh gets SIGCONT by hangup of scenarios*
        some session zsh loses terminal by hangup
        then sleep gets SIGHUP by kill of zsh to group sleep
        some sleep dies of SIGHUP
    ",
    ..Scenario::DEFAULT
};

fn run(kind: Kind) -> Result<()> {
    adopt()?;
    let shell = Shell::start(kind)?;
    shell.run("sleep 1000 &")?;
    let pid = child_named(shell.pid(), "sleep")?;
    let sleep = Child::known(pid, "sleep");
    let shell = shell.hang_up()?;
    match kind {
        Kind::Bash => {
            shell.dies_of(Signal::SIGHUP)?;
            Child::left_or_reaped(pid, "sleep", Signal::SIGHUP)
        }
        Kind::Dash => {
            shell.dies_of(Signal::SIGHUP)?;
            proc::runs(pid)?;
            sleep.end()
        }
        Kind::Zsh => {
            shell.exits(1)?;
            Child::left_or_reaped(pid, "sleep", Signal::SIGHUP)
        }
        Kind::Mksh | Kind::Yash => bail!("no scenario hangs up {}", kind.name()),
    }
}
