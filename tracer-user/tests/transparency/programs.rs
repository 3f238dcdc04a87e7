//! Programs that care about their terminal, their group or their session, each in a session of its own, as jobs of an
//! interactive bash.

use std::{fs, num::NonZero};

use nix::unistd::geteuid;

use crate::{
    matrix::check,
    mode::Mode,
    observation::Observation,
    proc::{Stat, lives},
    pty::eventually,
    session::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, INNER, OUTER, Session},
    stage::Stage,
};

/// What the manual calls them, in the order of the tests.
pub const ALL: [&str; 12] =
    ["less", "vi", "top", "ssh-agent bash", "script", "tmux", "make -j", "timeout", "setsid", "nohup", "sudo", "stty"];

fn echo_status(session: &mut Session) {
    session.line("echo status $?");
    session.back_in_bash();
}

/// The job stops, and is brought back.
fn stop_and_fg(session: &mut Session) {
    session.keys(CTRL_Z);
    session.back_in_bash();
    echo_status(session);
    session.line("fg");
}

fn size(rows: u16, columns: u16) -> (NonZero<u16>, NonZero<u16>) {
    (NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap())
}

fn less_session(mode: Mode) -> Observation {
    let stage = Stage::new();
    let numbers: Vec<String> = (1..=200).map(|number| format!("line {number}\n")).collect();
    fs::write(stage.home().join("numbers"), numbers.concat()).unwrap();
    let mut session = Session::in_bash_of_24_rows(mode, stage);
    session.topic("pages, Ctrl-Z, a command, another size");
    session.line("$T less numbers");
    session.shows("line 23");
    session.settled();
    session.snap("first page");
    session.keys(" ");
    session.shows("line 46");
    stop_and_fg(&mut session);
    session.shows("line 46");
    session.settled();
    session.snap("after fg");
    session.keys("!list ps\r");
    session.shows("press RETURN");
    session.noted_list("ps");
    session.keys("\r");
    session.keys("/line 150\r");
    session.shows("line 172");
    let (rows, columns) = size(30, 80);
    session.terminal.resize(rows, columns);
    session.shows("line 178");
    session.settled();
    session.snap("with 30 rows");
    // Ctrl-C interrupts what less does, not less.
    session.keys("F");
    session.shows("Waiting for data");
    session.keys(CTRL_C);
    session.shows("END");
    session.keys("q");
    session.back_in_bash();
    echo_status(&mut session);
    session.line("exit");
    session.ended()
}

#[test]
fn less() {
    check("less", "less", less_session);
}

fn vi_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash_of_24_rows(mode, Stage::new());
    session.topic("text, Ctrl-Z, a command, another size");
    session.line("$T vi -u NONE -i NONE -n text");
    session.shows("text");
    session.settled();
    session.keys("ione\rtwo\x1b");
    session.shows("two");
    session.settled();
    session.snap("text");
    stop_and_fg(&mut session);
    session.shows("two");
    session.settled();
    session.snap("after fg");
    session.keys(":!list ps\r");
    session.shows("Press ENTER");
    session.noted_list("ps");
    session.keys("\r");
    session.settled();
    let (rows, columns) = size(30, 100);
    session.terminal.resize(rows, columns);
    session.terminal.wait_until("30 rows of text", |screen| {
        screen.contents().lines().filter(|line| line.trim_end() == "~").count() == 27
    });
    session.settled();
    session.snap("with 30 rows");
    session.keys(":!sleep 1h\r");
    session.foreground("sleep");
    session.keys(CTRL_C);
    session.shows("Command terminated");
    session.settled();
    session.keys("\r");
    session.settled();
    session.keys(":wq\r");
    session.back_in_bash();
    echo_status(&mut session);
    session.line("cat text");
    session.back_in_bash();
    session.line("exit");
    session.ended()
}

#[test]
fn vi() {
    check("vi", "vi", vi_session);
}

/// What top shows is never the same twice; how it starts, stops and ends is.
fn top_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash_of_24_rows(mode, Stage::new());
    for (topic, key) in [("q", "q"), ("Ctrl-C", CTRL_C)] {
        session.topic(topic);
        session.line("$T top");
        session.shows("load average");
        session.settled();
        session.keys(CTRL_Z);
        session.back_in_bash();
        session.terminal.forget_screen();
        echo_status(&mut session);
        session.line("list ps");
        session.back_in_bash();
        session.noted_list("ps");
        session.line("jobs");
        session.back_in_bash();
        session.snap("stopped");
        session.line("fg");
        session.shows("load average");
        session.settled();
        session.keys(key);
        session.back_in_bash();
        session.terminal.forget_screen();
        echo_status(&mut session);
    }
    session.line("exit");
    session.ended()
}

#[test]
fn top() {
    check("top", "top", top_session);
}

/// An interactive bash with another prompt, for those that start a shell.
fn stage_with_bash() -> Stage {
    let stage = Stage::new();
    stage.tool("inner", "/bin/sh", &format!("PS1='{INNER}' exec bash --norc --noprofile -i"));
    stage
}

fn ssh_agent_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, stage_with_bash());
    session.topic("a shell and its agent");
    session.line("$T ssh-agent inner");
    session.prompts_with(INNER);
    session.prompt();
    session.run("ssh-add -l; echo status $?");
    session.list("ps");
    let agent = eventually("the agent", || session.stage.process("ssh-agent")).pid;
    let stat = Stat::of(agent).unwrap();
    session.note("the agent leads a session", (stat.sid == agent && stat.pgid == agent && stat.tty == 0).to_string());
    session.begin("sleep 1h");
    session.foreground("sleep");
    session.press(CTRL_Z);
    session.fg("sleep");
    session.press(CTRL_C);
    session.run("echo status $?");
    session.run("ssh-agent -k | sed s/[0-9]//g; echo status $?");
    eventually("the end of the agent", || (!lives(agent)).then_some(()));
    session.line("exit 3");
    session.prompts_with(OUTER);
    session.prompt();
    session.run("echo status $?");
    session.line("exit");
    session.ended()
}

#[test]
fn ssh_agent() {
    check("ssh-agent bash", "ssh-agent", ssh_agent_session);
}

fn script_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, stage_with_bash());
    session.topic("a shell on a terminal of its own");
    session.line("$T script -q -e -c inner $OUT/typescript");
    session.prompts_with(INNER);
    session.prompt();
    for (key, name) in [(CTRL_C, "interrupted"), (CTRL_BACKSLASH, "quit")] {
        session.cat("", name);
        session.press(key);
        session.run("echo status $?");
        session.terminal.forget_screen();
    }
    session.cat("", "stopped");
    session.press(CTRL_Z);
    session.run("jobs");
    session.run("kill -KILL %1; gone cat");
    session.line("exit 4");
    session.prompts_with(OUTER);
    session.prompt();
    session.run("echo status $?");
    session.line("exit");
    session.ended()
}

#[test]
fn script() {
    check("script", "script", script_session);
}

fn tmux_session(mode: Mode) -> Observation {
    let stage = stage_with_bash();
    stage.tool("t", "/bin/sh", "exec tmux -f conf -S \"$OUT/socket\" \"$@\"");
    fs::write(stage.home().join("conf"), "set -g status off\nset -g default-command inner\nset -g escape-time 0\n")
        .unwrap();
    let mut session = Session::in_bash_of_24_rows(mode, stage);
    session.topic("a session, and the server that stays");
    session.line("$T t new-session");
    session.shows(INNER);
    session.settled();
    session.cat("", "in tmux");
    session.prompts_with(INNER);
    session.press(CTRL_Z);
    session.prompts_with(OUTER);
    session.settled();
    session.snap("a job in tmux");
    session.keys("\x02d");
    session.shows("[detached");
    session.back_in_bash();
    session.terminal.forget_screen();
    echo_status(&mut session);
    let server = eventually("the server", || session.stage.process("tmux: server")).pid;
    let stat = Stat::of(server).unwrap();
    session
        .note("the server leads a session", (stat.sid == server && stat.pgid == server && stat.tty == 0).to_string());
    // What the run left behind forks, makes sessions, waits and signals as before.
    session.run("t new-window -d inner; until t capture-pane -p -t :1 | grep -q inner; do :; done");
    session.run("t send-keys -t :1 'setsid -w true | cat; echo left $?' Enter");
    session.run("until t capture-pane -p -t :1 | grep '^left'; do :; done");
    session.run("t send-keys -t :1 'exit' Enter; until [ $(t list-windows | wc -l) = 1 ]; do :; done");
    session.line("t attach");
    session.shows(INNER);
    session.settled();
    session.keys("kill -KILL %1; gone cat; exit\r");
    session.shows("[exited]");
    session.back_in_bash();
    session.terminal.forget_screen();
    echo_status(&mut session);
    eventually("the end of the server", || (!lives(server)).then_some(()));
    session.line("exit");
    session.ended()
}

#[test]
fn tmux() {
    check("tmux", "tmux", tmux_session);
}

const MAKEFILE: &str = "\
all: one two
one: base
\t@echo one
two: one
\t@sh -c 'kill -TERM $$$$'
base:
\t@sleep 0.05; echo base
long: sleeping also
sleeping also:
\t@echo $@ >> $$OUT/started; sleep 1h
seen:
\t@list ps
.PHONY: all one two base long sleeping also seen
";

fn make_session(mode: Mode) -> Observation {
    let stage = Stage::new();
    fs::write(stage.home().join("Makefile"), MAKEFILE).unwrap();
    let mut session = Session::in_bash(mode, stage);
    session.topic("jobs that fail, stop and are interrupted");
    session.run("$T make -j2 all; echo status $?");
    session.run("$T make -j2 seen; echo status $?");
    session.noted_list("ps");
    session.line("$T make -j2 long");
    session.stage.expect("started", |text| text.lines().count() == 2);
    session.terminal.expect_echo("$T make -j2 long");
    session.press(CTRL_Z);
    session.run("echo status $?; jobs");
    session.fg("sleep");
    // A make that gets the signal before it waits again may find its children gone: that race is its own.
    session.settled();
    session.press(CTRL_C);
    // Which of two jobs make names first is chance.
    session.terminal.forget_screen();
    session.run("echo status $?");
    session.line("exit");
    session.ended()
}

#[test]
fn make() {
    check("make -j", "make", make_session);
}

fn timeout_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, Stage::new());
    session.topic("in time, too late, killed");
    session.run("$T timeout 10 sh -c 'exit 3'; echo status $?");
    session.run("$T timeout 0.1 sleep 1h; echo status $?");
    session.run("$T timeout -s KILL 0.1 sleep 1h; echo status $?");
    session.run("$T timeout -k 0.1 0.1 sh -c \"trap '' TERM; while :; do sleep 0.01; done\"; echo status $?");
    session.run("$T timeout 10 sh -c 'kill -USR1 $$'; echo status $?");
    session.topic("the terminal");
    session.begin("$T timeout --foreground 1h cat");
    session.through_cat("one");
    session.press(CTRL_C);
    session.run("echo status $?");
    session.run("$T timeout 10 list ps; echo status $?");
    session.noted_list("ps");
    session.topic("the terminal, in a group of its own");
    session.line("$T timeout 1h sh -c 'echo now; exec cat'");
    session.terminal.expect_lines("now", 1);
    session.keys("one\r");
    let reads = |screen: &vt100::Screen| screen.contents().lines().filter(|line| line.trim_end() == "one").count() > 1;
    let stage = &session.stage;
    let stops = || stage.process("cat").is_some_and(|stat| "Tt".contains(stat.state));
    session.terminal.wait_until("cat to read or to stop", |screen| reads(screen) || stops());
    let outcome = if stops() { "stops" } else { "reads" };
    session.note("cat: timeout(1)", outcome);
    session.press(CTRL_C);
    session.run("echo status $?");
    session.terminal.forget_screen();
    session.line("exit");
    session.ended()
}

#[test]
fn timeout() {
    check("timeout", "timeout", timeout_session);
}

fn setsid_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, Stage::new());
    session.topic("sessions of their own");
    session.run("$T setsid -w sh -c 'exit 7'; echo status $?");
    session.run("$T setsid -f sh -c 'echo done > $OUT/forked'; echo status $?; filled forked");
    session.topic("whether it forks");
    session.run("$T setsid sh -c 'echo done > $OUT/maybe; exit 7'; echo $? > $OUT/status; filled maybe");
    let status = session.stage.text("status");
    session.note("status: setsid(1)", status.trim());
    session.line("exit");
    session.ended()
}

#[test]
fn setsid() {
    check("setsid", "setsid", setsid_session);
}

fn nohup_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, Stage::new());
    session.topic("what it ignores");
    session.run("$T nohup cat /proc/self/status; echo status $?");
    let status = fs::read_to_string(session.stage.home().join("nohup.out")).unwrap();
    fs::write(session.stage.out().join("status"), status).unwrap();
    session.noted_status("status");
    session.topic("hangup");
    session.run("$T nohup tail -f /dev/null 2>$OUT/said & runs 1 tail");
    session.line("$T nohup sleep 1h");
    session.foreground("sleep");
    session.settled();
    let jobs = ["sleep", "tail"].map(|name| (name, session.terminal.process(name).unwrap().pid));
    session.hang_up_jobs(&jobs)
}

#[test]
fn nohup() {
    check("nohup", "nohup", nohup_session);
}

fn sudo_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, Stage::new());
    session.topic("another user, Ctrl-C, Ctrl-Z");
    session.run("$T sudo -n -u nobody id -un; echo status $?");
    session.run("$T sudo -n cat /proc/self/status >$OUT/status; echo status $?");
    session.noted_status("status");
    session.run("$T sudo -n sh -c 'kill -USR1 $$'; echo status $?");
    session.cat("$T sudo -n", "one");
    session.press(CTRL_Z);
    session.run("echo status $?; jobs");
    session.line("fg");
    session.keys("two\r");
    session.terminal.expect_lines("two", 2);
    session.press(CTRL_C);
    session.run("echo status $?");
    session.terminal.forget_screen();
    session.cat("$T sudo -n", "three");
    session.press(CTRL_D);
    session.run("echo status $?");
    session.line("exit");
    session.ended()
}

#[test]
fn sudo() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: sudo would ask for a password");
        return;
    }
    check("sudo", "sudo", sudo_session);
}

/// The terminal's modes as a traced program sets them stay as they would.
fn stty_session(mode: Mode) -> Observation {
    let mut session = Session::in_bash(mode, Stage::new());
    session.topic("modes and size");
    session.run("$T stty tostop; stty -a >$OUT/modes");
    let modes = session.stage.text("modes");
    session.note("modes", modes);
    session.run("$T stty rows 90; stty size");
    session.run("$T stty -tostop & stopped stty; jobs");
    session.run("fg; jobs");
    session.line("exit");
    session.ended()
}

#[test]
fn stty() {
    check("stty", "stty", stty_session);
}
