//! A process in the background read its terminal, and its process group was stopped.
//!
//! Only the foreground process group may read the terminal. When a member of another group does, the kernel sends SIGTTIN to
//! the whole group of the reader, and by default every member stops, also those that read nothing. They stay stopped until
//! somebody sends SIGCONT; if the terminal is not theirs by then, they stop again.
//!
//! **Fix.** Bring the job to the foreground (`fg`), or give it other input: `command </dev/null &`.
//!
//! **Not a problem** when the shell continues the job soon, as `fg` does: within two seconds it is told as information only.
//!
//! Source: POSIX.1-2024 XBD 11.1.4; `drivers/tty/n_tty.c`, `job_control`.

use super::{super::background::{BackgroundStop, BackgroundStops, Outcome}, prelude::*};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(BackgroundRead(BackgroundStops::of(Signal::TTIN)))
}

struct BackgroundRead(BackgroundStops);

impl Watch for BackgroundRead {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.event(now).into_iter().map(|(stop, outcome)| draft(now, stop, outcome, now.at)));
    }

    fn due(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.due(now).into_iter().map(|(stop, at)| draft(now, stop, Outcome::Stopped, at).until(at)));
    }

    fn next(&self) -> BootNs {
        self.0.next()
    }

    fn end(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(self.0.end().into_iter().map(|(stop, at)| draft(now, stop, Outcome::Stopped, at).until(at)));
    }
}

fn draft(now: &Now<'_>, stop: BackgroundStop, outcome: Outcome, at: BootNs) -> Draft {
    let others = stop.stopped.iter().filter(|process| **process != stop.by).map(|process| say![now.name(*process)]);
    let others = Words::list(others);
    let with = if others.is_empty() { Words::default() } else { say![", and with it ", others] };
    let then = match outcome {
        Outcome::Stopped => say![],
        Outcome::Continued => say![", and was continued ", Span(at.since(stop.at)), " later"],
        Outcome::Ended => say![", and never went on"],
    };
    let blocks = now.hangs(stop.by);
    let blocks = if blocks.is_empty() { blocks } else { say!["; ", blocks] };
    let severity = if outcome == Outcome::Continued { Severity::Info } else { Severity::Warning };
    let draft = Draft::of(now, stop.by, severity, say![now.name(stop.by), " was stopped by SIGTTIN", with, then])
        .why(say![stop.cause(Signal::TTIN), blocks])
        .fix(fix(&stop))
        .about(stop.stopped)
        .seen(stop.evidence)
        .at(at);
    if outcome == Outcome::Continued { draft } else { draft.since(stop.seq) }
}

fn fix(stop: &BackgroundStop) -> Words {
    if stop.foreground.is_some_and(|foreground| foreground.number == stop.group.number) {
        return say!["call tcsetpgrp for the new group too, although the terminal has its number already"];
    }
    say!["fg in the shell that started it, or start it with its input from elsewhere: </dev/null"]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check;

    const JOB: &str = "
        10: fork 11 {tty=pts/0}
        10: fork 12 {tty=pts/0}
        11: setpgid(0,0) = 0
        12: setpgid(0,11) = 0
        11: exec cat
        12: exec sed
        11: SIGTTIN -> 12 kernel
        11: SIGTTIN -> 11 kernel
        11: stops SIGTTIN
        12: stops SIGTTIN
    ";

    #[test]
    fn a_stop_that_lasts_is_a_warning() {
        check(
            &format!("{JOB} @3000000000 50: takes SIGWINCH 0 handler\n"),
            expect![[r"
                info JC309 signal-attribution @100015000: 12 sed, 11 cat were stopped by SIGTTIN
                  why   from the kernel, because 11 cat of its group used their terminal from the background
                  fix   fg in its shell; kill -CONT alone lets it stop again at the next read
                  seen  #13 SIGTTIN to 12 sed: from the kernel, because 11 cat of its group used their terminal from the background
                  seen  #14 SIGTTIN to 11 cat: from the kernel, because it used its terminal from the background
                  seen  #15 11 cat is stopped by SIGTTIN
                  seen  #16 12 sed is stopped by SIGTTIN
                warning JC201 background-read-stop @2000013000: 11 cat was stopped by SIGTTIN, and with it 12 sed
                  why   it read pts/0 from background group 11; in the foreground was 10 bash
                  fix   fg in the shell that started it, or start it with its input from elsewhere: </dev/null
                  seen  #13 SIGTTIN to 12 sed: from the kernel, because 11 cat of its group used their terminal from the background
                  seen  #15 11 cat is stopped by SIGTTIN
                  seen  #16 12 sed is stopped by SIGTTIN
            "]],
        );
    }

    #[test]
    fn a_stop_that_is_ended_by_sigcont_is_information() {
        check(&format!("{JOB} 10: SIGCONT -> 11\n"), expect![[r"
            info JC201 background-read-stop @17000: 11 cat was stopped by SIGTTIN, and with it 12 sed, and was continued 4000 ns later
              why   it read pts/0 from background group 11; in the foreground was 10 bash
              fix   fg in the shell that started it, or start it with its input from elsewhere: </dev/null
              seen  #13 SIGTTIN to 12 sed: from the kernel, because 11 cat of its group used their terminal from the background
              seen  #15 11 cat is stopped by SIGTTIN
              seen  #16 12 sed is stopped by SIGTTIN
              seen  #17 11 cat is continued
            info JC309 signal-attribution @17000: 12 sed, 11 cat were stopped by SIGTTIN
              why   from the kernel, because 11 cat of its group used their terminal from the background
              fix   fg in its shell; kill -CONT alone lets it stop again at the next read
              seen  #13 SIGTTIN to 12 sed: from the kernel, because 11 cat of its group used their terminal from the background
              seen  #14 SIGTTIN to 11 cat: from the kernel, because it used its terminal from the background
              seen  #15 11 cat is stopped by SIGTTIN
              seen  #16 12 sed is stopped by SIGTTIN
            info JC309 signal-attribution @17000: 11 cat was continued by SIGCONT
              why   sent by 10 bash with a call that was not seen
              fix   nothing: it goes on
              seen  #17 SIGCONT to 11 cat: sent by 10 bash with a call that was not seen
        "]]);
    }

    #[test]
    fn a_handler_that_goes_on_is_nothing() {
        check(
            "
            10: fork 11
            11: setpgid(0,0) = 0
            11: SIGTTIN -> 11 kernel handler
            @3000000000 50: takes SIGWINCH 0 handler
            ",
            expect![[""]],
        );
    }
}
