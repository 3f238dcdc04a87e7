//! Two ways to read kernel memory: directly, where the verifier knows the pointer's type, and through
//! `bpf_probe_read_kernel` for a pointer that came out of a map, which takes more than twice as long for a whole record.
//!
//! Must not: know a structure.

use aya_ebpf::helpers::bpf_probe_read_kernel;

/// An address in the kernel. The verifier tracks its type, Rust does not.
pub type Ptr = *const u8;

/// What may be loaded: types for which all bytes zero is a value.
pub trait Plain: Copy {
    /// What a read that faults yields.
    const ZERO: Self;
}
macro_rules! plain { ($($type:ty = $zero:expr),*) => { $(impl Plain for $type { const ZERO: Self = $zero; })* } }
plain!(u32 = 0, i32 = 0, u64 = 0, Ptr = core::ptr::null());

/// A way to read kernel memory.
pub trait Load {
    /// The value at `base + offset`; zero when the read faults.
    fn load<T: Plain>(&mut self, base: Ptr, offset: u32) -> T;

    /// Whether a read is known to have faulted.
    fn failed(&self) -> bool {
        false
    }

    /// The pointer at `base + offset`, `None` when null.
    #[inline(always)]
    fn follow(&mut self, base: Ptr, offset: u32) -> Option<Ptr> {
        let pointer: Ptr = self.load(base, offset);
        if pointer.is_null() { None } else { Some(pointer) }
    }
}

/// Loads through pointers of known type.
pub struct Direct;

impl Load for Direct {
    #[inline(always)]
    fn load<T: Plain>(&mut self, base: Ptr, offset: u32) -> T {
        // SAFETY: the verifier checks type and offset, and makes a fault read as zero.
        unsafe { core::ptr::read_volatile(base.wrapping_add(offset as usize).cast()) }
    }
}

/// Loads from any address.
pub struct Probed {
    failed: bool,
}

impl Probed {
    /// No read has failed yet.
    #[inline(always)]
    pub fn new() -> Self {
        Self { failed: false }
    }
}

impl Load for Probed {
    #[inline(always)]
    fn load<T: Plain>(&mut self, base: Ptr, offset: u32) -> T {
        // SAFETY: the helper accepts any address and reports a fault.
        unsafe { bpf_probe_read_kernel(base.wrapping_add(offset as usize).cast()) }.unwrap_or_else(|_| {
            self.failed = true;
            T::ZERO
        })
    }

    #[inline(always)]
    fn failed(&self) -> bool {
        self.failed
    }
}
