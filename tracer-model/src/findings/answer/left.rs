//! What a followed command left behind, by class: what a kill of its group would have reached, what is in a group or session
//! of its own, what is a daemon.
//!
//! Must not: judge; the rule JC403 does.

use super::{super::words::Word, Answer, told};
use crate::{
    delta::Delta,
    findings::{
        Findings, Now,
        memory::Life,
        words::{Words, count, say},
    },
    ids::{BootNs, PgrpKey, ProcKey, SessionKey, TtyKey},
    state::{Model, Phase, Process},
};

/// How far a process got away from the command that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// In the command's process group.
    SameGroup,
    /// In another group of the command's session.
    OwnGroup,
    /// In another session.
    OwnSession,
    /// In another session, without a terminal, and its parent is not one of what was started; or what such a one has started and
    /// that has no terminal either.
    Daemon,
}

impl Class {
    /// Its name, as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SameGroup => "same group",
            Self::OwnGroup => "own group",
            Self::OwnSession => "session",
            Self::Daemon => "daemon",
        }
    }
}

/// One process that lives on.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// It.
    pub process: ProcKey,
    /// Its number and name.
    pub name: Word,
    /// When it was started: with its number, who it is.
    pub start: BootNs,
    /// Its process group.
    pub group: Option<PgrpKey>,
    /// Every living member of that group was left behind.
    pub group_is_left: bool,
    /// How far it got away.
    pub class: Class,
    /// It is stopped.
    pub stopped: bool,
    /// What is told of it: state, group, signals.
    pub about: Words,
}

impl Model {
    /// What this kind of capture cannot know of a process's signals; nothing for the probes.
    #[must_use]
    pub fn signals_not_seen(&self) -> Option<&'static str> {
        self.taken.is_some().then_some("signals that they block or ignore: ptrace shows what is taken")
    }
}

impl Findings {
    /// What the followed command left behind, those that are nearest to it first; and the answer that says so, without what
    /// only a look at the processes tells.
    #[must_use]
    pub fn left_behind(&self, model: &Model) -> (Vec<Left>, Answer) {
        let delta = Delta::default();
        let now = self.now(&delta, model);
        let root =
            model.root.and_then(|(pid, key)| key.or_else(|| now.memory.with_number(pid).next().map(|it| it.key)));
        let place = root.map_or_else(Place::default, |root| Place::of(&now, root));
        let left = model.processes().filter(|it| it.followed && it.phase == Phase::Alive && Some(it.key) != root);
        let mut left: Vec<Left> = left.filter_map(|it| one(&now, it.key, &place)).collect();
        left.sort_by_key(|left| (left.class, left.process));
        let by = root.map(|root| say![" by ", now.command(root)]);
        let fact = match left.len() {
            0 => say!["nothing is left behind", by],
            1 => say!["1 process is left behind", by],
            many => say![count(many, "process", "processes"), " are left behind", by],
        };
        let state = if left.is_empty() { "none" } else { "left" };
        let mut answer = Answer::of(state, root.map(|root| now.command(root)), fact);
        for left in &left {
            answer = answer.row(left.class.name(), say![left.name.clone(), ": ", left.about.clone()]);
        }
        let seen = left.iter().filter_map(|left| now.memory.life(left.process)?.forked.clone());
        let answer = answer.seen(seen);
        (left, answer)
    }
}

/// Where the command stood when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub(in crate::findings) group: Option<PgrpKey>,
    pub(in crate::findings) session: Option<SessionKey>,
    tty: Option<TtyKey>,
}

impl Place {
    /// Where a process stands now.
    #[must_use]
    pub fn at(process: &Process) -> Self {
        Self { group: process.group, session: process.session, tty: process.tty }
    }

    /// Whether a process of the command lives that has not gone to a session of its own: it is in the command's, or has the same
    /// controlling terminal. One of which neither is known has not gone.
    #[must_use]
    pub fn is_held(&self, model: &Model) -> bool {
        let is_here = |it: &Process| it.session == self.session || it.tty.is_some() && it.tty == self.tty;
        model.processes().any(|it| it.followed && it.phase == Phase::Alive && is_here(it))
    }

    fn of(now: &Now<'_>, root: ProcKey) -> Self {
        let life = now.memory.life(root);
        let group = life.and_then(|life| life.groups.back().copied());
        let state = now.model.process(root);
        let session = state.and_then(|root| root.session).or_else(|| {
            let group = group.and_then(|group| now.model.group(group));
            group.map(|group| group.session).or_else(|| life.and_then(|life| life.launch_session))
        });
        Self { group, session, tty: None }
    }
}

/// The class of a process.
pub(in crate::findings) fn class(now: &Now<'_>, key: ProcKey, place: &Place) -> Option<Class> {
    let process = now.model.process(key)?;
    Some(if process.session != place.session {
        if process.tty.is_none() && is_detached(now, process, place) { Class::Daemon } else { Class::OwnSession }
    } else if process.group.is_some() && process.group == place.group {
        Class::SameGroup
    } else {
        Class::OwnGroup
    })
}

/// Every living process that was started and that it descends from is as far away as it is. An orphan is its session leader's.
fn is_detached(now: &Now<'_>, process: &Process, place: &Place) -> bool {
    let lives = |key: ProcKey| now.model.process(key).filter(|it| it.followed && it.phase == Phase::Alive);
    let above = |it: &Process| {
        let leader = || now.model.session(it.session?)?.leader.filter(|leader| *leader != it.key);
        it.parent.filter(|_| !it.parent_exited).and_then(lives).or_else(|| leader().and_then(lives))
    };
    // A parent that is lost among records that were lost may be its own descendant.
    let mut all = std::iter::successors(above(process), |it| above(it)).take(64);
    all.all(|it| it.session != place.session && it.tty.is_none())
}

fn one(now: &Now<'_>, key: ProcKey, place: &Place) -> Option<Left> {
    let process = now.model.process(key)?;
    let class = class(now, key, place)?;
    let life = now.memory.life(key);
    let state = match process.stopped {
        Some(stop) => say!["stopped by ", stop.signal],
        None if life.is_some_and(Life::is_uninterruptible) => say!["in a call that takes no signal (state D)"],
        None => say!["running"],
    };
    let place = match class {
        Class::SameGroup => say![", in the command's group ", process.group],
        Class::OwnGroup => say![", in group ", process.group],
        Class::OwnSession => {
            let tty = process.tty.map_or_else(|| say![", no terminal"], |tty| say![" on ", tty]);
            say![", in session ", process.session, tty]
        }
        Class::Daemon => say![", session ", process.session, ", no terminal, no parent of what was started"],
    };
    let got = Words::sentences(life.into_iter().flat_map(|life| told(now, life, None)));
    let got = if got.is_empty() { say!["; got no signal"] } else { say!["; got ", got] };
    let group_is_left = process.group.is_some_and(|group| {
        let stranger = |member: ProcKey| now.model.process(member).is_none_or(|member| !member.followed);
        !now.living(group).any(stranger)
    });
    Some(Left {
        process: key,
        name: now.name(key),
        start: process.start,
        group: process.group,
        group_is_left,
        class,
        stopped: process.stopped.is_some(),
        about: say![state, place, got],
    })
}
