//! PDF417.

use rxing::Point as RxingPoint;
use rxing::common::BitMatrix;
use rxing::pdf417::{decoder::pdf_417_scanning_decoder, detector::pdf_417_detector};

use super::guarded;
use crate::codec::{Corners, Kind, Point, Symbol};

/// Modules of a codeword and of the stop pattern.
const CODEWORD: f32 = 17.0;
const STOP: f32 = 18.0;

/// Reads the symbols of `bits` in all four directions; corners are in its pixels.
pub(super) fn scan(bits: &BitMatrix) -> Vec<Symbol> {
    let (w, h) = (bits.width() as f32, bits.height() as f32);
    let mut turned = bits.clone();
    for turns in 0..4 {
        let found = guarded(|| Some(upright(&turned))).unwrap_or_default();
        if !found.is_empty() {
            let back = |p: Point| match turns {
                0 => p,
                // `rotate` turns against the clock.
                1 => Point { x: w - p.y, y: p.x },
                2 => Point { x: w - p.x, y: h - p.y },
                _ => Point { x: p.y, y: h - p.x },
            };
            return found
                .into_iter()
                .map(|s| Symbol { corners: s.corners.map(|c| Corners(c.0.map(back))), ..s })
                .collect();
        }
        turned.rotate90();
    }
    Vec::new()
}

fn upright(bits: &BitMatrix) -> Vec<Symbol> {
    let places = pdf_417_detector::detect(true, bits).unwrap_or_default();
    places.iter().take(8).filter_map(|p| guarded(|| symbol(bits, p))).collect()
}

fn symbol(bits: &BitMatrix, p: &[Option<RxingPoint>; 8]) -> Option<Symbol> {
    let width = |a: Option<RxingPoint>, b: Option<RxingPoint>| Some((a?.x - b?.x).abs());
    let widths = [
        width(p[0], p[4]),
        width(p[1], p[5]),
        width(p[6], p[2]).map(|x| x * CODEWORD / STOP),
        width(p[7], p[3]).map(|x| x * CODEWORD / STOP),
    ];
    let known = || widths.iter().flatten();
    let (least, most) = (known().copied().fold(f32::INFINITY, f32::min), known().copied().fold(0.0, f32::max));
    let decoded = pdf_417_scanning_decoder::decode(bits, p[4], p[5], p[6], p[7], least as u32, most as u32).ok()?;
    let text = decoded.getText().to_owned();
    let at = |k: usize| p[k].map(|p| Point { x: p.x, y: p.y });
    let corners = match (at(0), at(2), at(3), at(1)) {
        (Some(a), Some(b), Some(c), Some(d)) => Some(Corners([a, b, c, d])),
        _ => None,
    };
    Some(Symbol { kind: Kind::Pdf417, bytes: text.clone().into_bytes(), text, corners })
}
