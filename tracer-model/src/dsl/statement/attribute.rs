//! Attributes as text, both ways: `chdir root`, `chdir 2` with an errno, `umask 18 0`, `opens 0 null`, `closes 0 2`, `sets SIGHUP ignoring`.
//!
//! Must not: judge.

use super::{
    calls,
    inspection::{target, target_text},
    kinds::{disposition, disposition_text},
};
use crate::{
    dsl::fields::number,
    event::{Attribute, EventKind},
};

/// The attribute of a verb and its words.
pub(super) fn parse(words: &[&str]) -> Result<EventKind, String> {
    let value = |word: &str| number(word).map(|number| number as u64);
    let fd = |word: &str| value(word).map(|fd| fd as u32);
    let attribute = match *words {
        ["chdir", "root"] => Attribute::Chdir { root: true, errno: 0 },
        ["chdir", "root", errno] => Attribute::Chdir { root: true, errno: number(errno)? as i32 },
        ["chdir", errno] => Attribute::Chdir { root: false, errno: number(errno)? as i32 },
        ["umask", old, new] => Attribute::Umask { old: fd(old)?, new: fd(new)? },
        ["opens", number, is] => Attribute::Open { fd: fd(number)?, target: target(is)? },
        ["dups", number, is] => Attribute::Dup { fd: fd(number)?, target: target(is)? },
        ["closes", first, last] => Attribute::Close { first: fd(first)?, last: fd(last)? },
        ["sets", signal, how] => {
            let disposition = disposition(how).ok_or_else(|| format!("{how:?} is no disposition"))?;
            Attribute::Sigaction { signal: calls::signal(signal)?, disposition }
        }
        ["blocks", old, new] => Attribute::Sigprocmask { old: value(old)?, new: value(new)? },
        _ => return Err(format!("no attribute is written {words:?}")),
    };
    Ok(EventKind::Attribute(attribute))
}

/// The reverse.
pub(super) fn text(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Chdir { root: true, errno: 0 } => "chdir root".to_owned(),
        Attribute::Chdir { root: true, errno } => format!("chdir root {errno}"),
        Attribute::Chdir { root: false, errno } => format!("chdir {errno}"),
        Attribute::Umask { old, new } => format!("umask {old} {new}"),
        Attribute::Open { fd, target } => format!("opens {fd} {}", target_text(target)),
        Attribute::Dup { fd, target } => format!("dups {fd} {}", target_text(target)),
        Attribute::Close { first, last } => format!("closes {first} {last}"),
        Attribute::Sigaction { signal, disposition } => {
            format!("sets {} {}", calls::signal_text(*signal), disposition_text(*disposition))
        }
        Attribute::Sigprocmask { old, new } => format!("blocks {old:#x} {new:#x}"),
    }
}
