//! The workshop: draws and reads symbols. Synchronous, pure, no I/O; it has never heard of HTTP or of any vendor.
//!
//! This is the only place that names `qrcode`, `rxing` and `image`. Here: the vocabulary that every other module
//! speaks. Read next: [`load()`] (bytes to grey pixels), [`read()`] (grey pixels to symbols), [`encode`] (text to
//! modules), [`render`] (modules to picture bytes), [`lab`] (pictures that are hard to read, on purpose).
//!
//! **Frame.** All coordinates are pixels of the picture *as stored* (EXIF orientation not applied), origin at the
//! outer corner of the top left pixel, x to the right, y down. The centre of the first pixel is (0.5, 0.5).

pub mod encode;
mod error;
pub mod lab;
mod load;
mod read;
pub mod render;
mod text;

pub use error::{EncodeError, LoadError};
pub use load::{Format, Limits, Loaded, Orientation, PEAK_BYTES_PER_PIXEL, load, probe};
pub use read::{Budget, Kinds, Reading, read, reading_order};

/// A symbology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// QR Code, ISO/IEC 18004 (models 1 and 2).
    QrCode,
    /// Micro QR Code, ISO/IEC 18004.
    MicroQrCode,
    /// Rectangular Micro QR Code, ISO/IEC 23941.
    RmqrCode,
    /// Data Matrix ECC 200, ISO/IEC 16022.
    DataMatrix,
    /// Aztec Code, ISO/IEC 24778.
    Aztec,
    /// MaxiCode, ISO/IEC 16023.
    MaxiCode,
    /// PDF417, ISO/IEC 15438.
    Pdf417,
    /// Codabar (NW-7).
    Codabar,
    /// Code 39, ISO/IEC 16388.
    Code39,
    /// Code 93.
    Code93,
    /// Code 128, ISO/IEC 15417.
    Code128,
    /// EAN-8, ISO/IEC 15420.
    Ean8,
    /// EAN-13, ISO/IEC 15420.
    Ean13,
    /// UPC-A, ISO/IEC 15420.
    UpcA,
    /// UPC-E, ISO/IEC 15420.
    UpcE,
    /// The two- or five-digit add-on of an EAN/UPC symbol.
    UpcEanExtension,
    /// Interleaved 2 of 5, ISO/IEC 16390.
    Itf,
    /// GS1 DataBar Omnidirectional (RSS-14), ISO/IEC 24724.
    Rss14,
    /// GS1 DataBar Limited.
    RssLimited,
    /// GS1 DataBar Expanded.
    RssExpanded,
    /// Telepen.
    Telepen,
    /// The latent-image bar code along the edge of 35 mm film.
    DxFilmEdge,
}

impl Kind {
    /// Every kind once, in the order of declaration.
    pub const ALL: [Self; 22] = [
        Self::QrCode,
        Self::MicroQrCode,
        Self::RmqrCode,
        Self::DataMatrix,
        Self::Aztec,
        Self::MaxiCode,
        Self::Pdf417,
        Self::Codabar,
        Self::Code39,
        Self::Code93,
        Self::Code128,
        Self::Ean8,
        Self::Ean13,
        Self::UpcA,
        Self::UpcE,
        Self::UpcEanExtension,
        Self::Itf,
        Self::Rss14,
        Self::RssLimited,
        Self::RssExpanded,
        Self::Telepen,
        Self::DxFilmEdge,
    ];

    /// Its name where no vendor has a say: WeChat's spelling of the kinds that it names, the same style for the others.
    pub fn name(self) -> &'static str {
        match self {
            Self::QrCode => "QR_CODE",
            Self::MicroQrCode => "MICRO_QR_CODE",
            Self::RmqrCode => "RMQR_CODE",
            Self::DataMatrix => "DATA_MATRIX",
            Self::Aztec => "AZTEC",
            Self::MaxiCode => "MAXICODE",
            Self::Pdf417 => "PDF_417",
            Self::Codabar => "CODABAR",
            Self::Code39 => "CODE_39",
            Self::Code93 => "CODE_93",
            Self::Code128 => "CODE_128",
            Self::Ean8 => "EAN_8",
            Self::Ean13 => "EAN_13",
            Self::UpcA => "UPC_A",
            Self::UpcE => "UPC_E",
            Self::UpcEanExtension => "UPC_EAN_EXTENSION",
            Self::Itf => "ITF",
            Self::Rss14 => "RSS_14",
            Self::RssLimited => "RSS_LIMITED",
            Self::RssExpanded => "RSS_EXPANDED",
            Self::Telepen => "TELEPEN",
            Self::DxFilmEdge => "DX_FILM_EDGE",
        }
    }

    /// The kind with this [name](Kind::name).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the symbol is a row of bars (as opposed to a two-dimensional symbol).
    pub fn is_linear(self) -> bool {
        match self {
            Self::QrCode
            | Self::MicroQrCode
            | Self::RmqrCode
            | Self::DataMatrix
            | Self::Aztec
            | Self::MaxiCode
            | Self::Pdf417 => false,
            Self::Codabar
            | Self::Code39
            | Self::Code93
            | Self::Code128
            | Self::Ean8
            | Self::Ean13
            | Self::UpcA
            | Self::UpcE
            | Self::UpcEanExtension
            | Self::Itf
            | Self::Rss14
            | Self::RssLimited
            | Self::RssExpanded
            | Self::Telepen
            | Self::DxFilmEdge => true,
        }
    }
}

/// A place in the picture, in pixels of the frame above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// The four outer corners of a symbol without its quiet zone, clockwise as seen in a picture that is not mirrored,
/// from the symbol's own top left: left top, right top, right bottom, left bottom *of the symbol*, whichever way it
/// lies in the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corners(pub [Point; 4]);

impl Corners {
    /// The mean of the four corners.
    pub fn centre(&self) -> Point {
        let sum = self.0.iter().fold((0.0, 0.0), |s, p| (s.0 + p.x, s.1 + p.y));
        Point { x: sum.0 / 4.0, y: sum.1 / 4.0 }
    }

    /// Whether a point is within the four sides, which do not cross.
    pub fn contain(&self, p: Point) -> bool {
        let mut sides = (0..4).map(|k| {
            let (a, b) = (self.0[k], self.0[(k + 1) % 4]);
            (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)
        });
        let first = sides.next().unwrap_or(0.0);
        sides.all(|side| side * first >= 0.0)
    }
}

/// A code found in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Symbol {
    /// Its symbology.
    pub kind: Kind,
    /// Its content as text: ECI obeyed where the symbol has one, guessed otherwise (`text` module).
    pub text: String,
    /// Its content as bytes, before any character set was applied.
    pub bytes: Vec<u8>,
    /// Where it lies; `None` where the decoder cannot tell.
    pub corners: Option<Corners>,
}

/// Grey pixels, one byte each, 0 black, 255 white, rows from top to bottom without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Luma {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Luma {
    /// Takes `pixels`, row by row.
    ///
    /// # Panics
    /// If `pixels` does not hold exactly `width × height` bytes.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), width as usize * height as usize, "a byte a pixel");
        Self { width, height, pixels }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels of row `y`.
    pub fn row(&self, y: u32) -> &[u8] {
        let start = y as usize * self.width as usize;
        &self.pixels[start..start + self.width as usize]
    }

    /// Gives the pixels back.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}

impl std::fmt::Debug for Luma {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Luma({} × {})", self.width, self.height)
    }
}

/// Black and white modules without quiet zone; a linear code is a matrix of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    width: usize,
    height: usize,
    dark: Vec<bool>,
}

impl Matrix {
    /// Takes `dark`, row by row; `true` is a black module.
    ///
    /// # Panics
    /// If `dark` does not hold exactly `width × height` modules.
    pub fn new(width: usize, height: usize, dark: Vec<bool>) -> Self {
        assert_eq!(dark.len(), width * height, "a value a module");
        Self { width, height, dark }
    }

    /// Width in modules.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in modules.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Whether the module in column `x` of row `y` is black.
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        self.row(y)[x]
    }

    /// The modules of row `y`; `true` is black.
    pub fn row(&self, y: usize) -> &[bool] {
        &self.dark[y * self.width..(y + 1) * self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("qr_code"), None);
    }
}
