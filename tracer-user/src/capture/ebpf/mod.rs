//! The eBPF backend: probes on tracepoints, the task iterator, two ring buffers.

pub mod btf;
pub mod offsets;
#[cfg(test)]
mod prune;
