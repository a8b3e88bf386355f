//! The plane of a symbol in the plane of the picture: perspective and nothing else.

use crate::codec::Point;

/// A perspective map of the plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Perspective {
    /// Row by row; the last coefficient is one.
    m: [f64; 9],
}

impl Perspective {
    /// The map that takes each of `from` to the point of `to` at the same place; `None` if three lie on a line.
    pub(super) fn between(from: [Point; 4], to: [Point; 4]) -> Option<Self> {
        let mut rows = [[0f64; 9]; 8];
        for k in 0..4 {
            let (x, y) = (f64::from(from[k].x), f64::from(from[k].y));
            let (u, v) = (f64::from(to[k].x), f64::from(to[k].y));
            rows[2 * k] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * k + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        // Gauss–Jordan with the largest pivot.
        for column in 0..8 {
            let pivot = (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
            if rows[pivot][column].abs() < 1e-9 {
                return None;
            }
            rows.swap(column, pivot);
            let lead = rows[column];
            for (k, row) in rows.iter_mut().enumerate() {
                if k != column {
                    let factor = row[column] / lead[column];
                    row.iter_mut().zip(lead).for_each(|(a, b)| *a -= factor * b);
                }
            }
        }
        let mut m = [1.0; 9];
        for k in 0..8 {
            m[k] = rows[k][8] / rows[k][k];
        }
        Some(Self { m })
    }

    /// Where a point goes.
    pub(super) fn map(&self, x: f32, y: f32) -> Point {
        let (x, y, m) = (f64::from(x), f64::from(y), &self.m);
        let w = m[6] * x + m[7] * y + m[8];
        Point { x: ((m[0] * x + m[1] * y + m[2]) / w) as f32, y: ((m[3] * x + m[4] * y + m[5]) / w) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_go_where_they_were_sent_and_the_middle_between() {
        let p = |x: f32, y: f32| Point { x, y };
        let square = [p(0.0, 0.0), p(10.0, 0.0), p(10.0, 10.0), p(0.0, 10.0)];
        let quad = [p(3.0, 4.0), p(50.0, 8.0), p(44.0, 60.0), p(1.0, 39.0)];
        let map = Perspective::between(square, quad).expect("no three on a line");
        for (a, b) in square.into_iter().zip(quad) {
            let found = map.map(a.x, a.y);
            assert!((found.x - b.x).abs() < 1e-3 && (found.y - b.y).abs() < 1e-3, "{found:?} for {b:?}");
        }
        assert!(Perspective::between([p(0.0, 0.0); 4], quad).is_none());
    }
}
