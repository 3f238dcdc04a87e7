//! `--from` and `--to`: the part of a recording that is asked for.
//!
//! Must not: know what is done with it.

use clap::Args;
use tracer_model::{event::Event, state::Model};

use super::at::{At, Limit};
use crate::{
    live::unix_now,
    trace_file::{Place, Reader},
};

/// The part.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Window {
    /// Begin here: 305.402 or 305.4ms, 1.2s, an RFC 3339 time, 3m ago, or #812 for an event
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<At>,
    /// End here, with what happens at that instant
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<At>,
}

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before what is asked for.
    Before,
    /// In it.
    Inside,
    /// After it, and so is all that follows.
    After,
}

/// Follows a recording through the part.
pub struct Span {
    from: Option<Limit>,
    to: Option<Limit>,
    before: Place,
}

impl Window {
    /// Whether it is less than everything.
    pub fn is_part(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Goes as near to the begin of the part as the recording allows; the state there.
    pub fn open(&self, reader: &mut Reader) -> (Span, Model) {
        let now = unix_now();
        let limit = |at: At| Limit::new(at.resolve(now), reader.header());
        let before = Place::start(reader.header());
        let mut span = Span { from: self.from.map(limit), to: self.to.map(limit), before };
        let mut model = reader.header().model();
        if let Some(from) = span.from
            && let Some((state, place)) = reader.begin_at(|place| !from.has_come(place))
        {
            model = state;
            span.before = place;
            for limit in [&mut span.from, &mut span.to].into_iter().flatten() {
                limit.go_to(&place);
            }
        }
        (span, model)
    }
}

impl Span {
    /// Where the next event is.
    pub fn part(&mut self, event: &Event) -> Part {
        if self.to.as_mut().is_some_and(|to| to.is_before(event)) {
            return Part::After;
        }
        if let Some(from) = &mut self.from {
            from.is_before(event);
            if !from.is_reached(event) {
                self.before.pass(event);
                return Part::Before;
            }
            // Times go back by a little: what follows is inside all the same.
            self.from = None;
        }
        Part::Inside
    }
    /// Wall clock minus boot clock where the part begins, ns.
    pub fn clock_offset(&self) -> i64 {
        self.before.clock_offset
    }

    /// Whether its begin was reached.
    pub fn has_begun(&self) -> bool {
        self.from.is_none()
    }
}
