//! Births, execs, ends, and the calls that change groups and sessions.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use tracer_model::event::{Call, EventKind, WaitStatus};

use crate::{
    executable,
    stage::{BOTH, Capture, Stage, act, leave, subject},
};

/// An ordinary user.
const NOBODY: u32 = 65534;

/// The users that this test can run a command as.
fn users() -> Vec<Option<u32>> {
    if nix::unistd::geteuid().is_root() { vec![None, Some(NOBODY)] } else { vec![None] }
}

/// Everything once more, as somebody without any privilege.
#[test]
fn an_ordinary_user_needs_no_privilege() {
    if !nix::unistd::geteuid().is_root() {
        // This one is.
        return;
    }
    // Where the user may read it.
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: PathBuf| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        executable::copy(from, &to);
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        to
    };
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let tests = copy(&std::env::current_exe().unwrap(), folder.path().join("deps/tests"));
    copy(Path::new(&act("none")[0]), folder.path().join("examples/act"));
    let run = Command::new(tests).uid(NOBODY).gid(NOBODY).current_dir("/").output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
fn a_life_is_seen_from_fork_to_reap() {
    for (options, user) in BOTH.into_iter().flat_map(|options| users().into_iter().map(move |user| (options, user))) {
        let Some(mut capture) = Capture::open(options) else { return };
        let mut stage = Stage::new(options, user, &["sh", "-c", "setsid sh -c 'exit 3'; true | cat; exit 4"]);
        let root = stage.root;
        capture.source.follow(&[root]).unwrap();
        stage.release();
        capture.until_dead(root);
        assert_eq!(stage.next_state(), 4 << 8, "the parent gets what it would have got");

        let of_root = |event: &_| subject(event).is_some_and(|of| of.id.pid == root);
        let exec = capture.find(0, "exec", |event| of_root(event) && matches!(event.kind, EventKind::Exec { .. }));
        let EventKind::Exec { args, .. } = &capture.events[exec].kind else { unreachable!() };
        assert_eq!(args[..2], [b"sh".to_vec(), b"-c".to_vec()]);

        let born = capture.find(exec, "birth", |event| matches!(event.kind, EventKind::NewTask { .. }));
        let child = subject(&capture.events[born]).unwrap().clone();
        assert_eq!((capture.events[born].actor.pid, child.parent.pid), (root, root));
        assert!(child.not_yet_execed() && child.id.start.0 != 0);
        let setsid = capture.find(born, "setsid", |event| {
            subject(event).is_some_and(|of| of.id.pid == child.id.pid)
                && leave(event, |call| *call == Call::Setsid).is_some_and(|leave| leave.ret > 0)
        });
        let after = subject(&capture.events[setsid]).unwrap();
        assert_eq!((after.session.number, after.pgrp.number), (child.id.pid.0, child.id.pid.0));
        assert!(after.facts.session_leader && !after.not_yet_execed());
        let dead = capture.find(setsid, "end", |event| {
            event.kind == EventKind::Dead && subject(event).is_some_and(|of| of.id == child.id)
        });
        assert_eq!(subject(&capture.events[dead]).unwrap().wait_status(), 3 << 8);
        let reap = capture.find(dead, "reap", |event| {
            leave(event, |call| matches!(call, Call::Wait4 { .. }))
                .and_then(|leave| leave.waited)
                .is_some_and(|waited| waited.child == child.id && waited.status == WaitStatus::Exited(3))
        });
        assert_eq!(capture.events[reap].actor.pid, root);
        let born = capture.events.iter().filter(|event| matches!(event.kind, EventKind::NewTask { .. })).count();
        assert_eq!(born, 3, "setsid, true, cat");
        capture.end();
    }
}
