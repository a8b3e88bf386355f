//! The answer of `/cv/img/qrcode`.

use serde::Serialize;

use crate::codec::{Corners, Kind, Orientation, Point, Symbol, reading_order};
use crate::shared::Decoded;

/// What was found in a picture.
///
/// Documented: "QR Code / Barcode Identification", keys in this order. Recorded: a picture without a code is no failure;
/// WxJava and the .NET SDK expect the list nonetheless.
#[derive(Debug, Serialize)]
pub(in super::super) struct Scanned {
    errcode: i64,
    errmsg: &'static str,
    code_results: Vec<CodeResult>,
    img_size: ImgSize,
}

/// One code.
#[derive(Debug, Serialize)]
struct CodeResult {
    type_name: &'static str,
    data: String,
    /// Documented: QR and DataMatrix have it. Recorded: other codes do not have the key at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pos: Option<Pos>,
}

/// The corners of the symbol in its own reading direction.
#[derive(Debug, Serialize)]
struct Pos {
    left_top: Place,
    right_top: Place,
    right_bottom: Place,
    left_bottom: Place,
}

/// Pixels of the picture as displayed. Recorded: WxJava fails on fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Place {
    x: u32,
    y: u32,
}

/// Pixels of the picture as displayed: EXIF orientation applied (Assumed: phones show it so, and scan it so).
#[derive(Clone, Copy, Debug, Serialize)]
struct ImgSize {
    w: u32,
    h: u32,
}

impl Scanned {
    /// Turns coordinates from the stored picture to the displayed one.
    pub(in super::super) fn new(decoded: Decoded) -> Self {
        let Decoded { width, height, orientation, mut symbols } = decoded;
        let displayed = |point: Point| orientation.to_displayed(point, width, height);
        for symbol in &mut symbols {
            symbol.corners = symbol.corners.map(|Corners(corners)| Corners(corners.map(displayed)));
        }
        if orientation != Orientation::Upright {
            // The order of the stored picture is another one.
            reading_order(&mut symbols);
        }
        let (w, h) = orientation.displayed_size(width, height);
        let size = ImgSize { w, h };
        let code_results = symbols.into_iter().map(|symbol| CodeResult::new(symbol, size)).collect();
        Self { errcode: 0, errmsg: "ok", code_results, img_size: size }
    }
}

impl CodeResult {
    fn new(symbol: Symbol, size: ImgSize) -> Self {
        let has_pos = matches!(symbol.kind, Kind::QrCode | Kind::DataMatrix);
        let pos = symbol.corners.filter(|_| has_pos).map(|Corners(corners)| {
            let [left_top, right_top, right_bottom, left_bottom] = corners.map(|point| Place::new(point, size));
            Pos { left_top, right_top, right_bottom, left_bottom }
        });
        Self { type_name: type_name(symbol.kind), data: symbol.text, pos }
    }
}

impl Place {
    /// The nearest pixel that the picture has.
    fn new(point: Point, size: ImgSize) -> Self {
        let within = |value: f32, length: u32| (value.round().max(0.0) as u32).min(length.saturating_sub(1));
        Self { x: within(point.x, size.w), y: within(point.y, size.h) }
    }
}

/// The vendor's spelling.
///
/// Documented: `QR_CODE`, `EAN_13`, `CODE_128`. Recorded: the sibling scan API's published type definitions have the same
/// style. Assumed: `MICRO_QR_CODE`, `RMQR_CODE`, `RSS_LIMITED`, `TELEPEN`, `DX_FILM_EDGE`.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::QrCode => "QR_CODE",
        Kind::MicroQrCode => "MICRO_QR_CODE",
        Kind::RmqrCode => "RMQR_CODE",
        Kind::DataMatrix => "DATA_MATRIX",
        Kind::Aztec => "AZTEC",
        Kind::MaxiCode => "MAXICODE",
        Kind::Pdf417 => "PDF_417",
        Kind::Codabar => "CODABAR",
        Kind::Code39 => "CODE_39",
        Kind::Code93 => "CODE_93",
        Kind::Code128 => "CODE_128",
        Kind::Ean8 => "EAN_8",
        Kind::Ean13 => "EAN_13",
        Kind::UpcA => "UPC_A",
        Kind::UpcE => "UPC_E",
        Kind::UpcEanExtension => "UPC_EAN_EXTENSION",
        Kind::Itf => "ITF",
        Kind::Rss14 => "RSS_14",
        Kind::RssLimited => "RSS_LIMITED",
        Kind::RssExpanded => "RSS_EXPANDED",
        Kind::Telepen => "TELEPEN",
        Kind::DxFilmEdge => "DX_FILM_EDGE",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::text;
    use super::*;

    fn symbol(kind: Kind, data: &str, corners: Option<[(f32, f32); 4]>) -> Symbol {
        let corners = corners.map(|corners| Corners(corners.map(|(x, y)| Point { x, y })));
        Symbol { kind, text: data.to_owned(), bytes: Vec::new(), corners }
    }

    fn answer(width: u32, height: u32, orientation: Orientation, symbols: Vec<Symbol>) -> String {
        let scanned = Scanned::new(Decoded { width, height, orientation, symbols });
        String::from_utf8(text(&scanned)).expect("UTF-8")
    }

    #[test]
    fn the_documented_answer_comes_out_to_the_byte() {
        let square = [(584.6, 378.4), (828.0, 378.0), (828.0, 618.0), (585.0, 618.0)];
        let symbols = vec![
            symbol(Kind::QrCode, "https://www.qq.com", Some(square)),
            symbol(Kind::Ean13, "5906789678957", Some(square)),
            symbol(Kind::Code128, "50090500019191", None),
        ];
        assert_eq!(
            answer(1000, 900, Orientation::Upright, symbols),
            concat!(
                r#"{"errcode":0,"errmsg":"ok","code_results":[{"type_name":"QR_CODE","data":"https:\/\/www.qq.com","#,
                r#""pos":{"left_top":{"x":585,"y":378},"right_top":{"x":828,"y":378},"right_bottom":{"x":828,"y":618},"#,
                r#""left_bottom":{"x":585,"y":618}}},{"type_name":"EAN_13","data":"5906789678957"},"#,
                r#"{"type_name":"CODE_128","data":"50090500019191"}],"img_size":{"w":1000,"h":900}}"#
            )
        );
    }

    #[test]
    fn only_qr_and_data_matrix_have_a_place() {
        let square = Some([(1.0, 1.0), (9.0, 1.0), (9.0, 9.0), (1.0, 9.0)]);
        for kind in Kind::ALL {
            let has_pos = answer(10, 10, Orientation::Upright, vec![symbol(kind, "x", square)]).contains("pos");
            assert_eq!(has_pos, matches!(kind, Kind::QrCode | Kind::DataMatrix), "{kind:?}");
        }
    }

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Kind::ALL.into_iter().map(type_name).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn corners_stay_within_the_picture() {
        let beyond = Some([(-3.0, -0.6), (10.4, f32::NAN), (99.0, 20.0), (f32::MIN, f32::MAX)]);
        let shown = answer(10, 20, Orientation::Upright, vec![symbol(Kind::QrCode, "x", beyond)]);
        let pos = concat!(
            r#""pos":{"left_top":{"x":0,"y":0},"right_top":{"x":9,"y":0},"#,
            r#""right_bottom":{"x":9,"y":19},"left_bottom":{"x":0,"y":19}}"#
        );
        assert!(shown.contains(pos), "{shown}");
    }

    #[test]
    fn places_and_size_are_those_of_the_displayed_picture() {
        // Stored 30 × 20, displayed 20 × 30 after a quarter turn clockwise: the stored left lower corner is on top.
        let at = |x: f32, y: f32| Some([(x, y), (x + 4.0, y), (x + 4.0, y + 4.0), (x, y + 4.0)]);
        let symbols = vec![
            symbol(Kind::QrCode, "stored above", at(20.0, 2.0)),
            symbol(Kind::Ean8, "nowhere", None),
            symbol(Kind::QrCode, "stored below", at(2.0, 12.0)),
        ];
        let shown: serde_json::Value =
            serde_json::from_str(&answer(30, 20, Orientation::Rotated90, symbols)).expect("JSON");
        assert_eq!(shown["img_size"], serde_json::json!({ "w": 20, "h": 30 }));
        let data: Vec<_> = (0..3).map(|i| shown["code_results"][i]["data"].as_str().unwrap_or_default()).collect();
        assert_eq!(data, ["stored below", "stored above", "nowhere"]);
        let pos = &shown["code_results"][0]["pos"];
        assert_eq!(pos["left_top"], serde_json::json!({ "x": 8, "y": 2 }), "the symbol's own left top");
        assert_eq!(pos["right_top"], serde_json::json!({ "x": 8, "y": 6 }));
    }
}
