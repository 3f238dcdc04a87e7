//! The fields of a protobuf message as they stand in its bytes (protobuf.dev, "Encoding"), for the messages that are read once
//! for each event: nothing is copied or allocated.
//!
//! Must not: know what a field means.
#![expect(clippy::inline_always, reason = "a value is in no place but a register only where nothing is called")]

/// The value of a field, which stands in front of the rest of the message: to be read, kept or skipped before the next field.
pub(super) struct Value<'f, 'a> {
    fields: &'f mut Fields<'a>,
    /// The wire type.
    wire: u8,
}

const VARINT: u8 = 0;
const EIGHT: u8 = 1;
const LENGTH: u8 = 2;
const FOUR: u8 = 5;

impl<'a> Value<'_, 'a> {
    /// As `uint32`.
    #[inline(always)]
    pub(super) fn word(self) -> Result<u32, Broken> {
        Ok(self.number()? as u32)
    }

    /// As `bool`.
    #[inline(always)]
    pub(super) fn flag(self) -> Result<bool, Broken> {
        Ok(self.number()? != 0)
    }

    /// As `uint64`.
    #[inline(always)]
    pub(super) fn number(self) -> Result<u64, Broken> {
        if self.wire == VARINT { self.fields.varint() } else { Err(Broken) }
    }

    /// As `sint64`.
    #[inline(always)]
    pub(super) fn signed(self) -> Result<i64, Broken> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// As `sint32`.
    #[inline(always)]
    pub(super) fn signed_word(self) -> Result<i32, Broken> {
        let number = self.word()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// As bytes, a string or a message.
    #[inline(always)]
    pub(super) fn bytes(self) -> Result<&'a [u8], Broken> {
        if self.wire == LENGTH { self.fields.counted() } else { Err(Broken) }
    }

    /// It has four bytes.
    pub(super) fn is_fixed(&self) -> bool {
        self.wire == FOUR
    }

    /// For later: the fields after it come first.
    #[inline(always)]
    pub(super) fn keep(self) -> Result<Kept<'a>, Broken> {
        let kept = Kept { fields: Fields(self.fields.0), wire: self.wire };
        self.skip().map(|()| kept)
    }

    /// Goes past it.
    #[inline(always)]
    pub(super) fn skip(self) -> Result<(), Broken> {
        match self.wire {
            VARINT => self.fields.varint().map(drop),
            EIGHT => self.fields.take(8).map(drop),
            LENGTH => self.fields.counted().map(drop),
            FOUR => self.fields.take(4).map(drop),
            _ => Err(Broken),
        }
    }
}

/// A value that was kept for later.
pub(super) struct Kept<'a> {
    fields: Fields<'a>,
    wire: u8,
}

impl<'a> Kept<'a> {
    /// It.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Value<'_, 'a> {
        Value { fields: &mut self.fields, wire: self.wire }
    }
}

/// No protobuf message, or not the one that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that is no protobuf")]
pub(super) struct Broken;

/// The fields of a message: number and value.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'_, 'a>)>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        Ok(Some(((key >> 3) as u32, Value { fields: self, wire: (key & 7) as u8 })))
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes after their number.
    #[inline(always)]
    fn counted(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.varint()?;
        self.take(usize::try_from(length).map_err(|_| Broken)?)
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Broken> {
        match *self.0 {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(byte))
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.0 = rest;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Broken> {
        // As differences of times have, at the end of a message or not.
        if let [a, b, c, rest @ ..] = self.0
            && *c < 0x80
        {
            self.0 = rest;
            return Ok(u64::from(a & 0x7f) | u64::from(b & 0x7f) << 7 | u64::from(*c) << 14);
        }
        if let Some((word, _)) = self.0.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*word);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                let bits = ends.trailing_zeros() + 1;
                // The seven bits of each byte move together: two by two, four by four, all.
                let sevens = word & u64::MAX >> (64 - bits) & 0x7f7f_7f7f_7f7f_7f7f;
                let twos = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
                let fours = twos & 0x0000_3fff_0000_3fff | (twos & 0x3fff_0000_3fff_0000) >> 2;
                self.0 = self.0.get(bits as usize / 8..).unwrap_or_default();
                return Ok(fours & 0x0fff_ffff | fours >> 32 << 28);
            }
        }
        let mut number = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = self.0.get(index + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err(Broken)
    }
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
                let mut fields = Fields(&bytes);
                assert_eq!(fields.varint(), Ok(number));
                assert_eq!(fields.0.len(), more, "{length} bytes");
                assert_eq!(Fields(bytes.get(..length - 1).unwrap()).varint(), Err(Broken));
            }
        }
    }
}
