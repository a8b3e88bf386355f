//! Code 128 (ISO/IEC 15417).

use super::{Decoded, edges::Runs};
use crate::codec::Kind;

/// Widths of the characters 0 to 105, bar first, as digits of a number.
const CHARACTERS: [u32; 106] = [
    212_222, 222_122, 222_221, 121_223, 121_322, 131_222, 122_213, 122_312, 132_212, 221_213, 221_312, 231_212,
    112_232, 122_132, 122_231, 113_222, 123_122, 123_221, 223_211, 221_132, 221_231, 213_212, 223_112, 312_131,
    311_222, 321_122, 321_221, 312_212, 322_112, 322_211, 212_123, 212_321, 232_121, 111_323, 131_123, 131_321,
    112_313, 132_113, 132_311, 211_313, 231_113, 231_311, 112_133, 112_331, 132_131, 113_123, 113_321, 133_121,
    313_121, 211_331, 231_131, 213_113, 213_311, 213_131, 311_123, 311_321, 331_121, 312_113, 312_311, 332_111,
    314_111, 221_411, 431_111, 111_224, 111_422, 121_124, 121_421, 141_122, 141_221, 112_214, 112_412, 122_114,
    122_411, 142_112, 142_211, 241_211, 221_114, 413_111, 241_112, 134_111, 111_242, 121_142, 121_241, 114_212,
    124_112, 124_211, 411_212, 421_112, 421_211, 212_141, 214_121, 412_121, 111_143, 111_341, 131_141, 114_113,
    114_311, 411_113, 411_311, 113_141, 114_131, 311_141, 411_131, 211_412, 211_214, 211_232,
];

const START_A: usize = 103;
const START_C: usize = 105;

/// White modules in front and behind; the standard asks for 10.
const QUIET: f32 = 4.5;

fn widths(character: usize) -> [f32; 6] {
    let mut rest = CHARACTERS[character];
    let mut w = [0.0; 6];
    for place in w.iter_mut().rev() {
        *place = (rest % 10) as f32;
        rest /= 10;
    }
    w
}

/// The table as widths, built once.
fn table() -> &'static [[f32; 6]; 106] {
    static TABLE: std::sync::OnceLock<[[f32; 6]; 106]> = std::sync::OnceLock::new();
    TABLE.get_or_init(|| std::array::from_fn(widths))
}

/// The character nearest to six runs, among `range`, and its squared distance in modules.
fn character(w: &[f32], growth: f32, range: std::ops::Range<usize>) -> Option<(usize, f32)> {
    let total: f32 = w.iter().sum();
    let scale = 11.0 / total;
    let mut v = [0.0; 6];
    for (k, place) in v.iter_mut().enumerate() {
        *place = w[k] * scale + if k % 2 == 0 { -growth } else { growth };
    }
    let (mut best, mut second) = ((0, f32::INFINITY), f32::INFINITY);
    for c in range {
        let error: f32 = v.iter().zip(&table()[c]).map(|(a, b)| (a - b) * (a - b)).sum();
        if error < best.1 {
            second = best.1;
            best = (c, error);
        } else {
            second = second.min(error);
        }
    }
    (best.1 < 1.4 && second - best.1 > 0.1).then_some(best)
}

/// How much wider the bars of a character are than they should be, in modules a bar.
fn growth(w: &[f32], character: usize) -> f32 {
    let total: f32 = w[..6].iter().sum();
    let bars = (w[0] + w[2] + w[4]) * 11.0 / total;
    let should = table()[character];
    ((bars - should[0] - should[2] - should[4]) / 3.0).clamp(-0.7, 0.7)
}

/// Reads the symbol whose first bar is run `i`.
pub(super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = &runs.widths[i..];
    if w.len() < 25 {
        return None; // start, one character, check, stop
    }
    let total: f32 = w[..6].iter().sum();
    let module = total / 11.0;
    // Every start begins with a bar of two modules and a space of one.
    if runs.quiet_before(i) < QUIET * module || w[0] < w[1] * 0.9 || w[0] > 3.3 * module || w[1] > 2.0 * module {
        return None;
    }
    // The three starts differ by where their bars are, so ink is measured after guessing which it is.
    let (start, _) = (START_A..=START_C)
        .filter_map(|c| character(&w[..6], growth(w, c), c..c + 1))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    let g = growth(w, start);
    let mut codes = vec![start];
    let (mut at, mut errors, mut previous) = (6, 0.0, total);
    loop {
        let part = w.get(at..at + 6)?;
        let sum: f32 = part.iter().sum();
        // Perspective changes the size of characters slowly; anything else is not this symbol.
        if (sum - previous).abs() > 0.25 * previous {
            return None;
        }
        if is_stop(w.get(at..at + 7)?, g) && runs.quiet_after(i + at + 6) >= QUIET * module.min(sum / 11.0) {
            break;
        }
        let (c, error) = character(part, g, 0..103)?;
        codes.push(c);
        errors += error;
        previous = sum;
        at += 6;
    }
    let check = codes.pop()?;
    let sum: usize = codes.iter().enumerate().map(|(k, c)| k.max(1) * c).sum();
    if codes.len() < 2 || sum % 103 != check {
        return None;
    }
    let bytes = text(&codes)?;
    Some(Decoded { kind: Kind::Code128, bytes, runs: at + 7, error: errors / codes.len() as f32 })
}

/// Whether seven runs are the stop pattern, 2 3 3 1 1 1 2.
fn is_stop(w: &[f32], growth: f32) -> bool {
    let scale = 13.0 / w.iter().sum::<f32>();
    let error: f32 = w
        .iter()
        .zip([2.0, 3.0, 3.0, 1.0, 1.0, 1.0, 2.0])
        .enumerate()
        .map(|(k, (a, b))| (a * scale - b + if k % 2 == 0 { -growth } else { growth }).powi(2))
        .sum();
    error < 1.6
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    A,
    B,
    C,
}

/// What the characters mean, without start and check: ASCII, GS for FNC1 inside the data, Latin-1 after FNC4.
fn text(codes: &[usize]) -> Option<Vec<u8>> {
    let mut set = match codes[0] {
        START_A => Set::A,
        104 => Set::B,
        _ => Set::C,
    };
    let mut out = Vec::new();
    let (mut shifted, mut upper_next, mut upper) = (false, false, false);
    for (k, &c) in codes.iter().enumerate().skip(1) {
        let now = match (set, shifted) {
            (Set::A, true) => Set::B,
            (Set::B, true) => Set::A,
            (set, _) => set,
        };
        shifted = false;
        let mut put = |byte: u8| {
            out.push(byte | if upper == upper_next { 0 } else { 0x80 });
            upper_next = false;
        };
        match (now, c) {
            (Set::C, 0..=99) => out.extend([b'0' + (c / 10) as u8, b'0' + (c % 10) as u8]),
            (Set::A, 0..=63) | (Set::B, 0..=95) => put(c as u8 + 32),
            (Set::A, 64..=95) => put(c as u8 - 64),
            (_, 102) => {
                // FNC1 in front marks GS1 data and is not part of it; elsewhere it separates fields.
                if k > 1 {
                    out.push(0x1D);
                }
            }
            (Set::A | Set::B, 96 | 97) => {} // FNC3, FNC2: messages to the reader
            (Set::A | Set::B, 98) => shifted = true,
            (Set::A, 101) | (Set::B, 100) => {
                // FNC4: the next character is of the upper half; twice: all that follow.
                if upper_next {
                    upper = !upper;
                }
                upper_next = !upper_next;
            }
            (Set::A | Set::B, 99) => set = Set::C,
            (Set::A | Set::C, 100) => set = Set::B,
            (Set::B | Set::C, 101) => set = Set::A,
            _ => return None,
        }
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_shifts_and_function_characters_give_their_text() {
        assert_eq!(text(&[104, 33, 98, 64, 34]).as_deref(), Some(&b"A\0B"[..]));
        assert_eq!(text(&[105, 12, 34, 100, 33]).as_deref(), Some(&b"1234A"[..]));
        assert_eq!(text(&[105, 102, 1, 102, 2]).as_deref(), Some(&b"01\x1D02"[..]));
        assert_eq!(text(&[104, 100, 33]).as_deref(), Some(&[0xC1][..]));
    }
}
