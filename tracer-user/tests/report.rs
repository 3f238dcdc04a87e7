//! `sesstrace report` in every format: SARIF against its schema, `JUnit` against its form, names of processes that would be
//! markup, controls or lines of ours; and the races.
//!
//! `data/sarif-2.1.0.schema.json` is the schema of OASIS without its white space; OASIS lets everybody take it along
//! (oasis-tcs/sarif-spec, issue 583). What checks it is the Python module jsonschema.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tracer_user::text::{is_hostile, sanitize};

const FORMATS: [&str; 5] = ["text", "md", "json", "sarif", "junit"];

fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(case).join("recording.jsonl")
}

fn report(recording: &Path, arguments: &[&str]) -> Output {
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sesstrace"));
    command.arg("report").arg(recording).args(arguments).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", empty.path()).env_remove("CLICOLOR_FORCE").output().unwrap()
}

fn printed(recording: &Path, arguments: &[&str]) -> String {
    let output = report(recording, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program of Python over a text; it says what is wrong.
fn python(program: &str, argument: &Path, text: &str) -> String {
    let mut command = Command::new("python3");
    command.args(["-W", "ignore", "-c", program]).arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 failed: it needs the module jsonschema (python3-jsonschema)");
    String::from_utf8(output.stdout).unwrap()
}

const SARIF: &str = "
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
for error in jsonschema.Draft7Validator(schema).iter_errors(json.load(sys.stdin)):
    print('/'.join(map(str, error.path)), error.message)
";

/// The form of `JUnit` that CI servers read: suites, suites with counts that are right, cases with name and class, failures with
/// a message.
const JUNIT: &str = "
import sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
def need(holds, what):
    if not holds: print(what)
need(root.tag == 'testsuites', 'the root is ' + root.tag)
for suite in root:
    need(suite.tag == 'testsuite' and suite.get('name'), 'no testsuite with a name')
    cases = suite.findall('testcase')
    need(int(suite.get('tests')) == len(cases), 'tests is wrong')
    need(int(suite.get('failures')) == len(suite.findall('testcase/failure')), 'failures is wrong')
    need({child.tag for child in suite} <= {'testcase', 'system-out'}, 'unknown element')
    names = [case.get('name') for case in cases]
    need(len(set(names)) == len(names) and all(names), 'names of cases are not unique')
    for case in cases:
        need(case.get('classname'), 'no classname')
        need({child.tag for child in case} <= {'failure'} and len(case) <= 1, 'unknown element in a case')
        for failure in case:
            need(failure.get('message') and failure.get('type') in ('error', 'warning'), 'failure without message')
            need(failure.text.strip(), 'failure without text')
";

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sarif-2.1.0.schema.json")
}

fn check_sarif(text: &str, of: &str) {
    assert_eq!(python(SARIF, &schema(), text), "", "{of}");
}

fn check_junit(text: &str, of: &str) {
    assert_eq!(python(JUNIT, Path::new("-"), text), "", "{of}");
}

/// Recordings with findings of each family, of every severity, and without any.
const CASES: [&str; 8] = [
    "join-too-late",
    "timeout-hangs-stty",
    "wrapper-killed",
    "leader-exit-stopped-job",
    "left-holds-pipe",
    "careless-daemon",
    "process-1-ignores",
    "fork-inherits",
];

#[test]
fn sarif_is_valid_by_its_schema() {
    for case in CASES {
        check_sarif(&printed(&golden(case), &["-f", "sarif"]), case);
    }
    let wrong = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{}},"results":[{"level":"bad"}]}]}"#;
    assert!(!python(SARIF, &schema(), wrong).is_empty(), "the schema refuses nothing");
}

#[test]
fn suppressed_findings_are_valid_sarif_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "[[suppress]]\nrule = \"JC102\"\nreason = \"old \\u202e shell\"\n").unwrap();
    let text = printed(&golden("join-too-late"), &["-f", "sarif", "--config", config.to_str().unwrap()]);
    assert!(text.contains("suppressions") && !text.contains('\u{202e}'), "{text}");
    check_sarif(&text, "suppressed");
    check_junit(
        &printed(&golden("join-too-late"), &["-f", "junit", "--config", config.to_str().unwrap()]),
        "suppressed",
    );
}

#[test]
fn junit_has_the_form_that_servers_read() {
    for case in CASES {
        check_junit(&printed(&golden(case), &["-f", "junit"]), case);
    }
    let wrong = "<testsuites><testsuite name='x' tests='2' failures='0'><testcase name='a'/></testsuite></testsuites>";
    assert!(!python(JUNIT, Path::new("-"), wrong).is_empty(), "the form refuses nothing");
}

/// Names that a process can have (15 bytes) and that mean something to a terminal, to markup, or to who reads lines.
const NAMES: [&str; 10] = [
    "\x1b]0;owned\x07",
    "\u{202e}gpj.exe",
    "<b>&amp;\"'</b>",
    "]]><!--",
    "`` `x` ```",
    "*a* |_b_| [c](d",
    "x\nerror JC999",
    "\u{fffe}\u{200b}\u{7f}",
    "%s{}\\x1b\\n",
    " -- # $(reboot)",
];

/// A recording whose process has this name.
fn named(name: &str, folder: &Path) -> PathBuf {
    assert!(name.len() <= 15, "{name:?} is no name of a process");
    let text = fs::read_to_string(golden("join-too-late")).unwrap();
    let name = serde_json::to_string(name).unwrap();
    let changed = text.replace("\"comm\":{\"text\":\"joiner\"}", &format!("\"comm\":{{\"text\":{name}}}"));
    assert_ne!(changed, text);
    let path = folder.join("named.jsonl");
    fs::write(&path, changed).unwrap();
    path
}

/// Markdown without its code spans.
fn outside_of_code(text: &str) -> String {
    let (mut outside, mut rest) = (String::new(), text);
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].chars().take_while(|c| *c == '`').count();
        let (before, from) = rest.split_at(start);
        outside.push_str(before);
        let inner = &from[ticks..];
        let fence = "`".repeat(ticks);
        let end = inner
            .match_indices(&fence)
            .map(|(at, _)| at)
            .find(|at| !inner[..*at].ends_with('`') && !inner[at + ticks..].starts_with('`'));
        rest = &inner[end.unwrap_or_else(|| panic!("a code span has no end: {text}")) + ticks..];
    }
    outside + rest
}

#[test]
fn a_hostile_name_is_text_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let recording = named(name, folder.path());
        let fact = format!("14620 {}: setpgid(14619) failed: EPERM", sanitize(name.as_bytes()));
        for format in FORMATS {
            let text = printed(&recording, &["-f", format]);
            let hostile = text.chars().find(|c| is_hostile(*c) && *c != '\n');
            assert_eq!(hostile, None, "{format}, of {name:?}: {text}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("error JC999")), "{format}: {text}");
            match format {
                "text" => assert!(text.contains(&fact), "{text}"),
                "md" => {
                    assert!(text.contains(&fact), "{text}");
                    let markup = outside_of_code(&text);
                    assert!(!markup.contains(&*sanitize(name.as_bytes())), "of {name:?}: {markup}");
                }
                "json" => {
                    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                    assert!(lines.iter().any(|line| line["fact"] == fact.as_str()), "{text}");
                }
                "sarif" => {
                    check_sarif(&text, name);
                    let log: Value = serde_json::from_str(&text).unwrap();
                    let message = log["runs"][0]["results"][0]["message"]["text"].as_str().unwrap();
                    assert!(message.starts_with(&fact), "{message}");
                }
                _ => check_junit(&text, name),
            }
        }
    }
}

#[test]
fn every_format_says_the_same_words() {
    for case in CASES {
        let recording = golden(case);
        let json = printed(&recording, &["-f", "json"]);
        let text = |format| printed(&recording, &["-f", format]);
        let (plain, md, sarif, junit) = (text("text"), text("md"), text("sarif"), text("junit"));
        let unescape = |text: &str| {
            let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
            entities.iter().fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c))
        };
        let (junit, log) = (unescape(&junit), serde_json::from_str::<Value>(&sarif).unwrap());
        let messages: Vec<&str> = log["runs"][0]["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["message"]["text"].as_str().unwrap())
            .collect();
        for line in json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let say = |name: &str| line[name].as_str().unwrap().to_owned();
            let (fact, cause, fix) = (say("fact"), say("cause"), say("fix"));
            assert!(messages.contains(&format!("{fact}: {cause}. Fix: {fix}").as_str()), "{case}: {fact}");
            if line["severity"] == "info" {
                // Those that repeat are counted.
                continue;
            }
            for words in [&fact, &cause, &fix] {
                assert!(plain.contains(words) && md.contains(words) && junit.contains(words), "{case}: {words}");
            }
        }
    }
}

#[test]
fn races_are_counted_with_their_margins() {
    let lost = printed(&golden("join-too-late"), &["--races", "-f", "json"]);
    let line: Value = serde_json::from_str(lost.lines().next().unwrap()).unwrap();
    assert_eq!((&line["kind"], &line["race"], &line["rule"]), (&"race".into(), &"join".into(), &"JC102".into()));
    assert_eq!((&line["lost"]["count"], &line["won"]["count"]), (&1.into(), &0.into()));
    assert_eq!(line["lost"]["closest"]["text"], "the leader was reaped 115 µs before the join");
    assert_eq!(line["fact"], "1 of 1 pipeline");
    let won = printed(&golden("bash-quick-leader"), &["--races"]);
    assert!(won.contains("0 of 3 pipelines; closest success 1.3 ms"), "{won}");
    let md = printed(&golden("bash-quick-leader"), &["--races", "-f", "md"]);
    assert!(md.contains("- lost: `0 of 3 pipelines; closest success 1.3 ms`"), "{md}");
    for format in ["sarif", "junit"] {
        let refused = report(&golden("join-too-late"), &["--races", "-f", format]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no place for races"));
    }
}

/// One recording with a pipeline that was lost and one that was won.
#[test]
fn a_finding_says_how_often_it_went_well() {
    // The group that is joined in time in one golden, after the one that is not in the other.
    let folder = tempfile::tempdir().unwrap();
    let (late, early) = (golden("join-too-late"), golden("join-zombie-leader"));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let (late, early) = (read(&late), read(&early));
    let of =
        |text: &str| text.lines().filter(|line| line.contains("\"seq\"")).map(ToOwned::to_owned).collect::<Vec<_>>();
    let number = |line: &str, add: (u64, i64)| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        shift(&mut value, add);
        value.to_string()
    };
    let last: Value = serde_json::from_str(of(&late).last().unwrap()).unwrap();
    let add = (last["seq"].as_u64().unwrap(), last["at"].as_i64().unwrap() + 1);
    let mut lines: Vec<String> =
        late.lines().filter(|line| !line.contains("\"kind\":\"end\"")).map(ToOwned::to_owned).collect();
    lines.extend(of(&early).iter().map(|line| number(line, add)));
    let path = folder.path().join("both.jsonl");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let output = report(&path, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n  often  1 of 2 pipelines; closest success "), "{text}");
    for format in ["md", "json", "sarif", "junit"] {
        let text = String::from_utf8(report(&path, &["-f", format]).stdout).unwrap();
        assert!(text.contains("1 of 2 pipelines; closest success "), "{format}: {text}");
    }
}

/// Moves the numbers and times of an event, those of the call that it ends too.
fn shift(event: &mut Value, (seq, at): (u64, i64)) {
    let Value::Object(fields) = event else { return };
    for (name, value) in fields.iter_mut() {
        match name.as_str() {
            "seq" => *value = (value.as_u64().unwrap() + seq).into(),
            "at" => *value = (value.as_i64().unwrap() + at).into(),
            _ => shift(value, (seq, at)),
        }
    }
}
