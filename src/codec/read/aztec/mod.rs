//! Aztec Code and Aztec runes (ISO/IEC 24778).
//!
//! rxing looks for one symbol in the middle of the picture; here every bull's eye is found wherever it lies: rows are
//! searched for seven runs of equal length, the square ring around is traced by rays, and its corners give the
//! perspective from which modules are sampled.

mod content;

use rxing::common::reedsolomon::{PredefinedGenericGF, ReedSolomonDecoder};

use super::{binary::Bits, grid, guarded, outline, payload::Payload, plane::Perspective};
use crate::codec::{Corners, Kind, Point, Symbol};

/// Bull's eyes tried in one picture, and places that look like the middle of one.
const MOST: usize = 64;
const MOST_PLACES: usize = 256;
const MOST_SMALL: usize = 32;
/// Pixels of the smallest modules of which two places next to each other are told apart.
const LEAST_APART: f32 = 1.9;

/// Reads the symbols of `bits`; corners are in its pixels. Also gives the number of bull's eyes, read or not.
pub(super) fn scan(bits: &Bits) -> (Vec<Symbol>, usize) {
    let outlines = eyes(bits);
    let symbols = outlines.iter().filter_map(|&outline| guarded(|| read(bits, outline))).collect();
    (symbols, outlines.len())
}

/// A place that looks like the middle of a bull's eye.
#[derive(Clone, Copy, Debug)]
struct Eye {
    x: f32,
    y: f32,
    module: f32,
}

/// The traced squares of bull's eyes: around the middle of seven equal runs, light outside, dark in the middle, across as
/// well as down.
fn eyes(bits: &Bits) -> Vec<Outline> {
    let mut found: Vec<Outline> = Vec::new();
    // On an alternating row of a symbol its middle is only one of many such places, two modules apart: one without rings
    // around says nothing about the next.
    let mut places: Vec<(Eye, f32)> = Vec::new();
    let mut smalls = 0;
    let mut runs = Vec::new();
    for y in (0..bits.height()).step_by(2) {
        bits.row_runs(y, &mut runs);
        let mut start = 0;
        // Runs begin with a light one (perhaps of no length), so every second window does, too.
        for seven in runs.windows(7).step_by(2) {
            if equal(seven) {
                let total: u32 = seven.iter().sum();
                let x = start as f32 + total as f32 / 2.0;
                let near = |(e, modules): &(Eye, f32)| (e.x - x).abs().max((e.y - y as f32).abs()) < modules * e.module;
                // In noise there are too many small ones to be told apart.
                let small = total as f32 / 7.0 < LEAST_APART;
                if found.len() < MOST
                    && places.len() < MOST_PLACES
                    && !(small && smalls >= MOST_SMALL)
                    && !places.iter().any(near)
                    && let Some(eye) = crossed(bits, x, y as f32 + 0.5, total as f32 / 7.0)
                {
                    let outline = outlined(bits, eye);
                    smalls += usize::from(small);
                    places.push((eye, if small || outline.is_some() { 2.0 } else { 0.4 }));
                    found.extend(outline);
                }
            }
            start += seven[0] + seven[1];
        }
    }
    found
}

/// Whether seven runs are of about the same length.
fn equal(runs: &[u32]) -> bool {
    // Ink makes dark runs wider than light ones: neighbours are compared as pairs. Two pairs turn most places away.
    let apart = |low: u32, high: u32| high * 2 > low * 3 + 4;
    let (before, after) = (runs[2] + runs[3], runs[3] + runs[4]);
    if apart(before.min(after), before.max(after)) {
        return false;
    }
    let (first, last) = (runs[1] + runs[2], runs[4] + runs[5]);
    let (low, high) = (before.min(after).min(first).min(last), before.max(after).max(first).max(last));
    if apart(low, high) {
        return false;
    }
    let total: u32 = runs.iter().sum();
    let least = runs[1..6].iter().min().copied().unwrap_or(0);
    let most = runs[1..6].iter().max().copied().unwrap_or(0);
    total >= 7
        && least * 4 >= most
        && runs[0] * 7 >= total / 2
        && runs[6] * 7 >= total / 2
        && runs[0] * 7 <= total * 3
        && runs[6] * 7 <= total * 3
}

/// The eye at a place, if the column through it shows the same pattern.
fn crossed(bits: &Bits, x: f32, y: f32, module: f32) -> Option<Eye> {
    // A quick look at the column, with some more room than below.
    let runs: [u32; 5] = bits.runs_around(x as u32, y as u32, (5.0 * module) as u32 + 1)?;
    let alike = |a: u32, b: u32| 2 * a.abs_diff(b) <= a + b + 4;
    if !(alike(runs[0], runs[1]) && alike(runs[3], runs[4])) {
        return None;
    }
    // The first edge lies half a module from the centre, the next ones a module each from there on.
    let edges = |dx: f32, dy: f32, x: f32, y: f32| -> Option<[f32; 3]> {
        let e: [f32; 3] = bits.changes(x, y, dx, dy, 5.0 * module)?;
        let unit = (e[2] - e[0]) / 2.0;
        let regular = (e[1] - e[0] - unit).abs() < 0.5 * unit + 0.5 && e[0] < 1.3 * unit + 0.5;
        regular.then_some(e)
    };
    let (up, down) = (edges(0.0, -1.0, x, y)?, edges(0.0, 1.0, x, y)?);
    let middle = y + (down[2] - up[2]) / 2.0;
    let (left, right) = (edges(-1.0, 0.0, x, middle)?, edges(1.0, 0.0, x, middle)?);
    let (wide, tall) = (left[2] + right[2], up[2] + down[2]);
    let even = |a: f32, b: f32| a < 2.2 * b && b < 2.2 * a;
    // Towards the corners the same rings are met, farther apart.
    let d = std::f32::consts::FRAC_1_SQRT_2;
    let corners = [(d, d), (-d, d), (-d, -d), (d, -d)].map(|(dx, dy)| edges(dx, dy, x, middle).is_some());
    if corners.iter().filter(|&&c| c).count() < 3 {
        return None;
    }
    // The third edge lies at two and a half modules.
    (even(wide, tall)
        && even(wide, 5.0 * module)
        && even(up[2] + 1.0, down[2] + 1.0)
        && even(left[2] + 1.0, right[2] + 1.0))
    .then(|| Eye { x: x + (right[2] - left[2]) / 2.0, y: middle, module: (wide + tall) / 10.0 })
}

/// Rays from the middle of a bull's eye to its outline; three quarters of them must meet it.
const RAYS: usize = 96;
/// Part of the modules of a bull's eye that must have their colour.
const ROUND: f32 = 0.8;
/// Half the side, in modules, of the square whose outline is traced: the inner side of the fourth ring, where ink has
/// not made that wider.
const TRACED: f32 = 3.5;

/// The outline of a bull's eye.
#[derive(Clone, Copy, Debug)]
struct Outline {
    corners: [Point; 4],
    /// Half its side in modules.
    half: f32,
}

/// The traced square of a bull's eye; `None` where its rings are not there.
fn outlined(bits: &Bits, eye: Eye) -> Option<Outline> {
    let edges = |k: usize| {
        let (dy, dx) = (k as f32 / RAYS as f32 * std::f32::consts::TAU).sin_cos();
        let edges = bits.changes::<4>(eye.x, eye.y, dx, dy, 12.0 * eye.module)?;
        Some((edges, Point { x: eye.x + dx * edges[3], y: eye.y + dy * edges[3] }))
    };
    // Whatever its direction, a ray meets the rings at equal distances, and as far out as the one opposite: a few rays tell
    // most chance patterns.
    let regular = |e: &[f32; 4]| {
        let gaps = [e[1] - e[0], e[2] - e[1], e[3] - e[2]];
        let (least, most) = gaps.iter().fold((f32::INFINITY, 0f32), |(l, m), &g| (l.min(g), m.max(g)));
        most <= 2.0 * least + 1.5
    };
    let few: [Option<f32>; RAYS / 8] =
        std::array::from_fn(|k| edges(8 * k).filter(|(e, _)| regular(e)).map(|(e, _)| e[3]));
    let opposite = |k: &usize| {
        let (a, b) = (few[*k].unwrap_or(0.0), few[*k + RAYS / 16].unwrap_or(0.0));
        (a - b).abs() < 0.25 * (a + b) + 1.0 && a.min(b) > 0.0
    };
    if few.iter().flatten().count() < RAYS / 12 || (0..RAYS / 16).filter(opposite).count() < RAYS / 32 {
        return None;
    }
    let (rings, points): (Vec<[f32; 4]>, Vec<Point>) = (0..RAYS).filter_map(edges).unzip();
    if points.len() < RAYS * 3 / 4 {
        return None;
    }
    let corners = outline::quadrilateral(Point { x: eye.x, y: eye.y }, &points)?;
    // Ink has moved each edge by a quarter of what a dark ring is wider than a light one.
    let mut wider: Vec<f32> = rings
        .iter()
        .map(|e| {
            let (dark, light) = (e[2] - e[1], (e[1] - e[0] + e[3] - e[2]) / 2.0);
            (dark - light) / (2.0 * (dark + light))
        })
        .collect();
    wider.sort_by(f32::total_cmp);
    let outline = Outline { corners, half: TRACED - wider[wider.len() / 2] };
    let seen = Perspective::between(square(outline.half), corners)?;
    // Squares within squares: chance patterns end here.
    let rings = (1..=4).flat_map(|r| ring(r).map(move |(x, y)| (x, y, r % 2 == 0)));
    let right = rings.filter(|&(x, y, black)| dark(bits, &seen, x, y) == Some(black)).count();
    (right as f32 >= ROUND * 80.0).then_some(outline)
}

/// The square of `r` modules around the origin.
fn square(r: f32) -> [Point; 4] {
    [(-r, -r), (r, -r), (r, r), (-r, r)].map(|(x, y)| Point { x, y })
}

/// The colour of a module.
fn dark(bits: &Bits, view: &Perspective, x: i32, y: i32) -> Option<bool> {
    let p = view.map(x as f32, y as f32);
    bits.at(p.x, p.y)
}

/// The symbol around a bull's eye, of which the outline is known.
fn read(bits: &Bits, outline: Outline) -> Option<Symbol> {
    let seen = Perspective::between(square(outline.half), outline.corners)?;
    let dark = |view: &Perspective, x: i32, y: i32| dark(bits, view, x, y);
    // The fifth ring is light in a full symbol; in a compact one it holds the mode message.
    let fifth = ring(5).filter_map(|(x, y)| dark(&seen, x, y)).filter(|&d| d).count();
    let compact = fifth > 5;
    let r = if compact { 5 } else { 7 };
    for (view, mirrored) in turns(outline.corners, square(outline.half)) {
        let view = view?;
        let marks = [(-r, -r), (1 - r, -r), (-r, 1 - r), (r, -r), (r, 1 - r), (r, r - 1)];
        let blanks = [(r - 1, -r), (r, r), (r - 1, r), (-r, r), (1 - r, r), (-r, r - 1)];
        let wrong = marks.iter().filter(|&&(x, y)| dark(&view, x, y) == Some(false)).count()
            + blanks.iter().filter(|&&(x, y)| dark(&view, x, y) == Some(true)).count();
        if wrong > 2 {
            continue;
        }
        let Some(mode) = mode(compact, |x, y| dark(&view, x, y)) else { continue };
        // Around a rune all is light.
        let bare = || ring(6).filter(|&(x, y)| dark(&view, x, y) == Some(true)).count() < 3;
        if matches!(mode, Mode::Rune(_)) && (wrong > 0 || !bare()) {
            continue;
        }
        if let Some(symbol) = symbol(bits, &view, &mode, mirrored) {
            return Some(symbol);
        }
    }
    None
}

/// The eight ways a square can lie: four turns, and the same in a mirror.
fn turns(corners: [Point; 4], square: [Point; 4]) -> impl Iterator<Item = (Option<Perspective>, bool)> {
    (0..8).map(move |k| {
        let mut to: [Point; 4] = std::array::from_fn(|i| corners[(i + k) % 4]);
        if k >= 4 {
            to.reverse();
        }
        (Perspective::between(square, to), k >= 4)
    })
}

/// The modules at distance `r`, clockwise from the top left.
fn ring(r: i32) -> impl Iterator<Item = (i32, i32)> {
    (0..8 * r).map(move |k| {
        let (side, along) = (k / (2 * r), k % (2 * r));
        match side {
            0 => (along - r, -r),
            1 => (r, along - r),
            2 => (r - along, r),
            _ => (-r, r - along),
        }
    })
}

/// What the mode message says.
enum Mode {
    Symbol { compact: bool, layers: u32, blocks: u32 },
    Rune(u8),
}

fn mode(compact: bool, dark: impl Fn(i32, i32) -> Option<bool>) -> Option<Mode> {
    let (r, half, words, data) = if compact { (5, 3, 7, 2) } else { (7, 5, 10, 4) };
    // Beside the corners' marks, and in a full symbol without the reference grid in the middle.
    let along: Vec<i32> = (-half..=half).filter(|&k| compact || k != 0).collect();
    let back = || along.iter().rev();
    let places = along
        .iter()
        .map(|&k| (k, -r))
        .chain(along.iter().map(|&k| (r, k)))
        .chain(back().map(|&k| (k, r)))
        .chain(back().map(|&k| (-r, k)));
    let mut nibbles = vec![0i32; words];
    for (k, (x, y)) in places.enumerate() {
        nibbles[k / 4] = nibbles[k / 4] << 1 | i32::from(dark(x, y)?);
    }
    let decoder = ReedSolomonDecoder::new(PredefinedGenericGF::AztecParam.into());
    let errors = (words - data) as i32;
    let joined = |nibbles: &[i32]| nibbles[..data].iter().fold(0u32, |all, &n| all << 4 | n as u32);
    let mut corrected = nibbles.clone();
    if decoder.decode(&mut corrected, errors).is_ok() {
        let value = joined(&corrected);
        // A number of blocks that such a symbol cannot hold marks one that sets up readers.
        let (layers, blocks, setup) = if compact {
            ((value >> 6) + 1, value & 0x3F, if value >> 6 == 0 { 0x20 } else { 0 })
        } else {
            ((value >> 11) + 1, value & 0x7FF, if value >> 11 < 22 { 0x400 } else { 0 })
        };
        return Some(Mode::Symbol { compact, layers, blocks: (blocks & !setup) + 1 });
    }
    // A rune has every second bit of its message inverted.
    let mut corrected: Vec<i32> = nibbles.iter().map(|n| n ^ 0b1010).collect();
    // It has no other check, so every bit must be right.
    (compact && decoder.decode(&mut corrected, errors).is_ok_and(|count| count == 0))
        .then(|| Mode::Rune(joined(&corrected) as u8))
}

/// Part of the alternating modules of both axes that must have their colour before the others are read from the same view.
const ALIGNED: f32 = 0.75;

fn symbol(bits: &Bits, view: &Perspective, mode: &Mode, mirrored: bool) -> Option<Symbol> {
    let mut refined = *view;
    let (dimension, payload) = match *mode {
        Mode::Rune(value) => {
            let mut payload = Payload::default();
            payload.extend(format!("{value:03}").into_bytes());
            (11, payload)
        }
        Mode::Symbol { compact, layers, blocks } => {
            let dimension = if compact { 4 * layers + 11 } else { 4 * layers + 2 * ((2 * layers + 6) / 15) + 15 };
            let half = dimension as f32 / 2.0;
            // Every sixteenth row and column of a full symbol alternates, from the middle on.
            let fixed = |x: i32, y: i32| (!compact && (x % 16 == 0 || y % 16 == 0)).then_some((x + y) % 2 == 0);
            let aligned = || {
                let n = half as i32;
                let axes = (-n..=n).flat_map(|k| [(k, 0), (0, k)]);
                let right = axes.filter(|&(x, y)| dark(bits, view, x, y) == fixed(x, y)).count();
                compact || right as f32 > ALIGNED * (4.0 * half)
            };
            let straight = aligned().then(|| content(bits, view, dimension, compact, layers, blocks)).flatten();
            if let Some(payload) = straight {
                (dimension, payload)
            } else {
                let known = if compact { 5.0 } else { 7.0 };
                let start = grid::flattened(view, known)?;
                // The message of a chance pattern speaks of a size that the picture has no room for.
                let room = square(half * 0.9).iter().all(|p| {
                    let p = start.map(p.x, p.y);
                    bits.at(p.x, p.y).is_some()
                });
                if !room {
                    return None;
                }
                refined = grid::grown(*view, known, half, |p| bits.at(p.x, p.y), fixed);
                (dimension, content(bits, &refined, dimension, compact, layers, blocks)?)
            }
        }
    };
    let half = dimension as f32 / 2.0;
    let mut corners = [(-half, -half), (half, -half), (half, half), (-half, half)].map(|(x, y)| refined.map(x, y));
    if mirrored {
        corners.swap(1, 3);
    }
    let (text, bytes) = payload.into_text_or_latin_1();
    Some(Symbol { kind: Kind::Aztec, bytes, text, corners: Some(Corners(corners)) })
}

fn content(
    bits: &Bits,
    view: &Perspective,
    dimension: u32,
    compact: bool,
    layers: u32,
    blocks: u32,
) -> Option<Payload> {
    let half = (dimension as i32 - 1) / 2;
    // A margin of the symbol may lie outside the picture; errors there are corrected.
    let dark = |x: i32, y: i32| {
        let p = view.map((x - half) as f32, (y - half) as f32);
        bits.at(p.x, p.y).unwrap_or(false)
    };
    let bits = corrected(&spiral(compact, layers, dark), layers, blocks)?;
    content::parse(&bits).filter(|payload| !payload.is_empty())
}

/// The modules of the data layers in their order: outermost layer first, each side two modules wide, anticlockwise from
/// the top left.
fn spiral(compact: bool, layers: u32, dark: impl Fn(i32, i32) -> bool) -> Vec<bool> {
    let base = layers as i32 * 4 + if compact { 11 } else { 14 };
    // A full symbol has a line of its reference grid after every 15 modules from the centre.
    let place = |k: i32| {
        if compact {
            return k;
        }
        let (middle, centre) = (base / 2, i32::midpoint(base + 1 + 2 * ((base / 2 - 1) / 15), 0));
        if k < middle {
            centre - (middle - 1 - k) - (middle - 1 - k) / 15 - 1
        } else {
            centre + (k - middle) + (k - middle) / 15 + 1
        }
    };
    let mut bits = Vec::new();
    for layer in 0..layers as i32 {
        let side = (layers as i32 - layer) * 4 + if compact { 9 } else { 12 };
        let (low, high) = (2 * layer, base - 1 - 2 * layer);
        let mut walk = |at: &dyn Fn(i32, i32) -> (i32, i32)| {
            for j in 0..side {
                for k in 0..2 {
                    let (x, y) = at(j, k);
                    bits.push(dark(place(x), place(y)));
                }
            }
        };
        walk(&|j, k| (low + k, low + j));
        walk(&|j, k| (low + j, high - k));
        walk(&|j, k| (high - k, high - j));
        walk(&|j, k| (high - j, low + k));
    }
    bits
}

/// The data bits after error correction, without the stuffed ones.
fn corrected(raw: &[bool], layers: u32, blocks: u32) -> Option<Vec<bool>> {
    let (size, field) = match layers {
        0..=2 => (6, PredefinedGenericGF::AztecData6),
        3..=8 => (8, PredefinedGenericGF::AztecData8),
        9..=22 => (10, PredefinedGenericGF::AztecData10),
        23.. => (12, PredefinedGenericGF::AztecData12),
    };
    let join = |part: &[bool]| part.iter().fold(0i32, |word, &bit| word << 1 | i32::from(bit));
    let mut words: Vec<i32> = raw[raw.len() % size..].chunks_exact(size).map(join).collect();
    let check = words.len().checked_sub(blocks as usize).filter(|&c| c > 0)?;
    ReedSolomonDecoder::new(field.into()).decode(&mut words, check as i32).ok()?;
    let full = (1 << size) - 1;
    let mut bits = Vec::with_capacity(raw.len());
    for &word in &words[..blocks as usize] {
        match word {
            // Never written: a run of equal bits is broken by a stuffed one.
            0 => return None,
            w if w == full => return None,
            1 => bits.extend(std::iter::repeat_n(false, size - 1)),
            w if w == full - 1 => bits.extend(std::iter::repeat_n(true, size - 1)),
            w => bits.extend((0..size).rev().map(|k| w >> k & 1 == 1)),
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Luma;
    use crate::codec::read::binary::Threshold;

    #[test]
    fn a_ring_goes_clockwise_through_its_corners() {
        let places: Vec<(i32, i32)> = ring(5).collect();
        assert_eq!(
            (places.len(), places[0], places[10], places[20], places[30]),
            (40, (-5, -5), (5, -5), (5, 5), (-5, 5))
        );
    }

    /// A full symbol of so many modules a side in its middle, `module` pixels each and without quiet zone, of which each
    /// dark module is `ink` pixels wider to the right and down.
    fn drawn(text: &str, module: usize, ink: usize) -> Luma {
        use rxing::{BarcodeFormat, Writer, aztec::AztecWriter};
        let symbol = AztecWriter.encode(text, &BarcodeFormat::AZTEC, 0, 0).expect("the text fits a symbol");
        let side = symbol.getWidth() as usize * module;
        let mut pixels = vec![230; side * side];
        for y in 0..symbol.getHeight() {
            for x in (0..symbol.getWidth()).filter(|&x| symbol.get(x, y)) {
                for row in y as usize * module..((y as usize + 1) * module + ink).min(side) {
                    let from = row * side + x as usize * module;
                    let to = (from + module + ink).min((row + 1) * side);
                    pixels[from..to].fill(20);
                }
            }
        }
        Luma::new(side as u32, side as u32, pixels)
    }

    #[test]
    fn large_and_thickly_printed_symbols_are_read() {
        let long = (0..80).map(|k| format!("line {k} of many. ")).collect::<Vec<_>>().concat();
        for (text, module, ink) in [(&long, 2, 0), (&long, 5, 0), (&"not so long".repeat(6), 4, 1)] {
            let luma = drawn(text, module, ink);
            let (symbols, _) = scan(&Bits::of(&luma, Threshold::Block));
            let texts: Vec<&str> = symbols.iter().map(|s| s.text.as_str()).collect();
            assert_eq!(texts, [text.as_str()], "{module} pixels a module");
        }
    }

    #[test]
    fn equal_runs_are_told_from_others() {
        assert!(equal(&[3, 3, 3, 3, 3, 3, 3]));
        assert!(equal(&[6, 4, 2, 4, 2, 4, 5]));
        assert!(!equal(&[3, 3, 3, 9, 3, 3, 3]));
        assert!(!equal(&[30, 3, 3, 3, 3, 3, 3]));
    }
}
