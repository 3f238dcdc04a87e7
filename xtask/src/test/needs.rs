//! What the tests need besides cargo: shells, programs of the terminal, parts of the toolchain. Installs it as root on Debian, else names it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

/// Programs, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 34] = [
    ("bash", "bash"),
    ("dash", "dash"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("mksh", "mksh"),
    ("yash", "yash"),
    ("less", "less"),
    ("vi", "vim"),
    ("top", "procps"),
    ("ps", "procps"),
    ("ssh-agent", "openssh-client"),
    ("ssh-add", "openssh-client"),
    ("ssh", "openssh-client"),
    ("sshd", "openssh-server"),
    ("cron", "cron"),
    ("atd", "at"),
    ("script", "bsdutils"),
    ("tmux", "tmux"),
    ("make", "make"),
    ("timeout", "coreutils"),
    ("setsid", "util-linux"),
    ("setpriv", "util-linux"),
    ("sudo", "sudo"),
    ("tini", "tini"),
    ("dumb-init", "dumb-init"),
    ("perl", "perl-base"),
    ("cmp", "diffutils"),
    ("git", "git"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("groff", "groff-base"),
    ("jsonschema", "python3-jsonschema"),
    ("zstd", "zstd"),
    ("strace", "strace"),
];

/// Parts of the Rust toolchain: the cargo command and the rustup component.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

/// Installs what is missing, or says how to.
pub fn install() -> anyhow::Result<()> {
    let packages: Vec<&str> = PROGRAMS.iter().filter(|(name, _)| !has(name)).map(|(_, package)| *package).collect();
    if !packages.is_empty() {
        let wanted = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
        if !has("apt-get") || !is_root() {
            bail!("the tests need {}; as root: {wanted}", packages.join(", "));
        }
        run(Command::new("apt-get").arg("update"))?;
        run(Command::new("sh").args(["-c", &wanted]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    for (command, component) in COMPONENTS {
        if !has_cargo(command) {
            run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("the tests need the component {component}"))?;
        }
    }
    Ok(())
}

/// Mounts tracefs where everybody sees it, as a machine has it on which somebody traces with four capabilities: these are not
/// enough to mount it. What needs it and does not find it says so.
pub fn mount_tracefs() {
    const PLACE: &str = "/sys/kernel/tracing";
    if is_root() && !succeeds(Command::new("mountpoint").args(["-q", PLACE])) {
        succeeds(Command::new("mount").args(["-t", "tracefs", "tracefs", PLACE]));
    }
}

/// Removes what cargo keeps of packages of ours that an earlier run made: it knows them by name and version, and would build
/// the new ones with the old.
pub fn forget_packages() -> anyhow::Result<()> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let Some(sources) = home.map(|home| home.join("registry/src")).filter(|sources| sources.exists()) else {
        return Ok(());
    };
    for registry in fs::read_dir(&sources).with_context(|| sources.display().to_string())? {
        let registry = registry?;
        // That of a packaging run has no name, only a hash.
        if !registry.file_name().to_string_lossy().starts_with('-') {
            continue;
        }
        for package in fs::read_dir(registry.path())? {
            let package = package?;
            if package.file_name().to_string_lossy().starts_with("tracer-") {
                fs::remove_dir_all(package.path()).with_context(|| package.path().display().to_string())?;
            }
        }
    }
    Ok(())
}

/// Whether `cargo NAME` is there.
pub fn has_cargo(name: &str) -> bool {
    let mut command = Command::new("cargo");
    succeeds(command.args([name, "--version"]))
}

fn has(program: &str) -> bool {
    succeeds(Command::new("sh").args(["-c", "command -v \"$0\"", program]))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status().with_context(|| format!("cannot run {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}
