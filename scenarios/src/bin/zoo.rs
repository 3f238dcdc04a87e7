//! `cargo xtask zoo`: every animal in all four forms and watched, as a table; fails when one is not as it must be.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use anyhow::{Context as _, Result, bail};
use scenarios::zoo::{Guard, Looks, Watcher, animals, is_here, look};

/// Animals at once: most of the time they are waited for.
const AT_ONCE: usize = 6;
/// The word by which the guard is started, with the scratch directory: it has the number of who keeps the animals in its name.
const GUARD: &str = "--guard";
const SCRATCH: &str = "/tmp/zoo.";

fn main() -> Result<()> {
    let only: Vec<String> = std::env::args().skip(1).collect();
    if let [word, scratch] = only.as_slice()
        && word == GUARD
    {
        return Guard::keep(Path::new(scratch));
    }
    let own = std::env::current_exe()?;
    let sesstrace = own.with_file_name("sesstrace");
    let chosen = animals()
        .into_iter()
        .enumerate()
        .filter(|(_, it)| only.is_empty() || only.iter().any(|name| it.name.contains(name.as_str())));
    let mut left: Vec<_> = chosen.collect();
    left.reverse();
    let left = Mutex::new(left);
    let seen = Mutex::new(Vec::new());
    let scratch = PathBuf::from(format!("{SCRATCH}{}", std::process::id()));
    let _guard = Guard::start(&own, GUARD, &scratch)?;
    let watcher = Watcher::start(&sesstrace, &format!("{}-watch", std::process::id()))?;
    if watcher.is_none() {
        println!("SKIPPED --watch: only eBPF sees every process");
    }
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, animal)) = left.lock().ok().and_then(|mut left| left.pop()) {
                    let looks = if is_here(animal) {
                        Some(look(
                            animal,
                            (&sesstrace, watcher.as_ref()),
                            &scratch.join(number.to_string()),
                            &format!("{}-{number}", std::process::id()),
                        ))
                    } else {
                        None
                    };
                    if let Ok(mut seen) = seen.lock() {
                        seen.push((number, animal, looks));
                    }
                }
            });
        }
    });
    let mut seen = seen.into_inner().ok().context("a thread panicked")?;
    seen.sort_by_key(|row| row.0);
    let (mut failed, mut missing) = (0, Vec::new());
    for (_, animal, looks) in seen {
        match looks {
            None => {
                println!("SKIPPED {}: {} is not here", animal.name, animal.program);
                missing.push(animal.program);
            }
            Some(looks) => failed += usize::from(!tell(animal.name, looks)),
        }
    }
    if failed > 0 {
        bail!("{failed} are not as they must be");
    }
    if !missing.is_empty() && std::env::var("SESSTRACE_REQUIRE").is_ok_and(|required| required.contains("zoo")) {
        bail!("{} are not here", missing.join(", "));
    }
    Ok(())
}

fn tell(name: &str, looks: Result<Looks>) -> bool {
    match looks {
        Ok(Looks { ground, said, faults }) => {
            println!("{name:30} {ground}");
            for (form, verdict, policy, rules) in said {
                println!("  {form:8} {verdict:9} {policy:14} {rules}");
            }
            for fault in &faults {
                println!("  WRONG {fault}");
            }
            faults.is_empty()
        }
        Err(error) => {
            println!("{name:30} WRONG {error:#}");
            false
        }
    }
}
