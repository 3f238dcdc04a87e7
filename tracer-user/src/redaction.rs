//! What is kept from a recording of the arguments of programs: passwords and the like.
//!
//! Must not: change what concerns job control, or remove an argument: how many there were stays.

use tracer_model::event::{Event, EventKind};

use crate::filter::Glob;

/// What stands for an argument that was removed.
pub const REMOVED: &[u8] = b"[removed]";

/// Which arguments are removed.
#[derive(Clone, Debug, Default)]
pub enum Redaction {
    /// None.
    #[default]
    Nothing,
    /// Those that match one of these.
    Matching(Vec<Glob>),
    /// All but the program's name: of the first one that is what [`keep_name`] keeps.
    AllButNames,
}

impl Redaction {
    /// Those that match one of these patterns.
    #[must_use]
    pub fn matching(patterns: &[String]) -> Self {
        if patterns.is_empty() {
            return Self::Nothing;
        }
        Self::Matching(patterns.iter().map(|text| Glob::new(text)).collect())
    }

    /// Removes them from the arguments of one program.
    pub fn arguments(&self, arguments: &mut [Vec<u8>]) {
        if let (Self::AllButNames, Some(first)) = (self, arguments.first_mut()) {
            keep_name(first);
        }
        for (place, argument) in arguments.iter_mut().enumerate() {
            let private = match self {
                Self::Nothing => false,
                Self::Matching(globs) => globs.iter().any(|glob| glob.matches(argument)),
                Self::AllButNames => place > 0,
            };
            if private {
                argument.clear();
                argument.extend_from_slice(REMOVED);
            }
        }
    }

    /// Removes them from an event.
    pub fn event(&self, event: &mut Event) {
        if let EventKind::Exec { args, .. } | EventKind::Snapshot { args } = &mut event.kind {
            self.arguments(args);
        }
    }
}

/// Keeps of a first argument the name of the program: no path, which tells of users and projects, and none of what some daemons
/// write behind their name, as `postgres: alice payroll`.
///
/// Where a path ends that may have spaces in it cannot be told: nothing is kept of that.
pub fn keep_name(argument: &mut Vec<u8>) {
    let slash = argument.iter().position(|&byte| byte == b'/');
    let space = argument.iter().position(u8::is_ascii_whitespace);
    if let (Some(slash), Some(space)) = (slash, space)
        && slash < space
        && argument.iter().skip(space).any(|&byte| byte == b'/')
    {
        *argument = REMOVED.to_vec();
        return;
    }
    let word = argument.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let name = word.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    *argument = name.to_vec();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(redaction: &Redaction, arguments: &[&str]) -> Vec<String> {
        let mut arguments: Vec<Vec<u8>> = arguments.iter().map(|text| text.as_bytes().to_vec()).collect();
        redaction.arguments(&mut arguments);
        arguments.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    #[test]
    fn only_what_matches_is_removed() {
        let mysql = ["mysql", "-psecret", "--user=me", "--password=secret"];
        let patterns = ["-p*".to_owned(), "--password=*".to_owned()];
        assert_eq!(kept(&Redaction::matching(&patterns), &mysql), ["mysql", "[removed]", "--user=me", "[removed]"]);
        assert_eq!(kept(&Redaction::matching(&[]), &mysql), mysql);
        assert_eq!(kept(&Redaction::AllButNames, &mysql), ["mysql", "[removed]", "[removed]", "[removed]"]);
        assert_eq!(kept(&Redaction::AllButNames, &["/home/alice/merger/tool", "x"]), ["tool", "[removed]"]);
        assert_eq!(kept(&Redaction::AllButNames, &["postgres: alice payroll 10.1.2.3(5544) SELECT"]), ["postgres:"]);
        assert_eq!(kept(&Redaction::AllButNames, &["/home/Alice Smith/merger/tool"]), ["[removed]"]);
    }
}
