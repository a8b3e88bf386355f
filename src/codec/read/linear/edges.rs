//! From a line of grey values to bars and spaces, measured to a fraction of a pixel.
//!
//! A global or block threshold loses narrow bars as soon as they are blurred: their depth is a part of a wide bar's. Here
//! a bar is any dip deep enough in comparison with its neighbourhood, and its edges are where the profile crosses the
//! middle between the dip and the peak beside it, interpolated between pixels.

/// The bars and spaces of one line, in the direction of reading.
///
/// `edges` alternate: white to dark first, dark to white last. Run `i` reaches from edge `i` to edge `i + 1`; even runs
/// are dark. Unit: pixels along the line.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Places of the edges.
    pub(super) edges: Vec<f32>,
    /// Length of each run: one fewer than the edges.
    pub(super) widths: Vec<f32>,
    /// Length of the line.
    pub(super) length: f32,
    /// Grey values of the line, one a pixel.
    pub(super) profile: Vec<f32>,
}

impl Runs {
    /// White in front of dark run `i`; unlimited at the end of the picture, where a quiet zone may have been cut off.
    pub(super) fn quiet_before(&self, i: usize) -> f32 {
        if i == 0 { f32::INFINITY } else { self.widths[i - 1] }
    }

    /// White behind dark run `i`.
    pub(super) fn quiet_after(&self, i: usize) -> f32 {
        self.widths.get(i + 1).copied().unwrap_or(f32::INFINITY)
    }

    /// Length of `count` runs from run `i` on.
    pub(super) fn span(&self, i: usize, count: usize) -> f32 {
        self.edges[i + count] - self.edges[i]
    }

    /// The same line read from its other end.
    pub(super) fn reversed_into(&self, other: &mut Self) {
        other.length = self.length;
        other.edges.clear();
        other.edges.extend(self.edges.iter().rev().map(|e| self.length - e));
        other.widths.clear();
        other.widths.extend(self.widths.iter().rev());
        other.profile.clear();
        other.profile.extend(self.profile.iter().rev());
    }

    /// The grey value at a place between pixels.
    pub(super) fn grey(&self, place: f32) -> f32 {
        let last = self.profile.len() - 1;
        let at = (place - 0.5).clamp(0.0, last as f32);
        let low = (at as usize).min(last.saturating_sub(1));
        let part = at - low as f32;
        self.profile[low] * (1.0 - part) + self.profile[(low + 1).min(last)] * part
    }

    /// A line and its runs.
    #[cfg(test)]
    pub(super) fn of(profile: Vec<f32>, how: Cut) -> Self {
        let mut runs = Self { profile, ..Self::default() };
        cut(how, &mut runs);
        runs
    }

    fn close(&mut self) {
        self.widths.clear();
        self.widths.extend(self.edges.windows(2).map(|e| e[1] - e[0]));
    }
}

/// How a profile is cut into runs; each sees bars that the other misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Halfway between each dip and the peaks beside it: narrow bars under blur and uneven light.
    Extrema,
    /// The same with shallower dips, for lines that are the mean of several and have little noise.
    Faint,
    /// Where the profile crosses the mean of its neighbourhood: true widths in sharp, noisy or low-resolution pictures.
    Level,
}

/// Depth, as a part of the contrast around, that a dip must have to be a bar, and grey levels below which all is noise.
const EXTREMA: (f32, f32) = (0.20, 9.0);
const FAINT: (f32, f32) = (0.10, 4.0);

/// Cuts the profile of `runs`; there are none afterwards if there are no bars.
pub(super) fn cut(how: Cut, runs: &mut Runs) {
    runs.edges.clear();
    runs.length = runs.profile.len() as f32;
    match how {
        Cut::Extrema => by_extrema(&runs.profile, EXTREMA, &mut runs.edges),
        Cut::Faint => by_extrema(&runs.profile, FAINT, &mut runs.edges),
        Cut::Level => by_level(&runs.profile, &mut runs.edges),
    }
    runs.close();
}

#[inline(never)]
fn by_extrema(profile: &[f32], (depth, noise): (f32, f32), edges: &mut Vec<f32>) {
    let Some(&first) = profile.first() else { return };
    let (mut low, mut high) = ((first, 0), (first, 0)); // candidates for the next dip and peak: value and place
    let mut rising = None; // unknown until the first step that is more than noise
    let mut contrast = noise / depth;
    let mut last = (first, 0); // the extremum before the current candidate
    for (i, &v) in profile.iter().enumerate().skip(1) {
        let step = (contrast * depth).max(noise);
        match rising {
            None => {
                if v < low.0 {
                    low = (v, i);
                }
                if v > high.0 {
                    high = (v, i);
                }
                if high.0 - v > step {
                    (rising, last, low) = (Some(false), high, (v, i));
                } else if v - low.0 > step {
                    // The line begins dark: its first bar begins at the end of the picture.
                    edges.push(0.0);
                    (rising, last, high) = (Some(true), low, (v, i));
                }
            }
            Some(true) => {
                if v > high.0 {
                    high = (v, i);
                } else if high.0 - v > step {
                    contrast = (contrast * 0.9).max(high.0 - last.0);
                    edges.push(crossing(profile, last, high));
                    (rising, last, low) = (Some(false), high, (v, i));
                }
            }
            Some(false) => {
                if v < low.0 {
                    low = (v, i);
                } else if v - low.0 > step {
                    contrast = (contrast * 0.9).max(last.0 - low.0);
                    edges.push(crossing(profile, last, low));
                    (rising, last, high) = (Some(true), low, (v, i));
                }
            }
        }
    }
    match rising {
        Some(true) => edges.push(crossing(profile, last, high)),
        Some(false) => {
            edges.push(crossing(profile, last, low));
            edges.push(profile.len() as f32);
        }
        None => {}
    }
}

/// Where the profile crosses the middle between two neighbouring extrema: the mean of the first and the last crossing.
fn crossing(profile: &[f32], from: (f32, usize), to: (f32, usize)) -> f32 {
    let level = f32::midpoint(from.0, to.0);
    let falls = from.0 > to.0;
    let beyond = |v: f32| (v < level) == falls;
    let at = |i: usize| {
        let (a, b) = (profile[i - 1], profile[i]);
        i as f32 - 0.5 + if (b - a).abs() > 1e-3 { ((level - a) / (b - a)).clamp(0.0, 1.0) } else { 0.5 }
    };
    let first = (from.1 + 1..=to.1).find(|&i| beyond(profile[i])).unwrap_or(to.1);
    let last = (from.1 + 1..=to.1).rev().find(|&i| !beyond(profile[i - 1])).unwrap_or(first);
    if first == last { at(first) } else { f32::midpoint(at(first), at(last)) }
}

/// Half the width of the neighbourhood, in pixels: wide enough for a bar code's wide spaces, narrow enough for shadows.
const REACH: usize = 24;

// Not inlined: among the decoders around it the loop would not keep its values in registers.
#[inline(never)]
fn by_level(profile: &[f32], edges: &mut Vec<f32>) {
    let n = profile.len();
    if n < 3 {
        return;
    }
    let reach = REACH.min(n / 2).max(1);
    let mut sum: f32 = profile[..reach].iter().sum();
    let mut side = Side { dark: false, value: profile[0], level: profile[0] };
    let width = |i: usize| ((i + reach).min(n - 1) + 1 - i.saturating_sub(reach)) as f32;
    let full = reach + 1..(n - reach).max(reach + 1);
    for i in 0..full.start {
        sum += profile.get(i + reach).copied().unwrap_or(0.0);
        side.step(i, profile[i], sum / width(i), edges);
    }
    // Away from the ends of the line the window has one width.
    let share = 1.0 / width(full.start);
    let windows = profile.iter().skip(full.start + reach).zip(profile);
    for ((i, &value), (entering, leaving)) in full.clone().zip(&profile[full.clone()]).zip(windows) {
        sum += entering - leaving;
        side.step(i, value, sum * share, edges);
    }
    for i in full.end..n {
        sum += profile.get(i + reach).copied().unwrap_or(0.0) - if i > reach { profile[i - reach - 1] } else { 0.0 };
        side.step(i, profile[i], sum / width(i), edges);
    }
    if side.dark {
        edges.push(n as f32);
    }
}

/// Which side of the level a line is on, and the pixel before.
struct Side {
    dark: bool,
    value: f32,
    level: f32,
}

impl Side {
    #[inline]
    fn step(&mut self, i: usize, value: f32, level: f32, edges: &mut Vec<f32>) {
        // A dead band keeps paper grain from becoming bars.
        let dark = value < if self.dark { level + 3.0 } else { level - 3.0 };
        if dark != self.dark {
            let (a, b) = (self.value - self.level, value - level);
            let part = if (b - a).abs() > 1e-3 { (-a / (b - a)).clamp(0.0, 1.0) } else { 0.5 };
            edges.push(if i == 0 { 0.0 } else { i as f32 - 0.5 + part });
            self.dark = dark;
        }
        (self.value, self.level) = (value, level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bars of the given widths in pixels, white first, blurred by a box of `blur` samples at eight samples a pixel.
    fn profile(widths: &[f32], blur: usize) -> Vec<f32> {
        let mut fine = Vec::new();
        for (i, w) in widths.iter().enumerate() {
            fine.extend(std::iter::repeat_n(if i % 2 == 0 { 220.0 } else { 30.0 }, (w * 8.0) as usize));
        }
        let smooth: Vec<f32> = (0..fine.len())
            .map(|i| {
                let part = &fine[i.saturating_sub(blur)..(i + blur + 1).min(fine.len())];
                part.iter().sum::<f32>() / part.len() as f32
            })
            .collect();
        smooth.chunks_exact(8).map(|c| c.iter().sum::<f32>() / 8.0).collect()
    }

    #[test]
    fn edges_are_measured_to_a_fraction_of_a_pixel() {
        let widths = [10.0, 2.25, 2.5, 4.75, 2.0, 7.5, 3.0, 2.0, 10.0];
        for how in [Cut::Extrema, Cut::Faint, Cut::Level] {
            let runs = Runs::of(profile(&widths, 4), how);
            assert_eq!(runs.widths.len(), 7, "{how:?} finds every bar");
            for (found, drawn) in runs.widths.iter().zip(&widths[1..8]) {
                assert!(
                    (found - drawn).abs() < if how == Cut::Level { 0.6 } else { 0.3 },
                    "{how:?}: {found} for {drawn}"
                );
            }
        }
    }

    #[test]
    fn a_bar_cut_by_the_end_of_the_picture_begins_there() {
        let runs = Runs::of(vec![20.0, 20.0, 200.0, 200.0, 20.0, 20.0], Cut::Extrema);
        assert_eq!(runs.edges, [0.0, 2.0, 4.0, 6.0]);
    }
}
