//! A report of more lines than are kept says what one says that keeps them all.

use super::{super::Timeline, *};
use crate::sink::Sink;

/// A shell that runs so many jobs, one after the other, each in a group of its own.
fn jobs(count: u32) -> String {
    let job = |n: u32| {
        let (pid, at) = (100 + n, u64::from(n + 1) * 100_000_000);
        format!(
            "
            @{at} 10: fork {pid}
            10: setpgid({pid},{pid}) = 0
            {pid}: setpgid({pid},{pid}) = 0
            {pid}: exec cat
            {pid}: exit 0
            {pid}: dead
            10: wait4(-1,2) = {pid} got {pid} exited:0
            "
        )
    };
    std::iter::once(SHELL.to_owned()).chain((0..count).map(job)).collect()
}

/// The report of a history, of which so many lines are kept.
fn report(history: &str, most: usize) -> String {
    let page = Page::default();
    let mut sink = Timeline::keeping(most, Box::new(page.clone()), Style::PLAIN);
    let (header, mut model, mut summary) = (header(), Model::new(), Summary { complete: true, ..Summary::default() });
    model.follow(Pid(10));
    sink.begin(&header).expect("a page");
    for event in dsl::parse(history).expect("a history") {
        let delta = model.apply(&event);
        summary.count(&event);
        sink.event(&event, &delta, &model).expect("a page");
    }
    sink.end(&model, &summary).expect("a page");
    String::from_utf8(page.0.take()).expect("UTF-8")
}

/// What happened, line by line, however it is laid out.
fn rows(report: &str) -> Vec<String> {
    let rows = report.lines().skip_while(|line| !line.contains("what happened")).skip(1);
    let text = |line: &str| {
        let words = line.split([' ', '├', '│', '└', '┌']).filter(|word| !word.is_empty() && *word != "10");
        words.collect::<Vec<_>>().join(" ")
    };
    rows.take_while(|line| !line.is_empty()).map(text).collect()
}

#[test]
fn lines_beyond_those_that_are_kept_are_written_at_once() {
    let history = jobs(40);
    let (whole, part) = (report(&history, 100_000), report(&history, 7));
    assert!(rows(&whole).len() > 100, "{whole}");
    assert_eq!(rows(&part), rows(&whole));
    let last = |report: &str| report.lines().last().map(str::to_owned);
    assert_eq!(last(&part), last(&whole));
    let races = |report: &str| report.lines().find(|line| line.starts_with("races")).map(str::to_owned);
    assert_eq!(races(&part), races(&whole));
    assert!(races(&whole).is_some_and(|races| races.contains("40 times")), "{whole}");
    // Groups that ended long ago are in the lines; the list has the others.
    let listed = |report: &str| {
        let list = report.lines().skip_while(|line| !line.starts_with("groups"));
        list.take_while(|line| !line.starts_with("sessions")).count()
    };
    assert!(listed(&whole) > 40 && listed(&part) < 8, "{part}");
    assert!(part.contains(" that ended are told above alone"), "{part}");
}

#[test]
fn what_is_kept_of_a_long_history_does_not_grow() {
    let mut story = crate::sink::story::Story::new(&header(), Style::PLAIN, true);
    let (mut model, mut most) = (Model::new(), 0);
    model.follow(Pid(10));
    for event in dsl::parse(&jobs(200)).expect("a history") {
        let delta = model.apply(&event);
        story.tell(&event, &delta, &model);
        let _ = story.surplus(20);
        most = most.max(story.kept());
    }
    assert!(most <= 20 + 30, "{most} lines, groups and sessions are kept");
}
