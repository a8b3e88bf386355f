//! Where bars are: places whose edges all run one way.
//!
//! In a cell of a linear symbol the brightness changes in one direction only. Cells with one strong direction are joined
//! to their neighbours of the same direction; a joined region of some size is a linear symbol, or looks like one. The
//! symbol may lie at any angle, and its lines can be taken exactly across its bars.

use super::frame::Frame;
use crate::codec::read::wide::Steps;
use crate::codec::{Luma, Point};

/// Side of a cell in pixels.
const CELL: usize = 8;
/// Mean square of the brightness steps below which a cell is flat.
const FLAT: f32 = 40.0;
/// From 0 (all directions alike) to 1 (one direction).
const COHERENCE: f32 = 0.55;
/// Largest difference of neighbouring directions, as the cosine of twice the angle (12°).
const LIKE: f32 = 0.91;
/// Fewest cells of a region.
const LEAST: usize = 10;
/// Most regions looked at.
const MOST: usize = 8;

/// A cell's direction as the unit vector at twice the angle: opposite directions are the same.
#[derive(Clone, Copy)]
struct Direction {
    x: f32,
    y: f32,
}

/// Rectangles across regions of parallel bars, the largest first, with room for quiet zones.
pub(super) fn regions(luma: &Luma) -> Vec<Frame> {
    let (across, down) = (luma.width() as usize / CELL, luma.height() as usize / CELL);
    if across < 2 || down < 2 {
        return Vec::new();
    }
    let cells = cells(luma, across, down);
    let mut seen = vec![false; cells.len()];
    let mut regions: Vec<(usize, Frame)> = Vec::new();
    let mut region = Vec::new();
    for start in 0..cells.len() {
        if seen[start] || cells[start].is_none() {
            continue;
        }
        region.clear();
        region.push(start);
        seen[start] = true;
        let mut next = 0;
        while let Some(&cell) = region.get(next) {
            next += 1;
            let Some(here) = cells[cell] else { continue };
            let (cx, cy) = (cell % across, cell / across);
            // Wide bars leave flat cells between others, so a gap of one is stepped over.
            for y in cy.saturating_sub(2)..(cy + 3).min(down) {
                for x in cx.saturating_sub(2)..(cx + 3).min(across) {
                    let other = y * across + x;
                    if !seen[other] && cells[other].is_some_and(|d| d.x * here.x + d.y * here.y > LIKE) {
                        seen[other] = true;
                        region.push(other);
                    }
                }
            }
        }
        if region.len() >= LEAST
            && let Some(frame) = frame(&region, &cells, across)
        {
            regions.push((region.len(), frame));
        }
    }
    regions.sort_by_key(|r| std::cmp::Reverse(r.0));
    regions.truncate(MOST);
    regions.into_iter().map(|r| r.1).collect()
}

/// The direction of each cell, if it has one.
fn cells(luma: &Luma, across: usize, down: usize) -> Vec<Option<Direction>> {
    let mut cells = Vec::with_capacity(across * down);
    let (w, h) = (luma.width() as usize, luma.height() as usize);
    // Three rows at a time with one more pixel at both ends, for which there is no step along the row.
    let padded = |y: usize, row: &mut Vec<u8>| {
        let pixels = luma.row(y as u32);
        row.clear();
        row.push(pixels[1]);
        row.extend_from_slice(pixels);
        row.push(pixels[w - 2]);
    };
    let mut rows: [Vec<u8>; CELL] = Default::default();
    for cy in 0..down {
        let lines = (cy * CELL).max(1)..((cy + 1) * CELL).min(h - 1);
        lines.clone().zip(&mut rows).for_each(|(y, row)| padded(y, row));
        for x in (0..across).map(|cx| cx * CELL) {
            let mut steps = Steps::new();
            for (y, row) in lines.clone().zip(&rows) {
                let (up, low) = (luma.row(y as u32 - 1), luma.row(y as u32 + 1));
                if let (Some(left), Some(right), Some(up), Some(low)) =
                    (row[x..].first_chunk(), row[x + 2..].first_chunk(), up[x..].first_chunk(), low[x..].first_chunk())
                {
                    steps.add([left, right, up, low]);
                }
            }
            cells.push(direction(steps.sums().map(|sum| sum as f32)));
        }
    }
    cells
}

/// The direction of a cell from the sums of its steps, if it has one.
fn direction([xx, yy, xy]: [f32; 3]) -> Option<Direction> {
    let (difference, mixed, total) = (xx - yy, 2.0 * xy, xx + yy);
    if total <= FLAT * (CELL * CELL) as f32 {
        return None;
    }
    let strength = (difference * difference + mixed * mixed).sqrt();
    (strength > COHERENCE * total).then(|| Direction { x: difference / strength, y: mixed / strength })
}

/// The rectangle around a region's cells, lines across its bars.
fn frame(region: &[usize], cells: &[Option<Direction>], across: usize) -> Option<Frame> {
    let (mut dx, mut dy, mut mx, mut my) = (0.0, 0.0, 0.0, 0.0);
    let centre =
        |cell: usize| (((cell % across) as f32 + 0.5) * CELL as f32, ((cell / across) as f32 + 0.5) * CELL as f32);
    for &cell in region {
        let direction = cells[cell]?;
        let (x, y) = centre(cell);
        (dx, dy, mx, my) = (dx + direction.x, dy + direction.y, mx + x, my + y);
    }
    let (uy, ux) = (dy.atan2(dx) / 2.0f32).sin_cos();
    let (mx, my) = (mx / region.len() as f32, my / region.len() as f32);
    // A few stray cells are left out of the extent.
    let extent = |ux: f32, uy: f32| {
        let mut places: Vec<f32> = region.iter().map(|&c| (centre(c).0 - mx) * ux + (centre(c).1 - my) * uy).collect();
        places.sort_by(f32::total_cmp);
        let stray = places.len() / 50;
        (places[stray] - CELL as f32 / 2.0, places[places.len() - 1 - stray] + CELL as f32 / 2.0)
    };
    let ((left, right), (top, bottom)) = (extent(ux, uy), extent(-uy, ux));
    let (length, height) = (right - left, bottom - top);
    if length < 5.0 * CELL as f32 {
        return None;
    }
    let (ax, ay) = (f32::midpoint(left, right), f32::midpoint(top, bottom));
    let middle = Point { x: mx + ux * ax - uy * ay, y: my + uy * ax + ux * ay };
    // Room for quiet zones, and for a first and last bar whose cells were too plain.
    let margin = (0.15 * length).max(3.0 * CELL as f32);
    Some(Frame::turned(middle, (ux, uy), length + 2.0 * margin, height * 0.9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_bars_are_found_with_lines_across_them() {
        let (sin, cos) = 0.6f32.sin_cos();
        let pixels = (0..200 * 200).map(|i| {
            let (x, y) = ((i % 200) as f32 - 100.0, (i / 200) as f32 - 100.0);
            let (u, v) = (x * cos + y * sin, y * cos - x * sin);
            if u.abs() < 60.0 && v.abs() < 30.0 { (128.0 + 100.0 * (u * 1.2).sin()) as u8 } else { 220 }
        });
        let luma = Luma::new(200, 200, pixels.collect());
        let frames = regions(&luma);
        assert_eq!(frames.len(), 1);
        let (a, b) = (frames[0].point(0.0, 0.0), frames[0].point(1.0, 0.0));
        let along = ((b.x - a.x).abs(), (b.y - a.y).abs());
        assert!((along.0 - cos).abs() < 0.05 && (along.1 - sin).abs() < 0.05, "{along:?}");
    }
}
