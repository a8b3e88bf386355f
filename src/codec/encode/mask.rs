//! Which of the eight masks a QR Code takes: the one whose symbol has the fewest penalty points (ISO/IEC 18004, 7.8).
//!
//! The same choice as the crate `qrcode`'s, which rates module by module and takes most of the time of a symbol for it.
//! Here each rule is a few operations on all modules of a row or column at once. Like the crate, and unlike the standard,
//! rule 4 is not rounded to steps of 5 %.

use qrcode::EcLevel;

use super::super::Matrix;
use super::frame::{Frame, Layout};
use super::lines::{Line, Symbol, Word};

pub(super) const MASKS: usize = 8;

/// Whether the mask inverts the module in column `x` of row `y`. Standard, table 10.
pub(super) fn inverts(mask: usize, x: usize, y: usize) -> bool {
    match mask {
        0 => (x + y).is_multiple_of(2),
        1 => y.is_multiple_of(2),
        2 => x.is_multiple_of(3),
        3 => (x + y).is_multiple_of(3),
        4 => (y / 2 + x / 3).is_multiple_of(2),
        5 => (x * y) % 2 + (x * y) % 3 == 0,
        6 => ((x * y) % 2 + (x * y) % 3).is_multiple_of(2),
        _ => ((x + y) % 2 + (x * y) % 3).is_multiple_of(2),
    }
}

/// The symbol of `codewords`, data and error correction, under the best mask.
pub(super) fn best(frame: &Frame, codewords: impl Iterator<Item = u8>, level: EcLevel) -> Matrix {
    match frame {
        Frame::Tiny(layout) => best_of(layout, codewords, level),
        Frame::Small(layout) => best_of(layout, codewords, level),
        Frame::Medium(layout) => best_of(layout, codewords, level),
        Frame::Large(layout) => best_of(layout, codewords, level),
    }
}

fn best_of<W: Word, const WORDS: usize>(
    layout: &Layout<W, WORDS>,
    codewords: impl Iterator<Item = u8>,
    level: EcLevel,
) -> Matrix {
    let (plain, masks) = (layout.filled(codewords), layout.masks(level));
    let mut masked = plain.clone();
    let (mut best, mut least) = (0, u32::MAX);
    for (mask, added) in masks.iter().enumerate() {
        masked.become_difference(&plain, added);
        let points = penalty(&masked, least);
        // Of equals the first, as the crate has it.
        if points < least {
            (best, least) = (mask, points);
        }
    }
    masked.become_difference(&plain, &masks[best]);
    masked.into_matrix()
}

/// Penalty points of all four rules (standard, 7.8.3); any number from `enough` on where there are at least so many.
fn penalty<W: Word, const WORDS: usize>(symbol: &Symbol<W, WORDS>, enough: u32) -> u32 {
    let (rows, side) = (&symbol.rows, symbol.side());
    let pairs = Line::ones(side - 1);
    let along = |line: &Line<W, WORDS>| runs(line.alike(pairs)) + finders(*line);
    let mut points: u32 = rows.iter().map(along).sum();
    // Rule 2: blocks of two by two.
    let blocks = |(row, below): (&Line<W, WORDS>, &Line<W, WORDS>)| {
        row.alike(pairs).and(below.alike(pairs)).and_not(row.xor(*below)).count()
    };
    points += 3 * rows.iter().zip(&rows[1..]).map(blocks).sum::<u32>();
    // Rule 4: ten points for every 5 % of black modules more or fewer than half.
    let dark: u32 = rows.iter().map(|row| row.count()).sum();
    points += (dark * 200 / (side * side) as u32).abs_diff(100);
    if points >= enough {
        return points;
    }
    points + symbol.columns.iter().map(along).sum::<u32>()
}

/// Rule 1: a run of five modules and more costs two less than it is long; `alike` as of [`Line::alike`].
#[inline]
fn runs<W: Word, const WORDS: usize>(alike: Line<W, WORDS>) -> u32 {
    // A run of n modules leaves n - 4 ones in a row.
    let two = alike.and(alike.later(1));
    let long = two.and(two.later(2));
    long.count() + 2 * long.and_not(long.before(1)).count()
}

/// Rule 3: modules like a finder's, four white ones before or behind; what is outside is white.
#[inline]
fn finders<W: Word, const WORDS: usize>(line: Line<W, WORDS>) -> u32 {
    let dark = |by| line.later(by);
    let seven = line.and(dark(2)).and(dark(3)).and(dark(4)).and(dark(6)).and_not(dark(1).or(dark(5)));
    let ahead = line.before(1).or(line.before(2)).or(line.before(3)).or(line.before(4));
    let behind = dark(7).or(dark(8)).or(dark(9)).or(dark(10));
    40 * seven.and_not(ahead.and(behind)).count()
}

/// The 15 bits of format information: level and mask, a BCH code of them, and a mask of their own (standard, 7.9).
fn format_information(level: EcLevel, mask: usize) -> u32 {
    let level = match level {
        EcLevel::L => 0b01,
        EcLevel::M => 0b00,
        EcLevel::Q => 0b11,
        EcLevel::H => 0b10,
    };
    let data = level << 3 | mask as u32;
    let mut rest = data << 10;
    for shift in (0..5).rev() {
        if rest >> (shift + 10) & 1 == 1 {
            rest ^= 0x537 << shift;
        }
    }
    (data << 10 | rest) ^ 0x5412
}

/// Column and row of each black module of the format information; each of its bits stands at two places.
pub(super) fn format_modules(level: EcLevel, mask: usize, side: usize) -> impl Iterator<Item = (usize, usize)> {
    let format = format_information(level, mask);
    // The lowest bit first.
    (0..15).filter(move |k| format >> k & 1 == 1).flat_map(move |k| {
        // Along the upper left finder, past the timing patterns; and split between the two others.
        let around = match k {
            0..6 => (8, k),
            6 => (8, 7),
            7 => (8, 8),
            8 => (7, 8),
            _ => (14 - k, 8),
        };
        [around, if k < 8 { (side - 1 - k, 8) } else { (8, side - 15 + k) }]
    })
}

#[cfg(test)]
mod tests {
    use qrcode::bits::Bits;
    use qrcode::{QrCode, Version};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Our symbol and the crate's.
    fn both(bytes: &[u8], version: i16, level: EcLevel) -> (Matrix, Matrix) {
        let bits = || {
            let mut bits = Bits::new(Version::Normal(version));
            bits.push_byte_data(bytes).expect("fits");
            bits.push_terminator(level).expect("fits");
            bits
        };
        let theirs = QrCode::with_bits(bits(), level).expect("fits");
        let side = theirs.width();
        let dark = theirs.into_colors().into_iter().map(|color| color == qrcode::Color::Dark).collect();
        (super::super::symbol(bits(), level).expect("fits"), Matrix::new(side, side, dark))
    }

    #[test]
    fn every_symbol_is_the_one_that_the_crate_chooses() {
        let mut random = StdRng::seed_from_u64(7);
        for version in 1..=40 {
            for level in [EcLevel::L, EcLevel::M, EcLevel::Q, EcLevel::H] {
                let most = Bits::new(Version::Normal(version)).max_len(level).expect("a level") / 8 - 3;
                let filled = random.random_range(0..=most);
                let mut contents: Vec<Vec<u8>> = vec![
                    (0..most).map(|_| random.random()).collect(),
                    (0..filled).map(|_| random.random_range(b'a'..=b'z')).collect(),
                ];
                // The crate takes seconds for more of the large ones.
                if version <= 10 {
                    contents.extend([vec![0; most], vec![0x55; filled]]);
                }
                for bytes in contents {
                    let (ours, theirs) = both(&bytes, version, level);
                    assert!(ours == theirs, "version {version}, {level:?}, {} bytes", bytes.len());
                }
            }
        }
    }

    #[test]
    fn ties_and_small_symbols_agree_with_the_crate() {
        // Version 1 has few points and many near ties.
        let mut random = StdRng::seed_from_u64(8);
        for round in 0..2_000 {
            let bytes: Vec<u8> = (0..random.random_range(0..=7)).map(|_| random.random()).collect();
            let (ours, theirs) = both(&bytes, 1, EcLevel::H);
            assert!(ours == theirs, "round {round}: {bytes:?}");
        }
    }

    #[test]
    fn format_information_is_the_standards() {
        // Standard, annex C: level M, mask 101; and its table.
        assert_eq!(format_information(EcLevel::M, 0b101), 0b100_0000_1100_1110);
        assert_eq!(format_information(EcLevel::L, 0), 0x77c4);
        assert_eq!(format_information(EcLevel::H, 7), 0x083b);
    }

    /// Points by rules 1 and 3 of the modules in a text.
    fn points<W: Word, const WORDS: usize>(text: &str) -> (u32, u32) {
        let mut line = Line::<W, WORDS>::EMPTY;
        text.bytes().enumerate().filter(|(_, byte)| *byte == b'#').for_each(|(place, _)| line.set(place));
        (runs(line.alike(Line::ones(text.len() - 1))), finders(line))
    }

    #[test]
    fn rules_count_on_lines_as_the_standard_words_them() {
        for (text, runs, finders) in [
            ("#####", 3, 0),
            ("....", 0, 0),
            ("......", 4, 0),
            ("#####.......", 3 + 5, 0),
            ("#.###.#....#", 0, 40),
            ("##.###.#...#", 0, 0),
            ("#....#.###.##", 0, 40),
            ("#.###.#", 0, 40),
        ] {
            // Behind modules that cost nothing, up to the end of a line of one word, and across the borders of more.
            let far = |pairs| format!("{}{text}", if text.starts_with('#') { "#." } else { ".#" }.repeat(pairs));
            for (name, found) in [
                ("tiny", points::<u32, 1>(text)),
                ("tiny, far", points::<u32, 1>(&far((32 - text.len()) / 2))),
                ("small", points::<u64, 1>(text)),
                ("small, far", points::<u64, 1>(&far((64 - text.len()) / 2))),
                ("medium", points::<u64, 2>(text)),
                ("medium, far", points::<u64, 2>(&far(30))),
                ("large", points::<u64, 3>(text)),
                ("large, far", points::<u64, 3>(&far(62))),
            ] {
                assert_eq!(found, (runs, finders), "{text} {name}");
            }
        }
    }
}
