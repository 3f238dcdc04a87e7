//! One session, from setsid until its last member is reaped or leaves by another setsid.
//!
//! Must not decide anything; see `apply::groups` and `apply::tty`.

use serde::{Deserialize, Serialize};

use crate::{
    few::Few,
    ids::{BootNs, PgrpKey, ProcKey, SessionKey, TtyKey},
};

/// One session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its key.
    pub key: SessionKey,
    /// `pid->ino`, 0 when not known.
    pub ino: u64,
    /// Its process groups.
    pub groups: Few<PgrpKey>,
    /// The session leader; `None` when it was reaped before the session was found.
    pub leader: Option<ProcKey>,
    /// The leader was seen to be reaped, or a complete snapshot does not have it.
    pub leader_reaped: bool,
    /// Its controlling terminal.
    pub tty: Option<TtyKey>,
    /// The leader that acquired the terminal; `None` without a terminal or when the leader is not known.
    pub controlling_process: Option<ProcKey>,
    /// When it was born; `None` when it was found.
    pub born: Option<BootNs>,
    /// When it was found or born.
    pub first_seen: BootNs,
    /// When it ended, readable until the next event.
    pub ended: Option<BootNs>,
}

impl Session {
    /// A session without groups.
    pub(crate) fn new(key: SessionKey, ino: u64, born: Option<BootNs>, at: BootNs) -> Self {
        Self {
            key,
            ino,
            groups: Few::default(),
            leader: None,
            leader_reaped: false,
            tty: None,
            controlling_process: None,
            born,
            first_seen: at,
            ended: None,
        }
    }
}
