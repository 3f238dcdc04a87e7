//! Watching, step by step: events, and in between it is asked what is news.

mod grounds;

use serde_json::Value;
use tracer_model::{
    audit::{Observed, Policy},
    dsl,
    event::{Event, EventKind},
    findings::Severity,
    ids::{BootNs, Pid},
};

use super::{Chosen, known::Known, watch::Watch};
use crate::{
    pipeline::Pipeline,
    sink::{
        Style,
        findings::Format,
        tests::{Page, header},
    },
    trace_file::Scope,
};

/// A shell without a terminal that lives, and a daemon 12 that a program 11 of it made.
const DAEMON: &str = "
    snapshot 1 init {+init_parent pp=0}
    snapshot 10 bash {pg=10 sid=10 +leader}
    snapshot-end
    10: fork 11
    11: exec logger
    11: fork 12
    12: setsid() = 12 {tty=-}
    11: exit 0
    11: dead
    12: takes SIGWINCH 0 handler
    @1500000000 12: takes SIGWINCH 0 handler
";
/// A look at it in which nothing is wrong.
const CLEAN: &str = "inspected 12 settled fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/logger\n";

struct Watching {
    page: Page,
    watch: Watch,
    pipeline: Pipeline,
    text: String,
    passed: usize,
}

impl Watching {
    fn new(format: Format) -> Self {
        Self::following(format, None)
    }

    /// With this policy for everybody, if any.
    fn with_policy(policy: Option<&'static str>) -> Self {
        Self::following(Format::Json, policy)
    }

    fn following(format: Format, policy: Option<&'static str>) -> Self {
        let page = Page::default();
        let choose = move |observed: &Observed<'_>, _: &[u8]| {
            let policy = policy.map_or_else(|| Policy::recognise(observed), |name| Policy::find(name).unwrap());
            Chosen { policy, rules: None, line: None }
        };
        let out = (Box::new(page.clone()) as Box<_>, Style::PLAIN, format);
        let watch = Watch::new(out, Box::new(choose), Known::default(), (0, u64::MAX, false));
        let header = crate::trace_file::Header { scope: Scope::All, ..header() };
        let pipeline = Pipeline::begin(&header, None, vec![Box::new(watch.clone())]).unwrap();
        Self { page, watch, pipeline, text: String::new(), passed: 0 }
    }

    /// These happen.
    fn happens(&mut self, text: &str) {
        self.text += text;
        let events: Vec<Event> = dsl::parse(&self.text).unwrap_or_else(|error| panic!("{error}"));
        for event in events.iter().skip(self.passed) {
            self.pipeline.event(event).unwrap();
            self.pipeline.advance(event.at);
        }
        self.passed = events.len();
    }

    /// What was said since this was last asked.
    fn said(&mut self) -> Vec<Value> {
        self.watch.tell(self.pipeline.model(), BootNs(2_000_000_000)).unwrap();
        let bytes = self.page.0.take();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Verdict and rules that are news.
    fn rows(&mut self) -> Vec<(u64, String, Vec<String>)> {
        let said = self.said();
        let rows = said.iter().filter(|line| line["kind"] == "audit");
        let rules =
            |row: &Value| row["rules"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        rows.map(|row| (row["pid"].as_u64().unwrap(), row["verdict"].as_str().unwrap().to_owned(), rules(row)))
            .collect()
    }

    fn wanted(&self) -> Vec<u32> {
        self.watch.take_wanted().iter().map(|key| key.number.0).collect()
    }
}

fn row(pid: u64, verdict: &str, rules: &[&str]) -> (u64, String, Vec<String>) {
    (pid, verdict.to_owned(), rules.iter().map(|id| (*id).to_owned()).collect())
}

#[test]
fn what_changes_between_the_look_and_the_judgement_is_looked_at_again() {
    let mut it = Watching::new(Format::Json);
    it.happens(&format!("{DAEMON}{CLEAN}"));
    assert_eq!(it.rows(), [row(12, "detached", &["JC502"])]);
    it.happens("12: exec other\n");
    assert_eq!(it.wanted(), [12]);
    it.happens(CLEAN);
    it.happens("12: open() = 3 {tty=pts/7 fg=12 ttysid=12}\n");
    assert_eq!(it.rows().len(), 1);
    assert_eq!(it.wanted(), [12], "what happened after the look was not in it");
    assert_eq!(it.watch.waiting().len(), 1);
}

#[test]
fn steps_that_were_not_recorded_are_said_of_who_may_have_taken_them() {
    let row_with = |format, totals: [(u64, u64); 2]| {
        let mut it = Watching::new(format);
        it.happens(&format!("{DAEMON}{CLEAN}"));
        for (total, at) in totals {
            it.watch.left_out(total, BootNs(at));
        }
        it.watch.tell(it.pipeline.model(), BootNs(2_000_000_000)).unwrap();
        String::from_utf8(it.page.0.take()).unwrap()
    };
    let said = "  unseen steps: at most 7 were not recorded";
    let text = |totals| row_with(Format::Text, totals).contains(said);
    let launch = BootNs(0).0;
    assert!(text([(0, launch), (7, 1_900_000_000)]));
    assert!(!text([(7, launch), (7, 1_900_000_000)]), "those were before its launch");
    assert!(row_with(Format::Json, [(0, launch), (7, 1_900_000_000)]).contains("\"steps_left_out\":7"));
}

#[test]
fn a_terminal_that_was_acquired_and_lost_before_anybody_looked_is_told_once() {
    let mut it = Watching::new(Format::Json);
    it.happens(&format!("{DAEMON}{CLEAN}"));
    it.rows();
    it.happens("12: open() = 3 {tty=pts/7 fg=12 ttysid=12}\n12: takes SIGWINCH 0 handler {tty=-}\n");
    it.happens(CLEAN);
    assert_eq!(it.rows(), [row(12, "detached", &["JC502", "JC503"])]);
    // By another name it would be news again if it were still said.
    it.happens("12: exec other\n");
    it.happens(CLEAN);
    assert_eq!(it.rows(), [row(12, "detached", &["JC502"])]);
}

#[test]
fn one_terminal_does_not_hide_another() {
    let mut it = Watching::new(Format::Json);
    it.happens(DAEMON);
    for tty in ["7", "8"] {
        it.happens(&format!("12: open() = 3 {{tty=pts/{tty} fg=12 ttysid=12}}\n"));
    }
    it.happens(CLEAN);
    let said = it.said();
    let facts: Vec<&str> =
        said.iter().filter(|line| line["rule"] == "JC503").filter_map(|line| line["fact"].as_str()).collect();
    assert_eq!(facts.len(), 2, "{said:?}");
    assert!(facts[0].ends_with("pts/7") && facts[1].ends_with("pts/8"), "{facts:?}");
}

#[test]
fn who_could_not_be_read_at_any_attempt_is_unknown_and_who_has_ended_is_nobody() {
    let unread = |errno: i32| {
        let mut it = Watching::new(Format::Json);
        let all = ["fds", "status", "cwd", "marks", "cgroup", "program"].map(|fact| format!("{fact}=!{errno}"));
        it.happens(&format!("{DAEMON}inspected 12 settled {}\n", all.join(" ")));
        it.rows()
    };
    assert_eq!(unread(libc::EAGAIN), [row(12, "unknown", &["JC502"])]);
    assert_eq!(unread(libc::EACCES), [row(12, "unknown", &["JC502"])]);
    assert_eq!(unread(libc::ESRCH), []);
}

#[test]
fn a_look_at_a_launcher_from_before_the_fork_proves_nothing_of_a_pipe() {
    let look = "inspected 10 asked fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/bash\n";
    let before = DAEMON.replace("10: fork 11\n", &format!("{look}10: fork 11\n"));
    assert_ne!(before, DAEMON);
    let holds = CLEAN.replace("fds=", "fd=1:pipe:10:77:w:pipe:[77]");
    let verdict = |text: &str| {
        let mut it = Watching::new(Format::Json);
        it.happens(text);
        let said = it.said();
        let row = said.iter().find(|line| line["kind"] == "audit" && line["pid"] == 12).unwrap();
        (row["verdict"].as_str().unwrap().to_owned(), row["reason"].as_str().unwrap().to_owned())
    };
    let unknown = ("unknown".to_owned(), "who has the other end of fd 1 was not seen".to_owned());
    assert_eq!(verdict(&format!("{before}{holds}")), unknown);
    assert_eq!(verdict(&format!("{before}{look}{holds}")).0, "detached", "it made the pipe itself");
}

#[test]
fn a_job_that_begins_a_session_is_no_job_any_more() {
    let job = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 10 bash {pg=10 sid=10 +leader tty=pts/0 fg=10}
        snapshot 12 server {pp=1 pg=12 sid=10 tty=pts/0 fg=10}
        snapshot-end
        inspected 12 asked fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/server
    ";
    let mut it = Watching::new(Format::Json);
    it.happens(job);
    assert_eq!(it.rows(), [row(12, "attached", &["JC501"])]);
    it.happens("12: fork 13\n13: setsid() = 13 {tty=-}\n12: exit 0\n12: dead\n13: takes SIGWINCH 0 handler\n");
    it.happens("inspected 13 asked fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/server\n");
    let rows = it.rows();
    assert!(rows.iter().all(|row| !row.2.contains(&"JC501".to_owned())), "{rows:?}");
}

#[test]
fn a_terminal_is_that_of_everybody_in_the_session() {
    let mut it = Watching::new(Format::Json);
    it.happens(&format!("{DAEMON}12: fork 13\n{CLEAN}"));
    it.happens("inspected 13 settled fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/logger\n");
    assert_eq!(it.rows().len(), 2);
    it.happens("12: open() = 3 {tty=pts/7 fg=12 ttysid=12}\n");
    let mut wanted = it.wanted();
    wanted.sort_unstable();
    assert_eq!(wanted, [12, 13]);
}

#[test]
fn a_gap_is_told_when_it_happens() {
    let mut it = Watching::new(Format::Json);
    it.happens(&format!("{DAEMON}gap 3 sequence 5 6\n"));
    it.watch.begin(it.pipeline.model()).unwrap();
    let said = it.said();
    assert_eq!(
        (&said[0]["kind"], &said[1]["lost"]),
        (&"watching".into(), &3.into()),
        "what was lost before it watched is told then"
    );
    it.happens("gap 7 sequence 10 20\n");
    let said = it.said();
    let gap = said.iter().find(|line| line["kind"] == "gap").unwrap();
    assert_eq!(gap["lost"], 7);
    let mut text = Watching::new(Format::Text);
    text.watch.begin(text.pipeline.model()).unwrap();
    text.happens(&format!("{DAEMON}gap 7 sequence 10 20\n"));
    let shape = |line: &str| -> String {
        let chunks = line.trim().as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
        chunks
            .map(|chunk| if chunk[0].is_ascii_digit() { "0".into() } else { String::from_utf8_lossy(chunk) })
            .collect()
    };
    let said = String::from_utf8(text.page.0.take()).unwrap();
    let docs = include_str!("../../../../docs/AUDIT.md");
    let line = said.lines().find(|line| line.contains("lost")).unwrap();
    assert!(docs.lines().any(|shown| shape(shown) == shape(line)), "docs/AUDIT.md shows nothing like {line}");
    let mut document = Watching::new(Format::Junit);
    document.watch.begin(document.pipeline.model()).unwrap();
    document.happens(&format!("{DAEMON}gap 7 sequence 10 20\n"));
    assert_eq!((document.watch.take_lost(), document.watch.take_lost()), (7, 0));
}

#[test]
fn what_was_accepted_does_not_count_beside_what_is_new() {
    let holds = CLEAN.replace("fds=", "fd=0:136,0,7:9:3:rw:/dev/pts/0");
    let mut it = Watching::new(Format::Json);
    it.happens(&format!("{DAEMON}{holds}"));
    assert_eq!(it.rows(), [row(12, "partial", &["JC502", "JC504"])]);
    assert_eq!(it.watch.watched().outcome.worst, Some(Severity::Warning));
    // Whoever begins with that has it accepted.
    let mut again = Watching::new(Format::Json);
    it.watch.with_known(|known| again.watch.edited(&Known::default(), known));
    again.happens(&format!("{DAEMON}{}", holds.replace("marks=", "marks=TERM")));
    assert_eq!(again.rows(), [row(12, "partial", &["JC502", "JC504", "JC506"])]);
    assert_eq!(again.watch.watched().outcome.worst, Some(Severity::Info));
}

#[test]
fn every_format_has_whoever_was_judged_and_what_is_missing() {
    let unread = "inspected 12 settled fds=!13 umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/logger\n";
    for (format, verdict, missing) in [
        (
            Format::Junit,
            "<error type=\"unknown\"",
            "<error type=\"incomplete\" message=\"3 processes were left unjudged",
        ),
        (Format::Sarif, "\"kind\": \"open\"", "3 processes were left unjudged at the end"),
        (Format::Markdown, "| unknown | 12 |", "3 processes were left unjudged at the end"),
        (Format::Text, "unknown   12 logger", "3 left unjudged"),
        (Format::Json, "\"verdict\":\"unknown\"", "\"unjudged\":3"),
    ] {
        let mut it = Watching::new(format);
        it.happens(&format!("{DAEMON}{unread}"));
        it.watch.tell(it.pipeline.model(), BootNs(2_000_000_000)).unwrap();
        it.watch.left_unjudged(3);
        it.pipeline.end(true).unwrap();
        let text = String::from_utf8(it.page.0.take()).unwrap();
        assert!(text.contains(verdict) && text.contains(missing), "{text}");
    }
}

#[test]
fn of_one_rule_the_worst_is_told() {
    let [mut findings, said] = [Vec::new(), {
        let mut it = Watching::new(Format::Json);
        it.happens(&format!("{DAEMON}{}", CLEAN.replace("fds=", "fd=0:136,0,7:9:3:rw:/dev/pts/0")));
        it.rows();
        it.watch.findings(Pid(12))
    }];
    let warning = said.iter().find(|it| it.rule.id == "JC504").unwrap();
    let info = tracer_model::findings::Finding { severity: Severity::Info, ..warning.clone() };
    for finding in [&info, warning, &info] {
        super::book::take(&mut findings, finding);
    }
    assert_eq!(findings.iter().map(|it| it.severity).collect::<Vec<_>>(), [Severity::Warning]);
}

/// Daemons that settle, are judged, end and are reaped, each with a name of its own, and then as many again with the same names:
/// no more is remembered than after half of them.
#[test]
fn what_is_remembered_is_of_who_lives_and_not_of_who_has_lived() {
    const HALF: usize = 1500;
    let letters = |number: usize| -> String {
        (0..4).map(|place| char::from(b'a' + (number / 26_usize.pow(place) % 26) as u8)).collect()
    };
    let daemon = |number: usize| {
        let (first, second) = (100 + 2 * (number % 900), 101 + 2 * (number % 900));
        format!(
            "10: fork {first}\n{first}: exec {}\n{first}: fork {second}\n{second}: setsid() = {second} {{tty=-}}
            {first}: exit 0\n{first}: dead\n10: wait4(-1,0) = {first} got {first} exited:0
            inspected {second} settled fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/x
            {second}: exit 0\n{second}: dead\n1: wait4(-1,0) = {second} got {second} exited:0\n",
            letters(number % HALF)
        )
    };
    let there = "snapshot 1 init {+init_parent pp=0}\nsnapshot 10 bash {pp=1 pg=10 sid=10 +leader}\nsnapshot-end\n";
    let text: String = [there.to_owned()].into_iter().chain((0..2 * HALF).map(daemon)).collect();
    let (mut it, mut judged, mut entries) = (Watching::new(Format::Json), 0, Vec::new());
    for event in dsl::parse(&text).unwrap_or_else(|error| panic!("{error}")) {
        let inspected = matches!(event.kind, EventKind::Inspected(_));
        it.pipeline.event(&event).unwrap();
        it.pipeline.advance(event.at);
        if inspected {
            it.watch.tell(it.pipeline.model(), event.at).unwrap();
            it.page.0.take();
            judged += 1;
            if judged % HALF == 0 {
                entries.push((it.watch.entries(), it.pipeline.model().processes().count()));
            }
        }
    }
    let watched = it.watch.watched();
    assert_eq!((watched.outcome.judged, watched.told), (2 * HALF, HALF as u64), "each was judged, and news once");
    assert_eq!(entries[0], entries[1], "entries of processes, of what is known, and processes of the model");
    assert_eq!(entries[0].0.1, HALF);
}
