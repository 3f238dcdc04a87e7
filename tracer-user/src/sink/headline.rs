//! The first line: which tier, and what is followed.
//!
//! Must not: say more than the header does; a replay has nothing else.

use super::{Style, layout::wrap};
use crate::trace_file::{Header, Scope};

/// Inode of the initial pid namespace (`include/linux/proc_ns.h`, `PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: u32 = 0xEFFF_FFFC;

/// `sesstrace: eBPF, tracepoint tier (…) · following 41207 bash and all its descendants`, in as many lines as it takes.
pub(super) fn headline(header: &Header, style: Style) -> String {
    let clean = |text: &str| style.clean(text.as_bytes()).into_owned();
    let backend = match header.backend.as_str() {
        "ebpf" => "eBPF".to_owned(),
        other => clean(other),
    };
    // ptrace has one tier, which is called so.
    let tier = if header.tier.is_empty() || header.tier == header.backend {
        String::new()
    } else {
        format!(", {} tier", clean(&header.tier))
    };
    let reason =
        if header.tier_reason.is_empty() { String::new() } else { format!(" ({})", clean(&header.tier_reason)) };
    let scope = match &header.scope {
        Scope::All => "every process of the machine".to_owned(),
        Scope::Tree { root, name } => {
            let program = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
            format!("following {root} {} and all its descendants", style.clean(program))
        }
    };
    let namespace = match header.pid_namespace {
        0 | INITIAL_PID_NAMESPACE => String::new(),
        inner => format!(" {} numbers of pid namespace {inner}", style.dot()),
    };
    let user = header.user.as_ref().map(|user| format!(" {} as user {}", style.dot(), clean(user))).unwrap_or_default();
    let line = format!("sesstrace: {backend}{tier}{reason} {} {scope}{user}{namespace}", style.dot());
    style.width.map_or(line.clone(), |wide| wrap(&line, wide).join("\n  "))
}
