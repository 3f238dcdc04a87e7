//! What the kernel's rules say that no other family shows: threads, waits, clones, namespaces, numbers that are used again,
//! terminals that change hands in silence.

use crate::Scenario;

mod clones;
mod compat;
mod numbers;
mod overtaken;
mod signals;
mod terminals;
mod threads;
mod waits;

/// The family.
pub const ALL: &[&Scenario] = &[
    &threads::EXEC,
    &threads::LEADER_FIRST,
    &threads::STOP,
    &threads::SETSID,
    &threads::SETPGID,
    &waits::VARIANTS,
    &waits::NO_WAIT,
    &waits::TOO_LATE,
    &waits::CLONE_CHILD,
    &clones::PARENT,
    &clones::NAMESPACE,
    &clones::INIT_KEEPS,
    &numbers::JOINED,
    &numbers::KILLED,
    &signals::ZOMBIE,
    &signals::CONTINUED,
    &signals::WAITS,
    &signals::THREAD,
    &signals::LATE,
    &signals::PARTIAL,
    &compat::PROGRAM,
    &overtaken::STOP,
    &overtaken::FORK,
    &terminals::STOLEN,
    &terminals::OPENED,
    &terminals::PEER,
    &terminals::MASTER,
    &terminals::ZOMBIES,
    &terminals::LEAVER,
    &terminals::ALIAS,
    &terminals::SURVIVOR,
    &terminals::CONSOLE,
];
