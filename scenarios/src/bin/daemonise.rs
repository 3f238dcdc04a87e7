//! A daemon of the zoo: becomes one by what Rust programs use for that, and sleeps. `daemonise crate`: the crate daemonize;
//! `daemonise nix`: daemon(3).

use std::{thread, time::Duration};

use anyhow::{Context as _, bail};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("crate") => daemonize::Daemonize::new().start().context("daemonize")?,
        Some("nix") => nix::unistd::daemon(false, false).context("daemon")?,
        _ => bail!("daemonise crate|nix"),
    }
    thread::sleep(Duration::from_mins(10));
    Ok(())
}
