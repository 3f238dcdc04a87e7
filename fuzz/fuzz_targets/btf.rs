//! The fuzzer of [`sesstrace_fuzz::btf`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sesstrace_fuzz::btf::run(bytes));
