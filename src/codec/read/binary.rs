//! Grey to black and white. Each way sees codes that the others lose.

use rxing::common::{BitArray, BitMatrix};

use super::wide::at_most;
use crate::codec::Luma;

/// A way to decide what is black.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threshold {
    /// Against the mean of the 40 × 40 pixels around, by blocks of 8 × 8: the ordinary case, and the cheapest.
    Block,
    /// Against the mean of a window of the given width: small modules under uneven light.
    Window(u32),
    /// One limit for the whole picture, between the two heaps of its histogram: glossy and low-contrast pictures.
    Global,
}

/// One bit a pixel, black is 1; rows begin at a word, the lowest bit is the leftmost pixel.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    width: u32,
    height: u32,
    stride: usize,
    words: Vec<u64>,
}

impl Bits {
    /// Applies a threshold.
    pub(super) fn of(luma: &Luma, threshold: Threshold) -> Self {
        match threshold {
            Threshold::Block => by_block(luma),
            Threshold::Window(width) => by_window(luma, width),
            Threshold::Global => {
                let limit = valley(luma);
                by_row(luma, |_, limits| limits.fill(limit))
            }
        }
    }

    fn empty(luma: &Luma) -> Self {
        let stride = (luma.width() as usize).div_ceil(64);
        Self {
            width: luma.width(),
            height: luma.height(),
            stride,
            words: Vec::with_capacity(stride * luma.height() as usize),
        }
    }

    /// For rxing.
    pub(super) fn matrix(&self) -> Option<BitMatrix> {
        let mut matrix = BitMatrix::new(self.width, self.height).ok()?;
        let mut row = BitArray::with_size(self.width as usize);
        for (y, words) in self.words.chunks_exact(self.stride).enumerate() {
            for (k, &word) in words.iter().enumerate() {
                row.setBulk(64 * k, word as usize);
            }
            matrix.setRow(y as u32, &row);
        }
        Some(matrix)
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    /// The words of row `y`; bits beyond the width are 0.
    pub(super) fn row(&self, y: u32) -> &[u64] {
        &self.words[y as usize * self.stride..(y as usize + 1) * self.stride]
    }

    /// Whether the pixel at a place is black; `None` outside.
    #[inline]
    pub(super) fn at(&self, x: f32, y: f32) -> Option<bool> {
        if !(x >= 0.0 && y >= 0.0) {
            return None;
        }
        let (x, y) = (x as u32, y as u32);
        (x < self.width && y < self.height)
            .then(|| self.words[y as usize * self.stride + x as usize / 64] >> (x % 64) & 1 == 1)
    }

    /// The lengths of the runs of row `y`: white first (perhaps of no length), then by turns.
    pub(super) fn row_runs(&self, y: u32, runs: &mut Vec<u32>) {
        runs.clear();
        let row = &self.words[y as usize * self.stride..(y as usize + 1) * self.stride];
        let (mut start, mut carry) = (0, 0);
        for (k, &word) in row.iter().enumerate() {
            let mut changes = word ^ (word << 1 | carry);
            carry = word >> 63;
            while changes != 0 {
                let place = (64 * k) as u32 + changes.trailing_zeros();
                if place >= self.width {
                    break;
                }
                runs.push(place - start);
                start = place;
                changes &= changes - 1;
            }
        }
        runs.push(self.width - start);
    }

    /// The lengths of the runs of column `x`, likewise.
    pub(super) fn column_runs(&self, x: u32, runs: &mut Vec<u32>) {
        runs.clear();
        let (word, bit) = (x as usize / 64, x % 64);
        let (mut start, mut black) = (0, 0);
        for y in 0..self.height {
            let now = self.words[y as usize * self.stride + word] >> bit & 1;
            if now != black {
                runs.push(y - start);
                (start, black) = (y, now);
            }
        }
        runs.push(self.height - start);
    }

    /// The lengths of `N` runs of column `x`, an odd number of which the middle one holds black pixel `y`; each half may be
    /// up to `reach` pixels long; the border of the picture ends a run. `None` where there are fewer.
    pub(super) fn runs_around<const N: usize>(&self, x: u32, y: u32, reach: u32) -> Option<[u32; N]> {
        let (word, bit) = (x as usize / 64, x % 64);
        let black = |y: u32| self.words[y as usize * self.stride + word] >> bit & 1 == 1;
        let mut runs = [0; N];
        let mut count = |rows: &mut dyn Iterator<Item = u32>, place: fn(usize) -> usize| {
            let (mut k, mut now) = (0, true);
            for y in rows {
                if black(y) != now {
                    k += 1;
                    now = !now;
                }
                if k > N / 2 {
                    break;
                }
                runs[place(k)] += 1;
            }
            k
        };
        let up = count(&mut (y.saturating_sub(reach)..=y).rev(), |k| N / 2 - k);
        let down = count(&mut (y + 1..self.height.min(y + 1 + reach)), |k| N / 2 + k);
        let whole = |k: usize, cut: bool| k > N / 2 || k == N / 2 && cut;
        (whole(up, y <= reach) && whole(down, y + 1 + reach >= self.height)).then_some(runs)
    }

    /// Distances from a dark place to its first `N` changes of colour along a direction of length one.
    pub(super) fn changes<const N: usize>(&self, x: f32, y: f32, dx: f32, dy: f32, reach: f32) -> Option<[f32; N]> {
        let mut dark = true;
        let (mut found, mut count) = ([0.0; N], 0);
        let mut at = 0.0;
        while at < reach {
            let now = self.at(x + dx * at, y + dy * at)?;
            if now != dark {
                found[count] = at - 0.25;
                count += 1;
                if count == N {
                    return Some(found);
                }
                dark = now;
            }
            at += 0.5;
        }
        None
    }

    /// Turned a quarter clockwise.
    pub(super) fn turned(&self) -> Self {
        let stride = (self.height as usize).div_ceil(64);
        let mut words = vec![0u64; stride * self.width as usize];
        for y in 0..self.height as usize {
            let to = self.height as usize - 1 - y;
            for (k, &word) in self.words[y * self.stride..(y + 1) * self.stride].iter().enumerate() {
                let mut left = word;
                while left != 0 {
                    let x = 64 * k + left.trailing_zeros() as usize;
                    words[x * stride + to / 64] |= 1 << (to % 64);
                    left &= left - 1;
                }
            }
        }
        Self { width: self.height, height: self.width, stride, words }
    }

    /// The mirror image, upside down.
    pub(super) fn flipped(&self) -> Self {
        Self { words: self.words.rchunks_exact(self.stride).flatten().copied().collect(), ..*self }
    }

    /// Black and white exchanged.
    pub(super) fn inverted(&self) -> Self {
        let mut words: Vec<u64> = self.words.iter().map(|w| !w).collect();
        let rest = self.width % 64;
        if rest > 0 {
            words.chunks_exact_mut(self.stride).for_each(|row| row[self.stride - 1] &= (1 << rest) - 1);
        }
        Self { words, ..*self }
    }

    /// White gaps of one or two pixels closed: dotted, scratched and screen-door modules become whole.
    pub(super) fn closed(&self) -> Self {
        self.grown(true).grown(false)
    }

    /// Black grown (or shrunk) by one pixel in all four directions.
    fn grown(&self, black: bool) -> Self {
        let flip = if black { 0 } else { u64::MAX };
        let s = self.stride;
        let mut words = Vec::with_capacity(self.words.len());
        for y in 0..self.height as usize {
            for k in 0..s {
                let at = |y: usize, k: usize| self.words[y * s + k] ^ flip;
                let v = at(y, k);
                let left = v << 1 | if k > 0 { at(y, k - 1) >> 63 } else { 0 };
                let right = v >> 1 | if k + 1 < s { at(y, k + 1) << 63 } else { 0 };
                let up = if y > 0 { at(y - 1, k) } else { 0 };
                let down = if y + 1 < self.height as usize { at(y + 1, k) } else { 0 };
                words.push((v | left | right | up | down) ^ flip);
            }
        }
        let rest = self.width % 64;
        if rest > 0 {
            words.chunks_exact_mut(s).for_each(|row| row[s - 1] &= (1 << rest) - 1);
        }
        Self { words, ..*self }
    }
}

/// Applies a row of limits, one a pixel, to each row.
fn by_row(luma: &Luma, mut limits_of: impl FnMut(u32, &mut [u8])) -> Bits {
    let mut bits = Bits::empty(luma);
    let mut limits = vec![0u8; luma.width() as usize];
    for y in 0..luma.height() {
        limits_of(y, &mut limits);
        let ((pixels, pixels_left), (limits, limits_left)) = (luma.row(y).as_chunks(), limits.as_chunks());
        bits.words.extend(pixels.iter().zip(limits).map(|(p, l)| at_most(p, l)));
        if !pixels_left.is_empty() {
            // Beyond the end of the row all is white.
            let (mut p, mut l) = ([255; 64], [0; 64]);
            p[..pixels_left.len()].copy_from_slice(pixels_left);
            l[..limits_left.len()].copy_from_slice(limits_left);
            bits.words.push(at_most(&p, &l));
        }
    }
    bits
}

const BLOCK: usize = 8;
/// Difference of the lightest and the darkest pixel below which a block has no edge in it.
const FLAT: u8 = 14;

fn by_block(luma: &Luma) -> Bits {
    let (w, h) = (luma.width() as usize, luma.height() as usize);
    let (bw, bh) = (w.div_ceil(BLOCK), h.div_ceil(BLOCK));
    let mut points = vec![0u8; bw * bh];
    let (mut sums, mut low, mut high) = (vec![0u16; w], vec![0u8; w], vec![0u8; w]);
    for by in 0..bh {
        // The last blocks overlap their neighbours rather than stick out.
        let top = (by * BLOCK).min(h.saturating_sub(BLOCK));
        let rows = BLOCK.min(h);
        sums.fill(0);
        low.fill(255);
        high.fill(0);
        for y in top..top + rows {
            for (((s, l), g), &v) in sums.iter_mut().zip(&mut low).zip(&mut high).zip(luma.row(y as u32)) {
                *s += u16::from(v);
                *l = (*l).min(v);
                *g = (*g).max(v);
            }
        }
        for bx in 0..bw {
            let left = (bx * BLOCK).min(w.saturating_sub(BLOCK));
            let range = left..left + BLOCK.min(w);
            let sum: u32 = sums[range.clone()].iter().map(|&s| u32::from(s)).sum();
            let least = low[range.clone()].iter().copied().min().unwrap_or(0);
            let most = high[range.clone()].iter().copied().max().unwrap_or(0);
            points[by * bw + bx] = if most - least > FLAT {
                let pixels = (rows * range.len()) as u32;
                // A division costs as much as all the rest.
                (if pixels == 64 { sum / 64 } else { sum / pixels }) as u8
            } else {
                // No edge in the block: it is white, unless the blocks before it say that black is lighter than this.
                let white = least / 2;
                if by > 0 && bx > 0 {
                    let (up, left, corner) =
                        (points[(by - 1) * bw + bx], points[by * bw + bx - 1], points[(by - 1) * bw + bx - 1]);
                    let around = ((u16::from(up) + 2 * u16::from(left) + u16::from(corner)) / 4) as u8;
                    if least < around { around } else { white }
                } else {
                    white
                }
            };
        }
    }
    let mut by_last = usize::MAX;
    let mut limits_of_row = vec![0u8; w];
    let mut columns = vec![0u16; bw];
    by_row(luma, |y, limits| {
        let by = y as usize / BLOCK;
        if by != by_last {
            by_last = by;
            let around =
                |k: usize, most: usize| k.saturating_sub(2).min(most.saturating_sub(5))..(k + 3).max(5).min(most);
            let rows = around(by, bh);
            columns.fill(0);
            for row in points[rows.start * bw..rows.end * bw].chunks_exact(bw) {
                columns.iter_mut().zip(row).for_each(|(sum, &v)| *sum += u16::from(v));
            }
            for (bx, part) in limits_of_row.chunks_mut(BLOCK).enumerate() {
                let near = around(bx, bw);
                let count = (rows.len() * near.len()) as u16;
                let sum: u16 = columns[near].iter().sum();
                part.fill((if count == 25 { sum / 25 } else { sum / count }) as u8);
            }
        }
        limits.copy_from_slice(&limits_of_row);
    })
}

/// Grey levels below the mean of a window that paper may be.
const PAPER: f32 = 4.0;
/// A float whose steps are ones.
const WHOLE: f32 = (3 << 22) as f32;

fn by_window(luma: &Luma, width: u32) -> Bits {
    let (w, h) = (luma.width() as usize, luma.height() as usize);
    let reach = (width as usize / 2).max(1);
    // Sums of a window's columns, moved down row by row; the window's own sum moves along the row.
    let mut columns = vec![0u32; w];
    for y in 0..reach.min(h) {
        columns.iter_mut().zip(luma.row(y as u32)).for_each(|(c, &v)| *c += u32::from(v));
    }
    let mut prefix = vec![0u32; w + 1];
    by_row(luma, |y, limits| {
        let y = y as usize;
        if y + reach < h {
            columns.iter_mut().zip(luma.row((y + reach) as u32)).for_each(|(c, &v)| *c += u32::from(v));
        }
        if y > reach {
            columns.iter_mut().zip(luma.row((y - reach - 1) as u32)).for_each(|(c, &v)| *c -= u32::from(v));
        }
        let rows = (y + reach).min(h - 1) + 1 - y.saturating_sub(reach);
        let mut sum = 0u32;
        for (x, c) in columns.iter().enumerate() {
            sum = sum.wrapping_add(*c);
            prefix[x + 1] = sum;
        }
        // A little below the mean, so that plain paper stays white. The lowest bits of a float far larger than one hold a
        // whole number, rounded, which is cheaper than a conversion; half a grey value in a window's sum and half a level
        // make it rounded down to below a whole mean.
        let limit = |from: u32, to: u32, share: f32| {
            let mean = (to.wrapping_sub(from) as i32 as f32 - 0.5) * share;
            ((mean - (PAPER + 0.5)).max(-0.25) + WHOLE).to_bits() as u8
        };
        let share = |width: usize| 1.0 / (rows * width) as f32;
        let span = 2 * reach + 1;
        let ends = reach.min(w)..w.saturating_sub(reach).max(reach.min(w));
        for x in (0..ends.start).chain(ends.end..w) {
            let (from, to) = (x.saturating_sub(reach), (x + reach + 1).min(w));
            limits[x] = limit(prefix[from], prefix[to], share(to - from));
        }
        let full = share(span);
        for (x, (from, to)) in limits[ends].iter_mut().zip(prefix.iter().zip(prefix.iter().skip(span))) {
            *x = limit(*from, *to, full);
        }
    })
}

/// The grey level that parts the histogram into two heaps that differ most (Otsu's criterion).
fn valley(luma: &Luma) -> u8 {
    let mut counts = [0u32; 256];
    for row in (0..luma.height()).step_by(2) {
        for &v in luma.row(row) {
            counts[usize::from(v)] += 1;
        }
    }
    let total: f64 = counts.iter().map(|&c| f64::from(c)).sum();
    let sum: f64 = counts.iter().enumerate().map(|(v, &c)| v as f64 * f64::from(c)).sum();
    let (mut weight, mut part, mut best, mut limit) = (0.0, 0.0, -1.0, 127);
    for (v, &c) in counts.iter().enumerate().take(255) {
        weight += f64::from(c);
        part += v as f64 * f64::from(c);
        if weight < 1.0 || total - weight < 1.0 {
            continue;
        }
        let apart = part / weight - (sum - part) / (total - weight);
        let score = weight * (total - weight) * apart * apart;
        if score > best {
            (best, limit) = (score, v);
        }
    }
    limit as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chessboard(light: u8, dark: u8) -> Luma {
        let pixels = (0..80 * 70).map(|i| if (i % 80 / 5 + i / 80 / 5) % 2 == 0 { dark } else { light }).collect();
        Luma::new(80, 70, pixels)
    }

    #[test]
    fn every_threshold_tells_black_from_white() {
        let luma = chessboard(200, 90);
        for threshold in [Threshold::Block, Threshold::Window(20), Threshold::Global] {
            let matrix = Bits::of(&luma, threshold).matrix().expect("has pixels");
            for y in 0..70 {
                for x in 0..80 {
                    assert_eq!(matrix.get(x, y), luma.row(y)[x as usize] == 90, "{threshold:?} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn a_window_is_the_mean_of_what_is_around() {
        for (w, h) in [(9, 40), (20, 7), (21, 21), (50, 33), (130, 25)] {
            let luma = Luma::new(w, h, (0..w * h).map(|i| (i * i * 7 + i / 3) as u8).collect());
            let bits = Bits::of(&luma, Threshold::Window(20));
            let around = |k: u32, most: u32| k.saturating_sub(10)..(k + 11).min(most);
            for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                let (rows, columns) = (around(y, h), around(x, w));
                let count = rows.len() * columns.len();
                let sum: usize = rows
                    .flat_map(|y| luma.row(y)[columns.start as usize..columns.end as usize].iter())
                    .map(|&v| usize::from(v))
                    .sum();
                let limit = (sum.saturating_sub(1) / count).saturating_sub(4);
                let black = usize::from(luma.row(y)[x as usize]) <= limit;
                assert_eq!(bits.at(x as f32, y as f32), Some(black), "at {x}, {y} of {w} × {h}");
            }
        }
    }

    #[test]
    fn inverting_keeps_the_padding_white() {
        let bits = Bits::of(&chessboard(200, 90), Threshold::Global);
        let twice = bits.inverted().inverted();
        assert_eq!(bits.words, twice.words);
        assert_eq!(bits.inverted().words[1] >> 16, 0);
    }

    #[test]
    fn closing_fills_a_gap_of_one_pixel_and_leaves_the_rest() {
        let mut luma = vec![255u8; 30 * 30];
        for y in 10..20 {
            for x in 10..20 {
                luma[y * 30 + x] = if x == 15 { 255 } else { 0 };
            }
        }
        let closed = Bits::of(&Luma::new(30, 30, luma), Threshold::Global).closed().matrix().expect("has pixels");
        assert!(closed.get(15, 14) && !closed.get(8, 14) && !closed.get(21, 14));
    }
}
