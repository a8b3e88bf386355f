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
    let limits = Limits::from_start(&w[..7])?;
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
