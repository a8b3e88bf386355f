//! Bringing a grid of modules into place.
//!
//! A perspective that was measured on a small part of a symbol is a little wrong everywhere else. In the right place each
//! module is of one colour; so the corners of the part that is known to fit are moved until as many modules as possible
//! are plain, then the part grows, until it is the whole symbol.

use super::plane::Perspective;
use crate::codec::Point;

/// Growth of the known part from step to step.
const GROWTH: f32 = 1.35;

/// Fits `view`, from modules around the origin to the picture, which is right within `known` modules of the origin, up to
/// `half` modules from it. `dark` gives the colour of a place in the picture, `fixed` that of a module that has the same
/// colour in every symbol.
pub(super) fn grown(
    view: Perspective,
    known: f32,
    half: f32,
    dark: impl Fn(Point) -> Option<bool>,
    fixed: impl Fn(i32, i32) -> Option<bool>,
) -> Perspective {
    let fit = Fit { dark, fixed };
    // What little perspective the known part shows may be no more than the pixels' coarseness: without it, the far parts
    // begin nearer to their place.
    let mut view = view;
    let mut reach = (known * GROWTH).min(half);
    if let Some(flat) = flattened(&view, known)
        && fit.score(&flat, reach) >= fit.score(&view, reach)
    {
        view = flat;
    }
    loop {
        view = fit.settled(view, reach);
        if reach >= half {
            return view;
        }
        reach = (reach * GROWTH).min(half);
    }
}

/// The square of `reach` modules around the origin.
fn square(reach: f32) -> [Point; 4] {
    [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)].map(|(x, y)| Point { x, y })
}

/// The affine map nearest to a view around the origin.
pub(super) fn flattened(view: &Perspective, known: f32) -> Option<Perspective> {
    let [a, b, c, d] = square(known).map(|p| view.map(p.x, p.y));
    let quarter = |x: f32, y: f32| Point { x: x / 4.0, y: y / 4.0 };
    let middle = quarter(a.x + b.x + c.x + d.x, a.y + b.y + c.y + d.y);
    let right = quarter(b.x + c.x - a.x - d.x, b.y + c.y - a.y - d.y);
    let down = quarter(c.x + d.x - a.x - b.x, c.y + d.y - a.y - b.y);
    let corners = square(1.0)
        .map(|p| Point { x: middle.x + p.x * right.x + p.y * down.x, y: middle.y + p.x * right.y + p.y * down.y });
    Perspective::between(square(known), corners)
}

struct Fit<D, F> {
    dark: D,
    fixed: F,
}

impl<D: Fn(Point) -> Option<bool>, F: Fn(i32, i32) -> Option<bool>> Fit<D, F> {
    /// Moves the corners of the square of `reach` modules around the origin, each in small steps, while that makes more
    /// modules plain.
    fn settled(&self, view: Perspective, reach: f32) -> Perspective {
        let square = square(reach);
        let mut corners = square.map(|p| view.map(p.x, p.y));
        let side = |a: Point, b: Point| (a.x - b.x).hypot(a.y - b.y);
        let module = (side(corners[0], corners[1]) + side(corners[1], corners[2])) / (4.0 * reach);
        let mut best = view;
        let mut score = self.score(&view, reach);
        for step in [0.8, 0.4, 0.2] {
            let step = step * module;
            for _ in 0..3 {
                let before = score;
                for k in 0..4 {
                    for (dx, dy) in [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)] {
                        let mut moved = corners;
                        moved[k] = Point { x: moved[k].x + dx, y: moved[k].y + dy };
                        let Some(view) = Perspective::between(square, moved) else { continue };
                        let new = self.score(&view, reach);
                        if new > score {
                            (best, score, corners) = (view, new, moved);
                        }
                    }
                }
                if score == before {
                    break;
                }
            }
        }
        best
    }

    /// How many of four places in each module have the colour of its centre, and how many fixed modules have theirs.
    fn score(&self, view: &Perspective, reach: f32) -> i32 {
        let n = reach as i32;
        // Large symbols are judged by a part of their modules, mostly outer ones: the inner ones were judged before.
        let stride = (n / 6).max(1);
        let mut count = 0;
        for y in (-n..=n).step_by(stride as usize) {
            for x in -n..=n {
                if (x + y) % stride != 0 || x.abs().max(y.abs()) * 2 < n {
                    continue;
                }
                let (middle, right, down) = view.around(x as f32, y as f32);
                let Some(colour) = (self.dark)(middle) else { continue };
                for (dx, dy) in [(-0.3, -0.3), (0.3, -0.3), (0.3, 0.3), (-0.3, 0.3)] {
                    let place =
                        Point { x: middle.x + dx * right.x + dy * down.x, y: middle.y + dx * right.y + dy * down.y };
                    count += i32::from((self.dark)(place) == Some(colour));
                }
            }
        }
        for y in -n..=n {
            for x in -n..=n {
                let Some(colour) = (self.fixed)(x, y) else { continue };
                if x.abs().max(y.abs()) * 2 >= n
                    && let Some(seen) = (self.dark)(view.map(x as f32, y as f32))
                {
                    count += if seen == colour { 2 } else { -2 };
                }
            }
        }
        count
    }
}
