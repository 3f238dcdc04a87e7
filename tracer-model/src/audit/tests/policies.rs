//! By what each policy is recognised, and by what it is not.

use crate::{
    audit::{Observed, POLICIES, Policy},
    ids::{Life, RawTty, TtyKey},
};

#[test]
fn every_policy_is_recognised_by_what_is_observed() {
    let plain = Observed { adopted: true, ..Observed::default() };
    let tty = TtyKey { tty: RawTty { major: 4, minor: 1, instance: 0 }, life: Life(0) };
    let service = Observed { cgroup: b"/system.slice/x.service", ..plain.clone() };
    let cases = [
        ("container-terminal", Observed { first_in_namespace: true, ..on_terminal(tty) }),
        ("container-terminal", Observed { put_in_namespace: true, ..on_terminal(tty) }),
        ("container-init", Observed { first_in_namespace: true, ..plain.clone() }),
        ("display-server", Observed { name: b"Xorg", on_console: true, ..service.clone() }),
        ("multiplexer", Observed { name: b"tmux: server", ..plain.clone() }),
        ("login", Observed { name: b"agetty", tty: Some(tty), ..service.clone() }),
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
        ("systemd-notify", Observed { marks: vec![b"NOTIFY_SOCKET"], ..service.clone() }),
        ("systemd-simple", Observed { output_is_socket: true, ..service.clone() }),
        ("systemd-forking", service.clone()),
        ("ssh-leftover", Observed { marks: vec![b"SSH_TTY"], ..plain.clone() }),
        ("shell-job", Observed { adopted: false, tty: Some(tty), ..plain.clone() }),
        ("shell-job", Observed { ignores_hangup: true, tty: Some(tty), ..plain.clone() }),
        ("sysv", plain.clone()),
    ];
    for (name, observed) in &cases {
        assert_eq!(Policy::recognise(observed).name, *name);
    }
    let missing = POLICIES.iter().filter(|policy| cases.iter().all(|case| case.0 != policy.name));
    assert_eq!(missing.count(), 0);
}

/// Of a session that began with this terminal.
fn on_terminal(tty: TtyKey) -> Observed<'static> {
    Observed { adopted: true, leads_session: true, tty: Some(tty), input: Some(tty.tty), ..Observed::default() }
}

/// A terminal is a container's own only if it leads the session and reads there, and a display server's only if it is a console.
#[test]
fn a_terminal_that_came_by_itself_is_no_policy() {
    let pts = TtyKey { tty: RawTty { major: 136, minor: 1, instance: 7 }, life: Life(0) };
    let policy =
        |observed: &Observed<'_>| (Policy::recognise(observed).name, Policy::recognise(observed).has_terminal());
    let container = Observed { first_in_namespace: true, ..on_terminal(pts) };
    let known_to_proc = RawTty { instance: 0, ..pts.tty };
    assert_eq!(policy(&Observed { input: Some(known_to_proc), ..container.clone() }), ("container-terminal", true));
    for careless in [
        Observed { leads_session: false, ..container.clone() },
        Observed { input: None, ..container.clone() },
        Observed { input: Some(RawTty { minor: 2, ..pts.tty }), ..container },
    ] {
        assert_eq!(policy(&careless), ("container-init", false));
    }
    assert_eq!(policy(&on_terminal(pts)), ("sysv", false));
    assert_eq!(policy(&Observed { name: b"Xorg", ..on_terminal(pts) }), ("sysv", false));
    assert_eq!(policy(&Observed { name: b"server", on_console: true, ..on_terminal(pts) }), ("sysv", false));
}

#[test]
fn a_service_is_not_blamed_for_not_forking_twice() {
    for name in ["systemd-simple", "systemd-notify", "systemd-forking", "user-service", "supervised", "container-init"]
    {
        let policy = Policy::find(name).unwrap();
        assert!(!policy.applies("JC502") && !policy.applies("JC501"), "{name}");
    }
}

/// A daemon of a service's program that was started at a terminal has the mark of that service; who is in a scope, too.
#[test]
fn an_inherited_mark_makes_no_service_where_the_cgroup_says_otherwise() {
    let marked = |cgroup| Observed { adopted: true, marks: vec![b"INVOCATION_ID"], cgroup, ..Observed::default() };
    for (cgroup, policy) in [
        (&b""[..], "systemd-forking"),
        (b"/", "sysv"),
        (b"/user.slice/user-9.slice/session-2.scope", "sysv"),
        (b"/user.slice/user-9.slice/user@9.service/app.slice/app-term-7.scope", "sysv"),
        (b"/system.slice/x.service", "systemd-forking"),
        (b"/system.slice/docker.service/deeper", "systemd-forking"),
    ] {
        let name = Policy::recognise(&marked(cgroup)).name;
        assert_eq!(name, policy, "{}", String::from_utf8_lossy(cgroup));
    }
}

/// The names by which a policy is known, each as it is said in docs/AUDIT.md.
#[test]
fn whom_the_documentation_names_is_known_by_that() {
    let tty = Some(TtyKey { tty: RawTty { major: 4, minor: 1, instance: 0 }, life: Life(0) });
    let name = |observed: Observed<'_>| Policy::recognise(&observed).name;
    for own in ["tmux: server", "SCREEN", "screen", "zellij", "dtach", "abduco"] {
        assert_eq!(name(Observed { name: own.as_bytes(), ..Observed::default() }), "multiplexer", "{own}");
    }
    for own in ["Xorg", "sway", "weston", "gnome-shell", "plymouthd", "seatd", "systemd-logind"] {
        let drawing = Observed { name: own.as_bytes(), on_console: true, ..Observed::default() };
        assert_eq!(name(drawing), "display-server", "{own}");
    }
    for own in ["getty", "agetty", "mgetty", "mingetty", "login"] {
        assert_eq!(name(Observed { name: own.as_bytes(), tty, ..Observed::default() }), "login", "{own}");
    }
    for parent in ["supervisord", "s6-supervise", "runsv", "tini"] {
        let child = Observed { above: vec![parent.as_bytes()], ..Observed::default() };
        assert_eq!(name(child.clone()), "supervised", "{parent}");
        assert_eq!(name(Observed { adopted: true, ..child }), "sysv", "{parent}");
    }
    for above in ["cron", "crond", "atd"] {
        let job = Observed { above: vec![b"sh", above.as_bytes()], ..Observed::default() };
        assert_eq!(name(job.clone()), "scheduled", "{above}");
        assert_eq!(name(Observed { name: above.as_bytes(), ..job }), "sysv", "{above} itself");
    }
}
