//! The verdict on one process.
//!
//! Hygiene (directory, umask, signals, other descriptors) makes findings; the verdict asks only whether a terminal or the
//! launcher can still reach the process, or waits for it.

use crate::{
    event::inspection::{Inspection, Known, LOOKED_AT, MAX_DESCRIPTORS, Target, Unread},
    ids::{ProcKey, SessionKey},
    state::{Model, Process},
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

/// Judges a process. `launched_in`: the session of who started it, where that was seen; `holds`: rules that found a descriptor
/// of a terminal or of its launcher in it.
#[must_use]
pub fn judge(
    model: &Model,
    key: ProcKey,
    inspection: Option<&Inspection>,
    launched_in: Option<SessionKey>,
    holds_launchers: bool,
) -> Judgement {
    let unseen = inspection.map(unseen).unwrap_or_default();
    let say = |verdict, reason: String| Judgement { verdict, reason, unseen: unseen.clone() };
    let Some(process) = model.process(key) else { return say(Verdict::Unknown, "it has ended".to_owned()) };
    if let Some(tty) = process.tty {
        return say(Verdict::Attached, format!("its controlling terminal is {}", tty.tty));
    }
    let Some(session) = process.session else { return say(Verdict::Unknown, "its session is not known".to_owned()) };
    if launched_in == Some(session) && leader_lives(model, session, process) {
        return say(Verdict::Attached, format!("it is still in session {} of who started it", session.number));
    }
    let Some(inspection) = inspection else {
        return say(Verdict::Unknown, "its descriptors were not looked at".to_owned());
    };
    match &inspection.descriptors {
        Err(Unread(errno)) => say(Verdict::Unknown, format!("its descriptors could not be read: {}", why(*errno))),
        Ok(descriptors) => {
            let terminal = descriptors.open.iter().find(|it| matches!(it.target, Target::Terminal(_)));
            if let Some(open) = terminal {
                say(Verdict::Partial, format!("fd {} is a terminal", open.number))
            } else if holds_launchers {
                say(Verdict::Partial, "it holds a pipe of who started it".to_owned())
            } else if descriptors.more as usize > LOOKED_AT - MAX_DESCRIPTORS {
                say(Verdict::Unknown, format!("it has more than {LOOKED_AT} descriptors, and not all were looked at"))
            } else {
                say(Verdict::Detached, "no terminal, a session of its own".to_owned())
            }
        }
    }
}

/// The session still has whom it was made for: its end can reach the process.
fn leader_lives(model: &Model, session: SessionKey, process: &Process) -> bool {
    let leader = model.session(session).and_then(|session| session.leader);
    leader.is_some_and(|leader| {
        leader != process.key && model.process(leader).is_some_and(|leader| leader.exited_at.is_none())
    })
}

fn unseen(inspection: &Inspection) -> Vec<(&'static str, i32)> {
    fn errno<T>(known: &Known<T>) -> Option<i32> {
        known.as_ref().err().map(|Unread(errno)| *errno)
    }
    let Inspection { task: _, moment: _, descriptors, status, directory, marks, cgroup, program } = inspection;
    let all = [
        ("descriptors", errno(descriptors)),
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
        3 => "it ended, or its number was another's, meanwhile",
        _ => "the system refused",
    }
}
