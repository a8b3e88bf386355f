//! Code 128 (ISO/IEC 15417).

use std::sync::OnceLock;

use super::{
    Decoded,
    edges::Runs,
    shapes::{BLURS, RATE, blurred, likeness, normal},
};
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
    static TABLE: OnceLock<[[f32; 6]; 106]> = OnceLock::new();
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
    let module = w[..6].iter().sum::<f32>() / 11.0;
    // Every start begins with a bar of two modules and a space of one.
    if runs.quiet_before(i) < QUIET * module || w[0] < w[1] * 0.9 || w[0] > 3.3 * module || w[1] > 2.0 * module {
        return None;
    }
    by_widths(runs, i, module).or_else(|| by_shapes(runs, i, module))
}

fn by_widths(runs: &Runs, i: usize, module: f32) -> Option<Decoded> {
    let w = &runs.widths[i..];
    let total = 11.0 * module;
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
    let bytes = checked(&codes)?;
    Some(Decoded { kind: Kind::Code128, bytes, runs: at + 7, error: errors / codes.len() as f32 })
}

/// The text of characters from the start to the check character, if that is right.
fn checked(codes: &[usize]) -> Option<Vec<u8>> {
    let (check, codes) = codes.split_last()?;
    let sum: usize = codes.iter().enumerate().map(|(k, c)| k.max(1) * c).sum();
    if codes.len() < 2 || sum % 103 != *check {
        return None;
    }
    text(codes)
}

/// Samples of a character with half a module on each side.
const SAMPLES: usize = 12 * RATE;
/// Least correlation of a character, and by how much it must be ahead of the second.
const LEAST: f32 = 0.90;
const AHEAD: f32 = 0.008;

/// For each blur the profiles of all characters.
fn drawings() -> &'static [[[f32; SAMPLES]; 106]; BLURS.len()] {
    static DRAWINGS: OnceLock<[[[f32; SAMPLES]; 106]; BLURS.len()]> = OnceLock::new();
    DRAWINGS.get_or_init(|| {
        BLURS.map(|blur| {
            std::array::from_fn(|c| {
                let dark = |place: f32| {
                    // Light in front and dark behind.
                    let mut end = 0.0;
                    place >= 0.0
                        && !table()[c].iter().enumerate().any(|(k, width)| {
                            let from = end;
                            end += width;
                            k % 2 == 1 && (from..end).contains(&place)
                        })
                };
                blurred(dark, blur)
            })
        })
    })
}

/// The same from the grey values of whole characters, for bars so blurred that their widths tell nothing any more. All of
/// them must still be there.
fn by_shapes(runs: &Runs, i: usize, module: f32) -> Option<Decoded> {
    let w = &runs.widths[i..];
    // As many characters as there are runs up to the quiet zone, all of about the same width.
    let (mut count, mut previous) = (1, 11.0 * module);
    loop {
        let sum: f32 = w.get(6 * count..6 * count + 6)?.iter().sum();
        let stop = sum + w.get(6 * count + 6)?;
        if runs.quiet_after(i + 6 * count + 6) >= QUIET * stop / 13.0 {
            if (stop - previous * 13.0 / 11.0).abs() > 0.2 * stop {
                return None;
            }
            break;
        }
        if (sum - previous).abs() > 0.2 * previous {
            return None;
        }
        (count, previous) = (count + 1, sum);
    }
    if count < 3 || !is_stop_roughly(&w[6 * count..6 * count + 7]) {
        return None;
    }
    let seen: Vec<[f32; SAMPLES]> = (0..count)
        .map(|k| {
            let (start, end) = (runs.edges[i + 6 * k], runs.edges[i + 6 * k + 6]);
            let module = (end - start) / 11.0;
            normal(std::array::from_fn(|s| -runs.grey(start + ((s as f32 + 0.5) / RATE as f32 - 0.5) * module)))
        })
        .collect();
    drawings().iter().find_map(|drawn| {
        let (mut codes, mut sum) = (Vec::with_capacity(count), 0.0);
        for (k, seen) in seen.iter().enumerate() {
            let range = if k == 0 { START_A..START_C + 1 } else { 0..START_A };
            let (mut best, mut second) = ((0, -1.0f32), -1.0f32);
            for c in range {
                let like = likeness(seen, &drawn[c]);
                if like > best.1 {
                    (second, best) = (best.1, (c, like));
                } else {
                    second = second.max(like);
                }
            }
            if best.1 < LEAST || best.1 - second < AHEAD {
                return None;
            }
            codes.push(best.0);
            sum += best.1;
        }
        let error = 4.0 * (1.0 - sum / count as f32);
        Some(Decoded { kind: Kind::Code128, bytes: checked(&codes)?, runs: 6 * count + 7, error })
    })
}

/// Whether seven runs may be the stop pattern under blur: its second and third element are the widest.
fn is_stop_roughly(w: &[f32]) -> bool {
    w[1].min(w[2]) > w[3].max(w[4]).max(w[5])
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
    use crate::codec::read::linear::edges::Cut;

    #[test]
    fn sets_shifts_and_function_characters_give_their_text() {
        assert_eq!(text(&[104, 33, 98, 64, 34]).as_deref(), Some(&b"A\0B"[..]));
        assert_eq!(text(&[105, 12, 34, 100, 33]).as_deref(), Some(&b"1234A"[..]));
        assert_eq!(text(&[105, 102, 1, 102, 2]).as_deref(), Some(&b"01\x1D02"[..]));
        assert_eq!(text(&[104, 100, 33]).as_deref(), Some(&[0xC1][..]));
    }

    /// A line across a symbol of these characters, `scale` pixels a module, blurred by a bell curve of `blur` modules.
    fn line(codes: &[usize], scale: f32, blur: f32) -> Runs {
        let stop = [2.0, 3.0, 3.0, 1.0, 1.0, 1.0, 2.0];
        let widths: Vec<f32> = codes.iter().flat_map(|&c| table()[c]).chain(stop).collect();
        let length: f32 = widths.iter().sum();
        let dark = |place: f32| {
            let mut end = 0.0;
            let run = widths.iter().position(|w| {
                end += w;
                place < end
            });
            place >= 0.0 && run.is_some_and(|k| k % 2 == 0)
        };
        let profile = (0..((length + 24.0) * scale) as usize).map(|x| {
            let place = (x as f32 + 0.5) / scale - 12.0;
            let steps = (-20..=20).map(|k| k as f32 / 8.0);
            let (sum, all) = steps.fold((0.0, 0.0), |(sum, all), off| {
                let weight = (-off * off / (2.0 * blur * blur)).exp();
                (sum + if dark(place + off) { weight } else { 0.0 }, all + weight)
            });
            200.0 - 160.0 * sum / all
        });
        Runs::of(profile.collect(), Cut::Faint)
    }

    #[test]
    fn blurred_symbols_are_read_by_their_shapes() {
        // Set B, "15182881".
        let codes = [104, 17, 21, 17, 24, 18, 24, 24, 17];
        let check = codes.iter().enumerate().map(|(k, c)| k.max(1) * c).sum::<usize>() % 103;
        let codes: Vec<usize> = codes.into_iter().chain([check]).collect();
        for blur in [0.3, 0.5, 0.6] {
            let runs = line(&codes, 3.0, blur);
            let found = by_shapes(&runs, 0, runs.span(0, 6) / 11.0).unwrap_or_else(|| panic!("blur {blur}"));
            assert_eq!((found.kind, found.bytes.as_slice()), (Kind::Code128, &b"15182881"[..]), "blur {blur}");
        }
        let mut wrong = codes;
        wrong[3] = 18;
        assert!(decode(&line(&wrong, 3.0, 0.6), 0).is_none(), "the check character is of another text");
    }
}
