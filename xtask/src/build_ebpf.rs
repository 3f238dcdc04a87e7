//! `cargo xtask build-ebpf`: builds the probe object, strips it and puts it into `tracer-user/prebuilt/` with the hash of
//! its sources; or, with `--check`, builds it again and compares.
//!
//! The bytes depend on the sources and the versions of the tools, not on where the tree or the cargo home is.

mod compare;
mod install;
mod object;
mod toolchain;

#[path = "../../tracer-user/prebuilt/hash.rs"]
mod hash;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use toolchain::Toolchain;

/// Build the probe object, or compare the committed one with a new build.
#[derive(clap::Args)]
pub struct Arguments {
    /// Build and compare with the committed object; write nothing.
    #[arg(long, conflicts_with_all = ["log"])]
    check: bool,
    /// Install what is missing first (root, Debian or Ubuntu).
    #[arg(long)]
    install: bool,
    /// Build with the probes' log, into tracer-ebpf/target/, and print the path.
    #[arg(long)]
    log: bool,
}

const OBJECT: &str = "tracer-user/prebuilt/sesstrace.bpf.o";
const MANIFEST: &str = "tracer-user/prebuilt/manifest.toml";

/// Runs the verb.
#[expect(clippy::print_stdout, reason = "what a developer runs this for")]
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = crate::root()?;
    if arguments.install
        && let Err(error) = install::missing()
    {
        return if arguments.check { skip(&format!("{error:#}")) } else { Err(error) };
    }
    let committed = fs::read_to_string(root.join(MANIFEST)).unwrap_or_default();
    let toolchain = match Toolchain::find(hash::manifest_value(&committed, "rustc")) {
        Ok(toolchain) => toolchain,
        Err(missing) if arguments.check => return skip(&missing),
        Err(missing) => bail!(missing),
    };
    let built = build(&root, &toolchain, arguments.log)?;
    if arguments.log {
        println!("{}", built.display());
        return Ok(());
    }
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let manifest = manifest(&hash::of_sources(&root)?, &toolchain);
    if arguments.check {
        let old = fs::read(root.join(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
        println!("{}", compare::objects(&old, &committed, &bytes, &manifest)?);
        return Ok(());
    }
    fs::write(root.join(OBJECT), &bytes).with_context(|| format!("cannot write {OBJECT}"))?;
    fs::write(root.join(MANIFEST), &manifest).with_context(|| format!("cannot write {MANIFEST}"))?;
    println!("{OBJECT}: {} bytes, {}, {}", bytes.len(), toolchain.rustc_version, toolchain.linker_version);
    Ok(())
}

/// A check that cannot run says so, and fails where it must run.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skip(missing: &str) -> anyhow::Result<()> {
    if std::env::var("SESSTRACE_REQUIRE").is_ok_and(|required| required.split(',').any(|item| item == "ebpf")) {
        bail!("the probe object was not rebuilt, and SESSTRACE_REQUIRE contains ebpf.\n{missing}");
    }
    eprintln!("SKIPPED: the probe object was not rebuilt and compared.\n{missing}");
    Ok(())
}

/// Builds the object and strips its debug sections, not its BTF. Returns its path.
fn build(root: &Path, toolchain: &Toolchain, log: bool) -> anyhow::Result<PathBuf> {
    let target = root.join("tracer-ebpf/target");
    let cargo_home = toolchain::cargo_home()?;
    // The separator lets paths hold spaces.
    let flags = [
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // Else LLVM calls memset for everything above a few bytes, and aya's writes a byte at a time.
        "-Clink-arg=--disable-expand-memcpy-in-order".to_owned(),
        format!("--remap-path-prefix={}=/sesstrace", root.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
        format!("--remap-path-prefix={}=/rust", toolchain.sysroot.display()),
    ]
    .join("\u{1f}");
    let mut cargo = toolchain.cargo();
    cargo
        .args(["build", "--release", "--locked", "--target", toolchain::TARGET])
        .arg("--manifest-path")
        .arg(root.join("tracer-ebpf/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    if log {
        cargo.args(["--features", "log"]);
    }
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!(
            "the probes do not build; bpf-linker must be one for LLVM {}: {}",
            toolchain.llvm_major,
            toolchain.linker.display()
        );
    }
    let linked = target.join(toolchain::TARGET).join("release/sesstrace-probes");
    let stripped = target.join(if log { "sesstrace-log.bpf.o" } else { "sesstrace.bpf.o" });
    let mut objcopy = std::process::Command::new(&toolchain.objcopy);
    objcopy.arg("--strip-debug").args(renames(&linked)?).arg(&linked).arg(&stripped);
    if !objcopy.status().with_context(|| format!("cannot run {}", toolchain.objcopy.display()))?.success() {
        bail!("{} could not strip {}", toolchain.objcopy.display(), linked.display());
    }
    Ok(stripped)
}

/// Options that take the hash of the crate out of mangled names: cargo computes it from the absolute path of tracer-common,
/// which is outside of the probes' workspace.
fn renames(linked: &Path) -> anyhow::Result<Vec<String>> {
    let bytes = fs::read(linked).with_context(|| format!("cannot read {}", linked.display()))?;
    let names = object::symbol_names(&bytes)?;
    Ok(names.iter().filter_map(|name| Some(format!("--redefine-sym={name}={}", without_hash(name)?))).collect())
}

/// `_RNvNtCsHASH_5crate4item` as `_RNvNtC5crate4item` (RFC 2603: no disambiguator is the first one).
fn without_hash(name: &str) -> Option<String> {
    let (before, after) = name.strip_prefix("_R")?.split_once("Cs")?;
    let (hash, rest) = after.split_once('_')?;
    let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_hash.then(|| format!("_R{before}C{rest}"))
}

fn manifest(sources: &str, toolchain: &Toolchain) -> String {
    format!(
        "# Written by `cargo xtask build-ebpf`, with sesstrace.bpf.o: the hash of its sources and what built it.\n\
         sources = \"{sources}\"\nrustc = \"{}\"\nlinker = \"{}\"\n",
        toolchain.rustc_version, toolchain.linker_version
    )
}

#[cfg(test)]
mod tests {
    use super::without_hash;

    #[test]
    fn the_hash_of_the_crate_goes_and_the_rest_stays() {
        let stable = without_hash("_RNvNtCsTcgiKTOpJO_16sesstrace_probes4task5state");
        assert_eq!(stable.as_deref(), Some("_RNvNtC16sesstrace_probes4task5state"));
        assert_eq!(without_hash("enter_setpgid"), None);
    }
}
