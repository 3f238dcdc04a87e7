//! `cargo xtask fuzz`: runs a fuzz target with what a stable toolchain can do: coverage feedback and checks of debug builds, and
//! no sanitizer, which code without `unsafe` does not need.

use std::{fs, process::Command};

use anyhow::{Context as _, bail};

/// Fuzz a target (needs cargo-fuzz and a C++ compiler); what is found is in fuzz/artifacts.
#[derive(clap::Args)]
pub struct Fuzz {
    /// Names; all of them in turn when none is given.
    targets: Vec<String>,
    /// How long each.
    #[arg(long, default_value_t = 1800)]
    seconds: u32,
}

/// Runs the verb.
pub fn run(fuzz: &Fuzz) -> anyhow::Result<()> {
    let root = crate::root()?;
    let seeds = root.join("fuzz/seeds");
    let mut all = Vec::new();
    for entry in fs::read_dir(&seeds).with_context(|| seeds.display().to_string())? {
        all.push(entry?.file_name().to_string_lossy().into_owned());
    }
    all.sort();
    for target in if fuzz.targets.is_empty() { &all } else { &fuzz.targets } {
        let corpus = root.join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
        let mut command = Command::new("cargo");
        command.args(["fuzz", "run", "--sanitizer", "none", "--features", "libfuzzer", target]);
        command.args([&corpus, &seeds.join(target)]);
        command.args(["--".to_owned(), format!("-max_total_time={}", fuzz.seconds), "-timeout=20".to_owned()]);
        // What the release profile does for its users costs a fuzzer only time.
        command.env("CARGO_PROFILE_RELEASE_LTO", "off").current_dir(&root);
        let status = command.status().context("cannot run cargo")?;
        if !status.success() {
            bail!("{command:?} ended with {status}: `cargo install cargo-fuzz` if there is none");
        }
    }
    Ok(())
}
