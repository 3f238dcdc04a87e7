//! What decides beside events: what `/proc` does not show, whose session it is, what the policy says, and the last look.

use serde_json::Value;
use tracer_model::{
    audit::{Observed, Policy},
    dsl,
    findings::Severity,
    ids::BootNs,
};

use super::{DAEMON, Watching};
use crate::{
    pipeline::Pipeline,
    sink::{
        Style,
        audit::{Audit, Chosen, Whom, known::Known},
        findings::Format,
        tests::{Page, header},
    },
};

#[test]
fn who_is_there_and_not_shown_is_unknown() {
    let hidden = ["fds", "status", "cwd", "marks", "cgroup", "program"].map(|fact| format!("{fact}=!2")).join(" ");
    let mut it = Watching::new(Format::Json);
    it.happens(&format!("{DAEMON}inspected 12 settled {hidden}\n"));
    let said = it.said();
    let row = said.iter().find(|line| line["kind"] == "audit").unwrap();
    assert_eq!(row["verdict"], "unknown");
    assert!(row["reason"].as_str().unwrap().contains("/proc hides it (hidepid)"), "{row}");
    assert!(it.watch.watched().outcome.unknown);
}

/// `/proc` says of no process that it is a subreaper; 20 is one.
#[test]
fn who_is_in_another_session_than_its_parent_and_began_none_was_adopted() {
    let there = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 20 manager {pp=1 pg=20 sid=20 +leader}
        snapshot 30 server {pp=20 pg=25 sid=25}
        snapshot 31 worker {pp=30 pg=25 sid=25}
        snapshot-end
    ";
    let mut it = Watching::new(Format::Json);
    it.happens(there);
    for pid in [20, 30, 31] {
        it.happens(&format!("inspected {pid} asked fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/x\n"));
    }
    let judged: Vec<u64> = it.rows().iter().map(|row| row.0).collect();
    assert_eq!(judged, [20, 30], "a worker is its parent's");
}

/// A service that its supervisor has in its own session.
#[test]
fn the_session_of_a_supervisor_is_no_reason_where_the_policy_is_another() {
    let service = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 10 runsv {pp=1 pg=10 sid=10 +leader}
        snapshot-end
        10: fork 11
        11: exec server
        inspected 10 asked fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/runsv
        inspected 11 settled fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/server
    ";
    let with = |policy: Option<&'static str>, text: &str| {
        let mut it = Watching::with_policy(policy);
        it.happens(text);
        let said = it.said();
        let row = said.iter().find(|line| line["pid"] == 11 && line["kind"] == "audit").unwrap().clone();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        (text("verdict"), text("reason"))
    };
    let own = "no terminal, in the session of its supervisor 10".to_owned();
    assert_eq!(with(None, service), ("detached".to_owned(), own.clone()));
    let started = "it is still in session 10 of who started it".to_owned();
    assert_eq!(with(Some("sysv"), service), ("attached".to_owned(), started.clone()));
    // A supervisor that nobody knows by its name.
    let unknown = service.replace("runsv", "minder");
    assert_eq!(with(None, &unknown), ("attached".to_owned(), started));
    assert_eq!(with(Some("supervised"), &unknown), ("detached".to_owned(), own));
}

/// Nothing but information is found, and it is not detached.
#[test]
fn who_is_not_detached_counts_as_a_warning_where_the_policy_does_not_say_why() {
    let job = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 10 bash {pp=1 pg=10 sid=10 +leader}
        snapshot-end
        10: fork 11
        11: exec server
        inspected 11 settled fds= umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/server
    ";
    let with = |format: Format, policy: &'static str| {
        let mut it = Watching::following(format, Some(policy));
        it.happens(job);
        it.watch.tell(it.pipeline.model(), BootNs(2_000_000_000)).unwrap();
        it.pipeline.end(true).unwrap();
        (it.watch.watched().outcome.worst, String::from_utf8(it.page.0.take()).unwrap())
    };
    assert_eq!(with(Format::Json, "sysv").0, Some(Severity::Warning));
    assert!(with(Format::Json, "multiplexer").0 < Some(Severity::Warning));
    let (_, junit) = with(Format::Junit, "sysv");
    assert!(
        junit.contains("failures=\"1\"") && junit.contains("<failure type=\"warning\" message=\"attached"),
        "{junit}"
    );
    assert!(with(Format::Junit, "multiplexer").1.contains("failures=\"0\""));
    assert!(with(Format::Sarif, "sysv").1.contains("\"level\": \"warning\""));
    // Once accepted, it counts no more.
    let (mut first, mut again) = (Watching::new(Format::Json), Watching::new(Format::Json));
    first.happens(job);
    first.said();
    first.watch.with_known(|known| again.watch.edited(&Known::default(), known));
    again.happens(job);
    again.said();
    assert_eq!(
        (first.watch.watched().outcome.worst, again.watch.watched().outcome.worst),
        (Some(Severity::Warning), None)
    );
}

/// The look at who was left falls between the fork and the redirection of what it forked.
#[test]
fn who_has_opened_its_output_again_since_it_was_left_holds_no_pipe() {
    let left = "
        snapshot 1 init {+init_parent pp=0}
        snapshot 5 bash {pp=1 pg=5 sid=5 +leader}
        snapshot 10 sh {pp=5 pg=10 sid=5}
        snapshot-end
        inspected 10 launch fd=1:pipe:10:77:w:pipe:[77]
        10: exec make
        10: fork 11
        10: exit 0
        10: dead
        inspected 11 left fd=1:pipe:10:77:w:pipe:[77]
    ";
    let rules = |last: &str| {
        let choose =
            |observed: &Observed<'_>, _: &[u8]| Chosen { policy: Policy::recognise(observed), rules: None, line: None };
        let page = Page::default();
        let out = Box::new(page.clone());
        let (audit, _) = Audit::new(out, Style::PLAIN, Format::Json, Whom::Followed, Box::new(choose));
        let mut pipeline = Pipeline::begin(&header(), None, vec![Box::new(audit)]).unwrap();
        for event in dsl::parse(&format!("{left}{last}")).unwrap_or_else(|error| panic!("{error}")) {
            pipeline.event(&event).unwrap();
        }
        pipeline.end(true).unwrap();
        let text = String::from_utf8(page.0.take()).unwrap();
        let row = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = row.into_iter().find(|line| line["kind"] == "audit" && line["pid"] == 11).unwrap();
        row["rules"].as_array().unwrap().iter().any(|rule| rule == "JC404")
    };
    assert!(
        rules("") && rules("inspected 11 settled fd=1:pipe:10:77:w:pipe:[77]") && rules("inspected 11 settled fds=!13")
    );
    assert!(!rules("inspected 11 settled fd=1:file:1:4:w:/var/log/x"));
    assert!(!rules("inspected 11 settled fd=0:pipe:10:77:r:pipe:[77]"), "who reads it is waited for by nobody");
}

#[test]
fn who_is_not_shown_may_have_the_other_end_of_a_pipe() {
    let daemon = |end: &str| {
        let mut it = Watching::new(Format::Json);
        it.happens(&format!(
            "snapshot 1 init {{+init_parent pp=0}}\nsnapshot 12 server {{pp=1 pg=12 sid=12 +leader}}\n{end}\n
            inspected 1 asked fds=\n
            inspected 12 asked fd=7:pipe:10:77:w:pipe:[77] umask=18 cwd=/@1:1 marks= cgroup=/ program=/bin/server\n"
        ));
        it.rows().remove(0).1
    };
    assert_eq!(daemon("snapshot-end"), "detached", "everybody was looked at");
    assert_eq!(daemon("snapshot-end partial"), "unknown", "others may be hidden");
}
