//! The fields of a protobuf message as they stand in its bytes (protobuf.dev, "Encoding"), for the messages that are read once
//! for each event: nothing is copied or allocated.
//!
//! An error is noted and not returned: what is read after it is nothing, and [`Fields::end`] tells. A number then costs no
//! test of its own. Must not: know what a field means.
#![expect(
    clippy::inline_always,
    reason = "a place is in no memory but a register only where nothing is called with it"
)]

const VARINT: u8 = 0;
const EIGHT: u8 = 1;
const LENGTH: u8 = 2;
const FOUR: u8 = 5;

/// Where a message that is broken goes on: nowhere.
const BROKEN: usize = usize::MAX;

/// No protobuf message, or not the one that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that is no protobuf")]
pub(super) struct Broken;

/// The fields of a message: after [`Self::next`] the value stands in front, to be read or skipped before the next field.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    /// What comes next; [`BROKEN`] after an error.
    at: usize,
}

/// The wire type of a value.
#[derive(Clone, Copy)]
pub(super) struct Wire(u8);

impl Wire {
    /// It has four bytes.
    pub(super) fn is_fixed(self) -> bool {
        self.0 == FOUR
    }
}

impl<'a> Fields<'a> {
    /// Those of a message.
    #[inline(always)]
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next field: its number, and how its value stands there.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<(u32, Wire)> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let key = self.varint();
        Some(((key >> 3) as u32, Wire((key & 7) as u8)))
    }

    /// All fields were read: whether they were a message.
    #[inline(always)]
    pub(super) fn end(self) -> Result<(), Broken> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(Broken) }
    }

    /// Whether what was read so far stood there.
    #[inline(always)]
    pub(super) fn sound(self) -> Result<(), Broken> {
        if self.at == BROKEN { Err(Broken) } else { Ok(()) }
    }

    /// The value as `uint32`.
    #[inline(always)]
    pub(super) fn word(&mut self, wire: Wire) -> u32 {
        self.number(wire) as u32
    }

    /// As `bool`.
    #[inline(always)]
    pub(super) fn flag(&mut self, wire: Wire) -> bool {
        self.number(wire) != 0
    }

    /// As `uint64`.
    #[inline(always)]
    pub(super) fn number(&mut self, wire: Wire) -> u64 {
        if wire.0 != VARINT {
            self.at = BROKEN;
        }
        self.varint()
    }

    /// As `sint64`.
    #[inline(always)]
    pub(super) fn signed(&mut self, wire: Wire) -> i64 {
        let number = self.number(wire);
        (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
    }

    /// As `sint32`.
    #[inline(always)]
    pub(super) fn signed_word(&mut self, wire: Wire) -> i32 {
        let number = self.word(wire);
        (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
    }

    /// As bytes, a string or a message.
    #[inline(always)]
    pub(super) fn bytes(&mut self, wire: Wire) -> &'a [u8] {
        if wire.0 != LENGTH {
            self.at = BROKEN;
        }
        let length = self.varint() as usize;
        self.take(length)
    }

    /// Goes past it.
    #[inline(always)]
    pub(super) fn skip(&mut self, wire: Wire) {
        match wire.0 {
            VARINT => drop(self.varint()),
            LENGTH => drop(self.bytes(wire)),
            EIGHT => drop(self.take(8)),
            FOUR => drop(self.take(4)),
            _ => self.at = BROKEN,
        }
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> &'a [u8] {
        let end = self.at.saturating_add(length);
        let bytes = self.bytes.get(self.at..end);
        self.at = if bytes.is_some() { end } else { BROKEN };
        bytes.unwrap_or_default()
    }

    #[inline(always)]
    fn varint(&mut self) -> u64 {
        if let Some(byte @ ..0x80) = self.bytes.get(self.at) {
            self.at += 1;
            return u64::from(*byte);
        }
        // As references have.
        if let Some([low, high @ ..0x80]) = self.bytes.get(self.at..self.at.wrapping_add(2)) {
            self.at += 2;
            return u64::from(low & 0x7f) | u64::from(*high) << 7;
        }
        let (number, at) = long_varint(self.bytes, self.at);
        self.at = at;
        number
    }
}

/// A number of several bytes, and where it ends.
#[inline(never)]
fn long_varint(bytes: &[u8], at: usize) -> (u64, usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    let (mut number, mut shift, mut end) = (0, 0, at);
    for byte in rest.get(..10).unwrap_or(rest) {
        (number, shift, end) = (number | u64::from(byte & 0x7f) << shift, shift + 7, end + 1);
        if *byte < 0x80 {
            return (number, end);
        }
    }
    (0, BROKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, 1 << bit | 0x55]);
        for number in edges.chain([u64::MAX]) {
            for more in 0..9 {
                let mut bytes = Vec::new();
                prost::encoding::encode_varint(number, &mut bytes);
                let length = bytes.len();
                bytes.extend([0x81; 9].iter().take(more));
                let mut fields = Fields::of(&bytes);
                assert_eq!((fields.varint(), fields.at), (number, length));
                let mut torn = Fields::of(bytes.get(..length - 1).unwrap());
                assert_eq!((torn.varint(), torn.at), (0, BROKEN));
            }
        }
    }

    #[test]
    fn after_an_error_there_is_nothing() {
        for broken in [&[0x08][..], &[0x0a, 2, 1], &[0x09, 1], &[0x0d, 1, 2, 3], &[0x0b, 1], &[0x80]] {
            let mut fields = Fields::of(broken);
            while let Some((_, wire)) = fields.next() {
                fields.skip(wire);
            }
            assert_eq!(fields.end(), Err(Broken), "{broken:?}");
            assert_eq!((fields.varint(), fields.take(0).len(), fields.next().is_none()), (0, 0, true));
        }
        let mut other = Fields::of(&[0x08, 1]);
        let wire = other.next().unwrap().1;
        assert!(other.bytes(wire).is_empty());
        assert_eq!(other.end(), Err(Broken), "a number is no string");
    }
}
