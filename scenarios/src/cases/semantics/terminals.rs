//! Terminals that come and go without a word, and foreground groups that are not what their number says.

use std::{
    fs::OpenOptions,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
};

use nix::unistd::{pause, tcgetpgrp, tcsetpgrp, ttyname};

use crate::kit::{clone3::spawn_with_number, prelude::*, process::adopt, terminal::CTRL_C};

/// TIOCSCTTY with argument 1 and `CAP_SYS_ADMIN` (`drivers/tty/tty_jobctrl.c`, `tiocsctty`).
pub const STOLEN: Scenario = Scenario {
    name: "terminal-stolen",
    shows: "another session takes the terminal: those who had it get no signal and have none",
    run: stolen,
    expect: "
        then session shell gains terminal by ioctl
        then session thief is born
        some session shell loses terminal by theft
        some session thief gains terminal by ioctl
        then thief exits 0
        with shell: no terminal, session shell
        with member: no terminal
        never shell gets SIGHUP *
        never member gets SIGHUP *
    ",
    finds: "never JC503",
    ..Scenario::DEFAULT
};

fn stolen() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        let done = Gate::new()?;
        let member = spawn("member", || done.pass())?;
        let thief = spawn("thief", || {
            setsid()?;
            terminal.control(1).context("TIOCSCTTY, which needs root to steal")?;
            catch(Signal::SIGHUP, Catch::Ignore)
        })?;
        thief.succeeds()?;
        ensure!(!proc::stat(me())?.has_terminal, "the terminal has not been stolen");
        ensure!(!member.stat()?.has_terminal, "the terminal has not been stolen from a member");
        done.open()?;
        member.succeeds()
    })
}

/// An open for writing only acquires nothing (`drivers/tty/tty_io.c`, `tty_open`), one for reading and writing does.
pub const OPENED: Scenario = Scenario {
    name: "terminal-opened",
    shows: "a session leader without a terminal opens one: for writing only it acquires nothing, for reading it does",
    run: opened,
    expect: "
        then session leader is born
        then group bystander is born by itself
        with leader: no terminal
        then session leader gains terminal by open
        with leader: terminal
        once session leader gains *
    ",
    finds: "never JC502",
    ..Scenario::DEFAULT
};

fn opened() -> Result<()> {
    let terminal = Terminal::open()?;
    let path = ttyname(terminal.end())?;
    in_session("leader", || {
        let writer = OpenOptions::new().write(true).open(&path)?;
        ensure!(!proc::stat(me())?.has_terminal, "an open for writing made it the controlling terminal");
        // Something to hang the first look at.
        spawn("bystander", || Ok(setpgid(SELF, SELF)?))?.succeeds()?;
        let reader = OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(&path)?;
        ensure!(proc::stat(me())?.has_terminal, "an open did not make it the controlling terminal");
        catch(Signal::SIGHUP, Catch::Ignore)?;
        ensure!(writer.as_raw_fd() != reader.as_raw_fd());
        Ok(())
    })
}

/// The other end of a master is opened without a name (`drivers/tty/pty.c`, `ptm_open_peer`).
pub const PEER: Scenario = Scenario {
    name: "terminal-of-peer",
    shows: "a session leader opens the other end of a master: with O_NOCTTY it acquires nothing, without it does",
    run: peer,
    expect: "
        then session leader is born
        then session leader gains terminal by *
        with leader: terminal, foreground leader
        once session leader gains *
    ",
    finds: "never JC502",
    ..Scenario::DEFAULT
};

fn peer() -> Result<()> {
    let terminal = Terminal::open()?;
    in_session("leader", || {
        catch(Signal::SIGHUP, Catch::Ignore)?;
        terminal.open_peer(libc::O_NOCTTY)?;
        ensure!(!proc::stat(me())?.has_terminal, "O_NOCTTY was not heeded");
        let _end = terminal.open_peer(0)?;
        ensure!(proc::stat(me())?.has_terminal, "an open did not make it the controlling terminal");
        Ok(())
    })
}

/// What is asked of a master is done with the other end (`drivers/tty/tty_io.c`, `tty_ioctl`; `tty_pair_get_tty`).
pub const MASTER: Scenario = Scenario {
    name: "terminal-by-master",
    shows: "TIOCSCTTY and tcsetpgrp with the master are of the terminal at its other end",
    run: master,
    expect: "
        then session shell gains terminal by ioctl
        with shell: terminal, foreground shell
        then foreground shell -> job
        then foreground job -> shell
        once session shell gains *
    ",
    ..Scenario::DEFAULT
};

fn master() -> Result<()> {
    let terminal = Terminal::open()?;
    in_session("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        catch(Signal::SIGHUP, Catch::Ignore)?;
        terminal.control_by_master()?;
        let go = Gate::new()?;
        let job = spawn("job", || go.pass())?;
        setpgid(job.pid(), job.pid())?;
        tcsetpgrp(terminal.master(), job.pid())?;
        same("the foreground group", terminal.foreground()?, job.pid())?;
        tcsetpgrp(terminal.master(), me())?;
        go.open()?;
        job.succeeds()
    })
}

/// `drivers/tty/tty_jobctrl.c`, `tiocspgrp`: a number, its session, and not who is alive in the group.
pub const ZOMBIES: Scenario = Scenario {
    name: "foreground-zombies",
    shows: "tcsetpgrp to 0: ESRCH; to a negative number: EINVAL; to a group of zombies: that is in the foreground",
    run: zombies,
    expect: "
        then shell is refused tcsetpgrp: ESRCH, *
        then shell is refused tcsetpgrp: EINVAL, *
        then zombie exits 0
        then foreground shell -> zombie
        then foreground zombie -> shell
        then group zombie ends, *
    ",
    finds: "
        error JC203 shell
        warning JC203 shell
    ",
    ..Scenario::DEFAULT
};

fn zombies() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        refused(terminal.set_foreground(SELF), Errno::ESRCH)?;
        refused(terminal.set_foreground(Pid::from_raw(-5)), Errno::EINVAL)?;
        let zombie = spawn("zombie", || Ok(setpgid(SELF, SELF)?))?;
        zombie.is_zombie()?;
        terminal.set_foreground(zombie.pid())?;
        same("the foreground group", terminal.foreground()?, zombie.pid())?;
        terminal.set_foreground(me())?;
        zombie.succeeds()
    })
}

/// The kernel keeps the number's struct pid: who makes a session takes the foreground along.
pub const LEAVER: Scenario = Scenario {
    name: "foreground-leaves",
    shows: "tcsetpgrp to a process that leads no group, which then calls setsid: Ctrl-C reaches it in another session",
    run: leaver,
    expect: "
        then foreground shell -> no group leaver
        then session leaver is born
        with leaver: no terminal, session leaver
        then leaver gets SIGINT by terminal character
        then leaver dies of SIGINT
        never shell gets SIGINT *
    ",
    finds: "never JC204",
    ..Scenario::DEFAULT
};

fn leaver() -> Result<()> {
    let terminal = Terminal::open()?;
    let gone = Gate::new()?;
    let shell = terminal.login("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        let go = Gate::new()?;
        let leaver = spawn("leaver", || {
            go.pass()?;
            setsid()?;
            gone.open()?;
            pause();
            Ok(())
        })?;
        terminal.set_foreground(leaver.pid())?;
        go.open()?;
        leaver.dies_of(Signal::SIGINT)?;
        Ok(terminal.set_foreground(me())?)
    })?;
    gone.pass()?;
    terminal.keys(CTRL_C)?;
    shell.succeeds()
}

/// The terminal keeps the struct pid of the old group: the new one of the same number is in the background.
pub const ALIAS: Scenario = Scenario {
    name: "foreground-alias",
    shows: "a new group has the number of the ended foreground group, and is in the background all the same",
    run: alias,
    expect: "
        then foreground shell -> first
        then group first ends, first reaped
        then group second is born by itself
        then second gets SIGTTIN by background access of second
        then second is stopped by SIGTTIN
        then second gets SIGKILL by kill of shell
    ",
    finds: "warning JC201 second",
    ..Scenario::DEFAULT
};

fn alias() -> Result<()> {
    let terminal = Terminal::open()?;
    terminal.session("shell", || {
        catch(Signal::SIGTTOU, Catch::Ignore)?;
        let go = Gate::new()?;
        let first = spawn("first", || {
            setpgid(SELF, SELF)?;
            go.pass()
        })?;
        setpgid(first.pid(), first.pid())?;
        let number = first.pid();
        terminal.set_foreground(number)?;
        go.open()?;
        first.succeeds()?;
        let second = spawn_with_number(number, "second", || {
            setpgid(SELF, SELF)?;
            same("the foreground group's number", tcgetpgrp(terminal.end())?, getpgrp())?;
            terminal.read()?;
            Ok(())
        })?;
        second.stops(Signal::SIGTTIN)?;
        second.end()?;
        Ok(terminal.set_foreground(me())?)
    })
}

/// SIGHUP that is ignored ends nobody.
pub const SURVIVOR: Scenario = Scenario {
    name: "hangup-survived",
    shows: "the session leader exits: a foreground process that ignores SIGHUP lives on, without a terminal",
    run: survivor,
    expect: "
        some front gets SIGHUP by hangup of shell, ignored
        some session shell loses terminal by leader exit
        then shell is reaped by scenarios
        with front: alive, no terminal, session shell
        then front exits 0
    ",
    finds: "
        never JC401
        never JC309
    ",
    ..Scenario::DEFAULT
};

fn survivor() -> Result<()> {
    adopt()?;
    let terminal = Terminal::open()?;
    let (number, go) = (Gate::new()?, Gate::new()?);
    let shell = terminal.login("shell", || {
        let ready = Gate::new()?;
        let front = spawn("front", || {
            setpgid(SELF, SELF)?;
            catch(Signal::SIGHUP, Catch::Ignore)?;
            ready.open()?;
            go.pass()
        })?;
        ready.pass()?;
        terminal.set_foreground(front.pid())?;
        number.tell(front.pid())
    })?;
    let front = number.hear()?;
    shell.succeeds()?;
    let front = Child::adopted(front, "front")?;
    ensure!(!front.stat()?.has_terminal, "the terminal went with the session leader");
    go.open()?;
    front.succeeds()
}

/// On a virtual console the leader's exit hangs up (`drivers/tty/tty_jobctrl.c`, `disassociate_ctty`).
pub const CONSOLE: Scenario = Scenario {
    name: "console-leader-exit",
    shows: "the session leader exits on a virtual console: the console is hung up, the foreground group gets SIGHUP",
    run: console,
    expect: "
        then session login gains terminal by ioctl
        then foreground login -> front
        some front gets SIGHUP by hangup of login
        some session login loses terminal by leader exit
        then front dies of SIGHUP
    ",
    ..Scenario::DEFAULT
};

fn console() -> Result<()> {
    adopt()?;
    let number = Gate::new()?;
    let login = spawn("login", || {
        setsid()?;
        let mut how = OpenOptions::new();
        how.read(true).write(true).custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC);
        let console = how.open("/dev/tty9").context("a virtual console, which needs root")?;
        // SAFETY: TIOCSCTTY takes an int.
        Errno::result(unsafe { libc::ioctl(console.as_raw_fd(), libc::TIOCSCTTY, 0) }).context("TIOCSCTTY")?;
        let ready = Gate::new()?;
        let front = spawn("front", || {
            setpgid(SELF, SELF)?;
            ready.open()?;
            pause();
            Ok(())
        })?;
        ready.pass()?;
        nix::unistd::tcsetpgrp(&console, front.pid())?;
        number.tell(front.pid())
    })?;
    let front = number.hear()?;
    login.succeeds()?;
    Child::adopted(front, "front")?.dies_of(Signal::SIGHUP)
}
