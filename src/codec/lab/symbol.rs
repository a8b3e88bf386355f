//! The modules of every kind that can be drawn. QR Code, Code 128 and Telepen are ours, the others `rxing`'s.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rxing::aztec::AztecWriter;
use rxing::datamatrix::DataMatrixWriter;
use rxing::oned::{
    CodaBarWriter, Code39Writer, Code93Writer, EAN8Writer, EAN13Writer, ITFWriter, UPCAWriter, UPCEWriter,
};
use rxing::pdf417::PDF417Writer;
use rxing::{BarcodeFormat, EncodeHintValue, EncodeHints, Writer};

use super::LabError;
use crate::codec::encode::{self, QrOptions};
use crate::codec::{Kind, Matrix};

/// Every kind that can be drawn.
pub const DRAWN: [Kind; 14] = [
    Kind::QrCode,
    Kind::DataMatrix,
    Kind::Aztec,
    Kind::Pdf417,
    Kind::Codabar,
    Kind::Code39,
    Kind::Code93,
    Kind::Code128,
    Kind::Ean8,
    Kind::Ean13,
    Kind::UpcA,
    Kind::UpcE,
    Kind::Itf,
    Kind::Telepen,
];

/// The modules of `text`, without quiet zone.
pub(super) fn matrix(kind: Kind, text: &str) -> Result<Matrix, LabError> {
    let unfit = |reason: String| LabError::Unfit { kind, reason };
    let upc_a = UPCAWriter::default();
    let (writer, format): (&dyn Writer, _) = match kind {
        Kind::QrCode => {
            return encode::qr(text, &QrOptions::default()).map_err(|error| unfit(error.to_string()));
        }
        Kind::Code128 => return encode::code128(text).map_err(|error| unfit(error.to_string())),
        Kind::Telepen => return encode::telepen(text).map_err(|error| unfit(error.to_string())),
        Kind::DataMatrix => (&DataMatrixWriter, BarcodeFormat::DATA_MATRIX),
        Kind::Aztec => (&AztecWriter, BarcodeFormat::AZTEC),
        Kind::Pdf417 => (&PDF417Writer, BarcodeFormat::PDF_417),
        Kind::Codabar => (&CodaBarWriter, BarcodeFormat::CODABAR),
        Kind::Code39 => (&Code39Writer, BarcodeFormat::CODE_39),
        Kind::Code93 => (&Code93Writer, BarcodeFormat::CODE_93),
        Kind::Ean8 => (&EAN8Writer, BarcodeFormat::EAN_8),
        Kind::Ean13 => (&EAN13Writer, BarcodeFormat::EAN_13),
        Kind::UpcA => (&upc_a, BarcodeFormat::UPC_A),
        Kind::UpcE => (&UPCEWriter, BarcodeFormat::UPC_E),
        Kind::Itf => (&ITFWriter, BarcodeFormat::ITF),
        Kind::MicroQrCode
        | Kind::RmqrCode
        | Kind::MaxiCode
        | Kind::UpcEanExtension
        | Kind::Rss14
        | Kind::RssLimited
        | Kind::RssExpanded
        | Kind::DxFilmEdge => return Err(LabError::NotDrawn(kind)),
    };
    if !text.is_ascii() {
        return Err(unfit("it has more than ASCII".to_owned()));
    }
    let hints = EncodeHints::default().with(EncodeHintValue::Margin("0".to_owned()));
    // Some writers panic on texts that they do not expect.
    let drawn = catch_unwind(AssertUnwindSafe(|| writer.encode_with_hints(text, &format, 1, 1, &hints)));
    let drawn = drawn.map_err(|_| unfit("the drawer failed".to_owned()))?;
    let bits = drawn.map_err(|error| unfit(error.to_string()))?;
    let (width, height) = (bits.width(), bits.height());
    let is_dark = |x: u32, y: u32| bits.get(x, y);
    // What the writer leaves white around it is not part of the symbol.
    let columns: Vec<_> = (0..width).filter(|&x| (0..height).any(|y| is_dark(x, y))).collect();
    let rows: Vec<_> = (0..height).filter(|&y| (0..width).any(|x| is_dark(x, y))).collect();
    let (Some((&left, &right)), Some((&top, &bottom))) =
        (columns.first().zip(columns.last()), rows.first().zip(rows.last()))
    else {
        return Err(unfit("the drawer drew nothing".to_owned()));
    };
    let bottom = if kind.is_linear() { top } else { bottom };
    let dark = (top..=bottom).flat_map(|y| (left..=right).map(move |x| (x, y))).map(|(x, y)| is_dark(x, y));
    Ok(Matrix::new((right - left + 1) as usize, (bottom - top + 1) as usize, dark.collect()))
}

/// A text for each kind, and how it reads.
#[cfg(test)]
pub(super) fn samples() -> [(Kind, &'static str, &'static str); 14] {
    DRAWN.map(|kind| {
        let (text, read) = match kind {
            Kind::QrCode => ("https://example.com/你好", "https://example.com/你好"),
            Kind::Codabar => ("A12345B", "A12345B"),
            Kind::Code39 | Kind::Code93 => ("HELLO 1", "HELLO 1"),
            Kind::Ean8 => ("96385074", "96385074"),
            Kind::Ean13 => ("690123456789", "6901234567892"),
            Kind::UpcA => ("03600029145", "036000291452"),
            Kind::UpcE => ("01234565", "01234565"),
            Kind::Itf => ("12345678901231", "12345678901231"),
            _ => ("Hello, 1", "Hello, 1"),
        };
        (kind, text, read)
    })
}
