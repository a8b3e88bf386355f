//! What goes over the socket between the server and a worker process. Every frame is its length (four bytes) and so many
//! bytes; numbers are little-endian.
//!
//! | frame | from | holds |
//! |---|---|---|
//! | hello | worker | the name of the protocol, what the worker is confined by, or why it cannot be |
//! | task | server | [`Task`], the CPU time allowed, the picture's bytes |
//! | answer | worker | [`Answer`] |
//!
//! The server trusts no worker: lengths are bounded before memory is taken, and what it reads must be something that a
//! reader can say of that picture. The worker trusts the server.

use std::io::{self, Read};
use std::time::Duration;

use thiserror::Error;

use super::confine::Confinement;
use super::reading::{Decoded, Done, Task};
use crate::codec::{Budget, Corners, Format, Kind, Kinds, Limits, LoadError, Orientation, Point, Symbol};

/// The longest frame that a worker may send: more than the longest texts of as many symbols as have room in a picture.
pub(super) const MOST_ANSWER_BYTES: usize = 32 << 20;

const PROTOCOL: &[u8] = concat!("qrstack worker ", env!("CARGO_PKG_VERSION")).as_bytes();
const FORMATS: [Format; 5] = [Format::Png, Format::Jpeg, Format::Gif, Format::WebP, Format::Bmp];
/// A corner may lie outside of its picture, but not out of all proportion.
const FARTHEST: f32 = 1e6;

/// A frame that its sender cannot have meant.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(super) struct Malformed(&'static str);

/// Longer than [`MOST_ANSWER_BYTES`].
pub(super) const TOO_LONG: Malformed = Malformed("it is too long");

/// What a worker says of a picture.
#[derive(Debug)]
pub(super) struct Answer {
    /// The reading, or `None` where it panicked.
    pub(super) result: Option<Result<Done, LoadError>>,
    /// The panics on the way, each with its place, those too that the reader caught itself.
    pub(super) panics: Vec<String>,
}

/// A worker's first words.
pub(super) fn hello(confinement: &Result<Confinement, String>) -> Vec<u8> {
    let mut frame = Frame::new();
    frame.bytes(PROTOCOL);
    match confinement {
        Ok(confinement) => frame.byte(0).byte(confinement.bits()),
        Err(reason) => frame.byte(1).bytes(reason.as_bytes()),
    };
    frame.end()
}

/// Understands a worker's first words: what it is confined by, or why it could not be.
pub(super) fn parse_hello(frame: &[u8]) -> Result<Result<Confinement, String>, Malformed> {
    let mut cursor = Cursor(frame);
    if cursor.bytes()? != PROTOCOL {
        return Err(Malformed("it is not a worker of this version"));
    }
    let confinement = match cursor.byte()? {
        0 => Ok(Confinement::from_bits(cursor.byte()?)),
        _ => Err(cursor.text()?),
    };
    cursor.end()?;
    Ok(confinement)
}

/// The beginning of a task's frame; the picture's bytes follow.
///
/// `None` where the picture is longer than a frame can be.
pub(super) fn task(task: &Task, allowance: Duration, picture_bytes: usize) -> Option<Vec<u8>> {
    let mut frame = Frame::new();
    let kinds = Kind::ALL.iter().enumerate().filter(|(_, kind)| task.kinds.contains(**kind));
    frame
        .number(kinds.map(|(i, _)| 1u32 << i).sum())
        .number(task.limits.max_side)
        .long(task.limits.max_bytes as u64)
        .long(task.limits.max_pixels)
        .long(microseconds(task.budget.cpu))
        .long(microseconds(allowance));
    let mut head = frame.end();
    let length = u32::try_from(head.len() - size_of::<u32>() + picture_bytes).ok()?;
    head[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
    Some(head)
}

/// Understands a task: what to do, the CPU time allowed, and the picture.
pub(super) fn parse_task(frame: &[u8]) -> Result<(Task, Duration, &[u8]), Malformed> {
    let mut cursor = Cursor(frame);
    let bits = cursor.number()?;
    let kinds: Kinds =
        Kind::ALL.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, kind)| *kind).collect();
    let limits = Limits { max_side: cursor.number()?, max_bytes: cursor.long()? as usize, max_pixels: cursor.long()? };
    let budget = Budget { cpu: Duration::from_micros(cursor.long()?) };
    let allowance = Duration::from_micros(cursor.long()?);
    Ok((Task { limits, kinds, budget }, allowance, cursor.0))
}

/// The frame of an answer.
pub(super) fn answer(answer: &Answer) -> Vec<u8> {
    let mut frame = Frame::new();
    match &answer.result {
        None => frame.byte(0),
        Some(Err(error)) => frame.byte(1).load_error(error),
        Some(Ok(done)) => frame.byte(2).done(done),
    };
    frame.number(answer.panics.len() as u32);
    for panic in &answer.panics {
        frame.bytes(panic.as_bytes());
    }
    frame.end()
}

/// Understands an answer to `task` about a picture of `size`: width and height.
pub(super) fn parse_answer(frame: &[u8], task: &Task, size: (u32, u32)) -> Result<Answer, Malformed> {
    let mut cursor = Cursor(frame);
    let result = match cursor.byte()? {
        0 => None,
        1 => Some(Err(cursor.load_error()?)),
        2 => {
            let done = cursor.done(task.kinds)?;
            if (done.decoded.width, done.decoded.height) != size {
                return Err(Malformed("the picture has another size"));
            }
            Some(Ok(done))
        }
        _ => return Err(Malformed("no such answer")),
    };
    let count = cursor.number()?;
    // Each takes bytes, so that a false count ends with the frame.
    let panics = (0..count).map(|_| cursor.text()).collect::<Result<_, _>>()?;
    cursor.end()?;
    Ok(Answer { result, panics })
}

/// Reads a whole frame into `frame`; `false` where the other side has ended the talk.
pub(super) fn receive(from: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; size_of::<u32>()];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    frame.clear();
    frame.reserve(length);
    Ok(from.take(length as u64).read_to_end(frame)? == length)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A frame being written.
struct Frame(Vec<u8>);

impl Frame {
    fn new() -> Self {
        Self(vec![0; size_of::<u32>()])
    }

    /// Puts the length in front.
    fn end(mut self) -> Vec<u8> {
        let length = (self.0.len() - size_of::<u32>()) as u32;
        self.0[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
        self.0
    }

    fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn number(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn long(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u32);
        self.0.extend(bytes);
        self
    }

    fn load_error(&mut self, error: &LoadError) -> &mut Self {
        match error {
            LoadError::Empty => self.byte(0),
            LoadError::TooManyBytes { limit, found } => self.byte(1).long(*limit as u64).long(*found as u64),
            LoadError::SideTooLong { limit, width, height } => {
                self.byte(2).number(*limit).number(*width).number(*height)
            }
            LoadError::TooManyPixels { limit, found } => self.byte(3).long(*limit).long(*found),
            LoadError::UnknownFormat => self.byte(4),
            LoadError::Broken { format, reason } => {
                let index = FORMATS.iter().position(|known| known.name() == *format).unwrap_or_default();
                self.byte(5).byte(index as u8).bytes(reason.as_bytes())
            }
        }
    }

    fn done(&mut self, done: &Done) -> &mut Self {
        let Done { decoded: Decoded { width, height, orientation, symbols }, budget_spent } = done;
        let exif = (1..=8).find(|value| Orientation::from_exif(*value) == *orientation).unwrap_or(1);
        self.number(*width).number(*height).byte(exif as u8).byte(u8::from(*budget_spent));
        self.number(symbols.len() as u32);
        for Symbol { kind, text, bytes, corners } in symbols {
            let index = Kind::ALL.iter().position(|known| known == kind).unwrap_or_default();
            self.byte(index as u8).bytes(text.as_bytes()).bytes(bytes).byte(u8::from(corners.is_some()));
            for point in corners.iter().flat_map(|corners| corners.0) {
                self.number(point.x.to_bits()).number(point.y.to_bits());
            }
        }
        self
    }
}

/// A frame being read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("it goes on after its end")) }
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("neither yes nor no")),
        }
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.number()?;
        self.take(length as usize)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn load_error(&mut self) -> Result<LoadError, Malformed> {
        Ok(match self.byte()? {
            0 => LoadError::Empty,
            1 => LoadError::TooManyBytes { limit: self.long()? as usize, found: self.long()? as usize },
            2 => LoadError::SideTooLong { limit: self.number()?, width: self.number()?, height: self.number()? },
            3 => LoadError::TooManyPixels { limit: self.long()?, found: self.long()? },
            4 => LoadError::UnknownFormat,
            5 => {
                let format = FORMATS.get(usize::from(self.byte()?)).ok_or(Malformed("no such format"))?;
                LoadError::Broken { format: format.name(), reason: self.text()? }
            }
            _ => return Err(Malformed("no such error")),
        })
    }

    fn done(&mut self, kinds: Kinds) -> Result<Done, Malformed> {
        let (width, height) = (self.number()?, self.number()?);
        let exif = self.byte()?;
        if !(1..=8).contains(&exif) {
            return Err(Malformed("no such orientation"));
        }
        let orientation = Orientation::from_exif(exif.into());
        let budget_spent = self.flag()?;
        let count = self.number()?;
        // No room is made for a count that may be false: each symbol takes bytes of the frame.
        let symbols = (0..count).map(|_| self.symbol(kinds)).collect::<Result<_, _>>()?;
        Ok(Done { decoded: Decoded { width, height, orientation, symbols }, budget_spent })
    }

    fn symbol(&mut self, kinds: Kinds) -> Result<Symbol, Malformed> {
        let kind = *Kind::ALL.get(usize::from(self.byte()?)).ok_or(Malformed("no such kind"))?;
        if !kinds.contains(kind) {
            return Err(Malformed("a kind that was not asked for"));
        }
        let (text, bytes) = (self.text()?, self.bytes()?.to_vec());
        let corners = if self.flag()? {
            Some(Corners([self.point()?, self.point()?, self.point()?, self.point()?]))
        } else {
            None
        };
        Ok(Symbol { kind, text, bytes, corners })
    }

    fn point(&mut self) -> Result<Point, Malformed> {
        let (x, y) = (f32::from_bits(self.number()?), f32::from_bits(self.number()?));
        // Not a number is within no bounds.
        if x.abs() <= FARTHEST && y.abs() <= FARTHEST {
            Ok(Point { x, y })
        } else {
            Err(Malformed("a corner far away"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: Task = Task {
        limits: Limits { max_bytes: 1 << 40, max_side: 77, max_pixels: 1 << 41 },
        kinds: Kinds::ALL,
        budget: Budget { cpu: Duration::from_millis(1234) },
    };
    const SIZE: (u32, u32) = (300, 200);

    fn symbol(kind: Kind, corners: bool) -> Symbol {
        let at = |x, y| Point { x, y };
        let corners = corners.then(|| Corners([at(-1.5, 2.0), at(299.0, 2.0), at(299.0, 199.25), at(0.0, 199.0)]));
        Symbol { kind, text: "你好\0".to_owned(), bytes: vec![0xC4, 0, 0xFF], corners }
    }

    fn done() -> Done {
        let symbols = Kind::ALL.into_iter().flat_map(|kind| [symbol(kind, true), symbol(kind, false)]).collect();
        let orientation = Orientation::Transversed;
        Done { decoded: Decoded { width: SIZE.0, height: SIZE.1, orientation, symbols }, budget_spent: true }
    }

    /// A frame without its length, which must be right.
    fn content(frame: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        assert!(receive(&mut &*frame, &mut content).expect("memory"));
        assert_eq!(content.len() + 4, frame.len());
        content
    }

    fn found(done: Done) -> Vec<u8> {
        content(&answer(&Answer { result: Some(Ok(done)), panics: vec!["a panic".to_owned()] }))
    }

    #[test]
    fn a_reading_arrives_as_it_was_sent() {
        let answer = parse_answer(&found(done()), &TASK, SIZE).expect("sound");
        assert_eq!(answer.result.expect("a result").expect("a reading"), done());
        assert_eq!(answer.panics, ["a panic"]);
    }

    #[test]
    fn every_load_error_arrives_as_it_was_sent() {
        let mut errors = vec![
            LoadError::Empty,
            LoadError::TooManyBytes { limit: 1 << 40, found: 3 },
            LoadError::SideTooLong { limit: 1, width: 2, height: u32::MAX },
            LoadError::TooManyPixels { limit: u64::MAX, found: 5 },
            LoadError::UnknownFormat,
        ];
        let broken = |format: Format| LoadError::Broken { format: format.name(), reason: "… cut".to_owned() };
        errors.extend(FORMATS.map(broken));
        for error in errors {
            let expected = format!("{error:?}");
            let frame = content(&answer(&Answer { result: Some(Err(error)), panics: Vec::new() }));
            let answer = parse_answer(&frame, &TASK, SIZE).expect("sound");
            assert_eq!(format!("{:?}", answer.result.expect("a result").expect_err("an error")), expected);
        }
    }

    #[test]
    fn a_task_arrives_as_it_was_sent() {
        for kinds in [Kinds::ALL, Kinds::QR, [Kind::DxFilmEdge].into_iter().collect()] {
            let sent = Task { kinds, ..TASK };
            let mut frame = task(&sent, Duration::from_secs(9), 3).expect("short");
            frame.extend(*b"abc");
            let frame = content(&frame);
            assert_eq!(parse_task(&frame), Ok((sent, Duration::from_secs(9), &b"abc"[..])));
        }
        assert_eq!(task(&TASK, Duration::ZERO, u32::MAX as usize), None);
    }

    #[test]
    fn a_worker_says_what_confines_it_or_why_nothing_does() {
        for bits in 0..8 {
            let confinement = Confinement::from_bits(bits);
            let frame = content(&hello(&Ok(confinement)));
            assert_eq!(parse_hello(&frame), Ok(Ok(confinement)));
        }
        let frame = content(&hello(&Err("no limits".to_owned())));
        assert_eq!(parse_hello(&frame), Ok(Err("no limits".to_owned())));
        assert!(parse_hello(b"\x05\0\0\0other\0\0").is_err());
    }

    #[test]
    fn what_no_reader_says_is_malformed() {
        let reject = |change: &dyn Fn(&mut Done)| {
            let mut changed = done();
            change(&mut changed);
            parse_answer(&found(changed), &TASK, SIZE).expect_err("malformed")
        };
        assert_eq!(reject(&|done| done.decoded.width += 1), Malformed("the picture has another size"));
        for (x, y) in [(f32::NAN, 0.0), (0.0, f32::INFINITY), (-2e6, 0.0)] {
            let far = |done: &mut Done| done.decoded.symbols[0].corners = Some(Corners([Point { x, y }; 4]));
            assert_eq!(reject(&far), Malformed("a corner far away"));
        }
        let task = Task { kinds: Kinds::QR, ..TASK };
        let other = parse_answer(&found(done()), &task, SIZE).expect_err("malformed");
        assert_eq!(other, Malformed("a kind that was not asked for"));
    }

    #[test]
    fn damaged_answers_are_refused_or_sound_and_never_a_panic() {
        let whole = found(done());
        for end in 0..whole.len() {
            assert!(parse_answer(&whole[..end], &TASK, SIZE).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = parse_answer(&damaged, &TASK, SIZE);
            }
        }
        let longer = [whole.as_slice(), b"x"].concat();
        assert!(parse_answer(&longer, &TASK, SIZE).is_err());
    }

    #[test]
    fn a_frame_that_ends_early_is_no_frame() {
        let mut frame = Vec::new();
        assert!(!receive(&mut &b""[..], &mut frame).expect("memory"));
        assert!(!receive(&mut &b"\x05\0\0\0abcd"[..], &mut frame).expect("memory"));
    }
}
