//! Picture bytes to grey pixels: [`probe`] looks at the header alone, [`load()`] decodes.
//!
//! The format is told by the first bytes, never by a name or a media type. Bytes, sides and pixels are checked from the
//! header before memory is taken for pixels. Grey is Y of Rec. 601, which JPEG and WebP hold as such; transparency lies on
//! white; of an animation the first frame counts. Colour profiles, texts and XMP are not looked at. EXIF tells how to
//! turn the picture and is not applied.
//!
//! One file per format, each with `size` (header to size) and `decode` (bytes to luma and orientation).

mod bmp;
mod exif;
mod gif;
mod grey;
mod jpeg;
mod orientation;
mod png;
mod webp;

pub use orientation::Orientation;

use super::{LoadError, Luma};

/// What a picture may be. Checked before memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the file. Default: 64 MiB.
    pub max_bytes: usize,
    /// Most pixels of each side. Default: 16 384.
    pub max_side: u32,
    /// Most pixels in all. Default: 50 million.
    pub max_pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_side: 16_384, max_pixels: 50_000_000 }
    }
}

impl Limits {
    /// Whether a picture (or a frame inside one) of this size may be decoded.
    fn check(&self, width: u32, height: u32) -> Result<(), LoadError> {
        if width.max(height) > self.max_side {
            return Err(LoadError::SideTooLong { limit: self.max_side, width, height });
        }
        let found = u64::from(width) * u64::from(height);
        if found > self.max_pixels {
            return Err(LoadError::TooManyPixels { limit: self.max_pixels, found });
        }
        Ok(())
    }
}

/// A picture format that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline and progressive.
    Jpeg,
    /// Graphics Interchange Format.
    Gif,
    /// WebP, lossy and lossless.
    WebP,
    /// Windows bitmap.
    Bmp,
}

impl Format {
    /// The format that begins like `bytes`.
    fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            // Two letters alone would be any text about BMW: the size of the second header must be one that exists.
            [b'B', b'M', header @ ..]
                if matches!(header.get(12..16), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) =>
            {
                Some(Self::Bmp)
            }
            _ => None,
        }
    }

    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
        }
    }

    /// The error of broken data, with the decoder's words.
    fn broken(self, reason: &(impl std::fmt::Display + ?Sized)) -> LoadError {
        LoadError::Broken { format: self.name(), reason: reason.to_string() }
    }
}

/// A picture, loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Grey pixels as stored.
    pub luma: Luma,
    /// How they are turned to be displayed.
    pub orientation: Orientation,
    /// What the bytes were.
    pub format: Format,
}

/// The most memory that [`load()`] holds at once, in bytes a pixel, for whoever reserves memory after a [`probe`].
///
/// Measured on nine megapixels: an animated lossless WebP takes 12, a progressive JPEG in CMYK 11, in colour 7, a lossy
/// WebP with opacity 11, all others less; PNG and baseline JPEG take 1.
pub const PEAK_BYTES_PER_PIXEL: u64 = 12;

/// Width and height in pixels, as stored, from the header alone.
///
/// # Errors
/// [`LoadError`] as [`load()`], as far as the header shows it.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), LoadError> {
    header(bytes, limits).map(|(_, size)| size)
}

/// Grey pixels of a picture in PNG, JPEG, GIF, WebP or BMP format.
///
/// A JPEG whose end is missing or damaged gives what there is, the rest in grey, as most programs show it.
///
/// # Errors
/// Each variant of [`LoadError`]. [`LoadError::Broken`] also where the data ends before anything can be seen.
///
/// # Example
/// ```
/// use qrstack::codec::{Limits, load};
/// let gif = b"GIF89a\x01\0\x01\0\x80\0\0\xFF\xFF\xFF\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
/// let loaded = load(gif, &Limits::default())?;
/// assert_eq!((loaded.luma.width(), loaded.luma.pixels()), (1, &[255][..]));
/// # Ok::<(), qrstack::codec::LoadError>(())
/// ```
pub fn load(bytes: &[u8], limits: &Limits) -> Result<Loaded, LoadError> {
    let (format, (width, height)) = header(bytes, limits)?;
    let (pixels, orientation) = match format {
        Format::Png => png::decode(bytes),
        Format::Jpeg => jpeg::decode(bytes),
        Format::Gif => gif::decode(bytes, limits),
        Format::WebP => webp::decode(bytes),
        Format::Bmp => bmp::decode(bytes),
    }?;
    Ok(Loaded { luma: Luma::new(width, height, pixels), orientation, format })
}

/// What the header says, checked.
fn header(bytes: &[u8], limits: &Limits) -> Result<(Format, (u32, u32)), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if bytes.len() > limits.max_bytes {
        return Err(LoadError::TooManyBytes { limit: limits.max_bytes, found: bytes.len() });
    }
    let format = Format::sniff(bytes).ok_or(LoadError::UnknownFormat)?;
    let (width, height) = match format {
        Format::Png => png::size(bytes),
        Format::Jpeg => jpeg::size(bytes),
        Format::Gif => gif::size(bytes),
        Format::WebP => webp::size(bytes),
        Format::Bmp => bmp::size(bytes),
    }?;
    if width == 0 || height == 0 {
        return Err(format.broken(&format_args!("the size is {width} × {height}")));
    }
    limits.check(width, height)?;
    Ok((format, (width, height)))
}

/// What a format's `decode` gives: as many grey pixels as its `size` says, and how to turn them.
type Decoded = Result<(Vec<u8>, Orientation), LoadError>;
