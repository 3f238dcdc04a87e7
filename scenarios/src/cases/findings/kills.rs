//! Kills that reach too few, too many, or somebody else.

use nix::sys::signal::{kill, killpg};

use crate::kit::{
    clone3::spawn_with_number,
    prelude::*,
    proc::{child_named, children},
    process::adopt,
};

/// Longer than the grace that the rules give.
const GRACE_MS: u64 = 1200;

/// nodejs/node#46865 and its like: a kill of `sh -c` leaves the program.
pub const WRAPPER: Scenario = Scenario {
    name: "wrapper-killed",
    shows: "a kill of a shell that runs a program: the shell dies, the program goes on",
    cites: &["nodejs/node#46865", "frstrtr/c2pool#1027", "celery/celery#1058"],
    run: || wrapper(false),
    expect: "
        then sh forks sleep
        then sh gets SIGTERM by kill of runner
        then sh dies of SIGTERM
        some sleep is reparented from sh to scenarios
        then sleep gets SIGKILL by kill of scenarios
        never sleep gets SIGTERM *
    ",
    finds: "
        warning JC302 sh
        info JC309 sh
    ",
    ..Scenario::DEFAULT
};

/// The same with a kill of the group.
pub const WRAPPER_GROUP: Scenario = Scenario {
    name: "wrapper-group-killed",
    shows: "a kill of the group of a shell that runs a program ends both",
    run: || wrapper(true),
    expect: "
        then sh forks sleep
        some sh gets SIGTERM by kill of runner to group sh
        some sleep gets SIGTERM by kill of runner to group sh
        some sleep dies of SIGTERM
        some sh dies of SIGTERM
    ",
    finds: "
        never JC302
        never JC301
        never JC303
    ",
    ..Scenario::DEFAULT
};

fn wrapper(group: bool) -> Result<()> {
    adopt()?;
    let number = Gate::new()?;
    in_session("runner", || {
        let sh = spawn("sh", || {
            setpgid(SELF, SELF)?;
            execute(&["sh", "-c", "sleep 60; true"])
        })?;
        let sleep = child_named(sh.pid(), "sleep")?;
        number.tell(sleep)?;
        if group {
            killpg(sh.pid(), Signal::SIGTERM)?;
        } else {
            kill(sh.pid(), Signal::SIGTERM)?;
        }
        sh.dies_of(Signal::SIGTERM)
    })?;
    let sleep = number.hear()?;
    if group {
        // Whether its shell has time to reap it before it dies is open.
        return proc::until_ended(sleep);
    }
    let sleep = Child::adopted(sleep, "sleep")?;
    let_pass(GRACE_MS);
    sleep.end()
}

/// Yelp/dumb-init#191: what called setsid is not in the group any more.
pub const ESCAPE: Scenario = Scenario {
    name: "setsid-escapes-kill",
    shows: "a kill of a group does not reach the child that called setsid before",
    cites: &["Yelp/dumb-init#191", "Supervisor/supervisor#1101", "ClickHouse/ClickHouse#101888"],
    run: escape,
    expect: "
        then session sleep is born
        then sh gets SIGTERM by kill of runner to group sh
        then sh dies of SIGTERM
        then sleep gets SIGKILL by kill of scenarios
        never sleep gets SIGTERM *
    ",
    finds: "warning JC301 sleep",
    ..Scenario::DEFAULT
};

fn escape() -> Result<()> {
    adopt()?;
    let number = Gate::new()?;
    in_session("runner", || {
        let sh = spawn("sh", || {
            setpgid(SELF, SELF)?;
            execute(&["sh", "-c", "setsid sleep 60 & wait"])
        })?;
        let sleep = child_named(sh.pid(), "sleep")?;
        number.tell(sleep)?;
        killpg(sh.pid(), Signal::SIGTERM)?;
        sh.dies_of(Signal::SIGTERM)
    })?;
    let sleep = Child::adopted(number.hear()?, "sleep")?;
    let_pass(GRACE_MS);
    sleep.end()
}

/// openclaw/openclaw#71681: the group that is killed is the killer's own.
pub const OWN_GROUP: Scenario = Scenario {
    name: "kill-own-group",
    shows: "a process signals the group of a child that never left its own: it dies with it",
    cites: &["openclaw/openclaw#71681"],
    run: || own_group(false),
    expect: "
        some agent gets SIGTERM by kill of agent to group agent
        some tool gets SIGTERM by kill of agent to group agent
        some agent dies of SIGTERM
        some tool dies of SIGTERM
    ",
    finds: "error JC303 agent",
    ..Scenario::DEFAULT
};

/// The same with a child in a group of its own.
pub const OTHER_GROUP: Scenario = Scenario {
    name: "kill-other-group",
    shows: "a process signals the group of a child that leads its own: only the child dies",
    run: || own_group(true),
    expect: "
        then tool gets SIGTERM by kill of agent to group tool
        then tool dies of SIGTERM
        then agent exits 0
        never agent gets SIGTERM *
    ",
    finds: "never JC303",
    ..Scenario::DEFAULT
};

fn own_group(detached: bool) -> Result<()> {
    adopt()?;
    let number = Gate::new()?;
    let agent = spawn("agent", || {
        setpgid(SELF, SELF)?;
        let ready = Gate::new()?;
        let tool = spawn("tool", || {
            if detached {
                setpgid(SELF, SELF)?;
            }
            ready.open()?;
            nix::unistd::pause();
            Ok(())
        })?;
        number.tell(tool.pid())?;
        ready.pass()?;
        let group = tool.stat()?.group;
        killpg(group, Signal::SIGTERM)?;
        tool.dies_of(Signal::SIGTERM)
    })?;
    let tool = number.hear()?;
    if detached {
        return agent.succeeds();
    }
    agent.dies_of(Signal::SIGTERM)?;
    Child::adopted(tool, "tool")?.dies_of(Signal::SIGTERM)
}

/// NousResearch/hermes-agent#43135: the number of a child that was reaped is another process's.
pub const STALE: Scenario = Scenario {
    name: "stale-target",
    shows: "a process signals the number of a child that it reaped: a stranger has it now",
    cites: &["NousResearch/hermes-agent#43135", "mheily/jobd#80"],
    run: || stale(false),
    expect: "
        then child is reaped by keeper
        then scenarios forks stranger
        then stranger gets SIGTERM by kill of keeper
        then stranger dies of SIGTERM
    ",
    finds: "error JC304 stranger",
    ..Scenario::DEFAULT
};

/// The same with a new child of the sender.
pub const FRESH: Scenario = Scenario {
    name: "fresh-target",
    shows: "a process signals a new child that has the number of an old one: that is meant",
    run: || stale(true),
    expect: "
        then child is reaped by keeper
        then keeper forks second
        then second gets SIGTERM by kill of keeper
        then second dies of SIGTERM
    ",
    finds: "never JC304",
    ..Scenario::DEFAULT
};

fn stale(own: bool) -> Result<()> {
    let pause = || {
        nix::unistd::pause();
        Ok(())
    };
    let (number, taken, named) = (Gate::new()?, Gate::new()?, Gate::new()?);
    // It has its name when it says so.
    let waits = || named.open().and_then(|()| pause());
    let keeper = spawn("keeper", || {
        let child = spawn("child", || Ok(()))?;
        let pid = child.pid();
        child.succeeds()?;
        let second = if own { Some(spawn_with_number(pid, "second", waits)?) } else { None };
        number.tell(pid)?;
        taken.pass()?;
        named.pass()?;
        kill(pid, Signal::SIGTERM)?;
        second.map_or(Ok(()), |second| second.dies_of(Signal::SIGTERM))
    })?;
    let pid = number.hear()?;
    let stranger =
        if own { None } else { Some(spawn_with_number(pid, "stranger", waits).context("the number is free")?) };
    ensure!(own || children(me())?.contains(&pid), "the stranger has the number");
    taken.open()?;
    if let Some(stranger) = stranger {
        stranger.dies_of(Signal::SIGTERM)?;
    }
    keeper.succeeds()
}
