//! Placement: what a command, its shell and its terminal can tell of being traced. In place there must be nothing; with the
//! wrapper, the list in `docs/PLACEMENT.md` and nothing else. No test needs privilege, except that of `-u`.

mod capture_process;
mod double;
mod proc;
mod pty;
mod run;
mod shells;
