//! The fuzzer of [`sesstrace_fuzz::filter`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sesstrace_fuzz::filter::run(bytes));
