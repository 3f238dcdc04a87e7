//! Begins in the middle of a recording: finds the keyframe, restores the state.
//!
//! The index at the end says where keyframes are; without one (the recording is torn, or still being written) the marks do,
//! which is slower. A keyframe that cannot be used is passed over: the one before it serves as well. Must not: give a state
//! that a reader from the start would not have.

use std::io;

use tracer_model::{MODEL_ID, state::Model};

use super::{
    decode::Decoded,
    frame::{self, FOOTER, Index, MARK_LENGTH, Mark, SKIPPABLE_HEADER},
    reader::{LONGEST_INDEX, Reader},
};
use crate::trace_file::place::Place;

impl Reader<'_> {
    /// Goes to the last keyframe of whose place `suits` is true: the next event is the one after it. Gives the state there and
    /// the place. `None`, and nothing is changed, when there is none: from the start, then.
    pub(in super::super) fn begin_at(&mut self, suits: impl Fn(&Place) -> bool) -> Option<(Model, Place)> {
        if !self.tape.is_file() {
            return None;
        }
        let begin = self.first_frame();
        let frames = self.index().or_else(|_| self.scan()).unwrap_or_default();
        let usable = |(_, mark): &&(u64, Mark)| mark.keyframe && suits(&mark.place);
        for (offset, mark) in frames.iter().rev().filter(usable) {
            if let Some(model) = self.keyframe(*offset, mark) {
                return Some((model, mark.place));
            }
        }
        self.go_to(begin, None).ok()?;
        None
    }

    /// The state of the keyframe whose mark is at `offset`.
    fn keyframe(&mut self, offset: u64, mark: &Mark) -> Option<Model> {
        self.go_to(offset + MARK_LENGTH as u64, Some(mark.place)).ok()?;
        let Some(Decoded::Keyframe(keyframe)) = self.first_message() else { return None };
        if keyframe.model != MODEL_ID {
            return None;
        }
        postcard::from_bytes(&keyframe.state).ok()
    }

    /// The marks, as the index at the end of the file tells them.
    fn index(&mut self) -> io::Result<Vec<(u64, Mark)>> {
        let none = || io::Error::from(io::ErrorKind::NotFound);
        let length = self.tape.length()?;
        let mut footer = [0; FOOTER];
        self.tape.read_at(length.checked_sub(FOOTER as u64).ok_or_else(none)?, &mut footer)?;
        let entries = frame::seek_table_entries(&footer).ok_or_else(none)?;
        let table = length.checked_sub(entries * 8 + (FOOTER + SKIPPABLE_HEADER) as u64).ok_or_else(none)?;
        let mut last = [0; 4];
        let last_entry = table + SKIPPABLE_HEADER as u64 + entries.saturating_sub(1) * 8;
        self.tape.read_at(last_entry, &mut last)?;
        let size = u32::from_le_bytes(last);
        if size as usize > LONGEST_INDEX {
            return Err(none());
        }
        let begin = table.checked_sub(u64::from(size)).ok_or_else(none)?;
        let mut bytes = vec![0; size as usize];
        self.tape.read_at(begin, &mut bytes)?;
        let payload = bytes.strip_prefix(&frame::INDEX.to_le_bytes()).and_then(|rest| rest.get(4..));
        Ok(payload.and_then(Index::parse).ok_or_else(none)?.frames)
    }

    /// The marks, as they stand before the frames, up to the end or the first damage.
    fn scan(&mut self) -> io::Result<Vec<(u64, Mark)>> {
        let (mut marks, mut offset) = (Vec::new(), 0);
        loop {
            let mut head = [0; MARK_LENGTH];
            let read = self.tape.read_at(offset, &mut head);
            let Some((magic, rest)) = head.split_first_chunk::<4>() else { return Ok(marks) };
            let size = rest.first_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size));
            let magic = u32::from_le_bytes(*magic);
            marks.extend(Mark::at(&head).map(|mark| (offset, mark)));
            if magic & !0xf == frame::VERSION {
                offset += SKIPPABLE_HEADER as u64 + u64::from(size);
            } else if magic == frame::ZSTD {
                match self.frame_end(offset) {
                    Ok(end) => offset = end,
                    Err(_) => return Ok(marks),
                }
            } else {
                return Ok(marks);
            }
            if read.is_err() && offset >= self.tape.length()? {
                return Ok(marks);
            }
        }
    }

    /// Where the zstd frame ends that begins at `offset` (RFC 8878, 3.1.1), without decompressing it.
    fn frame_end(&mut self, offset: u64) -> io::Result<u64> {
        let mut descriptor = [0; 5];
        self.tape.read_at(offset, &mut descriptor)?;
        let [.., descriptor] = descriptor;
        let single_segment = descriptor >> 5 & 1;
        let dictionary = match descriptor & 3 {
            3 => 4,
            bytes => u64::from(bytes),
        };
        let content_size = match descriptor >> 6 {
            0 => u64::from(single_segment),
            flag => 1 << flag,
        };
        let checksum = 4 * u64::from(descriptor >> 2 & 1);
        let mut at = offset + 5 + u64::from(1 - single_segment) + dictionary + content_size;
        loop {
            let mut header = [0; 3];
            self.tape.read_at(at, &mut header)?;
            let [one, two, three] = header;
            let block = u32::from_le_bytes([one, two, three, 0]);
            let size = if block >> 1 & 3 == 1 { 1 } else { u64::from(block >> 3) };
            at += 3 + size;
            if block & 1 == 1 {
                return Ok(at + checksum);
            }
        }
    }
}
