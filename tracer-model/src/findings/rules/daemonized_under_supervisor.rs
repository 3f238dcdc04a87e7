//! A program that a supervisor watches forked away from it: the supervisor sees an exit, and starts it again or gives it up.
//!
//! supervisord, runit, s6 and a container's first process know the process that they started, and no other. When it daemonises,
//! they restart it in vain against its own port, report "exited too quickly", or take the whole container down.
//!
//! **Fix.** Run it in the foreground: `-D`, `--no-daemon`, `daemonize no`, `-g 'daemon off;'`.
//!
//! **Not a problem** for a service of systemd with `Type=forking`: systemd reads its pid file, and is not among the supervisors
//! here. Nor for a helper that a program leaves behind when it fails: only an exit with 0 is reported.
//!
//! Source: daemon(7), new-style daemons; the manuals of supervisord and s6-supervise.

use super::{
    super::{detachment::Inspected, memory::Life},
    prelude::*,
};
use crate::audit::is_supervisor;

pub(in crate::findings) fn watch() -> Box<dyn Watch> {
    Box::new(UnderSupervisor)
}

struct UnderSupervisor;

impl Watch for UnderSupervisor {
    fn event(&mut self, now: &Now<'_>, out: &mut Vec<Draft>) {
        out.extend(now.inspected().and_then(|inspected| draft(now, inspected)));
    }
}

fn draft(now: &Now<'_>, inspected: Inspected<'_>) -> Option<Draft> {
    let process = now.model.process(inspected.process)?;
    let (child, supervisor) = watched(now, process.key)?;
    let same_session = now.memory.life(process.key)?.groups.back() == child.groups.back();
    if child.status != Some(WaitStatus::Exited(0)) || same_session {
        return None;
    }
    let fact = say![now.name(process.key), " forked away from ", now.name(supervisor)];
    Some(
        Draft::of(now, process.key, Severity::Warning, fact)
            .why(say![now.name(supervisor), " started ", now.name(child.key), ", which exited 0: it sees the end of its service and will restart or lose it"])
            .fix(say!["run it in the foreground: -D, --no-daemon, daemon off"])
            .seen(child.forked.clone())
            .seen(child.exited.clone())
            .seen(now.memory.life(process.key)?.moved.clone()),
    )
}

/// From a daemon upwards to the child of a supervisor, through processes that have ended; and the supervisor.
fn watched<'a>(now: &Now<'a>, daemon: ProcKey) -> Option<(&'a Life, ProcKey)> {
    let ended = now.memory.launchers(daemon).take_while(|child| now.has_ended(child.key));
    ended.filter_map(|child| Some((child, child.launcher?))).find(|(_, above)| supervises(now, *above))
}

/// A process that is known to watch its children, or the first one of a pid namespace below.
fn supervises(now: &Now<'_>, key: ProcKey) -> bool {
    let Some(process) = now.model.process(key) else { return false };
    let first_inside = process.namespace.is_some_and(|namespace| namespace.pid.0 == 1);
    first_inside || is_supervisor(&process.comm.0)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::findings::tests::{check, ids};

    fn service(end: &str) -> String {
        format!(
            "snapshot 60 runsv {{pp=1}}
            60: fork 11
            11: exec nginx
            11: fork 12
            12: setsid() = 12
            11: exit {end}
            11: dead
            12: takes SIGWINCH 0 handler
            @1000009000 12: takes SIGWINCH 0 handler
            inspected 12 settled fds= status="
        )
    }

    #[test]
    fn a_service_daemonises() {
        check(&service("0"), expect![[r"
            warning JC508 daemonized-under-supervisor @1000010000: 12 nginx forked away from 60 runsv
              why   60 runsv started 11 nginx, which exited 0: it sees the end of its service and will restart or lose it
              fix   run it in the foreground: -D, --no-daemon, daemon off
              seen  #6 60 runsv forks 11
              seen  #10 12 nginx: setsid, leads new session and group 12
              seen  #11 11 nginx exits 0
            info too-early JC502 still-session-leader @1000010000: 12 nginx runs detached and leads its session 12
              why   it called setsid and did not fork again: an open of a terminal without O_NOCTTY would give it a controlling one
              fix   fork again after setsid, or open terminals with O_NOCTTY
              seen  #10 12 nginx: setsid, leads new session and group 12
              seen  #11 11 nginx exits 0
        "]]);
    }

    #[test]
    fn a_service_that_failed_or_had_no_supervisor_is_another_matter() {
        assert!(!ids(&service("1")).contains(&"JC508"));
        assert!(!ids(&service("0").replace("runsv", "bash")).contains(&"JC508"));
    }
}
