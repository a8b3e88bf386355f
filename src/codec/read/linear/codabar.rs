//! Codabar (NW-7).

use super::{Decoded, edges::Runs};
use crate::codec::Kind;

const ALPHABET: &[u8; 20] = b"0123456789-$:/.+ABCD";
/// Which of the seven elements are wide, first in the highest bit.
const WIDE: [u8; 20] = [
    0x03, 0x06, 0x09, 0x60, 0x12, 0x42, 0x21, 0x24, 0x30, 0x48, 0x0C, 0x18, 0x45, 0x51, 0x54, 0x15, 0x1A, 0x29, 0x0B,
    0x0E,
];

/// Reads the symbol whose first bar is run `i`. Start and stop letters are part of the text.
pub(super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = &runs.widths[i..];
    if w.len() < 31 {
        return None; // start, two characters, stop
    }
    let mut limits = Limits::from_start(&w[..7])?;
    if runs.quiet_before(i) < 4.0 * limits.narrow {
        return None;
    }
    let mut text = Vec::new();
    let (mut at, mut error) = (0, 0.0f32);
    loop {
        let part = w.get(at..at + 7)?;
        let (mask, margin) = limits.classify(part)?;
        let c = ALPHABET[WIDE.iter().position(|&p| p == mask)?];
        text.push(c);
        error = error.max(1.0 - margin);
        at += 8;
        if c.is_ascii_uppercase() && text.len() > 1 {
            break;
        }
        limits.follow(part, mask)?;
        if *w.get(at - 1)? > 5.0 * limits.narrow {
            return None;
        }
    }
    let whole = text.len() >= 4 && text[0].is_ascii_uppercase() && runs.quiet_after(i + at - 2) >= 4.0 * limits.narrow;
    whole.then_some(Decoded { kind: Kind::Codabar, bytes: text, runs: at - 1, error })
}

/// What is wide, learnt from the start letter: each has one wide bar and two wide spaces.
struct Limits {
    narrow: f32,
    bar: f32,
    space: f32,
    half: f32,
}

impl Limits {
    fn from_start(w: &[f32]) -> Option<Self> {
        let mut bars = [w[0], w[2], w[4], w[6]];
        let mut spaces = [w[1], w[3], w[5]];
        bars.sort_by(f32::total_cmp);
        spaces.sort_by(f32::total_cmp);
        let (bar, wide_bar) = ((bars[0] + bars[1] + bars[2]) / 3.0, bars[3]);
        let (space, wide_space) = (spaces[0], f32::midpoint(spaces[1], spaces[2]));
        if bars[3] < 1.5 * bars[2]
            || spaces[1] < 1.5 * spaces[0]
            || bars[2] > 1.8 * bars[0]
            || spaces[2] > 1.8 * spaces[1]
        {
            return None;
        }
        let narrow = f32::midpoint(bar, space);
        let wide = f32::midpoint(wide_bar, wide_space);
        if wide > 5.0 * narrow {
            return None;
        }
        Some(Self {
            narrow,
            bar: f32::midpoint(bar, wide_bar),
            space: f32::midpoint(space, wide_space),
            half: (wide - narrow) / 2.0,
        })
    }

    /// Takes on the size of the character read last: perspective changes it slowly.
    fn follow(&mut self, w: &[f32], mask: u8) -> Option<()> {
        let expected = |k: usize| {
            let limit = if k.is_multiple_of(2) { self.bar } else { self.space };
            if mask >> (6 - k) & 1 == 1 { limit + self.half } else { limit - self.half }
        };
        let factor = w.iter().sum::<f32>() / (0..7).map(expected).sum::<f32>();
        if !(0.8..1.25).contains(&factor) {
            return None;
        }
        // Half of the way: blur makes single characters look larger or smaller than they are.
        let factor = factor.sqrt();
        for value in [&mut self.narrow, &mut self.bar, &mut self.space, &mut self.half] {
            *value *= factor;
        }
        Some(())
    }

    fn classify(&self, w: &[f32]) -> Option<(u8, f32)> {
        let (mut mask, mut margin) = (0, f32::INFINITY);
        for (k, &x) in w.iter().enumerate() {
            let limit = if k % 2 == 0 { self.bar } else { self.space };
            if x > 4.0 * limit {
                return None;
            }
            mask = mask << 1 | u8::from(x > limit);
            margin = margin.min((x - limit).abs() / self.half);
        }
        (margin > 0.08).then_some((mask, margin.min(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runs of a symbol whose modules grow by `growth` from one character to the next.
    fn runs(text: &[u8], growth: f32) -> Runs {
        let (mut widths, mut module) = (Vec::new(), 4.0f32);
        for c in text {
            let place = ALPHABET.iter().position(|a| a == c).expect("is in the alphabet");
            widths.extend((0..7).rev().map(|k| if WIDE[place] >> k & 1 == 1 { 2.5 * module } else { module }));
            widths.push(module);
            module *= growth;
        }
        widths.pop();
        let edges = widths.iter().scan(40.0, |edge, w| Some(std::mem::replace(edge, *edge + w))).collect();
        Runs { widths, edges, length: 900.0, ..Runs::default() }
    }

    #[test]
    fn characters_that_grow_along_the_line_are_followed() {
        for growth in [1.0, 1.05, 0.95] {
            let found = decode(&runs(b"A10/53+17-70D", growth), 0).expect("is read");
            assert_eq!((found.kind, found.bytes.as_slice()), (Kind::Codabar, &b"A10/53+17-70D"[..]), "by {growth}");
        }
        assert!(decode(&runs(b"A10/53+17-70", 1.0), 0).is_none(), "without a stop letter");
    }
}
