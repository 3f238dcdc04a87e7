//! Exit codes, and how an error is put to the user: what failed, on which object, why, and one command that fixes it.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{
    capture::CaptureError,
    live::LiveError,
    placement::LaunchError,
    trace_file::{self, ReadError, WriteError},
};

/// There are findings of the severity that was asked for.
pub const FOUND: u8 = 1;
/// Wrong usage.
pub const USAGE: u8 = 2;
/// What was asked for could not be seen whole: records were lost, or a recording is torn.
pub const INCOMPLETE: u8 = 3;
/// An error of ours or of the system.
pub const INTERNAL: u8 = 4;
/// We failed before the command could be started, as env(1) and timeout(1) have it.
pub const BEFORE_COMMAND: u8 = 125;

/// What the user did wrong, or can put right.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ExpectedError {
    /// What failed, on which object, with the name of the errno.
    pub what: String,
    /// One command or sentence that changes it.
    pub fix: Option<String>,
    /// The exit code.
    pub code: u8,
    /// The system's error below it: `main` knows a reader that went away by it.
    #[source]
    pub cause: Option<io::Error>,
}

impl ExpectedError {
    /// Wrong usage that the argument parser cannot see.
    pub(super) fn usage(what: impl Into<String>, fix: &str) -> Self {
        Self { what: what.into(), fix: Some(fix.to_owned()), code: USAGE, cause: None }
    }
}

impl From<CaptureError> for ExpectedError {
    fn from(error: CaptureError) -> Self {
        Self { what: error.to_string(), fix: error.hint(), code: INTERNAL, cause: None }
    }
}

impl From<LiveError> for ExpectedError {
    fn from(error: LiveError) -> Self {
        let (what, fix) = (error.to_string(), error.hint());
        let cause = match error {
            LiveError::Capture(_) => None,
            LiveError::Sink(cause) | LiveError::Waiting(cause) => Some(cause),
        };
        Self { what, fix, code: INTERNAL, cause }
    }
}

impl From<LaunchError> for ExpectedError {
    fn from(error: LaunchError) -> Self {
        Self { what: error.to_string(), fix: error.hint(), code: error.exit_code(), cause: None }
    }
}

impl From<WriteError> for ExpectedError {
    fn from(error: WriteError) -> Self {
        Self { what: error.to_string(), fix: error.hint(), code: INTERNAL, cause: None }
    }
}

impl From<ReadError> for ExpectedError {
    fn from(error: ReadError) -> Self {
        Self { what: error.to_string(), fix: error.hint(), code: USAGE, cause: None }
    }
}

/// An error that keeps the command from being run: 125, unless the usage is wrong.
pub(super) fn before_command(mut error: ExpectedError) -> ExpectedError {
    error.code = if error.code == USAGE { USAGE } else { BEFORE_COMMAND };
    error
}

/// Says something to the user beside what was asked for.
pub(super) fn say(text: &str) {
    // Nobody is left to tell that standard error is closed.
    let _ = writeln!(io::stderr(), "sesstrace: {text}");
}

/// Output that cannot be written, to `place`: `the report to /dev/full`, `to standard output`.
pub(super) fn unwritable(place: &str, error: io::Error) -> ExpectedError {
    let what = format!("cannot write {place}: {}", trace_file::cause(&error));
    ExpectedError { what, fix: trace_file::how_to_write(&error), code: INTERNAL, cause: Some(error) }
}

/// The message for the terminal, and the exit code. Whatever is not an [`ExpectedError`] is an internal error.
pub(super) fn explain(error: &anyhow::Error) -> (String, ExitCode) {
    let expected = error.chain().find_map(|cause| cause.downcast_ref::<ExpectedError>());
    match expected {
        Some(expected) => (lines(&expected.what, expected.fix.as_deref()), ExitCode::from(expected.code)),
        None => (lines(&format!("{error:#}"), None), ExitCode::from(INTERNAL)),
    }
}

/// One line of fact, and one of remedy.
pub(super) fn lines(what: &str, fix: Option<&str>) -> String {
    match fix {
        Some(fix) => format!("sesstrace: {what}\n  fix    {fix}"),
        None => format!("sesstrace: {what}"),
    }
}
