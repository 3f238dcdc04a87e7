//! How a scenario with an outsider tells the recorder which of its processes is to be followed.
//!
//! The recorder gives the scenario a socket and names its descriptor in the environment. The scenario writes the number of
//! the process to follow, and goes on when the recorder has answered with a byte. Without a recorder it goes on at once.

use std::{
    env,
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{FromRawFd as _, RawFd},
};

use anyhow::{Context as _, Result};
use nix::unistd::Pid;

/// The environment variable that names the descriptor.
pub const VARIABLE: &str = "SCENARIO_FOLLOW_FD";

/// Asks the recorder to follow `pid` and its descendants from here on.
pub fn followed(pid: Pid) -> Result<()> {
    let Some(number) = env::var_os(VARIABLE) else { return Ok(()) };
    let fd: RawFd = number.to_str().and_then(|text| text.parse().ok()).context("the descriptor is not a number")?;
    // SAFETY: the recorder opened it for this purpose, and nothing else here uses it.
    let mut socket = unsafe { File::from_raw_fd(fd) };
    writeln!(socket, "{pid}").context("telling the recorder whom to follow")?;
    let mut ready = [0];
    socket.read_exact(&mut ready).context("waiting for the recorder")
}
