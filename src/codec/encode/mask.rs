//! Which of the eight masks a QR Code takes: the one whose symbol has the fewest penalty points (ISO/IEC 18004, 7.8).
//!
//! The same choice as the crate `qrcode`'s, which rates module by module and takes most of the time of a symbol for it.
//! Here a row or column is a few words, and each rule a few operations on all modules of it at once. Like the crate,
//! and unlike the standard, rule 4 is not rounded to steps of 5 %.

use qrcode::EcLevel;
use qrcode::canvas::{Canvas, Module};

use super::super::Matrix;

const MASKS: usize = 8;
/// Words that hold the 177 modules of the largest symbol.
const MOST_WORDS: usize = 3;
/// After so many modules every mask repeats, along a row and along a column.
const PERIOD: (usize, usize) = (6, 12);

/// The words of each mask by row, and by column.
static BY_ROW: [[Line<MOST_WORDS>; PERIOD.1]; MASKS] = by_row();
static BY_COLUMN: [[Line<MOST_WORDS>; PERIOD.0]; MASKS] = by_column();

/// Whether the mask inverts the module in column `x` of row `y`. Standard, table 10.
const fn inverts(mask: usize, x: usize, y: usize) -> bool {
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

const fn by_row() -> [[Line<MOST_WORDS>; PERIOD.1]; MASKS] {
    let mut table = [[Line([0; MOST_WORDS]); PERIOD.1]; MASKS];
    // A constant knows no `for`.
    let mut place = 0;
    while place < MASKS * PERIOD.1 * MOST_WORDS * 64 {
        let (x, rest) = (place % (MOST_WORDS * 64), place / (MOST_WORDS * 64));
        let (y, mask) = (rest % PERIOD.1, rest / PERIOD.1);
        table[mask][y].0[x / 64] |= (inverts(mask, x, y) as u64) << (x % 64);
        place += 1;
    }
    table
}

const fn by_column() -> [[Line<MOST_WORDS>; PERIOD.0]; MASKS] {
    let mut table = [[Line([0; MOST_WORDS]); PERIOD.0]; MASKS];
    let mut place = 0;
    while place < MASKS * PERIOD.0 * MOST_WORDS * 64 {
        let (y, rest) = (place % (MOST_WORDS * 64), place / (MOST_WORDS * 64));
        let (x, mask) = (rest % PERIOD.0, rest / PERIOD.0);
        table[mask][x].0[y / 64] |= (inverts(mask, x, y) as u64) << (y % 64);
        place += 1;
    }
    table
}

/// The modules of a row or column, the first in the lowest bit, 1 is black; bits past the last module are 0.
#[derive(Clone, Copy)]
struct Line<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Line<WORDS> {
    const EMPTY: Self = Self([0; WORDS]);

    /// So many ones.
    fn ones(count: usize) -> Self {
        let mut line = Self::EMPTY;
        (0..count).for_each(|place| line.set(place));
        line
    }

    fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn is_dark(self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// At each place what stands `by` places later.
    #[inline]
    fn later(mut self, by: u32) -> Self {
        for k in 0..WORDS {
            let above = if k + 1 < WORDS { self.0[k + 1] } else { 0 };
            self.0[k] = self.0[k] >> by | above << (64 - by);
        }
        self
    }

    /// At each place what stands `by` places before.
    #[inline]
    fn before(mut self, by: u32) -> Self {
        for k in (0..WORDS).rev() {
            let below = if k == 0 { 0 } else { self.0[k - 1] };
            self.0[k] = self.0[k] << by | below >> (64 - by);
        }
        self
    }

    #[inline]
    fn with(mut self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = of(*word, other);
        }
        self
    }

    #[inline]
    fn and(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    #[inline]
    fn and_not(self, other: Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    #[inline]
    fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    #[inline]
    fn xor(self, other: Self) -> Self {
        self.with(other, |a, b| a ^ b)
    }

    /// Where two neighbours are alike; `pairs` has a one for each module that has a next.
    fn alike(self, pairs: Self) -> Self {
        pairs.and_not(self.xor(self.later(1)))
    }

    /// Rule 1: a run of five modules and more costs two less than it is long; `alike` as of [`Line::alike`].
    fn runs(alike: Self) -> u32 {
        // A run of n modules leaves n - 4 ones in a row.
        let two = alike.and(alike.later(1));
        let long = two.and(two.later(2));
        if long.is_empty() {
            return 0;
        }
        long.count() + 2 * long.and_not(long.before(1)).count()
    }

    /// Rule 3: modules like a finder's, four white ones before or behind; what is outside is white.
    fn finders(self) -> u32 {
        let dark = |by| self.later(by);
        let seven = self.and(dark(2)).and(dark(3)).and(dark(4)).and(dark(6)).and_not(dark(1).or(dark(5)));
        // Most lines have none.
        if seven.is_empty() {
            return 0;
        }
        let ahead = self.before(1).or(self.before(2)).or(self.before(3)).or(self.before(4));
        let behind = dark(7).or(dark(8)).or(dark(9)).or(dark(10));
        40 * seven.and_not(ahead.and(behind)).count()
    }
}

/// A symbol, twice: by its rows and by its columns.
struct Symbol<const WORDS: usize> {
    rows: Vec<Line<WORDS>>,
    columns: Vec<Line<WORDS>>,
}

impl<const WORDS: usize> Symbol<WORDS> {
    fn white(side: usize) -> Self {
        Self { rows: vec![Line::EMPTY; side], columns: vec![Line::EMPTY; side] }
    }

    fn set(&mut self, x: usize, y: usize) {
        self.rows[y].set(x);
        self.columns[x].set(y);
    }

    /// This symbol under a mask, which inverts what is `free`, with the format information.
    fn masked(&self, free: &Self, mask: usize, level: EcLevel) -> Self {
        let lines = |lines: &[Line<WORDS>], free: &[Line<WORDS>], pattern: &[Line<MOST_WORDS>]| {
            let pattern = pattern.iter().cycle().map(|line| Line(std::array::from_fn(|k| line.0[k])));
            lines.iter().zip(free).zip(pattern).map(|((line, free), mask)| line.xor(free.and(mask))).collect()
        };
        let mut masked = Self {
            rows: lines(&self.rows, &free.rows, &BY_ROW[mask]),
            columns: lines(&self.columns, &free.columns, &BY_COLUMN[mask]),
        };
        let format = format_information(level, mask);
        for (k, [(x, y), (other_x, other_y)]) in format_places(self.rows.len()).enumerate() {
            if format >> k & 1 == 1 {
                masked.set(x, y);
                masked.set(other_x, other_y);
            }
        }
        masked
    }

    /// Penalty points of all four rules (standard, 7.8.3).
    fn penalty(&self) -> u32 {
        let side = self.rows.len();
        let pairs = Line::ones(side - 1);
        let (mut points, mut dark) = (0, 0);
        // Of the row before: its modules, and where neighbours in it are alike.
        let mut above: Option<(Line<WORDS>, Line<WORDS>)> = None;
        for &row in &self.rows {
            let alike = row.alike(pairs);
            points += Line::runs(alike) + row.finders();
            dark += row.count();
            if let Some((row_above, alike_above)) = above {
                // Rule 2: blocks of two by two.
                points += 3 * alike.and(alike_above).and_not(row.xor(row_above)).count();
            }
            above = Some((row, alike));
        }
        points += self.columns.iter().map(|column| Line::runs(column.alike(pairs)) + column.finders()).sum::<u32>();
        // Rule 4: ten points for every 5 % of black modules more or fewer than half.
        points + (dark * 200 / (side * side) as u32).abs_diff(100)
    }
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

/// Column and row of each bit of the format information, the lowest first; each stands at two places.
fn format_places(side: usize) -> impl Iterator<Item = [(usize, usize); 2]> {
    (0..15).map(move |k| {
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

/// The symbol of `canvas`, which has its function patterns and unmasked data, under the best mask.
pub(super) fn best(canvas: &Canvas, side: usize, level: EcLevel) -> Matrix {
    match side {
        0..=64 => best_of::<1>(canvas, side, level),
        65..=128 => best_of::<2>(canvas, side, level),
        _ => best_of::<MOST_WORDS>(canvas, side, level),
    }
}

fn best_of<const WORDS: usize>(canvas: &Canvas, side: usize, level: EcLevel) -> Matrix {
    let (mut plain, mut free) = (Symbol::<WORDS>::white(side), Symbol::white(side));
    for y in 0..side {
        for x in 0..side {
            let module = canvas.get(x as i16, y as i16);
            // Also the few modules that no codeword fills.
            if !matches!(module, Module::Masked(_)) {
                free.set(x, y);
            }
            if module.is_dark() {
                plain.set(x, y);
            }
        }
    }
    let symbols = (0..MASKS).map(|mask| plain.masked(&free, mask, level));
    // Of equals the first, as the crate has it.
    let best = symbols.min_by_key(Symbol::penalty).expect("there are eight masks");
    let dark = best.rows.iter().flat_map(|row| (0..side).map(|x| row.is_dark(x)));
    Matrix::new(side, side, dark.collect())
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

    #[test]
    fn rules_count_on_lines_as_the_standard_words_them() {
        let line = |text: &str| {
            let mut line = Line::<2>::EMPTY;
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'#').for_each(|(place, _)| line.set(place));
            line
        };
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
            let pairs = Line::ones(text.len() - 1);
            assert_eq!(Line::runs(line(text).alike(pairs)), runs, "{text}");
            assert_eq!(line(text).finders(), finders, "{text}");
            // Across the border of two words nothing changes.
            let far = format!("{}{text}", if text.starts_with('#') { "#." } else { ".#" }.repeat(30));
            let alike = line(&far).alike(Line::ones(far.len() - 1));
            assert_eq!((Line::runs(alike), line(&far).finders()), (runs, finders), "{far}");
        }
    }
}
