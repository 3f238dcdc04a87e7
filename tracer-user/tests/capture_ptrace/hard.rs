//! What shells do not do: threads, odd clones, restarted calls, 32-bit calls, ends out of the blue.

use std::{collections::BTreeSet, fs::File, io::Read as _, os::fd::OwnedFd};

use nix::{
    fcntl::OFlag,
    sys::signal::{Signal as NixSignal, kill},
    unistd::{Pid as NixPid, pipe2},
};
use tracer_model::{
    event::{Call, EXIT_DEAD, EventKind, SignalOrigin, SignalOutcome, WaitStatus},
    ids::Signal,
};

use crate::stage::{BOTH, Capture, FILTERED, Stage, UNFILTERED, act, is_of, leave, list, perform, subject};

/// `CLONE_VFORK`, `CLONE_PARENT`.
const CLONE_VFORK: u64 = 0x4000;
const CLONE_PARENT: u64 = 0x8000;

/// Exited with this status, as wait(2) has it.
const fn exited(status: i32) -> i32 {
    status << 8
}

#[test]
fn a_thread_that_executes_takes_the_place_of_its_process() {
    for options in BOTH {
        let Some((capture, stage)) = perform(options, "exec_in_thread", 0) else { return };
        let exec = capture.find(
            0,
            "exec by another thread",
            |event| matches!(event.kind, EventKind::Exec { old_tid, .. } if old_tid.0 != stage.root.0),
        );
        let state = subject(&capture.events[exec]).unwrap();
        assert_eq!((state.id.pid, state.id.tid.0, state.live), (stage.root, stage.root.0, 1));
        assert_eq!(state.comm.0, b"true");
        let last = |event: &&tracer_model::event::Event| matches!(event.kind, EventKind::Exit { group_dead: true });
        assert_eq!(capture.events.iter().filter(last).count(), 1, "{}", list(&capture.events));
        capture.end();
    }
}

#[test]
fn a_process_outlives_its_leader_thread() {
    for options in BOTH {
        let Some((capture, stage)) = perform(options, "leader_first", exited(7)) else { return };
        let leader = capture.find(0, "exit of the leader thread", |event| {
            is_of(event, stage.root) && event.kind == EventKind::Exit { group_dead: false }
        });
        assert_eq!(capture.events[leader].actor.tid.0, stage.root.0);
        let call = capture.find(leader, "setpgid by the other thread", |event| {
            leave(event, |call| matches!(call, Call::Setpgid { .. })).is_some_and(|leave| leave.ret == 0)
        });
        assert_ne!(capture.events[call].actor.tid.0, stage.root.0);
        assert_eq!(subject(&capture.events[call]).unwrap().pgrp.number, stage.root.0);
        let end = capture.find(call, "end", |event| event.kind == EventKind::Exit { group_dead: true });
        assert_ne!(capture.events[end].actor.tid.0, stage.root.0);
        capture.end();
    }
}

#[test]
fn children_of_any_kind_are_followed() {
    for options in BOTH {
        for (name, flag) in [("vfork", CLONE_VFORK), ("clone_parent", CLONE_PARENT)] {
            let Some((mut capture, stage)) = perform(options, name, 0) else { return };
            let born = capture.find(0, "birth", |event| matches!(event.kind, EventKind::NewTask { .. }));
            assert_eq!(capture.events[born].kind, EventKind::NewTask { flags: flag });
            assert_eq!(capture.events[born].actor.pid, stage.root);
            let child = subject(&capture.events[born]).unwrap().clone();
            let parent = if flag == CLONE_PARENT { stage.parent() } else { stage.root };
            assert_eq!(child.parent.pid, parent);
            // With CLONE_PARENT nobody waits for it.
            capture.until_dead(child.id.pid);
            capture.find(born, "setpgid", |event| {
                is_of(event, child.id.pid) && leave(event, |call| matches!(call, Call::Setpgid { .. })).is_some()
            });
            capture.end();
        }
    }
}

#[test]
fn an_untraced_child_is_not_seen_and_under_the_filter_not_served() {
    for (options, status) in [(FILTERED, exited(1)), (UNFILTERED, 0)] {
        let Some((capture, _stage)) = perform(options, "clone_untraced", status) else { return };
        assert!(!capture.events.iter().any(|event| matches!(event.kind, EventKind::NewTask { .. })));
        capture.end();
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_through_the_32_bit_entry_are_seen() {
    for options in BOTH {
        let Some((capture, stage)) = perform(options, "call32", 0) else { return };
        let call = capture.find(0, "setpgid", |event| {
            leave(event, |call| *call == Call::Setpgid { pid: 0, pgid: 0 }).is_some_and(|leave| leave.ret == 0)
        });
        assert_eq!(subject(&capture.events[call]).unwrap().pgrp.number, stage.root.0);
        let kill = Call::Kill { target: stage.root.0 as i32, signal: 0 };
        capture.find(call, "kill", |event| leave(event, |call| *call == kill).is_some_and(|leave| leave.ret == 0));
        capture.end();
    }
}

#[test]
fn a_restarted_wait_begins_again() {
    for options in BOTH {
        let Some((capture, stage)) = perform(options, "restart", 0) else { return };
        let wait = |call: &Call| matches!(call, Call::Wait4 { .. });
        let interrupted =
            capture.find(0, "interrupted wait", |event| leave(event, wait).is_some_and(|it| it.ret == -512));
        let entered = leave(&capture.events[interrupted], wait).unwrap().entered.unwrap().0;
        let taken = capture.find(interrupted, "signal", |event| {
            is_of(event, stage.root)
                && matches!(event.kind, EventKind::SignalDelivered { signal, .. } if signal.0 == 10)
        });
        let returned =
            capture.find(taken, "wait that returns", |event| leave(event, wait).is_some_and(|it| it.ret > 0));
        let again = leave(&capture.events[returned], wait).unwrap();
        assert!(again.entered.unwrap().0 > entered, "an ENTER of its own");
        assert_eq!(again.waited.unwrap().status, WaitStatus::Exited(0));
        capture.end();
    }
}

#[test]
fn a_child_that_reaps_itself_is_seen_to_have_done_so() {
    for options in BOTH {
        let Some((capture, _stage)) = perform(options, "auto_reap", 0) else { return };
        let born = capture.find(0, "birth", |event| matches!(event.kind, EventKind::NewTask { .. }));
        let child = subject(&capture.events[born]).unwrap().id;
        let dead = capture.find(born, "end", |event| event.kind == EventKind::Dead && is_of(event, child.pid));
        let freed = capture.find(dead, "release", |event| event.kind == EventKind::Freed { task: child });
        let wait = |call: &Call| matches!(call, Call::Wait4 { .. });
        let refused = capture.find(dead, "wait", |event| leave(event, wait).is_some_and(|leave| leave.ret == -10));
        assert!(freed < refused || subject(&capture.events[dead]).unwrap().exit_state != EXIT_DEAD);
        capture.end();
    }
}

#[test]
fn a_look_with_waitid_is_no_reap() {
    for options in BOTH {
        let Some((capture, _stage)) = perform(options, "wait_twice", 0) else { return };
        let waited =
            |event: &_| leave(event, |call| matches!(call, Call::Waitid { .. })).and_then(|leave| leave.waited);
        let looks: Vec<_> = capture.events.iter().filter_map(waited).collect();
        let status = WaitStatus::Exited(6);
        assert_eq!(
            looks.iter().map(|it| (it.status, it.left_waitable)).collect::<Vec<_>>(),
            [(status, true), (status, false)]
        );
        assert_eq!(looks[0].child, looks[1].child);
        assert!(looks[0].child.start.0 != 0);
        capture.end();
    }
}

#[test]
fn a_stop_reaches_the_parent_and_ends_with_its_continue() {
    for options in BOTH {
        let Some(mut capture) = Capture::open(options) else { return };
        let words = act("stop_threads");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut stage = Stage::new(options, None, &words);
        let root = stage.root;
        capture.source.follow(&[root]).unwrap();
        stage.release();
        assert_eq!(stage.next_state(), libc::SIGTSTP << 8 | 0x7f, "stopped");
        capture.until("the stop of all", |events| {
            events.iter().any(|event| {
                matches!(event.kind, EventKind::Stopped { .. })
                    && subject(event).is_some_and(tracer_model::event::State::is_stopped)
            })
        });
        let stops: Vec<_> =
            capture.events.iter().filter(|event| event.kind == EventKind::Stopped { signal: Signal::TSTP }).collect();
        let threads: BTreeSet<_> = stops.iter().map(|event| event.actor.tid).collect();
        assert_eq!((stops.len(), threads.len()), (3, 3), "{}", list(&capture.events));
        let whole: Vec<_> = stops.iter().map(|event| subject(event).unwrap().is_stopped()).collect();
        assert_eq!(whole, [false, false, true], "the process stops with its last thread");

        kill(NixPid::from_raw(root.0 as i32), NixSignal::SIGCONT).unwrap();
        assert_eq!(stage.next_state(), 0xffff, "continued");
        let continued = |event: &tracer_model::event::Event| matches!(&event.kind, EventKind::SignalGenerated(sent) if sent.signal == Signal::CONT);
        capture.until("SIGCONT", |events| events.iter().any(continued));
        kill(NixPid::from_raw(root.0 as i32), NixSignal::SIGTERM).unwrap();
        capture.until_dead(root);
        assert_eq!(stage.next_state(), libc::SIGTERM);
        let continued = capture.find(0, "SIGCONT", continued);
        let event = &capture.events[continued];
        assert_eq!(event.actor.pid.0, std::process::id(), "the sender");
        assert!(!subject(event).unwrap().is_stopped());
        capture.end();
    }
}

/// Whoever was stopped shows that it goes on when it gets a processor; the kernel has had it so since the call.
#[test]
fn a_stop_is_over_when_the_call_that_continues_has_returned() {
    let threads = act("stop_threads").join(" ");
    for (options, job, count) in
        BOTH.into_iter().flat_map(|options| [(options, "sleep 99", 1), (options, &*threads, 3)])
    {
        for target in ["$!", "-$!"] {
            let Some(mut capture) = Capture::open(options) else { return };
            let script = format!(
                "set -m; {job} & until grep -q '^sleep$\\|act' /proc/$!/comm; do :; done
                 [ {count} = 3 ] || kill -STOP -$!
                 for task in /proc/$!/task/*; do until grep -q 'State:.[tT]' $task/status; do :; done; done
                 [ {count} = 1 ] || wait $!
                 kill -CONT {target}; kill -KILL $!"
            );
            let mut stage = Stage::new(options, None, &["bash", "-c", &script]);
            capture.source.follow(&[stage.root]).unwrap();
            stage.release();
            capture.until_dead(stage.root);
            let stopped = capture.find(0, "stop", |event| {
                matches!(event.kind, EventKind::Stopped { .. }) && subject(event).unwrap().is_stopped()
            });
            let job = subject(&capture.events[stopped]).unwrap().id.pid;
            let sends = |event: &tracer_model::event::Event| {
                leave(event, |call| call.signal() == Some(Signal::CONT)).is_some_and(|leave| leave.ret == 0)
            };
            let sent = capture.find(stopped, "call that continues", sends);
            for continued in &capture.events[sent - count..sent] {
                assert_eq!(continued.kind, EventKind::Continued, "{}", list(&capture.events));
                assert!(is_of(continued, job) && !subject(continued).unwrap().is_stopped());
            }
            let again = |event: &&tracer_model::event::Event| event.kind == EventKind::Continued;
            assert_eq!(capture.events.iter().filter(again).count(), count, "{}", list(&capture.events));
            capture.end();
        }
    }
}

#[test]
fn every_call_that_sends_sigcont_to_a_process_or_the_own_group_ends_the_stop() {
    for options in BOTH {
        let Some((capture, stage)) = perform(options, "continue_child", 0) else { return };
        let sent: Vec<usize> = (0..capture.events.len())
            .filter(|at| leave(&capture.events[*at], |call| call.signal() == Some(Signal::CONT)).is_some())
            .collect();
        assert_eq!(sent.len(), 5, "{}", list(&capture.events));
        for at in sent {
            let continued = &capture.events[at - 1];
            assert_eq!(continued.kind, EventKind::Continued, "{}", list(&capture.events));
            assert!(!is_of(continued, stage.root) && !subject(continued).unwrap().is_stopped());
        }
        capture.end();
    }
}

/// In the namespace of its parent the child has a number that is not ours, and not its own.
#[test]
fn a_child_in_a_namespace_further_inside_is_known_when_it_is_reaped() {
    if !nix::unistd::geteuid().is_root() {
        // Nobody else makes pid namespaces.
        return;
    }
    for options in BOTH {
        let Some(mut capture) = Capture::open(options) else { return };
        let words = ["unshare", "-pf", "unshare", "-pf", "sh", "-c", "exit 7"];
        let mut stage = Stage::new(options, None, &words);
        capture.source.follow(&[stage.root]).unwrap();
        stage.release();
        capture.until_dead(stage.root);
        let shell = capture.find(
            0,
            "shell",
            |event| matches!(&event.kind, EventKind::Exec { args, .. } if args.first().is_some_and(|arg| arg == b"sh")),
        );
        let shell = subject(&capture.events[shell]).unwrap().id.pid;
        let reaped = |event: &tracer_model::event::Event| {
            leave(event, Call::is_wait).and_then(|leave| leave.waited).is_some_and(|waited| {
                waited.child.pid == shell && waited.child.start.0 != 0 && waited.status == WaitStatus::Exited(7)
            })
        };
        capture.find(0, "reap of the shell", reaped);
        capture.end();
    }
}

#[test]
fn a_kill_in_the_middle_of_a_call_is_an_end_like_any_other() {
    for options in BOTH {
        let Some((mut capture, stage)) = perform(options, "killed", 0) else { return };
        let born = capture.find(0, "birth", |event| matches!(event.kind, EventKind::NewTask { .. }));
        let child = subject(&capture.events[born]).unwrap().id;
        let dead = capture.find(born, "end", |event| event.kind == EventKind::Dead && is_of(event, child.pid));
        assert_eq!(subject(&capture.events[dead]).unwrap().wait_status(), libc::SIGKILL);
        let wait = |call: &Call| matches!(call, Call::Wait4 { .. });
        let entered = |event: &tracer_model::event::Event| {
            event.actor.pid == child.pid && matches!(&event.kind, EventKind::Enter { call, .. } if wait(call))
        };
        capture.find(born, "the call that it was in", entered);
        assert!(!capture.events.iter().any(|event| event.actor.pid == child.pid && leave(event, wait).is_some()));
        let grandchild = capture.events.iter().filter(|event| matches!(event.kind, EventKind::NewTask { .. })).nth(1);
        let grandchild = subject(grandchild.unwrap()).unwrap().id.pid;
        kill(NixPid::from_raw(grandchild.0 as i32), NixSignal::SIGKILL).unwrap();
        capture.until_dead(grandchild);
        assert_ne!(stage.root, grandchild);
        capture.end();
    }
}

#[test]
fn signals_are_told_as_they_are_taken() {
    for options in BOTH {
        let Some((capture, stage)) = perform(options, "signals", 0) else { return };
        let sent: Vec<_> = capture
            .events
            .iter()
            .filter_map(|event| {
                let EventKind::SignalGenerated(sent) = &event.kind else { return None };
                assert_eq!(event.actor.pid, stage.root);
                Some((sent.signal.0 as i32, sent.origin, sent.outcome))
            })
            .collect();
        let (user, queue) = (SignalOrigin::Info(0), SignalOrigin::Info(-1));
        let expected = [
            (libc::SIGHUP, user, SignalOutcome::Delivered),
            (libc::SIGTERM, user, SignalOutcome::Ignored),
            (libc::SIGWINCH, user, SignalOutcome::Ignored),
            (libc::SIGRTMIN() + 3, queue, SignalOutcome::Delivered),
        ];
        assert_eq!(sent, expected);
        capture.end();
    }
}

#[test]
fn a_slow_consumer_slows_the_command_and_loses_nothing() {
    const CHILDREN: usize = 3000;
    let Some(mut capture) = Capture::open(FILTERED) else { return };
    let words = act("many");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut stage = Stage::new(FILTERED, None, &words);
    capture.source.follow(&[stage.root]).unwrap();
    stage.release();
    capture.wait_until_full();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", stage.root)).unwrap();
    assert!(!state.contains(") Z "), "it waits for us: {state}");
    capture.until_dead(stage.root);
    assert_eq!(stage.next_state(), 0);
    let born = capture.events.iter().filter(|event| matches!(event.kind, EventKind::NewTask { .. })).count();
    assert_eq!(born, CHILDREN);
    capture.end();
}

/// Number of the ENTER, call and result of every LEAVE; every ENTER has one.
fn returns(capture: &Capture) -> Vec<(Call, i64)> {
    let entered = capture.events.iter().filter(|event| matches!(event.kind, EventKind::Enter { .. })).map(|it| it.seq);
    let leaves: Vec<_> = capture.events.iter().filter_map(|event| leave(event, |_| true)).collect();
    let left: BTreeSet<_> = leaves.iter().filter_map(|leave| leave.entered).map(|(seq, _)| seq).collect();
    assert_eq!((entered.collect::<BTreeSet<_>>(), left.len()), (left, leaves.len()), "{}", list(&capture.events));
    leaves.into_iter().map(|leave| (leave.call, leave.ret)).collect()
}

#[test]
fn what_is_shown_by_something_else_is_told_without_a_stop() {
    for options in BOTH {
        let Some((capture, _stage)) = perform(options, "jobs", 0) else { return };
        let made = capture.events.iter().filter(|event| matches!(event.kind, EventKind::NewTask { .. }));
        let children: Vec<_> = made.filter_map(subject).map(|child| child.id).collect();
        assert_eq!(children.len(), 3);
        for (child, status) in children.iter().zip([1, 2, 0]) {
            let pid = child.pid.0 as i32;
            let mut last = 0;
            for pgid in [0, pid] {
                last = capture.find(last + 1, "setpgid", |event| {
                    is_of(event, child.pid)
                        && leave(event, |call| *call == Call::Setpgid { pid: 0, pgid }).is_some_and(|it| it.ret == 0)
                });
                assert_eq!(subject(&capture.events[last]).unwrap().pgrp.number, child.pid.0);
            }
            let exit = capture.find(last, "exit", |event| {
                is_of(event, child.pid) && event.kind == EventKind::Exit { group_dead: true }
            });
            let dead = capture.find(exit, "end", |event| is_of(event, child.pid) && event.kind == EventKind::Dead);
            let reap = capture.find(dead, "reap", |event| {
                let waited = leave(event, |call| matches!(call, Call::Wait4 { .. })).and_then(|leave| leave.waited);
                waited.is_some_and(|it| it.child == *child && it.status == WaitStatus::Exited(status))
            });
            assert!(reap > dead);
        }
        returns(&capture);
        if options == FILTERED {
            let stops = capture.source.stops();
            let count = |kind| stops.iter().find(|(name, _)| *name == kind).map_or(0, |(_, count)| *count);
            // The root has a parent that is not traced, and stops before it exits.
            assert_eq!((count("return"), count("exit"), count("end")), (0, 1, 4), "{stops:?}");
        }
        capture.end();
    }
}

#[test]
fn a_wait_whose_end_is_no_signal_is_seen_to_return() {
    for options in BOTH {
        let Some((capture, _stage)) = perform(options, "wait_blocked", 0) else { return };
        let waits: Vec<_> =
            returns(&capture).into_iter().filter(|(call, _)| matches!(call, Call::Wait4 { .. })).collect();
        let [(_, reaped), (_, refused)] = waits[..] else { panic!("{waits:?}") };
        assert!(reaped > 0 && refused == -10, "{waits:?}");
        capture.end();
    }
}

/// Whatever is faster: the parent's setpgid, the child's, or its exec.
#[test]
fn what_is_told_of_a_race_is_what_its_parties_were_told() {
    for options in BOTH {
        let Some(mut capture) = Capture::open(options) else { return };
        let (input, _tell): (OwnedFd, OwnedFd) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (mut heard, output) = pipe2(OFlag::O_CLOEXEC).map(|(read, write)| (File::from(read), write)).unwrap();
        let words = act("races");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut stage = Stage::on(options, None, &words, Some((input, output)));
        capture.source.follow(&[stage.root]).unwrap();
        stage.release();
        capture.until_dead(stage.root);
        assert_eq!(stage.next_state(), 0);
        let mut said = String::new();
        heard.read_to_string(&mut said).unwrap();
        let said: Vec<i64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let all = returns(&capture);
        let moves = |call: &Call| matches!(call, Call::Setpgid { pid, .. } if *pid != 0);
        let told: Vec<i64> = all.iter().filter(|(call, _)| moves(call)).map(|(_, ret)| *ret).collect();
        assert_eq!((said.len(), &told), (120, &said));
        let own = all.iter().filter(|(call, _)| *call == Call::Setpgid { pid: 0, pgid: 0 });
        assert_eq!(own.map(|(_, ret)| *ret).collect::<Vec<_>>(), [0; 60]);
        capture.end();
    }
}
