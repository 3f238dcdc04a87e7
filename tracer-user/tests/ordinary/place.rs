//! A folder that everybody may look into, with a copy of the program, and commands in it as an ordinary user or as root.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::executable;

/// Becomes nobody, with no group and no capability.
pub const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

pub struct Place {
    folder: TempDir,
}

impl Place {
    /// `None`, with a word about it, where this is not root.
    pub fn for_root() -> Option<Self> {
        if nix::unistd::geteuid().is_root() {
            return Some(Self::new());
        }
        let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "ptrace"), "SESSTRACE_REQUIRE=ptrace, but this is not root");
        eprintln!("SKIPPED: needs root, to become somebody else");
        None
    }

    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        executable::install(env!("CARGO_BIN_EXE_sesstrace"), folder.path().join("sesstrace"));
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder in it that is everybody's.
    pub fn open_folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        path
    }

    /// `words` and then sesstrace, in this folder. Its recordings have no place to be kept.
    pub fn through(&self, words: &[&str]) -> Command {
        let program = self.path("sesstrace");
        let mut command = match words {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE", "XDG_STATE_HOME", "HOME"] {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C.UTF-8").env("PATH", "/usr/bin:/bin").current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// sesstrace as nobody.
    pub fn nobody(&self) -> Command {
        self.through(&NOBODY)
    }

    /// What a command said on stderr, with this folder as DIR, and how it ended.
    pub fn said(&self, output: &Output) -> String {
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        let stderr = stderr.replace(self.folder.path().to_str().unwrap(), "DIR");
        format!("{stderr}{}\n", output.status)
    }
}
