//! Terminals that nobody serves: frozen by a stop that nobody sees, owned by a group that has ended, given too late, used in
//! vain.

use nix::sys::signal::{kill, killpg};

use crate::kit::{prelude::*, proc::until_state, process::adopt, terminal::CTRL_Z};

/// The shell waits without WUNTRACED.
pub const FROZEN: Scenario = Scenario {
    name: "frozen-terminal",
    shows: "a shell that waits without WUNTRACED does not see its job stop: the terminal is frozen",
    cites: &["xonsh/xonsh#3342", "nushell/nushell#7335"],
    run: frozen,
    expect: "
        then foreground shell -> editor
        then editor gets SIGTSTP by terminal character
        then editor is stopped by SIGTSTP
        then editor dies of SIGKILL
        then editor is reaped by shell
    ",
    finds: "error JC207 editor",
    ..Scenario::DEFAULT
};

fn frozen() -> Result<()> {
    let terminal = Terminal::open()?;
    let started = Gate::new()?;
    let shell = terminal.login("shell", || {
        let go = Gate::new()?;
        let editor = spawn("editor", || {
            setpgid(SELF, SELF)?;
            go.pass()?;
            started.tell(me())?;
            nix::unistd::pause();
            Ok(())
        })?;
        setpgid(editor.pid(), editor.pid())?;
        terminal.set_foreground(editor.pid())?;
        go.open()?;
        editor.dies_of(Signal::SIGKILL)
    })?;
    let editor = started.hear()?;
    terminal.keys(CTRL_Z)?;
    until_state(editor, "T")?;
    let_pass(3200);
    kill(editor, Signal::SIGKILL)?;
    shell.succeeds()
}

/// The job has ended, and the shell needs longer than a moment to take its terminal back.
pub const NOBODY: Scenario = Scenario {
    name: "nobody-in-foreground",
    shows: "for a while nobody is in the foreground: Ctrl-C would reach nobody",
    cites: &["fish-shell/fish-shell#3345"],
    run: nobody,
    expect: "
        then foreground shell -> job
        then group job ends, job reaped
        then foreground no group job -> shell
    ",
    finds: "warning JC205 terminal",
    ..Scenario::DEFAULT
};

fn nobody() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        let go = Gate::new()?;
        let job = spawn("job", || {
            setpgid(SELF, SELF)?;
            go.pass()
        })?;
        setpgid(job.pid(), job.pid())?;
        terminal.set_foreground(job.pid())?;
        go.open()?;
        job.succeeds()?;
        let_pass(1200);
        Ok(terminal.set_foreground(me())?)
    })
}

/// The pager is quicker than the shell.
pub const LATE: Scenario = Scenario {
    name: "late-handoff",
    shows: "a pager uses the terminal before the shell has given it to the job: stopped",
    cites: &["xonsh/xonsh#2177", "ksh93/ksh#79", "trifectatechfoundation/sudo-rs#1263"],
    run: late,
    expect: "
        then group pager is born by itself
        then pager is stopped by SIGTTOU
        then foreground shell -> pager
        then pager is continued
        then pager exits 0
    ",
    finds: "
        warning JC206 pager
        info JC202 pager
    ",
    ..Scenario::DEFAULT
};

fn late() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let pager = spawn("pager", || {
            setpgid(SELF, SELF)?;
            Ok(terminal.set_foreground(me())?)
        })?;
        until_state(pager.pid(), "T")?;
        terminal.set_foreground(pager.pid())?;
        killpg(pager.pid(), Signal::SIGCONT)?;
        pager.succeeds()
    })
}

/// A program whose wrapper has ended goes on asking its terminal.
pub const SPINS: Scenario = Scenario {
    name: "orphan-spins",
    shows: "a member of an orphaned background group tries again and again to read the terminal",
    cites: &["python/cpython#135329", "util-linux/util-linux#1141", "mawww/kakoune#2126"],
    run: spins,
    options: &["--tty-io"],
    expect: "
        then wrapper exits 0
        then repl is refused read: EIO, orphaned background
        then repl is refused read: EIO, orphaned background
        then repl is refused read: EIO, orphaned background
        then repl exits 0
    ",
    finds: "warning JC402 repl",
    ..Scenario::DEFAULT
};

fn spins() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let (number, adopted, done) = (Gate::new()?, Gate::new()?, Gate::new()?);
    let shell = terminal.login("shell", || {
        let wrapper = spawn("wrapper", || {
            let repl = spawn("repl", || {
                setpgid(SELF, SELF)?;
                adopted.pass()?;
                (0..4).try_for_each(|_| refused(terminal.read(), Errno::EIO))
            })?;
            proc::until("the group is there", || Ok(repl.stat()?.group == repl.pid()))?;
            number.tell(repl.pid())
        })?;
        wrapper.succeeds()?;
        adopted.open()?;
        done.pass()
    })?;
    Child::adopted(number.hear()?, "repl")?.succeeds()?;
    done.open()?;
    shell.succeeds()
}
