//! Modules of a QR symbol to bytes and text.

use rxing::common::{BitMatrix, cpp_essentials::DecoderResult};
use rxing::qrcode::common::{ErrorCorrectionLevel, Version};
use rxing::qrcode::cpp_port::decoder::{CorrectErrors, Decode, DecodeBitStream};
use rxing::qrcode::decoder::DataBlock;

use crate::codec::text;

/// What a symbol says.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) text: String,
    /// Before any character set was applied.
    pub(super) bytes: Vec<u8>,
    /// The modules are the mirror image of a symbol.
    pub(super) mirrored: bool,
}

/// Decodes `modules`, one bit a module, without quiet zone.
pub(super) fn decode(modules: &BitMatrix) -> Option<Content> {
    let (w, h) = (modules.width(), modules.height());
    if w == h && w >= 21 && w % 4 == 1 {
        let version = Version::getVersionForNumber((w - 17) / 4).ok()?;
        let fixed = version.buildFunctionPattern().ok()?;
        let found = formats(modules).into_iter().find_map(|format| {
            let data = data(modules, &fixed, version, format)?;
            let (text, bytes) = meaning(&data, version, format.level)?;
            Some(Content { text, bytes, mirrored: format.mirrored })
        });
        if found.is_some() {
            return found;
        }
    }
    // Micro QR, rMQR and model 1.
    let decoded = Decode(modules).ok().filter(DecoderResult::isValid)?;
    let bytes = decoded.content().bytes().to_vec();
    // In these small symbols bytes that are not UTF-8 come from Kanji mode.
    let plain = !decoded.content().has_eci && std::str::from_utf8(&bytes).is_ok();
    let text = if plain { text::guess(&bytes) } else { decoded.text() };
    Some(Content { text, bytes, mirrored: decoded.isMirrored() })
}

fn meaning(data: &[u8], version: &'static Version, level: ErrorCorrectionLevel) -> Option<(String, Vec<u8>)> {
    let decoded = DecodeBitStream(data, version, level).ok().filter(DecoderResult::isValid)?;
    let bytes = decoded.content().bytes().to_vec();
    let text = if decoded.content().has_eci || has_ideographs(data, version) {
        decoded.text()
    } else {
        // rxing's own guess takes GBK and Big5 for other character sets.
        text::guess(&bytes)
    };
    Some((text, bytes))
}

/// Wrong bits allowed in the better copy of the format information. The code corrects three; error correction of the
/// data tells whether more was a mistake.
const FORMAT_ERRORS: u32 = 5;

/// Wrong bits more than in the best one that another format may have: chance finds one with few wrong bits anywhere.
const WORSE: u32 = 2;

/// What the format information says.
#[derive(Clone, Copy, Debug)]
struct Format {
    level: ErrorCorrectionLevel,
    mask: u32,
    /// It was read from the mirror image.
    mirrored: bool,
}

/// The likely formats, the likeliest first.
fn formats(modules: &BitMatrix) -> Vec<Format> {
    let size = modules.width();
    let around = |k: u32| if k < 6 { k } else { k + 1 }; // past the timing pattern
    let mut near: Vec<(u32, bool, u32)> = Vec::new();
    for mirrored in [false, true] {
        let bit = |x: u32, y: u32| u32::from(if mirrored { modules.get(y, x) } else { modules.get(x, y) });
        let join = |places: &mut dyn Iterator<Item = (u32, u32)>| places.fold(0, |word, (x, y)| word << 1 | bit(x, y));
        let first = join(&mut (0..8).map(|k| (around(k), 8)).chain((0..7).rev().map(|k| (8, around(k)))));
        let second = join(&mut (0..7).map(|k| (8, size - 1 - k)).chain((0..8).map(|k| (size - 8 + k, 8))));
        near.extend((0..32).filter_map(|data| {
            let word = format_word(data);
            let wrong = (word ^ first).count_ones().min((word ^ second).count_ones());
            (wrong <= FORMAT_ERRORS).then_some((wrong, mirrored, data))
        }));
    }
    near.sort_unstable();
    let most = near.first().map_or(0, |best| best.0 + WORSE);
    let likely = near.into_iter().take_while(|f| f.0 <= most).take(4);
    likely
        .filter_map(|(_, mirrored, data)| {
            let level = ErrorCorrectionLevel::forBits((data >> 3) as u8).ok()?;
            Some(Format { level, mask: data & 7, mirrored })
        })
        .collect()
}

/// The 15 bits that stand for five: BCH code and mask of the standard.
fn format_word(data: u32) -> u32 {
    let mut rest = data << 10;
    for k in (10..15).rev() {
        if rest >> k & 1 == 1 {
            rest ^= 0b101_0011_0111 << (k - 10);
        }
    }
    (data << 10 | rest) ^ 0b101_0100_0001_0010
}

/// The corrected data codewords; `fixed` are the modules that hold none.
fn data(modules: &BitMatrix, fixed: &BitMatrix, version: &'static Version, format: Format) -> Option<Vec<u8>> {
    let Format { level, mask, mirrored } = format;
    let size = modules.width();
    let mut words = Vec::with_capacity(version.getTotalCodewords() as usize);
    let (mut word, mut count, mut upwards) = (0u8, 0, true);
    let mut right = size as i32 - 1;
    while right > 0 {
        if right == 6 {
            right -= 1; // the vertical timing pattern
        }
        for step in 0..size {
            let y = if upwards { size - 1 - step } else { step };
            for x in [right as u32, right as u32 - 1] {
                if fixed.get(x, y) {
                    continue;
                }
                let dark = if mirrored { modules.get(y, x) } else { modules.get(x, y) };
                word = word << 1 | u8::from(dark != masked(mask, x, y));
                count += 1;
                if count % 8 == 0 {
                    words.push(word);
                }
            }
        }
        upwards = !upwards;
        right -= 2;
    }
    words.truncate(version.getTotalCodewords() as usize);
    let mut data = Vec::with_capacity(words.len());
    for block in &DataBlock::getDataBlocks(&words, version, level).ok()? {
        let count = block.getNumDataCodewords() as usize;
        let mut words = block.getCodewords().to_vec();
        if !CorrectErrors(&mut words, count as u32).ok()? {
            return None;
        }
        data.extend_from_slice(words.get(..count)?);
    }
    Some(data)
}

/// Whether mask `mask` inverts the module at column `x` of row `y`.
fn masked(mask: u32, x: u32, y: u32) -> bool {
    match mask {
        0 => (x + y).is_multiple_of(2),
        1 => y.is_multiple_of(2),
        2 => x.is_multiple_of(3),
        3 => (x + y).is_multiple_of(3),
        4 => (y / 2 + x / 3).is_multiple_of(2),
        5 => x * y % 2 + x * y % 3 == 0,
        6 => (x * y % 2 + x * y % 3).is_multiple_of(2),
        _ => ((x + y) % 2 + x * y % 3).is_multiple_of(2),
    }
}

/// Whether the data have a segment in Kanji or Hanzi mode, whose character set is known.
fn has_ideographs(data: &[u8], version: &Version) -> bool {
    let mut bits = Bits { data, at: 0 };
    let size = match version.getVersionNumber() {
        0..=9 => 0,
        10..=26 => 1,
        27.. => 2,
    };
    loop {
        let (Some(mode), left) = (bits.take(4), data.len() * 8 - bits.at.min(data.len() * 8)) else { return false };
        let count = |bits: &mut Bits<'_>, widths: [usize; 3]| bits.take(widths[size]);
        let skip = match mode {
            1 => count(&mut bits, [10, 12, 14]).map(|n| n / 3 * 10 + [0, 4, 7][n % 3]),
            2 => count(&mut bits, [9, 11, 13]).map(|n| n / 2 * 11 + n % 2 * 6),
            3 => Some(16),
            4 => count(&mut bits, [8, 16, 16]).map(|n| 8 * n),
            5 => Some(0),
            9 => Some(8),
            8 | 13 => return left > 12,
            _ => return false,
        };
        let Some(skip) = skip else { return false };
        bits.at += skip;
    }
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.data.get(self.at / 8)?;
            value = value << 1 | usize::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }
}
