//! Tools of every system that hang or complain, and how they do not.

use nix::sys::signal::kill;

use crate::kit::{
    prelude::*,
    proc::{child_named, until_state},
};

/// sosreport/sos#559, `ClangBuiltLinux`/boot-utils#16: timeout runs the command in the background.
pub const TIMEOUT: Scenario = Scenario {
    name: "timeout-hangs-stty",
    shows: "in a script, timeout runs a command that changes the terminal: it is stopped, and timeout waits",
    cites: &[
        "sosreport/sos#559",
        "ClangBuiltLinux/boot-utils#16",
        "android/ndk#627",
        "arighi/virtme-ng#453",
        "uutils/coreutils#13722",
        "watchexec/watchexec#874",
        "nextest-rs/nextest#945",
    ],
    run: || timeout(false),
    expect: "
        then group timeout is born by itself
        then stty gets SIGTTOU by background access of stty
        then stty is stopped by SIGTTOU
        then stty gets SIGKILL by kill of *
    ",
    finds: "error JC202 stty",
    ..Scenario::DEFAULT
};

/// The same with `--foreground`.
pub const TIMEOUT_FOREGROUND: Scenario = Scenario {
    name: "timeout-foreground",
    shows: "timeout --foreground leaves the command in the foreground: it can change the terminal",
    run: || timeout(true),
    expect: "
        then stty exits 0
        then timeout exits 0
        never stty gets SIGTTOU *
    ",
    finds: "never JC202",
    ..Scenario::DEFAULT
};

fn timeout(foreground: bool) -> Result<()> {
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let script = terminal.login("script", || {
        let timeout = spawn("timeout", || {
            if foreground {
                execute(&["timeout", "--foreground", "30", "stty", "sane"])
            } else {
                execute(&["timeout", "30", "stty", "sane"])
            }
        })?;
        if foreground {
            return timeout.succeeds();
        }
        number.tell(timeout.pid())?;
        // It dies of what its command died of.
        timeout.dies_of(Signal::SIGKILL)
    })?;
    if !foreground {
        let stty = child_named(number.hear()?, "stty")?;
        until_state(stty, "T")?;
        kill(stty, Signal::SIGKILL)?;
    }
    script.succeeds()
}

/// Yelp/dumb-init#51 and its like: "no job control in this shell".
pub const NO_TERMINAL: Scenario = Scenario {
    name: "interactive-no-terminal",
    shows: "an interactive shell in a session without a terminal has no job control",
    cites: &["Yelp/dumb-init#51", "krallin/tini#50"],
    run: || {
        in_session("service", || {
            spawn("bash", || {
                quiet()?;
                // So long that it is there when its descriptors are read.
                execute(&["bash", "--norc", "-ic", "sleep 0.5; true"])
            })?
            .succeeds()
        })
    },
    expect: "
        then session service is born
        some bash is refused TIOCGPGRP: ENOTTY, not the controlling terminal
        then bash exits 0
    ",
    finds: "warning JC208 bash",
    ..Scenario::DEFAULT
};

/// The same on a terminal.
pub const TERMINAL: Scenario = Scenario {
    name: "interactive-on-terminal",
    shows: "an interactive shell on a terminal has job control",
    run: || {
        let terminal = Terminal::open()?;
        terminal.session("getty", || {
            let bash = spawn("bash", || {
                nix::unistd::dup2_stderr(terminal.end())?;
                execute(&["bash", "--norc", "-ic", "true"])
            })?;
            bash.succeeds()
        })
    },
    expect: "
        then foreground getty -> bash
        then bash exits 0
        never bash is refused TIOCGPGRP: *
    ",
    finds: "never JC208",
    ..Scenario::DEFAULT
};

/// What the shell complains is expected.
fn quiet() -> Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stderr(&null)?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(())
}
