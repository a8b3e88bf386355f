//! Code 93: nine modules a character, two check characters.

use super::{Decoded, edges::Runs};
use crate::codec::Kind;

/// Widths of the characters in the order of their values, bar first; the last is start and stop.
const CHARACTERS: [u32; 48] = [
    131_112, 111_213, 111_312, 111_411, 121_113, 121_212, 121_311, 111_114, 131_211, 141_111, 211_113, 211_212,
    211_311, 221_112, 221_211, 231_111, 112_113, 112_212, 112_311, 122_112, 132_111, 111_123, 111_222, 111_321,
    121_122, 131_121, 212_112, 212_211, 211_122, 211_221, 221_121, 222_111, 112_122, 112_221, 122_121, 123_111,
    121_131, 311_112, 311_211, 321_111, 112_131, 113_121, 211_131, 121_221, 312_111, 311_121, 122_211, 111_141,
];
const ALPHABET: &[u8; 43] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%";
const STOP: usize = 47;

/// The character nearest to six runs and its squared distance in modules.
fn character(w: &[f32], growth: f32) -> Option<(usize, f32)> {
    let scale = 9.0 / w.iter().sum::<f32>();
    let (mut best, mut second) = ((0, f32::INFINITY), f32::INFINITY);
    for (c, &pattern) in CHARACTERS.iter().enumerate() {
        let (mut rest, mut error) = (pattern, 0.0);
        for (k, &x) in w.iter().enumerate().rev() {
            let v = x * scale + if k % 2 == 0 { -growth } else { growth } - (rest % 10) as f32;
            error += v * v;
            rest /= 10;
        }
        if error < best.1 {
            second = best.1;
            best = (c, error);
        } else {
            second = second.min(error);
        }
    }
    (best.1 < 1.3 && second - best.1 > 0.1).then_some(best)
}

/// Reads the symbol whose first bar is run `i`.
pub(super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = &runs.widths[i..];
    if w.len() < 31 {
        return None; // start, one character, two checks, stop, end bar
    }
    let total: f32 = w[..6].iter().sum();
    let module = total / 9.0;
    if runs.quiet_before(i) < 4.0 * module || w[4] < 2.5 * w[2] || w[4] < 2.5 * w[0] || w[4] < 0.3 * total {
        return None;
    }
    let bars = (w[0] + w[2] + w[4]) / module;
    let growth = ((bars - 6.0) / 3.0).clamp(-0.7, 0.7);
    if character(&w[..6], growth)?.0 != STOP {
        return None;
    }
    let mut values = Vec::new();
    let (mut at, mut previous, mut errors) = (6, total, 0.0);
    loop {
        let part = w.get(at..at + 6)?;
        let sum: f32 = part.iter().sum();
        if (sum - previous).abs() > 0.25 * previous {
            return None;
        }
        let (c, error) = character(part, growth)?;
        previous = sum;
        at += 6;
        if c == STOP {
            break;
        }
        values.push(c);
        errors += error;
    }
    // A bar of one module ends the symbol.
    if *w.get(at)? > 2.2 * module || runs.quiet_after(i + at) < 4.0 * module || values.len() < 3 {
        return None;
    }
    let (data, checks) = values.split_at(values.len() - 2);
    if check(data, 20) != checks[0] || check(&values[..values.len() - 1], 15) != checks[1] {
        return None;
    }
    Some(Decoded { kind: Kind::Code93, bytes: text(data)?, runs: at + 1, error: errors / values.len() as f32 })
}

/// The check character: weights 1 to `most` and again, from the right.
fn check(values: &[usize], most: usize) -> usize {
    values.iter().rev().enumerate().map(|(k, v)| (k % most + 1) * v).sum::<usize>() % 47
}

/// The values as ASCII; 43 to 46 shift the letter behind them.
fn text(values: &[usize]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = values.iter();
    while let Some(&v) = rest.next() {
        if v < 43 {
            out.push(ALPHABET[v]);
            continue;
        }
        let letter = ALPHABET[*rest.next()?.min(&42)];
        out.push(match (v, letter) {
            (43, b'A'..=b'Z') => letter - 64,
            (44, b'A'..=b'E') => letter - 38,
            (44, b'F'..=b'J') => letter - 11,
            (44, b'K'..=b'O') => letter + 16,
            (44, b'P'..=b'S') => letter + 43,
            (44, b'U') => 0,
            (44, b'V') => b'@',
            (44, b'W') => b'`',
            (44, b'T' | b'X'..=b'Z') => 127,
            (45, b'A'..=b'O') => letter - 32,
            (45, b'Z') => b':',
            (46, b'A'..=b'Z') => letter + 32,
            _ => return None,
        });
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_nine_modules() {
        for pattern in CHARACTERS {
            let digits = pattern.to_string();
            assert_eq!(digits.bytes().map(|d| u32::from(d - b'0')).sum::<u32>(), 9, "{pattern}");
        }
    }
}
