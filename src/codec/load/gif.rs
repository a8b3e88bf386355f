//! GIF: the palette indices of the first frame, looked up as grey.

use gif::{ColorOutput, DecodeOptions, Frame};

use super::{Decoded, Format, Limits, LoadError, Orientation, grey};

/// Width and height of the screen.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), LoadError> {
    match bytes {
        &[_, _, _, _, _, _, w0, w1, h0, h1, ..] => {
            Ok((u32::from(u16::from_le_bytes([w0, w1])), u32::from(u16::from_le_bytes([h0, h1]))))
        }
        _ => Err(Format::Gif.broken("it ends within its header")),
    }
}

/// Decodes the first frame to grey, on a white screen.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Decoded {
    let broken = |error: gif::DecodingError| Format::Gif.broken(&error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut decoder = options.read_info(bytes).map_err(broken)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let frame = decoder.next_frame_info().map_err(broken)?.ok_or_else(|| Format::Gif.broken("it has no frame"))?;
    // A frame may be larger than its screen.
    limits.check(u32::from(frame.width), u32::from(frame.height))?;
    let frame = Frame { buffer: Vec::new().into(), ..frame.clone() };

    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(broken)?;
    let table = table(decoder.palette().map_err(broken)?, frame.transparent);

    let mut pixels = vec![255; width * height];
    let (left, top) = (usize::from(frame.left).min(width), usize::from(frame.top).min(height));
    let rows = indices.chunks_exact(usize::from(frame.width).max(1));
    for (row, out) in rows.zip(pixels[top * width..].chunks_exact_mut(width)) {
        for (&index, out) in row.iter().zip(&mut out[left..]) {
            *out = table[usize::from(index)];
        }
    }
    Ok((pixels, Orientation::Upright))
}

/// Grey of each colour of the palette; the transparent one is white, those that it does not have are black.
fn table(palette: &[u8], transparent: Option<u8>) -> [u8; 256] {
    let mut table = [0; 256];
    grey::from_rgb(palette, &mut table);
    if let Some(index) = transparent {
        table[usize::from(index)] = 255;
    }
    table
}
