//! Walks under a tracer: what `/proc` showed after each call, and whether a recording of them comes to the same states.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use tracer_model::{
    event::EventKind,
    ids::{BootNs, Pid},
    state::{Model, Phase},
};
use tracer_user::{capture::boot_now, trace_file::Reader};

use super::{
    Rules,
    machine::Driver,
    tour::{Chance, Outcome, Walk},
};

/// A process: number, parent, process group, session, foreground group (0 without a terminal), stopped, zombie.
type Row = (u32, u32, u32, u32, u32, bool, bool);

/// What was so from a call on, until the next one began.
#[derive(Debug)]
struct Stamp {
    until: BootNs,
    after: String,
    rows: Vec<Row>,
}

/// What a recording was compared in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// States of the whole world.
    pub states: usize,
    /// Processes in them.
    pub processes: usize,
    /// Events that came later than what they tell was seen.
    pub late: usize,
}

/// `scenarios world-traced FILE WALKS [stop]`: walks at random, with what was so written to a file.
pub fn run(words: &[&str]) -> Result<()> {
    super::as_init(|| walk(words))
}

fn walk(words: &[&str]) -> Result<()> {
    let [file, walks, rest @ ..] = words else { anyhow::bail!("usage: world-traced FILE WALKS [stop]") };
    let rules = Rules { births: 3, depth: 0, ignore_ttou: !rest.contains(&"stop"), more: true };
    let mut driver = Driver::new(rules.births + 1)?;
    driver.is_traced();
    let (mut outcome, mut chance, mut stamps) = (Outcome::default(), Chance(0x2545_f491_4f6c_dd1d), Vec::new());
    for _ in 0..walks.parse().context("a number of walks")? {
        let mut walk = Walk::begin(&rules, &mut driver, &mut outcome)?;
        for _ in 0..12 {
            let Some(step) = chance.step(&rules, &walk.kernel) else { break };
            walk.step(step);
            if walk.over {
                break;
            }
            let rows = walk.driver().rows(&walk.kernel);
            stamps.push(Stamp { until: boot_now(), after: format!("{step:?}"), rows });
        }
    }
    fs::write(file, serde_json::to_vec(&stamps.iter().map(written).collect::<Vec<_>>())?)
        .context((*file).to_owned())?;
    ensure!(outcome.differences.is_empty(), "{outcome}");
    Ok(())
}

fn written(stamp: &Stamp) -> (u64, &str, &[Row]) {
    (stamp.until.0, &stamp.after, &stamp.rows)
}

/// Whether the model of a recording is, at each of these times, what `/proc` showed. Says where it is not.
///
/// A tracer may see something a little later than `/proc` shows it: what differs may still come right before the state after
/// the next call is looked at.
pub fn check(recording: &Path, stamps: &Path) -> Result<(Checked, Vec<String>)> {
    let stamps: Vec<(u64, String, Vec<Row>)> = serde_json::from_slice(&fs::read(stamps).context("the stamps")?)?;
    let mut reader = Reader::open(recording)?;
    let mut model = reader.header().model();
    let (mut checked, mut differences) = (Checked::default(), Vec::new());
    let mut events = reader.by_ref().peekable();
    for (at, (until, after, rows)) in stamps.iter().enumerate() {
        let next = stamps.get(at + 1).map_or(u64::MAX, |next| next.0);
        let mut left: Vec<&Row> = rows.iter().collect();
        loop {
            let ahead = events.peek().map(|event| event.at.0);
            if ahead.is_none_or(|ahead| ahead > *until) {
                left.retain(|row| said(&model, row.0) != Some(**row));
                if left.is_empty() || ahead.is_none_or(|ahead| ahead > next) {
                    break;
                }
                checked.late += 1;
            }
            let Some(event) = events.next() else { break };
            ensure!(!matches!(event.kind, EventKind::Gap(_)), "records were lost, and nothing can be said");
            model.apply(&event);
        }
        checked.states += 1;
        checked.processes += rows.len();
        let told =
            |row: &&Row| format!("{until}, after {after}: the model has {:?}, /proc {row:?}", said(&model, row.0));
        differences.extend(left.iter().map(told));
    }
    Ok((checked, differences))
}

/// What a model says of a process.
fn said(model: &Model, pid: u32) -> Option<Row> {
    let process = model.process_by_pid(Pid(pid))?;
    let tty = process.tty.and_then(|key| model.terminal(key));
    Some((
        pid,
        process.parent.map_or(0, |parent| parent.number.0),
        process.group.map_or(0, |group| group.number.0),
        process.session.map_or(0, |session| session.number.0),
        tty.and_then(|tty| tty.foreground).map_or(0, |group| group.number.0),
        process.stopped.is_some(),
        process.phase >= Phase::Zombie,
    ))
}
