//! Element widths to values: how GS1 DataBar counts (ISO/IEC 24724, annex B).
//!
//! A character is a number of bars and as many spaces of a given sum. Its value is the rank of its widths among all that
//! have the same sum and obey the same limits.

/// The first, third … and the second, fourth … of eight elements.
pub(super) fn apart(w: &[f32; 8]) -> ([f32; 4], [f32; 4]) {
    (std::array::from_fn(|k| w[2 * k]), std::array::from_fn(|k| w[2 * k + 1]))
}

/// Rounds elements to `modules`, odd and even ones apart. `odd_sum` says which sums of the odd ones can be.
pub(super) fn elements<const N: usize>(
    odd: [f32; N],
    even: [f32; N],
    modules: u32,
    odd_sum: impl Fn(u32) -> bool,
) -> Option<([u32; N], [u32; N])> {
    let unit = (odd.iter().sum::<f32>() + even.iter().sum::<f32>()) / modules as f32;
    let (mut odd, mut odd_error) = rounded(odd, unit)?;
    let (mut even, mut even_error) = rounded(even, unit)?;
    // Bars that grew by printing or blur show as a sum too large on one side and too small on the other: the sum of all
    // is known, and so is which sums one side can have. The elements that were rounded most give way.
    for _ in 0..3 {
        let (o, e): (u32, u32) = (odd.iter().sum(), even.iter().sum());
        if o + e == modules && odd_sum(o) {
            return Some((odd, even));
        }
        let excess = (o + e) as i32 - modules as i32;
        match excess {
            0 => {
                // Both are off by one, in opposite directions: follow the rounding errors.
                let lean: f32 = odd_error.iter().sum::<f32>() - even_error.iter().sum::<f32>();
                let by = if lean > 0.0 { 1 } else { -1 };
                change(&mut odd, &mut odd_error, by);
                change(&mut even, &mut even_error, -by);
            }
            1 | -1 => {
                if odd_sum(o) {
                    change(&mut even, &mut even_error, -excess);
                } else {
                    change(&mut odd, &mut odd_error, -excess);
                }
            }
            _ => return None,
        }
    }
    None
}

/// Widths in whole modules, and what rounding took away from each.
fn rounded<const N: usize>(widths: [f32; N], unit: f32) -> Option<([u32; N], [f32; N])> {
    let (mut counts, mut errors) = ([0; N], [0.0; N]);
    for ((x, count), error) in widths.into_iter().zip(&mut counts).zip(&mut errors) {
        let value = x / unit;
        if !(0.3..8.8).contains(&value) {
            return None;
        }
        let nearest = (value + 0.5).floor().clamp(1.0, 8.0);
        (*count, *error) = (nearest as u32, value - nearest);
    }
    Some((counts, errors))
}

/// Adds `by` to the count whose rounding lost most in that direction.
fn change<const N: usize>(counts: &mut [u32; N], errors: &mut [f32; N], by: i32) {
    let key = |k: &usize| errors[*k] * by as f32;
    let Some(k) = (0..N).max_by(|a, b| key(a).total_cmp(&key(b))) else { return };
    counts[k] = counts[k].saturating_add_signed(by).max(1);
    errors[k] -= by as f32;
}

/// The rank of a set of element widths, none wider than `most`, among all of the same sum; `narrow` says that at least one
/// of them is a single module.
pub(super) fn rank(widths: &[u32], most: u32, narrow: bool) -> u32 {
    let (count, most) = (widths.len() as i32, most as i32);
    let mut n = widths.iter().sum::<u32>() as i32;
    let (mut value, mut singles) = (0u32, 0u32);
    for (bar, &target) in widths.iter().enumerate().take(widths.len() - 1) {
        // Elements behind this one.
        let rest = count - 1 - bar as i32;
        let mut width = 1;
        singles |= 1 << bar;
        while width < target as i32 {
            let left = n - width;
            let mut sub = choose(left - 1, rest - 1);
            if narrow && singles == 0 && left - rest >= rest {
                sub -= choose(left - rest - 1, rest - 1);
            }
            if rest > 1 {
                let widest = left - (rest - 1);
                let less: i32 = (most + 1..=widest).map(|element| choose(left - element - 1, rest - 2)).sum();
                sub -= less * rest;
            } else if left > most {
                sub -= 1;
            }
            value = value.wrapping_add_signed(sub);
            width += 1;
            singles &= !(1 << bar);
        }
        n -= width;
    }
    value
}

/// `n` over `r`.
fn choose(n: i32, r: i32) -> i32 {
    let small = r.min(n - r);
    (0..small).fold(1, |product, k| product * (n - k) / (k + 1))
}

/// All widths of `N` elements of a sum within the limits of [`rank`], in its order.
#[cfg(test)]
pub(super) fn all<const N: usize>(sum: u32, most: u32, narrow: bool) -> Vec<[u32; N]> {
    fn extend<const N: usize>(found: &mut Vec<[u32; N]>, so_far: [u32; N], at: usize, left: u32, most: u32) {
        if at == N {
            if left == 0 {
                found.push(so_far);
            }
            return;
        }
        for width in 1..=most.min(left) {
            let mut widths = so_far;
            widths[at] = width;
            extend(found, widths, at + 1, left - width, most);
        }
    }
    let mut found = Vec::new();
    extend(&mut found, [0; N], 0, sum, most);
    found.retain(|w| !narrow || w.contains(&1));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_all_widths_in_their_order() {
        for (sum, most, narrow) in [(12, 8, false), (4, 1, true), (8, 4, false), (11, 6, true), (6, 8, true)] {
            for (k, widths) in all::<4>(sum, most, narrow).iter().enumerate() {
                assert_eq!(rank(widths, most, narrow), k as u32, "{widths:?} of {sum}, {most} wide at most");
            }
        }
        for (sum, most, narrow, count) in
            [(17, 6, false, 6538), (9, 3, true, 28), (7, 1, false, 1), (19, 8, true, 16632)]
        {
            let list = all::<7>(sum, most, narrow);
            assert_eq!(list.len(), count);
            assert!(list.iter().enumerate().all(|(k, widths)| rank(widths, most, narrow) == k as u32));
        }
    }

    #[test]
    fn bars_that_grew_are_rounded_to_sums_that_can_be() {
        let (odd, even) = ([3.4, 1.4, 2.4, 5.45], [0.6, 1.55, 0.6, 0.6]);
        assert_eq!(elements(odd, even, 16, |o| o % 2 == 1), Some(([3, 1, 2, 5], [1, 2, 1, 1])));
        assert_eq!(elements(odd, even, 16, |o| o % 2 == 0), Some(([3, 1, 2, 6], [1, 1, 1, 1])));
    }
}
