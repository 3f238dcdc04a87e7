//! What is done in each shell, topic by topic. Each begins at the shell's prompt without any jobs, and ends so.

use crate::{
    observation::Observation,
    proc::Stat,
    session::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, INNER, OUTER, Session},
    shells::Shell,
};

/// A name in the matrix, and the steps.
type Topic = (&'static str, fn(&mut Session, &Shell));

pub const TOPICS: [Topic; 14] = [
    ("what a probe sees", probe),
    ("pipelines", pipelines),
    ("Ctrl-C", interrupt),
    ("Ctrl-\\", quit),
    ("Ctrl-Z and fg", stop_and_fg),
    ("bg and background read", background_read),
    ("kill %1", kill_job),
    ("disown", disown),
    ("wait", wait),
    ("background tcsetattr", background_tcsetattr),
    ("stty tostop", tostop),
    ("deaths", deaths),
    ("suspend, and fg in the outer shell", suspend),
    ("let go of", let_go),
];

/// Those that are tried as an ordinary user, too.
pub const CORE: [&str; 8] = [
    "what a probe sees",
    "pipelines",
    "Ctrl-C",
    "Ctrl-Z and fg",
    "bg and background read",
    "kill %1",
    "suspend, and fg in the outer shell",
    "let go of",
];

fn echo_status(session: &mut Session, shell: &Shell) {
    session.run(&format!("echo status {}", shell.status));
}

/// Kills the job, and lets the shell say so.
fn end_jobs(session: &mut Session, name: &str) {
    session.run(&format!("slay {name}"));
    session.run("jobs");
}

fn probe(session: &mut Session, _: &Shell) {
    session.run("cat /proc/self/status >$OUT/foreground-status");
    session.noted_status("foreground-status");
    session.run("cat /proc/self/status | cat >$OUT/pipeline-status");
    session.noted_status("pipeline-status");
    session.run("cat /proc/self/status >$OUT/background-status & filled background-status; gone cat");
    session.noted_status("background-status");
    session.list("ps");
}

fn pipelines(session: &mut Session, shell: &Shell) {
    session.run("echo a | cat | sh -c 'cat; exit 7'");
    echo_status(session, shell);
    session.run("sleep 1h | sleep 2h | tail -f /dev/null & runs 2 sleep; runs 1 tail");
    session.list("ps");
    end_jobs(session, "sleep");
    end_jobs(session, "tail");
    session.begin("cat | cat");
    session.foreground("cat");
    session.keys("through\r");
    session.terminal.expect_lines("through", 2);
    session.press(CTRL_D);
    session.begin("sleep 1h | cat");
    session.foreground("sleep");
    session.foreground("cat");
    session.press(CTRL_C);
    echo_status(session, shell);
}

fn interrupt(session: &mut Session, shell: &Shell) {
    session.begin("cat");
    session.through_cat("one");
    session.press(CTRL_C);
    echo_status(session, shell);
    session.begin("witness");
    session.witness("witness");
    session.keys(CTRL_C);
    session.stage.expect("witness", |text| text.contains("INT"));
    session.press(CTRL_BACKSLASH);
}

fn quit(session: &mut Session, shell: &Shell) {
    session.begin("sleep 1h");
    session.foreground("sleep");
    session.press(CTRL_BACKSLASH);
    echo_status(session, shell);
}

fn stop_and_fg(session: &mut Session, shell: &Shell) {
    session.begin("cat");
    session.through_cat("one");
    session.press(CTRL_Z);
    echo_status(session, shell);
    session.run("jobs");
    session.list("stopped-ps");
    session.fg("cat");
    session.through_cat("two");
    session.press(CTRL_Z);
    session.fg("cat");
    session.through_cat("three");
    session.press(CTRL_D);
    echo_status(session, shell);
}

fn background_read(session: &mut Session, shell: &Shell) {
    session.begin("cat");
    session.through_cat("one");
    session.press(CTRL_Z);
    session.run("bg; stopped cat");
    session.run("jobs");
    session.run("cat & stopped cat");
    session.list("ps");
    end_jobs(session, "cat");
    session.begin("sleep 1h");
    session.foreground("sleep");
    session.press(CTRL_Z);
    session.run("bg");
    session.run("jobs");
    session.list("ps-running");
    session.fg("sleep");
    session.press(CTRL_C);
    echo_status(session, shell);
}

fn kill_job(session: &mut Session, _: &Shell) {
    session.run("sleep 1h & runs 1 sleep");
    session.run("kill %1; gone sleep");
    session.run("jobs");
    session.begin("sleep 1h");
    session.foreground("sleep");
    session.press(CTRL_Z);
    // What else some shells do for SIGTERM, to make it act, is not the topic.
    session.run("kill -KILL %1; gone sleep");
    session.run("jobs");
    session.run("sh -c 'sleep 1h & sleep 2h' & sleep 3h & runs 3 sleep");
    session.run("kill -KILL %1 %2; gone sleep");
    session.run("jobs");
}

fn disown(session: &mut Session, _: &Shell) {
    session.run("sleep 1h & runs 1 sleep");
    session.run("disown %1");
    session.run("jobs");
    session.list("ps");
    session.run("slay sleep");
}

fn wait(session: &mut Session, shell: &Shell) {
    // Each goes on until the shell waits: what it says of one that ended before is another thing.
    session.run("sh -c 'awaited $PPID; exit 3' & wait");
    echo_status(session, shell);
    session.run(
        "sh -c 'echo $$ >$OUT/first; awaited $PPID; kill -TERM $$' & \
         sh -c 'after first; awaited $PPID; exit 4' & wait",
    );
    echo_status(session, shell);
    session.run("jobs");
}

fn background_tcsetattr(session: &mut Session, shell: &Shell) {
    session.run("stty -echoctl & stopped stty");
    session.run("jobs");
    session.list("ps");
    session.run("fg");
    echo_status(session, shell);
    session.run("stty -a >$OUT/terminal; grep -c -- -echoctl $OUT/terminal");
    session.run("stty echoctl");
}

fn tostop(session: &mut Session, shell: &Shell) {
    session.run("stty tostop");
    session.run("sh -c 'echo said; exit 6' & stopped sh");
    session.run("jobs");
    session.list("ps");
    session.run("fg");
    echo_status(session, shell);
    session.run("stty -tostop");
    session.run("sh -c 'awaited $PPID; echo said' & gone sh");
}

fn deaths(session: &mut Session, shell: &Shell) {
    for signal in ["HUP", "INT", "ABRT", "KILL", "USR1", "SEGV", "PIPE", "TERM", "RTMIN"] {
        session.run(&format!("sh -c 'kill -{signal} $$'"));
        echo_status(session, shell);
    }
    session.run("no-such-command");
    echo_status(session, shell);
}

fn suspend(session: &mut Session, shell: &Shell) {
    session.line(shell.suspend);
    session.prompts_with(OUTER);
    session.prompt();
    session.run("echo status $?");
    session.run("jobs");
    session.list("ps");
    session.line("fg");
    session.prompts_with(INNER);
    session.prompt();
    echo_status(session, shell);
    session.begin("sleep 1h");
    session.foreground("sleep");
    session.press(CTRL_C);
}

/// Whoever follows the shell stops doing so while one job is stopped and another runs.
fn let_go(session: &mut Session, shell: &Shell) {
    session.begin("cat");
    session.through_cat("one");
    session.press(CTRL_Z);
    session.run("sleep 1h & runs 1 sleep");
    session.let_go();
    session.list("ps");
    session.run("jobs");
    session.run("slay sleep");
    session.run("jobs");
    session.fg("cat");
    session.through_cat("two");
    session.press(CTRL_C);
    echo_status(session, shell);
}

/// Leaves a stopped job behind, and notes who gets what. Ends the shell, and the outer one.
pub fn leave(session: &mut Session, _: &Shell) {
    session.topic("exit with stopped jobs");
    session.begin("halted");
    let halted = session.witness("halted");
    session.press(CTRL_Z);
    // The shell warns once.
    session.run("exit");
    session.line("exit");
    session.prompts_with(OUTER);
    session.prompt();
    session.run("echo status $?");
    session.dismiss("halted", halted);
    session.line("exit");
}

/// A stopped job, one in the background, one in the foreground; each notes what it gets.
fn three_witnesses(session: &mut Session) -> [(&'static str, i32); 3] {
    session.begin("halted");
    let halted = session.witness("halted");
    session.press(CTRL_Z);
    session.run("back & filled back");
    let back = session.witness("back");
    session.begin("fore");
    let fore = session.witness("fore");
    [("halted", halted), ("back", back), ("fore", fore)]
}

/// The terminal of a shell that leads its session hangs up.
pub fn hangup_of_a_leader(mut session: Session) -> Observation {
    session.topic("hangup of a session leader");
    let witnesses = three_witnesses(&mut session);
    session.hang_up(&[], &witnesses)
}

/// The terminal of a shell within a shell hangs up.
pub fn hangup_within_a_shell(mut session: Session) -> Observation {
    session.topic("hangup of a shell within a shell");
    let witnesses = three_witnesses(&mut session);
    let [.., (_, fore)] = witnesses;
    let shell = Stat::of(fore).unwrap().ppid;
    session.hang_up(&[shell], &witnesses)
}

/// The same, with jobs that take the signals as most do.
pub fn hangup_of_jobs(mut session: Session) -> Observation {
    session.topic("what a hangup leaves");
    session.run("sleep 1h & runs 1 sleep");
    session.begin("tail -f /dev/null");
    session.foreground("tail");
    let jobs = ["sleep", "tail"].map(|name| (name, session.terminal.process(name).unwrap().pid));
    session.hang_up_jobs(&jobs)
}
