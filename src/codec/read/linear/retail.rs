//! EAN-13, EAN-8, UPC-A and UPC-E (ISO/IEC 15420).
//!
//! A candidate is judged as a whole before any digit is: the number of its runs, its guards and the width of each digit
//! are known beforehand, which no other pattern of bars meets. How much wider the bars are printed (or blurred) than the
//! spaces is measured at the guards and taken out of the digits.

use super::{Decoded, edges::Runs, shapes};
use crate::codec::Kind;

/// Widths of set A (spaces first); set B is the mirror of it, set C the inverse.
const DIGITS: [[f32; 4]; 10] = [
    [3.0, 2.0, 1.0, 1.0],
    [2.0, 2.0, 2.0, 1.0],
    [2.0, 1.0, 2.0, 2.0],
    [1.0, 4.0, 1.0, 1.0],
    [1.0, 1.0, 3.0, 2.0],
    [1.0, 2.0, 3.0, 1.0],
    [1.0, 1.0, 1.0, 4.0],
    [1.0, 3.0, 1.0, 2.0],
    [1.0, 2.0, 1.0, 3.0],
    [3.0, 1.0, 1.0, 2.0],
];

/// Which of the six left digits are of set B, most significant bit first, for each leading digit.
const LEADING: [u8; 10] =
    [0b00_0000, 0b00_1011, 0b00_1101, 0b00_1110, 0b01_0011, 0b01_1001, 0b01_1100, 0b01_0101, 0b01_0110, 0b01_1010];

/// White modules that must be in front of and behind a symbol. The standard asks for 7 to 11; labels seldom keep it.
const QUIET: f32 = 3.5;
/// As much may do behind an EAN-13 symbol, which has more to check than the others: the box or the cut of a label is often
/// closer to its last bar than to its first.
const NARROW: f32 = 2.4;

/// Reads the EAN or UPC symbol whose first bar is run `i`.
pub(super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = &runs.widths[i..];
    if w.len() < 33 {
        return None;
    }
    let guard = w[0] + w[1] + w[2];
    // Each element of the guard is one module, give or take what printing and blur add to bars.
    if w[0].max(w[2]) > guard * 0.62 || w[1] > guard * 0.62 || runs.quiet_before(i) < guard / 3.0 * QUIET {
        return None;
    }
    ean13(runs, i).or_else(|| ean8(runs, i)).or_else(|| upc_e(runs, i))
}

/// Whether `found` is `modules` of size `module`, within a third or 0.7 modules.
fn fits(found: f32, modules: f32, module: f32) -> bool {
    (found - modules * module).abs() < module * (0.34 * modules).min(1.1)
}

/// The frame of a symbol: `count` runs over `modules`, `quiet` modules of white behind. Gives the module size.
fn frame(runs: &Runs, i: usize, count: usize, modules: f32, quiet: f32) -> Option<f32> {
    if runs.widths.len() < i + count {
        return None;
    }
    let module = runs.span(i, count) / modules;
    (fits(runs.span(i, 3), 3.0, module)
        && runs.quiet_before(i) >= QUIET * module
        && runs.quiet_after(i + count - 1) >= quiet * module)
        .then_some(module)
}

/// How much wider than one module the guard bars are, in modules; spaces are as much narrower.
fn growth(bars: &[f32], spaces: &[f32], module: f32) -> f32 {
    let mean = |w: &[f32]| w.iter().sum::<f32>() / w.len() as f32;
    ((mean(bars) - mean(spaces)) / (2.0 * module)).clamp(-0.7, 0.7)
}

/// One digit of four runs.
struct Digit {
    value: u8,
    /// Of set B: the mirror of set A.
    mirrored: bool,
    /// Squared distance from the ideal widths, in modules.
    error: f32,
}

/// The nearest digit to four runs; `bars` says whether the first is a bar. Set B is considered where `both`.
fn digit(w: &[f32], module: f32, growth: f32, bar_first: bool, both: bool) -> Option<Digit> {
    let total: f32 = w.iter().sum();
    if !fits(total, 7.0, module) {
        return None;
    }
    let scale = 7.0 / total;
    let g = if bar_first { growth } else { -growth };
    let v = [w[0] * scale - g, w[1] * scale + g, w[2] * scale - g, w[3] * scale + g];
    let mut best = Digit { value: 0, mirrored: false, error: f32::INFINITY };
    let mut second = f32::INFINITY;
    for (value, p) in DIGITS.iter().enumerate() {
        for mirrored in [false, true] {
            if mirrored && !both {
                break;
            }
            let q = if mirrored { [p[3], p[2], p[1], p[0]] } else { *p };
            let error: f32 = v.iter().zip(q).map(|(a, b)| (a - b) * (a - b)).sum();
            if error < best.error {
                second = best.error;
                best = Digit { value: value as u8, mirrored, error };
            } else {
                second = second.min(error);
            }
        }
    }
    (best.error < 1.3 && second - best.error > 0.1).then_some(best)
}

/// Digits one after another, each of four runs from run `at` on. Gives values, the set B bits, and the mean error.
fn digits(
    w: &[f32],
    count: usize,
    module: f32,
    growth: f32,
    bar_first: bool,
    both: bool,
) -> Option<(Vec<u8>, u8, f32)> {
    let (mut values, mut sets, mut error) = (Vec::with_capacity(count), 0, 0.0);
    for k in 0..count {
        let d = digit(&w[4 * k..4 * k + 4], module, growth, bar_first, both)?;
        values.push(d.value);
        sets = sets << 1 | u8::from(d.mirrored);
        error += d.error;
    }
    Some((values, sets, error / count as f32))
}

/// Which half of a symbol digits are in: the left one has sets A and B, beginning light, the right one set C.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Digits by the widths of their runs, or where these are blurred by the shape of the whole profile.
fn either(runs: &Runs, at: usize, count: usize, module: f32, growth: f32, side: Side) -> Option<(Vec<u8>, u8, f32)> {
    let w = &runs.widths[at..at + 4 * count];
    let right = side == Side::Right;
    digits(w, count, module, growth, right, !right).filter(|d| d.2 < 0.25).or_else(|| {
        if (0..count).any(|k| !fits(w[4 * k..4 * k + 4].iter().sum(), 7.0, module)) {
            return None;
        }
        shapes::digits(runs, at, count, right)
    })
}

/// The check digit rule of all GTINs: weights 3 and 1 from the right, sum divisible by ten.
fn checks(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(k, &d)| u32::from(d) * if k % 2 == 1 { 3 } else { 1 }).sum();
    sum.is_multiple_of(10)
}

fn text(digits: &[u8]) -> Vec<u8> {
    digits.iter().map(|d| b'0' + d).collect()
}

fn ean13(runs: &Runs, i: usize) -> Option<Decoded> {
    let module = frame(runs, i, 59, 95.0, NARROW)?;
    let w = &runs.widths[i..i + 59];
    if !fits(w[27..32].iter().sum(), 5.0, module) || !fits(w[56..59].iter().sum(), 3.0, module) {
        return None;
    }
    let g = growth(&[w[0], w[2], w[28], w[30], w[56], w[58]], &[w[1], w[27], w[29], w[31], w[57]], module);
    let (left, sets, error_left) = either(runs, i + 3, 6, module, g, Side::Left)?;
    let (right, _, error_right) = either(runs, i + 32, 6, module, g, Side::Right)?;
    let first = LEADING.iter().position(|&l| l == sets)? as u8;
    let all: Vec<u8> = std::iter::once(first).chain(left).chain(right).collect();
    let error = f32::midpoint(error_left, error_right);
    checks(&all).then(|| {
        let (kind, bytes) = if first == 0 { (Kind::UpcA, text(&all[1..])) } else { (Kind::Ean13, text(&all)) };
        Decoded { kind, bytes, runs: 59, error }
    })
}

fn ean8(runs: &Runs, i: usize) -> Option<Decoded> {
    let module = frame(runs, i, 43, 67.0, QUIET)?;
    let w = &runs.widths[i..i + 43];
    if !fits(w[19..24].iter().sum(), 5.0, module) || !fits(w[40..43].iter().sum(), 3.0, module) {
        return None;
    }
    let g = growth(&[w[0], w[2], w[20], w[22], w[40], w[42]], &[w[1], w[19], w[21], w[23], w[41]], module);
    let (left, sets, error_left) = either(runs, i + 3, 4, module, g, Side::Left)?;
    let (right, _, error_right) = either(runs, i + 24, 4, module, g, Side::Right)?;
    if sets != 0 {
        return None;
    }
    let all: Vec<u8> = left.into_iter().chain(right).collect();
    let error = f32::midpoint(error_left, error_right);
    checks(&all).then(|| Decoded { kind: Kind::Ean8, bytes: text(&all), runs: 43, error })
}

/// Set B bits of the six digits for each check digit, number system 0; system 1 has the inverse.
const UPC_E: [u8; 10] =
    [0b11_1000, 0b11_0100, 0b11_0010, 0b11_0001, 0b10_1100, 0b10_0110, 0b10_0011, 0b10_1010, 0b10_1001, 0b10_0101];

fn upc_e(runs: &Runs, i: usize) -> Option<Decoded> {
    let module = frame(runs, i, 33, 51.0, QUIET)?;
    let w = &runs.widths[i..i + 33];
    if !fits(w[27..33].iter().sum(), 6.0, module) {
        return None;
    }
    // All six elements of the right guard are one module.
    if w[27..33].iter().any(|&x| x > 2.2 * module) {
        return None;
    }
    let g = growth(&[w[0], w[2], w[28], w[30], w[32]], &[w[1], w[27], w[29], w[31]], module);
    let (six, sets, error) = either(runs, i + 3, 6, module, g, Side::Left)?;
    let (system, check) = UPC_E
        .iter()
        .position(|&s| s == sets)
        .map(|c| (0, c))
        .or_else(|| UPC_E.iter().position(|&s| s ^ 0b11_1111 == sets).map(|c| (1, c)))?;
    let all: Vec<u8> = std::iter::once(system).chain(six).chain([check as u8]).collect();
    checks(&expand(&all)).then(|| Decoded { kind: Kind::UpcE, bytes: text(&all), runs: 33, error })
}

/// The twelve digits that eight digits of UPC-E stand for.
fn expand(e: &[u8]) -> Vec<u8> {
    let (system, d, check) = (e[0], &e[1..7], e[7]);
    let zeros = |n| std::iter::repeat_n(0u8, n);
    let mut all = vec![system];
    match d[5] {
        0..=2 => {
            all.extend([d[0], d[1], d[5]]);
            all.extend(zeros(4));
            all.extend(&d[2..5]);
        }
        3 => {
            all.extend(&d[..3]);
            all.extend(zeros(5));
            all.extend(&d[3..5]);
        }
        4 => {
            all.extend(&d[..4]);
            all.extend(zeros(5));
            all.push(d[4]);
        }
        5.. => {
            all.extend(&d[..5]);
            all.extend(zeros(4));
            all.push(d[5]);
        }
    }
    all.push(check);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_upc_expands_to_its_twelve_digits() {
        assert_eq!(text(&expand(&[0, 1, 2, 3, 4, 5, 3, 5])), b"012300000455");
        assert_eq!(text(&expand(&[0, 4, 2, 5, 2, 6, 1, 4])), b"042100005264");
    }
}
