//! What `/proc` says of processes.

use std::fs;

/// A line of `/proc/PID/stat`.
#[derive(Clone, Debug)]
pub struct Stat {
    pub pid: i32,
    pub name: String,
    pub state: char,
    pub ppid: i32,
    pub pgid: i32,
    pub sid: i32,
    /// Device number of the controlling terminal, as stat(2) has it; 0 for none.
    pub tty: u64,
    pub tpgid: i32,
}

impl Stat {
    pub fn parse(line: &str) -> Option<Self> {
        let (pid, rest) = line.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            ppid: number(1)?,
            pgid: number(2)?,
            sid: number(3)?,
            tty: number(4)? as u64,
            tpgid: number(5)?,
        })
    }

    /// Nothing when the process does not exist (any more).
    pub fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

/// All processes.
pub fn processes() -> Vec<Stat> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(Stat::of).collect()
}

/// Whether a process exists and is no zombie.
pub fn lives(pid: i32) -> bool {
    Stat::of(pid).is_some_and(|stat| stat.state != 'Z')
}
