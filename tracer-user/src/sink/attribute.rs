//! A change of an attribute, in words: `open fd 0 /dev/null`, `umask 027 → 000`.
//!
//! Must not: judge.

use tracer_model::{
    event::{
        Attribute, Disposition,
        inspection::{Target, signals},
    },
    ids::Signal,
};

use super::{Style, phrase::errno_name};

/// What was done. ASCII but for the arrow.
#[must_use]
pub fn words(attribute: &Attribute, style: Style) -> String {
    let name = attribute.name();
    match *attribute {
        Attribute::Chdir { errno, .. } if errno != 0 => format!("{name} refused: {}", errno_name(errno)),
        Attribute::Chdir { root: true, .. } => format!("{name} /"),
        Attribute::Chdir { .. } => format!("{name} elsewhere"),
        Attribute::Umask { old, new } => format!("{name} {old:03o} {} {new:03o}", style.arrow()),
        Attribute::Open { fd, target } | Attribute::Dup { fd, target } => {
            format!("{name} fd {fd} {}", target_name(target))
        }
        Attribute::Close { first, last } if first == last => format!("{name} fd {first}"),
        Attribute::Close { first, last: u32::MAX } => format!("{name} fd {first} and above"),
        Attribute::Close { first, last } => format!("{name} fd {first} to {last}"),
        Attribute::Sigaction { signal, disposition } => {
            let how = match disposition {
                Disposition::Default => "default",
                Disposition::Ignored => "ignored",
                Disposition::Handler => "handled",
            };
            format!("{name} {signal} {how}")
        }
        Attribute::Sigprocmask { old, new } => {
            let list = |mask: u64, word: &str| {
                let names: Vec<String> = signals(mask).map(|signal: Signal| signal.to_string()).collect();
                match names.len() {
                    0 => None,
                    1..=3 => Some(format!("{word} {}", names.join(" "))),
                    many => Some(format!("{word} {many} signals")),
                }
            };
            let parts = [list(new & !old, "blocks"), list(old & !new, "unblocks")];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            format!("{name} {}", parts.join(", "))
        }
    }
}

fn target_name(target: Target) -> String {
    match target {
        Target::Null => "/dev/null".to_owned(),
        Target::Terminal(tty) => tty.to_string(),
        Target::Pipe => "pipe".to_owned(),
        Target::Socket => "socket".to_owned(),
        Target::File => "file".to_owned(),
        Target::Directory => "directory".to_owned(),
        Target::Device => "device".to_owned(),
        Target::Anonymous => "anonymous".to_owned(),
    }
}
