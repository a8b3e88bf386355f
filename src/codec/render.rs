//! Modules to pictures: where the symbol lies ([`fit`], [`place`]), and the bytes of the file ([`png()`], [`jpeg`]).
//!
//! Modules are always a whole number of pixels wide; what is left over becomes white border. The same matrix and sizes
//! give the same bytes.

use jpeg_encoder::{ColorType, Encoder};

use super::{Luma, Matrix};

/// How a matrix fits a width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Side of a module in pixels, at least 1.
    pub module_px: u32,
    /// Width of the picture.
    pub width_px: u32,
    /// Height of the picture.
    pub height_px: u32,
    /// The symbol does not fit the width that was asked for; `width_px` is larger.
    pub widened: bool,
}

/// The layout of `matrix` in a picture exactly `width_px` wide: square, or for a row of bars half as high as wide, but at
/// least 32 pixels.
///
/// Modules are as large as `quiet_modules` of white on each side allow. Where that is less than a pixel, modules are one
/// pixel and the quiet zone shrinks, to no less than `least_quiet_modules`. What still does not fit becomes the smallest
/// picture of whole modules with `quiet_modules`, marked as [widened](Layout::widened).
pub fn fit(matrix: &Matrix, width_px: u32, quiet_modules: u32, least_quiet_modules: u32) -> Layout {
    let modules = matrix.width() as u32;
    let with_quiet = modules + 2 * quiet_modules;
    let widened = width_px < modules + 2 * least_quiet_modules;
    let width_px = if widened { with_quiet } else { width_px };
    let height_px = if matrix.height() == 1 { (width_px / 2).max(32) } else { width_px };
    Layout { module_px: (width_px / with_quiet).max(1), width_px, height_px, widened }
}

/// A black-and-white picture, as bands of rows that are all alike: modules are many pixels high.
#[derive(Clone)]
pub struct Bitmap {
    width: u32,
    /// The row of each band: eight pixels a byte, the leftmost in the highest bit, 1 is white; the last byte of a row is
    /// filled with ones. This is what a PNG holds.
    packed: Vec<u8>,
    /// The row behind the last of each band.
    ends: Vec<u32>,
}

impl Bitmap {
    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Whether the pixel in column `x` of row `y` is black.
    pub fn is_dark(&self, x: u32, y: u32) -> bool {
        let band = self.ends.partition_point(|end| *end <= y);
        self.packed[stride(self.width) * band + x as usize / 8] & (0x80 >> (x % 8)) == 0
    }

    /// The row of each band, and how often it stands there.
    fn bands(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let heights =
            std::iter::once(0).chain(self.ends.iter().copied()).zip(&self.ends).map(|(start, end)| end - start);
        self.packed.chunks_exact(stride(self.width)).zip(heights.map(|height| height as usize))
    }

    /// The same picture as grey pixels, 0 and 255.
    pub fn to_luma(&self) -> Luma {
        let width = self.width as usize;
        let mut pixels = Vec::with_capacity(width * self.height() as usize + 8);
        let mut row = Vec::with_capacity(width + 8);
        for (bits, height) in self.bands() {
            row.clear();
            for byte in bits {
                let eight: [u8; 8] = std::array::from_fn(|place| if byte & (0x80 >> place) == 0 { 0 } else { 255 });
                row.extend_from_slice(&eight);
            }
            // What fills the last byte is no pixel.
            row.truncate(width);
            (0..height).for_each(|_| pixels.extend_from_slice(&row));
        }
        Luma::new(self.width, self.height(), pixels)
    }
}

impl std::fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitmap({} × {})", self.width, self.height())
    }
}

/// Bytes of a row.
fn stride(width: u32) -> usize {
    width.div_ceil(8) as usize
}

/// Puts `matrix` in the middle of a white picture, its modules `module_px` pixels wide and high. A matrix of one row is a
/// row of bars: they take the full height. An odd pixel left over goes to the right and to the bottom.
///
/// # Panics
/// If the matrix is larger than the picture, or `module_px` is 0: [`fit`] gives sizes that work.
pub fn place(matrix: &Matrix, module_px: u32, width_px: u32, height_px: u32) -> Bitmap {
    let bars = matrix.height() == 1;
    let symbol_width = matrix.width() as u32 * module_px;
    let symbol_height = if bars { height_px } else { matrix.height() as u32 * module_px };
    assert!(
        module_px > 0 && symbol_width <= width_px && symbol_height <= height_px,
        "a symbol of {symbol_width} × {symbol_height} pixels in a picture of {width_px} × {height_px}"
    );
    let margin_left = (width_px - symbol_width) / 2;
    let margin_top = (height_px - symbol_height) / 2;
    let row_height = if bars { height_px } else { module_px };

    // White above, a band a row of modules, white below.
    let edges = (0..=matrix.height() as u32).map(|row| margin_top + row * row_height);
    let ends: Vec<u32> = edges.chain([height_px]).collect();
    let mut rows = Rows::with_capacity(stride(width_px) * ends.len());
    rows.end(width_px);
    for module_y in 0..matrix.height() {
        rows.white(margin_left);
        rows.push(matrix.row(module_y), module_px);
        rows.end(width_px - margin_left - symbol_width);
    }
    rows.end(width_px);
    Bitmap { width: width_px, packed: rows.packed, ends }
}

/// Rows of a [`Bitmap`] while they are drawn, from left to right.
struct Rows {
    packed: Vec<u8>,
    /// The pixels behind those, the last in the lowest bit …
    pending: u64,
    /// … and how many of them there are, fewer than [`AT_ONCE`](Rows::AT_ONCE).
    count: u32,
}

impl Rows {
    const AT_ONCE: u32 = u32::BITS;

    fn with_capacity(bytes: usize) -> Self {
        Self { packed: Vec::with_capacity(bytes), pending: 0, count: 0 }
    }

    /// Goes on with so many pixels of each module; true is black. Nothing branches on the colour, which no processor could
    /// foresee: guessing it wrong takes longer than drawing the module.
    fn push(&mut self, modules: &[bool], pixels: u32) {
        let (mut pending, mut count) = (self.pending, self.count);
        for is_dark in modules {
            let mut rest = pixels;
            while rest > 0 {
                let now = rest.min(Self::AT_ONCE);
                let white = u64::from(!is_dark).wrapping_neg() >> (u64::BITS - now);
                pending = pending << now | white;
                count += now;
                if count >= Self::AT_ONCE {
                    count -= Self::AT_ONCE;
                    self.packed.extend_from_slice(&((pending >> count) as u32).to_be_bytes());
                }
                rest -= now;
            }
        }
        (self.pending, self.count) = (pending, count);
    }

    /// Goes on with so many white pixels.
    #[inline]
    fn white(&mut self, pixels: u32) {
        self.push(&[false], pixels);
    }

    /// Ends a row, with so many white pixels.
    fn end(&mut self, pixels: u32) {
        self.white(pixels);
        self.white(self.count.wrapping_neg() % 8);
        let pending = (self.pending as u32) << ((Self::AT_ONCE - self.count) % Self::AT_ONCE);
        self.packed.extend_from_slice(&pending.to_be_bytes()[..self.count as usize / 8]);
        (self.pending, self.count) = (0, 0);
    }
}

/// The picture as a PNG of one bit a pixel, greyscale.
///
/// # Panics
/// Never: the sizes come from [`place`], and memory takes every byte.
pub fn png(bitmap: &Bitmap) -> Vec<u8> {
    let pixels = fdeflate::compress_to_vec(&differences(bitmap));
    // Signature, header and end take less than a hundred bytes.
    let mut bytes = Vec::with_capacity(pixels.len() + 128);
    let mut encoder = png::Encoder::new(&mut bytes, bitmap.width, bitmap.height());
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder
        .write_header()
        .and_then(|mut writer| {
            writer.write_chunk(png::chunk::IDAT, &pixels)?;
            writer.finish()
        })
        .expect("writing to memory does not fail");
    bytes
}

/// The rows under the filter `Up` (PNG, 9.2): each byte less the one above, the filter's number in front.
///
/// Rows of large modules repeat: as differences they are nothing but zeros, which is what the fast compressor looks for.
/// The encoder would filter and compress row by row, for four times the time.
fn differences(bitmap: &Bitmap) -> Vec<u8> {
    const UP: u8 = 2;
    let line = 1 + stride(bitmap.width);
    let mut filtered = vec![0; line * bitmap.height() as usize];
    filtered.iter_mut().step_by(line).for_each(|filter| *filter = UP);
    let (mut rest, mut above) = (&mut filtered[..], &vec![0; line - 1][..]);
    // What repeats within a band stays as it is, zeros.
    for (row, height) in bitmap.bands().filter(|(_, height)| *height > 0) {
        for ((difference, byte), above) in rest[1..line].iter_mut().zip(row).zip(above) {
            *difference = byte.wrapping_sub(*above);
        }
        (rest, above) = (&mut rest[height * line..], row);
    }
    filtered
}

/// The picture as a greyscale JPEG.
///
/// `quality` is 1 (smallest) to 100 (best).
///
/// # Panics
/// If a side is longer than 65 535 pixels, the most that the format holds.
pub fn jpeg(bitmap: &Bitmap, quality: u8) -> Vec<u8> {
    let side = |pixels: u32| u16::try_from(pixels).expect("the format holds sides of 65 535 pixels");
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, quality)
        .encode(bitmap.to_luma().pixels(), side(bitmap.width), side(bitmap.height()), ColorType::Luma)
        .expect("memory takes every byte");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix of `width` × `height` modules, all black.
    fn black(width: usize, height: usize) -> Matrix {
        Matrix::new(width, height, vec![true; width * height])
    }

    #[test]
    fn a_picture_has_the_width_asked_for_and_the_largest_whole_modules() {
        let layout = |matrix: &Matrix, width, quiet| {
            let l = fit(matrix, width, quiet, 1);
            (l.module_px, l.width_px, l.height_px, l.widened)
        };
        let qr = black(21, 21);
        for (width, expected) in [
            (1000, (34, 1000, 1000, false)),
            (58, (2, 58, 58, false)),
            (57, (1, 57, 57, false)),
            (29, (1, 29, 29, false)),
            // The quiet zone shrinks …
            (28, (1, 28, 28, false)),
            (23, (1, 23, 23, false)),
            // … until less than a module is left.
            (22, (1, 29, 29, true)),
            (1, (1, 29, 29, true)),
        ] {
            assert_eq!(layout(&qr, width, 4), expected, "QR, {width}");
        }
        let bars = black(68, 1);
        for (width, expected) in
            [(300, (3, 300, 150, false)), (88, (1, 88, 44, false)), (70, (1, 70, 35, false)), (69, (1, 88, 44, true))]
        {
            assert_eq!(layout(&bars, width, 10), expected, "bars, {width}");
        }
        assert_eq!(fit(&black(40, 1), 60, 10, 1).height_px, 32);
    }

    #[test]
    fn modules_lie_in_the_middle() {
        let matrix = Matrix::new(2, 2, vec![true, false, false, true]);
        let bitmap = place(&matrix, 2, 9, 8);
        let picture: Vec<String> =
            (0..8).map(|y| (0..9).map(|x| if bitmap.is_dark(x, y) { '#' } else { '.' }).collect()).collect();
        assert_eq!(
            picture,
            [".........", ".........", "..##.....", "..##.....", "....##...", "....##...", ".........", "........."]
        );
    }

    #[test]
    fn every_pixel_is_that_of_its_module() {
        let matrix = Matrix::new(5, 3, (0..15).map(|module| [1, 2, 4, 7, 8, 11, 14].contains(&module)).collect());
        for module_px in [1, 2, 7, 8, 31, 32, 33, 63, 64, 65, 130] {
            for (beside, above) in [(0, 0), (1, 9), (2, 8), (61, 3), (64, 2)] {
                let (width, height) = (5 * module_px + beside, 3 * module_px + above);
                let bitmap = place(&matrix, module_px, width, height);
                assert_eq!((bitmap.width(), bitmap.height()), (width, height));
                let module =
                    |place: u32, margin: u32| place.checked_sub(margin / 2).map(|place| (place / module_px) as usize);
                let mut expected = Vec::new();
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let dark = match (module(x, beside), module(y, above)) {
                        (Some(column @ 0..5), Some(row @ 0..3)) => matrix.is_dark(column, row),
                        _ => false,
                    };
                    assert_eq!(bitmap.is_dark(x, y), dark, "{x}, {y} of modules of {module_px}, {beside}, {above}");
                    expected.push(if dark { 0 } else { 255 });
                }
                assert_eq!(bitmap.to_luma().pixels(), expected);
                let decoded = image::load_from_memory(&png(&bitmap)).expect("a PNG").to_luma8();
                assert_eq!(decoded.into_raw(), expected);
            }
        }
    }

    #[test]
    fn bars_take_the_full_height() {
        let bitmap = place(&Matrix::new(3, 1, vec![true, false, true]), 1, 5, 4);
        for y in 0..4 {
            assert_eq!([0, 1, 2, 3, 4].map(|x| bitmap.is_dark(x, y)), [false, true, false, true, false], "row {y}");
        }
    }

    #[test]
    fn files_hold_the_picture() {
        let matrix = crate::codec::encode::qr("test", &crate::codec::encode::QrOptions::default()).expect("short");
        let bitmap = place(&matrix, 7, 211, 211);
        let luma = bitmap.to_luma();
        let decoded = image::load_from_memory(&png(&bitmap)).expect("a PNG").to_luma8();
        assert_eq!(decoded.as_raw(), luma.pixels());
        let decoded = image::load_from_memory(&jpeg(&bitmap, 90)).expect("a JPEG").to_luma8();
        let worst = decoded.iter().zip(luma.pixels()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst < Some(64), "{worst:?}");
    }

    #[test]
    fn the_same_picture_gives_the_same_bytes() {
        let bitmap = place(&black(21, 21), 3, 100, 100);
        assert_eq!(png(&bitmap), png(&bitmap.clone()));
        assert_eq!(jpeg(&bitmap, 80), jpeg(&bitmap.clone(), 80));
    }

    #[test]
    #[should_panic(expected = "a symbol of 210 × 210 pixels in a picture of 200 × 200")]
    fn a_symbol_larger_than_its_picture_is_a_mistake_of_the_caller() {
        place(&black(21, 21), 10, 200, 200);
    }
}
