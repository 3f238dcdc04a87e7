//! What the configuration suppressed, in every format: how many findings by which line and why; and the lines that suppressed
//! nothing, or whose day is over.
//!
//! Must not: leave a line of the configuration out.

use tracer_model::findings::Finding;

use crate::{
    config::{Config, Suppression},
    sink::phrase::count,
    text::sanitize,
};

/// A finding and the suppression that holds for it.
pub(super) type Suppressed = (Finding, Suppression);

/// A line for each suppression, after one with their number. Empty without a configuration.
pub(super) fn lines(config: &Config, suppressed: &[Suppressed]) -> Vec<String> {
    let Some(path) = &config.path else { return Vec::new() };
    if config.suppressions.is_empty() {
        return Vec::new();
    }
    let path = sanitize(path.as_os_str().as_encoded_bytes()).into_owned();
    let mut lines = vec![format!("{} by {path}", count(suppressed.len(), "finding", "findings"))];
    lines.extend(config.suppressions.iter().map(|row| {
        let used = suppressed.iter().filter(|(_, by)| by.line == row.line).count();
        let of = row.executable.as_ref().map(|name| format!(" of {}", sanitize(name.as_bytes()))).unwrap_or_default();
        let what = format!("{} {}{of}", row.rule.id, row.rule.name);
        let reason = sanitize(row.reason.as_bytes());
        match (row.expired, row.until, used) {
            (true, Some(until), _) => {
                format!("line {}: {what}: expired on {until}, suppresses nothing ({reason})", row.line)
            }
            (_, _, 0) => format!("line {}: {what}: unused ({reason})", row.line),
            (_, until, used) => {
                let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
                format!("line {}: {what}: {used} ({reason}{until})", row.line)
            }
        }
    }));
    lines
}
