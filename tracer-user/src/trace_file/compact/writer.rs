//! Writes a `.sesstrace` recording: appends only, and what was flushed can be read whatever happens next.
//!
//! Must not: know of files and paths: [`super::super::Writer`] does.

use std::io;

use tracer_model::{MODEL_ID, event::Event, state::Model};
use zstd::{
    stream::raw::{Encoder as Zstd, InBuffer, Operation, OutBuffer},
    zstd_safe::CParameter,
};

use super::{
    encode::Encoder,
    frame::{self, Index, Mark},
    record::{Content, End, Keyframe, Record},
};
use crate::trace_file::{Header, Summary, json::header_line, place::Place};

/// Compression level: above it a fiftieth of the size costs twice the time.
const LEVEL: i32 = 6;
/// Where a repetition may begin is remembered for so many beginnings, as a power of two: 512 KiB, which a second-level cache holds. With the
/// level's own, four times as many, the search waits for memory.
const REMEMBERED: u32 = 17;
/// So many of them are tried, as a power of two.
const TRIED: u32 = 3;
/// The shortest repetition that is looked for: what two messages have in common is often no longer.
const SHORTEST: u32 = 4;
/// A check stands at least after so many bytes: what a reader holds before it believes it.
const BATCH_BYTES: usize = 16 * 1024;

/// How often things are done that cost space, and save time or losses.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    /// A frame ends after so many events, or so many bytes before compression: what one damaged byte can cost.
    pub frame_events: u32,
    pub frame_bytes: usize,
    /// A keyframe is due after so many events, and after so many times its own size was written.
    pub keyframe_events: u64,
    pub keyframe_share: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame_events: 131_072, frame_bytes: 4 << 20, keyframe_events: 131_072, keyframe_share: 16 }
    }
}

/// Makes the bytes of a recording.
pub(in super::super) struct Writer {
    limits: Limits,
    encoder: Encoder,
    zstd: Zstd<'static>,
    /// Bytes of the frame that no check covers yet.
    batch: Vec<u8>,
    /// The frame, when one is open: events and bytes before compression.
    frame: Option<Frame>,
    place: Place,
    /// Length of what was made before `out`.
    offset: u64,
    out: Vec<u8>,
    index: Index,
    /// Sizes of all frames so far, compressed and not.
    sizes: Vec<(u32, u32)>,
    /// Events when the last keyframe was written, and its size.
    keyframe: (u64, usize),
    bytes_since_keyframe: usize,
}

#[derive(Clone, Copy)]
struct Frame {
    begin: u64,
    events: u32,
    bytes: usize,
}

impl Writer {
    /// Begins a recording.
    pub(in super::super) fn new(header: &Header, limits: Limits) -> io::Result<Self> {
        let mut zstd = Zstd::new(LEVEL)?;
        zstd.set_parameter(CParameter::ChecksumFlag(true))?;
        zstd.set_parameter(CParameter::MinMatch(SHORTEST))?;
        zstd.set_parameter(CParameter::HashLog(REMEMBERED))?;
        zstd.set_parameter(CParameter::SearchLog(TRIED))?;
        let mut writer = Self {
            limits,
            encoder: Encoder::default(),
            zstd,
            batch: Vec::new(),
            frame: None,
            place: Place::start(header),
            offset: 0,
            out: Vec::new(),
            index: Index::default(),
            sizes: Vec::new(),
            keyframe: (0, 0),
            bytes_since_keyframe: 0,
        };
        frame::version(&mut writer.out);
        writer.note_frame(0, 0);
        let mut json = Vec::new();
        header_line(header, &mut json)?;
        json.pop_if(|last| *last == b'\n');
        writer.open();
        writer.message(Content::Header(json))?;
        writer.close()?;
        Ok(writer)
    }

    fn position(&self) -> u64 {
        self.offset + self.out.len() as u64
    }

    /// A frame that began at `begin` has ended.
    fn note_frame(&mut self, begin: u64, decompressed: usize) {
        let compressed = self.position() - begin;
        // Frames are far smaller than 4 GiB; the largest message is an exec with 2 MiB of arguments.
        self.sizes.push((compressed as u32, decompressed as u32));
    }

    /// Appends an event.
    pub(in super::super) fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.frame.is_none() {
            self.open_marked(false);
        }
        let record = self.encoder.encode(event);
        self.record(record)?;
        self.place.pass(event);
        let Some(frame) = &mut self.frame else { return Ok(()) };
        frame.events += 1;
        if frame.events >= self.limits.frame_events || frame.bytes >= self.limits.frame_bytes {
            self.close()?;
        }
        Ok(())
    }

    /// Whether [`Self::keyframe`] is to be called before the next event.
    pub(in super::super) fn wants_keyframe(&self) -> bool {
        let (events, size) = self.keyframe;
        let Limits { keyframe_events, keyframe_share, .. } = self.limits;
        self.place.events - events >= keyframe_events && self.bytes_since_keyframe >= size * keyframe_share
    }

    /// Begins a frame with the state after the last event, so that a reader can begin there.
    pub(in super::super) fn keyframe(&mut self, model: &Model) -> io::Result<()> {
        self.close()?;
        let state = postcard::to_stdvec(model).map_err(io::Error::other)?;
        self.keyframe = (self.place.events, state.len());
        self.open_marked(true);
        self.message(Content::Keyframe(Keyframe { model: MODEL_ID.to_owned(), state }))?;
        self.check()?;
        self.bytes_since_keyframe = 0;
        Ok(())
    }

    /// Takes the bytes so far: with them a reader has every event.
    pub(in super::super) fn flush(&mut self) -> io::Result<Vec<u8>> {
        self.check()?;
        if self.frame.is_some() {
            self.drive(Operation::flush)?;
        }
        Ok(self.take())
    }

    /// Takes the bytes that are ready, which may end within a batch.
    pub(in super::super) fn take(&mut self) -> Vec<u8> {
        self.offset = self.position();
        std::mem::take(&mut self.out)
    }

    /// Bytes that [`Self::take`] would give.
    pub(in super::super) fn ready(&self) -> usize {
        self.out.len()
    }

    /// Ends the recording and gives its last bytes.
    pub(in super::super) fn finish(&mut self, summary: Summary) -> io::Result<Vec<u8>> {
        let Summary { events, lost, complete } = summary;
        if self.frame.is_none() {
            self.open_marked(false);
        }
        self.message(Content::End(End { events, lost, complete }))?;
        self.close()?;
        (self.index.events, self.index.lost, self.index.complete) = (events, lost, complete);
        let begin = self.position();
        self.index.write(&mut self.out);
        self.note_frame(begin, 0);
        frame::seek_table(&self.sizes, &mut self.out);
        Ok(self.take())
    }

    fn open_marked(&mut self, keyframe: bool) {
        let mark = Mark { place: self.place, keyframe };
        let begin = self.position();
        self.index.frames.push((begin, mark));
        mark.write(&mut self.out);
        self.note_frame(begin, 0);
        self.open();
    }

    fn open(&mut self) {
        self.frame = Some(Frame { begin: self.position(), events: 0, bytes: 0 });
        self.encoder = Encoder::default();
    }

    fn message(&mut self, content: Content) -> io::Result<()> {
        self.record(Record { content: Some(content), ..Record::default() })
    }

    /// Appends a message to the batch, and ends the batch when it is large.
    fn record(&mut self, record: Record) -> io::Result<()> {
        record.append(&mut self.batch);
        if self.batch.len() >= BATCH_BYTES { self.check() } else { Ok(()) }
    }

    /// Ends the batch: a reader believes what is before a check that is right.
    fn check(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let check = Content::Check(crc32fast::hash(&self.batch));
        Record { content: Some(check), ..Record::default() }.append(&mut self.batch);
        if let Some(frame) = &mut self.frame {
            frame.bytes += self.batch.len();
        }
        self.bytes_since_keyframe += self.batch.len();
        let batch = std::mem::take(&mut self.batch);
        let mut input = InBuffer::around(&batch);
        while input.pos() < batch.len() {
            self.drive(|zstd, out| zstd.run(&mut input, out).map(|_| 0))?;
        }
        self.batch = batch;
        self.batch.clear();
        Ok(())
    }

    /// Ends the frame, if one is open.
    fn close(&mut self) -> io::Result<()> {
        self.check()?;
        let Some(frame) = self.frame.take() else { return Ok(()) };
        self.drive(|zstd, out| zstd.finish(out, true))?;
        self.zstd.reinit()?;
        self.note_frame(frame.begin, frame.bytes);
        Ok(())
    }

    /// Lets zstd write until nothing remains of what it was asked for.
    fn drive(
        &mut self,
        mut step: impl FnMut(&mut Zstd<'static>, &mut OutBuffer<'_, [u8]>) -> io::Result<usize>,
    ) -> io::Result<()> {
        loop {
            let mut room = [0; 16 * 1024];
            let mut out = OutBuffer::around(&mut room[..]);
            let remaining = step(&mut self.zstd, &mut out)?;
            self.out.extend_from_slice(out.as_slice());
            if remaining == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, path::Path, process::Command};

    use prost::Message as _;
    use tracer_model::event::{Comm, EventKind};

    use super::*;
    use crate::trace_file::{
        Reader,
        tests::{events, header},
    };

    /// A recording of a later version: an event of a kind that nobody knows, whose string a later event refers to.
    fn of_a_later_version() -> (Vec<u8>, Vec<Event>) {
        let mut writer = Writer::new(&header(), Limits::default()).expect("a header");
        let mut known = events();
        let last = Event { actor_comm: Comm("later".into()), kind: EventKind::Continued, ..known[4].clone() };
        known.push(last);
        for (n, event) in known.iter().enumerate() {
            if n == 5 {
                let mut record = Record { seq: -1, ..Record::default() };
                writer.encoder.string(b"later", &mut record);
                let mut bytes = record.encode_to_vec();
                // Field 40, a message without fields.
                bytes.extend([0xc2, 0x02, 0]);
                writer.batch.push(bytes.len() as u8);
                writer.batch.extend(bytes);
            }
            writer.event(event).expect("an event");
        }
        let summary = Summary { events: 7, complete: true, ..Summary::default() };
        (writer.finish(summary).expect("an end"), known)
    }

    #[test]
    fn a_kind_of_a_later_version_is_passed_over_and_its_strings_are_kept() {
        let (bytes, known) = of_a_later_version();
        let mut reader = Reader::new(Path::new("later"), &bytes[..]).expect("a header");
        assert_eq!(reader.by_ref().collect::<Vec<_>>(), known);
        assert_eq!(reader.warnings().skipped(), 1);
        assert!(reader.summary().complete);
    }

    #[test]
    fn the_reader_in_python_passes_it_over_as_well() {
        let (bytes, known) = of_a_later_version();
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&bytes).expect("bytes");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/read_sesstrace.py");
        let output = Command::new("python3").arg(script).arg(file.path()).output().expect("python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<serde_json::Value> = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect();
        assert_eq!(lines.len(), 1 + known.len());
        let last = lines.last().expect("a line");
        assert_eq!((&last["kind"], &last["by"]["comm"]), (&"continued".into(), &"later".into()));
    }
}
