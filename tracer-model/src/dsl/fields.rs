//! The facts of a bundle as `name=value` and `+flag` tokens, both ways.
//!
//! One table row per fact; must not know what a call does.

use super::world::World;
use crate::{
    event::{Comm, EXIT_DEAD, Facts, Namespace, RawId, RawTask, State, TtyState},
    ids::{BootNs, Pgid, Pid, RawTty, Sid, Tid, Uid},
};

/// A number of a bundle: name, read, write.
type Number = (&'static str, fn(&State) -> i64, fn(&mut State, i64));

const NUMBERS: &[Number] = &[
    ("old", |s| i64::from(s.tty_old_pgrp.0), |s, n| s.tty_old_pgrp = Pgid(n as u32)),
    ("sf", |s| i64::from(s.signal_flags), |s, n| s.signal_flags = n as u32),
    ("es", |s| i64::from(s.exit_state), |s, n| s.exit_state = n as u32),
    ("tes", |s| i64::from(s.task_exit_state), |s, n| s.task_exit_state = n as u32),
    ("code", |s| i64::from(s.exit_code), |s, n| s.exit_code = n as i32),
    ("gcode", |s| i64::from(s.group_exit_code), |s, n| s.group_exit_code = n as i32),
    ("flags", |s| i64::from(s.task_flags), |s, n| s.task_flags = n as u32),
    ("jobctl", |s| i64::from(s.jobctl), |s, n| s.jobctl = n as u32),
    ("live", |s| i64::from(s.live), |s, n| s.live = n as i32),
    ("uid", |s| i64::from(s.uid.0), |s, n| s.uid = Uid(n as u32)),
    ("cgroup", |s| s.cgroup as i64, |s, n| s.cgroup = n as u64),
];

/// A bit of a bundle: name, place.
type Flag = (&'static str, fn(&mut Facts) -> &mut bool);

const FLAGS: &[Flag] = &[
    ("leader", |f| &mut f.session_leader),
    ("subreaper", |f| &mut f.subreaper),
    ("no_subreaper_above", |f| &mut f.no_subreaper_above),
    ("single", |f| &mut f.single_thread),
    ("init_parent", |f| &mut f.parent_is_init),
    ("ttou", |f| &mut f.ttou_ignored_or_blocked),
    ("ttin", |f| &mut f.ttin_ignored_or_blocked),
    ("autoreap", |f| &mut f.auto_reaps_children),
    ("nohup", |f| &mut f.hup_ignored),
    ("unreadable", |f| &mut f.unreadable),
];

/// Sets one fact.
pub(super) fn apply(token: &str, state: &mut State, world: &World) -> Result<(), String> {
    if let Some((sign, name)) = token.split_at_checked(1).filter(|(sign, _)| *sign == "+" || *sign == "-") {
        return set_flag(name, sign == "+", state);
    }
    if token == "released" {
        (state.exit_state, state.task_exit_state) = (EXIT_DEAD, EXIT_DEAD);
        (state.pgrp, state.session, state.tty) = (RawId::default(), RawId::default(), None);
        return Ok(());
    }
    let (name, value) = token.split_once('=').ok_or_else(|| format!("{token:?} is neither name=value nor +flag"))?;
    if let Some((_, _, set)) = NUMBERS.iter().find(|row| row.0 == name) {
        set(state, number(value)?);
        return Ok(());
    }
    match name {
        "id" => state.id = world.task(value)?,
        "ino" => state.ino = number(value)? as u64,
        "pp" => {
            state.parent = world.task(value)?;
            state.facts.parent_is_init = state.parent.pid.0 == 1;
            (state.parent_pgrp, state.parent_session) = world.job(state.parent);
        }
        "ppg" => state.parent_pgrp = raw_id(value, state, world)?,
        "psid" => state.parent_session = Sid(number(value)? as u32),
        "pg" => state.pgrp = raw_id(value, state, world)?,
        "sid" => state.session = raw_id(value, state, world)?,
        "tty" => state.tty = tty(value, state, world)?,
        "fg" | "ttysid" => set_tty(name, value, state, world)?,
        "ns" => state.namespace = namespace(value)?,
        "comm" => state.comm = comm(value)?,
        _ => return Err(format!("no fact is called {name:?}")),
    }
    Ok(())
}

fn set_flag(name: &str, on: bool, state: &mut State) -> Result<(), String> {
    if name == "fgempty" {
        state.tty.as_mut().ok_or("no terminal whose foreground could be empty")?.foreground_empty = on;
        return Ok(());
    }
    let (_, place) = FLAGS.iter().find(|row| row.0 == name).ok_or_else(|| format!("no flag is called {name:?}"))?;
    *place(&mut state.facts) = on;
    Ok(())
}

fn set_tty(name: &str, value: &str, state: &mut State, world: &World) -> Result<(), String> {
    let foreground = if name == "fg" { raw_id(value, state, world)? } else { RawId::default() };
    let tty = state.tty.as_mut().ok_or("no terminal to set this of")?;
    if name == "fg" {
        tty.foreground = foreground;
        tty.foreground_empty = tty.foreground != state.pgrp && world.is_empty_group(tty.foreground);
    } else {
        tty.session = Sid(number(value)? as u32);
    }
    Ok(())
}

/// The tokens that make `from` into `to`.
pub(super) fn difference(from: &State, to: &State, world: &World) -> Vec<String> {
    let mut tokens = Vec::new();
    if from.id != to.id {
        tokens.push(format!("id={}", world.task_text(to.id)));
    }
    // Before the groups, whose inode is a process's own when none is written.
    if from.ino != to.ino {
        tokens.push(format!("ino={}", to.ino as i64));
    }
    if from.parent != to.parent {
        tokens.push(format!("pp={}", world.task_text(to.parent)));
    }
    let parent_job =
        if from.parent == to.parent { (from.parent_pgrp, from.parent_session) } else { world.job(to.parent) };
    if parent_job.0 != to.parent_pgrp {
        tokens.push(format!("ppg={}", raw_id_text(to.parent_pgrp, to, world)));
    }
    if parent_job.1 != to.parent_session {
        tokens.push(format!("psid={}", to.parent_session));
    }
    if from.pgrp != to.pgrp {
        tokens.push(format!("pg={}", raw_id_text(to.pgrp, to, world)));
    }
    if from.session != to.session {
        tokens.push(format!("sid={}", raw_id_text(to.session, to, world)));
    }
    if from.tty != to.tty {
        tokens.extend(tty_text(to, world));
    }
    if from.namespace != to.namespace {
        let text = to.namespace.map(|ns| format!("{}/{}/{}/{}/{}", ns.inum, ns.level, ns.pid, ns.pgid, ns.sid));
        tokens.push(format!("ns={}", text.as_deref().unwrap_or("-")));
    }
    if from.comm != to.comm {
        tokens.push(format!("comm={}", comm_text(&to.comm)));
    }
    let differing = NUMBERS.iter().filter(|(_, get, _)| get(from) != get(to));
    tokens.extend(differing.map(|(name, get, _)| format!("{name}={}", get(to))));
    // After `pp`, which sets a flag of its own.
    let (mut before, mut after) = (from.facts, to.facts);
    if from.parent != to.parent {
        before.parent_is_init = to.parent.pid.0 == 1;
    }
    for (name, place) in FLAGS {
        let (old, new) = (*place(&mut before), *place(&mut after));
        if old != new {
            tokens.push(format!("{}{name}", if new { '+' } else { '-' }));
        }
    }
    tokens
}

fn tty_text(state: &State, world: &World) -> Vec<String> {
    let Some(tty) = state.tty else { return vec!["tty=-".into()] };
    let RawTty { major, minor, instance } = tty.tty;
    let device =
        if major == 136 && instance == 1 { format!("pts/{minor}") } else { format!("{major}:{minor}:{instance}") };
    let empty = if tty.foreground_empty { "+fgempty" } else { "-fgempty" };
    vec![
        format!("tty={device}"),
        format!("ttysid={}", tty.session),
        format!("fg={}", raw_id_text(tty.foreground, state, world)),
        empty.into(),
    ]
}

/// `pts/3` or `major:minor:instance`, `-` for none. What is known of the terminal comes along.
fn tty(value: &str, state: &State, world: &World) -> Result<Option<TtyState>, String> {
    if value == "-" {
        return Ok(None);
    }
    let tty = if let Some(index) = value.strip_prefix("pts/") {
        RawTty { major: 136, minor: number(index)? as u32, instance: 1 }
    } else {
        let parts = value.split(':').map(number).collect::<Result<Vec<_>, _>>()?;
        let [major, minor, instance] = parts.as_slice() else { return Err(format!("{value:?} is no terminal")) };
        RawTty { major: *major as u32, minor: *minor as u32, instance: *instance as u32 }
    };
    let new = TtyState { tty, foreground: RawId::default(), foreground_empty: false, session: state.session.sid() };
    Ok(Some(world.terminal(tty).unwrap_or(new)))
}

/// `number` with the inode that the world knows for it, or `number/ino`.
fn raw_id(value: &str, state: &State, world: &World) -> Result<RawId, String> {
    if let Some((id, ino)) = value.split_once('/') {
        return Ok(RawId { number: number(id)? as u32, ino: number(ino)? as u64 });
    }
    let id = number(value)? as u32;
    Ok(RawId { number: id, ino: known_ino(id, state, world) })
}

/// The inode that a number has when none is written: a process's own, else that of the last process of that number.
fn known_ino(number: u32, state: &State, world: &World) -> u64 {
    if number == state.id.pid.0 { state.ino } else { world.ino(number) }
}

fn raw_id_text(id: RawId, state: &State, world: &World) -> String {
    if id.ino == known_ino(id.number, state, world) {
        id.number.to_string()
    } else {
        format!("{}/{}", id.number, id.ino as i64)
    }
}

fn namespace(value: &str) -> Result<Option<Namespace>, String> {
    if value == "-" {
        return Ok(None);
    }
    let parts = value.split('/').map(number).collect::<Result<Vec<_>, _>>()?;
    let [inum, level, pid, rest @ ..] = parts.as_slice() else { return Err(format!("{value:?} is no pid namespace")) };
    let (pgid, sid) = (rest.first().copied().unwrap_or(0) as u32, rest.get(1).copied().unwrap_or(0) as u32);
    Ok(Some(Namespace {
        inum: *inum as u32,
        level: *level as u32,
        pid: Pid(*pid as u32),
        pgid: Pgid(pgid),
        sid: Sid(sid),
    }))
}

/// A thread: `pid`, `pid/tid`, each with `~start` or without.
pub(super) fn task(value: &str, start_of: impl Fn(u32) -> u64) -> Result<RawTask, String> {
    let (ids, start) = match value.split_once('~') {
        Some((ids, start)) => (ids, Some(number(start)? as u64)),
        None => (value, None),
    };
    let (pid, tid) = ids.split_once('/').unwrap_or((ids, ids));
    let (pid, tid) = (number(pid)? as u32, number(tid)? as u32);
    Ok(RawTask { pid: Pid(pid), tid: Tid(tid), start: BootNs(start.unwrap_or_else(|| start_of(pid))) })
}

/// A name: as it is when it is plain, in hexadecimal after `x:` when not.
pub(super) fn comm_text(comm: &Comm) -> String {
    bytes_text(&comm.0)
}

/// Bytes as [`comm_text`].
pub(super) fn bytes_text(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"{}#()".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) && !bytes.starts_with(b"x:") {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    bytes.iter().fold(String::from("x:"), |text, byte| text + &format!("{byte:02x}"))
}

pub(super) fn comm(value: &str) -> Result<Comm, String> {
    bytes(value).map(|name| Comm(name.into()))
}

/// The reverse of [`bytes_text`].
pub(super) fn bytes(value: &str) -> Result<Vec<u8>, String> {
    let Some(hex) = value.strip_prefix("x:") else { return Ok(value.as_bytes().to_vec()) };
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or("?"));
    digits.map(|pair| u8::from_str_radix(pair, 16).map_err(|_| format!("{value:?} is no hexadecimal"))).collect()
}

/// A number, in hexadecimal after `0x`.
pub(super) fn number(text: &str) -> Result<i64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).map(|n| n as i64),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is no number"))
}
