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

/// A black-and-white picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitmap {
    width: u32,
    height: u32,
    /// Rows of eight pixels a byte, the leftmost in the highest bit, 1 is white; the last byte of a row is filled with
    /// ones. This is what a PNG holds.
    rows: Vec<u8>,
}

impl Bitmap {
    fn white(width: u32, height: u32) -> Self {
        Self { width, height, rows: vec![0xFF; stride(width) * height as usize] }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Whether the pixel in column `x` of row `y` is black.
    pub fn is_dark(&self, x: u32, y: u32) -> bool {
        self.rows[stride(self.width) * y as usize + x as usize / 8] & (0x80 >> (x % 8)) == 0
    }

    /// The same picture as grey pixels, 0 and 255.
    pub fn to_luma(&self) -> Luma {
        let width = self.width as usize;
        let mut pixels = Vec::with_capacity(width * self.height as usize + 8);
        for (y, row) in self.rows.chunks_exact(stride(self.width)).enumerate() {
            for byte in row {
                let eight: [u8; 8] = std::array::from_fn(|place| if byte & (0x80 >> place) == 0 { 0 } else { 255 });
                pixels.extend_from_slice(&eight);
            }
            // What fills the last byte is no pixel.
            pixels.truncate((y + 1) * width);
        }
        Luma::new(self.width, self.height, pixels)
    }
}

impl std::fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitmap({} × {})", self.width, self.height)
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
    let left = (width_px - symbol_width) / 2;
    let top = (height_px - symbol_height) / 2;
    let row_height = if bars { height_px } else { module_px };

    let mut bitmap = Bitmap::white(width_px, height_px);
    let stride = stride(width_px);
    for module_y in 0..matrix.height() {
        let start = stride * (top + module_y as u32 * row_height) as usize;
        let (row, below) = bitmap.rows[start..start + stride * row_height as usize].split_at_mut(stride);
        let mut module_x = 0;
        for run in matrix.row(module_y).chunk_by(PartialEq::eq) {
            let end = module_x + run.len();
            if run[0] {
                let pixels = |module: usize| left as usize + module * module_px as usize;
                blacken(row, pixels(module_x), pixels(end));
            }
            module_x = end;
        }
        for copy in below.chunks_exact_mut(stride) {
            copy.copy_from_slice(row);
        }
    }
    bitmap
}

/// Makes the pixels from column `start` to before `end`, of which there is at least one, black.
fn blacken(row: &mut [u8], start: usize, end: usize) {
    let (first, last) = (start / 8, (end - 1) / 8);
    let (from, to) = (0xFF >> (start % 8), 0xFFu8 << (7 - (end - 1) % 8));
    if first == last {
        row[first] &= !(from & to);
    } else {
        row[first] &= !from;
        row[first + 1..last].fill(0);
        row[last] &= !to;
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
    let mut encoder = png::Encoder::new(&mut bytes, bitmap.width, bitmap.height);
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
    let stride = stride(bitmap.width);
    let mut filtered = vec![0; (stride + 1) * bitmap.height as usize];
    let mut above: &[u8] = &vec![0; stride];
    for (filtered, row) in filtered.chunks_exact_mut(stride + 1).zip(bitmap.rows.chunks_exact(stride)) {
        filtered[0] = UP;
        // What repeats stays as it is, zeros.
        if row != above {
            for ((difference, byte), above) in filtered[1..].iter_mut().zip(row).zip(above) {
                *difference = byte.wrapping_sub(*above);
            }
        }
        above = row;
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
        .encode(bitmap.to_luma().pixels(), side(bitmap.width), side(bitmap.height), ColorType::Luma)
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
