//! QR Code, Micro QR Code and rMQR Code: finders, sampling, decoding; all symbols of a picture in one pass.

mod content;
mod finder;
mod sample;

use rxing::common::{DetectorRXingResult, cpp_essentials::ConcentricPattern};
use rxing::qrcode::cpp_port::detector::{GenerateFinderPatternSets, SampleMQR, SampleQR, SampleRMQR};
use rxing::qrcode::detector::QRCodeDetectorResult;

use super::{Kinds, binary::Bits, corners_of, guarded};
use crate::codec::{Corners, Kind, Point, Symbol};
use sample::{Finder, Grid};

/// Sets of three finders tried in one picture: more come from noise.
const MOST_SETS: usize = 400;
/// Finders known by their inside alone that are looked at in one picture.
const MOST_INSIDES: usize = 24;
/// Grids that are moved and bent in one picture.
const MOST_BENT: usize = 8;

/// Agreement of the timing patterns, of 1, that makes a grid between finders known by their inside worth bending.
const CLEAR: f32 = 0.85;
/// Pixels of the smallest modules that may be moved by parts of their size.
const LEAST_BENT: f32 = 1.6;

/// What a pass saw.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) symbols: Vec<Symbol>,
    /// How many finders there are, or look like finders.
    pub(super) finders: usize,
    /// Finders that belong to no symbol that was read: middle and width.
    pub(super) unread: Vec<(Point, f32)>,
    /// Middles of grids whose timing patterns are there, but that could not be decoded as they are.
    pub(super) grids: Vec<Point>,
    /// Grids that were bent.
    pub(super) bends: usize,
}

/// Reads all symbols of the QR family among `kinds` beside those at `known` places; corners are in pixels of `bits`. Up to `most_bends` grids that do not
/// fit are bent, for paper that is not flat. With `insides`, finders count whose outermost ring cannot be seen.
pub(super) fn scan(bits: &Bits, kinds: Kinds, known: &[Corners], most_bends: usize, insides: bool) -> Pass {
    let mut pass = Pass::default();
    let Some(matrix) = bits.matrix() else { return pass };
    let Some(mut finders) = guarded(|| Some(finder::finders(bits, &matrix))) else { return pass };
    let new = |f: &ConcentricPattern| !known.iter().any(|c| c.contain(Point { x: f.p.x, y: f.p.y }));
    finders.retain(new);
    pass.finders = finders.len();
    let mut used: Vec<ConcentricPattern> = Vec::new();
    if kinds.contains(Kind::QrCode) {
        let sets = guarded(|| Some(GenerateFinderPatternSets(&mut finders))).unwrap_or_default();
        let mut traced: Vec<(usize, Finder)> = finders
            .iter()
            .enumerate()
            .filter_map(|(k, f)| Some((k, Finder::trace(bits, f.p.x, f.p.y, f.size as f32)?)))
            .collect();
        if insides {
            for inside in finder::insides(bits, &finders).into_iter().filter(new).take(MOST_INSIDES) {
                if let Some(outline) = Finder::trace_inside(bits, inside.p.x, inside.p.y, inside.size as f32) {
                    traced.push((finders.len(), outline));
                    finders.push(inside);
                }
            }
        }
        let outlines: Vec<Finder> = traced.iter().map(|t| t.1).collect();
        let place = |f: &ConcentricPattern| traced.iter().position(|t| finders[t.0] == *f);
        // Sets by distance and angle, then those whose finders point at each other; rxing's own sampling helps where an
        // outline could not be traced, and knows alignment patterns.
        let mut later = Vec::new();
        let mut tried: Vec<[usize; 3]> = Vec::new();
        for set in sets.iter().take(MOST_SETS) {
            let patterns = [set.tl, set.tr, set.bl];
            if patterns.iter().any(|f| used.contains(f)) {
                continue;
            }
            let places = || Some([place(&set.tl)?, place(&set.tr)?, place(&set.bl)?]);
            let places = places();
            tried.extend(places);
            let grids =
                places.map(|p| sample::grids(bits, p.map(|k| &outlines[k]), most_bends > 0)).unwrap_or_default();
            let found = grids
                .iter()
                .find_map(|grid| decoded(bits, grid))
                .or_else(|| guarded(|| symbol(&SampleQR(&matrix, set).ok()?, Kind::QrCode)));
            if let Some(symbol) = found {
                used.extend(patterns);
                pass.symbols.push(symbol);
            } else {
                later.extend(grids.into_iter().map(|grid| (grid, patterns)));
            }
        }
        for set in sample::sets(&outlines, most_bends > 0).into_iter().take(MOST_SETS) {
            let patterns = set.map(|k| finders[traced[k].0]);
            if tried.contains(&set) || patterns.iter().any(|f| used.contains(f)) {
                continue;
            }
            let grids = sample::grids(bits, set.map(|k| &outlines[k]), most_bends > 0);
            if let Some(symbol) = grids.iter().find_map(|grid| decoded(bits, grid)) {
                used.extend(patterns);
                pass.symbols.push(symbol);
            } else {
                later.extend(grids.into_iter().map(|grid| (grid, patterns)));
            }
        }
        let open = later.iter().filter(|(_, patterns)| patterns.iter().all(|f| !used.contains(f)));
        pass.grids = open.map(|(grid, _)| grid.corners().centre()).collect();
        if most_bends > 0 {
            later.sort_by(|a, b| b.0.timing.total_cmp(&a.0.timing));
            // Insides are common in all that is speckled.
            let whole = |f: &ConcentricPattern| finders[..pass.finders].contains(f);
            later.retain(|(grid, patterns)| {
                grid.module() >= LEAST_BENT && (grid.timing >= CLEAR || patterns.iter().all(whole))
            });
            for (grid, patterns) in later.into_iter().take(MOST_BENT) {
                if pass.bends == most_bends || patterns.iter().any(|f| used.contains(f)) {
                    continue;
                }
                pass.bends += 1;
                if let Some(symbol) = moved(bits, &grid) {
                    used.extend(patterns);
                    pass.symbols.push(symbol);
                }
            }
        }
    }
    for finder in finders[..pass.finders].iter().filter(|f| !used.contains(f)).take(MOST_SETS) {
        if kinds.contains(Kind::MicroQrCode)
            && let Some(symbol) = guarded(|| symbol(&SampleMQR(&matrix, *finder).ok()?, Kind::MicroQrCode))
        {
            pass.symbols.push(symbol);
        } else if kinds.contains(Kind::RmqrCode)
            && let Some(symbol) = guarded(|| symbol(&SampleRMQR(&matrix, *finder).ok()?, Kind::RmqrCode))
        {
            pass.symbols.push(symbol);
        } else {
            pass.unread.push((Point { x: finder.p.x, y: finder.p.y }, finder.size as f32));
        }
    }
    pass
}

/// The symbol of a grid that does not fit as it is.
fn moved(bits: &Bits, grid: &Grid) -> Option<Symbol> {
    if grid.curved() {
        return decoded(bits, &grid.bent(bits));
    }
    let settled = grid.settled(bits);
    decoded(bits, &settled).or_else(|| decoded(bits, &settled.bent(bits))).or_else(|| decoded(bits, &grid.bent(bits)))
}

fn decoded(bits: &Bits, grid: &Grid) -> Option<Symbol> {
    let content = guarded(|| content::decode(&grid.sample(bits)?))?;
    let mut corners = grid.corners();
    if content.mirrored {
        corners.0.swap(1, 3);
    }
    Some(Symbol { kind: Kind::QrCode, text: content.text, bytes: content.bytes, corners: Some(corners) })
}

fn symbol(sampled: &QRCodeDetectorResult, kind: Kind) -> Option<Symbol> {
    let content = content::decode(sampled.getBits())?;
    // rxing's order is left top, right top, left bottom, right bottom.
    let mut corners = corners_of(sampled.getPoints(), [0, 1, 3, 2]);
    if content.mirrored {
        corners = corners.map(|Corners([a, b, c, d])| Corners([a, d, c, b]));
    }
    Some(Symbol { kind, text: content.text, bytes: content.bytes, corners })
}
