//! What flags of clone(2) change in the family tree and in the numbers.

use nix::{
    sched::{CloneFlags, unshare},
    sys::signal::{kill, killpg},
    unistd::{getpgid, getppid, getsid},
};

use crate::kit::{clone3::spawn_sibling, prelude::*};

/// A process that is made with `CLONE_PARENT` is its maker's sibling (kernel/fork.c, `copy_process`).
pub const PARENT: Scenario = Scenario {
    name: "clone-parent",
    shows: "CLONE_PARENT: the new process is a child of its maker's parent, who alone may move it and waits for it",
    run: parent,
    expect: "
        then maker is refused setpgid: ESRCH, not a child
        with sibling: parent shell, group shell, alive
        then group sibling is born by parent shell
        then sibling is reaped by shell
    ",
    ..Scenario::DEFAULT
};

fn parent() -> Result<()> {
    in_session("shell", || {
        let (number, go) = (Gate::new()?, Gate::new()?);
        let shell = me();
        let maker = spawn("maker", || {
            let sibling = spawn_sibling("sibling", || {
                same("its parent", getppid(), shell)?;
                go.pass()
            })?;
            refused(setpgid(sibling.pid(), sibling.pid()), Errno::ESRCH)?;
            number.tell(sibling.pid())
        })?;
        let sibling = Child::known(number.hear()?, "sibling");
        maker.succeeds()?;
        setpgid(sibling.pid(), sibling.pid())?;
        go.open()?;
        sibling.succeeds()
    })
}

/// Group and session of the first process of a pid namespace are outside of it: 0. Then the group is 1, and its negation is
/// everybody (kernel/signal.c, `kill_something_info`).
pub const NAMESPACE: Scenario = Scenario {
    name: "group-one",
    shows: "in a pid namespace group and session are 0 at first; a signal to group 1 reaches everybody else in there, and not it",
    run: namespace,
    expect: "
        then group init is born by itself
        some worker gets SIGTERM by kill of init to all
        then worker dies of SIGTERM
        never init gets SIGTERM *
        then init exits 0
    ",
    finds: "never JC302",
    ..Scenario::DEFAULT
};

fn namespace() -> Result<()> {
    in_session("runtime", || {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root")?;
        let init = spawn("init", || {
            let nobody = Pid::from_raw(0);
            same("its number", me(), Pid::from_raw(1))?;
            same("its group", getpgid(None)?, nobody)?;
            same("its session", getsid(None)?, nobody)?;
            setpgid(SELF, SELF)?;
            same("its group", getpgrp(), Pid::from_raw(1))?;
            let leads = Gate::new()?;
            let worker = spawn("worker", || {
                setpgid(SELF, SELF)?;
                leads.open()?;
                nix::unistd::pause();
                Ok(())
            })?;
            leads.pass()?;
            killpg(getpgrp(), Signal::SIGTERM)?;
            worker.dies_of(Signal::SIGTERM)
        })?;
        init.succeeds()
    })
}

/// Only the initial init does not count in the orphan rule (kernel/exit.c, `will_become_orphaned_pgrp`).
pub const INIT_KEEPS: Scenario = Scenario {
    name: "orphan-kept-by-init",
    shows: "a container's init in the same session adopts a stopped job: its group is not orphaned, nothing is sent",
    run: init_keeps,
    expect: "
        then group job is born by itself
        then job is stopped by SIGSTOP
        then father exits 0
        some job is reparented from father to init
        then father is reaped by init
        with job: stopped, not orphaned, parent init
        some job is continued
        then job exits 0
        never group job is orphaned by exit of father*
        never job gets SIGHUP *
    ",
    finds: "never JC401",
    ..Scenario::DEFAULT
};

fn init_keeps() -> Result<()> {
    in_session("runtime", || {
        unshare(CloneFlags::CLONE_NEWPID).context("unshare, which needs root")?;
        let init = spawn("init", || {
            let number = Gate::new()?;
            let father = spawn("father", || {
                let job = spawn("job", || {
                    setpgid(SELF, SELF)?;
                    Ok(nix::sys::signal::raise(Signal::SIGSTOP)?)
                })?;
                job.stops(Signal::SIGSTOP)?;
                number.tell(job.pid())
            })?;
            let job = Child::known(number.hear()?, "job");
            father.succeeds()?;
            kill(job.pid(), Signal::SIGCONT)?;
            job.succeeds()
        })?;
        init.succeeds()
    })
}
