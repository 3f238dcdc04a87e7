//! What a process does to what a fork and an exec hand on: its working directory, umask, low descriptors, dispositions and
//! blocked signals. Loaded only where that is asked for: these calls are among the most frequent of all.
//!
//! Most of it shows when a call returns. Where an argument says whether it matters, that is saved at ENTER, by thread.

use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use tracer_common::{
    control::{ATTRIBUTE_COUNT, ATTRIBUTE_WINDOW, ATTRIBUTE_WINDOW_NS, ATTRIBUTES_LEFT_OUT},
    record::{Attribute, AttributeCall, Kind as _},
};

use crate::{
    CHATTY, CONTROL,
    emit::{self, Label},
    global,
    probes::calls,
    scope,
    task::Task,
};

/// `F_DUPFD` and `F_DUPFD_CLOEXEC` (`include/uapi/linux/fcntl.h`).
const DUPLICATES: [u64; 2] = [0, 1030];
/// `CLOSE_RANGE_CLOEXEC` (`include/uapi/linux/close_range.h`).
const CLOSE_AT_EXEC: u64 = 4;
const EBADF: i64 = -9;
/// `S_IFMT` and `S_IFCHR`.
const KIND_OF_FILE: u32 = 0o170_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
/// Majors that are terminals' below 64, but for 5 with its multiplexer, and from 128 to 191 less 128: see `Target::of_device`
/// in `tracer-model`, which has the meaning.
const TERMINALS: u64 = 1 << 3 | 1 << 4;
const TERMINALS_FROM_128: u64 = 0xff << 8 | 1 << (166 - 128) | 1 << (188 - 128);

/// Whether records of this descriptor are wanted.
#[inline(always)]
fn is_wanted(descriptor: u64) -> bool {
    descriptor < 32 && global!(CONFIG.descriptors) >> (descriptor & 31) & 1 != 0
}

/// Whether a set of standard signals has this one.
#[inline(always)]
fn has(set: u32, signal: u64) -> bool {
    signal.wrapping_sub(1) < 32 && set >> (signal.wrapping_sub(1) & 31) & 1 != 0
}

/// A call begins whose arguments say whether it matters.
#[inline(always)]
pub fn enter(call: AttributeCall, args: &[u64; 4]) {
    let wanted = match call {
        AttributeCall::Close => is_wanted(args[0] & 0xffff_ffff),
        AttributeCall::CloseRange => args[2] & CLOSE_AT_EXEC == 0,
        AttributeCall::Fcntl => DUPLICATES.contains(&(args[1] & 0xffff_ffff)),
        AttributeCall::Sigaction => args[1] != 0 && has(global!(CONFIG.dispositions), args[0] & 0xffff_ffff),
        AttributeCall::Sigprocmask => args[1] != 0 && global!(CONFIG.blocked) != 0,
        _ => false,
    };
    if !wanted || !concerns() {
        return;
    }
    let before = match call {
        AttributeCall::Sigprocmask => Task::current().blocked(),
        AttributeCall::Sigaction => Task::current().disposition(args[0] as u32).0.into(),
        _ => 0,
    };
    calls::save_attribute(call, args, before);
}

/// A call returns.
#[inline(always)]
pub fn leave(call: AttributeCall, ret: i64) {
    match call {
        AttributeCall::Chdir | AttributeCall::Fchdir => {
            let at_root = Task::current().is_at_root();
            write(call, ret, (at_root.into(), 0), NOTHING);
        }
        AttributeCall::Umask => {
            let now = Task::current().umask();
            if u64::from(now) != ret as u64 {
                write(call, ret, (now.into(), 0), NOTHING);
            }
        }
        AttributeCall::Open | AttributeCall::Openat | AttributeCall::Openat2 => opened(call, ret, true),
        AttributeCall::Dup | AttributeCall::Dup2 | AttributeCall::Dup3 => opened(call, ret, false),
        AttributeCall::Fcntl => {
            if calls::take_attribute(call).is_some() {
                opened(call, ret, false);
            }
        }
        AttributeCall::Close => {
            if let Some((args, _)) = calls::take_attribute(call)
                && ret != EBADF
            {
                let descriptor = args[0] & 0xffff_ffff;
                write(call, ret, (descriptor, descriptor), NOTHING);
            }
        }
        AttributeCall::CloseRange => {
            if let Some((args, _)) = calls::take_attribute(call) {
                write(call, ret, (args[0] & 0xffff_ffff, args[1] & 0xffff_ffff), NOTHING);
            }
        }
        AttributeCall::Sigaction => {
            if let Some((args, before)) = calls::take_attribute(call) {
                let signal = args[0] & 0xffff_ffff;
                let (disposition, _) = Task::current().disposition(signal as u32);
                if u64::from(disposition) != before {
                    write(call, ret, (signal, disposition.into()), NOTHING);
                }
            }
        }
        AttributeCall::Sigprocmask => {
            if let Some((_, before)) = calls::take_attribute(call) {
                let now = Task::current().blocked();
                if (now ^ before) & u64::from(global!(CONFIG.blocked)) != 0 {
                    write(call, ret, (now, before), NOTHING);
                }
            }
        }
    }
}

/// What a descriptor refers to: `i_mode`, `i_rdev` and `s_dev`.
type Target = (u32, u32, u32);
const NOTHING: Target = (0, 0, 0);

/// There is a new descriptor. `opened`: a terminal is wanted whatever its number.
#[inline(always)]
fn opened(call: AttributeCall, ret: i64, opened: bool) {
    if ret < 0 || !opened && !is_wanted(ret as u64) {
        return;
    }
    let target = Task::current().target(ret as u32);
    if is_wanted(ret as u64) || is_terminal(target) {
        write(call, ret, (0, 0), target);
    }
}

/// Whether this is a terminal, as far as its major says.
#[inline(always)]
fn is_terminal((mode, device, _): Target) -> bool {
    let (major, minor) = (device >> 20, device & 0xF_FFFF);
    mode & KIND_OF_FILE == CHARACTER_DEVICE
        && (major < 64 && TERMINALS >> (major & 63) & 1 != 0
            || major.wrapping_sub(128) < 64 && TERMINALS_FROM_128 >> (major.wrapping_sub(128) & 63) & 1 != 0
            || major == 5 && minor != 2
            || major == 204
            || major == 207
            || major == 216
            || major == 229)
}

/// Whether what the running process does to itself is wanted.
#[inline(always)]
fn concerns() -> bool {
    scope::wants(scope::follows_actor)
}

/// Whether one more is wanted now. Where everybody is watched that is bounded, and what is left out is counted: that is no loss,
/// for a look shows how it ended.
#[inline(always)]
fn has_room() -> bool {
    let rate = global!(CONFIG.attribute_rate);
    if rate == 0 {
        return true;
    }
    let (Some(window), Some(count)) = (CONTROL.get_ptr_mut(ATTRIBUTE_WINDOW), CONTROL.get_ptr_mut(ATTRIBUTE_COUNT))
    else {
        return false;
    };
    if !Task::current().may_be_daemon() {
        return false;
    }
    // SAFETY: the helper has no precondition, and the words are aligned and live as long as the program. That two CPUs may write
    // them at once makes the bound one of about so many.
    let written = unsafe {
        let now = bpf_ktime_get_boot_ns();
        if now.wrapping_sub(window.read_volatile()) > ATTRIBUTE_WINDOW_NS {
            window.write_volatile(now);
            count.write_volatile(0);
        }
        let written = count.read_volatile();
        count.write_volatile(written + 1);
        written
    };
    if written >= u64::from(rate) {
        emit::count(ATTRIBUTES_LEFT_OUT);
        return false;
    }
    true
}

#[inline(always)]
fn write(call: AttributeCall, ret: i64, (value, other): (u64, u64), (mode, device, file_system): Target) {
    if !concerns() || !is_terminal((mode, device, file_system)) && !has_room() {
        return;
    }
    emit::write(&CHATTY, Label::new(Attribute::KIND), |record: &mut Attribute| {
        record.ret = ret;
        record.value = value;
        record.other = other;
        record.call = call as u32;
        record.mode = mode;
        record.device = device;
        record.file_system = file_system;
        0
    });
}
