//! How far the work is: on standard error, when that is a terminal and the work takes more than a second.
//!
//! Must not: be seen in a file, or be left behind on the terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

/// Work that is quicker is not told of.
const QUIET: Duration = Duration::from_secs(1);
/// Between two tellings.
const PAUSE: Duration = Duration::from_millis(100);
/// Events between two looks at the clock.
const STRIDE: u64 = 4096;

/// Tells how many events were read.
pub struct Progress {
    what: String,
    next: Option<Instant>,
    events: u64,
    shown: bool,
}

impl Progress {
    /// Reading `path` begins.
    pub fn of(path: &Path) -> Self {
        let what = crate::text::sanitize(path.as_os_str().as_encoded_bytes()).into_owned();
        let next = io::stderr().is_terminal().then(|| Instant::now() + QUIET);
        Self { what, next, events: 0, shown: false }
    }

    /// An event was read.
    pub fn event(&mut self) {
        self.events += 1;
        let Some(next) = self.next else { return };
        if self.events.is_multiple_of(STRIDE) && Instant::now() >= next {
            self.next = Some(Instant::now() + PAUSE);
            self.shown = true;
            // Nobody is harmed when it cannot be shown.
            let _ = write!(io::stderr(), "\r\x1b[Kreading {}: {} events", self.what, self.events);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
