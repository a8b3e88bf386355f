//! Following the broken borders of a Data Matrix: the top from the upper end of the L, the right side from its right end.
//!
//! Black and white modules alternate there. The walk goes through the middle of the border, measures each black module,
//! and steers by its outer edge; so it follows perspective and bends.

use super::geometry::{along, between, dot, length, turned, unit};
use super::ink::Ink;
use crate::codec::Point;

/// A border as it was walked.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// Places on the outer edge, one for each black module.
    pub(super) edge: Vec<Point>,
    /// The middle of each module, black ones and the white ones between them by turns.
    pub(super) middles: Vec<Point>,
    /// Black modules seen; the border has twice as many modules.
    pub(super) blacks: usize,
    /// Whether the quiet zone was reached after them.
    pub(super) ended: bool,
    /// Where the border ends, on its outer edge.
    pub(super) end: Point,
    /// The width of the last module.
    pub(super) module: f32,
}

impl Track {
    /// Whether enough of the border was seen, up to its end, to bet on it.
    pub(super) fn complete(&self) -> bool {
        self.ended && self.blacks >= 4
    }

    /// Modules of the border.
    pub(super) fn modules(&self) -> u32 {
        2 * self.blacks as u32
    }
}

/// The width in pixels of the module at the end of a bar: `from` is the bar's outer end corner, `bar` points back along
/// it, `across` to its inner side. `None` if no bar ends there.
pub(super) fn bar_width(ink: &Ink<'_>, from: Point, bar: Point, across: Point, longest: f32) -> Option<f32> {
    for depth in [1.2, 2.5, 4.5] {
        let row = along(from, bar, depth);
        let Some(start) = run(ink, along(row, across, -1.5), across, 4.0, false) else { continue };
        let inside = along(row, across, start - 1.5);
        let Some(width) = run(ink, along(inside, across, 0.2), across, longest + 1.0, true) else { continue };
        let width = width + 0.2;
        if width >= 0.8 && width <= longest && depth <= width.max(1.5) {
            return Some(width);
        }
    }
    None
}

/// Pixels from `from` towards `to` (of length one) until the colour is no longer black (or no longer white); `None` if
/// that is further than `most`.
fn run(ink: &Ink<'_>, from: Point, to: Point, most: f32, black: bool) -> Option<f32> {
    const STEP: f32 = 0.34;
    let sign = if black { 1.0 } else { -1.0 };
    let mut before = sign * ink.at(from);
    if before < 0.0 {
        return Some(0.0);
    }
    let mut t = STEP;
    while t <= most + STEP {
        let v = sign * ink.at(along(from, to, t));
        if v < 0.0 {
            return Some(t - STEP + STEP * before / (before - v));
        }
        before = v;
        t += STEP;
    }
    None
}

/// Walks from `corner`, the outer corner of the first black module, towards `ahead`; `out` points out of the symbol
/// (both of length one); `module` is the width of the first module. The walk that sees most modules among several
/// directions.
pub(super) fn track(ink: &Ink<'_>, corner: Point, ahead: Point, out: Point, module: f32) -> Option<Track> {
    let mut best: Option<Track> = None;
    for degrees in [0.0, 9.0, -9.0, 18.0, -18.0, 27.0, -27.0, 36.0, -36.0] {
        let Some(found) = walk(ink, corner, turned(ahead, degrees), out, module) else { continue };
        let better = best.as_ref().is_none_or(|b| (found.ended, found.blacks) > (b.ended, b.blacks));
        if better {
            let done = found.ended && found.blacks >= 5;
            best = Some(found);
            if done {
                break;
            }
        }
    }
    best
}

/// The walk straight ahead, if it ends after eight modules and `seen` did not: slanting walks may see more modules inside a
/// symbol than a border as short as this has.
pub(super) fn shorter(
    ink: &Ink<'_>,
    seen: Option<&Track>,
    corner: Point,
    ahead: Point,
    out: Point,
    module: f32,
) -> Option<Track> {
    seen.filter(|track| track.blacks > 4)?;
    walk(ink, corner, ahead, out, module).filter(|track| track.ended && track.blacks == 4)
}

fn walk(ink: &Ink<'_>, corner: Point, ahead: Point, out: Point, module: f32) -> Option<Track> {
    let mut found = Track { edge: Vec::new(), middles: Vec::new(), blacks: 0, ended: false, end: corner, module };
    let mut ahead = ahead;
    let mut m = module;
    let mut centre = along(along(corner, out, -0.5 * m), ahead, 0.5 * m);
    let mut last: Option<Point> = None;
    let mut black_end: Option<Point> = None;
    loop {
        // In the middle of a black module, more or less.
        if ink.at(centre) <= 0.0 {
            break;
        }
        let (Some(after), Some(before)) = (
            run(ink, centre, ahead, 1.6 * m, true),
            run(ink, centre, Point { x: -ahead.x, y: -ahead.y }, 1.6 * m, true),
        ) else {
            break;
        };
        let width = before + after;
        if width < 0.2 * m || width > 1.8 * m + 0.7 {
            break;
        }
        centre = along(centre, ahead, (after - before) / 2.0);
        if let Some(last) = last {
            let pitch = length(between(last, centre)) / 2.0;
            // The bar's width, which ink may have narrowed or broadened, is a weak measure; a pitch is a good one.
            let (least, most, weight) = if found.blacks == 1 { (0.5, 2.1, 0.9) } else { (0.6, 1.55, 0.4) };
            if pitch < least * m || pitch > most * m {
                break;
            }
            m += weight * (pitch - m);
        }
        let outwards = run(ink, centre, out, 1.5 * m, true);
        if let Some(e) = outwards {
            found.edge.push(along(centre, out, e));
        }
        if let Some(end) = black_end {
            found.middles.push(along(end, between(end, along(centre, ahead, -0.5 * width)), 0.5));
        }
        found.middles.push(centre);
        black_end = Some(along(centre, ahead, 0.5 * width));
        found.blacks += 1;
        found.module = m;
        last = Some(centre);
        let border_end = along(centre, ahead, 1.5 * m);
        found.end = along(border_end, out, 0.5 * m);
        if found.blacks > 72 {
            break;
        }
        // Steer: the direction of the edge so far, and half a module below it.
        if found.edge.len() >= 3 {
            let n = found.edge.len();
            let back = n.saturating_sub(7);
            ahead = unit(between(found.edge[back], found.edge[n - 1]));
        }
        if let Some(e) = outwards {
            // A module that ink has narrowed along the border is narrowed across it, too.
            let sine = dot(out, Point { x: ahead.y, y: -ahead.x }).abs().max(0.5);
            centre = along(centre, out, (e - 0.5 * width.min(m) / sine).clamp(-0.35 * m, 0.35 * m));
        }
        // Over the white module to the next black one.
        let edge = along(centre, ahead, 0.5 * width.min(1.4 * m) + 0.05 * m);
        // Where ink hardly left a speck of it, the next module may be missed in the middle and hit beside.
        let most = if found.blacks == 1 { 3.0 } else { 2.1 };
        let next = [0.0, 0.3, -0.3].into_iter().find_map(|shift| {
            let from = along(along(edge, ahead, 0.2 * m), out, shift * m);
            let white = run(ink, from, ahead, most * m, false)?;
            (shift == 0.0 || white > 0.4 * m).then(|| along(from, ahead, white + 0.2 * width.min(m)))
        });
        let Some(next) = next else {
            found.ended = true;
            break;
        };
        centre = next;
    }
    (found.blacks >= 3).then_some(found)
}
