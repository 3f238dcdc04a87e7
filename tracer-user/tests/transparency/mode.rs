//! How a command is started: untraced, or under one of the backends in one of the placements.

use std::process::Command;

use nix::unistd::geteuid;

const SESSTRACE: &str = env!("CARGO_BIN_EXE_sesstrace");

/// What watches the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// ptrace with the seccomp filter.
    Ptrace,
    /// ptrace without it: a stop at every call.
    NoSeccomp,
    Ebpf,
}

impl Backend {
    /// The options that choose it.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ptrace => &["-b", "ptrace"],
            Self::NoSeccomp => &["-b", "ptrace", "--no-seccomp"],
            Self::Ebpf => &["-b", "ebpf"],
        }
    }

    /// Whether it works here. Says so loudly if not, and fails where it is required.
    pub fn works(self) -> bool {
        let (name, works) = match self {
            Self::Ebpf => ("ebpf", geteuid().is_root()),
            Self::Ptrace | Self::NoSeccomp => {
                let front = Mode::Wrapper(self).front();
                let output = Command::new(front[0]).args(&front[1..]).arg("true").output();
                ("ptrace", output.is_ok_and(|output| output.status.success()))
            }
        };
        if !works {
            let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|word| word == name), "{name} is required, and does not work here");
            eprintln!("SKIPPED: not compared under {name}, which does not work here: sesstrace doctor");
        }
        works
    }
}

/// A column of the matrix, or the run that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Untraced,
    InPlace(Backend),
    Wrapper(Backend),
    /// Started untraced; `-p` follows it from its first prompt on.
    Attached(Backend),
}

impl Mode {
    /// The columns of the matrix, in their order.
    pub const COLUMNS: [Self; 6] = [
        Self::InPlace(Backend::Ptrace),
        Self::Wrapper(Backend::Ptrace),
        Self::InPlace(Backend::NoSeccomp),
        Self::InPlace(Backend::Ebpf),
        Self::Wrapper(Backend::Ebpf),
        Self::Attached(Backend::Ptrace),
    ];

    /// What watches.
    pub fn backend(self) -> Option<Backend> {
        match self {
            Self::Untraced => None,
            Self::InPlace(backend) | Self::Wrapper(backend) | Self::Attached(backend) => Some(backend),
        }
    }

    /// The words that go before a command.
    pub fn front(self) -> Vec<&'static str> {
        let (backend, placement): (_, &[_]) = match self {
            Self::Untraced | Self::Attached(_) => return Vec::new(),
            Self::InPlace(backend) => (backend, &["--in-place"]),
            Self::Wrapper(backend) => (backend, &[]),
        };
        let run = [&[SESSTRACE, "run", "-o", "/dev/null", "-w", "/dev/null"], backend.options(), placement, &["--"]];
        run.concat()
    }

    /// The words that follow a process which runs already, silently, if that is the mode.
    pub fn follower(self, pid: i32) -> Option<Vec<String>> {
        let Self::Attached(backend) = self else { return None };
        let words = [&[SESSTRACE, "record", "-o", "/dev/null"], backend.options(), &["-p"]].concat();
        Some(words.into_iter().map(str::to_owned).chain([pid.to_string()]).collect())
    }
}

/// Who types in the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Oneself,
    /// An ordinary user: nobody, or oneself if one is no other.
    Ordinary,
}

impl User {
    /// The words that go before a command to make it this user's.
    pub fn front(self) -> &'static [&'static str] {
        match self {
            Self::Ordinary if geteuid().is_root() => &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
            Self::Oneself | Self::Ordinary => &[],
        }
    }
}
