//! Parts of a picture that are worth a closer look: where small QR finders stand together.

use crate::codec::Point;

/// Pixels of the widest finder that is looked at closer.
const WIDEST: f32 = 28.0;
/// Widths of a finder up to which another one may belong to the same symbol, and widths around all of them that belong to
/// the region: the third finder may not have been seen.
const FAR: f32 = 14.0;
const MARGIN: f32 = 4.0;
/// Regions of one picture, and pixels of the largest.
const MOST: usize = 4;
const LARGEST: u32 = 160_000;

/// A part of a picture: left, top, right and bottom, the last two not included.
pub(super) type Region = [u32; 4];

/// The regions around two or more of `finders` (middle and width), those with most of them first, and the width of a finder
/// there. All in pixels of a picture of `width` × `height`.
pub(super) fn around(finders: &[(Point, f32)], width: u32, height: u32) -> Vec<(Region, f32)> {
    let far = |a: Point, b: Point| (a.x - b.x).hypot(a.y - b.y);
    // Each finder once, although it was seen at several sizes of the picture.
    let mut once: Vec<(Point, f32)> = Vec::new();
    for &(p, size) in finders.iter().filter(|f| f.1 <= WIDEST) {
        if !once.iter().any(|o| far(o.0, p) < o.1.max(size) / 2.0) {
            once.push((p, size));
        }
    }
    let mut found: Vec<(usize, Region, f32)> = Vec::new();
    while let Some((first, size)) = once.pop() {
        let mut members = vec![first];
        once.retain(|&(p, s)| {
            let together = far(first, p) < FAR * size.max(s) && s < 2.0 * size && size < 2.0 * s;
            if together {
                members.push(p);
            }
            !together
        });
        let margin = MARGIN * size;
        let low = |of: fn(&Point) -> f32| members.iter().map(of).fold(f32::INFINITY, f32::min) - margin;
        let high = |of: fn(&Point) -> f32| members.iter().map(of).fold(0.0, f32::max) + margin;
        let region = [
            low(|p| p.x).max(0.0) as u32,
            low(|p| p.y).max(0.0) as u32,
            (high(|p| p.x) as u32).min(width),
            (high(|p| p.y) as u32).min(height),
        ];
        let pixels = (region[2] - region[0]) * (region[3] - region[1]);
        if members.len() > 1 && pixels <= LARGEST {
            found.push((members.len(), region, size));
        }
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.0));
    found.truncate(MOST);
    found.into_iter().map(|(_, region, size)| (region, size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finders_that_stand_together_are_one_region() {
        let at = |x: f32, y: f32, width: f32| (Point { x, y }, width);
        // Three of a symbol, one of them seen twice; one alone; two large ones.
        let finders = [
            at(100.0, 100.0, 14.0),
            at(160.0, 100.0, 14.0),
            at(101.0, 101.0, 16.0),
            at(100.0, 160.0, 15.0),
            at(700.0, 500.0, 14.0),
            at(300.0, 300.0, 60.0),
            at(600.0, 300.0, 60.0),
        ];
        let found = around(&finders, 800, 600);
        assert_eq!(found.len(), 1);
        let [left, top, right, bottom] = found[0].0;
        assert!((20..=60).contains(&left) && (20..=60).contains(&top), "{found:?}");
        assert!((200..=240).contains(&right) && (200..=240).contains(&bottom), "{found:?}");
    }
}
