//! MicroPDF417 (ISO/IEC 24728), which has no start and stop pattern: rows are known by the row address patterns at their
//! sides.
//!
//! Both sides of a symbol are found and fitted (`marks`), their distance and patterns tell its size, and each row is read
//! along the line from side to side, so that a symbol may be turned, tilted, and bent a little.

use rxing::pdf417::decoder::ec::error_correction;

use super::content;
use super::marks::{Chain, Direction, Line, Side, Sweep, chains};
use super::tables::{ADDRESS_MODULES, ADDRESSES, CODEWORD_MODULES, VARIANTS, Variant, address_distance, codeword};
use crate::codec::read::binary::Bits;
use crate::codec::read::guarded;
use crate::codec::{Corners, Kind, Point, Symbol};

/// Lines that are searched for a side, and lines once there is one.
const FEW_LINES: u32 = 36;
const MOST_LINES: u32 = 200;
/// How tall a side must be when it is seen again, of what it was on few lines.
const AGAIN: f32 = 0.4;
/// Sides tried in one sweep, and leaning sides that lines are laid across.
const MOST_SIDES: usize = 8;
const MOST_LEANING: usize = 3;
/// A side that leans more than this (units along for each down) is looked at again along its own lines.
const LEANING: f32 = 0.1;
/// Modules of the widest symbol.
const WIDEST: f32 = 99.0;

/// Reads the symbols of `bits`; corners are in its pixels.
pub(in super::super) fn scan(bits: &Bits) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for direction in [Direction::Right, Direction::Down, Direction::Left, Direction::Up] {
        // Few lines tell whether there is a side at all; on many lines it is seen again, many times.
        let few = Sweep::whole(bits, direction, FEW_LINES);
        let tall = |sweep: &Sweep, chain: &Chain| chain.lines().count() as f32 * sweep.spacing;
        let Some(least) = chains(&few, Side::Left).iter().map(|chain| tall(&few, chain)).reduce(f32::min) else {
            continue;
        };
        let sweep = Sweep::whole(bits, direction, MOST_LINES);
        let mut left = chains(&sweep, Side::Left);
        left.retain(|chain| tall(&sweep, chain) >= AGAIN * least);
        if left.is_empty() {
            continue;
        }
        let found = between(bits, &left, &chains(&sweep, Side::Right));
        if !found.is_empty() {
            symbols.extend(found);
            continue;
        }
        for side in left.iter().filter(|c| c.lean(sweep.spacing).abs() > LEANING).take(MOST_LEANING) {
            let (first, last) = (side.marks[0].middle, side.marks[side.marks.len() - 1].middle);
            let module = side.module();
            let turned = Sweep::beside(bits, first, last, 12.0 * module, (WIDEST + 30.0) * module);
            symbols.extend(between(bits, &chains(&turned, Side::Left), &chains(&turned, Side::Right)));
        }
    }
    symbols
}

/// The symbols that have one of `left` and one of `right` for their sides.
fn between(bits: &Bits, left: &[Chain], right: &[Chain]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for a in left.iter().take(MOST_SIDES) {
        symbols.extend(right.iter().take(MOST_SIDES).find_map(|b| symbol(bits, a, b)));
    }
    symbols
}

/// The part of a side's marks that must belong to a size, and the part of its rows that must have a mark.
const FITTING: f32 = 0.7;
const COVERED: f32 = 0.3;

fn symbol(bits: &Bits, left: &Chain, right: &Chain) -> Option<Symbol> {
    let (from, to) = (left.lines(), right.lines());
    let (first, last) = ((*from.start()).max(*to.start()), (*from.end()).min(*to.end()));
    // Sides of a turned symbol may be seen on different lines, but not far from each other.
    let line = (first + last) as f32 / 2.0;
    let module = f32::midpoint(left.module(), right.module());
    let span = (right.along(line) - left.along(line)) / module;
    let mut sizes: Vec<(f32, &Variant)> = VARIANTS
        .iter()
        .filter(|v| (0.75..1.35).contains(&(span / v.span())))
        .filter_map(|v| Some((fitting(left, v.left, v.rows)?.min(fitting(right, v.right, v.rows)?), v)))
        .collect();
    sizes.sort_by(|a, b| b.0.total_cmp(&a.0));
    sizes.into_iter().take(3).find_map(|(_, size)| {
        let rows = Rows {
            left: Edge::fitted(left, size.left, size.rows)?,
            right: Edge::fitted(right, size.right, size.rows)?,
        };
        guarded(|| rows.read(bits, size))
    })
}

/// How well a side fits a size whose first row has address `start`.
fn fitting(side: &Chain, start: i32, rows: usize) -> Option<f32> {
    let mut seen = vec![false; rows];
    let mut inside = 0;
    for mark in &side.marks {
        if let Some(row) = seen.get_mut((mark.address - start).rem_euclid(ADDRESSES) as usize) {
            *row = true;
            inside += 1;
        }
    }
    let part = inside as f32 / side.marks.len() as f32;
    let covered = seen.iter().filter(|&&row| row).count() as f32 / rows as f32;
    (part >= FITTING && covered >= COVERED).then_some(part * covered)
}

/// A side of a symbol: the middle of its row address pattern at each row, as a parabola.
#[derive(Debug)]
struct Edge {
    x: [f32; 3],
    y: [f32; 3],
}

impl Edge {
    fn fitted(side: &Chain, start: i32, rows: usize) -> Option<Self> {
        let mut places: Vec<(f32, Point, f32)> = side
            .marks
            .iter()
            .map(|m| ((m.address - start).rem_euclid(ADDRESSES) as f32, m.middle, m.line as f32))
            .filter(|p| p.0 < rows as f32)
            .collect();
        // Misread patterns are off the course that the others keep.
        for limit in [3.0, 1.5] {
            let course = parabola(places.iter().map(|p| (p.2, p.0)))?;
            places.retain(|p| (at(&course, p.2) - p.0).abs() < limit);
        }
        let x = parabola(places.iter().map(|p| (p.0, p.1.x)))?;
        let y = parabola(places.iter().map(|p| (p.0, p.1.y)))?;
        Some(Self { x, y })
    }

    fn point(&self, row: f32) -> Point {
        Point { x: at(&self.x, row), y: at(&self.y, row) }
    }
}

fn at(p: &[f32; 3], t: f32) -> f32 {
    p[0] + t * (p[1] + t * p[2])
}

/// The parabola (a line, where there are few places) through values over `t`, by least squares.
fn parabola(places: impl Iterator<Item = (f32, f32)> + Clone) -> Option<[f32; 3]> {
    let n = places.clone().count();
    if n < 3 {
        return None;
    }
    let (low, high) = places.clone().fold((f32::INFINITY, f32::NEG_INFINITY), |r, p| (r.0.min(p.0), r.1.max(p.0)));
    if high - low < 1.0 {
        return None;
    }
    // Around the middle and scaled, for the sake of precision.
    let (middle, scale) = (f64::from(f32::midpoint(low, high)), f64::from(high - low) / 2.0);
    let mut power = [0.0; 5];
    let mut sum = [0.0; 3];
    for (t, v) in places {
        let t = (f64::from(t) - middle) / scale;
        let mut p = 1.0;
        for (k, power) in power.iter_mut().enumerate() {
            *power += p;
            if k < 3 {
                sum[k] += p * f64::from(v);
            }
            p *= t;
        }
    }
    let [p0, p1, p2, p3, p4] = power;
    let straight = high - low < 5.0;
    let (a, b, c) = if straight {
        let det = p0 * p2 - p1 * p1;
        ((sum[0] * p2 - sum[1] * p1) / det, (p0 * sum[1] - p1 * sum[0]) / det, 0.0)
    } else {
        let det = |m: [[f64; 3]; 3]| {
            m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
                + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
        };
        let rows = [[p0, p1, p2], [p1, p2, p3], [p2, p3, p4]];
        let whole = det(rows);
        let with = |column: usize| {
            let mut m = rows;
            (0..3).for_each(|k| m[k][column] = sum[k]);
            det(m) / whole
        };
        (with(0), with(1), with(2))
    };
    // Back to the scale of `t`.
    let (b, c) = (b / scale, c / (scale * scale));
    let found = [a - b * middle + c * middle * middle, b - 2.0 * c * middle, c].map(|v| v as f32);
    found.iter().all(|v| v.is_finite()).then_some(found)
}

/// The rows between two sides.
struct Rows {
    left: Edge,
    right: Edge,
}

/// Where in a row, as parts of its height from its middle, lines are taken.
const LEVELS: [f32; 3] = [0.0, -0.22, 0.22];
/// White in front of and behind the line of a row, in modules.
const MARGIN: f32 = 8.0;
/// Distances from the ideal up to which a known row address pattern and a codeword are taken for it.
const ADDRESS_NEAR: f32 = 3.0;
const CODEWORD_NEAR: f32 = 4.0;

/// Part of the rows whose patterns must be where they should.
const AGREEING: f32 = 0.4;

/// What was seen in the place of a codeword: values and how sure they are.
type Votes = Vec<(u16, f32)>;

impl Rows {
    fn read(&self, bits: &Bits, size: &Variant) -> Option<Symbol> {
        if !self.agree(bits, size) {
            return None;
        }
        let mut votes: Vec<Votes> = vec![Votes::new(); size.rows * size.columns];
        for row in 0..size.rows {
            for level in LEVELS {
                self.row(bits, size, row, level, &mut votes[row * size.columns..][..size.columns]);
            }
        }
        let unseen = votes.iter().filter(|v| v.is_empty()).count();
        if 2 * unseen > size.checks {
            return None;
        }
        let likeliest = |votes: &Votes| votes.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |v| u32::from(v.0));
        let mut words: Vec<u32> = votes.iter().map(likeliest).collect();
        error_correction::decode(&mut words, size.checks as u32, &mut []).ok()?;
        let data: Vec<u16> = words[..words.len() - size.checks].iter().map(|&w| w as u16).collect();
        // A symbol begins in byte compaction, if it does not say otherwise (5.4.3).
        let payload = content::parse(&data, content::BYTES)?;
        if payload.is_empty() {
            return None;
        }
        let (text, bytes) = payload.into_text();
        Some(Symbol { kind: Kind::Pdf417, text, bytes, corners: Some(self.corners(size)) })
    }

    fn corners(&self, size: &Variant) -> Corners {
        let ends = |row: f32| {
            let (a, b) = (self.left.point(row), self.right.point(row));
            let module = ((b.x - a.x) / size.span(), (b.y - a.y) / size.span());
            // Half a pattern, and the last bar.
            let beside = |p: Point, n: f32| Point { x: p.x + n * module.0, y: p.y + n * module.1 };
            (beside(a, -ADDRESS_MODULES / 2.0), beside(b, ADDRESS_MODULES / 2.0 + 1.0))
        };
        let (top, bottom) = (ends(-0.5), ends(size.rows as f32 - 0.5));
        Corners([top.0, top.1, bottom.1, bottom.0])
    }

    /// The line along a row, and the units of a module on it.
    fn line(&self, bits: &Bits, size: &Variant, row: usize, level: f32) -> Option<(Line, f32)> {
        let (a, b) = (self.left.point(row as f32 + level), self.right.point(row as f32 + level));
        let length = (b.x - a.x).hypot(b.y - a.y);
        if !(10.0..1e5).contains(&length) {
            return None;
        }
        let along = ((b.x - a.x) / length, (b.y - a.y) / length);
        let module = length / size.span();
        let reach = MARGIN * module;
        let start = Point { x: a.x - reach * along.0, y: a.y - reach * along.1 };
        // Two units of runs are a pixel.
        Some((Line::across(bits, start, along, length + 2.0 * reach), 2.0 * module))
    }

    /// Whether enough rows have their patterns at both sides: chance pairs of sides end here.
    fn agree(&self, bits: &Bits, size: &Variant) -> bool {
        let both = |row: &usize| {
            self.line(bits, size, *row, 0.0).is_some_and(|(line, module)| {
                let runs = Runs { widths: &line.runs, module };
                let half = ADDRESS_MODULES / 2.0;
                runs.address(size.left + *row as i32, MARGIN - half).is_some()
                    && runs.address(size.right + *row as i32, MARGIN + size.span() - half).is_some()
            })
        };
        (0..size.rows).filter(both).count() as f32 >= AGREEING * size.rows as f32
    }

    /// Reads a row along one line; `votes` has a place for each codeword.
    fn row(&self, bits: &Bits, size: &Variant, row: usize, level: f32, votes: &mut [Votes]) {
        let Some((line, module)) = self.line(bits, size, row, level) else { return };
        let runs = Runs { widths: &line.runs, module };
        let cluster = size.cluster(row);
        let (first, last) = (size.left + row as i32, size.right + row as i32);
        let half = ADDRESS_MODULES / 2.0;
        let mut vote = |column: usize, words: &[u32]| {
            if let Some((value, distance)) = codeword(words, cluster)
                && distance < CODEWORD_NEAR
            {
                let weight = 1.0 / (0.3 + distance);
                match votes[column].iter_mut().find(|v| v.0 == value) {
                    Some(known) => known.1 += weight,
                    None => votes[column].push((value, weight)),
                }
            }
        };
        // From the left as far as it goes, then from the right.
        let mut reached = 0;
        if let Some(mut k) = runs.address(first, MARGIN - half) {
            let mut unit = runs.sum(k, 6) / ADDRESS_MODULES;
            k += 6;
            for column in 0..size.columns {
                if Some(column) == size.middle() {
                    let Some(next) = runs.part(k, 6, ADDRESS_MODULES, &mut unit) else { break };
                    k = next;
                }
                let Some(next) = runs.part(k, 8, CODEWORD_MODULES, &mut unit) else { break };
                vote(column, &line.runs[k..next]);
                (k, reached) = (next, column + 1);
            }
        }
        if reached < size.columns
            && let Some(mut k) = runs.address(last, MARGIN + size.span() - half)
        {
            let mut unit = runs.sum(k, 6) / ADDRESS_MODULES;
            for column in (reached..size.columns).rev() {
                let Some(from) = k.checked_sub(8) else { break };
                if runs.part(from, 8, CODEWORD_MODULES, &mut unit).is_none() {
                    break;
                }
                vote(column, &line.runs[from..k]);
                k = from;
                if Some(column) == size.middle() {
                    let Some(from) = k.checked_sub(6) else { break };
                    if runs.part(from, 6, ADDRESS_MODULES, &mut unit).is_none() {
                        break;
                    }
                    k = from;
                }
            }
        }
    }
}

/// The runs of the line of a row.
struct Runs<'a> {
    widths: &'a [u32],
    /// Units of a module, about.
    module: f32,
}

impl Runs<'_> {
    fn sum(&self, from: usize, count: usize) -> f32 {
        self.widths[from..from + count].iter().sum::<u32>() as f32
    }

    /// The run where row address pattern `address` begins, near `place` modules from the start of the line.
    fn address(&self, address: i32, place: f32) -> Option<usize> {
        let mut start = 0;
        let mut best = None;
        for (k, six) in self.widths.windows(6).enumerate() {
            let from = start as f32 / self.module;
            start += self.widths[k];
            let size = six.iter().sum::<u32>() as f32 / self.module;
            if k % 2 == 0 || (from - place).abs() > 3.5 || !(6.5..14.5).contains(&size) {
                continue;
            }
            let distance = address_distance(six, address)?;
            if distance < ADDRESS_NEAR && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, k));
            }
        }
        best.map(|b| b.1)
    }

    /// The run after a part of `count` runs and `modules` modules, if it has about that width; `unit`, the width of a
    /// module, follows.
    fn part(&self, from: usize, count: usize, modules: f32, unit: &mut f32) -> Option<usize> {
        if from + count > self.widths.len() {
            return None;
        }
        let seen = self.sum(from, count) / modules;
        if !(0.8..1.25).contains(&(seen / *unit)) {
            return None;
        }
        *unit = f32::midpoint(*unit, seen);
        Some(from + count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::checked;
    use super::super::tables::{CLUSTERS, SIDES};
    use super::*;
    use crate::codec::Luma;
    use crate::codec::read::binary::Threshold;

    /// The codewords of a symbol whose data are `data`, filled up, with those for error correction.
    fn words(size: &Variant, data: &[u16]) -> Vec<u16> {
        let mut words: Vec<u16> = data.to_vec();
        words.resize(size.rows * size.columns - size.checks, content::TEXT);
        checked(words, size.checks)
    }

    /// A symbol of four pixels a module, rows two modules high, turned by `turn` radians around the middle.
    fn drawn(size: &Variant, words: &[u16], turn: f32) -> Luma {
        let rows: Vec<Vec<bool>> = (0..size.rows)
            .map(|row| {
                let mut widths: Vec<f32> = Vec::new();
                let side = |first: i32| SIDES[(first + row as i32).rem_euclid(ADDRESSES) as usize];
                widths.extend(side(size.left));
                for column in 0..size.columns {
                    if Some(column) == size.middle() {
                        widths.extend(side(0)); // any six runs: nobody looks at them
                    }
                    let word = words[row * size.columns + column];
                    let pattern = CLUSTERS[size.cluster(row)].iter().find(|c| c.0 == word).expect("a codeword");
                    widths.extend(pattern.1);
                }
                widths.extend(side(size.right));
                widths.push(1.0);
                let dark = |k: usize| k.is_multiple_of(2);
                widths.iter().enumerate().flat_map(|(k, &w)| std::iter::repeat_n(dark(k), w as usize)).collect()
            })
            .collect();
        let (wide, tall) = (rows[0].len() as f32 * 4.0, rows.len() as f32 * 8.0);
        let side = wide.hypot(tall) as u32 + 40;
        let (sin, cos) = turn.sin_cos();
        let pixels = (0..side * side).map(|k| {
            let (x, y) = ((k % side) as f32 + 0.5 - side as f32 / 2.0, (k / side) as f32 + 0.5 - side as f32 / 2.0);
            let (u, v) = (x * cos + y * sin + wide / 2.0, y * cos - x * sin + tall / 2.0);
            let inside = u >= 0.0 && v >= 0.0 && u < wide && v < tall;
            if inside && rows[(v / 8.0) as usize][(u / 4.0) as usize] { 20 } else { 235 }
        });
        Luma::new(side, side, pixels.collect())
    }

    #[test]
    fn symbols_of_every_width_are_read_in_any_direction_with_damage() {
        // "ABCDEF" in text compaction.
        let data = [content::TEXT, 1, 2 * 30 + 3, 4 * 30 + 5];
        for size in [&VARIANTS[1], &VARIANTS[8], &VARIANTS[15], &VARIANTS[26]] {
            let mut words = words(size, &data);
            words[1] = 500;
            words[5] = 17;
            for degrees in [0.0f32, 9.0, 90.0, 152.0, 180.0, 270.0] {
                let luma = drawn(size, &words, degrees.to_radians());
                let found = scan(&Bits::of(&luma, Threshold::Block));
                let texts: Vec<&str> = found.iter().map(|s| s.text.as_str()).collect();
                assert_eq!(texts, ["ABCDEF"], "{size:?} at {degrees}°");
                // The corners go clockwise from the symbol's own top left.
                let [a, b, c, _] = found[0].corners.expect("known").0;
                let turn = (b.y - a.y).atan2(b.x - a.x).to_degrees() - degrees;
                assert!((turn + 180.0).rem_euclid(360.0) - 180.0 < 4.0, "{turn}°");
                assert!((b.x - a.x) * (c.y - b.y) - (b.y - a.y) * (c.x - b.x) > 0.0);
            }
        }
    }
}
