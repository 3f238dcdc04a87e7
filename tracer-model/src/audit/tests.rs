//! Verdicts, policies and paths.

use std::collections::BTreeMap;

use super::{Grounds, Looks, Observed, Paths, Policy, Verdict, compare, judge};
use crate::{
    delta::Change,
    dsl::parse,
    event::{EventKind, Inspection},
    ids::{Pid, ProcKey},
    state::Model,
};

mod policies;
mod steps;

const SHELL: &str = "
    snapshot 1 init {pp=0 +leader}
    snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
    snapshot-end
";

#[derive(Default)]
struct Seen(BTreeMap<ProcKey, Inspection>);

impl Looks for Seen {
    fn of(&self, process: ProcKey) -> Option<&Inspection> {
        self.0.get(&process)
    }

    fn looks(&self, _: ProcKey) -> bool {
        false
    }

    fn was_forked(&self, _: ProcKey) -> bool {
        false
    }

    fn shows_everybody(&self) -> bool {
        true
    }
}

/// The verdict on a process at the end of a history, and the path that it took. `launch`: that it was forked by the shell, or
/// below it, was seen; what the shell has open is as it was inspected, unless it was not.
fn judged(pid: u32, text: &str, launch: bool) -> (Verdict, String, String) {
    let (mut model, mut paths, mut seen) = (Model::new(), Paths::default(), Seen::default());
    let mut launched_by = BTreeMap::new();
    for event in parse(&format!("{SHELL}{text}")).unwrap() {
        let delta = model.apply(&event);
        paths.observe(&event, &delta, &model);
        for change in &delta.changes {
            if let Change::Forked { child, parent } = *change {
                launched_by.insert(child, parent);
            }
        }
        if let (EventKind::Inspected(inspection), Some(process)) = (&event.kind, delta.subject) {
            seen.0.insert(process, (**inspection).clone());
        }
    }
    let key = model.process_by_pid(Pid(pid)).unwrap().key;
    let shell = model.process_by_pid(Pid(10)).filter(|_| launch);
    let parents = std::iter::successors(launched_by.get(&key), |parent| launched_by.get(*parent));
    let launchers: Vec<ProcKey> = parents.copied().collect();
    let grounds = Grounds {
        own: seen.of(key),
        launched_in: shell.and_then(|shell| shell.session),
        launcher: shell.and_then(|shell| Some((shell.key, seen.of(shell.key)?))),
        launchers: &launchers,
        supervised: false,
        looks: &seen,
    };
    let judgement = judge(&model, key, &grounds);
    let path: Vec<&str> = paths.of(key).iter().map(|step| step.kind.name()).collect();
    (judgement.verdict, judgement.reason, path.join(" "))
}

fn verdict(pid: u32, text: &str) -> (Verdict, String, String) {
    judged(pid, text, true)
}

const DAEMON: &str = "
    10: fork 11
    11: exec redis
    11: fork 12
    12: setsid() = 12 {tty=-}
    12: fork 13
    12: exit 0
    12: dead
    11: exit 0
    11: dead
    13: takes SIGWINCH 0 handler
";

fn is(said: &(Verdict, String, String), verdict: Verdict, reason: &str, path: &str) {
    assert_eq!((said.0, said.1.as_str(), said.2.as_str()), (verdict, reason, path));
}

#[test]
fn a_daemon_is_detached_once_its_descriptors_were_seen() {
    let path = "fork exec fork setsid fork adopted";
    let seen = format!("{DAEMON}inspected 13 settled fd=0:null:6:4:rw:/dev/null");
    is(&verdict(13, &seen), Verdict::Detached, "no terminal, a session of its own", path);
    is(&verdict(13, DAEMON), Verdict::Unknown, "its descriptors were not looked at", path);
    let refused = format!("{DAEMON}inspected 13 settled fds=!13");
    is(&verdict(13, &refused), Verdict::Unknown, "its descriptors could not be read: needs CAP_SYS_PTRACE", path);
}

#[test]
fn a_terminal_in_any_descriptor_makes_it_partial() {
    let held = format!("{DAEMON}inspected 13 settled fd=0:null:6:4:rw:/dev/null fd=9:136,0,7:9:3:rw:/dev/pts/0");
    is(&verdict(13, &held), Verdict::Partial, "fd 9 is a terminal", "fork exec fork setsid fork adopted");
}

#[test]
fn more_descriptors_than_are_looked_at_are_not_clean() {
    let many = format!("{DAEMON}inspected 13 settled more=2000");
    assert_eq!(verdict(13, &many).0, Verdict::Unknown);
}

#[test]
fn a_pipe_of_the_launcher_under_any_number_makes_it_partial() {
    let shell = "inspected 10 asked fd=5:pipe:10:77:r:pipe:[77]\n";
    let holds = |fd: &str| format!("{shell}{DAEMON}inspected 13 settled fd=0:null:6:4:rw:/dev/null fd={fd}");
    let path = "fork exec fork setsid fork adopted";
    let reason = "fd 9 is a pipe of who started it";
    is(&verdict(13, &holds("9:pipe:10:77:w:pipe:[77]")), Verdict::Partial, reason, path);
    assert_eq!(verdict(13, &holds("9:pipe:10:78:w:pipe:[78]")).0, Verdict::Detached, "its launcher has none of it");
    // Whose parent waits for it talks to it.
    let child =
        format!("{shell}10: fork 11\n11: setsid() = 11 {{tty=-}}\ninspected 11 asked fd=1:pipe:10:77:w:pipe:[77]");
    assert_eq!(verdict(11, &child).0, Verdict::Detached);
    // What its launcher has was not seen whole.
    let half = holds("9:pipe:10:78:w:pipe:[78]").replace("r:pipe:[77]\n", "r:pipe:[77] unread=13\n");
    is(&verdict(13, &half), Verdict::Unknown, "who has the other end of fd 9 was not seen", path);
}

#[test]
fn what_could_not_be_looked_at_is_never_clean() {
    let path = "fork exec fork setsid fork adopted";
    let some = format!("{DAEMON}inspected 13 settled fd=0:null:6:4:rw:/dev/null unread=13");
    let reason = "some of its descriptors could not be looked at: needs CAP_SYS_PTRACE";
    is(&verdict(13, &some), Verdict::Unknown, reason, path);
    let busy = format!("{DAEMON}inspected 13 settled fds=!11 status=!11");
    let reason = "its descriptors could not be read: its threads came and went each time that it was looked at";
    is(&verdict(13, &busy), Verdict::Unknown, reason, path);
    // A terminal is told all the same.
    let held = format!("{DAEMON}inspected 13 settled fd=0:136,0,7:9:3:rw:/dev/pts/0 unread=13");
    assert_eq!(verdict(13, &held).0, Verdict::Partial);
}

#[test]
fn pipes_that_found_no_room_are_never_clean() {
    let path = "fork exec fork setsid fork adopted";
    let held = |open: &str, more: usize| verdict(13, &format!("{DAEMON}inspected 13 settled fds= {open} more={more}"));
    let null = "fd=0:null:6:4:rw:/dev/null";
    let own = "fd=6:pipe:10:77:r:pipe:[77] fd=7:pipe:10:77:w:pipe:[77]";
    // What is left out is others first.
    assert_eq!(held(&format!("{null} {own}"), 900).0, Verdict::Detached);
    is(&held(own, 3), Verdict::Unknown, "it has more than 64 pipes, and not all were kept", path);
    let many = "it has more than 1024 descriptors, and not all were looked at";
    is(&held(&format!("{null} {own}"), 961), Verdict::Unknown, many, path);
    // A launcher of which not every pipe is known may have this one.
    let launched = |more: usize| {
        let pipes = "fd=5:pipe:10:70:r:pipe:[70]";
        let own = "fd=0:null:6:4:rw:/dev/null fd=9:pipe:10:78:w:pipe:[78]";
        verdict(13, &format!("inspected 10 asked {pipes} more={more}\n{DAEMON}inspected 13 settled {own}"))
    };
    assert_ne!(launched(0).0, Verdict::Unknown);
    is(&launched(2), Verdict::Unknown, "who has the other end of fd 9 was not seen", path);
}

/// A machine: a service 40 with a worker 41, a login without a terminal 50 with a job 51.
const THERE: &str = "
    snapshot 40 nginx {pp=1 +leader}
    snapshot 41 nginx {pp=40 pg=40 sid=40}
    snapshot 45 sshd {pp=1 +leader}
    snapshot 50 bash {pp=45 +leader}
    snapshot 51 sleep {pp=1 pg=50 sid=50}
    snapshot-end
    inspected 1 asked fds=
    inspected 10 asked fds=
    inspected 41 asked fds=
    inspected 45 asked fds=
    inspected 50 asked fds=
    inspected 51 asked fds=
";

#[test]
fn whose_launch_was_not_seen_is_judged_only_by_what_cannot_depend_on_it() {
    let there = |pid: u32, more: &str| {
        let (verdict, reason, _) = judged(pid, &format!("{THERE}{more}"), false);
        (verdict, reason)
    };
    let detached = (Verdict::Detached, "no terminal, a session of its own".to_owned());
    assert_eq!(there(40, "inspected 40 asked fds="), detached);
    assert_eq!(there(41, ""), detached, "its session is that of a service that nobody waits for");
    let reason = "it is in session 50, which may be that of who started it: its launch was not seen".to_owned();
    assert_eq!(there(51, ""), (Verdict::Unknown, reason));
    // The leader that would have ended it has ended.
    assert_eq!(there(51, "50: exit 0\n50: dead"), detached);
}

/// `/proc` tells no subreaper: 60 is one, as the manager of a user is.
#[test]
fn whose_parent_is_that_of_the_leader_was_adopted_and_so_was_the_leader() {
    let there = |parent: u32| {
        let text = format!(
            "{THERE}snapshot 60 manager {{pp=1 +leader}}\nsnapshot 61 server {{pp=60 +leader}}
            snapshot 62 server {{pp={parent} pg=61 sid=61}}\ninspected 62 asked fds="
        );
        judged(62, &text, false).0
    };
    assert_eq!((there(60), there(61)), (Verdict::Detached, Verdict::Unknown));
}

#[test]
fn both_ends_of_a_pipe_can_be_its_launchers() {
    let both = "fd=8:pipe:10:77:r:pipe:[77] fd=9:pipe:10:77:w:pipe:[77]";
    let holds = |shell: &str| verdict(13, &format!("inspected 10 asked {shell}\n{DAEMON}inspected 13 settled {both}"));
    let path = "fork exec fork setsid fork adopted";
    is(&holds("fd=5:pipe:10:77:r:pipe:[77]"), Verdict::Partial, "fd 8 is a pipe of who started it", path);
    assert_eq!(holds("fd=5:pipe:10:78:r:pipe:[78]").0, Verdict::Detached, "it made it itself");
    let between = format!("{LOGIN}inspected 20 asked fd=9:pipe:10:77:r:pipe:[77]\ninspected 22 settled {both}");
    assert_eq!(judged(22, &between, true).0, Verdict::Partial);
}

#[test]
fn a_pipe_whose_maker_was_not_seen_is_explained_by_who_holds_its_other_end() {
    let with = |more: &str| {
        let text = format!("{THERE}inspected 40 asked fd=7:pipe:10:77:w:pipe:[77]\n{more}");
        let (verdict, reason, _) = judged(40, &text, false);
        (verdict, reason)
    };
    assert_eq!(with("").0, Verdict::Detached, "nobody else has it");
    assert_eq!(with("inspected 41 asked fd=3:pipe:10:77:r:pipe:[77]").0, Verdict::Detached, "its worker reads it");
    let stranger = with("inspected 50 asked fd=3:pipe:10:77:r:pipe:[77]");
    let reason = "fd 7 is a pipe of 50, too, and who made it was not seen".to_owned();
    assert_eq!(stranger, (Verdict::Unknown, reason));
    let hidden = with("inspected 50 asked fds=!13");
    assert_eq!(hidden, (Verdict::Unknown, "who has the other end of fd 7 was not seen".to_owned()));
    assert_eq!(with("inspected 40 asked fd=7:pipe:10:77:w:pipe:[77] fd=6:pipe:10:77:r:pipe:[77]").0, Verdict::Detached);
}

/// A login 20 over the network that was started below the shell, a job 22 of its shell 21, and what the job writes to.
const LOGIN: &str = "
    inspected 10 asked fds=
    10: fork 20
    20: setsid() = 20 {tty=-}
    20: fork 21
    21: setsid() = 21
    21: fork 22
    22: setsid() = 22
    21: exit 0
    21: dead
    22: takes SIGWINCH 0 handler {pp=1}
    inspected 22 settled fd=1:pipe:10:77:w:pipe:[77]
";

#[test]
fn a_pipe_of_somebody_between_is_of_who_started_it() {
    let with = |look: &str| {
        let (verdict, reason, _) = judged(22, &format!("{LOGIN}{look}"), true);
        (verdict, reason)
    };
    let partial = (Verdict::Partial, "fd 1 is a pipe of 20, which started it".to_owned());
    assert_eq!(with("inspected 20 asked fd=9:pipe:10:77:r:pipe:[77]"), partial);
    assert_eq!(with("inspected 20 asked fd=9:pipe:10:78:r:pipe:[78]").0, Verdict::Detached, "it made it itself");
    let over = "inspected 20 asked fd=9:pipe:10:77:r:pipe:[77]\n20: exit 0\n20: dead";
    assert_eq!(with(over).0, Verdict::Detached, "nobody waits any more");
}

#[test]
fn a_job_of_a_scheduler_stands_for_itself_and_the_scheduler_is_a_service() {
    let job = Observed { name: b"sh", above: vec![b"cron", b"cron"], ..Observed::default() };
    let below = Observed { name: b"sleep", above: vec![b"sh", b"cron", b"cron"], ..Observed::default() };
    let left =
        Observed { above: vec![b"systemd"], cgroup: b"/system.slice/cron.service", adopted: true, ..job.clone() };
    for (observed, watched) in [(&job, true), (&below, false), (&left, false)] {
        assert_eq!(
            (Policy::recognise(observed).name, Policy::recognise(observed).is_watched(observed)),
            ("scheduled", watched)
        );
    }
    let cron = Observed { name: b"cron", output_is_socket: true, ..left };
    assert_eq!(Policy::recognise(&cron).name, "systemd-simple");
}

#[test]
fn who_stays_in_the_session_is_attached() {
    let job = "10: fork 11\n11: setpgid(0,0) = 0\n11: exec vi\ninspected 11 asked fds=";
    is(&verdict(11, job), Verdict::Attached, "its controlling terminal is pts/0", "fork setpgid exec");
}

#[test]
fn what_no_event_shows_is_compared() {
    let text =
        "inspected 10 launch fd=0:136,0,7:9:3:rw:/dev/pts/0 fd=5:file:1:4:r+:/secret fd=7:file:1:5:r:/etc/hostname \
                umask=23 blocked=0x8000000 ignored=0x802 cwd=/tmp@1:2
                inspected 10 settled fd=0:null:6:4:rw:/dev/null fd=7:file:1:5:r:/etc/hostname fd=9:file:1:6:r:/own \
                umask=0 blocked=0x8000000 ignored=0x800 cwd=/@1:1";
    let events = parse(&format!("{SHELL}{text}")).unwrap();
    let mut inspections = events
        .iter()
        .filter_map(|event| if let EventKind::Inspected(inspection) = &event.kind { Some(inspection) } else { None });
    let (launcher, own) = (inspections.next().unwrap(), inspections.next().unwrap());
    let comparison = compare(own, launcher);
    let say = |thing: &super::Thing| {
        let [was, is] = [&thing.was, &thing.is].map(|text| String::from_utf8_lossy(text).into_owned());
        format!("{} {was}>{is}", thing.what)
    };
    let shares: Vec<String> = comparison.shares.iter().map(say).collect();
    assert_eq!(shares, ["fd 7 /etc/hostname>/etc/hostname", "SIGWINCH blocked>blocked", "SIGUSR2 ignored>ignored"]);
    let changed: Vec<String> = comparison.changed.iter().map(say).collect();
    let expected = ["fd 0 /dev/pts/0>/dev/null", "working directory /tmp>/", "umask 027>000", "SIGINT ignored>"];
    assert_eq!(changed, expected);
    let mut elsewhere = (**own).clone();
    if let Ok(directory) = &mut elsewhere.directory {
        directory.other_mount = true;
    }
    let mount = compare(&elsewhere, launcher).changed.into_iter().map(|thing| thing.what);
    assert!(mount.into_iter().any(|what| what == "working directory on another mount than /,"));
}
