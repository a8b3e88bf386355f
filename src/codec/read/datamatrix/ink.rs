//! How dark a place is, as the symbol around it sees it.

use super::geometry::{along, between, unit};
use super::locate::Corner;
use crate::codec::{Luma, Point};

/// Grey levels between ink and paper below which nothing is told apart.
const FAINTEST: f32 = 12.0;

/// The grey pixels around one L, with a limit between ink and paper that follows the light.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink<'a> {
    luma: &'a Luma,
    /// Limit = `limit.0` + `limit.1` · x + `limit.2` · y.
    limit: (f32, f32, f32),
    /// Grey levels from the limit to ink; negative for light ink on dark paper.
    depth: f32,
}

impl<'a> Ink<'a> {
    /// Learns ink and paper from both sides of the edges of an L, `inset` pixels from them. `None` if they do not differ.
    pub(super) fn beside(luma: &'a Luma, corner: &Corner, inset: f32) -> Option<Self> {
        let up = unit(between(corner.tip, corner.top));
        let right = unit(between(corner.tip, corner.right));
        // Means inside and outside of the first and second half of each edge.
        let side = |to: Point, inwards: Point, from: f32| {
            let edge = between(corner.tip, to);
            let mean = |shift: f32| {
                let sum: f32 = (0..8)
                    .map(|k| along(along(corner.tip, edge, from + k as f32 / 16.0 + 0.02), inwards, shift))
                    .map(|p| grey(luma, p).unwrap_or(if corner.inverse { 0.0 } else { 255.0 }))
                    .sum();
                sum / 8.0
            };
            let (ink, paper) = (mean(inset), mean(-inset));
            (along(corner.tip, edge, from + 0.25), f32::midpoint(ink, paper), (paper - ink) / 2.0)
        };
        let parts = [
            side(corner.top, right, 0.5),
            side(corner.top, right, 0.0),
            side(corner.right, up, 0.0),
            side(corner.right, up, 0.5),
        ];
        let depth = parts.iter().map(|p| p.2).sum::<f32>() / 4.0;
        let sign = if corner.inverse { -1.0 } else { 1.0 };
        if parts.iter().any(|p| p.2 * sign < FAINTEST / 4.0) || depth * sign < FAINTEST / 2.0 {
            return None;
        }
        // A plane through the mean near the tip and those at both ends.
        let base = f32::midpoint(parts[1].1, parts[2].1);
        let o = along(parts[1].0, between(parts[1].0, parts[2].0), 0.5);
        let (u, v) = (between(o, parts[0].0), between(o, parts[3].0));
        let area = u.x * v.y - u.y * v.x;
        let (du, dv) = (parts[0].1 - base, parts[3].1 - base);
        let slope =
            if area.abs() < 1.0 { (0.0, 0.0) } else { ((du * v.y - dv * u.y) / area, (dv * u.x - du * v.x) / area) };
        Some(Self { luma, limit: (base - slope.0 * o.x - slope.1 * o.y, slope.0, slope.1), depth })
    }

    /// From -1, paper, to 1, ink. Outside of the picture there is paper.
    pub(super) fn at(&self, p: Point) -> f32 {
        let limit = self.limit.0 + self.limit.1 * p.x + self.limit.2 * p.y;
        grey(self.luma, p).map_or(-1.0, |v| ((limit - v) / self.depth).clamp(-1.0, 1.0))
    }

    /// The same with the limit moved by a part of the way to ink.
    pub(super) fn moved(&self, part: f32) -> Self {
        Self { limit: (self.limit.0 - part * self.depth, self.limit.1, self.limit.2), ..*self }
    }
}

/// The grey of a place between pixels; `None` outside of the picture.
#[inline]
fn grey(luma: &Luma, p: Point) -> Option<f32> {
    let (x, y) = (p.x - 0.5, p.y - 0.5);
    let wide = luma.width() as usize;
    let mix = |at: usize, right: usize, below: usize, fx: f32, fy: f32| {
        let pixel = |k: usize| f32::from(luma.pixels()[k]);
        let a = pixel(at) + (pixel(at + right) - pixel(at)) * fx;
        let b = pixel(at + below) + (pixel(at + below + right) - pixel(at + below)) * fx;
        a + (b - a) * fy
    };
    // Between four pixels, as almost always.
    if x >= 0.0 && y >= 0.0 {
        let (left, top) = (x as i32, y as i32);
        if ((left + 1) as u32) < luma.width() && ((top + 1) as u32) < luma.height() {
            return Some(mix(top as usize * wide + left as usize, 1, wide, x - left as f32, y - top as f32));
        }
    }
    let (w, h) = (luma.width() as f32, luma.height() as f32);
    if !(p.x >= 0.0 && p.y >= 0.0 && p.x <= w && p.y <= h) {
        return None;
    }
    let (x, y) = (x.clamp(0.0, w - 1.0), y.clamp(0.0, h - 1.0));
    let (left, top) = (x as usize, y as usize);
    let right = usize::from(left + 1 < wide);
    let below = if top + 1 < luma.height() as usize { wide } else { 0 };
    Some(mix(top * wide + left, right, below, x - left as f32, y - top as f32))
}
