//! WebP: a lossy picture is its Y plane, stretched from video range; all others by way of red, green and blue.

use std::io::Cursor;

use image_webp::WebPDecoder;
use image_webp::vp8::Vp8Decoder;

use super::{Decoded, Format, LoadError, exif, grey};

/// Bytes of the RIFF header.
const RIFF: usize = 12;

/// The picture, or the first frame of an animation, as the container describes it.
struct Still<'a> {
    width: u32,
    height: u32,
    /// The content of a lossy picture's chunk that is neither animated nor transparent.
    opaque_lossy: Option<&'a [u8]>,
}

/// Width and height; a bit stream of another size than its container says is refused, since the decoder takes memory
/// by the former.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), LoadError> {
    still(bytes).map(|still| (still.width, still.height)).map_err(|reason| Format::WebP.broken(&reason))
}

/// Decodes to grey.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let still = still(bytes).map_err(|reason| Format::WebP.broken(&reason))?;
    let exif = chunks(&bytes[RIFF..]).find(|(name, _)| *name == b"EXIF").map(|(_, content)| {
        // Some writers keep JPEG's prefix.
        exif::orientation(content.strip_prefix(b"Exif\0\0").unwrap_or(content))
    });
    let pixels = match still.opaque_lossy {
        Some(content) => lossy(content, &still),
        None => other(bytes, &still),
    };
    Ok((pixels.map_err(|error| Format::WebP.broken(&error))?, exif.unwrap_or_default()))
}

/// The Y plane.
fn lossy(content: &[u8], still: &Still<'_>) -> Result<Vec<u8>, image_webp::DecodingError> {
    let frame = Vp8Decoder::decode_frame(content)?;
    // Rows are padded to whole blocks of 16.
    let stride = usize::from(frame.width).next_multiple_of(16);
    let width = still.width as usize;
    let mut stretched = [0; 256];
    for (y, out) in stretched.iter_mut().enumerate() {
        // 16 is black and 235 white.
        *out = ((y.saturating_sub(16) * 255 + 109) / 219).min(255) as u8;
    }
    let mut pixels = vec![0; width * still.height as usize];
    for (row, out) in frame.ybuf.chunks_exact(stride).zip(pixels.chunks_exact_mut(width)) {
        for (&y, out) in row.iter().zip(out) {
            *out = stretched[usize::from(y)];
        }
    }
    Ok(pixels)
}

fn other(bytes: &[u8], still: &Still<'_>) -> Result<Vec<u8>, image_webp::DecodingError> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes))?;
    let count = still.width as usize * still.height as usize;
    if decoder.dimensions() != (still.width, still.height) {
        return Err(image_webp::DecodingError::InconsistentImageSizes);
    }
    let mut raw = vec![0; count * if decoder.has_alpha() { 4 } else { 3 }];
    decoder.read_image(&mut raw)?;
    let mut pixels = vec![0; count];
    if decoder.has_alpha() {
        grey::from_rgba(&raw, &mut pixels);
    } else {
        grey::from_rgb(&raw, &mut pixels);
    }
    Ok(pixels)
}

/// Finds the first bit stream and compares its size with the container's.
fn still(bytes: &[u8]) -> Result<Still<'_>, &'static str> {
    const NO_PICTURE: &str = "it holds no picture";
    let body = bytes.get(RIFF..).ok_or(NO_PICTURE)?;
    let (first, content) = chunks(body).next().ok_or(NO_PICTURE)?;
    if first != b"VP8X" {
        let (width, height) = bit_stream_size(*first, content).ok_or(NO_PICTURE)?;
        return Ok(Still { width, height, opaque_lossy: (first == b"VP8 ").then_some(content) });
    }
    let (width, height) = content.get(4..10).and_then(|b| Some((u24(b, 0)? + 1, u24(b, 3)? + 1))).ok_or(NO_PICTURE)?;
    let mut transparent = false;
    for (name, content) in chunks(body).skip(1) {
        match name {
            b"ALPH" => transparent = true,
            b"VP8 " | b"VP8L" => {
                let inner = bit_stream_size(*name, content).ok_or(NO_PICTURE)?;
                if inner != (width, height) {
                    return Err("its sizes do not agree");
                }
                let opaque_lossy = (name == b"VP8 " && !transparent).then_some(content);
                return Ok(Still { width, height, opaque_lossy });
            }
            b"ANMF" => {
                let frame = (u24(content, 6).ok_or(NO_PICTURE)? + 1, u24(content, 9).ok_or(NO_PICTURE)? + 1);
                let inner = chunks(content.get(16..).ok_or(NO_PICTURE)?)
                    .find_map(|(name, content)| bit_stream_size(*name, content))
                    .ok_or(NO_PICTURE)?;
                if inner != frame || frame.0 > width || frame.1 > height {
                    return Err("its sizes do not agree");
                }
                return Ok(Still { width, height, opaque_lossy: None });
            }
            _ => {}
        }
    }
    Err(NO_PICTURE)
}

/// Names and contents of the chunks; the last one may be cut off.
fn chunks(body: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let content = &after[..length.min(after.len())];
        // Chunks start at even places.
        rest = after.get(length.checked_next_multiple_of(2)?..).unwrap_or_default();
        Some((name, content))
    })
}

/// Width and height in the header of a bit stream (RFC 6386, 9.1; WebP lossless, 3).
fn bit_stream_size(name: [u8; 4], content: &[u8]) -> Option<(u32, u32)> {
    match (&name, content) {
        // A key frame's tag has its lowest bit clear.
        (b"VP8 ", &[tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..]) if tag & 1 == 0 => {
            let fourteen = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Some((fourteen(w0, w1), fourteen(h0, h1)))
        }
        (b"VP8L", &[0x2F, a, b, c, d, ..]) => {
            let bits = u32::from_le_bytes([a, b, c, d]);
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        _ => None,
    }
}

/// Three bytes, the lowest first.
fn u24(bytes: &[u8], at: usize) -> Option<u32> {
    let &[a, b, c] = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes([a, b, c, 0]))
}
