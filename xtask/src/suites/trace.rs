//! One traced run of a suite: `sesstrace verify --all` and bpftrace around it, and what each of them says.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    count::{self, Bpftrace, Counts},
    outcome::Outcome,
    place::Place,
};

/// How long the probes may take to attach on a busy machine.
const ATTACH: Duration = Duration::from_mins(1);

/// How long a quiet point may take to come at the end: a process that nobody waited for whose calls are seen is known to be gone
/// when its memory is free, and the kernel does that when it has the time (RCU), on a busy machine after seconds.
const REST: &str = "60s";

/// Large rings: a suite is to be judged, not how much a busy machine can lose.
const RING: &str = "67108864";

/// What a traced run came to.
pub struct Round {
    /// What the suite found.
    pub outcome: Outcome,
    /// What `verify` printed.
    pub verify: String,
    /// Its exit code.
    pub code: Option<i32>,
    /// Calls that bpftrace counted, all kinds together.
    pub calls: u64,
    /// Where its counts and the recording differ.
    pub miscounted: Vec<String>,
    /// Processes of the suite that the recording ends with.
    pub not_closed: u64,
    /// Findings by rule.
    pub findings: Counts,
}

impl Round {
    /// Nothing is wrong that a recording could explain.
    fn is_good(&self) -> bool {
        self.code == Some(0) && self.is_at_rest() && self.miscounted.is_empty() && self.not_closed == 0
    }

    /// Its last look was at a quiet point, when everything was through.
    pub fn is_at_rest(&self) -> bool {
        self.verify.lines().any(|line| line == "at the end    a quiet point")
    }

    /// The number behind a word that begins a line of what `verify` printed.
    pub fn number(&self, word: &str) -> u64 {
        let line = self.verify.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_default();
        let digits: String = line.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    }
}

/// Runs the suite traced.
pub fn round(place: &Place, sesstrace: &str, every: &str, number: usize) -> anyhow::Result<Round> {
    let recording = place.file(&format!("traced-{number}.sesstrace"));
    let _ = fs::remove_file(&recording);
    let verify = start(sesstrace, every, &recording)?;
    let outcome = Bpftrace::start(place.cgroup()).and_then(|bpftrace| {
        let outcome = place.run(&format!("traced-{number}"));
        let theirs = bpftrace.end()?;
        Ok((outcome?, theirs))
    });
    wait_for_adopted_zombies();
    // Whatever went wrong, nothing goes on tracing.
    kill(Pid::from_raw(verify.id().cast_signed()), Signal::SIGINT).context("SIGINT to verify")?;
    let said = verify.wait_with_output().context("verify")?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    fs::write(place.file(&format!("traced-{number}.verify")), &text)?;
    let (outcome, theirs) = outcome?;
    let findings = place.file(&format!("traced-{number}.findings"));
    let recorded = count::of_recording(sesstrace, &recording, place.cgroup_id, &findings)?;
    let round = Round {
        outcome,
        code: said.status.code(),
        verify: text,
        calls: theirs.values().sum(),
        not_closed: count::not_closed(sesstrace, &recording, &recorded)?,
        miscounted: count::differences(&recorded.counts, &theirs),
        findings: recorded.findings,
    };
    // It is looked at when something is wrong, and is large.
    if round.is_good() {
        fs::remove_file(&recording).with_context(|| recording.display().to_string())?;
    }
    Ok(round)
}

/// How long process 1 may take to reap what it adopted.
const REAPED: Duration = Duration::from_secs(10);

/// Waits until no zombie is left that process 1 is to reap: the recording would end with those of the suite, rightly.
fn wait_for_adopted_zombies() {
    let is_one = |stat: String| {
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        (fields.next()? == "Z" && fields.next()? == "1").then_some(())
    };
    let begun = Instant::now();
    let any = || {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes.into_iter().any(|it| fs::read_to_string(it.path().join("stat")).ok().and_then(is_one).is_some())
    };
    while begun.elapsed() < REAPED && any() {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Starts `verify` and waits until it traces: then the recording has its header.
fn start(sesstrace: &str, every: &str, recording: &Path) -> anyhow::Result<Child> {
    // A recording has another name until it is complete.
    let mut unfinished = recording.as_os_str().to_owned();
    unfinished.push(".part");
    // One of a run that was killed.
    let _ = fs::remove_file(&unfinished);
    let mut verify = Command::new(sesstrace)
        .args(["verify", "--all", "--every", every, "--rest", REST, "--ring-bytes", RING, "-w"])
        .arg(recording)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {sesstrace}"))?;
    let begun = Instant::now();
    while fs::metadata(&unfinished).map_or(0, |it| it.len()) == 0 {
        if let Some(status) = verify.try_wait()? {
            bail!("sesstrace verify ended at once: {status}");
        }
        if begun.elapsed() > ATTACH {
            verify.kill()?;
            verify.wait()?;
            bail!("sesstrace verify does not begin to trace");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(verify)
}
