//! Modules as bits: a row or a column is a few words, so that a rule of the standard is a few operations on all modules of
//! it at once, and a rule on many lines is a plain loop without branches, which the compiler turns into vectors.

use std::ops::{BitAnd, BitOr, BitXor, Not, Shl, Shr};

use super::super::Matrix;

/// What lines are made of: the shorter it is, the more lines fit a vector.
pub(super) trait Word:
    Copy
    + PartialEq
    + From<bool>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
{
    const BITS: u32;
    const ZERO: Self;
    const ONE: Self;

    fn count_ones(self) -> u32;
}

macro_rules! word {
    ($type:ty) => {
        impl Word for $type {
            const BITS: u32 = <$type>::BITS;
            const ZERO: Self = 0;
            const ONE: Self = 1;

            #[inline]
            fn count_ones(self) -> u32 {
                self.count_ones()
            }
        }
    };
}

word!(u32);
word!(u64);

/// The modules of a row or column, the first in the lowest bit, 1 is black; bits past the last module are 0.
#[derive(Clone, Copy)]
pub(super) struct Line<W, const WORDS: usize>([W; WORDS]);

impl<W: Word, const WORDS: usize> Line<W, WORDS> {
    pub(super) const EMPTY: Self = Self([W::ZERO; WORDS]);

    /// So many ones.
    pub(super) fn ones(count: usize) -> Self {
        let mut line = Self::EMPTY;
        (0..count).for_each(|place| line.set(place));
        line
    }

    /// Makes a module black.
    #[inline]
    pub(super) fn set(&mut self, place: usize) {
        self.put(place, W::ONE);
    }

    /// Makes a module black where `bit` is 1; where it is 0, nothing changes.
    #[inline]
    fn put(&mut self, place: usize, bit: W) {
        let word = &mut self.0[place / W::BITS as usize];
        *word = *word | bit << (place as u32 % W::BITS);
    }

    #[inline]
    fn is_dark(self, place: usize) -> bool {
        self.0[place / W::BITS as usize] >> (place as u32 % W::BITS) & W::ONE == W::ONE
    }

    #[inline]
    pub(super) fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// At each place what stands `by` places later.
    #[inline]
    pub(super) fn later(mut self, by: u32) -> Self {
        for k in 0..WORDS {
            let above = if k + 1 < WORDS { self.0[k + 1] } else { W::ZERO };
            self.0[k] = self.0[k] >> by | above << (W::BITS - by);
        }
        self
    }

    /// At each place what stands `by` places before.
    #[inline]
    pub(super) fn before(mut self, by: u32) -> Self {
        for k in (0..WORDS).rev() {
            let below = if k == 0 { W::ZERO } else { self.0[k - 1] };
            self.0[k] = self.0[k] << by | below >> (W::BITS - by);
        }
        self
    }

    #[inline]
    fn with(mut self, other: Self, of: impl Fn(W, W) -> W) -> Self {
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
    #[inline]
    pub(super) fn alike(self, pairs: Self) -> Self {
        pairs.and_not(self.xor(self.later(1)))
    }
}

/// A symbol, twice: by its rows and by its columns. 1 is black.
#[derive(Clone)]
pub(super) struct Symbol<W, const WORDS: usize> {
    pub(super) rows: Vec<Line<W, WORDS>>,
    pub(super) columns: Vec<Line<W, WORDS>>,
}

impl<W: Word, const WORDS: usize> Symbol<W, WORDS> {
    /// A square of so many white modules a side.
    pub(super) fn white(side: usize) -> Self {
        Self { rows: vec![Line::EMPTY; side], columns: vec![Line::EMPTY; side] }
    }

    /// Modules of a side.
    pub(super) fn side(&self) -> usize {
        self.rows.len()
    }

    /// Makes a module black.
    #[inline]
    pub(super) fn set(&mut self, x: usize, y: usize) {
        self.rows[y].set(x);
        self.columns[x].set(y);
    }

    /// Makes a module black if it `is_dark`; otherwise nothing changes. Without a branch, which nobody could foresee.
    #[inline]
    pub(super) fn put(&mut self, x: usize, y: usize, is_dark: bool) {
        self.rows[y].put(x, is_dark.into());
        self.columns[x].put(y, is_dark.into());
    }

    /// Becomes what is black in `one` and not in `other`, or the other way round. All three have the same side.
    pub(super) fn become_difference(&mut self, one: &Self, other: &Self) {
        let differ = |lines: &mut [Line<W, WORDS>], one: &[Line<W, WORDS>], other: &[Line<W, WORDS>]| {
            for ((line, one), other) in lines.iter_mut().zip(one).zip(other) {
                *line = one.xor(*other);
            }
        };
        differ(&mut self.rows, &one.rows, &other.rows);
        differ(&mut self.columns, &one.columns, &other.columns);
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
