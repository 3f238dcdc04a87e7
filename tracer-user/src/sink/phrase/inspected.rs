//! What an inspection showed, in one line: what a settled process still holds of where it came from.
//!
//! Must not: judge; rules do.

use tracer_model::event::inspection::{Descriptor, Inspection, Known, Moment, Target, Unread};

use super::{Phrase, Scene, Who, errno_name};

/// A settled process, with what it holds. Other moments are material of rules only.
pub(super) fn settled(scene: &Scene<'_>, inspection: &Inspection) -> Option<Phrase> {
    let process = scene.delta.subject.filter(|_| inspection.moment == Moment::Settled)?;
    let phrase = Phrase::new(Who::Process(process), "has settled: ".to_owned() + &standard(scene, inspection));
    Some(phrase.note(surroundings(scene, inspection)))
}

/// `fd 0–2 /dev/null`, `fd 0 pts/3, fd 1–2 /dev/null`.
fn standard(scene: &Scene<'_>, inspection: &Inspection) -> String {
    let Ok(descriptors) = &inspection.descriptors else { return unread("fds", &inspection.descriptors) };
    let name = |number| {
        let open = descriptors.open.iter().find(|it| it.number == number);
        open.map_or_else(|| "closed".to_owned(), |open| target(scene, open))
    };
    let mut runs: Vec<(u32, u32, String)> = Vec::new();
    for number in 0..3 {
        let name = name(number);
        match runs.last_mut() {
            Some((_, last, same)) if *same == name => *last = number,
            _ => runs.push((number, number, name)),
        }
    }
    let dash = if scene.style.ascii { "-" } else { "–" };
    let each = runs.into_iter().map(|(first, last, name)| {
        if first == last { format!("fd {first} {name}") } else { format!("fd {first}{dash}{last} {name}") }
    });
    let more = descriptors.open.iter().filter(|it| it.number > 2).count() as u64 + u64::from(descriptors.more);
    let more = if more > 0 { format!(", {more} more") } else { String::new() };
    each.collect::<Vec<_>>().join(", ") + &more
}

fn target(scene: &Scene<'_>, open: &Descriptor) -> String {
    match open.target {
        Target::Null => "/dev/null".to_owned(),
        Target::Terminal(tty) => tty.to_string(),
        Target::Pipe | Target::Socket | Target::File | Target::Directory | Target::Device | Target::Anonymous => {
            scene.style.clean(&open.path).into_owned()
        }
    }
}

fn surroundings(scene: &Scene<'_>, inspection: &Inspection) -> String {
    let directory = inspection.directory.as_ref().map_or_else(
        |_| unread("cwd", &inspection.directory),
        |directory| format!("cwd {}", scene.style.clean(&directory.path)),
    );
    let umask = inspection
        .status
        .as_ref()
        .map_or_else(|_| unread("status", &inspection.status), |status| format!("umask {:03o}", status.umask));
    format!("{directory}, {umask}")
}

/// `fds unreadable: EACCES`
fn unread<T>(what: &str, known: &Known<T>) -> String {
    let errno = known.as_ref().err().map_or(0, |Unread(errno)| *errno);
    format!("{what} unreadable: {}", errno_name(errno))
}
