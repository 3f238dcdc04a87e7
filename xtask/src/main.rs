//! `cargo xtask`: automation that is more than one cargo command. A verb is a file and a line of [`Verb`].

mod bench;
mod build_ebpf;
mod fuzz;
mod golden;
mod noise;
mod suites;
mod test;
mod tidy;
mod vm;
mod world;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

/// Automation of the sesstrace repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    Bench(bench::Arguments),
    BuildEbpf(build_ebpf::Arguments),
    Fuzz(fuzz::Fuzz),
    Noise(noise::Arguments),
    Record(golden::Record),
    Replay(golden::Replay),
    Suites(suites::Arguments),
    Test(test::Arguments),
    /// Check rules of the house that no other tool checks.
    Tidy,
    Vm(vm::Arguments),
    Zoo(golden::Zoo),
    World(world::World),
}

fn main() -> anyhow::Result<()> {
    match Verb::parse() {
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::BuildEbpf(arguments) => build_ebpf::run(&arguments),
        Verb::Fuzz(fuzz) => fuzz::run(&fuzz),
        Verb::Noise(arguments) => noise::run(&arguments),
        Verb::Record(arguments) => golden::record(&arguments),
        Verb::Replay(arguments) => golden::replay(&arguments),
        Verb::Suites(arguments) => suites::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Tidy => tidy::run(),
        Verb::Vm(arguments) => vm::run(&arguments),
        Verb::Zoo(arguments) => golden::zoo(&arguments),
        Verb::World(world) => world::run(&world),
    }
}

/// The root of the repository.
fn root() -> anyhow::Result<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(PathBuf::from).context("xtask is not inside the repository")
}
