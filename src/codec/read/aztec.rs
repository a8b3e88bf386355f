//! Aztec Code.

use rxing::aztec::{decoder, detector::Detector};
use rxing::common::{BitMatrix, DetectorRXingResult};

use super::{corners_of, guarded};
use crate::codec::{Kind, Symbol};

/// Reads the symbol of `bits`; corners are in its pixels.
pub(super) fn scan(bits: &BitMatrix) -> Vec<Symbol> {
    [false, true].into_iter().find_map(|mirrored| guarded(|| read(bits, mirrored))).into_iter().collect()
}

fn read(bits: &BitMatrix, mirrored: bool) -> Option<Symbol> {
    let found = Detector::new(bits).detect(mirrored).ok()?;
    let decoded = decoder::decode(&found).ok()?;
    let text = decoded.getText().to_owned();
    Some(Symbol {
        kind: Kind::Aztec,
        bytes: text.clone().into_bytes(),
        text,
        corners: corners_of(found.getPoints(), [0, 1, 2, 3]),
    })
}
