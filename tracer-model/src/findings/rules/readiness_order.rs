//! The launcher of a daemon returned before the daemon could be used: it opened its listening socket later.
//!
//! Whoever starts a daemon goes on when its first process exits, and takes that for "it is ready". The next line of the script
//! connects, and is refused now and then. The first process has to wait until the last one is ready.
//!
//! **Fix.** Let the daemon tell its launcher through a pipe when it listens, and the launcher exit only then; or let a service
//! manager wait for `sd_notify`, or pass the socket in.
//!
//! **Not a problem** for daemons without a socket: nothing is reported. What is seen is that no socket listened when the
//! command had ended, and one did when the daemon had settled.
//!
//! Source: daemon(7), System V daemons, steps 14 and 15.

use super::{super::detachment::Inspected, prelude::*};
use crate::event::inspection::Moment;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(Readiness)
}

struct Readiness;

impl Watch for Readiness {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(now.inspected().and_then(|inspected| draft(now, inspected)));
    }
}

fn draft(now: &Now<'_>, inspected: Inspected<'_>) -> Option<Draft> {
    let process = inspected.process;
    let life = now.memory.life(process)?;
    let root = now.model.followed_root().filter(|root| now.has_ended(*root))?;
    let before = life.inspected(Moment::Left)?.descriptors.as_ref().ok()?;
    // Sockets that are not listed can be among those that listen.
    if before.more > 0 || before.open.iter().any(|it| it.listening) {
        return None;
    }
    let new = inspected.open().iter().find(|it| it.listening)?;
    let fact = say![now.name(root), " returned before ", now.name(process), " listened"];
    let ended = now.memory.life(root).and_then(|life| life.exited.clone());
    Some(
        Draft::of(now, process, Severity::Info, fact)
            .why(say!["no socket of it listened when the command had ended; fd ", new.number, " ", Word::Bytes(new.path.clone()), " did when it had settled: who connects in between is refused"])
            .fix(say!["let the first process exit only when the last one says through a pipe that it listens"])
            .seen(ended)
            .seen([now.read(process)]),
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check_following;

    const DAEMON: &str = "
        10: fork 11
        11: exec server
        11: fork 12
        12: setsid() = 12 {tty=-}
        11: exit 0
        11: dead
    ";
    const LATER: &str = "@1000009000 12: takes SIGWINCH 0 handler\n";

    #[test]
    fn the_socket_listens_only_after_the_launcher_has_returned() {
        check_following(
            11,
            &format!("{DAEMON}inspected 12 left fd=3:socket:8:5:rw:socket:[5]\n{LATER}inspected 12 settled fd=3:socket:8:5:rw!:socket:[5]"),
            expect![[r"
                info JC403 leftover-after-root-exit @10000: 1 process left behind by 11 server
                  why   the command ended at @10000; alive: 12 server (a daemon: own session, no terminal; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #7 11 server forks 12
                  seen  #10 11 server exits 0
                info JC507 readiness-order @1000010000: 11 server returned before 12 server listened
                  why   no socket of it listened when the command had ended; fd 3 socket:[5] did when it had settled: who connects in between is refused
                  fix   let the first process exit only when the last one says through a pipe that it listens
                  seen  #10 11 server exits 0
                  seen  #14 /proc of 12 server is read
                info too-early JC502 still-session-leader @1000010000: 12 server runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #9 12 server: setsid, leads new session and group 12
                  seen  #10 11 server exits 0
            "]],
        );
    }

    #[test]
    fn it_listened_in_time() {
        check_following(
            11,
            &format!("{DAEMON}inspected 12 left fd=3:socket:8:5:rw!:socket:[5]\n{LATER}inspected 12 settled fd=3:socket:8:5:rw!:socket:[5]"),
            expect![[r"
                info JC403 leftover-after-root-exit @10000: 1 process left behind by 11 server
                  why   the command ended at @10000; alive: 12 server (a daemon: own session, no terminal; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #7 11 server forks 12
                  seen  #10 11 server exits 0
                info too-early JC502 still-session-leader @1000010000: 12 server runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #9 12 server: setsid, leads new session and group 12
                  seen  #10 11 server exits 0
            "]],
        );
    }
}
