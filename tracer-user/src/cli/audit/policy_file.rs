//! The policy file: which policy is for whom, and which rules apply then.
//!
//! A line is what it is for, the name of a policy, and, if other rules are to apply than the policy's, those:
//!
//! ```text
//! # comment
//! name=redis*            sysv
//! unit=backup.service    systemd-forking  JC502,JC505
//! program=/opt/agent/*   supervised
//! ```
//!
//! The first line that fits counts. Must not: judge.

use std::path::Path;

use tracer_model::{
    audit::{Observed, POLICIES, Policy},
    findings::Rule,
};

use crate::{
    cli::exit::ExpectedError,
    filter::Glob,
    sink::audit::{Choose, Chosen},
    trace_file,
};

/// What a line is for.
#[derive(Debug, PartialEq, Eq)]
enum Whom {
    Name,
    Unit,
    Program,
}

struct Line {
    whom: Whom,
    pattern: Glob,
    policy: &'static Policy,
    rules: Option<Vec<String>>,
    text: String,
}

/// Chooses by the file, and recognises who is not in it.
pub(super) fn choose(path: Option<&Path>) -> Result<Choose, ExpectedError> {
    let lines = path.map(read).transpose()?.unwrap_or_default();
    Ok(Box::new(move |observed, program| {
        let line = lines.iter().find(|line| line.fits(observed, program));
        line.map_or_else(
            || Chosen { policy: Policy::recognise(observed), rules: None, line: None },
            |line| Chosen { policy: line.policy, rules: line.rules.clone(), line: Some(line.text.clone()) },
        )
    }))
}

impl Line {
    fn fits(&self, observed: &Observed<'_>, program: &[u8]) -> bool {
        match self.whom {
            Whom::Name => self.pattern.matches(observed.name),
            Whom::Program => self.pattern.matches(program),
            Whom::Unit => observed.cgroup.split(|byte| *byte == b'/').any(|part| self.pattern.matches(part)),
        }
    }
}

fn read(path: &Path) -> Result<Vec<Line>, ExpectedError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("cannot read the policy file {}: {}", path.display(), trace_file::cause(&error));
        ExpectedError::usage(what, "--policy FILE")
    })?;
    parse(&text).map_err(|(number, what)| {
        let names: Vec<&str> = POLICIES.iter().map(|policy| policy.name).collect();
        let fix = format!("KEY=PATTERN POLICY [RULE,RULE]; policies: {}", names.join(", "));
        ExpectedError::usage(format!("{}:{number}: {what}", path.display()), &fix)
    })
}

fn parse(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(number, line)| parse_line(line).map_err(|what| (number, what))).collect()
}

fn parse_line(line: &str) -> Result<Line, String> {
    let mut words = line.split_whitespace();
    let (Some(who), Some(policy)) = (words.next(), words.next()) else { return Err("a policy is missing".to_owned()) };
    let (key, pattern) = who.split_once('=').ok_or_else(|| format!("{who} is no KEY=PATTERN"))?;
    let whom = match key {
        "name" => Whom::Name,
        "unit" => Whom::Unit,
        "program" => Whom::Program,
        _ => return Err(format!("{key} is none of name, unit and program")),
    };
    let policy = Policy::find(policy).ok_or_else(|| format!("there is no policy {policy}"))?;
    let rule = |id: &str| Rule::find(id).map(|rule| rule.id.to_owned()).ok_or_else(|| format!("there is no rule {id}"));
    let rules = words.next().map(|ids| ids.split(',').map(rule).collect()).transpose()?;
    if let Some(more) = words.next() {
        return Err(format!("{more} is too much"));
    }
    Ok(Line { whom, pattern: Glob::new(pattern), policy, rules, text: line.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, String) {
        parse(text).map(drop).unwrap_err()
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let lines = parse("# ours\nname=redis* supervised\n\nunit=ssh.service sysv JC502,inherited-fds\n").unwrap();
        let redis = Observed { name: b"redis-server", ..Observed::default() };
        let ssh = Observed { name: b"sshd", cgroup: b"/system.slice/ssh.service", ..Observed::default() };
        let fits =
            |observed: &Observed<'_>| lines.iter().find(|line| line.fits(observed, b"")).map(|line| line.policy.name);
        assert_eq!((fits(&redis), fits(&ssh)), (Some("supervised"), Some("sysv")));
        assert_eq!(lines[1].rules.as_deref().unwrap(), ["JC502", "JC505"]);
        assert_eq!(fits(&Observed::default()), None);
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        assert_eq!(fault("\nname=x nonsense"), (2, "there is no policy nonsense".to_owned()));
        assert_eq!(fault("pid=1 sysv"), (1, "pid is none of name, unit and program".to_owned()));
        assert_eq!(fault("name=x sysv JC999"), (1, "there is no rule JC999".to_owned()));
        assert_eq!(fault("name=x"), (1, "a policy is missing".to_owned()));
    }
}
