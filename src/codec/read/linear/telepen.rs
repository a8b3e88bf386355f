//! Telepen (SB Telepen Systems): full ASCII, and its numeric form of two digits a character.
//!
//! Each character is eight bits of even parity, least significant first, in sixteen modules. Elements are narrow or three
//! times as wide; a bar and the space behind it stand for bits: narrow narrow is 1, wide narrow 00, wide wide 010, and
//! narrow wide in turn 01 and 10, which enclose ones. Parity and a check character modulo 127 make misreadings rare.

use super::{Decoded, edges::Runs};
use crate::codec::Kind;

const START: u8 = b'_';
const STOP: u8 = b'z';

/// White modules in front and behind.
const QUIET: f32 = 5.0;

/// Reads the symbol whose first bar is run `i`.
pub(super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = &runs.widths[i..];
    // Start, one character, check, stop. The start ends with its only wide elements.
    if w.len() < 40 || w[10] < 1.3 * w[8] || w[11] < 1.3 * w[9] {
        return None;
    }
    let mut limits = Limits::from_start(&w[..12])?;
    if runs.quiet_before(i) < QUIET * limits.module {
        return None;
    }
    let (mut bytes, mut at, mut clear) = (Vec::new(), 0, f32::INFINITY);
    loop {
        let (byte, next, margin) = character(runs, i, at, &limits)?;
        clear = clear.min(margin);
        bytes.push(byte);
        // The last space of the symbol is the quiet zone.
        let quiet = runs.quiet_after(i + next - 2);
        if quiet >= QUIET * limits.module {
            at = next - 1;
            break;
        }
        limits.follow(runs.span(i + at, next - at) / 16.0)?;
        at = next;
    }
    let [START, data @ .., check, STOP] = bytes.as_slice() else { return None };
    let sum: u32 = data.iter().map(|&b| u32::from(b)).sum();
    let whole = !data.is_empty() && (sum + u32::from(*check)).is_multiple_of(127);
    whole.then(|| Decoded {
        kind: Kind::Telepen,
        bytes: numeric(data).unwrap_or_else(|| data.to_vec()),
        runs: at,
        error: 1.0 - clear,
    })
}

/// What is wide, learnt from the start character.
struct Limits {
    module: f32,
    bar: f32,
    space: f32,
    /// Half the distance between narrow and wide.
    half: f32,
}

impl Limits {
    /// From the twelve runs of the start: narrow but for the last two.
    fn from_start(w: &[f32]) -> Option<Self> {
        let (bar, space) = ((w[0] + w[2] + w[4] + w[6] + w[8]) / 5.0, (w[1] + w[3] + w[5] + w[7] + w[9]) / 5.0);
        let (wide_bar, wide_space) = (w[10], w[11]);
        let module = w.iter().sum::<f32>() / 16.0;
        let narrow = |x: f32, mean: f32| (0.5..1.6).contains(&(x / mean));
        let alike = w[..10].iter().enumerate().all(|(k, &x)| narrow(x, if k % 2 == 0 { bar } else { space }));
        // Wide elements are two modules wider than narrow ones, together more exactly than each.
        let (more_bar, more_space) = ((wide_bar - bar) / module, (wide_space - space) / module);
        let wide = more_bar.min(more_space) > 0.8 && (2.8..5.2).contains(&(more_bar + more_space));
        (alike && wide).then(|| Self {
            module,
            bar: f32::midpoint(bar, wide_bar),
            space: f32::midpoint(space, wide_space),
            half: (wide_bar - bar + wide_space - space) / 4.0,
        })
    }

    /// Takes on the module size of the character read last: perspective changes it slowly.
    fn follow(&mut self, module: f32) -> Option<()> {
        let factor = module / self.module;
        if !(0.8..1.25).contains(&factor) {
            return None;
        }
        self.module = module;
        self.bar *= factor;
        self.space *= factor;
        self.half *= factor;
        Some(())
    }
}

/// The character whose first bar is `at` runs behind run `i`, the run behind it, and how clear its elements are, 0 to 1.
fn character(runs: &Runs, i: usize, mut at: usize, limits: &Limits) -> Option<(u8, usize, f32)> {
    let (mut bits, mut count, mut inside, mut clear) = (0u32, 0, false, 1.0f32);
    while count < 8 {
        let bar = *runs.widths.get(i + at)?;
        let space = runs.quiet_after(i + at);
        let (wide_bar, wide_space) = (bar > limits.bar, space > limits.space && space < QUIET * limits.module);
        if bar > limits.bar + 3.0 * limits.half {
            return None;
        }
        clear = clear.min((bar - limits.bar).abs() / limits.half);
        if space < QUIET * limits.module {
            clear = clear.min((space - limits.space).abs() / limits.half);
        }
        // First bit lowest.
        let (value, length) = match (wide_bar, wide_space, inside) {
            (false, false, _) => (0b1, 1),
            (false, true, false) => (0b10, 2),
            (false, true, true) => (0b01, 2),
            (true, false, false) => (0b00, 2),
            (true, true, false) => (0b010, 3),
            (true, _, true) => return None,
        };
        inside ^= !wide_bar && wide_space;
        bits |= value << count;
        count += length;
        at += 2;
    }
    // Even parity makes the zeros even in number, so that no pattern reaches over the end.
    (count == 8 && !inside && bits.count_ones().is_multiple_of(2) && clear > 0.1).then_some((
        bits as u8 & 0x7F,
        at,
        clear,
    ))
}

/// The digits that characters stand for in numeric form: 27 to 126 two digits, 17 to 26 one and an `X`.
///
/// Nothing in a symbol says which form it is in. Text is printable, so control characters betray numbers.
fn numeric(data: &[u8]) -> Option<Vec<u8>> {
    if !data.iter().any(u8::is_ascii_control) {
        return None;
    }
    let mut digits = Vec::with_capacity(2 * data.len());
    for &c in data {
        match c {
            17..=26 => digits.extend([b'0' + c - 17, b'X']),
            27..=126 => digits.extend([b'0' + (c - 27) / 10, b'0' + (c - 27) % 10]),
            _ => return None,
        }
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use rxing::{BarcodeFormat, EncodeHints, Writer, oned::TelepenWriter};

    use super::*;
    use crate::codec::read::linear::edges::Cut;

    /// A line across the symbol of `text`, modules of three pixels, bars wider by `ink` pixels.
    fn line(text: &str, ink: usize) -> Runs {
        let hints = EncodeHints { Margin: Some("0".to_owned()), ..EncodeHints::default() };
        let matrix = TelepenWriter.encode_with_hints(text, &BarcodeFormat::TELEPEN, 0, 1, &hints).expect("is drawn");
        let mut profile = vec![230.0; 40];
        profile.extend((0..matrix.getWidth()).flat_map(|x| [if matrix.get(x, 0) { 20.0 } else { 230.0 }; 3]));
        profile.extend([230.0; 40]);
        let inked: Vec<f32> = (0..profile.len())
            .map(|k| profile[k.saturating_sub(ink)..=k].iter().copied().fold(255.0, f32::min))
            .collect();
        Runs::of(inked, Cut::Extrema)
    }

    #[test]
    fn drawn_symbols_give_their_text_back() {
        for text in ["A", "Telepen 1972", "~ !\"#$%&'()", "aaaaaaaaaaaaaaaaaaaaaaaa"] {
            for ink in [0, 1] {
                let found = decode(&line(text, ink), 0).expect(text);
                assert_eq!((found.kind, found.bytes), (Kind::Telepen, text.as_bytes().to_vec()));
            }
        }
    }

    #[test]
    fn a_symbol_with_a_bar_of_another_width_is_not_read() {
        let runs = line("Telepen", 0);
        for k in 12..runs.widths.len() - 12 {
            let mut bad = Runs { widths: runs.widths.clone(), length: runs.length, ..Runs::default() };
            bad.widths[k] = if bad.widths[k] > 6.0 { 3.0 } else { 9.0 };
            bad.edges = bad.widths.iter().fold(vec![40.0], |mut edges, w| {
                edges.push(edges.last().expect("is not empty") + w);
                edges
            });
            assert!(decode(&bad, 0).is_none_or(|d| d.bytes != b"Telepen"), "run {k}");
        }
    }

    #[test]
    fn control_characters_are_pairs_of_digits() {
        assert_eq!(numeric(&[28, 50, 72, 94]).as_deref(), Some(&b"01234567"[..]));
        assert_eq!(numeric(&[28, 19]).as_deref(), Some(&b"012X"[..]));
        assert_eq!(numeric(b"2H^"), None, "text as it stands");
    }
}
