//! `sesstrace doctor`: what this system allows, and for every "no" the one thing that changes it.

use std::{fmt::Write as _, io::Write, process::ExitCode};

use clap::Args;

use super::exit::unwritable;
use crate::capture::{
    CaptureError,
    ebpf::{
        costs::{Baseline, Cost, Costs},
        load::Outcome,
        probes::Need,
    },
    examine::{Examination, Fields},
    facts::{self, Lockdown},
    setcap_command,
};

/// Probes cannot be used, ptrace could.
const ONLY_PTRACE: u8 = 3;
/// Neither can.
const NOTHING: u8 = 4;

/// Width of the column of labels.
const LABEL: usize = 14;
/// Where lists are broken.
const WIDTH: usize = 100;

/// What to look at.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also measure what the probes cost a system call
    #[arg(long)]
    costs: bool,
}

/// All that is reported.
#[derive(Debug)]
pub struct Report {
    examination: Examination,
    costs: Option<Result<Costs, CaptureError>>,
}

/// Examines the system and says what was found.
pub fn run(args: &DoctorArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // Before the examination attaches anything: detaching takes seconds.
    let baseline = args.costs.then(Baseline::take);
    let examination = Examination::run();
    let costs = baseline.filter(|_| examination.ebpf_works()).map(Baseline::compare);
    let report = Report { examination, costs };
    out.write_all(render(&report).as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| unwritable("the findings to standard output", error))?;
    Ok(exit_code(&report.examination))
}

fn exit_code(examination: &Examination) -> ExitCode {
    if examination.ebpf_works() {
        ExitCode::SUCCESS
    } else if examination.ptrace.is_ok() {
        ExitCode::from(ONLY_PTRACE)
    } else {
        ExitCode::from(NOTHING)
    }
}

/// One thing that was looked at.
struct Line {
    label: &'static str,
    text: String,
    /// Continuation lines.
    more: Vec<String>,
    fix: Option<String>,
}

impl Line {
    fn new(label: &'static str, text: impl Into<String>) -> Self {
        Self { label, text: text.into(), more: Vec::new(), fix: None }
    }

    /// With a remedy; "look at this report" is none here.
    fn fix(mut self, fix: impl Into<Option<String>>) -> Self {
        self.fix = fix.into().filter(|fix| fix != "sesstrace doctor");
        self
    }
}

/// The report in words.
#[must_use]
pub fn render(report: &Report) -> String {
    let Report { examination, costs } = report;
    let mut lines = vec![
        kernel(examination),
        types(&examination.layout),
        lockdown(&examination.lockdown),
        privileges(examination.capabilities),
        sysctls(examination),
        tracefs(&examination.tracefs),
    ];
    lines.extend(probes(&examination.probes));
    lines.push(trampolines(examination));
    lines.extend(ptrace(examination));
    lines.extend(costs.as_ref().map(cost_lines));
    lines.push(verdict(examination));
    let mut text = String::new();
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:LABEL$}{}", line.label, line.text);
        for more in line.more {
            let _ = writeln!(text, "{:LABEL$}{more}", "");
        }
        if let Some(fix) = line.fix {
            let _ = writeln!(text, "{:LABEL$}fix: {fix}", "");
        }
    }
    text
}

fn kernel(examination: &Examination) -> Line {
    let release = &examination.release;
    let mut line = Line::new("kernel", release);
    if facts::kernel_version(release).is_some_and(|version| version < (6, 1)) {
        line = Line::new("kernel", format!("{release}: the probes are made for 6.1 and later"));
        line.fix = Some("boot kernel 6.1 or later".to_owned());
    }
    if !examination.initial_pid_namespace {
        line.more
            .push("in a pid namespace: ptrace knows its numbers, the probes only those of the initial one".to_owned());
    }
    line
}

fn types(layout: &Result<Fields, CaptureError>) -> Line {
    match layout {
        Ok(fields) => {
            let mut line = Line::new("types (BTF)", format!("{} fields found", fields.found));
            for path in &fields.missing {
                line.more.push(format!("missing: {path}; no probes without it"));
                line.fix = Some("boot another kernel, or report this one".to_owned());
            }
            let without = |path: &&str| format!("not here: {path}; the probes go without it");
            line.more.extend(fields.absent.iter().map(without));
            line
        }
        Err(error) => Line::new("types (BTF)", error.to_string()).fix(error.hint()),
    }
}

fn lockdown(lockdown: &Lockdown) -> Line {
    match lockdown {
        Lockdown::None => Line::new("lockdown", "none"),
        Lockdown::Integrity => Line::new("lockdown", "integrity: tracepoints are allowed"),
        Lockdown::Confidentiality => Line::new("lockdown", "confidentiality: no program may read kernel memory")
            .fix("boot with lockdown=integrity or lockdown=none".to_owned()),
        Lockdown::Unknown(why) => Line::new("lockdown", format!("unknown: {why}"))
            .fix("sudo mount -t securityfs securityfs /sys/kernel/security".to_owned()),
    }
}

fn privileges(mask: u64) -> Line {
    let rows =
        |present: bool| facts::CAPABILITIES.iter().filter(move |row| facts::has_capability(mask, row.0) == present);
    let names = rows(true).map(|row| row.1).collect::<Vec<_>>().join(" ");
    let mut line =
        Line::new("privileges", if names.is_empty() { "none of those that matter".to_owned() } else { names });
    for (_, name, what) in rows(false) {
        line.more.push(format!("missing: {name}, to {what}"));
        line.fix = Some(setcap_command());
    }
    line
}

fn sysctls(examination: &Examination) -> Line {
    let shown =
        |name: &str, value: Option<i32>| value.map_or_else(|| format!("no {name}"), |value| format!("{name} {value}"));
    let text = [
        shown("unprivileged_bpf_disabled", examination.unprivileged_bpf_disabled),
        shown("perf_event_paranoid", examination.perf_event_paranoid),
    ];
    Line::new("sysctls", format!("{} (neither matters with cap_bpf and cap_perfmon)", text.join(", ")))
}

fn tracefs(tracefs: &Result<&'static str, CaptureError>) -> Line {
    match tracefs {
        Ok(place) => Line::new("tracefs", format!("reached through {place}")),
        Err(error) => Line::new("tracefs", error.to_string()).fix(error.hint()),
    }
}

fn probes(probes: &Result<Vec<Outcome>, CaptureError>) -> Vec<Line> {
    let outcomes = match probes {
        Ok(outcomes) => outcomes,
        Err(error) => return vec![Line::new("probes", format!("none: {error}")).fix(error.hint())],
    };
    let (good, bad): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|outcome| outcome.result.is_ok());
    let mut line = Line::new("probes", format!("{} of {} load and attach", good.len(), outcomes.len()));
    line.more = wrapped(&names(&good));
    let mut lines = vec![line];
    for outcome in bad {
        let Err(error) = &outcome.result else { continue };
        let consequence = match outcome.probe.need {
            Need::Required => "no capture without it",
            Need::Optional => "its events are missing",
            Need::TtyIo => "no --tty-io",
            Need::Attributes => "no audit of a command, no audit --watch, no --attributes",
        };
        let mut line = Line::new("", format!("{}: {error}", outcome.probe.name)).fix(error.hint());
        line.more.push(format!("(its hook is there since {}; {consequence})", outcome.probe.since));
        lines.push(line);
    }
    lines
}

/// Names of probes; a call whose two programs are both here is named once, and those of attributes are counted.
fn names(outcomes: &[&Outcome]) -> Vec<String> {
    let is_attribute = |outcome: &&&Outcome| outcome.probe.need == Need::Attributes;
    let attributes = outcomes.iter().filter(is_attribute).count();
    let programs =
        || outcomes.iter().filter(|outcome| !is_attribute(outcome)).map(|outcome| outcome.probe.name.as_str());
    let other_side = |program: &str| match program.split_once('_') {
        Some(("enter", call)) => programs().any(|other| other.strip_prefix("leave_") == Some(call)),
        Some(("leave", call)) => programs().any(|other| other.strip_prefix("enter_") == Some(call)),
        _ => false,
    };
    let name = |program: &str| match program.split_once('_') {
        Some(("leave", call)) if other_side(program) => Some(call.to_owned()),
        Some(("enter", _)) if other_side(program) => None,
        _ => Some(program.to_owned()),
    };
    let counted = (attributes > 0).then(|| format!("attributes:{attributes}"));
    programs().filter_map(name).chain(counted).collect()
}

/// Words in lines of at most [`WIDTH`].
fn wrapped(words: &[String]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if LABEL + line.len() + 1 + word.len() > WIDTH {
            lines.push(word.clone());
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

fn trampolines(examination: &Examination) -> Line {
    let may_try = [38, 39].iter().all(|number| facts::has_capability(examination.capabilities, *number));
    let text = match examination.trampoline {
        Ok(()) => "allowed, and not used by this release".to_owned(),
        Err(_) if !may_try => "not tried, for lack of privileges".to_owned(),
        Err(errno) => format!("refused by this kernel ({errno:?}): the tier is tracepoint"),
    };
    Line::new("trampolines", text)
}

fn ptrace(examination: &Examination) -> Vec<Line> {
    // Documentation/admin-guide/LSM/Yama.rst.
    let scope = match examination.ptrace_scope {
        None => "no Yama".to_owned(),
        Some(scope) => {
            let meaning = match scope {
                0 => "every process of the same user",
                1 => "what sesstrace started; -p needs sudo",
                2 => "only with cap_sys_ptrace",
                _ => "nobody, until the next boot",
            };
            format!("Yama ptrace_scope {scope}: {meaning}")
        }
    };
    if let Err(error) = &examination.ptrace {
        return vec![Line::new("ptrace", format!("{error} ({scope})")).fix(error.hint())];
    }
    let mut line = Line::new("ptrace", format!("works ({scope})"));
    if let Err(error) = &examination.filters {
        return vec![line, Line::new("", error.to_string()).fix(error.hint())];
    }
    line.more.push("seccomp filters work: only watched calls stop".to_owned());
    vec![line]
}

fn cost_lines(costs: &Result<Costs, CaptureError>) -> Line {
    let costs = match costs {
        Ok(costs) => costs,
        Err(error) => return Line::new("costs", format!("not measured: {error}")).fix(error.hint()),
    };
    let row = |what: &str, cost: Cost| {
        let ratio = cost.with / cost.without;
        format!("{what:42}{:6.0} ns  {:6.0} ns  {ratio:5.2} x", cost.without, cost.with)
    };
    let mut line =
        Line::new("costs", format!("{:42}{:>9}  {:>9}", "of a system call, on every process", "without", "with"));
    line.more = vec![
        row("not watched (getppid)", costs.unwatched),
        row("watched, of nobody who is followed (kill)", costs.watched),
        row("watched and recorded (kill)", costs.recorded),
        "the fastest of many repetitions; other work on this machine still shows: trust the ratios".to_owned(),
    ];
    line
}

fn verdict(examination: &Examination) -> Line {
    if examination.ebpf_works() {
        let taken = if examination.initial_pid_namespace { "-b auto takes it" } else { "-b auto takes it for --all" };
        return Line::new("verdict", format!("eBPF works, tracepoint tier; {taken}"));
    }
    let fix = match &examination.probes {
        Err(error) => error.hint(),
        Ok(outcomes) => {
            let needed = outcomes.iter().filter(|outcome| outcome.probe.need == Need::Required);
            needed.filter_map(|outcome| outcome.result.as_ref().err()).find_map(CaptureError::hint)
        }
    };
    let text = if examination.ptrace.is_ok() {
        "ptrace works, eBPF does not; -b auto takes ptrace"
    } else {
        "neither eBPF nor ptrace works"
    };
    Line::new("verdict", text).fix(fix)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use nix::errno::Errno;

    use super::*;
    use crate::capture::ebpf::probes::probes;

    fn outcomes(refuse: &[&str]) -> Vec<Outcome> {
        let result = |program: &str| {
            if !refuse.contains(&program) {
                return Ok(());
            }
            let what = format!("load the probe {program}");
            Err(CaptureError::NotPermitted { what, errno: Errno::EPERM, needs: "cap_bpf and cap_perfmon" })
        };
        probes().into_iter().map(|probe| Outcome { result: result(&probe.name), probe }).collect()
    }

    fn healthy() -> Examination {
        Examination {
            release: "6.18.44-test".to_owned(),
            initial_pid_namespace: true,
            layout: Ok(Fields { found: 54, ..Fields::default() }),
            lockdown: Lockdown::Integrity,
            capabilities: u64::MAX,
            unprivileged_bpf_disabled: Some(2),
            perf_event_paranoid: Some(2),
            ptrace_scope: None,
            tracefs: Ok("a mount of our own"),
            trampoline: Err(Errno::EPERM),
            probes: Ok(outcomes(&[])),
            ptrace: Ok(()),
            filters: Ok(()),
        }
    }

    /// The report with this program's path, which differs from machine to machine, cut out.
    fn rendered(examination: Examination, costs: Option<Costs>) -> String {
        let path = std::env::current_exe().unwrap();
        render(&Report { examination, costs: costs.map(Ok) }).replace(&path.display().to_string(), "PATH")
    }

    #[test]
    fn a_healthy_system() {
        let cost = |without, with| Cost { without, with };
        let costs = Costs { unwatched: cost(112.0, 151.0), watched: cost(120.0, 330.0), recorded: cost(120.0, 1230.5) };
        expect![[r"
            kernel        6.18.44-test
            types (BTF)   54 fields found
            lockdown      integrity: tracepoints are allowed
            privileges    cap_bpf cap_perfmon cap_sys_ptrace cap_dac_read_search
            sysctls       unprivileged_bpf_disabled 2, perf_event_paranoid 2 (neither matters with cap_bpf and cap_perfmon)
            tracefs       reached through a mount of our own
            probes        63 of 63 load and attach
                          newtask exec exit switch free signal_generate signal_deliver snapshot setpgid setsid
                          kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal ioctl wait4
                          waitid prctl vhangup open openat openat2 read write attributes:19
            trampolines   refused by this kernel (EPERM): the tier is tracepoint
            ptrace        works (no Yama)
                          seccomp filters work: only watched calls stop
            costs         of a system call, on every process          without       with
                          not watched (getppid)                        112 ns     151 ns   1.35 x
                          watched, of nobody who is followed (kill)    120 ns     330 ns   2.75 x
                          watched and recorded (kill)                  120 ns    1230 ns  10.25 x
                          the fastest of many repetitions; other work on this machine still shows: trust the ratios
            verdict       eBPF works, tracepoint tier; -b auto takes it
        "]]
        .assert_eq(&rendered(healthy(), Some(costs)));
    }

    #[test]
    fn an_ordinary_user() {
        let refused = || CaptureError::NotPermitted {
            what: "create the maps of the probes".to_owned(),
            errno: Errno::EPERM,
            needs: "cap_bpf",
        };
        let examination = Examination {
            capabilities: 0,
            lockdown: Lockdown::Unknown("securityfs is not mounted, and mounting it failed: EPERM".to_owned()),
            tracefs: Err(CaptureError::NotPermitted {
                what: "open tracefs at /sys/kernel/tracing".to_owned(),
                errno: Errno::EACCES,
                needs: "cap_dac_read_search",
            }),
            trampoline: Err(Errno::EPERM),
            probes: Err(refused()),
            ..healthy()
        };
        assert_eq!(exit_code(&examination), ExitCode::from(ONLY_PTRACE));
        expect![[r"
            kernel        6.18.44-test
            types (BTF)   54 fields found
            lockdown      unknown: securityfs is not mounted, and mounting it failed: EPERM
                          fix: sudo mount -t securityfs securityfs /sys/kernel/security
            privileges    none of those that matter
                          missing: cap_bpf, to create maps and load programs
                          missing: cap_perfmon, to read kernel memory in programs and attach them
                          missing: cap_sys_ptrace, to look at processes of other users
                          missing: cap_dac_read_search, to read the numbers of tracepoints, and other users' descriptors
                          fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep PATH
            sysctls       unprivileged_bpf_disabled 2, perf_event_paranoid 2 (neither matters with cap_bpf and cap_perfmon)
            tracefs       cannot open tracefs at /sys/kernel/tracing: EACCES (Permission denied): needs cap_dac_read_search
                          fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep PATH
            probes        none: cannot create the maps of the probes: EPERM (Operation not permitted): needs cap_bpf
                          fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep PATH
            trampolines   not tried, for lack of privileges
            ptrace        works (no Yama)
                          seccomp filters work: only watched calls stop
            verdict       ptrace works, eBPF does not; -b auto takes ptrace
                          fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep PATH
        "]].assert_eq(&rendered(examination, None));
    }

    #[test]
    fn every_probe_that_fails_is_named_with_its_consequence() {
        let examination = Examination { probes: Ok(outcomes(&["newtask", "leave_openat2"])), ..healthy() };
        assert!(!examination.ebpf_works());
        let text = rendered(examination, None);
        expect![[r"
            probes        61 of 63 load and attach
                          exec exit switch free signal_generate signal_deliver snapshot setpgid setsid kill
                          tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal ioctl wait4 waitid
                          prctl vhangup open openat enter_openat2 read write attributes:19
                          newtask: cannot load the probe newtask: EPERM (Operation not permitted): needs cap_bpf and cap_perfmon
                          (its hook is there since 5.5; no capture without it)
                          fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep PATH
                          leave_openat2: cannot load the probe leave_openat2: EPERM (Operation not permitted): needs cap_bpf and cap_perfmon
                          (its hook is there since 5.6; its events are missing)
                          fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep PATH
            trampolines   refused by this kernel (EPERM): the tier is tracepoint
            ptrace        works (no Yama)
                          seccomp filters work: only watched calls stop
            verdict       ptrace works, eBPF does not; -b auto takes ptrace
                          fix: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep PATH
        "]].assert_eq(&text[text.find("probes").unwrap()..]);
    }

    #[test]
    fn one_optional_probe_is_no_obstacle() {
        let examination = Examination { probes: Ok(outcomes(&["leave_openat2"])), ..healthy() };
        assert_eq!(exit_code(&examination), ExitCode::SUCCESS);
    }

    #[test]
    fn every_no_has_a_remedy() {
        let examination = Examination {
            release: "5.10.0-30-amd64".to_owned(),
            initial_pid_namespace: false,
            layout: Ok(Fields {
                found: 52,
                missing: vec!["signal_struct.tty_old_pgrp".to_owned(), "pid.numbers".to_owned()],
                absent: vec!["pid.ino"],
            }),
            lockdown: Lockdown::Confidentiality,
            tracefs: Err(CaptureError::NoTracefs),
            probes: Err(CaptureError::MissingFields {
                release: "5.10.0-30-amd64".to_owned(),
                fields: vec!["pid.numbers".to_owned()],
            }),
            ptrace: Err(CaptureError::PtraceRefused {
                what: "trace a process with ptrace".to_owned(),
                why: "EPERM: kernel.yama.ptrace_scope is 3, and nobody may until the next boot".to_owned(),
                fix: Some("-b ebpf, or boot with kernel.yama.ptrace_scope=1".to_owned()),
            }),
            ptrace_scope: Some(3),
            ..healthy()
        };
        assert_eq!(exit_code(&examination), ExitCode::from(NOTHING));
        expect![[r"
            kernel        5.10.0-30-amd64: the probes are made for 6.1 and later
                          in a pid namespace: ptrace knows its numbers, the probes only those of the initial one
                          fix: boot kernel 6.1 or later
            types (BTF)   52 fields found
                          missing: signal_struct.tty_old_pgrp; no probes without it
                          missing: pid.numbers; no probes without it
                          not here: pid.ino; the probes go without it
                          fix: boot another kernel, or report this one
            lockdown      confidentiality: no program may read kernel memory
                          fix: boot with lockdown=integrity or lockdown=none
            privileges    cap_bpf cap_perfmon cap_sys_ptrace cap_dac_read_search
            sysctls       unprivileged_bpf_disabled 2, perf_event_paranoid 2 (neither matters with cap_bpf and cap_perfmon)
            tracefs       cannot open tracefs: it is not mounted, and mounting it needs cap_sys_admin
                          fix: sudo mount -t tracefs tracefs /sys/kernel/tracing
            probes        none: kernel 5.10.0-30-amd64 lacks fields that the probes read: pid.numbers
            trampolines   refused by this kernel (EPERM): the tier is tracepoint
            ptrace        cannot trace a process with ptrace: EPERM: kernel.yama.ptrace_scope is 3, and nobody may until the next boot (Yama ptrace_scope 3: nobody, until the next boot)
                          fix: -b ebpf, or boot with kernel.yama.ptrace_scope=1
            verdict       neither eBPF nor ptrace works
        "]].assert_eq(&rendered(examination, None));
    }
}
