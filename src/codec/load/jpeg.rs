//! JPEG: the Y channel as it is, without upsampling the others and without going through red, green and blue.

use std::panic::{AssertUnwindSafe, catch_unwind};

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
    /// The number by which scans name the first channel.
    first: u8,
    /// Every other channel has at most the resolution of the first.
    first_is_finest: bool,
    /// Coarse and fine detail come in scans of their own.
    progressive: bool,
    /// Where the pixels begin.
    scan: usize,
}

impl Header {
    /// Whether there is enough for a row of blocks, which take some bits each. Of less the decoder makes one up.
    fn has_a_row(&self, bytes: &[u8]) -> bool {
        (bytes.len() - self.scan) * 16 >= self.width as usize
    }
}

/// Width and height from the frame header.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), LoadError> {
    let header = header(bytes).map_err(|reason| Format::Jpeg.broken(&reason))?;
    Ok((header.width, header.height))
}

/// Decodes to grey.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let header = header(bytes).map_err(|reason| Format::Jpeg.broken(&reason))?;
    match pixels(bytes, &header) {
        Ok(pixels) => Ok((pixels, header.orientation)),
        Err(reason) => {
            let mended = mended(bytes).filter(|_| header.has_a_row(bytes));
            let pixels = mended.and_then(|bytes| pixels(&bytes, &header).ok());
            Ok((pixels.ok_or_else(|| Format::Jpeg.broken(&reason))?, header.orientation))
        }
    }
}

/// What stands at a place in the file.
enum Piece<'a> {
    /// The marker of a segment, its content, and where it ends.
    Segment(u8, &'a [u8], usize),
    /// The end of the picture.
    End,
}

/// The next marker segment at or behind `at`: what stands before it (pixels, restart markers, stray bytes) is skipped.
/// `None` where the file ends first.
fn next_piece(bytes: &[u8], mut at: usize) -> Option<Piece<'_>> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        match *bytes.get(at + 1)? {
            // Fill bytes, a stuffed byte, and markers that stand alone.
            0xFF => at += 1,
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            0xD9 => return Some(Piece::End),
            marker => {
                let length: [u8; 2] = bytes.get(at + 2..at + 4)?.try_into().ok()?;
                let end = at + 2 + usize::from(u16::from_be_bytes(length)).max(2);
                return Some(Piece::Segment(marker, bytes.get(at + 4..end)?, end));
            }
        }
    }
}

/// Walks over the segments up to the first scan.
fn header(bytes: &[u8]) -> Result<Header, &'static str> {
    let mut orientation = None;
    let mut frame = None;
    let mut progressive = false;
    let mut at = 2;
    let scan = loop {
        match next_piece(bytes, at).ok_or("it ends within its header")? {
            Piece::End => return Err("it has no pixels"),
            Piece::Segment(0xDA, _, end) => break end,
            Piece::Segment(marker, content, end) => {
                match marker {
                    0xC0..=0xC2 => {
                        frame = Some(content);
                        progressive = marker == 0xC2;
                    }
                    // Arithmetic, lossless and hierarchical coding.
                    0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                        return Err("its kind of coding is not read here");
                    }
                    0xE1 if orientation.is_none() => {
                        orientation = content.strip_prefix(b"Exif\0\0").map(exif::orientation);
                    }
                    _ => {}
                }
                at = end;
            }
        }
    };
    let (&[_precision, h0, h1, w0, w1, _count], channels) =
        frame.and_then(<[u8]>::split_first_chunk).ok_or("it has no frame header")?;
    let sampling = |channel: &[u8; 3]| (channel[1] >> 4, channel[1] & 0x0F);
    let channels = channels.as_chunks().0;
    let (first, others) = channels.split_first().ok_or("it has no channels")?;
    let (h, v) = sampling(first);
    Ok(Header {
        width: u32::from(u16::from_be_bytes([w0, w1])),
        height: u32::from(u16::from_be_bytes([h0, h1])),
        orientation: orientation.unwrap_or_default(),
        first: first[0],
        first_is_finest: others.iter().map(sampling).all(|other| other.0 <= h && other.1 <= v),
        progressive,
        scan,
    })
}

/// The file as far as its last scan that has a whole header, and an end marker: the decoder gives up on a table that is
/// cut off between two scans, although it has all that came before.
fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut at = 2;
    let mut seen_scan = false;
    loop {
        match next_piece(bytes, at) {
            Some(Piece::Segment(marker, _, end)) => {
                seen_scan |= marker == 0xDA;
                at = end;
            }
            Some(Piece::End) => return None,
            // Behind `at` there are only pixels and the piece that is cut off.
            None => break,
        }
    }
    let pixels =
        bytes[at..].windows(2).take_while(|pair| pair[0] != 0xFF || matches!(pair[1], 0 | 0xD0..=0xD7)).count();
    seen_scan.then(|| [&bytes[..at + pixels], &[0xFF, 0xD9]].concat())
}

/// The file without the scans that hold another channel's detail alone. In a progressive picture these are about half
/// of all, and the decoder would read them for nothing.
fn without_colour_scans(bytes: &[u8], header: &Header) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut dropping = false;
    loop {
        let piece = next_piece(bytes, at.max(2));
        // What stands before the piece belongs to the scan before it.
        let start = match piece {
            Some(Piece::Segment(_, content, end)) => end - content.len() - 4,
            Some(Piece::End) | None => bytes.len(),
        };
        if !dropping {
            kept.extend_from_slice(&bytes[at..start]);
        }
        let Some(Piece::Segment(marker, content, end)) = piece else {
            if dropping {
                kept.extend_from_slice(&[0xFF, 0xD9]);
            }
            return kept;
        };
        dropping = marker == 0xDA && matches!(content, [1, channel, ..] if *channel != header.first);
        if !dropping {
            kept.extend_from_slice(&bytes[start..end]);
        }
        at = end;
    }
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
    let kept;
    let mut out = if in_luma {
        if header.progressive {
            kept = without_colour_scans(bytes, header);
            decoder = JpegDecoder::new_with_options(ZCursor::new(&kept), options);
        }
        vec![0; count]
    } else {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::RGB));
        vec![0; 3 * count]
    };
    // It panics where a sequential scan holds one channel that is coarser than another; what it panics about is a picture
    // that it cannot decode.
    let result = catch_unwind(AssertUnwindSafe(|| decoder.decode_into(&mut out)))
        .map_err(|_| "its scans and its channels do not agree".to_owned())?;
    if result.is_err() || !bytes.ends_with(&[0xFF, 0xD9]) {
        // What the decoder did not reach is 0, or 128 where it noticed the end itself.
        if !header.has_a_row(bytes) || out.iter().all(|&byte| byte == 0 || byte == 128) {
            return Err(result
                .err()
                .map_or_else(|| "it ends before anything can be seen".to_owned(), |e| e.to_string()));
        }
    }
    if in_luma {
        return Ok(out);
    }
    let mut pixels = vec![0; count];
    grey::from_rgb(&out, &mut pixels);
    Ok(pixels)
}
