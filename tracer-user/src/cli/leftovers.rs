//! `sesstrace leftovers`: runs a command, and says what it left behind; ends that, if it is asked to.
//!
//! Must not: decide what is left behind, or of which class; the model does.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, ValueEnum};
use tracer_model::{
    findings::{Answer, Class, Left, Words, words::Word},
    ids::Pgid,
};

use super::{
    at::At,
    command::{self, Destination, Recording},
    common::{ColorChoice, style_for},
    exit::{ExpectedError, FOUND},
    history,
    target::{CaptureArgs, CommandArgs},
};
use crate::{
    capture::held::{Held, Outputs},
    config::Config,
    ending::{self, Outcome, Target},
    sink::findings::answer,
};

/// The rule that finds what is left behind: what a configuration accepts of it is no failure.
const RULE: &str = "JC403";

/// Arguments of `leftovers`.
#[derive(Debug, Args)]
pub struct LeftoversArgs {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    command_args: CommandArgs,
    /// Exit with 1 when something is left behind that is no daemon; otherwise with the status of the command
    #[arg(long)]
    fail: bool,
    /// End what is left behind: SIGTERM, with SIGCONT so that what is stopped takes it, and SIGKILL after the grace
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "accidents")]
    kill: Option<Kill>,
    /// How long --kill lets each process end by itself: 500ms, 5s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    grace: Duration,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// `--kill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kill {
    /// What is no daemon
    Accidents,
    /// Daemons too
    All,
}

/// A length of time, as `--at` has it.
fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<At>() {
        Ok(At::Since(ns)) => {
            u64::try_from(ns).map(Duration::from_nanos).map_err(|_| "time does not go back".to_owned())
        }
        Ok(At::Event(_) | At::Ago(_) | At::Wall(_)) => Err("this is no length of time: 500ms, 5s".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs the command; returns its status, or 1 with `--fail` when it left something behind.
pub fn run(args: &LeftoversArgs, color: ColorChoice, config: &Config) -> anyhow::Result<ExitCode> {
    if args.command_args.in_place {
        let fix = "sesstrace leftovers -- COMMAND";
        return Err(ExpectedError::usage("--in-place leaves nobody who could say what is left behind", fix).into());
    }
    let folder = Folder::new()?;
    let recording = Recording::Named(folder.recording());
    let nothing = Box::new(|_| Vec::new());
    let status =
        command::observe(&args.command, &args.capture, &args.command_args, &recording, &Destination::Nowhere, nothing)?;
    let history = history::read(&folder.recording(), None, None)?;
    drop(folder);
    let (left, mut answer) = history.findings.left_behind(&history.model);
    tell_held(&left, &mut answer);
    let not_seen = history.model.signals_not_seen().filter(|_| !left.is_empty());
    let ended = match args.kill {
        Some(what) => kill(&left, what, args.grace, &mut answer),
        None => offer(&left, &mut answer),
    };
    answer.rows.extend(not_seen.map(|text| ("not seen", Words(vec![Word::Text(text.into())]))));
    let (err, style) = (io::stderr(), style_for(color, &io::stderr()));
    let mut out = err.lock();
    // Nobody is left to tell that standard error is closed.
    let _ = if args.json {
        answer::json("leftovers", &answer, history.base, &mut out)
    } else {
        answer::write(&answer, history.base, style, &mut out)
    };
    for warning in &history.warnings {
        let _ = writeln!(out, "sesstrace: {warning}");
    }
    let accepted = |left: &Left| matches!(&left.name, Word::Process(_, name) if config.accepts(RULE, &name.0));
    let found = left.iter().any(|left| left.class < Class::Daemon && !accepted(left));
    Ok(if args.fail && (found || !ended) { ExitCode::from(FOUND) } else { status.pass_on() })
}

/// What each holds of the command's output and terminal, which were those of this process.
fn tell_held(left: &[Left], answer: &mut Answer) {
    let outputs = Outputs::own();
    let (mut all, mut unseen): (Vec<(Held, Vec<Word>)>, _) = (Vec::new(), Vec::new());
    for one in left {
        match outputs.held_by(one.process.number) {
            Ok(held) => {
                for held in held {
                    match all.iter_mut().find(|(same, _)| *same == held) {
                        Some((_, holders)) => holders.push(one.name.clone()),
                        None => all.push((held, vec![one.name.clone()])),
                    }
                }
            }
            // It has ended since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => unseen.push(one.name.clone()),
        }
    }
    answer.rows.extend(all.into_iter().map(|(held, holders)| ("holds", holds(holders, &held))));
    if !unseen.is_empty() {
        let mut words = vec![Word::Text("what ".into())];
        words.extend(listed(unseen));
        words.push(Word::Text(" holds open: that takes cap_sys_ptrace and cap_dac_read_search".into()));
        answer.rows.push(("not seen", Words(words)));
    }
}

fn listed(names: Vec<Word>) -> impl Iterator<Item = Word> {
    let between = |(index, name)| [(index > 0).then(|| Word::Text(", ".into())), Some(name)].into_iter().flatten();
    names.into_iter().enumerate().flat_map(between)
}

fn holds(holders: Vec<Word>, held: &Held) -> Words {
    let fds: Vec<String> = held.fds.iter().map(ToString::to_string).collect();
    let names = held.names.join(" and ");
    let (what, why) = if held.terminal {
        ("the command's terminal", "it cannot close")
    } else {
        (names.as_str(), "its reader waits for an end that does not come")
    };
    let of = if held.terminal { String::new() } else { "the command's ".to_owned() };
    let held = [
        Word::Text(format!(": fd {} on ", fds.join(", ")).into()),
        Word::Bytes(held.path.clone()),
        Word::Text(format!(", {of}{what}: {why}").into()),
    ];
    Words(listed(holders).chain(held).collect())
}

/// Whom `--kill` is about.
fn targets(left: &[Left], what: Kill) -> impl Iterator<Item = &Left> {
    left.iter().filter(move |left| what == Kill::All || left.class < Class::Daemon)
}

/// Its group, if that may be signalled as one.
fn group(left: &Left) -> Option<Pgid> {
    left.group.filter(|_| left.group_is_left).map(|group| group.number).filter(|group| ending::may_be_ended(*group))
}

/// Says what would end it.
fn offer(left: &[Left], answer: &mut Answer) -> bool {
    let mut commands: Vec<String> = Vec::new();
    let mut stopped = false;
    for one in targets(left, Kill::Accidents) {
        stopped |= one.stopped;
        let number = match group(one) {
            Some(group) => format!("-{group}"),
            None => one.process.number.to_string(),
        };
        if !commands.contains(&number) {
            commands.push(number);
        }
    }
    if !commands.is_empty() {
        let cont = if stopped { " and the same with -CONT" } else { "" };
        let text = format!(
            "kill -TERM -- {}{cont}; leftovers --kill does that, and SIGKILL after a grace",
            commands.join(" ")
        );
        answer.rows.push(("release", Words(vec![Word::Text(text.into())])));
    }
    true
}

/// Ends it. Returns whether nothing of it lives.
fn kill(left: &[Left], what: Kill, grace: Duration, answer: &mut Answer) -> bool {
    let target = |left: &Left| Target { pid: left.process.number, start: left.start, group: group(left) };
    let targets: Vec<Target> = targets(left, what).map(target).collect();
    let outcomes = ending::end(&targets, grace);
    for (pid, outcome) in &outcomes {
        let name = left.iter().find(|left| left.process.number == *pid).map(|left| left.name.clone());
        let name = name.unwrap_or_else(|| Word::Process(*pid, tracer_model::event::Comm::default()));
        let (label, text) = match outcome {
            Outcome::Gone => ("ended", ": had ended already"),
            Outcome::Terminated => ("ended", ": by SIGTERM"),
            Outcome::Killed => ("ended", ": by SIGKILL, after it had not ended by SIGTERM"),
            Outcome::Lives => ("lives on", ": SIGKILL is pending, it is in a call that cannot be interrupted"),
            Outcome::Refused(_) => ("lives on", ": it may not be signalled: "),
        };
        let errno = match outcome {
            Outcome::Refused(errno) => Some(Word::Errno(*errno)),
            Outcome::Gone | Outcome::Terminated | Outcome::Killed | Outcome::Lives => None,
        };
        answer.rows.push((label, Words([name, Word::Text(text.into())].into_iter().chain(errno).collect())));
    }
    outcomes.iter().all(|(_, outcome)| !matches!(outcome, Outcome::Lives | Outcome::Refused(_)))
}

/// A folder for the recording, which is removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, ExpectedError> {
        let template = std::env::temp_dir().join("sesstrace.XXXXXX");
        nix::unistd::mkdtemp(&template).map(Self).map_err(|errno| ExpectedError {
            what: format!("cannot make a folder in {}: {errno:?}", std::env::temp_dir().display()),
            fix: Some("TMPDIR=/var/tmp sesstrace leftovers -- COMMAND".to_owned()),
            code: super::exit::BEFORE_COMMAND,
            cause: None,
        })
    }

    fn recording(&self) -> PathBuf {
        self.0.join("recording.sesstrace")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left behind in a temporary place is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
