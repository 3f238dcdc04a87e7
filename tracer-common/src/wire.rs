//! Fixed-size values that are read from bytes field by field: no padding, no alignment, no `unsafe`.

/// A value whose bytes are its fields in order, without padding.
pub trait Wire: Sized {
    /// Length in bytes, equal to `size_of::<Self>()` (asserted at compile time for every struct).
    const SIZE: usize;

    /// Reads the value from the start of `bytes`, or `None` when there are fewer than [`Self::SIZE`].
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! wire_integers {
    ($($integer:ty),*) => {$(
        impl Wire for $integer {
            const SIZE: usize = size_of::<$integer>();
            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_ne_bytes(*bytes.first_chunk()?))
            }
        }
    )*};
}
wire_integers!(u16, u32, i32, u64, i64);

impl<const N: usize> Wire for [u8; N] {
    const SIZE: usize = N;
    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied()
    }
}

impl<const N: usize> Wire for [u64; N] {
    const SIZE: usize = N * 8;
    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut values = [0; N];
        let (chunks, _) = bytes.get(..Self::SIZE)?.as_chunks::<8>();
        for (value, chunk) in values.iter_mut().zip(chunks) {
            *value = u64::from_ne_bytes(*chunk);
        }
        Some(values)
    }
}

/// Defines `repr(C)` structs, proves at compile time that they have no padding, and reads them from bytes.
macro_rules! wire_structs {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $name {
            /// Name and offset of every field.
            pub const FIELDS: &'static [(&'static str, usize)] =
                &[$((stringify!($field), core::mem::offset_of!($name, $field)),)*];
        }

        const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$type>())*, "padding would leak kernel memory");

        impl $crate::Wire for $name {
            const SIZE: usize = size_of::<$name>();
            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                let mut rest = bytes;
                $(
                    let $field = <$type as $crate::Wire>::read(rest)?;
                    rest = rest.get(<$type as $crate::Wire>::SIZE..)?;
                )*
                let _ = rest;
                Some(Self { $($field,)* })
            }
        }
    )*};
}
pub(crate) use wire_structs;
