//! A process that was started inside a container from outside lives on, and who started it is gone.
//!
//! `docker exec`, `kubectl exec` and nsenter put a process into the pid namespace of a container. When the client ends (Ctrl-C,
//! a lost connection), nobody tells that process: it is in another session, and no terminal connects the two.
//!
//! **Fix.** Start it with a terminal (`docker exec -it`), so that the end of the client hangs it up; or end it by its number
//! inside the container; or give it a time limit (timeout).
//!
//! **Not a problem** when the client ended by itself with status 0, as `docker exec -d` does: information only. A second's
//! grace.
//!
//! Source: `setns(2)`; `pid_namespaces(7)`.

use super::prelude::*;
use crate::event::Namespace;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<OutlivesClient>::default()
}

#[derive(Default)]
struct OutlivesClient(Waiting<ProcKey, Client>);

/// The client, when it ended.
struct Client {
    key: ProcKey,
    status: WaitStatus,
    seq: Seq,
    inside: Namespace,
    evidence: Option<Evidence>,
}

impl Watch for OutlivesClient {
    fn event(&mut self, now: &Now<'_>, _: &mut Vec<Draft>) {
        for change in now.changes() {
            let Change::Exited { process, status } = *change else { continue };
            self.0.take(process);
            let Some(client) = now.model.process(process) else { continue };
            for child in client.children.iter().copied().filter(|child| now.is_alive(*child)) {
                let Some(inside) = injected(now, child, client.namespace) else { continue };
                let client = Client { key: process, status, seq: now.seq, inside, evidence: now.evidence_of(change) };
                self.0.put(child, after(now.at, SECOND), client);
            }
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now.at).into_iter().filter_map(|(process, at, it)| Some(draft(now, process, it)?.until(at))));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.rest().into_iter().filter_map(|(process, at, it)| Some(draft(now, process, it)?.until(at))));
    }
}

/// In a pid namespace that its parent is not in, without being the first process of it.
fn injected(now: &Now<'_>, process: ProcKey, outside: Option<Namespace>) -> Option<Namespace> {
    let inside = now.model.process(process)?.namespace?;
    let other = outside.is_none_or(|outside| outside.inum != inside.inum);
    (other && inside.pid != Pid(1)).then_some(inside)
}

fn draft(now: &Now<'_>, process: ProcKey, it: Client) -> Option<Draft> {
    let Client { key: client, status, seq, inside, evidence } = it;
    if !now.is_alive(process) {
        return None;
    }
    let told = now.last_received(process, |received| received.evidence.seq > seq).is_some();
    let on_purpose = status == WaitStatus::Exited(0);
    let severity = if on_purpose || told { Severity::Info } else { Severity::Warning };
    let fact = say![now.name(process), " still runs in a container, and ", evidence.as_ref().map(|it| now.name_at(it, client)), ", which started it there, is gone"];
    let tty = now.model.process(process).is_some_and(|process| process.tty.is_some());
    let heard = if told { "it got a signal since, and goes on" } else if tty { "it got no signal" } else { "it got no signal: no terminal connects the two" };
    let draft = Draft::of(now, process, severity, fact)
        .why(say!["it entered the pid namespace from outside, and is process ", inside.pid.0, " in there; ", heard])
        .fix(say!["start it on a terminal (docker exec -it), or end it inside: kill ", inside.pid.0])
        .since(seq)
        .seen(now.memory.life(process).and_then(|life| life.forked.clone()))
        .seen(evidence);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const EXEC: &str = "
        50: fork 60 {pp=50 ns=4026532000/1/1/0/0}
        10: fork 11
        11: exec nsenter
        11: fork 12 {ns=4026532000/1/7/0/0}
        12: setsid() = 12
        12: exec tail
    ";
    const LATER: &str = "@3000000000 50: takes SIGWINCH 0 handler\n";

    #[test]
    fn a_client_that_is_killed_leaves_its_process() {
        check(&format!("{EXEC}11: exit SIGSEGV\n11: dead\n{LATER}"), expect![[r"
            info JC309 signal-attribution @12000: 11 nsenter died of SIGSEGV
              why   no process sent it; it comes from an access to memory that is not its own
              fix   look for the fault in the program: a core file or a debugger shows the place
              seen  #12 11 nsenter dies of SIGSEGV
            warning JC604 injected-process-outlives-client @1000012000: 12 tail still runs in a container, and 11 nsenter, which started it there, is gone
              why   it entered the pid namespace from outside, and is process 7 in there; it got no signal: no terminal connects the two
              fix   start it on a terminal (docker exec -it), or end it inside: kill 7
              seen  #8 11 nsenter forks 12
              seen  #12 11 nsenter dies of SIGSEGV
            info JC502 still-session-leader @1000013000: 12 tail runs detached and leads its session 12
              why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
              fix   fork again after setsid, or open terminals with O_NOCTTY
              seen  #10 12 nsenter: setsid, leads new session and group 12
              seen  #12 11 nsenter dies of SIGSEGV
        "]]);
    }

    #[test]
    fn a_client_that_waits_is_nothing() {
        check(&format!("{EXEC}12: exit 0\n12: dead\n11: exit 0\n11: dead\n{LATER}"), expect![[""]]);
    }
}
