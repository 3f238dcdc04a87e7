//! Commands that are no shells, as jobs of an interactive bash: the shell's fg, bg, kill and the terminal's keys must do what
//! they do without a tracer. And what becomes of everybody when the terminal hangs up.

use crate::{
    double::{Mode, PLACEMENTS},
    proc::{Stat, lives},
    pty::{Terminal, describe, eventually},
    session::{BASH, DASH, INNER, OUTER, ZSH, have, start, tools},
};

const MODES: [Mode; 3] = [Mode::Untraced, Mode::InPlace, Mode::Wrapper];

fn same_in_every_placement(session: impl Fn(Mode) -> String) -> String {
    let untraced = session(Mode::Untraced);
    for mode in PLACEMENTS {
        assert_eq!(session(mode), untraced, "{mode:?}");
    }
    untraced
}

/// An interactive bash in which `$START` is the command in this mode.
fn bash_with(mode: Mode, command: &[&str], tools: &std::path::Path) -> Terminal {
    let words: Vec<String> = BASH.iter().map(ToString::to_string).collect();
    let mut terminal = start(&words, tools, OUTER, &mode.words(&[], command).join(" "));
    terminal.expect_prompt(OUTER);
    terminal
}

fn run(terminal: &mut Terminal, line: &str) {
    terminal.line(line);
    terminal.expect_prompt(OUTER);
}

#[test]
fn a_foreground_job_stops_and_goes_on_with_its_shell() {
    let tools = tools();
    let screen = same_in_every_placement(|mode| {
        let mut terminal = bash_with(mode, &["cat"], tools.path());
        let cat_says = |terminal: &mut Terminal, line: &str| {
            terminal.expect_foreground("cat");
            terminal.line(line);
            terminal.expect_lines(line, 2);
            terminal.expect_echo(line);
        };
        terminal.line("$START");
        cat_says(&mut terminal, "one");
        terminal.send("\x1a");
        terminal.expect_prompt(OUTER);
        run(&mut terminal, "echo status $?");
        // It reads in the background, and stops again.
        run(&mut terminal, "bg; stopped cat");
        run(&mut terminal, "jobs");
        terminal.line("fg");
        cat_says(&mut terminal, "two");
        terminal.send("\x1a");
        terminal.expect_prompt(OUTER);
        terminal.line("fg");
        cat_says(&mut terminal, "three");
        terminal.send("\x03");
        terminal.expect_prompt(OUTER);
        run(&mut terminal, "echo status $?");
        terminal.line("$START");
        cat_says(&mut terminal, "four");
        terminal.send("\x04");
        terminal.expect_prompt(OUTER);
        run(&mut terminal, "echo status $?");
        terminal.screen()
    });
    assert!(
        screen.contains("status 148") && screen.contains("status 130") && screen.ends_with("status 0\nouter>"),
        "{screen}"
    );
}

#[test]
fn a_background_job_is_killed_as_a_group() {
    let tools = tools();
    let screen = same_in_every_placement(|mode| {
        let mut terminal = bash_with(mode, &["sleep", "1000"], tools.path());
        terminal.line("$START");
        terminal.expect_echo("$START");
        terminal.expect_foreground("sleep");
        terminal.send("\x1a");
        terminal.expect_prompt(OUTER);
        run(&mut terminal, "bg");
        run(&mut terminal, "jobs");
        run(&mut terminal, "kill %1; gone sleep; gone place");
        run(&mut terminal, "jobs");
        terminal.screen()
    });
    assert!(screen.contains("Running") && screen.contains("Terminated"), "{screen}");
}

#[test]
fn a_pipeline_is_one_job() {
    let tools = tools();
    let screen = same_in_every_placement(|mode| {
        let mut terminal = bash_with(mode, &["sleep", "1000"], tools.path());
        terminal.line("$START | cat");
        terminal.expect_echo("$START | cat");
        terminal.expect_foreground("cat");
        terminal.expect_foreground("sleep");
        terminal.send("\x1a");
        terminal.expect_prompt(OUTER);
        run(&mut terminal, "jobs");
        terminal.line("fg");
        terminal.expect_echo("$START | cat");
        terminal.expect_foreground("cat");
        terminal.expect_foreground("sleep");
        terminal.send("\x03");
        terminal.expect_prompt(OUTER);
        run(&mut terminal, "echo status $?");
        terminal.screen()
    });
    assert!(screen.contains("status 130"), "{screen}");
}

/// What the hangup leaves: the end of the session leader, and whether the background job of the shell with the foreground job
/// `line` lives on. Ends what is left.
fn hang_up(mut terminal: Terminal, line: &str) -> String {
    terminal.line("sleep 2000 &");
    terminal.expect_prompt(INNER);
    let background = eventually("the background job", || terminal.process("sleep")).pid;
    terminal.line(line);
    terminal.expect_echo(line);
    let foreground = terminal.expect_foreground("tail");
    let shell = terminal.process("tail").expect("the foreground job").ppid;
    let status = terminal.hang_up();
    eventually("the end of the shell", || (!lives(shell)).then_some(()));
    let [foreground, background] = [foreground, background].map(survives);
    format!("{}, foreground job {foreground}, background job {background}", describe(status))
}

/// Whether a process that would have been hung up by now was not. Ends it then.
fn survives(pid: i32) -> &'static str {
    // Dying takes a moment. Who is not dying obeys.
    // SAFETY: kill has no memory arguments, and the number is not reused as fast as that.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
    let stopped = eventually("its end or its stop", || match Stat::of(pid) {
        Some(Stat { state: 'T', .. }) => Some(true),
        Some(Stat { state: 'Z', .. }) | None => Some(false),
        Some(_) => None,
    });
    if !stopped {
        return "is hung up";
    }
    // SAFETY: as above.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    "lives on"
}

#[test]
fn a_hangup_ends_a_session_as_untraced() {
    for (shell, expected) in [
        (BASH, "signal 1, foreground job is hung up, background job is hung up"),
        (ZSH, "exit 1, foreground job is hung up, background job is hung up"),
        (DASH, "signal 1, foreground job is hung up, background job lives on"),
    ] {
        if !have(shell[0]) {
            continue;
        }
        let tools = tools();
        for mode in MODES {
            let mut terminal = start(&mode.words(&[], shell), tools.path(), INNER, "");
            terminal.expect_prompt(INNER);
            assert_eq!(hang_up(terminal, "tail -f /dev/null"), expected, "{mode:?} {shell:?}");
        }
    }
}

/// The foreground job ignores the hangup. Otherwise its end would have the inner shell read from the terminal and find it
/// closed, which in an untraced run comes after the hangup from the outer shell, and with the wrapper may come before.
#[test]
fn a_hangup_ends_a_shell_within_a_shell_as_untraced() {
    for (shell, expected) in [
        (BASH, "signal 1, foreground job lives on, background job is hung up"),
        (ZSH, "signal 1, foreground job lives on, background job is hung up"),
        (DASH, "signal 1, foreground job lives on, background job lives on"),
    ] {
        if !have(shell[0]) {
            continue;
        }
        let tools = tools();
        for mode in MODES {
            let mut terminal = bash_with(mode, &[&["env", "PS1=inner>"], shell].concat(), tools.path());
            terminal.line("$START");
            terminal.forget_prompts();
            terminal.expect_prompt(INNER);
            let line = "sh -c \"trap '' HUP; exec tail -f /dev/null\"";
            assert_eq!(hang_up(terminal, line), expected, "{mode:?} {shell:?}");
        }
    }
}
