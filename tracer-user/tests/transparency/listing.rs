//! What ps lists, with the numbers of processes replaced by what the processes are.

use crate::observation::Facts;

/// What is asked of ps, of all processes of the terminal, and what [`facts`] reads. Numbers may have begun anew, so that their
/// order is not that of the starts.
pub const PS: &str = "ps T --sort start_time,pid -o pid=,ppid=,pgid=,sid=,tpgid=,tty=,stat=,comm=";

struct Row<'a> {
    pid: &'a str,
    ppid: &'a str,
    pgid: &'a str,
    sid: &'a str,
    tpgid: &'a str,
    tty: &'a str,
    stat: &'a str,
    comm: &'a str,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [pid, ppid, pgid, sid, tpgid, tty, stat, comm] = words[..8] else { unreachable!("eight words") };
        Self { pid, ppid, pgid, sid, tpgid, tty, stat, comm }
    }
}

/// The processes on a terminal, one of which was started by `starter`: the job. The command is the job's process, or the
/// child of the waiter.
pub fn facts(name: &str, listing: &str, starter: u32) -> Facts {
    let starter = starter.to_string();
    // When init reaps is its own affair.
    let reaped_by_init = |row: &Row<'_>| row.ppid == "1" && row.stat.starts_with('Z');
    let rows: Vec<_> = listing.lines().map(Row::parse).filter(|row| !reaped_by_init(row)).collect();
    let job = rows
        .iter()
        .find(|row| row.ppid == starter && row.comm != "list")
        .unwrap_or_else(|| panic!("no job in {name}:\n{listing}"));
    let waiter = (job.comm == "sesstrace").then_some(job);
    let command = waiter.map_or(job, |waiter| {
        rows.iter().find(|row| row.ppid == waiter.pid).unwrap_or_else(|| panic!("no command in {name}:\n{listing}"))
    });
    let role = |number: &str| match number {
        _ if number == starter => "the starter".to_owned(),
        _ if number == command.pid => "the command".to_owned(),
        _ if number == job.pid => "the waiter".to_owned(),
        "0" | "-1" | "1" => number.to_owned(),
        _ => match rows.iter().position(|row| row.pid == number) {
            Some(at) => {
                let earlier = rows[..at].iter().filter(|row| row.comm == rows[at].comm).count();
                format!("{} {}", rows[at].comm, earlier + 1)
            }
            None => "another process".to_owned(),
        },
    };
    // The job's group has the number of the process that was started, or of a shell that made one of its own.
    let group =
        |number: &str| if number == command.pid || number == job.pid { "the job".to_owned() } else { role(number) };
    let mut facts = Facts::new();
    for row in rows.iter().filter(|row| waiter.is_none_or(|waiter| waiter.pid != row.pid)) {
        let who = role(row.pid);
        let mut note = |fact: &str, value: String| facts.insert(format!("{name}, {who}: {fact}"), value);
        let parent =
            if row.pid == command.pid && row.ppid == job.pid { "the waiter".to_owned() } else { role(row.ppid) };
        note("ppid", parent);
        note("pgid", group(row.pgid));
        note("sid", group(row.sid));
        note("tpgid", group(row.tpgid));
        note("tty", row.tty.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned());
        // Whether one that is not stopped runs at the moment is chance, and how long fish keeps an idle thread, too (`l`).
        note("stat", row.stat.replace(['R', 'D'], "S").replace(['+', 'l'], ""));
        note("in the foreground", row.stat.contains('+').to_string());
        note("comm", row.comm.to_owned());
        if row.pid == command.pid {
            note("pid", if row.pid == job.pid { "the job's number" } else { "another" }.to_owned());
            note("leads its process group", (row.pid == row.pgid).to_string());
            note("leads its session", (row.pid == row.sid).to_string());
            let members = rows.iter().filter(|member| member.pgid == row.pgid).map(|member| role(member.pid));
            note("members of its process group", members.collect::<Vec<_>>().join(", "));
        }
    }
    facts
}

/// The facts of a `/proc/PID/status`, but for what differs from one untraced run to the next, and for the size of the
/// table of descriptors: a fork makes it fit the highest one that the forker has open, and who forks is a known
/// difference (fs/file.c, `dup_fd`). The open descriptors themselves are compared elsewhere.
pub fn status_facts(name: &str, status: &str) -> Facts {
    const VOLATILE: [&str; 15] = [
        "FDSize",
        "Pid",
        "Tgid",
        "PPid",
        "Ngid",
        "NSpid",
        "NStgid",
        "NSpgid",
        "NSsid",
        "SigQ",
        "State",
        "Cpus_allowed",
        "Cpus_allowed_list",
        "voluntary_ctxt_switches",
        "nonvoluntary_ctxt_switches",
    ];
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(field, _)| !VOLATILE.contains(field) && !field.starts_with("Vm") && !field.starts_with("Rss"))
        .map(|(field, value)| {
            let value = value.trim();
            // The number of the tracer is chance, that there is one is not.
            let value = if field == "TracerPid" && value != "0" { "a process" } else { value };
            (format!("{name}: {field}"), value.to_owned())
        })
        .collect()
}
