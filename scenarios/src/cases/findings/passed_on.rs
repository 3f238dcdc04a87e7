//! Signals that are passed on, twice or not at all; and the signal that a parent's death sends.

use nix::sys::{
    prctl,
    signal::{SigSet, kill, killpg},
};

use crate::kit::{
    prelude::*,
    proc::until_state,
    terminal::{CTRL_C, CTRL_Z},
};

/// npm/npm#4603 and its reversals: the wrapper passes on what the terminal has sent already.
pub const TWICE: Scenario = Scenario {
    name: "ctrl-c-twice",
    shows: "a wrapper passes Ctrl-C on to a child of its own group: the child gets it twice",
    cites: &["npm/npm#4603", "buildkite/agent#1763"],
    run: twice,
    expect: "
        then foreground shell -> npm
        some npm gets SIGINT by terminal character*
        some node gets SIGINT by terminal character*
        then node gets SIGINT by kill of npm*
        then node exits 0
    ",
    finds: "info JC305 node",
    ..Scenario::DEFAULT
};

fn twice() -> Result<()> {
    let terminal = Terminal::open()?;
    let ready = Gate::new()?;
    let shell = terminal.login("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        let go = Gate::new()?;
        let npm = spawn("npm", || {
            setpgid(SELF, SELF)?;
            SigSet::from(Signal::SIGINT).thread_block()?;
            catch(Signal::SIGINT, Catch::Handler)?;
            let (waits, second) = (Gate::new()?, Gate::new()?);
            let node = spawn("node", || {
                waits.open()?;
                SigSet::empty().suspend()?;
                second.pass()
            })?;
            waits.pass()?;
            go.pass()?;
            ready.open()?;
            SigSet::empty().suspend()?;
            kill(node.pid(), Signal::SIGINT)?;
            second.open()?;
            node.succeeds()
        })?;
        setpgid(npm.pid(), npm.pid())?;
        terminal.set_foreground(npm.pid())?;
        go.open()?;
        npm.succeeds()?;
        Ok(terminal.set_foreground(me())?)
    })?;
    ready.pass()?;
    terminal.keys(CTRL_C)?;
    shell.succeeds()
}

/// ninja-build/ninja#1241: Ctrl-Z stops ninja, and the compilers go on.
pub const NINJA: Scenario = Scenario {
    name: "ctrl-z-misses-children",
    shows: "Ctrl-Z stops a program that gave its children groups of their own: they go on",
    cites: &["ninja-build/ninja#1241", "astral-sh/uv#11009"],
    run: || ninja(false),
    expect: "
        then ninja gets SIGTSTP by terminal character
        then ninja is stopped by SIGTSTP
        then compiler gets SIGKILL by kill of shell*
        never compiler gets SIGTSTP *
    ",
    finds: "warning JC306 compiler",
    ..Scenario::DEFAULT
};

/// The same when somebody passes it on.
pub const NINJA_FORWARDS: Scenario = Scenario {
    name: "ctrl-z-passed-on",
    shows: "Ctrl-Z is passed on to children in groups of their own: they stop too",
    run: || ninja(true),
    expect: "
        then ninja gets SIGTSTP by terminal character
        then ninja is stopped by SIGTSTP
        then compiler gets SIGTSTP by kill of shell to group compiler*
        then compiler is stopped by SIGTSTP
    ",
    finds: "never JC306",
    ..Scenario::DEFAULT
};

fn ninja(passed_on: bool) -> Result<()> {
    let terminal = Terminal::open()?;
    let typed = Gate::new()?;
    let shell = terminal.login("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        let (go, number) = (Gate::new()?, Gate::new()?);
        let ninja = spawn("ninja", || {
            setpgid(SELF, SELF)?;
            let compiler = spawn("compiler", || {
                setpgid(SELF, SELF)?;
                number.tell(me())?;
                nix::unistd::pause();
                Ok(())
            })?;
            go.pass()?;
            compiler.dies_of(Signal::SIGKILL)
        })?;
        setpgid(ninja.pid(), ninja.pid())?;
        let compiler = number.hear()?;
        terminal.set_foreground(ninja.pid())?;
        go.open()?;
        typed.open()?;
        ninja.stops(Signal::SIGTSTP)?;
        terminal.set_foreground(me())?;
        if passed_on {
            killpg(compiler, Signal::SIGTSTP)?;
            until_state(compiler, "T")?;
        }
        let_pass(1200);
        kill(compiler, Signal::SIGKILL)?;
        killpg(ninja.pid(), Signal::SIGCONT)?;
        ninja.succeeds()
    })?;
    typed.pass()?;
    terminal.keys(CTRL_Z)?;
    shell.succeeds()
}

/// containers/bubblewrap#692: the parent of that signal is the thread that forked.
pub const THREAD: Scenario = Scenario {
    name: "thread-death-kills",
    shows: "PR_SET_PDEATHSIG strikes at the end of the thread that forked, while its process lives",
    cites: &["containers/bubblewrap#692"],
    run: || death(true),
    expect: "
        then sandbox gets SIGKILL by death of pool
        then sandbox dies of SIGKILL
        then pool exits 0
    ",
    finds: "error JC308 sandbox",
    ..Scenario::DEFAULT
};

/// The same at the end of the process.
pub const PARENT: Scenario = Scenario {
    name: "parent-death-kills",
    shows: "PR_SET_PDEATHSIG strikes at the end of the parent",
    run: || death(false),
    expect: "
        then pool exits 0
        then sandbox gets SIGKILL by death of pool
        then sandbox dies of SIGKILL
    ",
    finds: "never JC308",
    ..Scenario::DEFAULT
};

fn death(of_thread: bool) -> Result<()> {
    crate::kit::process::adopt()?;
    let number = Gate::new()?;
    let pool = spawn("pool", || {
        let start = || -> Result<Child> {
            let asked = Gate::new()?;
            let sandbox = spawn("sandbox", || {
                prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
                asked.open()?;
                nix::unistd::pause();
                Ok(())
            })?;
            number.tell(sandbox.pid())?;
            asked.pass()?;
            Ok(sandbox)
        };
        if of_thread {
            let sandbox = std::thread::scope(|scope| scope.spawn(start).join());
            let sandbox = sandbox.map_err(|_| anyhow::anyhow!("the thread panicked"))??;
            return sandbox.dies_of(Signal::SIGKILL);
        }
        start().map(drop)
    })?;
    let sandbox = number.hear()?;
    pool.succeeds()?;
    if !of_thread {
        Child::adopted(sandbox, "sandbox")?.dies_of(Signal::SIGKILL)?;
    }
    Ok(())
}
