//! The probe object that `cargo xtask build-ebpf` built, and what it was built from.
//!
//! It lies inside this package, so that a published crate carries it and its users need no eBPF toolchain.

/// Alignment that ELF structures are read with.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../prebuilt/sesstrace.bpf.o"));

/// The ELF object for `bpfel-unknown-none`, aligned to 8 bytes.
pub static OBJECT: &[u8] = &ALIGNED.0;

/// Hash of its sources and the versions of the tools that built it, as TOML.
pub static MANIFEST: &str = include_str!("../prebuilt/manifest.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_aligned_bpf_elf() {
        const EM_BPF: [u8; 2] = [247, 0];
        assert_eq!(OBJECT.as_ptr().align_offset(8), 0);
        assert_eq!(&OBJECT[..4], b"\x7fELF");
        assert_eq!(&OBJECT[18..20], EM_BPF);
    }
}
