//! Shell and child are in setpgid at the same time, and neither sees what the other does: which of them makes the group is decided
//! inside the kernel (kernel/sys.c, under `tasklist_lock`), and nothing tells.

use std::{
    ptr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

use crate::kit::prelude::*;

pub const CASE: Scenario = Scenario {
    name: "race-undecided",
    shows: "parent and child call setpgid at the same time: who made the group is not told by the kernel",
    run,
    expect: "
        then race of child and shell: undecided, success
        some group child ends, child moved
        some child setpgid = success
        never child is refused *
    ",
    finds: "never JC101",
    ..Scenario::DEFAULT
};

/// How much later the child begins, ns, one after the other: when both are inside depends on how long a call takes to get there.
const LATER: [u64; 8] = [300, 600, 900, 1200, 1500, 1800, 2100, 2400];
/// So near to that they must have begun.
const NEAR: u64 = 60;
/// How long both know before when they are to begin, ns: longer than one processor's stores take to be seen by the other.
const AHEAD: u64 = 2000;
/// So often is it tried.
const TRIES: u64 = 20_000;
/// How often is looked whether the other one has come, before the processor is left to others.
const LOOKS: u32 = 2000;

/// What both see. Times are those of the monotonic clock, ns.
#[derive(Default)]
struct Shared {
    /// The round that each has come to: the child, the shell.
    come: [AtomicU64; 2],
    /// The round whose call each has made.
    called: [AtomicU64; 2],
    /// When the call is to begin, of the last round.
    start: AtomicU64,
    /// The round for which that is said.
    set: AtomicU64,
    /// When each began that call.
    began: [AtomicU64; 2],
}

const CHILD: usize = 0;
const SHELL: usize = 1;

impl Shared {
    /// In memory that children have in common with the caller.
    fn new() -> Result<&'static Self> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a mapping of its own, that the kernel places.
        let place = unsafe { libc::mmap(ptr::null_mut(), size_of::<Self>(), protection, flags, -1, 0) };
        ensure!(place != libc::MAP_FAILED, "mmap: {}", Errno::last());
        // SAFETY: as large as it must be, aligned to a page, zeroed, which atomics may be, and never unmapped.
        Ok(unsafe { &*place.cast::<Self>() })
    }

    /// Makes the call of a round when the other one is there as well; returns when both have called.
    fn call(&self, me: usize, round: u64, later: u64, call: impl FnOnce() -> Result<()>) -> Result<()> {
        let [mine, other] = [me, 1 - me];
        let (come, called, began) = (&self.come, &self.called, &self.began);
        let wait = |whom: &AtomicU64| {
            let mut looks = 0;
            while whom.load(Ordering::Acquire) < round {
                looks += 1;
                if looks % LOOKS == 0 {
                    std::thread::yield_now();
                }
                std::hint::spin_loop();
            }
        };
        at(come, mine)?.store(round, Ordering::Release);
        wait(at(come, other)?);
        if me == SHELL {
            self.start.store(now()? + AHEAD, Ordering::Relaxed);
            self.set.store(round, Ordering::Release);
        }
        wait(&self.set);
        let start = self.start.load(Ordering::Relaxed) + if me == CHILD { later } else { 0 };
        while now()? < start {}
        at(began, mine)?.store(now()?, Ordering::Relaxed);
        call()?;
        at(called, mine)?.store(round, Ordering::Release);
        wait(at(called, other)?);
        Ok(())
    }

    /// How much later the child began than the shell, after [`Self::call`].
    fn later(&self) -> Option<u64> {
        let [child, shell] = &self.began;
        child.load(Ordering::Relaxed).checked_sub(shell.load(Ordering::Relaxed))
    }
}

fn at(both: &[AtomicU64; 2], who: usize) -> Result<&AtomicU64> {
    both.get(who).context("there are two")
}

fn now() -> Result<u64> {
    Ok(u64::try_from(Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?).as_nanos())?)
}

fn run() -> Result<()> {
    in_session("shell", || {
        let (shared, back) = (Shared::new()?, getpgrp());
        let child = spawn("child", || rounds(shared, CHILD, || Ok(setpgid(SELF, SELF)?), || Ok(setpgid(SELF, back)?)))?;
        let leader = child.pid();
        rounds(shared, SHELL, || Ok(setpgid(leader, leader)?), || Ok(()))?;
        child.succeeds()
    })
}

/// Calls together with the other one, as often as they must; `again` is what it takes for another try.
fn rounds(shared: &Shared, me: usize, call: impl Fn() -> Result<()>, again: impl Fn() -> Result<()>) -> Result<()> {
    let mut wanted = LATER.into_iter();
    let mut later = wanted.next().unwrap_or(0);
    for round in 1..=TRIES {
        shared.call(me, 2 * round, later, &call)?;
        // Both count alike: the times of a round stand until both have come to the next.
        if shared.later().is_some_and(|was| was.abs_diff(later) < NEAR) {
            match wanted.next() {
                Some(next) => later = next,
                None => return Ok(()),
            }
        }
        shared.call(me, 2 * round + 1, 0, &again)?;
    }
    bail!("in {TRIES} rounds they did not meet as often as they must")
}
