//! How a command ends, what it leaves behind, what the end of the tracer does to it, and what the kernel shows it of a tracer.

use std::fs;

use nix::{
    sys::stat::Mode as FileMode,
    unistd::{Pid, geteuid, mkfifo},
};

use crate::{
    matrix::check,
    mode::Mode,
    observation::Observation,
    proc::lives,
    pty::eventually,
    session::{CTRL_C, CTRL_Z, INNER, OUTER, Session},
    stage::Stage,
};

/// What the manual calls them.
pub const ALL: [&str; 5] = ["any end", "a daemon", "a killed tracer", "any command", "an ordinary user"];

/// Tries what job control needs, when told to by a FIFO, and says how it went.
const DAEMON: &str = r#"use POSIX ();
pipe(my $heard, my $told);
if (($ARGV[0] // "") eq "leave" && fork) { close $told; <$heard>; exit 4; }
$| = 1;
print "ready\n";
close $told;
open my $fifo, "<", "$ENV{OUT}/fifo" or die;
my $word = <$fifo>;
open my $file, ">", "$ENV{OUT}/new" or die;
my $say = sub { print $file "$_[0]: ", $_[1] ? "ok" : $!{ENOSYS} ? "ENOSYS" : "$!", "\n" };
my $child = fork;
POSIX::_exit(7) if defined $child && $child == 0;
$say->("fork", $child);
my $waited = waitpid $child, 0;
$say->("wait", $waited == $child && $? == 7 << 8);
$child = fork;
if ($child == 0) {
    $say->("setsid", POSIX::setsid() == $$);
    $say->("setpgid of a leader fails", !POSIX::setpgid(0, 0) && $!{EPERM});
    $say->("kill", kill 0, getppid);
    exec "sh", "-c", "exit 0";
}
waitpid $child, 0;
$say->("prctl", syscall(157, 36, 1, 0, 0, 0) == 0);
close $file;
rename "$ENV{OUT}/new", "$ENV{OUT}/report" or die;
exit 5;"#;

/// Waits for an event while a signal comes that is ignored, and asks to be traced.
const IGNORED: &str = r#"my $events = "\0" x 64;
my $epoll = syscall(291, 0);
my $parent = $$;
my $child = fork // die;
if ($child == 0) { select undef, undef, undef, 0.1; kill "WINCH", $parent; exec "true"; }
my $result = syscall(232, $epoll, $events, 1, 300);
print "epoll_wait: ", $result == 0 ? "0" : $!{EINTR} ? "EINTR" : "$!", "\n";
wait;
print "PTRACE_TRACEME: ", syscall(101, 0, 0, 0, 0) == 0 ? "0" : $!{EPERM} ? "EPERM" : "$!", "\n";"#;

/// Stops a child, and shows it.
const STOPPED_CHILD: &str = "sleep 1h & runs 1 sleep; kill -STOP $!; stopped sleep; \
    grep State /proc/$!/status; cat /proc/$!/wchan; kill -KILL $!";

fn ends(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, Stage::new());
    session.topic("killed by each signal");
    // Those that stop are the next topic; bash says of each how it died, which is on the screen.
    let catchable = (1..=64).filter(|signal| !matches!(signal, 19..=22));
    let all: Vec<String> = catchable.map(|signal| signal.to_string()).collect();
    let (low, high) = all.split_at(28);
    for numbers in [low, high] {
        let line = format!(
            "for n in {}; do $T sh -c \"kill -$n \\$\\$\"; echo $n $?; done 2>&1 | tr -d '\\n'; echo",
            numbers.join(" ")
        );
        session.run(&line);
    }
    session.topic("stopped by each stop signal");
    for signal in ["STOP", "TSTP", "TTIN", "TTOU"] {
        session.run(&format!("$T sh -c 'kill -{signal} $$; exit 3'"));
        session.run("echo status $?; jobs");
        session.run("fg; echo status $?");
    }
    session.topic("signals from the shell");
    session.run("$T witness & filled witness");
    for signal in ["HUP", "INT", "USR1", "USR2", "TERM"] {
        session.run(&format!("kill -{signal} %1; until grep -q {signal} $OUT/witness; do :; done"));
    }
    session.run("kill -STOP %1; stopped witness; jobs");
    session.run("bg; until grep -q CONT $OUT/witness; do :; done; jobs");
    session.run("kill -PWR %1; wait %1; echo status $?");
    let got = session.stage.text("witness");
    session.note("witness", got);
    session.line("exit");
    session.ended()
}

#[test]
fn any_end() {
    check("any end", "perl", ends);
}

/// A stage with `daemon`, and the FIFO that it waits at.
fn stage_with_daemon() -> Stage {
    let stage = Stage::new();
    stage.tool("daemon", "/usr/bin/perl", &format!("use Errno;\n{DAEMON}"));
    mkfifo(&stage.out().join("fifo"), FileMode::S_IRWXU).unwrap();
    stage
}

/// Tells the daemon to go on, and notes what it reports.
fn go_on(session: &mut Session) {
    fs::write(session.stage.out().join("fifo"), "on\n").unwrap();
    let report = session.stage.expect("report", |text| !text.is_empty());
    for (call, result) in report.lines().filter_map(|line| line.split_once(": ")) {
        session.note(&format!("{call}: watched calls"), result);
    }
}

fn daemon(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, stage_with_daemon());
    session.topic("it works on after the command has ended");
    session.run("$T daemon leave; echo status $?");
    go_on(&mut session);
    session.line("exit");
    session.ended()
}

#[test]
fn a_daemon() {
    check("a daemon", "perl", daemon);
}

/// Kills the tracer of a process, and waits until the kernel has let go of it. Nothing when there is none.
fn kill_tracer(pid: i32) {
    let tracer = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap();
        line.trim().parse::<i32>().unwrap()
    };
    let killed = tracer();
    if killed != 0 {
        nix::sys::signal::kill(Pid::from_raw(killed), nix::sys::signal::SIGKILL).unwrap();
        eventually("the end of the tracer", || (tracer() == 0 && !lives(killed)).then_some(()));
    }
}

fn killed_tracer(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, stage_with_daemon());
    session.topic("the command goes on");
    session.line("$T daemon");
    session.terminal.expect_lines("ready", 1);
    let daemon = eventually("the daemon", || session.stage.process("daemon")).pid;
    kill_tracer(daemon);
    go_on(&mut session);
    session.prompt();
    session.run("echo status $?");
    session.topic("what was stopped stays so, and can be continued");
    session.begin("$T halted");
    let halted = session.witness("halted");
    session.press(CTRL_Z);
    kill_tracer(halted);
    session.run("jobs");
    session.note_state("halted", halted);
    session.run("bg; until grep -q CONT $OUT/halted; do :; done; jobs");
    session.run("kill -TERM %1; until grep -q TERM $OUT/halted; do :; done");
    session.run("kill -KILL %1; gone halted; jobs");
    session.line("exit");
    session.ended()
}

#[test]
fn a_killed_tracer() {
    check("a killed tracer", "perl", killed_tracer);
}

/// Notes the lines `name: value` of a file.
fn note_lines(session: &mut Session, file: &str) {
    for (name, value) in session.stage.text(file).lines().filter_map(|line| line.split_once(':')) {
        session.note(&format!("{file}: {name}"), value.trim());
    }
}

fn any_command(mode: Mode) -> Observation {
    let stage = Stage::new();
    stage.tool("ignores", "/usr/bin/perl", &format!("use Errno;\n{IGNORED}"));
    stage.tool("stops", "/bin/sh", STOPPED_CHILD);
    let mut session = Session::in_bash(mode, stage);
    session.topic("an ignored signal while it waits, a tracer of its own");
    session.run("$T ignores >$OUT/calls; echo status $?");
    note_lines(&mut session, "calls");
    session.topic("what /proc says of a stopped child");
    session.run("$T stops >$OUT/child; echo status $?");
    let child = session.stage.text("child");
    let (state, wchan) = child.trim().split_once('\n').unwrap();
    session.note("State", state);
    session.note("wchan", wchan);
    session.line("exit");
    session.ended()
}

#[test]
fn any() {
    check("any command", "perl", any_command);
}

fn ordinary_user(mode: Mode) -> Observation {
    let stage = Stage::new();
    stage.open_to_all();
    stage.tool("inner", "/bin/sh", &format!("PS1='{INNER}' exec dash -i"));
    let mut session = Session::in_bash(mode, stage);
    session.topic("privileges");
    let become_nobody = if geteuid().is_root() { "setpriv --reuid 65534 --regid 65534 --clear-groups" } else { "env" };
    session.run(&format!("U='{become_nobody}'"));
    session.run("$U $T cat /proc/self/status >$OUT/status");
    session.noted_status("status");
    session.run("$U $T sudo -n true 2>$OUT/sudo; echo status $?");
    let said = session.stage.text("sudo");
    session.note("setuid", said);
    session.topic("jobs");
    session.line("$U $T inner");
    session.prompts_with(INNER);
    session.prompt();
    session.begin("cat");
    session.through_cat("one");
    session.press(CTRL_Z);
    session.run("sleep 1h | sleep 2h & runs 2 sleep; jobs");
    session.list("ps");
    session.run("slay sleep; jobs");
    session.fg("cat");
    session.press(CTRL_C);
    session.run("echo status $?");
    session.line("exit 3");
    session.prompts_with(OUTER);
    session.prompt();
    session.run("echo status $?");
    session.line("exit");
    session.ended()
}

#[test]
fn an_ordinary_user() {
    check("an ordinary user", "sudo", ordinary_user);
}
