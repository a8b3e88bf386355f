//! PDF417 and MicroPDF417.

mod content;
mod marks;
pub(super) mod micro;
mod tables;
mod words;

use rxing::Point as RxingPoint;
use rxing::common::BitMatrix;
use rxing::pdf417::{decoder::pdf_417_scanning_decoder, detector::pdf_417_detector};

use super::{binary::Bits, guarded, payload::Payload};
use crate::codec::{Corners, Kind, Point, Symbol};
use tables::CODEWORD_MODULES;

/// Modules of the stop pattern.
const STOP_MODULES: f32 = 18.0;

/// Lines looked at in each direction for a start or stop pattern, before the costly search begins.
const LINES: u32 = 64;

/// Reads the symbols of `bits`; corners are in its pixels. Also gives the number of directions in which there are bars as
/// at the ends of a symbol.
pub(super) fn scan(bits: &Bits) -> (Vec<Symbol>, usize) {
    let (w, h) = (bits.width() as f32, bits.height() as f32);
    let mut symbols = Vec::new();
    let directions = directions(bits);
    for (turns, _) in directions.iter().enumerate().filter(|d| *d.1) {
        let turned = (0..turns).fold(None, |t: Option<Bits>, _| Some(t.as_ref().unwrap_or(bits).turned()));
        let turned = turned.as_ref().unwrap_or(bits);
        let back = |p: Point| match turns {
            0 => p,
            1 => Point { x: p.y, y: h - p.x },
            2 => Point { x: w - p.x, y: h - p.y },
            _ => Point { x: w - p.y, y: p.x },
        };
        let (places, mut found) = guarded(|| upright(turned)).unwrap_or_default();
        if places > 0 && found.is_empty() {
            // The mirror image, for symbols on the back of what is transparent.
            let tall = turned.height() as f32;
            let flip = |Corners(c): Corners| Corners([c[0], c[3], c[2], c[1]].map(|p| Point { x: p.x, y: tall - p.y }));
            let (_, mirrored) = guarded(|| upright(&turned.flipped())).unwrap_or_default();
            found.extend(mirrored.into_iter().map(|s| Symbol { corners: s.corners.map(flip), ..s }));
        }
        symbols.extend(found.into_iter().map(|s| Symbol { corners: s.corners.map(|c| Corners(c.0.map(back))), ..s }));
    }
    (symbols, directions.iter().filter(|&&seen| seen).count())
}

/// In which of the four directions (turns of the picture clockwise that bring it upright) start or stop patterns were
/// seen, one beside the other on several lines.
fn directions(bits: &Bits) -> [bool; 4] {
    let mut runs = Vec::new();
    let step = |size: u32| (size / LINES).max(1);
    let (mut rows, mut columns) = (Ladder::default(), Ladder::default());
    for y in (0..bits.height()).step_by(step(bits.height()) as usize) {
        bits.row_runs(y, &mut runs);
        rows.add(&runs, step(bits.height()));
    }
    for x in (0..bits.width()).step_by(step(bits.width()) as usize) {
        bits.column_runs(x, &mut runs);
        columns.add(&runs, step(bits.width()));
    }
    // A symbol read downwards is upright after three quarters clockwise.
    [rows.seen[0], columns.seen[1], rows.seen[1], columns.seen[0]].map(|rungs| rungs >= RUNGS)
}

/// Lines on which a pattern must go on where the line before had it.
const RUNGS: u32 = 2;

/// Patterns of one line after another. The bars of a symbol go on from line to line; those of a texture do not.
#[derive(Default)]
struct Ladder {
    /// Where patterns begin and how wide they are, forwards and backwards: on the last line and the one before that.
    last: [Vec<(u32, u32)>; 2],
    before: [Vec<(u32, u32)>; 2],
    /// Lines that continue another, read forwards and read backwards.
    seen: [u32; 2],
}

impl Ladder {
    /// Takes the runs of the next line, which is `step` pixels from the last one.
    fn add(&mut self, runs: &[u32], step: u32) {
        std::mem::swap(&mut self.last, &mut self.before);
        self.last.iter_mut().for_each(Vec::clear);
        guards(runs, &mut self.last);
        for (seen, (last, before)) in self.seen.iter_mut().zip(self.last.iter().zip(&self.before)) {
            let goes_on = |a: &(u32, u32), b: &(u32, u32)| {
                a.0.abs_diff(b.0) <= a.1 / 4 + step && a.1 * 4 <= b.1 * 5 && b.1 * 4 <= a.1 * 5
            };
            *seen += u32::from(last.iter().any(|a| before.iter().any(|b| goes_on(a, b))));
        }
    }
}

/// Notes where a line has a start or stop pattern, read forwards and read backwards, and how wide it is.
fn guards(runs: &[u32], found: &mut [Vec<(u32, u32)>; 2]) {
    let mut start = 0;
    for (k, w) in runs.windows(9).enumerate() {
        let here = start;
        start += w[0];
        if k % 2 == 0 {
            continue; // begins light
        }
        // The wide bar at either end is quicker to look for than the whole.
        if w[0] < 3 * w[1] && w[8] < 3 * w[7] && w[7] < 3 * w[6] {
            continue;
        }
        let mirrored: [u32; 9] = std::array::from_fn(|i| w[8 - i]);
        let width = w.iter().sum();
        if fits(&w[..8], &START) || fits(w, &STOP) {
            found[0].push((here, width));
        }
        // A start pattern ends light, so read backwards it begins one run later.
        let begins = || {
            k + 10 <= runs.len() && {
                let start: [u32; 8] = std::array::from_fn(|i| runs[k + 8 - i]);
                fits(&start, &START)
            }
        };
        if fits(&mirrored, &STOP) || begins() {
            found[1].push((here, width));
        }
    }
}

const START: [u32; 8] = [8, 1, 1, 1, 1, 1, 1, 3];
const STOP: [u32; 9] = [7, 1, 1, 3, 1, 1, 1, 2, 1];

/// Whether runs are in about the proportions of a pattern.
fn fits(runs: &[u32], pattern: &[u32]) -> bool {
    let (total, modules): (u32, u32) = (runs.iter().sum(), pattern.iter().sum());
    if total < modules {
        return false;
    }
    let module = total as f32 / modules as f32;
    runs.iter()
        .zip(pattern)
        .all(|(&r, &p)| (r as f32 - p as f32 * module).abs() < module * if p > 2 { 1.3 } else { 0.95 })
}

/// How many places look like a symbol, and those that are one.
fn upright(bits: &Bits) -> Option<(usize, Vec<Symbol>)> {
    let matrix = bits.matrix()?;
    let places = pdf_417_detector::detect(true, &matrix).unwrap_or_default();
    Some((places.len(), places.iter().take(8).filter_map(|p| guarded(|| symbol(bits, &matrix, p))).collect()))
}

fn symbol(bits: &Bits, matrix: &BitMatrix, p: &[Option<RxingPoint>; 8]) -> Option<Symbol> {
    let width = |a: Option<RxingPoint>, b: Option<RxingPoint>| Some((a?.x - b?.x).abs());
    let widths = [
        width(p[0], p[4]),
        width(p[1], p[5]),
        width(p[6], p[2]).map(|x| x * CODEWORD_MODULES / STOP_MODULES),
        width(p[7], p[3]).map(|x| x * CODEWORD_MODULES / STOP_MODULES),
    ];
    let known = || widths.iter().flatten();
    let (least, most) = (known().copied().fold(f32::INFINITY, f32::min), known().copied().fold(0.0, f32::max));
    let decoded = pdf_417_scanning_decoder::decode(matrix, p[4], p[5], p[6], p[7], least as u32, most as u32).ok()?;
    let at = |k: usize| p[k].map(|p| Point { x: p.x, y: p.y });
    let corners = match (at(0), at(2), at(3), at(1)) {
        (Some(a), Some(b), Some(c), Some(d)) => Some(Corners([a, b, c, d])),
        _ => None,
    };
    let text = decoded.getText();
    let payload = corners.and_then(|corners| guarded(|| words::payload(bits, &corners, text)));
    // The standard's character set is Latin-1: a single sign beside ASCII tells of no other one.
    let lone = |payload: &Payload| payload.bytes().iter().filter(|byte| !byte.is_ascii()).count() < 2;
    let (text, bytes) = match payload {
        Some(payload) if lone(&payload) => payload.into_text_or_latin_1(),
        Some(payload) => payload.into_text(),
        None => (text.to_owned(), text.as_bytes().to_vec()),
    };
    Some(Symbol { kind: Kind::Pdf417, bytes, text, corners })
}

/// Data codewords followed by those for error correction (ISO/IEC 15438, 5.7).
#[cfg(test)]
fn checked(mut words: Vec<u16>, checks: usize) -> Vec<u16> {
    const PRIME: u32 = 929;
    // The remainder of the data times x^checks, divided by the product of all (x - 3^i).
    let (mut root, mut divisor) = (1, vec![1u32]);
    for _ in 0..checks {
        root = root * 3 % PRIME;
        let mut next = divisor.clone();
        next.push(0);
        divisor.iter().enumerate().for_each(|(k, c)| next[k + 1] = (next[k + 1] + (PRIME - root) * c) % PRIME);
        divisor = next;
    }
    let mut rest = vec![0u32; checks];
    for &word in &words {
        let lead = (u32::from(word) + rest[0]) % PRIME;
        rest.rotate_left(1);
        rest[checks - 1] = 0;
        rest.iter_mut().zip(&divisor[1..]).for_each(|(r, c)| *r = (*r + (PRIME - lead) * c) % PRIME);
    }
    words.extend(rest.iter().map(|&r| ((PRIME - r) % PRIME) as u16));
    words
}
