//! What works without any set-up, whatever the surroundings.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    executable,
    place::{NOBODY, Place},
    pty::{Terminal, describe},
};

/// What a run says first, as an ordinary user.
const HEADLINE: &str =
    "sesstrace: ptrace (eBPF needs cap_bpf and cap_perfmon; set-user-ID programs gain no privilege) · following ";

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn assert_seen(output: &Output) {
    let said = stderr(output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(HEADLINE) && said.contains("exits 0"), "{said}");
    assert_eq!(said.matches("gain no privilege").count(), 1, "said once: {said}");
    assert!(said.trim_end().ends_with("none lost"), "{said}");
}

#[test]
fn the_first_command_of_the_readme_works_as_an_ordinary_user() {
    let Some(place) = Place::for_root() else { return };
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    assert!(readme.contains(HEADLINE), "the README says what an ordinary user is told");
    let first = readme.lines().find_map(|line| line.strip_prefix("$ ")).unwrap();
    let command = first.strip_prefix("cargo run --release -- ").unwrap();
    let state = place.open_folder("state");
    let program = place.path("sesstrace");
    let line = format!("exec {} {} {command}", NOBODY.join(" "), program.display());
    let environment = [
        ("PATH", "/usr/bin:/bin"),
        ("TERM", "xterm"),
        ("LC_ALL", "C.UTF-8"),
        ("XDG_STATE_HOME", state.to_str().unwrap()),
        ("HOME", "/nonexistent"),
    ];
    let mut terminal = Terminal::start(&["sh", "-c", &line], &environment);
    assert_eq!(describe(terminal.wait()), "exit 0", "{}", terminal.screen());
    let screen = terminal.screen();
    for wanted in [
        HEADLINE,
        "exec bash -ic 'sleep 0.3 | cat; sleep 0.2 & wait'",
        "setpgid: leads new group",
        "serialised by the tracer",
        "exec sleep 0.3",
        "exec sleep 0.2",
        "left behind  nothing",
        "events, none lost",
    ] {
        assert!(screen.contains(wanted), "no {wanted:?}:\n{screen}");
    }
    let recordings = fs::read_dir(state.join("sesstrace")).unwrap().count();
    assert_eq!(recordings, 1, "the recording is kept");
}

#[test]
fn a_recording_that_cannot_be_kept_is_told_in_a_line() {
    let Some(place) = Place::for_root() else { return };
    let kept = |name: &str, value: &str| {
        let output = place.nobody().env(name, value).args(["run", "--", "true"]).output().unwrap();
        assert_seen(&output);
        place.said(&output).lines().next().unwrap().to_owned()
    };
    let untold = "sesstrace: this recording is not kept: cannot use";
    fs::create_dir(place.path("closed")).unwrap();
    let closed = place.path("closed");
    assert_eq!(
        kept("HOME", "/nonexistent"),
        format!("{untold} /nonexistent/.local/state/sesstrace: EACCES: Permission denied (-w FILE keeps it)")
    );
    assert_eq!(
        kept("XDG_STATE_HOME", closed.to_str().unwrap()),
        format!("{untold} DIR/closed/sesstrace: EACCES: Permission denied (-w FILE keeps it)")
    );
    assert_eq!(
        kept("XDG_STATE_HOME", "relative"),
        "sesstrace: this recording is not kept: neither XDG_STATE_HOME nor HOME names a directory (-w FILE keeps it)"
    );
}

#[test]
fn a_working_directory_that_is_closed_or_gone_is_no_obstacle() {
    let Some(place) = Place::for_root() else { return };
    fs::create_dir_all(place.path("closed/inner")).unwrap();
    fs::set_permissions(place.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let output = place.nobody().args(["run", "--", "true"]).current_dir(place.path("closed/inner")).output().unwrap();
    assert_seen(&output);
    let gone = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"";
    let through = [&["sh", "-c", gone][..], &NOBODY].concat();
    assert_seen(&place.through(&through).args(["run", "--", "true"]).output().unwrap());
    let output = place.through(&through).args(["record", "-o", "here.jsonl", "--", "true"]).output().unwrap();
    assert_eq!(
        place.said(&output),
        "sesstrace: cannot tell where here.jsonl is: ENOENT: No such file or directory: the working directory is gone\n  \
         fix    cd to a directory that is there, or name the whole path\nexit status: 125\n"
    );
}

#[test]
fn hidden_processes_of_others_are_no_obstacle() {
    let Some(place) = Place::for_root() else { return };
    let hide = "mount -t proc -o hidepid=invisible proc /proc && exec \"$0\" \"$@\"";
    let through = [&["unshare", "--mount", "sh", "-c", hide][..], &NOBODY].concat();
    assert_seen(&place.through(&through).args(["run", "--", "sh", "-c", "true | cat"]).output().unwrap());
}

#[test]
fn inside_a_pid_namespace_numbers_are_its_own_and_the_header_says_so() {
    let Some(place) = Place::for_root() else { return };
    let state = place.open_folder("state");
    let as_root: &[&str] = &["unshare", "--pid", "--fork", "--mount-proc"];
    let as_user = [&NOBODY[..], &["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]].concat();
    for through in [as_root, &as_user] {
        let recording = state.join(format!("{}.jsonl", through.len()));
        let mut command = place.through(through);
        command.args(["run", "-w"]).arg(&recording);
        let output = command.args(["--", "sh", "-c", "readlink /proc/$$/ns/pid; echo $$"]).output().unwrap();
        let (said, stdout) = (stderr(&output), String::from_utf8(output.stdout).unwrap());
        assert!(output.status.success(), "{said}");
        let mut lines = stdout.lines();
        let namespace = lines.next().unwrap().strip_prefix("pid:[").unwrap().strip_suffix(']').unwrap();
        let pid: u32 = lines.next().unwrap().parse().unwrap();
        assert!(pid < 20, "{pid} is a number of a new namespace");
        let headline = format!(
            "sesstrace: ptrace (eBPF knows no numbers of this pid namespace) · following {pid} sh and all its \
             descendants · numbers of pid namespace {namespace}"
        );
        assert_eq!(said.lines().next(), Some(headline.as_str()), "{said}");
        let header = fs::read_to_string(&recording).unwrap().lines().next().unwrap().to_owned();
        assert!(header.contains(&format!("\"pid_namespace\":{namespace}")), "{header}");
    }
}

#[test]
fn root_without_cap_sys_ptrace_traces_its_own() {
    let Some(place) = Place::for_root() else { return };
    let through = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    let output = place.through(&through).args(["run", "-b", "ptrace", "--", "true"]).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.success() && said.contains("set-user-ID programs gain no privilege"), "{said}");
}

#[test]
fn set_user_id_programs_gain_privilege_where_it_is_said_that_they_do() {
    let Some(place) = Place::for_root() else { return };
    let program = place.path("id");
    executable::copy("/usr/bin/id", &program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let id = program.to_str().unwrap();
    let euid = |mut command: Command| {
        let output = command.arg("-u").output().unwrap();
        assert!(output.status.success(), "{}", place.said(&output));
        (String::from_utf8_lossy(&output.stdout).trim().to_owned(), stderr(&output))
    };
    let mut untraced = Command::new(NOBODY[0]);
    untraced.args(&NOBODY[1..]).arg(id);
    assert_eq!(euid(untraced).0, "0", "set-user-ID programs work in {id}");
    for options in [&["run", "--", id][..], &["run", "--no-seccomp", "--", id]] {
        let mut command = place.nobody();
        command.args(options);
        let (euid, said) = euid(command);
        assert_eq!(euid, "65534");
        assert!(said.contains(HEADLINE), "{said}");
    }
    for options in [&["--no-seccomp"][..], &[]] {
        let mut command = place.through(&[]);
        command.args(["run", "-b", "ptrace", "-u", "nobody"]).args(options).args(["--", id]);
        let (euid, said) = euid(command);
        assert_eq!(euid, "0", "root traces: {said}");
        assert!(!said.contains("set-user-ID"), "{said}");
    }
}

#[test]
fn the_waiter_returns_at_once_and_what_is_left_behind_is_served() {
    let place = Place::new();
    // What it does afterwards are watched calls, which fail with ENOSYS when nobody traces: fork and wait, setsid, kill.
    let daemon =
        "trap '' HUP; read go < go; (exit 7); test $? = 7 && setsid --wait sh -c 'kill -0 $$' && echo fine > done";
    nix::unistd::mkfifo(&place.path("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!("({daemon}) > said 2>&1 & exit 3");
    let mut command = place.through(&[]);
    let output = command.args(["run", "-b", "ptrace", "--", "sh", "-c", &script]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("left behind  "), "{said}");
    fs::write(place.path("go"), "now\n").unwrap();
    crate::pty::eventually("the work of what was left behind", || {
        let complaints = fs::read_to_string(place.path("said")).unwrap_or_default();
        assert_eq!(complaints, "");
        place.path("done").exists().then_some(())
    });
    crate::pty::eventually("the end of the capture process", || {
        let program = place.path("sesstrace");
        let runs = |process: &crate::proc::Stat| {
            fs::read_link(format!("/proc/{}/exe", process.pid)).is_ok_and(|exe| exe == program)
        };
        (!crate::proc::processes().iter().any(runs)).then_some(())
    });
}

#[test]
fn a_process_that_runs_already_is_followed_and_let_go_of() {
    let place = Place::new();
    let script = "while :; do sleep 0.01; echo >> beats; done";
    let mut target = Command::new("sh").args(["-c", script]).current_dir(place.path(".")).spawn().unwrap();
    let pid = target.id().to_string();
    let mut live = place.through(&[]);
    live.args(["live", "-b", "ptrace", "-p", &pid]).stdout(Stdio::piped());
    let mut live = live.spawn().unwrap();
    let mut lines = BufReader::new(live.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("exec sleep 0.01") {
        assert_ne!(lines.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    kill(Pid::from_raw(live.id() as i32), Signal::SIGINT).unwrap();
    let rest = std::io::read_to_string(lines).unwrap();
    assert_eq!(live.wait().unwrap().code(), Some(0), "{seen}{rest}");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    let beats = || fs::metadata(place.path("beats")).map_or(0, |file| file.len());
    let before = beats();
    crate::pty::eventually("signs of life", || (beats() > before + 2).then_some(()));
    target.kill().unwrap();
    target.wait().unwrap();
}
