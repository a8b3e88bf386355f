//! What all QR Codes of a version share: their function patterns, where each bit of the codewords goes (ISO/IEC 18004,
//! 7.7.3), and, level by level, what each mask adds. Made by the first symbol of its version and level, and kept: 2 kB for
//! the smallest version and 136 kB for the largest, and 1 and 68 kB more for each further level. All levels of all versions
//! take 6 MB; the table of them takes 66 kB from the start.

use std::sync::OnceLock;

use qrcode::canvas::{Canvas, Module};
use qrcode::{EcLevel, Version};

use super::lines::{Symbol, Word};
use super::mask::{MASKS, format_modules, inverts};

/// Levels of error correction.
const LEVELS: usize = 4;
/// The column of the vertical timing pattern, which holds no bit.
const TIMING: usize = 6;

/// The layout of a version, its lines as long as it needs.
pub(super) enum Frame {
    Tiny(Layout<u32, 1>),
    Small(Layout<u64, 1>),
    Medium(Layout<u64, 2>),
    Large(Layout<u64, 3>),
}

/// The frame of a version from 1 to 40.
pub(super) fn of(version: Version) -> &'static Frame {
    static FRAMES: [OnceLock<Frame>; 40] = [const { OnceLock::new() }; 40];
    let Version::Normal(number) = version else { unreachable!("no Micro QR Code is made here") };
    FRAMES[usize::from(number.unsigned_abs()) - 1].get_or_init(|| match version.width() {
        ..=32 => Frame::Tiny(Layout::of(version)),
        33..=64 => Frame::Small(Layout::of(version)),
        65..=128 => Frame::Medium(Layout::of(version)),
        _ => Frame::Large(Layout::of(version)),
    })
}

/// A version without data.
pub(super) struct Layout<W, const WORDS: usize> {
    /// Finders, timing, alignment, version; the places of the format information are white.
    function: Symbol<W, WORDS>,
    /// What each mask adds, by the level.
    masks: [OnceLock<[Symbol<W, WORDS>; MASKS]>; LEVELS],
    /// Column and row of each bit of the codewords, in their order, and of the few modules that no bit fills.
    places: Box<[(u8, u8)]>,
}

impl<W: Word, const WORDS: usize> Layout<W, WORDS> {
    fn of(version: Version) -> Self {
        let side = usize::from(version.width().unsigned_abs());
        // The level shows in the format information alone.
        let mut canvas = Canvas::new(version, EcLevel::L);
        canvas.draw_all_functional_patterns();
        let mut function = Symbol::white(side);
        let is_free = |&(x, y): &(usize, usize)| canvas.get(x as i16, y as i16) == Module::Empty;
        let places = zigzag(side).filter(is_free).map(|(x, y)| (x as u8, y as u8)).collect();
        for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))) {
            if canvas.get(x as i16, y as i16).is_dark() {
                function.set(x, y);
            }
        }
        Self { function, masks: [const { OnceLock::new() }; LEVELS], places }
    }

    /// What each mask adds to the symbol without one: it inverts its pattern where no function pattern is, and the format
    /// information, which names it and `level`, stands where nothing stood.
    pub(super) fn masks(&self, level: EcLevel) -> &[Symbol<W, WORDS>; MASKS] {
        let side = self.function.side();
        self.masks[index(level)].get_or_init(|| {
            std::array::from_fn(|mask| {
                let mut added = Symbol::white(side);
                for (x, y) in self.places.iter().map(|&(x, y)| (usize::from(x), usize::from(y))) {
                    added.put(x, y, inverts(mask, x, y));
                }
                format_modules(level, mask, side).for_each(|(x, y)| added.set(x, y));
                added
            })
        })
    }

    /// The symbol with these codewords, before any mask.
    pub(super) fn filled(&self, codewords: impl Iterator<Item = u8>) -> Symbol<W, WORDS> {
        let mut symbol = self.function.clone();
        let mut places = self.places.iter();
        for codeword in codewords {
            // The highest bit first.
            for (bit, &(x, y)) in (0..8).rev().zip(places.by_ref()) {
                symbol.put(usize::from(x), usize::from(y), codeword >> bit & 1 == 1);
            }
        }
        symbol
    }
}

/// Where a level stands among [`LEVELS`].
fn index(level: EcLevel) -> usize {
    match level {
        EcLevel::L => 0,
        EcLevel::M => 1,
        EcLevel::Q => 2,
        EcLevel::H => 3,
    }
}

/// Column and row of all modules but those of the timing column, in the order of the codewords' bits: columns by twos from
/// the right, upwards and downwards by turns, in each row the right one first.
fn zigzag(side: usize) -> impl Iterator<Item = (usize, usize)> {
    let rights = (1..side).rev().step_by(2).map(|right| if right <= TIMING { right - 1 } else { right });
    rights.enumerate().flat_map(move |(turn, right)| {
        (0..side).flat_map(move |step| {
            let y = if turn.is_multiple_of(2) { side - 1 - step } else { step };
            [(right, y), (right - 1, y)]
        })
    })
}
