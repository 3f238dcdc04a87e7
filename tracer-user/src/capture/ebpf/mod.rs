//! The eBPF backend: probes on tracepoints, the task iterator, two ring buffers.

pub mod btf;
