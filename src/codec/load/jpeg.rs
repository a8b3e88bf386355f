//! JPEG: the Y channel as it is, without upsampling the others and without going through red, green and blue.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Decoded, Format, LoadError, Orientation, exif, grey};

/// Encoders write about ten scans. Each costs a walk over all blocks, so that a file of a hundred scans of one byte would
/// keep a decoder busy for seconds: large pictures may have fewer.
const MAX_SCANS: u64 = 100;
const MAX_SCANNED_PIXELS: u64 = 1_000_000_000;

/// What the segments before the first scan say.
struct Header {
    width: u32,
    height: u32,
    orientation: Orientation,
    /// Every other channel has at most the resolution of the first.
    first_is_finest: bool,
}

/// Width and height from the frame header.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), LoadError> {
    let header = header(bytes).map_err(|reason| Format::Jpeg.broken(reason))?;
    Ok((header.width, header.height))
}

/// Decodes to grey.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let header = header(bytes).map_err(|reason| Format::Jpeg.broken(reason))?;
    let pixels = pixels(bytes, &header).map_err(|reason| Format::Jpeg.broken(reason))?;
    Ok((pixels, header.orientation))
}

/// Walks over the segments up to the first scan.
fn header(bytes: &[u8]) -> Result<Header, &'static str> {
    const CUT_OFF: &str = "it ends within its header";
    let mut orientation = None;
    let mut frame = None;
    let mut at = 2;
    loop {
        // What stands between two segments is skipped, as other decoders do.
        while bytes.get(at).ok_or(CUT_OFF)? != &0xFF {
            at += 1;
        }
        let marker = *bytes.get(at + 1).ok_or(CUT_OFF)?;
        match marker {
            // Fill bytes, and markers that stand alone.
            0xFF => at += 1,
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            // The end of the picture, or its first scan.
            0xD9 | 0xDA => break,
            _ => {
                let length: [u8; 2] = bytes.get(at + 2..at + 4).and_then(|b| b.try_into().ok()).ok_or(CUT_OFF)?;
                let end = at + 2 + usize::from(u16::from_be_bytes(length)).max(2);
                let content = bytes.get(at + 4..end).ok_or(CUT_OFF)?;
                match marker {
                    0xC0..=0xC2 => frame = Some(content),
                    // Arithmetic, lossless and hierarchical coding.
                    0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                        return Err("its kind of coding is not read here");
                    }
                    0xE1 if orientation.is_none() => {
                        orientation = content.strip_prefix(b"Exif\0\0").map(exif::orientation)
                    }
                    _ => {}
                }
                at = end;
            }
        }
    }
    let (&[_precision, h0, h1, w0, w1, _count], channels) =
        frame.and_then(<[u8]>::split_first_chunk).ok_or("it has no frame header")?;
    let sampling = |channel: &[u8; 3]| (channel[1] >> 4, channel[1] & 0x0F);
    let mut channels = channels.as_chunks::<3>().0.iter().map(sampling);
    let (h, v) = channels.next().ok_or("it has no channels")?;
    Ok(Header {
        width: u32::from(u16::from_be_bytes([w0, w1])),
        height: u32::from(u16::from_be_bytes([h0, h1])),
        orientation: orientation.unwrap_or_default(),
        first_is_finest: channels.all(|other| other.0 <= h && other.1 <= v),
    })
}

/// Grey pixels, as many as there are; the decoder fills the rest with middle grey.
fn pixels(bytes: &[u8], header: &Header) -> Result<Vec<u8>, String> {
    let count = header.width as usize * header.height as usize;
    let scans = (MAX_SCANNED_PIXELS / count as u64).min(MAX_SCANS) as usize;
    let options = DecoderOptions::default()
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize)
        .set_strict_mode(false)
        .jpeg_set_max_scans(scans)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    if decoder.dimensions() != Some((header.width as usize, header.height as usize)) {
        return Err("its frame headers do not agree".to_owned());
    }
    let in_luma = match decoder.input_colorspace() {
        Some(ColorSpace::Luma | ColorSpace::YCbCr) => header.first_is_finest,
        Some(ColorSpace::RGB | ColorSpace::CMYK | ColorSpace::YCCK) => false,
        other => return Err(format!("its colours are not read here: {other:?}")),
    };
    let mut out = if in_luma {
        vec![0; count]
    } else {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::RGB));
        vec![0; 3 * count]
    };
    let result = decoder.decode_into(&mut out);
    // What the decoder did not reach is 0, or 128 where it noticed the end itself.
    let is_whole = result.is_ok() && bytes.ends_with(&[0xFF, 0xD9]);
    if !is_whole && out.iter().all(|&byte| byte == 0 || byte == 128) {
        return Err(result.err().map_or_else(|| "it ends before anything can be seen".to_owned(), |e| e.to_string()));
    }
    if in_luma {
        return Ok(out);
    }
    let mut pixels = vec![0; count];
    grey::from_rgb(&out, &mut pixels);
    Ok(pixels)
}
