//! The same audits with no privilege, with exactly what an audit can use, and as root.

use std::process::Command;

use crate::place::{NOBODY, Place, Sleeper, field, is_root, rows};

#[test]
fn what_may_not_be_looked_at_is_unknown_and_says_so() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let place = Place::new();
    let sleeper = Sleeper::new(Command::new("setsid").args(["-w", "sleep", "60"]));
    let output = place.audit(&NOBODY, &["--format", "json", "-p", &sleeper.pid()]);
    let rows_seen = rows(&output);
    let row = rows_seen.first().unwrap();
    assert_eq!(field(row, "verdict"), "unknown");
    assert!(field(row, "reason").contains("CAP_SYS_PTRACE"), "{row}");
    assert_eq!(output.status.code(), Some(3));
    // The same with exactly the capability that shows it.
    let able = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--inh-caps",
        "+sys_ptrace,+dac_read_search",
        "--ambient-caps",
        "+sys_ptrace,+dac_read_search",
    ];
    let output = place.audit(&able, &["--format", "json", "-p", &sleeper.pid()]);
    let rows_seen = rows(&output);
    assert_ne!(field(rows_seen.first().unwrap(), "verdict"), "unknown");
}

#[test]
fn an_ordinary_user_sees_what_is_its_own() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let place = Place::new();
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let mut own = Command::new("setpriv");
    own.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "setsid", "-w", "sleep", "60"])
        .current_dir("/");
    let sleeper = Sleeper::new(&mut own);
    let output = place.audit(&nobody, &["--format", "json", "-p", &sleeper.pid()]);
    assert_ne!(field(rows(&output).first().unwrap(), "verdict"), "unknown");
}
