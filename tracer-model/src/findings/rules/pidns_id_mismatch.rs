//! A number means another process, or none, inside a pid namespace than outside of it.
//!
//! Every pid namespace numbers its processes anew. A number from outside names nobody inside, or somebody else; and a process
//! group, session or foreground group whose leader is outside has the number 0 inside, which is no group at all: a shell that
//! compares it with its own waits for the terminal for ever.
//!
//! **Fix.** Pass no numbers across the border of a container, or translate them (`NSpid` in `/proc/PID/status`); call setsid in
//! the first process of the container and give it a terminal of its own (`docker run -t`, `unshare` with `setsid -c`).
//!
//! **Not a problem** where nobody asks: that the process group of a container's first process has the number 0 inside is told
//! once, as information.
//!
//! Source: `pid_namespaces(7)`; `drivers/tty/tty_jobctrl.c`, `tiocgpgrp` (`pid_vnr`).

use std::collections::BTreeSet;

use super::prelude::*;
use crate::event::{Leave, Namespace};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<IdMismatch>::default()
}

#[derive(Default)]
struct IdMismatch {
    /// Namespaces of which a group from outside was told.
    told: BTreeSet<u32>,
    /// Processes that asked for a foreground group which is outside.
    asked: BTreeSet<ProcKey>,
}

impl Watch for IdMismatch {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Executed { process } = *change {
                out.extend(self.group_outside(now, process).map(|draft| draft.seen(now.evidence_of(change))));
            } else if let Change::Exited { process, .. } = *change {
                self.asked.remove(&process);
            }
        }
        let Some(EventKind::Leave(leave)) = now.event.map(|event| &event.kind) else { return };
        let Some(caller) = now.delta.by else { return };
        let Some(inside) = now.model.process(caller).and_then(|process| process.namespace) else { return };
        let draft = match leave.call {
            Call::TtyIoctl { request: TtyRequest::GetForeground, value: 0, .. } if leave.ret == 0 => {
                self.foreground_outside(now, caller, inside)
            }
            Call::Kill { target: number, signal: 1.. } if leave.ret == -ESRCH => elsewhere(now, caller, inside, number.unsigned_abs(), leave),
            Call::Setpgid { pid: number @ 1.., .. } if leave.ret == -ESRCH => elsewhere(now, caller, inside, number.unsigned_abs(), leave),
            Call::TtyIoctl { request: TtyRequest::SetForeground, value, .. } if leave.ret == -ESRCH => {
                elsewhere(now, caller, inside, value.unsigned_abs(), leave)
            }
            _ => None,
        };
        out.extend(draft.map(|draft| draft.seen([now.returned(caller, leave)])));
    }
}

const ESRCH: i64 = 3;

impl IdMismatch {
    /// A program was executed in a process group that has no number where it runs.
    fn group_outside(&mut self, now: &Now<'_>, process: ProcKey) -> Option<Draft> {
        let it = now.model.process(process)?;
        let inside = it.namespace.filter(|inside| inside.pgid == Pgid(0) && inside.pid == Pid(1))?;
        let group = it.group.filter(|group| group.number.0 != process.number.0)?;
        if self.told.len() >= 1024 {
            self.told.clear();
        }
        if !self.told.insert(inside.inum) {
            return None;
        }
        let fact = say![now.name(process), ", process ", inside.pid.0, " of its pid namespace, is in process group ", group, " of the outer namespace"];
        let of = now.model.process_by_pid(Pid(group.number.0)).filter(|it| it.group == Some(group) && now.is_alive(it.key));
        let of = of.map(|leader| say![" (of ", now.name(leader.key), ")"]);
        let draft = Draft::of(now, process, Severity::Info, fact)
            .why(say!["that group", of, " was made outside: inside, getpgrp answers 0, and kill(0) reaches processes outside"])
            .fix(say!["call setsid or setpgid in the first process of the container"]);
        Some(draft)
    }

    fn foreground_outside(&mut self, now: &Now<'_>, caller: ProcKey, inside: Namespace) -> Option<Draft> {
        let tty = now.model.process(caller)?.tty?;
        let foreground = now.model.terminal(tty)?.foreground?;
        if !self.asked.insert(caller) {
            return None;
        }
        let fact = say![now.name(caller), " asked who is in the foreground of ", tty, " and was told 0"];
        let draft = Draft::of(now, caller, Severity::Warning, fact)
            .why(say!["the foreground is ", now.group_name(foreground.number), ", outside of the pid namespace in which ", now.name(caller), " is process ", inside.pid.0])
            .fix(say!["give the container a terminal and a session of its own (docker run -t, setsid -c)"]);
        Some(draft)
    }
}

/// The number that was not found inside is somebody's outside.
fn elsewhere(now: &Now<'_>, caller: ProcKey, inside: Namespace, number: u32, leave: &Leave) -> Option<Draft> {
    let outside = now.model.process_by_pid(Pid(number)).filter(|it| now.is_alive(it.key) && it.key != caller)?;
    // A child of the caller has a number of the namespace, which it may well have lost by now.
    if outside.namespace.is_some_and(|it| it.inum == inside.inum && it.pid.0 == number) {
        return None;
    }
    let within = outside.namespace.filter(|it| it.inum == inside.inum).map(|it| say![", which is ", it.pid.0, " inside"]);
    let fact = say![now.name(caller), ": ", leave.call, " found nobody: in its pid namespace no process has the number ", number];
    let draft = Draft::of(now, caller, Severity::Warning, fact)
        .why(say!["outside, ", number, " is ", now.name(outside.key), within])
        .fix(say!["use numbers of the namespace that the call is made in (NSpid in /proc/PID/status)"])
        .about([outside.key]);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const CONTAINER: &str = "
        10: fork 11 {tty=pts/0 ns=4026532000/1/1/0/0}
        11: exec sh
    ";

    #[test]
    fn numbers_from_outside_mean_nobody_inside() {
        check(
            &format!("{CONTAINER}11: ioctl(0,TIOCGPGRP,0,0) = 0\n11: ioctl(0,TIOCGPGRP,0,0) = 0\n11: kill(50,SIGTERM) = -3\n"),
            expect![[r"
                info JC605 pidns-id-mismatch @6000: 11 sh, process 1 of its pid namespace, is in process group 10 of the outer namespace
                  why   that group (of 10 bash) was made outside: inside, getpgrp answers 0, and kill(0) reaches processes outside
                  fix   call setsid or setpgid in the first process of the container
                  seen  #6 11 sh executes a program
                warning JC605 pidns-id-mismatch @8000: 11 sh asked who is in the foreground of pts/0 and was told 0
                  why   the foreground is 10 bash, outside of the pid namespace in which 11 sh is process 1
                  fix   give the container a terminal and a session of its own (docker run -t, setsid -c)
                  seen  #8 11 sh: TtyIoctl { fd: 0, request: GetForeground, arg: 0, value: 0 }
                warning JC605 pidns-id-mismatch @12000: 11 sh: Kill { target: 50, signal: 15 } found nobody: in its pid namespace no process has the number 50
                  why   outside, 50 is 50 tmux
                  fix   use numbers of the namespace that the call is made in (NSpid in /proc/PID/status)
                  seen  #12 11 sh: Kill { target: 50, signal: 15 } = errno 3
            "]],
        );
    }

    #[test]
    fn a_leader_that_has_ended_leads_nothing() {
        check(
            "10: fork 11\n11: setpgid(0,0) = 11\n11: fork 12 {ns=4026532000/1/1/0/0}\n11: exit 0\n12: exec sh\n",
            expect![[r"
                info JC605 pidns-id-mismatch @10000: 12 sh, process 1 of its pid namespace, is in process group 11 of the outer namespace
                  why   that group was made outside: inside, getpgrp answers 0, and kill(0) reaches processes outside
                  fix   call setsid or setpgid in the first process of the container
                  seen  #10 12 sh executes a program
            "]],
        );
    }

    #[test]
    fn a_session_of_its_own_has_numbers() {
        check(
            "10: fork 11 {ns=4026532000/1/1/0/0}\n11: setsid() = 11 {ns=4026532000/1/1/1/1 tty=-}\n11: exec sh\n11: kill(7,SIGTERM) = -3\n",
            expect![[r""]],
        );
    }
}
