//! Every scenario under both backends, one after the other: what ptrace says beside what the probes say, what the rules find in
//! either, and which fields either fills. The differences are those of `docs/PARITY.md`, no more and no less.
//!
//! Without ptrace the test is skipped, and without the probes their side is the golden recordings; or it fails where
//! `SESSTRACE_REQUIRE` names what is missing.

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
use tracer_model::event::{Event, EventKind};

const DOCUMENT: &str = include_str!("../../docs/PARITY.md");

/// Two runs of a scenario differ by chance, too: a difference is one that each of so many pairs of runs shows.
const ATTEMPTS: usize = 8;
/// A row of the table that none of so many more pairs of runs needs is none.
const SEARCHES: usize = 3;

#[test]
fn the_differences_are_those_of_the_table() {
    let tools = Tools::beside(Path::new(env!("CARGO_BIN_EXE_scenarios"))).unwrap();
    if !works(Backend::Ptrace) {
        return;
    }
    let folder = tempfile::tempdir_in(room().unwrap()).unwrap();
    let mut both = Both::new(&tools, folder.path(), works(Backend::Ebpf));
    let mut unexplained = Vec::new();
    for scenario in cases::all() {
        let mut strange = both.strange(scenario, 1);
        for attempt in 2..=ATTEMPTS {
            if strange.is_empty() {
                break;
            }
            let again = both.strange(scenario, attempt);
            strange.retain(|it| again.contains(it));
        }
        unexplained.extend(strange);
    }
    // A pattern that no run needed yet may be one that not every run needs.
    for attempt in ATTEMPTS + 1..=ATTEMPTS + SEARCHES {
        let unused: Vec<String> = both.unused().filter_map(|(of, _)| of.map(str::to_owned)).collect();
        let is_of = |scenario: &&Scenario| unused.iter().any(|of| story::fits(of, scenario.name));
        for scenario in cases::all().filter(is_of) {
            both.strange(scenario, attempt);
        }
    }
    unexplained.extend(both.fields());
    unexplained.extend(both.unused().map(|(_, pattern)| format!("in docs/PARITY.md but not seen: {pattern}")));
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

/// Both backends, and the tables.
struct Both<'a> {
    tools: &'a Tools,
    folder: &'a Path,
    /// The probes record, too.
    live: bool,
    ebpf: Fields,
    ptrace: Fields,
    facts: Ledger,
    findings: Ledger,
    expectations: Ledger,
    fields: Ledger,
    chance: Ledger,
}

impl<'a> Both<'a> {
    fn new(tools: &'a Tools, folder: &'a Path, live: bool) -> Self {
        let ledger = |section| Ledger::new(parity::read(DOCUMENT, section).unwrap());
        Self {
            tools,
            folder,
            live,
            ebpf: Fields::default(),
            ptrace: Fields::default(),
            facts: ledger(Section::Facts),
            findings: ledger(Section::Findings),
            expectations: ledger(Section::Expectations),
            fields: ledger(Section::Fields),
            chance: ledger(Section::Chance),
        }
    }

    /// Records a scenario with both, and says what no table explains. A pair of runs that cannot be compared is repeated.
    fn strange(&mut self, scenario: &'static Scenario, attempt: usize) -> Vec<String> {
        const TRIES: usize = 3;
        let mut failed = Vec::new();
        for repeat in 0..TRIES {
            match self.compare(scenario, attempt * TRIES + repeat) {
                Ok(strange) => return strange,
                Err(error) => failed = vec![format!("{}: {error:#}", scenario.name)],
            }
        }
        failed
    }

    fn compare(&mut self, scenario: &'static Scenario, attempt: usize) -> anyhow::Result<Vec<String>> {
        let place = |backend: Backend| self.folder.join(format!("{}-{attempt}-{}", scenario.name, backend.name()));
        let by_probes = if self.live {
            record(scenario, &place(Backend::Ebpf), Backend::Ebpf, self.tools)?;
            place(Backend::Ebpf).join("recording.jsonl")
        } else {
            recording(scenario)
        };
        record(scenario, &place(Backend::Ptrace), Backend::Ptrace, self.tools)?;
        let by_tracer = place(Backend::Ptrace).join("recording.jsonl");
        let (ebpf, ptrace) = (read(&by_probes)?, read(&by_tracer)?);
        // On a busy machine probes lose records, and what is missing then is no difference of the backends.
        let lost = |event: &Event| matches!(event.kind, EventKind::Gap(_));
        anyhow::ensure!(!ebpf.events.iter().any(lost), "records were lost");
        self.ebpf.add(&by_probes)?;
        self.ptrace.add(&by_tracer)?;
        let failure = |what| Difference { scenario: scenario.name.to_owned(), side: Side::Ptrace, what };
        let failures = story::check(scenario.expect, &ptrace)?.into_iter().map(failure).collect();
        let Self { facts, findings, expectations, chance, .. } = self;
        let mut strange = Vec::new();
        for (ledger, found) in [
            (facts, parity::differences(scenario.name, &ebpf, &ptrace)),
            (findings, parity::findings(scenario.name, &ebpf, &ptrace)),
            (expectations, failures),
        ] {
            for difference in found {
                if !ledger.explains(&difference) && !chance.explains(&difference) {
                    strange.push(format!("{}: {:?} alone: {}", scenario.name, difference.side, difference.what));
                }
            }
        }
        Ok(strange)
    }

    /// Fields that no table explains. The golden recordings are of several versions of the format.
    fn fields(&mut self) -> Vec<String> {
        if !self.live {
            return Vec::new();
        }
        let mut strange = Vec::new();
        for difference in Fields::differences(&self.ebpf, &self.ptrace) {
            if !self.fields.explains(&difference) && !self.chance.explains(&difference) {
                strange.push(format!("field, {:?} alone: {}", difference.side, difference.what));
            }
        }
        strange
    }

    /// Patterns that nothing needed. What is chance need not occur.
    fn unused(&self) -> impl Iterator<Item = (Option<&str>, String)> {
        let ledgers = [&self.facts, &self.findings, &self.expectations].into_iter();
        ledgers.chain(Some(&self.fields).filter(|_| self.live)).flat_map(Ledger::unused)
    }
}

/// Whether a backend works here. If it must and does not, that is a failure.
fn works(backend: Backend) -> bool {
    let sesstrace = Path::new(env!("CARGO_BIN_EXE_scenarios")).with_file_name("sesstrace");
    let name = backend.name();
    let arguments = ["record", "-b", name, "-o", "/dev/null", "--", "true"];
    let tried = Command::new(sesstrace).args(arguments).output().unwrap();
    if tried.status.success() {
        return true;
    }
    let says = String::from_utf8_lossy(&tried.stderr);
    let required = std::env::var("SESSTRACE_REQUIRE").is_ok_and(|list| list.split(',').any(|item| item == name));
    assert!(!required, "{name} does not work here, and SESSTRACE_REQUIRE contains {name}:\n{says}");
    eprintln!("SKIPPED: scenarios were not run with {name}, which does not work here; `sesstrace doctor` says why");
    false
}
