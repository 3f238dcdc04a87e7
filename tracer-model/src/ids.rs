//! Numbers and identities. A number alone is not an identity: the kernel reuses it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `CLOCK_BOOTTIME` in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BootNs(pub u64);

impl BootNs {
    /// Nanoseconds since `earlier`, 0 when it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Number from the global event counter. Holes are lost records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(pub u64);

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u32);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// Number of a process (a thread group) in the capture's pid namespace. 0 is no process.
    Pid;
    /// Number of a thread in the capture's pid namespace.
    Tid;
    /// Number of a process group: the number of the process that created it.
    Pgid;
    /// Number of a session: the number of the process that created it.
    Sid;
    /// A user id in the initial user namespace.
    Uid;
}

/// Which of the lives of a number: later lives are greater, and no two entities of a kind share number and life. Assigned by
/// the model, never written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life(pub u32);

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident($number:ident);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name {
            /// The number.
            pub number: $number,
            /// Which life of it.
            pub life: Life,
        }
        impl $name {
            /// The range of keys that this number can have: first and last.
            #[must_use]
            pub fn lives(number: $number) -> (Self, Self) {
                (Self { number, life: Life(0) }, Self { number, life: Life(u32::MAX) })
            }
        }
    )*};
}

keys! {
    /// One process, from fork to reap.
    ProcKey(Pid);
    /// One process group, from its birth until its last member is reaped or moves away.
    PgrpKey(Pgid);
    /// One session.
    SessionKey(Sid);
}

/// A terminal as events carry it: device number and, for pseudo-terminals, the devpts instance (two containers can both
/// have a pts/0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RawTty {
    /// Major number: 136 to 143 are pts, 4 is the virtual consoles and serial lines.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// `s_dev` of the devpts super block, 0 for other terminals.
    pub instance: u32,
}

impl RawTty {
    /// A virtual console: `/dev/tty1` to `/dev/tty63` (`Documentation/admin-guide/devices.txt`).
    #[must_use]
    pub fn is_console(self) -> bool {
        self.major == 4 && (1..=63).contains(&self.minor)
    }
}

impl fmt::Display for RawTty {
    /// The name below `/dev`, as ps(1) prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, .. } = *self;
        match major {
            136..=143 => f.pad(&format!("pts/{}", u64::from(major - 136) << 20 | u64::from(minor))),
            4 if minor < 64 => f.pad(&format!("tty{minor}")),
            4 => f.pad(&format!("ttyS{}", minor - 64)),
            _ => f.pad(&format!("tty{major}:{minor}")),
        }
    }
}

/// One life of a terminal device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TtyKey {
    /// The device.
    pub tty: RawTty,
    /// Which life of it.
    pub life: Life,
}

/// A signal number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal(pub u32);

#[allow(missing_docs, reason = "the names of signal(7)")]
impl Signal {
    pub const HUP: Self = Self(1);
    pub const INT: Self = Self(2);
    pub const QUIT: Self = Self(3);
    pub const KILL: Self = Self(9);
    pub const PIPE: Self = Self(13);
    pub const ALRM: Self = Self(14);
    pub const TERM: Self = Self(15);
    pub const CHLD: Self = Self(17);
    pub const CONT: Self = Self(18);
    pub const STOP: Self = Self(19);
    pub const TSTP: Self = Self(20);
    pub const TTIN: Self = Self(21);
    pub const TTOU: Self = Self(22);
    pub const URG: Self = Self(23);
    pub const VTALRM: Self = Self(26);
    pub const PROF: Self = Self(27);
    pub const WINCH: Self = Self(28);

    /// Names of 1 to 31 on x86-64 and arm64 (signal(7)).
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];

    /// The signal whose [`Display`](fmt::Display) is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(number) = name.strip_prefix("signal ") {
            return number.parse().ok().map(Self);
        }
        let name = name.strip_prefix("SIG")?;
        if let Some(above) = name.strip_prefix("RTMIN+") {
            return above.parse().ok().and_then(|n: u32| n.checked_add(34)).map(Self);
        }
        let named = Self::NAMES.iter().zip(1..).find(|(row, _)| **row == name).map(|(_, number)| Self(number));
        named.or_else(|| name.parse().ok().map(Self))
    }

    /// Whether the default action stops a process.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = usize::try_from(self.0).ok().and_then(|n| Self::NAMES.get(n.wrapping_sub(1)));
        match (name, self.0) {
            (Some(name), _) => f.pad(&format!("SIG{name}")),
            (None, 32..=33) => f.pad(&format!("SIG{}", self.0)),
            (None, 34..=64) => f.pad(&format!("SIGRTMIN+{}", self.0 - 34)),
            (None, n) => f.pad(&format!("signal {n}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_found_by_its_name() {
        for number in (0..=70).chain([u32::MAX]) {
            assert_eq!(Signal::from_name(&Signal(number).to_string()), Some(Signal(number)));
        }
        assert_eq!(Signal::from_name("SIGTTIN"), Some(Signal::TTIN));
        assert_eq!(Signal::from_name("TTIN"), None);
        assert_eq!(Signal::from_name("SIGNOTHING"), None);
    }
}
