//! EAN and UPC digits by the shape of their profile.
//!
//! Under blur the crossings between bars move: narrow bars look wider and wide ones narrower, until widths tell digits no
//! longer. The grey values still do. Each digit lies between two edges that are always there, so the profile between them
//! is held against that of every digit, drawn with several strengths of blur, and the best correlation wins.

use std::sync::OnceLock;

use super::edges::Runs;

/// Samples a module, and samples of a digit with half a module on each side.
pub(super) const RATE: usize = 4;
const SAMPLES: usize = 8 * RATE;
/// Standard deviations of the blur, in modules.
pub(super) const BLURS: [f32; 4] = [0.35, 0.55, 0.75, 0.95];
/// Least correlation of a digit, and by how much it must be ahead of the second.
const LEAST: f32 = 0.93;
const AHEAD: f32 = 0.008;

/// Seven modules of set A, first module in the highest bit, dark is 1; set B is the inverse read backwards.
const SET_A: [u8; 10] = [
    0b000_1101, 0b001_1001, 0b001_0011, 0b011_1101, 0b010_0011, 0b011_0001, 0b010_1111, 0b011_1011, 0b011_0111,
    0b000_1011,
];

/// Steps a module in which shapes are drawn.
const FINE: i32 = 8;

/// A profile of `N` samples without its mean, of length one.
type Shape<const N: usize = SAMPLES> = [f32; N];

/// For each blur the shapes of sets A (0 to 9) and B (10 to 19); dark is high.
fn shapes() -> &'static [[Shape; 20]; BLURS.len()] {
    static SHAPES: OnceLock<[[Shape; 20]; BLURS.len()]> = OnceLock::new();
    SHAPES.get_or_init(|| BLURS.map(|blur| std::array::from_fn(|k| drawn(k, blur))))
}

fn drawn(digit: usize, blur: f32) -> Shape {
    let a = SET_A[digit % 10];
    let modules = if digit < 10 { a } else { (!a & 0x7F).reverse_bits() >> 1 };
    // In the left half a digit follows a dark module and is followed by a light one.
    let dark = |place: f32| match place.floor() as i32 {
        k @ 0..=6 => modules >> (6 - k) & 1 == 1,
        k => k < 0,
    };
    blurred(dark, blur)
}

/// Modules from half a module in front on, dark is high. `dark` is asked about a module or two outside, too.
pub(super) fn blurred<const N: usize>(dark: impl Fn(f32) -> bool, blur: f32) -> Shape<N> {
    // Beyond a module outside nothing is known; that far the weight is small.
    let reach = (3.0 * blur * FINE as f32) as i32;
    let kernel: Vec<f32> = (-reach..=reach)
        .map(|step| {
            let off = step as f32 / FINE as f32;
            (-off * off / (2.0 * blur * blur)).exp()
        })
        .collect();
    normal(seen_through(&kernel, dark))
}

/// What a line of modules looks like, dark is high, where each place is the sum of those around with the weights of
/// `kernel`, [`FINE`] a module.
pub(super) fn seen_through<const N: usize>(kernel: &[f32], dark: impl Fn(f32) -> bool) -> Shape<N> {
    // Each place is asked about once, not once for every sample around it: shapes are drawn by the thousand when a
    // process reads its first bars.
    const STEP: usize = FINE as usize / RATE;
    let first = 0.5 / RATE as f32 - 0.5 - (kernel.len() / 2) as f32 / FINE as f32;
    let places: Vec<f32> =
        (0..kernel.len() + STEP * (N - 1)).map(|k| f32::from(u8::from(dark(first + k as f32 / FINE as f32)))).collect();
    std::array::from_fn(|k| kernel.iter().zip(&places[STEP * k..]).map(|(weight, dark)| weight * dark).sum())
}

pub(super) fn normal<const N: usize>(mut shape: Shape<N>) -> Shape<N> {
    let mean = shape.iter().sum::<f32>() / N as f32;
    for v in &mut shape {
        *v -= mean;
    }
    let length = shape.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
    for v in &mut shape {
        *v /= length;
    }
    shape
}

/// How like two shapes are: 1 is the same. By fours side by side.
pub(super) fn likeness<const N: usize>(a: &Shape<N>, b: &Shape<N>) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// `count` digits of four runs each from run `at` on; `right` says that they are of the right half. Gives values, the set
/// B bits, and an error comparable with that of widths.
pub(super) fn digits(runs: &Runs, at: usize, count: usize, right: bool) -> Option<(Vec<u8>, u8, f32)> {
    let seen: Vec<Vec<Shape>> = (0..count)
        .map(|k| {
            let (start, end) = (runs.edges[at + 4 * k], runs.edges[at + 4 * k + 4]);
            let module = (end - start) / 7.0;
            // Blur may have moved the two edges a little.
            [-0.15, 0.0, 0.15]
                .into_iter()
                .map(|shift| {
                    normal(std::array::from_fn(|s| {
                        let place = (s as f32 + 0.5) / RATE as f32 - 0.5 + shift;
                        let grey = runs.grey(start + place * module);
                        if right { grey } else { -grey }
                    }))
                })
                .collect()
        })
        .collect();
    let sets = if right { 10 } else { 20 };
    let mut best: Option<(f32, Vec<u8>, u8)> = None;
    for shapes in shapes() {
        let (mut values, mut mirrored, mut sum, mut clear) = (Vec::with_capacity(count), 0u8, 0.0, true);
        for seen in &seen {
            let (mut first, mut second, mut which) = (-1.0f32, -1.0f32, 0);
            for (digit, shape) in shapes.iter().enumerate().take(sets) {
                let like = seen.iter().map(|s| likeness(s, shape)).fold(-1.0, f32::max);
                if like > first {
                    (first, second, which) = (like, first, digit);
                } else {
                    second = second.max(like);
                }
            }
            clear = first >= LEAST && first - second >= AHEAD;
            if !clear {
                break;
            }
            values.push((which % 10) as u8);
            mirrored = mirrored << 1 | u8::from(which >= 10);
            sum += first;
        }
        if clear && best.as_ref().is_none_or(|b| sum > b.0) {
            best = Some((sum, values, mirrored));
        }
    }
    let (sum, values, mirrored) = best?;
    Some((values, mirrored, 4.0 * (1.0 - sum / count as f32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_most_like_itself_at_any_blur() {
        for (drawn, shapes) in
            shapes().iter().enumerate().flat_map(|(k, s)| s.iter().map(move |d| (k, d)).zip(std::iter::repeat(s)))
        {
            let like = |a: &Shape, b: &Shape| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let near = shapes.iter().filter(|s| like(s, drawn.1) > 0.999).count();
            assert_eq!(near, 1, "blur {}", BLURS[drawn.0]);
        }
    }
}
