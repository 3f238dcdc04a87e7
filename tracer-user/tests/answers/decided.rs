//! A finding is printed when it is decided: before the command has ended, which waits for whoever reads it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use nix::{sys::stat::Mode, unistd::mkfifo};

use super::{BACKENDS, command, outlive::open_gate, works};

#[test]
fn a_finding_is_printed_while_the_command_waits() {
    // A second after the kill of the shell it is decided that its program goes on.
    const SCRIPT: &str = r"
        sh -c 'sleep 1000 & echo $! > left; wait' &
        until [ -s left ]; do :; done
        kill $!; wait $!
        read line < gate
        kill -KILL $(cat left)
    ";
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        if !works(here, backend) {
            continue;
        }
        mkfifo(&here.join("gate"), Mode::S_IRWXU).unwrap();
        for verb in ["live", "run"] {
            let mut told = command(here, &[verb, "-b", backend, "--", "sh", "-c", SCRIPT]);
            let mut told = told.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(told.stderr.take().unwrap()).lines().map(Result::unwrap);
            // Nobody opens the gate before: that it comes at the end would be for ever.
            assert!(lines.any(|line| line.starts_with("warning JC302")), "{verb}, {backend}");
            assert!(told.try_wait().unwrap().is_none(), "{verb}, {backend}: it goes on");
            open_gate(here);
            let rest = lines.count();
            assert!(told.wait().unwrap().success() && rest > 0, "{verb}, {backend}");
            fs::remove_file(here.join("left")).unwrap();
        }
    }
}
