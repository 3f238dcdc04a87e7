//! `cargo xtask bench churn`: an hour of daemons that come and go, in a few minutes, under `sesstrace audit --watch`. Memory must
//! not grow with how many there have been.
//!
//! Every daemon is a real one: two forks, a session, an adoption, each step that is recorded, and a life that is long enough to be
//! judged.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read as _},
    os::fd::AsRawFd as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, setsid},
};

use super::{build, say};

/// What happens.
#[derive(clap::Args)]
pub struct Churn {
    /// How many daemons an hour has.
    #[arg(long, default_value_t = 36_000)]
    daemons: u64,
    /// How many start in a second.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
    pace: u32,
    /// How many processes are forked in a second, daemons with what starts them among them; the others end at once.
    #[arg(long, default_value_t = 0)]
    forks: u32,
    /// Every how many has a name of its own, and is news.
    #[arg(long, default_value_t = 4)]
    named: u64,
    /// The program; built when it is not given.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// A daemon lives so long: it settles after a second, and what was seen of it takes a moment to get through.
const LIFE: Duration = Duration::from_secs(4);
/// Lines of the table.
const LINES: u64 = 12;
/// What the second half may add.
const BAR_KIB: u64 = 2048;

/// Measures and prints.
pub fn run(churn: &Churn) -> anyhow::Result<()> {
    let program = match &churn.program {
        Some(program) => program.clone(),
        None => build()?.into(),
    };
    if !churn.forks.is_multiple_of(churn.pace) {
        bail!("--forks is no multiple of --pace, {}: each daemon comes with as many", churn.pace);
    }
    let folder = crate::root()?.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let baseline = folder.join(format!("baseline.{}", std::process::id()));
    let mut command = Command::new(&program);
    command.args(["audit", "--watch", "--format", "json", "--baseline"]).arg(&baseline);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("sesstrace")?;
    let mut out = BufReader::new(child.stdout.take().context("its output")?);
    let mut first = String::new();
    out.read_line(&mut first).context("its output")?;
    if !first.contains("\"watching\"") {
        bail!("it does not watch: {}", child.wait().context("sesstrace")?);
    }
    let rest = std::thread::spawn(move || told(out));
    let pid = child.id();
    let measured = churn.drive(pid);
    std::thread::sleep(LIFE);
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT).context("sesstrace")?;
    let status = child.wait().context("sesstrace")?;
    let (told, last) = rest.join().ok().context("the reader panicked")?;
    let size = fs::metadata(&baseline).map_or(0, |file| file.len());
    let _ = fs::remove_file(&baseline);
    let (half, end, named) = measured?;
    say(&format!("{status}; its last line: {}; baseline {} KiB", last.trim(), size >> 10))?;
    let said: serde_json::Value = serde_json::from_str(&last).context("its last line")?;
    let number = |key: &str| said.get(key).and_then(serde_json::Value::as_u64).with_context(|| format!("no {key}"));
    let (judged, lost, unjudged) = (number("judged")?, number("lost")?, number("unjudged")?);
    if lost > 0 || unjudged > 0 {
        bail!("{lost} records were lost, {unjudged} were left unjudged");
    }
    if judged < churn.daemons {
        bail!("{judged} were judged, of {} daemons", churn.daemons);
    }
    let missing = named.iter().filter(|pid| !told.contains(pid)).count();
    if missing > 0 {
        bail!("{missing} daemons with names of their own were not told, of {}", named.len());
    }
    let added = end.saturating_sub(half);
    say(&format!(
        "the second half added {added} KiB; bar {BAR_KIB} KiB: {}",
        if added <= BAR_KIB { "held" } else { "MISSED" }
    ))?;
    if added > BAR_KIB {
        bail!("memory grows with what has been");
    }
    Ok(())
}

impl Churn {
    /// Starts the daemons and prints a table. Returns resident memory after half of them and after all, in KiB, and
    /// the numbers of those that have names of their own.
    fn drive(&self, watcher: u32) -> anyhow::Result<(u64, u64, BTreeSet<u32>)> {
        say("  daemons     after  resident  processor time, of one processor")?;
        let (begin, before) = (Instant::now(), processor_time(watcher)?);
        // Each daemon is two forks.
        let others = (self.forks / self.pace).saturating_sub(2);
        let (mut half, mut end, mut named) = (0, 0, BTreeSet::new());
        for number in 1..=self.daemons {
            let name = number.is_multiple_of(self.named).then_some(number);
            let pid = daemon(name)?;
            named.extend(name.map(|_| pid));
            let due = Duration::from_secs_f64(number as f64 / f64::from(self.pace));
            for left in (1..=others).rev() {
                ends_at_once()?;
                let before = Duration::from_secs(1) / self.pace * left / (others + 1);
                std::thread::sleep(due.saturating_sub(before + begin.elapsed()));
            }
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            if number.is_multiple_of((self.daemons / LINES).max(1)) || number == self.daemons {
                let (elapsed, used) = (begin.elapsed(), processor_time(watcher)?.saturating_sub(before));
                let resident = resident_kib(watcher)?;
                let part = 100.0 * used.as_secs_f64() / elapsed.as_secs_f64();
                say(&format!(
                    "  {number:7} {:8.1}s {resident:6} KiB  {:8.2} s  {part:5.1} %  {:6.0} us for each daemon",
                    elapsed.as_secs_f64(),
                    used.as_secs_f64(),
                    used.as_secs_f64() * 1e6 / number as f64
                ))?;
                half = if number <= self.daemons / 2 { resident } else { half };
                end = resident;
            }
        }
        Ok((half, end, named))
    }
}

/// A process that is nobody to judge.
fn ends_at_once() -> anyhow::Result<()> {
    // SAFETY: the child makes one call, which is async-signal-safe and does not return.
    unsafe {
        match fork().context("fork")? {
            ForkResult::Parent { child } => waitpid(child, None).map(drop).context("wait"),
            ForkResult::Child => libc::_exit(0),
        }
    }
}

/// Two forks with a session between them. Who is `named` has a name of its own. Returns its number.
fn daemon(named: Option<u64>) -> anyhow::Result<u32> {
    let (mut number, say) = std::io::pipe().context("pipe")?;
    let name = named.map(letters);
    // SAFETY: the children make only async-signal-safe calls, and this process has no thread that holds a lock of theirs; each path ends with NUL.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => {
            drop(say);
            waitpid(child, None).context("wait")?;
            let mut bytes = [0; 4];
            number.read_exact(&mut bytes).context("a daemon's number")?;
            Ok(u32::from_ne_bytes(bytes))
        }
        ForkResult::Child => {
            let _ = setsid();
            // SAFETY: as above. `_exit` does not return; the name ends with NUL.
            unsafe {
                if let Some(name) = &name {
                    libc::prctl(libc::PR_SET_NAME, name.as_ptr());
                }
                if matches!(fork(), Ok(ForkResult::Child)) {
                    libc::chdir(c"/".as_ptr());
                    libc::umask(0);
                    libc::signal(libc::SIGHUP, libc::SIG_IGN);
                    libc::close(0);
                    libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
                    libc::dup2(0, 1);
                    libc::dup2(0, 2);
                    let own = std::process::id().to_ne_bytes();
                    libc::write(say.as_raw_fd(), own.as_ptr().cast(), own.len());
                    let life =
                        libc::timespec { tv_sec: LIFE.as_secs().cast_signed(), tv_nsec: LIFE.subsec_nanos().into() };
                    libc::nanosleep(&raw const life, std::ptr::null_mut());
                }
                libc::_exit(0)
            }
        }
    }
}

/// A number in letters: numbers in names make no difference to a baseline. It ends with NUL.
fn letters(mut number: u64) -> [u8; 16] {
    let mut name = [0; 16];
    for letter in name.iter_mut().take(15) {
        *letter = b'a' + (number % 26) as u8;
        number /= 26;
        if number == 0 {
            break;
        }
    }
    name
}

/// The numbers of those of whom a verdict is told, and the last line that comes.
fn told(mut out: impl BufRead) -> (BTreeSet<u32>, String) {
    let (mut told, mut last, mut line) = (BTreeSet::new(), String::new(), String::new());
    while out.by_ref().take(1 << 20).read_line(&mut line).is_ok_and(|length| length > 0) {
        last = std::mem::take(&mut line);
        let row: serde_json::Value = serde_json::from_str(&last).unwrap_or_default();
        if row.get("kind").is_some_and(|kind| kind == "audit") {
            told.extend(row.get("pid").and_then(serde_json::Value::as_u64).and_then(|pid| u32::try_from(pid).ok()));
        }
    }
    (told, last)
}

fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("sesstrace has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    line.trim_end_matches("kB").trim().parse().context("VmRSS")
}

/// User and system time of all its threads (`proc_pid_stat(5)`), which other work does not add to.
fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("sesstrace has ended")?;
    let fields = text.rsplit_once(") ").context("stat")?.1;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>().context("stat")?;
    let a_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().context("ticks a second")?;
    Ok(Duration::from_secs_f64(ticks as f64 / a_second as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_without_numbers() {
        assert_eq!(&letters(0)[..2], b"a\0");
        assert_eq!(&letters(27)[..3], b"bb\0");
        assert_ne!(letters(703), letters(704));
    }
}
