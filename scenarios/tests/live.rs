//! Every scenario, recorded now under the probes, says what is written beside it. Needs what `sesstrace doctor` says the
//! probes need; without it, it is skipped, or fails where `SESSTRACE_REQUIRE` contains `ebpf`.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "this is a test, helpers and all")]

use std::{path::Path, process::Command};

use scenarios::{
    Scenario, cases,
    golden::{
        Tools, failures,
        record::{Backend, record},
        replay::pictures,
        room,
    },
};

fn family(name: &str) {
    let tools = Tools::beside(Path::new(env!("CARGO_BIN_EXE_scenarios"))).unwrap();
    if !probes_work() {
        return;
    }
    let (_, scenarios) = cases::FAMILIES.into_iter().find(|(known, _)| *known == name).unwrap();
    let folder = tempfile::tempdir_in(room().unwrap()).unwrap();
    let mut failures = Vec::new();
    for scenario in scenarios {
        let found = one(scenario, &folder.path().join(scenario.name), &tools);
        let found = found.unwrap_or_else(|error| vec![format!("{error:#}")]);
        failures.extend(found.into_iter().map(|failure| format!("{}: {failure}", scenario.name)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn one(scenario: &'static Scenario, folder: &Path, tools: &Tools) -> anyhow::Result<Vec<String>> {
    record(scenario, folder, Backend::Ebpf, tools)?;
    let recording = folder.join("recording.jsonl");
    let mut failures = failures(scenario, &recording)?;
    for (_, shown) in pictures(scenario, &recording, tools)? {
        failures.extend(shown.differences);
    }
    Ok(failures)
}

/// Whether the probes can be loaded here. If they must and cannot, that is a failure.
fn probes_work() -> bool {
    let sesstrace = Path::new(env!("CARGO_BIN_EXE_scenarios")).with_file_name("sesstrace");
    let doctor = Command::new(sesstrace).arg("doctor").output().unwrap();
    if doctor.status.success() {
        return true;
    }
    let says = String::from_utf8_lossy(&doctor.stdout);
    let required = std::env::var("SESSTRACE_REQUIRE").is_ok_and(|list| list.split(',').any(|item| item == "ebpf"));
    assert!(!required, "the probes do not work here, and SESSTRACE_REQUIRE contains ebpf:\n{says}");
    eprintln!("SKIPPED: scenarios were not recorded, the probes do not work here; `sesstrace doctor` says why");
    false
}

macro_rules! families {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                family(stringify!($name));
            }
        )*

        #[test]
        fn every_family_is_tested() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(cases::FAMILIES.map(|(name, _)| name), tested);
        }
    };
}

families! { groups races sessions orphans terminal shells outsiders findings semantics }
