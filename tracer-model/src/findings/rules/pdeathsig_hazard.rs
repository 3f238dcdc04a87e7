//! `PR_SET_PDEATHSIG` struck although the parent lives, or can no longer strike.
//!
//! The "parent" of that signal is the thread that forked, not the process: a child of a thread pool is signalled when its
//! thread ends. And who asks for it after the parent has died never gets it.
//!
//! **Fix.** Fork from a thread that lives as long as the process (the main thread); after prctl, compare `getppid` with the
//! parent's number from before the fork, and exit if it changed.
//!
//! **Not a problem** when a process that asked too late notices and ends within 100 ms: not reported.
//!
//! Source: prctl(2), `PR_SET_PDEATHSIG`; `kernel/exit.c`, `reparent_leader`.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<PdeathsigHazard>::default()
}

#[derive(Default)]
struct PdeathsigHazard(Waiting<ProcKey, (Seq, Evidence)>);

impl Watch for PdeathsigHazard {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::SignalSent { target, signal, path: SignalPath::ParentDeath { parent }, .. } = *change
                && now.is_alive(parent)
            {
                let tid = now.event.map(|event| event.actor.tid.0).unwrap_or_default();
                let fact = say![now.name(target), " got ", signal.signal, " although its parent ", now.name(parent), " lives"];
                out.push(
                    Draft::of(now, target, Severity::Error, fact)
                        .why(say!["thread ", tid, " of ", now.name(parent), " ended: the signal of PR_SET_PDEATHSIG comes with the end of the thread that forked"])
                        .fix(say!["fork from a thread that lives as long as the process"])
                        .about([parent])
                        .seen(now.evidence_of(change)),
                );
            } else if let Change::Exited { process, .. } = *change {
                self.0.take(process);
            }
        }
        if let Some(EventKind::Leave(leave)) = now.event.map(|event| &event.kind)
            && let Call::SetParentDeathSignal { signal: 1.. } = leave.call
            && let Some(caller) = now.delta.by.filter(|_| leave.ret == 0)
            && let Some(launcher) = now.memory.life(caller).and_then(|life| life.launcher)
            && now.has_ended(launcher)
        {
            self.0.put(caller, after(now.at, 100 * MS), (now.seq, now.returned(caller, leave)));
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for (caller, at, (seq, evidence)) in self.0.due(now.at) {
            let Some(life) = now.memory.life(caller) else { continue };
            let launcher = life.launcher;
            let exited = launcher.and_then(|launcher| now.memory.life(launcher)?.exited.clone());
            let parent = launcher.map(|launcher| say![" ", now.name(launcher)]);
            let fact = say![now.name_at(&evidence, caller), " asked for a signal at the death of its parent, which had died already"];
            out.push(
                Draft::of(now, caller, Severity::Warning, fact)
                    .why(say!["its parent", parent, " ended between the fork and the prctl: the signal will never come"])
                    .fix(say!["after prctl, compare getppid() with the parent's number from before the fork"])
                    .since(seq)
                    .seen(exited)
                    .seen([evidence])
                    .at(at),
            );
        }
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn the_end_of_a_thread_is_no_end_of_the_parent() {
        check(
            "
            10: thread 15
            10/15: fork 11
            11: pdeathsig(SIGKILL) = 0
            10/15: exit-thread
            10/15: SIGKILL -> 11 noinfo
            ",
            expect![[r"
                error JC308 pdeathsig-hazard @10000: 11 bash got SIGKILL although its parent 10 bash lives
                  why   thread 15 of 10 bash ended: the signal of PR_SET_PDEATHSIG comes with the end of the thread that forked
                  fix   fork from a thread that lives as long as the process
                  seen  #10 SIGKILL to 11 bash: from the kernel, asked for by PR_SET_PDEATHSIG: a thread of 10 bash ended
            "]],
        );
    }

    #[test]
    fn the_end_of_the_parent_is_what_was_asked_for() {
        check(
            "
            10: fork 11
            11: fork 12
            12: pdeathsig(SIGKILL) = 0
            11: exit 0
            11: SIGKILL -> 12 noinfo
            ",
            expect![[""]],
        );
    }

    #[test]
    fn asking_too_late_is_a_warning() {
        check(
            "
            10: fork 11
            11: fork 12
            11: exit 0
            11: dead
            12: pdeathsig(SIGKILL) = 0
            @200000000 50: takes SIGWINCH 0 handler
            ",
            expect![[r"
                warning JC308 pdeathsig-hazard @100010000: 12 bash asked for a signal at the death of its parent, which had died already
                  why   its parent 11 bash ended between the fork and the prctl: the signal will never come
                  fix   after prctl, compare getppid() with the parent's number from before the fork
                  seen  #7 11 bash exits 0
                  seen  #10 12 bash: SetParentDeathSignal { signal: 9 }
                info too-early JC501 no-new-session @200000000: 12 bash was left running by 11 bash in session 10
                  why   its parent forked it and ended, as for a daemon, but it never called setsid: it is in the session with pts/0: Ctrl-C there can reach it, and it can end with the session
                  fix   call setsid after the fork
                  seen  #6 11 bash forks 12
                  seen  #7 11 bash exits 0
                  seen  #8 12 bash is now a child of 1 init
            "]],
        );
    }
}
