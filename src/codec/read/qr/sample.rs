//! From three finders to modules.
//!
//! Each finder is more than a point: its outline is a square of seven modules, and twelve corners tell perspective without
//! any help from the rest of the symbol. The number of modules is the one under which the corners fit a perspective and
//! the timing patterns alternate. Where a plane does not fit (a bottle, a wrinkled receipt), a mesh over the symbol is
//! bent, node by node from the finders on, until its modules are plain.

use rxing::common::BitMatrix;

use crate::codec::read::{
    binary::Bits,
    outline,
    plane::{Bow, Perspective},
};
use crate::codec::{Corners, Point};

/// A finder: its middle and the corners of its outline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finder {
    middle: Point,
    outline: [Point; 4],
}

impl Finder {
    /// Traces the finder of about `size` pixels around a dark place.
    pub(super) fn trace(bits: &Bits, x: f32, y: f32, size: f32) -> Option<Self> {
        Self::of(square_around(bits, x, y, size, 3)?, Point { x, y })
    }

    /// The same from the outline of its light ring, five modules wide, where the dark one around cannot be told from what
    /// lies beyond it.
    pub(super) fn trace_inside(bits: &Bits, x: f32, y: f32, size: f32) -> Option<Self> {
        let inner = square_around(bits, x, y, size, 2)?;
        let square = |r: f32| [(-r, -r), (r, -r), (r, r), (-r, r)].map(|(x, y)| Point { x, y });
        let view = Perspective::between(square(2.5), inner)?;
        Self::of(square(3.5).map(|p| view.map(p.x, p.y)), Point { x, y })
    }

    fn of(outline: [Point; 4], around: Point) -> Option<Self> {
        let middle = Perspective::between(unit(), outline)?.map(0.5, 0.5);
        let sides: [f32; 4] = std::array::from_fn(|k| distance(outline[k], outline[(k + 1) % 4]));
        let (least, most) = sides.iter().fold((f32::INFINITY, 0f32), |(l, m), &s| (l.min(s), m.max(s)));
        (least > 3.0 && most < 8.0 * least && distance(middle, around) < most / 3.0).then_some(Self { middle, outline })
    }

    /// From modules around its middle to the picture.
    pub(super) fn view(&self) -> Option<Perspective> {
        let square = unit().map(|p| Point { x: 7.0 * p.x - 3.5, y: 7.0 * p.y - 3.5 });
        Perspective::between(square, self.outline)
    }

    pub(super) fn middle(&self) -> Point {
        self.middle
    }

    /// The mean of its sides.
    pub(super) fn size(&self) -> f32 {
        (0..4).map(|k| distance(self.outline[k], self.outline[(k + 1) % 4])).sum::<f32>() / 4.0
    }

    /// Whether the other may belong to the same symbol: not too different in size.
    fn alike(&self, other: &Self) -> bool {
        let size = |f: &Self| distance(f.outline[0], f.outline[2]) + distance(f.outline[1], f.outline[3]);
        (0.4..2.5).contains(&(size(self) / size(other)))
    }

    /// The outline from the corner nearest the symbol's left top, clockwise, given the symbol's own axes.
    fn aligned(&self, right: Point, down: Point) -> [Point; 4] {
        let along = |p: Point, axis: Point| {
            ((p.x - self.middle.x) * axis.x + (p.y - self.middle.y) * axis.y) / axis.x.hypot(axis.y)
        };
        let at = |sx: f32, sy: f32| {
            let score = |p: &Point| sx * along(*p, right) + sy * along(*p, down);
            self.outline.into_iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(self.middle)
        };
        [at(-1.0, -1.0), at(1.0, -1.0), at(1.0, 1.0), at(-1.0, 1.0)]
    }
}

/// Sets of three finders (left top, right top, left bottom) that see each other along their own sides.
///
/// The directions in which a finder's sides run hold also in strong perspective, where the angle between the finders of a
/// symbol may be far from a right one.
///
/// With `askew` it is enough that both others see the corner one: of a finder seen much from the side, and small, the
/// directions of the sides are hardly more than a guess.
pub(super) fn sets(finders: &[Finder], askew: bool) -> Vec<[usize; 3]> {
    // Which finder lies to the right of and below which, in modules of the first.
    let mut sets = Vec::new();
    let mut seen_by: Vec<Vec<usize>> = vec![Vec::new(); finders.len()];
    for (a, first) in finders.iter().enumerate() {
        let Some(frame) =
            Perspective::between(first.outline, unit().map(|p| Point { x: p.x * 7.0 - 3.5, y: p.y * 7.0 - 3.5 }))
        else {
            continue;
        };
        // Neighbours along one of the four directions of the sides.
        let mut beside: [Vec<(f32, usize)>; 4] = Default::default();
        for (b, other) in finders.iter().enumerate() {
            if a == b || !first.alike(other) {
                continue;
            }
            let p = frame.affine(other.middle, first.middle);
            let (far, near) = (p.x.abs().max(p.y.abs()), p.x.abs().min(p.y.abs()));
            if !(10.0..220.0).contains(&far) || near > 0.4 * far {
                continue;
            }
            let side = if p.x.abs() > p.y.abs() { usize::from(p.x < 0.0) * 2 } else { 1 + usize::from(p.y < 0.0) * 2 };
            beside[side].push((far, b));
        }
        for list in &mut beside {
            list.sort_by(|x, y| x.0.total_cmp(&y.0));
            list.truncate(4);
            for &(_, b) in list.iter() {
                seen_by[b].push(a);
            }
        }
        for side in 0..4 {
            for &(_, b) in &beside[side] {
                for &(_, c) in &beside[(side + 1) % 4] {
                    sets.push(clockwise(finders, [a, b, c]).0);
                }
            }
        }
    }
    for (a, others) in seen_by.iter().enumerate().filter(|_| askew) {
        let pairs = others.iter().enumerate().flat_map(|(k, &b)| others[k + 1..].iter().map(move |&c| [a, b, c]));
        for (set, sine) in pairs.map(|set| clockwise(finders, set)) {
            if sine > LEAST_SINE && !sets.contains(&set) {
                sets.push(set);
            }
        }
    }
    sets
}

/// Sine of the sharpest angle, or the bluntest, between the three finders of a symbol.
const LEAST_SINE: f32 = 0.3;

/// Three finders, the first being that at the corner, in clockwise order, and the sine of the angle there. A mirrored
/// symbol is told by its format information.
fn clockwise(finders: &[Finder], [a, b, c]: [usize; 3]) -> ([usize; 3], f32) {
    let (p, q, r) = (finders[a].middle, finders[b].middle, finders[c].middle);
    let turn = (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    (if turn > 0.0 { [a, b, c] } else { [a, c, b] }, turn.abs() / (distance(p, q) * distance(p, r)).max(1e-3))
}

fn unit() -> [Point; 4] {
    [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y })
}

fn distance(a: Point, b: Point) -> f32 {
    (a.x - b.x).hypot(a.y - b.y)
}

/// The square on which lie the `count`th changes of colour around a dark place.
fn square_around(bits: &Bits, x: f32, y: f32, size: f32, count: u32) -> Option<[Point; 4]> {
    const RAYS: usize = 48;
    let mut points = Vec::with_capacity(RAYS);
    for k in 0..RAYS {
        let (dy, dx) = (k as f32 / RAYS as f32 * std::f32::consts::TAU).sin_cos();
        if let Some(far) = edge(bits, x, y, dx, dy, 1.6 * size, count) {
            points.push(Point { x: x + dx * far, y: y + dy * far });
        }
    }
    if points.len() < RAYS * 2 / 3 {
        return None;
    }
    outline::quadrilateral(Point { x, y }, &points)
}

/// The distance of the `most`th change of colour from a dark place.
fn edge(bits: &Bits, x: f32, y: f32, dx: f32, dy: f32, reach: f32, most: u32) -> Option<f32> {
    let (mut dark, mut count, mut at) = (true, 0, 0.0);
    while at < reach {
        let now = bits.at(x + dx * at, y + dy * at)?;
        if now != dark {
            count += 1;
            if count == most {
                return Some(at - 0.25);
            }
            dark = now;
        }
        at += 0.5;
    }
    None
}

/// A symbol's modules in the picture: perspective, and perhaps bends.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Modules a side.
    pub(super) size: u32,
    view: Perspective,
    /// How well the timing patterns alternate, 0 to 1.
    pub(super) timing: f32,
    /// Shifts in pixels at nodes every [`MESH`] modules, row by row.
    bends: Option<Vec<Point>>,
}

/// Modules between the nodes of a mesh.
const MESH: f32 = 5.0;
/// Agreement of the timing patterns, of 1, that makes a grid worth decoding.
const TIMING: f32 = 0.72;

/// The grids that three finders (left top, right top, left bottom) can belong to, the best first; with `bent` also those
/// that go through the finders in a bow.
pub(super) fn grids(bits: &Bits, finders: [&Finder; 3], bent: bool) -> Vec<Grid> {
    let [a, b, c] = finders;
    let right = Point { x: b.middle.x - a.middle.x, y: b.middle.y - a.middle.y };
    let down = Point { x: c.middle.x - a.middle.x, y: c.middle.y - a.middle.y };
    let corners = [a.aligned(right, down), b.aligned(right, down), c.aligned(right, down)];
    // Modules seen along a side, from the widths of the finders at its ends.
    let modules = |from: usize, to: usize, width: &dyn Fn(&[Point; 4]) -> f32, span: f32| {
        let (p, q) = (width(&corners[from]) / 7.0, width(&corners[to]) / 7.0);
        span / (p * q).sqrt() + 7.0
    };
    let wide = |c: &[Point; 4]| f32::midpoint(distance(c[0], c[1]), distance(c[3], c[2]));
    let tall = |c: &[Point; 4]| f32::midpoint(distance(c[0], c[3]), distance(c[1], c[2]));
    let across = modules(0, 1, &wide, right.x.hypot(right.y));
    let along = modules(0, 2, &tall, down.x.hypot(down.y));
    if !(across / along).is_finite() || !(0.5..2.0).contains(&(across / along)) {
        return Vec::new();
    }
    let guess = f32::midpoint(across, along);
    let nearest = ((guess - 17.0) / 4.0).round() as i32;
    let reach = if nearest > 6 { 2 } else { 1 };
    let mut grids: Vec<Grid> = (nearest - reach..=nearest + reach)
        .filter(|v| (1..=40).contains(v))
        .flat_map(|version| {
            let size = (17 + 4 * version) as u32;
            let far = size as f32 - 7.0;
            let square = |x: f32, y: f32| [(x, y), (x + 7.0, y), (x + 7.0, y + 7.0), (x, y + 7.0)];
            let from: Vec<Point> = [square(0.0, 0.0), square(far, 0.0), square(0.0, far)]
                .concat()
                .into_iter()
                .map(|(x, y)| Point { x, y })
                .collect();
            let to = corners.concat();
            let Some(view) = Perspective::fitted(&from, &to) else { return [None, None] };
            let flat = Grid { size, view, timing: 0.0, bends: None };
            // Both sides are about as long as the grid, unless the three have nothing to do with each other.
            let measured = [across, along].iter().all(|side| (side - size as f32).abs() < 0.15 * size as f32);
            let bowed = if bent && measured { Bow::fitted(&from, &to).map(|bow| flat.bowed(&bow)) } else { None };
            [Some(flat), bowed].map(|grid| grid.map(|grid| Grid { timing: grid.alternation(bits), ..grid }))
        })
        .flatten()
        .filter(|grid| grid.timing >= TIMING)
        .collect();
    grids.sort_by(|a, b| b.timing.total_cmp(&a.timing));
    grids.truncate(if bent { 4 } else { 2 });
    grids
}

impl Grid {
    /// The grid laid along a bow.
    fn bowed(&self, bow: &Bow) -> Self {
        let count = self.nodes();
        let shift = |k: usize| {
            let (x, y) = ((k % count) as f32 * MESH, (k / count) as f32 * MESH);
            let (from, to) = (self.view.map(x, y), bow.map(x, y));
            Point { x: to.x - from.x, y: to.y - from.y }
        };
        Self { bends: Some((0..count * count).map(shift).collect()), ..*self }
    }

    /// Whether it is bent.
    pub(super) fn curved(&self) -> bool {
        self.bends.is_some()
    }

    /// Where a place in module coordinates lies in the picture.
    fn place(&self, x: f32, y: f32) -> Point {
        let p = self.view.map(x, y);
        let Some(bends) = &self.bends else { return p };
        let count = self.nodes();
        let (gx, gy) =
            ((x / MESH).clamp(0.0, (count - 1) as f32 - 0.001), (y / MESH).clamp(0.0, (count - 1) as f32 - 0.001));
        let (x0, y0) = (gx as usize, gy as usize);
        let (fx, fy) = (gx - x0 as f32, gy - y0 as f32);
        let at = |x: usize, y: usize| bends[y * count + x];
        let mix = |f: &dyn Fn(Point) -> f32| {
            (f(at(x0, y0)) * (1.0 - fx) + f(at(x0 + 1, y0)) * fx) * (1.0 - fy)
                + (f(at(x0, y0 + 1)) * (1.0 - fx) + f(at(x0 + 1, y0 + 1)) * fx) * fy
        };
        Point { x: p.x + mix(&|p| p.x), y: p.y + mix(&|p| p.y) }
    }

    fn nodes(&self) -> usize {
        (self.size as f32 / MESH).ceil() as usize + 1
    }

    fn dark(&self, bits: &Bits, x: f32, y: f32) -> Option<bool> {
        let p = self.place(x, y);
        bits.at(p.x, p.y)
    }

    /// How well the timing patterns alternate, 0 to 1.
    fn alternation(&self, bits: &Bits) -> f32 {
        let (mut right, mut all) = (0, 0);
        for k in 8..self.size - 8 {
            let dark = Some(k % 2 == 0);
            let at = k as f32 + 0.5;
            right += u32::from(self.dark(bits, at, 6.5) == dark) + u32::from(self.dark(bits, 6.5, at) == dark);
            all += 2;
        }
        right as f32 / all as f32
    }

    /// The modules; those outside the picture are light.
    pub(super) fn sample(&self, bits: &Bits) -> Option<BitMatrix> {
        let mut modules = BitMatrix::with_single_dimension(self.size).ok()?;
        for y in 0..self.size {
            for x in 0..self.size {
                // The middle decides, unless four places around it all disagree.
                let (cx, cy) = (x as f32 + 0.5, y as f32 + 0.5);
                let votes: i32 = [(0.0, 0.0), (0.0, 0.0), (-0.2, -0.2), (0.2, -0.2), (0.2, 0.2), (-0.2, 0.2)]
                    .into_iter()
                    .map(|(dx, dy)| if self.dark(bits, cx + dx, cy + dy) == Some(true) { 1 } else { -1 })
                    .sum();
                modules.set_bool(x, y, votes > 0);
            }
        }
        Some(modules)
    }

    /// The size of a module along the top, in pixels.
    pub(super) fn module(&self) -> f32 {
        let far = self.size as f32;
        distance(self.view.map(0.0, 0.0), self.view.map(far, 0.0)) / far
    }

    /// The corners of the symbol.
    pub(super) fn corners(&self) -> Corners {
        let far = self.size as f32;
        Corners([(0.0, 0.0), (far, 0.0), (far, far), (0.0, far)].map(|(x, y)| self.place(x, y)))
    }

    /// The same grid with its right bottom corner, which no finder holds, moved to where most modules are plain.
    pub(super) fn settled(&self, bits: &Bits) -> Self {
        let far = self.size as f32;
        let square = [(0.0, 0.0), (far, 0.0), (far, far), (0.0, far)].map(|(x, y)| Point { x, y });
        let mut corners = square.map(|p| self.view.map(p.x, p.y));
        let module = distance(corners[0], corners[1]) / far;
        let score = |view: &Perspective| {
            let grid = Self { view: *view, bends: None, ..*self };
            let from = self.size as i32 / 3;
            (from..self.size as i32)
                .flat_map(|y| (from..self.size as i32).map(move |x| (x, y)))
                .step_by(2)
                .map(|(x, y)| grid.plain(bits, x, y))
                .sum::<i32>()
        };
        let mut best = (score(&self.view), self.view);
        for step in [3.0, 1.5, 0.75, 0.4] {
            let centre = corners[2];
            for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
                let mut moved = corners;
                moved[2] = Point { x: centre.x + dx as f32 * step * module, y: centre.y + dy as f32 * step * module };
                let Some(view) = Perspective::between(square, moved) else { continue };
                let new = score(&view);
                if new > best.0 {
                    best = (new, view);
                    corners[2] = moved[2];
                }
            }
        }
        Self { view: best.1, bends: None, ..*self }
    }

    /// How plain module (x, y) is: 0 to 4 places with the colour of the middle; modules whose colour is known count
    /// double, for or against.
    fn plain(&self, bits: &Bits, x: i32, y: i32) -> i32 {
        let (cx, cy) = (x as f32 + 0.5, y as f32 + 0.5);
        let Some(colour) = self.dark(bits, cx, cy) else { return 0 };
        let same = |dx: f32, dy: f32| i32::from(self.dark(bits, cx + dx, cy + dy) == Some(colour));
        let plain = same(-0.3, -0.3) + same(0.3, -0.3) + same(0.3, 0.3) + same(-0.3, 0.3);
        match self.known(x, y) {
            Some(known) if known == colour => plain + 4,
            Some(_) => -4,
            None => plain,
        }
    }

    /// The colour of a module that is the same in all symbols of this size.
    fn known(&self, x: i32, y: i32) -> Option<bool> {
        let last = self.size as i32 - 1;
        let finder = |x: i32, y: i32| {
            let ring = (x - 3).abs().max((y - 3).abs());
            (ring <= 4).then_some(ring != 2 && ring != 4)
        };
        let (fx, fy) = (if x > last - 8 { last - x } else { x }, if y > last - 8 { last - y } else { y });
        if !(x > last - 8 && y > last - 8)
            && let Some(colour) = finder(fx, fy)
        {
            return Some(colour);
        }
        if x == 6 || y == 6 {
            return Some((x + y) % 2 == 0);
        }
        // The alignment pattern nearest the right bottom corner, which all but the smallest size have.
        if self.size > 21 {
            let ring = (x - (last - 6)).abs().max((y - (last - 6)).abs());
            if ring <= 2 {
                return Some(ring != 1);
            }
        }
        None
    }

    /// The grid bent to fit paper that is not flat.
    pub(super) fn bent(&self, bits: &Bits) -> Self {
        let count = self.nodes();
        let mut grid = self.clone();
        // Where the nodes are so far, and how much further those move that had their turn.
        let before = self.bends.clone().unwrap_or_else(|| vec![Point { x: 0.0, y: 0.0 }; count * count]);
        let mut bends = before.clone();
        let mut fixed = vec![false; count * count];
        // From the finders outwards: the sum of the distances to the two nearest sides they hold.
        let mut order: Vec<(usize, usize)> = (0..count * count).map(|k| (k % count, k / count)).collect();
        order.sort_by_key(|&(x, y)| {
            let (far_x, far_y) = (count - 1 - x, count - 1 - y);
            (x.max(y)).min(far_x.max(y)).min(x.max(far_y))
        });
        for _ in 0..2 {
            for &(nx, ny) in &order {
                let mut sum = (0.0, 0.0, 0.0);
                for y in ny.saturating_sub(1)..(ny + 2).min(count) {
                    for x in nx.saturating_sub(1)..(nx + 2).min(count) {
                        if fixed[y * count + x] && (x, y) != (nx, ny) {
                            let (a, b) = (before[y * count + x], bends[y * count + x]);
                            sum = (sum.0 + b.x - a.x, sum.1 + b.y - a.y, sum.2 + 1.0);
                        }
                    }
                }
                let here = before[ny * count + nx];
                let start = if sum.2 > 0.0 {
                    Point { x: here.x + sum.0 / sum.2, y: here.y + sum.1 / sum.2 }
                } else {
                    bends[ny * count + nx]
                };
                bends[ny * count + nx] = self.node(bits, nx, ny, start);
                fixed[ny * count + nx] = true;
            }
        }
        grid.bends = Some(bends);
        grid
    }

    /// The shift of a node under which the modules around it are plainest, near `start`.
    fn node(&self, bits: &Bits, nx: usize, ny: usize, start: Point) -> Point {
        let (cx, cy) = ((nx as f32 * MESH) as i32, (ny as f32 * MESH) as i32);
        let last = self.size as i32;
        let range = |c: i32| (c - 4).clamp(0, last)..(c + 4).clamp(0, last);
        let (a, b) = (self.view.map(cx as f32, cy as f32), self.view.map(cx as f32 + 1.0, cy as f32));
        let c = self.view.map(cx as f32, cy as f32 + 1.0);
        let (right, down) = (Point { x: b.x - a.x, y: b.y - a.y }, Point { x: c.x - a.x, y: c.y - a.y });
        // Every second module around, as on a chessboard; a shift moves all of their places alike.
        let modules: Vec<Spot> = range(cy)
            .flat_map(|y| range(cx).filter(move |x| (x + y) % 2 == 0).map(move |x| (x, y)))
            .map(|(x, y)| Spot {
                places: [(0.5, 0.5), (0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]
                    .map(|(dx, dy)| self.view.map(x as f32 + dx, y as f32 + dy)),
                known: self.known(x, y),
            })
            .collect();
        let at = |(sx, sy): (f32, f32)| Point {
            x: start.x + right.x * sx + down.x * sy,
            y: start.y + right.y * sx + down.y * sy,
        };
        let score = |steps: (f32, f32)| {
            let shift = at(steps);
            let plain: i32 = modules.iter().map(|m| m.plain(bits, shift)).sum();
            // Small shifts are likelier than large ones.
            4.0 * plain as f32 - 48.0 * (steps.0 * steps.0 + steps.1 * steps.1)
        };
        // In module widths: first coarsely all around, then finely around the best.
        let mut best = (score((0.0, 0.0)), (0.0, 0.0));
        for step in [0.5, 0.25, 0.125] {
            let centre = best.1;
            for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
                let steps = (centre.0 + dx as f32 * step, centre.1 + dy as f32 * step);
                let new = score(steps);
                if new > best.0 {
                    best = (new, steps);
                }
            }
        }
        at(best.1)
    }
}

/// A module on its way into place: its middle and four places around, in the picture, and its colour if that is known.
struct Spot {
    places: [Point; 5],
    known: Option<bool>,
}

impl Spot {
    /// How plain the module is when moved, as [`Grid::plain`] has it.
    fn plain(&self, bits: &Bits, shift: Point) -> i32 {
        let dark = |p: &Point| bits.at(p.x + shift.x, p.y + shift.y);
        let [middle, around @ ..] = &self.places;
        let Some(colour) = dark(middle) else { return 0 };
        let plain = around.iter().filter(|p| dark(p) == Some(colour)).count() as i32;
        match self.known {
            Some(known) if known == colour => plain + 4,
            Some(_) => -4,
            None => plain,
        }
    }
}
