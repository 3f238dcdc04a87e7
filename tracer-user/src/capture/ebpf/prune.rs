//! Cuts a kernel's BTF (several MB) down to what the probes look up (a few kB), so that tests have the real layouts of
//! several kernels without the kernels. Compiled for tests only. To add a kernel or a field:
//!
//! ```text
//! SESSTRACE_BTF=/sys/kernel/btf/vmlinux SESSTRACE_PRUNED=tracer-user/src/capture/ebpf/fixtures/6.18.btf \
//!     cargo test -p tracer-user --lib prune -- --ignored
//! ```
//!
//! For a kernel that is not running, its BTF is the section `.BTF` of its vmlinux
//! (`objcopy -O binary --only-section=.BTF --set-section-flags .BTF=alloc vmlinux out.btf`; Debian's packages hold the
//! vmlinux compressed inside boot/vmlinuz, the kernel's scripts/extract-vmlinux takes it out).

use tracer_common::offsets::Offsets;

use super::btf::{Btf, FUNC, FUNC_PROTO, PTR, TYPEDEF, word};

/// Tracepoints whose prototypes the tests compare.
const TRACEPOINTS: [&str; 7] = [
    "task_newtask",
    "sched_process_exec",
    "sched_process_exit",
    "sched_switch",
    "sched_process_free",
    "signal_generate",
    "signal_deliver",
];

struct Pruned {
    types: Vec<u8>,
    count: u32,
    strings: Vec<u8>,
}

impl Pruned {
    fn string(&mut self, name: &[u8]) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(name);
        self.strings.push(0);
        at
    }

    fn push(&mut self, name: &[u8], info: u32, target: u32, rest: &[u32]) -> u32 {
        let name = self.string(name);
        for value in [name, info, target].iter().chain(rest) {
            self.types.extend_from_slice(&value.to_ne_bytes());
        }
        self.count += 1;
        self.count
    }

    /// Emits the members of a struct that `paths` lead through; `None` when there are none.
    fn structure(&mut self, btf: &Btf<'_>, id: u32, paths: &[Vec<&str>]) -> Option<u32> {
        let old = btf.get(id).unwrap();
        let mut kept = Vec::new();
        for (member, raw) in old.members().zip(old.rest.chunks_exact(12)) {
            let inner = btf.strip(member.type_id).unwrap_or(0);
            let (name, new) = match btf.name(member.name) {
                None => (&b""[..], self.structure(btf, inner, paths)),
                Some(name) => {
                    let through: Vec<_> = paths.iter().filter(|path| path[0].as_bytes() == name).collect();
                    let tails: Vec<_> =
                        through.iter().map(|path| path[1..].to_vec()).filter(|t| !t.is_empty()).collect();
                    let new = if tails.is_empty() { Some(1) } else { self.structure(btf, inner, &tails) };
                    (name, new.filter(|_| !through.is_empty()))
                }
            };
            if let Some(new) = new {
                kept.push([self.string(name), new, word(raw, 8).unwrap()]);
            }
        }
        let info = u32::from(old.has_bit_sizes) << 31 | old.kind << 24 | kept.len() as u32;
        let name = btf.name(old.name).unwrap_or_default();
        (!kept.is_empty()).then(|| self.push(name, info, old.target, kept.as_flattened()))
    }
}

/// BTF of the same layouts with everything else left out.
fn prune(btf: &Btf<'_>) -> Vec<u8> {
    let mut pruned = Pruned { types: Vec::new(), count: 0, strings: vec![0] };
    pruned.push(b"int", 1 << 24, 4, &[32]);
    let mut paths: Vec<&str> = Offsets::FIELDS.iter().flat_map(|row| row.2).copied().collect();
    paths.push("signal_struct.has_child_subreaper");
    let mut structs: Vec<&str> = paths.iter().map(|path| path.split('.').next().unwrap()).collect();
    structs.sort_unstable();
    structs.dedup();
    for name in structs {
        let prefix = format!("{name}.");
        let members: Vec<Vec<&str>> =
            paths.iter().filter_map(|path| path.strip_prefix(&prefix)).map(|rest| rest.split('.').collect()).collect();
        for &id in &btf.structs[name.as_bytes()] {
            pruned.structure(btf, id, &members);
        }
    }
    for name in TRACEPOINTS {
        let arguments = btf.tracepoint_arguments(name).unwrap() + 1;
        let parameters = vec![[0, 1]; arguments as usize];
        let prototype = pruned.push(b"", FUNC_PROTO << 24 | arguments, 0, parameters.as_flattened());
        let pointer = pruned.push(b"", PTR << 24, prototype, &[]);
        pruned.push(format!("btf_trace_{name}").as_bytes(), TYPEDEF << 24, pointer, &[]);
    }
    let prototype = pruned.push(b"", FUNC_PROTO << 24, 1, &[]);
    pruned.push(b"ksys_setsid", FUNC << 24, prototype, &[]);

    let (types, strings) = (pruned.types.len() as u32, pruned.strings.len() as u32);
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    for value in [24, 0, types, types, strings] {
        bytes.extend_from_slice(&value.to_ne_bytes());
    }
    bytes.extend_from_slice(&pruned.types);
    bytes.extend_from_slice(&pruned.strings);
    bytes
}

#[test]
#[ignore = "makes a fixture: set SESSTRACE_BTF and SESSTRACE_PRUNED"]
fn prune_to_a_fixture() {
    let path = |name| std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set"));
    let bytes = std::fs::read(path("SESSTRACE_BTF")).unwrap();
    std::fs::write(path("SESSTRACE_PRUNED"), prune(&Btf::parse(&bytes).unwrap())).unwrap();
}

#[test]
fn pruning_keeps_every_answer() {
    let bytes = std::fs::read("/sys/kernel/btf/vmlinux").unwrap_or_else(|_| {
        eprintln!("SKIPPED in part: this kernel has no BTF; pruning a fixture instead");
        include_bytes!("fixtures/6.18.btf").to_vec()
    });
    let full = Btf::parse(&bytes).unwrap();
    let pruned = prune(&full);
    let pruned = Btf::parse(&pruned).unwrap();
    for path in Offsets::FIELDS.iter().flat_map(|row| row.2) {
        assert_eq!(pruned.field(path), full.field(path), "{path}");
    }
    for name in TRACEPOINTS {
        assert_eq!(pruned.tracepoint_arguments(name), full.tracepoint_arguments(name), "{name}");
    }
    assert_eq!(full.field("task_struct.no_such_member"), None);
}
