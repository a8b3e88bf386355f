//! Data Matrix ECC 200, square, rectangular and extended rectangular (DMRE), dark on light and light on dark.
//!
//! In steps, each far rarer than the one before: corners of straight edges (`locate`), ends of bars one module wide and
//! broken borders between them (`border`), four sides laid on the edges (`fit`), modules (`sample`), rxing's decoder.

mod border;
mod content;
mod fit;
mod geometry;
mod ink;
mod locate;
mod sample;
#[cfg(test)]
mod tests;

use rxing::datamatrix::decoder::Decoder;

use super::binary::Bits;
use super::guarded;
use super::payload::Payload;
use crate::codec::{Corners, Kind, Luma, Point, Symbol};
use border::{Track, bar_width, shorter, track};
use fit::Frame;
use geometry::{Line, along, between, cross, length, unit};
use ink::Ink;
use locate::Corner;
use sample::{Bend, sample};

/// Rows and columns of all symbols that there are: ISO/IEC 16022 and, from 8 × 48 on, ISO/IEC 21471.
const SIZES: [(u32, u32); 48] = [
    (10, 10),
    (12, 12),
    (14, 14),
    (16, 16),
    (18, 18),
    (20, 20),
    (22, 22),
    (24, 24),
    (26, 26),
    (32, 32),
    (36, 36),
    (40, 40),
    (44, 44),
    (48, 48),
    (52, 52),
    (64, 64),
    (72, 72),
    (80, 80),
    (88, 88),
    (96, 96),
    (104, 104),
    (120, 120),
    (132, 132),
    (144, 144),
    (8, 18),
    (8, 32),
    (12, 26),
    (12, 36),
    (16, 36),
    (16, 48),
    (8, 48),
    (8, 64),
    (8, 80),
    (8, 96),
    (8, 120),
    (8, 144),
    (12, 64),
    (12, 88),
    (16, 64),
    (20, 36),
    (20, 44),
    (20, 64),
    (22, 48),
    (24, 48),
    (24, 64),
    (26, 40),
    (26, 48),
    (26, 64),
];

/// Part of the border modules that must have their colour before a symbol is decoded.
const AGREEMENT: f32 = 0.8;
/// How well the broken borders must alternate before modules are read, where the size is a guess.
const RHYTHM: f32 = 0.4;

/// Reads the symbols of `luma`, whose black and white version is `bits`; corners are in its pixels. Also gives the number
/// of places that have the borders of a symbol, read or not.
pub(super) fn scan(bits: &Bits, luma: &Luma) -> (Vec<Symbol>, usize) {
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut borders = 0;
    for corner in locate::corners(bits).iter().filter(|c| barred(bits, c)) {
        let known = symbols.iter().any(|s| s.corners.is_some_and(|c| within(&c, corner.tip)));
        if !known {
            symbols.extend(read(luma, corner, true, &mut borders));
        }
    }
    (symbols, borders)
}

/// Whether a bar, rather than the side of something wider, ends at either end of an L. A look at black and white spares
/// most corners of a picture the closer look at its grey.
fn barred(bits: &Bits, corner: &Corner) -> bool {
    let (up, right) = (between(corner.tip, corner.top), between(corner.tip, corner.right));
    let (tall, wide) = (length(up), length(right));
    let (up, right) = (unit(up), unit(right));
    let ends = |end: Point, bar: Point, across: Point, longest: f32| {
        let most = 1.3 * longest + 2.0;
        for depth in [1.2, 2.5, 4.5] {
            let row = along(end, bar, -depth);
            let ink = |t: f32| {
                let p = along(row, across, t);
                bits.at(p.x, p.y).is_some_and(|black| black != corner.inverse)
            };
            let Some(start) = (0..10).map(|k| 0.5 * k as f32 - 1.5).find(|&t| ink(t)) else { continue };
            // Where a side of something wide is met, it is no better farther on.
            return (1..=(2.0 * most) as u32).any(|k| !ink(start + 0.5 * k as f32));
        }
        false
    };
    let longest = tall.max(wide) / 7.0;
    ends(corner.top, up, right, longest.min(wide / 7.0)) || ends(corner.right, right, up, longest.min(tall / 7.0))
}

/// Whether a place is in a quadrilateral, or hardly outside.
fn within(corners: &Corners, p: Point) -> bool {
    let c = &corners.0;
    let size = length(between(c[0], c[2]));
    let turn = cross(between(c[0], c[1]), between(c[0], c[2])).signum();
    (0..4).all(|k| {
        let side = between(c[k], c[(k + 1) % 4]);
        turn * cross(side, between(c[k], p)) > -0.05 * size * length(side)
    })
}

/// The corner with its edges continued over gaps in their bars; `None` if there is nothing to continue.
fn longer(ink: &Ink<'_>, corner: &Corner) -> Option<Corner> {
    let extended = |end: Point, inwards: Point| {
        let edge = between(corner.tip, end);
        let size = length(edge);
        let (ahead, inwards) = (unit(edge), unit(inwards));
        let (mut t, mut good) = (size, size);
        while t < good + 0.3 * size + 4.0 {
            t += 0.5;
            let p = along(corner.tip, ahead, t);
            if ink.at(along(p, inwards, 1.2)) > 0.0 && ink.at(along(p, inwards, -1.2)) < 0.0 {
                good = t;
            }
        }
        (good > size + 4.0).then(|| along(corner.tip, ahead, good))
    };
    let top = extended(corner.top, between(corner.tip, corner.right));
    let right = extended(corner.right, between(corner.tip, corner.top));
    (top.is_some() || right.is_some()).then(|| Corner {
        top: top.unwrap_or(corner.top),
        right: right.unwrap_or(corner.right),
        ..*corner
    })
}

/// The symbol whose solid L has this corner; `whole` allows to look past gaps in its bars. Counts `borders` seen.
fn read(luma: &Luma, corner: &Corner, whole: bool, borders: &mut usize) -> Option<Symbol> {
    let (up, right) = (between(corner.tip, corner.top), between(corner.tip, corner.right));
    let (tall, wide) = (length(up), length(right));
    let (up, right) = (unit(up), unit(right));
    let ink = Ink::beside(luma, corner, 1.2)?;
    let longest = tall.max(wide) / 7.0;
    let down = Point { x: -up.x, y: -up.y };
    let left = Point { x: -right.x, y: -right.y };
    let top_module = bar_width(&ink, corner.top, down, right, longest.min(wide / 7.0));
    let right_module = bar_width(&ink, corner.right, left, up, longest.min(tall / 7.0));
    let (across, upright) = match (top_module, right_module) {
        (Some(a), Some(b)) if a < 4.0 * b && b < 4.0 * a => (a, b),
        (Some(a), None) => (a, a),
        (None, Some(b)) => (b, b),
        _ => return None,
    };
    let ink = Ink::beside(luma, corner, (across.min(upright) / 2.0).max(1.0)).unwrap_or(ink);
    // A bar's end that is worn or blurred has the wrong width; the other bar's may then do.
    let walk = |from: Point, ahead: Point, out: Point, widths: [f32; 2]| {
        let first = track(&ink, from, ahead, out, widths[0]);
        if first.as_ref().is_some_and(Track::complete) || widths[0].max(widths[1]) < 1.3 * widths[0].min(widths[1]) {
            return first;
        }
        let second = track(&ink, from, ahead, out, widths[1]);
        first.into_iter().chain(second).max_by_key(|t| (t.ended, t.blacks))
    };
    let top = walk(corner.top, right, up, [upright, across]);
    let side = walk(corner.right, up, right, [across, upright]);
    if ![&top, &side].into_iter().flatten().any(Track::complete) {
        return None;
    }
    *borders += 1;
    let (top, side) = (top.as_ref(), side.as_ref());
    let symbol = framed(&ink, corner, top, side)
        .or_else(|| framed(&ink, corner, top, Some(&shorter(&ink, side, corner.right, up, right, across)?)))
        .or_else(|| framed(&ink, corner, Some(&shorter(&ink, top, corner.top, right, up, upright)?), side));
    symbol.or_else(|| if whole { read(luma, &longer(&ink, corner)?, false, borders) } else { None })
}

/// The symbol between the L and the borders that were walked.
fn framed(ink: &Ink<'_>, corner: &Corner, top: Option<&Track>, side: Option<&Track>) -> Option<Symbol> {
    let fourth = fourth(corner, top, side)?;
    let corners = [corner.top, fourth, corner.right, corner.tip];
    let convex = (0..4).all(|k| {
        let (a, b, c) = (corners[k], corners[(k + 1) % 4], corners[(k + 2) % 4]);
        cross(between(a, b), between(b, c)) > 0.0
    });
    if !convex {
        return None;
    }
    // Where both borders were walked to their ends their lengths are known, even if the symbol is bent.
    if let (Some(t), Some(s)) = (top, side) {
        let (rows, columns) = (s.modules(), t.modules());
        if size_exists(rows, columns) {
            let frame = Frame { corners, rows, columns }.snapped(ink)?;
            let symbol = straight_or_bent(ink, &frame, top, side);
            if symbol.is_some() {
                return symbol;
            }
        }
    }
    let near = |n: u32, seen: Option<&Track>| seen.is_none_or(|s| n.abs_diff(s.modules()) <= 4);
    SIZES
        .iter()
        .flat_map(|&(r, c)| [Some((r, c)), (r != c).then_some((c, r))])
        .flatten()
        .filter(|&(r, c)| near(r, side) && near(c, top))
        .find_map(|(rows, columns)| {
            let mut frame = Frame { corners, rows, columns };
            if frame.rhythm(ink) < 0.0 {
                return None;
            }
            for _ in 0..3 {
                frame = frame.snapped(ink)?;
            }
            if frame.rhythm(ink) < RHYTHM {
                return None;
            }
            straight_or_bent(ink, &frame, top, side)
        })
}

/// Whether there is a symbol of so many modules, upright or mirrored.
fn size_exists(rows: u32, columns: u32) -> bool {
    SIZES.contains(&(rows, columns)) || SIZES.contains(&(columns, rows))
}

/// The corner opposite to the tip of the L.
fn fourth(corner: &Corner, top: Option<&Track>, side: Option<&Track>) -> Option<Point> {
    let line = |t: &Track, from: Point| Line::fitted(&t.edge).unwrap_or_else(|| Line::through(from, t.end));
    match (top, side) {
        (Some(t), Some(s)) => line(t, corner.top).meet(&line(s, corner.right)),
        (Some(t), None) | (None, Some(t)) => t.ended.then_some(t.end),
        (None, None) => None,
    }
}

/// Decodes the modules of a frame: as they lie between straight sides, then as the walked borders bend, then as the inside
/// does.
fn straight_or_bent(ink: &Ink<'_>, frame: &Frame, top: Option<&Track>, side: Option<&Track>) -> Option<Symbol> {
    decode(ink, frame, None).or_else(|| {
        let bend = Bend::measured(frame, ink, top, side)?;
        decode(ink, frame, Some(&bend)).or_else(|| {
            let hopeful = sample(frame, ink, Some(&bend))?.agreement >= AGREEMENT;
            if hopeful { decode(ink, frame, Some(&bend.settled(frame, ink)?)) } else { None }
        })
    })
}

fn decode(ink: &Ink<'_>, frame: &Frame, bend: Option<&Bend>) -> Option<Symbol> {
    [0.0, 0.25, -0.25].into_iter().find_map(|shift| {
        let sampled = sample(frame, &ink.moved(shift), bend)?;
        if sampled.agreement < AGREEMENT {
            return None;
        }
        let decoded = guarded(|| Decoder::new().decode(&sampled.bits).ok())?;
        // rxing's own reading of the codewords loses what is beside bytes, and does not know every character set.
        let payload = content::parse(decoded.getRawBytes()).filter(|payload| !payload.is_empty());
        let (text, bytes) = payload
            .map_or_else(|| (decoded.getText().to_owned(), decoded.getText().as_bytes().to_vec()), Payload::into_text);
        let [a, b, c, d] = frame.corners;
        // A mirrored symbol has its solid borders exchanged.
        let corners = if decoded.getIsMirrored() { [c, b, a, d] } else { [a, b, c, d] };
        Some(Symbol { kind: Kind::DataMatrix, text, bytes, corners: Some(Corners(corners)) })
    })
}
