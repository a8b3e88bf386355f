//! Interleaved 2 of 5 (ISO/IEC 16390), ITF-14 among it.
//!
//! The code has no check of its own and a part of a symbol is a symbol, so quiet zones on both sides are demanded, and
//! short texts are not believed.

use super::{Decoded, edges::Runs};
use crate::codec::Kind;

/// Which of the five elements are wide, first in the highest bit.
const WIDE: [u8; 10] = [0b00110, 0b10001, 0b01001, 0b11000, 0b00101, 0b10100, 0b01100, 0b00011, 0b10010, 0b01010];

/// Reads the symbol whose first bar is run `i`.
pub(super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = &runs.widths[i..];
    if w.len() < 4 + 10 * FEWEST_DIGITS / 2 + 3 {
        return None; // start, digits, stop
    }
    let start: f32 = w[..4].iter().sum();
    let mut narrow = start / 4.0;
    if runs.quiet_before(i) < 5.0 * narrow || w[..4].iter().any(|x| (x - narrow).abs() > 0.55 * narrow) {
        return None;
    }
    let mut digits = Vec::new();
    let (mut at, mut error, mut previous) = (4, 0.0f32, 0.0);
    while let Some(pair) = w.get(at..at + 10) {
        let sum: f32 = pair.iter().sum();
        // Three narrow elements and two of two to three narrow widths, twice; perspective changes their size slowly.
        let like_start = (12.0..24.0).contains(&(sum / narrow));
        let like_previous = (sum - previous).abs() <= 0.26 * previous;
        if !(if at == 4 { like_start } else { like_previous }) {
            break;
        }
        let Some((bars, spaces, margin)) = pair_of_digits(pair) else { break };
        digits.extend([b'0' + bars, b'0' + spaces]);
        error = error.max(1.0 - margin);
        if previous > 0.0 {
            narrow *= sum / previous;
        }
        previous = sum;
        at += 10;
    }
    let stop = w.get(at..at + 3)?;
    let wide = stop[0] > 1.5 * stop[1] && stop[0] > 1.5 * stop[2] && stop[1].max(stop[2]) < 1.7 * narrow;
    // A short text must be beyond doubt: narrow elements alike, wide ones far from them.
    let believed = digits.len() >= SHORT || digits.len() >= FEWEST_DIGITS && error < 0.2 && alike(&w[..at + 3], narrow);
    let whole = believed && wide && runs.quiet_after(i + at + 2) >= 5.0 * narrow;
    whole.then_some(Decoded { kind: Kind::Itf, bytes: digits, runs: at + 3, error })
}

/// Fewest digits of a symbol, and of one that is believed as it is.
const FEWEST_DIGITS: usize = 4;
pub(super) const SHORT: usize = 6;

/// Whether each element is about as wide as all narrow or all wide ones.
fn alike(w: &[f32], narrow: f32) -> bool {
    let limit = 1.6 * narrow;
    let (mut least, mut most) = ([f32::INFINITY; 2], [0.0f32; 2]);
    for &x in w {
        let class = usize::from(x > limit);
        (least[class], most[class]) = (least[class].min(x), most[class].max(x));
    }
    (0..2).all(|class| most[class] < 1.4 * least[class])
}

/// A digit in the bars and one in the spaces of ten runs, and how clearly wide is told from narrow, 0 to 1.
fn pair_of_digits(w: &[f32]) -> Option<(u8, u8, f32)> {
    let (bars, a) = digit([w[0], w[2], w[4], w[6], w[8]])?;
    let (spaces, b) = digit([w[1], w[3], w[5], w[7], w[9]])?;
    Some((bars, spaces, a.min(b)))
}

fn digit(w: [f32; 5]) -> Option<(u8, f32)> {
    let mut sorted = w;
    sorted.sort_by(f32::total_cmp);
    let [n0, _, n2, w0, w1] = sorted;
    // Two are wide: the largest two, clearly apart from the rest.
    let limit = f32::midpoint(n2, w0);
    let narrow = f32::midpoint(n0, n2);
    if w0 < 1.3 * n2 || w1 > 5.0 * narrow || w1 > 1.7 * w0 {
        return None;
    }
    let mask = w.iter().fold(0, |m, &x| m << 1 | u8::from(x > limit));
    let value = WIDE.iter().position(|&p| p == mask)? as u8;
    Some((value, ((w0 / n2 - 1.0) / 1.2).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_get_narrower_along_the_line_are_followed() {
        let mut widths = vec![4.0f32; 4];
        let (mut module, digits) = (4.0f32, b"30712345");
        for pair in digits.chunks_exact(2) {
            for k in (0..5).rev() {
                widths.extend(
                    pair.iter().map(|d| if WIDE[usize::from(d - b'0')] >> k & 1 == 1 { 3.0 } else { 1.0 } * module),
                );
            }
            module *= 0.8;
        }
        widths.extend([3.0 * module, module, module]);
        let runs = Runs { widths, edges: vec![0.0; 64], length: 600.0, ..Runs::default() };
        let found = decode(&runs, 0).expect("is read");
        assert_eq!((found.kind, found.bytes.as_slice()), (Kind::Itf, &digits[..]));
    }

    #[test]
    fn four_digits_are_read_only_if_no_element_leaves_a_doubt() {
        // 1515: both pairs have a 1 in the bars and a 5 in the spaces.
        let pair = [1, 0, 0, 0, 1].into_iter().zip([1, 0, 1, 0, 0]).flat_map(|(bar, space)| [bar, space]);
        let pair: Vec<f32> = pair.map(|wide| if wide == 1 { 9.0 } else { 3.0 }).collect();
        let widths = [&[3.0; 4][..], &pair, &pair, &[9.0, 3.0, 3.0]].concat();
        let runs = |widths: Vec<f32>| Runs { widths, edges: vec![0.0; 32], length: 200.0, ..Runs::default() };
        let found = decode(&runs(widths.clone()), 0).expect("is read");
        assert_eq!(found.bytes, b"1515");
        let mut doubtful = widths;
        doubtful[12] = 4.5;
        assert!(decode(&runs(doubtful), 0).is_none());
    }
}
