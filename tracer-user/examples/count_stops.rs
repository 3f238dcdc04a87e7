//! Runs a command under the ptrace backend and says on standard error how often it was stopped, by kind:
//! `cargo xtask bench ptrace` shows it for one job.
//!
//! `count_stops COMMAND [ARGUMENT]...`

use std::{
    io::{self, Write as _},
    os::fd::AsFd as _,
    process::ExitCode,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracer_user::{
    capture::{
        CaptureError, Source as _,
        ptrace::{Options, PtraceSource},
    },
    placement::{CaptureSide, Control, Launch, Preparation, launch},
};

const OPTIONS: Options =
    Options { seccomp: true, running: false, capture_arguments: true, tty_io: false, attributes: None };

fn main() -> ExitCode {
    let command = std::env::args_os().skip(1).collect();
    let start = Launch { command, filter: OPTIONS.filter(), ..Launch::default() };
    let ended = launch(&start, |mut side| match count(&mut side) {
        Ok(lines) => {
            if let Ok(Some(mut writer)) = side.report_writer() {
                // Who reads no standard error learns nothing.
                let _ = writer.write_all(lines.as_bytes());
            }
            side.done();
        }
        Err(error) => side.failed(&error.to_string(), 125),
    });
    match ended {
        Ok(status) => status.pass_on(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "count_stops: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// A line for each kind, when the command has ended.
fn count(side: &mut CaptureSide) -> Result<String, CaptureError> {
    let mut source = PtraceSource::open(OPTIONS)?;
    let Ok(root) = side.ready(None, Preparation::Traced { filter: true }) else { return Ok(String::new()) };
    source.follow(&[root.pid])?;
    // A waiter that is gone is seen below.
    let _ = side.release();
    let mut items = Vec::new();
    while !matches!(side.next_control(), Some(Control::CommandEnded(_) | Control::NotStarted | Control::WaiterGone)) {
        let mut fds: Vec<_> = source.fds().into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        fds.push(PollFd::new(side.as_fd(), PollFlags::POLLIN));
        let _ = poll(&mut fds, PollTimeout::from(20_u8));
        source.poll(&mut items)?;
        items.clear();
    }
    let lines: Vec<String> = source.stops().into_iter().map(|(kind, count)| format!("{kind} {count}\n")).collect();
    Ok(lines.concat())
}
