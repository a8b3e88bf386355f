//! Linear symbols: rows and columns of the picture cut into bars, every symbology tried where a bar follows white.
//!
//! Here: which lines are looked at, and how lines that say the same become a symbol. One line is never enough for a code
//! whose check is weak: its neighbours are asked, and those that say something else count against it.
//!
//! What each stage reads of the zxing-cpp samples and of camera frames, and costs there, zxing-cpp's whole reading = 1:
//!
//! | stage | reads | time |
//! |---|---|---|
//! | rows and columns ([`upright`]) | 447, 27 | 0.12, 0.07 |
//! | finding and judging places ([`Places::find`]) | | 0.02, 0.03 |
//! | lines across places ([`located`]) | 8, 30 | 0.02, 0.01 |
//! | the same, sharpened | 12, 1 | 0.02, 0.00 |
//! | weighed, as it is and sharpened ([`weighed`]) | 27, 1 | 0.04, 0.00 |
//! | the same place enlarged and sharpened | 1, 0 | 0.01, 0.00 |
//! | inverted | 2, 0 | 0.00, 0.00 |

mod blurred;
mod codabar;
mod code128;
mod code39;
mod code93;
mod databar;
mod edges;
mod film;
mod frame;
mod itf;
mod locate;
mod retail;
mod shapes;
mod telepen;

use super::Kinds;
use crate::codec::{Kind, Luma, Symbol};
use edges::{Cut, Runs, cut};
use frame::Frame;

/// A symbol read on one line.
#[derive(Debug)]
struct Decoded {
    kind: Kind,
    /// Its text, in ASCII but for Code 128's upper half (Latin-1).
    bytes: Vec<u8>,
    /// Runs from its first bar to its last.
    runs: usize,
    /// How far the bars are from ideal; comparable within a symbology.
    error: f32,
}

/// A reading and the lines that agree on it.
#[derive(Debug)]
struct Candidate {
    kind: Kind,
    bytes: Vec<u8>,
    /// Place of the line, start and end along it, of each line that read it; ascending by line.
    lines: Vec<(f32, f32, f32)>,
    /// Read against the direction of the lines.
    backwards: bool,
    error: f32,
}

impl Candidate {
    /// The part of the line that all its lines share, roughly.
    fn overlaps(&self, start: f32, end: f32) -> bool {
        self.lines.iter().any(|&(_, s, e)| s.max(start) < e.min(end))
    }
}

/// Most rows and columns looked at, and lines across a located region; more are asked where one line read something.
const ROWS: u32 = 64;
const REGION_LINES: u32 = 20;

/// Lines across a located region that are weighed together, and the lines that each is the mean of.
const WEIGHED_LINES: u32 = 12;
/// Places looked at, the largest first: a picture with a blurred bar code seldom has much else that looks like one.
const WEIGHED_PLACES: usize = 4;
const WEIGHED_THICKNESS: u32 = 5;

/// Grey levels between the lightest and the darkest place of a line below which nothing is on it.
const LEAST_CONTRAST: f32 = 24.0;

/// Fewer runs hold no symbol, but for the tracks on film.
const FEWEST_RUNS: usize = 20;

/// Least likeness of lines across a place for it to be read at all, and for the dearer tries. What is parallel by chance
/// (grass, print, noise) differs from line to line: of the places of pictures without a symbol a third is below the first
/// and half are below the second; the least of a symbol that was read is 0.83.
const ALIKE: f32 = 0.7;
const LIKELY: f32 = 0.8;

/// Places of a picture that look like bars, at any angle, with how like the lines across them are.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<(Frame, f32)>);

impl Places {
    /// Looks for them.
    pub(super) fn find(luma: &Luma) -> Self {
        let (mut runs, mut beside) = (Runs::default(), Vec::new());
        Self(locate::regions(luma).iter().filter_map(|frame| judged(luma, frame, &mut runs, &mut beside)).collect())
    }

    /// Those that leave little doubt.
    pub(super) fn likely(&self) -> Self {
        Self(self.0.iter().filter(|(_, likeness)| *likeness >= LIKELY).cloned().collect())
    }

    /// The same places in a picture `factor` times as large.
    pub(super) fn scaled(&self, factor: f32) -> Self {
        Self(self.0.iter().map(|(frame, likeness)| (frame.scaled(factor), *likeness)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.0.iter().map(|(frame, _)| frame)
    }
}

/// Heights at which a place is judged, at how many of them it must look like a symbol, and a likeness for which one is
/// enough.
const HEIGHTS: u32 = 8;
const FEWEST_HEIGHTS: u32 = 2;
const CLEAR: f32 = 0.93;

/// The part of a place that looks like a symbol, and how much so. Many things have parallel edges; a symbol has many of
/// them in a row, and the same on lines close to each other. It may lie in a part of the place, and stand askew in it.
fn judged(luma: &Luma, frame: &Frame, runs: &mut Runs, beside: &mut Vec<f32>) -> Option<(Frame, f32)> {
    let distance = (frame.lines() / 10).clamp(4, 12);
    let (mut best, mut count, mut heights) = (-1.0f32, 0, None);
    for height in 0..HEIGHTS {
        let first = (frame.lines() * (2 * height + 1) / (2 * HEIGHTS)).saturating_sub(distance / 2);
        frame.take(luma, first, 2, &mut runs.profile);
        cut(Cut::Extrema, runs);
        if runs.widths.len() < FEWEST_RUNS {
            continue;
        }
        frame.take(luma, first + distance, 2, beside);
        let likeness = likeness(&runs.profile, beside);
        if likeness >= ALIKE {
            heights = Some((heights.map_or(height, |(lowest, _)| lowest), height));
            (best, count) = (best.max(likeness), count + 1);
        }
    }
    // With the height beside on both sides, since nothing is known between.
    let (lowest, highest) = heights.filter(|_| count >= FEWEST_HEIGHTS || best >= CLEAR)?;
    let (from, to) = (lowest.saturating_sub(1), (highest + 2).min(HEIGHTS));
    Some((frame.band(frame.lines() * from / HEIGHTS, frame.lines() * to / HEIGHTS), best))
}

/// Pixels that bars may be shifted by from one line to another.
const SHIFT: usize = 6;

/// How like the middle parts of two lines are at the shift that suits best: their correlation, 1 for the same.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let (from, to) = (length / 5 + SHIFT, (length - length / 5).saturating_sub(SHIFT));
    if to < from + 2 * SHIFT {
        return 1.0;
    }
    let a = &a[from..to];
    let moments = |v: &[f32]| {
        let (sum, squares) = v.iter().fold((0.0f32, 0.0f32), |(s, q), x| (s + x, q + x * x));
        let mean = sum / v.len() as f32;
        (mean, (squares - sum * mean).max(1.0))
    };
    let (mean, power) = moments(a);
    (0..=2 * SHIFT)
        .map(|shift| {
            let b = &b[from + shift - SHIFT..to + shift - SHIFT];
            let (other_mean, other_power) = moments(b);
            let product: f32 = a.iter().zip(b).map(|(x, y)| (x - mean) * (y - other_mean)).sum();
            product / (power * other_power).sqrt()
        })
        .fold(-1.0, f32::max)
}

/// Reads the linear symbols along rows and columns of `luma` among `kinds`; corners are in its pixels. Each line is the
/// mean of `thickness` neighbouring ones, which takes noise out of bars that stand across it.
pub(super) fn upright(luma: &Luma, kinds: Kinds, thickness: u32) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for frame in [Frame::rows(luma), Frame::columns(luma)] {
        Scan::new(luma, kinds, frame, thickness, false).run(ROWS, &mut symbols);
    }
    symbols
}

/// The same across places that look like bars.
pub(super) fn located(luma: &Luma, kinds: Kinds, places: &Places, thickness: u32) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for frame in places.frames() {
        Scan::new(luma, kinds, frame.clone(), thickness, true).run(REGION_LINES, &mut symbols);
    }
    symbols
}

/// The EAN-13 and UPC-A symbols that all lines of a place make out together where no line does on its own.
pub(super) fn weighed(luma: &Luma, kinds: Kinds, places: &Places) -> Vec<Symbol> {
    if !kinds.contains(Kind::Ean13) && !kinds.contains(Kind::UpcA) {
        return Vec::new();
    }
    let mut symbols = Vec::new();
    let (mut runs, mut reversed) = (Runs::default(), Runs::default());
    for frame in places.frames().take(WEIGHED_PLACES) {
        let mut evidence = blurred::Evidence::default();
        for k in 0..WEIGHED_LINES {
            // Far apart first: whether a place is in vain shows early.
            let k = 5 * k % WEIGHED_LINES;
            let line = (2 * k + 1) * frame.lines() / (2 * WEIGHED_LINES);
            frame.take(luma, line, WEIGHED_THICKNESS, &mut runs.profile);
            cut(Cut::Extrema, &mut runs);
            let at = line as f32 + 0.5;
            if !evidence.feed(&runs, at, false) {
                runs.reversed_into(&mut reversed);
                evidence.feed(&reversed, at, true);
            }
        }
        symbols.extend(evidence.numbers().into_iter().filter(|n| kinds.contains(n.kind)).map(|n| {
            let text = n.bytes.iter().map(|&b| char::from(b)).collect();
            let corners = frame.corners(n.first, n.last, n.backwards);
            Symbol { kind: n.kind, text, bytes: n.bytes, corners: Some(corners) }
        }));
    }
    symbols
}

/// One sweep over the lines of a frame.
struct Scan<'a> {
    luma: &'a Luma,
    kinds: Kinds,
    frame: Frame,
    thickness: u32,
    /// Gives up when half of the lines read nothing.
    picky: bool,
    candidates: Vec<Candidate>,
    pool: databar::Pool,
    tracks: film::Tracks,
    runs: Runs,
    reversed: Runs,
}

impl<'a> Scan<'a> {
    fn new(luma: &'a Luma, kinds: Kinds, frame: Frame, thickness: u32, picky: bool) -> Self {
        Self {
            luma,
            kinds,
            frame,
            thickness,
            picky,
            candidates: Vec::new(),
            pool: databar::Pool::default(),
            tracks: film::Tracks::default(),
            runs: Runs::default(),
            reversed: Runs::default(),
        }
    }

    fn lines(&self) -> u32 {
        self.frame.lines()
    }

    fn run(&mut self, most: u32, symbols: &mut Vec<Symbol>) {
        let lines = self.lines();
        let step = lines.div_ceil(most).max(1);
        if self.thickness == 1 {
            self.frame.read_ahead(self.luma, step / 2, step);
        }
        // Every fourth line first: those between lines that agree would only say the same.
        for (pass, first) in [2, 0, 1, 3].into_iter().enumerate() {
            if pass == 2 && self.picky && self.candidates.is_empty() && self.pool.is_empty() {
                return;
            }
            let mut line = step / 2 + first * step;
            while line < lines {
                if first == 2 || !self.settled(line) {
                    self.read_line(line);
                }
                line += 4 * step;
            }
        }
        if step > 1 {
            self.ask_neighbours(step);
        }
        let film: Vec<u32> = self.tracks.lines().filter(|&l| l >= 0.0).map(|l| l as u32).collect();
        for line in film.into_iter().filter(|&l| l < lines) {
            self.read_line(line);
        }
        self.accept(symbols);
    }

    /// Whether a line lies within a symbol that enough lines have read.
    fn settled(&self, line: u32) -> bool {
        self.candidates
            .iter()
            .any(|c| c.lines.len() >= 2 * needed(c.kind, c.bytes.len()) && between(c, line as f32 + 0.5))
    }

    /// Reads line `line`: all symbols on it go to the candidates.
    fn read_line(&mut self, line: u32) {
        let (mut runs, mut reversed) = (std::mem::take(&mut self.runs), std::mem::take(&mut self.reversed));
        self.frame.take(self.luma, line, self.thickness, &mut runs.profile);
        if contrast(&runs.profile) >= LEAST_CONTRAST {
            self.read_cuts(line, &mut runs, &mut reversed);
        }
        (self.runs, self.reversed) = (runs, reversed);
    }

    /// Reads the line in `runs` as each way of cutting has it, until one shows something.
    fn read_cuts(&mut self, line: u32, runs: &mut Runs, reversed: &mut Runs) {
        let faint = if self.thickness > 1 {
            [Cut::Extrema, Cut::Level, Cut::Faint].as_slice()
        } else {
            &[Cut::Extrema, Cut::Level]
        };
        for &how in faint {
            cut(how, runs);
            if runs.widths.len() < film::FEWEST_RUNS {
                continue;
            }
            runs.reversed_into(reversed);
            let mut any = false;
            for (runs, backwards) in [(&*runs, false), (&*reversed, true)] {
                self.tracks.feed(runs, line as f32 + 0.5, backwards);
                if runs.widths.len() >= FEWEST_RUNS {
                    any |= self.read_runs(runs, line, backwards);
                    any |= self.pool.feed(runs, line as f32 + 0.5, backwards);
                }
            }
            if any {
                break;
            }
        }
    }

    fn read_runs(&mut self, runs: &Runs, line: u32, backwards: bool) -> bool {
        let (mut i, mut any) = (0, false);
        while i + 24 < runs.widths.len() {
            // In front of any symbol there is more white than its first bar and its first space have.
            if runs.quiet_before(i) > 1.1 * runs.widths[i].max(runs.widths[i + 1])
                && let Some(found) = decode(runs, i)
                && self.kinds.contains(found.kind)
            {
                let (start, end) = (runs.edges[i], runs.edges[i + found.runs]);
                let next = i + found.runs;
                let (start, end) = if backwards { (runs.length - end, runs.length - start) } else { (start, end) };
                self.vote(found, (line as f32 + 0.5, start, end), backwards);
                i = next + next % 2;
                any = true;
                continue;
            }
            i += 2;
        }
        any
    }

    fn vote(&mut self, found: Decoded, at: (f32, f32, f32), backwards: bool) {
        let same = |c: &&mut Candidate| {
            c.kind == found.kind && c.backwards == backwards && c.bytes == found.bytes && c.overlaps(at.1, at.2)
        };
        if let Some(old) = self.candidates.iter_mut().find(same) {
            old.error = old.error.min(found.error);
            if !old.lines.iter().any(|l| (l.0 - at.0).abs() < 0.1) {
                old.lines.push(at);
            }
        } else {
            self.candidates.push(Candidate {
                kind: found.kind,
                bytes: found.bytes,
                lines: vec![at],
                backwards,
                error: found.error,
            });
        }
    }

    /// Reads further lines beside those that read something too seldom to be believed.
    fn ask_neighbours(&mut self, step: u32) {
        let mut asked = std::collections::BTreeSet::new();
        for candidate in &self.candidates {
            if candidate.lines.len() >= 2 * needed(candidate.kind, candidate.bytes.len()) {
                continue;
            }
            for &(line, ..) in &candidate.lines {
                let line = line as u32;
                asked.extend(
                    (line.saturating_sub(step - 1)..line + step).filter(|&l| l != line && l < self.lines()).take(12),
                );
            }
        }
        for (first, last) in self.pool.doubtful() {
            let (first, last) = (first as u32, last as u32);
            asked.extend(
                (first.saturating_sub(step - 1)..(last + step).min(self.lines()))
                    .filter(|l| l % step != step / 2)
                    .take(24),
            );
        }
        for line in asked.into_iter().take(200) {
            self.read_line(line);
        }
    }

    /// Turns candidates with enough lines, and more than those that contradict them, into symbols.
    fn accept(&mut self, symbols: &mut Vec<Symbol>) {
        let mut candidates = std::mem::take(&mut self.candidates);
        // The best supported first: what lies where an accepted one lies must be a misreading.
        candidates.sort_by(|a, b| b.lines.len().cmp(&a.lines.len()).then(a.error.total_cmp(&b.error)));
        let mut taken: Vec<&Candidate> = Vec::new();
        for candidate in &candidates {
            if candidate.lines.len() < needed(candidate.kind, candidate.bytes.len()).min(self.lines() as usize) {
                continue;
            }
            let disputed = taken.iter().any(|other| {
                candidate.lines.iter().any(|&(_, s, e)| other.overlaps(s, e))
                    && between(other, candidate.lines[0].0)
                    && candidate.lines.len() * 4 < other.lines.len() * 3
            });
            let same = candidates.iter().any(|other| {
                !std::ptr::eq(other, candidate)
                    && other.lines.len() * 3 > candidate.lines.len() * 2
                    && other.bytes != candidate.bytes
                    && candidate.lines.iter().any(|&(_, s, e)| other.overlaps(s, e))
                    && between(candidate, other.lines[0].0)
            });
            if disputed || same {
                continue;
            }
            taken.push(candidate);
        }
        symbols.extend(taken.into_iter().map(|c| self.symbol(c)));
        let extents = self.pool.symbols(self.thickness as f32);
        symbols.extend(extents.into_iter().filter(|s| self.kinds.contains(s.kind)).map(|s| Symbol {
            kind: s.kind,
            bytes: s.text.clone().into_bytes(),
            text: s.text,
            corners: Some(self.frame.corners(
                (s.extent.first_line - 0.5, s.extent.start, s.extent.end),
                (s.extent.last_line + 0.5, s.extent.start, s.extent.end),
                s.extent.backwards,
            )),
        }));
        let films = self.tracks.symbols(needed(Kind::DxFilmEdge, 0)).into_iter();
        symbols.extend(films.filter(|_| self.kinds.contains(Kind::DxFilmEdge)).map(|s| Symbol {
            kind: Kind::DxFilmEdge,
            bytes: s.text.clone().into_bytes(),
            text: s.text,
            corners: Some(self.frame.corners(
                (s.first_line - 0.5, s.start, s.end),
                (s.last_line + 0.5, s.start, s.end),
                s.backwards,
            )),
        }));
    }

    fn symbol(&self, candidate: &Candidate) -> Symbol {
        let by_line = |a: &&(f32, f32, f32), b: &&(f32, f32, f32)| a.0.total_cmp(&b.0);
        let (first, last) = (candidate.lines.iter().min_by(by_line), candidate.lines.iter().max_by(by_line));
        let corners = first
            .zip(last)
            .map(|(f, l)| self.frame.corners((f.0 - 0.5, f.1, f.2), (l.0 + 0.5, l.1, l.2), candidate.backwards));
        let text = candidate.bytes.iter().map(|&b| char::from(b)).collect();
        Symbol { kind: candidate.kind, text, bytes: candidate.bytes.clone(), corners }
    }
}

/// The difference of the lightest and the darkest place of a line, by eights side by side.
fn contrast(profile: &[f32]) -> f32 {
    let (mut low, mut high) = ([255.0f32; 8], [0.0f32; 8]);
    let (eights, rest) = profile.as_chunks::<8>();
    for values in eights {
        for ((low, high), &v) in low.iter_mut().zip(&mut high).zip(values) {
            *low = if v < *low { v } else { *low };
            *high = if v > *high { v } else { *high };
        }
    }
    let least = low.iter().chain(rest).copied().fold(255.0, f32::min);
    high.iter().chain(rest).copied().fold(0.0, f32::max) - least
}

/// Whether a line lies between the first and the last line of a candidate.
fn between(candidate: &Candidate, line: f32) -> bool {
    let (low, high) =
        candidate.lines.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), c| (l.min(c.0), h.max(c.0)));
    line >= low && line <= high
}

/// How many lines must agree: the weaker a symbology's own check, the more.
fn needed(kind: Kind, length: usize) -> usize {
    match kind {
        Kind::Itf if length < itf::SHORT => 8,
        Kind::Code128 | Kind::Code93 | Kind::Ean13 | Kind::UpcA | Kind::Telepen => 2,
        Kind::Itf | Kind::Codabar | Kind::UpcE => 4,
        Kind::Ean8
        | Kind::Code39
        | Kind::QrCode
        | Kind::MicroQrCode
        | Kind::RmqrCode
        | Kind::DataMatrix
        | Kind::Aztec
        | Kind::MaxiCode
        | Kind::Pdf417
        | Kind::UpcEanExtension
        | Kind::Rss14
        | Kind::RssLimited
        | Kind::RssExpanded
        | Kind::DxFilmEdge => 3,
    }
}

/// The symbol whose first bar is run `i`, of whichever symbology: strong checks first.
fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    retail::decode(runs, i)
        .or_else(|| code128::decode(runs, i))
        .or_else(|| code93::decode(runs, i))
        .or_else(|| telepen::decode(runs, i))
        .or_else(|| databar::limited::decode(runs, i))
        .or_else(|| code39::decode(runs, i))
        .or_else(|| codabar::decode(runs, i))
        .or_else(|| itf::decode(runs, i))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something between 0 and 99 that looks like chance.
    fn chance(a: usize, b: usize) -> usize {
        (a.wrapping_mul(0x9E37_79B9).wrapping_add(b.wrapping_mul(0x85EB_CA6B)) ^ 0x27D4_EB2F).wrapping_mul(0xC2B2_AE35)
            >> 16
            & 0xFFFF
    }

    fn picture(width: u32, height: u32, dark: impl Fn(usize, usize) -> bool) -> Luma {
        let (w, h) = (width as usize, height as usize);
        let pixels = (0..w * h).map(|i| if dark(i % w, i / w) { 40 } else { 210 }).collect();
        Luma::new(width, height, pixels)
    }

    #[test]
    fn strokes_that_differ_from_line_to_line_are_no_place() {
        let bars = picture(320, 160, |x, _| (40..280).contains(&x) && chance(x / 3, 0).is_multiple_of(2));
        assert_eq!(Places::find(&bars).0.len(), 1, "the same on every line");
        let strokes = picture(320, 160, |x, y| (40..280).contains(&x) && chance(x / 3, y / 6).is_multiple_of(2));
        assert!(!locate::regions(&strokes).is_empty(), "all edges run one way");
        assert!(Places::find(&strokes).is_empty());
    }

    #[test]
    fn the_part_of_a_place_that_has_bars_is_kept() {
        // The edge of a box runs down to the bars.
        let luma = picture(320, 240, |x, y| {
            if y < 180 { x > 150 } else { (40..280).contains(&x) && chance(x / 3, 0).is_multiple_of(2) && y < 230 }
        });
        let places = Places::find(&luma);
        let frame = places.frames().next().expect("has bars");
        assert!(frame.lines() < 120 && frame.point(0.0, 0.0).y > 100.0, "{frame:?}");
    }

    #[test]
    fn lines_are_alike_at_the_shift_that_suits_best() {
        let line: Vec<f32> = (0..200).map(|x| chance(x / 4, 1) as f32 % 97.0).collect();
        let moved: Vec<f32> = line.iter().skip(5).chain(&line[..5]).copied().collect();
        assert!(likeness(&line, &moved) > 0.99);
        let other: Vec<f32> = (0..200).map(|x| chance(x / 4, 2) as f32 % 97.0).collect();
        assert!(likeness(&line, &other) < 0.6);
    }
}
