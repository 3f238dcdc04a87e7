//! The fuzzer of [`sesstrace_fuzz::recording`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sesstrace_fuzz::recording::run(bytes));
