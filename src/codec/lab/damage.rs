//! What happens to pixels, and what is left to chance. Pixels are 0 (black) to 1 (white).

/// A sequence of numbers that a seed decides on (SplitMix64, whose numbers never change with a library's version).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly between 0 and 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Like a normal distribution of standard deviation 1: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// How a flat thing is turned, and tilted away from who looks at it. Places are relative to its middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tilt {
    sin: f64,
    cos: f64,
    /// How much further away a place is, a pixel in x and y.
    away: (f64, f64),
}

impl Tilt {
    /// `rotation` in degrees; `perspective` 0 to 1 towards `direction` (radians), for a thing with this radius.
    pub(super) fn new(rotation: f64, perspective: f64, direction: f64, radius: f64) -> Self {
        /// Of 1, the far end would be at the horizon.
        const STRONGEST: f64 = 0.7;
        let (sin, cos) = rotation.to_radians().sin_cos();
        // Whole quarter turns are exact.
        let exact = |value: f64| if value.abs() < 1e-12 { 0.0 } else { value };
        let strength = STRONGEST * perspective / radius;
        Self { sin: exact(sin), cos: exact(cos), away: (strength * direction.cos(), strength * direction.sin()) }
    }

    /// Where a place is seen.
    pub(super) fn seen(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = (x * self.cos - y * self.sin, x * self.sin + y * self.cos);
        let distance = 1.0 + self.away.0 * x + self.away.1 * y;
        (x / distance, y / distance)
    }

    /// Which place is seen there, if any.
    pub(super) fn meant(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let near = 1.0 - self.away.0 * x - self.away.1 * y;
        if near <= f64::EPSILON {
            return None;
        }
        let (x, y) = (x / near, y / near);
        Some((x * self.cos + y * self.sin, y * self.cos - x * self.sin))
    }
}

/// The reflection of a lamp somewhere in the picture.
pub(super) fn glare(pixels: &mut [f32], width: usize, strength: f64, random: &mut Random) {
    let height = pixels.len() / width;
    let (x, y) = (random.unit() * width as f64, random.unit() * height as f64);
    if strength == 0.0 {
        return;
    }
    let radius = width.min(height) as f64 / 4.0;
    for (place, pixel) in pixels.iter_mut().enumerate() {
        let (dx, dy) = ((place % width) as f64 - x, (place / width) as f64 - y);
        let light = strength * (-(dx * dx + dy * dy) / (2.0 * radius * radius)).exp();
        *pixel += light as f32;
    }
}

/// A Gaussian blur; the edge goes on beyond the edge.
pub(super) fn blur(pixels: &mut [f32], width: usize, sigma: f64) {
    if sigma == 0.0 {
        return;
    }
    let reach = (3.0 * sigma).ceil() as isize;
    let weights: Vec<_> = (-reach..=reach).map(|off| (-((off * off) as f64) / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<_> = weights.into_iter().map(|weight| (weight / sum) as f32).collect();
    let height = pixels.len() / width;
    let mut line = Vec::with_capacity(width.max(height));
    for row in pixels.chunks_exact_mut(width) {
        line.clear();
        line.extend_from_slice(row);
        smooth(&line, &weights, reach, |place, value| row[place] = value);
    }
    for column in 0..width {
        line.clear();
        line.extend((0..height).map(|row| pixels[row * width + column]));
        smooth(&line, &weights, reach, |place, value| pixels[place * width + column] = value);
    }
}

fn smooth(line: &[f32], weights: &[f32], reach: isize, mut set: impl FnMut(usize, f32)) {
    let last = line.len() as isize - 1;
    for place in 0..line.len() {
        let near = |off: isize| line[(place as isize + off).clamp(0, last) as usize];
        set(place, (-reach..=reach).zip(weights).map(|(off, weight)| near(off) * weight).sum());
    }
}

/// Noise of this standard deviation.
pub(super) fn noise(pixels: &mut [f32], sigma: f64, random: &mut Random) {
    if sigma == 0.0 {
        return;
    }
    for pixel in pixels {
        *pixel += (random.normal() * sigma) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_what_was_meant() {
        let tilt = Tilt::new(33.0, 0.8, 1.0, 100.0);
        for (x, y) in [(0.0, 0.0), (50.0, -20.0), (-60.0, 70.0)] {
            let (seen_x, seen_y) = tilt.seen(x, y);
            let (back_x, back_y) = tilt.meant(seen_x, seen_y).expect("in front");
            assert!((back_x - x).abs() < 1e-9 && (back_y - y).abs() < 1e-9, "{x} {y} -> {back_x} {back_y}");
        }
        assert_eq!(Tilt::new(90.0, 0.0, 0.0, 1.0).seen(1.0, 0.0), (0.0, 1.0));
    }

    #[test]
    fn blur_keeps_the_light_and_noise_keeps_its_mean() {
        let mut pixels = vec![0.0; 41 * 41];
        pixels[20 * 41 + 20] = 1.0;
        blur(&mut pixels, 41, 2.0);
        assert!((pixels.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        assert!(pixels[20 * 41 + 20] < 0.05 && pixels[20 * 41 + 22] > 0.02);
        let mut pixels = vec![0.5; 10_000];
        noise(&mut pixels, 0.1, &mut Random::new(7));
        let mean = pixels.iter().sum::<f32>() / 10_000.0;
        let variance = pixels.iter().map(|pixel| (pixel - mean).powi(2)).sum::<f32>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01 && (variance.sqrt() - 0.1).abs() < 0.01, "{mean} {variance}");
    }
}
