//! Two ways to read kernel memory: directly, where the verifier knows the pointer's type, and through
//! `bpf_probe_read_kernel` for a pointer that came out of a map, which takes more than twice as long for a whole record.
//!
//! Must not: know a structure.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};

/// An address in the kernel. The verifier tracks its type, Rust does not.
pub type Ptr = *const u8;

/// What may be loaded: types for which all bytes zero, which a read that faults yields, is a value.
pub trait Plain: Copy {}
impl Plain for u32 {}
impl Plain for i32 {}
impl Plain for u64 {}
impl Plain for Ptr {}

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
    failure: i64,
}

impl Probed {
    /// No read has failed yet.
    #[inline(always)]
    pub fn new() -> Self {
        Self { failure: 0 }
    }
}

impl Load for Probed {
    #[inline(always)]
    fn load<T: Plain>(&mut self, base: Ptr, offset: u32) -> T {
        let (value, failure) = copied(bpf_probe_read_kernel, base.wrapping_add(offset as usize));
        self.failure |= failure;
        value
    }

    #[inline(always)]
    fn failed(&self) -> bool {
        self.failure != 0
    }
}

/// The value at an address of the running process, and whether reading failed; it is zero then.
#[inline(always)]
pub fn from_user<T: Plain>(address: u64) -> (T, bool) {
    let (value, failure) = copied(bpf_probe_read_user, address as Ptr);
    (value, failure != 0)
}

type Helper = unsafe fn(*mut c_void, u32, *const c_void) -> i64;

/// What a helper copies from an address, and what it returns. There is no branch here for the verifier to follow both ways:
/// the helpers fill with zeros what they cannot read (`kernel/trace/bpf_trace.c`).
#[inline(always)]
fn copied<T: Plain>(helper: Helper, address: Ptr) -> (T, i64) {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes all of the value, whatever the address.
    unsafe {
        let failure = helper(value.as_mut_ptr().cast(), size_of::<T>() as u32, address.cast());
        (value.assume_init(), failure)
    }
}
