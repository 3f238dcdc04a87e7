//! What is traced: jobs as a shell makes them, and a build of many short commands.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, Pid, fork, setpgid},
};

/// Jobs in a stretch: few enough that nothing else runs meanwhile, now and then.
const STRETCH: usize = 20;
/// What the time of a stretch is scaled to.
const SCALE: usize = 1000;

/// Runs so many jobs. What 1000 of them would take at the pace of the fastest stretch is written to a file, in ns.
pub fn run(count: usize, pace: &Path, exec: bool) -> anyhow::Result<()> {
    let mut fastest = Duration::MAX;
    for _ in 0..count / STRETCH {
        let begin = Instant::now();
        stretch(exec)?;
        fastest = fastest.min(begin.elapsed());
    }
    let scaled = fastest.as_nanos() * (SCALE / STRETCH) as u128;
    fs::write(pace, scaled.to_string()).with_context(|| pace.display().to_string())
}

/// What [`run`] wrote.
pub fn pace(file: &Path) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(Duration::from_nanos(text.parse().context("the pace")?))
}

/// Forks, makes a group from both sides as shells do, executes `true` where that is asked for, exits and waits, so many times.
fn stretch(exec: bool) -> anyhow::Result<()> {
    for _ in 0..STRETCH {
        // SAFETY: the child makes only async-signal-safe calls.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Child => {
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                let words = [c"true".as_ptr(), std::ptr::null()];
                // SAFETY: it does not return; the words end with a null pointer.
                unsafe {
                    if exec {
                        libc::execv(c"/bin/true".as_ptr(), words.as_ptr());
                    }
                    libc::_exit(i32::from(exec))
                }
            }
            ForkResult::Parent { child } => {
                // Either side may be first, and the child may be over.
                let _ = setpgid(child, child);
                waitpid(child, None).context("wait")?;
            }
        }
    }
    Ok(())
}

/// Writes a Makefile. Returns the command that builds it.
pub fn write_build(folder: &Path) -> anyhow::Result<Vec<String>> {
    let targets: Vec<String> = (0..40).map(|number| format!("target{number}")).collect();
    let mut makefile = format!("all: {}\n.PHONY: all {}\n", targets.join(" "), targets.join(" "));
    for target in &targets {
        // Writing to a String cannot fail.
        let _ = writeln!(
            makefile,
            "{target}:\n\t@for i in 1 2 3; do /bin/true; done; /usr/bin/expr 1 + 1; echo {target} | /bin/cat; \
             /usr/bin/basename {target}; x=$$(/usr/bin/dirname {target}/x)"
        );
    }
    let path = folder.join("Makefile");
    fs::write(&path, makefile).with_context(|| path.display().to_string())?;
    if std::process::Command::new("make").arg("-v").output().is_err() {
        bail!("MAKE IS NOT INSTALLED, and there is no build to measure: apt-get install make");
    }
    Ok(["make", "-j2", "-s", "-f", "Makefile"].map(str::to_owned).to_vec())
}
