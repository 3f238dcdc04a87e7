//! A process that does what a test tells it, step by step: what a program does when it becomes a daemon, in any order.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{BufRead as _, BufReader, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Command, Stdio},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    pty::openpty,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The launcher forks the actor and waits for SIGTERM. At `fork` the actor's child goes on and the actor ends. What is said to
/// it comes through a socket, and 0 to 2 are /dev/null: nothing of the test is left in a daemon's hands. SIGTERM is blocked before
/// anybody can send it.
const SCRIPT: &str = r#"
import fcntl, os, signal, socket, sys, termios
open("/proc/self/comm", "w").write(sys.argv[1])
mine = socket.socket(fileno=os.dup(0))
null = os.open("/dev/null", os.O_RDWR)
for fd in (0, 1, 2): os.dup2(null, fd)
os.close(null)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
if os.fork():
    mine.close()
    signal.sigwait([signal.SIGTERM])
    os._exit(0)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
lines = mine.makefile()
def say(text): mine.sendall(b"%s\n" % str(text).encode())
say(os.getpid())
for line in lines:
    word, *rest = line.split()
    try:
        if word == "fork":
            if os.fork(): os._exit(0)
        if word == "setsid": os.setsid()
        if word == "group": os.setpgid(0, 0)
        if word == "name": open("/proc/self/comm", "w").write(rest[0])
        if word == "chdir":
            for _ in range(int(rest[0])): os.chdir("/")
        if word == "open": fd = os.open(rest[0], os.O_RDWR)
        if word == "open-to-write": fd = os.open(rest[0], os.O_WRONLY)
        if word == "open-noctty": fd = os.open(rest[0], os.O_RDWR | os.O_NOCTTY)
        if word == "input":
            fd = os.open(rest[0], os.O_RDWR | os.O_NOCTTY)
            os.dup2(fd, 0)
            os.close(fd)
        say(os.getpid())
    except OSError as error:
        say(-error.errno)
"#;

/// It.
pub struct Actor {
    launcher: Child,
    /// Who acts now.
    pub pid: u32,
    socket: BufReader<UnixStream>,
}

impl Actor {
    /// Starts the launcher and the actor; with a terminal, as a session leader that has it as its controlling terminal.
    pub fn start(terminal: Option<&str>) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, &name_of_this_test()]).stdin(Stdio::from(OwnedFd::from(theirs))).current_dir("/");
        command.stdout(Stdio::null()).stderr(Stdio::null()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        if let Some(terminal) = terminal {
            let path = std::ffi::CString::new(terminal).unwrap();
            let lead = move || {
                nix::unistd::setsid()?;
                // SAFETY: the path ends with NUL. Who leads a session gets the terminal by opening it.
                let opened = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
                nix::errno::Errno::result(opened).map(drop).map_err(Into::into)
            };
            // SAFETY: every call is async-signal-safe.
            unsafe { command.pre_exec(lead) };
        }
        let launcher = command.spawn().unwrap();
        let mut actor = Self { launcher, pid: 0, socket: BufReader::new(ours) };
        actor.pid = actor.reply().cast_unsigned();
        actor
    }

    /// A daemon as daemon(3) makes one: a fork, and a session.
    pub fn daemon() -> Self {
        let mut actor = Self::start(None);
        actor.does("fork");
        actor.does("setsid");
        actor
    }

    fn reply(&mut self) -> i32 {
        let mut line = String::new();
        self.socket.read_line(&mut line).unwrap();
        line.trim_end().parse().unwrap()
    }

    /// Has it do something, and waits until that is done.
    pub fn does(&mut self, what: &str) {
        writeln!(self.socket.get_mut(), "{what}").unwrap();
        let reply = self.reply();
        assert!(reply > 0, "{what}: errno {}", -reply);
        self.pid = reply.cast_unsigned();
    }

    /// Has it try something that must fail. The errno.
    pub fn fails(&mut self, what: &str) -> i32 {
        writeln!(self.socket.get_mut(), "{what}").unwrap();
        -self.reply()
    }

    /// Its launcher ends.
    pub fn launcher_ends(&mut self) {
        kill(Pid::from_raw(self.launcher.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert!(self.launcher.wait().unwrap().success());
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // At the end of the socket it ends by itself.
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

/// A name for the processes of this test. What is news depends on names, and other tests run meanwhile; numbers in a name make
/// no difference to news, so that it is of letters.
pub fn name_of_this_test() -> String {
    let mut hasher = DefaultHasher::new();
    (std::process::id(), std::thread::current().name()).hash(&mut hasher);
    let mut number = hasher.finish();
    let letter = |_| {
        let letter = char::from(b'a' + (number % 26) as u8);
        number /= 26;
        letter
    };
    (0..12).map(letter).collect()
}

/// A terminal of which nobody but this process has a descriptor: its master, which keeps it, and its name.
pub fn terminal() -> (OwnedFd, String) {
    let pty = openpty(None, None).unwrap();
    for fd in [&pty.master, &pty.slave] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    }
    let name = fs::read_link(format!("/proc/self/fd/{}", pty.slave.as_raw_fd())).unwrap();
    (pty.master, name.to_string_lossy().into_owned())
}
