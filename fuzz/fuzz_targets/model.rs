//! The fuzzer of [`sesstrace_fuzz::model`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sesstrace_fuzz::model::run(bytes));
