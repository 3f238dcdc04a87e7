//! What a suite found, line by line, and whether tracing changed it.

use std::{collections::BTreeMap, fmt::Write as _};

/// How often each line was printed.
pub type Outcome = BTreeMap<String, usize>;

/// What a suite printed.
pub fn outcome(text: &str) -> Outcome {
    let mut lines = Outcome::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        *lines.entry(line.to_owned()).or_insert(0) += 1;
    }
    lines
}

/// Lines of a traced run that no untraced run explains: each line must be there as often as in one of them.
pub fn unexplained(untraced: &[Outcome], traced: &Outcome) -> Vec<String> {
    let all = untraced.iter().chain([traced]).flat_map(BTreeMap::keys);
    let lines: std::collections::BTreeSet<&String> = all.collect();
    let count = |outcome: &Outcome, line: &String| outcome.get(line).copied().unwrap_or(0);
    let is_explained = |line: &String| untraced.iter().any(|one| count(one, line) == count(traced, line));
    let mut unexplained = Vec::new();
    for line in lines.into_iter().filter(|line| !is_explained(line)) {
        let mut said = format!("{line}: {} times traced", count(traced, line));
        for one in untraced {
            let _ = write!(said, ", {} untraced", count(one, line));
        }
        unexplained.push(said);
    }
    unexplained
}

/// Lines in which untraced runs differ.
pub fn flaky(untraced: &[Outcome]) -> usize {
    let lines: std::collections::BTreeSet<&String> = untraced.iter().flat_map(BTreeMap::keys).collect();
    let differs = |line: &&String| {
        let mut counts = untraced.iter().map(|one| one.get(*line).copied().unwrap_or(0));
        let first = counts.next();
        counts.any(|count| Some(count) != first)
    };
    lines.into_iter().filter(differs).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_only_a_traced_run_has_is_told() {
        let untraced = [outcome("a ok\nb ok\n")];
        assert!(unexplained(&untraced, &outcome("b ok\na ok\n")).is_empty());
        let told = unexplained(&untraced, &outcome("a FAIL\nb ok\n"));
        assert_eq!(told, ["a FAIL: 1 times traced, 0 untraced", "a ok: 0 times traced, 1 untraced"]);
    }

    #[test]
    fn what_untraced_runs_differ_in_is_not_of_tracing() {
        let untraced = [outcome("a ok\n"), outcome("a FAIL\n")];
        assert!(unexplained(&untraced, &outcome("a FAIL\n")).is_empty());
        assert_eq!(flaky(&untraced), 2);
    }
}
