//! Verdicts, policies and paths.

use super::{Observed, POLICIES, Paths, Policy, Verdict, compare, judge};
use crate::{
    dsl::parse,
    event::{EventKind, Inspection},
    ids::{Pid, ProcKey, SessionKey},
    state::Model,
};

const SHELL: &str = "
    snapshot 1 init {pp=0 +leader}
    snapshot 10 bash {pp=1 +leader tty=pts/0 fg=10}
    snapshot-end
";

/// The verdict on a process at the end of a history, and the path that it took.
fn verdict(pid: u32, text: &str) -> (Verdict, String, String) {
    let (mut model, mut paths) = (Model::new(), Paths::default());
    let mut inspections: Vec<(ProcKey, Inspection)> = Vec::new();
    for event in parse(&format!("{SHELL}{text}")).unwrap() {
        let delta = model.apply(&event);
        paths.observe(event.at, &delta, &model);
        if let (EventKind::Inspected(inspection), Some(process)) = (&event.kind, delta.subject) {
            inspections.push((process, (**inspection).clone()));
        }
    }
    let key = model.process_by_pid(Pid(pid)).unwrap().key;
    let launched: Option<SessionKey> = model.process_by_pid(Pid(10)).and_then(|shell| shell.session);
    let inspection = inspections.iter().rev().find(|row| row.0 == key).map(|row| &row.1);
    let judgement = judge(&model, key, inspection, launched, false);
    let path: Vec<&str> = paths.of(key).iter().map(|step| step.kind.name()).collect();
    (judgement.verdict, judgement.reason, path.join(" "))
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
fn who_stays_in_the_session_is_attached() {
    let job = "10: fork 11\n11: setpgid(0,0) = 0\n11: exec vi\ninspected 11 asked fds=";
    is(&verdict(11, job), Verdict::Attached, "its controlling terminal is pts/0", "fork setpgid exec");
}

#[test]
fn every_policy_is_recognised_by_what_is_observed() {
    let plain = Observed { adopted: true, ..Observed::default() };
    let cases = [
        ("container-init", Observed { first_in_namespace: true, ..plain.clone() }),
        ("multiplexer", Observed { name: b"tmux: server", ..plain.clone() }),
        ("supervised", Observed { adopted: false, above: vec![b"supervisord"], ..plain.clone() }),
        ("scheduled", Observed { above: vec![b"sh", b"cron"], ..plain.clone() }),
        (
            "user-service",
            Observed {
                cgroup: b"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
                marks: vec![b"INVOCATION_ID"],
                ..plain.clone()
            },
        ),
        (
            "systemd-notify",
            Observed { cgroup: b"/system.slice/x.service", marks: vec![b"NOTIFY_SOCKET"], ..plain.clone() },
        ),
        ("systemd-simple", Observed { cgroup: b"/system.slice/x.service", output_is_socket: true, ..plain.clone() }),
        ("systemd-forking", Observed { cgroup: b"/system.slice/x.service", ..plain.clone() }),
        ("ssh-leftover", Observed { marks: vec![b"SSH_TTY"], ..plain.clone() }),
        ("sysv", plain.clone()),
    ];
    for (name, observed) in &cases {
        assert_eq!(Policy::recognise(observed).name, *name);
    }
    let missing =
        POLICIES.iter().filter(|policy| policy.name != "shell-job" && cases.iter().all(|case| case.0 != policy.name));
    assert_eq!(missing.count(), 0);
}

#[test]
fn a_service_is_not_blamed_for_not_forking_twice() {
    for name in ["systemd-simple", "systemd-notify", "user-service", "supervised", "container-init"] {
        let policy = Policy::find(name).unwrap();
        assert!(!policy.applies("JC502") && !policy.applies("JC501"), "{name}");
    }
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
}
