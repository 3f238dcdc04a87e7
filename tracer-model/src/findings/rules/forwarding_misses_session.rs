//! The init of a container passed a signal on, and others in its pid namespace were killed without having got it.
//!
//! An init like tini forwards SIGTERM to its child, or with `-g` to the child's process group. What called setsid or setpgid
//! below is not in that group: it hears nothing until the init ends, and then the kernel kills it with SIGKILL.
//!
//! **Fix.** Signal every process of the namespace (kill(-1) from its init, as `dumb-init` does with its session, or
//! `tini -g`), or let the program end its own children before it ends.
//!
//! **Not a problem** for what ended or got such a signal before the init ended.
//!
//! Source: `pid_namespaces(7)`; `kernel/pid_namespace.c`, `zap_pid_ns_processes`.

use super::{super::memory::Received, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<ForwardingMisses>::default()
}

#[derive(Default)]
struct ForwardingMisses(Waiting<ProcKey, Missed>);

/// The init ended; these lived then and had not been told.
struct Missed {
    signal: Signal,
    told: ProcKey,
    left: Vec<ProcKey>,
    asked: Evidence,
    forwarded: Evidence,
    ended: Option<Evidence>,
}

impl Watch for ForwardingMisses {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Exited { process, .. } = *change else { continue };
            let Some(mut missed) = missed(now, process) else { continue };
            missed.ended = now.evidence_of(change);
            self.0.put(process, after(now.at, 100 * MS), missed);
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().filter_map(|(init, at, missed)| Some(draft(now, init, missed)?.at(at))));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let drafts = self.0.drain().filter_map(|(init, missed)| draft(now, init, missed));
        out.extend(drafts.collect::<Vec<_>>());
    }
}

fn missed(now: &Now<'_>, init: ProcKey) -> Option<Missed> {
    let inside = now.model.process(init)?.namespace.filter(|inside| inside.pid == Pid(1))?;
    let asked = now.last_received(init, |it| ends(it) && it.signal.disposition != Disposition::Ignored)?;
    let sent = |delivered: &&Received| {
        let by = matches!(delivered.path, SignalPath::KillProcess { sender, .. } | SignalPath::KillGroup { sender, .. } if sender == init);
        by && delivered.evidence.seq > asked.evidence.seq && ends(delivered)
    };
    // Whoever was told may have been reaped by now.
    let told = now.memory.all().find_map(|life| Some((life.key, life.received.iter().find(sent)?)));
    let (told, forwarded) = told?;
    let since = asked.evidence.seq;
    let unheard = |key: &ProcKey| now.last_received(*key, |it| it.evidence.seq > since && ends(it) && it.signal.signal != Signal::KILL).is_none();
    let inmates = now.model.processes().filter(|it| it.key != init && it.namespace.is_some_and(|it| it.inum == inside.inum));
    let left: Vec<ProcKey> = inmates.map(|it| it.key).filter(|key| now.is_alive(*key) && unheard(key)).collect();
    let (signal, asked, forwarded) = (forwarded.signal.signal, asked.evidence.clone(), forwarded.evidence.clone());
    let missed = Missed { signal, told, left, asked, forwarded, ended: None };
    (!missed.left.is_empty()).then_some(missed)
}

/// A signal that asks for an end.
fn ends(received: &Received) -> bool {
    matches!(received.signal.signal, Signal::HUP | Signal::INT | Signal::QUIT | Signal::TERM | Signal::KILL)
}

fn draft(now: &Now<'_>, init: ProcKey, missed: Missed) -> Option<Draft> {
    let Missed { signal, told, left, asked, forwarded, ended } = missed;
    let dead: Vec<ProcKey> = left.into_iter().filter(|key| now.has_ended(*key)).collect();
    let first = *dead.first()?;
    let names = Words::list(dead.iter().map(|key| say![now.name(*key)]));
    let moved = now.memory.life(first).and_then(|life| life.moved.clone());
    let group = now.memory.life(first).and_then(|life| life.groups.back()).map(|group| say![", which is in group ", *group]);
    let fact = say![now.name_at(&forwarded, init), " passed ", signal, " on to ", now.name_at(&forwarded, told), "; ", names, " got SIGKILL without it"];
    let draft = Draft::of(now, init, Severity::Warning, fact)
        .why(say!["when the first process of a pid namespace ends, the kernel kills the others; ", now.name(first), group, ", was told nothing before"])
        .fix(say!["signal everybody in the container (tini -g for the group, kill(-1) for all), or end the children before the program ends"])
        .about(dead.iter().copied())
        .seen([asked, forwarded])
        .seen(ended)
        .seen(moved);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const CONTAINER: &str = "
        10: fork 11 {ns=4026532000/1/1/0/0 sf=64}
        11: exec tini
        11: fork 12 {ns=4026532000/1/7/7/0 sf=0}
        12: setpgid(0,0) = 0
        12: fork 13 {ns=4026532000/1/8/7/0}
        13: setsid() = 13 {ns=4026532000/1/8/8/8}
        13: exec worker
        50: > kill(11,SIGTERM)
        50: SIGTERM -> 11 handler
        50: < kill(11,SIGTERM) = 0
    ";
    const ENDS: &str = "
        12: exit SIGTERM
        11: exit 143
        11: SIGKILL -> 13 kernel
        13: exit SIGKILL
        @900000000 50: takes SIGWINCH 0 handler
    ";

    #[test]
    fn what_left_the_group_is_killed_unheard() {
        check(
            &format!("{CONTAINER}11: > kill(-7,SIGTERM)\n11: SIGTERM -> 12\n11: < kill(-7,SIGTERM) = 0\n{ENDS}"),
            expect![[r"
                info JC605 pidns-id-mismatch @6000: 11 tini, process 1 of its pid namespace, is in process group 10 of the outer namespace
                  why   that group (of 10 bash) was made outside: inside, getpgrp answers 0, and kill(0) reaches processes outside
                  fix   call setsid or setpgid in the first process of the container
                  seen  #6 11 tini executes a program
                info JC309 signal-attribution @100020000: 12 tini died of SIGTERM
                  why   sent by 11 tini, to group 12
                  fix   if this was not meant, look at what 11 tini was running when it sent it
                  seen  #18 SIGTERM to 12 tini: sent by 11 tini, to group 12
                  seen  #20 12 tini dies of SIGTERM
                warning JC603 forwarding-misses-session @100021000: 11 tini passed SIGTERM on to 12 tini; 13 worker got SIGKILL without it
                  why   when the first process of a pid namespace ends, the kernel kills the others; 13 worker, which is in group 13, was told nothing before
                  fix   signal everybody in the container (tini -g for the group, kill(-1) for all), or end the children before the program ends
                  seen  #12 13 tini: setsid, leads new session and group 13
                  seen  #15 SIGTERM to 11 tini: sent by 50 tmux, to this process alone
                  seen  #18 SIGTERM to 12 tini: sent by 11 tini, to group 12
                  seen  #21 11 tini exits 143
                info JC309 signal-attribution @100023000: 13 worker died of SIGKILL
                  why   from the kernel, because 11 tini, the first process of its pid namespace, ended
                  fix   let the first process of a container end last: it should wait for the others
                  seen  #22 SIGKILL to 13 worker: from the kernel, because 11 tini, the first process of its pid namespace, ended
                  seen  #23 13 worker dies of SIGKILL
            "]],
        );
    }

    #[test]
    fn who_is_told_as_well_is_nothing() {
        let all = "11: > kill(-1,SIGTERM)\n11: SIGTERM -> 13 handler\n11: SIGTERM -> 12\n11: < kill(-1,SIGTERM) = 0\n";
        let found = crate::findings::tests::ids(&format!("{CONTAINER}{all}{ENDS}"));
        assert!(!found.contains(&"JC603"), "{found:?}");
    }
}
