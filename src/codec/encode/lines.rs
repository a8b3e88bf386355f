//! Modules as bits: a row or a column is a few words, so that a rule of the standard is a few operations on all modules of
//! it at once.

use super::super::Matrix;

/// The modules of a row or column, the first in the lowest bit, 1 is black; bits past the last module are 0.
#[derive(Clone, Copy)]
pub(super) struct Line<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Line<WORDS> {
    pub(super) const EMPTY: Self = Self([0; WORDS]);

    /// So many ones.
    pub(super) fn ones(count: usize) -> Self {
        let mut line = Self::EMPTY;
        (0..count).for_each(|place| line.set(place));
        line
    }

    pub(super) fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    pub(super) fn is_dark(self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    pub(super) fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// At each place what stands `by` places later.
    #[inline]
    pub(super) fn later(mut self, by: u32) -> Self {
        for k in 0..WORDS {
            let above = if k + 1 < WORDS { self.0[k + 1] } else { 0 };
            self.0[k] = self.0[k] >> by | above << (64 - by);
        }
        self
    }

    /// At each place what stands `by` places before.
    #[inline]
    pub(super) fn before(mut self, by: u32) -> Self {
        for k in (0..WORDS).rev() {
            let below = if k == 0 { 0 } else { self.0[k - 1] };
            self.0[k] = self.0[k] << by | below >> (64 - by);
        }
        self
    }

    #[inline]
    fn with(mut self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = of(*word, other);
        }
        self
    }

    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    #[inline]
    pub(super) fn and_not(self, other: Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    #[inline]
    pub(super) fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    #[inline]
    pub(super) fn xor(self, other: Self) -> Self {
        self.with(other, |a, b| a ^ b)
    }

    /// Where two neighbours are alike; `pairs` has a one for each module that has a next.
    pub(super) fn alike(self, pairs: Self) -> Self {
        pairs.and_not(self.xor(self.later(1)))
    }
}

/// A symbol, twice: by its rows and by its columns. 1 is black.
#[derive(Clone)]
pub(super) struct Symbol<const WORDS: usize> {
    pub(super) rows: Vec<Line<WORDS>>,
    pub(super) columns: Vec<Line<WORDS>>,
}

impl<const WORDS: usize> Symbol<WORDS> {
    /// A square of so many white modules a side.
    pub(super) fn white(side: usize) -> Self {
        Self { rows: vec![Line::EMPTY; side], columns: vec![Line::EMPTY; side] }
    }

    /// Modules of a side.
    pub(super) fn side(&self) -> usize {
        self.rows.len()
    }

    /// Makes a module black.
    pub(super) fn set(&mut self, x: usize, y: usize) {
        self.rows[y].set(x);
        self.columns[x].set(y);
    }

    /// Becomes what is black in `one` and not in `other`, or the other way round. All three have the same side.
    pub(super) fn become_difference(&mut self, one: &Self, other: &Self) {
        let lines = |lines: &mut [Line<WORDS>], one: &[Line<WORDS>], other: &[Line<WORDS>]| {
            for ((line, one), other) in lines.iter_mut().zip(one).zip(other) {
                *line = one.xor(*other);
            }
        };
        lines(&mut self.rows, &one.rows, &other.rows);
        lines(&mut self.columns, &one.columns, &other.columns);
    }

    pub(super) fn into_matrix(self) -> Matrix {
        let side = self.side();
        let mut dark = Vec::with_capacity(side * side);
        for row in self.rows {
            dark.extend((0..side).map(|x| row.is_dark(x)));
        }
        Matrix::new(side, side, dark)
    }
}
