//! Audits: whether a process is detached, by which policy it is to be judged, and the path that it took.
//!
//! Pure, like the rules: a function of events, deltas, the model and the findings. What could not be seen makes a verdict
//! [`Verdict::Unknown`] and never a better one.

mod path;
mod pipes;
mod policy;
mod share;
mod verdict;

pub use path::{Paths, Step, StepKind};
pub use pipes::{Looks, is_kin};
pub use policy::{Observed, POLICIES, Policy, is_supervisor};
pub use share::{Aspect, Comparison, Thing, compare, date};
pub use verdict::{Grounds, Judgement, Verdict, judge};

#[cfg(test)]
mod tests;
