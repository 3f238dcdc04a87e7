//! Everything that a command can find out about itself, untraced and in both placements. In place, nothing may differ; with
//! the wrapper, exactly the rows of the table in `docs/PLACEMENT.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use nix::sys::resource::{Resource, setrlimit};

use crate::{
    double::{Mode, PLACEMENTS, with_ptrace},
    proc::Stat,
    pty::Terminal,
    run::{Setup, inherit_as, pipe, script},
};

/// Name and value of what can be found out. Numbers of processes are replaced by what the processes are.
type Facts = BTreeMap<String, String>;

/// Names of the facts that differ.
fn differing(one: &Facts, other: &Facts) -> BTreeSet<String> {
    one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

/// The rows of the table in the manual.
fn written_list() -> BTreeSet<String> {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PLACEMENT.md")).unwrap();
    let table = manual.lines().skip_while(|line| !line.starts_with("| difference |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

fn assert_no_difference(mode: Mode, facts: &Facts, untraced: &Facts) {
    let explained: Vec<_> = differing(facts, untraced)
        .into_iter()
        .map(|name| format!("{name}: untraced {:?}, {mode:?} {:?}", untraced.get(&name), facts.get(&name)))
        .collect();
    assert!(explained.is_empty(), "{}", explained.join("\n"));
}

const PS: &[&str] = &["ps", "-o", "pid=,ppid=,pgid=,tpgid=,sess=,stat=,args="];

/// What ps, as the command, prints about itself. `starter` started the job.
fn ps_facts(listing: &str, starter: u32) -> Facts {
    let rows: Vec<Vec<&str>> = listing
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row.len() >= 7 && row[..5].iter().all(|number| number.parse::<i32>().is_ok()))
        .collect();
    let starter = starter.to_string();
    let started = rows.iter().find(|row| row[1] == starter).expect("the job")[0];
    let command = rows.iter().find(|row| row[6..] == *PS).expect("ps itself");
    let role = |number: &str| match number {
        _ if number == started => "the process that was started".to_owned(),
        _ if number == starter => "its starter".to_owned(),
        _ if number == command[0] => "another process".to_owned(),
        _ => format!("unexpected {number}"),
    };
    let members = rows.iter().filter(|row| row[2] == command[2]).map(|row| role(row[0])).collect::<Vec<_>>();
    [
        ("pid", role(command[0])),
        ("ppid", role(command[1])),
        ("pgid", role(command[2])),
        ("tpgid", role(command[3])),
        ("sess", role(command[4])),
        ("stat", command[5].to_owned()),
        ("args", command[6..].join(" ")),
        ("leads its process group", (command[0] == command[2]).to_string()),
        ("leads its session", (command[0] == command[4]).to_string()),
        ("members of its process group", members.join(", ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn environment(start: &str) -> [(&str, &str); 5] {
    [("PATH", "/usr/bin:/bin"), ("TERM", "vt100"), ("LC_ALL", "C"), ("PS1", "outer>"), ("START", start)]
}

/// As a job of an interactive shell.
fn as_a_job(mode: Mode) -> Facts {
    let start = mode.words(&[], PS).join(" ");
    let mut terminal = Terminal::start(&["bash", "--norc", "--noprofile", "-i"], &environment(&start));
    terminal.expect_prompt("outer>");
    terminal.line("$START");
    terminal.expect_prompt("outer>");
    ps_facts(&terminal.screen(), terminal.child.id())
}

/// As the leader of a session, on a terminal.
fn as_a_session_leader(mode: Mode) -> Facts {
    let words = mode.words(&[], PS);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut terminal = Terminal::start(&words, &environment(""));
    terminal.wait();
    ps_facts(&terminal.screen(), std::process::id())
}

#[test]
fn ps_shows_the_written_list_of_differences() {
    let mut differences = BTreeSet::new();
    for facts in [as_a_job, as_a_session_leader] {
        let untraced = facts(Mode::Untraced);
        assert_no_difference(Mode::InPlace, &facts(Mode::InPlace), &untraced);
        differences.extend(differing(&facts(Mode::Wrapper), &untraced));
    }
    assert_eq!(differences, written_list());
}

/// What is inherited, in a fact for each line of several files, with the numbers of processes replaced. The command is cat
/// itself: a shell would change things.
const CAT: &[&str] = &[
    "cat",
    "/proc/self/status",
    "/proc/self/limits",
    "/proc/self/environ",
    "/proc/self/cgroup",
    "/proc/self/oom_score_adj",
    "/proc/self/timerslack_ns",
    "/proc/self/sched",
];

fn file_facts(run_setup: fn() -> Setup, mode: Mode) -> Facts {
    let mut facts = Facts::new();
    let mut collect = |name: &str, command: &[&str]| {
        let (_reader, writer) = pipe();
        let setup = run_setup().prepare(inherit_as(&writer, 9));
        let output = setup.path("out");
        let setup = setup.stdout(fs::File::create(&output).unwrap());
        let mut run = setup.start(mode, command);
        run.wait();
        let directory = run.directory.path().to_str().unwrap().to_owned();
        for line in run.text("out").replace(&directory, "DIRECTORY").lines() {
            let (key, value) = match (name, line.split_once(" -> ")) {
                // Pipes and processes have other numbers in every run.
                ("fd", Some((left, target))) => {
                    (left.rsplit(' ').next().unwrap(), target.replace(|c: char| c.is_ascii_digit(), ""))
                }
                _ => line.split_once([':', '=']).map_or((line, String::new()), |(key, value)| (key, value.to_owned())),
            };
            facts.insert(format!("{name} {}", key.trim()), value.trim().to_owned());
        }
    };
    collect("cat", CAT);
    // A shell that is told to ignore SIGCHLD does not wait for what it starts: one command each.
    collect("fd", &["ls", "-l", "--time-style=+", "/proc/self/fd"]);
    collect("nice", &["nice"]);
    collect("id", &["id"]);
    collect("sh", &script("umask; pwd; trap; ulimit -a"));
    facts.retain(|name, _| !is_volatile(name));
    facts
}

/// What differs from one untraced run to the next, or is looked at by other means.
fn is_volatile(name: &str) -> bool {
    const NAMES: [&str; 9] = ["Pid", "Tgid", "PPid", "Ngid", "NSpid", "NStgid", "NSpgid", "NSsid", "SigQ"];
    let Some(key) = name.strip_prefix("cat ") else { return false };
    NAMES.contains(&key)
        || key.starts_with("Vm")
        || key.starts_with("Rss")
        || key.ends_with("ctxt_switches")
        || key.starts_with("cat (")
        || ["se.", "nr_", "clock-delta", "mm->", "avg_", "total_", "numa", "current_node", "node", "ext."]
            .iter()
            .any(|start| key.starts_with(start))
}

fn set_mask(signals: &[i32]) -> io::Result<()> {
    let set: u64 = signals.iter().map(|signal| 1 << (signal - 1)).fold(0, |set, bit: u64| set | bit);
    // SAFETY: the kernel reads 8 bytes from `set`. The C library would leave its own signals out.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, std::ptr::null_mut::<u64>(), 8)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn ignore(signals: &[i32]) {
    for signal in signals {
        // SAFETY: SIG_IGN is no handler.
        unsafe { libc::signal(*signal, libc::SIG_IGN) };
    }
}

fn send_self(signals: &[i32]) {
    for signal in signals {
        // SAFETY: neither call has memory arguments.
        unsafe { libc::kill(libc::getpid(), *signal) };
    }
}

/// Many signals ignored, among them those that the wrapper needs; some blocked, some pending.
fn with_ignored_signals() -> Setup {
    Setup::new().prepare(|| {
        use libc::{
            SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2,
        };
        ignore(&[SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD, SIGCONT, SIGUSR2, 40]);
        set_mask(&[SIGUSR1, SIGTERM, SIGUSR2, SIGCHLD, SIGTSTP, 33, 36, 64])?;
        send_self(&[SIGUSR1, SIGUSR2, SIGCHLD, SIGTSTP, 36]);
        Ok(())
    })
}

/// Default dispositions, and pending signals that Rust's runtime or a careless restore would discard. Two of the standard
/// descriptors are closed.
fn with_closed_descriptors() -> Setup {
    Setup::new().prepare(|| {
        use libc::{SIGCHLD, SIGCONT, SIGPIPE, SIGURG, SIGWINCH};
        set_mask(&[SIGPIPE, SIGCHLD, SIGWINCH, SIGURG, SIGCONT])?;
        send_self(&[SIGPIPE, SIGCHLD, SIGWINCH, SIGURG]);
        setrlimit(Resource::RLIMIT_NOFILE, 100, 200)?;
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
        // SAFETY: none of these has memory arguments.
        unsafe {
            libc::nice(3);
            libc::prctl(libc::PR_SET_TIMERSLACK, 70_000);
            libc::close(0);
            libc::close(2);
        }
        Ok(())
    })
}

#[test]
fn what_is_inherited_does_not_differ_at_all() {
    for setup in [with_ignored_signals, with_closed_descriptors] {
        let untraced = file_facts(setup, Mode::Untraced);
        assert!(untraced.len() > 60, "{untraced:#?}");
        for mode in PLACEMENTS {
            assert_no_difference(mode, &file_facts(setup, mode), &untraced);
        }
    }
}

/// What the kernel shows of a tracer (`docs/TRANSPARENCY.md`), the last of it to ordinary users only.
const SHOWN_OF_A_TRACER: [&str; 4] = ["cat TracerPid", "cat Seccomp", "cat Seccomp_filters", "cat NoNewPrivs"];

#[test]
fn under_ptrace_what_is_inherited_differs_by_what_the_kernel_shows_of_a_tracer() {
    for setup in [with_ignored_signals, with_closed_descriptors] {
        let untraced = file_facts(setup, Mode::Untraced);
        for mode in with_ptrace() {
            let mut facts = file_facts(setup, mode);
            let differing = differing(&facts, &untraced);
            assert!(SHOWN_OF_A_TRACER[..3].iter().all(|name| differing.contains(*name)), "{mode:?}: {differing:?}");
            for name in SHOWN_OF_A_TRACER {
                facts.insert(name.to_owned(), untraced[name].clone());
            }
            assert_no_difference(mode, &facts, &untraced);
        }
    }
}

#[test]
fn the_facts_are_facts() {
    let facts = file_facts(with_closed_descriptors, Mode::InPlace);
    let pending = u64::from_str_radix(&facts["cat ShdPnd"], 16).unwrap();
    for signal in [libc::SIGPIPE, libc::SIGCHLD, libc::SIGWINCH, libc::SIGURG] {
        assert_ne!(pending & 1 << (signal - 1), 0, "{signal} is pending: {pending:x}");
    }
    // Of the standard signals: what starts the tests may ignore one of glibc's own (32), which nobody can reset.
    let ignored = u64::from_str_radix(&facts["cat SigIgn"], 16).unwrap();
    assert_eq!(ignored & 0x7fff_ffff, 0, "{ignored:x}");
    assert_eq!(facts["cat Umask"], "0027");
    assert_eq!(facts["fd 9"], "pipe:[]");
    assert_eq!(facts["fd 0"], "/proc//fd", "ls found 0 closed");
    assert!(!facts.contains_key("fd 2"), "{facts:#?}");
}

#[test]
fn in_place_there_are_no_children() {
    let mut run = Setup::new()
        .stdout(pipe().1)
        .start(Mode::InPlace, &script("cat /proc/$$/task/$$/children > children; cat /proc/$$/stat > stat"));
    run.wait();
    let (children, stat) = (run.text("children"), run.text("stat"));
    // The cat that reads it, and nobody else.
    assert_eq!(children.split_whitespace().count(), 1, "{children}");
    assert_eq!(Stat::parse(&stat).unwrap().pid, run.pid());
}
