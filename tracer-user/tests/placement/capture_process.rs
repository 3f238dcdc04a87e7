//! The capture process: nobody waits for it, it holds nothing of the user's, and neither its end nor the waiter's is the
//! other's misfortune.

use std::{fs, os::unix::process::ExitStatusExt};

use crate::{
    double::{Mode, PLACEMENTS},
    proc::{Stat, lives},
    pty::{describe, eventually},
    run::{Setup, exists, inherit_as, pipe, read_to_end, script, send},
};

#[test]
fn the_waiter_returns_while_the_capture_process_lives_on() {
    let mut run = Setup::new().fifo("linger").start(Mode::Wrapper, &["true"]);
    assert_eq!(describe(run.wait()), "exit 0");
    run.log.expect("done");
    assert!(lives(run.log.capture()));
    run.release();
}

#[test]
fn a_pipe_ends_with_the_waiter_although_the_capture_process_lives_on() {
    let (reader, writer) = pipe();
    let (other_reader, other_writer) = pipe();
    let setup = Setup::new().fifo("linger").option("--report", "the report\n");
    let setup = setup.stdout(writer.try_clone().unwrap()).stderr(writer).prepare(inherit_as(&other_writer, 7));
    let mut run = setup.start(Mode::Wrapper, &script("echo out; echo err >&2; echo seven >&7"));
    drop(other_writer);
    assert_eq!(read_to_end(reader), "out\nerr\nthe report\n");
    assert_eq!(read_to_end(other_reader), "seven\n");
    assert_eq!(describe(run.wait()), "exit 0");
    assert!(lives(run.log.capture()));
    run.release();
}

#[test]
fn in_place_the_user_s_descriptors_are_the_command_s_alone() {
    let (reader, writer) = pipe();
    let (other_reader, other_writer) = pipe();
    let setup = Setup::new().fifo("linger").option("--report", "no report\n");
    let setup = setup.stdout(writer.try_clone().unwrap()).stderr(writer).prepare(inherit_as(&other_writer, 7));
    let mut run =
        setup.start(Mode::InPlace, &script("echo out; exec >/dev/null 2>&1 7>&1; until [ -e go ]; do :; done"));
    drop(other_writer);
    // Both pipes end while the command runs.
    assert_eq!(read_to_end(reader), "out\n");
    assert_eq!(read_to_end(other_reader), "");
    fs::write(run.path("go"), "").unwrap();
    assert_eq!(describe(run.wait()), "exit 0");
    assert_eq!(run.log.expect("Command"), "Ended(None)");
    run.release();
}

#[test]
fn the_capture_process_is_away_from_everything() {
    for mode in PLACEMENTS {
        let mut run = Setup::new().fifo("linger").start(mode, &["true"]);
        run.wait();
        run.log.expect("done");
        let capture = run.log.capture();
        let stat = Stat::of(capture).unwrap();
        let ours = Stat::of(std::process::id() as i32).unwrap();
        assert_eq!(stat.tty, 0);
        assert_ne!(stat.sid, ours.sid);
        assert_ne!(stat.sid, capture, "a session leader would acquire a terminal that it opens");
        assert_ne!(stat.pgid, run.pid());
        assert!(![run.pid(), ours.pid].contains(&stat.ppid));
        assert_eq!(fs::read_link(format!("/proc/{capture}/cwd")).unwrap().to_str(), Some("/"));
        for entry in fs::read_dir(format!("/proc/{capture}/fd")).unwrap().flatten() {
            let number = entry.file_name().into_string().unwrap();
            let target = fs::read_link(entry.path()).unwrap_or_default();
            let target = target.to_str().unwrap();
            let expected = match number.as_str() {
                "0" | "1" | "2" => target == "/dev/null",
                // Its own: the waiter's pidfd, what it waits with, the log, the FIFO that it lingers at.
                _ => target.contains("anon_inode") || target.ends_with("/log") || target.ends_with("/linger"),
            };
            assert!(expected, "{mode:?}: descriptor {number} is {target}");
        }
        run.release();
    }
}

#[test]
fn a_killed_waiter_takes_the_command_with_it() {
    let (reader, writer) = pipe();
    let setup = Setup::new().fifo("linger").option("--report", "no report\n").stderr(writer);
    let mut run = setup.start(Mode::Wrapper, &script("exec 2>/dev/null; touch ready; while :; do sleep 1000; done"));
    eventually("the command", || exists(&run.path("ready")));
    let command = run.log.root();
    send(run.pid(), libc::SIGKILL);
    assert_eq!(describe(run.wait()), "signal 9");
    eventually("the command's end", || (!lives(command)).then_some(()));
    run.log.expect("WaiterGone");
    // Whoever reads from the user's standard error is not kept waiting either, nor is anything written over the prompt.
    assert_eq!(read_to_end(reader), "");
    run.release();
    // The sleep is the command's child, which nobody kills: that is so without a tracer, too.
    send(-run.pid(), libc::SIGKILL);
}

#[test]
fn a_command_outlives_the_capture_process_and_its_status_passes_through() {
    let setup = Setup::new().fifo("orders");
    let mut run = setup.start(Mode::Wrapper, &script("trap 'exit 9' TERM; touch ready; while :; do sleep 0.01; done"));
    eventually("the command", || exists(&run.path("ready")));
    send(run.log.capture(), libc::SIGKILL);
    eventually("the end of the capture process", || (!lives(run.log.capture())).then_some(()));
    // Sent to the waiter alone, with nobody to say so.
    send(run.pid(), libc::SIGTERM);
    assert_eq!(describe(run.wait()), "exit 9");
}

#[test]
fn a_capture_that_cannot_start_keeps_the_command_from_running() {
    for mode in PLACEMENTS {
        for (option, value, code, text) in [
            ("--fail", "no probes here", 125, "sesstrace: no probes here\n"),
            ("--vanish", "yes", 125, "sesstrace: the capture process ended before it was ready"),
            ("--fail-late", "cannot follow it", 3, "sesstrace: cannot follow it\n"),
        ] {
            let (reader, writer) = pipe();
            let mut run = Setup::new().option(option, value).stderr(writer).start(mode, &["touch", "ran"]);
            let said = read_to_end(reader);
            assert!(said.starts_with(text), "{mode:?} {option}: {said}");
            assert_eq!(run.wait().code(), Some(code), "{mode:?} {option}");
            assert!(!run.path("ran").exists(), "{mode:?} {option}");
        }
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_named_with_the_exit_codes_of_env() {
    for mode in PLACEMENTS {
        for (command, code, text) in [
            ("no-such-command", 127, "sesstrace: cannot run 'no-such-command': ENOENT (No such file or directory)\n"),
            ("/etc/passwd", 126, "sesstrace: cannot run '/etc/passwd': EACCES (Permission denied)\n"),
            ("./script", 127, "sesstrace: cannot run './script': ENOENT (No such file or directory)\n"),
        ] {
            let (reader, writer) = pipe();
            let setup = Setup::new().stderr(writer).option("--report", "no report");
            let path = setup.path("script");
            fs::write(&path, "#!/nonexistent\n").unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let mut run = setup.start(mode, &[command]);
            let said = read_to_end(reader);
            assert!(said.starts_with(text) && said.contains("\n  fix    "), "{mode:?}: {said}");
            assert_eq!(run.wait().code(), Some(code), "{mode:?} {command}");
            run.log.expect("NotStarted");
        }
    }
}

#[test]
fn a_script_without_an_interpreter_line_runs_as_in_a_shell() {
    for mode in PLACEMENTS {
        let setup = Setup::new();
        let path = setup.path("script");
        fs::write(&path, "exit 6\n").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(describe(setup.start(mode, &["./script"]).wait()), "exit 6", "{mode:?}");
    }
}

#[test]
fn what_is_left_behind_lives_on_untouched() {
    for mode in PLACEMENTS {
        let setup = Setup::new().fifo("linger").fifo("question");
        // Ignores nothing: any signal that the end of the tracing sent would end it.
        let daemon = "setsid sh -c 'echo $$ > pid; mv pid daemon; read word < question; echo $word > answer' & exit 4";
        let mut run = setup.start(mode, &script(daemon));
        assert_eq!(describe(run.wait()), "exit 4");
        eventually("the daemon", || exists(&run.path("daemon")));
        let daemon: i32 = run.text("daemon").trim().parse().unwrap();
        let capture = run.log.capture();
        run.release();
        eventually("the end of the capture process", || (!lives(capture)).then_some(()));
        let stat = Stat::of(daemon).unwrap();
        assert_eq!((stat.pgid, stat.sid), (daemon, daemon));
        fs::write(run.path("question"), "well\n").unwrap();
        eventually("its answer", || (run.text("answer") == "well\n").then_some(()));
    }
}

#[test]
fn the_command_s_death_is_passed_on_without_a_second_core_dump() {
    let real_time = [libc::SIGRTMIN(), libc::SIGRTMAX()];
    let fatal = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGABRT,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGPIPE,
        libc::SIGTERM,
        libc::SIGKILL,
        libc::SIGUSR1,
        libc::SIGALRM,
        libc::SIGXCPU,
    ];
    for signal in fatal.into_iter().chain(real_time) {
        for mode in PLACEMENTS {
            let setup = Setup::new().prepare(|| {
                nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 1 << 30, 1 << 30)?;
                Ok(())
            });
            let mut run = setup.start(mode, &script(&format!("kill -{signal} $$")));
            let status = run.wait();
            assert_eq!(describe(status), format!("signal {signal}"), "{mode:?}");
            if mode == Mode::Wrapper {
                assert!(!status.core_dumped(), "{signal}");
            }
        }
    }
}
