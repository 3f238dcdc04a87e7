//! Any text as a filter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_user::filter::Filter;

fuzz_target!(|text: &str| {
    if let Err(error) = text.parse::<Filter>() {
        assert!(error.to_string().contains('^'));
    }
});
