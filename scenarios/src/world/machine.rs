//! The real processes of one walk, and what `/proc` says of them.
//!
//! The driver commands them through pipes, adopts them as init would, and leaves none behind. It must have one thread.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::openpty,
    sys::{
        prctl,
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, close, dup2_raw, fork, getpid, pipe},
};
use tracer_model::reference::kernel::{Kernel, Step, Task, errno::ERESTARTSYS};

use crate::kit::proc;

use super::worker::{self, TERMINAL_FD, answers_fd, orders_fd};

/// How long a call, and what follows from it, may take on a machine that others use.
const DEADLINE: Duration = Duration::from_secs(20);

/// What `/proc` says of one process, in numbers of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Facts {
    pub parent: u32,
    pub pgid: u32,
    pub sid: u32,
    pub stopped: bool,
    pub zombie: bool,
    /// The foreground group of its terminal.
    pub foreground: Option<u32>,
    pub hup_pending: bool,
    pub cont_pending: bool,
}

impl Facts {
    /// What the reference says of it.
    fn expected(kernel: &Kernel, task: &Task) -> Self {
        Self {
            parent: task.parent,
            pgid: task.pgrp.number,
            sid: task.session.number,
            stopped: task.stopped,
            zombie: task.zombie,
            foreground: task.tty.and_then(|index| kernel.ttys.get(&index)).map(|tty| tty.foreground.number),
            hup_pending: task.hup_pending,
            cont_pending: task.cont_pending,
        }
    }
}

/// The driver.
pub struct Driver {
    /// Keeps the terminal from being hung up.
    _master: OwnedFd,
    orders: BTreeMap<u32, fs::File>,
    answers: BTreeMap<u32, fs::File>,
    /// Real numbers of those that were born in this walk, the driver's own first.
    real: BTreeMap<u32, i32>,
    /// A tracer waits for each zombie before its parent can.
    traced: bool,
}

impl Driver {
    /// A driver of worlds with processes up to this number.
    pub fn new(slots: u32) -> Result<Self> {
        prctl::set_child_subreaper(true).context("PR_SET_CHILD_SUBREAPER")?;
        let pty = openpty(None, None).context("openpty")?;
        let (mut orders, mut answers) = (BTreeMap::new(), BTreeMap::new());
        place(pty.slave, TERMINAL_FD)?;
        for slot in 2..=slots {
            let (read, write) = pipe().context("pipe")?;
            place(read, orders_fd(slot))?;
            orders.insert(slot, ours(write)?);
            let (read, write) = pipe().context("pipe")?;
            place(write, answers_fd(slot))?;
            answers.insert(slot, ours(read)?);
        }
        let master = ours(pty.master)?.into();
        Ok(Self { _master: master, orders, answers, real: BTreeMap::new(), traced: false })
    }

    /// It runs under a tracer.
    pub fn is_traced(&mut self) {
        self.traced = true;
    }

    /// Ends the walk before, and begins another.
    pub fn begin(&mut self) -> Result<()> {
        for (_, pid) in std::mem::take(&mut self.real).into_iter().filter(|(number, _)| *number > 1) {
            // Those that are gone are nobody's, or somebody else's child: only ours are killed.
            let parent = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if parent.contains("world") {
                let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        loop {
            match waitpid(None, None) {
                Err(Errno::ECHILD) => break,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).context("waitpid"),
            }
        }
        // Who was stopped may have been continued by the end of another, and have answered.
        for slot in self.orders.keys() {
            for fd in [orders_fd(*slot), self.answers.get(slot).map_or(-1, fs::File::as_raw_fd)] {
                drain(fd)?;
            }
        }
        self.real.insert(1, getpid().as_raw());
        Ok(())
    }

    /// The real number of a number of the reference.
    pub fn real(&self, number: i32) -> i32 {
        u32::try_from(number).ok().and_then(|number| self.real.get(&number)).copied().unwrap_or(number)
    }

    /// The reverse; 0 for a number from outside.
    pub fn number(&self, pid: i32) -> u32 {
        self.real.iter().find(|(_, real)| **real == pid).map_or(0, |(number, _)| *number)
    }

    /// Every process of the reference in real numbers, once it has settled: number, parent, process group, session, foreground
    /// group (0 without a terminal), stopped, zombie.
    pub fn rows(&self, kernel: &Kernel) -> Vec<(u32, u32, u32, u32, u32, bool, bool)> {
        let real = |number: u32| self.real(number.cast_signed()).cast_unsigned();
        let row = |(pid, task): (&u32, &Task)| {
            let facts = Facts::expected(kernel, task);
            let foreground = facts.foreground.map_or(0, real);
            let numbers = (real(*pid), real(facts.parent), real(facts.pgid), real(facts.sid));
            (numbers.0, numbers.1, numbers.2, numbers.3, foreground, facts.stopped, facts.zombie)
        };
        kernel.tasks.iter().filter(|(pid, _)| **pid > 1).map(row).collect()
    }

    /// Lets it be done. `after` is the reference after the same step, `ret` what it returned there. Says what is different.
    pub fn step(&mut self, step: Step, ret: i64, after: &Kernel) -> Result<Option<String>> {
        let mut got = self.act(step, ret, after)?;
        let (begin, is_wait) = (Instant::now(), matches!(step, Step::Wait { .. }));
        while self.traced && is_wait && got == Some(0) && ret > 0 && begin.elapsed() < DEADLINE {
            got = self.act(step, ret, after)?;
        }
        if got != Some(ret).filter(|_| answers(step, ret)) {
            return Ok(Some(format!("{step:?} returned {got:?}, in the reference {ret}")));
        }
        for (who, ret) in after.restarted.iter().filter(|(_, ret)| *ret != -ERESTARTSYS) {
            let got = self.answer(*who)?;
            if got != *ret {
                return Ok(Some(format!("after {step:?} the call of {who} returned {got}, in the reference {ret}")));
            }
        }
        Ok(None)
    }

    /// Lets calls be made that change nothing, those of each process in order: `calls` has what each returned in the reference.
    /// Says what is different.
    pub fn idle(&mut self, calls: &[(Step, i64)]) -> Result<Option<String>> {
        for (step, _) in calls {
            self.order(*step, 0)?;
        }
        for (step, ret) in calls {
            let got = self.answer(step.who())?;
            if self.returned(*step, got) != *ret {
                return Ok(Some(format!("{step:?} returned {got}, in the reference {ret}")));
            }
        }
        Ok(None)
    }

    fn order(&mut self, step: Step, child: u32) -> Result<()> {
        let order = worker::order(step, |number| self.real(number), child);
        let bytes: Vec<u8> = order.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.orders.get_mut(&step.who()).context("a process of the world")?.write_all(&bytes).context("ordering")
    }

    /// What a call returned, in numbers of the reference.
    fn returned(&self, step: Step, got: i64) -> i64 {
        let names_process =
            matches!(step, Step::Fork { .. } | Step::Setsid { .. } | Step::Wait { .. } | Step::WaitAny { .. });
        if names_process && got > 0 { i64::from(self.number(got as i32)) } else { got }
    }

    /// The real call. What it returned, in numbers of the reference; `None` where nothing comes back at once.
    fn act(&mut self, step: Step, ret: i64, after: &Kernel) -> Result<Option<i64>> {
        if let Step::Fork { who: 1, .. } = step {
            let pid = self.fork(after.last_number)?;
            self.real.insert(after.last_number, pid);
            return Ok(Some(ret));
        }
        self.order(step, after.last_number)?;
        if !answers(step, ret) {
            return Ok(None);
        }
        let got = self.answer(step.who())?;
        if let (Step::Fork { .. }, 1..) = (step, got) {
            self.real.insert(after.last_number, got as i32);
        }
        Ok(Some(self.returned(step, got)))
    }

    fn fork(&mut self, slot: u32) -> Result<i32> {
        // SAFETY: the driver has one thread.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(child.as_raw()),
            ForkResult::Child => {
                // So that the end of the driver ends everybody.
                for end in self.orders.values().chain(self.answers.values()) {
                    let _closed = close(end.as_raw_fd());
                }
                let _named = prctl::set_name(c"world");
                worker::begin(slot)
            }
        }
    }

    fn answer(&mut self, who: u32) -> Result<i64> {
        let answers = self.answers.get_mut(&who).context("a process of the world")?;
        let timeout = PollTimeout::try_from(DEADLINE).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut [PollFd::new(answers.as_fd(), PollFlags::POLLIN)], timeout).context("poll")?;
        ensure!(ready > 0, "process {who} does not answer");
        let mut bytes = [0; 8];
        answers.read_exact(&mut bytes).context("an answer")?;
        Ok(i64::from_ne_bytes(bytes))
    }

    /// Waits until every process is as the reference says. Says what stays different.
    pub fn settles(&self, kernel: &Kernel) -> Result<Option<String>> {
        let begin = Instant::now();
        loop {
            let difference = self.difference(kernel)?;
            if difference.is_none() || begin.elapsed() > DEADLINE {
                return Ok(difference);
            }
            std::thread::yield_now();
        }
    }

    /// Where `/proc` and the reference differ now.
    fn difference(&self, kernel: &Kernel) -> Result<Option<String>> {
        for (pid, task) in kernel.tasks.iter().filter(|(pid, _)| **pid > 1) {
            let (is, expected) = (self.facts(*pid)?, Facts::expected(kernel, task));
            if is != expected {
                return Ok(Some(format!("process {pid} is {is:?}, in the reference {expected:?}")));
            }
            // What a tracer has not seen yet it never sees of who is killed next. Who goes on runs into its hands first.
            if self.traced && !expected.stopped && !expected.zombie && !self.sleeps(*pid)? {
                return Ok(Some(format!("process {pid} does not wait for an order yet, or is held by its tracer")));
            }
        }
        Ok(None)
    }

    /// Whether a process sleeps in a call: it neither runs nor is held by a tracer.
    fn sleeps(&self, pid: u32) -> Result<bool> {
        let real = self.real(pid.cast_signed());
        let stat =
            fs::read_to_string(format!("/proc/{real}/stat")).with_context(|| format!("process {pid} ({real})"))?;
        Ok(stat.rsplit_once(") ").context("/proc/PID/stat")?.1.starts_with('S'))
    }

    /// What `/proc` says of a process.
    fn facts(&self, pid: u32) -> Result<Facts> {
        let real = self.real(pid.cast_signed());
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/{real}/{name}")).with_context(|| format!("process {pid} ({real})"))
        };
        let stat = read("stat")?;
        let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let words: Vec<&str> = rest.split_ascii_whitespace().take(6).collect();
        let [state, parent, pgid, sid, tty, foreground] = words[..] else { bail!("/proc/PID/stat is strange: {stat}") };
        let number = |word: &str| Ok::<_, anyhow::Error>(self.number(word.parse()?));
        let status = read("status")?;
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).context("ShdPnd")?;
        let pending = u64::from_str_radix(pending.trim(), 16)?;
        let is_pending = |signal: i32| pending >> (signal - 1) & 1 == 1;
        Ok(Facts {
            parent: number(parent)?,
            pgid: number(pgid)?,
            sid: number(sid)?,
            // A tracer shows as t also who is about to stop, and who goes on at once.
            stopped: state == "T" || state == "t" && proc::stat(nix::unistd::Pid::from_raw(real))?.state == 'T',
            zombie: state == "Z",
            foreground: (tty != "0").then(|| number(foreground)).transpose()?,
            hup_pending: is_pending(libc::SIGHUP),
            cont_pending: is_pending(libc::SIGCONT),
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Whoever is left would hold the pipes of the next driver open.
        let _ended = self.begin();
    }
}

/// Reads what is left in a pipe.
fn drain(fd: i32) -> Result<()> {
    // SAFETY: the driver keeps it open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    while poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO).context("poll")? > 0 {
        nix::unistd::read(fd, &mut [0; 256]).context("draining")?;
    }
    Ok(())
}

/// Whether its caller says what it returned.
fn answers(step: Step, ret: i64) -> bool {
    !matches!(step, Step::Exit { .. }) && ret != -ERESTARTSYS
}

/// Puts a descriptor where the processes of the world look for it.
#[expect(clippy::needless_pass_by_value, reason = "it is closed")]
fn place(fd: OwnedFd, at: i32) -> Result<()> {
    // SAFETY: nothing else is at these numbers.
    let placed = unsafe { dup2_raw(&fd, at) }.context("dup2")?;
    std::mem::forget(placed);
    Ok(())
}

/// The driver's end of a pipe, beyond those numbers.
#[expect(clippy::needless_pass_by_value, reason = "it is closed")]
fn ours(fd: OwnedFd) -> Result<fs::File> {
    let high = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(200)).context("fcntl")?;
    // SAFETY: fcntl made it, and nobody else has it.
    Ok(fs::File::from(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(high) }))
}
