//! A daemon keeps the working directory, umask, signals or environment of who started it.
//!
//! They are told as (a) working directory, (b) umask, (c) blocked signals, (d) ignored signals, (e) environment. A directory on another mount than `/` cannot be unmounted. A umask decides who reads what the daemon writes. A blocked or
//! ignored signal stays so through every exec, so that a reload or an end by that signal does nothing. Variables such as
//! `SSH_TTY`, `TMUX` or `BUILD_ID` tie a service to a login or a build that is over.
//!
//! **Fix.** `chdir("/")`, `umask(0)` or a umask on purpose, every signal to its default, `sigprocmask(SIG_SETMASK)` to nothing,
//! a clean environment; or let a service manager start it, which does all this.
//!
//! **Not a problem** for a service that a manager started, which gave it these on purpose, nor for most others: information;
//! a warning where the directory is on another mount. The umask 022, which everybody has, is not told.
//!
//! Source: daemon(7), System V daemons, steps 2, 3, 4, 10 and 11.

use super::{super::detachment::Inspected, prelude::*};
use crate::event::inspection::{RESERVED, Status, signals};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(Surroundings)
}

/// Variables that tell of a terminal, a login or a build.
const FOREIGN: [&str; 11] =
    ["BUILD_ID", "CI", "DISPLAY", "JOB_NAME", "SSH_", "STY", "SUDO_", "TERM", "TMUX", "WINDOWID", "XDG_SESSION_ID"];

struct Surroundings;

impl Watch for Surroundings {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(now.inspected().and_then(|inspected| draft(now, inspected)));
    }
}

fn draft(now: &Now<'_>, inspected: Inspected<'_>) -> Option<Draft> {
    let kept = kept(inspected);
    kept.first()?;
    let directory = inspected.inspection.directory.as_ref().ok();
    let pins_mount = directory.is_some_and(|directory| directory.other_mount);
    let severity = if pins_mount { Severity::Warning } else { Severity::Info };
    let fact = say![now.name(inspected.process), " keeps ", Words::list(kept.iter().cloned())];
    let why = match inspected.origin {
        Some(origin) => say!["as ", now.name(origin.process), " had ", if kept.len() == 1 { "it" } else { "them" }, " when it was started"],
        None => say!["how it was started was not seen: what is compared with its launcher's is left out"],
    };
    Some(
        Draft::of(now, inspected.process, severity, fact)
            .why(why)
            .fix(say!["chdir(\"/\"), umask, default signal actions and an empty signal mask, a clean environment"])
            .seen([now.read(inspected.process)]),
    )
}

/// What is as its launcher's, each with its letter.
fn kept(inspected: Inspected<'_>) -> Vec<Words> {
    let mut kept = Vec::new();
    let origin = inspected.origin.map(|origin| origin.inspection);
    if let Ok(directory) = &inspected.inspection.directory {
        let same = origin.and_then(|origin| origin.directory.as_ref().ok()).is_some_and(|there| {
            (there.device, there.inode) == (directory.device, directory.inode)
        });
        if directory.other_mount || same && directory.path != b"/" {
            let mount = if directory.other_mount { ", which keeps a mount busy" } else { "" };
            kept.push(say!["(a) the working directory ", Word::Bytes(directory.path.clone()), mount]);
        }
    }
    if let (Ok(own), Some(Ok(there))) = (inspected.inspection.status, origin.map(|origin| origin.status)) {
        kept.extend(masks(own, there));
    }
    let foreign = |mark: &&Vec<u8>| FOREIGN.iter().any(|name| mark.starts_with(name.as_bytes()));
    let marks = inspected.inspection.marks.iter().flatten().filter(foreign);
    let names: Vec<Words> = marks.map(|mark| say![Word::Bytes(mark.clone())]).collect();
    if !names.is_empty() {
        kept.push(say!["(e) ", Words::list(names), " in the environment"]);
    }
    kept
}

fn masks(own: Status, there: Status) -> Vec<Words> {
    let mut kept = Vec::new();
    // 022 is what everybody has: it says nothing.
    if own.umask == there.umask && own.umask != 0o022 {
        kept.push(say![format!("(b) the umask {:03o}", own.umask)]);
    }
    for (letter, what, mask) in
        [("(c) ", " blocked", own.blocked & there.blocked), ("(d) ", " ignored", own.ignored & there.ignored)]
    {
        let mask = mask & !RESERVED;
        if mask != 0 {
            kept.push(say![letter, Words::list(signals(mask).map(|signal| say![signal])), what]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::{check, ids};

    const DAEMON: &str = "
        10: fork 11
        inspected 11 launch fds= umask=23 blocked=0x8000000 ignored=0x800 cwd=/tmp@1:2 marks=TERM
        11: exec redis
        11: fork 12
        12: setsid() = 12 {tty=-}
        11: exit 0
        11: dead
        @1000000000 12: takes SIGWINCH 0 handler
    ";

    #[test]
    fn everything_is_as_it_was() {
        check(
            &format!("{DAEMON}inspected 12 settled fds= umask=23 blocked=0x8000000 ignored=0x801 cwd=/tmp@1:2 marks=LISTEN_FDS,TERM"),
            expect![[r#"
                info JC506 context-not-reset @1000001000: 12 redis keeps (a) the working directory /tmp, (b) the umask 027, (c) SIGWINCH blocked, (d) SIGUSR2 ignored, (e) TERM in the environment
                  why   as 11 redis had them when it was started
                  fix   chdir("/"), umask, default signal actions and an empty signal mask, a clean environment
                  seen  #14 /proc of 12 redis is read
                info too-early JC502 still-session-leader @1000001000: 12 redis runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #10 12 redis: setsid, leads new session and group 12
                  seen  #11 11 redis exits 0
            "#]],
        );
    }

    #[test]
    fn a_directory_on_a_mount_is_a_warning_also_when_nobody_saw_the_launch() {
        check("inspected 50 asked cwd=/mnt/backup@9:9+ umask=18", expect![[r#"
            info JC502 still-session-leader @5000: 50 tmux runs detached and leads its session 50
              why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
              fix   fork again after setsid, or open terminals with O_NOCTTY
              seen  #5 /proc of 50 tmux is read
            warning JC506 context-not-reset @5000: 50 tmux keeps (a) the working directory /mnt/backup, which keeps a mount busy
              why   how it was started was not seen: what is compared with its launcher's is left out
              fix   chdir("/"), umask, default signal actions and an empty signal mask, a clean environment
              seen  #5 /proc of 50 tmux is read
        "#]]);
    }

    /// What is read of who has begun to exit is empty, and the umask of nothing is 000.
    #[test]
    fn who_has_begun_to_exit_is_nobody_to_compare_with() {
        let begun = "
            10: fork 11
            inspected 10 asked fds= umask=23 blocked=0 ignored=0 cwd=/tmp@1:2 marks= program=/bin/bash
            11: fork 12
            inspected 11 asked fds= umask=0 blocked=0 ignored=0 program=!3
            12: setsid() = 12 {tty=-}
            11: exit 0
            11: dead
            inspected 12 asked fds= umask=23 blocked=0 ignored=0 cwd=/@1:1 marks= program=/bin/redis
        ";
        let above = |umask: &str| begun.replace("inspected 10 asked fds= umask=23", &format!("inspected 10 asked fds= umask={umask}"));
        let keeps = |umask: &str| ids(&above(umask)).contains(&"JC506");
        assert!(keeps("23") && !keeps("0"));
    }

    #[test]
    fn what_was_reset_is_not_kept() {
        let reset = "fds= umask=18 blocked=0 ignored=1 cwd=/@1:1 marks=";
        assert_eq!(ids(&format!("{DAEMON}inspected 12 settled {reset}")), ["JC502"]);
    }
}
