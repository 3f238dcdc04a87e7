//! A pipeline in the background whose first member reads the terminal: it is stopped by SIGTTIN, with all its group, and ps
//! shows both members in one group while ps itself is in the foreground.

use nix::sys::signal::{kill, killpg};

use crate::kit::{
    prelude::*,
    proc::{children, stat},
    shell::{Kind, Shell},
};

/// What ps shows, and `sesstrace ps` must show, while ps runs.
macro_rules! pictures {
    ($shell:literal) => {
        &[Picture {
            name: "ps",
            after: "ps execs",
            rows: &[
                concat!($shell, " scenarios ", $shell, " ps ", $shell, " ·s ", $shell, " *"),
                concat!("cat ", $shell, " cat ps ", $shell, " T cat"),
                concat!("sed ", $shell, " cat ps ", $shell, " T sed s/hello/goodbye/"),
                concat!("ps ", $shell, " ps ps ", $shell, " ·+ ps -Ho pid,ppid,pgid,tpgid,sess,args"),
            ],
        }]
    };
}

/// The same for each shell but for its name.
macro_rules! expectation {
    ($shell:literal) => {
        concat!(
            "
        some group cat is born *
        some sed joins group cat from ",
            $shell,
            ", leader alive
        then cat gets SIGTTIN by background access of cat
        some sed gets SIGTTIN by background access of cat
        then cat is stopped by SIGTTIN
        some sed is stopped by SIGTTIN
        then ps execs
        with cat: stopped, group cat, foreground ps
        with sed: stopped, group cat, foreground ps
        with ps: group ps, session ",
            $shell,
            ", foreground ps
        then cat gets SIGKILL by kill of *
        never cat gets SIGTSTP *
        never ",
            $shell,
            " gets SIGTTIN *
        "
        )
    };
}

/// GNU bash.
pub const BASH: Scenario = Scenario {
    name: "bash-background-reader",
    shows: "bash: a background pipeline that reads the terminal is stopped by SIGTTIN",
    run: || run(Kind::Bash),
    expect: expectation!("bash"),
    pictures: pictures!("bash"),
    finds: "warning JC201 cat",
    ..Scenario::DEFAULT
};

/// The same pipeline with its input from elsewhere.
pub const BASH_NULL: Scenario = Scenario {
    name: "bash-background-null",
    shows: "bash: a background pipeline whose input is not the terminal goes on",
    run: || {
        let shell = Shell::start(Kind::Bash)?;
        shell.run("cat </dev/null | sed s/hello/goodbye/ &")?;
        shell.run("wait")?;
        shell.leave(0)
    },
    expect: "
        some group cat is born *
        then cat exits 0
        never cat gets SIGTTIN *
        never sed gets SIGTTIN *
    ",
    finds: "never JC201",
    ..Scenario::DEFAULT
};

/// dash.
pub const DASH: Scenario = Scenario {
    name: "dash-background-reader",
    shows: "dash: a background pipeline that reads the terminal is stopped by SIGTTIN",
    run: || run(Kind::Dash),
    expect: expectation!("dash"),
    pictures: pictures!("dash"),
    finds: "warning JC201 cat",
    ..Scenario::DEFAULT
};

/// zsh.
pub const ZSH: Scenario = Scenario {
    name: "zsh-background-reader",
    shows: "zsh: a background pipeline that reads the terminal is stopped by SIGTTIN",
    run: || run(Kind::Zsh),
    expect: expectation!("zsh"),
    pictures: pictures!("zsh"),
    finds: "warning JC201 cat",
    ..Scenario::DEFAULT
};

fn run(kind: Kind) -> Result<()> {
    let shell = Shell::start(kind)?;
    shell.run("cat | sed s/hello/goodbye/ &")?;
    let [cat, sed] = *children(shell.pid())? else { bail!("the pipeline should have two processes") };
    same("process group", stat(sed)?.group, cat)?;
    let is = |pid, name: &str| Ok::<_, anyhow::Error>(stat(pid)?.name == name && stat(pid)?.state == 'T');
    proc::until("both are stopped", || {
        if is(cat, "cat")? && !is(sed, "sed")? {
            // cat was so early that sed had not joined, or not been executed. Once continued, cat reads again.
            killpg(cat, Signal::SIGCONT)?;
        }
        Ok(is(cat, "cat")? && is(sed, "sed")?)
    })?;
    let rows = shell.ps()?;
    let [own, one, two, ps] = rows.as_slice() else { bail!("ps should show four processes: {rows:?}") };
    let shell_pid = shell.pid();
    let front = ps.pid;
    for (row, pid, parent, group) in [
        (own, shell_pid, me(), shell_pid),
        (one, cat, shell_pid, cat),
        (two, sed, shell_pid, cat),
        (ps, front, shell_pid, front),
    ] {
        same("row", (row.pid, row.parent, row.group), (pid, parent, group))?;
        same("foreground and session", (row.foreground, row.session), (front, shell_pid))?;
    }
    kill(cat, Signal::SIGKILL)?;
    kill(sed, Signal::SIGKILL)?;
    // Shells look after stopped jobs when they prompt.
    proc::until("the shell has reaped both", || {
        shell.run("true")?;
        Ok(stat(cat).is_err() && stat(sed).is_err())
    })?;
    shell.leave(0)
}
