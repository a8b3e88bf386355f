//! Where the sides of MicroPDF417 symbols are: row address patterns, one below the other.
//!
//! A row address pattern may be found by chance anywhere. But along the side of a symbol the patterns follow each other
//! in their order, line after line, and next to white.

use super::tables::{ADDRESSES, address, may_be_address};
use crate::codec::Point;
use crate::codec::read::binary::Bits;

/// A line across the picture, cut into runs: white first (perhaps of no length), then by turns.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) start: Point,
    /// Pixels from one unit of the runs to the next.
    pub(super) step: (f32, f32),
    pub(super) runs: Vec<u32>,
}

impl Line {
    /// From `start` on `length` pixels towards `along`, seen every half pixel.
    pub(super) fn across(bits: &Bits, start: Point, along: (f32, f32), length: f32) -> Self {
        let step = (along.0 / 2.0, along.1 / 2.0);
        let mut runs = vec![0];
        let mut dark = false;
        for k in 0..(2.0 * length) as usize {
            let (x, y) = (start.x + step.0 * k as f32, start.y + step.1 * k as f32);
            if bits.at(x, y).unwrap_or(false) != dark {
                dark = !dark;
                runs.push(0);
            }
            if let Some(last) = runs.last_mut() {
                *last += 1;
            }
        }
        Self { start, step, runs }
    }

    /// The same line from its other end.
    fn reversed(&self) -> Self {
        let length: u32 = self.runs.iter().sum();
        let mut runs: Vec<u32> = self.runs.iter().rev().copied().collect();
        if self.runs.len().is_multiple_of(2) {
            runs.insert(0, 0); // it ended dark
        }
        Self { start: self.point(length as f32), step: (-self.step.0, -self.step.1), runs }
    }

    /// The place so many units from the start.
    pub(super) fn point(&self, at: f32) -> Point {
        Point { x: self.start.x + self.step.0 * at, y: self.start.y + self.step.1 * at }
    }
}

/// Parallel lines, the first at the top as their direction sees it.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) lines: Vec<Line>,
    /// Distance between lines, in units of their runs.
    pub(super) spacing: f32,
}

/// A direction that lines of the whole picture are read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Right,
    Down,
    Left,
    Up,
}

impl Sweep {
    /// At most about `most` lines of the picture.
    pub(super) fn whole(bits: &Bits, direction: Direction, most: u32) -> Self {
        let upright = matches!(direction, Direction::Right | Direction::Left);
        let extent = if upright { bits.height() } else { bits.width() };
        let spacing = (extent / most).max(2);
        let mut runs = Vec::new();
        let mut lines: Vec<Line> = (0..extent)
            .step_by(spacing as usize)
            .map(|k| {
                let (start, step) = if upright {
                    bits.row_runs(k, &mut runs);
                    (Point { x: 0.0, y: k as f32 + 0.5 }, (1.0, 0.0))
                } else {
                    bits.column_runs(k, &mut runs);
                    (Point { x: k as f32 + 0.5, y: 0.0 }, (0.0, 1.0))
                };
                let line = Line { start, step, runs: runs.clone() };
                if matches!(direction, Direction::Left | Direction::Up) { line.reversed() } else { line }
            })
            .collect();
        // Read downwards, the rightmost column is the topmost line; read to the left, the lowest row.
        if matches!(direction, Direction::Down | Direction::Left) {
            lines.reverse();
        }
        Self { lines, spacing: spacing as f32 }
    }

    /// Lines two pixels apart, across a side that leans in another sweep: from `margin` pixels in front of it, `length`
    /// pixels long.
    pub(super) fn beside(bits: &Bits, from: Point, to: Point, margin: f32, length: f32) -> Self {
        let size = (to.x - from.x).hypot(to.y - from.y).max(1.0);
        let down = ((to.x - from.x) / size, (to.y - from.y) / size);
        let along = (down.1, -down.0);
        let count = (1.6 * size / 2.0) as usize;
        let lines = (0..count).map(|k| {
            let t = 2.0 * k as f32 - 0.3 * size;
            let start = Point { x: from.x + down.0 * t - along.0 * margin, y: from.y + down.1 * t - along.1 * margin };
            Line::across(bits, start, along, length)
        });
        Self { lines: lines.collect(), spacing: 4.0 }
    }
}

/// Which side of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A row address pattern on a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Which of the patterns, counted from 0.
    pub(super) address: i32,
    pub(super) line: usize,
    /// Its middle: along the line in units of its runs, and in the picture.
    pub(super) along: f32,
    pub(super) middle: Point,
    /// Units of a module.
    pub(super) module: f32,
}

/// Distance from the ideal up to which runs pass for a pattern.
const NEAR: f32 = 2.0;
/// White beside a symbol, in modules.
const QUIET: f32 = 0.9;

/// The patterns of a line that have white beside them, on the left or on the right.
fn marks(line: &Line, number: usize, side: Side, found: &mut Vec<Mark>) {
    let runs = &line.runs;
    let mut start = 0;
    let mut total: u32 = runs.iter().take(6).sum();
    for (k, six) in runs.windows(6).enumerate() {
        let (from, sum) = (start, total);
        start += runs[k];
        total = sum - runs[k] + runs.get(k + 6).unwrap_or(&0);
        // Patterns begin dark, with a bar of at least two modules.
        if k % 2 == 0 || sum < 16 || 20 * six[0] < 3 * sum {
            continue;
        }
        let total = sum as f32;
        let module = total / 10.0;
        let white = |k: usize| runs.get(k).is_none_or(|&r| r as f32 >= QUIET * module);
        let beside = match side {
            Side::Left => white(k - 1) || k == 1,
            // The last bar is one module wide.
            Side::Right => {
                let last = runs.get(k + 6).map_or(0.0, |&r| r as f32);
                (0.3 * module..2.2 * module).contains(&last) && (white(k + 7) || k + 8 == runs.len())
            }
        };
        if !beside || !may_be_address(six) {
            continue;
        }
        if let Some((address, distance)) = address(six)
            && distance < NEAR
        {
            let along = from as f32 + total / 2.0;
            found.push(Mark { address, line: number, along, middle: line.point(along), module });
        }
    }
}

/// Marks below each other whose patterns follow in their order: the side of a symbol.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) marks: Vec<Mark>,
}

/// Lines that a chain may skip.
const SKIPPED: usize = 3;
/// Fewest marks, and fewest rows that they go through.
const FEWEST: usize = 4;
const FEWEST_ROWS: i32 = 3;
/// Part of its lines on which a side has a mark, and modules that its marks are off a straight line on average.
const DENSE: f32 = 0.55;
const STRAIGHT: f32 = 1.0;
/// Most chains followed at a time.
const MOST_CHAINS: usize = 32;

/// From one pattern to the other on the shortest way.
pub(super) fn rows_between(from: i32, to: i32) -> i32 {
    (to - from + ADDRESSES / 2).rem_euclid(ADDRESSES) - ADDRESSES / 2
}

impl Chain {
    /// How far a mark lies from where the chain goes on; `None` if it does not belong there.
    fn misses(&self, mark: &Mark, spacing: f32) -> Option<f32> {
        let last = self.marks.last()?;
        let lines = mark.line - last.line;
        let ahead = lines as f32 * spacing;
        if lines == 0
            || lines > SKIPPED
            || (mark.along - last.along).abs() > 2.0 * (ahead + last.module)
            || mark.module > 1.3 * last.module
            || last.module > 1.3 * mark.module
            || rows_between(last.address, mark.address).abs() > 4
        {
            return None;
        }
        // The slope of the last few marks.
        let before = &self.marks[self.marks.len().saturating_sub(6)];
        let (rise, room) = if before.line == last.line {
            (0.0, 1.2 * ahead)
        } else {
            ((last.along - before.along) / ((last.line - before.line) as f32 * spacing), 0.35 * ahead)
        };
        let miss = (mark.along - last.along - rise * ahead).abs();
        (miss < room + last.module).then_some(miss)
    }

    /// Whether the patterns go down in their order.
    fn ordered(&self) -> bool {
        let steps = self.marks.windows(2).map(|m| rows_between(m[0].address, m[1].address));
        let (rows, back) = steps.fold((0, 0), |(rows, back), step| (rows + step, back + i32::from(step < 0)));
        rows >= FEWEST_ROWS && 5 * back as usize <= self.marks.len()
    }

    /// Whether most lines have a mark, close to a straight line through all of them.
    fn dense(&self) -> bool {
        let count = self.marks.len() as f32;
        let mean = |of: &dyn Fn(&Mark) -> f32| self.marks.iter().map(of).sum::<f32>() / count;
        let (line, along) = (mean(&|m| m.line as f32), mean(&|m| m.along));
        let rise = mean(&|m| (m.line as f32 - line) * (m.along - along)) / mean(&|m| (m.line as f32 - line).powi(2));
        let off = mean(&|m| (m.along - along - rise * (m.line as f32 - line)).abs());
        count >= DENSE * self.lines().count() as f32 && off < STRAIGHT * self.module()
    }

    /// How far the side leans: units along the lines for each unit down.
    pub(super) fn lean(&self, spacing: f32) -> f32 {
        let (first, last) = (&self.marks[0], &self.marks[self.marks.len() - 1]);
        (last.along - first.along) / ((last.line - first.line) as f32 * spacing)
    }

    /// Units of a module along the lines, at the median mark.
    pub(super) fn module(&self) -> f32 {
        let mut modules: Vec<f32> = self.marks.iter().map(|m| m.module).collect();
        modules.sort_by(f32::total_cmp);
        modules[modules.len() / 2]
    }

    /// Where the chain is on a line, if that is not far from its marks.
    pub(super) fn along(&self, line: f32) -> f32 {
        let (first, last) = (&self.marks[0], &self.marks[self.marks.len() - 1]);
        let rise = (last.along - first.along) / (last.line - first.line) as f32;
        first.along + rise * (line - first.line as f32)
    }

    pub(super) fn lines(&self) -> std::ops::RangeInclusive<usize> {
        self.marks[0].line..=self.marks[self.marks.len() - 1].line
    }
}

/// The sides of symbols in a sweep, those with most marks first.
pub(super) fn chains(sweep: &Sweep, side: Side) -> Vec<Chain> {
    let mut open: Vec<Chain> = Vec::new();
    let mut done = Vec::new();
    let mut found = Vec::new();
    let keep = |chain: Chain, done: &mut Vec<Chain>| {
        if chain.marks.len() >= FEWEST && chain.ordered() && chain.dense() {
            done.push(chain);
        }
    };
    for (number, line) in sweep.lines.iter().enumerate() {
        found.clear();
        marks(line, number, side, &mut found);
        for mark in &found {
            let nearest = open
                .iter_mut()
                .filter_map(|chain| Some((chain.misses(mark, sweep.spacing)?, chain)))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, chain)) = nearest {
                chain.marks.push(*mark);
            } else if open.len() < MOST_CHAINS {
                open.push(Chain { marks: vec![*mark] });
            }
        }
        let (going, ended): (Vec<Chain>, Vec<Chain>) =
            open.drain(..).partition(|c| c.marks.last().is_some_and(|m| m.line + SKIPPED > number));
        open = going;
        for chain in ended {
            keep(chain, &mut done);
        }
    }
    for chain in open {
        keep(chain, &mut done);
    }
    done.sort_by_key(|chain| std::cmp::Reverse(chain.marks.len()));
    done
}
