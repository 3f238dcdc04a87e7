//! The seccomp filter that stops the traced processes at the watched calls, and lets all others run at full speed.
//!
//! A classic BPF program (seccomp(2)) of this shape: the architecture of the call, its number, and for ioctl and prctl the
//! argument that says whether it matters. Must not: change the result of any call.

use libc::{sock_filter, sock_fprog};
use nix::errno::Errno;

use tracer_model::event::Attributes;

use super::abi::{Abi, Watched, X32_BIT};

/// Offsets into `struct seccomp_data` (include/uapi/linux/seccomp.h). Arguments are 64 bits wide; the low half comes first on
/// every architecture here.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The program, and how it is to be installed.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Vec<sock_filter>,
}

impl Filter {
    /// Builds the program. `tty_io`: also for reads and writes, see [`super::Options::tty_io`]; `attributes`: also for the calls
    /// that change these.
    pub(super) fn new(tty_io: bool, attributes: Option<Attributes>) -> Self {
        let mut program = vec![load(ARCHITECTURE)];
        for abi in Abi::native() {
            let section = section(*abi, tty_io, attributes);
            // Past this section, if it is not this architecture: a conditional jump is too short for that.
            program.extend([equal(abi.audit(), 1, 0), jump(section.len())]);
            program.extend(section);
        }
        program.push(answer(libc::SECCOMP_RET_ALLOW));
        Self { program }
    }

    /// Puts the filter on this process, for good, and on whatever it executes and forks. Async-signal-safe. To be called when
    /// the process is traced, right before the exec: without `CAP_SYS_ADMIN` it also makes that no set-user-ID program gains
    /// privilege (`PR_SET_NO_NEW_PRIVS`), and without a tracer the watched calls fail with ENOSYS.
    pub fn install(&self) -> Result<(), Errno> {
        match self.set() {
            // Not privileged, so the kernel wants the promise first (kernel/seccomp.c, `seccomp_prepare_filter`).
            Err(Errno::EACCES) => {
                // SAFETY: integers only.
                Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
                self.set()
            }
            done => done,
        }
    }

    fn set(&self) -> Result<(), Errno> {
        let program = sock_fprog { len: self.program.len() as u16, filter: self.program.as_ptr().cast_mut() };
        // SAFETY: the kernel copies the program, which is as long as is said, and writes to neither.
        let result =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0_i64, &raw const program) };
        Errno::result(result).map(drop)
    }
}

/// The calls of one architecture. Every path ends in an answer.
fn section(abi: Abi, tty_io: bool, attributes: Option<Attributes>) -> Vec<sock_filter> {
    let mut section = vec![load(NUMBER)];
    if abi == Abi::X86_64 {
        section.push(instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, !X32_BIT));
    }
    let wanted = |call: Watched| (tty_io || !call.is_io()) && (attributes.is_some() || !call.is_attribute());
    for (call, number) in abi.numbers().filter(|(call, _)| wanted(*call)) {
        let Some((argument, values)) = call.condition(attributes.unwrap_or(Attributes::NONE)) else {
            section.extend([equal(number, 0, 1), answer(libc::SECCOMP_RET_TRACE)]);
            continue;
        };
        let mut body = vec![load(ARGUMENTS + 8 * argument)];
        for value in values {
            body.extend([equal(value, 0, 1), answer(libc::SECCOMP_RET_TRACE)]);
        }
        body.push(answer(libc::SECCOMP_RET_ALLOW));
        section.push(equal(number, 0, body.len() as u8));
        section.extend(body);
    }
    section.push(answer(libc::SECCOMP_RET_ALLOW));
    section
}

fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Loads a word of `struct seccomp_data`.
fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

/// Skips so many instructions.
fn jump(count: usize) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, count as u32)
}

/// Skips `yes` instructions if what was loaded is `value`, else `no`.
fn equal(value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { jt: yes, jf: no, ..instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value) }
}

fn answer(action: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, action)
}
