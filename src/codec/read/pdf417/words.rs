//! The codewords of a PDF417 symbol that rxing has read.
//!
//! rxing gives the text, but neither bytes nor codewords, and its text is wrong where character sets (ECI) change within a
//! symbol or are none that it knows. So the codewords are read here once more. They are believed if rxing makes the text
//! of them that it has read: that there is no misreading is certain then.

use rxing::pdf417::decoder::{decoded_bit_stream_parser, ec::error_correction};

use super::content;
use super::marks::Line;
use super::tables::{CODEWORD_MODULES, exact_codeword};
use super::{START, STOP, fits};
use crate::codec::read::binary::Bits;
use crate::codec::read::payload::Payload;
use crate::codec::{Corners, Point};

/// Most rows and columns of a symbol (ISO/IEC 15438, 5.2.2).
const ROWS: usize = 90;
const COLUMNS: usize = 30;
/// Codewords that the sides of a symbol may speak of.
const SIDE_WORDS: u16 = 30;
/// Lines are read in so many turns, each time those between the lines before: mostly the first turn is enough.
const TURNS: [usize; 4] = [0, 2, 1, 3];
/// White in front of and behind a line, as part of its length.
const MARGIN: f32 = 0.06;
/// Lines of a turn, about: one for each row where there are most.
const LINES: f32 = 90.0;
/// Modules of the start pattern, and dark ones of them.
const START_MODULES: f32 = 17.0;
const START_DARK: f32 = 11.0;

/// The content of the symbol between these corners, of which rxing has read `text`.
pub(super) fn payload(bits: &Bits, corners: &Corners, text: &str) -> Option<Payload> {
    let [a, b, c, d] = corners.0;
    let between = |a: Point, b: Point, t: f32| Point { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y) };
    let tall = (d.x - a.x).hypot(d.y - a.y).max((c.x - b.x).hypot(c.y - b.y));
    let mut seen = Seen::default();
    let lines = tall.min(LINES * TURNS.len() as f32);
    // What is plain ASCII is hardly ever wrong, and worth no more than a look without the costly correction.
    let plain = text.is_ascii();
    let known =
        |words: &Vec<u32>| decoded_bit_stream_parser::decode(words, "").is_ok_and(|decoded| decoded.getText() == text);
    for &turn in &TURNS[..if plain { 1 } else { TURNS.len() }] {
        for k in (turn..lines as usize).step_by(TURNS.len()) {
            let t = (k as f32 + 0.5) / lines;
            seen.line(bits, between(a, d, t), between(b, c, t));
        }
        let Some((seen, checks)) = seen.words() else { continue };
        let words = data(&seen, checks).filter(known);
        let words = if plain { words } else { words.or_else(|| data(&corrected(seen, checks)?, checks).filter(known)) };
        if let Some(words) = words {
            let words: Vec<u16> = words.iter().map(|&word| word as u16).collect();
            return content::parse(&words[1..], content::TEXT).filter(|payload| !payload.is_empty());
        }
    }
    None
}

fn corrected(mut words: Vec<u32>, checks: usize) -> Option<Vec<u32>> {
    error_correction::decode(&mut words, checks as u32, &mut []).ok()?;
    Some(words)
}

/// The codewords from the length on to the last that is data.
fn data(words: &[u32], checks: usize) -> Option<Vec<u32>> {
    let most = words.len() - checks;
    words.get(..most.min(*words.first()? as usize)).filter(|data| !data.is_empty()).map(<[u32]>::to_vec)
}

/// A value and how often it was seen.
type Vote = (u16, u32);

/// What was seen on lines across a symbol.
struct Seen {
    /// For each place, row by row.
    words: Vec<Vec<Vote>>,
    /// What the codewords at the sides say: a third of the rows; the rest of the rows, and error correction; columns.
    sides: [[u32; SIDE_WORDS as usize]; 3],
}

impl Default for Seen {
    fn default() -> Self {
        Self { words: vec![Vec::new(); ROWS * COLUMNS], sides: [[0; SIDE_WORDS as usize]; 3] }
    }
}

/// A codeword on a line: its value and its cluster, counted from 0.
type Word = (u16, usize);

impl Seen {
    /// Reads along a line from the left to the right end of the symbol.
    fn line(&mut self, bits: &Bits, from: Point, to: Point) {
        let length = (to.x - from.x).hypot(to.y - from.y);
        if length < CODEWORD_MODULES {
            return;
        }
        let along = ((to.x - from.x) / length, (to.y - from.y) / length);
        let start = Point { x: from.x - MARGIN * length * along.0, y: from.y - MARGIN * length * along.1 };
        let line = Line::across(bits, start, along, (1.0 + 2.0 * MARGIN) * length);
        let (words, whole) = along_line(&line.runs);
        let Some((&left, rest)) = words.split_first() else { return };
        let (right, data) = match rest.split_last() {
            Some((&right, data)) if whole => (right, data),
            _ => (None, rest),
        };
        if let Some((value, cluster)) = left {
            self.sides[cluster][usize::from(value % SIDE_WORDS)] += 1;
        }
        if let Some((value, cluster)) = right {
            // On the right the same three are told one row later.
            self.sides[(cluster + 2) % 3][usize::from(value % SIDE_WORDS)] += 1;
        }
        let row = |side: Option<Word>| {
            side.map(|(value, cluster)| 3 * usize::from(value / SIDE_WORDS) + cluster).filter(|&row| row < ROWS)
        };
        if let Some(row) = row(left) {
            self.vote(row, data.iter().copied().enumerate());
        } else if let Some(row) = row(right) {
            self.vote(row, data.iter().copied().enumerate().rev());
        }
    }

    /// Votes for codewords in their columns, which begin beside the end of `row`. The line may slant into other rows, but
    /// from codeword to codeword not further than into the next one.
    fn vote(&mut self, row: usize, data: impl Iterator<Item = (usize, Option<Word>)>) {
        let mut row = row;
        for (column, word) in data {
            let Some((value, cluster)) = word else { continue };
            row = match (cluster + 3 - row % 3) % 3 {
                0 => row,
                1 => row + 1,
                _ if row > 0 => row - 1,
                _ => return,
            };
            if row >= ROWS || column >= COLUMNS {
                return;
            }
            let votes = &mut self.words[row * COLUMNS + column];
            match votes.iter_mut().find(|vote| vote.0 == value) {
                Some(known) => known.1 += 1,
                None => votes.push((value, 1)),
            }
        }
    }

    /// The codewords, and how many of them are for error correction.
    fn words(&self) -> Option<(Vec<u32>, usize)> {
        let [thirds, rest, columns] =
            self.sides.map(|told| (0..told.len()).rev().max_by_key(|&k| told[k]).filter(|&k| told[k] > 0));
        let (rows, columns) = (3 * thirds? + rest? % 3 + 1, columns? + 1);
        let checks = 2 << (rest? / 3);
        if rows > ROWS || rows * columns <= checks {
            return None;
        }
        let votes = || self.words.chunks(COLUMNS).take(rows).flat_map(|row| &row[..columns]);
        if 2 * votes().filter(|votes| votes.is_empty()).count() > checks {
            return None;
        }
        let best = |votes: &Vec<Vote>| votes.iter().max_by_key(|vote| vote.1).map_or(0, |v| u32::from(v.0));
        Some((votes().map(best).collect(), checks))
    }
}

/// The codewords of a line behind its start pattern, and whether they go on up to the stop pattern.
fn along_line(runs: &[u32]) -> (Vec<Option<Word>>, bool) {
    let mut words = Vec::new();
    let Some(start) = (1..runs.len().saturating_sub(8)).step_by(2).find(|&k| fits(&runs[k..k + 8], &START)) else {
        return (words, false);
    };
    let first = &runs[start..start + 8];
    let mut wide = first.iter().sum::<u32>() as f32;
    // How much wider ink has made bars, and narrower spaces.
    let dark = first.iter().step_by(2).sum::<u32>() as f32;
    let ink = (dark - wide * START_DARK / START_MODULES) / 4.0;
    let mut rest = &runs[start + 8..];
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        if rest.len() > 8 && words.len() > 2 && fits(&rest[..9], &STOP) {
            return (words, true);
        }
        let here = eight.iter().sum::<u32>() as f32;
        if !(0.75..1.33).contains(&(here / wide)) || words.len() > COLUMNS + 1 {
            break;
        }
        let widths = std::array::from_fn(|k| eight[k] as f32 + if k.is_multiple_of(2) { -ink } else { ink });
        words.push(exact_codeword(&widths));
        wide = f32::midpoint(wide, here);
        rest = after;
    }
    (words, false)
}

#[cfg(test)]
mod tests {
    use super::super::tables::CLUSTERS;
    use super::super::{START, STOP, checked, content, scan};
    use crate::codec::Luma;
    use crate::codec::read::binary::{Bits, Threshold};

    /// A symbol of three pixels a module and nine a row, with 2 << `level` codewords for error correction; each row is
    /// `lean` pixels further to the right.
    fn drawn(data: &[u16], columns: usize, level: usize, lean: u32) -> Luma {
        let checks = 2 << level;
        let rows = (data.len() + 1 + checks).div_ceil(columns).max(3);
        let count = rows * columns - checks;
        let mut words = vec![count as u16];
        words.extend(data);
        words.resize(count, content::TEXT);
        let words = checked(words, checks);
        let (wide, tall) = ((17 * columns as u32 + 69) * 3 + 60 + lean * rows as u32, rows as u32 * 9 + 60);
        let mut pixels = vec![235; (wide * tall) as usize];
        for row in 0..rows {
            let told = [(rows - 1) / 3, 3 * level + (rows - 1) % 3, columns - 1];
            let side = |k: usize| (30 * (row / 3) + told[k % 3]) as u16;
            let pattern = |word: u16| {
                let of = CLUSTERS[row % 3].iter().find(|c| c.0 == word).expect("a codeword");
                of.1.map(|w| w as u32)
            };
            let mut widths = START.to_vec();
            widths.extend(pattern(side(row)));
            words[row * columns..][..columns].iter().for_each(|&word| widths.extend(pattern(word)));
            widths.extend(pattern(side(row + 2)));
            widths.extend(STOP);
            let mut x = 30 + lean * row as u32;
            for (k, width) in widths.iter().enumerate() {
                if k.is_multiple_of(2) {
                    for y in 30 + 9 * row as u32..39 + 9 * row as u32 {
                        pixels[(y * wide + x) as usize..][..3 * *width as usize].fill(20);
                    }
                }
                x += 3 * width;
            }
        }
        Luma::new(wide, tall, pixels)
    }

    #[test]
    fn character_sets_change_within_a_symbol() {
        // "AB", then in bytes: GB18030, Greek, a set of nobody, Windows-1251, and "AB" again as text.
        let data: &[u16] =
            &[1, 927, 29, 901, 0xC4, 0xE3, 927, 9, 0xE1, 926, 10, 5, 0xFF, 927, 22, 0xE6, 900, 1, 900, 900, 900, 900];
        for (columns, lean) in [(3, 0), (4, 1), (7, 0)] {
            let found = scan(&Bits::of(&drawn(data, columns, 2, lean), Threshold::Block)).0;
            let read: Vec<(&str, &[u8])> = found.iter().map(|s| (s.text.as_str(), s.bytes.as_slice())).collect();
            let bytes: &[u8] = b"AB\xC4\xE3\xE1\xFF\xE6AB";
            assert_eq!(read, [("AB你αÿжAB", bytes)], "{columns} columns");
        }
    }

    #[test]
    fn bytes_are_what_the_symbol_holds() {
        let bytes: &[u8] = &[0, 1, 2, 250, 200, 255, 13, 128];
        let mut data = vec![901];
        data.extend((0..5).rev().map(|k| (0x0001_02FA_C8FFu64 / 900u64.pow(k) % 900) as u16));
        data.extend([13, 128]);
        let found = scan(&Bits::of(&drawn(&data, 4, 1, 0), Threshold::Block)).0;
        assert_eq!(found.iter().map(|s| s.bytes.as_slice()).collect::<Vec<_>>(), [bytes]);
    }
}
