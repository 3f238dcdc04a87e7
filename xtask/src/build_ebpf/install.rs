//! Installs what building the probes needs: Debian packages and bpf-linker. For CI and fresh machines.
//!
//! Must not: do anything when everything is there, or when it is not root on a system with apt-get.

use std::process::Command;

use anyhow::{Context as _, bail};

use super::toolchain::{self, Toolchain};

/// Debian's compiler and its prebuilt `core` for bpf.
const COMPILER_PACKAGES: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

/// Installs what is missing.
pub fn missing() -> anyhow::Result<()> {
    let Err(missing) = Toolchain::find(None) else { return Ok(()) };
    if toolchain::program("apt-get").is_none() || !is_root()? {
        bail!("--install needs root and apt-get.\n{missing}");
    }
    apt_get(&["update".to_owned()])?;
    apt_get(&install(&COMPILER_PACKAGES))?;
    // Debian moves its rustc, and with it LLVM, by security updates: the version is known only now.
    let llvm_major = toolchain::debian_llvm_major().context("rustc-web is installed but does not run")?;
    apt_get(&install(&[&format!("llvm-{llvm_major}-dev")]))?;
    let [cargo, arguments @ ..] = toolchain::linker_install(&llvm_major);
    run(Command::new(cargo).args(arguments).env("LLVM_PREFIX", format!("/usr/lib/llvm-{llvm_major}")))
}

fn install(packages: &[&str]) -> Vec<String> {
    ["install", "-y", "--no-install-recommends"].iter().chain(packages).map(ToString::to_string).collect()
}

fn apt_get(arguments: &[String]) -> anyhow::Result<()> {
    run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_root() -> anyhow::Result<bool> {
    let output = Command::new("id").arg("-u").output().context("cannot run id")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} failed: {status}") }
}
