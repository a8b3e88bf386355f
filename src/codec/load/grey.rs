//! Colours to grey, row by row.
//!
//! The weights are those of Rec. 601 in 256ths, so that a sum fits sixteen bits and the loops below become vector
//! instructions.

/// Y of Rec. 601.
#[inline]
pub(super) fn grey(r: u8, g: u8, b: u8) -> u8 {
    ((u16::from(r) * 77 + u16::from(g) * 150 + u16::from(b) * 29 + 128) >> 8) as u8
}

/// `grey` of opacity `alpha` on white.
#[inline]
pub(super) fn over_white(grey: u8, alpha: u8) -> u8 {
    let darkness = u32::from(255 - grey) * u32::from(alpha);
    255 - ((darkness + 127) / 255) as u8
}

/// Pixels of red, green, blue.
pub(super) fn from_rgb(rgb: &[u8], out: &mut [u8]) {
    for (pixel, out) in rgb.as_chunks::<3>().0.iter().zip(out) {
        *out = grey(pixel[0], pixel[1], pixel[2]);
    }
}

/// Pixels of red, green, blue and opacity.
pub(super) fn from_rgba(rgba: &[u8], out: &mut [u8]) {
    for (&[r, g, b, alpha], out) in rgba.as_chunks::<4>().0.iter().zip(out) {
        *out = over_white(grey(r, g, b), alpha);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_white_and_primaries_come_out_as_rec_601_says() {
        for (colour, y) in [
            ([0, 0, 0], 0),
            ([255, 255, 255], 255),
            ([255, 0, 0], 77),
            ([0, 255, 0], 149),
            ([0, 0, 255], 29),
            ([128, 128, 128], 128),
        ] {
            assert_eq!(grey(colour[0], colour[1], colour[2]), y, "{colour:?}");
        }
    }

    #[test]
    fn transparency_lies_on_white() {
        for value in 0..=255 {
            assert_eq!(over_white(value, 255), value);
            assert_eq!(over_white(value, 0), 255);
        }
        assert_eq!(over_white(0, 128), 127);
    }
}
