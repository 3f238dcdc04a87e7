//! Real interactive shells: bash, dash and zsh on a pseudo-terminal.

use crate::Scenario;

mod background_reader;
mod catcher;
mod ctrl_c;
mod hangup;
mod leave_stopped;
mod pipeline;
mod stop_and_resume;

/// The family.
pub const ALL: &[&Scenario] = &[
    &pipeline::BASH,
    &pipeline::DASH,
    &pipeline::ZSH,
    &ctrl_c::BASH,
    &ctrl_c::DASH,
    &ctrl_c::ZSH,
    &background_reader::BASH,
    &background_reader::BASH_NULL,
    &background_reader::DASH,
    &background_reader::ZSH,
    &stop_and_resume::BASH,
    &stop_and_resume::DASH,
    &stop_and_resume::ZSH,
    &leave_stopped::BASH,
    &hangup::BASH,
    &hangup::DASH,
    &hangup::ZSH,
    &catcher::CTRL_C,
    &catcher::CHILD_FIRST,
    &catcher::PARENT_FIRST,
];
