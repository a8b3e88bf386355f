//! Vectors and lines of the plane, as far as borders need them.

use crate::codec::Point;

/// `a` + `b` × `t`.
pub(super) fn along(a: Point, b: Point, t: f32) -> Point {
    Point { x: a.x + b.x * t, y: a.y + b.y * t }
}

/// From `a` to `b`.
pub(super) fn between(a: Point, b: Point) -> Point {
    Point { x: b.x - a.x, y: b.y - a.y }
}

/// Twice the area of the triangle (0, `a`, `b`); positive if `b` lies clockwise of `a` as seen in a picture.
pub(super) fn cross(a: Point, b: Point) -> f32 {
    a.x * b.y - a.y * b.x
}

/// Positive if the vectors point to the same side.
pub(super) fn dot(a: Point, b: Point) -> f32 {
    a.x * b.x + a.y * b.y
}

/// The length of a vector.
pub(super) fn length(a: Point) -> f32 {
    dot(a, a).sqrt()
}

/// A vector of length one in the direction of `a`, which is not zero.
pub(super) fn unit(a: Point) -> Point {
    let n = length(a);
    Point { x: a.x / n, y: a.y / n }
}

/// A vector turned clockwise as seen in a picture.
pub(super) fn turned(a: Point, degrees: f32) -> Point {
    let (sin, cos) = degrees.to_radians().sin_cos();
    Point { x: a.x * cos - a.y * sin, y: a.x * sin + a.y * cos }
}

/// A straight line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    at: Point,
    /// Of length one.
    towards: Point,
}

impl Line {
    /// The line through two points that differ.
    pub(super) fn through(a: Point, b: Point) -> Self {
        Self { at: a, towards: unit(between(a, b)) }
    }

    /// The line nearest to most of `points`: least squares, then once more without the stragglers. `None` for fewer than
    /// two points.
    pub(super) fn fitted(points: &[Point]) -> Option<Self> {
        let first = Self::least_squares(points.iter().copied())?;
        let mut offsets: Vec<f32> = points.iter().map(|p| first.offset(*p).abs()).collect();
        offsets.sort_by(f32::total_cmp);
        let limit = (2.0 * offsets[offsets.len() / 2]).max(0.2);
        Self::least_squares(points.iter().copied().filter(|p| first.offset(*p).abs() <= limit)).or(Some(first))
    }

    fn least_squares(points: impl Iterator<Item = Point> + Clone) -> Option<Self> {
        let n = points.clone().count() as f32;
        if n < 2.0 {
            return None;
        }
        let sum = points.clone().fold((0.0, 0.0), |s, p| (s.0 + p.x, s.1 + p.y));
        let at = Point { x: sum.0 / n, y: sum.1 / n };
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for p in points {
            let d = between(at, p);
            xx += d.x * d.x;
            xy += d.x * d.y;
            yy += d.y * d.y;
        }
        let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
        (xx + yy > 0.0).then(|| Self { at, towards: Point { x: angle.cos(), y: angle.sin() } })
    }

    /// How far a point is from the line; the sign tells the side.
    pub(super) fn offset(&self, p: Point) -> f32 {
        cross(self.towards, between(self.at, p))
    }

    /// Where two lines meet; `None` if they are almost parallel.
    pub(super) fn meet(&self, other: &Self) -> Option<Point> {
        let sine = cross(self.towards, other.towards);
        (sine.abs() > 0.1)
            .then(|| along(self.at, self.towards, cross(between(self.at, other.at), other.towards) / sine))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fitted_line_ignores_a_straggler() {
        let mut points: Vec<Point> = (0..20).map(|k| Point { x: k as f32, y: 3.0 + 0.5 * k as f32 }).collect();
        points[7].y += 4.0;
        let line = Line::fitted(&points).expect("many points");
        assert!(
            line.offset(Point { x: 0.0, y: 3.0 }).abs() < 0.05 && line.offset(Point { x: 19.0, y: 12.5 }).abs() < 0.05
        );
    }

    #[test]
    fn lines_meet_where_they_cross() {
        let p = |x: f32, y: f32| Point { x, y };
        let met = Line::through(p(0.0, 0.0), p(4.0, 4.0)).meet(&Line::through(p(0.0, 6.0), p(1.0, 5.0)));
        assert!(met.is_some_and(|m| (m.x - 3.0).abs() < 1e-4 && (m.y - 3.0).abs() < 1e-4));
        assert!(Line::through(p(0.0, 0.0), p(4.0, 4.0)).meet(&Line::through(p(1.0, 0.0), p(5.0, 4.0))).is_none());
    }
}
