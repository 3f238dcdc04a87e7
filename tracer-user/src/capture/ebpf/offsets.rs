//! The running kernel's layout as the probes need it: offsets of the fields of
//! [`tracer_common::offsets::Offsets`], and the bits and tracepoint prototypes of [`Config`].
//!
//! Must not: guess. A required field that is not there is named, with every other one that is missing.

use std::convert::Infallible;

use tracer_common::{
    control::Config,
    offsets::{ABSENT, Need, Offsets},
};

use super::btf::Btf;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// For the global `OFFSETS`.
    pub offsets: Offsets,
    /// For the global `CONFIG`, with nothing optional switched on.
    pub config: Config,
    /// BTF paths of optional fields that this kernel lacks.
    pub absent: Vec<&'static str>,
}

/// The other bit field in the word of `is_child_subreaper`.
const HAS_SUBREAPER: &str = "signal_struct.has_child_subreaper";

/// Resolves everything, or lists the BTF paths of all required fields that are missing.
pub fn resolve(btf: &Btf<'_>) -> Result<Layout, Vec<String>> {
    let (mut missing, mut absent) = (Vec::new(), Vec::new());
    let found = |paths: &[&str]| paths.iter().find_map(|path| btf.field(path));
    let Ok(offsets) = Offsets::resolve(|_, need, paths| {
        let field = found(paths);
        match (field, need) {
            (Some(_), _) => {}
            (None, Need::Required) => missing.push(paths.join(" or ")),
            (None, Need::Optional) => absent.extend(paths.first()),
        }
        Ok::<u32, Infallible>(field.map_or(ABSENT, |field| field.offset))
    });

    let subreaper = found(&["signal_struct.is_child_subreaper"]);
    let has_subreaper = btf.field(HAS_SUBREAPER);
    if has_subreaper.map(|field| field.offset) != subreaper.map(|field| field.offset) {
        missing.push(format!("{HAS_SUBREAPER} (in the word of is_child_subreaper)"));
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    let arguments = |name, at_least| u32::from(btf.tracepoint_arguments(name).is_some_and(|count| count >= at_least));
    let config = Config {
        exit_has_group_dead: arguments("sched_process_exit", 2),
        switch_has_prev_state: arguments("sched_switch", 4),
        subreaper_bit: subreaper.map_or(0, |field| field.bit),
        has_subreaper_bit: has_subreaper.map_or(0, |field| field.bit),
        ..Config::BUILT
    };
    Ok(Layout { offsets, config, absent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: &[u8]) -> Layout {
        resolve(&Btf::parse(bytes).unwrap()).unwrap()
    }

    #[test]
    fn three_kernels_differ_where_they_are_known_to() {
        let old = layout(include_bytes!("fixtures/6.1.btf"));
        let middle = layout(include_bytes!("fixtures/6.12.btf"));
        let new = layout(include_bytes!("fixtures/6.18.btf"));
        assert_eq!(old.absent, ["pid.ino"], "pidfs came with 6.9");
        assert_eq!((middle.absent.as_slice(), new.absent.as_slice()), (&[][..], &[][..]));
        let group_dead = [&old, &middle, &new].map(|layout| layout.config.exit_has_group_dead);
        assert_eq!(group_dead, [0, 0, 1], "sched_process_exit has group_dead since 6.16");
        assert_eq!([&old, &middle, &new].map(|layout| layout.config.switch_has_prev_state), [1, 1, 1]);
    }

    /// Each `.offsets` file was made by a C compiler: `bpftool btf dump file BTF format c` gives the structs, and a program
    /// prints `__builtin_offsetof` of every field.
    #[test]
    fn offsets_are_those_that_a_c_compiler_gives() {
        let kernels: [(&[u8], &str); 3] = [
            (include_bytes!("fixtures/6.1.btf"), include_str!("fixtures/6.1.offsets")),
            (include_bytes!("fixtures/6.12.btf"), include_str!("fixtures/6.12.offsets")),
            (include_bytes!("fixtures/6.18.btf"), include_str!("fixtures/6.18.offsets")),
        ];
        for (bytes, compiled) in kernels {
            let mut ours = Vec::new();
            let btf = Btf::parse(bytes).unwrap();
            for (name, _, paths) in Offsets::FIELDS {
                match paths.iter().find_map(|path| btf.field(path)) {
                    // C has no offset of a bit field.
                    Some(field) if *name != "signal_subreaper" => ours.push(format!("{name} {}", field.offset)),
                    _ => {}
                }
            }
            assert_eq!(ours, compiled.lines().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_two_subreaper_bits_share_a_word() {
        let Layout { offsets, config, .. } = layout(include_bytes!("fixtures/6.18.btf"));
        assert_eq!((offsets.signal_subreaper, config.subreaper_bit, config.has_subreaper_bit), (128, 0, 1));
    }

    #[test]
    fn every_missing_field_is_named() {
        let mut bytes = include_bytes!("fixtures/6.18.btf").to_vec();
        for name in [&b"\0tty_old_pgrp\0"[..], b"\0jobctl\0", b"\0session\0"] {
            let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
            bytes[at + 1] = b'X';
        }
        let missing = resolve(&Btf::parse(&bytes).unwrap()).unwrap_err();
        assert_eq!(
            missing,
            ["task_struct.jobctl", "signal_struct.tty_old_pgrp", "tty_struct.ctrl.session or tty_struct.session"]
        );
    }
}
