//! How tests start the example `place`, which has the placement of sesstrace and no capture, and what it wrote in its log.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use nix::unistd::geteuid;

use crate::pty::eventually;

/// Where the command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Untraced,
    InPlace,
    Wrapper,
    /// In place under sesstrace itself, with its probes.
    TracedInPlace,
    /// Under the wrapper of sesstrace itself, with its probes.
    TracedWrapper,
    /// In place under sesstrace itself, with ptrace.
    PtracedInPlace,
    /// Under the wrapper of sesstrace itself, with ptrace.
    PtracedWrapper,
}

/// Placements to compare an untraced run with.
pub const PLACEMENTS: [Mode; 2] = [Mode::InPlace, Mode::Wrapper];

/// These placements, and the same two under sesstrace itself where its probes are allowed. Says so where they are not, and
/// fails where they are required.
pub fn with_probes() -> Vec<Mode> {
    let mut modes = PLACEMENTS.to_vec();
    if geteuid().is_root() {
        modes.extend([Mode::TracedInPlace, Mode::TracedWrapper]);
    } else {
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "ebpf"), "SESSTRACE_REQUIRE=ebpf, but this is not root");
        eprintln!("SKIPPED: not compared under probes, which need root");
    }
    modes
}

/// Both placements under sesstrace itself with ptrace, where that is allowed. Says so where it is not, and fails where it is
/// required.
pub fn with_ptrace() -> Vec<Mode> {
    let words = Mode::PtracedWrapper.words(&[], &["true"]);
    let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
    if output.status.success() {
        return vec![Mode::PtracedInPlace, Mode::PtracedWrapper];
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|word| word == "ptrace"), "ptrace is required: {said}");
    eprintln!("SKIPPED: not compared under ptrace: {said}");
    Vec::new()
}

const SESSTRACE: &str = env!("CARGO_BIN_EXE_sesstrace");

impl Mode {
    /// The words that start `command` in this mode.
    pub fn words(self, options: &[&str], command: &[&str]) -> Vec<String> {
        let place = place();
        let place = place.to_str().unwrap();
        let front: &[&str] = match self {
            Self::Untraced => return command.iter().map(ToString::to_string).collect(),
            Self::InPlace => &[place, "--at", "in-place"],
            Self::Wrapper => &[place, "--at", "wrapper"],
            Self::TracedInPlace => {
                &[SESSTRACE, "run", "-b", "ebpf", "--in-place", "-o", "/dev/null", "-w", "/dev/null"]
            }
            Self::PtracedInPlace => {
                &[SESSTRACE, "run", "-b", "ptrace", "--in-place", "-o", "/dev/null", "-w", "/dev/null"]
            }
            Self::PtracedWrapper => &[SESSTRACE, "run", "-b", "ptrace", "-o", "/dev/null", "-w", "/dev/null"],
            Self::TracedWrapper => &[SESSTRACE, "run", "-b", "ebpf", "-o", "/dev/null", "-w", "/dev/null"],
        };
        // The options are the example's.
        let options = if front[0] == SESSTRACE { &[] } else { options };
        [front, options, &["--"], command].concat().into_iter().map(str::to_owned).collect()
    }
}

/// The example. Building the tests builds it, unless only this test was asked for.
pub fn place() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let place = deps.parent().and_then(Path::parent).unwrap().join("examples/place");
    let built = modified(&place);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = fs::read_dir(root.join("src/placement")).unwrap().map(|entry| entry.unwrap().path());
    for source in sources.chain([root.join("examples/place.rs")]) {
        assert!(built >= modified(&source), "examples/place is old or missing: cargo build -p tracer-user --examples");
    }
    place
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// The log of a capture process.
pub struct Log {
    pub path: PathBuf,
}

impl Log {
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("log") }
    }

    pub fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    /// Waits for a whole line that begins with `start`, and returns the rest of it.
    pub fn expect(&self, start: &str) -> String {
        eventually(&format!("{start:?} in the log of the capture process"), || {
            let text = self.text();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            whole.lines().find_map(|line| line.strip_prefix(start)).map(|rest| rest.trim().to_owned())
        })
    }

    /// The capture process's pid.
    pub fn capture(&self) -> i32 {
        self.expect("capture ").split(' ').next().unwrap().parse().unwrap()
    }

    /// The same, if it has been noted by now.
    pub fn capture_now(&self) -> Option<i32> {
        self.text().strip_prefix("capture ")?.split(' ').next()?.parse().ok()
    }

    /// The command's pid.
    pub fn root(&self) -> i32 {
        self.expect("root ").parse().unwrap()
    }
}
