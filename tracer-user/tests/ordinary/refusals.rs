//! What cannot be traced, and the one remedy that is named.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use nix::{
    errno::Errno,
    sys::{
        ptrace,
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use crate::place::Place;

/// Makes `call` answer with `action` from here on.
fn confine(call: libc::c_long, action: u32) -> impl Fn() -> io::Result<()> + Send + Sync + 'static {
    move || {
        let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
        let mut filter = [
            op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, action),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
        // SAFETY: the program and its filter live until the call has copied them.
        unsafe {
            Errno::result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            let filter = &raw const program;
            Errno::result(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, filter))?;
        }
        Ok(())
    }
}

fn errno(errno: Errno) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

#[test]
fn a_caller_that_may_not_trace_is_told_what_confines_it() {
    let place = Place::new();
    for (action, name) in
        [(errno(Errno::EPERM), "EPERM"), (errno(Errno::ENOSYS), "ENOSYS"), (libc::SECCOMP_RET_KILL_PROCESS, "SIGSYS")]
    {
        let mut command = place.through(&[]);
        command.args(["run", "-b", "ptrace", "--", "touch", "ran"]);
        // SAFETY: two system calls.
        unsafe { command.pre_exec(confine(libc::SYS_ptrace, action)) };
        let said = place.said(&command.output().unwrap());
        assert_eq!(
            said,
            format!(
                "sesstrace: cannot trace a process with ptrace: {name}: a seccomp filter over this process forbids it\n  \
                 fix    in a container: --cap-add SYS_PTRACE when it is started\nexit status: 125\n"
            )
        );
    }
    assert!(!place.path("ran").exists());
}

#[test]
fn a_caller_that_may_not_filter_is_told_of_the_way_without() {
    let place = Place::new();
    for (action, name) in [
        (errno(Errno::EPERM), "EPERM (Operation not permitted)"),
        (errno(Errno::ENOSYS), "ENOSYS (Function not implemented)"),
        (libc::SECCOMP_RET_KILL_PROCESS, "SIGSYS: a seccomp filter over this process forbids it"),
    ] {
        let confined = |options: &[&str]| {
            let mut command = place.through(&[]);
            command.args(["run", "-b", "ptrace"]).args(options).args(["--", "true"]);
            // SAFETY: two system calls.
            unsafe { command.pre_exec(confine(libc::SYS_seccomp, action)) };
            place.said(&command.output().unwrap())
        };
        assert_eq!(
            confined(&[]),
            format!(
                "sesstrace: cannot install the seccomp filter that finds the calls to trace: {name}\n  \
                 fix    --no-seccomp, which is slower\nexit status: 125\n"
            )
        );
        let said = confined(&["--no-seccomp"]);
        assert!(said.ends_with("none lost\nexit status: 0\n"), "{said}");
    }
}

#[test]
fn a_process_that_is_traced_already_is_named_with_its_tracer() {
    let place = Place::new();
    let mut child = Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(child.id() as i32);
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    let arguments = ["live", "-b", "ptrace", "-p", &pid.to_string()];
    let output = place.through(&[]).args(arguments).output().unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    // The tracer is a thread of this program, as its own number.
    let tracer = nix::unistd::gettid();
    let said = place.said(&output);
    assert!(
        said.starts_with(&format!("sesstrace: cannot trace process {pid} with ptrace: EPERM: {tracer} ")),
        "{said}"
    );
    let end = format!(
        "traces it, and only one process can\n  \
         fix    kill {tracer}    ends that tracer; -b ebpf, as root, goes beside it\nexit status: 4\n"
    );
    assert!(said.ends_with(&end), "{said}");
}

#[test]
fn under_another_tracer_that_follows_children_it_says_so() {
    let place = Place::new();
    let strace = ["strace", "-f", "-qq", "-e", "trace=none", "-e", "signal=none", "-o", "/dev/null"];
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("SKIPPED: strace is not installed");
        return;
    }
    let output = place.through(&strace).args(["run", "-b", "ptrace", "--", "touch", "ran"]).output().unwrap();
    let said = place.said(&output);
    assert!(said.contains("strace traces sesstrace and what it starts, and only one process can\n"), "{said}");
    assert!(said.ends_with("  fix    -b ebpf, as root, goes beside another tracer\nexit status: 125\n"), "{said}");
    assert!(!place.path("ran").exists());
}

#[test]
fn a_process_of_another_user_needs_sudo_or_the_capability() {
    let Some(place) = Place::for_root() else { return };
    let ours = std::process::id().to_string();
    let arguments = ["live", "-b", "ptrace", "-p", &ours];
    let said = place.said(&place.nobody().args(arguments).output().unwrap());
    assert_eq!(
        said,
        format!(
            "sesstrace: cannot trace process {ours} with ptrace: EPERM: it belongs to user root\n  \
             fix    run sesstrace with sudo\nexit status: 4\n"
        )
    );
    let mut child = Command::new("sleep").arg("1000").uid(65534).spawn().unwrap();
    let theirs = child.id().to_string();
    let container = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    let output = place.through(&container).args(["live", "-b", "ptrace", "-p", &theirs]).output().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        place.said(&output),
        format!(
            "sesstrace: cannot trace process {theirs} with ptrace: EPERM: it belongs to user nobody\n  \
             fix    in a container: --cap-add SYS_PTRACE when it is started\nexit status: 4\n"
        )
    );
}

#[test]
fn everybody_is_more_than_ptrace_sees() {
    let Some(place) = Place::for_root() else { return };
    let output = place.nobody().args(["live", "--all"]).output().unwrap();
    let said = place.said(&output);
    assert!(said.contains("only eBPF sees every process"), "{said}");
    assert!(said.contains("\n  fix    sudo setcap cap_bpf,"), "{said}");
    assert_eq!(output.status.code(), Some(4), "{said}");
}

#[test]
fn numbers_of_another_pid_namespace_in_proc_are_not_believed() {
    let Some(place) = Place::for_root() else { return };
    let mut command = place.through(&["unshare", "--pid", "--fork"]);
    let said = place.said(&command.args(["run", "-b", "ptrace", "--", "touch", "ran"]).output().unwrap());
    assert_eq!(
        said,
        "sesstrace: cannot trace with ptrace: /proc is of another pid namespace than this process, and its numbers are of \
         other processes\n  fix    mount -t proc proc /proc    (or unshare --mount-proc)\nexit status: 125\n"
    );
    assert!(!place.path("ran").exists());
}

#[test]
fn in_place_there_would_be_nobody_to_report_of_process_1() {
    let Some(place) = Place::for_root() else { return };
    let mut command = place.through(&["unshare", "--pid", "--fork", "--mount-proc"]);
    let words = ["run", "-b", "ptrace", "--in-place", "-o", "report", "--", "touch", "ran"];
    let said = place.said(&command.args(words).output().unwrap());
    assert!(said.contains("cannot run in place: this is process 1") && said.ends_with("125\n"), "{said}");
    assert!(!place.path("ran").exists());
    // The wrapper reaps whom it adopts as process 1.
    let script = "(sleep 0.1 &); while ps -o ppid=,comm= -A | grep -q ' 1 sleep'; do :; done; ps -o stat= --ppid 1";
    let mut command = place.through(&["unshare", "--pid", "--fork", "--mount-proc"]);
    let output = command.args(["record", "-b", "ptrace", "-o", "r", "--", "sh", "-c", script]).output().unwrap();
    let stats = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !stats.is_empty() && !stats.contains('Z'), "{stats} {}", place.said(&output));
}

#[test]
fn a_thread_is_not_followed_as_a_process() {
    let place = Place::new();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        std::thread::park();
    });
    let tid = told.recv().unwrap();
    let said = place.said(&place.through(&[]).args(["live", "-b", "ptrace", "-p", &tid.to_string()]).output().unwrap());
    thread.thread().unpark();
    thread.join().unwrap();
    let own = std::process::id();
    assert!(said.contains(&format!("{tid} is a thread of process {own}")), "{said}");
    assert!(said.contains(&format!("fix    -p {own}")), "{said}");
}
