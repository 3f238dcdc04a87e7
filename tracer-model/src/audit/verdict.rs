//! The verdict on one process.
//!
//! Hygiene (directory, umask, signals, files) makes findings; the verdict asks only whether a terminal or the launcher can still
//! reach the process, or waits for it. It rests on facts, and not on which rules apply. Whatever could decide it and was not seen
//! makes it [`Verdict::Unknown`].

use super::pipes::{self, End, Looks};
use crate::{
    delta::LeaderState,
    event::inspection::{Descriptor, Descriptors, Inspection, Known, LOOKED_AT, MAX_DESCRIPTORS, Target, Unread},
    ids::{Pid, ProcKey, SessionKey},
    state::{Model, Phase, Process},
};

/// Whether a process is detached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing of the terminal and of who started it can reach it.
    Detached,
    /// It has no controlling terminal, and holds one, or something of its launcher's, as a descriptor.
    Partial,
    /// It is in a session with a terminal, or in that of who started it.
    Attached,
    /// What would have decided it could not be seen.
    Unknown,
}

impl Verdict {
    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Detached => "detached",
            Self::Partial => "partial",
            Self::Attached => "attached",
            Self::Unknown => "unknown",
        }
    }
}

/// A verdict with its reason, and what could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Facts that are not known, each with the errno of reading it.
    pub unseen: Vec<(&'static str, i32)>,
}

/// What a verdict rests on beside the model.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// Its last inspection.
    pub own: Option<&'a Inspection>,
    /// The session of who launched it, at the fork, where that was seen.
    pub launched_in: Option<SessionKey>,
    /// What its launcher had open, where that was inspected, and whose it is.
    pub launcher: Option<(ProcKey, &'a Inspection)>,
    /// Who forked it, and those above, nearest first, as far as that was seen.
    pub launchers: &'a [ProcKey],
    /// Its parent lives and watches it: being in its session is on purpose.
    pub supervised: bool,
    /// Everybody's last inspection.
    pub looks: &'a dyn Looks,
}

/// Judges a process.
#[must_use]
pub fn judge(model: &Model, key: ProcKey, grounds: &Grounds<'_>) -> Judgement {
    let unseen = grounds.own.map(unseen).unwrap_or_default();
    let say = |(verdict, reason)| Judgement { verdict, reason, unseen: unseen.clone() };
    let Some(process) = model.process(key) else { return say((Verdict::Unknown, "it has ended".to_owned())) };
    if let Some(tty) = process.tty {
        return say((Verdict::Attached, format!("its controlling terminal is {}", tty.tty)));
    }
    let session = by_session(model, process, grounds);
    match session {
        Some((Verdict::Attached, _)) => say(session.unwrap_or_else(detached)),
        // What it holds for certain says more than what is not known.
        _ => match (by_descriptors(model, process, grounds), session) {
            (Some(held @ (Verdict::Partial, _)), _) => say(held),
            (_, Some(session)) => say(session),
            (Some(open), None) => say(open),
            (None, None) => say(with_supervisor(model, process, grounds).unwrap_or_else(detached)),
        },
    }
}

fn detached() -> (Verdict, String) {
    (Verdict::Detached, "no terminal, a session of its own".to_owned())
}

/// It is where its supervisor is, and that is on purpose.
fn with_supervisor(model: &Model, process: &Process, grounds: &Grounds<'_>) -> Option<(Verdict, String)> {
    let parent = model.process(process.parent?).filter(|_| grounds.supervised && !process.facts.session_leader)?;
    let there = process.session.is_some() && process.session == parent.session;
    let number = parent.key.number;
    there.then(|| (Verdict::Detached, format!("no terminal, in the session of its supervisor {number}")))
}

/// Whether the end of its session can end it. `None`: no.
///
/// A session is inherited, and only its leader begins one: whoever is not the leader was forked by a member.
fn by_session(model: &Model, process: &Process, grounds: &Grounds<'_>) -> Option<(Verdict, String)> {
    let Some(session) = process.session else { return Some((Verdict::Unknown, "its session is not known".to_owned())) };
    if process.facts.session_leader || grounds.supervised {
        return None;
    }
    let number = session.number;
    let its = model.session(session);
    let state = its.map_or(LeaderState::Unknown, |its| model.session_leader_state(its));
    let unknown = |why: &str| Some((Verdict::Unknown, format!("it is in session {number}, {why}")));
    match (grounds.launched_in, state) {
        (Some(launched_in), _) if launched_in != session => None,
        // A session's leader never moves away.
        (_, LeaderState::Zombie | LeaderState::Reaped | LeaderState::MovedAway) => None,
        (Some(_), LeaderState::Alive) => {
            Some((Verdict::Attached, format!("it is still in session {number} of who started it")))
        }
        (Some(_), LeaderState::Unknown) => unknown("whose leader was not seen"),
        (None, LeaderState::Alive | LeaderState::Unknown) => {
            // It was forked by whoever leads the session, or below that; and that one was left to itself.
            let leader = its.and_then(|its| model.process(its.leader?));
            let left = leader.is_some_and(|leader| is_left(model, leader) || have_one_reaper(process, leader));
            if left { None } else { unknown("which may be that of who started it: its launch was not seen") }
        }
    }
}

/// Who adopts everybody is its parent.
fn is_left(model: &Model, process: &Process) -> bool {
    let reaper = |parent: &Process| parent.facts.subreaper || parent.key.number.0 == 1;
    process.parent_exited
        || process.facts.parent_is_init
        || process.parent.and_then(|parent| model.process(parent)).is_some_and(reaper)
}

/// The parent of both adopts: whoever does not lead its session was forked in it, and the leader's parent is outside.
fn have_one_reaper(member: &Process, leader: &Process) -> bool {
    member.parent.is_some() && member.parent == leader.parent
}

/// What its descriptors say. `None`: nothing against it.
fn by_descriptors(model: &Model, process: &Process, grounds: &Grounds<'_>) -> Option<(Verdict, String)> {
    let unknown = |why: String| Some((Verdict::Unknown, why));
    let Some(own) = grounds.own else { return unknown("its descriptors were not looked at".to_owned()) };
    let descriptors = match &own.descriptors {
        Err(Unread(errno)) => return unknown(format!("its descriptors could not be read: {}", why(*errno))),
        Ok(descriptors) => descriptors,
    };
    let is_terminal = |it: &&Descriptor| matches!(it.target, Target::Terminal(_));
    if let Some(open) = descriptors.open.iter().find(is_terminal) {
        return Some((Verdict::Partial, format!("fd {} is a terminal", open.number)));
    }
    let pipe = by_pipes(model, process, descriptors, grounds);
    if pipe.as_ref().is_some_and(|(verdict, _)| *verdict == Verdict::Partial) {
        return pipe;
    }
    if let Some(Unread(errno)) = descriptors.unread {
        return unknown(format!("some of its descriptors could not be looked at: {}", why(errno)));
    }
    if !descriptors.looked_at_all() {
        return unknown(format!("it has more than {LOOKED_AT} descriptors, and not all were looked at"));
    }
    if !descriptors.has_every_pipe() {
        return unknown(format!("it has more than {MAX_DESCRIPTORS} pipes, and not all were kept"));
    }
    pipe
}

/// A pipe of who started it, under any number. Nobody comes by a nameless pipe but by inheriting or making it.
fn by_pipes(model: &Model, process: &Process, own: &Descriptors, grounds: &Grounds<'_>) -> Option<(Verdict, String)> {
    let mut unknown = None;
    for pipe in own.open.iter().filter(|it| it.target == Target::Pipe) {
        let nameless = pipe.path.starts_with(b"pipe:");
        match grounds.launcher.map(|(launcher, there)| (launcher, &there.descriptors)) {
            Some((launcher, Ok(there))) => {
                let handed_on = there.open.iter().any(|it| it.same_target(pipe) && (nameless || !it.close_on_exec));
                // Its launcher waits for it, as that of a pipeline does.
                let served = process.parent == Some(launcher) && !process.parent_exited;
                if handed_on && !served {
                    let of = format!("fd {} is a pipe of who started it", pipe.number);
                    return Some((Verdict::Partial, of));
                }
                if nameless && let Some(by) = made_by(model, process, pipe, grounds) {
                    let of = format!("fd {} is a pipe of {by}, which started it", pipe.number);
                    return Some((Verdict::Partial, of));
                }
                // It may have made the pipe itself, when it has both ends and nobody above it has one.
                if nameless && !handed_on && !own.has_both_ends(pipe) && !there.has_every_pipe() {
                    unknown.get_or_insert_with(|| format!("who has the other end of fd {} was not seen", pipe.number));
                }
            }
            _ if !nameless || own.has_both_ends(pipe) => {}
            _ => match pipes::other_end(model, process, pipe, grounds.looks) {
                End::Nobodys | End::Kin => {}
                End::Stranger(who) => {
                    unknown.get_or_insert_with(|| {
                        format!("fd {} is a pipe of {who}, too, and who made it was not seen", pipe.number)
                    });
                }
                End::Unseen => {
                    unknown.get_or_insert_with(|| format!("who has the other end of fd {} was not seen", pipe.number));
                }
            },
        }
    }
    unknown.map(|why| (Verdict::Unknown, why))
}

/// One of those between it and who started the whole, who has this pipe and does not wait for the process.
fn made_by(model: &Model, process: &Process, pipe: &Descriptor, grounds: &Grounds<'_>) -> Option<Pid> {
    let holds = |key: &&ProcKey| {
        let lives = model.process(**key).is_some_and(|it| it.phase == Phase::Alive);
        let open = grounds.looks.of(**key).and_then(|it| it.descriptors.as_ref().ok());
        lives && open.is_some_and(|it| it.open.iter().any(|end| end.same_target(pipe)))
    };
    let serves = |key: &&ProcKey| process.parent == Some(**key) && !process.parent_exited;
    let mut makers = grounds.launchers.iter().filter(|_| !grounds.supervised).filter(holds);
    makers.find(|key| !serves(key)).map(|key| key.number)
}

fn unseen(inspection: &Inspection) -> Vec<(&'static str, i32)> {
    fn errno<T>(known: &Known<T>) -> Option<i32> {
        known.as_ref().err().map(|Unread(errno)| *errno)
    }
    let Inspection { task: _, moment: _, descriptors, status, directory, marks, cgroup, program } = inspection;
    let some = descriptors.as_ref().ok().and_then(|it| it.unread).map(|Unread(errno)| errno);
    let all = [
        ("descriptors", errno(descriptors)),
        ("some descriptors", some),
        ("status", errno(status)),
        ("working directory", errno(directory)),
        ("environment", errno(marks)),
        ("cgroup", errno(cgroup)),
        ("program", errno(program)),
    ];
    all.into_iter().filter_map(|(what, errno)| Some((what, errno?))).collect()
}

fn why(errno: i32) -> &'static str {
    match errno {
        1 | 13 => "needs CAP_SYS_PTRACE",
        2 => "/proc hides it (hidepid), which needs CAP_SYS_PTRACE",
        3 => "it ended, or its number was another's, meanwhile",
        11 => "its threads came and went each time that it was looked at",
        _ => "the system refused",
    }
}
