//! Which fields of which kinds of events a backend ever fills, taken from recordings as they are on disk.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Difference, Side};

/// Fields as `KIND.field.field`; a word of a list of facts is a field as well.
#[derive(Debug, Default)]
pub struct Fields(BTreeSet<String>);

impl Fields {
    /// Adds those of a recording.
    pub fn add(&mut self, recording: &Path) -> Result<()> {
        let file = File::open(recording).with_context(|| recording.display().to_string())?;
        for line in BufReader::new(file).lines() {
            let record: Value = serde_json::from_str(&line?).context("a line that is no JSON")?;
            let kind = record.get("kind").and_then(Value::as_str).unwrap_or("?").to_owned();
            // That somebody set the clock meanwhile is of the machine.
            if !["header", "end", "clock_anchor"].contains(&kind.as_str()) {
                self.fields(&kind, &record);
            }
        }
        Ok(())
    }

    fn fields(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.fields(&format!("{path}.{name}"), member);
                }
            }
            Value::Array(items) if items.iter().all(Value::is_string) => {
                self.0.extend(items.iter().filter_map(Value::as_str).map(|item| format!("{path}.{item}")));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.0.insert(path.to_owned());
            }
        }
    }

    /// What only one backend ever fills.
    #[must_use]
    pub fn differences(ebpf: &Self, ptrace: &Self) -> Vec<Difference> {
        let only = |side, one: &Self, other: &Self| {
            one.0
                .difference(&other.0)
                .map(|field| Difference { scenario: String::new(), side, what: field.clone() })
                .collect::<Vec<_>>()
        };
        let mut all = only(Side::Ebpf, ebpf, ptrace);
        all.extend(only(Side::Ptrace, ptrace, ebpf));
        all
    }
}
