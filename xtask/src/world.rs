//! `cargo xtask world`: the small world, on the kernel that runs (`scenarios::world`).

use std::process::Command;

use anyhow::{Context as _, bail};

/// Make every call of two or three processes in every state, for real, and compare with the reference and the model.
#[derive(clap::Args)]
pub struct World {
    /// Processes that are ever born.
    #[arg(long, default_value_t = 3)]
    births: u32,
    /// Calls after the initial state.
    #[arg(long, default_value_t = 5)]
    depth: u32,
    /// Walks at random besides.
    #[arg(long, default_value_t = 500)]
    walks: u32,
    /// A call from the background stops its caller's group; else SIGTTOU is ignored.
    #[arg(long)]
    stop: bool,
    /// Also SIGSTOP and SIGCONT, the acquisition and the loss of the terminal, and siblings.
    #[arg(long)]
    more: bool,
}

/// Builds and runs the program.
pub fn run(world: &World) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "-p", "scenarios", "--bin", "scenarios", "--", "world"]);
    for (name, value) in [("births", world.births), ("depth", world.depth), ("walks", world.walks)] {
        command.args([name, &value.to_string()]);
    }
    command.args(world.stop.then_some("stop")).args(world.more.then_some("more"));
    let status = command.current_dir(crate::root()?).status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
