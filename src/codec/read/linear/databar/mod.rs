//! GS1 DataBar Omnidirectional and Expanded, in one row or stacked (ISO/IEC 24724).
//!
//! Here: how both are found. `elements` turns widths into values, `content` values into the text of an Expanded symbol;
//! `limited` is the third of the family, which has nothing in common with them but its elements.
//!
//! Both are made of pairs: a finder of five elements with a data character on each side. A pair is complete in itself and
//! says where it belongs, by its finder and by whether the finder's second element is dark (a pair of odd number) or light
//! (even; it is then seen reading backwards). So all lines of a picture drop their pairs into one pool, and symbols are
//! built from the pool: rows of a stacked symbol need no treatment of their own.

mod content;
mod elements;
pub(super) mod limited;

use super::edges::Runs;
use crate::codec::Kind;
use elements::{apart, elements, rank};

/// Finders of the omnidirectional symbol.
const OMNI: [[f32; 5]; 9] = [
    [3.0, 8.0, 2.0, 1.0, 1.0],
    [3.0, 5.0, 5.0, 1.0, 1.0],
    [3.0, 3.0, 7.0, 1.0, 1.0],
    [3.0, 1.0, 9.0, 1.0, 1.0],
    [2.0, 7.0, 4.0, 1.0, 1.0],
    [2.0, 5.0, 6.0, 1.0, 1.0],
    [2.0, 3.0, 8.0, 1.0, 1.0],
    [1.0, 5.0, 7.0, 1.0, 1.0],
    [1.0, 3.0, 9.0, 1.0, 1.0],
];
/// Finders A to F of the expanded symbol.
const EXPANDED: [[f32; 5]; 6] = [
    [1.0, 8.0, 4.0, 1.0, 1.0],
    [3.0, 6.0, 4.0, 1.0, 1.0],
    [3.0, 4.0, 6.0, 1.0, 1.0],
    [3.0, 2.0, 8.0, 1.0, 1.0],
    [2.0, 6.0, 5.0, 1.0, 1.0],
    [2.0, 2.0, 9.0, 1.0, 1.0],
];
/// The order of finders in expanded symbols of 2, 3, … pairs; odd and even places alternate.
const SEQUENCES: [&[u8]; 10] = [
    &[0, 0],
    &[0, 1, 1],
    &[0, 2, 1, 3],
    &[0, 4, 1, 3, 2],
    &[0, 4, 1, 3, 3, 5],
    &[0, 4, 1, 3, 4, 5, 5],
    &[0, 0, 1, 1, 2, 2, 3, 3],
    &[0, 0, 1, 1, 2, 2, 3, 4, 4],
    &[0, 0, 1, 1, 2, 2, 3, 4, 5, 5],
    &[0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5],
];

/// A data character: its value and its part of the check sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Character {
    value: u32,
    check: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Omni,
    Expanded,
}

/// A finder with its characters, as seen on one or more lines.
#[derive(Clone, Debug)]
struct Pair {
    family: Family,
    odd: bool,
    finder: u8,
    /// In the symbol's reading order. The last character of an expanded symbol may be missing.
    left: Character,
    right: Option<Character>,
    votes: u32,
    extent: Extent,
}

/// Where a pair was seen: lines and places along them, in the frame of the sweep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) first_line: f32,
    pub(super) last_line: f32,
    pub(super) start: f32,
    pub(super) end: f32,
    /// Whether the symbol is read against the direction of the sweep.
    pub(super) backwards: bool,
}

impl Extent {
    fn join(self, other: Self) -> Self {
        Self {
            first_line: self.first_line.min(other.first_line),
            last_line: self.last_line.max(other.last_line),
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            backwards: self.backwards,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.start < other.end
            && other.start < self.end
            && self.first_line <= other.last_line
            && other.first_line <= self.last_line
    }
}

/// A whole symbol.
pub(super) struct Symbol {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) extent: Extent,
}

/// Lines on which each pair of a symbol must have been seen: the check of the omnidirectional one is the weaker.
const OMNI_LINES: u32 = 3;
const EXPANDED_LINES: u32 = 2;

/// All pairs of one sweep over a picture.
#[derive(Default)]
pub(super) struct Pool {
    pairs: Vec<Pair>,
    votes: usize,
}

impl Pool {
    /// Takes the pairs of a line at `line`, and says whether there were any. `reversed` says that `runs` are the line read from its end.
    pub(super) fn feed(&mut self, runs: &Runs, line: f32, reversed: bool) -> bool {
        let before = self.votes;
        let w = &runs.widths;
        for f in 1..w.len().saturating_sub(4) {
            let e = [w[f - 1], w[f], w[f + 1], w[f + 2], w[f + 3]];
            let (two, all) = (e[1] + e[2], e[1] + e[2] + e[3] + e[4]);
            // The second and third elements are 10 of 12, 11 of 13 or 12 of 14 modules.
            if !(0.76..0.91).contains(&(two / all)) || e[3].max(e[4]) > 0.19 * all || e[0] > 0.36 * all {
                continue;
            }
            self.pairs_at(runs, f, e, line, reversed);
        }
        self.votes > before
    }

    fn pairs_at(&mut self, runs: &Runs, f: usize, e: [f32; 5], line: f32, reversed: bool) {
        let dark = f.is_multiple_of(2);
        let w = &runs.widths;
        let sum: f32 = e.iter().sum();
        // Elements farthest from the finder come first, on both sides.
        let before: Option<[f32; 8]> = f.checked_sub(9).map(|s| std::array::from_fn(|k| w[s + k]));
        let after: Option<[f32; 8]> = (f + 12 <= w.len()).then(|| std::array::from_fn(|k| w[f + 11 - k]));
        let extent = |from: usize, to: usize| {
            let (a, b) = (runs.edges[from], runs.edges[to]);
            let (start, end) = if reversed { (runs.length - b, runs.length - a) } else { (a, b) };
            Extent { first_line: line, last_line: line, start, end, backwards: dark == reversed }
        };
        for (finder, _) in matches(&e, sum, &OMNI) {
            let (Some(before), Some(after)) = (before, after) else { break };
            let (Some(outer), Some(inner)) = (omni_character(before, true, sum), omni_character(after, false, sum))
            else {
                continue;
            };
            self.vote(Pair {
                family: Family::Omni,
                odd: dark,
                finder,
                left: outer,
                right: Some(inner),
                votes: 1,
                extent: extent(f - 9, f + 12),
            });
        }
        for (finder, _) in matches(&e, sum, &EXPANDED) {
            let first = |w| expanded_character(w, finder, dark, true, sum);
            let second = |w| expanded_character(w, finder, dark, false, sum);
            let (left, right) = if dark {
                (before.and_then(first), after.and_then(second))
            } else {
                (after.and_then(first), before.and_then(second))
            };
            let Some(left) = left else { continue };
            let from = if before.is_some() { f - 9 } else { f - 1 };
            let to = if after.is_some() { f + 12 } else { f + 4 };
            self.vote(Pair {
                family: Family::Expanded,
                odd: dark,
                finder,
                left,
                right,
                votes: 1,
                extent: extent(from, to),
            });
        }
    }

    fn vote(&mut self, new: Pair) {
        self.votes += 1;
        let same = |p: &&mut Pair| {
            (p.family, p.odd, p.finder, p.left, p.right) == (new.family, new.odd, new.finder, new.left, new.right)
        };
        if let Some(old) = self.pairs.iter_mut().find(same) {
            old.votes += 1;
            old.extent = old.extent.join(new.extent);
        } else {
            self.pairs.push(new);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Pairs of a family that were seen on `least` lines, the most often seen first.
    fn pairs(&self, family: Family, odd: bool, least: u32) -> Vec<&Pair> {
        let mut list: Vec<&Pair> =
            self.pairs.iter().filter(|p| p.family == family && p.odd == odd && p.votes >= least).collect();
        list.sort_by_key(|p| std::cmp::Reverse(p.votes));
        list
    }

    /// First and last lines of pairs that make up a symbol but were not seen often enough for it.
    pub(super) fn doubtful(&self) -> Vec<(f32, f32)> {
        let (left, right) = (self.pairs(Family::Omni, true, 1), self.pairs(Family::Omni, false, 1));
        let both = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
        both.filter(|(l, r)| l.votes.min(r.votes) < OMNI_LINES && omni_checks(l, r) && adjacent(&l.extent, &r.extent))
            .flat_map(|(l, r)| [l.extent, r.extent])
            .map(|extent| (extent.first_line, extent.last_line))
            .collect()
    }

    /// The symbols that the pool makes up. Lines nearer to each other than `thickness` show the same pixels.
    pub(super) fn symbols(&self, thickness: f32) -> Vec<Symbol> {
        let mut found = Vec::new();
        let pairs = |odd| self.pairs(Family::Expanded, odd, EXPANDED_LINES);
        let (odd, even) = (pairs(true), pairs(false));
        // Longer symbols first: a short sequence may be a part of a long one.
        for sequence in SEQUENCES.iter().rev() {
            if let Some(symbol) = expanded_symbol(sequence, &odd, &even) {
                found.push(symbol);
                break;
            }
        }
        // The omnidirectional check is weak, and a part of an expanded symbol looks like such a pair.
        let apart = |p: &&Pair| p.extent.last_line - p.extent.first_line >= thickness;
        let pairs = |odd| self.pairs(Family::Omni, odd, OMNI_LINES).into_iter().filter(apart).collect::<Vec<_>>();
        let (left, right) = (pairs(true), pairs(false));
        let expanded: Vec<Extent> = found.iter().map(|s: &Symbol| s.extent).collect();
        for l in &left {
            let fits = |r: &&&Pair| omni_checks(l, r) && adjacent(&l.extent, &r.extent);
            if let Some(symbol) = right.iter().find(fits).and_then(|r| omni_symbol(l, r))
                && !expanded.iter().any(|e| e.meets(&symbol.extent))
            {
                found.push(symbol);
            }
        }
        found.retain(|s| !s.text.is_empty());
        found
    }
}

/// Whether the right pair follows the left one in its row, or lies in the row below (stacked).
fn adjacent(left: &Extent, right: &Extent) -> bool {
    let width = left.end - left.start;
    if left.backwards != right.backwards || !(0.75..1.33).contains(&((right.end - right.start) / width)) {
        return false;
    }
    let gap = if left.backwards { left.start - right.end } else { right.start - left.end };
    let beside = gap.abs() < 0.15 * width
        && left.first_line.max(right.first_line) <= left.last_line.min(right.last_line) + 0.5 * width;
    let below = (left.start - right.start).abs() < 0.15 * width
        && (left.last_line <= right.first_line || right.last_line <= left.first_line);
    beside || below
}

/// The patterns near to five elements, with their squared distance in modules, the nearest first.
fn matches(e: &[f32; 5], sum: f32, patterns: &[[f32; 5]]) -> impl Iterator<Item = (u8, f32)> {
    let scale = 15.0 / sum;
    let mut near: Vec<(u8, f32)> = patterns
        .iter()
        .enumerate()
        .map(|(k, p)| (k as u8, e.iter().zip(p).map(|(a, b)| (a * scale - b) * (a * scale - b)).sum::<f32>()))
        .filter(|m| m.1 < 2.6)
        .collect();
    near.sort_by(|a, b| a.1.total_cmp(&b.1));
    // A second one counts only where blur leaves it open which it is.
    let limit = near.first().map_or(0.0, |m| m.1) + 0.6;
    near.retain(|m| m.1 <= limit);
    near.into_iter()
}

fn omni_character(w: [f32; 8], outer: bool, finder: f32) -> Option<Character> {
    let modules = if outer { 16 } else { 15 };
    let unit = w.iter().sum::<f32>() / modules as f32;
    if !(0.8..1.25).contains(&(unit * 15.0 / finder)) {
        return None;
    }
    let (odd, even) = apart(&w);
    let (odd, even) = elements(odd, even, modules, |o| {
        if outer { o % 2 == 0 && (4..=12).contains(&o) } else { (15 - o) % 2 == 0 && (4..=10).contains(&(15 - o)) }
    })?;
    let mut check = (0, 0);
    for k in (0..4).rev() {
        check = (check.0 * 9 + odd[k], check.1 * 9 + even[k]);
    }
    let check = check.0 + 3 * check.1;
    let value = if outer {
        let group = (12 - odd.iter().sum::<u32>()) as usize / 2;
        let widest = [8, 6, 4, 3, 1][group];
        let (o, e) = (rank(&odd, widest, false), rank(&even, 9 - widest, true));
        o * [1, 10, 34, 70, 126][group] + e + [0, 161, 961, 2015, 2715][group]
    } else {
        let group = (10 - even.iter().sum::<u32>()) as usize / 2;
        let widest = [2, 4, 6, 8][group];
        let (o, e) = (rank(&odd, widest, true), rank(&even, 9 - widest, false));
        e * [4, 20, 48, 81][group] + o + [0, 336, 1036, 1516][group]
    };
    Some(Character { value, check })
}

/// The check of the whole symbol: modulo 79, told by both finders.
fn omni_checks(left: &Pair, right: &Pair) -> bool {
    let part = |p: &Pair| p.left.check + 4 * p.right.map_or(0, |r| r.check);
    let sum = (part(left) + 16 * part(right)) % 79;
    let mut target = 9 * u32::from(left.finder) + u32::from(right.finder);
    if target > 72 {
        target -= 1;
    }
    if target > 8 {
        target -= 1;
    }
    sum == target
}

fn omni_symbol(left: &Pair, right: &Pair) -> Option<Symbol> {
    let value = |p: &Pair| 1597 * u64::from(p.left.value) + p.right.map_or(0, |r| u64::from(r.value));
    let digits = format!("{:013}", 4_537_077 * value(left) + value(right));
    if digits.len() > 13 {
        return None;
    }
    Some(Symbol {
        kind: Kind::Rss14,
        text: format!("{digits}{}", check_digit(digits.as_bytes())),
        extent: left.extent.join(right.extent),
    })
}

/// The check digit of a GTIN of fourteen digits.
fn check_digit(digits: &[u8]) -> u8 {
    let sum: u32 = digits.iter().enumerate().map(|(k, d)| u32::from(d - b'0') * if k % 2 == 0 { 3 } else { 1 }).sum();
    ((10 - sum % 10) % 10) as u8
}

fn expanded_character(w: [f32; 8], finder: u8, odd_pair: bool, left: bool, finder_width: f32) -> Option<Character> {
    let unit = w.iter().sum::<f32>() / 17.0;
    if !(0.8..1.25).contains(&(unit * 15.0 / finder_width)) {
        return None;
    }
    let (odd, even) = apart(&w);
    let (odd, even) = elements(odd, even, 17, |o| o % 2 == 0 && (4..=12).contains(&o))?;
    let check = if finder == 0 && odd_pair && left {
        0 // the check character itself
    } else {
        let row = 4 * usize::from(finder) + if odd_pair { 0 } else { 2 } + usize::from(!left) - 1;
        let weights = &WEIGHTS[8 * row..8 * row + 8];
        (0..4).map(|k| odd[k] * weights[2 * k] + even[k] * weights[2 * k + 1]).sum()
    };
    let group = (13 - odd.iter().sum::<u32>()) as usize / 2;
    let widest = [7, 5, 4, 3, 1][group];
    let (o, e) = (rank(&odd, widest, true), rank(&even, 9 - widest, false));
    Some(Character { value: o * [4, 20, 52, 104, 204][group] + e + [0, 348, 1388, 2948, 3988][group], check })
}

/// Powers of three modulo 211: the weights of all elements, eight a character.
const WEIGHTS: [u32; 184] = {
    let mut weights = [1; 184];
    let mut k = 1;
    while k < weights.len() {
        weights[k] = weights[k - 1] * 3 % 211;
        k += 1;
    }
    weights
};

/// Candidates tried for each place of a sequence.
const CHOICES: usize = 3;

fn expanded_symbol(sequence: &[u8], odd: &[&Pair], even: &[&Pair]) -> Option<Symbol> {
    let mut choices = Vec::with_capacity(sequence.len());
    for (place, &finder) in sequence.iter().enumerate() {
        let last = place + 1 == sequence.len();
        let from = if place % 2 == 0 { odd } else { even };
        let fitting: Vec<&Pair> =
            from.iter().filter(|p| p.finder == finder && (last || p.right.is_some())).take(CHOICES).copied().collect();
        if fitting.is_empty() {
            return None;
        }
        choices.push(fitting);
    }
    // Mostly one candidate has nearly all votes: the first of each, then one place at a time changed.
    let best: Vec<&Pair> = choices.iter().map(|c| c[0]).collect();
    let others = choices.iter().enumerate().flat_map(|(place, c)| c.iter().skip(1).map(move |&p| (place, p)));
    std::iter::once(best.clone())
        .chain(others.map(|(place, p)| {
            let mut pairs = best.clone();
            pairs[place] = p;
            pairs
        }))
        .find_map(|pairs| expanded_text(&pairs))
}

fn expanded_text(pairs: &[&Pair]) -> Option<Symbol> {
    let characters: Vec<Character> = pairs.iter().flat_map(|p| [Some(p.left), p.right]).flatten().collect();
    let (check, data) = characters.split_first()?;
    let sum: u32 = data.iter().map(|c| c.check).sum();
    if check.value != 211 * (characters.len() as u32).checked_sub(4)? + sum % 211 {
        return None;
    }
    // A symbol whose content cannot be told still takes its place.
    let text = content::text(data.iter().map(|c| c.value)).unwrap_or_default();
    let extent = pairs.iter().skip(1).fold(pairs[0].extent, |e, p| e.join(p.extent));
    Some(Symbol { kind: Kind::RssExpanded, text, extent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_standard() {
        assert_eq!(WEIGHTS[..9], [1, 3, 9, 27, 81, 32, 96, 77, 20]);
        assert_eq!(WEIGHTS[183], 89);
    }
}
