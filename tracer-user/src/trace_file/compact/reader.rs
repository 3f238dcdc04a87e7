//! Reads a `.sesstrace` recording as a stream.
//!
//! What is damaged costs the rest of its frame: the next mark says how many events that was, and they become a gap. Nothing
//! here panics on any bytes.

use std::{io, path::Path};

use tracer_model::{
    event::Event,
    ids::{BootNs, Seq},
};

use super::{
    batch::{Batches, Damage},
    decode::{Decoded, Decoder},
    frame::{self, Index, MARK_LENGTH, Mark, SKIPPABLE_HEADER},
    record::End,
    tape::{Source, Tape},
};
use crate::trace_file::{
    FORMAT_MAJOR, FORMAT_MINOR, Header, ReadError, Summary, Warnings, cause,
    lines::{parse_header, recorder},
    place::Place,
    reader::malformed_gap,
};

/// Bytes that are read and decompressed in vain, at most: so many, and so many for each byte of the recording. A frame that a
/// writer made, and that was damaged, costs a few for each of its bytes.
const WASTE: u64 = 64 * 1024 * 1024;
const WASTE_SHARE: u64 = 64;
/// Bytes of an index that is taken: that of 10^8 events in small frames.
pub(super) const LONGEST_INDEX: usize = 256 * 1024 * 1024;

/// A recording being read.
pub(in super::super) struct Reader<'a> {
    pub(super) tape: Tape<'a>,
    batches: Batches,
    decoder: Decoder,
    header: Header,
    /// What was before the next event, by the recording's own count.
    pub(super) place: Place,
    pub(super) summary: Summary,
    warnings: Warnings,
    /// Where the frames after the header begin.
    first_frame: u64,
    /// Number and time of the last event.
    last: Option<(Seq, BootNs)>,
    /// Where the frame begins that is being read; none between frames.
    frame: Option<u64>,
    /// Something was passed over and what it was is not known yet.
    damaged: bool,
    /// Records that were lost to damage and become a gap before the next event.
    missing: u64,
    /// Bytes that were read and decompressed of frames that turned out damaged.
    wasted: u64,
    /// The event that was decoded last is still to be given.
    ready: bool,
    /// The gap that was given last.
    gap: Option<Event>,
    ended: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header; `path` is for messages.
    pub(in super::super) fn new(path: &Path, source: Source<'a>) -> Result<Self, ReadError> {
        let error = |source| ReadError::Open { path: path.to_owned(), source };
        let foreign = |why: &str| ReadError::Foreign { path: path.to_owned(), why: why.to_owned() };
        let mut tape = Tape::new(source);
        if tape.peek(1).map_err(error)?.is_empty() {
            return Err(ReadError::Empty { path: path.to_owned() });
        }
        let payload = skippable(&mut tape, 64).map_err(error)?;
        let version = payload.and_then(|(_, payload)| frame::parse_version(&payload));
        let Some((major, minor)) = version else { return Err(foreign("its first frame is damaged")) };
        let (mut batches, mut decoder) = (Batches::new().map_err(error)?, Decoder::default());
        batches.begin().map_err(error)?;
        let json = match batches.fill(&mut tape) {
            Ok(_) => batches.message().map(|message| decoder.decode(message)),
            Err(Damage::Read(source)) => return Err(error(source)),
            Err(why) => return Err(foreign(&format!("its header is damaged: {why}"))),
        };
        let Some(Ok(Decoded::Header(json))) = json else { return Err(foreign("it has no header")) };
        if major != FORMAT_MAJOR {
            let tool = recorder(&json);
            return Err(ReadError::Major { path: path.to_owned(), major, minor, tool });
        }
        let (header, newer) = parse_header(path, &json)?;
        let place = Place::start(&header);
        let newer = newer.or((minor > FORMAT_MINOR).then_some((major, minor)));
        let mut reader = Self {
            tape,
            first_frame: 0,
            batches,
            decoder,
            header,
            place,
            summary: Summary::default(),
            warnings: Warnings::of_frames(newer),
            last: None,
            frame: Some(0),
            damaged: false,
            missing: 0,
            wasted: 0,
            ready: false,
            gap: None,
            ended: false,
        };
        // To the end of the header's frame.
        while reader.frame.is_some() && !reader.ended {
            if let Err(damage) = reader.step() {
                reader.damage(&damage);
            }
        }
        reader.first_frame = reader.tape.offset();
        Ok(reader)
    }

    /// Where the first mark stands.
    pub(super) fn first_frame(&self) -> u64 {
        self.first_frame
    }

    /// Goes on at an offset of a file, between frames; with a place, that is what was before.
    pub(super) fn go_to(&mut self, offset: u64, place: Option<Place>) -> io::Result<()> {
        self.tape.seek(offset)?;
        self.frame = None;
        self.place = place.unwrap_or_else(|| Place::start(&self.header));
        (self.summary.events, self.summary.lost) = (self.place.events, self.place.lost);
        Ok(())
    }

    /// The first message of the frame that begins here.
    pub(super) fn first_message(&mut self) -> Option<Decoded> {
        self.next_frame().ok()?;
        self.batches.fill(&mut self.tape).ok()?;
        let message = self.batches.message()?;
        self.decoder.decode(message).ok()
    }

    pub(in super::super) fn header(&self) -> &Header {
        &self.header
    }

    pub(in super::super) fn summary(&self) -> Summary {
        self.summary
    }

    pub(in super::super) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// The next event, in its place: the next call overwrites it.
    pub(in super::super) fn read(&mut self) -> Option<&Event> {
        while !self.ended && !self.ready {
            if let Err(damage) = self.step() {
                self.damage(&damage);
            }
        }
        if self.missing > 0 {
            self.gap = Some(self.gap_before_event());
            self.gap.iter().for_each(|gap| self.summary.count(gap));
            return self.gap.as_ref();
        }
        if !std::mem::take(&mut self.ready) {
            return None;
        }
        let event = self.decoder.event();
        self.last = Some((event.seq, event.at));
        self.summary.count(event);
        Some(event)
    }

    /// Goes on by a message, a batch or a frame.
    fn step(&mut self) -> Result<(), Damage> {
        if let Some(message) = self.batches.message() {
            let decoded = self.decoder.decode(message)?;
            self.take(&decoded);
            return Ok(());
        }
        if self.frame.is_some() {
            if !self.batches.fill(&mut self.tape)? {
                self.frame = None;
                self.tape.keep();
            }
            return Ok(());
        }
        self.next_frame()
    }

    fn take(&mut self, decoded: &Decoded) {
        match *decoded {
            Decoded::Event => {
                self.place.pass(self.decoder.event());
                self.ready = true;
            }
            Decoded::Unknown => {
                self.place.events += 1;
                self.warnings.unknown_kind("newer than this sesstrace".to_owned(), self.frame.unwrap_or_default());
            }
            Decoded::End(End { events, lost, complete }) => {
                self.end(events, lost, complete);
                self.look_behind_the_end();
            }
            Decoded::Header(_) | Decoded::Keyframe(_) | Decoded::Check => {}
        }
    }

    /// The recording ended here, with so many events.
    fn end(&mut self, events: u64, lost: u64, complete: bool) {
        self.ended = true;
        self.account(events, lost);
        self.warnings.counted(events, self.place.events);
        self.summary.complete = complete;
    }

    /// Nothing but the index and the seek table is to follow: another recording that was appended is not read.
    fn look_behind_the_end(&mut self) {
        while matches!(self.batches.fill(&mut self.tape), Ok(true)) {
            while self.batches.message().is_some() {}
        }
        loop {
            let offset = self.tape.offset();
            let Ok(head) = self.tape.peek(SKIPPABLE_HEADER) else { return };
            let magic = head.first_chunk().map(|magic| u32::from_le_bytes(*magic));
            let size = head.get(4..).and_then(|size| size.first_chunk()).map(|size| u32::from_le_bytes(*size));
            match (magic, size) {
                (Some(frame::INDEX | frame::SEEK_TABLE), Some(size)) => {
                    if self.tape.skip(SKIPPABLE_HEADER as u64 + u64::from(size)).is_err() {
                        return;
                    }
                }
                // The end of the index may be torn off: it is not needed.
                (None, _) | (Some(frame::INDEX | frame::SEEK_TABLE), None) => return,
                (Some(_), _) => return self.warnings.after_end(offset),
            }
        }
    }

    /// Before what comes next there were so many events: what of them was not read is missing.
    fn account(&mut self, events: u64, lost: u64) {
        let unread = events.saturating_sub(self.place.events);
        if unread > 0 && !self.damaged {
            self.warnings.damaged(self.tape.offset(), "events before it are missing");
        }
        let untold = lost.saturating_sub(self.place.lost);
        self.missing = self.missing.saturating_add(unread).saturating_add(untold);
        (self.place.events, self.place.lost) = (self.place.events.max(events), self.place.lost.max(lost));
        self.damaged = false;
    }

    /// Between frames: a mark, a frame of events, something else, or the end.
    fn next_frame(&mut self) -> Result<(), Damage> {
        let begin = self.tape.offset();
        let head = self.tape.peek(SKIPPABLE_HEADER).map_err(Damage::Read)?;
        let Some((magic, rest)) = head.split_first_chunk::<4>() else {
            let torn = !head.is_empty();
            self.tape.advance(4);
            self.cut_off(torn.then_some(begin));
            return Ok(());
        };
        let size = rest.first_chunk::<4>().map(|size| u32::from_le_bytes(*size));
        match u32::from_le_bytes(*magic) {
            frame::ZSTD => {
                self.batches.begin().map_err(Damage::Read)?;
                self.decoder.begin();
                self.frame = Some(begin);
                self.tape.keep();
            }
            frame::MARK => {
                let whole = self.tape.peek(MARK_LENGTH).map_err(Damage::Read)?;
                let mark = Mark::at(whole).ok_or(Damage::Mark)?;
                self.account(mark.place.events, mark.place.lost);
                self.place = mark.place;
                self.tape.advance(MARK_LENGTH);
            }
            frame::INDEX => {
                let index = skippable(&mut self.tape, LONGEST_INDEX).map_err(Damage::Read)?;
                // An end record would have been before it.
                if let Some(index) = index.and_then(|(_, payload)| Index::parse(&payload)) {
                    self.end(index.events, index.lost, index.complete);
                }
            }
            magic if magic & !0xf == frame::VERSION => {
                self.tape.skip(SKIPPABLE_HEADER as u64 + u64::from(size.unwrap_or(u32::MAX))).map_err(Damage::Read)?;
            }
            _ => return Err(Damage::Zstd(io::Error::other("no frame begins here"))),
        }
        Ok(())
    }

    /// What was being read is damaged: goes on with the next frame that can be found.
    fn damage(&mut self, damage: &Damage) {
        let begin = self.frame.take().unwrap_or(self.tape.offset());
        match damage {
            Damage::Read(error) => {
                self.ended = true;
                self.warnings.ending(format!(
                    "byte {} cannot be read: {}{INCOMPLETE}",
                    self.tape.offset(),
                    cause(error)
                ));
                return;
            }
            // The end is torn off, unless a damaged length took what follows for its own.
            Damage::Torn => {}
            // It only counts: the frame after it may be whole.
            Damage::Mark => self.warnings.damaged(begin, "its mark is wrong, which may cost nothing"),
            Damage::Zstd(_) | Damage::Check | Damage::Unchecked | Damage::TooLong | Damage::Malformed(_) => {
                self.warnings.damaged(begin, &damage.to_string());
            }
        }
        self.damaged = true;
        if self.is_hopeless(begin) {
            self.ended = true;
            self.warnings.ending(format!(
                "what follows byte {} is not searched for more frames: too many before it were damaged{INCOMPLETE}",
                self.tape.offset()
            ));
            return;
        }
        self.tape.rewind();
        self.tape.advance(1);
        if self.find_frame() {
            if matches!(damage, Damage::Torn) {
                self.warnings.damaged(begin, "a length in it is wrong");
            }
        } else {
            self.cut_off(matches!(damage, Damage::Torn).then_some(begin));
        }
    }

    #[cfg(test)]
    pub(in super::super) fn wasted(&self) -> u64 {
        self.wasted
    }

    /// Goes to the next mark or the next begin of a frame. Each byte is looked at once.
    fn find_frame(&mut self) -> bool {
        let (zstd, mark) = (frame::ZSTD.to_le_bytes(), frame::MARK.to_le_bytes());
        loop {
            let rest = self.tape.rest();
            let found = rest.windows(4).position(|four| four == zstd || four == mark);
            self.wasted += found.unwrap_or(rest.len()) as u64;
            let Some(at) = found else {
                // One may stand across the end of what is there.
                self.tape.advance(rest.len().saturating_sub(3));
                self.tape.keep();
                if let Ok(true) = self.tape.fill() {
                    continue;
                }
                self.tape.advance(3);
                return false;
            };
            self.tape.advance(at);
            self.tape.keep();
            let Ok(head) = self.tape.peek(MARK_LENGTH) else { return false };
            if head.starts_with(&zstd) || Mark::at(head).is_some() {
                return true;
            }
            self.tape.advance(1);
        }
    }

    /// Whether so much was read in vain that it is not worth going on: only bytes that somebody made up have frame in frame, or
    /// frames of nothing that decompress to much.
    fn is_hopeless(&mut self, begin: u64) -> bool {
        self.wasted += self.tape.offset().saturating_sub(begin) + self.batches.decompressed();
        self.wasted > WASTE + WASTE_SHARE * self.tape.offset()
    }

    /// There is no more, and no end record was seen.
    fn cut_off(&mut self, torn: Option<u64>) {
        self.ended = true;
        let after = self.place.events;
        let what = match torn {
            Some(begin) => format!("the frame at byte {begin}, the last, is torn after event {after}"),
            None => format!("there is no end record after event {after}"),
        };
        self.warnings.ending(what + INCOMPLETE);
    }

    /// The gap for what is missing before the event that was decoded.
    fn gap_before_event(&mut self) -> Event {
        let next = self.ready.then(|| self.decoder.event().at);
        let until = next.or(self.last.map(|last| last.1));
        malformed_gap(self.header.boot_ns, self.last, until, std::mem::take(&mut self.missing))
    }
}

const INCOMPLETE: &str = ": the recording is incomplete, and shown as far as it goes";

/// The next frame, if it is a skippable one of at most `longest` bytes: its magic number and its bytes.
fn skippable(tape: &mut Tape, longest: usize) -> io::Result<Option<(u32, Vec<u8>)>> {
    let head = tape.peek(SKIPPABLE_HEADER)?;
    let Some((magic, rest)) = head.split_first_chunk::<4>() else { return Ok(None) };
    let Some(size) = rest.first_chunk::<4>() else { return Ok(None) };
    let (magic, size) = (u32::from_le_bytes(*magic), u32::from_le_bytes(*size) as usize);
    if magic & !0xf != frame::VERSION || size > longest {
        tape.advance(4);
        return Ok(None);
    }
    tape.advance(SKIPPABLE_HEADER);
    let payload = tape.peek(size)?.to_vec();
    tape.advance(size);
    Ok(Some((magic, payload)))
}
