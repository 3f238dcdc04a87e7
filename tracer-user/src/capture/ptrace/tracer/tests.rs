//! The tracing thread, with processes of its own and with none.

use std::ptr;

use super::*;
use crate::capture::ptrace::process::{Process, Thread};

/// A child of this thread that waits for nothing, traced by it.
struct Child(Tid);

impl Child {
    /// One in its first stop, and the word of that.
    fn stopped() -> Option<(Self, c_int)> {
        // SAFETY: the child makes a system call only.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            loop {
                // SAFETY: waits.
                unsafe { libc::pause() };
            }
        }
        let child = Self(Tid(pid as u32));
        if sys::seize(child.0).and_then(|()| sys::interrupt(child.0)).is_err() {
            eprintln!("SKIPPED: ptrace does not work here");
            return None;
        }
        let (tid, word) = sys::wait(false).unwrap()?;
        assert_eq!(tid, child.0);
        Some((child, word))
    }

    /// Kills it. When this returns it is in the stop before its exit, and nobody has fetched that.
    fn kill(&self) {
        let options = libc::WSTOPPED | libc::WNOWAIT | libc::__WALL;
        // SAFETY: no memory is written.
        unsafe {
            libc::kill(self.0.0 as i32, libc::SIGKILL);
            assert_eq!(libc::waitid(libc::P_PID, self.0.0, ptr::null_mut(), options), 0);
        }
    }

    fn state(&self) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: integers only.
        unsafe { libc::kill(self.0.0 as i32, libc::SIGKILL) };
        while let Ok(Some((tid, _))) = sys::wait(false) {
            let _ = sys::cont(tid, 0);
        }
    }
}

/// One that knows `child`.
pub fn tracer(child: Option<Tid>) -> Tracer {
    let options = Options { seccomp: true, running: false, capture_arguments: false, tty_io: false, attributes: None };
    let around = Surroundings { initial_namespace: false, namespace: 0 };
    let queue = Arc::new(Queue::new().unwrap());
    let mut tracer = Tracer::new(options, around, queue, Arc::default(), Arc::default());
    if let Some(child) = child {
        tracer.table.threads.insert(child, Thread::new(Pid(child.0)));
        tracer.table.insert(Process::new(Pid(child.0)));
    }
    tracer
}

/// What it has told.
pub fn told(tracer: &Tracer) -> Vec<Event> {
    let mut events = Vec::new();
    tracer.queue.take(&mut events);
    events
}

#[test]
fn whoever_waits_for_its_birth_to_be_told_runs_on_when_the_capture_ends() {
    let Some((child, word)) = Child::stopped() else { return };
    let mut tracer = tracer(None);
    tracer.handle(child.0, word);
    assert_eq!(child.state(), "t", "its maker is to say so first");
    tracer.obey(Request::Stop, &mut false).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.state() == "t" {
        assert!(Instant::now() < deadline, "still stopped");
        thread::yield_now();
    }
}

#[test]
fn a_process_has_stopped_when_its_last_running_thread_exits() {
    // More than there can be: nobody is asked or touched.
    let (leader, other) = (Tid(1 << 23), Tid((1 << 23) + 1));
    let mut tracer = tracer(Some(leader));
    let pid = Pid(leader.0);
    tracer.table.threads.insert(other, Thread::new(pid));
    tracer.table.processes.get_mut(&pid).unwrap().threads.insert(other);
    let group_stop = (libc::PTRACE_EVENT_STOP << 16) | (libc::SIGTSTP << 8) | 0x7f;
    tracer.handle(leader, group_stop);
    tracer.handle(other, 0);
    let told = told(&tracer).into_iter();
    let told: Vec<_> = told
        .filter(|event| !matches!(event.kind, EventKind::Snapshot { .. }))
        .map(|event| (event.actor.tid, event.kind, event.subject.unwrap().is_stopped()))
        .collect();
    let stopped = || EventKind::Stopped { signal: tracer_model::ids::Signal::TSTP };
    let expected = [
        (leader, stopped(), false),
        (other, EventKind::Exit { group_dead: false }, false),
        (other, stopped(), true),
        (other, EventKind::Dead, true),
    ];
    assert_eq!(told, expected);
}

/// Whether the second stop is fetched together with the first, or after that was handled.
#[test]
fn a_stop_that_was_overtaken_by_a_kill_tells_nothing() {
    for together in [true, false] {
        let Some((child, _)) = Child::stopped() else { return };
        child.kill();
        let mut tracer = tracer(Some(child.0));
        let forked = (libc::PTRACE_EVENT_FORK << 16) | (libc::SIGTRAP << 8) | 0x7f;
        if together {
            tracer.handle_batch(Some((child.0, forked)), BATCH);
        } else {
            tracer.handle(child.0, forked);
        }
        while let Ok(Some((tid, word))) = sys::wait(false) {
            tracer.handle(tid, word);
        }
        let told = told(&tracer).into_iter().map(|event| (event.kind, event.subject));
        // Its parent is met, and nobody is left to wait for it.
        let other = |kind: &EventKind| matches!(kind, EventKind::Snapshot { .. } | EventKind::Freed { .. });
        let told: Vec<_> = told.filter(|(kind, _)| !other(kind)).collect();
        let [(EventKind::Exit { group_dead: true }, Some(exit)), (EventKind::Dead, Some(dead))] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((exit.wait_status(), dead.wait_status()), (libc::SIGKILL, libc::SIGKILL));
    }
}
