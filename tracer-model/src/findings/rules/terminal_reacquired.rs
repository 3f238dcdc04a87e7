//! A daemon got a controlling terminal by opening one.
//!
//! It led its session, and opened a terminal without `O_NOCTTY`: from then on that terminal can signal it and hang it up.
//!
//! **Fix.** Open terminals with `O_NOCTTY`; or fork again after setsid.
//!
//! **Not a problem** for a program whose parent waits for it, as a terminal emulator's shell: only processes whose launcher
//! has ended are reported.
//!
//! Source: POSIX.1-2024 open, `O_NOCTTY`; `drivers/tty/tty_io.c`, `tty_open_proc_set_tty`.

use super::prelude::*;
use crate::delta::TtyChange;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(Reacquired)
}

struct Reacquired;

impl Watch for Reacquired {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::TtyGained { session, tty, how: Some(TtyChange::Open) } = *change else { continue };
            let leader = now.model.session(session).and_then(|session| session.leader);
            let Some(life) = leader.and_then(|leader| now.memory.life(leader)) else { continue };
            let Some(launcher) = life.launcher.filter(|launcher| now.has_ended(*launcher)) else { continue };
            let opened = now.evidence(say![now.name(life.key), " opens ", tty, ", its controlling terminal from now on"]);
            out.push(
                Draft::of(now, life.key, Severity::Error, say![now.name(life.key), " has a controlling terminal again: ", tty])
                    .why(say!["it leads session ", session, ", and opened the terminal without O_NOCTTY"])
                    .fix(say!["open terminals with O_NOCTTY, or fork again after setsid"])
                    .seen(life.moved.clone())
                    .seen(now.memory.life(launcher).and_then(|life| life.exited.clone()))
                    .seen([opened]),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const DAEMON: &str = "
        10: fork 11
        11: exec logger
        11: fork 12
        12: setsid() = 12 {tty=-}
        11: exit 0
        11: dead
    ";

    #[test]
    fn an_open_gives_a_daemon_a_terminal() {
        check(&format!("{DAEMON}12: open() = 3 {{tty=pts/7 fg=12 ttysid=12}}\n"), expect![[r"
            error JC503 terminal-reacquired @13000: 12 logger has a controlling terminal again: pts/7
              why   it leads session 12, and opened the terminal without O_NOCTTY
              fix   open terminals with O_NOCTTY, or fork again after setsid
              seen  #9 12 logger: setsid, leads new session and group 12
              seen  #10 11 logger exits 0
              seen  #13 12 logger opens pts/7, its controlling terminal from now on
        "]]);
    }

    #[test]
    fn a_child_that_is_waited_for_may() {
        check("10: fork 11\n11: setsid() = 11 {tty=-}\n11: open() = 3 {tty=pts/7 fg=11 ttysid=11}\n", expect![[""]]);
    }
}
