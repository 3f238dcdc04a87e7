//! `cargo xtask vm`: boots Debian's kernels in an emulator and runs tests on them, for the verifiers, the fields and the
//! security modules of kernels that nobody here runs.
//!
//! Must not: install a kernel, or need `/dev/kvm`: the emulator does it in software, some minutes for each kernel.

mod guest;
mod kernel;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// Run tests on other kernels, in an emulator.
#[derive(clap::Args)]
pub struct Arguments {
    /// Series of Debian's cloud kernels.
    #[arg(default_values = ["6.1", "6.12"])]
    series: Vec<String>,
    /// Install the emulator if it is missing (root, Debian); where it or the kernels cannot be had, say so and succeed.
    #[arg(long)]
    if_possible: bool,
}

/// Programs, and the Debian packages that have them.
const NEEDS: [(&str, &str); 4] =
    [("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static"), ("cpio", "cpio"), ("apt-get", "apt")];

/// How long a kernel may take to boot, run and power off.
const LIMIT: Duration = Duration::from_mins(30);

/// Runs the verb.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = crate::root()?;
    let folder = root.join("target/vm");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let kernels = match kernels(arguments, &folder) {
        Err(error) if arguments.if_possible => return skip(&error),
        kernels => kernels?,
    };
    let initramfs = guest::initramfs(&root, &folder)?;
    let mut failed = Vec::new();
    for (name, image) in kernels {
        let log = folder.join(format!("{name}.log"));
        let passed = boot(&image, &initramfs, &log)?;
        say(&format!("{} {name}: {}", if passed { "passed" } else { "FAILED" }, log.display()));
        if !passed {
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("sesstrace does not work on {}", failed.join(", ")) }
}

/// Names and images of the kernels, with what is needed to boot them.
fn kernels(arguments: &Arguments, folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let missing: Vec<_> = NEEDS.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        let install = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
        if !arguments.if_possible {
            bail!("the emulator needs: {install}");
        }
        output(Command::new("sh").args(["-c", &format!("apt-get update && {install}")]))?;
    }
    arguments.series.iter().map(|series| kernel::image(series, folder)).collect()
}

/// What cannot be tried is told, and fails where it must be.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skip(error: &anyhow::Error) -> anyhow::Result<()> {
    if std::env::var("SESSTRACE_REQUIRE").is_ok_and(|required| required.split(',').any(|item| item == "vm")) {
        bail!("no other kernel was tried, and SESSTRACE_REQUIRE contains vm: {error:#}");
    }
    eprintln!("SKIPPED: no other kernel was tried: {error:#}");
    Ok(())
}

/// Boots a kernel with the guest's file system, its console into `log`. True when the guest says that all went well.
fn boot(image: &Path, initramfs: &Path, log: &PathBuf) -> anyhow::Result<bool> {
    let console = File::create(log).with_context(|| log.display().to_string())?;
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", "2048", "-smp", "2", "-nographic", "-no-reboot"])
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(initramfs)
        // On a busy machine the emulated timer comes too late for the kernel's test of it.
        .args(["-append", "console=ttyS0 panic=-1 quiet no_timer_check"])
        .stdin(Stdio::null())
        .stdout(console)
        .spawn()
        .context("cannot run qemu-system-x86_64")?;
    let started = Instant::now();
    while qemu.try_wait()?.is_none() {
        if started.elapsed() > LIMIT {
            qemu.kill()?;
            qemu.wait()?;
            bail!("the guest did not power off in {} s: {}", LIMIT.as_secs(), log.display());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let console = fs::read(log).with_context(|| log.display().to_string())?;
    let console = String::from_utf8_lossy(&console);
    console.lines().filter(|line| line.starts_with("vm: ")).for_each(|line| say(line.trim_end()));
    Ok(console.contains(guest::PASSED))
}

fn is_there(program: &str) -> bool {
    let mut which = Command::new("sh");
    which.args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null());
    which.status().is_ok_and(|status| status.success())
}

/// Standard output of a program that succeeded.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of {command:?}"))
}

#[expect(clippy::print_stdout, reason = "what a developer runs this for")]
fn say(text: &str) {
    println!("{text}");
}
