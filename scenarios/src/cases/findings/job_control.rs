//! Shells that run their jobs in their own process group, and shells that do not.

use nix::sys::signal::kill;

use crate::kit::{
    prelude::*,
    proc::{child_named, stat, until_state},
    shell::{Kind, Shell},
    terminal::CTRL_Z,
};

/// A new shell whose jobs stay in its own group: Ctrl-Z does nothing.
pub const SHARED: Scenario = Scenario {
    name: "job-in-shell-group",
    shows: "a new shell leaves its job in its own group, which is orphaned: Ctrl-Z is discarded",
    cites: &["Univers42/hellish#27", "oils-for-unix/oils#1087"],
    run: || new_shell(false),
    expect: "
        then session hellish gains terminal by ioctl
        then sleep gets SIGTSTP by terminal character
        then sleep gets SIGKILL by kill of scenarios
        never sleep is stopped by SIGTSTP
        never group sleep is born *
    ",
    finds: "
        warning JC106 hellish
        warning JC307 sleep
    ",
    ..Scenario::DEFAULT
};

/// The same with a group for the job.
pub const APART: Scenario = Scenario {
    name: "job-in-own-group",
    shows: "a new shell puts its job into a group of its own, in the foreground: Ctrl-Z stops it",
    run: || new_shell(true),
    expect: "
        then group sleep is born *
        then foreground hellish -> sleep
        then sleep gets SIGTSTP by terminal character
        then sleep is stopped by SIGTSTP
        then hellish learns that sleep is stopped by SIGTSTP
        then sleep gets SIGKILL by kill of hellish
    ",
    finds: "
        never JC106
        never JC307
    ",
    ..Scenario::DEFAULT
};

fn new_shell(apart: bool) -> Result<()> {
    let terminal = Terminal::open()?;
    let number = Gate::new()?;
    let shell = terminal.login("hellish", || {
        for signal in [Signal::SIGTTOU, Signal::SIGTTIN, Signal::SIGTSTP] {
            catch(signal, Catch::Ignore)?;
        }
        same("foreground", terminal.foreground()?, me())?;
        let go = Gate::new()?;
        let job = spawn("job", || {
            if apart {
                setpgid(SELF, SELF)?;
            }
            go.pass()?;
            for signal in [Signal::SIGTTOU, Signal::SIGTTIN, Signal::SIGTSTP] {
                catch(signal, Catch::Default)?;
            }
            execute(&["sleep", "60"])
        })?;
        if apart {
            setpgid(job.pid(), job.pid())?;
            terminal.set_foreground(job.pid())?;
        }
        go.open()?;
        number.tell(job.pid())?;
        if apart {
            job.stops(Signal::SIGTSTP)?;
            terminal.set_foreground(me())?;
            return job.end();
        }
        job.dies_of(Signal::SIGKILL)
    })?;
    let job = number.hear()?;
    proc::until("the job runs", || Ok(stat(job)?.name == "sleep" && stat(job)?.state == 'S'))?;
    terminal.keys(CTRL_Z)?;
    if !apart {
        // It is echoed when the signal has been sent.
        terminal.until("^Z")?;
        proc::until("the job has taken the signal", || Ok(!proc::has_pending(job)?))?;
        until_state(job, "RS")?;
        kill(job, Signal::SIGKILL)?;
    }
    shell.succeeds()
}

/// What each shell says and does.
macro_rules! quick {
    ($constant:ident $kind:ident $name:literal) => {
        /// A pipeline whose leader has ended before its last member begins.
        pub const $constant: Scenario = Scenario {
            name: concat!($name, "-quick-leader"),
            shows: concat!($name, ": pipelines whose first command ends at once: every member joins all the same"),
            cites: &["fish-shell/fish-shell#1245", "crawshaw.io blog 2016-01-07"],
            run: || quick_leader(Kind::$kind),
            expect: concat!("some rev execs\nnever ", $name, " is refused setpgid: EPERM, group *\n"),
            finds: "
                never JC101
                never JC102
                never JC104
                never JC106
            ",
            ..Scenario::DEFAULT
        };
    };
}

quick!(BASH_QUICK Bash "bash");
quick!(DASH_QUICK Dash "dash");
quick!(ZSH_QUICK Zsh "zsh");
quick!(MKSH_QUICK Mksh "mksh");
quick!(YASH_QUICK Yash "yash");

fn quick_leader(kind: Kind) -> Result<()> {
    let shell = Shell::start(kind)?;
    for _ in 0..3 {
        let output = shell.run("/bin/echo olleh | /usr/bin/rev | /bin/cat")?;
        ensure!(output.contains("hello"), "rev should have written hello: {output}");
    }
    shell.leave(0)
}

/// make with several compilers, all in its group: Ctrl-Z stops every one, fg continues them.
pub const MAKE: Scenario = Scenario {
    name: "make-ctrl-z",
    shows: "make -j2 and what it started are in one group: Ctrl-Z stops them all, fg continues them",
    cites: &["ninja-build/ninja#1241"],
    run: make,
    expect: "
        then foreground bash -> make
        some make gets SIGTSTP by terminal character
        some sleep gets SIGTSTP by terminal character
        some sleep is stopped by SIGTSTP
        some make is stopped by SIGTSTP
        some sleep gets SIGCONT by kill of bash to group make*
        some sleep is continued
    ",
    finds: "
        never JC306
        never JC207
    ",
    ..Scenario::DEFAULT
};

fn make() -> Result<()> {
    let folder = nix::unistd::mkdtemp("/tmp/scenarios.XXXXXX").context("mkdtemp")?;
    std::fs::write(folder.join("Makefile"), "all: one two\none:\n\t@sleep 60\ntwo:\n\t@sleep 60\n")?;
    let shell = Shell::start(Kind::Bash)?;
    shell.begin(&format!("make -j2 -C {}", folder.display()))?;
    let make = child_named(shell.pid(), "make")?;
    let sleeps = || {
        Ok(proc::children(make)?
            .into_iter()
            .filter(|it| stat(*it).is_ok_and(|it| it.name == "sleep" && it.state == 'S'))
            .count()
            == 2)
    };
    proc::until("make runs two commands", sleeps)?;
    let commands = proc::children(make)?;
    shell.terminal().keys(CTRL_Z)?;
    shell.prompt()?;
    for command in &commands {
        until_state(*command, "T")?;
    }
    shell.begin("fg")?;
    for command in &commands {
        until_state(*command, "S")?;
    }
    proc::until("make is in the foreground", || Ok(stat(make)?.foreground == make))?;
    for command in commands {
        kill(command, Signal::SIGKILL)?;
    }
    shell.prompt()?;
    let left = shell.leave(2);
    std::fs::remove_dir_all(&folder).context("removing the folder")?;
    left
}
