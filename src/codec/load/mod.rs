//! Picture bytes to grey pixels.

mod orientation;

use std::io::Cursor;

use image::{ImageFormat, ImageReader};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

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

/// A picture format that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline and progressive.
    Jpeg,
    /// GIF; the first frame counts.
    Gif,
    /// WebP; the first frame counts.
    WebP,
    /// Windows bitmap.
    Bmp,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
        }
    }
}

/// A picture, loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Grey pixels as stored.
    pub luma: Luma,
    /// How they are turned to be displayed.
    pub orientation: Orientation,
    /// What the bytes were.
    pub format: Format,
}

fn sniff(bytes: &[u8]) -> Result<(Format, ImageFormat), LoadError> {
    match image::guess_format(bytes) {
        Ok(f @ ImageFormat::Png) => Ok((Format::Png, f)),
        Ok(f @ ImageFormat::Jpeg) => Ok((Format::Jpeg, f)),
        Ok(f @ ImageFormat::Gif) => Ok((Format::Gif, f)),
        Ok(f @ ImageFormat::WebP) => Ok((Format::WebP, f)),
        Ok(f @ ImageFormat::Bmp) => Ok((Format::Bmp, f)),
        _ => Err(LoadError::UnknownFormat),
    }
}

/// Width and height from the header.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if bytes.len() > limits.max_bytes {
        return Err(LoadError::TooManyBytes { limit: limits.max_bytes, found: bytes.len() });
    }
    let (format, f) = sniff(bytes)?;
    let (width, height) =
        ImageReader::with_format(Cursor::new(bytes), f).into_dimensions().map_err(|e| broken(format, e))?;
    if width.max(height) > limits.max_side {
        return Err(LoadError::SideTooLong { limit: limits.max_side, width, height });
    }
    let found = u64::from(width) * u64::from(height);
    if found > limits.max_pixels {
        return Err(LoadError::TooManyPixels { limit: limits.max_pixels, found });
    }
    Ok((width, height))
}

fn broken(format: Format, reason: impl ToString) -> LoadError {
    LoadError::Broken { format: format.name(), reason: reason.to_string() }
}

/// Grey pixels of a picture.
pub fn load(bytes: &[u8], limits: &Limits) -> Result<Loaded, LoadError> {
    probe(bytes, limits)?;
    let (format, f) = sniff(bytes)?;
    if format == Format::Jpeg {
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        if let Ok(pixels) = decoder.decode()
            && let Some((w, h)) = decoder.dimensions()
            && pixels.len() == w * h
        {
            return Ok(Loaded {
                luma: Luma::new(w as u32, h as u32, pixels),
                orientation: Orientation::Upright,
                format,
            });
        }
    }
    let picture = image::load_from_memory_with_format(bytes, f).map_err(|e| broken(format, e))?;
    let (width, height) = (picture.width(), picture.height());
    let pixels = picture
        .into_rgba8()
        .pixels()
        .map(|p| {
            let [r, g, b, a] = p.0.map(u32::from);
            let grey = (r * 77 + g * 150 + b * 29 + 128) >> 8;
            ((grey * a + 255 * (255 - a) + 127) / 255) as u8
        })
        .collect();
    Ok(Loaded { luma: Luma::new(width, height, pixels), orientation: Orientation::Upright, format })
}
