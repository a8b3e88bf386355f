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
/// `half` modules from it. `dark` gives the colour of a place in the picture.
pub(super) fn grown(view: Perspective, known: f32, half: f32, dark: impl Fn(Point) -> Option<bool>) -> Perspective {
    let mut view = view;
    let mut reach = known;
    loop {
        reach = (reach * GROWTH).min(half);
        view = settled(view, reach, &dark);
        if reach >= half {
            return view;
        }
    }
}

/// Moves the corners of the square of `reach` modules around the origin, each in small steps, while that makes more
/// modules plain.
fn settled(view: Perspective, reach: f32, dark: &impl Fn(Point) -> Option<bool>) -> Perspective {
    let square = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)].map(|(x, y)| Point { x, y });
    let mut corners = square.map(|p| view.map(p.x, p.y));
    let side = |a: Point, b: Point| (a.x - b.x).hypot(a.y - b.y);
    let module = (side(corners[0], corners[1]) + side(corners[1], corners[2])) / (4.0 * reach);
    let mut best = view;
    let mut score = plain(&view, reach, dark);
    for step in [0.8, 0.4, 0.2] {
        let step = step * module;
        for _ in 0..3 {
            let before = score;
            for k in 0..4 {
                for (dx, dy) in [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)] {
                    let mut moved = corners;
                    moved[k] = Point { x: moved[k].x + dx, y: moved[k].y + dy };
                    let Some(view) = Perspective::between(square, moved) else { continue };
                    let new = plain(&view, reach, dark);
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

/// How many of four places in each module have the colour of its centre.
fn plain(view: &Perspective, reach: f32, dark: &impl Fn(Point) -> Option<bool>) -> u32 {
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
            let Some(colour) = dark(middle) else { continue };
            for (dx, dy) in [(-0.3, -0.3), (0.3, -0.3), (0.3, 0.3), (-0.3, 0.3)] {
                let place =
                    Point { x: middle.x + dx * right.x + dy * down.x, y: middle.y + dx * right.y + dy * down.y };
                count += u32::from(dark(place) == Some(colour));
            }
        }
    }
    count
}
