//! Policies: what kind of long-lived process one is, and which rules apply to it, with the reason. One table; a kind is added
//! here.
//!
//! Must not: read anything; what is recognised is what was observed.

use crate::ids::{RawTty, TtyKey};

/// What a policy is recognised by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations")]
pub struct Observed<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Names of its parent and of what is above that, nearest first; empty from where they are not known.
    pub above: Vec<&'a [u8]>,
    /// Its cgroup.
    pub cgroup: &'a [u8],
    /// Names of variables in its environment that tell where it comes from.
    pub marks: Vec<&'a [u8]>,
    /// Its controlling terminal.
    pub tty: Option<TtyKey>,
    /// The terminal that its standard input is.
    pub input: Option<RawTty>,
    /// It has a virtual console open, and no other terminal.
    pub on_console: bool,
    /// It is the first process of a pid namespace.
    pub first_in_namespace: bool,
    /// It is in a pid namespace that its parent is not in: who runs the container started it there.
    pub put_in_namespace: bool,
    /// Whoever started it has ended, and it has been adopted.
    pub adopted: bool,
    /// It leads its session.
    pub leads_session: bool,
    /// It ignores SIGHUP.
    pub ignores_hangup: bool,
    /// Its standard output is a socket, as that of a service whose output goes to the journal.
    pub output_is_socket: bool,
}

/// A kind of long-lived process.
#[derive(Debug)]
pub struct Policy {
    /// Its name, for the policy file.
    pub name: &'static str,
    /// The rules that apply.
    pub rules: &'static [&'static str],
    /// Why these.
    pub why: &'static str,
    /// How it is recognised. The first row that is, counts.
    recognise: fn(&Observed<'_>) -> bool,
}

const EVERY: &[&str] = &["JC404", "JC501", "JC502", "JC503", "JC504", "JC505", "JC506", "JC507", "JC508"];

/// Who watches the process that it started and no other; names are cut after 15 bytes.
const SUPERVISORS: [&str; 13] = [
    "supervisord",
    "s6-supervise",
    "runsv",
    "supervise",
    "circusd",
    "perpd",
    "pm2",
    "tini",
    "dumb-init",
    "catatonit",
    "docker-init",
    "conmon",
    "pid1",
];
const MULTIPLEXERS: [&str; 6] = ["tmux: server", "screen", "SCREEN", "zellij", "dtach", "abduco"];
/// Who draws on virtual consoles, and who hands these out.
const DISPLAYS: [&str; 18] = [
    "Xorg",
    "X",
    "Xwayland",
    "weston",
    "sway",
    "labwc",
    "cage",
    "Hyprland",
    "kwin_wayland",
    "gnome-shell",
    "plymouthd",
    "kmscon",
    "seatd",
    "systemd-logind",
    "elogind",
    "lightdm",
    "greetd",
    "gdm-session-wor",
];
const GETTYS: [&str; 5] = ["getty", "agetty", "mgetty", "mingetty", "login"];
const SCHEDULERS: [&str; 5] = ["cron", "crond", "atd", "anacron", "fcron"];

/// Fits all.
const SYSV: Policy = Policy {
    name: "sysv",
    rules: EVERY,
    why: "nobody else sets it up: it has to take every step itself",
    recognise: |_| true,
};

/// Every policy. The last one fits all.
pub const POLICIES: &[Policy] = &[
    Policy {
        name: "container-terminal",
        rules: &["JC505"],
        why: "its container gave it a terminal of its own (run -t, exec -t): it leads the session there, and reads from it",
        recognise: |it| (it.first_in_namespace || it.put_in_namespace) && reads_its_terminal(it),
    },
    Policy {
        name: "container-init",
        rules: &["JC503"],
        why: "the first process of a container is started in a session of its own, and must stay in the foreground",
        recognise: |it| it.first_in_namespace,
    },
    Policy {
        name: "multiplexer",
        rules: &["JC501", "JC505"],
        why: "terminals are its business: it leads its session and opens them with O_NOCTTY",
        recognise: |it| MULTIPLEXERS.iter().any(|name| it.name.starts_with(name.as_bytes())),
    },
    Policy {
        name: "display-server",
        rules: &["JC404", "JC505"],
        why: "it draws on virtual consoles, or hands them out: these are its business",
        recognise: |it| it.on_console && is_one_of(it.name, &DISPLAYS),
    },
    Policy {
        name: "login",
        rules: &["JC505"],
        why: "it asks on a terminal who is there: that one is its own",
        recognise: |it| it.tty.is_some() && is_one_of(it.name, &GETTYS),
    },
    Policy {
        name: "supervised",
        rules: &["JC503", "JC508"],
        why: "its supervisor gave it its group, its pipes and its signals on purpose, and waits for it",
        recognise: |it| !it.adopted && it.above.first().is_some_and(|parent| is_supervisor(parent)),
    },
    Policy {
        name: "scheduled",
        rules: &["JC503", "JC504", "JC505"],
        why: "cron and at start jobs without a terminal, and wait for them and for what they write",
        recognise: |it| {
            let units = [&b"/cron.service"[..], b"/crond.service", b"/atd.service"];
            let below = || it.above.iter().any(|name| is_one_of(name, &SCHEDULERS));
            !is_one_of(it.name, &SCHEDULERS) && (below() || units.iter().any(|unit| contains(it.cgroup, unit)))
        },
    },
    Policy {
        name: "user-service",
        rules: &["JC503"],
        why: "the user's service manager started it, with everything reset",
        recognise: |it| contains(it.cgroup, b"/user@") && it.cgroup.ends_with(b".service") && has(it, b"INVOCATION_ID"),
    },
    Policy {
        name: "systemd-notify",
        rules: &["JC503"],
        why: "systemd waits for its word that it is ready: it must not fork away, and everything was reset for it",
        recognise: |it| is_service(it) && has(it, b"NOTIFY_SOCKET"),
    },
    Policy {
        name: "systemd-simple",
        rules: &["JC503"],
        why: "systemd started it in a session of its own with everything reset: it must not fork",
        recognise: |it| is_service(it) && (it.output_is_socket || !it.adopted),
    },
    Policy {
        name: "systemd-forking",
        rules: &["JC503", "JC504", "JC507"],
        why: "systemd started it in a session of its own with everything reset: one fork is enough, where it is to fork at all",
        recognise: is_service,
    },
    Policy {
        name: "ssh-leftover",
        rules: EVERY,
        why: "it was started in a login over ssh that is over, and can keep that from closing",
        recognise: |it| it.adopted && it.marks.iter().any(|mark| mark.starts_with(b"SSH_")),
    },
    Policy {
        name: "shell-job",
        rules: &["JC404", "JC501", "JC503", "JC504", "JC505", "JC506"],
        why: "it is a job of a session with a terminal, kept from its hangup at most: not a daemon, and told as one that could be",
        recognise: |it| it.tty.is_some() && (!it.adopted || it.ignores_hangup),
    },
    SYSV,
];

impl Policy {
    /// The policy of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        POLICIES.iter().find(|policy| policy.name == name)
    }

    /// The first that is recognised.
    #[must_use]
    pub fn recognise(observed: &Observed<'_>) -> &'static Self {
        POLICIES.iter().find(|policy| (policy.recognise)(observed)).unwrap_or(&SYSV)
    }

    /// Whether who started a process of this policy goes on watching it, on purpose: it stands for itself, and may be in that
    /// one's session.
    #[must_use]
    pub fn is_watched(&self, observed: &Observed<'_>) -> bool {
        let by_scheduler = || observed.above.first().is_some_and(|parent| is_one_of(parent, &SCHEDULERS));
        match self.name {
            "supervised" | "container-init" | "container-terminal" => true,
            "scheduled" => by_scheduler(),
            _ => false,
        }
    }

    /// Whether one of this policy has a terminal on purpose.
    #[must_use]
    pub fn has_terminal(&self) -> bool {
        matches!(self.name, "container-terminal" | "display-server" | "multiplexer" | "login" | "shell-job")
    }

    /// Whether a rule applies.
    #[must_use]
    pub fn applies(&self, rule: &str) -> bool {
        self.rules.contains(&rule)
    }
}

/// Whether a process of this name watches the process that it started and no other.
#[must_use]
pub fn is_supervisor(name: &[u8]) -> bool {
    is_one_of(name, &SUPERVISORS)
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|one| one.as_bytes() == name)
}

/// It leads the session that its controlling terminal is of, and reads from that. Snapshots know no devpts instances.
fn reads_its_terminal(observed: &Observed<'_>) -> bool {
    let device = |tty: RawTty| (tty.major, tty.minor);
    observed.leads_session && observed.tty.is_some_and(|own| observed.input.map(device) == Some(device(own.tty)))
}

fn has(observed: &Observed<'_>, mark: &[u8]) -> bool {
    observed.marks.contains(&mark)
}

/// In the cgroup of a service of the system's manager. Its environment says that only where the cgroup does not deny it: whatever
/// a service starts inherits that.
fn is_service(observed: &Observed<'_>) -> bool {
    let units = observed.cgroup.split(|byte| *byte == b'/').rev();
    let mut units = units.filter(|part| part.ends_with(b".service") || part.ends_with(b".scope"));
    let in_service = units.next().is_some_and(|unit| unit.ends_with(b".service"));
    let by_mark = observed.adopted && has(observed, b"INVOCATION_ID") && observed.tty.is_none();
    in_service && contains(observed.cgroup, b"system.slice/") || by_mark && (in_service || observed.cgroup.is_empty())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
