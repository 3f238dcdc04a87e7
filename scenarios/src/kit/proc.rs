//! What `/proc` says of a process: a scenario's own truth, independent of any tracer.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::unistd::Pid;

/// How long a condition may take to come true.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(2);
/// A tracer lets a process go on within this time, unless it is stopped.
const SETTLED: Duration = Duration::from_millis(50);

/// Some fields of `/proc/PID/stat` (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `comm`.
    pub name: String,
    /// R, S, T, Z, … A process that is stopped is T also under a tracer, where the kernel shows it as t.
    pub state: char,
    /// Its real parent.
    pub parent: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its session.
    pub session: Pid,
    /// Whether it has a controlling terminal.
    pub has_terminal: bool,
    /// Foreground process group of its terminal, -1 without one.
    pub foreground: Pid,
}

/// Reads one process.
pub fn stat(pid: Pid) -> Result<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    let text = String::from_utf8_lossy(&text);
    let mut stat = parse(&text).with_context(|| format!("/proc/{pid}/stat is strange: {text}"))?;
    // One that has ended meanwhile was not stopped.
    if stat.state == 't' && stays_stopped(pid).unwrap_or(false) {
        stat.state = 'T';
    }
    Ok(stat)
}

/// Whether a process that its tracer holds is stopped for job control: it does not run again by itself.
fn stays_stopped(pid: Pid) -> Result<bool> {
    let look = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
        let line = |name| status.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        Ok::<_, anyhow::Error>((line("State:"), line("voluntary_ctxt_switches:")))
    };
    let before = look()?;
    std::thread::sleep(SETTLED);
    Ok(before == look()?)
}

/// The name stands in brackets and may itself hold any byte, brackets too: it ends at the last one.
fn parse(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let numbers: Vec<i32> = fields.take(5).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [parent, group, session, tty, foreground] = numbers.try_into().ok()?;
    Some(Stat {
        name: name.to_owned(),
        state,
        parent: Pid::from_raw(parent),
        group: Pid::from_raw(group),
        session: Pid::from_raw(session),
        has_terminal: tty != 0,
        foreground: Pid::from_raw(foreground),
    })
}

/// The children of a process, oldest first.
pub fn children(pid: Pid) -> Result<Vec<Pid>> {
    let text =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).with_context(|| format!("children of {pid}"))?;
    text.split_ascii_whitespace().map(|word| Ok(Pid::from_raw(word.parse()?))).collect()
}

/// The child of `parent` that is named `name`, as soon as there is one and it waits for something: a process has its new
/// name before its exec is over, and a signal in between would end it there.
pub fn child_named(parent: Pid, name: &str) -> Result<Pid> {
    let mut found = None;
    let is = |stat: &Stat| stat.name == name && "ST".contains(stat.state);
    until(&format!("{parent} has a child {name}"), || {
        found = children(parent)?.into_iter().find(|child| stat(*child).is_ok_and(|stat| is(&stat)));
        Ok(found.is_some())
    })?;
    found.context("no such child")
}

/// Whether a signal was sent to a process that it has not taken.
pub fn has_pending(pid: Pid) -> Result<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    Ok(u64::from_str_radix(line.context("no ShdPnd")?.trim(), 16)? != 0)
}

/// A process must be alive and not stopped.
pub fn runs(pid: Pid) -> Result<()> {
    let stat = stat(pid)?;
    ensure!("RSD".contains(stat.state), "{} should be running, not be in state {}", stat.name, stat.state);
    Ok(())
}

/// Waits until a process is in one of these states.
pub fn until_state(pid: Pid, states: &str) -> Result<()> {
    until(&format!("process {pid} is in state {states}"), || Ok(states.contains(stat(pid)?.state)))
}

/// Waits until a process has ended: is a zombie, or reaped.
pub fn until_ended(pid: Pid) -> Result<()> {
    until(&format!("process {pid} ends"), || Ok(stat(pid).map_or(true, |stat| stat.state == 'Z')))
}

/// Looks at a condition until it holds. For what no wait or pipe can tell.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !holds()? {
        if begin.elapsed() > DEADLINE {
            bail!("gave up waiting until {what}");
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets_and_blanks() {
        let stat = parse("42 (a) b) (c) S 1 40 39 34816 -1 0").unwrap();
        assert_eq!(stat.name, "a) b) (c");
        assert_eq!((stat.group.as_raw(), stat.session.as_raw(), stat.foreground.as_raw()), (40, 39, -1));
        assert!(stat.has_terminal);
    }

    #[test]
    fn a_torn_line_is_not_a_process() {
        assert_eq!(parse("42 (a) S 1 40"), None);
    }
}
