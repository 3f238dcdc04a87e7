//! Which calls concern a terminal: watched ioctls, opens that may acquire one, reads and writes from the background.

use tracer_common::record::Call;

use crate::task::Task;

const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCSTI: u32 = 0x5412;
const TIOCSWINSZ: u32 = 0x5414;
const TIOCNOTTY: u32 = 0x5422;
const TIOCGSID: u32 = 0x5429;
const TIOCVHANGUP: u32 = 0x5437;
const TIOCGPTPEER: u32 = 0x5441;
const TIOCSIG: u32 = 0x4004_5436;
const EIO: i64 = -5;
const ERESTARTSYS: i64 = -512;

/// A set of the ioctls from `TIOCSCTTY` on. The verifier goes through all that follows a comparison once for each value
/// that it is made with, so the sets are words.
const fn set(commands: &[u32]) -> u64 {
    match commands {
        [] => 0,
        [first, rest @ ..] => 1 << (*first - TIOCSCTTY) | set(rest),
    }
}

const WATCHED: u64 =
    set(&[TIOCSCTTY, TIOCGPGRP, TIOCSPGRP, TIOCSTI, TIOCSWINSZ, TIOCNOTTY, TIOCGSID, TIOCVHANGUP, TIOCGPTPEER]);
const CHANGING: u64 = set(&[TIOCSCTTY, TIOCSPGRP, TIOCNOTTY, TIOCVHANGUP, TIOCGPTPEER]);
const ANSWERING: u64 = set(&[TIOCGPGRP, TIOCGSID]);

#[inline(always)]
fn is_in(set: u64, args: &[u64; 4]) -> bool {
    let index = command(args).wrapping_sub(TIOCSCTTY);
    index < 64 && set >> index & 1 != 0
}

/// Whether an ioctl is watched.
#[inline(always)]
pub fn watches(args: &[u64; 4]) -> bool {
    is_in(WATCHED, args) || command(args) == TIOCSIG
}

/// Whether an open by this task can acquire a controlling terminal (`tty_open_proc_set_tty`, in
/// `drivers/tty/tty_jobctrl.c`).
#[inline(always)]
pub fn may_acquire(task: Task) -> bool {
    task.is_session_leader() && !task.has_terminal()
}

/// Whether a read or write that ended like this was refused or will be restarted.
#[inline(always)]
pub fn was_refused(ret: i64) -> bool {
    matches!(ret, EIO | ERESTARTSYS)
}

/// Whether a call can change the terminal, or its foreground process group, of the caller's session.
#[inline(always)]
pub fn changes_terminal(call: Call, args: &[u64; 4]) -> bool {
    if call == Call::Ioctl {
        is_in(CHANGING, args)
    } else {
        matches!(call, Call::Vhangup | Call::Open | Call::Openat | Call::Openat2)
    }
}

/// Whether a call can take the terminal of any session (`TIOCSCTTY` with argument 1): it is wanted whoever makes it.
#[inline(always)]
pub fn may_steal(call: Call, args: &[u64; 4]) -> bool {
    call == Call::Ioctl && command(args) == TIOCSCTTY && args[2] == 1
}

/// Address of the process group that `TIOCSPGRP` is given.
#[inline(always)]
pub fn group_given(call: Call, args: &[u64; 4]) -> Option<u64> {
    (call == Call::Ioctl && command(args) == TIOCSPGRP).then_some(args[2])
}

/// Address of the number that `TIOCGPGRP` and `TIOCGSID` answer.
#[inline(always)]
pub fn number_answered(call: Call, args: &[u64; 4]) -> Option<u64> {
    (call == Call::Ioctl && is_in(ANSWERING, args)).then_some(args[2])
}

/// The kernel takes the command as an `unsigned int`.
#[inline(always)]
fn command(args: &[u64; 4]) -> u32 {
    args[1] as u32
}
