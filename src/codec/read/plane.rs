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
        let h = solve(rows)?;
        Some(Self { m: std::array::from_fn(|k| h.get(k).copied().unwrap_or(1.0)) })
    }

    /// The map that takes the points of `from` nearest to those of `to`, in the sense of least squares.
    pub(super) fn fitted(from: &[Point], to: &[Point]) -> Option<Self> {
        // Equations of the kind of `between`, two a pair; their normal equations have eight unknowns. Places are taken
        // relative to their mean and scaled, which keeps the sums of squares small.
        let (source, target) = (Normal::of(from), Normal::of(to));
        let mut rows = [[0f64; 9]; 8];
        for (p, q) in from.iter().zip(to) {
            let ((x, y), (u, v)) = (source.apply(*p), target.apply(*q));
            for row in [[x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u], [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]] {
                for (sums, a) in rows.iter_mut().zip(row) {
                    sums.iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b);
                }
            }
        }
        let h = solve(rows)?;
        // Back to pixels: target⁻¹ · h · source.
        let (s, t) = (source, target);
        let scale =
            |row: [f64; 3]| [row[0] * s.scale, row[1] * s.scale, row[2] - s.scale * (row[0] * s.x + row[1] * s.y)];
        let (a, b, c) = (scale([h[0], h[1], h[2]]), scale([h[3], h[4], h[5]]), scale([h[6], h[7], 1.0]));
        let mut m = [0.0; 9];
        for k in 0..3 {
            m[k] = a[k] / t.scale + t.x * c[k];
            m[3 + k] = b[k] / t.scale + t.y * c[k];
            m[6 + k] = c[k];
        }
        Some(Self { m })
    }

    /// Where a point goes if the map is taken for an affine one, as it is around `centre`: far points stay on their side.
    pub(super) fn affine(&self, p: Point, centre: Point) -> Point {
        let (o, step) = (self.map(centre.x, centre.y), 0.5);
        let (x, y) = (self.map(centre.x + step, centre.y), self.map(centre.x, centre.y + step));
        let (dx, dy) = ((p.x - centre.x) / step, (p.y - centre.y) / step);
        Point { x: (x.x - o.x) * dx + (y.x - o.x) * dy, y: (x.y - o.y) * dx + (y.y - o.y) * dy }
    }

    /// Where a point goes.
    pub(super) fn map(&self, x: f32, y: f32) -> Point {
        let (x, y, m) = (f64::from(x), f64::from(y), &self.m);
        let w = m[6] * x + m[7] * y + m[8];
        Point { x: ((m[0] * x + m[1] * y + m[2]) / w) as f32, y: ((m[3] * x + m[4] * y + m[5]) / w) as f32 }
    }

    /// Where a point goes, and how far the place in the picture moves for a step of one in x and in y there.
    pub(super) fn around(&self, x: f32, y: f32) -> (Point, Point, Point) {
        let (x, y, m) = (f64::from(x), f64::from(y), &self.m);
        let share = 1.0 / (m[6] * x + m[7] * y + m[8]);
        let (u, v) = ((m[0] * x + m[1] * y + m[2]) * share, (m[3] * x + m[4] * y + m[5]) * share);
        let step = |k: usize| Point {
            x: ((m[k] - u * m[6 + k]) * share) as f32,
            y: ((m[3 + k] - v * m[6 + k]) * share) as f32,
        };
        (Point { x: u as f32, y: v as f32 }, step(0), step(1))
    }
}

/// A map of the plane by polynomials of the second degree: what paper does that is bent in one direction, as around a bottle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bow {
    source: Normal,
    /// Coefficients of 1, x, y, x², xy and y² of either coordinate.
    to: [[f64; 6]; 2],
}

impl Bow {
    /// The map that takes the points of `from` nearest to those of `to`, in the sense of least squares.
    pub(super) fn fitted(from: &[Point], to: &[Point]) -> Option<Self> {
        let source = Normal::of(from);
        let fit = |of: fn(&Point) -> f32| {
            let mut rows = [[0f64; 7]; 6];
            for (p, q) in from.iter().zip(to) {
                let t = terms(source.apply(*p));
                let row: [f64; 7] = std::array::from_fn(|k| t.get(k).copied().unwrap_or(f64::from(of(q))));
                for (sums, a) in rows.iter_mut().zip(t) {
                    sums.iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b);
                }
            }
            solve(rows)
        };
        Some(Self { source, to: [fit(|p| p.x)?, fit(|p| p.y)?] })
    }

    /// Where a point goes.
    pub(super) fn map(&self, x: f32, y: f32) -> Point {
        let t = terms(self.source.apply(Point { x, y }));
        let [x, y] = self.to.map(|c| c.iter().zip(t).map(|(a, b)| a * b).sum::<f64>() as f32);
        Point { x, y }
    }
}

fn terms((x, y): (f64, f64)) -> [f64; 6] {
    [1.0, x, y, x * x, x * y, y * y]
}

/// Solves `N` equations, the right side being the last of `M` columns, by elimination with the largest pivot.
fn solve<const N: usize, const M: usize>(mut rows: [[f64; M]; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let pivot = (column..N).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
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
    Some(std::array::from_fn(|k| rows[k][N] / rows[k][k]))
}

/// Moves points to around the origin and scales them to about one.
#[derive(Clone, Copy, Debug)]
struct Normal {
    x: f64,
    y: f64,
    scale: f64,
}

impl Normal {
    fn of(points: &[Point]) -> Self {
        let n = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |s, p| (s.0 + f64::from(p.x), s.1 + f64::from(p.y)));
        let (x, y) = (x / n, y / n);
        let spread: f64 = points.iter().map(|p| (f64::from(p.x) - x).hypot(f64::from(p.y) - y)).sum::<f64>() / n;
        Self { x, y, scale: 1.0 / spread.max(1e-6) }
    }

    fn apply(self, p: Point) -> (f64, f64) {
        ((f64::from(p.x) - self.x) * self.scale, (f64::from(p.y) - self.y) * self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bow_goes_through_what_lies_on_one() {
        let p = |x: f32, y: f32| Point { x, y };
        let bottle = |q: &Point| p(100.0 + 4.0 * q.x - 0.03 * q.x * q.x, 50.0 + 5.0 * q.y + 0.05 * q.x * (25.0 - q.x));
        let square = |x: f32, y: f32| [p(x, y), p(x + 7.0, y), p(x + 7.0, y + 7.0), p(x, y + 7.0)];
        let from = [square(0.0, 0.0), square(18.0, 0.0), square(0.0, 18.0)].concat();
        let bow = Bow::fitted(&from, &from.iter().map(bottle).collect::<Vec<_>>()).expect("enough points");
        for q in [p(12.5, 6.5), p(25.0, 25.0), p(3.0, 20.0)] {
            let (found, drawn) = (bow.map(q.x, q.y), bottle(&q));
            assert!((found.x - drawn.x).abs() < 1e-2 && (found.y - drawn.y).abs() < 1e-2, "{found:?} for {drawn:?}");
        }
    }

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
        let (at, right, down) = map.around(3.0, 7.0);
        let near = |a: Point, b: Point| (a.x - b.x).abs() < 1e-2 && (a.y - b.y).abs() < 1e-2;
        assert!(near(at, map.map(3.0, 7.0)));
        assert!(near(p(at.x + 0.1 * right.x, at.y + 0.1 * right.y), map.map(3.1, 7.0)));
        assert!(near(p(at.x + 0.1 * down.x, at.y + 0.1 * down.y), map.map(3.0, 7.1)));
        let more = [square.as_slice(), &[p(5.0, 5.0), p(2.0, 7.0)]].concat();
        let seen: Vec<Point> = more.iter().map(|a| map.map(a.x, a.y)).collect();
        let fitted = Perspective::fitted(&more, &seen).expect("no three on a line");
        let (a, b) = (fitted.map(8.0, 1.0), map.map(8.0, 1.0));
        assert!((a.x - b.x).abs() < 1e-2 && (a.y - b.y).abs() < 1e-2, "{a:?} for {b:?}");
    }
}
