//! One life of a terminal as a controlling terminal: from the first process that has it to the last.
//!
//! Must not decide anything; see `apply::tty`.

use serde::{Deserialize, Serialize};

use crate::{
    delta::ForegroundGroup,
    event::RawId,
    few::Few,
    ids::{BootNs, ProcKey, SessionKey, Tid, TtyKey},
};

/// A controlling terminal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terminal {
    /// Its key.
    pub key: TtyKey,
    /// The session whose controlling terminal it is. `None` in the short time in which processes still have a terminal that
    /// their session has lost, and when that session is not known.
    pub session: Option<SessionKey>,
    /// Its foreground process group.
    pub foreground: Option<ForegroundGroup>,
    /// Since when that is the foreground group, as far as it was seen.
    pub foreground_since: BootNs,
    /// Processes whose controlling terminal it is.
    pub users: Few<ProcKey>,

    /// The foreground's raw identity.
    pub(crate) foreground_id: RawId,
    /// Threads inside `TIOCSPGRP` on their controlling terminal.
    pub(crate) foreground_calls: Few<(ProcKey, Tid)>,
}

impl Terminal {
    /// A terminal nobody has yet.
    pub(crate) fn new(key: TtyKey, at: BootNs) -> Self {
        Self {
            key,
            session: None,
            foreground: None,
            foreground_since: at,
            users: Few::default(),
            foreground_id: RawId::default(),
            foreground_calls: Few::default(),
        }
    }
}
