//! Where finders are: rows are searched for runs of 1 : 1 : 3 : 1 : 1, and rxing looks whether columns and diagonals agree.
//!
//! rxing's own search walks each row pixel by pixel; here a row is cut into its runs a word at a time.

use rxing::Point as RxingPoint;
use rxing::common::BitMatrix;
use rxing::common::cpp_essentials::{ConcentricPattern, LocateConcentricPattern, Pattern};

use super::sample::Finder;
use crate::codec::read::binary::Bits;

/// Rows from one that is searched to the next: the middle of a finder is three modules high.
const STEP: usize = 3;
/// A finder's modules along a line through its middle.
const MODULES: Pattern<5> = [1, 1, 3, 1, 1];

/// Finders looked for in one picture: a sheet of 170 codes has as many. rxing's search for sets of three takes their number
/// to the third power, so a page of nothing but finders would take minutes.
const MOST: usize = 512;

/// The finders of `bits`, of which `matrix` is a copy for rxing, [`MOST`] at most. May panic on odd pictures.
pub(super) fn finders(bits: &Bits, matrix: &BitMatrix) -> Vec<ConcentricPattern> {
    let mut found: Vec<ConcentricPattern> = Vec::new();
    let mut runs = Vec::new();
    for y in (STEP as u32 - 1..bits.height()).step_by(STEP) {
        if found.len() >= MOST {
            break;
        }
        bits.row_runs(y, &mut runs);
        let mut start = 0;
        // Runs begin with a light one (perhaps of no length), so odd ones are dark.
        for (light, dark) in runs.windows(6).step_by(2).map(|w| (w[0], &w[1..])) {
            start += light;
            if fits(dark) && (start == light || light as f32 >= 0.05 * (dark[1] + dark[3]) as f32) {
                let x = (start + dark[0] + dark[1]) as f32 + dark[2] as f32 / 2.0;
                let middle = RxingPoint { x, y: y as f32 + 0.5 };
                let known = |f: &ConcentricPattern| RxingPoint::distance(middle, f.p) < f.size as f32 / 2.0;
                // Three times the width: the diagonal of one that is much askew.
                let reach = 3 * dark.iter().sum::<u32>();
                // rxing asks the column first, too, but slowly.
                let column = || bits.runs_around(x as u32, y, reach).is_some_and(|runs: [u32; 5]| proportionate(&runs));
                if !found.iter().any(known) && column() {
                    let (width, reach) = (dark.iter().sum::<u32>() as f32, reach as i32);
                    let located = LocateConcentricPattern::<true, 5, 7>(matrix, &MODULES, middle, reach);
                    found.extend(
                        located.or_else(|| slanted(bits, middle, width).filter(|f| !found.iter().any(|o| near(o, f)))),
                    );
                }
            }
            start += dark[0];
        }
    }
    found
}

/// Whether two finders are one.
fn near(a: &ConcentricPattern, b: &ConcentricPattern) -> bool {
    RxingPoint::distance(a.p, b.p) < a.size.max(b.size) as f32 / 2.0
}

/// Pixels across the smallest finder that is looked for on a slant, and part of its modules that must have their colour.
const LEAST_SLANTED: f32 = 9.0;
const SQUARE: f32 = 0.92;

/// The finder of about `width` pixels across around a place, seen so much from the side that its diagonals and columns
/// have no proportions: its outline tells the perspective, and under that perspective its rings are where they should be.
/// Five more of the BoofCV photos' codes, in two more photos.
fn slanted(bits: &Bits, middle: RxingPoint, width: f32) -> Option<ConcentricPattern> {
    if width < LEAST_SLANTED {
        return None;
    }
    // Whatever the direction, the rings are met in their proportions, and as far out as on the opposite ray.
    let rings = |k: usize| {
        let (dy, dx) = (k as f32 / 8.0 * std::f32::consts::TAU).sin_cos();
        let [first, second, third] = bits.changes(middle.x, middle.y, dx, dy, 3.2 * width)?;
        let even = (0.25..0.65).contains(&(first / third)) && (0.5..0.9).contains(&(second / third));
        even.then_some(third)
    };
    let opposite = |k: &usize| rings(*k).zip(rings(k + 4)).is_some_and(|(a, b)| (a - b).abs() < 0.25 * (a + b) + 1.0);
    if (0..4).filter(|k| !opposite(k)).nth(1).is_some() {
        return None;
    }
    let finder = Finder::trace(bits, middle.x, middle.y, 2.0 * width)?;
    let view = finder.view()?;
    let (mut right, mut all) = (0, 0);
    for y in -6..=6i32 {
        for x in -6..=6i32 {
            // Four places a module; the middle of an edge belongs to none.
            let ring = x.abs().max(y.abs());
            if ring == 3 || ring == 5 {
                continue;
            }
            let p = view.map(x as f32 / 2.0, y as f32 / 2.0);
            all += 1;
            right += u32::from(bits.at(p.x, p.y) == Some(ring != 4));
        }
    }
    let (p, size) = (finder.middle(), finder.size());
    (right as f32 >= SQUARE * all as f32)
        .then_some(ConcentricPattern { p: RxingPoint { x: p.x, y: p.y }, size: size as i32 })
}

/// Pixels of the smallest modules of finders that are known by their inside alone.
const LEAST_INSIDE: f32 = 2.0;

/// Finders whose outermost ring has merged with what is around, or is broken: the dark middle with the light ring around
/// it is enough. Those among `known` are left out.
pub(super) fn insides(bits: &Bits, known: &[ConcentricPattern]) -> Vec<ConcentricPattern> {
    let mut found: Vec<ConcentricPattern> = Vec::new();
    let mut runs = Vec::new();
    for y in (STEP as u32 - 1..bits.height()).step_by(STEP) {
        bits.row_runs(y, &mut runs);
        let mut start = 0;
        for (light, dark) in runs.windows(6).step_by(2).map(|w| (w[0], &w[1..])) {
            start += light;
            if let Some(module) = inside(&dark[1..4])
                && module >= LEAST_INSIDE
                && dark[0].min(dark[4]) as f32 >= 0.5 * module
            {
                let x = (start + dark[0] + dark[1]) as f32 + dark[2] as f32 / 2.0;
                let middle = RxingPoint { x, y: y as f32 + 0.5 };
                let new = |f: &ConcentricPattern| RxingPoint::distance(middle, f.p) >= f.size as f32 / 2.0;
                let column = bits.runs_around(x as u32, y, (9.0 * module) as u32);
                if column
                    .is_some_and(|runs: [u32; 3]| inside(&runs).is_some_and(|m| m < 2.5 * module && module < 2.5 * m))
                    && known.iter().chain(&found).all(new)
                {
                    found.push(ConcentricPattern { p: middle, size: (7.0 * module) as i32 });
                }
            }
            start += dark[0];
        }
    }
    found
}

/// The size of a module, if three runs, light, dark and light, are in about the proportions of a finder's inside.
fn inside(runs: &[u32]) -> Option<f32> {
    let module = runs.iter().sum::<u32>() as f32 / 5.0;
    let near = |run: u32, ideal: f32, most: f32| (run as f32 - ideal).abs() <= most;
    (near(runs[1], 3.0 * module, 0.6 * module + 0.5)
        && near(runs[0], module, 0.4 * module + 0.5)
        && near(runs[2], module, 0.4 * module + 0.5))
    .then_some(module)
}

/// Whether five runs of a row, dark ones first, may be those of a finder.
fn fits(runs: &[u32]) -> bool {
    runs[2] >= 3 && runs[2] >= 2 * runs[0].max(runs[4]) && runs[2] >= runs[1].max(runs[3]) && proportionate(runs)
}

/// Whether five runs, dark ones first, are in about the proportions of a finder. Ink and light may have made all dark
/// ones wider than all light ones, or the other way round.
fn proportionate(runs: &[u32]) -> bool {
    let (dark, light) = ((runs[0] + runs[2] + runs[4]) as f32 / 5.0, (runs[1] + runs[3]) as f32 / 2.0);
    if dark > 4.0 * light || light > 4.0 * dark {
        return false;
    }
    let (most_dark, most_light) = (0.75 * dark + 0.5, light / 3.0 + 0.5);
    let near = |run: u32, ideal: f32, most: f32| (run as f32 - ideal).abs() <= most;
    near(runs[0], dark, most_dark)
        && near(runs[2], 3.0 * dark, most_dark)
        && near(runs[4], dark, most_dark)
        && near(runs[1], light, most_light)
        && near(runs[3], light, most_light)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Luma;
    use crate::codec::read::binary::Threshold;

    /// A finder of modules of six pixels with its left top at 40, 40, on paper or on the dark.
    fn picture(beyond: u8) -> Bits {
        let pixels = (0..140 * 140).map(|i| {
            let module = |at: i32| (at - 40).div_euclid(6) - 3;
            match module(i % 140).abs().max(module(i / 140).abs()) {
                0 | 1 | 3 => 20,
                2 => 230,
                _ => beyond,
            }
        });
        Bits::of(&Luma::new(140, 140, pixels.collect()), Threshold::Block)
    }

    #[test]
    fn a_finder_on_paper_is_found_once() {
        let bits = picture(230);
        let found = finders(&bits, &bits.matrix().expect("has a size"));
        assert_eq!(found.len(), 1);
        assert!((found[0].p.x - 61.0).abs() < 1.0 && (found[0].p.y - 61.0).abs() < 1.0, "{found:?}");
        assert!(insides(&bits, &found).is_empty(), "it is known already");
    }

    #[test]
    fn a_finder_seen_from_the_side_is_found() {
        // Three times as tall as wide, and askew: its diagonals and columns do not show the proportions.
        let pixels = (0..120 * 120).map(|i| {
            let (x, y) = ((i % 120) as f32 - 60.0, (i / 120) as f32 - 60.0);
            let (u, v) = (x / 3.0, (y - 0.9 * x) / 7.0);
            if matches!(u.abs().max(v.abs()), r if r < 1.5 || (2.5..3.5).contains(&r)) { 20 } else { 230 }
        });
        let bits = Bits::of(&Luma::new(120, 120, pixels.collect()), Threshold::Block);
        let found = finders(&bits, &bits.matrix().expect("has a size"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((found[0].p.x - 60.0).abs() < 1.5 && (found[0].p.y - 60.0).abs() < 1.5, "{found:?}");
    }

    #[test]
    fn a_finder_in_the_dark_is_known_by_its_inside() {
        let bits = picture(20);
        assert!(finders(&bits, &bits.matrix().expect("has a size")).is_empty());
        let found = insides(&bits, &[]);
        assert_eq!(found.len(), 1);
        let (p, size) = (found[0].p, found[0].size);
        // The first row through the dark middle, which is 18 pixels high, found it.
        assert!((p.x - 61.0).abs() < 3.0 && (p.y - 61.0).abs() < 9.0 && (38..=46).contains(&size), "{found:?}");
        assert!(Finder::trace(&bits, p.x, p.y, size as f32).is_none());
        assert!(Finder::trace_inside(&bits, p.x, p.y, size as f32).is_some());
    }
}
