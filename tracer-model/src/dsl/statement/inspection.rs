//! Inspections as text, both ways: `inspected 12 settled umask=18 cwd=/tmp@1:2+ fd=0:tty:1:5:rw:136,0,7:/dev/pts/0`.
//!
//! What is not said is not known, with errno 0; `fds=!13` says the errno. Must not: judge.

use super::START_CARRIED;
use crate::{
    dsl::{
        fields::{self, number},
        world::World,
    },
    event::{
        EventKind,
        inspection::{Access, Descriptor, Descriptors, Directory, Inspection, Known, Moment, Status, Target, Unread},
    },
    ids::RawTty,
};

const MOMENTS: [(&str, Moment); 5] = [
    ("launch", Moment::Launch),
    ("left", Moment::Left),
    ("settled", Moment::Settled),
    ("asked", Moment::Asked),
    ("refused", Moment::Refused),
];
const ACCESS: [(&str, Access); 4] =
    [("r", Access::Read), ("w", Access::Write), ("rw", Access::ReadWrite), ("path", Access::Path)];
const TARGETS: [(&str, Target); 7] = [
    ("null", Target::Null),
    ("pipe", Target::Pipe),
    ("socket", Target::Socket),
    ("file", Target::File),
    ("dir", Target::Directory),
    ("device", Target::Device),
    ("anon", Target::Anonymous),
];
const UNSAID: Unread = Unread(0);

fn row<T: Copy>(rows: &[(&str, T)], name: &str) -> Result<T, String> {
    rows.iter().find(|row| row.0 == name).map(|row| row.1).ok_or_else(|| format!("nothing is called {name:?}"))
}

fn name_of<T: PartialEq>(rows: &[(&'static str, T)], value: &T) -> &'static str {
    rows.iter().find(|row| row.1 == *value).map_or("?", |row| row.0)
}

/// Parses what follows `inspected`.
pub(super) fn parse(task: &str, moment: &str, facts: &[&str]) -> Result<EventKind, String> {
    let task = fields::task(task, |_| START_CARRIED.0)?;
    let mut said = Inspection::unread(task, row(&MOMENTS, moment)?, UNSAID);
    for fact in facts {
        let (key, value) = fact.split_once('=').ok_or_else(|| format!("{fact:?} is no key=value"))?;
        take(&mut said, key, value)?;
    }
    Ok(EventKind::Inspected(Box::new(said)))
}

fn take(said: &mut Inspection, key: &str, value: &str) -> Result<(), String> {
    match key {
        "fds" => said.descriptors = known(value, |_| Ok(Descriptors::default()))?,
        "fd" => {
            let descriptor = descriptor(value)?;
            open(&mut said.descriptors, |it| it.open.push(descriptor));
        }
        "more" => {
            let more = number(value)? as u32;
            open(&mut said.descriptors, |it| it.more = more);
        }
        "unread" => {
            let errno = number(value)? as i32;
            open(&mut said.descriptors, |it| it.unread = Some(Unread(errno)));
        }
        "status" => said.status = known(value, |_| Ok(Status::default()))?,
        "cwd" => said.directory = known(value, directory)?,
        "marks" => {
            let names = |names: &str| names.split(',').filter(|it| !it.is_empty()).map(fields::bytes).collect();
            said.marks = known(value, names)?;
        }
        "cgroup" => said.cgroup = known(value, fields::bytes)?,
        "program" => said.program = known(value, fields::bytes)?,
        _ => status(said, key, value)?,
    }
    Ok(())
}

/// A fact, or `!` and the errno.
fn known<T>(value: &str, fact: impl FnOnce(&str) -> Result<T, String>) -> Result<Known<T>, String> {
    match value.strip_prefix('!') {
        Some(errno) => Ok(Err(Unread(number(errno)? as i32))),
        None => fact(value).map(Ok),
    }
}

fn open(known: &mut Known<Descriptors>, change: impl FnOnce(&mut Descriptors)) {
    let mut descriptors = std::mem::replace(known, Err(UNSAID)).unwrap_or_default();
    change(&mut descriptors);
    *known = Ok(descriptors);
}

fn status(said: &mut Inspection, key: &str, value: &str) -> Result<(), String> {
    let mut status = said.status.unwrap_or_default();
    let pair = |value: &str| -> Result<[u64; 2], String> {
        let (first, second) = value.split_once(',').ok_or_else(|| format!("{value:?} is no pair"))?;
        Ok([number(first)? as u64, number(second)? as u64])
    };
    match key {
        "umask" => status.umask = number(value)? as u32,
        "blocked" => status.blocked = number(value)? as u64,
        "ignored" => status.ignored = number(value)? as u64,
        "caught" => status.caught = number(value)? as u64,
        "uids" => status.uids = pair(value)?.map(|id| id as u32),
        "gids" => status.gids = pair(value)?.map(|id| id as u32),
        "caps" => status.capabilities = pair(value)?,
        "inner" => status.inner_pid = number(value)? as u32,
        "state" => status.state = value.bytes().next().unwrap_or(0),
        _ => return Err(format!("no fact of an inspection is called {key:?}")),
    }
    said.status = Ok(status);
    Ok(())
}

/// `PATH@DEVICE:INODE`, with `+` behind when it is on another mount.
fn directory(value: &str) -> Result<Directory, String> {
    let (path, place) = value.rsplit_once('@').ok_or("cwd=PATH@DEVICE:INODE")?;
    let other_mount = place.ends_with('+');
    let (device, inode) = place.trim_end_matches('+').split_once(':').ok_or("cwd=PATH@DEVICE:INODE")?;
    let path = fields::bytes(path)?;
    Ok(Directory { path, device: number(device)? as u64, inode: number(inode)? as u64, other_mount })
}

/// `NUMBER:TARGET:DEVICE:INODE:ACCESS[+][!]:PATH`, with `+` when an exec closes it and `!` when it listens; a terminal is `MAJOR,MINOR,INSTANCE`.
fn descriptor(value: &str) -> Result<Descriptor, String> {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let [fd, target, device, inode, access, path] = parts[..] else {
        return Err("fd=N:TARGET:DEV:INO:ACCESS:PATH".into());
    };
    Ok(Descriptor {
        number: number(fd)? as u32,
        target: self::target(target)?,
        device: number(device)? as u64,
        inode: number(inode)? as u64,
        access: row(&ACCESS, access.trim_end_matches(['+', '!']))?,
        close_on_exec: access.contains('+'),
        listening: access.contains('!'),
        path: fields::bytes(path)?,
    })
}

/// `null`, or what else it is called; of a terminal its numbers.
pub(super) fn target(text: &str) -> Result<Target, String> {
    match text.split(',').collect::<Vec<_>>()[..] {
        [major, minor, instance] => Ok(Target::Terminal(RawTty {
            major: number(major)? as u32,
            minor: number(minor)? as u32,
            instance: number(instance)? as u32,
        })),
        _ => row(&TARGETS, text),
    }
}

/// The reverse.
pub(super) fn target_text(target: &Target) -> String {
    match target {
        Target::Terminal(RawTty { major, minor, instance }) => format!("{major},{minor},{instance}"),
        other => name_of(&TARGETS, other).to_owned(),
    }
}

/// The reverse of [`parse`], with the verb.
pub(super) fn text(inspection: &Inspection, world: &World) -> String {
    let Inspection { task, moment, descriptors, status, directory, marks, cgroup, program } = inspection;
    let mut words = vec![format!("inspected {} {}", world.task_text(*task), name_of(&MOMENTS, moment))];
    let refused = |key: &str, Unread(errno): Unread| format!("{key}=!{errno}");
    match descriptors {
        Ok(Descriptors { open, more, unread }) => {
            words.push("fds=".to_owned());
            words.extend(open.iter().map(descriptor_text));
            words.push(format!("more={more}"));
            words.extend(unread.map(|Unread(errno)| format!("unread={errno}")));
        }
        Err(why) => words.push(refused("fds", *why)),
    }
    match *status {
        Ok(Status { umask, blocked, ignored, caught, uids, gids, capabilities, inner_pid, state }) => {
            words.push(format!("umask={umask} blocked={blocked:#x} ignored={ignored:#x} caught={caught:#x}"));
            words.push(format!("uids={},{} gids={},{}", uids[0], uids[1], gids[0], gids[1]));
            words.push(format!("caps={:#x},{:#x} inner={inner_pid}", capabilities[0], capabilities[1]));
            words.extend((state != 0).then(|| format!("state={}", char::from(state))));
        }
        Err(why) => words.push(refused("status", why)),
    }
    words.push(match directory {
        Ok(Directory { path, device, inode, other_mount }) => {
            let path = fields::bytes_text(path);
            format!("cwd={path}@{device:#x}:{inode:#x}{}", if *other_mount { "+" } else { "" })
        }
        Err(why) => refused("cwd", *why),
    });
    words.push(match marks {
        Ok(marks) => {
            let names: Vec<String> = marks.iter().map(|name| fields::bytes_text(name)).collect();
            format!("marks={}", names.join(","))
        }
        Err(why) => refused("marks", *why),
    });
    for (key, known) in [("cgroup", cgroup), ("program", program)] {
        words.push(match known {
            Ok(bytes) => format!("{key}={}", fields::bytes_text(bytes)),
            Err(why) => refused(key, *why),
        });
    }
    words.join(" ")
}

fn descriptor_text(descriptor: &Descriptor) -> String {
    let Descriptor { number, target, device, inode, access, close_on_exec, listening, path } = descriptor;
    let target = target_text(target);
    let (access, plus) = (name_of(&ACCESS, access), if *close_on_exec { "+" } else { "" });
    let listens = if *listening { "!" } else { "" };
    format!("fd={number}:{target}:{device:#x}:{inode:#x}:{access}{plus}{listens}:{}", fields::bytes_text(path))
}
