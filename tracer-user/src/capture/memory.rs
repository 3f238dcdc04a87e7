//! Memory that was needed once.
//!
//! Must not: free anything that is in use.

/// Gives back to the system what was freed: loading probes takes more than 10 MiB for a moment, and the C library keeps that for
/// later. For who runs for weeks.
pub fn give_back() {
    // SAFETY: it touches nothing but what is free (malloc_trim(3)).
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
