//! What goes wrong before, beside and after a capture, as a user meets it: the message that names cause and remedy, and the
//! exit code. What needs the probes is skipped without them, or fails where `SESSTRACE_REQUIRE` contains `ebpf`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "this is a test, helpers and all")]

#[path = "support/executable.rs"]
mod executable;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use expect_test::{Expect, expect};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A folder that every user may look into, with a copy of the program: the build's own folder may be closed to others.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        executable::install(env!("CARGO_BIN_EXE_sesstrace"), folder.path().join("sesstrace"));
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// sesstrace in this folder.
    fn sesstrace(&self) -> Command {
        let mut command = Command::new(self.path("sesstrace"));
        clean(&mut command, self);
        command
    }

    /// A command that executes sesstrace itself, with its path as the first argument after these.
    fn through(&self, words: &[&str]) -> Command {
        let [program, words @ ..] = words else { panic!("no program") };
        let mut command = Command::new(program);
        command.args(words).arg(self.path("sesstrace"));
        clean(&mut command, self);
        command
    }

    /// What a command said on stderr, with this folder as DIR, and its exit code.
    fn said(&self, output: &Output) -> String {
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        let stderr = stderr.replace(self.folder.path().to_str().unwrap(), "DIR");
        format!("{stderr}{}\n", output.status)
    }

    fn check(&self, mut command: Command, arguments: &[&str], expected: &Expect) {
        let output = command.args(arguments).output().unwrap();
        expected.assert_eq(&self.said(&output));
    }
}

fn clean(command: &mut Command, place: &Place) {
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "RUST_LOG", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C.UTF-8").env("XDG_STATE_HOME", place.path("state"));
    command.current_dir(place.folder.path()).stdin(Stdio::null());
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether tests that need the probes run.
fn probes_work() -> bool {
    let doctor = Command::new(env!("CARGO_BIN_EXE_sesstrace")).arg("doctor").output().unwrap();
    // Root also for mounts of their own.
    if doctor.status.success() && is_root() {
        return true;
    }
    let required = std::env::var("SESSTRACE_REQUIRE").is_ok_and(|list| list.split(',').any(|item| item == "ebpf"));
    assert!(!required, "SESSTRACE_REQUIRE contains ebpf:\n{}", String::from_utf8_lossy(&doctor.stdout));
    eprintln!("SKIPPED: transcripts that need root and probes; `sesstrace doctor` says what is missing");
    false
}

#[test]
fn usage_is_2() {
    let place = Place::new();
    place.check(
        place.sesstrace(),
        &["frobnicate"],
        &expect![[r"
        error: unrecognized subcommand 'frobnicate'

        Usage: sesstrace [OPTIONS] <COMMAND>

        For more information, try '--help'.
        exit status: 2
    "]],
    );
    place.check(
        place.sesstrace(),
        &["run"],
        &expect![[r"
        error: the following required arguments were not provided:
          <COMMAND>...

        Usage: sesstrace run -- <COMMAND>...

        For more information, try '--help'.
        exit status: 2
    "]],
    );
    place.check(
        place.sesstrace(),
        &["record", "-p", "1", "--", "true"],
        &expect![[r"
        error: the argument '--pid <PID>' cannot be used with '[COMMAND]...'

        Usage: sesstrace record <--all|--pid <PID>|COMMAND>

        For more information, try '--help'.
        exit status: 2
    "]],
    );
    place.check(
        place.sesstrace(),
        &["record", "-b", "ptrace", "--all"],
        &expect![[r"
        sesstrace: --all does not go with ptrace: only eBPF sees every process, ptrace what it started or was given with -p
          fix    sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep DIR/sesstrace
        exit status: 2
    "]],
    );
}

#[test]
fn without_privilege_the_missing_capabilities_and_the_command_that_grants_them_are_named() {
    let place = Place::new();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let command = || if is_root() { place.through(&nobody) } else { place.sesstrace() };
    place.check(
        command(),
        &["run", "-b", "ebpf", "--", "true"],
        &expect![[r"
        sesstrace: cannot create the maps of the probes: EPERM (Operation not permitted): needs cap_bpf
          fix    sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep DIR/sesstrace
        exit status: 125
    "]],
    );
    place.check(
        command(),
        &["record", "--all", "-o", "/dev/null"],
        &expect![[r"
        sesstrace: cannot create the maps of the probes: EPERM (Operation not permitted): needs cap_bpf (only eBPF sees every process, ptrace what it started or was given with -p)
          fix    sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep DIR/sesstrace
        exit status: 4
    "]],
    );
}

#[test]
fn a_kernel_without_btf_is_said_to_be_one() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\"";
    let command = || place.through(&["unshare", "--mount", "sh", "-c", hide]);
    place.check(
        command(),
        &["run", "-b", "ebpf", "--", "true"],
        &expect![[r"
        sesstrace: cannot read /sys/kernel/btf/vmlinux: ENOENT (No such file or directory): this kernel has no BTF
          fix    boot a kernel built with CONFIG_DEBUG_INFO_BTF=y
        exit status: 125
    "]],
    );
    let output = command().arg("doctor").output().unwrap();
    assert!(!output.status.success());
    let doctor = String::from_utf8(output.stdout).unwrap();
    assert!(doctor.contains("CONFIG_DEBUG_INFO_BTF=y"), "{doctor}");
}

#[test]
fn a_locked_down_kernel_is_said_to_be_one() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    fs::write(place.path("lockdown"), "none integrity [confidentiality]\n").unwrap();
    let pretend = "mount -t securityfs none /sys/kernel/security && \
                   mount --bind lockdown /sys/kernel/security/lockdown && exec \"$0\" \"$@\"";
    let mut command = place.through(&["unshare", "--mount", "sh", "-c", pretend]);
    // SAFETY: the filter is installed by two system calls and allocates nothing.
    unsafe { command.pre_exec(refuse_bpf) };
    place.check(command, &["run", "-b", "ebpf", "--", "true"], &expect![[r"
        sesstrace: cannot create the maps of the probes: kernel lockdown is at `confidentiality`, which forbids reading kernel memory
          fix    boot with lockdown=integrity or lockdown=none
        exit status: 125
    "]]);
}

/// bpf(2) fails with EPERM from here on, as the security module of a locked-down kernel has it.
fn refuse_bpf() -> std::io::Result<()> {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_bpf as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its filter live until the call has copied them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    nix::errno::Errno::result(result)?;
    Ok(())
}

#[test]
fn a_command_that_cannot_be_run_is_126_or_127() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    fs::write(place.path("data"), "no program").unwrap();
    place.check(
        place.sesstrace(),
        &["run", "--", "no-such-command"],
        &expect![[r"
        sesstrace: cannot run 'no-such-command': ENOENT (No such file or directory)
          fix    no directory of PATH has it; `type no-such-command` says whether it is a word of your shell
        exit status: 127
    "]],
    );
    place.check(
        place.sesstrace(),
        &["record", "-o", "r.jsonl", "--", "./data"],
        &expect![[r"
        sesstrace: cannot run './data': EACCES (Permission denied)
          fix    chmod +x ./data
        exit status: 126
    "]],
    );
    place.check(
        place.sesstrace(),
        &["run", "--", "/"],
        &expect![[r"
        sesstrace: cannot run '/': EACCES (Permission denied)
          fix    it is a directory
        exit status: 126
    "]],
    );
}

#[test]
fn the_commands_status_passes_through() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    for verb in [&["run"][..], &["record", "-o", "r.jsonl"], &["live"]] {
        let status = |script: &str| {
            place.sesstrace().args(verb).args(["--", "sh", "-c", script]).stderr(Stdio::null()).status().unwrap()
        };
        assert_eq!(status("exit 0").code(), Some(0), "{verb:?}");
        assert_eq!(status("exit 7").code(), Some(7), "{verb:?}");
        let killed = status("kill -TERM $$");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&killed), Some(libc::SIGTERM), "{verb:?}");
    }
}

#[test]
fn stdout_is_the_commands_own() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    let output = place.sesstrace().args(["run", "--", "echo", "hello"]).output().unwrap();
    assert_eq!(output.stdout, b"hello\n");
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("exec echo hello") && report.contains("none lost"), "{report}");
}

#[test]
fn a_process_that_is_not_there_is_named() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let number = child.id().to_string();
    let output = place.sesstrace().args(["record", "-o", "r.jsonl", "-p", &number]).output().unwrap();
    let said = place.said(&output).replace(&number, "PID");
    expect![[r"
        sesstrace: process PID does not exist
          fix    sesstrace ps -e    lists the processes that are there
        exit status: 4
    "]]
    .assert_eq(&said);
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_command() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    fs::create_dir(place.path("disk")).unwrap();
    // As many events as the disk cannot take.
    let script = "mount -t tmpfs -o size=64k none disk && exec \"$0\" \"$@\"";
    let command = place.through(&["unshare", "--mount", "sh", "-c", script]);
    let work = "i=0; while [ $i -lt 60 ]; do /bin/true; i=$((i+1)); done; echo done > done; exit 7";
    let output = { command }.args(["record", "-o", "disk/r.jsonl", "--", "sh", "-c", work]).output().unwrap();
    let said = place.said(&output);
    let digits = |c: char| c.is_ascii_digit();
    let (before, after) = said.split_once("Its first ").unwrap();
    expect![[r"
        sesstrace: the recording DIR/disk/r.jsonl ends early: ENOSPC: No space left on device. Its first N events are there and can be replayed
          fix    write to a file system with more space: df -h shows it
        exit status: 7
    "]].assert_eq(&format!("{before}Its first N{}", after.trim_start_matches(digits)));
    assert!(place.path("done").exists(), "the command went on to its end");
    place.check(
        place.sesstrace(),
        &["record", "-o", "/dev/full", "--", "true"],
        &expect![[r"
            sesstrace: cannot record to /dev/full: ENOSPC: No space left on device
              fix    df -h /dev
            exit status: 125
        "]],
    );
}

#[test]
fn an_output_that_cannot_be_made_is_named_before_the_command_runs() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    place.check(
        place.sesstrace(),
        &["record", "-o", "no/r.jsonl", "--", "touch", "ran"],
        &expect![[r"
            sesstrace: cannot record to DIR/no/r.jsonl: ENOENT: No such file or directory
              fix    mkdir -p DIR/no
            exit status: 125
        "]],
    );
    place.check(
        place.sesstrace(),
        &["run", "-o", "no/report", "--", "touch", "ran"],
        &expect![[r"
            sesstrace: cannot write the report to no/report: ENOENT: No such file or directory
              fix    mkdir -p no
            exit status: 125
        "]],
    );
    assert!(!place.path("ran").exists());
}

#[test]
fn hostile_names_and_arguments_are_shown_and_do_nothing() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    let hostile = place.folder.path().join(OsStr::from_bytes(b"\x1b[31mred\n\xff"));
    executable::copy("/bin/true", &hostile);
    let command = |verb: &[&str]| {
        let mut command = place.sesstrace();
        command.args(verb).arg("--").arg(&hostile).arg(OsStr::from_bytes(b"a\x1b]0;title\x07\xfe\rb"));
        command.output().unwrap()
    };
    let report = command(&["run"]).stderr;
    let bad = |byte: &u8| *byte < b' ' && *byte != b'\n' || *byte == 0x7f;
    assert!(!report.iter().any(bad), "{}", String::from_utf8_lossy(&report));
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains(r"\x1b[31mred\n\xff"), "{report}");
    assert!(report.contains(r"a\x1b]0;title\x07\xfe\rb"), "{report}");
    let json = String::from_utf8(command(&["live", "--json"]).stderr).unwrap();
    assert!(!json.bytes().any(|byte| bad(&byte)), "{json}");
    assert!(json.contains("bytes"), "names that are no text go as bytes: {json}");
}

#[test]
fn a_reader_that_goes_away_ends_a_listing_quietly() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    for options in [&["live", "--all"][..], &["live", "--all", "--json"]] {
        let mut live = place.sesstrace().args(options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(1, live.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        // Something to write, until the closed pipe has been noticed.
        while live.try_wait().unwrap().is_none() {
            Command::new("true").status().unwrap();
        }
        let mut said = String::new();
        live.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((said.as_str(), live.wait().unwrap().code()), ("", Some(0)), "{options:?}");
    }
}

#[test]
fn a_reader_that_goes_away_does_not_touch_the_command() {
    if !probes_work() {
        return;
    }
    let place = Place::new();
    let script = "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done; echo done > done; exit 5";
    for verb in ["run", "live"] {
        let done = place.path("done");
        let mut child =
            place.sesstrace().args([verb, "--", "sh", "-c", script]).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::with_capacity(1, child.stderr.take().unwrap());
        if verb == "live" {
            // The command runs; a report comes only at the end.
            let mut seen = String::new();
            while !seen.contains("exec sh") {
                assert_ne!(stderr.read_line(&mut seen).unwrap(), 0, "{seen}");
            }
        }
        drop(stderr);
        assert_eq!(child.wait().unwrap().code(), Some(5), "{verb}");
        assert!(done.exists(), "{verb}");
        fs::remove_file(done).unwrap();
    }
}

#[test]
fn the_command_line_is_judged_before_anything_is_loaded() {
    let place = Place::new();
    // Nobody may load probes, and is not told so: there is nothing to load them for.
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let command = |arguments: &[&str]| {
        let mut command = if is_root() { place.through(&nobody) } else { place.sesstrace() };
        let output = command.env("PATH", "/usr/bin:/bin").args(arguments).output().unwrap();
        place.said(&output)
    };
    fs::write(place.path("data"), "no program").unwrap();
    expect![[r"
        sesstrace: cannot run 'no-such-command': ENOENT (No such file or directory)
          fix    no directory of PATH has it; `type no-such-command` says whether it is a word of your shell
        exit status: 127
    "]]
    .assert_eq(&command(&["run", "-b", "ebpf", "--", "no-such-command"]));
    expect![[r"
        sesstrace: cannot run './data': EACCES (Permission denied)
          fix    chmod +x ./data
        exit status: 126
    "]]
    .assert_eq(&command(&["record", "-b", "ebpf", "-o", "r.jsonl", "--", "./data"]));
    for target in [&["--", "true"][..], &["--all"]] {
        let said = command(&[&["record", "-b", "ebpf", "-o", "no/r.jsonl"], target].concat());
        assert!(said.starts_with("sesstrace: cannot record to DIR/no/r.jsonl: ENOENT"), "{said}");
        assert!(said.contains("\n  fix    mkdir -p DIR/no\n"), "{said}");
    }
}

#[test]
fn a_capture_that_cannot_start_leaves_no_file_behind() {
    let place = Place::new();
    fs::create_dir(place.path("open")).unwrap();
    fs::set_permissions(place.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    for target in [&["--", "true"][..], &["--all"]] {
        let mut command = if is_root() { place.through(&nobody) } else { place.sesstrace() };
        let output = command.args(["record", "-b", "ebpf", "-o", "open/r.jsonl"]).args(target).output().unwrap();
        let said = place.said(&output);
        assert!(said.contains("needs cap_bpf"), "{said}");
        assert!(!place.path("open/r.jsonl").exists(), "{target:?}");
    }
}

#[test]
fn a_full_disk_is_named_with_what_was_to_be_written_on_it() {
    let place = Place::new();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    place.check(
        place.sesstrace(),
        &["run", "-b", "ptrace", "-w", "r.jsonl", "-o", "/dev/full", "--", "sh", "-c", "exit 3"],
        &expect![[r"
            sesstrace: the capture ended early: cannot write the report to /dev/full: ENOSPC: No space left on device
              fix    write to a file system with more space: df -h shows it
            exit status: 3
        "]],
    );
    let verbs =
        [(&["replay", "r.jsonl"][..], "report"), (&["ps", "r.jsonl"], "list"), (&["tree", "-e", "r.jsonl"], "tree")];
    for (arguments, what) in verbs {
        let output = place.sesstrace().args(arguments).stdout(full()).output().unwrap();
        assert_eq!(
            place.said(&output),
            format!(
                "sesstrace: cannot write the {what} to standard output: ENOSPC: No space left on device\n  \
                 fix    write to a file system with more space: df -h shows it\nexit status: 4\n"
            )
        );
    }
}

#[test]
fn a_lack_of_descriptors_is_not_taken_for_a_full_disk() {
    let place = Place::new();
    let mut command = place.through(&["sh", "-c", "ulimit -n 8; exec \"$0\" \"$@\""]);
    let output = command.args(["record", "-b", "ptrace", "-o", "r.jsonl", "--", "touch", "ran"]).output().unwrap();
    expect![[r"
        sesstrace: cannot wait for events: EMFILE: Too many open files
          fix    ulimit -n 1024
        exit status: 125
    "]]
    .assert_eq(&place.said(&output));
    assert!(!place.path("ran").exists());
}

#[test]
fn an_instant_before_anybody_was_followed_is_said_to_be_one() {
    let place = Place::new();
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/readme.jsonl");
    let none = "sesstrace: none of the followed processes was there at that instant; -e shows who was\n";
    for (at, warning) in [
        (
            "-1s",
            format!("sesstrace: the recording begins after that instant: what was there at its start is known\n{none}"),
        ),
        ("0", none.to_owned()),
        ("100", String::new()),
    ] {
        let output = place.sesstrace().args(["ps", recording, "--at", at]).output().unwrap();
        assert_eq!(place.said(&output), format!("{warning}exit status: 0\n"), "{at}");
    }
}

#[test]
fn what_a_command_leaves_behind_is_told_and_can_fail_a_build() {
    let place = Place::new();
    // Who is left behind says so, has its name, and lives until it is killed.
    let leftovers = |options: &[&str], script: &str| {
        let command = [&["leftovers", "-b", "ptrace"], options, &["--", "sh", "-c", script]].concat();
        let mut sesstrace = place.sesstrace();
        sesstrace.env("TMPDIR", place.folder.path()).args(command).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = sesstrace.spawn().unwrap();
        child.wait().unwrap();
        if let Ok(pid) = fs::read_to_string(place.path("left")) {
            kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
            fs::remove_file(place.path("left")).unwrap();
        }
        place.said(&child.wait_with_output().unwrap())
    };
    let stays = "sh -c 'echo $$ > new; exec sleep 1000'";
    let stayed =
        "until read pid < new && read name < /proc/$pid/comm && [ $name = sleep ]; do :; done 2>/dev/null; mv new left";
    let left = leftovers(&[], &format!("{stays} & {stayed}; exit 3"));
    assert!(left.starts_with("1 process is left behind by "), "{left}");
    assert!(left.contains("sleep: running, in the command's group ") && left.contains("; got no signal\n"), "{left}");
    assert!(
        left.contains(", the command's standard output and standard error: its reader waits")
            || left.contains("the command's standard output:"),
        "{left}"
    );
    assert!(left.contains("  release    kill -TERM -- "), "{left}");
    assert!(left.ends_with("exit status: 3\n"), "{left}");
    let failed = leftovers(&["--fail"], &format!("{stays} & {stayed}"));
    assert!(failed.ends_with("exit status: 1\n"), "{failed}");
    let daemon = leftovers(&["--fail"], &format!("setsid -f {stays}; {stayed}; exit 4"));
    assert!(daemon.contains("  daemon     ") && daemon.ends_with("exit status: 4\n"), "{daemon}");
    let nothing = leftovers(&["--fail"], "true");
    assert!(
        nothing.starts_with("nothing is left behind by ") && nothing.ends_with("sh\nexit status: 0\n"),
        "{nothing}"
    );
    // The child has its name once it has executed the program.
    let executed = "while read name < /proc/$!/comm; [ $name != sleep ]; do :; done";
    // What ignores SIGTERM is killed after the grace; the daemon is left alone.
    let script = format!("(trap '' TERM; exec sleep 1000) & {executed}; setsid -f {stays}; {stayed}");
    let killed = leftovers(&["--kill", "--grace", "0"], &script);
    assert!(killed.contains("sleep: by SIGKILL, after it had not ended by SIGTERM\n"), "{killed}");
    assert_eq!(killed.matches("  ended      ").count(), 1, "{killed}");
    let json = leftovers(&["--json"], "true");
    assert!(json.starts_with("{\"kind\":\"answer\",\"question\":\"leftovers\",\"pid\":"), "{json}");
    assert!(json.contains("\"state\":\"none\""), "{json}");
    // No folder of the recording stays behind either.
    let other = |name: &OsStr| name != "sesstrace";
    let names = fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| other(name)).collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new());
}
