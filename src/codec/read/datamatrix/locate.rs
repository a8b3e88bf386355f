//! Where the solid L of a Data Matrix may be: corners at which two long straight edges of a region meet.
//!
//! The borders between black and white are followed once around each region and cut into straight sides. The outer edge
//! of an L is two sides in a row. Walking with black at the right hand, an L of black turns right at its corner and an L
//! of white, the inverse symbol, turns left; so one walk finds both.

use super::geometry::{Line, between, cross, dot, length};
use crate::codec::Point;
use crate::codec::read::binary::Bits;

/// How far, in pixels, a straight side may stray from its chord: the steps of a slanting line and some noise.
const STRAY: f32 = 1.5;
/// Pixels of the shortest side: eight modules of one pixel.
const SHORTEST: f32 = 8.0;

/// Every which row borders are looked for on. An L of the shortest sides is taller, however it is turned; specks are not.
const ROWS: usize = 4;

/// Two straight edges that meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corner {
    /// Where they meet: the bottom left of the symbol.
    pub(super) tip: Point,
    /// The other end of the left edge.
    pub(super) top: Point,
    /// The other end of the bottom edge.
    pub(super) right: Point,
    /// Whether the L is white on black.
    pub(super) inverse: bool,
}

/// All corners of a picture that may be that of an L, longest edges first.
pub(super) fn corners(bits: &Bits) -> Vec<Corner> {
    let mut walker = Walker::new(bits);
    let mut found = Vec::new();
    let mut sides = Vec::new();
    while walker.next_border() {
        if walker.steps >= 4 * SHORTEST as usize {
            straight_sides(walker.turns_from_top(), &mut sides);
            pair(&sides, &mut found);
        }
    }
    let reach = |c: &Corner| length(between(c.tip, c.top)) + length(between(c.tip, c.right));
    found.sort_by(|a, b| reach(b).total_cmp(&reach(a)));
    found
}

/// Follows the borders of black regions, black at the right hand.
struct Walker {
    /// The picture with a white margin of one word at both sides and of a row above and below.
    words: Vec<u64>,
    stride: usize,
    height: usize,
    /// Left sides of black pixels that were walked along.
    seen: Vec<u64>,
    /// Where to look for the next border.
    word: usize,
    /// The places where the last border turns.
    turns: Vec<Point>,
    /// The length of the last border.
    steps: usize,
}

impl Walker {
    fn new(bits: &Bits) -> Self {
        let stride = (bits.width() as usize).div_ceil(64) + 2;
        let height = bits.height() as usize + 2;
        let mut words = vec![0u64; stride * height];
        for y in 0..bits.height() {
            let row = bits.row(y);
            let from = (y as usize + 1) * stride + 1;
            words[from..from + row.len()].copy_from_slice(row);
        }
        Self { seen: vec![0; words.len()], words, stride, height, word: stride, turns: Vec::new(), steps: 0 }
    }

    /// Whether pixel `at`, counted row by row, is black.
    fn black(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }

    /// The turns from the highest one on: the walk may have begun in the middle of a side.
    fn turns_from_top(&mut self) -> &[Point] {
        let places = self.turns.iter().enumerate();
        let top =
            places.min_by(|a, b| (a.1.y, a.1.x).partial_cmp(&(b.1.y, b.1.x)).unwrap_or(std::cmp::Ordering::Equal));
        let first = top.map_or(0, |(first, _)| first);
        self.turns.rotate_left(first);
        &self.turns
    }

    /// Walks along the next border into `turns`; false when there is none left.
    fn next_border(&mut self) -> bool {
        while self.word < self.stride * (self.height - 1) {
            if self.word.is_multiple_of(self.stride) && !(self.word / self.stride).is_multiple_of(ROWS) {
                self.word += self.stride;
                continue;
            }
            let here = self.words[self.word];
            let open = here & !(here << 1 | self.words[self.word - 1] >> 63) & !self.seen[self.word];
            if open == 0 {
                self.word += 1;
            } else {
                let x = 64 * (self.word % self.stride) + open.trailing_zeros() as usize;
                self.walk(x, self.word / self.stride);
                return true;
            }
        }
        false
    }

    /// Walks from the left side of the black pixel `x`, `y`, upwards, and around to it.
    fn walk(&mut self, x: usize, y: usize) {
        self.turns.clear();
        self.steps = 0;
        let wide = 64 * self.stride;
        // For each heading (up, right, down, left): from a pixel to those at the left and the right hand before it, and to
        // the next one. Negative steps wrap around.
        let (up, left) = (wide.wrapping_neg(), 1usize.wrapping_neg());
        let hands = [(up.wrapping_sub(1), up), (up, 0), (0, left), (left, up.wrapping_sub(1))];
        // The place beside the number of the pixel: a division for each turn would cost as much as the walk.
        let ahead = [(up, 0, -1), (1, 1, 0), (wide, 0, 1), (left, -1, 0)];
        let start = y * wide + x;
        let (mut x, mut y) = (x as i32 - 64, y as i32 - 1);
        let (mut at, mut heading) = (start, 0);
        loop {
            // At the lattice point left above pixel `at`, having walked there by `heading`.
            if heading == 0 {
                let bit = 1 << (at % 64);
                let seen = &mut self.seen[at / 64];
                if *seen & bit != 0 && at == start {
                    return;
                }
                *seen |= bit;
            }
            let (left, right) = hands[heading];
            let turn = if !self.black(at.wrapping_add(right)) {
                1
            } else if self.black(at.wrapping_add(left)) {
                3
            } else {
                0
            };
            if turn != 0 {
                self.turns.push(Point { x: x as f32, y: y as f32 });
                heading = (heading + turn) % 4;
            }
            self.steps += 1;
            let (step, right, down) = ahead[heading];
            (at, x, y) = (at.wrapping_add(step), x + right, y + down);
        }
    }
}

/// A straight part of a border.
#[derive(Clone, Copy, Debug)]
struct Side {
    from: Point,
    to: Point,
}

impl Side {
    fn vector(&self) -> Point {
        between(self.from, self.to)
    }

    fn length(&self) -> f32 {
        length(self.vector())
    }
}

/// Cuts a closed border into straight sides.
///
/// A side grows while one direction from its start passes all its points within [`STRAY`]: the directions still possible
/// are a cone that narrows with each point. Then sides that only noise or a slight bend parts are joined.
fn straight_sides(turns: &[Point], sides: &mut Vec<Side>) {
    sides.clear();
    let Some(&first) = turns.first() else { return };
    let mut from = first;
    let mut last = first;
    let mut cone: Option<(Point, Point)> = None;
    for &p in turns[1..].iter().chain([&first]) {
        if let Some((low, high)) = cone {
            let d = between(from, p);
            if cross(low, d) < 0.0 || cross(d, high) < 0.0 {
                join(sides, Side { from, to: last });
                from = last;
                cone = None;
            }
        }
        let d = between(from, p);
        let far = length(d);
        if far > STRAY {
            let k = STRAY / far;
            let low = Point { x: d.x + d.y * k, y: d.y - d.x * k };
            let high = Point { x: d.x - d.y * k, y: d.y + d.x * k };
            cone = Some(cone.map_or((low, high), |(l, h)| {
                (if cross(l, low) > 0.0 { low } else { l }, if cross(h, high) < 0.0 { high } else { h })
            }));
        }
        last = p;
    }
    join(sides, Side { from, to: last });
    // The walk may have begun in the middle of a side.
    if sides.len() > 3 {
        let head = sides.remove(0);
        join(sides, head);
    }
}

/// Appends a side, or lengthens the last one by it.
fn join(sides: &mut Vec<Side>, new: Side) {
    let mut new = new;
    loop {
        let n = sides.len();
        if n >= 1 && one(sides[n - 1], new, false) {
            new.from = sides[n - 1].from;
            sides.truncate(n - 1);
        } else if n >= 2 && one(sides[n - 2], new, true) {
            new.from = sides[n - 2].from;
            sides.truncate(n - 2);
        } else {
            sides.push(new);
            return;
        }
    }
}

/// Whether two sides are one, with at most a short jag between them (`gap`).
fn one(a: Side, b: Side, gap: bool) -> bool {
    let (u, v) = (a.vector(), b.vector());
    let (la, lb) = (length(u), length(v));
    if la < 2.0 || lb < 2.0 || dot(u, v) < 0.93 * la * lb {
        return false;
    }
    let whole = between(a.from, b.to);
    let l = length(whole);
    if gap && length(between(a.to, b.from)) > (0.1 * l).clamp(3.5, 8.0) {
        return false;
    }
    let limit = (0.025 * l).max(STRAY);
    cross(whole, between(a.from, a.to)).abs() <= limit * l && cross(whole, between(a.from, b.from)).abs() <= limit * l
}

/// Corners between sides that follow each other, perhaps with a short one between.
fn pair(sides: &[Side], found: &mut Vec<Corner>) {
    let n = sides.len();
    if n < 4 {
        return;
    }
    for (k, a) in sides.iter().enumerate() {
        let la = a.length();
        if la < SHORTEST {
            continue;
        }
        for skip in 1..=2 {
            let b = &sides[(k + skip) % n];
            let lb = b.length();
            let between_them = length(between(a.to, b.from));
            if lb >= SHORTEST && between_them <= 0.2 * la.min(lb) {
                found.extend(corner(a, b, la * lb));
                break;
            }
        }
    }
}

fn corner(a: &Side, b: &Side, area: f32) -> Option<Corner> {
    let sine = cross(a.vector(), b.vector()) / area;
    let tip = Line::through(a.from, a.to).meet(&Line::through(b.from, b.to))?;
    if sine > 0.5 {
        Some(Corner { tip, top: b.to, right: a.from, inverse: false })
    } else if sine < -0.5 {
        Some(Corner { tip, top: a.from, right: b.to, inverse: true })
    } else {
        None
    }
}
