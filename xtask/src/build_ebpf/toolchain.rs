//! Finds a compiler, a linker and an objcopy for `bpfel-unknown-none`, or says what to install.
//!
//! Two compilers will do: Debian's rustc, which has a prebuilt `core` for the target, and a rustup nightly with
//! rust-src, which builds it. Must not: install anything.

use std::{
    env,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// The target of the probes.
pub const TARGET: &str = "bpfel-unknown-none";
/// Version of bpf-linker that is asked for when there is none.
pub const LINKER_VERSION: &str = "0.13.0";
/// Debian's compiler; rustup's stands before it in PATH.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What builds the object.
pub struct Toolchain {
    /// First line of `rustc -vV`.
    pub rustc_version: String,
    /// Major version of the LLVM that the compiler emits bitcode of.
    pub llvm_major: String,
    /// Where the compiler's libraries are.
    pub sysroot: PathBuf,
    /// bpf-linker.
    pub linker: PathBuf,
    /// What it calls itself.
    pub linker_version: String,
    /// objcopy or what does its work.
    pub objcopy: PathBuf,
    nightly: bool,
}

/// A compiler that can emit bpf.
struct Compiler {
    version: String,
    llvm_major: String,
    sysroot: PathBuf,
    nightly: bool,
}

impl Toolchain {
    /// Finds everything, preferring the compiler of version `preferred`; else says what is missing and how to get it.
    pub fn find(preferred: Option<&str>) -> Result<Self, String> {
        let mut compilers: Vec<Compiler> = [debian(), nightly()].into_iter().flatten().collect();
        compilers.sort_by_key(|compiler| Some(compiler.version.as_str()) != preferred);
        let Some(compiler) = compilers.into_iter().next() else {
            return Err(no_compiler());
        };
        let llvm_major = compiler.llvm_major;
        let objcopy = objcopy(&llvm_major, &compiler.sysroot);
        let (Some(linker), Some(objcopy)) = (program("bpf-linker"), objcopy) else {
            return Err(no_tools(&llvm_major));
        };
        let linker_version = output(Command::new(&linker).arg("--version")).ok_or_else(|| no_tools(&llvm_major))?;
        Ok(Self {
            rustc_version: compiler.version,
            llvm_major,
            sysroot: compiler.sysroot,
            linker,
            linker_version,
            objcopy,
            nightly: compiler.nightly,
        })
    }

    /// A cargo that builds with this compiler and linker, whatever this process was started with.
    pub fn cargo(&self) -> Command {
        let mut cargo = if self.nightly {
            let mut rustup = Command::new("rustup");
            rustup.args(["run", "nightly", "cargo", "-Zbuild-std=core"]);
            rustup.env_remove("RUSTC");
            rustup
        } else {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            // aya-ebpf uses inline assembly, which is unstable for this target.
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            cargo
        };
        for variable in
            ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "RUSTUP_TOOLCHAIN"]
        {
            cargo.env_remove(variable);
        }
        cargo.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &self.linker);
        cargo
    }
}

/// `CARGO_HOME`, set or not.
pub fn cargo_home() -> anyhow::Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")
}

/// Major version of the LLVM of Debian's compiler, if that is installed.
pub fn debian_llvm_major() -> Option<String> {
    version(&mut Command::new(DEBIAN_RUSTC)).map(|(_, llvm_major)| llvm_major)
}

/// What gets bpf-linker for an LLVM, as words of a command.
pub fn linker_install(llvm_major: &str) -> [String; 9] {
    let feature = format!("llvm-{llvm_major}");
    [
        "cargo",
        "install",
        "bpf-linker",
        "--version",
        LINKER_VERSION,
        "--locked",
        "--no-default-features",
        "--features",
        &feature,
    ]
    .map(str::to_owned)
}

/// A program in PATH or in the cargo home.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_bin = cargo_home().ok().map(|home| home.join("bin"));
    env::split_paths(&path).chain(cargo_bin).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn debian() -> Option<Compiler> {
    let (version, llvm_major) = version(&mut Command::new(DEBIAN_RUSTC))?;
    let libraries = output(Command::new(DEBIAN_RUSTC).args(["--print", "target-libdir", "--target", TARGET]))?;
    let sysroot = output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))?.into();
    Path::new(&libraries).is_dir().then_some(Compiler { version, llvm_major, sysroot, nightly: false })
}

fn nightly() -> Option<Compiler> {
    let run = || {
        let mut rustup = Command::new("rustup");
        rustup.args(["run", "nightly", "rustc"]);
        rustup
    };
    let (version, llvm_major) = version(&mut run())?;
    let sysroot = PathBuf::from(output(run().args(["--print", "sysroot"]))?);
    let sources = sysroot.join("lib/rustlib/src/rust/library/core");
    sources.is_dir().then_some(Compiler { version, llvm_major, sysroot, nightly: true })
}

/// The version line of a rustc and the major version of its LLVM.
fn version(rustc: &mut Command) -> Option<(String, String)> {
    let text = output(rustc.arg("-vV"))?;
    let llvm = text.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    Some((text.lines().next()?.to_owned(), llvm.split('.').next()?.to_owned()))
}

fn objcopy(llvm_major: &str, sysroot: &Path) -> Option<PathBuf> {
    let host = format!("lib/rustlib/{}-unknown-linux-gnu/bin/rust-objcopy", env::consts::ARCH);
    let here = [PathBuf::from(format!("/usr/lib/llvm-{llvm_major}/bin/llvm-objcopy")), sysroot.join(host)];
    here.into_iter()
        .find(|file| file.is_file())
        .or_else(|| program(&format!("llvm-objcopy-{llvm_major}")))
        .or_else(|| program("llvm-objcopy"))
}

/// Standard output of a program that succeeded, trimmed.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn no_compiler() -> String {
    let mut text = format!("no Rust compiler here can build for {TARGET}. Either of these can:\n");
    let _ = writeln!(text, "  Debian:  apt-get install --no-install-recommends rustc-web libstd-rust-web-dev-bpf");
    let _ = writeln!(text, "  rustup:  rustup toolchain install nightly --component rust-src");
    text + "`cargo xtask build-ebpf --install`, as root on Debian, does the first and gets bpf-linker too."
}

fn no_tools(llvm_major: &str) -> String {
    format!(
        "bpf-linker for LLVM {llvm_major}, or llvm-objcopy, is missing:\n  \
         apt-get install --no-install-recommends llvm-{llvm_major}-dev\n  LLVM_PREFIX=/usr/lib/llvm-{llvm_major} {}\n\
         `cargo xtask build-ebpf --install`, as root on Debian, does both.",
        linker_install(llvm_major).join(" ")
    )
}
