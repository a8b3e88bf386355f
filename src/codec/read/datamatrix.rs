//! Data Matrix ECC 200.

use rxing::common::{BitMatrix, DetectorRXingResult};
use rxing::datamatrix::{decoder::Decoder, detector::DatamatrixDetectorResult, detector::zxing_cpp_detector};

use super::{binary::Bits, corners_of, guarded};
use crate::codec::{Corners, Kind, Symbol};

/// Most symbols of a picture.
const MOST: usize = 64;

/// Reads the symbols of `bits`; corners are in its pixels.
pub(super) fn scan(bits: &Bits) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    let Some(matrix) = bits.matrix() else { return symbols };
    let mut found = detected(&matrix);
    if found.is_empty() {
        // The older detector needs white all around, and then finds symbols whose solid border is damaged.
        found.extend(guarded(|| {
            let detector = rxing::datamatrix::detector::Detector::new(&matrix).ok()?;
            symbol(&detector.detect().ok()?)
        }));
        return found;
    }
    // The detector goes no farther along a line than to its first symbol: the others come into sight one after another
    // as those before them are taken away.
    let mut rest = bits.clone();
    while !found.is_empty() && symbols.len() < MOST {
        for Corners(corners) in found.iter().filter_map(|s| s.corners) {
            let x = |f: fn(f32, f32) -> f32| corners.iter().map(|p| p.x).reduce(f).unwrap_or_default();
            let y = |f: fn(f32, f32) -> f32| corners.iter().map(|p| p.y).reduce(f).unwrap_or_default();
            rest.erase(x(f32::min) - 1.0, y(f32::min) - 1.0, x(f32::max) + 1.0, y(f32::max) + 1.0);
        }
        symbols.append(&mut found);
        found = rest.matrix().map(|m| detected(&m)).unwrap_or_default();
    }
    symbols
}

fn detected(matrix: &BitMatrix) -> Vec<Symbol> {
    let found = guarded(|| zxing_cpp_detector::detect(matrix, true, true).ok()).unwrap_or_default();
    let mut symbols: Vec<Symbol> = Vec::new();
    for symbol in found.iter().filter_map(|f| guarded(|| symbol(f))) {
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    symbols
}

fn symbol(found: &DatamatrixDetectorResult) -> Option<Symbol> {
    let decoded = Decoder::new().decode(found.getBits()).ok()?;
    let text = decoded.getText().to_owned();
    let bytes = if decoded.getByteSegments().is_empty() {
        text.clone().into_bytes()
    } else {
        decoded.getByteSegments().concat()
    };
    Some(Symbol { kind: Kind::DataMatrix, text, bytes, corners: corners_of(found.getPoints(), [0, 1, 2, 3]) })
}
