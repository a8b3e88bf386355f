//! Versions of a picture at other sizes, and the way back from their pixels to the picture's.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::binary::{Bits, Threshold};
use crate::codec::{Corners, Luma, Point};

/// A picture at some size. Layer pixels × `scale` + `offset` = pixels of the picture as received.
#[derive(Clone, Debug)]
pub(super) struct Layer<'a> {
    pub(super) luma: Cow<'a, Luma>,
    scale: f32,
    offset: Point,
    block: OnceCell<Bits>,
}

impl<'a> Layer<'a> {
    /// The picture itself.
    pub(super) fn of(luma: &'a Luma) -> Self {
        Self { luma: Cow::Borrowed(luma), scale: 1.0, offset: Point { x: 0.0, y: 0.0 }, block: OnceCell::new() }
    }

    fn make(&self, luma: Luma, scale: f32) -> Layer<'static> {
        Layer { luma: Cow::Owned(luma), scale: self.scale * scale, offset: self.offset, block: OnceCell::new() }
    }

    /// Black and white by [`Threshold::Block`], which most stages begin with: made once.
    pub(super) fn block(&self) -> &Bits {
        self.block.get_or_init(|| Bits::of(&self.luma, Threshold::Block))
    }

    /// Half the size: each pixel the mean of four. Takes noise and moiré away and makes modules of large codes small
    /// enough for a window of fixed size.
    pub(super) fn halved(&self) -> Layer<'static> {
        let (w, h) = ((self.luma.width() / 2) as usize, (self.luma.height() / 2) as usize);
        let mut out = vec![0u8; w * h];
        for (y, row) in out.chunks_exact_mut(w.max(1)).enumerate() {
            let (a, b) = (self.luma.row(2 * y as u32), self.luma.row(2 * y as u32 + 1));
            // Pairs of pixels as numbers of sixteen bits, which the compiler adds eight at a time.
            let both = |pair: &[u8; 2]| (u16::from_le_bytes(*pair) & 0xFF) + (u16::from_le_bytes(*pair) >> 8);
            for ((v, a), b) in row.iter_mut().zip(a.as_chunks().0).zip(b.as_chunks().0) {
                *v = ((both(a) + both(b) + 2) >> 2) as u8;
            }
        }
        self.make(Luma::new(w as u32, h as u32, out), 2.0)
    }

    /// Twice the size, bilinear: what [`Self::enlarged`] gives for 2, in a quarter of the time.
    pub(super) fn doubled(&self) -> Layer<'static> {
        let (w, h) = (self.luma.width(), self.luma.height());
        let mut out = Vec::with_capacity(4 * w as usize * h as usize);
        let mut mixed: Vec<u16> = Vec::with_capacity(w as usize);
        for y in 0..2 * h {
            // Three parts of the row that a new one lies in, one of its neighbour.
            let near = self.luma.row(y / 2);
            let far = self.luma.row(if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(h - 1) });
            mixed.clear();
            mixed.extend(near.iter().zip(far).map(|(&a, &b)| 3 * u16::from(a) + u16::from(b)));
            let end = |v: Option<&u16>| v.map(|v| ((v + 2) >> 2) as u8);
            out.extend(end(mixed.first()));
            out.extend(mixed.iter().zip(&mixed[1..]).flat_map(|(a, b)| {
                let part = |a: u16, b: u16| ((3 * a + b + 8) >> 4) as u8;
                [part(*a, *b), part(*b, *a)]
            }));
            out.extend(end(mixed.last()));
        }
        self.make(Luma::new(2 * w, 2 * h, out), 0.5)
    }

    /// Enlarged by `factor`, bilinear: bars of little more than a pixel get room for their edges.
    pub(super) fn enlarged(&self, factor: f32) -> Layer<'static> {
        let (w, h) = (self.luma.width(), self.luma.height());
        let (nw, nh) = ((w as f32 * factor) as u32, (h as f32 * factor) as u32);
        let (sx, sy) = (w as f32 / nw as f32, h as f32 / nh as f32);
        // Places and weights along a row are the same for all rows: computed once, in 8-bit fractions.
        let place = |i: u32, s: f32, n: u32| {
            let at = ((i as f32 + 0.5) * s - 0.5).clamp(0.0, (n - 1) as f32);
            let low = (at as u32).min(n.saturating_sub(2));
            (low, ((at - low as f32) * 256.0) as u32)
        };
        let columns: Vec<(u32, u32)> = (0..nw).map(|x| place(x, sx, w)).collect();
        let mut out = Vec::with_capacity(nw as usize * nh as usize);
        let mut mixed: Vec<u32> = Vec::with_capacity(w as usize);
        for y in 0..nh {
            let (low, part) = place(y, sy, h);
            let (a, b) = (self.luma.row(low), self.luma.row((low + 1).min(h - 1)));
            mixed.clear();
            mixed.extend(a.iter().zip(b).map(|(&a, &b)| u32::from(a) * (256 - part) + u32::from(b) * part));
            out.extend(columns.iter().map(|&(x, part)| {
                let (a, b) = (mixed[x as usize], mixed[(x as usize + 1).min(mixed.len() - 1)]);
                ((a * (256 - part) + b * part + (1 << 15)) >> 16) as u8
            }));
        }
        // Both axes share one scale; the sizes are rounded, which moves corners by less than a pixel of this layer.
        self.make(Luma::new(nw, nh, out), sx)
    }

    /// The part from (`left`, `top`) to (`right`, `bottom`), without these; it must have pixels.
    pub(super) fn part(&self, [left, top, right, bottom]: [u32; 4]) -> Layer<'static> {
        let rows = (top..bottom).flat_map(|y| &self.luma.row(y)[left as usize..right as usize]);
        let mut layer = self.make(Luma::new(right - left, bottom - top, rows.copied().collect()), 1.0);
        layer.offset.x += left as f32 * self.scale;
        layer.offset.y += top as f32 * self.scale;
        layer
    }

    /// Every pixel repeated `times` × `times`, with a white margin of `margin` pixels of the received picture: for
    /// drawings of one pixel a module without quiet zone.
    pub(super) fn repeated(&self, times: u32, margin: u32) -> Layer<'static> {
        let (w, h) = (self.luma.width() + 2 * margin, self.luma.height() + 2 * margin);
        let mut out = Vec::with_capacity((w * h * times * times) as usize);
        for y in 0..h {
            let inside = y >= margin && y < margin + self.luma.height();
            let start = out.len();
            for x in 0..w {
                let v = if inside && x >= margin && x < margin + self.luma.width() {
                    self.luma.row(y - margin)[(x - margin) as usize]
                } else {
                    255
                };
                out.extend(std::iter::repeat_n(v, times as usize));
            }
            let end = out.len();
            for _ in 1..times {
                out.extend_from_within(start..end);
            }
        }
        let mut layer = self.make(Luma::new(w * times, h * times, out), 1.0 / times as f32);
        layer.offset.x -= margin as f32 * self.scale;
        layer.offset.y -= margin as f32 * self.scale;
        layer
    }

    /// Black and white exchanged.
    pub(super) fn inverted(&self) -> Layer<'static> {
        let pixels = self.luma.pixels().iter().map(|v| 255 - v).collect();
        self.make(Luma::new(self.luma.width(), self.luma.height(), pixels), 1.0)
    }

    /// Edges made steeper by taking out a part of what the neighbours have in common: a remedy for blur.
    pub(super) fn sharpened(&self) -> Layer<'static> {
        let (w, h) = (self.luma.width() as usize, self.luma.height() as usize);
        let mut out = self.luma.pixels().to_vec();
        for y in (1..h.saturating_sub(1)).filter(|_| w > 2) {
            let (a, b, c) = (self.luma.row(y as u32 - 1), self.luma.row(y as u32), self.luma.row(y as u32 + 1));
            let row = out[y * w + 1..(y + 1) * w - 1].iter_mut().zip(&b[1..]);
            let beside = b.iter().zip(&b[2..]).zip(a[1..].iter().zip(&c[1..]));
            for ((out, &v), ((&left, &right), (&up, &low))) in row.zip(beside) {
                let cross = i16::from(left) + i16::from(right) + i16::from(up) + i16::from(low);
                *out = (3 * i16::from(v) - 2 * (cross >> 2)).clamp(0, 255) as u8;
            }
        }
        self.make(Luma::new(w as u32, h as u32, out), 1.0)
    }

    /// A point of this layer in pixels of the received picture.
    pub(super) fn point(&self, p: Point) -> Point {
        Point { x: p.x * self.scale + self.offset.x, y: p.y * self.scale + self.offset.y }
    }

    /// A length in this layer in pixels of the received picture.
    pub(super) fn length(&self, length: f32) -> f32 {
        length * self.scale
    }

    /// Corners in the received picture in pixels of this layer.
    pub(super) fn inwards(&self, corners: &Corners) -> Corners {
        let inwards = |p: Point| Point { x: (p.x - self.offset.x) / self.scale, y: (p.y - self.offset.y) / self.scale };
        Corners(corners.0.map(inwards))
    }

    /// Corners in this layer in pixels of the received picture.
    pub(super) fn corners(&self, corners: Corners) -> Corners {
        Corners(corners.0.map(|p| self.point(p)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Luma {
        Luma::new(4, 2, vec![0, 100, 200, 40, 100, 200, 40, 0])
    }

    #[test]
    fn points_of_every_layer_come_back_to_the_picture() {
        let luma = picture();
        let base = Layer::of(&luma);
        for layer in [base.halved(), base.enlarged(1.5), base.repeated(3, 5), base.inverted(), base.sharpened()] {
            let (w, h) = (layer.luma.width() as f32, layer.luma.height() as f32);
            let centre = layer.point(Point { x: w / 2.0, y: h / 2.0 });
            assert!((centre.x - 2.0).abs() < 0.1 && (centre.y - 1.0).abs() < 0.1, "{centre:?}");
            let back = layer.inwards(&Corners([centre; 4])).0[2];
            assert!((back.x - w / 2.0).abs() < 1e-3 && (back.y - h / 2.0).abs() < 1e-3, "{back:?}");
        }
    }

    #[test]
    fn twice_the_size_is_enlarged_by_two() {
        let luma = Luma::new(31, 17, (0..31 * 17).map(|i| (i * i * 7 % 253) as u8).collect());
        let (doubled, enlarged) = (Layer::of(&luma).doubled(), Layer::of(&luma).enlarged(2.0));
        assert_eq!((doubled.luma.width(), doubled.luma.height()), (62, 34));
        assert_eq!(doubled.luma.pixels(), enlarged.luma.pixels());
        assert_eq!(doubled.point(Point { x: 3.0, y: 5.0 }), enlarged.point(Point { x: 3.0, y: 5.0 }));
    }

    #[test]
    fn a_part_knows_where_it_was() {
        let luma = picture();
        let part = Layer::of(&luma).part([1, 0, 3, 2]);
        assert_eq!(part.luma.pixels(), [100, 200, 200, 40]);
        let place = part.enlarged(2.0).point(Point { x: 0.0, y: 4.0 });
        assert_eq!((place.x, place.y), (1.0, 2.0));
    }

    #[test]
    fn a_halved_pixel_is_the_mean_of_four() {
        let luma = picture();
        assert_eq!(Layer::of(&luma).halved().luma.pixels(), [100, 70]);
    }
}
