//! Losses, calls that were not seen, contradictions.
//!
//! Must not: make a loss look small.

use tracer_model::{
    delta::{Anomaly, UnseenChange},
    event::{EventKind, Gap, GapCause},
    ids::ProcKey,
};

use super::{Phrase, Scene, Tone, Who, words};

pub(super) fn gap(scene: &Scene<'_>) -> Option<Phrase> {
    let EventKind::Gap(gap) = &scene.event.kind else { return None };
    let lost = usize::try_from(gap.lost).unwrap_or(usize::MAX);
    let text = format!("{} lost", words::count(lost, "record is", "records are"));
    let when = format!("between {} and {} ms", scene.ms(gap.from), scene.ms(gap.until));
    let note = format!("{when}: {}{}", cause(gap.cause), probes(scene, gap));
    Some(Phrase::new(Who::Nobody, text).note(note).tone(Tone::Trouble))
}

pub(in crate::sink) fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::MissingSequence => "the buffer was full",
        GapCause::Recursion => "the kernel skipped a probe",
        GapCause::UnpairedCall => "a call without its return, or the reverse",
        GapCause::MapFull => "a table of the probes was full",
        GapCause::Malformed => "damaged data",
        GapCause::Late => "too late to be put in order",
    }
}

fn probes(scene: &Scene<'_>, gap: &Gap) -> String {
    let probe = |(name, lost): &(String, u64)| format!("{} {lost}", scene.style.clean(name.as_bytes()));
    let list = gap.probes.iter().map(probe).collect::<Vec<_>>().join(", ");
    if list.is_empty() { list } else { format!(" ({list})") }
}

pub(super) fn unseen_call(scene: &Scene<'_>, process: ProcKey, what: UnseenChange) -> Phrase {
    let state = scene.model.process(process);
    let now = match what {
        UnseenChange::ProcessGroup => {
            state.and_then(|state| state.group).map(|group| format!("is in group {} now", group.number))
        }
        UnseenChange::Session => {
            state.and_then(|state| state.session).map(|session| format!("is in session {} now", session.number))
        }
        UnseenChange::ControllingTty => Some(state.and_then(|state| state.tty).map_or_else(
            || "has no controlling terminal now".to_owned(),
            |tty| format!("has controlling terminal {} now", tty.tty),
        )),
        UnseenChange::Foreground => Some("its terminal has another foreground group now".to_owned()),
    };
    Phrase::of(process, now.unwrap_or_else(|| "its state has changed".to_owned()))
        .note("the call was not seen: lost, or of a 32-bit program")
        .tone(Tone::Trouble)
}

pub(super) fn anomaly(scene: &Scene<'_>, anomaly: Anomaly) -> Phrase {
    let phrase = match anomaly {
        Anomaly::ActedAfterReap(process) => Phrase::of(process, "acts, though it was thought to be reaped"),
        Anomaly::NumberInUse(process) => Phrase::new(
            Who::Nobody,
            format!("number {} is given out, though {} was thought alive", process.number, scene.name(process)),
        ),
        Anomaly::GroupSpansSessions(group) => {
            Phrase::new(Who::Nobody, format!("group {} has members in two sessions", group.number))
        }
        Anomaly::OrphanSignalsDiffer(group) => Phrase::new(
            Who::Nobody,
            format!("the signals to orphaned group {} are not those of the rule", group.number),
        ),
    };
    phrase.note("the events contradict each other").tone(Tone::Trouble)
}
