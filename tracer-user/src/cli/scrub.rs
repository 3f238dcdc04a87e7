//! `sesstrace scrub`: a recording without what others need not know: arguments, host, user.
//!
//! Must not: change what concerns job control.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use tracer_model::event::{Event, EventKind, Inspection};

use super::{
    copy::{Change, copy},
    exit::say,
    window::Window,
};
use crate::{
    redaction::{self, REMOVED, Redaction},
    trace_file::{Header, Scope},
};

/// Arguments of `scrub`.
#[derive(Debug, Args)]
pub struct ScrubArgs {
    /// The recording, `-` for standard input
    #[arg(value_name = "REC")]
    from: PathBuf,
    /// The new one: NAME.sesstrace is compact, any other name is JSON Lines
    #[arg(value_name = "NEW")]
    to: PathBuf,
    /// Remove only arguments that match, with * for anything: '--password=*'. Otherwise all but the program's name
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    redact: Vec<String>,
}

/// Writes the copy.
pub fn run(args: &ScrubArgs) -> anyhow::Result<ExitCode> {
    let redaction = if args.redact.is_empty() { Redaction::AllButNames } else { Redaction::matching(&args.redact) };
    let header = |header: &mut Header| {
        header.host.clear();
        header.user = None;
        // It is the same in all recordings between two starts of the machine.
        header.boot_id.clear();
        redaction.arguments(&mut header.command);
        if let (Scope::Tree { name, .. }, Redaction::AllButNames) = (&mut header.scope, &redaction) {
            redaction::keep_name(name);
        }
    };
    let event = |event: &mut Event| {
        redaction.event(event);
        if let EventKind::Inspected(inspection) = &mut event.kind {
            remove_paths(inspection);
        }
    };
    let code = copy(&args.from, &args.to, &Change { window: Window::default(), header: &header, event: &event })?;
    say("names of programs, process and user numbers, and times are still there: job control is told by them");
    Ok(code)
}

/// Paths tell of users and projects as arguments do. Devices and inodes stay: they say which descriptors are the same. Of a
/// cgroup it stays what kind of unit it is of: whose business a daemon is depends on that.
fn remove_paths(inspection: &mut Inspection) {
    let remove = |path: &mut Vec<u8>| {
        path.clear();
        path.extend_from_slice(REMOVED);
    };
    inspection.descriptors.iter_mut().flat_map(|it| &mut it.open).for_each(|it| remove(&mut it.path));
    inspection.directory.iter_mut().for_each(|it| remove(&mut it.path));
    inspection.program.iter_mut().for_each(remove);
    inspection.cgroup.iter_mut().for_each(remove_names);
}

/// The parts of a control group's path that are alike on every machine with systemd (systemd.special(7)), and those by which a
/// policy of `audit` knows a scheduler.
const COMMON: [&str; 13] = [
    "system",
    "user",
    "user-",
    "user@",
    "machine",
    "init",
    "app",
    "session",
    "session-",
    "background",
    "cron",
    "crond",
    "atd",
];

/// Removes every other part, but for its kind. Numbers of users and sessions stay.
fn remove_names(cgroup: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(cgroup).into_owned();
    let part = |part: &str| {
        let (stem, kind) = part.rsplit_once('.').filter(|(_, kind)| UNITS.contains(kind)).unwrap_or((part, ""));
        let dot = if kind.is_empty() { "" } else { "." };
        let common = stem.is_empty() || COMMON.contains(&stem.trim_end_matches(|it: char| it.is_ascii_digit()));
        if common { part.to_owned() } else { format!("{}{dot}{kind}", String::from_utf8_lossy(REMOVED)) }
    };
    let parts: Vec<String> = text.split('/').map(part).collect();
    *cgroup = parts.join("/").into_bytes();
}

/// Kinds of units that have a control group (systemd.resource-control(5)).
const UNITS: [&str; 6] = ["slice", "scope", "service", "socket", "mount", "swap"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_control_group_the_kinds_of_units_stay() {
        for (path, left) in [
            ("/", "/"),
            ("/system.slice/cron.service", "/system.slice/cron.service"),
            ("/system.slice/acme-merger.service", "/system.slice/[removed].service"),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/secret-customer.scope",
                "/user.slice/user-1000.slice/user@1000.service/app.slice/[removed].scope",
            ),
            ("/docker/3f2a9", "/[removed]/[removed]"),
        ] {
            let mut bytes = path.as_bytes().to_vec();
            remove_names(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), left);
        }
    }
}
