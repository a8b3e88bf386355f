//! PNG: rows as stored, each turned grey at once, so that no colour picture is ever held.

use std::io::Cursor;

use png::{BitDepth, ColorType, DecodeOptions, Decoder, Info, InterlaceInfo, Reader, Transformations};

use super::{Decoded, Format, LoadError, Orientation, exif, grey};

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

/// Width and height from the first chunk.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), LoadError> {
    match chunks(bytes).next() {
        Some((b"IHDR", &[w0, w1, w2, w3, h0, h1, h2, h3, ..])) => {
            Ok((u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3])))
        }
        _ => Err(Format::Png.broken("it has no header")),
    }
}

/// Decodes to grey.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let orientation = chunks(bytes).find(|(name, _)| *name == b"eXIf").map(|(_, content)| exif::orientation(content));
    let pixels = pixels(bytes).map_err(|error| Format::Png.broken(&error))?;
    Ok((pixels, orientation.unwrap_or(Orientation::Upright)))
}

/// Names and contents of the chunks, as far as they are whole.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let (content, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        // The check sum is the decoder's matter.
        rest = after.get(4..)?;
        Some((name, content))
    })
}

fn pixels(bytes: &[u8]) -> Result<Vec<u8>, png::DecodingError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let mut pixels = vec![0; width * height];
    if is_grey_as_stored(reader.info()) {
        rows_as_stored(&mut reader, &mut pixels, width)?;
    } else {
        rows_converted(&mut reader, &mut pixels, width)?;
    }
    Ok(pixels)
}

/// Whether rows can be decoded straight to where they belong.
fn is_grey_as_stored(info: &Info<'_>) -> bool {
    info.color_type == ColorType::Grayscale
        && info.bit_depth == BitDepth::Eight
        && info.trns.is_none()
        && !info.interlaced
        // An animation's first frame may be smaller than the picture.
        && info.frame_control.is_none()
}

fn rows_as_stored(reader: &mut Source<'_>, pixels: &mut [u8], width: usize) -> Result<(), png::DecodingError> {
    for row in pixels.chunks_exact_mut(width) {
        reader.read_row(row)?;
    }
    Ok(())
}

fn rows_converted(reader: &mut Source<'_>, pixels: &mut [u8], width: usize) -> Result<(), png::DecodingError> {
    let row_grey = RowToGrey::new(reader.info());
    let height = pixels.len() / width;
    // A row of an interlaced picture is converted here first.
    let mut pass_row = vec![0; if reader.info().interlaced { width } else { 0 }];
    let mut y = 0;
    // Not one row more: what follows the last one may be missing.
    let mut rows_left = rows(reader.info());
    while rows_left > 0
        && let Some(row) = reader.next_interlaced_row()?
    {
        rows_left -= 1;
        match row.interlace() {
            InterlaceInfo::Null(_) if y < height => {
                row_grey.convert(row.data(), &mut pixels[y * width..(y + 1) * width]);
                y += 1;
            }
            InterlaceInfo::Null(_) => break,
            InterlaceInfo::Adam7(pass) => {
                row_grey.convert(row.data(), &mut pass_row);
                png::expand_interlaced_row(pixels, width, &pass_row, pass, 8);
            }
        }
    }
    Ok(())
}

/// How many rows the decoder will hand out.
fn rows(info: &Info<'_>) -> u32 {
    if !info.interlaced {
        return info.height;
    }
    // First row, distance of rows, first column of each pass (PNG, 8.2).
    [(0, 8, 0), (0, 8, 4), (4, 8, 0), (0, 4, 2), (2, 4, 0), (0, 2, 1), (1, 2, 0)]
        .into_iter()
        .filter(|&(_, _, column)| column < info.width)
        .map(|(row, step, _)| info.height.saturating_sub(row).div_ceil(step))
        .sum()
}

type Source<'a> = Reader<Cursor<&'a [u8]>>;

/// How to turn a stored row grey.
enum RowToGrey {
    /// One byte or less a pixel, looked up: greyscale up to eight bits, and palettes.
    Table { bits: usize, table: Box<[u8; 256]> },
    /// Sixteen bits of grey; the value that is transparent.
    Grey16 { transparent: Option<[u8; 2]> },
    /// Grey and opacity, `bytes` a sample.
    GreyAlpha { bytes: usize },
    /// Three colours, eight bits each; the colour that is transparent.
    Rgb8 { transparent: Option<[u8; 3]> },
    /// Three colours, sixteen bits each; the colour that is transparent.
    Rgb16 { transparent: Option<[u8; 6]> },
    /// Three colours and opacity, eight bits each.
    Rgba8,
    /// Three colours and opacity, sixteen bits each.
    Rgba16,
}

impl RowToGrey {
    fn new(info: &Info<'_>) -> Self {
        let sixteen = info.bit_depth == BitDepth::Sixteen;
        let bits = info.bit_depth as usize;
        // The decoder has reduced it to one byte a sample where samples are no longer.
        let trns = info.trns.as_deref().unwrap_or_default();
        match info.color_type {
            ColorType::Grayscale if sixteen => Self::Grey16 { transparent: trns.first_chunk().copied() },
            ColorType::Grayscale => Self::Table { bits, table: grey_table(bits, trns.first().copied()) },
            ColorType::Indexed => {
                Self::Table { bits, table: palette_table(info.palette.as_deref().unwrap_or_default(), trns) }
            }
            ColorType::GrayscaleAlpha => Self::GreyAlpha { bytes: bits / 8 },
            ColorType::Rgb if sixteen => Self::Rgb16 { transparent: trns.first_chunk().copied() },
            ColorType::Rgb => Self::Rgb8 { transparent: trns.first_chunk().copied() },
            ColorType::Rgba if sixteen => Self::Rgba16,
            ColorType::Rgba => Self::Rgba8,
        }
    }

    /// Turns as many pixels grey as both sides have.
    fn convert(&self, row: &[u8], out: &mut [u8]) {
        match self {
            Self::Table { bits, table } => look_up(row, *bits, table, out),
            Self::Grey16 { transparent } => {
                for (sample, out) in row.as_chunks().0.iter().zip(out) {
                    *out = if Some(*sample) == *transparent { 255 } else { sample[0] };
                }
            }
            Self::GreyAlpha { bytes } => {
                for (pixel, out) in row.chunks_exact(2 * bytes).zip(out) {
                    *out = grey::over_white(pixel[0], pixel[*bytes]);
                }
            }
            Self::Rgb8 { transparent: None } => grey::from_rgb(row, out),
            Self::Rgb8 { transparent: Some(transparent) } => {
                for (pixel, out) in row.as_chunks().0.iter().zip(out) {
                    *out = if pixel == transparent { 255 } else { grey::grey(pixel[0], pixel[1], pixel[2]) };
                }
            }
            Self::Rgb16 { transparent } => {
                for (pixel, out) in row.as_chunks().0.iter().zip(out) {
                    *out = if Some(*pixel) == *transparent { 255 } else { grey::grey(pixel[0], pixel[2], pixel[4]) };
                }
            }
            Self::Rgba8 => grey::from_rgba(row, out),
            Self::Rgba16 => {
                for (pixel, out) in row.as_chunks::<8>().0.iter().zip(out) {
                    *out = grey::over_white(grey::grey(pixel[0], pixel[2], pixel[4]), pixel[6]);
                }
            }
        }
    }
}

/// Grey of each value of `bits` bits.
fn grey_table(bits: usize, transparent: Option<u8>) -> Box<[u8; 256]> {
    let mut table = Box::new([0; 256]);
    let highest = (1_usize << bits) - 1;
    for (value, entry) in table.iter_mut().enumerate().take(highest + 1) {
        *entry = if transparent.map(usize::from) == Some(value) { 255 } else { (value * 255 / highest) as u8 };
    }
    table
}

/// Grey of each colour of the palette on white; colours that it does not have are black.
fn palette_table(palette: &[u8], opacity: &[u8]) -> Box<[u8; 256]> {
    let mut table = Box::new([0; 256]);
    for (i, (&[r, g, b], entry)) in palette.as_chunks().0.iter().zip(table.iter_mut()).enumerate() {
        *entry = grey::over_white(grey::grey(r, g, b), opacity.get(i).copied().unwrap_or(255));
    }
    table
}

/// Samples of `bits` bits, the first in the highest bits of a byte.
fn look_up(row: &[u8], bits: usize, table: &[u8; 256], out: &mut [u8]) {
    if bits == 8 {
        for (&sample, out) in row.iter().zip(out) {
            *out = table[usize::from(sample)];
        }
        return;
    }
    let mask = (1 << bits) - 1;
    for (&byte, out) in row.iter().zip(out.chunks_mut(8 / bits)) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = table[usize::from(byte >> (8 - bits * (i + 1)) & mask)];
        }
    }
}
