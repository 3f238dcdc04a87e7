//! Small programs that do what shells do not: the hard cases of a tracer, acted out for its tests.
//!
//! `act NAME`, where a name is that of a function below. The status is 0 if everything went as it does untraced.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the status of a panic is what the tests look at")]

use std::{
    os::fd::AsRawFd as _,
    process::{Command, exit},
    sync::{
        atomic::{AtomicI32, Ordering},
        mpsc,
    },
    thread,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{ForkResult, Pid, execv, fork, getpgid, getpid, getppid, getsid, pipe, read, setpgid, setsid, write},
};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("exec_in_thread") => exec_in_thread(),
        Some("leader_first") => leader_first(),
        Some("vfork") => clone_child(libc::CLONE_VFORK),
        Some("clone_parent") => clone_child(libc::CLONE_PARENT),
        Some("clone_untraced") => clone_untraced(),
        Some("vfork_stopped") => vfork_stopped(),
        Some("call32") => call32(),
        Some("restart") => restart(),
        Some("auto_reap") => auto_reap(),
        Some("wait_twice") => wait_twice(),
        Some("jobs") => jobs(),
        Some("wait_blocked") => wait_blocked(),
        Some("churn") => churn(),
        Some("races") => races(),
        Some("stop_threads") => stop_threads(),
        Some("continue_child") => continue_child(),
        Some("leave_daemon") => leave_daemon(),
        Some("killed") => killed(),
        Some("many") => many(),
        Some("signals") => signals(),
        other => panic!("no such act: {other:?}"),
    }
}

fn sleep_for_ever() -> ! {
    loop {
        thread::park();
    }
}

/// Another thread than the leader executes a program while a third one runs.
fn exec_in_thread() {
    thread::spawn(sleep_for_ever);
    let executes = thread::spawn(|| execv(c"/bin/true", &[c"true"]));
    panic!("{:?}", executes.join());
}

/// The leader thread exits, another one goes on and ends the process with status 7.
fn leader_first() {
    thread::spawn(|| {
        // Until the leader is a zombie.
        let is_zombie = || std::fs::read_to_string("/proc/self/stat").unwrap().contains(") Z ");
        while !is_zombie() {
            thread::yield_now();
        }
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
        exit(7);
    });
    // SAFETY: ends this thread only.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// A child that is made with these flags moves into its own process group and ends.
fn clone_child(flags: i32) {
    // SAFETY: without CLONE_VM this is fork(2).
    let child = unsafe { libc::syscall(libc::SYS_clone, i64::from(flags | libc::SIGCHLD), 0_i64, 0_i64, 0_i64, 0_i64) };
    if child == 0 {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
        exit(0);
    }
    let child = Pid::from_raw(child as i32);
    let waited = waitpid(child, None);
    // With CLONE_PARENT it is the child of our parent.
    let expected = if flags == libc::CLONE_PARENT { Err(Errno::ECHILD) } else { Ok(WaitStatus::Exited(child, 0)) };
    assert_eq!(waited, expected);
}

/// A child stops while its parent waits for it in vfork(2), where nothing but the end or an exec of the child wakes that.
fn vfork_stopped() {
    let flags = i64::from(libc::CLONE_VFORK | libc::SIGCHLD);
    // SAFETY: without CLONE_VM this is fork(2), after which the parent waits.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0_i64, 0_i64, 0_i64, 0_i64) };
    if child == 0 {
        raise(Signal::SIGSTOP).unwrap();
        exit(0);
    }
    let child = Pid::from_raw(child as i32);
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
}

/// A child that no tracer is to have. Its status is 1 if it may not call setpgid.
fn clone_untraced() {
    // SAFETY: without CLONE_VM this is fork(2).
    let child = unsafe {
        libc::syscall(libc::SYS_clone, i64::from(libc::CLONE_UNTRACED | libc::SIGCHLD), 0_i64, 0_i64, 0_i64, 0_i64)
    };
    if child == 0 {
        exit(i32::from(setpgid(Pid::from_raw(0), Pid::from_raw(0)) == Err(Errno::ENOSYS)));
    }
    let Ok(WaitStatus::Exited(_, status)) = waitpid(Pid::from_raw(child as i32), None) else { exit(9) };
    exit(status);
}

/// `setpgid` and `kill` through the 32-bit entry.
#[cfg(target_arch = "x86_64")]
fn call32() {
    fn call(number: i32, first: i32, second: i32) -> i32 {
        let result: i32;
        // SAFETY: a system call without memory; rbx, which the compiler keeps, is put back.
        unsafe {
            std::arch::asm!(
                "xchg rbx, {first:r}", "int 0x80", "xchg rbx, {first:r}",
                first = inout(reg) i64::from(first) => _,
                inlateout("eax") number => result,
                in("ecx") second,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        result
    }
    assert_eq!(call(57, 0, 0), 0);
    assert_eq!(getpgid(None), Ok(getpid()));
    assert_eq!(call(37, getpid().as_raw(), 0), 0);
}

#[cfg(not(target_arch = "x86_64"))]
fn call32() {}

/// Until a process of one thread sleeps, where it does so only in its wait.
fn until_asleep(pid: Pid) {
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") S ") {
        thread::yield_now();
    }
}

extern "C" fn nothing(_: libc::c_int) {}

fn handle(signal: Signal, flags: SaFlags) {
    let action = SigAction::new(SigHandler::Handler(nothing), flags, SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(signal, &action) }.unwrap();
}

/// Where the handler below says that it ran.
static RAN: AtomicI32 = AtomicI32::new(-1);

extern "C" fn say(_: libc::c_int) {
    // SAFETY: one byte of a constant.
    unsafe { libc::write(RAN.load(Ordering::Relaxed), b"!".as_ptr().cast(), 1) };
}

/// A wait that a signal interrupts and that is restarted.
fn restart() {
    let (handled, ran) = pipe().unwrap();
    RAN.store(ran.as_raw_fd(), Ordering::Relaxed);
    let action = SigAction::new(SigHandler::Handler(say), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler makes one system call.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    // SAFETY: one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            until_asleep(getppid());
            kill(getppid(), Signal::SIGUSR1).unwrap();
            assert_eq!(read(&handled, &mut [0]), Ok(1));
            until_asleep(getppid());
            exit(0);
        }
        ForkResult::Parent { child } => assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0))),
    }
}

/// A child that nobody need wait for.
fn auto_reap() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
    let (end, held) = pipe().unwrap();
    // SAFETY: one thread.
    if let ForkResult::Child = unsafe { fork() }.unwrap() {
        exit(5);
    }
    drop(held);
    assert_eq!(read(&end, &mut [0]), Ok(0));
    assert_eq!(waitpid(None, None), Err(Errno::ECHILD));
}

/// Three children, each with a group of its own, one after the other; the third executes a program.
fn jobs() {
    for number in 1..=3 {
        // SAFETY: one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                // Who ended before its parent waits would be returned at once.
                until_asleep(getppid());
                setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
                // Once more, which changes nothing.
                setpgid(Pid::from_raw(0), getpid()).unwrap();
                if number == 3 {
                    execv(c"/bin/true", &[c"true"]).unwrap();
                }
                exit(number);
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, number % 3)));
            }
        }
    }
}

/// A wait that ends although SIGCHLD is blocked.
fn wait_blocked() {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGCHLD);
    blocked.thread_block().unwrap();
    // SAFETY: one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            until_asleep(getppid());
            exit(4);
        }
        ForkResult::Parent { child } => assert_eq!(waitpid(None, None), Ok(WaitStatus::Exited(child, 4))),
    }
    assert_eq!(waitpid(None, None), Err(Errno::ECHILD));
}

/// Parent and child move the child, which may execute a program meanwhile. Writes what the parent's calls returned.
fn races() {
    let mut results = String::new();
    for round in 0..120_u64 {
        // SAFETY: one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                if round % 2 == 0 {
                    setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
                }
                if round % 3 != 0 {
                    execv(c"/bin/true", &[c"true"]).unwrap();
                }
                exit(0);
            }
            ForkResult::Parent { child } => {
                for _ in 0..round * round % 64 * 2000 {
                    std::hint::spin_loop();
                }
                let result = setpgid(child, child).map_or_else(|errno| -(errno as i32), |()| 0);
                results.push_str(&result.to_string());
                results.push(' ');
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
            }
        }
    }
    std::io::Write::write_all(&mut std::io::stdout(), results.as_bytes()).unwrap();
}

/// Threads come and go until it is killed.
fn churn() {
    loop {
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(|| ())).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

/// A child that is looked at with waitid before it is reaped.
fn wait_twice() {
    // SAFETY: one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => exit(6),
        ForkResult::Parent { child } => {
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            assert_eq!(waitid(Id::Pid(child), look), Ok(WaitStatus::Exited(child, 6)));
            assert_eq!(waitid(Id::Pid(child), WaitPidFlag::WEXITED), Ok(WaitStatus::Exited(child, 6)));
        }
    }
}

/// A process of three threads stops itself, and goes on when it is continued, for ever.
fn stop_threads() {
    let (done, all) = mpsc::channel::<()>();
    let others: Vec<_> = (0..2)
        .map(|_| {
            let done = done.clone();
            thread::spawn(move || {
                done.send(()).unwrap();
                sleep_for_ever()
            })
        })
        .collect();
    for _ in &others {
        all.recv().unwrap();
    }
    raise(Signal::SIGTSTP).unwrap();
    sleep_for_ever()
}

/// A child that has stopped is continued by each of the calls that can, one after the other; then it is killed.
fn continue_child() {
    let mut child = Command::new("sleep").arg("99").spawn().unwrap();
    let (pid, cont) = (child.id() as i32, libc::SIGCONT);
    // SAFETY: zeroes are a valid siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    (info.si_signo, info.si_code) = (cont, libc::SI_QUEUE);
    let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
    // SAFETY: integers, and a siginfo that outlives the calls.
    let calls: [&dyn Fn() -> bool; 5] = unsafe {
        [
            &|| libc::kill(0, cont) == 0,
            &|| libc::syscall(libc::SYS_tkill, pid, cont) == 0,
            &|| libc::syscall(libc::SYS_tgkill, pid, pid, cont) == 0,
            &|| libc::sigqueue(pid, cont, value) == 0,
            &|| libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, pid, cont, &raw const info) == 0,
        ]
    };
    for call in calls {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(call());
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Leaves a daemon behind, which works on after this process has ended and its parent has returned: it waits until standard
/// input is closed, then forks, waits, and makes a session; then writes `ok` to standard output.
fn leave_daemon() {
    // SAFETY: one thread.
    if let ForkResult::Parent { .. } = unsafe { fork() }.unwrap() {
        return;
    }
    while read(std::io::stdin(), &mut [0]) != Ok(0) {}
    // SAFETY: one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            assert_eq!(setsid(), Ok(getpid()));
            assert_eq!(getsid(None), Ok(getpid()));
            exit(3);
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 3)));
            let _ = write(std::io::stdout(), b"ok");
        }
    }
}

/// A child is killed in the middle of a call that is watched, with a thread in the middle of another.
fn killed() {
    let (ready, readied) = pipe().unwrap();
    // SAFETY: one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: one thread.
            if let ForkResult::Child = unsafe { fork() }.unwrap() {
                sleep_for_ever()
            }
            write(&readied, b"!").unwrap();
            let _ = waitpid(None, None);
            exit(1);
        }
        ForkResult::Parent { child } => {
            assert_eq!(read(&ready, &mut [0]), Ok(1));
            until_asleep(child);
            kill(child, Signal::SIGKILL).unwrap();
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Signaled(child, Signal::SIGKILL, false)));
            // The grandchild lives.
            exit(0);
        }
    }
}

/// Many children, more than one, each of which makes a group.
fn many() {
    for _ in 0..3000 {
        // SAFETY: one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                // SAFETY: never returns.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => {
                let _ = setpgid(child, child);
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
            }
        }
    }
}

/// Signals that are handled, ignored and taken by default; a real-time signal with a value.
fn signals() {
    handle(Signal::SIGHUP, SaFlags::empty());
    // SAFETY: ignoring a signal runs no code.
    unsafe { nix::sys::signal::signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGWINCH] {
        kill(getpid(), signal).unwrap();
    }
    // SAFETY: integers only.
    unsafe {
        libc::signal(libc::SIGRTMIN() + 3, nothing as extern "C" fn(libc::c_int) as libc::sighandler_t);
        let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
        assert_eq!(libc::sigqueue(libc::getpid(), libc::SIGRTMIN() + 3, value), 0);
    }
}
