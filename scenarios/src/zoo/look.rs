//! One animal, looked at in all four forms.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    Animal, Ground, Watcher,
    stage::{Stage, until},
};

/// What was seen of one animal.
#[derive(Debug)]
pub struct Looks {
    /// The truth.
    pub ground: String,
    /// What an audit said, by form: verdict, policy, and rules.
    pub said: Vec<(&'static str, String, String, String)>,
    /// What is not as it must be.
    pub faults: Vec<String>,
}

/// Whether the animal can be had here.
#[must_use]
pub fn is_here(animal: &Animal) -> bool {
    let test = match animal.program {
        "python3-daemon" => "/usr/bin/python3 -c 'import daemon'".to_owned(),
        // In a mount namespace of its own.
        program @ ("cron" | "atd") => format!("command -v {program} && unshare -m true"),
        // As the first process of a pid namespace, with control groups of version 2 that can be written.
        "systemd" => {
            let group = "mount -t cgroup2 cgroup2 /mnt && rmdir $(mktemp -d /mnt/sesstrace-zoo.XXXXXX)";
            format!("test -x /lib/systemd/systemd && unshare -m --pid --fork sh -c '{group}'")
        }
        "crun" => "command -v crun && command -v script && unshare -m mount -t cgroup2 cgroup2 /mnt".to_owned(),
        "Xorg" => "command -v Xorg && test -e /usr/lib/xorg/modules/drivers/dummy_drv.so".to_owned(),
        program => format!("command -v {program}"),
    };
    let mut command = Command::new("sh");
    command.args(["-c", &test]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.env("PATH", PATH).status().is_ok_and(|status| status.success())
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts the animal, once under an audit, once under a recording, and once where the machine is watched, and looks at it in each
/// form.
pub fn look(
    animal: &Animal,
    (sesstrace, watcher): (&Path, Option<&Watcher>),
    scratch: &Path,
    id: &str,
) -> Result<Looks> {
    let mut looks = Looks { ground: String::new(), said: Vec::new(), faults: Vec::new() };
    let bin = sesstrace.parent().unwrap_or(sesstrace);
    let audited = directory(animal, bin, scratch, "command")?;
    let audit = format!(
        "{} audit --exit-zero --format json -o $ZOO_DIR/audit.json -- bash $ZOO_DIR/start",
        sesstrace.display()
    );
    let stage = Stage::open(&audited, &format!("{id}-command"), &audit, PATH)?;
    stage.done()?;
    let survivor = stage.survivor(animal.survivor)?;
    looks.ground = Ground::read(survivor, &fs::canonicalize(&audited)?, stage.shell())?.0;
    looks.take("-- CMD", &fs::read_to_string(audited.join("audit.json")).unwrap_or_default(), survivor);
    drop(stage);

    let recorded = directory(animal, bin, scratch, "file")?;
    let record = format!(
        "{} record -o $ZOO_DIR/rec.jsonl -- bash -c 'bash $ZOO_DIR/start; perl -e sleep+4'",
        sesstrace.display()
    );
    let stage = Stage::open(&recorded, &format!("{id}-file"), &record, PATH)?;
    until("it is recorded", || Ok(recorded.join("rec.jsonl").exists()))?;
    stage.survivor(animal.survivor)?;
    thread::sleep(Duration::from_millis(2500));
    let survivor = stage.survivor(animal.survivor)?;
    let ask = |arguments: &[&str]| -> Result<String> {
        let output =
            Command::new(sesstrace).args(["audit", "--exit-zero", "--format", "json"]).args(arguments).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    looks.take("-p PID", &ask(&["-p", &survivor.to_string()])?, survivor);
    looks.take("--all", &ask(&["--all"])?, survivor);
    stage.done()?;
    looks.take("FILE", &ask(&[&recorded.join("rec.jsonl").to_string_lossy()])?, survivor);
    drop(stage);

    if let Some(watcher) = watcher {
        let watched = directory(animal, bin, scratch, "watch")?;
        let stage = Stage::open(&watched, &format!("{id}-watch"), "bash $ZOO_DIR/start", PATH)?;
        stage.done()?;
        stage.survivor(animal.survivor)?;
        // It settles a second after whatever it did last.
        thread::sleep(Duration::from_millis(2500));
        let survivor = stage.survivor(animal.survivor)?;
        looks.take("--watch", &watcher.said(survivor)?, survivor);
    }
    looks.judge(animal);
    Ok(looks)
}

/// A directory with what the animal needs. What is to be prepared is, before anybody looks.
fn directory(animal: &Animal, bin: &Path, scratch: &Path, form: &str) -> Result<PathBuf> {
    let directory = scratch.join(form);
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    fs::write(directory.join("start"), animal.start.replace("@BIN@", &bin.to_string_lossy())).context("start")?;
    for (name, text) in animal.files {
        fs::write(directory.join(name), text.replace("@DIR@", &directory.to_string_lossy()))?;
    }
    if animal.files.iter().any(|(name, _)| *name == "prepare") {
        let output = Command::new("sh").arg("prepare").current_dir(&directory).env("PATH", PATH).output()?;
        if !output.status.success() {
            bail!("cannot prepare it: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    Ok(directory)
}

impl Looks {
    /// Takes what an audit said of one process.
    fn take(&mut self, form: &'static str, output: &str, pid: u32) {
        let lines: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let row = lines.iter().position(|line| line["kind"] == "audit" && line["pid"] == pid);
        let Some((row, said)) = row.and_then(|row| Some((row, lines.get(row)?))) else {
            let whom: Vec<String> =
                lines.iter().filter(|line| line["kind"] == "audit").map(|line| line["pid"].to_string()).collect();
            self.faults.push(format!("{form}: nothing is said of {pid}, but of {}", whom.join(" ")));
            return;
        };
        let findings = lines.iter().skip(row + 1).take_while(|line| line["kind"] == "finding");
        // Which of the two was first is chance.
        let mut rules: Vec<String> = findings.map(rule).filter(|rule| rule != "JC507").collect();
        rules.sort();
        if said.get("launch_seen") == Some(&Value::Bool(false)) {
            rules.push("(launch not seen)".to_owned());
        }
        if said.get("settled") == Some(&Value::Bool(false)) {
            rules.push("(not settled)".to_owned());
        }
        self.said.push((form, text(said, "verdict"), text(said, "policy"), rules.join(" ")));
    }

    /// Compares with what must be: events and snapshots must agree, but for what a snapshot says that it did not see.
    fn judge(&mut self, animal: &Animal) {
        if self.ground != animal.truth {
            self.faults.push(format!("/proc shows {}, not {}", self.ground, animal.truth));
        }
        for (form, verdict, policy, rules) in &self.said {
            if policy != animal.policy() {
                self.faults.push(format!("{form}: policy {policy}, not {}", animal.policy()));
            }
            let unseen = rules.contains("(launch not seen)");
            let (of_events, of_a_snapshot) = animal.verdict.split_once('/').unwrap_or((animal.verdict, animal.verdict));
            let expected = if unseen { of_a_snapshot } else { of_events };
            if verdict != expected {
                self.faults.push(format!("{form}: {verdict}, not {expected}"));
            }
            let partly = unseen || rules.contains("(not settled)");
            let fits = if partly { is_part(rules, animal.rules) } else { *rules == expected_rules(animal, rules) };
            if !fits {
                self.faults.push(format!("{form}: {rules}, not {}", animal.rules));
            }
        }
    }
}

fn text(line: &Value, key: &str) -> String {
    line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// `JC505`, `JC506abd`.
fn rule(finding: &Value) -> String {
    let (id, fact) = (text(finding, "rule"), text(finding, "fact"));
    let letters = ["(a)", "(b)", "(c)", "(d)", "(e)"].into_iter().filter(|letter| fact.contains(letter));
    let letters: String = letters.map(|letter| letter.trim_matches(['(', ')'])).collect();
    if id == "JC506" { format!("{id}{letters}") } else { id }
}

/// The rules that must be said; those with a `?` only where they are.
fn expected_rules(animal: &Animal, said: &str) -> String {
    let rules = animal.rules.split(' ').filter_map(|rule| match rule.strip_suffix('?') {
        Some(rule) => said.split(' ').any(|said| said == rule).then_some(rule),
        None => Some(rule),
    });
    rules.collect::<Vec<_>>().join(" ")
}

/// Every rule that is said is one that must be, with no other letters.
fn is_part(said: &str, whole: &str) -> bool {
    let expected = |rule: &str| {
        whole
            .split(' ')
            .any(|other| other.get(..5) == rule.get(..5) && rule.chars().skip(5).all(|letter| other.contains(letter)))
    };
    said.split(' ').filter(|rule| rule.starts_with("JC")).all(expected)
}
