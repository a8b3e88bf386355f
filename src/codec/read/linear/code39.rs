//! Code 39 (ISO/IEC 16388), with its full ASCII extension and Code 32 (Italian pharmaceutical products).
//!
//! The code has no check character, so bars are only believed if narrow and wide ones are far apart: the limits come from
//! the start character, whose pattern is known.

use super::{Decoded, edges::Runs};
use crate::codec::Kind;

const ALPHABET: &[u8; 44] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%*";

/// Which of the nine elements are wide, first element in the highest bit, in the order of the alphabet.
const WIDE: [u16; 44] = [
    0x034, 0x121, 0x061, 0x160, 0x031, 0x130, 0x070, 0x025, 0x124, 0x064, 0x109, 0x049, 0x148, 0x019, 0x118, 0x058,
    0x00D, 0x10C, 0x04C, 0x01C, 0x103, 0x043, 0x142, 0x013, 0x112, 0x052, 0x007, 0x106, 0x046, 0x016, 0x181, 0x0C1,
    0x1C0, 0x091, 0x190, 0x0D0, 0x085, 0x184, 0x0C4, 0x0A8, 0x0A2, 0x08A, 0x02A, 0x094,
];

/// Reads the symbol whose first bar is run `i`.
pub(super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = &runs.widths[i..];
    if w.len() < 39 {
        return None; // start, two characters, stop
    }
    let limits = Limits::from_start(&w[..9])?;
    if runs.quiet_before(i) < 4.0 * limits.narrow {
        return None;
    }
    let first: f32 = w[..9].iter().sum();
    let mut text = Vec::new();
    let (mut at, mut previous, mut error) = (10, first, 0.0f32);
    loop {
        let part = w.get(at..at + 9)?;
        let sum: f32 = part.iter().sum();
        let gap = w[at - 1];
        if (sum - previous).abs() > 0.2 * previous || gap > 0.45 * first {
            return None;
        }
        let (mask, margin) = limits.classify(part, sum / first)?;
        let c = ALPHABET[WIDE.iter().position(|&p| p == mask)?];
        error = error.max(1.0 - margin);
        previous = sum;
        at += 10;
        if c == b'*' {
            break;
        }
        text.push(c);
    }
    if text.len() < 2 || runs.quiet_after(i + at - 2) < 4.0 * limits.narrow {
        return None;
    }
    let bytes = code32(&text).or_else(|| vehicle(&text)).or_else(|| full_ascii(&text)).unwrap_or(text);
    Some(Decoded { kind: Kind::Code39, bytes, runs: at - 1, error })
}

/// What is wide, learnt from the start character.
struct Limits {
    narrow: f32,
    bar: f32,
    space: f32,
    /// Half the distance between narrow and wide.
    half: f32,
}

impl Limits {
    /// From the nine runs of `*`: narrow but for the second (a space), the fifth and the seventh (bars).
    fn from_start(w: &[f32]) -> Option<Self> {
        let (bar, wide_bar) = ((w[0] + w[2] + w[8]) / 3.0, f32::midpoint(w[4], w[6]));
        let (space, wide_space) = ((w[3] + w[5] + w[7]) / 3.0, w[1]);
        let narrow = f32::midpoint(bar, space);
        let wide = f32::midpoint(wide_bar, wide_space);
        // Wide elements are two to three narrow ones by the standard.
        if !(1.6..4.2).contains(&(wide / narrow)) || wide_bar < 1.35 * bar || wide_space < 1.35 * space {
            return None;
        }
        let limits = Self {
            narrow,
            bar: f32::midpoint(bar, wide_bar),
            space: f32::midpoint(space, wide_space),
            half: (wide - narrow) / 2.0,
        };
        (limits.classify(w, 1.0)?.0 == WIDE[43]).then_some(limits)
    }

    /// Which runs are wide in a character `scale` times as large as the start, and how clear that is from 0 to 1.
    fn classify(&self, w: &[f32], scale: f32) -> Option<(u16, f32)> {
        let (mut mask, mut margin) = (0, f32::INFINITY);
        for (k, &x) in w.iter().enumerate() {
            let limit = scale * if k % 2 == 0 { self.bar } else { self.space };
            mask = mask << 1 | u16::from(x > limit);
            margin = margin.min((x - limit).abs() / (self.half * scale));
        }
        (margin > 0.12).then_some((mask, margin.min(1.0)))
    }
}

/// A vehicle identification number without the data identifier `I` that marks it on the vehicle's label: 17 characters
/// that their check digit confirms (49 CFR 565).
fn vehicle(text: &[u8]) -> Option<Vec<u8>> {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let number = text.strip_prefix(b"I").filter(|n| n.len() == 17)?;
    let sum = number.iter().zip(WEIGHTS).try_fold(0, |sum, (&c, weight)| {
        let value = match c {
            b'0'..=b'9' => c - b'0',
            b'A'..=b'H' => c - b'A' + 1,
            b'J'..=b'N' | b'P' | b'R' => c - b'J' + 1,
            b'S'..=b'Z' => c - b'S' + 2,
            _ => return None,
        };
        Some(sum + weight * u32::from(value))
    })?;
    let check = b"0123456789X"[sum as usize % 11];
    (check == number[8]).then(|| number.to_vec())
}

/// The full ASCII reading, if the text has shift characters and each stands where it may.
fn full_ascii(text: &[u8]) -> Option<Vec<u8>> {
    if !text.iter().any(|c| b"$%/+".contains(c)) {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = text.iter().copied();
    while let Some(c) = rest.next() {
        out.push(match c {
            b'+' => rest.next().filter(u8::is_ascii_uppercase)? + 32,
            b'$' => rest.next().filter(u8::is_ascii_uppercase)? - 64,
            b'%' => match rest.next()? {
                c @ b'A'..=b'E' => c - 38,
                c @ b'F'..=b'J' => c - 11,
                c @ b'K'..=b'O' => c + 16,
                c @ b'P'..=b'S' => c + 43,
                b'U' => 0,
                b'V' => b'@',
                b'W' => b'`',
                b'T' | b'X'..=b'Z' => 127,
                _ => return None,
            },
            b'/' => match rest.next()? {
                c @ b'A'..=b'O' => c - 32,
                b'Z' => b':',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

/// Code 32: six characters to the base of 32 (the vowels are left out) are nine digits, the last one a check digit.
fn code32(text: &[u8]) -> Option<Vec<u8>> {
    const BASE: &[u8; 32] = b"0123456789BCDFGHJKLMNPQRSTUVWXYZ";
    // Six figures are far more often an ordinary number.
    if text.len() != 6 || text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = text.iter().try_fold(0u64, |v, c| Some(v * 32 + BASE.iter().position(|b| b == c)? as u64))?;
    if value >= 1_000_000_000 {
        return None;
    }
    let digits = format!("{value:09}").into_bytes();
    let sum: u32 = digits[..8]
        .iter()
        .enumerate()
        .map(|(k, d)| {
            let d = u32::from(d - b'0');
            if k % 2 == 1 { 2 * d / 10 + 2 * d % 10 } else { d }
        })
        .sum();
    (sum % 10 == u32::from(digits[8] - b'0')).then(|| [b"A", digits.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_of_a_vehicle_number_is_left_out() {
        assert_eq!(vehicle(b"I1M8GDM9AXKP042788").as_deref(), Some(&b"1M8GDM9AXKP042788"[..]));
        assert_eq!(vehicle(b"I1M8GDM9AXKP042789"), None);
        assert_eq!(vehicle(b"1M8GDM9AXKP042788"), None);
    }

    #[test]
    fn every_pattern_has_three_wide_elements() {
        assert!(WIDE.iter().all(|p| p.count_ones() == 3));
    }

    #[test]
    fn shifted_pairs_become_ascii() {
        assert_eq!(full_ascii(b"+A+B$A/A%F").as_deref(), Some(&b"ab\x01!;"[..]));
        assert_eq!(full_ascii(b"+1"), None);
    }

    #[test]
    fn a_pharmaceutical_number_is_told_from_a_word() {
        assert_eq!(code32(b"0CSUDC"), None);
        assert_eq!(code32(b"123456"), None);
    }
}
