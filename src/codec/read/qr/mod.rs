//! QR Code, Micro QR Code and rMQR Code: finders, sampling, decoding; all symbols of a picture in one pass.

mod content;
mod sample;

use rxing::common::{DetectorRXingResult, cpp_essentials::ConcentricPattern};
use rxing::qrcode::cpp_port::detector::{
    FindFinderPatterns, GenerateFinderPatternSets, SampleMQR, SampleQR, SampleRMQR,
};
use rxing::qrcode::detector::QRCodeDetectorResult;

use super::{Kinds, binary::Bits, corners_of, guarded};
use crate::codec::{Corners, Kind, Symbol};
use sample::{Finder, Grid};

/// Sets of three finders tried in one picture: more come from noise.
const MOST_SETS: usize = 400;

/// What a pass saw.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) symbols: Vec<Symbol>,
    /// How many finders there are, or look like finders.
    pub(super) finders: usize,
}

/// Reads all symbols of the QR family among `kinds`; corners are in pixels of `bits`. With `thorough`, paper that is not
/// flat is tried too.
pub(super) fn scan(bits: &Bits, kinds: Kinds, thorough: bool) -> Pass {
    let mut pass = Pass::default();
    let Some(matrix) = bits.matrix() else { return pass };
    let Some(mut finders) = guarded(|| Some(FindFinderPatterns(&matrix, true, 0))) else { return pass };
    pass.finders = finders.len();
    let mut used: Vec<ConcentricPattern> = Vec::new();
    if kinds.contains(Kind::QrCode) {
        let sets = guarded(|| Some(GenerateFinderPatternSets(&mut finders))).unwrap_or_default();
        let traced: Vec<(usize, Finder)> = finders
            .iter()
            .enumerate()
            .filter_map(|(k, f)| Some((k, Finder::trace(bits, f.p.x, f.p.y, f.size as f32)?)))
            .collect();
        let free = |used: &[ConcentricPattern], three: [&ConcentricPattern; 3]| three.iter().all(|f| !used.contains(f));
        for set in sets.iter().take(MOST_SETS) {
            if !free(&used, [&set.bl, &set.tl, &set.tr]) {
                continue;
            }
            let own = |f: &ConcentricPattern| traced.iter().find(|t| finders[t.0] == *f).map(|t| &t.1);
            let three = || Some([own(&set.tl)?, own(&set.tr)?, own(&set.bl)?]);
            let found = three()
                .and_then(|three| measured(bits, three, thorough))
                .or_else(|| guarded(|| symbol(&SampleQR(&matrix, set).ok()?, Kind::QrCode)));
            if let Some(symbol) = found {
                used.extend([set.bl, set.tl, set.tr]);
                pass.symbols.push(symbol);
            }
        }
        let outlines: Vec<Finder> = traced.iter().map(|t| t.1).collect();
        for set in sample::sets(&outlines).into_iter().take(MOST_SETS) {
            let three = set.map(|k| &finders[traced[k].0]);
            if free(&used, three)
                && let Some(symbol) = measured(bits, set.map(|k| &outlines[k]), thorough)
            {
                used.extend(three);
                pass.symbols.push(symbol);
            }
        }
    }
    for finder in finders.iter().filter(|f| !used.contains(f)).take(MOST_SETS) {
        if kinds.contains(Kind::MicroQrCode)
            && let Some(symbol) = guarded(|| symbol(&SampleMQR(&matrix, *finder).ok()?, Kind::MicroQrCode))
        {
            pass.symbols.push(symbol);
        } else if kinds.contains(Kind::RmqrCode)
            && let Some(symbol) = guarded(|| symbol(&SampleRMQR(&matrix, *finder).ok()?, Kind::RmqrCode))
        {
            pass.symbols.push(symbol);
        }
    }
    pass
}

/// The symbol that three traced finders belong to.
fn measured(bits: &Bits, finders: [&Finder; 3], thorough: bool) -> Option<Symbol> {
    for grid in sample::grids(bits, finders) {
        let flat = || decoded(bits, &grid);
        let settled = || decoded(bits, &grid.settled(bits)?);
        let bent = || decoded(bits, &grid.settled(bits)?.bent(bits)).or_else(|| decoded(bits, &grid.bent(bits)));
        if let Some(symbol) = flat().or_else(settled).or_else(|| if thorough { bent() } else { None }) {
            return Some(symbol);
        }
    }
    None
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
