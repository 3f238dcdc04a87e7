//! A script's hands and eyes: types on a terminal, waits for what must come, notes what is seen, topic by topic.

use std::{collections::BTreeSet, num::NonZero};

use crate::{
    listing,
    mode::{Mode, User},
    observation::{Facts, Observation},
    proc::{Stat, lives},
    pty::{Terminal, describe, eventually, wait_child},
    stage::Stage,
};

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const CTRL_Z: &str = "\x1a";
pub const CTRL_BACKSLASH: &str = "\x1c";

pub const OUTER: &str = "outer>";
pub const INNER: &str = "inner>";

/// Rows and columns: no topic of a shell fills it, no line is longer.
const LARGE: (u16, u16) = (100, 160);

pub struct Session {
    pub stage: Stage,
    pub terminal: Terminal,
    mode: Mode,
    user: User,
    /// Follows the shell from a terminal of its own.
    follower: Option<Terminal>,
    /// Who started the command.
    starter: u32,
    prompt: &'static str,
    /// Where the last line was typed.
    row: u16,
    topic: Option<&'static str>,
    facts: Facts,
    observation: Observation,
}

impl Session {
    /// In an interactive bash, in which `$T COMMAND` is the command in this mode.
    pub fn in_bash(mode: Mode, stage: Stage) -> Self {
        Self::in_bash_as(User::Oneself, mode, stage)
    }

    /// The same, and `$T COMMAND` is that user's.
    pub fn in_bash_as(user: User, mode: Mode, stage: Stage) -> Self {
        let bash = ["bash", "--norc", "--noprofile", "-i"].map(str::to_owned);
        Self::start(&bash, (mode, user), OUTER, stage, LARGE)
    }

    /// The same, on a terminal of the size that terminals have.
    pub fn in_bash_of_24_rows(mode: Mode, stage: Stage) -> Self {
        let bash = ["bash", "--norc", "--noprofile", "-i"].map(str::to_owned);
        Self::start(&bash, (mode, User::Oneself), OUTER, stage, (24, 80))
    }

    /// The shell `inner` of the stage leads the session on the terminal, in this mode.
    pub fn leading(mode: Mode, stage: Stage) -> Self {
        let words: Vec<String> = mode.front().into_iter().chain(["inner"]).map(str::to_owned).collect();
        let mut session = Self::start(&words, (mode, User::Oneself), INNER, stage, LARGE);
        session.starter = std::process::id();
        session.attach();
        session
    }

    fn start(
        words: &[String],
        (mode, user): (Mode, User),
        prompt: &'static str,
        stage: Stage,
        size: (u16, u16),
    ) -> Self {
        let mut environment = stage.environment();
        let front = [user.front(), &mode.front()].concat().join(" ");
        environment.extend([("PS1", prompt.to_owned()), ("T", front)]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
        let size = (NonZero::new(size.0).unwrap(), NonZero::new(size.1).unwrap());
        let mut terminal = Terminal::start_in(&stage.home(), size, &words, &environment);
        // The first prompt is the first thing on the screen.
        terminal.wait_until("the first prompt", |screen| screen.contents().trim_end() == prompt);
        let starter = terminal.child.id();
        let (facts, observation) = (Facts::new(), Observation::new());
        let follower = None;
        Self { stage, terminal, mode, user, follower, starter, prompt, row: 0, topic: None, facts, observation }
    }

    /// Follows the shell that is at its prompt in the foreground, if that is the mode.
    pub fn attach(&mut self) {
        let shell = self.terminal.foreground_group();
        let Some(follower) = self.mode.follower(shell) else { return };
        let words: Vec<&str> = self.user.front().iter().copied().chain(follower.iter().map(String::as_str)).collect();
        let environment = self.stage.environment();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
        self.follower = Some(Terminal::start(&words, &environment));
        eventually("a tracer of the shell", || (tracer(shell) != 0).then_some(()));
    }

    /// Ends the following with Ctrl-C, if that is the mode; the shell is let go of.
    pub fn let_go(&mut self) {
        let Some(mut follower) = self.follower.take() else { return };
        follower.send(CTRL_C);
        let status = describe(follower.wait());
        assert_eq!(status, "exit 0", "{}", follower.screen());
        assert_eq!(tracer(self.terminal.foreground_group()), 0, "the shell is let go of");
    }

    /// From here on, everything is said of this topic. The screen begins anew.
    pub fn topic(&mut self, name: &'static str) {
        self.end_topic();
        self.terminal.forget_screen();
        self.topic = Some(name);
    }

    fn end_topic(&mut self) {
        if let Some(topic) = self.topic.take() {
            self.snap("screen");
            let before = self.observation.insert(topic, std::mem::take(&mut self.facts));
            assert!(before.is_none(), "{topic} twice");
        }
    }

    /// Notes a fact.
    pub fn note(&mut self, name: &str, value: impl Into<String>) {
        let before = self.facts.insert(name.to_owned(), value.into());
        assert!(before.is_none(), "{name} twice");
    }

    /// Notes what the screen shows.
    pub fn snap(&mut self, name: &str) {
        let screen = normalised(&self.terminal.screen());
        self.note(name, screen);
    }

    /// From now on, this is the prompt to wait for.
    pub fn prompts_with(&mut self, prompt: &'static str) {
        self.prompt = prompt;
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) {
        self.terminal.send(keys);
    }

    /// Types a line.
    pub fn line(&mut self, line: &str) {
        self.row = self.terminal.row();
        self.terminal.type_line(line);
    }

    /// Types a line that prints nothing at once, and waits for its echo.
    pub fn begin(&mut self, line: &str) {
        self.line(line);
        self.terminal.expect_echo(line);
    }

    /// Waits for the next prompt.
    pub fn prompt(&mut self) {
        self.terminal.expect_prompt_below(self.row, self.prompt);
        self.row = self.terminal.row();
    }

    /// Types a line and waits for the next prompt.
    pub fn run(&mut self, line: &str) {
        self.line(line);
        self.prompt();
    }

    /// Types a key that ends or stops what is in the foreground, and waits for the next prompt.
    pub fn press(&mut self, key: &str) {
        self.keys(key);
        self.prompt();
    }

    /// Types a command line, and lines for `cat` when it reads: so late that nobody's line editor takes them, on whatever
    /// terminal that is.
    pub fn cat(&mut self, front: &str, line: &str) {
        self.line(&format!("{front} sh -c 'echo now; exec cat'"));
        self.terminal.expect_lines("now", 1);
        self.keys(&format!("{line}\r"));
        self.terminal.expect_lines(line, 2);
    }

    /// Waits until a process of this name is in the foreground and reads.
    pub fn foreground(&mut self, name: &str) {
        self.terminal.expect_foreground(name);
    }

    /// Types `fg`, and waits until the shell has said what it puts there and the process of this name is there.
    pub fn fg(&mut self, name: &str) {
        self.line("fg");
        self.foreground(name);
        let row = self.row + 2;
        self.terminal.wait_until("the line that fg prints", |screen| {
            let (at, column) = screen.cursor_position();
            at >= row && column == 0
        });
    }

    /// Waits until the program in the foreground has drawn what it wanted: it sleeps, and nothing comes any more.
    pub fn settled(&mut self) {
        self.terminal.expect_quiet();
    }

    /// Waits for the prompt of the bash on this terminal, wherever on the screen it comes.
    pub fn back_in_bash(&mut self) {
        self.terminal.expect_prompt_of_leader(self.prompt);
        self.row = self.terminal.row();
    }

    /// A line goes through the `cat` in the foreground.
    pub fn through_cat(&mut self, line: &str) {
        self.foreground("cat");
        self.terminal.line(line);
        self.terminal.expect_lines(line, 2);
        self.terminal.expect_echo(line);
    }

    /// Waits until the screen holds this text.
    pub fn shows(&mut self, text: &str) {
        self.terminal.wait_until(text, |screen| screen.contents().contains(text));
    }

    /// Has the shell list the processes of the terminal, and notes them.
    pub fn list(&mut self, name: &str) {
        self.run(&format!("list {name}"));
        self.noted_list(name);
    }

    /// Notes a list that the script has made.
    pub fn noted_list(&mut self, name: &str) {
        let listing = self.stage.text(name);
        self.facts.extend(listing::facts(name, &listing, self.starter));
    }

    /// Notes a copy of `/proc/PID/status` that the script has made.
    pub fn noted_status(&mut self, name: &str) {
        let status = self.stage.text(name);
        assert!(status.contains("SigCgt"), "{name}: {status}");
        self.facts.extend(listing::status_facts(name, &status));
    }

    /// Waits until a witness is ready; its pid.
    pub fn witness(&mut self, name: &str) -> i32 {
        self.stage.expect(name, |text| text.contains("ready"));
        eventually(name, || self.stage.process(name)).pid
    }

    /// Ends a witness, and notes what it got and how it was.
    pub fn dismiss(&mut self, name: &str, pid: i32) {
        // SAFETY: kill has no memory arguments.
        let send = |signal| unsafe { libc::kill(pid, signal) };
        send(libc::SIGPWR);
        let stopped = is_stopped_rather_than_gone(pid);
        if stopped {
            send(libc::SIGCONT);
        }
        let state = if stopped { "stopped" } else { "alive" };
        eventually(&format!("the end of {name}"), || (!lives(pid)).then_some(()));
        let text = self.stage.text(name);
        // In which order a program handles what is pending is its own affair.
        let got: BTreeSet<&str> = text.lines().filter(|line| *line != "ready").collect();
        self.note(name, format!("{state}, got {got:?}"));
    }

    /// Notes the state of a process that is stopped, as the kernel shows it to everybody.
    pub fn note_state(&mut self, name: &str, pid: i32) {
        let state = Stat::of(pid).map_or('-', |stat| stat.state);
        self.note(&format!("{name}: state"), state);
    }

    /// Hangs up; when the session leader and these processes have ended, ends the witnesses and notes what they got.
    pub fn hang_up(mut self, ending: &[i32], witnesses: &[(&str, i32)]) -> Observation {
        self.terminal.close();
        let status = describe(wait_child(&mut self.terminal.child));
        for pid in ending {
            eventually("the end of a shell that was hung up", || (!lives(*pid)).then_some(()));
        }
        for (name, pid) in witnesses {
            self.dismiss(name, *pid);
        }
        self.note("end", status);
        self.finish()
    }

    /// Hangs up; when the session leader has ended, notes which jobs live on, and ends them.
    pub fn hang_up_jobs(mut self, jobs: &[(&str, i32)]) -> Observation {
        self.terminal.close();
        let status = describe(wait_child(&mut self.terminal.child));
        for (name, pid) in jobs {
            self.note(name, if survives(*pid) { "lives on" } else { "is hung up" });
        }
        self.note("end", status);
        self.finish()
    }

    /// Waits for the end of the session leader.
    pub fn ended(mut self) -> Observation {
        let status = self.terminal.wait();
        self.note("end", describe(status));
        self.finish()
    }

    /// No more is to be seen. Who follows ends with the last that it follows.
    pub fn finish(mut self) -> Observation {
        self.end_topic();
        if let Some(mut follower) = self.follower.take() {
            let status = describe(follower.wait());
            assert_eq!(status, "exit 0", "{}", follower.screen());
        }
        self.observation
    }
}

/// Who traces a process; 0 for nobody.
fn tracer(pid: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
}

/// Whether a process that would have been hung up by now was not. Dying takes a moment; who is not dying obeys. Ends it then.
fn survives(pid: i32) -> bool {
    // SAFETY: kill has no memory arguments.
    let send = |signal| unsafe { libc::kill(pid, signal) };
    send(libc::SIGSTOP);
    let survives = is_stopped_rather_than_gone(pid);
    if survives {
        send(libc::SIGKILL);
    }
    survives
}

/// Waits until a process is stopped or gone. A tracee that runs looks stopped at times, but not often in a row.
fn is_stopped_rather_than_gone(pid: i32) -> bool {
    let mut in_a_row = 0;
    eventually("a stop or an end", || {
        let stopped = Stat::of(pid).is_some_and(|stat| "Tt".contains(stat.state));
        in_a_row = if stopped { in_a_row + 1 } else { 0 };
        if in_a_row > 200 { Some(true) } else { (!lives(pid)).then_some(false) }
    })
}

/// Without the numbers of processes, which shells print in lines that begin with a job's number, fish in a table and in
/// messages.
fn normalised(screen: &str) -> String {
    let is_number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    let mut in_table = false;
    let mut line = |line: &str| {
        let starts_with_number = is_number(line.split_whitespace().next().unwrap_or_default());
        in_table = line.split_whitespace().eq(["PID", "Command"]) || in_table && starts_with_number;
        let about_a_job = in_table
            || line.starts_with('[')
            || line.starts_with("fish: ")
            || line.split_whitespace().any(|word| word.ends_with('%'));
        if !about_a_job {
            return line.trim_end().to_owned();
        }
        let words = line.split_whitespace().map(|word| match word.strip_suffix('%') {
            Some(share) if is_number(share) => "CPU%",
            _ if is_number(word.trim_end_matches(',')) => "NUMBER",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    screen.lines().map(&mut line).collect::<Vec<_>>().join("\n")
}
