//! MaxiCode (ISO/IEC 16023).
//!
//! rxing's detector wants one symbol without anything else, and does not end on some pictures. Here the bull's eye is
//! found by its three rings, the direction by the fixed modules around it, then the hexagons are brought into place.

mod content;
#[cfg(test)]
mod tests;

use rxing::common::BitMatrix;

use super::binary::Bits;
use super::guarded;
use crate::codec::{Corners, Kind, Point, Symbol};

/// Hexagons of a row, and rows. Odd rows are shifted to the right by half a hexagon.
const COLUMNS: u32 = 30;
const ROWS: u32 = 33;
/// Distance of rows where that of hexagons in a row is 1.
const ROW: f32 = 0.866;
/// The middle of the bull's eye lies on that of this hexagon.
const CENTRE: (f32, f32) = (14.0, 16.0);
/// Outer radius of the bull's eye and inner radius of its outer ring, in hexagons.
const EYE: f32 = 4.4;
const RING: f32 = 3.64;

/// Fixed modules (column, row) around the bull's eye and in the corner, dark and light.
const DARK: [(u32, u32); 13] = [
    (28, 0),
    (29, 0),
    (10, 9),
    (11, 9),
    (11, 10),
    (7, 15),
    (8, 16),
    (20, 16),
    (20, 17),
    (10, 22),
    (17, 22),
    (10, 23),
    (17, 23),
];
const LIGHT: [(u32, u32); 7] = [(17, 9), (17, 10), (18, 10), (7, 16), (21, 16), (11, 22), (16, 23)];

/// Bull's eyes tried in one picture.
const MOST: usize = 4;

/// Reads the symbols of `bits`; corners are in its pixels.
pub(super) fn scan(bits: &Bits) -> Vec<Symbol> {
    eyes(bits).into_iter().filter_map(|eye| guarded(|| read(bits, &eye))).collect()
}

/// Three rings.
#[derive(Clone, Copy, Debug)]
struct Eye {
    middle: Point,
    /// How far the outer ring reaches in the picture, at least.
    radius: f32,
    /// The inner edge of the outer ring is an ellipse: p with p · M p = 1, where M is x, y and mixed part.
    ellipse: [f32; 3],
}

fn eyes(bits: &Bits) -> Vec<Eye> {
    let mut found: Vec<Eye> = Vec::new();
    let mut runs = Vec::new();
    for y in (0..bits.height()).step_by(3) {
        bits.row_runs(y, &mut runs);
        let mut start = 0;
        for (k, window) in runs.windows(11).enumerate() {
            let from = start;
            start += runs[k];
            if k % 2 == 0 || !rings(window) {
                continue;
            }
            let size = window.iter().sum::<u32>() as f32;
            let (x, y) = (from as f32 + size / 2.0, y as f32 + 0.5);
            let known = found.iter().any(|e| (e.middle.x - x).hypot(e.middle.y - y) < e.radius);
            if !known
                && found.len() < MOST
                && let Some(eye) = crossed(bits, Point { x, y }, size / 2.0)
            {
                found.push(eye);
            }
        }
    }
    found
}

/// Whether eleven runs, dark first, may be a line through the middle of three rings: the same from both ends, with rings
/// of equal width.
fn rings(runs: &[u32]) -> bool {
    let near = |a: u32, b: u32| 2 * a.abs_diff(b) <= a.max(b) + 2;
    if !near(runs[0], runs[10]) || !near(runs[2], runs[8]) || !near(runs[0], runs[2]) || !near(runs[1], runs[3]) {
        return false;
    }
    let (left, right): (u32, u32) = (runs[..5].iter().sum(), runs[6..].iter().sum());
    let total = left + runs[5] + right;
    let dark = runs[0] + runs[2] + runs[4] + runs[6] + runs[8] + runs[10];
    total >= 22
        && 8 * left.abs_diff(right) <= total
        && (0..5).all(|k| near(runs[k], runs[10 - k]))
        && near(runs[2], runs[4])
        && runs[5] <= 4 * runs[3] + 2
        && (total / 4..3 * total / 4).contains(&dark)
}

/// Directions in which the rings are followed.
const RAYS: usize = 32;

/// The eye around a place on a line through its middle, if the same rings are met in all directions.
fn crossed(bits: &Bits, at: Point, radius: f32) -> Option<Eye> {
    let ring = radius * (EYE - RING) / EYE;
    // The fifth change of colour from the light middle on; the sixth may be lost where a module touches the ring. The
    // rings are of one width, whatever the direction; where pixels are coarse, a ray may slip through one.
    let walk = |from: Point, dx: f32, dy: f32, even: bool| -> Option<f32> {
        let (mut dark, mut changes, mut t) = (false, 0, 0.0);
        let (mut last, mut least, mut most) = (0.0, f32::INFINITY, 0f32);
        while t < 2.0 * radius {
            if bits.at(from.x + dx * t, from.y + dy * t)? != dark {
                (dark, changes) = (!dark, changes + 1);
                if changes > 1 {
                    (least, most) = (least.min(t - last), most.max(t - last));
                    if even && (most > 4.0 * least + 2.0 || most > 2.6 * ring + 1.0) {
                        return None;
                    }
                }
                if changes == 5 {
                    return Some(t - 0.25);
                }
                last = t;
            }
            t += 0.5;
        }
        None
    };
    let edge = |from: Point, dx: f32, dy: f32| walk(from, dx, dy, true);
    let (up, down) = (edge(at, 0.0, -1.0)?, edge(at, 0.0, 1.0)?);
    let middle = Point { x: at.x, y: at.y + (down - up) / 2.0 };
    let (left, right) = (edge(middle, -1.0, 0.0)?, edge(middle, 1.0, 0.0)?);
    // Chance rings end here, before the dear part: these four tell of an ellipse, and so do the two diagonals.
    let even = |a: f32, b: f32| a < 1.4 * b + 1.0 && b < 1.4 * a + 1.0;
    let (wide, tall) = (f32::midpoint(left, right), f32::midpoint(up, down));
    if !even(left, right) || !even(wide, radius * RING / EYE) || wide > 2.0 * tall || tall > 2.0 * wide {
        return None;
    }
    let mut middle = Point { x: middle.x + (right - left) / 2.0, y: middle.y };
    let d = std::f32::consts::FRAC_1_SQRT_2;
    for (x, y) in [(d, d), (d, -d)] {
        if !even(edge(middle, x, y)?, edge(middle, -x, -y)?) {
            return None;
        }
    }
    let direction = |k: usize| (k as f32 / RAYS as f32 * std::f32::consts::TAU).sin_cos();
    for last in [false, true] {
        let rays: Vec<Option<f32>> = (0..RAYS).map(|k| walk(middle, direction(k).1, direction(k).0, false)).collect();
        if rays.iter().flatten().count() < RAYS * 3 / 4 {
            return None;
        }
        if !last {
            // Opposite rays are of one length from the true middle.
            let half = RAYS / 2;
            let pairs = (0..half).filter_map(|k| Some((k, rays[k]? - rays[k + half]?)));
            let (x, y, n) = pairs.fold((0.0, 0.0, 0.0), |s: (f32, f32, f32), (k, off)| {
                (s.0 + off * direction(k).1, s.1 + off * direction(k).0, s.2 + 1.0)
            });
            middle = Point { x: middle.x + x / n, y: middle.y + y / n };
            continue;
        }
        let ellipse = ellipse(&rays, direction)?;
        let fits = |k: usize| {
            let (sin, cos) = direction(k);
            let ideal = (ellipse[0] * cos * cos + ellipse[1] * sin * sin + ellipse[2] * sin * cos).powf(-0.5);
            // The square rings of Aztec Code stray by a fifth.
            rays[k].is_some_and(|r| (0.9..1.12).contains(&(r / ideal)))
        };
        let round = (0..RAYS).filter(|&k| fits(k)).count();
        return (round >= RAYS * 3 / 4).then_some(Eye { middle, radius, ellipse });
    }
    None
}

/// The ellipse around the origin that rays of these lengths end on, by least squares of 1 / length².
fn ellipse(rays: &[Option<f32>], direction: impl Fn(usize) -> (f32, f32)) -> Option<[f32; 3]> {
    // Cos², sin² and sin × cos are a constant and two waves of twice the angle, which are orthogonal.
    let (mut constant, mut cosine, mut sine, mut n) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    let mut sorted: Vec<f32> = rays.iter().flatten().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    for (k, ray) in rays.iter().enumerate() {
        // A ray that ran through a gap counts as an ordinary one.
        let r = ray.filter(|r| (0.5..2.0).contains(&(r / median))).unwrap_or(median);
        let (sin, cos) = direction(k);
        let v = 1.0 / (r * r);
        constant += v;
        cosine += v * (cos * cos - sin * sin);
        sine += v * 2.0 * sin * cos;
        n += 1.0;
    }
    let (constant, cosine, sine) = (constant / n, 2.0 * cosine / n, 2.0 * sine / n);
    let found = [constant + cosine, constant - cosine, 2.0 * sine];
    (found[0] > 0.0 && found[1] > 0.0 && 4.0 * found[0] * found[1] > found[2] * found[2]).then_some(found)
}

/// From hexagons to the picture.
#[derive(Clone, Copy, Debug)]
struct View {
    middle: Point,
    /// From one hexagon to the next in its row, and the same length at a right angle to that, downwards.
    right: Point,
    down: Point,
}

impl View {
    /// A place so many hexagons from the middle, in the shape of the symbol.
    fn map(&self, x: f32, y: f32) -> Point {
        Point {
            x: self.middle.x + x * self.right.x + y * self.down.x,
            y: self.middle.y + x * self.right.y + y * self.down.y,
        }
    }
}

/// The middle of a module, in hexagons from that of the bull's eye.
fn place(column: u32, row: u32) -> (f32, f32) {
    let shift = if row % 2 == 1 { 0.5 } else { 0.0 };
    (column as f32 + shift - CENTRE.0, (row as f32 - CENTRE.1) * ROW)
}

/// Directions tried.
const TURNS: u32 = 180;
/// Most fixed modules of the wrong colour.
const WRONG: usize = 2;
/// Most directions of which the modules are read.
const LIKELY: usize = 2;

fn read(bits: &Bits, eye: &Eye) -> Option<Symbol> {
    // The root of the inverse of M makes a circle of the ellipse.
    let [xx, yy, xy] = [eye.ellipse[0], eye.ellipse[1], eye.ellipse[2] / 2.0];
    let det = xx * yy - xy * xy;
    let (ixx, iyy, ixy) = (yy / det, xx / det, -xy / det);
    let root = (ixx * iyy - ixy * ixy).sqrt();
    let scale = 1.0 / (ixx + iyy + 2.0 * root).sqrt() / RING;
    let (ixx, iyy, ixy) = ((ixx + root) * scale, (iyy + root) * scale, ixy * scale);
    let turned = |cos: f32, sin: f32| Point { x: ixx * cos + ixy * sin, y: ixy * cos + iyy * sin };
    let mut views: Vec<(usize, View)> = Vec::new();
    for size in [1.0, 0.94, 1.06] {
        for k in 0..TURNS {
            let (sin, cos) = (k as f32 / TURNS as f32 * std::f32::consts::TAU).sin_cos();
            let (right, down) = (turned(size * cos, size * sin), turned(-size * sin, size * cos));
            let view = View { middle: eye.middle, right, down };
            let wrong = wrong(bits, &view);
            if wrong <= WRONG {
                views.push((wrong, view));
            }
        }
    }
    views.sort_by_key(|v| v.0);
    views.truncate(LIKELY);
    views.into_iter().find_map(|(_, view)| decoded(bits, &view).or_else(|| decoded(bits, &grown(bits, view))))
}

/// Fixed modules beside the bull's eye that have the wrong colour.
fn wrong(bits: &Bits, view: &View) -> usize {
    let dark = |&(column, row): &(u32, u32)| {
        let (x, y) = place(column, row);
        let p = view.map(x, y);
        bits.at(p.x, p.y) == Some(true)
    };
    DARK[2..].iter().filter(|m| !dark(m)).count() + LIGHT.iter().filter(|m| dark(m)).count()
}

/// Fits the view, which is right around the bull's eye, to ever more hexagons: in the right place each is of one colour,
/// and the fixed ones have theirs.
fn grown(bits: &Bits, view: View) -> View {
    let mut best = view;
    let score = |view: &View, reach: f32| plain(bits, view, reach) - 12 * wrong(bits, view) as i32;
    for reach in [8.0f32, 12.0, 17.0] {
        let mut most = score(&best, reach);
        let module = best.right.x.hypot(best.right.y);
        for step in [0.3, 0.12] {
            // Of a hexagon at the rim, and half of that in the middle.
            let by = step * module;
            for _ in 0..5 {
                let before = most;
                for k in 0..12 {
                    let sign = if k % 2 == 0 { by } else { -by };
                    let mut moved = best;
                    match k / 2 {
                        0 => moved.middle.x += sign / 2.0,
                        1 => moved.middle.y += sign / 2.0,
                        2 => moved.right.x += sign / reach,
                        3 => moved.right.y += sign / reach,
                        4 => moved.down.x += sign / reach,
                        _ => moved.down.y += sign / reach,
                    }
                    let new = score(&moved, reach);
                    if new > most {
                        (best, most) = (moved, new);
                    }
                }
                if most == before {
                    break;
                }
            }
        }
    }
    best
}

/// How many places around the middles of the modules within `reach` have the colour of the middle.
fn plain(bits: &Bits, view: &View, reach: f32) -> i32 {
    let mut count = 0;
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let (x, y) = place(column, row);
            let distance = x.abs().max(y.abs());
            if distance > reach || distance < reach / 2.0 - 2.0 || x.hypot(y) < EYE + 0.8 {
                continue;
            }
            let colour = |dx: f32, dy: f32| {
                let p = view.map(x + dx, y + dy);
                bits.at(p.x, p.y)
            };
            let Some(middle) = colour(0.0, 0.0) else { continue };
            for (dx, dy) in [(-0.27, -0.15), (0.27, -0.15), (0.27, 0.15), (-0.27, 0.15), (0.0, -0.3), (0.0, 0.3)] {
                count += i32::from(colour(dx, dy) == Some(middle));
            }
        }
    }
    count
}

fn decoded(bits: &Bits, view: &View) -> Option<Symbol> {
    let mut modules = BitMatrix::new(COLUMNS, ROWS).ok()?;
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let (x, y) = place(column, row);
            let mut dark = 0;
            for (dx, dy) in [(0.0, 0.0), (-0.18, 0.0), (0.18, 0.0), (0.0, -0.18), (0.0, 0.18)] {
                let p = view.map(x + dx, y + dy);
                dark += u32::from(bits.at(p.x, p.y) == Some(true));
            }
            if dark >= 3 {
                modules.set(column, row);
            }
        }
    }
    let payload = content::decode(&modules)?;
    if payload.is_empty() {
        return None;
    }
    let (text, bytes) = payload.into_text_or_latin_1();
    let (left, top) = (-CENTRE.0 - 0.5, -CENTRE.1 * ROW - 0.5);
    let (right, bottom) = (CENTRE.0 + 1.5 + 0.5, CENTRE.1 * ROW + 0.5);
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| view.map(x, y));
    Some(Symbol { kind: Kind::MaxiCode, text, bytes, corners: Some(Corners(corners)) })
}
