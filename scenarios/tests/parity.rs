//! Every scenario under both backends: what ptrace says beside what the probes say. The differences are those of
//! `docs/PARITY.md`, no more and no less. The probes' side is the golden recordings, so that only ptrace is needed; without
//! it the test is skipped, or fails where `SESSTRACE_REQUIRE` contains `ptrace`.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "this is a test, helpers and all")]

use std::{path::Path, process::Command};

use scenarios::{
    Scenario, cases,
    golden::{
        Tools, read,
        record::{Backend, record},
        recording, room,
    },
    parity::{self, Difference, Fields, Ledger, Section, Side},
    story,
};

const DOCUMENT: &str = include_str!("../../docs/PARITY.md");

/// Two runs of a scenario differ by chance, too: a difference is one that each of these shows.
const ATTEMPTS: usize = 3;

/// What one scenario showed.
struct Shown {
    facts: Vec<Difference>,
    expectations: Vec<Difference>,
}

#[test]
fn the_differences_are_those_of_the_table() {
    let tools = Tools::beside(Path::new(env!("CARGO_BIN_EXE_scenarios"))).unwrap();
    if !ptrace_works() {
        return;
    }
    let folder = tempfile::tempdir_in(room().unwrap()).unwrap();
    let (mut ebpf, mut ptrace) = (Fields::default(), Fields::default());
    let mut ledgers = [Section::Facts, Section::Expectations, Section::Fields, Section::Chance]
        .map(|section| Ledger::new(parity::read(DOCUMENT, section).unwrap()));
    let [facts, expectations, fields, chance] = &mut ledgers;
    let mut unexplained = Vec::new();
    for scenario in cases::all() {
        let mut strange = Vec::new();
        for attempt in 1..=ATTEMPTS {
            let place = folder.path().join(format!("{}-{attempt}", scenario.name));
            let found = match one(scenario, &place, &tools) {
                Ok(shown) => {
                    ebpf.add(&recording(scenario)).unwrap();
                    ptrace.add(&place.join("recording.jsonl")).unwrap();
                    let mut not_in = |ledger: &mut Ledger, found: Vec<Difference>| {
                        let strange = found
                            .into_iter()
                            .filter(|difference| !ledger.explains(difference) && !chance.explains(difference));
                        strange.map(|it| format!("{}: {:?} alone: {}", scenario.name, it.side, it.what)).collect()
                    };
                    let mut found: Vec<String> = not_in(facts, shown.facts);
                    found.extend(not_in(expectations, shown.expectations));
                    found
                }
                Err(error) => vec![format!("{}: {error:#}", scenario.name)],
            };
            if attempt > 1 {
                strange.retain(|it| found.contains(it));
            } else {
                strange = found;
            }
            if strange.is_empty() {
                break;
            }
        }
        unexplained.extend(strange);
    }
    for difference in Fields::differences(&ebpf, &ptrace) {
        if !fields.explains(&difference) && !chance.explains(&difference) {
            unexplained.push(format!("field, {:?} alone: {}", difference.side, difference.what));
        }
    }
    let unused =
        ledgers.iter().take(3).flat_map(Ledger::unused).map(|row| format!("in docs/PARITY.md but not seen: {row}"));
    unexplained.extend(unused);
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

/// Records a scenario under ptrace and compares it with its golden recording, and with what must be said of it.
fn one(scenario: &'static Scenario, folder: &Path, tools: &Tools) -> anyhow::Result<Shown> {
    record(scenario, folder, Backend::Ptrace, tools)?;
    let events = read(&folder.join("recording.jsonl"))?;
    let failures = story::check(scenario.expect, &events)?;
    let expectation =
        |failure: String| Difference { scenario: scenario.name.to_owned(), side: Side::Ptrace, what: failure };
    Ok(Shown {
        facts: parity::differences(scenario.name, &read(&recording(scenario))?, &events),
        expectations: failures.into_iter().map(expectation).collect(),
    })
}

/// Whether a child can be traced here. If it must and cannot, that is a failure.
fn ptrace_works() -> bool {
    let sesstrace = Path::new(env!("CARGO_BIN_EXE_scenarios")).with_file_name("sesstrace");
    let tried =
        Command::new(sesstrace).args(["record", "-b", "ptrace", "-o", "/dev/null", "--", "true"]).output().unwrap();
    if tried.status.success() {
        return true;
    }
    let says = String::from_utf8_lossy(&tried.stderr);
    let required = std::env::var("SESSTRACE_REQUIRE").is_ok_and(|list| list.split(',').any(|item| item == "ptrace"));
    assert!(!required, "ptrace does not work here, and SESSTRACE_REQUIRE contains ptrace:\n{says}");
    eprintln!("SKIPPED: scenarios were not compared, ptrace does not work here; `sesstrace doctor` says why");
    false
}
