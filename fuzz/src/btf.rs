//! Any bytes as BTF: walked, and asked for everything that the probes need.

use tracer_user::capture::ebpf::{btf::Btf, offsets};

/// Runs the target.
pub fn run(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    if let Err(missing) = offsets::resolve(&btf) {
        assert!(!missing.is_empty(), "what is missing is named");
    }
    for path in ["task_struct.pid", "tty_struct.ctrl.pgrp", "k_sigaction.sa.sa_flags", "s.a", "a.b.b"] {
        let _ = btf.field(path);
    }
    let _ = (btf.tracepoint_arguments("sched_switch"), btf.function_id("ksys_setsid"));
}
