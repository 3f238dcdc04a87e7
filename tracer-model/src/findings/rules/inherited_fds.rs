//! A daemon holds a descriptor above 2 that it inherited from its launcher.
//!
//! What is not close-on-exec goes on to every program that is executed. A file system cannot be unmounted, a port cannot be
//! bound again, a terminal or a pipe does not end, for a daemon that knows nothing of the descriptor.
//!
//! **Fix.** Before exec: `close_range(3, ~0U, CLOSE_RANGE_CLOEXEC)`; or open with `O_CLOEXEC` in the launcher.
//!
//! **Not a problem** where descriptors are passed on purpose: sockets under `LISTEN_FDS` are not reported. A file counts as
//! inherited when it has the same number and mode in the launcher; pipes, sockets and terminals under any number.
//!
//! Source: daemon(7), System V daemons, step 1; `sd_listen_fds(3)`.

use super::{super::detachment::Inspected, prelude::*};
use crate::event::inspection::{Descriptor, Target};

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(Inherited)
}

struct Inherited;

impl Watch for Inherited {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(now.inspected().and_then(|inspected| draft(now, inspected)));
    }
}

fn draft(now: &Now<'_>, inspected: Inspected<'_>) -> Option<Draft> {
    let origin = inspected.origin?;
    let on_purpose = |open: &Descriptor| open.target == Target::Socket && inspected.has_mark("LISTEN_FDS");
    let leaked = |open: &&Descriptor| open.number > 2 && !on_purpose(open) && inspected.inherited(open).is_some();
    let leaked: Vec<&Descriptor> = inspected.open().iter().filter(leaked).collect();
    let terminal = leaked.iter().any(|open| matches!(open.target, Target::Terminal(_)));
    leaked.first()?;
    let each = Words::list(leaked.iter().map(|open| say!["fd ", open.number, " ", Word::Bytes(open.path.clone())]));
    let fact = say![now.name(inspected.process), " inherited ", each];
    let harm = if terminal { ", and keeps a terminal from ending" } else { "" };
    Some(
        Draft::of(now, inspected.process, Severity::Warning, fact)
            .why(say!["it was open in ", now.name(origin.process), " without close-on-exec", harm])
            .fix(say!["close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) before exec, or O_CLOEXEC where they are opened"])
            .seen(now.memory.life(inspected.process)?.forked.clone())
            .seen([now.read(inspected.process)]),
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::{check, ids};

    const DAEMON: &str = "
        10: fork 11
        inspected 11 launch fd=0:null:6:4:r:/dev/null fd=7:file:8:55:r:/etc/hostname fd=8:file:8:56:r+:/etc/hosts status=
        11: exec redis
        11: fork 12
        12: setsid() = 12 {tty=-}
        11: exit 0
        11: dead
        @1000000000 12: takes SIGWINCH 0 handler
    ";

    #[test]
    fn a_descriptor_of_the_launcher_is_open_in_the_daemon() {
        check(&format!("{DAEMON}inspected 12 settled fd=0:null:6:4:r:/dev/null fd=7:file:8:55:r:/etc/hostname"), expect![[r"
            warning JC505 inherited-fds @1000001000: 12 redis inherited fd 7 /etc/hostname
              why   it was open in 11 redis without close-on-exec
              fix   close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) before exec, or O_CLOEXEC where they are opened
              seen  #8 11 redis forks 12
              seen  #14 /proc of 12 redis is read
            info too-early JC502 still-session-leader @1000001000: 12 redis runs detached and leads its session 12
              why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
              fix   fork again after setsid, or open terminals with O_NOCTTY
              seen  #10 12 redis: setsid, leads new session and group 12
              seen  #11 11 redis exits 0
        "]]);
    }

    #[test]
    fn what_it_opened_itself_or_was_given_on_purpose_is_not_inherited() {
        let opened = "fd=0:null:6:4:r:/dev/null fd=8:file:8:56:r:/etc/hosts fd=9:file:8:55:r:/etc/hostname";
        assert_eq!(ids(&format!("{DAEMON}inspected 12 settled {opened}")), ["JC502"]);
    }
}
