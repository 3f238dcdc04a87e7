//! Refused calls: the errno's name, and what it means in this state.
//!
//! Must not: conclude from the errno; the model has judged by the state.

use nix::errno::Errno;
use tracer_model::{
    delta::Refusal,
    event::{Call, TtyRequest},
    ids::{Pid, ProcKey},
};

use super::{Phrase, Scene, Tone, Who, words};

pub(super) fn refused(scene: &Scene<'_>, call: &Call, errno: i32, reason: Refusal) -> Option<Phrase> {
    // The signal that interrupted a call is told. A call that only asks changes nothing, refused or not: shells ask every
    // descriptor whether it is a terminal of theirs.
    let asks = matches!(call, Call::TtyIoctl { request: TtyRequest::GetForeground | TtyRequest::GetSession, .. });
    if reason == Refusal::Restarted || asks {
        return None;
    }
    let tone = if reason == Refusal::AlreadyThereAfterExec { Tone::Plain } else { Tone::Trouble };
    let who = scene.delta.by.map_or(Who::Nobody, Who::Process);
    let text = format!("{}: {}", words::call(call), errno_name(errno));
    Some(Phrase::new(who, text).note(meaning(scene, call, reason)).tone(tone))
}

/// `EACCES`; the number when it has no name.
pub(in crate::sink) fn errno_name(errno: i32) -> String {
    let known = Errno::from_raw(errno);
    if known == Errno::UnknownErrno { format!("errno {errno}") } else { format!("{known:?}") }
}

fn meaning(scene: &Scene<'_>, call: &Call, reason: Refusal) -> String {
    let target = target(scene, call);
    let it = target.map_or_else(|| "it".to_owned(), |process| process.number.to_string());
    let group = target.and_then(|process| scene.group_of(process));
    let where_it_is = group.map_or_else(|| "another group".to_owned(), |group| format!("group {}", group.number));
    let number = group_argument(call).map_or_else(|| "the group".to_owned(), |number| format!("group {number}"));
    match reason {
        Refusal::AlreadyThereAfterExec => {
            format!("{it} had executed a program already; it is in {where_it_is} all the same")
        }
        Refusal::ExecutedBefore => format!("{it} had executed a program already, and stays in {where_it_is}"),
        Refusal::NotAChild => "that is neither the caller nor a child of it".to_owned(),
        Refusal::ChildReaped => "that child has been reaped".to_owned(),
        Refusal::GroupNotYet => format!("{number} does not exist yet"),
        Refusal::GroupEnded { group, ended } => {
            let ago = scene.span(scene.event.at.since(ended.until));
            format!("group {} has ended, {ago} before: its last member was reaped or moved away", group.number)
        }
        Refusal::OtherSession => "that is in another session".to_owned(),
        Refusal::SessionLeader => format!("{it} is a session leader, which stays where it is"),
        Refusal::GroupLeader => {
            format!("{it} leads a process group, and may not leave it: fork first")
        }
        Refusal::NumberIsAGroup => format!("{it} has left the group of its own number, and others are still in it"),
        Refusal::OrphanedBackground => {
            "its group is orphaned and in the background: refused instead of stopped".to_owned()
        }
        Refusal::NotControllingTty => "that is not its controlling terminal".to_owned(),
        Refusal::NotSessionLeader => "only a session leader may, and it is none".to_owned(),
        Refusal::HasControllingTty => "its session has a controlling terminal already".to_owned(),
        Refusal::TtyOfOtherSession => "that is the controlling terminal of another session".to_owned(),
        Refusal::NoSuchGroup => format!("there is no {number}"),
        Refusal::BackgroundSignalIgnored => {
            "it is in the background, and ignores or blocks the signal that would stop it".to_owned()
        }
        Refusal::Restarted => String::new(),
        Refusal::Invalid => "the arguments are invalid".to_owned(),
        Refusal::Unexplained => "what is known of the state does not explain it".to_owned(),
    }
}

/// The process that the call is about.
fn target(scene: &Scene<'_>, call: &Call) -> Option<ProcKey> {
    if let Call::Setpgid { pid: pid @ 1.., .. } = *call {
        let named = || scene.model.process_by_pid(Pid(pid.cast_unsigned())).map(|process| process.key);
        return scene.delta.subject.or_else(named);
    }
    scene.delta.by
}

/// The number of the process group that the call names.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other calls name no group")]
fn group_argument(call: &Call) -> Option<i32> {
    match *call {
        Call::Setpgid { pid, pgid } => Some(if pgid == 0 { pid } else { pgid }),
        Call::Kill { target, .. } if target < -1 => target.checked_neg(),
        Call::TtyIoctl { request: TtyRequest::SetForeground, value, .. } => Some(value),
        _ => None,
    }
}
