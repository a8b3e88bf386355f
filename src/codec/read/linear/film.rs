//! DX film edge: the latent-image bar code between the perforation and the edge of 35 mm film.
//!
//! Two tracks lie side by side and are of the same length: a clock, whose bars are five, one … one, three modules, and the
//! data: a start of five single modules, 15 bits (product and generation number) or 23 (and the frame's), a stop of three.
//! A data track has but one bit of parity, so it is believed only on several lines and beside a clock of its length that
//! begins and ends where it does.

use super::edges::Runs;

/// Modules of the tracks with and without a frame number, and runs of their clocks.
const TRACKS: [(usize, usize); 2] = [(31, 25), (23, 17)];

/// Fewer runs hold no track.
pub(super) const FEWEST_RUNS: usize = 9;

/// Modules that a track is high, at most, and lines asked about around a clock.
const HEIGHT: f32 = 8.0;
const MOST_LINES: f32 = 48.0;

/// A track without its lines: where it begins and ends along them.
#[derive(Clone, Copy, Debug)]
struct Track {
    modules: usize,
    start: f32,
    end: f32,
    backwards: bool,
}

impl Track {
    /// Whether both begin and end at the same places, within a module, and are of the same kind.
    fn is_beside(&self, other: &Self) -> bool {
        let module = (other.end - other.start) / other.modules as f32;
        self.modules == other.modules
            && self.backwards == other.backwards
            && (self.start - other.start).abs() < 1.2 * module
            && (self.end - other.end).abs() < 1.2 * module
    }
}

/// A track as seen on several lines.
#[derive(Debug)]
struct Seen {
    track: Track,
    /// The bits between start and stop, first in the highest; none for a clock.
    bits: Option<u32>,
    lines: Vec<f32>,
}

/// A whole symbol.
pub(super) struct Symbol {
    pub(super) text: String,
    pub(super) first_line: f32,
    pub(super) last_line: f32,
    pub(super) start: f32,
    pub(super) end: f32,
    pub(super) backwards: bool,
}

/// All tracks of one sweep over a picture.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    seen: Vec<Seen>,
    /// Much looks like a data track, little like a clock: before one was seen no data is looked for.
    clock_seen: bool,
}

impl Tracks {
    /// Takes the tracks of a line at `line`. `reversed` says that `runs` are the line read from its end.
    pub(super) fn feed(&mut self, runs: &Runs, line: f32, reversed: bool) {
        let w = &runs.widths;
        for i in (0..w.len().saturating_sub(FEWEST_RUNS - 1)).step_by(2) {
            // Four single modules follow the first bar of both tracks.
            let [first, a, b, c, d] = [w[i], w[i + 1], w[i + 2], w[i + 3], w[i + 4]];
            let single = (a + b + c + d) / 4.0;
            if (a - c).abs().max((b - d).abs()) > 0.35 * single || (a - b).abs() > 0.9 * single {
                continue;
            }
            let found = if first > 3.0 * single {
                clock(runs, i).map(|(modules, count)| (modules, count, None))
            } else if self.clock_seen && (first - b).abs() < 0.5 * single {
                data(runs, i).map(|(modules, count, bits)| (modules, count, Some(bits)))
            } else {
                None
            };
            if let Some((modules, count, bits)) = found {
                let (a, b) = (runs.edges[i], runs.edges[i + count]);
                let (start, end) = if reversed { (runs.length - b, runs.length - a) } else { (a, b) };
                self.vote(Track { modules, start, end, backwards: reversed }, bits, line);
            }
        }
    }

    fn vote(&mut self, track: Track, bits: Option<u32>, line: f32) {
        let same = self.seen.iter_mut().find(|s| s.bits == bits && s.track.is_beside(&track));
        match same {
            Some(seen) if !seen.lines.contains(&line) => seen.lines.push(line),
            Some(_) => {}
            None => {
                self.clock_seen |= bits.is_none();
                self.seen.push(Seen { track, bits, lines: vec![line] });
            }
        }
    }

    /// Lines that may hold more of a symbol: those of clocks and the height of a track to both sides.
    pub(super) fn lines(&self) -> impl Iterator<Item = f32> {
        self.seen.iter().filter(|s| s.bits.is_none()).flat_map(|clock| {
            let (first, last) = extent(&clock.lines);
            let height = HEIGHT * (clock.track.end - clock.track.start) / clock.track.modules as f32;
            let step = ((last - first + 2.0 * height) / MOST_LINES).max(1.0);
            (0..MOST_LINES as u32).map(move |k| first - height + k as f32 * step).filter(move |&l| l < last + height)
        })
    }

    /// The data tracks seen on `least` lines with a clock at their side that is seen as often.
    pub(super) fn symbols(&self, least: usize) -> Vec<Symbol> {
        let often = |s: &&Seen| s.lines.len() >= least;
        let mut found: Vec<(usize, Symbol)> = Vec::new();
        let (clocks, datas): (Vec<&Seen>, Vec<&Seen>) = self.seen.iter().filter(often).partition(|s| s.bits.is_none());
        for data in datas {
            let (first, last) = extent(&data.lines);
            let side = |clock: &&&Seen| {
                let (top, bottom) = extent(&clock.lines);
                let module = (data.track.end - data.track.start) / data.track.modules as f32;
                // The tracks touch each other: a gap is of lines that saw neither.
                let gap = (top - last).max(first - bottom);
                data.track.is_beside(&clock.track) && gap < HEIGHT * module && gap > -2.0 * module
            };
            if let Some(clock) = clocks.iter().find(side)
                && let Some(text) = data.bits.and_then(|bits| text(bits, data.track.modules))
            {
                let (top, bottom) = extent(&clock.lines);
                let Track { start, end, backwards, .. } = data.track;
                let (first_line, last_line) = (first.min(top), last.max(bottom));
                found.push((data.lines.len(), Symbol { text, first_line, last_line, start, end, backwards }));
            }
        }
        // Where lines differ, the most of them are right.
        found.sort_by_key(|f| std::cmp::Reverse(f.0));
        let mut symbols: Vec<Symbol> = Vec::new();
        for (_, symbol) in found {
            let meets = |other: &Symbol| {
                symbol.start < other.end
                    && other.start < symbol.end
                    && symbol.first_line <= other.last_line
                    && other.first_line <= symbol.last_line
            };
            if !symbols.iter().any(meets) {
                symbols.push(symbol);
            }
        }
        symbols
    }
}

/// The first and the last of some lines.
fn extent(lines: &[f32]) -> (f32, f32) {
    lines.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)))
}

/// The modules and runs of the clock track whose first bar is run `i`.
fn clock(runs: &Runs, i: usize) -> Option<(usize, usize)> {
    TRACKS.into_iter().find_map(|(modules, count)| {
        let w = runs.widths.get(i..i + count)?;
        let module = runs.span(i, count) / modules as f32;
        let near = |x: f32, ideal: f32| (x / module - ideal).abs() < 0.6;
        let (first, last) = (w[0] / module, w[count - 1] / module);
        // Without a frame number nothing stands beside the track.
        let quiet = if modules == TRACKS[0].0 { 0.5 } else { 2.0 };
        ((first - 5.0).abs() < 1.0
            && (last - 3.0).abs() < 0.8
            && w[1..count - 1].iter().all(|&x| near(x, 1.0))
            && runs.quiet_before(i).min(runs.quiet_after(i + count - 1)) > quiet * module)
            .then_some((modules, count))
    })
}

/// The modules, the runs and the bits of the data track whose first bar is run `i`.
fn data(runs: &Runs, i: usize) -> Option<(usize, usize, u32)> {
    let rough = runs.span(i, 5) / 5.0;
    for (modules, _) in TRACKS {
        // The last bar ends where the modules do.
        for count in (FEWEST_RUNS..=modules).step_by(2) {
            if i + count > runs.widths.len() || runs.span(i, count) > 1.12 * rough * modules as f32 {
                break;
            }
            if runs.span(i, count) < 0.88 * rough * modules as f32 {
                continue;
            }
            if let Some(bits) = track_bits(runs, i, count, modules) {
                return Some((modules, count, bits));
            }
        }
    }
    None
}

/// The bits between start and stop of `count` runs that should be a data track of `modules`.
fn track_bits(runs: &Runs, i: usize, count: usize, modules: usize) -> Option<u32> {
    let w = &runs.widths[i..i + count];
    let module = runs.span(i, count) / modules as f32;
    if runs.quiet_before(i).min(runs.quiet_after(i + count - 1)) < 0.5 * module {
        return None;
    }
    let (mut bits, mut length) = (0u64, 0);
    for (k, x) in w.iter().enumerate() {
        let modules = (x / module).round().max(1.0) as usize;
        if modules > 12 {
            return None;
        }
        bits = bits << modules | if k % 2 == 0 { (1 << modules) - 1 } else { 0 };
        length += modules;
    }
    let framed = bits >> (modules - 5) & 0b11111 == 0b10101 && bits & 0b111 == 0b101;
    if length != modules || !framed {
        return None;
    }
    let count = modules - 8;
    let bits = (bits >> 3) as u32 & ((1 << count) - 1);
    let at = |k: usize| bits >> (count - 1 - k) & 1;
    // Separators are light; the parity is of all bits before it.
    let even = (bits >> 1).count_ones().is_multiple_of(2);
    (at(0) == 0 && at(8) == 0 && at(count - 1) == 0 && (count == 15 || at(20) == 0) && even).then_some(bits)
}

/// Product, generation and frame: `115-10/11A`.
fn text(bits: u32, modules: usize) -> Option<String> {
    let count = modules - 8;
    let field = |from: usize, length: usize| bits >> (count - from - length) & ((1 << length) - 1);
    let (product, generation) = (field(1, 7), field(9, 4));
    if product == 0 {
        return None;
    }
    Some(if count == 15 {
        format!("{product}-{generation}")
    } else {
        format!("{product}-{generation}/{}{}", field(13, 6), if field(19, 1) == 1 { "A" } else { "" })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::read::linear::edges::Cut;

    /// A line across a track of the given modules (`1` is dark), six pixels each.
    fn line(modules: &str) -> Runs {
        let mut profile = vec![200.0; 60];
        profile.extend(modules.bytes().flat_map(|m| [if m == b'1' { 40.0 } else { 200.0 }; 6]));
        profile.extend([200.0; 60]);
        Runs::of(profile, Cut::Extrema)
    }

    /// Start, the bits with their parity and separator, stop.
    fn track(bits: &str) -> Runs {
        let parity = bits.bytes().filter(|&b| b == b'1').count() % 2;
        line(&format!("10101{bits}{parity}0101"))
    }

    const LONG_CLOCK: &str = "1111101010101010101010101010111";
    const SHORT_CLOCK: &str = "11111010101010101010111";

    fn read(data: &Runs, clock: &Runs, reversed: bool) -> Vec<String> {
        let mut tracks = Tracks::default();
        for k in 0..8 {
            let mut back = Runs::default();
            let runs = if k < 4 { clock } else { data };
            runs.reversed_into(&mut back);
            let (forth, back) = if reversed { (&back, runs) } else { (runs, &back) };
            tracks.feed(forth, 3.0 * k as f32, false);
            tracks.feed(back, 3.0 * k as f32, true);
        }
        tracks.symbols(3).into_iter().map(|s| s.text).collect()
    }

    #[test]
    fn a_data_track_beside_its_clock_is_read_from_both_ends() {
        // 0, product 7 bits, 0, generation 4 bits, frame 6 bits and half, 0.
        let (long, short) = (track("011100110101000101110"), track("0000101000011"));
        for reversed in [false, true] {
            assert_eq!(read(&long, &line(LONG_CLOCK), reversed), ["115-10/11A"]);
            assert_eq!(read(&short, &line(SHORT_CLOCK), reversed), ["10-3"]);
        }
    }

    #[test]
    fn without_a_clock_or_with_odd_parity_nothing_is_read() {
        let long = track("011100110101000101110");
        assert!(read(&long, &line(SHORT_CLOCK), false).is_empty());
        assert!(read(&long, &long, false).is_empty());
        let odd = line("1010101110011010100010111000101");
        assert!(read(&odd, &line(LONG_CLOCK), false).is_empty(), "parity 0 behind eleven dark bits");
    }
}
