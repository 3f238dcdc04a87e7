//! Ctrl-Z stops the foreground job; `bg` continues it in the background, where it is stopped again as soon as it reads;
//! `fg` gives it the terminal and continues it.

use crate::kit::{
    prelude::*,
    proc::{child_named, stat, until_state},
    shell::{Kind, Shell},
    terminal::CTRL_Z,
};

/// The same for each shell but for its name.
macro_rules! expectation {
    ($shell:literal) => {
        concat!(
            "
        some cat execs
        then cat gets SIGTSTP by terminal character
        then cat is stopped by SIGTSTP
        then ",
            $shell,
            " learns that cat is stopped by SIGTSTP
        then cat gets SIGCONT by kill of ",
            $shell,
            " to group cat*
        then cat gets SIGTTIN by background access of cat
        then cat is stopped by SIGTTIN
        then foreground ",
            $shell,
            " -> cat
        then cat gets SIGCONT by kill of ",
            $shell,
            " to group cat*
        then cat exits 0
        then foreground no group cat -> ",
            $shell,
            "
        never ",
            $shell,
            " gets SIGTSTP *
        "
        )
    };
}

/// GNU bash.
pub const BASH: Scenario = Scenario {
    name: "bash-stop-and-resume",
    shows: "bash: Ctrl-Z, bg, fg",
    run: || run(Kind::Bash),
    expect: expectation!("bash"),
    ..Scenario::DEFAULT
};

/// dash.
pub const DASH: Scenario = Scenario {
    name: "dash-stop-and-resume",
    shows: "dash: Ctrl-Z, bg, fg",
    run: || run(Kind::Dash),
    expect: expectation!("dash"),
    ..Scenario::DEFAULT
};

/// zsh.
pub const ZSH: Scenario = Scenario {
    name: "zsh-stop-and-resume",
    shows: "zsh: Ctrl-Z, bg, fg",
    run: || run(Kind::Zsh),
    expect: expectation!("zsh"),
    ..Scenario::DEFAULT
};

fn run(kind: Kind) -> Result<()> {
    let shell = Shell::start(kind)?;
    shell.begin("cat")?;
    let cat = child_named(shell.pid(), "cat")?;
    let in_front = || proc::until("cat is in the foreground", || Ok(stat(cat)?.foreground == cat));
    in_front()?;
    shell.terminal().keys(CTRL_Z)?;
    shell.prompt()?;
    same("state after Ctrl-Z", stat(cat)?.state, 'T')?;
    same("foreground", stat(cat)?.foreground, shell.pid())?;
    shell.run("bg")?;
    // It reads again, now from the background.
    until_state(cat, "T")?;
    shell.begin("fg")?;
    in_front()?;
    until_state(cat, "S")?;
    shell.terminal().keys("hello\n")?;
    shell.terminal().until("hello\r\nhello")?;
    shell.terminal().keys("\x04")?;
    shell.prompt()?;
    shell.leave(0)
}
