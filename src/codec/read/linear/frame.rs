//! Parallel lines across a picture, in any direction.

use crate::codec::{Corners, Luma, Point};

/// A family of parallel lines, one pixel apart, covering a rectangle that may be turned.
///
/// A place is given by its distance along the lines and across them, in pixels from `origin`. `across` is `along` turned
/// a quarter clockwise.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    origin: Point,
    along: (f32, f32),
    length: usize,
    lines: u32,
    ahead: Option<Ahead>,
}

/// Columns read ahead: one after the other they cost many times as much, since each pixel of one lies far from the next.
#[derive(Clone, Debug)]
struct Ahead {
    first: u32,
    step: u32,
    /// The pixels of each column, one column after the other.
    pixels: Vec<u8>,
}

impl Frame {
    /// All rows of a picture, from left to right.
    pub(super) fn rows(luma: &Luma) -> Self {
        Self {
            origin: Point { x: 0.0, y: 0.0 },
            along: (1.0, 0.0),
            length: luma.width() as usize,
            lines: luma.height(),
            ahead: None,
        }
    }

    /// All columns, from top to bottom; the rightmost is the first line.
    pub(super) fn columns(luma: &Luma) -> Self {
        Self {
            origin: Point { x: luma.width() as f32, y: 0.0 },
            along: (0.0, 1.0),
            length: luma.height() as usize,
            lines: luma.width(),
            ahead: None,
        }
    }

    /// Reads every `step`th line from `first` on ahead, if the lines are columns.
    pub(super) fn read_ahead(&mut self, luma: &Luma, first: u32, step: u32) {
        if self.along != (0.0, 1.0) || first >= self.lines {
            return;
        }
        let count = (self.lines - first).div_ceil(step) as usize;
        let mut pixels = vec![0; count * self.length];
        for (y, row) in luma.pixels().chunks_exact(self.lines as usize).enumerate() {
            let taken = row[..=(self.lines - 1 - first) as usize].iter().rev().step_by(step as usize);
            for (place, &v) in pixels[y..].iter_mut().step_by(self.length).zip(taken) {
                *place = v;
            }
        }
        self.ahead = Some(Ahead { first, step, pixels });
    }

    /// A turned rectangle, from its middle, the direction of its lines and its sides.
    pub(super) fn turned(middle: Point, along: (f32, f32), length: f32, lines: f32) -> Self {
        let across = (-along.1, along.0);
        let origin = Point {
            x: middle.x - along.0 * length / 2.0 - across.0 * lines / 2.0,
            y: middle.y - along.1 * length / 2.0 - across.1 * lines / 2.0,
        };
        Self { origin, along, length: length.ceil() as usize, lines: lines.ceil().max(1.0) as u32, ahead: None }
    }

    /// The lines of the rectangle from line `from` to line `to`.
    pub(super) fn band(&self, from: u32, to: u32) -> Self {
        let origin = self.point(0.0, from as f32);
        Self { origin, lines: to.saturating_sub(from).max(1), ahead: None, ..*self }
    }

    /// The same rectangle in a picture that is `factor` times as large.
    pub(super) fn scaled(&self, factor: f32) -> Self {
        Self {
            origin: Point { x: self.origin.x * factor, y: self.origin.y * factor },
            along: self.along,
            length: (self.length as f32 * factor) as usize,
            lines: ((self.lines as f32 * factor) as u32).max(1),
            ahead: None,
        }
    }

    pub(super) fn lines(&self) -> u32 {
        self.lines
    }

    /// Where a place along a line and across lies in the picture.
    pub(super) fn point(&self, along: f32, across: f32) -> Point {
        let (ux, uy) = self.along;
        Point { x: self.origin.x + ux * along - uy * across, y: self.origin.y + uy * along + ux * across }
    }

    /// The corners of a symbol from its first to its last line (place, start, end).
    pub(super) fn corners(&self, first: (f32, f32, f32), last: (f32, f32, f32), backwards: bool) -> Corners {
        let at = |across: f32, along: f32| self.point(along, across);
        let [a, b, c, d] = [at(first.0, first.1), at(first.0, first.2), at(last.0, last.2), at(last.0, last.1)];
        // Clockwise from where reading begins.
        Corners(if backwards { [c, d, a, b] } else { [a, b, c, d] })
    }

    /// Writes the grey values of line `line` into `profile`, each the mean of `thickness` lines around.
    pub(super) fn take(&self, luma: &Luma, line: u32, thickness: u32, profile: &mut Vec<f32>) {
        profile.clear();
        let first = line.saturating_sub(thickness / 2).min(self.lines.saturating_sub(thickness));
        let last = (first + thickness).min(self.lines);
        let share = 1.0 / (last - first) as f32;
        if self.along == (1.0, 0.0) {
            profile.resize(self.length, 0.0);
            for y in first..last {
                profile.iter_mut().zip(luma.row(y)).for_each(|(sum, &v)| *sum += f32::from(v) * share);
            }
        } else if let Some(ahead) = &self.ahead
            && last - first == 1
            && first >= ahead.first
            && (first - ahead.first).is_multiple_of(ahead.step)
        {
            let from = ((first - ahead.first) / ahead.step) as usize * self.length;
            profile.extend(ahead.pixels[from..from + self.length].iter().map(|&v| f32::from(v)));
        } else if self.along == (0.0, 1.0) {
            let w = luma.width() as usize;
            let from = w - last as usize;
            profile.extend(luma.pixels()[from..].iter().step_by(w).map(|&v| f32::from(v)));
            for x in from + 1..w - first as usize {
                let column = luma.pixels()[x..].iter().step_by(w);
                profile.iter_mut().zip(column).for_each(|(sum, &v)| *sum += f32::from(v));
            }
            if last - first > 1 {
                for sum in profile.iter_mut() {
                    *sum *= share;
                }
            }
        } else {
            profile.resize(self.length, 0.0);
            let (w, h) = (luma.width() as usize, luma.height() as usize);
            let inner = |p: Point| p.x >= 0.5 && p.y >= 0.5 && p.x < w as f32 - 1.6 && p.y < h as f32 - 1.6;
            for line in first..last {
                let across = line as f32 + 0.5;
                let (from, to) = (self.point(0.5, across), self.point(self.length as f32 - 0.5, across));
                if inner(from) && inner(to) {
                    // Away from the border no place needs a check.
                    let (mut x, mut y) = (from.x - 0.5, from.y - 0.5);
                    for sum in profile.iter_mut() {
                        let (x0, y0) = (x as u32 as usize, y as u32 as usize);
                        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
                        let top = &luma.pixels()[y0 * w + x0..][..w + 2];
                        let at = |k: usize| f32::from(top[k]);
                        let (a, b) = (at(0) + (at(1) - at(0)) * fx, at(w) + (at(w + 1) - at(w)) * fx);
                        *sum += (a + (b - a) * fy) * share;
                        (x, y) = (x + self.along.0, y + self.along.1);
                    }
                } else {
                    for (k, sum) in profile.iter_mut().enumerate() {
                        *sum += between(luma, self.point(k as f32 + 0.5, across)) * share;
                    }
                }
            }
        }
    }
}

/// The grey value at a place, between the four pixels around it; places outside have that of the nearest pixel.
fn between(luma: &Luma, p: Point) -> f32 {
    let (w, h) = (luma.width() as usize, luma.height() as usize);
    let (x, y) = ((p.x - 0.5).clamp(0.0, (w - 1) as f32), (p.y - 0.5).clamp(0.0, (h - 1) as f32));
    let (x0, y0) = (x as usize, y as usize);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
    let pixels = luma.pixels();
    let at = |x: usize, y: usize| f32::from(pixels[y * w + x]);
    let (top, bottom) = (at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx, at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx);
    top * (1.0 - fy) + bottom * fy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_columns_and_turned_frames_see_the_same_pixels() {
        let luma = Luma::new(4, 3, (0..12).map(|v| v * 10).collect());
        let mut profile = Vec::new();
        Frame::rows(&luma).take(&luma, 1, 1, &mut profile);
        assert_eq!(profile, [40.0, 50.0, 60.0, 70.0]);
        let mut columns = Frame::columns(&luma);
        columns.take(&luma, 0, 1, &mut profile);
        assert_eq!(profile, [30.0, 70.0, 110.0], "the first column is the rightmost");
        columns.take(&luma, 1, 2, &mut profile);
        assert_eq!(profile, [25.0, 65.0, 105.0], "the mean of the two at the right");
        columns.read_ahead(&luma, 1, 2);
        for (line, pixels) in [(0, [30.0, 70.0, 110.0]), (1, [20.0, 60.0, 100.0]), (3, [0.0, 40.0, 80.0])] {
            columns.take(&luma, line, 1, &mut profile);
            assert_eq!(profile, pixels, "read ahead or not");
        }
        let frame = Frame::turned(Point { x: 2.0, y: 1.5 }, (-1.0, 0.0), 4.0, 3.0);
        frame.take(&luma, 0, 1, &mut profile);
        assert_eq!(profile.iter().map(|v| v.round()).collect::<Vec<_>>(), [110.0, 100.0, 90.0, 80.0]);
    }
}
