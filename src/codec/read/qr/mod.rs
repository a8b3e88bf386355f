//! QR Code, Micro QR Code and rMQR Code: finders, sampling, decoding; all symbols of a picture in one pass.

mod content;

use rxing::common::{BitMatrix, DetectorRXingResult, cpp_essentials::ConcentricPattern};
use rxing::qrcode::cpp_port::detector::{
    FindFinderPatterns, GenerateFinderPatternSets, SampleMQR, SampleQR, SampleRMQR,
};
use rxing::qrcode::detector::QRCodeDetectorResult;

use super::{Kinds, corners_of, guarded};
use crate::codec::{Corners, Kind, Symbol};

/// Sets of three finders tried in one picture: more come from noise.
const MOST_SETS: usize = 400;

/// What a pass saw.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) symbols: Vec<Symbol>,
    /// Finders were there that belong to no symbol read.
    pub(super) leftover: bool,
}

/// Reads all symbols of the QR family among `kinds`; corners are in pixels of `bits`.
pub(super) fn scan(bits: &BitMatrix, kinds: Kinds) -> Pass {
    let mut pass = Pass::default();
    let Some(mut finders) = guarded(|| Some(FindFinderPatterns(bits, true, 0))) else { return pass };
    let mut used: Vec<ConcentricPattern> = Vec::new();
    if kinds.contains(Kind::QrCode) {
        let sets = guarded(|| Some(GenerateFinderPatternSets(&mut finders))).unwrap_or_default();
        pass.leftover = !sets.is_empty();
        for set in sets.into_iter().take(MOST_SETS) {
            if [set.bl, set.tl, set.tr].iter().any(|f| used.contains(f)) {
                continue;
            }
            if let Some(symbol) = guarded(|| symbol(&SampleQR(bits, &set).ok()?, Kind::QrCode)) {
                used.extend([set.bl, set.tl, set.tr]);
                pass.symbols.push(symbol);
            }
        }
    }
    for finder in finders.iter().filter(|f| !used.contains(f)).take(MOST_SETS) {
        if kinds.contains(Kind::MicroQrCode)
            && let Some(symbol) = guarded(|| symbol(&SampleMQR(bits, *finder).ok()?, Kind::MicroQrCode))
        {
            pass.symbols.push(symbol);
        } else if kinds.contains(Kind::RmqrCode)
            && let Some(symbol) = guarded(|| symbol(&SampleRMQR(bits, *finder).ok()?, Kind::RmqrCode))
        {
            pass.symbols.push(symbol);
        }
    }
    pass
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
