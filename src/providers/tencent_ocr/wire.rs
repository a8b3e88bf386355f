//! What Tencent Cloud OCR has on the wire: the frame of every answer, and the two actions' requests and answers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, SERVER};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;

use super::action::Action;
use super::catalog::{Gtin, Product};
use super::error::{Error, Voice};
use super::parameters::{Given, Parameters};
use super::received::Language;
use crate::codec::{Kind, Symbol};
use crate::explain::Explanation;
use crate::shared::{Decoded, Outcome, Shared};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-tc-requestid");
const TRACE_ID: HeaderName = HeaderName::from_static("x-tc-traceid");

/// What every answer needs of its request, known before anything is checked.
pub(super) struct Frame {
    shared: Shared,
    trace_id: Option<HeaderValue>,
    pub(super) language: Language,
    pub(super) action: Option<Action>,
    /// Why the signature is refused, if it is.
    pub(super) explanation: Option<Explanation>,
    /// The key that the request names.
    pub(super) credential: Option<Arc<str>>,
}

impl Frame {
    /// For a request of which nothing is known.
    pub(super) fn bare(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
            trace_id: None,
            language: Language::Unstated,
            action: None,
            explanation: None,
            credential: None,
        }
    }

    pub(super) fn of(parts: &Parts, shared: &Shared) -> Self {
        Self {
            trace_id: parts.headers.get(TRACE_ID).cloned(),
            language: Language::of_head(parts),
            ..Self::bare(shared)
        }
    }

    /// The answer on the wire: always HTTP 200, and `application/json` without a character set.
    ///
    /// Recorded: with any other status the Python, Node.js, Java, PHP and .NET SDKs lose code and message; with a
    /// character set the Python SDK takes a failure for a success.
    pub(super) fn close(self, answer: Result<Answer, Error>) -> Response {
        let request_id = self.shared.ids_of(self.credential.as_deref()).uuid();
        let (body, code) = match answer {
            Ok(Answer::QrcodeOcr(answer)) => (write(&request_id, answer), "ok"),
            Ok(Answer::QueryBarCode(answer)) => (write(&request_id, answer), "ok"),
            Err(error) => {
                let row = error.row();
                let message = match (row.voice, self.language) {
                    (Voice::Gateway, Language::Chinese)
                    | (Voice::Action(_), Language::Chinese | Language::Unstated) => row.chinese,
                    (Voice::Gateway, Language::English | Language::Unstated)
                    | (Voice::Action(_), Language::English) => row.english,
                };
                (write(&request_id, Failed { error: Failure { code: row.code, message: &message } }), row.code)
            }
        };
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(SERVER, HeaderValue::from_static("nginx"));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(trace_id) = self.trace_id {
            headers.insert(TRACE_ID, trace_id);
        }
        let outcome = Outcome::new(code).of(self.action.map(Action::name)).by(self.credential);
        response.extensions_mut().insert(outcome);
        Outcome::explain(&mut response, self.explanation);
        response
    }
}

fn write<T: Serialize>(request_id: &str, content: T) -> String {
    let envelope = Envelope { response: Content { content, request_id } };
    serde_json::to_string(&envelope).expect("texts and numbers are always JSON")
}

/// Documented: "Responses"; the id is there in success and in failure.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a, T> {
    response: Content<'a, T>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content<'a, T> {
    #[serde(flatten)]
    content: T,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed<'a> {
    error: Failure<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failure<'a> {
    code: &'static str,
    message: &'a str,
}

/// A successful answer.
pub(super) enum Answer {
    QrcodeOcr(QrcodeOcrResponse),
    QueryBarCode(QueryBarCodeResponse),
}

/// The request of `QrcodeOCR`.
///
/// Documented: action page, parameters. Where both are given the address alone counts.
pub(super) enum QrcodeOcrRequest {
    /// `ImageUrl`.
    ImageUrl(String),
    /// `ImageBase64`, the text as sent.
    ImageBase64(String),
    /// `ImageBase64` as a binary part of a form, which holds the picture itself.
    Raw(Bytes),
}

impl TryFrom<Parameters> for QrcodeOcrRequest {
    type Error = Error;

    /// Assumed: without either, or with empty texts, the picture is empty.
    fn try_from(mut parameters: Parameters) -> Result<Self, Error> {
        if let Some(url) = parameters.take_text("ImageUrl")?.filter(|url| !url.is_empty()) {
            return Ok(Self::ImageUrl(url));
        }
        match parameters.take("ImageBase64") {
            Some(Given::Text(text)) if !text.is_empty() => Ok(Self::ImageBase64(text)),
            Some(Given::Raw(bytes)) if !bytes.is_empty() => Ok(Self::Raw(bytes)),
            Some(Given::Text(_) | Given::Raw(_)) | None => Err(Error::EmptyImageError),
            Some(Given::Other) => Err(Error::InvalidParameter("ImageBase64".into())),
        }
    }
}

/// The bytes that a base64 text of `max_base64` characters holds.
pub(super) fn max_bytes(max_base64: usize) -> usize {
    max_base64 / 4 * 3 + max_base64 % 4 * 3 / 4
}

/// Decodes a picture: the standard alphabet, with or without padding, line breaks ignored.
///
/// Documented: the limit counts the characters of the text. Assumed: what is tolerated.
pub(super) fn decode_base64(text: &str, max_base64: usize) -> Result<Vec<u8>, Error> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    if text.len() > max_base64 {
        return Err(Error::TooLargeFileError);
    }
    let decoded =
        if text.contains(['\r', '\n']) { LENIENT.decode(text.replace(['\r', '\n'], "")) } else { LENIENT.decode(text) };
    decoded.map_err(|_| Error::ImageDecodeFailed)
}

/// The answer of `QrcodeOCR`.
///
/// Documented: action page and newer models; fields in this order, all present.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QrcodeOcrResponse {
    code_results: Vec<QrcodeResultsInfo>,
    img_size: QrcodeImgSize,
}

/// One code.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QrcodeResultsInfo {
    type_name: &'static str,
    /// The text, whether it is an address or not.
    url: String,
    position: QrcodePositionObj,
}

/// The corners of a code, clockwise from its own top left, in pixels of the picture as stored.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QrcodePositionObj {
    left_top: Coord,
    right_top: Coord,
    right_bottom: Coord,
    left_bottom: Coord,
}

/// Recorded: the Go and Java SDKs fail on anything but whole numbers.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Coord {
    x: i64,
    y: i64,
}

/// Size of the picture as stored, in pixels.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
struct QrcodeImgSize {
    wide: u32,
    high: u32,
}

impl From<Decoded> for QrcodeOcrResponse {
    fn from(decoded: Decoded) -> Self {
        let img_size = QrcodeImgSize { wide: decoded.width, high: decoded.height };
        let code_results = decoded.symbols.into_iter().map(|symbol| QrcodeResultsInfo::new(symbol, img_size)).collect();
        Self { code_results, img_size }
    }
}

impl QrcodeOcrResponse {
    pub(super) fn is_empty(&self) -> bool {
        self.code_results.is_empty()
    }
}

impl QrcodeResultsInfo {
    fn new(symbol: Symbol, size: QrcodeImgSize) -> Self {
        Self { type_name: type_name(&symbol), position: QrcodePositionObj::new(&symbol, size), url: symbol.text }
    }
}

impl QrcodePositionObj {
    /// Documented: −1 throughout for linear codes. Assumed: rounding, clamping, and −1 where the place is unknown.
    fn new(symbol: &Symbol, size: QrcodeImgSize) -> Self {
        const UNKNOWN: Coord = Coord { x: -1, y: -1 };
        let corners = symbol.corners.filter(|_| !symbol.kind.is_linear());
        let [left_top, right_top, right_bottom, left_bottom] = corners.map_or([UNKNOWN; 4], |corners| {
            corners.0.map(|point| Coord {
                x: (point.x.round() as i64).clamp(0, i64::from(size.wide)),
                y: (point.y.round() as i64).clamp(0, i64::from(size.high)),
            })
        });
        Self { left_top, right_top, right_bottom, left_bottom }
    }
}

/// `TypeName`: underscores in the names of two-dimensional codes, hyphens in those of linear ones.
///
/// Documented (newest model): QR_CODE, EAN-13, EAN-8, EAN-2, UPC-A, UPC-E, CODE-39, CODE-93, CODE-128, PDF_417,
/// DATA_MATRIX; `WX_CODE` is never reported. Assumed: all others, after the same pattern.
fn type_name(symbol: &Symbol) -> &'static str {
    match symbol.kind {
        Kind::QrCode => "QR_CODE",
        Kind::MicroQrCode => "MICRO_QR_CODE",
        Kind::RmqrCode => "RMQR_CODE",
        Kind::DataMatrix => "DATA_MATRIX",
        Kind::Aztec => "AZTEC",
        Kind::MaxiCode => "MAXICODE",
        Kind::Pdf417 => "PDF_417",
        Kind::Codabar => "CODABAR",
        Kind::Code39 => "CODE-39",
        Kind::Code93 => "CODE-93",
        Kind::Code128 => "CODE-128",
        Kind::Ean8 => "EAN-8",
        Kind::Ean13 => "EAN-13",
        Kind::UpcA => "UPC-A",
        Kind::UpcE => "UPC-E",
        // The add-on has two digits or five.
        Kind::UpcEanExtension if symbol.text.len() == 5 => "EAN-5",
        Kind::UpcEanExtension => "EAN-2",
        Kind::Itf => "ITF",
        Kind::Rss14 | Kind::RssExpanded => "DATABAR",
        Kind::RssLimited => "RSS-LIMITED",
        Kind::Telepen => "TELEPEN",
        Kind::DxFilmEdge => "DX-FILM-EDGE",
    }
}

/// The request of `QueryBarCode`.
pub(super) struct QueryBarCodeRequest {
    /// `BarCode`, a GTIN of 8, 12, 13 or 14 digits.
    pub(super) bar_code: Gtin,
}

impl TryFrom<Parameters> for QueryBarCodeRequest {
    type Error = Error;

    fn try_from(mut parameters: Parameters) -> Result<Self, Error> {
        let text = parameters.take_text("BarCode")?.ok_or(Error::MissingParameter("BarCode".into()))?;
        if text.trim().is_empty() {
            return Err(Error::InvalidParameterValueLimit);
        }
        Gtin::parse(&text).map(|bar_code| Self { bar_code }).map_err(|_| Error::InvalidGtinError)
    }
}

/// The answer of `QueryBarCode`.
///
/// Documented: action page and the model of 2023; the code is padded to 14 digits, every field is a text.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueryBarCodeResponse {
    bar_code: String,
    product_data_records: Vec<Product>,
}

impl QueryBarCodeResponse {
    /// Documented: the picture list of a product without pictures holds one empty text.
    pub(super) fn new(code: &Gtin, record: Option<Product>) -> Self {
        let records = record.map(|mut product| {
            if product.image_link.is_empty() {
                product.image_link.push(String::new());
            }
            product
        });
        Self { bar_code: code.padded(), product_data_records: records.into_iter().collect() }
    }
}

/// The record of a well-formed code that nobody has reported: empty but for `CheckResult`.
///
/// Documented: the values. Assumed: which prefix gets which; 4 (company and code not registered) where China assigns
/// prefixes, E005 (prefix for special use) where shops number their own goods, else S001 (no registration found).
pub(super) fn unknown_product(code: &Gtin) -> Product {
    let check_result = match code.prefix() {
        690..=699 => "4",
        20..=29 | 40..=49 | 200..=299 => "E005",
        _ => "S001",
    };
    Product { check_result: check_result.to_owned(), ..Product::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Corners, Point};

    const LIMIT: usize = 3_145_728;

    #[test]
    fn base64_is_lenient_where_that_is_harmless() {
        for (text, expected) in [
            ("aGk=", Ok(&b"hi"[..])),
            ("aGk", Ok(b"hi")),
            ("aG\r\nk\n=", Ok(b"hi")),
            ("aGl=", Ok(b"hi")),
            ("\r\n", Ok(b"")),
            ("aGk==", Err(Error::ImageDecodeFailed)),
            ("aG k", Err(Error::ImageDecodeFailed)),
            ("-_-_", Err(Error::ImageDecodeFailed)),
            ("data:image/png;base64,aGk=", Err(Error::ImageDecodeFailed)),
            ("aGk=aGk=", Err(Error::ImageDecodeFailed)),
            ("a", Err(Error::ImageDecodeFailed)),
            ("中文", Err(Error::ImageDecodeFailed)),
        ] {
            assert_eq!(decode_base64(text, LIMIT).as_deref(), expected.as_deref(), "{text:?}");
        }
    }

    #[test]
    fn a_base64_text_may_reach_its_limit_and_not_pass_it() {
        assert_eq!(decode_base64(&"A".repeat(LIMIT), LIMIT).expect("fits").len(), max_bytes(LIMIT));
        assert_eq!(decode_base64(&"A".repeat(LIMIT + 1), LIMIT), Err(Error::TooLargeFileError));
        for (limit, expected) in [(LIMIT, 2_359_296), (10_485_760, 7_864_320), (6, 4), (7, 5), (0, 0)] {
            assert_eq!(max_bytes(limit), expected, "{limit}");
        }
    }

    fn symbol(kind: Kind, text: &str) -> Symbol {
        let corners = [(-0.6, 0.4), (99.5, 0.5), (120.0, 80.2), (10.4, 79.9)].map(|(x, y)| Point { x, y });
        Symbol { kind, text: text.to_owned(), bytes: text.into(), corners: Some(Corners(corners)) }
    }

    #[test]
    fn every_kind_has_its_own_name_in_the_vendors_pattern() {
        let names: Vec<_> = Kind::ALL.into_iter().map(|kind| (kind, type_name(&symbol(kind, "12")))).collect();
        for (kind, name) in &names {
            assert!(!kind.is_linear() || !name.contains('_'), "{name}");
            assert!(kind.is_linear() || !name.contains('-'), "{name}");
        }
        let distinct: std::collections::BTreeSet<_> = names.iter().map(|(_, name)| name).collect();
        assert_eq!(distinct.len(), Kind::ALL.len() - 1, "the two sorts of DataBar alone share a name");
        assert_eq!(type_name(&symbol(Kind::UpcEanExtension, "12345")), "EAN-5");
    }

    #[test]
    fn corners_are_whole_clamped_and_unknown_for_linear_codes() {
        let json = |kind| {
            let size = QrcodeImgSize { wide: 100, high: 80 };
            serde_json::to_string(&QrcodePositionObj::new(&symbol(kind, "x"), size)).expect("JSON")
        };
        let two_dimensional = r#"{"LeftTop":{"X":0,"Y":0},"RightTop":{"X":100,"Y":1},"RightBottom":{"X":100,"Y":80},"LeftBottom":{"X":10,"Y":80}}"#;
        let linear = r#"{"LeftTop":{"X":-1,"Y":-1},"RightTop":{"X":-1,"Y":-1},"RightBottom":{"X":-1,"Y":-1},"LeftBottom":{"X":-1,"Y":-1}}"#;
        for kind in Kind::ALL {
            assert_eq!(json(kind), if kind.is_linear() { linear } else { two_dimensional }, "{kind:?}");
        }
    }

    #[test]
    fn unknown_products_are_judged_by_the_prefix_of_the_code_as_sent() {
        for (code, expected) in [
            ("6901234567892", "4"),
            ("06901234567892", "4"),
            ("16999999999994", "4"),
            ("6890000000001", "S001"),
            ("7000000000003", "S001"),
            ("2000000000008", "E005"),
            ("2999999999991", "E005"),
            ("3000000000007", "S001"),
            ("0200000000004", "E005"),
            ("0290000000005", "E005"),
            ("0300000000001", "S001"),
            ("200000000004", "E005"),
            ("490000000009", "E005"),
            ("590000000006", "S001"),
            ("20000004", "E005"),
            ("69000003", "4"),
        ] {
            let gtin = Gtin::parse(code).unwrap_or_else(|error| panic!("{code}: {error}"));
            assert_eq!(unknown_product(&gtin).check_result, expected, "{code}");
        }
    }
}
