//! The fuzzer of [`sesstrace_fuzz::compact`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sesstrace_fuzz::compact::run(bytes));
