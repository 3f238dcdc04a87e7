//! A terminal for tests: a pseudo-terminal whose screen is read, and a process that leads a session on it. Everything waits
//! for what the screen shows, with a deadline; nothing sleeps.

use std::{
    fs::File,
    io::{Read, Write},
    num::NonZero,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::{Winsize, openpty},
    sys::{
        resource::{Resource, setrlimit},
        stat::fstat,
        termios::{LocalFlags, tcgetattr},
    },
    unistd::tcgetpgrp,
};

use crate::proc::{Stat, processes};

/// Long enough for a loaded machine, and for one that is emulated.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// Rows and columns. So many rows that nothing scrolls away.
const SIZE: (NonZero<u16>, NonZero<u16>) = (NonZero::new(120).unwrap(), NonZero::new(400).unwrap());

pub struct Terminal {
    master: File,
    parser: vt100::Parser,
    /// The leader of the session.
    pub child: Child,
    /// Device number, as stat(2) has it.
    pub device: u64,
    prompts: usize,
}

impl Terminal {
    /// Starts a process as the leader of a session on a new terminal.
    pub fn start(words: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(Path::new("."), SIZE, words, environment)
    }

    /// Starts a process in this directory, on a terminal of so many rows and columns.
    pub fn start_in(
        directory: &Path,
        (rows, columns): (NonZero<u16>, NonZero<u16>),
        words: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let pty = openpty(&winsize(rows, columns), None).unwrap();
        // A copy in any other child would keep the terminal from hanging up.
        close_on_exec(&pty.master);
        close_on_exec(&pty.slave);
        let stdio = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(environment.iter().copied()).current_dir(directory);
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        // SAFETY: these calls are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                default_signals();
                // What whoever runs the tests has open is not the business of what is tested.
                if libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) == -1 {
                    return Err(std::io::Error::last_os_error());
                }
                // Whether a core is dumped is the machine's affair.
                setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
                nix::unistd::setsid()?;
                if libc::ioctl(0, libc::TIOCSCTTY, 0) == -1 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {words:?}: {error}"));
        let device = fstat(&pty.slave).unwrap().st_rdev;
        let parser = vt100::Parser::new(rows, columns, 0);
        Self { master: pty.master.into(), parser, child, device, prompts: 0 }
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, rows: NonZero<u16>, columns: NonZero<u16>) {
        self.parser.screen_mut().set_size(rows, columns);
        let size = winsize(rows, columns);
        // SAFETY: the kernel reads one winsize.
        let result = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0, "TIOCSWINSZ");
    }

    /// Forgets the screen but for the line with the cursor, which becomes the first.
    pub fn forget_screen(&mut self) {
        let (rows, columns) = self.parser.screen().size();
        let line = self.screen().lines().last().unwrap_or_default().to_owned();
        self.parser = vt100::Parser::new(rows, columns, 0);
        self.parser.process(line.as_bytes());
    }

    /// Row of the cursor.
    pub fn row(&self) -> u16 {
        self.parser.screen().cursor_position().0
    }

    /// Waits for `prompt` (which has no blanks) alone in a row below this one, with the cursor right behind it.
    pub fn expect_prompt_below(&mut self, row: u16, prompt: &str) {
        self.wait_until(&format!("prompt {prompt:?} below row {row}"), |screen| {
            let (at, column) = screen.cursor_position();
            at > row && usize::from(column) == prompt.len() && rows(screen).nth(at.into()).as_deref() == Some(prompt)
        });
    }

    /// What the screen shows, without what is blank at the ends.
    pub fn screen(&self) -> String {
        rows(self.parser.screen()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// Reads for a moment; whether there may be more.
    fn pump(&mut self) -> bool {
        let ready = poll(&mut [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)], PollTimeout::from(20u8));
        if ready.is_ok_and(|ready| ready > 0) {
            let mut bytes = [0; 4096];
            // EIO: no process has the terminal open any more.
            let Ok(length) = self.master.read(&mut bytes) else { return false };
            self.parser.process(&bytes[..length]);
        }
        true
    }

    /// Waits until the condition holds for the screen.
    pub fn wait_until(&mut self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition(self.parser.screen()) {
            assert!(Instant::now() < deadline, "waited in vain for {what}; {}", self.situation());
            self.pump();
        }
    }

    /// For whoever reads of a failed test.
    fn situation(&self) -> String {
        let here = processes().into_iter().filter(|process| process.tty == self.device);
        let here: Vec<_> = here.map(|process| format!("{process:?}")).collect();
        format!("the processes:\n{}\nthe screen:\n{}", here.join("\n"), self.screen())
    }

    /// Waits until the screen has `count` lines that are `line`.
    pub fn expect_lines(&mut self, line: &str, count: usize) {
        self.wait_until(&format!("{line:?}, {count} times"), |screen| {
            screen.contents().lines().filter(|shown| shown.trim_end() == line).count() >= count
        });
    }

    /// Waits for one more line that begins with `prompt` (which has no blanks), with the cursor right behind it.
    pub fn expect_prompt(&mut self, prompt: &str) {
        self.prompts += 1;
        let wanted = self.prompts;
        self.wait_until(&format!("prompt {prompt:?} number {wanted}"), |screen| {
            let contents = screen.contents();
            let (row, column) = screen.cursor_position();
            rows(screen).nth(row.into()).as_deref() == Some(prompt)
                && usize::from(column) == prompt.len()
                && contents.lines().filter(|line| line.starts_with(prompt)).count() == wanted
        });
    }

    /// Waits for `prompt` alone in the row of the cursor while the session leader is in the foreground.
    pub fn expect_prompt_of_leader(&mut self, prompt: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let leader = tcgetpgrp(&self.master).is_ok_and(|group| group.as_raw() as u32 == self.child.id());
            let screen = self.parser.screen();
            let (row, column) = screen.cursor_position();
            let shown = rows(screen).nth(row.into());
            if leader && usize::from(column) == prompt.len() && shown.as_deref() == Some(prompt) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain for the prompt of the leader; {}", self.situation());
            self.pump();
        }
    }

    /// Waits until nothing comes any more and those in the foreground sleep.
    pub fn expect_quiet(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        let mut quiet = 0;
        while quiet < 3 {
            let mut here = processes().into_iter().filter(|process| process.tty == self.device);
            let asleep = here.all(|process| process.pgid != process.tpgid || process.state == 'S');
            quiet = if asleep && !self.has_more() { quiet + 1 } else { 0 };
            assert!(Instant::now() < deadline, "it does not settle; {}", self.situation());
            self.pump();
        }
    }

    /// Waits until a process of this name is in the foreground and waits for input, in a terminal that gives it whole lines.
    /// What is typed earlier may still go to the shell.
    pub fn expect_foreground(&mut self, name: &str) -> i32 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let canonical = tcgetattr(&self.master).is_ok_and(|mode| mode.local_flags.contains(LocalFlags::ICANON));
            let mut foreground = processes().into_iter().filter(|process| {
                process.name == name
                    && process.tty == self.device
                    && process.pgid == process.tpgid
                    && process.state == 'S'
            });
            if let Some(process) = foreground.next().filter(|_| canonical) {
                return process.pid;
            }
            assert!(Instant::now() < deadline, "{name} does not come to the foreground; {}", self.situation());
            self.pump();
        }
    }

    /// Waits until the terminal has echoed the typed line and the cursor stands below it. A key that makes a signal discards
    /// output that was not yet read (termios(3), `NOFLSH`), and the echo with it.
    pub fn expect_echo(&mut self, line: &str) {
        self.wait_until(&format!("the echo of {line:?}"), |screen| {
            let (row, column) = screen.cursor_position();
            let above = usize::from(row).checked_sub(1);
            column == 0 && above.and_then(|row| rows(screen).nth(row)).is_some_and(|shown| shown.ends_with(line))
        });
    }

    /// The process group in the foreground.
    pub fn foreground_group(&self) -> i32 {
        tcgetpgrp(&self.master).unwrap().as_raw()
    }

    /// The process of this name that has this terminal as its controlling terminal.
    pub fn process(&self, name: &str) -> Option<Stat> {
        processes().into_iter().find(|process| process.name == name && process.tty == self.device)
    }

    /// From now on another shell prompts.
    pub fn forget_prompts(&mut self) -> usize {
        std::mem::take(&mut self.prompts)
    }

    /// Goes on counting.
    pub fn remember_prompts(&mut self, count: usize) {
        self.prompts = count;
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Types a line.
    pub fn line(&mut self, line: &str) {
        self.send(line);
        self.send("\r");
    }

    /// Types a line where the cursor stands, and ends it when the first of it is shown: then no earlier prompt is taken for
    /// the next one.
    pub fn type_line(&mut self, line: &str) {
        let before = self.parser.screen().cursor_position();
        self.send(line);
        self.wait_until(&format!("an echo of {line:?}"), |screen| screen.cursor_position() != before);
        self.send("\r");
    }

    /// Waits for the session leader's end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.pump() && self.has_more() {}
                return status;
            }
            assert!(Instant::now() < deadline, "the session leader does not end; {}", self.situation());
            self.pump();
        }
    }

    fn has_more(&self) -> bool {
        poll(&mut [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|n| n > 0)
    }

    /// Hangs up. Nothing is shown or typed any more.
    pub fn close(&mut self) {
        self.master = File::open("/dev/null").unwrap();
    }

    /// Hangs up, and waits for the session leader's end.
    pub fn hang_up(self) -> ExitStatus {
        let Self { master, mut child, .. } = self;
        drop(master);
        wait_child(&mut child)
    }
}

/// The rows without what is blank at their ends; one that is wrapped counts as two.
fn rows(screen: &vt100::Screen) -> impl Iterator<Item = String> {
    screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned())
}

fn winsize(rows: NonZero<u16>, columns: NonZero<u16>) -> Winsize {
    Winsize { ws_row: rows.get(), ws_col: columns.get(), ws_xpixel: 0, ws_ypixel: 0 }
}

/// Sets every signal to its default, so that a test does not depend on how it was started itself (by nohup, say).
pub fn default_signals() {
    for signal in (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal)) {
        // SAFETY: SIG_DFL is no handler. The C library refuses its own two signals, which nobody sends.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Waits for a child, with a deadline.
pub fn wait_child(child: &mut Child) -> ExitStatus {
    eventually("the end of a child", || child.try_wait().unwrap())
}

/// Asks again and again until there is an answer.
pub fn eventually<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        // Gives way to others; what is waited for is asked for anew each time.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `exit 3` or `signal 15`.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

fn close_on_exec(fd: &OwnedFd) {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    assert!(fd.as_raw_fd() > 2);
}
