//! The fuzzer of [`sesstrace_fuzz::wire`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sesstrace_fuzz::wire::run(bytes));
