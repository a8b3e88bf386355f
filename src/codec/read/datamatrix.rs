//! Data Matrix ECC 200.

use rxing::common::{BitMatrix, DetectorRXingResult};
use rxing::datamatrix::{decoder::Decoder, detector::DatamatrixDetectorResult, detector::zxing_cpp_detector};

use super::{corners_of, guarded};
use crate::codec::{Kind, Symbol};

/// Reads the symbols of `bits`; corners are in its pixels.
pub(super) fn scan(bits: &BitMatrix) -> Vec<Symbol> {
    let found = guarded(|| zxing_cpp_detector::detect(bits, true, true).ok()).unwrap_or_default();
    let mut symbols: Vec<Symbol> = found.iter().filter_map(|f| guarded(|| symbol(f))).collect();
    if symbols.is_empty() {
        // The older detector needs white all around, and then finds symbols whose solid border is damaged.
        symbols.extend(guarded(|| {
            let detector = rxing::datamatrix::detector::Detector::new(bits).ok()?;
            symbol(&detector.detect().ok()?)
        }));
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
