//! EAN and UPC symbols whose bars blur, light or dirt have run together: the whole line held against drawn digits.
//!
//! Where bars merge, their number is lost, and with it all that other decoders go by. What is left is where a symbol begins
//! and ends, and its grey values. Digits, drawn with several strengths of blur and growth of the bars, are laid along the
//! line so that they match best; the places between them may drift, because paper bends. How well each digit matches at
//! each place is kept, and summed over the lines of a region, before anything is decided: one line misses what another
//! has. Of all numbers whose check digit is right the best must then be clearly ahead of the second.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use super::edges::Runs;
use super::shapes;
use crate::codec::Kind;

/// Samples a module, and samples of a digit with half a module on each side.
const RATE: usize = 4;
const SAMPLES: usize = 8 * RATE;
/// Standard deviations of the blur, and how much wider bars are than drawn, both in modules.
const BLURS: [f32; 4] = [0.35, 0.6, 0.85, 1.1];
const GROWTHS: [f32; 5] = [-0.5, -0.25, 0.0, 0.25, 0.5];
/// The drawing that places are first looked for with: some blur, no growth.
const PLAIN: usize = 2 * BLURS.len() + 1;

/// Steps a module for the places of digits, and how many steps a place may be off to each side.
const STEPS: f32 = 2.0;
const DRIFT: i32 = 5;
const PLACES: usize = 2 * DRIFT as usize + 1;
/// Steps that a digit may be wider or narrower than seven modules.
const STRETCH: i32 = 1;
/// What a step of stretching costs, in correlation.
const STIFFNESS: f32 = 0.02;

/// White modules in front and behind.
const QUIET: f32 = 4.0;

/// Bends below which modules count as even, and beyond which nothing is flat enough to be read.
const LEAST_BEND: f32 = 0.06;
const MOST_BEND: f32 = 0.4;

/// Least mean correlation of a line that is counted.
const LEAST_LINE: f32 = 0.90;
/// The same for the first try, with a drawing that may not be the best; and of one that leaves no doubt of its direction.
const LEAST_TRY: f32 = 0.81;
const CERTAIN_LINE: f32 = 0.95;

/// Places that each digit is tried at before anything dearer is done, in steps off its nominal one, and the least mean
/// correlation at the best of them. No line that counted in the end had less than 0.80; of those that did not a third had.
const GLANCE: [i32; 5] = [-4, -2, 0, 2, 4];
const LEAST_GLANCE: f32 = 0.79;

/// Samples a module in which lines and drawings are prepared.
const FINE: f32 = 8.0;

/// A profile without its mean, of length one.
type Shape = [f32; SAMPLES];

/// How well each digit of set A (0 to 9) and B (10 to 19) matches.
type Scores = [f32; 20];

/// Seven modules of set A, first module in the highest bit, dark is 1; set B is the inverse read backwards.
const SET_A: [u8; 10] = [
    0b000_1101, 0b001_1001, 0b001_0011, 0b011_1101, 0b010_0011, 0b011_0001, 0b010_1111, 0b011_1011, 0b011_0111,
    0b000_1011,
];

/// Which of the six left digits are of set B, most significant bit first, for each leading digit.
const LEADING: [u8; 10] =
    [0b00_0000, 0b00_1011, 0b00_1101, 0b00_1110, 0b01_0011, 0b01_1001, 0b01_1100, 0b01_0101, 0b01_0110, 0b01_1010];

/// Modules of a symbol, the first of each digit, and how many digits are left of the middle.
const MODULES: f32 = 95.0;
const DIGITS: [f32; 12] = [3.0, 10.0, 17.0, 24.0, 31.0, 38.0, 50.0, 57.0, 64.0, 71.0, 78.0, 85.0];
const LEFT: usize = 6;
/// Runs of a symbol in which some may have merged or split.
const RUNS: RangeInclusive<usize> = 33..=63;

/// For each growth and blur the shapes of sets A and B in a left half; dark is high.
fn drawings() -> &'static [[Shape; 20]; GROWTHS.len() * BLURS.len()] {
    static DRAWINGS: OnceLock<[[Shape; 20]; GROWTHS.len() * BLURS.len()]> = OnceLock::new();
    DRAWINGS.get_or_init(|| {
        std::array::from_fn(|k| {
            let (growth, blur) = (GROWTHS[k / BLURS.len()], BLURS[k % BLURS.len()]);
            std::array::from_fn(|digit| drawn(digit, blur, growth))
        })
    })
}

/// The right half is the left one with dark and light exchanged: bars that grew are spaces that shrank.
fn opposite(drawing: usize) -> usize {
    (GROWTHS.len() - 1 - drawing / BLURS.len()) * BLURS.len() + drawing % BLURS.len()
}

fn drawn(digit: usize, blur: f32, growth: f32) -> Shape {
    let a = SET_A[digit % 10];
    let modules = if digit < 10 { a } else { (!a & 0x7F).reverse_bits() >> 1 };
    // In the left half a digit follows a dark module and is followed by a light one.
    let module = |place: f32| match place.floor() as i32 {
        k @ 0..=6 => modules >> (6 - k) & 1 == 1,
        k => k < 0,
    };
    let dark = |place: f32| {
        let (before, behind) = (module(place - growth.abs() / 2.0), module(place + growth.abs() / 2.0));
        if growth > 0.0 { before || behind } else { before && behind }
    };
    normal(shapes::seen_through(&kernel(blur), dark))
}

/// A bell curve of standard deviation `blur`, `FINE` samples a module.
fn kernel(blur: f32) -> Vec<f32> {
    let reach = (2.5 * blur * FINE) as i32;
    (-reach..=reach).map(|k| (-(k as f32 / FINE / blur).powi(2) / 2.0).exp()).collect()
}

fn normal(mut shape: Shape) -> Shape {
    let mean = like(&shape, &[1.0 / SAMPLES as f32; SAMPLES]);
    for v in &mut shape {
        *v -= mean;
    }
    let scale = 1.0 / like(&shape, &shape).sqrt().max(1e-6);
    for v in &mut shape {
        *v *= scale;
    }
    shape
}

fn like(a: &Shape, b: &Shape) -> f32 {
    // Eight sums side by side: a single one would have to wait for itself.
    let mut sums = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

/// A number read.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    /// The first and the last line that counted: its place, start and end.
    pub(super) first: (f32, f32, f32),
    pub(super) last: (f32, f32, f32),
    pub(super) backwards: bool,
}

/// What the lines of one sweep say about one place.
struct Place {
    backwards: bool,
    /// By digit, weighted by how well its line matched.
    sums: [Scores; DIGITS.len()],
    weight: f32,
    lines: Vec<(f32, f32, f32)>,
    /// Whether one of them matched beyond doubt.
    certain: bool,
}

/// All places of a sweep.
#[derive(Default)]
pub(super) struct Evidence {
    places: Vec<Place>,
    /// Lines held against drawings, and the best mean correlation of them.
    tried: usize,
    best: f32,
}

/// So many lines, and none that matched better than chance: other bars than those of EAN and UPC.
const MOST_VAIN: usize = 12;
const PROMISING: f32 = 0.92;

impl Evidence {
    /// Takes what a line at `line` shows; `reversed` says that `runs` are the line read from its end. Says whether it
    /// matched well.
    pub(super) fn feed(&mut self, runs: &Runs, line: f32, reversed: bool) -> bool {
        if self.best < PROMISING && self.tried >= MOST_VAIN {
            return false;
        }
        let mut matched = false;
        for (a, b) in extents(runs) {
            let (start, end) = if reversed { (runs.length - b, runs.length - a) } else { (a, b) };
            let at = (line, start, end);
            // A line that leaves no doubt settles where the symbol lies and which way it is read.
            let mut certain = self.places.iter().filter(|p| p.certain).peekable();
            if certain.peek().is_some() && !certain.any(|p| p.is_at(reversed, at)) {
                continue;
            }
            self.tried += 1;
            let Some((table, mean)) = table(runs, a, b) else { continue };
            self.best = self.best.max(mean);
            self.add(reversed, &table, mean, at);
            matched |= mean > CERTAIN_LINE;
        }
        matched
    }

    fn add(&mut self, backwards: bool, table: &[Scores; DIGITS.len()], mean: f32, at: (f32, f32, f32)) {
        let weight = (mean - LEAST_LINE + 0.05).powi(2);
        let known = self.places.iter().position(|p| p.is_at(backwards, at));
        let index = known.unwrap_or_else(|| {
            let sums = [[0.0; 20]; DIGITS.len()];
            self.places.push(Place { backwards, sums, weight: 0.0, lines: Vec::new(), certain: false });
            self.places.len() - 1
        });
        let place = &mut self.places[index];
        if place.lines.iter().any(|l| (l.0 - at.0).abs() < 0.1) {
            return;
        }
        place.certain |= mean > CERTAIN_LINE;
        place.weight += weight;
        place.lines.push(at);
        for (sum, scores) in place.sums.iter_mut().zip(table) {
            sum.iter_mut().zip(scores).for_each(|(sum, s)| *sum += s * weight);
        }
    }

    /// The numbers that the lines of a place together make out.
    pub(super) fn numbers(&self) -> Vec<Number> {
        self.places.iter().filter_map(Place::number).collect()
    }
}

/// Lines that must have been seen together, and least mean correlation of their number.
const LEAST_LINES: usize = 3;
const LEAST_MEAN: f32 = 0.87;
/// How far the best number must be ahead of the second, and how much correlation may be lost for the sake of the check
/// digit: sums over the digits.
const LEAST_MARGIN: f32 = 0.10;
const MOST_LOST: f32 = 0.03;

impl Place {
    /// Whether a line with this start and end goes through the same symbol.
    fn is_at(&self, backwards: bool, at: (f32, f32, f32)) -> bool {
        let near = 6.0 * (at.2 - at.1) / MODULES;
        self.backwards == backwards && self.lines.iter().any(|l| (l.1 - at.1).abs().max((l.2 - at.2).abs()) < near)
    }

    fn number(&self) -> Option<Number> {
        if self.lines.len() < LEAST_LINES {
            return None;
        }
        let table = self.sums.map(|s| s.map(|v| v / self.weight));
        let mut ranked = ranked(&table);
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        let [best, second, ..] = ranked.as_slice() else { return None };
        let sets = |k: usize| if k < LEFT { 20 } else { 10 };
        let free: f32 = table.iter().enumerate().map(|(k, s)| s[..sets(k)].iter().copied().fold(-1.0, f32::max)).sum();
        let clear = best.score >= LEAST_MEAN * table.len() as f32
            && best.score - second.score >= LEAST_MARGIN
            && free - best.score <= MOST_LOST;
        if !clear {
            return None;
        }
        let by_line = |a: &&(f32, f32, f32), b: &&(f32, f32, f32)| a.0.total_cmp(&b.0);
        let (first, last) = (*self.lines.iter().min_by(by_line)?, *self.lines.iter().max_by(by_line)?);
        let text: Vec<u8> = best.digits.iter().map(|d| b'0' + d).collect();
        let (kind, bytes) = match text.as_slice() {
            [b'0', upc_a @ ..] => (Kind::UpcA, upc_a.to_vec()),
            _ => (Kind::Ean13, text),
        };
        Some(Number { kind, bytes, first, last, backwards: self.backwards })
    }
}

/// A number and how well it matches.
#[derive(Clone, Debug)]
struct Ranked {
    score: f32,
    digits: Vec<u8>,
}

/// For every leading digit the best two numbers of 13 digits.
fn ranked(table: &[Scores; DIGITS.len()]) -> Vec<Ranked> {
    let with_first = |(first, &sets): (usize, &u8)| {
        let mirrored = move |k: usize| k < 6 && sets >> (5 - k) & 1 == 1;
        let mut two = best_two(table, mirrored, first);
        for r in &mut two {
            r.digits.insert(0, first as u8);
        }
        two
    };
    LEADING.iter().enumerate().flat_map(with_first).collect()
}

/// The two best sequences of digits, one a row of `table`, whose weighted sum and `start` are divisible by ten. `mirrored`
/// says which rows are of set B.
fn best_two(table: &[Scores; DIGITS.len()], mirrored: impl Fn(usize) -> bool, start: usize) -> Vec<Ranked> {
    // Of each remainder the two best so far.
    let mut states: [Vec<Ranked>; 10] = Default::default();
    states[start % 10].push(Ranked { score: 0.0, digits: Vec::new() });
    for (k, scores) in table.iter().enumerate() {
        let weight = if k % 2 == 0 { 3 } else { 1 };
        let part = if mirrored(k) { &scores[10..] } else { &scores[..10] };
        let mut next: [Vec<Ranked>; 10] = Default::default();
        for (remainder, list) in states.iter().enumerate() {
            for so_far in list {
                for (d, s) in part.iter().enumerate() {
                    let (to, score) = (&mut next[(remainder + d * weight) % 10], so_far.score + s);
                    if to.len() < 2 || to[1].score < score {
                        let digits = so_far.digits.iter().copied().chain([d as u8]).collect();
                        to.push(Ranked { score, digits });
                        to.sort_by(|a, b| b.score.total_cmp(&a.score));
                        to.truncate(2);
                    }
                }
            }
        }
        states = next;
    }
    std::mem::take(&mut states[0])
}

/// Places where a symbol may begin and end: quiet zones with the right number of runs between them. Of
/// several the two with the widest.
fn extents(runs: &Runs) -> Vec<(f32, f32)> {
    let w = &runs.widths;
    let mut found: Vec<(f32, (f32, f32))> = Vec::new();
    for i in (0..w.len().saturating_sub(RUNS.start() - 1)).step_by(2) {
        // At the end of the line the quiet zone may have been cut off.
        let before = if i == 0 { runs.edges[0] } else { w[i - 1] };
        if before < 1.5 * w[i].max(w[i + 1]) {
            continue;
        }
        let mut widest = w[i..i + RUNS.start() - 1].iter().copied().fold(0.0, f32::max);
        for j in (i + RUNS.start() - 1..w.len().min(i + RUNS.end())).step_by(2) {
            widest = widest.max(w[j - 1]).max(w[j]);
            let (a, b) = (runs.edges[i], runs.edges[j + 1]);
            let module = (b - a) / MODULES;
            let behind = w.get(j + 1).copied().unwrap_or(runs.length - b);
            let quiet = before.min(behind) / module;
            if quiet >= QUIET && widest < 6.0 * module && module > 0.8 {
                found.push((quiet, (a, b)));
            }
        }
    }
    found.sort_by(|x, y| y.0.total_cmp(&x.0));
    found.into_iter().take(2).map(|f| f.1).collect()
}

/// Where the modules of a symbol lie along a line. Towards one end of a round or turned thing they get narrower.
#[derive(Clone, Copy)]
struct Course {
    start: f32,
    module: f32,
    /// How much larger than the mean the first module is and smaller the last, as a part of it.
    bend: f32,
}

impl Course {
    fn at(&self, module: f32) -> f32 {
        self.start + self.module * (module + self.bend * (module - module * module / MODULES))
    }
}

/// How well each digit matches on a line between `a` and `b`, and the mean of the best.
fn table(runs: &Runs, a: f32, b: f32) -> Option<([Scores; DIGITS.len()], f32)> {
    // Even modules first; then as the guards at both ends have them.
    let flat = Course { start: a, module: (b - a) / MODULES, bend: 0.0 };
    let bent = Course { bend: guards(runs, a, b)?, ..flat };
    let courses = if bent.bend.abs() < LEAST_BEND { vec![flat] } else { vec![flat, bent] };
    let (course, shapes, path) = courses.into_iter().find_map(|course| {
        let line = Line::of(runs, &course);
        if line.glance() < LEAST_GLANCE {
            return None;
        }
        let shapes = Shapes::of(&line);
        let (score, path) = path(&shapes, PLAIN);
        (score >= LEAST_TRY * DIGITS.len() as f32).then_some((course, shapes, path))
    })?;
    // The drawing that fits best where the digits are now.
    let sum = |drawing: usize| -> f32 {
        let best = |(k, &(s, e)): (usize, &(i32, i32))| shapes.best(k, s, e, drawing).0;
        path.iter().enumerate().map(best).sum()
    };
    let drawing = (0..drawings().len()).map(|d| (d, sum(d))).max_by(|x, y| x.1.total_cmp(&y.1))?.0;
    let (_, path) = self::path(&shapes, drawing);
    let table: [Scores; DIGITS.len()] = std::array::from_fn(|k| {
        let (s, e) = path[k];
        let digit = (DIGITS[k] + s as f32 / STEPS, 7.0 + (e - s) as f32 / STEPS);
        scores(runs, &course, k < LEFT, digit, drawing)
    });
    let mean = table.iter().map(|s| s.iter().copied().fold(-1.0, f32::max)).sum::<f32>() / table.len() as f32;
    (mean >= LEAST_LINE).then_some((table, mean))
}

/// A line at [`FINE`] samples a module, from [`MARGIN`] modules in front of the symbol to as many behind.
struct Line(Vec<f32>);

/// Modules beside a symbol in which digits that are off their places may reach.
const MARGIN: f32 = 4.0;

impl Line {
    fn of(runs: &Runs, course: &Course) -> Self {
        let count = ((MODULES + 2.0 * MARGIN) * FINE) as usize;
        Self((0..count).map(|k| runs.grey(course.at((k as f32 + 0.5) / FINE - MARGIN))).collect())
    }

    /// Digit `k` from place `s` to place `e`, steps off their nominal places.
    fn shape(&self, k: usize, s: i32, e: i32) -> Shape {
        let sign = if k < LEFT { -1.0 } else { 1.0 };
        let start = DIGITS[k] + s as f32 / STEPS + MARGIN;
        let scale = 1.0 + (e - s) as f32 / STEPS / 7.0;
        normal(std::array::from_fn(|n| {
            let place = start + ((n as f32 + 0.5) / RATE as f32 - 0.5) * scale;
            sign * self.0[((place * FINE) as usize).min(self.0.len() - 1)]
        }))
    }

    /// The mean correlation of the digits where each is at its best at one of a few places.
    fn glance(&self) -> f32 {
        let best = |k: usize| GLANCE.into_iter().map(|s| best(&self.shape(k, s, s), k, PLAIN).0).fold(-1.0, f32::max);
        (0..DIGITS.len()).map(best).sum::<f32>() / DIGITS.len() as f32
    }
}

/// The digit drawn most like the shape of digit `k`.
fn best(shape: &Shape, k: usize, drawing: usize) -> (f32, usize) {
    // Right digits are of set C alone.
    let (drawing, sets) = if k < LEFT { (drawing, 20) } else { (opposite(drawing), 10) };
    drawings()[drawing][..sets]
        .iter()
        .enumerate()
        .map(|(d, drawn)| (like(shape, drawn), d))
        .fold((-1.0, 0), |best, d| if d.0 > best.0 { d } else { best })
}

/// The grey values of every digit between every two places.
struct Shapes(Vec<Shape>);

/// Widths of a digit that are considered.
const WIDTHS: usize = 2 * STRETCH as usize + 1;

impl Shapes {
    fn of(line: &Line) -> Self {
        let places =
            |k| (-DRIFT..=DRIFT).flat_map(move |s| (-STRETCH..=STRETCH).map(move |stretch| (k, s, s + stretch)));
        Self((0..DIGITS.len()).flat_map(places).map(|(k, s, e)| line.shape(k, s, e)).collect())
    }

    /// Digit `k` from place `s` to place `e`, steps off their nominal places.
    fn at(&self, k: usize, s: i32, e: i32) -> &Shape {
        &self.0[(k * PLACES + (s + DRIFT) as usize) * WIDTHS + (e - s + STRETCH) as usize]
    }

    fn best(&self, k: usize, s: i32, e: i32, drawing: usize) -> (f32, usize) {
        best(self.at(k, s, e), k, drawing)
    }
}

/// The scores of a digit about a place (start and width, in modules), each at its best within a fraction of a module.
fn scores(runs: &Runs, course: &Course, left: bool, (start, width): (f32, f32), drawing: usize) -> Scores {
    let (drawing, sets) = if left { (drawing, 20) } else { (opposite(drawing), 10) };
    let sign = if left { -1.0 } else { 1.0 };
    let mut scores = [-1.0f32; 20];
    for from in [-0.25, 0.0, 0.25] {
        for to in [-0.25, 0.0, 0.25] {
            let (start, scale) = (start + from, (width + to - from) / 7.0);
            let grey = |n| sign * runs.grey(course.at(start + ((n as f32 + 0.5) / RATE as f32 - 0.5) * scale));
            let shape = normal(std::array::from_fn(grey));
            for (score, drawn) in scores[..sets].iter_mut().zip(&drawings()[drawing]) {
                *score = score.max(like(&shape, drawn));
            }
        }
    }
    scores
}

/// The bend that the guards at both ends of a symbol show.
fn guards(runs: &Runs, a: f32, b: f32) -> Option<f32> {
    let first = runs.edges.iter().position(|&e| e >= a)?;
    let last = runs.edges.iter().rposition(|&e| e <= b)?;
    let (begin, end) = (runs.span(first, 3), runs.span(last.checked_sub(3)?, 3));
    Some(((begin - end) / (begin + end)).clamp(-MOST_BEND, MOST_BEND))
}

/// Start and end of each digit, in steps off their nominal places, so that all together match best.
fn path(shapes: &Shapes, drawing: usize) -> (f32, Vec<(i32, i32)>) {
    const NONE: f32 = f32::NEG_INFINITY;
    let count = DIGITS.len();
    let mut reached = [NONE; PLACES];
    for place in -STRETCH..=STRETCH {
        reached[(place + DRIFT) as usize] = 0.0;
    }
    let mut from: Vec<[i32; PLACES]> = Vec::with_capacity(count);
    let mut starts: Vec<[i32; PLACES]> = Vec::with_capacity(count);
    for k in 0..count {
        // Over the guard in the middle places may drift by a step.
        let mut origin: [i32; PLACES] = std::array::from_fn(|p| p as i32 - DRIFT);
        if k == LEFT {
            let before = reached;
            for p in 0..PLACES {
                for (q, &so_far) in before.iter().enumerate().take(p + 2).skip(p.saturating_sub(1)) {
                    if so_far - STIFFNESS > reached[p] {
                        (reached[p], origin[p]) = (so_far - STIFFNESS, q as i32 - DRIFT);
                    }
                }
            }
        }
        starts.push(origin);
        let (mut next, mut back) = ([NONE; PLACES], [0; PLACES]);
        for s in -DRIFT..=DRIFT {
            let so_far = reached[(s + DRIFT) as usize];
            if so_far == NONE {
                continue;
            }
            for e in (s - STRETCH).max(-DRIFT)..=(s + STRETCH).min(DRIFT) {
                let score = so_far + shapes.best(k, s, e, drawing).0 - STIFFNESS * (e - s).abs() as f32;
                let to = (e + DRIFT) as usize;
                if score > next[to] {
                    (next[to], back[to]) = (score, s);
                }
            }
        }
        from.push(back);
        reached = next;
    }
    let mut place = (-STRETCH..=STRETCH)
        .max_by(|a, b| reached[(a + DRIFT) as usize].total_cmp(&reached[(b + DRIFT) as usize]))
        .unwrap_or(0);
    let score = reached[(place + DRIFT) as usize];
    let mut path = Vec::with_capacity(count);
    for k in (0..count).rev() {
        let start = from[k][(place + DRIFT) as usize];
        path.push((start, place));
        place = starts[k][(start + DRIFT) as usize];
    }
    path.reverse();
    (score, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::read::linear::edges::Cut;

    /// A line across an EAN-13 symbol, modules of `module` pixels, bars wider by `growth` modules, blurred by a bell
    /// curve of `blur` modules.
    fn line(text: &str, module: f32, growth: f32, blur: f32) -> Runs {
        let digits: Vec<usize> = text.bytes().map(|b| usize::from(b - b'0')).collect();
        let set = |d: usize, dark: bool| (0..7).rev().map(move |k| (SET_A[d] >> k & 1 == 1) == dark);
        let mut modules = vec![true, false, true];
        for k in 0..6 {
            let mirrored = LEADING[digits[0]] >> (5 - k) & 1 == 1;
            let a: Vec<bool> = set(digits[k + 1], !mirrored).collect();
            modules.extend(if mirrored { a.into_iter().rev().collect() } else { a });
        }
        modules.extend([false, true, false, true, false]);
        modules.extend(digits[7..].iter().flat_map(|&d| set(d, false)));
        modules.extend([true, false, true]);
        let at = |place: f32| place >= 0.0 && modules.get(place as usize).copied().unwrap_or(false);
        let dark = |place: f32| at(place - growth / 2.0) || at(place + growth / 2.0);
        let kernel = kernel(blur);
        let reach = (kernel.len() / 2) as i32;
        let profile: Vec<f32> = (0..(119.0 * module) as usize)
            .map(|x| {
                let place = (x as f32 + 0.5) / module - 12.0;
                let weigh = |(w, k): (&f32, i32)| if dark(place + k as f32 / FINE) { *w } else { 0.0 };
                200.0 - 150.0 * kernel.iter().zip(-reach..).map(weigh).sum::<f32>() / kernel.iter().sum::<f32>()
            })
            .collect();
        Runs::of(profile, Cut::Extrema)
    }

    fn read(runs: &Runs) -> Vec<(Kind, Vec<u8>)> {
        let mut evidence = Evidence::default();
        let mut reversed = Runs::default();
        runs.reversed_into(&mut reversed);
        for k in 0..4 {
            evidence.feed(runs, k as f32 + 0.5, false);
            evidence.feed(&reversed, k as f32 + 0.5, true);
        }
        evidence.numbers().into_iter().map(|n| (n.kind, n.bytes)).collect()
    }

    #[test]
    fn blurred_and_grown_bars_are_read() {
        for text in ["9784872348880", "5000213101025", "4006381333931"] {
            for (growth, blur) in [(0.0, 0.4), (0.3, 0.5), (0.25, 0.6)] {
                let found = read(&line(text, 3.0, growth, blur));
                assert_eq!(found, [(Kind::Ean13, text.as_bytes().to_vec())], "growth {growth}, blur {blur}");
            }
        }
        let upc = line("0625034201058", 2.2, 0.0, 0.6);
        assert_eq!(read(&upc), [(Kind::UpcA, b"625034201058".to_vec())]);
    }

    #[test]
    fn modules_that_get_narrower_along_the_line_are_followed() {
        let even = line("9784872348880", 6.0, 0.2, 0.5);
        let length = even.length;
        // The line as a camera sees it that looks at it from one side.
        let profile: Vec<f32> = (0..length as usize / 2)
            .map(|x| {
                let t = (x as f32 + 0.5) * 2.0 / length;
                even.grey(length * (t - 0.25 * (t - t * t)))
            })
            .collect();
        let runs = Runs::of(profile, Cut::Extrema);
        assert_eq!(read(&runs), [(Kind::Ean13, b"9784872348880".to_vec())]);
    }

    #[test]
    fn a_wrong_check_digit_is_not_read() {
        assert_eq!(read(&line("9784872348885", 3.0, 0.3, 0.5)), []);
    }

    #[test]
    fn one_line_is_not_enough() {
        let mut evidence = Evidence::default();
        assert!(evidence.feed(&line("9784872348880", 3.0, 0.0, 0.5), 0.5, false));
        assert!(evidence.numbers().is_empty());
    }

    #[test]
    fn the_best_number_has_a_right_check_digit() {
        let mut table = [[0.0; 20]; DIGITS.len()];
        for (row, d) in table.iter_mut().zip([7, 8, 4, 8, 7, 2, 3, 4, 8, 8, 8, 5]) {
            row[d] = 1.0;
        }
        table[11][0] = 0.5;
        let two = best_two(&table, |_| false, 9);
        assert_eq!(two[0].digits, [7, 8, 4, 8, 7, 2, 3, 4, 8, 8, 8, 0]);
        assert!((two[0].score - 11.5).abs() < 1e-3 && two[1].score < 11.5);
    }
}
