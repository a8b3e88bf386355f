//! Text to modules: QR Code, Code 128 and Telepen. How the modules become a picture is [`render`](super::render)'s matter.
//!
//! The crate `qrcode` makes the bits, the error correction and the function patterns of a QR Code. What goes into it is
//! decided here: its own optimiser takes pairs of UTF-8 bytes that happen to look like Shift-JIS for Kanji, and readers
//! then show other characters. So are the placement of codewords (`frame`) and the mask (`mask`), for the sake of
//! speed.

mod code128;
mod frame;
mod lines;
mod mask;
mod segments;
mod telepen;

use qrcode::bits::Bits;
use qrcode::{EcLevel, QrResult, Version, ec};

pub use code128::code128;
pub use telepen::telepen;

use self::segments::{Mode, Segment};
use super::{EncodeError, Matrix};

/// The most bytes that any QR Code holds: version 40, level L.
const MAX_QR_BYTES: usize = 2953;

/// How much of a QR Code may be damaged, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 7 %.
    L,
    /// 15 %.
    #[default]
    M,
    /// 25 %.
    Q,
    /// 30 %.
    H,
}

impl Level {
    fn lower(self) -> Option<Self> {
        match self {
            Self::L => None,
            Self::M => Some(Self::L),
            Self::Q => Some(Self::M),
            Self::H => Some(Self::Q),
        }
    }
}

impl From<Level> for EcLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::L => Self::L,
            Level::M => Self::M,
            Level::Q => Self::Q,
            Level::H => Self::H,
        }
    }
}

/// How to draw a QR Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QrOptions {
    /// The level of error correction. Default: M.
    pub level: Level,
    /// Whether text that does not fit the largest symbol at `level` may take a lower one. Default: yes.
    pub fall_back: bool,
}

impl Default for QrOptions {
    fn default() -> Self {
        Self { level: Level::default(), fall_back: true }
    }
}

/// Whether `text` is one of ASCII alone, neither empty nor longer than `limit`.
fn check_ascii(text: &str, limit: usize) -> Result<(), EncodeError> {
    if text.is_empty() {
        return Err(EncodeError::Empty);
    }
    if let Some(character) = text.chars().find(|c| !c.is_ascii()) {
        return Err(EncodeError::NoSuchCharacter { character });
    }
    if text.len() > limit {
        return Err(EncodeError::TooLong { limit, found: text.len() });
    }
    Ok(())
}

/// The QR Code of `text`, without quiet zone: the smallest version that holds it, in numeric, alphanumeric and byte
/// segments of the least total length. What is not ASCII goes in as UTF-8 bytes without ECI, which is what phone readers
/// expect.
///
/// # Errors
/// [`EncodeError::Empty`], and [`EncodeError::TooLong`] where no version holds the text.
///
/// # Example
/// ```
/// use qrstack::codec::encode::{QrOptions, qr};
/// let matrix = qr("https://example.com/", &QrOptions::default())?;
/// assert_eq!((matrix.width(), matrix.height()), (25, 25));
/// # Ok::<(), qrstack::codec::EncodeError>(())
/// ```
pub fn qr(text: &str, options: &QrOptions) -> Result<Matrix, EncodeError> {
    if text.is_empty() {
        return Err(EncodeError::Empty);
    }
    let bytes = text.as_bytes();
    let mut level = options.level;
    loop {
        if let Some(matrix) = smallest(bytes, level.into()) {
            return Ok(matrix);
        }
        match level.lower() {
            Some(lower) if options.fall_back => level = lower,
            _ => return Err(EncodeError::TooLong { limit: MAX_QR_BYTES, found: bytes.len() }),
        }
    }
}

/// The smallest QR Code that holds `bytes` at `level`.
fn smallest(bytes: &[u8], level: EcLevel) -> Option<Matrix> {
    // The lengths of a segment's header, and with them the best segments, are the same within each of these classes.
    [1..=9, 10..=26, 27..=40].into_iter().find_map(|mut versions| {
        let segments = segments::shortest(bytes, *versions.start());
        versions.find_map(|version| lay_out(&segments, version, level))
    })
}

/// The QR Code of this very version, where the segments fit.
fn lay_out(segments: &[Segment<'_>], version: i16, level: EcLevel) -> Option<Matrix> {
    let mut bits = Bits::new(Version::Normal(version));
    // Cheaper than filling `bits` only to find that they are too many.
    if segments::bits(segments, version) > bits.max_len(level).ok()? {
        return None;
    }
    for segment in segments {
        match segment.mode {
            Mode::Numeric => bits.push_numeric_data(segment.bytes),
            Mode::Alphanumeric => bits.push_alphanumeric_data(segment.bytes),
            Mode::Byte => bits.push_byte_data(segment.bytes),
        }
        .ok()?;
    }
    bits.push_terminator(level).ok()?;
    symbol(bits, level).ok()
}

/// The symbol of whole data bits.
fn symbol(bits: Bits, level: EcLevel) -> QrResult<Matrix> {
    let version = bits.version();
    let (data, correction) = ec::construct_codewords(&bits.into_bytes(), version, level)?;
    Ok(mask::best(frame::of(version), data.into_iter().chain(correction), level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_version_is_taken() {
        // Capacities at level M by ISO/IEC 18004 table 7: version 1 holds 34 digits, 20 alphanumeric, 14 bytes.
        for (text, side) in [
            ("1".repeat(34), 21),
            ("1".repeat(35), 25),
            ("A".repeat(20), 21),
            ("A".repeat(21), 25),
            ("a".repeat(14), 21),
            ("a".repeat(15), 25),
        ] {
            let matrix = qr(&text, &QrOptions::default()).expect("short");
            assert_eq!(matrix.width(), side, "{text}");
        }
    }

    #[test]
    fn the_level_falls_only_where_the_text_needs_it_and_the_options_allow_it() {
        let m_at_most = "a".repeat(2331);
        let more = "a".repeat(2332);
        let strict = QrOptions { fall_back: false, ..QrOptions::default() };
        assert_eq!(qr(&m_at_most, &strict).expect("fits M").width(), 177);
        assert_eq!(qr(&more, &strict), Err(EncodeError::TooLong { limit: 2953, found: 2332 }));
        assert_eq!(qr(&more, &QrOptions::default()).expect("fits L").width(), 177 - 4 * 4);
    }

    #[test]
    fn the_largest_texts_fit_and_one_more_does_not() {
        for (character, most) in [("1", 7089), ("A", 4296), ("a", 2953)] {
            assert!(qr(&character.repeat(most), &QrOptions::default()).is_ok(), "{character}");
            assert!(
                matches!(qr(&character.repeat(most + 1), &QrOptions::default()), Err(EncodeError::TooLong { .. })),
                "{character}"
            );
        }
    }

    #[test]
    fn empty_text_is_refused() {
        assert_eq!(qr("", &QrOptions::default()), Err(EncodeError::Empty));
    }
}
