//! System call numbers: which number is which watched call, in each of the ways that a process on this machine can call.
//!
//! Must not: know how the calls are seen, or decode more than a number.

use tracer_model::event::{Attributes, TtyRequest};

use super::attributes::DUPLICATES;

/// A watched system call, before its arguments are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    Setpgid,
    Setsid,
    Kill,
    Tkill,
    Tgkill,
    RtSigqueueinfo,
    RtTgsigqueueinfo,
    PidfdSendSignal,
    Ioctl,
    Wait4,
    /// wait4 without its last argument, 32-bit x86 only.
    Waitpid,
    Waitid,
    Prctl,
    Vhangup,
    /// Sends children to another pid namespace.
    Unshare,
    Setns,
    Read,
    Write,
    /// chdir and fchdir.
    Chdir,
    Umask,
    /// open, openat and openat2.
    Open,
    /// dup, dup2 and dup3.
    Dup,
    Fcntl,
    Close,
    CloseRange,
    Sigaction,
    Sigprocmask,
}

/// A calling convention: the numbers, and the width of what pointers point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abi {
    /// 64-bit x86, and x32, which has a bit in its numbers.
    X86_64,
    /// 32-bit x86, also through `int $0x80` from a 64-bit program.
    I386,
    /// 64-bit Arm.
    Aarch64,
}

/// A number that does not exist in this convention.
const NONE: u32 = u32::MAX;

/// `__X32_SYSCALL_BIT`.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Call, and its numbers on `x86_64`, `i386` and `aarch64` (`arch/x86/entry/syscalls/`, `include/uapi/asm-generic/unistd.h`).
const NUMBERS: [(Watched, u32, u32, u32); 33] = [
    (Watched::Setpgid, 109, 57, 154),
    (Watched::Setsid, 112, 66, 157),
    (Watched::Kill, 62, 37, 129),
    (Watched::Tkill, 200, 238, 130),
    (Watched::Tgkill, 234, 270, 131),
    (Watched::RtSigqueueinfo, 129, 178, 138),
    (Watched::RtTgsigqueueinfo, 297, 335, 240),
    (Watched::PidfdSendSignal, 424, 424, 424),
    (Watched::Ioctl, 16, 54, 29),
    (Watched::Wait4, 61, 114, 260),
    (Watched::Waitpid, NONE, 7, NONE),
    (Watched::Waitid, 247, 284, 95),
    (Watched::Prctl, 157, 172, 167),
    (Watched::Vhangup, 153, 111, 58),
    (Watched::Unshare, 272, 310, 97),
    (Watched::Setns, 308, 346, 268),
    (Watched::Read, 0, 3, 63),
    (Watched::Write, 1, 4, 64),
    (Watched::Chdir, 80, 12, 49),
    (Watched::Chdir, 81, 133, 50),
    (Watched::Umask, 95, 60, 166),
    (Watched::Open, 2, 5, NONE),
    (Watched::Open, 257, 295, 56),
    (Watched::Open, 437, 437, 437),
    (Watched::Dup, 32, 41, 23),
    (Watched::Dup, 33, 63, NONE),
    (Watched::Dup, 292, 330, 24),
    (Watched::Fcntl, 72, 55, 25),
    // fcntl64.
    (Watched::Fcntl, NONE, 221, NONE),
    (Watched::Close, 3, 6, 57),
    (Watched::CloseRange, 436, 436, 436),
    (Watched::Sigaction, 13, 174, 134),
    (Watched::Sigprocmask, 14, 175, 135),
];

/// Numbers that x32 does not share with `x86_64` (without the bit).
const X32_NUMBERS: [(Watched, u32); 5] = [
    (Watched::Sigaction, 512),
    (Watched::Ioctl, 514),
    (Watched::RtSigqueueinfo, 524),
    (Watched::Waitid, 529),
    (Watched::RtTgsigqueueinfo, 536),
];

/// Options of prctl that are watched (include/uapi/linux/prctl.h).
pub(super) const PR_SET_PDEATHSIG: u32 = 1;
pub(super) const PR_SET_NAME: u32 = 15;
pub(super) const PR_SET_CHILD_SUBREAPER: u32 = 36;

impl Abi {
    /// Those that a process on this machine can use.
    pub fn native() -> &'static [Self] {
        if cfg!(target_arch = "x86_64") { &[Self::X86_64, Self::I386] } else { &[Self::Aarch64] }
    }

    /// `AUDIT_ARCH_*` (include/uapi/linux/audit.h), by which seccomp and `PTRACE_GET_SYSCALL_INFO` name it.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::I386 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    /// The convention of this `AUDIT_ARCH_*`.
    pub fn of_audit(arch: u32) -> Option<Self> {
        Self::native().iter().copied().find(|abi| abi.audit() == arch)
    }

    /// Every watched call with its number, x32 without its bit.
    pub fn numbers(self) -> impl Iterator<Item = (Watched, u32)> {
        let column = move |row: &(Watched, u32, u32, u32)| match self {
            Self::X86_64 => row.1,
            Self::I386 => row.2,
            Self::Aarch64 => row.3,
        };
        let x32: &[(Watched, u32)] = if self == Self::X86_64 { &X32_NUMBERS } else { &[] };
        let own = NUMBERS.iter().map(move |row| (row.0, column(row))).filter(|(_, number)| *number != NONE);
        own.chain(x32.iter().copied())
    }

    /// The watched call of this number.
    pub fn watched(self, number: u64) -> Option<Watched> {
        let number = u32::try_from(number).ok()?;
        let number = if self == Self::X86_64 { number & !X32_BIT } else { number };
        self.numbers().find(|row| row.1 == number).map(|row| row.0)
    }
}

impl Watched {
    /// The argument that decides whether the call matters, and the values with which it does. `None`: it always does.
    pub fn condition(self, attributes: Attributes) -> Option<(u32, Vec<u32>)> {
        match self {
            Self::Close => Some((0, (0..u32::BITS).filter(|fd| attributes.has_descriptor(*fd)).collect())),
            Self::Fcntl => Some((1, DUPLICATES.to_vec())),
            Self::Sigaction => Some((0, (1..=u32::BITS).filter(|it| attributes.has_disposition(*it)).collect())),
            Self::Sigprocmask if attributes.blocked == 0 => Some((0, Vec::new())),
            Self::Ioctl => Some((1, TtyRequest::ALL.iter().map(|row| row.1).collect())),
            Self::Prctl => Some((0, vec![PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER])),
            Self::Setpgid
            | Self::Setsid
            | Self::Kill
            | Self::Tkill
            | Self::Tgkill
            | Self::RtSigqueueinfo
            | Self::RtTgsigqueueinfo
            | Self::PidfdSendSignal
            | Self::Wait4
            | Self::Waitpid
            | Self::Waitid
            | Self::Vhangup
            | Self::Unshare
            | Self::Setns
            | Self::Read
            | Self::Write
            | Self::Chdir
            | Self::Umask
            | Self::Open
            | Self::Dup
            | Self::CloseRange
            | Self::Sigprocmask => None,
        }
    }

    /// Watched only with [`super::Options::attributes`].
    pub fn is_attribute(self) -> bool {
        matches!(
            self,
            Self::Chdir
                | Self::Umask
                | Self::Open
                | Self::Dup
                | Self::Fcntl
                | Self::Close
                | Self::CloseRange
                | Self::Sigaction
                | Self::Sigprocmask
        )
    }

    /// Watched only with [`super::Options::tty_io`].
    pub fn is_io(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

/// Where the registers that a call was made with are: the words of its number and of its first argument.
const I386_REGISTERS: (usize, usize) = (11, 0);
/// In 64-bit words: `orig_rax`, `rdi` and `rbx`.
const X86_64_NUMBER: usize = 15;
const X86_64_FIRST: usize = 14;
const X86_64_RBX: usize = 5;
/// The words of the result: `eax`, and the low half of `rax`.
const I386_RESULT: usize = 6;
const X86_64_RESULT: usize = 20;
/// Words of the registers of a 32-bit program.
const I386_LENGTH: usize = 17;
/// `x8` and `x0`.
const AARCH64_REGISTERS: (usize, usize) = (8, 0);

/// How a process was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloning {
    /// With these flags; its end sends this signal.
    With { flags: u64, signal: u64 },
    /// As the `struct clone_args` at this address says (clone3).
    At(u64),
}

/// Bytes of `struct clone_args` up to the signal (include/uapi/linux/sched.h).
pub(super) const CLONE_ARGS: usize = 40;

impl Cloning {
    /// Whether a thread has not yet returned from its call: until then there is ENOSYS for the result (x86, `do_syscall_64`).
    /// `None` where the registers do not tell.
    pub fn is_under_way(words: &[u32]) -> Option<bool> {
        const ENOSYS: u32 = (-libc::ENOSYS) as u32;
        let result = if words.len() == I386_LENGTH { I386_RESULT } else { X86_64_RESULT };
        cfg!(target_arch = "x86_64").then(|| words.get(result) == Some(&ENOSYS))
    }

    /// How a thread that is in one of these calls made it, where its registers alone say so. Only clone3 has one number in both
    /// conventions of x86.
    pub fn by_number(words: &[u32]) -> Option<Self> {
        let certain = |abi: &Abi| Self::of(abi.audit(), words).filter(|it| matches!(it, Self::With { .. }));
        Abi::native().iter().find_map(certain)
    }

    /// What the registers of a thread say that is in fork, vfork, clone or clone3. `None` when it is in none of these, as far
    /// as they tell.
    pub fn of(arch: u32, words: &[u32]) -> Option<Self> {
        const SIGCHLD: u64 = libc::SIGCHLD as u64;
        let half = |index: usize| words.get(index).copied().map(u64::from);
        let whole = |index: usize| Some(half(2 * index)? | half(2 * index + 1)? << 32);
        let abi = Abi::of_audit(arch)?;
        let (number, first) = match abi {
            Abi::I386 if words.len() == I386_LENGTH => (half(I386_REGISTERS.0)?, half(I386_REGISTERS.1)?),
            // Through `int $0x80` from a 64-bit program.
            Abi::I386 => (whole(X86_64_NUMBER)?, whole(X86_64_RBX)? & u64::from(u32::MAX)),
            Abi::X86_64 => (whole(X86_64_NUMBER)? & !u64::from(X32_BIT), whole(X86_64_FIRST)?),
            Abi::Aarch64 => (whole(AARCH64_REGISTERS.0)?, whole(AARCH64_REGISTERS.1)?),
        };
        // fork, vfork, clone, clone3.
        let numbers: [u64; 4] = match abi {
            Abi::X86_64 => [57, 58, 56, 435],
            Abi::I386 => [2, 190, 120, 435],
            Abi::Aarch64 => [u64::MAX, u64::MAX, 220, 435],
        };
        match numbers.iter().position(|known| *known == number)? {
            0 => Some(Self::With { flags: 0, signal: SIGCHLD }),
            1 => Some(Self::With { flags: CLONE_VFORK | CLONE_VM, signal: SIGCHLD }),
            // The lowest byte is the signal of its end.
            2 => Some(Self::With { flags: first & 0xffff_ff00, signal: first & 0xff }),
            _ => Some(Self::At(first)),
        }
    }

    /// Flags and signal, in what was read from [`Self::At`].
    pub fn read(arguments: [u8; CLONE_ARGS]) -> Option<(u64, u64)> {
        let mut words = arguments.as_chunks().0.iter().copied().map(u64::from_ne_bytes);
        Some((words.next()?, words.nth(3)?))
    }
}

/// Flags of clone (include/uapi/linux/sched.h).
const CLONE_VM: u64 = 0x100;
pub(super) const CLONE_VFORK: u64 = 0x4000;
pub(super) const CLONE_PARENT: u64 = 0x8000;

pub(super) const CLONE_NEWPID: u64 = 0x2000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_a_clone_are_where_each_convention_puts_them() {
        let mut words = vec![0_u32; 54];
        let mut set = |index: usize, value: u64| {
            (words[2 * index], words[2 * index + 1]) = (value as u32, (value >> 32) as u32);
        };
        set(X86_64_NUMBER, 56);
        set(X86_64_FIRST, 0x2000_8011);
        set(X86_64_RBX, 0x7fff_0000_4011);
        let (native, compat) = (Abi::X86_64.audit(), Abi::I386.audit());
        if cfg!(target_arch = "x86_64") {
            let signal = 17;
            assert_eq!(Cloning::of(native, &words), Some(Cloning::With { flags: 0x2000_8000, signal }));
            assert_eq!(Cloning::of(compat, &words), None, "56 is another call there");
            (words[2 * X86_64_NUMBER], words[2 * X86_64_NUMBER + 1]) = (120, 0);
            assert_eq!(Cloning::of(compat, &words), Some(Cloning::With { flags: 0x4000, signal }));
            let mut short = vec![0; I386_LENGTH];
            (short[I386_REGISTERS.0], short[I386_REGISTERS.1]) = (435, 0x1000);
            assert_eq!(Cloning::of(compat, &short), Some(Cloning::At(0x1000)));
        }
        if cfg!(target_arch = "x86_64") {
            assert_eq!(Cloning::is_under_way(&words), Some(false));
            words[X86_64_RESULT] = (-libc::ENOSYS) as u32;
            assert_eq!(Cloning::is_under_way(&words), Some(true));
        }
        assert_eq!(Cloning::of(0, &words), None);
        assert_eq!(Cloning::of(native, &[]), None);
    }
}
