//! Numbers of tracepoints, from tracefs: mounted nowhere if that is allowed, else where the system has it mounted.
//!
//! Must not: mount anything that others can see, or leave a mount namespace.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
};

use crate::capture::{CaptureError, sys};

/// Where tracefs is mounted when it is.
const MOUNT_POINTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// An open tracefs.
#[derive(Debug)]
pub struct Tracefs {
    directory: OwnedFd,
    /// Where it is, for people.
    pub place: &'static str,
}

impl Tracefs {
    /// Opens it.
    pub fn open() -> Result<Self, CaptureError> {
        if let Ok(directory) = sys::detached_mount(c"tracefs") {
            return Ok(Self { directory, place: "a mount of our own" });
        }
        let mut refused = None;
        for place in MOUNT_POINTS {
            let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
            match open(place, flags, Mode::empty()) {
                Ok(directory) if openat(&directory, "events", flags, Mode::empty()).is_ok() => {
                    return Ok(Self { directory, place });
                }
                Err(Errno::EACCES) => {
                    let what = format!("open tracefs at {place}");
                    let needs = "cap_dac_read_search";
                    refused.get_or_insert(CaptureError::NotPermitted { what, errno: Errno::EACCES, needs });
                }
                // Not mounted here: an empty directory, or none.
                Ok(_) | Err(_) => {}
            }
        }
        Err(refused.unwrap_or(CaptureError::NoTracefs))
    }

    /// Number of the tracepoint `category:name`.
    pub fn event_id(&self, category: &str, name: &str) -> io::Result<u64> {
        let path = format!("events/{category}/{name}/id");
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(self.directory.as_fd(), path.as_str(), flags, Mode::empty())?);
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        text.trim().parse().map_err(io::Error::other)
    }
}
