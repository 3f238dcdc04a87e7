//! `leftovers --fail`: which classes of what is left behind fail a build.

use super::{command, text};

/// How each is started, which is in its answer, and the status of a command that itself exits with 4.
const CLASSES: &[(&str, &str, &str, i32)] = &[
    ("nothing", ":", "nothing is left behind", 4),
    ("in the command's group", "sleep 1000 & is $!", "\n  same group ", 1),
    ("in a group of its own", "bash -c 'set -m; sleep 1000 & echo $! > it'; number it", "\n  own group  ", 1),
    (
        "in a session of its own, below one that is there",
        r#"sh -c 'setsid sh -c "echo \$\$ > it; exec sleep 1000" & exec sleep 1000' & is $!; number it"#,
        "\n  session    ",
        1,
    ),
    (
        "stopped",
        "sleep 1000 & is $!; kill -STOP $!; until read -r it < /proc/$!/stat && [[ ${it##*) } == [tT]* ]]; do :; done",
        ": stopped by SIGSTOP, in the command's group",
        1,
    ),
    ("a daemon", "setsid sh -c 'echo $$ > it; exec sleep 1000' & number it", "\n  daemon     ", 4),
];

/// Waits until a process has its name.
const PRELUDE: &str = r#"
    is() { until read -r name < /proc/$1/comm && [ "$name" = sleep ]; do :; done; }
    number() { until read -r it < $1; do :; done 2> /dev/null; is $it; }
"#;

/// What fails is decided by the class; that each is told the same under both backends is
/// `each_class_is_told_and_ended_under_both_backends`.
#[test]
fn whatever_is_left_behind_and_is_no_daemon_fails_a_build() {
    for (name, script, told, status) in CLASSES {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("{PRELUDE}{script}\nexit 4");
        let words = ["leftovers", "-b", "ptrace", "--fail", "--kill=all", "--grace=60s", "--", "bash", "-c", &script];
        let output = command(folder.path(), &words).output().unwrap();
        let said = text(&output);
        assert!(format!("\n{said}").contains(told), "{name}: {said}");
        assert_eq!(output.status.code(), Some(*status), "{name}: {said}");
    }
}
