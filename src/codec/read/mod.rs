//! Grey pixels to symbols. Placeholder: QR codes by rxing, and one symbol of any other kind.

use std::collections::HashSet;
use std::time::Duration;

use rxing::common::HybridBinarizer;
use rxing::multi::MultipleBarcodeReader;
use rxing::qrcode::cpp_port::QrReader;
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, Luma8Source, MultiFormatReader, RXingResult, Reader};

use super::{Corners, Kind, Luma, Point, Symbol};

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);
    /// QR Code alone.
    pub const QR: Self = Self(1 << Kind::QrCode as u32);

    /// Whether `kind` is in the set.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u32))
    }
}

/// How much a reading may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// CPU time of the reading thread.
    pub cpu: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { cpu: Duration::from_millis(1500) }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The symbols.
    pub symbols: Vec<Symbol>,
    /// Whether the budget was spent before every stage had its turn.
    pub budget_spent: bool,
}

/// The symbols in a picture.
pub fn read(luma: &Luma, kinds: Kinds, budget: &Budget) -> Reading {
    let _ = budget;
    let (w, h) = (luma.width(), luma.height());
    if w < 8 || h < 8 {
        return Reading::default();
    }
    let Ok(source) = Luma8Source::new_with_slice(luma.pixels(), w, h) else { return Reading::default() };
    let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
    let mut hints = DecodeHints { TryHarder: Some(true), ..DecodeHints::default() };
    hints.PossibleFormats = Some(HashSet::from([BarcodeFormat::QR_CODE]));
    let mut symbols: Vec<Symbol> = Vec::new();
    if kinds.contains(Kind::QrCode)
        && let Ok(found) = QrReader.decode_multiple_with_hints(&mut bitmap, &hints)
    {
        symbols.extend(found.iter().filter_map(symbol));
    }
    if symbols.is_empty() {
        hints.PossibleFormats = Some(HashSet::from([
            BarcodeFormat::AZTEC,
            BarcodeFormat::CODABAR,
            BarcodeFormat::CODE_39,
            BarcodeFormat::CODE_93,
            BarcodeFormat::CODE_128,
            BarcodeFormat::DATA_MATRIX,
            BarcodeFormat::EAN_8,
            BarcodeFormat::EAN_13,
            BarcodeFormat::ITF,
            BarcodeFormat::PDF_417,
            BarcodeFormat::QR_CODE,
            BarcodeFormat::RSS_14,
            BarcodeFormat::RSS_EXPANDED,
            BarcodeFormat::UPC_A,
            BarcodeFormat::UPC_E,
        ]));
        if let Ok(found) = MultiFormatReader::default().decode_with_hints(&mut bitmap, &hints) {
            symbols.extend(symbol(&found).filter(|symbol| kinds.contains(symbol.kind)));
        }
    }
    Reading { symbols, budget_spent: false }
}

fn symbol(found: &RXingResult) -> Option<Symbol> {
    let kind = match found.getBarcodeFormat() {
        BarcodeFormat::AZTEC => Kind::Aztec,
        BarcodeFormat::CODABAR => Kind::Codabar,
        BarcodeFormat::CODE_39 => Kind::Code39,
        BarcodeFormat::CODE_93 => Kind::Code93,
        BarcodeFormat::CODE_128 => Kind::Code128,
        BarcodeFormat::DATA_MATRIX => Kind::DataMatrix,
        BarcodeFormat::EAN_8 => Kind::Ean8,
        BarcodeFormat::EAN_13 => Kind::Ean13,
        BarcodeFormat::ITF => Kind::Itf,
        BarcodeFormat::PDF_417 => Kind::Pdf417,
        BarcodeFormat::QR_CODE => Kind::QrCode,
        BarcodeFormat::MICRO_QR_CODE => Kind::MicroQrCode,
        BarcodeFormat::RSS_14 => Kind::Rss14,
        BarcodeFormat::RSS_EXPANDED => Kind::RssExpanded,
        BarcodeFormat::UPC_A => Kind::UpcA,
        BarcodeFormat::UPC_E => Kind::UpcE,
        _ => return None,
    };
    let at = |i: usize| found.getPoints().get(i).map(|p| Point { x: p.x, y: p.y });
    let corners = match (at(0), at(1), at(2), at(3)) {
        (Some(a), Some(b), Some(c), Some(d)) if kind == Kind::QrCode => Some(Corners([a, b, d, c])),
        (Some(a), Some(b), Some(c), Some(d)) => Some(Corners([a, b, c, d])),
        _ => None,
    };
    let text = found.getText().to_owned();
    let bytes = text.clone().into_bytes();
    Some(Symbol { kind, text, bytes, corners })
}
