//! The square outline of a finder or a bull's eye, from points around it.

use crate::codec::Point;

/// Fits four straight sides to points that go round a centre in the order of their angle. Points off the sides (ink spots,
/// merged modules) are left out. The corners go round in the order of the points.
pub(super) fn quadrilateral(centre: Point, points: &[Point]) -> Option<[Point; 4]> {
    let n = points.len();
    let distance = |a: Point, b: Point| (a.x - b.x).hypot(a.y - b.y);
    if n < 16 {
        return None;
    }
    // Rays that ran through a gap end far outside: three times the usual distance is none of the square's.
    let mut distances: Vec<f32> = points.iter().map(|p| distance(*p, centre)).collect();
    distances.sort_by(f32::total_cmp);
    let limit = 2.2 * distances[n / 2];
    let farthest = |from: &dyn Fn(Point) -> f32| {
        (0..n)
            .filter(|&k| distance(points[k], centre) < limit)
            .max_by(|&a, &b| from(points[a]).total_cmp(&from(points[b])))
    };
    // Opposite corners are farthest apart; the other two are farthest from the line between them.
    let first = farthest(&|p| distance(p, centre))?;
    let opposite = farthest(&|p| distance(p, points[first]))?;
    let (a, c) = (points[first], points[opposite]);
    let off = |p: Point| ((c.x - a.x) * (p.y - a.y) - (c.y - a.y) * (p.x - a.x)) / distance(a, c).max(1e-3);
    let (left, right) = (farthest(&|p| off(p))?, farthest(&|p| -off(p))?);
    let mut corners = [first, left, opposite, right];
    corners.sort_unstable();
    if corners.windows(2).any(|w| w[1] - w[0] < 3) || corners[0] + n - corners[3] < 3 {
        return None;
    }
    let mut sides = Vec::with_capacity(4);
    for k in 0..4 {
        let (from, to) = (corners[k], if k == 3 { corners[0] + n } else { corners[k + 1] });
        let side: Vec<Point> = (from..=to).map(|i| points[i % n]).filter(|p| distance(*p, centre) < limit).collect();
        sides.push(line(&side)?);
    }
    let mut found = [centre; 4];
    for k in 0..4 {
        found[k] = crossing(&sides[(k + 3) % 4], &sides[k])?;
    }
    Some(found)
}

/// A line as unit normal and distance from the origin.
struct Line {
    nx: f32,
    ny: f32,
    d: f32,
}

impl Line {
    fn off(&self, p: Point) -> f32 {
        (self.nx * p.x + self.ny * p.y - self.d).abs()
    }
}

/// The line through points: fitted, then fitted again without the third of them that lies farthest off.
fn line(points: &[Point]) -> Option<Line> {
    let first = fit(points)?;
    let mut near = points.to_vec();
    near.sort_by(|a, b| first.off(*a).total_cmp(&first.off(*b)));
    near.truncate((points.len() * 2).div_ceil(3).max(2));
    fit(&near)
}

fn fit(points: &[Point]) -> Option<Line> {
    if points.len() < 2 {
        return None;
    }
    let n = points.len() as f32;
    let (mx, my) = points.iter().fold((0.0, 0.0), |s, p| (s.0 + p.x / n, s.1 + p.y / n));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for p in points {
        let (dx, dy) = (p.x - mx, p.y - my);
        (xx, yy, xy) = (xx + dx * dx, yy + dy * dy, xy + dx * dy);
    }
    let (sin, cos) = ((2.0 * xy).atan2(xx - yy) / 2.0f32).sin_cos();
    let (nx, ny) = (-sin, cos);
    Some(Line { nx, ny, d: nx * mx + ny * my })
}

fn crossing(a: &Line, b: &Line) -> Option<Point> {
    let det = a.nx * b.ny - a.ny * b.nx;
    (det.abs() > 0.05).then(|| Point { x: (a.d * b.ny - b.d * a.ny) / det, y: (a.nx * b.d - b.nx * a.d) / det })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_square_with_a_dent_keeps_its_corners() {
        let (sin, cos) = 0.4f32.sin_cos();
        let points: Vec<Point> = (0..64)
            .map(|k| {
                let (s, c) = (k as f32 / 64.0 * std::f32::consts::TAU).sin_cos();
                let reach = 10.0 / s.abs().max(c.abs()) * if (5..8).contains(&k) { 0.6 } else { 1.0 };
                let (x, y) = (c * reach, s * reach);
                Point { x: 50.0 + x * cos - y * sin, y: 40.0 + x * sin + y * cos }
            })
            .collect();
        let found = quadrilateral(Point { x: 50.0, y: 40.0 }, &points).expect("is a square");
        for (x, y) in [(10.0, 10.0), (-10.0, 10.0), (-10.0, -10.0), (10.0, -10.0f32)] {
            let corner = Point { x: 50.0 + x * cos - y * sin, y: 40.0 + x * sin + y * cos };
            assert!(found.iter().any(|f| (f.x - corner.x).hypot(f.y - corner.y) < 1.0), "{corner:?} in {found:?}");
        }
    }
}
