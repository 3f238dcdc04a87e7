//! The daemon zoo: programs that nobody here wrote, started in the same careless way, with what `/proc` shows of each afterwards
//! and what an audit must say of it in each of its four forms, and when it watches.
//!
//! Every one is started from a shell on a pseudo-terminal, in a scratch directory, with umask 027, descriptor 7 open without
//! close-on-exec, SIGUSR2 ignored, SIGWINCH blocked and nothing but PATH in the environment.

mod animals;
mod errands;
mod ground;
mod guard;
mod look;
mod machines;
mod more;
mod stage;
mod watcher;

pub use animals::Animal;
pub use ground::Ground;
pub use guard::Guard;
pub use look::{Looks, is_here, look};
pub use watcher::Watcher;

/// Everyone.
#[must_use]
pub fn animals() -> Vec<&'static Animal> {
    animals::ANIMALS.iter().chain(more::MORE).chain(errands::ERRANDS).chain(machines::MACHINES).collect()
}
