//! `-u USER`. Becoming somebody else needs root, which CI has; failing to needs an ordinary user, which root can become.

use std::{fs, os::unix::fs::PermissionsExt};

use nix::unistd::{Gid, User, geteuid, setgid, setgroups, setuid};

use crate::{
    double::{Mode, PLACEMENTS, place},
    executable,
    pty::describe,
    run::{Setup, pipe, read_to_end, script},
};

/// The user that every system has for nothing in particular.
const NOBODY: &str = "nobody";

fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        assert!(std::env::var_os("SESSTRACE_REQUIRE").is_none(), "the test of -u must run as root");
        eprintln!("SKIPPED: the test of -u needs root: sudo -E cargo test -p tracer-user --test placement user");
    }
    root
}

#[test]
fn the_command_runs_as_the_user_and_nothing_else_changes() {
    if !is_root() {
        return;
    }
    let nobody = User::from_name(NOBODY).unwrap().unwrap();
    for mode in PLACEMENTS {
        let (reader, writer) = pipe();
        let setup = Setup::new().option("--user", NOBODY).stdout(writer);
        let mut run = setup.start(mode, &script("grep -E '^(Uid|Gid|Groups|CapEff):' /proc/$$/status; echo $HOME"));
        let said = read_to_end(reader);
        assert_eq!(describe(run.wait()), "exit 0");
        let (uid, gid) = (nobody.uid, nobody.gid);
        let home = std::env::var("HOME").unwrap_or_default();
        let expected = format!(
            "Uid: {uid} {uid} {uid} {uid} Gid: {gid} {gid} {gid} {gid} Groups: {gid} CapEff: 0000000000000000 {home}"
        );
        assert_eq!(said.split_whitespace().collect::<Vec<_>>().join(" "), expected.trim_end(), "{mode:?}");
    }
}

#[test]
fn the_path_is_searched_with_the_rights_of_the_user() {
    if !is_root() {
        return;
    }
    for mode in PLACEMENTS {
        let (reader, writer) = pipe();
        let setup = Setup::new().option("--user", NOBODY).stderr(writer);
        let command = setup.path("command");
        fs::write(&command, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&command, PermissionsExt::from_mode(0o700)).unwrap();
        let mut run = setup.start(mode, &[command.to_str().unwrap()]);
        assert!(read_to_end(reader).contains("EACCES (Permission denied)"));
        assert_eq!(describe(run.wait()), "exit 126", "{mode:?}");
    }
}

#[test]
fn an_unknown_user_and_a_lack_of_rights_are_named() {
    let (reader, writer) = pipe();
    let mut run = Setup::new().option("--user", "no-such-user").stderr(writer).start(Mode::Wrapper, &["touch", "ran"]);
    let said = read_to_end(reader);
    assert!(said.starts_with("sesstrace: cannot run as user 'no-such-user': there is no such user\n"), "{said}");
    assert_eq!(describe(run.wait()), "exit 125");
    assert!(!run.path("ran").exists());
    if !is_root() {
        return;
    }
    let (reader, writer) = pipe();
    let nobody = User::from_name(NOBODY).unwrap().unwrap();
    let (uid, gid) = (nobody.uid, nobody.gid);
    let become_nobody = move || {
        setgroups(&[] as &[Gid])?;
        setgid(gid)?;
        setuid(uid)?;
        Ok(())
    };
    let setup = Setup::new().stderr(writer).prepare(become_nobody);
    // The build directory need not be open to everybody.
    let program = setup.path("place");
    executable::copy(place(), &program);
    fs::set_permissions(program.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    let words = [program.to_str().unwrap(), "--user", "root", "--", "touch", "ran"].map(str::to_owned);
    let mut run = setup.start_words(&words);
    let said = read_to_end(reader);
    assert!(said.starts_with("sesstrace: cannot run as user 'root': EPERM"), "{said}");
    assert_eq!(describe(run.wait()), "exit 125");
}
