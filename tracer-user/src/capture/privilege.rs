//! Giving up privilege that is not needed any more.
//!
//! Must not: gain any.

use std::io;

use super::facts::effective_capabilities;

/// `struct __user_cap_header_struct` (`include/uapi/linux/capability.h`); version 3 has 64 capabilities in two words.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// Reading what a process of another user shares: `CAP_SYS_PTRACE`, `CAP_DAC_READ_SEARCH`.
pub const TO_LOOK: [u32; 2] = [19, 2];

/// Keeps no capability but these, of those that there are, and lets no exec give any back (`PR_SET_NO_NEW_PRIVS`). For the
/// calling thread: to be called while it is the only one. Returns the mask of what is left.
pub fn keep_only(numbers: &[u32]) -> io::Result<u64> {
    let (own, wanted) = (effective_capabilities(), numbers.iter().fold(0_u64, |mask, number| mask | 1 << number));
    let kept = own & wanted;
    let header = Header { version: VERSION_3, pid: 0 };
    let data = [kept as u32, (kept >> 32) as u32].map(|word| Data { effective: word, permitted: word, inheritable: 0 });
    // SAFETY: integers only; the ambient set goes with the permitted one.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel reads one header and, for version 3, two words of data; both live through the call.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_does_not_come_back() {
        // A thread has capabilities of its own: the others of this process keep theirs.
        let kept = std::thread::spawn(|| {
            let before = capability_line("CapEff:");
            let kept = keep_only(&TO_LOOK).unwrap();
            assert_eq!(kept, before & (1 << 19 | 1 << 2));
            for line in ["CapEff:", "CapPrm:"] {
                assert_eq!(capability_line(line), kept, "{line}");
            }
            assert_eq!(capability_line("CapInh:"), 0);
            assert_eq!(keep_only(&[21]).unwrap(), 0);
        });
        kept.join().unwrap();
    }

    fn capability_line(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }
}
