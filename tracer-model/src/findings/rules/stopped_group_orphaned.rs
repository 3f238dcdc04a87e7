//! A process group with a stopped member became orphaned.
//!
//! When the exit of a process leaves such a group without anybody who could continue it, the kernel sends SIGHUP and SIGCONT to every
//! member: what does not handle or ignore SIGHUP dies, the rest goes on running. When setpgid or setsid does the same, nothing
//! is sent: the members stay stopped, and nobody is left to continue them.
//!
//! **Fix.** A shell should warn of stopped jobs before it ends, as interactive shells do; a supervisor should continue or
//! kill what it stopped. What must go on needs to ignore SIGHUP (`nohup`).
//!
//! **Not a problem** never: somebody's stopped work was ended or stuck.
//!
//! Source: POSIX.1-2024 XSH `_exit`; `kernel/exit.c`, `kill_orphaned_pgrp`.

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<StoppedOrphaned>::default()
}

#[derive(Default)]
struct StoppedOrphaned(Waiting<PgrpKey, Orphan>);

struct Orphan {
    by: ProcKey,
    members: Vec<ProcKey>,
    stopped: usize,
    evidence: Vec<Evidence>,
}

impl Watch for StoppedOrphaned {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Orphaned { group, cause, stopped_members: stopped @ 1.. } = *change else { continue };
            let members: Vec<ProcKey> = now.living(group).collect();
            let evidence: Vec<Evidence> = now.evidence_of(change).into_iter().collect();
            match cause {
                OrphanCause::Exit(by) => {
                    self.0.put(group, after(now.at, 100 * MS), Orphan { by, members, stopped, evidence });
                }
                OrphanCause::Setpgid(by) => out.push(stuck(now, group, by, "setpgid").seen(evidence)),
                OrphanCause::Setsid(by) => out.push(stuck(now, group, by, "setsid").seen(evidence)),
                OrphanCause::Found => {}
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().map(|(group, at, orphan)| draft(now, group, orphan, " survived").at(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let still = " lived when the recording ended";
        out.extend(self.0.rest().into_iter().map(|(group, _, orphan)| draft(now, group, orphan, still)));
    }
}

/// `live`: what is said of those that live.
fn draft(now: &Now<'_>, group: PgrpKey, orphan: Orphan, live: &'static str) -> Draft {
    let Orphan { by, members, stopped, evidence } = orphan;
    let names = |list: &[ProcKey]| Words::list(list.iter().map(|key| say![now.name(*key)]));
    let (ended, living): (Vec<ProcKey>, Vec<ProcKey>) = members.iter().partition(|member| now.has_ended(**member));
    let of_hangup = |key: &ProcKey| {
        let status = now.memory.life(*key).and_then(|life| life.status);
        matches!(status, Some(WaitStatus::Killed { signal: Signal::HUP, .. }))
    };
    let (died, ended): (Vec<ProcKey>, Vec<ProcKey>) = ended.into_iter().partition(of_hangup);
    let died = if died.is_empty() { say!["nobody died of SIGHUP"] } else { say![names(&died), " died of SIGHUP"] };
    let ended = if ended.is_empty() { say![] } else { say!["; ", names(&ended), " ended"] };
    let live = if living.is_empty() { say![] } else { say!["; ", names(&living), live] };
    let are = count(stopped, "member was", "members were");
    Draft::on(Subject::Group(group), Severity::Warning, say!["group ", group, " was orphaned while it was stopped: the kernel sent it SIGHUP and SIGCONT"])
        .why(say![now.name(by), " exited and left nobody who could continue it (", are, " stopped); ", died, ended, live])
        .fix(say!["continue or end stopped jobs before the shell ends; nohup for what must live on"])
        .about(members)
        .about([by])
        .seen(evidence)
        .seen(now.memory.life(by).and_then(|life| life.exited.clone()))
}

fn stuck(now: &Now<'_>, group: PgrpKey, by: ProcKey, call: &'static str) -> Draft {
    let stopped = |key: &ProcKey| now.model.process(*key).is_some_and(|process| process.stopped.is_some());
    let members: Vec<ProcKey> = now.living(group).filter(stopped).collect();
    let names = Words::list(members.iter().map(|key| say![now.name(*key)]));
    Draft::on(Subject::Group(group), Severity::Warning, say![names, " of group ", group, " stopped for good: no shell can continue it as a job"])
        .why(say![call, " of ", now.name(by), " orphaned it, and only an exit makes the kernel send SIGHUP and SIGCONT"])
        .fix(say!["kill -CONT -- -", group, ", or end it"])
        .about(members)
        .about([by])
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const JOB: &str = "
        10: fork 20
        20: setpgid(0,0) = 0
        20: fork 21
        21: setpgid(0,0) = 0
    ";

    #[test]
    fn a_parent_that_exits_ends_its_stopped_job() {
        check(
            &format!("{JOB}
                21: stops SIGSTOP
                20: exit 0
                20: SIGHUP -> 21 kernel {{pp=1 +init_parent}}
                20: SIGCONT -> 21 kernel
                20: dead
                21: exit SIGHUP
            "),
            expect![[r"
                info JC309 signal-attribution @16000: 21 bash died of SIGHUP
                  why   from the kernel, because the exit of 20 bash orphaned its group while a member was stopped
                  fix   do not leave stopped jobs behind when a shell ends
                  seen  #13 SIGHUP to 21 bash: from the kernel, because the exit of 20 bash orphaned its group while a member was stopped
                  seen  #16 21 bash dies of SIGHUP
                info JC309 signal-attribution @16000: 21 bash was continued by SIGCONT
                  why   from the kernel, because the exit of 20 bash orphaned its group while a member was stopped
                  fix   nothing: it goes on
                  seen  #14 SIGCONT to 21 bash: from the kernel, because the exit of 20 bash orphaned its group while a member was stopped
                warning JC401 stopped-group-orphaned @16000: group 21 was orphaned while it was stopped: the kernel sent it SIGHUP and SIGCONT
                  why   20 bash exited and left nobody who could continue it (1 member was stopped); 21 bash died of SIGHUP
                  fix   continue or end stopped jobs before the shell ends; nohup for what must live on
                  seen  #12 20 bash exits 0
                  seen  #13 the exit of 20 bash orphans group 21 (1 stopped member)
            "]],
        );
    }

    #[test]
    fn who_ended_otherwise_did_not_die_of_it() {
        check(
            &format!("{JOB}
                21: fork 22
                21: stops SIGSTOP
                20: exit 0
                20: SIGHUP -> 22 kernel
                20: SIGHUP -> 21 kernel handler {{pp=1 +init_parent}}
                20: SIGCONT -> 22 kernel
                20: SIGCONT -> 21 kernel
                20: dead
                22: exit SIGHUP
                21: exit 0
            "),
            expect![[r"
                info JC309 signal-attribution @20000: 22 bash died of SIGHUP
                  why   from the kernel, because the exit of 20 bash orphaned its group while a member was stopped; also to 21 bash (handled)
                  fix   do not leave stopped jobs behind when a shell ends
                  seen  #14 SIGHUP to 22 bash: from the kernel, because the exit of 20 bash orphaned its group while a member was stopped
                  seen  #19 22 bash dies of SIGHUP
                info JC309 signal-attribution @20000: 21 bash was continued by SIGCONT
                  why   from the kernel, because the exit of 20 bash orphaned its group while a member was stopped; also to 22 bash (no effect yet)
                  fix   nothing: it goes on
                  seen  #17 SIGCONT to 21 bash: from the kernel, because the exit of 20 bash orphaned its group while a member was stopped
                warning JC401 stopped-group-orphaned @20000: group 21 was orphaned while it was stopped: the kernel sent it SIGHUP and SIGCONT
                  why   20 bash exited and left nobody who could continue it (1 member was stopped); 22 bash died of SIGHUP; 21 bash ended
                  fix   continue or end stopped jobs before the shell ends; nohup for what must live on
                  seen  #13 20 bash exits 0
                  seen  #14 the exit of 20 bash orphans group 21 (1 stopped member)
            "]],
        );
    }

    #[test]
    fn a_running_group_gets_nothing() {
        check(&format!("{JOB}20: exit 0\n20: dead\n"), expect![[r"
            info too-early JC501 no-new-session @12000: 21 bash was left running by 20 bash in session 10
              why   its parent forked it and ended, as for a daemon, but it never called setsid: it is in the session with pts/0: Ctrl-C there can reach it, and it can end with the session
              fix   call setsid after the fork
              seen  #8 20 bash forks 21
              seen  #11 20 bash exits 0
              seen  #12 21 bash is now a child of 1 init
        "]]);
    }

    #[test]
    fn setsid_of_the_parent_leaves_it_stuck() {
        check("10: fork 20\n20: fork 21\n21: setpgid(0,0) = 0\n21: stops SIGSTOP\n20: setsid() = 20\n", expect![[r"
            warning JC401 stopped-group-orphaned @11000: 21 bash of group 21 stopped for good: no shell can continue it as a job
              why   setsid of 20 bash orphaned it, and only an exit makes the kernel send SIGHUP and SIGCONT
              fix   kill -CONT -- -21, or end it
              seen  #11 setsid of 20 bash orphans group 21 (1 stopped member)
        "]]);
    }
}
