//! The command has ended, and processes that it started live on.
//!
//! Each is told with its class: in the command's group (a kill of that group would reach it), in a group of its own, in a
//! session of its own, stopped, in a call that takes no signal (state D, where that was seen), or detached as a daemon; and
//! with the signals that it got.
//!
//! **Fix.** Wait for the children, or end their groups before the command ends; a daemon that should be one needs its own
//! session.
//!
//! **Not a problem** when all of them are daemons (their own session, no terminal, no parent among what was started) and what
//! those have started without a terminal: information only, and at once. Two seconds of grace for the others.
//!
//! Source: POSIX.1-2024 XSH `_exit` (children get a new parent and live on).

use super::{
    super::{
        TO_END,
        answer::{Class, Place, class},
        memory::Received,
    },
    prelude::*,
};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<Leftovers>::default()
}

#[derive(Default)]
struct Leftovers(Waiting<ProcKey, Root>);

/// The command, when it ended.
struct Root {
    place: Place,
    seq: Seq,
    exited: Option<Evidence>,
}

impl Watch for Leftovers {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Exited { process, .. } = *change else { continue };
            if now.model.root.is_some_and(|(_, root)| root == Some(process))
                && let Some(root) = now.model.process(process)
            {
                let root = Root { place: Place::at(root), seq: now.seq, exited: now.evidence_of(change) };
                let left = left(now, process);
                if !left.is_empty() && are_daemons(now, &left, &root.place) {
                    out.push(draft(now, process, root, &left));
                } else {
                    self.0.put(process, after(now.at, TO_END), root);
                }
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().filter_map(|(process, at, root)| lives_on(now, process, at, root)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.rest().into_iter().filter_map(|(process, at, root)| lives_on(now, process, at, root)));
    }
}

/// Who lives on when the time to end, until `at`, is over. Of daemons nobody waits for the end.
fn lives_on(now: &Now<'_>, process: ProcKey, at: BootNs, root: Root) -> Option<Draft> {
    let left = left(now, process);
    let daemons = are_daemons(now, &left, &root.place);
    let draft = (!left.is_empty()).then(|| draft(now, process, root, &left))?;
    Some(if daemons { draft.at(at) } else { draft.until(at) })
}

/// Those of the command that live.
fn left(now: &Now<'_>, command: ProcKey) -> Vec<ProcKey> {
    let others = now.model.processes().filter(|it| it.followed && it.key != command).map(|it| it.key);
    others.filter(|key| now.is_alive(*key)).collect()
}

fn are_daemons(now: &Now<'_>, left: &[ProcKey], place: &Place) -> bool {
    left.iter().all(|key| class(now, *key, place) == Some(Class::Daemon))
}

fn draft(now: &Now<'_>, process: ProcKey, root: Root, left: &[ProcKey]) -> Draft {
    let severity = if are_daemons(now, left, &root.place) { Severity::Info } else { Severity::Warning };
    let fact = say![count(left.len(), "process", "processes"), " left behind by ", now.command(process)];
    let each = Words::list(left.iter().map(|key| say![now.name(*key), " (", told(now, *key, &root.place), signals(now, *key), ")"]));
    Draft::of(now, process, severity, fact)
        .why(say!["the command ended at ", root.exited.as_ref().map(|it| it.at), "; alive: ", each])
        .fix(say!["wait for them or end their groups before the command ends; a daemon needs a session of its own"])
        .about(left.iter().copied())
        .since(root.seq)
        .seen(root.exited)
        .seen(left.iter().take(4).filter_map(|key| now.memory.life(*key)?.forked.clone()))
}

fn told(now: &Now<'_>, key: ProcKey, root: &Place) -> Words {
    let Some(process) = now.model.process(key) else { return say![] };
    let stopped = match now.memory.life(key) {
        _ if process.stopped.is_some() => "stopped, ",
        Some(life) if life.is_uninterruptible() => "in a call that takes no signal (state D), ",
        _ => "",
    };
    let what = match class(now, key, root) {
        Some(Class::Daemon) => say!["a daemon: own session, no terminal"],
        Some(Class::SameGroup) => say!["in the command's group"],
        Some(Class::OwnGroup) => say!["in group ", process.group],
        Some(Class::OwnSession) | None => say!["in session ", process.session, process.tty.map(|tty| say![" on ", tty])],
    };
    say![stopped, what]
}

/// The signals that it got, and what it did with them.
fn signals(now: &Now<'_>, key: ProcKey) -> Words {
    let received = now.memory.life(key).into_iter().flat_map(|life| &life.received);
    let told: Vec<Words> = received.rev().take(2).map(|it| say![met(it), it.signal.signal]).collect();
    if told.is_empty() { say!["; got no signal"] } else { say!["; ", Words::list(told)] }
}

fn met(received: &Received) -> &'static str {
    match received.signal.disposition {
        _ if received.signal.blocked => "blocks ",
        Disposition::Ignored => "ignored ",
        Disposition::Handler => "handled ",
        Disposition::Default => "got ",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check_following;

    #[test]
    fn a_child_in_the_commands_group_is_left_behind() {
        check_following(
            11,
            "10: fork 11\n11: setpgid(0,0) = 0\n11: exec make\n11: fork 12\n12: exec esbuild\n11: exit 0\n11: dead\n@3000000000 50: takes SIGWINCH 0 handler\n",
            expect![[r"
                warning JC403 leftover-after-root-exit @2000011000: 1 process left behind by 11 make
                  why   the command ended at @11000; alive: 12 esbuild (in the command's group; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #9 11 make forks 12
                  seen  #11 11 make exits 0
            "]],
        );
    }

    #[test]
    fn a_daemon_is_information() {
        check_following(
            11,
            "10: fork 11\n11: exec redis\n11: fork 12\n12: setsid() = 12 {tty=-}\n11: exit 0\n11: dead\n12: takes SIGWINCH 0 handler\n@3000000000 50: takes SIGWINCH 0 handler\n",
            expect![[r"
                info JC403 leftover-after-root-exit @10000: 1 process left behind by 11 redis
                  why   the command ended at @10000; alive: 12 redis (a daemon: own session, no terminal; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #7 11 redis forks 12
                  seen  #10 11 redis exits 0
                info JC502 still-session-leader @1000011000: 12 redis runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #9 12 redis: setsid, leads new session and group 12
                  seen  #10 11 redis exits 0
            "]],
        );
    }

    #[test]
    fn what_a_daemon_forks_is_of_the_daemon() {
        check_following(
            11,
            "10: fork 11\n11: exec nginx\n11: fork 12\n12: setsid() = 12 {tty=-}\n12: fork 13\n13: fork 14\n11: exit 0\n11: dead\n",
            expect![[r"
                info JC403 leftover-after-root-exit @12000: 3 processes left behind by 11 nginx
                  why   the command ended at @12000; alive: 12 nginx (a daemon: own session, no terminal; got no signal), 13 nginx (a daemon: own session, no terminal; got no signal), 14 nginx (a daemon: own session, no terminal; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #7 11 nginx forks 12
                  seen  #10 12 nginx forks 13
                  seen  #11 13 nginx forks 14
                  seen  #12 11 nginx exits 0
                info too-early JC502 still-session-leader @13000: 12 nginx runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #9 12 nginx: setsid, leads new session and group 12
                  seen  #12 11 nginx exits 0
            "]],
        );
    }

    /// As a database's workers do.
    #[test]
    fn what_a_daemon_starts_in_a_session_of_its_own_is_of_the_daemon() {
        check_following(
            11,
            "10: fork 11\n11: exec postgres\n11: fork 12\n12: setsid() = 12 {tty=-}\n12: fork 13\n13: setsid() = 13\n11: exit 0\n11: dead\n",
            expect![[r"
                info JC403 leftover-after-root-exit @13000: 2 processes left behind by 11 postgres
                  why   the command ended at @13000; alive: 12 postgres (a daemon: own session, no terminal; got no signal), 13 postgres (a daemon: own session, no terminal; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #7 11 postgres forks 12
                  seen  #10 12 postgres forks 13
                  seen  #13 11 postgres exits 0
                info too-early JC502 still-session-leader @14000: 12 postgres runs detached and leads its session 12
                  why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
                  fix   fork again after setsid, or open terminals with O_NOCTTY
                  seen  #9 12 postgres: setsid, leads new session and group 12
                  seen  #13 11 postgres exits 0
            "]],
        );
    }

    /// The father of 14 has ended; who began its session has not, and is waited for.
    #[test]
    fn an_orphan_in_a_session_that_somebody_waits_for_is_no_daemon() {
        check_following(
            11,
            "10: fork 11\n11: exec make\n11: fork 12\n12: fork 13\n13: setsid() = 13 {tty=-}\n13: fork 15\n15: fork 14\n15: exit 0\n15: dead\n13: wait4(-1,0) = 15 got 15 exited:0\n11: exit 0\n11: dead\n@3000000000 50: takes SIGWINCH 0 handler\n",
            expect![[r"
                info JC501 no-new-session @1000014000: 14 make was left running by 15 make in session 13
                  why   its parent forked it and ended, as for a daemon, but it never called setsid: it is in the session still
                  fix   call setsid after the fork
                  seen  #12 15 make forks 14
                  seen  #13 15 make exits 0
                  seen  #14 14 make is now a child of 1 init
                error JC501 no-new-session @1000018000: 12 make was left running by 11 make in session 10
                  why   its parent forked it and ended, as for a daemon, but it never called setsid: it is in the session with pts/0: Ctrl-C there can reach it, and it can end with the session
                  fix   call setsid after the fork
                  seen  #7 11 make forks 12
                  seen  #17 11 make exits 0
                  seen  #18 12 make is now a child of 1 init
                warning JC403 leftover-after-root-exit @2000017000: 3 processes left behind by 11 make
                  why   the command ended at @17000; alive: 12 make (in the command's group; got no signal), 13 make (in session 13; got no signal), 14 make (in session 13; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #7 11 make forks 12
                  seen  #8 12 make forks 13
                  seen  #12 15 make forks 14
                  seen  #17 11 make exits 0
            "]],
        );
    }

    #[test]
    fn what_is_in_a_session_that_somebody_waits_for_is_no_daemon() {
        check_following(
            11,
            "10: fork 11\n11: exec make\n11: fork 12\n12: fork 13\n13: setsid() = 13 {tty=-}\n13: fork 14\n11: exit 0\n11: dead\n@3000000000 50: takes SIGWINCH 0 handler\n",
            expect![[r"
                error JC501 no-new-session @1000013000: 12 make was left running by 11 make in session 10
                  why   its parent forked it and ended, as for a daemon, but it never called setsid: it is in the session with pts/0: Ctrl-C there can reach it, and it can end with the session
                  fix   call setsid after the fork
                  seen  #7 11 make forks 12
                  seen  #12 11 make exits 0
                  seen  #13 12 make is now a child of 1 init
                warning JC403 leftover-after-root-exit @2000012000: 3 processes left behind by 11 make
                  why   the command ended at @12000; alive: 12 make (in the command's group; got no signal), 13 make (in session 13; got no signal), 14 make (in session 13; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #7 11 make forks 12
                  seen  #8 12 make forks 13
                  seen  #11 13 make forks 14
                  seen  #12 11 make exits 0
            "]],
        );
    }

    #[test]
    fn a_command_that_ends_alone_is_nothing() {
        check_following(
            11,
            "10: fork 11\n11: fork 12\n12: exit 0\n12: dead\n11: wait4(-1,0) = 12 got 12 exited:0\n11: exit 0\n11: dead\n",
            expect![[""]],
        );
    }
}
