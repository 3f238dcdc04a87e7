//! An interactive shell has no controlling terminal, and so no job control.
//!
//! "cannot set terminal process group" and "no job control in this shell" mean that the session has no controlling terminal:
//! a container without `-t`, `su -c`, a service, or setsid without a terminal that is acquired afterwards.
//!
//! **Fix.** Give it one: `docker run -it`, `script`, `setsid -c`, `su` without `-c`; or do without `-i`.
//!
//! **Not a problem** for anything that is not an interactive shell: only shells with an option `-i` are reported.
//!
//! Source: POSIX.1-2024 XBD 11.1.3; `ioctl_tty(2)`, `TIOCGPGRP`.

use std::collections::BTreeSet;

use super::prelude::*;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<NoTerminal>::default()
}

/// Processes that were reported.
#[derive(Default)]
struct NoTerminal(BTreeSet<ProcKey>);

impl Watch for NoTerminal {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::Exited { process, .. } = *change {
                self.0.remove(&process);
            }
        }
        let Some(refused) = now.refused().filter(|refused| refused.reason == Refusal::NotControllingTty) else { return };
        let Call::TtyIoctl { request: TtyRequest::GetForeground | TtyRequest::SetForeground, .. } = refused.call else { return };
        let Some(process) = now.model.process(refused.caller).filter(|process| process.tty.is_none()) else { return };
        if !now.is_shell(process.key) || !is_interactive(&process.args) || !self.0.insert(process.key) {
            return;
        }
        let session = process.session.and_then(|session| now.model.session(session));
        let leader = session.and_then(|session| session.leader);
        let made = leader.and_then(|leader| now.memory.life(leader)?.moved.clone());
        let why = match (session, leader) {
            (Some(session), Some(leader)) if session.born.is_some() => {
                say![now.name(leader), " made session ", session.key, " with setsid, and nobody in it acquired a terminal (TIOCSCTTY)"]
            }
            (Some(session), _) => say!["session ", session.key, " has no controlling terminal"],
            (None, _) => say!["its session has no controlling terminal"],
        };
        out.push(
            Draft::of(now, process.key, Severity::Warning, say![now.name(process.key), " is interactive and has no job control"])
                .why(why)
                .fix(say!["start it on a terminal: docker run -it, script, setsid -c, su without -c; or leave out -i"])
                .seen(made)
                .seen([refused.evidence]),
        );
    }
}

/// `-i` among the options, alone or with others.
fn is_interactive(args: &[Vec<u8>]) -> bool {
    let options = args.iter().skip(1).take_while(|arg| arg.starts_with(b"-") && arg.as_slice() != b"--");
    options.filter(|option| !option.starts_with(b"--")).any(|option| option.contains(&b'i'))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    #[test]
    fn an_interactive_shell_in_a_session_of_its_own() {
        check(
            "10: fork 11\n11: setsid() = 11 {tty=-}\n11: exec bash -ic true\n11: ioctl(2,TIOCGPGRP,0,0) = -25\n11: ioctl(2,TIOCGPGRP,0,0) = -25\n",
            expect![[r"
                warning JC208 no-controlling-terminal @10000: 11 bash is interactive and has no job control
                  why   11 bash made session 11 with setsid, and nobody in it acquired a terminal (TIOCSCTTY)
                  fix   start it on a terminal: docker run -it, script, setsid -c, su without -c; or leave out -i
                  seen  #7 11 bash: setsid, leads new session and group 11
                  seen  #10 11 bash: TtyIoctl { fd: 2, request: GetForeground, arg: 0, value: 0 } = errno 25
            "]],
        );
    }

    #[test]
    fn a_script_that_asks_is_nothing() {
        check("10: fork 11\n11: setsid() = 11 {tty=-}\n11: exec bash -c true\n11: ioctl(2,TIOCGPGRP,0,0) = -25\n", expect![[""]]);
    }
}
