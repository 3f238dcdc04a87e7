//! A signal to the first process of a container did nothing: process 1 has no default actions.
//!
//! The init of a pid namespace gets only signals that it has a handler for; from outside, SIGKILL and SIGSTOP besides. A
//! program that was not written to be process 1 ignores SIGTERM and SIGINT without knowing it, and is killed after the grace
//! period.
//!
//! **Fix.** Install a handler for SIGTERM, or start an init in front of the program (`docker run --init`, tini, dumb-init).
//!
//! **Not a problem** never: who sent the signal wanted something.
//!
//! Source: `pid_namespaces(7)`; `kernel/signal.c`, `sig_task_ignored`.

use super::prelude::*;
use crate::delta::Dropped;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(NsInitIgnored)
}

struct NsInitIgnored;

impl Watch for NsInitIgnored {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::SignalSent { target, signal, dropped: Some(Dropped::Init), .. } = *change else { continue };
            // Of these the default action is nothing, for everybody.
            if matches!(signal.signal, Signal::CHLD | Signal::CONT | Signal::URG | Signal::WINCH) {
                continue;
            }
            let inside = now.model.process(target).and_then(|process| process.namespace);
            let one = inside.map_or_else(|| "process 1".to_owned(), |inside| format!("process {} of its pid namespace", inside.pid));
            out.push(
                Draft::of(now, target, Severity::Warning, say![signal.signal, " to ", now.name(target), " did nothing"])
                    .why(say!["it is ", one, ", has no handler for the signal, and process 1 has no default actions; ", now.evidence_of(change).map(|sent| sent.path())])
                    .fix(say!["install a handler, or start an init in front of the program (--init, tini)"])
                    .seen(now.evidence_of(change)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const CONTAINER: &str = "10: fork 11 {ns=4026532000/1/1/0/0 sf=64}\n11: exec node\n";

    #[test]
    fn sigterm_to_process_1_does_nothing() {
        check(&format!("{CONTAINER}50: > kill(11,SIGTERM)\n50: SIGTERM -> 11 ignored\n"), expect![[r"
            info JC605 pidns-id-mismatch @6000: 11 node, process 1 of its pid namespace, is in process group 10 of the outer namespace
              why   that group (of 10 bash) was made outside: inside, getpgrp answers 0, and kill(0) reaches processes outside
              fix   call setsid or setpgid in the first process of the container
              seen  #6 11 node executes a program
            warning JC602 signal-to-ns-init-ignored @8000: SIGTERM to 11 node did nothing
              why   it is process 1 of its pid namespace, has no handler for the signal, and process 1 has no default actions; sent by 50 tmux, to this process alone
              fix   install a handler, or start an init in front of the program (--init, tini)
              seen  #8 SIGTERM to 11 node: sent by 50 tmux, to this process alone
        "]]);
    }

    #[test]
    fn a_handler_gets_it() {
        check(&format!("{CONTAINER}50: > kill(11,SIGTERM)\n50: SIGTERM -> 11 handler\n"), expect![[r"
            info JC605 pidns-id-mismatch @6000: 11 node, process 1 of its pid namespace, is in process group 10 of the outer namespace
              why   that group (of 10 bash) was made outside: inside, getpgrp answers 0, and kill(0) reaches processes outside
              fix   call setsid or setpgid in the first process of the container
              seen  #6 11 node executes a program
        "]]);
    }
}
