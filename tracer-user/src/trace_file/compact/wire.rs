//! The fields of a protobuf message as they stand in its bytes (protobuf.dev, "Encoding"), for the messages that are read once
//! for each event: nothing is copied or allocated.
//!
//! Must not: know what a field means.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A varint.
    Number(u64),
    /// Bytes, a string or a message.
    Bytes(&'a [u8]),
    /// Four bytes, little-endian.
    Fixed(u32),
    /// Something of which these messages have none.
    Other,
}

impl<'a> Value<'a> {
    /// As `uint32`.
    #[inline]
    pub(super) fn word(self) -> Result<u32, Broken> {
        Ok(self.number()? as u32)
    }

    /// As `bool`.
    #[inline]
    pub(super) fn flag(self) -> Result<bool, Broken> {
        Ok(self.number()? != 0)
    }

    /// As `uint64`.
    #[inline]
    pub(super) fn number(self) -> Result<u64, Broken> {
        if let Self::Number(number) = self { Ok(number) } else { Err(Broken) }
    }

    /// As `sint64`.
    #[inline]
    pub(super) fn signed(self) -> Result<i64, Broken> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// As `sint32`.
    #[inline]
    pub(super) fn signed_word(self) -> Result<i32, Broken> {
        let number = self.word()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// As bytes.
    #[inline]
    pub(super) fn bytes(self) -> Result<&'a [u8], Broken> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Broken) }
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
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| Broken)?)?)
            }
            5 => {
                let (four, rest) = self.0.split_first_chunk::<4>().ok_or(Broken)?;
                self.0 = rest;
                Value::Fixed(u32::from_le_bytes(*four))
            }
            _ => return Err(Broken),
        };
        Ok(Some(((key >> 3) as u32, value)))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline]
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

    fn long_varint(&mut self) -> Result<u64, Broken> {
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
