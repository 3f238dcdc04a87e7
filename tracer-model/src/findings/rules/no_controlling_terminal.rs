//! An interactive shell has no controlling terminal, and so no job control.
//!
//! "cannot set terminal process group" and "no job control in this shell" mean that the session has no controlling terminal:
//! a container without `-t`, `su -c`, a service, or setsid without a terminal that is acquired afterwards.
//!
//! **Fix.** Give it one: `docker run -it`, `script`, `setsid -c`, `su` without `-c`; or do without `-i`.
//!
//! **Not a problem** for anything that is not an interactive shell: only shells with an option `-i` are reported. Nor for one
//! whose terminal was hung up.
//!
//! Source: POSIX.1-2024 XBD 11.1.3; `ioctl_tty(2)`, `TIOCGPGRP`.

use std::collections::BTreeSet;

use super::{super::{descriptors::same, lately::Lately}, prelude::*};
use crate::event::{
    Inspection,
    inspection::{Moment, Target},
};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::<NoTerminal>::default()
}

#[derive(Default)]
struct NoTerminal {
    /// Shells of which it is not known yet what their standard input is.
    asked: Waiting<ProcKey, Refused>,
    /// Processes that were reported.
    told: BTreeSet<ProcKey>,
    /// Sessions that had a terminal and lost it: what is left of them asks in vain, and that is not what is wrong.
    lost: Lately<SessionKey, (), 256>,
}

struct Refused {
    /// Its name, which is another after an exec.
    name: Words,
    subject: Subject,
    seq: Seq,
    evidence: Evidence,
}

/// How long a look at the descriptors is waited for.
const LOOK: u64 = SECOND;

impl Watch for NoTerminal {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        for change in now.changes() {
            if let Change::TtyLost { session, .. } = *change {
                self.lost.put(session, ());
            } else if let Change::Exited { process, .. } = *change {
                self.told.remove(&process);
                out.extend(self.asked.take(process).map(|refused| draft(now, process, refused, None)));
            }
        }
        if let Some(EventKind::Inspected(inspection)) = now.event.map(|event| &event.kind)
            && inspection.moment == Moment::Refused
            && let Some(process) = now.delta.subject
            && let Some(refused) = self.asked.take(process)
        {
            out.push(draft(now, process, refused, Some(inspection)));
        }
        let Some(refused) = now.refused().filter(|refused| refused.reason == Refusal::NotControllingTty) else { return };
        let Call::TtyIoctl { request: TtyRequest::GetForeground | TtyRequest::SetForeground, .. } = refused.call else { return };
        let Some(process) = now.model.process(refused.caller).filter(|process| process.tty.is_none()) else { return };
        if process.session.is_some_and(|session| self.lost.get(session).is_some()) {
            return;
        }
        if now.is_shell(process.key) && is_interactive(&process.args) && self.told.insert(process.key) {
            let (name, subject) = (say![now.name(process.key)], now.subject(process.key));
            let refused = Refused { name, subject, seq: now.seq, evidence: refused.evidence };
            self.asked.put(process.key, after(now.at, LOOK), refused);
        }
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.asked.due(now.at).into_iter().map(|(process, at, refused)| draft(now, process, refused, None).at(at)));
    }

    fn next(&self) -> BootNs {
        self.asked.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.asked.drain().map(|(process, refused)| draft(now, process, refused, None)));
    }
}

/// `look`: at its descriptors, soon after.
fn draft(now: &Now<'_>, process: ProcKey, refused: Refused, look: Option<&Inspection>) -> Draft {
    let session = now.model.process(process).and_then(|process| process.session).and_then(|session| now.model.session(session));
    let leader = session.and_then(|session| session.leader);
    let made = leader.and_then(|leader| now.memory.life(leader)?.moved.clone());
    let why = match (session, leader) {
        (Some(session), Some(leader)) if session.born.is_some() => {
            say![now.name(leader), " made session ", session.key, " with setsid, and nobody in it acquired a terminal (TIOCSCTTY)"]
        }
        (Some(session), _) => say!["session ", session.key, " has no controlling terminal"],
        (None, _) => say!["its session has no controlling terminal"],
    };
    let input = match look {
        Some(look) => say!["; ", now.descriptor(look, 0, process)],
        None => say!["; it is not known what its standard input refers to: it had ended, or may not be looked at"],
    };
    let fix = match look.and_then(|look| look.descriptor(0)).map(|input| input.target) {
        Some(Target::Terminal(tty)) if now.model.terminals().any(|it| same(it.key.tty, tty) && it.session.is_some()) => {
            say!["that terminal is taken: give it one of its own (script, docker run -t), or leave out setsid; or leave out -i"]
        }
        Some(Target::Terminal(_)) => say!["make that its controlling terminal: setsid -c, or TIOCSCTTY after setsid; or leave out -i"],
        Some(_) => say!["give it a terminal as its input: docker run -it, ssh -t, script; or leave out -i"],
        None => say!["start it on a terminal: docker run -it, ssh -t, script, setsid -c, su without -c; or leave out -i"],
    };
    Draft::on(refused.subject, Severity::Warning, say![refused.name, " is interactive and has no job control"])
        .about([process])
        .why(say![why, input])
        .fix(fix)
        .since(refused.seq)
        .seen(made)
        .seen([refused.evidence])
        .seen(look.map(|_| now.read(process)))
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
                warning JC208 no-controlling-terminal @12000: 11 bash is interactive and has no job control
                  why   11 bash made session 11 with setsid, and nobody in it acquired a terminal (TIOCSCTTY); it is not known what its standard input refers to: it had ended, or may not be looked at
                  fix   start it on a terminal: docker run -it, ssh -t, script, setsid -c, su without -c; or leave out -i
                  seen  #7 11 bash: setsid, leads new session and group 11
                  seen  #10 11 bash: TtyIoctl { fd: 2, request: GetForeground, arg: 0, value: 0 } = errno 25
            "]],
        );
    }

    const SHELL: &str = "
        10: fork 11
        11: setsid() = 11 {tty=-}
        11: exec bash -i
        11: ioctl(2,TIOCGPGRP,0,0) = -25
    ";

    #[test]
    fn what_its_input_is_says_what_to_do() {
        check(&format!("{SHELL}inspected 11 refused fd=0:pipe:10:77:r:pipe:[77]"), expect![[r"
            warning JC208 no-controlling-terminal @11000: 11 bash is interactive and has no job control
              why   11 bash made session 11 with setsid, and nobody in it acquired a terminal (TIOCSCTTY); fd 0 is pipe:[77], which is no terminal
              fix   give it a terminal as its input: docker run -it, ssh -t, script; or leave out -i
              seen  #7 11 bash: setsid, leads new session and group 11
              seen  #10 11 bash: TtyIoctl { fd: 2, request: GetForeground, arg: 0, value: 0 } = errno 25
              seen  #11 /proc of 11 bash is read
        "]]);
        check(&format!("{SHELL}inspected 11 refused fd=0:136,9,0:9:3:rw:/dev/pts/9"), expect![[r"
            warning JC208 no-controlling-terminal @11000: 11 bash is interactive and has no job control
              why   11 bash made session 11 with setsid, and nobody in it acquired a terminal (TIOCSCTTY); fd 0 is pts/9, which is not the controlling terminal of its session
              fix   make that its controlling terminal: setsid -c, or TIOCSCTTY after setsid; or leave out -i
              seen  #7 11 bash: setsid, leads new session and group 11
              seen  #10 11 bash: TtyIoctl { fd: 2, request: GetForeground, arg: 0, value: 0 } = errno 25
              seen  #11 /proc of 11 bash is read
        "]]);
        check(&format!("{SHELL}inspected 11 refused fds=!13"), expect![[r"
            warning JC208 no-controlling-terminal @11000: 11 bash is interactive and has no job control
              why   11 bash made session 11 with setsid, and nobody in it acquired a terminal (TIOCSCTTY); it is not known what fd 0 refers to: that may not be read
              fix   start it on a terminal: docker run -it, ssh -t, script, setsid -c, su without -c; or leave out -i
              seen  #7 11 bash: setsid, leads new session and group 11
              seen  #10 11 bash: TtyIoctl { fd: 2, request: GetForeground, arg: 0, value: 0 } = errno 25
              seen  #11 /proc of 11 bash is read
        "]]);
    }

    #[test]
    fn whose_terminal_was_hung_up_is_nothing() {
        let hung_up = "10: fork 11\n11: setsid() = 11 {tty=-}\n11: exec bash -i\n11: ioctl(0,TIOCSCTTY,0,0) = 0 {tty=pts/9}\n11: ioctl(2,TIOCNOTTY,0,0) = 0 {tty=-}\n11: ioctl(2,TIOCGPGRP,0,0) = -25\n11: exit 0\n";
        check(hung_up, expect![[""]]);
    }

    #[test]
    fn a_script_that_asks_is_nothing() {
        check("10: fork 11\n11: setsid() = 11 {tty=-}\n11: exec bash -c true\n11: ioctl(2,TIOCGPGRP,0,0) = -25\n", expect![[""]]);
    }
}
