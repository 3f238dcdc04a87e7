//! A command to be traced, with a parent that is not traced and is no thread of this program: where tracer and parent are one
//! process, the kernel mixes the stops of ptrace with those of job control.

use std::{
    ffi::CString,
    fs::File,
    io::Read as _,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::pipe2,
};
use tracer_model::{
    event::{Call, Event, EventKind, Leave, State},
    ids::Pid,
};
use tracer_user::capture::{
    Item, Source as _,
    ptrace::{self, Options, PtraceSource},
};

/// Long enough for a loaded machine.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Everything on, with the filter.
pub const FILTERED: Options =
    Options { seccomp: true, running: false, capture_arguments: true, tty_io: true, attributes: None };
/// Everything on, without it.
pub const UNFILTERED: Options = Options { seccomp: false, ..FILTERED };
/// Both ways to stop a process at a call.
pub const BOTH: [Options; 2] = [FILTERED, UNFILTERED];

/// The command, held before its exec until [`Stage::release`]; and its parent.
pub struct Stage {
    /// The command.
    pub root: Pid,
    parent: i32,
    go: Option<OwnedFd>,
    statuses: File,
}

impl Stage {
    /// Forks both. The command runs as `user`, if that is given.
    pub fn new(options: Options, user: Option<u32>, words: &[&str]) -> Self {
        Self::on(options, user, words, None)
    }

    /// Forks both; the command has these as standard input and output.
    pub fn on(options: Options, user: Option<u32>, words: &[&str], stdio: Option<(OwnedFd, OwnedFd)>) -> Self {
        let words: Vec<CString> = words.iter().map(|word| CString::new(*word).unwrap()).collect();
        let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(std::ptr::null());
        let filter = options.filter();
        let tracer = Pid(std::process::id());
        let (went, go) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (mut statuses, status) = pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (File::from(read), write)).unwrap();
        // SAFETY: other threads exist, so that the child makes system calls only.
        let parent = unsafe { libc::fork() };
        assert!(parent >= 0);
        if parent == 0 {
            // SAFETY: as above.
            let root = unsafe {
                libc::setpgid(0, 0);
                libc::close(go.as_raw_fd());
                libc::fork()
            };
            if root == 0 {
                ptrace::allow_tracer(tracer);
                // SAFETY: system calls only, with memory that lives.
                unsafe {
                    if let Some(user) = user {
                        assert!(libc::setgid(user) == 0 && libc::setuid(user) == 0);
                    }
                    if let Some((input, output)) = &stdio {
                        libc::dup2(input.as_raw_fd(), 0);
                        libc::dup2(output.as_raw_fd(), 1);
                    }
                    libc::write(status.as_raw_fd(), b"redy".as_ptr().cast(), 4);
                    let mut byte = 0_u8;
                    if libc::read(went.as_raw_fd(), (&raw mut byte).cast(), 1) != 1 {
                        libc::_exit(125);
                    }
                    if filter.is_some_and(|filter| filter.install().is_err()) {
                        libc::_exit(124);
                    }
                    libc::execvp(pointers[0], pointers.as_ptr());
                    libc::_exit(126);
                }
            }
            report_states(root, status.as_raw_fd());
        }
        drop((status, went, stdio));
        let mut word = [0; 8];
        statuses.read_exact(&mut word).unwrap();
        // The parent's word and the child's, in either order.
        let number = if &word[..4] == b"redy" { &word[4..] } else { &word[..4] };
        let root = Pid(u32::from_ne_bytes(number.try_into().unwrap()));
        Self { root, parent, go: Some(go), statuses }
    }

    /// Lets the command run.
    pub fn release(&mut self) {
        nix::unistd::write(self.go.take().unwrap(), b"!").unwrap();
    }

    /// The command's parent.
    pub fn parent(&self) -> Pid {
        Pid(self.parent as u32)
    }

    /// The next state of the command that its parent was told of.
    pub fn next_state(&mut self) -> i32 {
        wait_readable(self.statuses.as_fd());
        let mut word = [0; 4];
        self.statuses.read_exact(&mut word).unwrap();
        i32::from_ne_bytes(word)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: the parent is not reaped, so that it is still ours; its group is what it leads.
        unsafe {
            libc::kill(-self.parent, libc::SIGKILL);
            libc::waitpid(self.parent, std::ptr::null_mut(), 0);
        }
    }
}

/// The command's parent: tells every state change of it.
fn report_states(root: i32, status: i32) -> ! {
    const STATUS: i32 = 3;
    // SAFETY: system calls only, with memory that lives.
    unsafe {
        // Nothing else is to be held open by it.
        libc::dup2(status, STATUS);
        libc::syscall(libc::SYS_close_range, STATUS + 1, u32::MAX, 0);
        libc::write(STATUS, (&raw const root).cast(), 4);
        loop {
            let mut word = 0;
            if libc::waitpid(root, &raw mut word, libc::WUNTRACED | libc::WCONTINUED) != root {
                libc::_exit(1);
            }
            libc::write(STATUS, (&raw const word).cast(), 4);
            if libc::WIFEXITED(word) || libc::WIFSIGNALED(word) {
                libc::_exit(0);
            }
        }
    }
}

fn wait_readable(fd: BorrowedFd<'_>) {
    let timeout = PollTimeout::try_from(DEADLINE).unwrap();
    assert_eq!(poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout), Ok(1), "nothing for a minute");
}

/// A capture, and what it yielded so far.
pub struct Capture {
    pub source: PtraceSource,
    pub events: Vec<Event>,
}

impl Capture {
    /// `None`, and a loud word, where ptrace is forbidden.
    pub fn open(options: Options) -> Option<Self> {
        match PtraceSource::open(options) {
            Ok(source) => Some(Self { source, events: Vec::new() }),
            Err(error) => {
                let required = std::env::var("SESSTRACE_REQUIRE").unwrap_or_default();
                assert!(!required.split(',').any(|word| word == "ptrace"), "SESSTRACE_REQUIRE=ptrace, but: {error}");
                eprintln!("SKIPPED: no ptrace here: {error}");
                None
            }
        }
    }

    /// Takes what there is.
    pub fn poll(&mut self) {
        let mut items = Vec::new();
        self.source.poll(&mut items).unwrap();
        for item in items {
            let Item::Event(event) = item else { panic!("{item:?}") };
            assert_eq!(event.seq.0, self.events.len() as u64 + 1, "every number is delivered, in order");
            self.events.push(event);
        }
    }

    /// Polls until the events satisfy a condition.
    pub fn until(&mut self, what: &str, done: impl Fn(&[Event]) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.poll();
            if done(&self.events) {
                return;
            }
            assert!(Instant::now() < deadline, "not within a minute: {what}\n{}", list(&self.events));
            std::thread::yield_now();
        }
    }

    /// Polls until this process has exited, and what followed is there too.
    pub fn until_dead(&mut self, pid: Pid) {
        let over = |event: &Event| event.kind == EventKind::Dead && subject(event).is_some_and(|of| of.exit_state != 0);
        self.until("the end of the command", |events| events.iter().any(|event| over(event) && is_of(event, pid)));
    }

    /// Waits, without taking anything, until nothing more is added.
    pub fn wait_until_full(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        let mut last = self.source.last_seq();
        loop {
            // Long enough for many events, should there be room.
            std::thread::sleep(Duration::from_millis(50));
            let now = self.source.last_seq();
            if now == last && now.0 > 1000 {
                return;
            }
            assert!(Instant::now() < deadline, "it never fills");
            last = now;
        }
    }

    /// Ends the capture; whoever is traced still is let go of, or has ended when this returns.
    pub fn end(mut self) {
        self.source.stop().unwrap();
        Box::new(self.source).retire();
    }

    /// The index of the first event from `from` on that satisfies a condition.
    pub fn find(&self, from: usize, what: &str, test: impl Fn(&Event) -> bool) -> usize {
        let found = self.events.iter().skip(from).position(test);
        from + found.unwrap_or_else(|| panic!("no {what} from {from} on among\n{}", list(&self.events)))
    }
}

/// The bundle.
pub fn subject(event: &Event) -> Option<&State> {
    event.subject.as_deref()
}

/// The return of a call that satisfies a condition.
pub fn leave(event: &Event, test: impl Fn(&Call) -> bool) -> Option<&Leave> {
    if let EventKind::Leave(leave) = &event.kind { Some(leave).filter(|leave| test(&leave.call)) } else { None }
}

/// Whether an event is about this process.
pub fn is_of(event: &Event, pid: Pid) -> bool {
    subject(event).is_some_and(|of| of.id.pid == pid)
}

/// The example `act`, built with the tests.
pub fn act(name: &str) -> Vec<String> {
    let tests = std::env::current_exe().unwrap();
    let act = tests.parent().and_then(Path::parent).unwrap().join("examples/act");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/act.rs");
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    assert!(
        act.exists() && modified(&act) >= modified(&source),
        "examples/act is old or missing: cargo build -p tracer-user --examples"
    );
    vec![act.to_str().unwrap().to_owned(), name.to_owned()]
}

/// Runs an act to its end under capture, and checks its status.
pub fn perform(options: Options, name: &str, status: i32) -> Option<(Capture, Stage)> {
    let mut capture = Capture::open(options)?;
    let words = act(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut stage = Stage::new(options, None, &words);
    capture.source.follow(&[stage.root]).unwrap();
    stage.release();
    capture.until_dead(stage.root);
    assert_eq!(stage.next_state(), status, "{name} went as untraced, {options:?}\n{}", list(&capture.events));
    Some((capture, stage))
}

/// A line for each event, for people.
pub fn list(events: &[Event]) -> String {
    let line = |event: &Event| {
        let of = event.subject.as_ref().map(|of| {
            format!(
                "{}:{} parent {} pg {} sid {} {}{}{} {}",
                of.id.pid,
                of.id.tid,
                of.parent.pid,
                of.pgrp.number,
                of.session.number,
                if of.is_stopped() { "stopped " } else { "" },
                if of.exit_state != 0 { "over " } else { "" },
                of.tty.map_or(String::new(), |tty| format!("tty fg {}", tty.foreground.number)),
                String::from_utf8_lossy(&of.comm.0),
            )
        });
        format!(
            "{:4} by {}:{} {:?} [{}]\n",
            event.seq.0,
            event.actor.pid,
            event.actor.tid,
            event.kind,
            of.unwrap_or_default()
        )
    };
    events.iter().map(line).collect()
}
