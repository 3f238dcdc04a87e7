//! What shells complete, asked of the shells themselves.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "a test fails by panicking, and a skip must be seen")]

use std::process::{Command, Output};

use tracer_user::filter::KEYS;

const SESSTRACE: &str = env!("CARGO_BIN_EXE_sesstrace");

fn script(shell: &str) -> String {
    let output = Command::new(SESSTRACE).args(["completions", shell]).output().expect("sesstrace");
    assert!(output.status.success() && output.stderr.is_empty());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What a shell says when it runs this with the path of sesstrace; `None`: it is not installed here.
fn ask(shell: &str, text: &str) -> Option<String> {
    let asked = Command::new(shell).args(["-c", text]).env("SESSTRACE", SESSTRACE).output();
    let Ok(Output { stdout, stderr, status }) = asked else {
        eprintln!("NOT TESTED: there is no {shell} here");
        return None;
    };
    assert!(status.success(), "{shell}: {}", String::from_utf8_lossy(&stderr));
    Some(String::from_utf8(stdout).expect("UTF-8"))
}

#[test]
fn bash_completes_verbs_options_and_keys() {
    let complete = |words: &str, word: &str, before: &str| {
        let count = words.split_whitespace().count();
        ask(
            "bash",
            &format!(
                "source <(\"$SESSTRACE\" completions bash); COMP_WORDS=({words}); COMP_CWORD={}; \
                 _sesstrace sesstrace '{word}' '{before}'; echo \"${{COMPREPLY[@]}}\"",
                count - 1
            ),
        )
    };
    let Some(verbs) = complete("sesstrace re", "re", "sesstrace") else { return };
    assert_eq!(verbs, "record replay report\n");
    assert_eq!(complete("sesstrace record --rot", "--rot", "record").as_deref(), Some("--rotate-size --rotate-age\n"));
    assert_eq!(complete("sesstrace replay --filter na", "na", "--filter").as_deref(), Some("name=\n"));
}

#[test]
fn fish_completes_verbs_options_and_keys() {
    let complete =
        |words: &str| ask("fish", &format!("$SESSTRACE completions fish | source; complete -C 'sesstrace {words}'"));
    let Some(verbs) = complete("sc") else { return };
    assert!(verbs.starts_with("scrub\t"), "{verbs}");
    let keys = complete("live --filter se").unwrap_or_default();
    assert_eq!(keys, "session=\tnumber of a session\n");
}

#[test]
fn zsh_accepts_its_script() {
    ask("zsh", "$SESSTRACE completions zsh | zsh -n");
}

#[test]
fn every_shell_has_every_key() {
    for shell in ["bash", "zsh", "fish"] {
        let script = script(shell);
        for (key, ..) in KEYS {
            assert!(script.contains(&format!("{key}=")), "{shell} does not complete {key}");
        }
    }
}
