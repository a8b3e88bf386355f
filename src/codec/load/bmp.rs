//! BMP in all its variants, by way of the crate `image`.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder};

use super::{Decoded, Format, LoadError, Orientation, grey};

/// Width and height from the header.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), LoadError> {
    decoder(bytes).map(|decoder| decoder.dimensions())
}

/// Decodes to grey.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let decoder = decoder(bytes)?;
    let (width, height) = decoder.dimensions();
    let colours = decoder.color_type();
    let count = width as usize * height as usize;
    let mut raw = vec![0; count * usize::from(colours.bytes_per_pixel())];
    decoder.read_image(&mut raw).map_err(|error| Format::Bmp.broken(&error))?;
    let mut pixels = vec![0; count];
    match colours {
        ColorType::L8 => return Ok((raw, Orientation::Upright)),
        ColorType::Rgb8 => grey::from_rgb(&raw, &mut pixels),
        // Many programs leave the fourth byte 0 and mean an opaque picture.
        ColorType::Rgba8 if raw.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 0) => {
            for (&[r, g, b, _], out) in raw.as_chunks().0.iter().zip(&mut pixels) {
                *out = grey::grey(r, g, b);
            }
        }
        ColorType::Rgba8 => grey::from_rgba(&raw, &mut pixels),
        other => return Err(Format::Bmp.broken(&format_args!("its colours are not read here: {other:?}"))),
    }
    Ok((pixels, Orientation::Upright))
}

fn decoder(bytes: &[u8]) -> Result<BmpDecoder<Cursor<&[u8]>>, LoadError> {
    BmpDecoder::new(Cursor::new(bytes)).map_err(|error| Format::Bmp.broken(&error))
}
