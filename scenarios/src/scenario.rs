//! What a scenario is made of. Holds no scenario and no rule.

/// A small program with a known job-control history.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name, also that of its golden recording's folder.
    pub name: &'static str,
    /// The statement that it shows.
    pub shows: &'static str,
    /// Reports of others that it reproduces: `nodejs/node#46865`.
    pub cites: &'static [&'static str],
    /// The program. An error says that the kernel did not do what the scenario shows.
    pub run: fn() -> anyhow::Result<()>,
    /// Whom the recorder follows.
    pub follow: Follow,
    /// Options that the recorder needs besides.
    pub options: &'static [&'static str],
    /// What the scenario is started with.
    pub start: Start,
    /// What must be said of a recording of it, in the language of [`crate::story`].
    pub expect: &'static str,
    /// What the rules must find in it, in the language of [`crate::story::finds`]. What is not said here, they must not.
    pub finds: &'static str,
    /// Instants at which `sesstrace ps --at` is kept as well.
    pub pictures: &'static [Picture],
}

impl Scenario {
    /// For the fields that most scenarios leave out.
    pub const DEFAULT: Self = Self {
        name: "",
        shows: "",
        cites: &[],
        run: || Ok(()),
        follow: Follow::Everything,
        options: &[],
        start: Start::Plain,
        expect: "",
        finds: "",
        pictures: &[],
    };
}

/// Whom the recorder follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The scenario and all its descendants.
    Everything,
    /// Only the process that the scenario names with [`crate::kit::follow::followed`]: the rest are outsiders.
    Named,
}

/// What a scenario inherits from whoever starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Whatever the recorder has.
    Plain,
    /// As from a careless script: standard output is a pipe that somebody reads, descriptor 7 is a file without
    /// close-on-exec, SIGUSR2 is ignored, SIGWINCH is blocked, the umask is 027.
    Careless,
}

/// An instant worth a picture: directly after the first fact that matches.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// Its name, also that of its file.
    pub name: &'static str,
    /// The fact, in the language of [`crate::story`].
    pub after: &'static str,
    /// The rows that it must hold, in order, with roles in place of numbers: pid, ppid, pgid, tpgid, session, state
    /// (a middle dot where ps would say whether it sleeps), command.
    pub rows: &'static [&'static str],
}
