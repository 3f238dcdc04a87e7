//! Steps on a path, and what was changed by them.

use std::collections::BTreeMap;

use super::SHELL;
use crate::{
    audit::{Paths, compare, date},
    delta::Bounds,
    dsl::parse,
    event::{Attribute, Disposition, EventKind, inspection::Target},
    ids::{Pid, Signal},
    state::Model,
};

/// A daemon that takes its steps one by one, between the look at its launcher and the one at itself.
const STEPS: &str = "
    inspected 10 asked fd=0:136,0,7:9:3:rw:/dev/pts/0 fd=7:file:8:4:r:/etc/hosts umask=18 ignored=0x800 cwd=/tmp@1:2
    10: fork 11
    11: setsid() = 11 {tty=-}
    11: chdir 2
    11: chdir root
    11: umask 18 63
    11: umask 63 0
    11: closes 0 0
    11: opens 0 null
    11: closes 3 4294967295
    11: sets SIGUSR2 default
";

#[test]
fn what_was_changed_has_the_time_of_the_last_step_that_did_it() {
    let (mut model, mut paths, mut looks) = (Model::new(), Paths::default(), Vec::new());
    let own = "inspected 11 asked fd=0:null:6:4:rw:/dev/null umask=0 cwd=/@1:1";
    let mut times = BTreeMap::new();
    for event in parse(&format!("{SHELL}{STEPS}{own}")).unwrap() {
        let delta = model.apply(&event);
        paths.observe(&event, &delta, &model);
        if let EventKind::Attribute(attribute) = &event.kind {
            times.insert(event.at, *attribute);
        } else if let EventKind::Inspected(inspection) = &event.kind {
            looks.push((event.at, inspection.clone()));
        }
    }
    let key = model.process_by_pid(Pid(11)).unwrap().key;
    let [(after, launcher), (until, own)] = &looks[..] else { panic!("{looks:?}") };
    let mut comparison = compare(own, launcher);
    comparison.between = Some(Bounds { after: *after, until: *until });
    date(&mut comparison, paths.of(key));
    let dated: Vec<(&str, Attribute)> =
        comparison.changed.iter().map(|it| (it.what.as_str(), times[&it.by.unwrap().0])).collect();
    let close = Attribute::Close { first: 3, last: u32::MAX };
    let expected = [
        ("fd 0", Attribute::Open { fd: 0, target: Target::Null }),
        ("fd 7", close),
        ("working directory", Attribute::Chdir { root: true, errno: 0 }),
        ("umask", Attribute::Umask { old: 63, new: 0 }),
        ("SIGUSR2", Attribute::Sigaction { signal: Signal(12), disposition: Disposition::Default }),
    ];
    assert_eq!(dated, expected);
    // A step from before the first look did not change what that saw.
    comparison.between = Some(Bounds { after: *until, until: *until });
    date(&mut comparison, paths.of(key));
    assert!(comparison.changed.iter().all(|it| it.by.is_none()));
}

#[test]
fn steps_of_attributes_do_not_push_out_those_of_job_control() {
    let masks = (0..200).map(|mask| format!("11: umask {mask} {}", mask + 1));
    let lines: Vec<String> =
        ["10: fork 11", "11: setsid() = 11 {tty=-}"].map(str::to_owned).into_iter().chain(masks).collect();
    let text = format!("{SHELL}{}", lines.join("\n"));
    let (mut model, mut paths) = (Model::new(), Paths::default());
    for event in parse(&text).unwrap() {
        let delta = model.apply(&event);
        paths.observe(&event, &delta, &model);
    }
    let steps = paths.of(model.process_by_pid(Pid(11)).unwrap().key);
    let names: Vec<&str> = steps.iter().map(|step| step.kind.name()).collect();
    assert_eq!((names.len(), &names[..2]), (26, &["fork", "setsid"][..]), "{names:?}");
    assert_eq!(steps.last().unwrap().kind.attribute(), Some(Attribute::Umask { old: 199, new: 200 }));
}
