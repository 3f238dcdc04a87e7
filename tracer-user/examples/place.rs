//! Starts a command in either placement with a capture that captures nothing. The placement tests use it in place of
//! sesstrace, since it needs no privilege and does as it is told.
//!
//! `place [OPTION VALUE]… -- COMMAND…`, where the options are
//!
//! * `--at wrapper|in-place`, `--user NAME`
//! * `--ready TEXT`: the line for the user
//! * `--fail TEXT`: the capture cannot start; `--fail-late TEXT`: it cannot follow the command
//! * `--vanish yes`: the capture process ends without a word
//! * `--hold FIFO`: it is not ready until somebody has opened and closed this
//! * `--report TEXT`: written to the user's standard error after the command ended
//! * `--log FILE`: what the capture process does and learns, a line each
//! * `--orders FIFO`: what the capture process is to do meanwhile, a line each: `alone N`, `both N` (what it says about signal
//!   N to the waiter), `die`
//! * `--linger FIFO`: lives on after all is said, until somebody has opened and closed this

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracer_model::ids::{Pid, Signal};
use tracer_user::placement::{CaptureSide, Control, Launch, LaunchError, Placement, Preparation, Reach, User, launch};

type Options = BTreeMap<String, String>;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let mut options = Options::new();
    while let Some(option) = words.next().filter(|word| word != "--") {
        let value = words.next().unwrap_or_default();
        options.insert(option.to_string_lossy().into_owned(), value.to_string_lossy().into_owned());
    }
    match start(words.collect(), &options) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sesstrace: {error}");
            if let Some(hint) = error.hint() {
                let _ = writeln!(io::stderr(), "  fix    {hint}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn start(command: Vec<OsString>, options: &Options) -> Result<ExitCode, LaunchError> {
    let placement = match options.get("--at").map(String::as_str) {
        Some("in-place") => Placement::InPlace,
        _ => Placement::Wrapper,
    };
    let user = options.get("--user").map(|name| User::by_name(name)).transpose()?;
    // Before the launch: the capture process has another working directory, and nothing of ours but what is open.
    let log = options.get("--log").and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok());
    // For reading and writing, so that it opens without a writer and never ends.
    let orders = options.get("--orders").and_then(|path| OpenOptions::new().read(true).write(true).open(path).ok());
    let status = launch(&Launch { command, placement, user, filter: None }, |side| {
        Double { side, log, options }.run(orders.as_ref());
    })?;
    Ok(status.pass_on())
}

/// Stands where the capture will stand.
struct Double<'a> {
    side: CaptureSide,
    log: Option<File>,
    options: &'a Options,
}

impl Double<'_> {
    fn note(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{line}");
        }
    }

    fn run(mut self, orders: Option<&File>) {
        let options = self.options;
        self.note(&format!("capture {} waiter {}", std::process::id(), self.side.waiter()));
        if let Some(text) = options.get("--fail") {
            self.side.failed(text, 125);
            return;
        }
        if options.contains_key("--vanish") {
            return;
        }
        if let Some(path) = options.get("--hold") {
            let _ = std::fs::read(path);
        }
        let Ok(root) = self.side.ready(options.get("--ready").map(String::as_str), Preparation::Nothing) else {
            return self.note("waiter gone before the command");
        };
        self.note(&format!("root {}", root.pid));
        if let Some(text) = options.get("--fail-late") {
            self.side.failed(text, 3);
            return;
        }
        if self.side.release().is_err() {
            return self.note("waiter gone before the release");
        }
        self.note("released");
        let control = self.obey_until_end(orders);
        self.note(&format!("{control:?}"));
        if let Some(text) = options.get("--report")
            && let Ok(Some(mut writer)) = self.side.report_writer()
        {
            // Piece by piece, as a report is.
            let written = text.as_bytes().chunks(1000).try_for_each(|piece| writer.write_all(piece));
            self.note(&format!("report {:?}", written.map_err(|error| error.kind())));
        }
        self.side.done();
        self.note("done");
        if let Some(path) = options.get("--linger") {
            let _ = std::fs::read(path);
            self.note("lingered");
        }
    }

    fn obey_until_end(&mut self, orders: Option<&File>) -> Control {
        let mut heard = Vec::new();
        loop {
            if let Some(control) = self.side.next_control() {
                return control;
            }
            let mut fds = vec![PollFd::new(self.side.as_fd(), PollFlags::POLLIN)];
            fds.extend(orders.iter().map(|orders| PollFd::new(orders.as_fd(), PollFlags::POLLIN)));
            let _ = poll(&mut fds, PollTimeout::NONE);
            let ordered = fds.get(1).and_then(PollFd::any).unwrap_or(false);
            if let Some(mut orders) = orders.filter(|_| ordered) {
                let mut bytes = [0; 512];
                let length = orders.read(&mut bytes).unwrap_or(0);
                heard.extend_from_slice(bytes.get(..length).unwrap_or_default());
                while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = heard.drain(..=end).collect();
                    self.obey(String::from_utf8_lossy(&line).trim());
                }
            }
        }
    }

    fn obey(&mut self, order: &str) {
        let (word, number) = order.split_once(' ').unwrap_or((order, "0"));
        let signal = Signal(number.parse().unwrap_or(0));
        match word {
            "alone" => self.side.waiter_was_signalled(signal, Pid(0), Reach::WaiterAlone),
            "both" => self.side.waiter_was_signalled(signal, Pid(0), Reach::CommandToo),
            "die" => std::process::abort(),
            _ => {}
        }
        self.note(&format!("obeyed {order}"));
    }
}
