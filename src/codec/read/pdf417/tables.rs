//! The numbers of MicroPDF417 (ISO/IEC 24728): row address patterns, sizes, and the patterns of codewords.

use std::sync::LazyLock;

use rxing::pdf417::pdf_417_common::{SYMBOL_TABLE, getCodeword};

/// Modules of a row address pattern and of a codeword.
pub(super) const ADDRESS_MODULES: f32 = 10.0;
pub(super) const CODEWORD_MODULES: f32 = 17.0;
/// How many row address patterns there are; the first follows the last.
pub(super) const ADDRESSES: i32 = 52;

/// Row address patterns of the left and right side, a digit for the width of each bar and space: table 2. From one to the
/// next a single edge moves by one module.
const SIDE: [&[u8; 6]; 52] = [
    b"221311", b"311311", b"312211", b"222211", b"213211", b"214111", b"223111", b"313111", b"322111", b"412111",
    b"421111", b"331111", b"241111", b"232111", b"231211", b"321211", b"411211", b"411121", b"411112", b"321112",
    b"312112", b"311212", b"311221", b"311131", b"311122", b"311113", b"221113", b"221122", b"221131", b"221221",
    b"222121", b"312121", b"321121", b"231121", b"231112", b"222112", b"213112", b"212212", b"212221", b"212131",
    b"212122", b"212113", b"211213", b"211123", b"211132", b"211141", b"211231", b"211222", b"211312", b"211321",
    b"211411", b"212311",
];

/// A size of symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Codewords in a row.
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Codewords for error correction.
    pub(super) checks: usize,
    /// Row address patterns of the first row at either side, counted from 0.
    pub(super) left: i32,
    pub(super) right: i32,
}

impl Variant {
    /// From the middle of the left row address pattern to that of the right one.
    pub(super) fn span(&self) -> f32 {
        [27.0, 44.0, 71.0, 88.0][self.columns - 1]
    }

    /// The codeword in front of which the middle row address pattern stands, in symbols wide enough to have one.
    pub(super) fn middle(&self) -> Option<usize> {
        match self.columns {
            3 => Some(1),
            4 => Some(2),
            _ => None,
        }
    }

    /// Which of the three sets of codewords row `row` is written in.
    pub(super) fn cluster(&self, row: usize) -> usize {
        (self.left as usize + row) % 3
    }
}

/// Every size: tables 10 to 12.
pub(super) const VARIANTS: [Variant; 34] = [
    Variant { columns: 1, rows: 11, checks: 7, left: 0, right: 8 },
    Variant { columns: 1, rows: 14, checks: 7, left: 7, right: 7 },
    Variant { columns: 1, rows: 17, checks: 7, left: 35, right: 35 },
    Variant { columns: 1, rows: 20, checks: 8, left: 18, right: 18 },
    Variant { columns: 1, rows: 24, checks: 8, left: 8, right: 16 },
    Variant { columns: 1, rows: 28, checks: 8, left: 24, right: 32 },
    Variant { columns: 2, rows: 8, checks: 8, left: 0, right: 0 },
    Variant { columns: 2, rows: 11, checks: 9, left: 0, right: 8 },
    Variant { columns: 2, rows: 14, checks: 9, left: 7, right: 7 },
    Variant { columns: 2, rows: 17, checks: 10, left: 35, right: 35 },
    Variant { columns: 2, rows: 20, checks: 11, left: 18, right: 18 },
    Variant { columns: 2, rows: 23, checks: 13, left: 8, right: 16 },
    Variant { columns: 2, rows: 26, checks: 15, left: 26, right: 34 },
    Variant { columns: 3, rows: 6, checks: 12, left: 0, right: 0 },
    Variant { columns: 3, rows: 8, checks: 14, left: 6, right: 6 },
    Variant { columns: 3, rows: 10, checks: 16, left: 14, right: 14 },
    Variant { columns: 3, rows: 12, checks: 18, left: 24, right: 24 },
    Variant { columns: 3, rows: 15, checks: 21, left: 36, right: 36 },
    Variant { columns: 3, rows: 20, checks: 26, left: 0, right: 32 },
    Variant { columns: 3, rows: 26, checks: 32, left: 0, right: 16 },
    Variant { columns: 3, rows: 32, checks: 38, left: 20, right: 36 },
    Variant { columns: 3, rows: 38, checks: 44, left: 14, right: 46 },
    Variant { columns: 3, rows: 44, checks: 50, left: 0, right: 48 },
    Variant { columns: 4, rows: 4, checks: 8, left: 46, right: 42 },
    Variant { columns: 4, rows: 6, checks: 12, left: 0, right: 0 },
    Variant { columns: 4, rows: 8, checks: 14, left: 6, right: 6 },
    Variant { columns: 4, rows: 10, checks: 16, left: 14, right: 14 },
    Variant { columns: 4, rows: 12, checks: 18, left: 24, right: 24 },
    Variant { columns: 4, rows: 15, checks: 21, left: 36, right: 36 },
    Variant { columns: 4, rows: 20, checks: 26, left: 0, right: 32 },
    Variant { columns: 4, rows: 26, checks: 32, left: 0, right: 16 },
    Variant { columns: 4, rows: 32, checks: 38, left: 20, right: 36 },
    Variant { columns: 4, rows: 38, checks: 44, left: 14, right: 46 },
    Variant { columns: 4, rows: 44, checks: 50, left: 0, right: 48 },
];

/// The widths that the digits of a row address pattern spell.
pub(super) static SIDES: LazyLock<[[f32; 6]; 52]> =
    LazyLock::new(|| SIDE.map(|digits| digits.map(|digit| f32::from(digit - b'0'))));

/// A codeword's value and the widths of its bars and spaces.
pub(super) type Codewords = Vec<(u16, [f32; 8])>;

/// Clusters 0, 3 and 6.
pub(super) static CLUSTERS: LazyLock<[Codewords; 3]> = LazyLock::new(|| {
    let mut clusters = [const { Codewords::new() }; 3];
    for symbol in SYMBOL_TABLE {
        let mut widths = [0.0f32; 8];
        let (mut run, mut dark) = (0, true);
        for bit in (0..17).rev() {
            if (symbol >> bit & 1 == 1) != dark {
                (run, dark) = (run + 1, !dark);
            }
            widths[run.min(7)] += 1.0;
        }
        let cluster = (widths[0] - widths[2] + widths[4] - widths[6]).rem_euclid(9.0) as usize;
        if let Ok(value) = u16::try_from(getCodeword(symbol)) {
            clusters[cluster / 3].push((value, widths));
        }
    }
    clusters
});

/// How far measured widths are from ideal ones, as the sum of squares in modules; wider bars at the cost of spaces count
/// for nothing, since ink spreads.
fn distance<const N: usize>(measured: &[f32; N], ideal: &[f32; N]) -> f32 {
    // The squares, and what is common to bars against spaces, which is then taken out.
    let (mut squares, mut ink) = (0.0, 0.0);
    for k in 0..N {
        let d = measured[k] - ideal[k];
        squares += d * d;
        ink += if k % 2 == 0 { d } else { -d };
    }
    spread(squares, ink, N as f32)
}

/// The sum of squares without what ink has spread evenly over `n` runs.
fn spread(squares: f32, ink: f32, n: f32) -> f32 {
    let spread = (ink / n).clamp(-INK, INK);
    squares - 2.0 * spread * ink + n * spread * spread
}

/// Most that a bar may be wider than it should, in modules.
const INK: f32 = 0.7;

/// Widths in modules, if together they are `modules`.
fn in_modules<const N: usize>(runs: &[u32], modules: f32) -> Option<[f32; N]> {
    let runs: &[u32; N] = runs.try_into().ok()?;
    let scale = modules / runs.iter().sum::<u32>().max(1) as f32;
    Some(runs.map(|r| r as f32 * scale))
}

/// Steps of a module in [`NEARBY`].
const STEPS: f32 = 4.0;
/// Modules that a bar and the space beside it may be together away from a pattern's.
const PAIR: f32 = 1.4;

/// For each two neighbouring runs of a row address pattern, and each width that they may have together, the patterns (a
/// bit each) that have about that width there. Ink moves no width to another pattern here: what a bar gains, its
/// neighbour loses.
static NEARBY: LazyLock<[[u64; 40]; 5]> = LazyLock::new(|| {
    std::array::from_fn(|place| {
        std::array::from_fn(|width| {
            let width = (width as f32 + 0.5) / STEPS;
            let near = |side: &[f32; 6]| (side[place] + side[place + 1] - width).abs() < PAIR;
            SIDES.iter().rev().fold(0, |patterns, side| patterns << 1 | u64::from(near(side)))
        })
    })
});

/// The row address pattern nearest to six runs, counted from 0, and its distance; `None` if there is none near.
pub(super) fn address(runs: &[u32]) -> Option<(i32, f32)> {
    let measured: [f32; 6] = in_modules(runs, ADDRESS_MODULES)?;
    let mut patterns = NEARBY.iter().enumerate().fold(u64::MAX, |patterns, (place, near)| {
        let width = (measured[place] + measured[place + 1]) * STEPS;
        patterns & near.get(width as usize).copied().unwrap_or(0)
    });
    let mut best: Option<(i32, f32)> = None;
    while patterns != 0 {
        let row = patterns.trailing_zeros() as i32;
        patterns &= patterns - 1;
        let distance = distance(&measured, &SIDES[row as usize]);
        if best.is_none_or(|b| distance < b.1) {
            best = Some((row, distance));
        }
    }
    best
}

/// Whether six runs can be a row address pattern at all: none is wider than four modules.
pub(super) fn may_be_address(runs: &[u32]) -> bool {
    let total: u32 = runs.iter().sum();
    runs.iter().all(|&r| 2 * r <= total && 40 * r >= total)
}

/// How far six runs are from row address pattern `row`.
pub(super) fn address_distance(runs: &[u32], row: i32) -> Option<f32> {
    Some(distance(&in_modules(runs, ADDRESS_MODULES)?, &SIDES[row.rem_euclid(ADDRESSES) as usize]))
}

/// The codeword of a cluster nearest to eight runs, and its distance.
pub(super) fn codeword(runs: &[u32], cluster: usize) -> Option<(u16, f32)> {
    let measured = in_modules(runs, CODEWORD_MODULES)?;
    let of = |(value, ideal): &(u16, [f32; 8])| (*value, distance(&measured, ideal));
    CLUSTERS[cluster].iter().map(of).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The codeword whose pattern eight widths, rounded to modules, are, and its cluster, counted from 0.
pub(super) fn exact_codeword(widths: &[f32; 8]) -> Option<(u16, usize)> {
    let scale = CODEWORD_MODULES / widths.iter().sum::<f32>();
    let (mut reached, mut before, mut symbol, mut cluster) = (0.0, 0, 0, 0);
    for (k, width) in widths.iter().enumerate() {
        reached += width * scale;
        let modules = reached.round() as i32 - before;
        if !(1..=6).contains(&modules) {
            return None;
        }
        before += modules;
        // Dark ones are set.
        symbol = (symbol << modules) | if k.is_multiple_of(2) { (1 << modules) - 1 } else { 0 };
        cluster += [modules, 0, -modules, 0][k % 4];
    }
    let value = u16::try_from(getCodeword(symbol)).ok()?;
    Some((value, cluster.rem_euclid(9) as usize / 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_addresses_differ_by_one_edge() {
        for (k, a) in SIDES.iter().enumerate() {
            let b = &SIDES[(k + 1) % 52];
            let edges = |p: &[f32; 6]| {
                p.iter()
                    .scan(0.0, |sum, w| {
                        *sum += w;
                        Some(*sum)
                    })
                    .collect::<Vec<f32>>()
            };
            let moved: f32 = edges(a).iter().zip(edges(b)).map(|(a, b)| (a - b).abs()).sum();
            assert_eq!((a.iter().sum::<f32>(), moved), (10.0, 1.0), "{k}");
        }
    }

    #[test]
    fn every_cluster_has_every_codeword_once() {
        for cluster in CLUSTERS.iter() {
            let mut values: Vec<u16> = cluster.iter().map(|c| c.0).collect();
            values.sort_unstable();
            assert_eq!(values, (0..929).collect::<Vec<u16>>());
        }
        for (cluster, codewords) in CLUSTERS.iter().enumerate() {
            for (value, widths) in codewords {
                assert_eq!(exact_codeword(&widths.map(|w| 3.1 * w)), Some((*value, cluster)));
            }
        }
    }

    #[test]
    fn spread_ink_and_scale_do_not_change_a_pattern() {
        // Pattern 5 (2 1 4 1 1 1) at five pixels a module, bars a pixel wider.
        assert_eq!(address(&[11, 4, 21, 4, 6, 4]).map(|a| a.0), Some(5));
        assert!(VARIANTS.iter().all(|v| v.left + v.rows as i32 <= ADDRESSES), "left addresses never begin anew");
    }
}
