//! Why a process was looked at.

/// It.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// It was there when watching began.
    Start,
    /// It has settled.
    Settled,
    /// Its time had come again.
    Again,
    /// It executed a program, or began a session.
    Changed,
    /// Who launched it has ended.
    LauncherEnded,
    /// Its session acquired or lost a terminal.
    Terminal,
    /// It opened a terminal that is not its controlling terminal, or made it another of its descriptors.
    Opened,
}

impl Occasion {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "was there",
            Self::Settled => "settled",
            Self::Again => "looked at again",
            Self::Changed => "executed a program or began a session",
            Self::LauncherEnded => "its launcher has ended",
            Self::Terminal => "its terminal changed",
            Self::Opened => "opened a terminal",
        }
    }
}
