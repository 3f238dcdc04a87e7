//! The verbs: kinds of events as text, both ways.

use super::{START_CARRIED, Said, attribute, calls, inspection};
use crate::{
    dsl::{
        fields::{self, number},
        world::World,
    },
    event::{
        CLONE_THREAD, Coverage, Disposition, Event, EventKind, Gap, GapCause, Leave, RawTask, SignalGenerated,
        SignalOrigin, SignalOutcome, Waited,
    },
    ids::{BootNs, Pid, Seq, Signal, Tid},
};

/// Parses what follows the actor.
pub(super) fn parse(verb: &str, actor: RawTask) -> Result<Vec<Said>, String> {
    let words: Vec<_> = verb.split_whitespace().collect();
    let said = match words.as_slice() {
        ["fork", child, rest @ ..] => {
            let pid = number(child)? as u32;
            let flags = rest.first().map_or(Ok(0), |flags| number(flags))? as u64;
            Said { subject: Some((Pid(pid), Tid(pid))), ..Said::of(EventKind::NewTask { flags }) }
        }
        ["thread", tid, rest @ ..] => {
            let flags = rest.first().map_or(Ok(0), |flags| number(flags))? as u64 | CLONE_THREAD;
            let subject = Some((actor.pid, Tid(number(tid)? as u32)));
            Said { subject, ..Said::of(EventKind::NewTask { flags }) }
        }
        ["exec" | "exec..", ..] => Said::of(exec(&words, actor)?),
        ["exit", status] => Said {
            fields: vec![match number(status) {
                Ok(code) => format!("code={}", code << 8),
                Err(_) => format!("code={}", calls::signal(status)?.0),
            }],
            ..Said::of(EventKind::Exit { group_dead: true })
        },
        ["exit"] => Said::of(EventKind::Exit { group_dead: true }),
        ["exit-thread"] => Said::of(EventKind::Exit { group_dead: false }),
        ["dead"] => Said::of(EventKind::Dead),
        ["dead", "released"] => Said { fields: vec!["released".into()], ..Said::of(EventKind::Dead) },
        ["stops", signal] => Said::of(EventKind::Stopped { signal: calls::signal(signal)? }),
        ["goes-on"] => Said::of(EventKind::Continued),
        ["freed", task] => Said::of(EventKind::Freed { task: fields::task(task, |_| START_CARRIED.0)? }),
        [signal, "->", target, rest @ ..] => {
            let target = fields::task(target, |_| 0)?;
            let kind = EventKind::SignalGenerated(generated(calls::signal(signal)?, rest)?);
            Said { subject: Some((target.pid, target.tid)), ..Said::of(kind) }
        }
        ["takes", signal, rest @ ..] => Said::of(delivered(calls::signal(signal)?, rest)?),
        ["snapshot", pid, args @ ..] => {
            let pid = number(pid)? as u32;
            let args = args.iter().map(|arg| fields::bytes(arg)).collect::<Result<_, _>>()?;
            Said { subject: Some((Pid(pid), Tid(pid))), ..Said::of(EventKind::Snapshot { args }) }
        }
        ["snapshot-end", rest @ ..] => Said::of(snapshot_end(rest)?),
        ["clock", unix] => Said::of(EventKind::ClockAnchor { unix_ns: number(unix)? }),
        ["gap", rest @ ..] => Said::of(gap(rest)?),
        ["inspected", task, moment, facts @ ..] => Said::of(inspection::parse(task, moment, facts)?),
        ["chdir" | "umask" | "opens" | "dups" | "closes" | "sets" | "blocks", ..] => {
            Said::of(attribute::parse(&words)?)
        }
        [">", call] => Said::of(enter(call)?),
        ["<", call, "=", ret, rest @ ..] => Said::of(leave(call, ret, rest)?),
        [call, "=", ret, rest @ ..] => return Ok(vec![Said::of(enter(call)?), Said::of(leave(call, ret, rest)?)]),
        _ => return Err(format!("no event is written {verb:?}")),
    };
    Ok(vec![said])
}

/// `exec [old=TID] ARGS`, with `exec..` when the arguments were cut.
fn exec(words: &[&str], actor: RawTask) -> Result<EventKind, String> {
    let mut args = words.get(1..).unwrap_or_default();
    let mut old_tid = Tid(actor.pid.0);
    if let Some((first, rest)) = args.split_first()
        && let Some(old) = first.strip_prefix("old=")
    {
        (old_tid, args) = (Tid(number(old)? as u32), rest);
    }
    let args = args.iter().map(|arg| fields::bytes(arg)).collect::<Result<_, _>>()?;
    Ok(EventKind::Exec { old_tid, args, truncated: words.first() == Some(&"exec..") })
}

/// The call with `?` after its name when its target is not in the probes' table.
fn call(text: &str) -> Result<(crate::event::Call, bool), String> {
    match text.split_once("?(") {
        Some((name, args)) => Ok((calls::parse(&format!("{name}({args}"))?, true)),
        None => Ok((calls::parse(text)?, false)),
    }
}

fn enter(text: &str) -> Result<EventKind, String> {
    let (call, target_unknown) = call(text)?;
    Ok(EventKind::Enter { call, target_unknown })
}

/// `CALL = RET [got TASK STATUS [waitable]]`.
fn leave(text: &str, ret: &str, rest: &[&str]) -> Result<EventKind, String> {
    let (call, target_unknown) = call(text)?;
    let waited = match rest {
        [] => None,
        ["got", child, status, rest @ ..] => Some(Waited {
            child: fields::task(child, |_| START_CARRIED.0)?,
            status: calls::status(status)?,
            left_waitable: rest == ["waitable"],
        }),
        _ => return Err(format!("{rest:?} after a call")),
    };
    let ret = number(ret)?;
    Ok(EventKind::Leave(Leave { call, ret, entered: None, enter_emitted: false, target_unknown, waited }))
}

pub(super) fn disposition(word: &str) -> Option<Disposition> {
    match word {
        "default" => Some(Disposition::Default),
        "ignoring" => Some(Disposition::Ignored),
        "handler" => Some(Disposition::Handler),
        _ => None,
    }
}

pub(super) fn disposition_text(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Default => "default",
        Disposition::Ignored => "ignoring",
        Disposition::Handler => "handler",
    }
}

const OUTCOMES: [(&str, SignalOutcome); 5] = [
    ("delivered", SignalOutcome::Delivered),
    ("ignored", SignalOutcome::Ignored),
    ("pending", SignalOutcome::AlreadyPending),
    ("overflow", SignalOutcome::Overflow),
    ("lost", SignalOutcome::InfoLost),
];

fn generated(signal: Signal, words: &[&str]) -> Result<SignalGenerated, String> {
    let mut sent = SignalGenerated {
        signal,
        origin: SignalOrigin::Info(0),
        process_directed: true,
        outcome: SignalOutcome::Delivered,
        disposition: Disposition::Default,
        blocked: false,
        at_delivery: false,
    };
    for word in words {
        if let Some((_, outcome)) = OUTCOMES.iter().find(|row| row.0 == *word) {
            sent.outcome = *outcome;
        } else if let Some(disposition) = disposition(word) {
            sent.disposition = disposition;
        } else {
            match *word {
                "kernel" => sent.origin = SignalOrigin::Kernel,
                "noinfo" => sent.origin = SignalOrigin::KernelAsUser,
                "thread" => sent.process_directed = false,
                "blocked" => sent.blocked = true,
                "taken" => sent.at_delivery = true,
                _ => {
                    let code = word.strip_prefix("code=").ok_or_else(|| format!("{word:?} of a signal"))?;
                    sent.origin = SignalOrigin::Info(number(code)? as i32);
                }
            }
        }
    }
    Ok(sent)
}

fn generated_text(sent: &SignalGenerated) -> String {
    let origin = match sent.origin {
        SignalOrigin::Kernel => "kernel".into(),
        SignalOrigin::KernelAsUser => "noinfo".into(),
        SignalOrigin::Info(code) => format!("code={code}"),
    };
    let outcome = OUTCOMES.iter().find(|row| row.1 == sent.outcome).map_or("", |row| row.0);
    let mut text = format!("{origin} {outcome} {}", disposition_text(sent.disposition));
    text.push_str(if sent.process_directed { "" } else { " thread" });
    text.push_str(if sent.blocked { " blocked" } else { "" });
    text.push_str(if sent.at_delivery { " taken" } else { "" });
    text
}

fn delivered(signal: Signal, words: &[&str]) -> Result<EventKind, String> {
    let (mut code, mut how) = (0, Disposition::Default);
    for word in words {
        match disposition(word) {
            Some(disposition) => how = disposition,
            None => code = number(word)? as i32,
        }
    }
    Ok(EventKind::SignalDelivered { signal, code, disposition: how })
}

fn snapshot_end(words: &[&str]) -> Result<EventKind, String> {
    let mut end = (Seq(0), Coverage::All);
    for word in words {
        match word.strip_prefix("from=") {
            Some(from) => end.0 = Seq(number(from)? as u64),
            None if *word == "partial" => end.1 = Coverage::Some,
            None if *word == "followed" => end.1 = Coverage::Followed,
            None => return Err(format!("{word:?} of a snapshot's end")),
        }
    }
    Ok(EventKind::SnapshotEnd { from: end.0, coverage: end.1 })
}

const CAUSES: [(&str, GapCause); 6] = [
    ("sequence", GapCause::MissingSequence),
    ("recursion", GapCause::Recursion),
    ("unpaired", GapCause::UnpairedCall),
    ("map-full", GapCause::MapFull),
    ("malformed", GapCause::Malformed),
    ("late", GapCause::Late),
];

/// `gap LOST CAUSE FROM UNTIL [PROBE=N…]`.
fn gap(words: &[&str]) -> Result<EventKind, String> {
    let [lost, cause, from, until, probes @ ..] = words else { return Err("gap LOST CAUSE FROM UNTIL".into()) };
    let cause = CAUSES.iter().find(|row| row.0 == *cause).ok_or_else(|| format!("{cause:?} is no cause of a gap"))?.1;
    let probe = |word: &&str| {
        let (name, lost) = word.split_once('=').ok_or_else(|| format!("{word:?} is no probe=count"))?;
        Ok::<_, String>((name.to_owned(), number(lost)? as u64))
    };
    let probes = probes.iter().map(probe).collect::<Result<_, _>>()?;
    let (from, until) = (BootNs(number(from)? as u64), BootNs(number(until)? as u64));
    Ok(EventKind::Gap(Gap { from, until, lost: number(lost)? as u64, cause, probes }))
}

/// The text of an event's kind, and the subject that it names.
pub(super) fn text(event: &Event, world: &World) -> (String, Option<(Pid, Tid)>) {
    let subject = event.subject.as_ref().map(|state| state.id);
    let named = |task: RawTask| Some((task.pid, task.tid));
    let or_zero = subject.unwrap_or_default();
    match &event.kind {
        EventKind::NewTask { flags } if flags & CLONE_THREAD != 0 => {
            (format!("thread {} {:#x}", or_zero.tid, flags), Some((event.actor.pid, or_zero.tid)))
        }
        EventKind::NewTask { flags } => {
            (format!("fork {} {flags:#x}", or_zero.pid), Some((or_zero.pid, Tid(or_zero.pid.0))))
        }
        EventKind::Exec { old_tid, args, truncated } => {
            let args = words_text(args.iter().map(|arg| fields::bytes_text(arg)));
            (format!("exec{} old={old_tid}{args}", if *truncated { ".." } else { "" }), None)
        }
        EventKind::Exit { group_dead: true } => ("exit".into(), None),
        EventKind::Exit { group_dead: false } => ("exit-thread".into(), None),
        EventKind::Dead => ("dead".into(), None),
        EventKind::Stopped { signal } => (format!("stops {}", calls::signal_text(*signal)), None),
        EventKind::Continued => ("goes-on".to_owned(), None),
        EventKind::Freed { task } => (format!("freed {}", world.task_text(*task)), None),
        EventKind::SignalGenerated(sent) => {
            let (signal, how) = (calls::signal_text(sent.signal), generated_text(sent));
            (format!("{signal} -> {}/{} {how}", or_zero.pid, or_zero.tid), named(or_zero))
        }
        EventKind::SignalDelivered { signal, code, disposition } => {
            let signal = calls::signal_text(*signal);
            (format!("takes {signal} {code} {}", disposition_text(*disposition)), None)
        }
        EventKind::Enter { call, target_unknown } => (format!("> {}", call_text(call, *target_unknown)), None),
        EventKind::Leave(leave) => (leave_text(leave, world), None),
        EventKind::Snapshot { args } => {
            let args = words_text(args.iter().map(|arg| fields::bytes_text(arg)));
            (format!("snapshot {}{args}", or_zero.pid), Some((or_zero.pid, Tid(or_zero.pid.0))))
        }
        EventKind::SnapshotEnd { from, coverage } => {
            let coverage = match coverage {
                Coverage::All => "",
                Coverage::Followed => " followed",
                Coverage::Some => " partial",
            };
            (format!("snapshot-end from={}{coverage}", from.0), None)
        }
        EventKind::ClockAnchor { unix_ns } => (format!("clock {unix_ns}"), None),
        EventKind::Gap(gap) => {
            let cause = CAUSES.iter().find(|row| row.1 == gap.cause).map_or("", |row| row.0);
            let probes = words_text(gap.probes.iter().map(|(name, lost)| format!("{name}={}", *lost as i64)));
            (format!("gap {} {cause} {} {}{probes}", gap.lost as i64, gap.from.0, gap.until.0), None)
        }
        EventKind::Inspected(inspection) => (inspection::text(inspection, world), None),
        EventKind::Attribute(attribute) => (attribute::text(attribute), None),
    }
}

/// Each word after a space.
fn words_text(words: impl Iterator<Item = String>) -> String {
    words.fold(String::new(), |text, word| text + " " + &word)
}

fn call_text(call: &crate::event::Call, target_unknown: bool) -> String {
    let text = calls::text(call);
    if target_unknown { text.replacen('(', "?(", 1) } else { text }
}

fn leave_text(leave: &Leave, world: &World) -> String {
    let waited = leave.waited.map(|waited| {
        let waitable = if waited.left_waitable { " waitable" } else { "" };
        format!(" got {} {}{waitable}", world.task_text(waited.child), calls::status_text(waited.status))
    });
    format!("< {} = {}{}", call_text(&leave.call, leave.target_unknown), leave.ret, waited.unwrap_or_default())
}
