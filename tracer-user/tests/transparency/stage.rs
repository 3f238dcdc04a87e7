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

/// The states of the processes of this terminal with a name, for the tools below; cheaper than ps, which tracing makes slow.
const STATES: &str = r#"sub slurp { open my $file, "<", $_[0] or return ""; local $/; <$file> // "" }
sub stat_of { slurp("/proc/$_[0]/stat") =~ /\((.*)\) (\S) \S+ \S+ \S+ (\S+)/s ? ($1, $2, $3) : () }
my $tty = (stat_of($$))[2];
sub pids {
    my $name = shift;
    opendir my $proc, "/proc" or die;
    grep { my @stat = stat_of($_); @stat && $stat[0] eq $name && $stat[2] == $tty } grep /^\d/, readdir $proc;
}
sub states { map { (stat_of($_))[1] // () } pids(@_) }
sub until_true { my $condition = shift; select undef, undef, undef, 0.005 until $condition->() }
"#;
/// Returns when the process of this terminal with that name is stopped. The kernel shows a stopped tracee as `t`, and one that
/// is held for a moment, too.
const STOPPED: &str = "my $row = 0; until_true(sub { $row = grep(/t/i, states($ARGV[0])) ? $row + 1 : 0; $row == 3 });";
/// Returns when none with that name is left, not even a zombie.
const GONE: &str = "until_true(sub { !pids($ARGV[0]) });";
/// Returns when so many processes of this terminal have that name.
const RUNS: &str = "until_true(sub { $ARGV[0] == grep { $_ ne 'Z' } states($ARGV[1]) });";
/// Returns when the process of that number sleeps: a shell that has started a job in the background, and waits.
const AWAITED: &str = "my $row = 0;
until_true(sub { $row = ((stat_of($ARGV[0]))[1] // '') eq 'S' ? $row + 1 : 0; $row == 3 });";
/// Returns when the process whose number is in this file in `$OUT` has been reaped.
const AFTER: &str = r#"until_true(sub { slurp("$ENV{OUT}/$ARGV[0]") =~ /^(\d+)\n/ && !stat_of($1) });"#;
/// Kills the processes of this terminal with that name, and returns when they are gone.
const SLAY: &str = "kill 'KILL', pids($ARGV[0]); until_true(sub { !pids($ARGV[0]) });";
/// Returns when this file in `$OUT` has been written to.
const FILLED: &str = r#"until_true(sub { -s "$ENV{OUT}/$ARGV[0]" });"#;
/// Lists the processes of this terminal, when three lists in a row were the same: nothing is on its way any more.
const LIST: &str = r#"rm -f "$OUT/$1" "$OUT/$1."*; left=2; : > "$OUT/$1.last"
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
        for (name, text) in [
            ("stopped", STOPPED),
            ("gone", GONE),
            ("runs", RUNS),
            ("slay", SLAY),
            ("filled", FILLED),
            ("awaited", AWAITED),
            ("after", AFTER),
        ] {
            stage.tool(name, "/usr/bin/perl", &format!("{STATES}{text}"));
        }
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

    /// Lets other users work here, too.
    pub fn open_to_all(&self) {
        for path in [self.directory.path().to_owned(), self.out(), self.home()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        }
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
            // sesstrace ends by itself when what it follows has ended; a waiter that stopped with it has to be continued.
            let is_ours = process.name == "sesstrace" && !std::thread::panicking();
            let signal = if is_ours { libc::SIGCONT } else { libc::SIGKILL };
            // SAFETY: kill has no memory arguments.
            unsafe { libc::kill(process.pid, signal) };
        }
    }
}
