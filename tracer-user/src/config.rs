//! The configuration file: findings that are known and accepted, each with a reason.
//!
//! Read from `--config FILE`, else `$XDG_CONFIG_HOME/sesstrace/config.toml` (`~/.config` without that variable), else
//! `/etc/sesstrace/config.toml`. An error names the line. Must not: change what a finding says, or hide that one is suppressed.

use std::{
    fmt, fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Spanned, value::Datetime};
use tracer_model::{
    event::Comm,
    findings::{Finding, Rule, Subject, words::Word},
};

/// Longest name of a process that the kernel keeps (`TASK_COMM_LEN`, without the NUL).
const COMM: usize = 15;

/// What the file says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file; `None`: there is none.
    pub path: Option<PathBuf>,
    /// In its order.
    pub suppressions: Vec<Suppression>,
}

/// One `[[suppress]]`.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// Findings of this rule.
    pub rule: &'static Rule,
    /// About this process, by name; `None`: about any.
    pub executable: Option<String>,
    /// Why they are accepted.
    pub reason: String,
    /// The last day on which they are.
    pub until: Option<Date>,
    /// Line of the file, from 1.
    pub line: usize,
    /// That day is over.
    pub expired: bool,
}

/// A day: year, month, day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub u16, pub u8, pub u8);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0, self.1, self.2)
    }
}

impl Date {
    /// The day of a time, ns since 1970, in UTC.
    #[must_use]
    pub fn of(unix_ns: i64) -> Self {
        // Days are counted from 0000-03-01, so that a leap day is the last of its year (Hinnant, chrono-compatible date algorithms).
        let days = unix_ns.div_euclid(86_400_000_000_000) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Self((year + era * 400 + next) as u16, month as u8, day as u8)
    }
}

/// What is wrong with the file, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {}", path.display(), crate::trace_file::cause(error))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It says something that is not understood.
    #[error("{}:{line}: {what}\n    {}", path.display(), text)]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// The line itself, cleaned.
        text: String,
    },
}

impl ConfigError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "name a file that is there and that you may read: --config FILE",
            Self::Line { .. } => "docs/CONFIGURATION.md shows the file; sesstrace explain lists the rules",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileConfig {
    #[serde(default)]
    suppress: Vec<Spanned<FileSuppression>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSuppression {
    rule: Spanned<String>,
    executable: Option<Spanned<String>>,
    reason: Spanned<String>,
    until: Option<Spanned<Datetime>>,
}

impl Config {
    /// Reads it. `named`: by `--config`, then it must be there. `today` decides what is over.
    pub fn load(named: Option<&Path>, today: Date) -> Result<Self, ConfigError> {
        if let Some(path) = named {
            return Self::read(path, today)?.ok_or_else(|| ConfigError::Read {
                path: path.to_owned(),
                error: io::Error::from_raw_os_error(libc::ENOENT),
            });
        }
        for path in places(|name| std::env::var_os(name).map(PathBuf::from)) {
            match Self::read(&path, today) {
                Ok(Some(config)) => return Ok(config),
                // Under another user's HOME (sudo, setpriv) there may be one, but none for us.
                Err(ConfigError::Read { error, .. }) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::default())
    }

    fn read(path: &Path, today: Date) -> Result<Option<Self>, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path, today).map(Some),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(ConfigError::Read { path: path.to_owned(), error }),
        }
    }

    fn parse(text: &str, path: &Path, today: Date) -> Result<Self, ConfigError> {
        let wrong = |span: Range<usize>, what: String| {
            let before = text.get(..span.start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let shown = text.lines().nth(line - 1).unwrap_or_default().trim();
            let text = crate::text::sanitize(shown.as_bytes()).into_owned();
            ConfigError::Line { path: path.to_owned(), line, what, text }
        };
        let file: FileConfig =
            toml::from_str(text).map_err(|error| wrong(error.span().unwrap_or_default(), clean(error.message())))?;
        let mut suppressions = Vec::new();
        for row in file.suppress {
            let start = row.span().start;
            let row = row.into_inner();
            let rule = Rule::find(row.rule.get_ref());
            let rule =
                rule.ok_or_else(|| wrong(row.rule.span(), format!("there is no rule {}", clean(row.rule.get_ref()))))?;
            if row.reason.get_ref().trim().is_empty() {
                return Err(wrong(row.reason.span(), "a suppression needs a reason".to_owned()));
            }
            let until = row.until.map(|until| {
                let date = until.get_ref().date;
                let date = date.ok_or_else(|| wrong(until.span(), "a date must stand here: 2027-01-31".to_owned()))?;
                Ok(Date(date.year, date.month, date.day))
            });
            let until = until.transpose()?;
            suppressions.push(Suppression {
                rule,
                executable: row.executable.map(Spanned::into_inner),
                reason: row.reason.into_inner(),
                until,
                line: text.get(..start).unwrap_or_default().matches('\n').count() + 1,
                expired: until.is_some_and(|until| until < today),
            });
        }
        Ok(Self { path: Some(path.to_owned()), suppressions })
    }

    /// The first suppression that holds for a finding.
    #[must_use]
    pub fn suppresses(&self, finding: &Finding) -> Option<&Suppression> {
        self.suppressions.iter().find(|row| row.holds(finding.rule, || names(finding)))
    }

    /// The same of a rule and one process.
    #[must_use]
    pub fn accepts(&self, rule: &str, name: &[u8]) -> bool {
        let Some(rule) = Rule::find(rule) else { return false };
        self.suppressions.iter().any(|row| row.holds(rule, || vec![name]))
    }
}

impl Suppression {
    fn holds<'a>(&self, rule: &Rule, names: impl FnOnce() -> Vec<&'a [u8]>) -> bool {
        let same = |name: &[u8]| {
            let wanted = self.executable.as_ref().map(String::as_bytes).unwrap_or_default();
            name == wanted.get(..COMM).unwrap_or(wanted)
        };
        !self.expired && self.rule == rule && (self.executable.is_none() || names().into_iter().any(same))
    }
}

/// Whom a finding is about; of one that is about a group, a session or a terminal, whom its first line names.
fn names(finding: &Finding) -> Vec<&[u8]> {
    if let Subject::Process(_, Comm(name)) = &finding.subject {
        return vec![name];
    }
    let named = finding.fact.0.iter().filter_map(|word| match word {
        Word::Process(_, Comm(name)) => Some(&**name),
        Word::Text(_) | Word::Bytes(_) | Word::Call(_) | Word::Errno(_) | Word::Time(_) | Word::Span(_) => None,
    });
    named.collect()
}

fn clean(text: &str) -> String {
    crate::text::sanitize(text.replace('\n', ": ").trim_end_matches(": ").as_bytes()).into_owned()
}

/// Where the file is looked for when none is named.
fn places(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    // The XDG base directory specification has relative paths ignored.
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let users = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    let users = users.map(|folder| folder.join("sesstrace/config.toml"));
    users.into_iter().chain([PathBuf::from("/etc/sesstrace/config.toml")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = Date(2026, 11, 30);

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("c.toml"), TODAY).map_err(|error| error.to_string())
    }

    #[test]
    fn suppressions_are_read_with_their_lines() {
        let text = "# ours\n[[suppress]]\nrule = \"JC403\"\nexecutable = \"ccache\"\nreason = \"its server\"\n\n\
                    [[suppress]]\nrule = \"join-dead-group\"\nreason = \"until the fix\"\nuntil = 2026-11-29\n\n\
                    [[suppress]]\nrule = \"JC102\"\nreason = \"today still\"\nuntil = 2026-11-30\n";
        let config = parse(text).unwrap();
        let rows: Vec<_> = config.suppressions.iter().map(|row| (row.rule.id, row.line, row.expired)).collect();
        assert_eq!(rows, [("JC403", 2, false), ("JC102", 7, true), ("JC102", 12, false)]);
        assert!(
            config.accepts("JC403", b"ccache") && !config.accepts("JC403", b"gcc") && config.accepts("JC102", b"x")
        );
        assert!(parse("").unwrap().suppressions.is_empty());
    }

    #[test]
    fn errors_point_at_the_line() {
        let mut said = String::new();
        for text in [
            "[[suppress]]\nrule = \"JC999\"\nreason = \"x\"\n",
            "[[suppress]]\nrule = \"JC102\"\n",
            "[[suppress]]\nrule = \"JC102\"\nreason = \"  \"\n",
            "[[suppress]]\nrule = \"JC102\"\nreason = \"x\"\nuntil = 12:00:00\n",
            "[[suppress]]\nrule = \"JC102\"\nreasn = \"x\"\n",
            "x = 1\n",
            "[[suppress\n",
            "[[suppress]]\nrule = \"\u{1b}[2J\"\nreason = \"x\"",
        ] {
            said.push_str(&parse(text).unwrap_err());
            said.push('\n');
        }
        expect_test::expect![[r#"
            c.toml:2: there is no rule JC999
                rule = "JC999"
            c.toml:1: missing field `reason`
                [[suppress]]
            c.toml:3: a suppression needs a reason
                reason = "  "
            c.toml:4: a date must stand here: 2027-01-31
                until = 12:00:00
            c.toml:3: unknown field `reasn`, expected one of `rule`, `executable`, `reason`, `until`
                reasn = "x"
            c.toml:1: unknown field `x`, expected `suppress`
                x = 1
            c.toml:1: unclosed array table, expected `]]`
                [[suppress
            c.toml:2: invalid basic string, expected non-double-quote visible characters, `\`
                rule = "\x1b[2J"
        "#]]
        .assert_eq(&said);
    }

    #[test]
    fn the_file_is_where_xdg_says() {
        const SYSTEM: &str = "/etc/sesstrace/config.toml";
        let of = |config: Option<&str>, home: Option<&str>| {
            let found = places(|name| if name == "HOME" { home } else { config }.map(PathBuf::from));
            found.into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(Some("/c"), Some("/h")), ["/c/sesstrace/config.toml", SYSTEM]);
        assert_eq!(of(Some("c"), Some("/h")), ["/h/.config/sesstrace/config.toml", SYSTEM]);
        assert_eq!(of(None, None), [SYSTEM]);
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        const DAY: i64 = 86_400_000_000_000;
        for (days, date) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_787, "2026-11-30"), (-1, "1969-12-31")]
        {
            assert_eq!(Date::of(days * DAY + 1).to_string(), date);
        }
    }
}
