//! Bytes to [`Record`]: total, never panics.

use crate::{
    Wire as _,
    record::{Header, Record},
};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Fewer bytes than the header, or than the kind needs.
    Short {
        /// Bytes there were.
        len: usize,
    },
    /// A kind this build does not know. Skip it and count it.
    UnknownKind {
        /// The number.
        kind: u16,
    },
}

/// Reads one record from the bytes of one ring buffer entry. Bytes after the record are ignored.
pub fn parse(bytes: &[u8]) -> Result<Record, ParseError> {
    let short = ParseError::Short { len: bytes.len() };
    let header = Header::read(bytes).ok_or(short)?;
    match Record::read(header.kind, bytes) {
        None => Err(ParseError::UnknownKind { kind: header.kind }),
        Some(None) => Err(short),
        Some(Some(record)) => Ok(record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{RECORDS, TaskId};

    #[test]
    fn short_bytes_are_refused_with_their_length() {
        for (kind, _, size) in RECORDS {
            let mut bytes = [0_u8; 2048];
            bytes[16..18].copy_from_slice(&kind.to_ne_bytes());
            assert!(parse(&bytes[..*size]).is_ok(), "kind {kind}");
            assert_eq!(parse(&bytes[..size - 1]), Err(ParseError::Short { len: size - 1 }), "kind {kind}");
        }
        assert_eq!(parse(&[]), Err(ParseError::Short { len: 0 }));
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let mut bytes = [0_u8; 128];
        bytes[16..18].copy_from_slice(&999_u16.to_ne_bytes());
        assert_eq!(parse(&bytes), Err(ParseError::UnknownKind { kind: 999 }));
    }

    #[test]
    fn fields_are_read_in_order() {
        let mut bytes = [0_u8; Header::SIZE];
        bytes[0..8].copy_from_slice(&7_u64.to_ne_bytes());
        bytes[8..16].copy_from_slice(&9_u64.to_ne_bytes());
        bytes[24..28].copy_from_slice(&41_u32.to_ne_bytes());
        bytes[28..32].copy_from_slice(&42_u32.to_ne_bytes());
        bytes[32..40].copy_from_slice(&43_u64.to_ne_bytes());
        bytes[40..45].copy_from_slice(b"bash\0");
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.seq, header.at), (7, 9));
        assert_eq!(header.actor, TaskId { tgid: 41, tid: 42, start: 43 });
        assert!(header.actor_comm.starts_with(b"bash\0"));
    }
}
