//! Documents of an audit: SARIF and `JUnit` have every process that was judged, with its verdict, and JSON every byte.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::place::{Place, Sleeper, field, rows};

/// From before there were inspections.
const OLD: &str = "compatibility/1.1/not-inspected.jsonl";
const LEFT: &str = "golden/left-holds-pipe/recording.jsonl";

/// What an audit of a recording prints.
fn of_recording(place: &Place, format: &str, recording: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let recording = root.join("tests").join(recording);
    let output = place.audit(&[], &["--format", format, &recording.to_string_lossy()]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn who_could_not_be_judged_is_an_open_result_and_an_error() {
    let place = Place::new();
    let sarif: Value = serde_json::from_str(&of_recording(&place, "sarif", OLD)).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let verdict = results.iter().find(|result| result["ruleId"] == "verdict").unwrap();
    assert_eq!((&verdict["kind"], &verdict["level"]), (&"open".into(), &"none".into()));
    assert_eq!(verdict["properties"]["verdict"], "unknown");
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == "verdict"), "every rule of a result is one of the driver's");
    let junit = of_recording(&place, "junit", OLD);
    assert!(junit.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{junit}");
    assert!(junit.contains("<error type=\"unknown\" message=\"its descriptors were not looked at\">"), "{junit}");
}

#[test]
fn who_is_attached_is_a_result_beside_the_findings() {
    let place = Place::new();
    let sarif: Value = serde_json::from_str(&of_recording(&place, "sarif", LEFT)).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let of = |rule: &str| results.iter().filter(|result| result["ruleId"] == rule).count();
    assert_eq!((of("verdict"), of("JC404"), of("JC501")), (1, 1, 1), "{results:?}");
    let junit = of_recording(&place, "junit", LEFT);
    assert!(junit.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{junit}");
    assert!(junit.contains("<property name=\"verdict\" value=\"attached\"/>"), "{junit}");
}

#[test]
fn every_format_has_the_cause_and_the_fix_of_what_was_found() {
    let place = Place::new();
    let json = of_recording(&place, "json", LEFT);
    let lines = json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found: Vec<Value> = lines.filter(|line| field(line, "kind") == "finding").collect();
    assert_eq!(found.len(), 5);
    for format in ["text", "md", "sarif", "junit"] {
        let text = of_recording(&place, format, LEFT);
        // As none of them writes quotes and angle brackets.
        let text = text
            .replace("\\\"", "\"")
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        for (finding, part) in
            found.iter().flat_map(|finding| [(finding, "fact"), (finding, "cause"), (finding, "fix")])
        {
            assert!(
                text.contains(field(finding, part)),
                "{format}: {}: {part} is missing: {text}",
                field(finding, "rule")
            );
        }
    }
}

#[test]
fn a_name_that_is_no_text_is_told_byte_by_byte() {
    let place = Place::new();
    let script = "open('/proc/self/comm','wb').write(b'a\\xff\\x1b'); print(flush=True); input()";
    let mut sleeper = Command::new("python3");
    sleeper.args(["-c", script]);
    let sleeper = Sleeper::talking(&mut sleeper);
    let name = || fs::read(format!("/proc/{}/comm", sleeper.pid())).unwrap();
    assert_eq!(name(), b"a\xff\x1b\n");
    let output = place.audit(&[], &["--format", "json", "-p", &sleeper.pid()]);
    let rows = rows(&output);
    assert_eq!(rows[0]["name"]["bytes"], "Yf8b", "{rows:?}");
}

#[test]
fn every_format_is_written_to_a_file_where_one_is_named() {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let recording = root.join("tests").join(LEFT).to_string_lossy().into_owned();
    for format in ["text", "md", "json", "sarif", "junit"] {
        let printed = of_recording(&place, format, LEFT);
        let file = place.path(format).to_string_lossy().into_owned();
        let output = place.audit(&[], &["--format", format, "-o", &file, &recording]);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{format}");
        let written = fs::read_to_string(&file).unwrap();
        assert!(written.contains("JC404") && written == printed, "{format}: {written}");
    }
}
