//! What is around the data of a `.sesstrace` recording: the first frame with the version, the mark before each frame of
//! events, the index and the seek table at the end. All of it is in skippable frames of zstd, so that `zstd -d` passes it over.
//!
//! Must not: compress, or know what an event is.

use super::super::{FORMAT_MAJOR, FORMAT_MINOR, place::Place};
use tracer_model::ids::BootNs;

/// Magic numbers of skippable frames (RFC 8878, 3.1.2): the version.
pub(super) const VERSION: u32 = 0x184D_2A50;
/// A mark.
pub(super) const MARK: u32 = 0x184D_2A51;
/// The index.
pub(super) const INDEX: u32 = 0x184D_2A52;
/// The seek table of the zstd seekable format.
pub(super) const SEEK_TABLE: u32 = 0x184D_2A5E;
/// Magic number of a zstd frame.
pub(super) const ZSTD: u32 = 0xFD2F_B528;
/// Last four bytes of a seek table.
const SEEKABLE: u32 = 0x8F92_EAB1;

/// The first bytes of the frame of the version.
pub(super) const NAME: &[u8; 9] = b"sesstrace";
/// By these a reader finds a mark among damaged bytes.
const SYNC: &[u8; 8] = b"\xf5mark\r\n\xfa";
const INDEX_NAME: &[u8; 8] = b"\xf5index\n\xfa";
/// Bytes of a place.
const PLACE: usize = 49;
/// Bytes of a whole mark: magic, size, sync, place, flags, CRC.
pub(super) const MARK_LENGTH: usize = 8 + 8 + PLACE + 1 + 4;
/// Bytes of the header of a skippable frame.
pub(super) const SKIPPABLE_HEADER: usize = 8;
/// Bytes of an entry of the index.
const ENTRY: usize = 8 + PLACE + 1;
/// Bytes of the seek table after its entries.
pub(super) const FOOTER: usize = 9;

/// What stands before a frame of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// What was before it.
    pub place: Place,
    /// The frame begins with a keyframe.
    pub keyframe: bool,
}

fn skippable(magic: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend(magic.to_le_bytes());
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(payload);
}

/// The first frame of a recording.
pub(super) fn version(out: &mut Vec<u8>) {
    let mut payload = NAME.to_vec();
    payload.extend((FORMAT_MAJOR as u16).to_le_bytes());
    payload.extend((FORMAT_MINOR as u16).to_le_bytes());
    skippable(VERSION, &payload, out);
}

/// Major and minor version from the payload of the first frame.
pub(super) fn parse_version(payload: &[u8]) -> Option<(u32, u32)> {
    let mut rest = payload.strip_prefix(NAME)?;
    Some((u32::from(u16::from_le_bytes(take(&mut rest)?)), u32::from(u16::from_le_bytes(take(&mut rest)?))))
}

fn put_place(place: &Place, out: &mut Vec<u8>) {
    out.extend(place.events.to_le_bytes());
    out.extend(place.lost.to_le_bytes());
    out.extend(place.seq.to_le_bytes());
    out.extend(place.at.0.to_le_bytes());
    out.extend(place.unix_ns.to_le_bytes());
    out.extend(place.clock_offset.to_le_bytes());
    out.push(u8::from(place.snapshot_over));
}

fn take_place(rest: &mut &[u8]) -> Option<Place> {
    Some(Place {
        events: u64::from_le_bytes(take(rest)?),
        lost: u64::from_le_bytes(take(rest)?),
        seq: u64::from_le_bytes(take(rest)?),
        at: BootNs(u64::from_le_bytes(take(rest)?)),
        unix_ns: i64::from_le_bytes(take(rest)?),
        clock_offset: i64::from_le_bytes(take(rest)?),
        snapshot_over: take::<1>(rest)? != [0],
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

impl Mark {
    /// Appends the mark.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut payload = SYNC.to_vec();
        put_place(&self.place, &mut payload);
        payload.push(u8::from(self.keyframe));
        payload.extend(crc32fast::hash(&payload).to_le_bytes());
        skippable(MARK, &payload, out);
    }

    /// The mark in the payload of its frame, unless it is damaged.
    fn parse(payload: &[u8]) -> Option<Self> {
        let (body, crc) = payload.split_last_chunk::<4>()?;
        let mut rest = body.strip_prefix(SYNC)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        Some(Self { place: take_place(&mut rest)?, keyframe: take::<1>(&mut rest)? != [0] })
    }

    /// The mark that is these bytes, magic number and size included.
    pub(super) fn at(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MARK.to_le_bytes())?;
        let rest = rest.strip_prefix(&((MARK_LENGTH - SKIPPABLE_HEADER) as u32).to_le_bytes())?;
        Self::parse(rest.get(..MARK_LENGTH - SKIPPABLE_HEADER)?)
    }
}

/// Where the frames of events begin, and how the recording ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub events: u64,
    pub lost: u64,
    pub complete: bool,
    /// Offsets of marks, and the marks.
    pub frames: Vec<(u64, Mark)>,
}

impl Index {
    /// Appends the index.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut payload = INDEX_NAME.to_vec();
        payload.extend(self.events.to_le_bytes());
        payload.extend(self.lost.to_le_bytes());
        payload.push(u8::from(self.complete));
        for (offset, mark) in &self.frames {
            payload.extend(offset.to_le_bytes());
            put_place(&mark.place, &mut payload);
            payload.push(u8::from(mark.keyframe));
        }
        payload.extend(crc32fast::hash(&payload).to_le_bytes());
        skippable(INDEX, &payload, out);
    }

    /// The index in the payload of its frame, unless it is damaged.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let (body, crc) = payload.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut rest = body.strip_prefix(INDEX_NAME)?;
        let events = u64::from_le_bytes(take(&mut rest)?);
        let lost = u64::from_le_bytes(take(&mut rest)?);
        let complete = take::<1>(&mut rest)? != [0];
        let frames = rest.chunks_exact(ENTRY).filter_map(|mut entry| {
            let offset = u64::from_le_bytes(take(&mut entry)?);
            let place = take_place(&mut entry)?;
            Some((offset, Mark { place, keyframe: take::<1>(&mut entry)? != [0] }))
        });
        Some(Self { events, lost, complete, frames: frames.collect() })
    }
}

/// Appends the seek table: compressed and decompressed size of every frame before it.
pub(super) fn seek_table(frames: &[(u32, u32)], out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(frames.len() * 8 + FOOTER);
    for (compressed, decompressed) in frames {
        payload.extend(compressed.to_le_bytes());
        payload.extend(decompressed.to_le_bytes());
    }
    payload.extend((frames.len() as u32).to_le_bytes());
    payload.push(0);
    payload.extend(SEEKABLE.to_le_bytes());
    skippable(SEEK_TABLE, &payload, out);
}

/// How many entries a seek table has that ends with these bytes.
pub(super) fn seek_table_entries(footer: &[u8; FOOTER]) -> Option<u64> {
    let mut rest = &footer[..];
    let entries = u32::from_le_bytes(take(&mut rest)?);
    let plain = take::<1>(&mut rest)? == [0];
    (plain && u32::from_le_bytes(take(&mut rest)?) == SEEKABLE).then_some(u64::from(entries))
}
