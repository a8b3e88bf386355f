//! From a framed symbol to its modules.

use rxing::common::BitMatrix;

use super::border::Track;
use super::fit::{Edge, Frame, crossing};
use super::geometry::{along, between};
use super::ink::Ink;
use crate::codec::Point;
use crate::codec::read::plane::Perspective;

/// Modules read from a picture.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) bits: BitMatrix,
    /// Part of the modules of known colour (borders of all regions) that have it.
    pub(super) agreement: f32,
}

/// How a symbol strays from its frame: in modules, for each border.
#[derive(Clone, Debug)]
pub(super) struct Bend {
    /// Along and across each module of the top and bottom border.
    top: Vec<Point>,
    bottom: Vec<Point>,
    /// Likewise of the left and right border.
    left: Vec<Point>,
    right: Vec<Point>,
    /// What the inside strays on top of that, at the nodes of a coarse grid, row by row; empty if not looked for.
    nodes: Vec<Point>,
}

/// Modules between two nodes inside of a bent symbol.
const SPACING: usize = 6;

/// Data regions along a side of `modules` modules.
pub(super) fn regions(modules: u32) -> u32 {
    match modules {
        0..=26 => 1,
        27..=52 => 2,
        53..=104 => 4,
        _ => 6,
    }
}

/// The colour that a module must have, if it belongs to a border of a region.
fn known(frame: &Frame, column: u32, row: u32) -> Option<bool> {
    let (w, h) = (frame.columns / regions(frame.columns), frame.rows / regions(frame.rows));
    let (x, y) = (column % w, row % h);
    if x == 0 || y == h - 1 {
        Some(true)
    } else if y == 0 {
        Some(x % 2 == 0)
    } else if x == w - 1 {
        Some(y % 2 == 1)
    } else {
        None
    }
}

impl Bend {
    /// Measures the borders of a frame that were walked as `top` and `side`.
    pub(super) fn measured(frame: &Frame, ink: &Ink<'_>, top: Option<&Track>, side: Option<&Track>) -> Option<Self> {
        let view = frame.view()?;
        let (w, h) = (frame.columns as f32, frame.rows as f32);
        let back = frame.back()?;
        let home = |p: &Point| back.map(p.x, p.y);
        let walked = |track: Option<&Track>, n: u32| -> Vec<Point> {
            let middles = track.map_or(&[][..], |t| &t.middles);
            middles.iter().take(n as usize).map(home).collect()
        };
        // The broken borders: each module's middle tells how far it strays along and, by half a module, across.
        let mut top_stray = vec![None; frame.columns as usize];
        for (k, p) in walked(top, frame.columns).into_iter().enumerate() {
            top_stray[k] = Some(Point { x: p.x - k as f32 - 0.5, y: p.y - 0.5 });
        }
        let mut right_stray = vec![None; frame.rows as usize];
        for (k, p) in walked(side, frame.rows).into_iter().enumerate() {
            let row = frame.rows as usize - 1 - k;
            right_stray[row] = Some(Point { x: p.x - w + 0.5, y: p.y - row as f32 - 0.5 });
        }
        let part = |strays: &[Option<Point>], of: fn(&Point) -> f32, pinned: bool| -> Vec<f32> {
            smooth(&strays.iter().map(|s| s.as_ref().map(of)).collect::<Vec<_>>(), pinned)
        };
        let (top_along, top_across) = (part(&top_stray, |p| p.x, true), part(&top_stray, |p| p.y, false));
        let (right_across, right_along) = (part(&right_stray, |p| p.x, false), part(&right_stray, |p| p.y, true));
        // The solid borders: their outer edge, followed from the tip.
        let solid = |edge: Edge| -> Vec<f32> {
            let n = frame.count(edge);
            let mut offset = 0.0;
            let mut found = vec![None; n as usize];
            for i in 0..n {
                let k = if edge == Edge::Left { n - 1 - i } else { i };
                let at = |depth: f32| {
                    let p = frame.place(edge, k as f32 + 0.5, depth);
                    view.map(p.x, p.y)
                };
                let Some(p) = crossing(ink, at(offset + 0.5), at(offset - 0.9), 14) else { continue };
                let p = home(&p);
                offset = if edge == Edge::Left { p.x } else { h - p.y };
                found[k as usize] = Some(if edge == Edge::Left { p.x } else { p.y - h });
            }
            smooth(&found, false)
        };
        let (left_across, bottom_across) = (solid(Edge::Left), solid(Edge::Bottom));
        let zip = |along: Vec<f32>, across: Vec<f32>, upright: bool| -> Vec<Point> {
            along
                .into_iter()
                .zip(across)
                .map(|(a, c)| if upright { Point { x: c, y: a } } else { Point { x: a, y: c } })
                .collect()
        };
        // The solid borders have no rhythm: they are taken to follow the broken ones opposite.
        let (bottom_along, left_along) = (top_along.clone(), right_along.clone());
        Some(Self {
            top: zip(top_along, top_across, false),
            bottom: zip(bottom_along, bottom_across, false),
            left: zip(left_along, left_across, true),
            right: zip(right_along, right_across, true),
            nodes: Vec::new(),
        })
    }

    /// Looks for what the borders do not tell: around each node of a coarse grid the modules are moved to where most of
    /// them are plain, that is, ink or paper all over, and those of known colour have it.
    pub(super) fn settled(mut self, frame: &Frame, ink: &Ink<'_>) -> Option<Self> {
        let view = frame.view()?;
        let (w, h) = (frame.columns as usize, frame.rows as usize);
        let mut nodes = Vec::new();
        for y in 0..=h.div_ceil(SPACING) {
            for x in 0..=w.div_ceil(SPACING) {
                let around =
                    |n: usize, most: usize| (n * SPACING).saturating_sub(SPACING)..((n + 1) * SPACING).min(most);
                // Each module's place in the picture, and what a step of one module makes of it.
                let modules: Vec<_> = around(y, h)
                    .flat_map(|row| around(x, w).map(move |column| (column, row)))
                    .map(|(column, row)| {
                        let p = self.at(column, row);
                        let place = view.around(column as f32 + 0.5 + p.x, row as f32 + 0.5 + p.y);
                        (place, known(frame, column as u32, row as u32))
                    })
                    .collect();
                let plain = |shift: Point| -> f32 {
                    let value = |((middle, right, down), known): &((Point, Point, Point), Option<bool>)| {
                        let middle = along(along(*middle, *right, shift.x), *down, shift.y);
                        let v = around_colour(ink, middle, *right, *down);
                        match known {
                            Some(black) => 2.0 * if *black { v } else { -v },
                            None => v.abs(),
                        }
                    };
                    modules.iter().map(value).sum()
                };
                let mut best = Point { x: 0.0, y: 0.0 };
                // What is better by noise alone is left where it is.
                let mut score = 1.01 * plain(best);
                for step in [0.3, 0.15] {
                    let centre = best;
                    for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (1, 1), (-1, 1)] {
                        let shift = Point { x: centre.x + step * dx as f32, y: centre.y + step * dy as f32 };
                        let new = plain(shift);
                        if new > score {
                            (best, score) = (shift, new);
                        }
                    }
                }
                nodes.push(best);
            }
        }
        self.nodes = nodes;
        Some(self)
    }

    /// How far the nodes say that a module strays.
    fn inside(&self, column: usize, row: usize) -> Point {
        if self.nodes.is_empty() {
            return Point { x: 0.0, y: 0.0 };
        }
        let wide = self.top.len().div_ceil(SPACING) + 1;
        let (x, y) = (column / SPACING, row / SPACING);
        let part = |n: usize| (n % SPACING) as f32 / SPACING as f32;
        let mix = |a: Point, b: Point, t: f32| along(a, between(a, b), t);
        let at = |x: usize, y: usize| self.nodes[y * wide + x];
        let upper = mix(at(x, y), at(x + 1, y), part(column));
        let lower = mix(at(x, y + 1), at(x + 1, y + 1), part(column));
        mix(upper, lower, part(row))
    }

    /// How far the module strays: between all four borders (a Coons patch).
    fn at(&self, column: usize, row: usize) -> Point {
        let (w, h) = (self.top.len() - 1, self.left.len() - 1);
        let (t, s) = (column as f32 / w as f32, row as f32 / h as f32);
        let mix = |a: Point, b: Point, t: f32| along(a, between(a, b), t);
        let vertical = mix(self.top[column], self.bottom[column], s);
        let horizontal = mix(self.left[row], self.right[row], t);
        let corner = |a: Point, b: Point| Point { x: f32::midpoint(a.x, b.x), y: f32::midpoint(a.y, b.y) };
        let upper = mix(corner(self.top[0], self.left[0]), corner(self.top[w], self.right[0]), t);
        let lower = mix(corner(self.bottom[0], self.left[h]), corner(self.bottom[w], self.right[h]), t);
        let both = mix(upper, lower, s);
        let inside = self.inside(column, row);
        Point { x: vertical.x + horizontal.x - both.x + inside.x, y: vertical.y + horizontal.y - both.y + inside.y }
    }
}

/// Fills gaps, and takes out what leaps off the median of the nearest five. Where it is `pinned`, nothing strays at the
/// corners, half a module beyond both ends.
fn smooth(measured: &[Option<f32>], pinned: bool) -> Vec<f32> {
    let seen: Vec<(usize, f32)> = measured.iter().enumerate().filter_map(|(k, v)| v.map(|v| (k, v))).collect();
    if seen.len() < 3 {
        return vec![0.0; measured.len()];
    }
    let medians: Vec<(usize, f32)> = (0..seen.len())
        .map(|i| {
            let from = i.saturating_sub(2).min(seen.len().saturating_sub(5));
            let mut near: Vec<f32> = seen[from..(from + 5).min(seen.len())].iter().map(|s| s.1).collect();
            near.sort_by(f32::total_cmp);
            // The middle of the medians keeps the slope at the ends.
            let median = near[near.len() / 2];
            let own = seen[i].1;
            (seen[i].0, if (own - median).abs() > 0.6 { median } else { own })
        })
        .collect();
    (0..measured.len())
        .map(|k| {
            let after = medians.partition_point(|m| m.0 < k);
            // Beyond the last one seen, what is left of it on the way to the corner.
            let rest = |(at, v): (usize, f32), corner: f32| {
                if pinned { v * (corner - k as f32) / (corner - at as f32) } else { v }
            };
            match (after.checked_sub(1).map(|i| medians[i]), medians.get(after)) {
                (Some(a), Some(&b)) => a.1 + (b.1 - a.1) * (k - a.0) as f32 / (b.0 - a.0) as f32,
                (Some(a), None) => rest(a, measured.len() as f32 - 0.5),
                (None, Some(&b)) => rest(b, -0.5),
                (None, None) => 0.0,
            }
        })
        .collect()
}

/// The colour of the module around a place: of its middle and of four places around that, so that a speck does not decide.
fn colour(ink: &Ink<'_>, view: &Perspective, x: f32, y: f32) -> f32 {
    let (middle, right, down) = view.around(x, y);
    around_colour(ink, middle, right, down)
}

/// The same from its middle and its two sides in the picture.
fn around_colour(ink: &Ink<'_>, middle: Point, right: Point, down: Point) -> f32 {
    let mut sum = 2.0 * ink.at(middle);
    for (dx, dy) in [(-0.2, -0.2), (0.2, -0.2), (0.2, 0.2), (-0.2, 0.2)] {
        sum += ink.at(along(along(middle, right, dx), down, dy));
    }
    sum / 6.0
}

/// Reads the modules of a frame, straight or bent.
pub(super) fn sample(frame: &Frame, ink: &Ink<'_>, bend: Option<&Bend>) -> Option<Sampled> {
    let view = frame.view()?;
    let mut bits = BitMatrix::new(frame.columns, frame.rows).ok()?;
    let (mut right, mut all) = (0u32, 0u32);
    for row in 0..frame.rows {
        for column in 0..frame.columns {
            let stray = bend.map_or(Point { x: 0.0, y: 0.0 }, |b| b.at(column as usize, row as usize));
            let (x, y) = (column as f32 + 0.5 + stray.x, row as f32 + 0.5 + stray.y);
            let black = colour(ink, &view, x, y) > 0.0;
            if black {
                bits.set(column, row);
            }
            if let Some(colour) = known(frame, column, row) {
                all += 1;
                right += u32::from(colour == black);
            }
        }
    }
    Some(Sampled { bits, agreement: right as f32 / all as f32 })
}
