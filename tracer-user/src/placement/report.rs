//! Writes the report to the user's standard error for as long as somebody waits for it.

use std::{
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::capture_side::is_readable;

/// The standard error that the program was started with. Unbuffered; see [`super::CaptureSide::report_writer`].
#[derive(Debug)]
pub struct ReportWriter {
    stderr: io::Stderr,
    /// Readable when the waiter ended.
    waiter: OwnedFd,
}

impl ReportWriter {
    pub(super) fn new(waiter: OwnedFd) -> Self {
        Self { stderr: io::stderr(), waiter }
    }
}

impl Write for ReportWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if is_readable(self.waiter.as_fd()) {
            // The shell is at its prompt again: a report that goes on would be written all over it.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.stderr.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stderr.flush()
    }
}

impl AsFd for ReportWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stderr.as_fd()
    }
}
