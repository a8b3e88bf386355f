//! What is drawn reads back, whatever the text and the width.

use proptest::prelude::*;
use qrstack::codec::encode::{Level, QrOptions, code128, qr};
use qrstack::codec::render::{self, Bitmap};
use qrstack::codec::{Budget, Kind, Kinds, Limits, Matrix, load, read};

/// Quiet zones of QR Code and of Code 128, in modules.
const QR_QUIET: u32 = 4;
const BAR_QUIET: u32 = 10;

/// The picture of `matrix` that is `width` pixels wide, or the smallest one that is possible.
fn picture(matrix: &Matrix, width: u32, quiet: u32) -> Bitmap {
    let layout = render::fit(matrix, width, quiet, 1);
    assert_eq!(layout.widened, layout.width_px != width, "{layout:?}");
    render::place(matrix, layout.module_px, layout.width_px, layout.height_px)
}

/// The texts that are read in a picture file.
fn texts(file: &[u8], kind: Kind) -> Vec<String> {
    let loaded = load(file, &Limits::default()).expect("just drawn");
    let reading = read(&loaded.luma, Kinds::ALL, &Budget::default());
    reading.symbols.into_iter().filter(|symbol| symbol.kind == kind).map(|symbol| symbol.text).collect()
}

/// Texts as clients send them: any Unicode, what is written in each mode of a QR Code, and mixtures.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{1,80}",
        "[0-9]{1,200}",
        "[0-9A-Z $%*+./:-]{1,150}",
        "[a-z]{1,20}[0-9]{0,20}[A-Z]{0,20}[一-龥]{0,20}",
        "https?://[a-z]{1,12}\\.(com|cn)/[a-zA-Z0-9/?=&%]{0,60}",
        "[一-龥，。！]{1,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_qr_code_of_any_text_width_and_level_reads_back(
        text in any_text(),
        width in 1..=600_u32,
        level in prop_oneof![Just(Level::L), Just(Level::M), Just(Level::Q), Just(Level::H)],
    ) {
        let matrix = qr(&text, &QrOptions { level, fall_back: true }).expect("short enough");
        let png = render::png(&picture(&matrix, width, QR_QUIET));
        prop_assert_eq!(texts(&png, Kind::QrCode), [text]);
    }

    #[test]
    fn a_barcode_of_any_ascii_and_width_reads_back(text in "[\\x00-\\x7F]{1,80}", width in 1..=2000_u32) {
        let matrix = code128(&text).expect("short ASCII");
        let png = render::png(&picture(&matrix, width, BAR_QUIET));
        prop_assert_eq!(texts(&png, Kind::Code128), [text]);
    }

    #[test]
    fn codes_in_a_jpeg_read_back(text in any_text(), width in 150..=600_u32, quality in 70..=100_u8) {
        let matrix = qr(&text, &QrOptions::default()).expect("short enough");
        let bitmap = picture(&matrix, width, QR_QUIET);
        prop_assert_eq!(texts(&render::jpeg(&bitmap, quality), Kind::QrCode), [text]);
    }
}

/// Every width about the smallest, where modules are one pixel and the quiet zone shrinks to one module.
#[test]
fn the_smallest_pictures_read_back() {
    for length in [1, 40, 300] {
        let text: String = "https://example.com/0123456789ABCDEF".chars().cycle().take(length).collect();
        let matrix = qr(&text, &QrOptions::default()).expect("short enough");
        for width in matrix.width() as u32..matrix.width() as u32 + 12 {
            let bitmap = picture(&matrix, width, QR_QUIET);
            assert_eq!(
                texts(&render::png(&bitmap), Kind::QrCode),
                [text.as_str()],
                "{length} characters, {width} pixels"
            );
        }
    }
    for length in [1, 7, 40, 80] {
        let text: String = "abc123\x01DEF456".chars().cycle().take(length).collect();
        let matrix = code128(&text).expect("short ASCII");
        for width in matrix.width() as u32..matrix.width() as u32 + 25 {
            let bitmap = picture(&matrix, width, BAR_QUIET);
            assert_eq!(
                texts(&render::png(&bitmap), Kind::Code128),
                [text.as_str()],
                "{length} characters, {width} pixels"
            );
        }
    }
}

/// The largest symbol there is, at the smallest size that it can have.
#[test]
fn the_longest_text_reads_back() {
    let text = "x".repeat(2953);
    let matrix = qr(&text, &QrOptions::default()).expect("fits");
    for width in [179, 185, 370, 600] {
        assert_eq!(texts(&render::png(&picture(&matrix, width, QR_QUIET)), Kind::QrCode), [text.as_str()], "{width}");
    }
}
