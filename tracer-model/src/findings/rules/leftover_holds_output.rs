//! The command has ended, and a process that it started holds its output open: whoever reads it to the end waits on.
//!
//! A build step, `$(command)`, a pipeline and an ssh session end when their pipe does, not when their command does; and a pipe
//! ends when its last writer closes it. The one that holds it is told with the descriptor, and who waits.
//!
//! **Fix.** Start it with `>/dev/null 2>&1`, or with a log of its own; or wait for it.
//!
//! **Not a problem** where nobody reads any more: then the process gets SIGPIPE when it writes. Who reads is looked for when the
//! command ends; where that may not be seen, the finding is a warning.
//!
//! Source: POSIX.1-2024 read (end of file on a pipe: no process has it open for writing); pipe(7).

use super::prelude::*;
use crate::event::{
    Inspection,
    inspection::{Descriptor, Moment, Target},
};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(HoldsOutput)
}

struct HoldsOutput;

impl Watch for HoldsOutput {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        let Some(EventKind::Inspected(inspection)) = now.event.map(|event| &event.kind) else { return };
        if inspection.moment == Moment::Left
            && let Some(holder) = now.delta.subject
        {
            out.extend(draft(now, holder, inspection));
        }
    }
}

fn draft(now: &Now<'_>, holder: ProcKey, inspection: &Inspection) -> Option<Draft> {
    let root = now.model.followed_root().filter(|root| *root != holder)?;
    let command = now.memory.life(root)?;
    let launch = command.inspected(Moment::Launch)?;
    let output = |fd| launch.descriptor(fd).filter(|it| it.target == Target::Pipe && it.writes());
    let outputs: Vec<&Descriptor> = [1, 2].into_iter().filter_map(output).collect();
    let open = &inspection.descriptors.as_ref().ok()?.open;
    let held = open.iter().find_map(|it| {
        let output = outputs.iter().find(|output| it.writes() && it.same_target(output))?;
        Some((it, *output))
    });
    let (held, output) = held?;
    let reads = |it: &Inspection| {
        let open = it.descriptors.iter().flat_map(|it| &it.open);
        open.into_iter().any(|it| it.reads() && it.same_target(output))
    };
    let reader = now.memory.strangers().rev().find(|it| reads(it));
    let severity = if reader.is_some() { Severity::Error } else { Severity::Warning };
    let stream = if output.number == 1 { "standard output" } else { "standard error" };
    let fact = say![
        now.name(holder), " holds the ", stream, " of ", now.command(root), ", which has ended: fd ", held.number, " ",
        Word::Bytes(held.path.clone()),
    ];
    let waits = match reader {
        Some(reader) => say![now.reader(reader), " reads it and waits for its end"],
        None => say!["who reads it could not be seen; whoever does waits for its end"],
    };
    let life = now.memory.life(holder)?;
    Some(
        Draft::of(now, holder, severity, fact)
            .why(say!["it inherited the descriptor and did not close it; ", waits])
            .fix(say!["start it with >/dev/null 2>&1, or with a log of its own; or wait for it"])
            .seen(life.forked.clone())
            .seen(command.exited.clone())
            .seen([now.read(holder)]),
    )
}

impl Now<'_> {
    /// A process that is in no followed tree: the model may know it.
    fn reader(&self, inspection: &Inspection) -> Words {
        let pid = inspection.task.pid;
        match self.model.process_by_pid(pid) {
            Some(process) => say![self.name(process.key)],
            None => {
                let program = inspection.program.as_ref().ok().and_then(|path| path.rsplit(|byte| *byte == b'/').next());
                say![pid.0, program.map(|name| say![" ", Word::Bytes(name.to_vec())])]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::check_following;

    const STEP: &str = "
        10: fork 11
        inspected 11 launch fd=1:pipe:10:77:w:pipe:[77] fd=2:pipe:10:78:w:pipe:[78]
        11: exec make
        11: fork 12
        12: exec node
        11: exit 0
        11: dead
    ";

    #[test]
    fn the_reader_waits_for_who_holds_the_pipe() {
        check_following(
            11,
            &format!("{STEP}inspected 900 left fd=4:pipe:10:77:r:pipe:[77] program=/usr/bin/runner\ninspected 12 left fd=1:pipe:10:77:w:pipe:[77]"),
            expect![[r"
                error JC404 leftover-holds-output @13000: 12 node holds the standard output of 11 make, which has ended: fd 1 pipe:[77]
                  why   it inherited the descriptor and did not close it; 900 runner reads it and waits for its end
                  fix   start it with >/dev/null 2>&1, or with a log of its own; or wait for it
                  seen  #8 11 make forks 12
                  seen  #10 11 make exits 0
                  seen  #13 /proc of 12 node is read
                info too-early JC403 leftover-after-root-exit @13000: 1 process left behind by 11 make
                  why   the command ended at @10000; alive: 12 node (in the command's group; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #8 11 make forks 12
                  seen  #10 11 make exits 0
            "]],
        );
    }

    #[test]
    fn without_a_reader_that_can_be_seen_it_is_a_warning() {
        check_following(
            11,
            &format!("{STEP}inspected 12 left fd=2:pipe:10:78:w:pipe:[78]"),
            expect![[r"
                warning JC404 leftover-holds-output @12000: 12 node holds the standard error of 11 make, which has ended: fd 2 pipe:[78]
                  why   it inherited the descriptor and did not close it; who reads it could not be seen; whoever does waits for its end
                  fix   start it with >/dev/null 2>&1, or with a log of its own; or wait for it
                  seen  #8 11 make forks 12
                  seen  #10 11 make exits 0
                  seen  #12 /proc of 12 node is read
                info too-early JC403 leftover-after-root-exit @12000: 1 process left behind by 11 make
                  why   the command ended at @10000; alive: 12 node (in the command's group; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #8 11 make forks 12
                  seen  #10 11 make exits 0
            "]],
        );
    }

    #[test]
    fn other_pipes_and_read_ends_are_nothing() {
        check_following(
            11,
            &format!("{STEP}inspected 12 left fd=1:null:6:4:w:/dev/null fd=3:pipe:10:77:r:pipe:[77] fd=4:pipe:10:99:w:pipe:[99]"),
            expect![[r"
                info too-early JC403 leftover-after-root-exit @12000: 1 process left behind by 11 make
                  why   the command ended at @10000; alive: 12 node (in the command's group; got no signal)
                  fix   wait for them or end their groups before the command ends; a daemon needs a session of its own
                  seen  #8 11 make forks 12
                  seen  #10 11 make exits 0
            "]],
        );
    }
}
