//! Calls and ends of processes of a suite, counted twice: by bpftrace, and in the recording.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tracer_common::record::Call;

/// How many, by name.
pub type Counts = BTreeMap<String, u64>;

/// Calls that are counted whatever their arguments are: all that are watched, but those of which a recording has some alone.
fn calls() -> impl Iterator<Item = &'static str> {
    let is_counted = |call: &Call| match call {
        Call::Ioctl | Call::Prctl | Call::Open | Call::Openat | Call::Openat2 | Call::Read | Call::Write => false,
        Call::Setpgid
        | Call::Setsid
        | Call::Kill
        | Call::Tkill
        | Call::Tgkill
        | Call::RtSigqueueinfo
        | Call::RtTgsigqueueinfo
        | Call::PidfdSendSignal
        | Call::Wait4
        | Call::Waitid
        | Call::Vhangup => true,
    };
    Call::ALL.iter().filter(move |(call, ..)| is_counted(call)).map(|(_, name, _)| *name)
}

/// Requests of ioctl (include/uapi/asm-generic/ioctls.h).
const REQUESTS: [(&str, u32); 3] = [("TIOCSPGRP", 0x5410), ("TIOCSCTTY", 0x540e), ("TIOCNOTTY", 0x5422)];
const CLONE_THREAD: u64 = 0x10000;

/// The other tracer.
pub struct Bpftrace(Child);

impl Bpftrace {
    /// Starts it, and waits until it counts.
    pub fn start(cgroup: &Path) -> anyhow::Result<Self> {
        let of_suite = format!("/cgroup == cgroupid(\"{}\")/", cgroup.display());
        let mut program = String::from("interval:ms:100 { printf(\"counting\\n\"); }\n");
        let mut count = |probe: &str, condition: &str, name: &str| {
            let end = if condition.is_empty() { "" } else { "}" };
            let _ = writeln!(program, "{probe} {of_suite} {{ {condition} @{name} = count(); {end} }}");
        };
        for call in calls() {
            count(&format!("tracepoint:syscalls:sys_enter_{call}"), "", call);
        }
        for (name, request) in REQUESTS {
            count("tracepoint:syscalls:sys_enter_ioctl", &format!("if (args->cmd == {request}) {{"), name);
        }
        count("tracepoint:task:task_newtask", &format!("if ((args->clone_flags & {CLONE_THREAD}) == 0) {{"), "fork");
        count("tracepoint:sched:sched_process_exec", "", "exec");
        // tracefs need not be mounted where everybody sees it.
        let script = "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; exec bpftrace -e \"$0\"";
        let mut bpftrace = Command::new("unshare")
            .args(["-m", "sh", "-c", script, &program])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run unshare")?;
        let out = bpftrace.stdout.as_mut().context("bpftrace has no output")?;
        // One byte at a time: what follows is read at the end.
        let mut line = String::new();
        while !line.ends_with("counting\n") {
            let mut byte = [0];
            ensure!(std::io::Read::read(out, &mut byte)? == 1, "bpftrace does not count: {line}");
            line.push(char::from(byte[0]));
        }
        Ok(Self(bpftrace))
    }

    /// Ends it, and takes what it counted.
    pub fn end(self) -> anyhow::Result<Counts> {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT).context("SIGINT to bpftrace")?;
        let output = self.0.wait_with_output().context("bpftrace")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let counted = text.lines().filter_map(|line| line.strip_prefix('@')?.split_once(": "));
        Ok(counted.filter_map(|(name, count)| Some((name.to_owned(), count.trim().parse().ok()?))).collect())
    }
}

/// Processes, each by its number and its start.
pub type Processes = BTreeSet<(u64, String)>;

/// What a recording says of the processes that were in a cgroup.
#[derive(Default)]
pub struct Recorded {
    /// Their calls, executions and children.
    pub counts: Counts,
    /// Which those were.
    pub inside: Processes,
    /// Who had each number last, whoever that was.
    last: BTreeMap<u64, String>,
    /// Findings of the whole machine, by rule.
    pub findings: Counts,
}

/// Reads a recording as it is replayed: as text a fork storm is gigabytes, and nobody keeps it. Findings also go to a file.
pub fn of_recording(sesstrace: &str, recording: &Path, cgroup: u64, findings: &Path) -> anyhow::Result<Recorded> {
    let mut replay = Command::new(sesstrace)
        .args(["replay", "--json"])
        .arg(recording)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run sesstrace replay")?;
    let lines = replay.stdout.take().context("sesstrace replay has no output")?;
    let read = read(BufReader::new(lines), cgroup, File::create(findings)?);
    // What is not read to its end ends by that.
    let status = replay.wait()?;
    let recorded = read?;
    // 3: records were lost; then the counts tell.
    ensure!(matches!(status.code(), Some(0 | 3)), "sesstrace replay failed on {}", recording.display());
    Ok(recorded)
}

/// Counts events, one object a line, and passes findings on.
fn read(lines: impl BufRead, cgroup: u64, mut findings: impl Write) -> anyhow::Result<Recorded> {
    let cgroup = Value::from(cgroup.to_string());
    let mut recorded = Recorded::default();
    for line in lines.lines() {
        let line = line?;
        let event: Value = serde_json::from_str(&line).context("a line that is no JSON")?;
        if event.get("kind").and_then(Value::as_str) == Some("finding") {
            let rule = event.get("rule").and_then(Value::as_str).context("a finding without its rule")?;
            *recorded.findings.entry(rule.to_owned()).or_insert(0) += 1;
            writeln!(findings, "{line}")?;
            continue;
        }
        let Some(by) = event.get("by").and_then(process) else { continue };
        if let Some(of) = event.get("of")
            && let Some(subject) = process(of)
        {
            if of.get("cgroup") == Some(&cgroup) {
                recorded.inside.insert(subject.clone());
            }
            if matches!(event.get("kind").and_then(Value::as_str), Some("new_task" | "snapshot")) {
                recorded.last.insert(subject.0, subject.1);
            }
        }
        if let Some(name) = name(&event).filter(|_| recorded.inside.contains(&by)) {
            *recorded.counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    Ok(recorded)
}

/// How many of a recording's processes that were in the cgroup it ends with: their groups and sessions have not ended in it. All of
/// them have in fact.
pub fn not_closed(sesstrace: &str, recording: &Path, recorded: &Recorded) -> anyhow::Result<u64> {
    let mut ps = Command::new(sesstrace);
    let output = ps.args(["ps", "-e", "-o", "pid"]).arg(recording).output().context("cannot run sesstrace ps")?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    // A number that another process has by now is nobody's of the suite.
    let is_gone = |pid: &u64| !Path::new(&format!("/proc/{pid}")).exists();
    let open = listed.lines().filter_map(|line| line.trim().parse().ok());
    Ok(open.filter(|pid| recorded.had_last(*pid)).filter(is_gone).count() as u64)
}

impl Recorded {
    /// Whether the last process with this number was in the cgroup: on a busy machine numbers are used again soon.
    fn had_last(&self, pid: u64) -> bool {
        self.last.get(&pid).is_some_and(|start| self.inside.contains(&(pid, start.clone())))
    }
}

fn process(it: &Value) -> Option<(u64, String)> {
    Some((it.get("pid")?.as_u64()?, it.get("start")?.as_str()?.to_owned()))
}

/// The name under which an event is counted.
fn name(event: &Value) -> Option<&str> {
    match event.get("kind")?.as_str()? {
        "enter" => {
            let call = event.get("call")?;
            let name = call.get("name")?.as_str()?;
            if name != "ioctl" {
                return calls().any(|it| it == name).then_some(name);
            }
            let request = call.get("request")?.as_str()?;
            REQUESTS.iter().any(|(name, _)| *name == request).then_some(request)
        }
        "new_task" => (event.get("flags")?.as_u64()? & CLONE_THREAD == 0).then_some("fork"),
        "exec" => Some("exec"),
        _ => None,
    }
}

/// Names of which the counts differ, with both.
pub fn differences(ours: &Counts, theirs: &Counts) -> Vec<String> {
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let count = |counts: &Counts, name: &String| counts.get(name).copied().unwrap_or(0);
    let differ = |name: &&String| count(ours, name) != count(theirs, name);
    let said = |name: &String| format!("{name}: {} recorded, {} counted", count(ours, name), count(theirs, name));
    names.into_iter().filter(differ).map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_not_recorded_is_told() {
        let counts = |list: &[(&str, u64)]| list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let (ours, theirs): (Counts, Counts) =
            (counts(&[("fork", 2), ("kill", 1)]), counts(&[("fork", 3), ("kill", 1)]));
        assert_eq!(differences(&ours, &theirs), ["fork: 2 recorded, 3 counted"]);
    }

    #[test]
    fn what_is_replayed_is_counted_line_by_line() {
        let lines = concat!(
            r#"{"kind":"header","sesstrace":"1.1"}"#,
            "\n",
            r#"{"kind":"new_task","flags":0,"by":{"pid":5,"start":"1"},"of":{"pid":6,"start":"2","cgroup":"9"}}"#,
            "\n",
            r#"{"kind":"exec","by":{"pid":6,"start":"2"},"of":{"pid":6,"start":"2","cgroup":"9"}}"#,
            "\n",
            r#"{"kind":"exec","by":{"pid":7,"start":"3"},"of":{"pid":7,"start":"3","cgroup":"8"}}"#,
            "\n",
            r#"{"kind":"finding","rule":"JC102"}"#,
            "\n",
        );
        let mut findings = Vec::new();
        let recorded = read(lines.as_bytes(), 9, &mut findings).unwrap();
        assert_eq!(recorded.counts, Counts::from([("exec".to_owned(), 1)]), "the fork is another cgroup's");
        assert_eq!(recorded.inside, Processes::from([(6, "2".to_owned())]));
        assert_eq!(recorded.findings, Counts::from([("JC102".to_owned(), 1)]));
        assert_eq!(findings, b"{\"kind\":\"finding\",\"rule\":\"JC102\"}\n");
    }

    /// Process 6 of the cgroup has ended, and another one has its number.
    #[test]
    fn a_number_that_is_used_again_is_nobodys_of_the_suite() {
        let born = |start: &str, cgroup: &str| {
            format!(
                r#"{{"kind":"new_task","flags":0,"by":{{"pid":5,"start":"1"}},"of":{{"pid":6,"start":"{start}","cgroup":"{cgroup}"}}}}"#
            )
        };
        let recorded = |lines: &[String]| read(lines.join("\n").as_bytes(), 9, Vec::new()).unwrap();
        assert!(recorded(&[born("2", "9")]).had_last(6));
        assert!(!recorded(&[born("2", "9"), born("3", "8")]).had_last(6));
    }

    #[test]
    fn requests_are_counted_by_their_own_names() {
        let event = serde_json::json!({"kind": "enter", "call": {"name": "ioctl", "request": "TIOCSPGRP"}});
        assert_eq!(name(&event), Some("TIOCSPGRP"));
        let thread = serde_json::json!({"kind": "new_task", "flags": CLONE_THREAD});
        assert_eq!(name(&thread), None);
    }
}
