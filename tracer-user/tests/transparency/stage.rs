//! A place for a script: a home without anybody's start-up files, tools to call from it, files that it leaves, and the
//! processes that were started there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    listing,
    proc::{Stat, processes},
    pty::eventually,
};

/// Returns when the process of this terminal with that name is stopped. The kernel shows a stopped tracee as `t`, and one that
/// is held for a moment, too.
const STOPPED: &str = r#"left=3; while [ $left -gt 0 ]; do
    if ps -o stat=,comm= | grep -q "^[Tt][^ ]* *$1\$"; then left=$((left - 1)); else left=3; fi
done"#;
/// Returns when none with that name is left, not even a zombie.
const GONE: &str = r#"while ps -o comm= | grep -q "^$1\( <defunct>\)\?\$"; do :; done"#;
/// Returns when so many processes of this terminal have that name.
const RUNS: &str = r#"until [ $(ps -o comm= | grep -c "^$2\$") = $1 ]; do :; done"#;
/// Returns when this file in `$OUT` has been written to.
const FILLED: &str = r#"until [ -s "$OUT/$1" ]; do :; done"#;
/// Kills the processes of this terminal with that name, and returns when they are gone.
const SLAY: &str = r#"pkill -KILL -t "$(ps -o tty= -p $$)" -x "$1"; exec gone "$1""#;
/// Lists the processes of this terminal, when three lists in a row were the same: nothing is on its way any more.
const LIST: &str = r#"left=2; : > "$OUT/$1.last"
while [ $left -gt 0 ]; do
    PS > "$OUT/$1.ps"
    sed -e '/ ps$/d' -e 's/ [RSD]\([^ ]* *[^ ]*\)$/ S\1/' "$OUT/$1.ps" > "$OUT/$1.new"
    if cmp -s "$OUT/$1.new" "$OUT/$1.last"; then left=$((left - 1)); else left=2; fi
    mv "$OUT/$1.new" "$OUT/$1.last"
done
mv "$OUT/$1.last" "$OUT/$1""#;
/// Notes the signals that it gets in a file of its own name, but for QUIT and those that stop it; SIGPWR, which nobody sends in
/// earnest, ends it.
const WITNESS: &str = r#"$| = 1;
open my $file, ">>", "$ENV{OUT}/" . $0 =~ s{.*/}{}r or die;
select((select($file), $| = 1)[0]);
for my $name (qw(HUP INT TERM CONT USR1 USR2 PWR)) {
    $SIG{$name} = sub { print $file "$name\n"; exit 9 if $name eq "PWR" };
}
print $file "ready\n";
sleep 1000 while 1;"#;
/// The names that witnesses have in the scripts.
pub const WITNESSES: [&str; 4] = ["witness", "fore", "back", "halted"];

/// Removed at the end, with all processes that were started there.
pub struct Stage {
    directory: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let stage = Self { directory: tempfile::tempdir().unwrap() };
        for name in ["bin", "out", "home"] {
            fs::create_dir(stage.path(name)).unwrap();
        }
        stage.tool("stopped", "/bin/sh", STOPPED);
        stage.tool("gone", "/bin/sh", GONE);
        stage.tool("runs", "/bin/sh", RUNS);
        stage.tool("filled", "/bin/sh", FILLED);
        stage.tool("slay", "/bin/sh", SLAY);
        stage.tool("list", "/bin/sh", &LIST.replace("PS", listing::PS));
        for name in WITNESSES {
            stage.tool(name, "/usr/bin/perl", WITNESS);
        }
        stage
    }

    /// A command for use in the script.
    pub fn tool(&self, name: &str, interpreter: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!{interpreter}\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Where `$OUT` is.
    pub fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// What a file in `$OUT` holds.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.out().join(name)).unwrap_or_default()
    }

    /// Waits until a file in `$OUT` satisfies a condition, and returns it.
    pub fn expect(&self, name: &str, condition: impl Fn(&str) -> bool) -> String {
        eventually(&format!("the file {name}"), || Some(self.text(name)).filter(|text| condition(text)))
    }

    /// The environment of everything here: nothing that differs from machine to machine.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        vec![
            ("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", text(self.path("bin")))),
            ("TERM", "vt100".to_owned()),
            ("HOME", text(self.home())),
            ("OUT", text(self.out())),
            ("TMPDIR", text(self.out())),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("USER", "somebody".to_owned()),
        ]
    }

    /// The processes that were started here, the capture process among them: all that inherited the environment.
    pub fn processes(&self) -> Vec<Stat> {
        let wanted = format!("OUT={}", self.out().to_str().unwrap());
        let here = |stat: &Stat| {
            let environment = fs::read(Path::new("/proc").join(stat.pid.to_string()).join("environ"));
            environment.is_ok_and(|all| all.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
        };
        processes().into_iter().filter(here).collect()
    }

    /// The only process of this name that was started here.
    pub fn process(&self, name: &str) -> Option<Stat> {
        self.processes().into_iter().find(|process| process.name == name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for process in self.processes() {
            // The capture processes end by themselves when those they follow have ended.
            if process.name != "sesstrace" || std::thread::panicking() {
                // SAFETY: kill has no memory arguments.
                unsafe { libc::kill(process.pid, libc::SIGKILL) };
            }
        }
    }
}
