//! Interactive shells: the same keys must give the same screens and the same end, whether the shell is traced or not.

use crate::{
    double::{Mode, with_probes},
    pty::{Terminal, describe},
    session::{BASH, DASH, INNER, OUTER, ZSH, have, start, tools},
};

/// A foreground job is interrupted, stopped, resumed, put in the background, killed; commands succeed, fail and crash.
fn work(terminal: &mut Terminal) {
    let run = |terminal: &mut Terminal, line: &str| {
        terminal.line(line);
        terminal.expect_prompt(INNER);
    };
    let cat_says = |terminal: &mut Terminal, line: &str| {
        terminal.expect_foreground("cat");
        terminal.line(line);
        terminal.expect_lines(line, 2);
        terminal.expect_echo(line);
    };
    run(terminal, "echo flags $-");
    terminal.line("cat");
    cat_says(terminal, "one");
    terminal.send("\x03");
    terminal.expect_prompt(INNER);
    run(terminal, "echo status $?");

    terminal.line("cat");
    cat_says(terminal, "two");
    terminal.send("\x1a");
    terminal.expect_prompt(INNER);
    run(terminal, "echo status $?");
    run(terminal, "jobs");
    terminal.line("fg");
    cat_says(terminal, "three");
    terminal.send("\x1a");
    terminal.expect_prompt(INNER);
    run(terminal, "bg; stopped cat");
    run(terminal, "jobs");
    run(terminal, "kill -KILL %1; gone cat");
    run(terminal, "jobs");

    terminal.line("sleep 1000");
    terminal.expect_echo("sleep 1000");
    terminal.expect_foreground("sleep");
    terminal.send("\x1a");
    terminal.expect_prompt(INNER);
    run(terminal, "bg");
    run(terminal, "jobs");
    run(terminal, "kill %1; gone sleep");
    run(terminal, "jobs");

    terminal.line("sleep 2000");
    terminal.expect_echo("sleep 2000");
    terminal.expect_foreground("sleep");
    terminal.send("\x1c");
    terminal.expect_prompt(INNER);
    run(terminal, "echo status $?");
    run(terminal, "echo a | cat | sh -c 'cat; exit 7'; echo status $?");
    run(terminal, "sh -c 'kill -USR1 $$'; echo status $?");
    run(terminal, "no-such-command; echo status $?");
}

fn leading_a_session(shell: &[&str]) {
    let tools = tools();
    let session = |mode: Mode| {
        let mut terminal = start(&mode.words(&[], shell), tools.path(), INNER, "");
        terminal.expect_prompt(INNER);
        work(&mut terminal);
        terminal.line("exit 5");
        let status = terminal.wait();
        format!("{}\n({})", terminal.screen(), describe(status))
    };
    let untraced = session(Mode::Untraced);
    assert!(untraced.contains("status 130") && untraced.ends_with("(exit 5)"), "{untraced}");
    for mode in with_probes() {
        assert_eq!(session(mode), untraced, "{mode:?}");
    }
}

#[test]
fn bash_leading_a_session_works_as_untraced() {
    leading_a_session(BASH);
}

#[test]
fn zsh_leading_a_session_works_as_untraced() {
    if have("zsh") {
        leading_a_session(ZSH);
    }
}

#[test]
fn dash_leading_a_session_works_as_untraced() {
    leading_a_session(DASH);
}

/// In an interactive bash, as a user does it: work, suspend the inner shell, bring it back, work, leave.
fn started_by_a_shell(shell: &[&str], suspend: &str) {
    let tools = tools();
    let session = |mode: Mode| {
        // The command line reads the same in every mode.
        let words: Vec<String> = BASH.iter().map(ToString::to_string).collect();
        let inner = mode.words(&[], &[&["env", "PS1=inner>"], shell].concat()).join(" ");
        let mut terminal = start(&words, tools.path(), OUTER, &inner);
        terminal.expect_prompt(OUTER);
        terminal.line("$START");
        let outer = terminal.forget_prompts();
        terminal.expect_prompt(INNER);
        work(&mut terminal);
        terminal.line(suspend);
        let inner = terminal.forget_prompts();
        terminal.remember_prompts(outer);
        terminal.expect_prompt(OUTER);
        terminal.line("echo status $?");
        terminal.expect_prompt(OUTER);
        terminal.line("jobs");
        terminal.expect_prompt(OUTER);
        terminal.line("fg");
        let outer = terminal.forget_prompts();
        terminal.remember_prompts(inner);
        terminal.expect_prompt(INNER);
        terminal.line("exit 5");
        terminal.remember_prompts(outer);
        terminal.expect_prompt(OUTER);
        terminal.line("echo status $?");
        terminal.expect_prompt(OUTER);
        terminal.line("exit");
        let status = terminal.wait();
        format!("{}\n({})", terminal.screen(), describe(status))
    };
    let untraced = session(Mode::Untraced);
    assert!(untraced.contains("outer>fg") && untraced.contains("status 5"), "{untraced}");
    for mode in with_probes() {
        assert_eq!(session(mode), untraced, "{mode:?}");
    }
}

#[test]
fn bash_in_bash_works_as_untraced() {
    started_by_a_shell(BASH, "suspend");
}

#[test]
fn zsh_in_bash_works_as_untraced() {
    if have("zsh") {
        started_by_a_shell(ZSH, "suspend");
    }
}

#[test]
fn dash_in_bash_works_as_untraced() {
    started_by_a_shell(DASH, "kill -STOP $$");
}
