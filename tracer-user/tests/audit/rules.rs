//! Each rule about daemons, of a real one that is audited from its start: where it finds something, with cause and fix, and where
//! one step makes the difference.

use std::{fs, os::unix::fs::symlink, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    actor::terminal,
    place::{Place, field, is_root, rows},
};

/// A daemon that takes the steps that it is told, in their order. `ended` waits for the end of its parent, and `ready` says to that
/// one that it may end. `unread` is before anybody has read the link of its descriptor 0, and `looked` when somebody has: that moves the time
/// of the last access (relatime, mount(8)), in this mount of /proc.
const DAEMON: &str = r#"
import os, signal, socket, sys, time
parent = os.getpid()
hears, says = os.pipe()
for word in sys.argv[1:]:
    step, _, value = word.partition("=")
    if step == "fork":
        parent = os.getpid()
        if os.fork():
            os.close(says)
            if value: os.read(hears, 1)
            os._exit(0)
    if step == "setsid": os.setsid()
    if step == "ready": os.write(says, b".")
    if step == "ended":
        while os.getppid() == parent: time.sleep(.001)
    if step == "unread":
        made = os.lstat("/proc/self/fd/0").st_mtime_ns
        while time.time_ns() - made < 20_000_000: pass
    if step == "looked":
        while os.lstat("/proc/self/fd/0").st_atime_ns <= made: time.sleep(.001)
    if step == "null":
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2): os.dup2(null, fd)
        os.closerange(8, 1024)
    if step == "input": os.dup2(os.open(value, os.O_RDWR | os.O_NOCTTY), 0)
    if step == "open": os.open(value, os.O_RDWR)
    if step == "open-noctty": os.open(value, os.O_RDWR | os.O_NOCTTY)
    if step == "close": os.closerange(3, 1024)
    if step == "root": os.chdir("/")
    if step == "umask": os.umask(0)
    if step == "dispositions": signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    if step == "mask": signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if step == "environment": os.execve("/bin/sleep", ["sleep", "60"], {})
    if step == "listen":
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0sesstrace-test-%d" % os.getpid())
        server.listen()
time.sleep(60)
"#;

/// A careless launcher, in a session that is one: its own directory, umask and descriptor, an ignored and a blocked signal, and a
/// variable that tells of a terminal.
const CARELESS: &str =
    r#"umask 027; trap "" USR2; cd "$0"; exec 7<"$0"; export TERM=dumb; exec env --block-signal=WINCH "$@""#;

/// A mount of /proc that nobody else looks at.
const OWN_PROC: [&str; 6] = ["unshare", "-m", "sh", "-c", "mount -t proc proc /proc && exec \"$@\"", "sh"];

/// What an audit finds of a daemon with these steps, started by a shell that is called `shell`.
fn found(place: &Place, shell: &str, steps: &str) -> Vec<Value> {
    let link = place.path(shell);
    let program = Command::new("sh").args(["-c", "command -v bash"]).output().unwrap();
    // It may be there from before.
    let _ = symlink(String::from_utf8(program.stdout).unwrap().trim(), &link);
    fs::write(place.path("daemon.py"), DAEMON).unwrap();
    // A supervisor lives, under its name, until who it started has settled; any other shell is the launcher.
    let (before, after) = if shell == "bash" { ("exec ", "") } else { ("", "; sleep 2; :") };
    let script = format!("{before}python3 {} {steps}{after}", place.path("daemon.py").display());
    let directory = place.path("").to_string_lossy().into_owned();
    let link = link.to_string_lossy().into_owned();
    let own_proc = if is_root() { &OWN_PROC[..] } else { &[] };
    let words = [own_proc, &["setsid", "-w", "sh", "-c", CARELESS, &directory]].concat();
    let output = place.audit(&words, &["--format", "json", "--", &link, "-c", &script]);
    for row in rows(&output) {
        let pid = row.get("pid").and_then(Value::as_i64).unwrap() as i32;
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let all: Vec<Value> = lines.collect();
    assert!(all.iter().any(|line| field(line, "kind") == "audit"), "{steps}: nobody was judged: {text}");
    all.into_iter().filter(|line| field(line, "kind") == "finding").collect()
}

/// The rule finds something after `fires`, with a fact that has `fact`, and nothing after `quiet`.
fn differs(rule: &str, fact: &str, (fires, quiet): (&str, &str)) {
    let place = Place::new();
    let fired = found(&place, "bash", fires);
    says(&fired, rule, fact);
    let other = found(&place, "bash", quiet);
    assert!(
        other.iter().all(|finding| field(finding, "rule") != rule || !field(finding, "fact").contains(fact)),
        "{other:?}"
    );
}

fn says(found: &[Value], rule: &str, fact: &str) {
    let finding =
        found.iter().find(|finding| field(finding, "rule") == rule).unwrap_or_else(|| panic!("{rule}: {found:?}"));
    assert!(field(finding, "fact").contains(fact), "{finding}");
    for part in ["cause", "fix"] {
        assert!(!field(finding, part).is_empty(), "{part}: {finding}");
    }
}

#[test]
fn jc501_stays_in_the_session() {
    differs("JC501", "was left running by", ("fork null", "fork setsid null"));
}

#[test]
fn jc502_leads_its_session() {
    differs("JC502", "leads its session", ("fork setsid null", "fork setsid fork null"));
}

#[test]
fn jc503_gets_a_terminal_back() {
    let (_master, name) = terminal();
    let [fires, quiet] = ["open", "open-noctty"].map(|how| format!("fork setsid null ended {how}={name}"));
    differs("JC503", "has a controlling terminal again", (&fires, &quiet));
}

#[test]
fn jc504_holds_a_terminal() {
    let (_master, name) = terminal();
    differs("JC504", "still holds fd 0", (&format!("fork setsid null input={name}"), "fork setsid null"));
}

#[test]
fn jc505_has_what_it_inherited() {
    differs("JC505", "fd 7 /", ("fork setsid null", "fork setsid null close"));
}

#[test]
fn jc506_is_where_and_as_it_was_started() {
    for (letter, step) in [
        ("(a)", "root"),
        ("(b)", "umask"),
        ("(c) SIGWINCH", "mask"),
        ("(d) SIGUSR2", "dispositions"),
        ("(e) TERM", "environment"),
    ] {
        differs("JC506", letter, ("fork setsid null", &format!("fork setsid null {step}")));
    }
}

#[test]
fn jc507_listens_when_its_launcher_has_returned() {
    let late = "fork=waits setsid null unread ready ended looked listen";
    differs("JC507", "before", (late, "fork=waits setsid null listen ready"));
}

#[test]
fn jc508_forks_away_from_a_supervisor() {
    let place = Place::new();
    says(&found(&place, "runsv", "fork setsid null"), "JC508", "forked away from");
    let other = found(&place, "minder", "fork setsid null");
    assert!(other.iter().all(|finding| field(finding, "rule") != "JC508"), "{other:?}");
}
