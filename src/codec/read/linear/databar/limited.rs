//! GS1 DataBar Limited (ISO/IEC 24724, clause 6): two data characters with a check character between them.
//!
//! Each data character has seven spaces and seven bars in 26 modules, the check character six of each and a last pair of
//! single modules in 18. The check is a remainder of all widths modulo 89, drawn as one of 89 patterns, so that a part of
//! another symbol is hardly ever taken for one.

use super::super::{Decoded, edges::Runs};
use super::{
    check_digit,
    elements::{elements, rank},
};
use crate::codec::Kind;

/// From the first bar to the last: guards of one and of two elements, three characters of fourteen.
const RUNS: usize = 1 + 3 * 14 + 2;
const MODULES: f32 = 1.0 + 26.0 + 18.0 + 26.0 + 2.0;

/// Data characters by the sum of their first, third … elements: that sum, the widest of these and of the others, the
/// number of forms the others have, and the value of the first.
const GROUPS: [(u32, u32, u32, u32, u32); 7] = [
    (17, 6, 3, 28, 0),
    (13, 5, 4, 728, 183_064),
    (9, 3, 6, 6454, 820_064),
    (15, 5, 4, 203, 1_000_776),
    (11, 4, 5, 2408, 1_491_021),
    (19, 8, 1, 1, 1_979_845),
    (7, 1, 8, 16_632, 1_996_939),
];
/// Values of a data character.
const VALUES: u64 = 2_013_571;
/// What is added to the value of a symbol that belongs to a composite one.
const LINKED: u64 = 2_015_133_531_096;

/// Forms that the check characters 0 to 88 have, of 21 × 21.
const CHECKS: [std::ops::RangeInclusive<u32>; 16] = [
    0..=43,
    45..=45,
    52..=52,
    57..=57,
    63..=66,
    73..=79,
    82..=82,
    126..=130,
    132..=132,
    141..=146,
    210..=217,
    220..=220,
    316..=320,
    322..=323,
    326..=326,
    337..=337,
];

/// Reads the symbol whose first bar is run `i`.
pub(in super::super) fn decode(runs: &Runs, i: usize) -> Option<Decoded> {
    let w = runs.widths.get(i..i + RUNS)?;
    let module = runs.span(i, RUNS) / MODULES;
    let fits = |from: usize, count: usize, modules: f32| (runs.span(i + from, count) / module - modules).abs() < 0.9;
    // Single modules are told in pairs, in which it does not matter how much ink has spread.
    let framed =
        fits(0, 1, 1.0) && fits(27, 2, 2.0) && fits(RUNS - 2, 2, 2.0) && fits(1, 14, 26.0) && fits(15, 14, 18.0);
    if !framed || runs.quiet_before(i).min(runs.quiet_after(i + RUNS - 1)) < 0.7 * module {
        return None;
    }
    let (left, right) = (character(&w[1..15])?, character(&w[29..43])?);
    let check = check(&w[15..27])?;
    let weights = std::iter::successors(Some(1), |weight| Some(weight * 3 % 89));
    let sum: u32 = left.widths.iter().chain(&right.widths).zip(weights).map(|(width, weight)| width * weight).sum();
    if sum % 89 != check {
        return None;
    }
    let value = u64::from(left.value) * VALUES + u64::from(right.value);
    let value = value.checked_sub(LINKED).unwrap_or(value);
    let digits = format!("{value:013}");
    // The first digit of its GTIN is 0 or 1.
    if digits.as_bytes() > b"1999999999999".as_slice() || digits.len() > 13 {
        return None;
    }
    let text = format!("01{digits}{}", check_digit(digits.as_bytes()));
    Some(Decoded { kind: Kind::RssLimited, bytes: text.into_bytes(), runs: RUNS, error: left.error + right.error })
}

struct Character {
    value: u32,
    widths: [u32; 14],
    /// Mean distance of the elements from whole modules.
    error: f32,
}

fn character(w: &[f32]) -> Option<Character> {
    let (odd, even) = apart::<7>(w)?;
    let (odd_sum, even_sum) = (odd.iter().sum::<f32>(), even.iter().sum::<f32>());
    let unit = (odd_sum + even_sum) / 26.0;
    let (odd, even) = elements(odd, even, 26, |sum| sum % 2 == 1 && (7..=19).contains(&sum))?;
    let sum: u32 = odd.iter().sum();
    let &(_, widest_odd, widest_even, forms, first) = GROUPS.iter().find(|group| group.0 == sum)?;
    if odd.iter().any(|&x| x > widest_odd) || even.iter().any(|&x| x > widest_even) {
        return None;
    }
    let widths: [u32; 14] = std::array::from_fn(|k| if k % 2 == 0 { odd[k / 2] } else { even[k / 2] });
    let error = w.iter().zip(widths).map(|(x, width)| (x / unit - width as f32).abs()).sum::<f32>() / 14.0;
    let value = first + rank(&odd, widest_odd, false) * forms + rank(&even, widest_even, true);
    Some(Character { value, widths, error })
}

/// Which of the check characters twelve elements are.
fn check(w: &[f32]) -> Option<u32> {
    let (odd, even) = apart::<6>(w)?;
    let (odd, even) = elements(odd, even, 16, |sum| sum == 8)?;
    if odd.iter().chain(&even).any(|&x| x > 3) {
        return None;
    }
    let form = rank(&odd, 3, false) * 21 + rank(&even, 3, false);
    CHECKS.into_iter().flatten().position(|f| f == form).map(|check| check as u32)
}

/// The first, third … and the second, fourth … of some elements.
fn apart<const N: usize>(w: &[f32]) -> Option<([f32; N], [f32; N])> {
    (w.len() == 2 * N).then(|| (std::array::from_fn(|k| w[2 * k]), std::array::from_fn(|k| w[2 * k + 1])))
}

#[cfg(test)]
mod tests {
    use super::super::elements::all;
    use super::*;
    use crate::codec::read::linear::edges::Cut;

    /// The widths of a symbol, first bar first.
    fn drawn(value: u64) -> Vec<u32> {
        let character = |value: u32| -> Vec<u32> {
            let &(sum, odd, even, forms, first) = GROUPS.iter().rfind(|g| g.4 <= value).expect("the first group has 0");
            let (odds, evens) = (all::<7>(sum, odd, false), all::<7>(26 - sum, even, true));
            let value = value - first;
            odds[(value / forms) as usize]
                .into_iter()
                .zip(evens[(value % forms) as usize])
                .flat_map(|(o, e)| [o, e])
                .collect()
        };
        let data = [character((value / VALUES) as u32), character((value % VALUES) as u32)];
        let weights = std::iter::successors(Some(1), |weight| Some(weight * 3 % 89));
        let sum: u32 = data.iter().flatten().zip(weights).map(|(width, weight)| width * weight).sum();
        let form = CHECKS.into_iter().flatten().nth(sum as usize % 89).expect("there are 89");
        let forms = all::<6>(8, 3, false);
        let (odd, even) = (forms[form as usize / 21], forms[form as usize % 21]);
        let check = odd.into_iter().zip(even).flat_map(|(o, e)| [o, e]).chain([1, 1]);
        let [left, right] = data;
        [1].into_iter().chain(left).chain(check).chain(right).chain([1, 1]).collect()
    }

    /// A line across it, three pixels a module, bars wider by `ink` pixels.
    fn line(widths: &[u32], ink: f32) -> Runs {
        let mut profile = vec![220.0; 20];
        let mut dark = true;
        for &width in widths {
            profile.extend(std::iter::repeat_n(if dark { 30.0 } else { 220.0 }, 3 * width as usize));
            dark = !dark;
        }
        profile.extend([220.0; 20]);
        // Grey at both edges of each bar is what ink adds.
        let inked: Vec<f32> = (0..profile.len())
            .map(|k| {
                let beside =
                    k > 0 && profile[k - 1] < profile[k] || profile.get(k + 1).is_some_and(|v| v < &profile[k]);
                if beside { profile[k] - 190.0 * ink / 2.0 } else { profile[k] }
            })
            .collect();
        Runs::of(inked, Cut::Extrema)
    }

    #[test]
    fn there_are_as_many_check_characters_as_remainders() {
        assert_eq!(CHECKS.into_iter().flatten().count(), 89);
    }

    #[test]
    fn drawn_symbols_give_their_number() {
        for number in [0, 1_234_567_890_123, 1_501_234_567_890, 1_999_999_999_999, 614_141_999_996] {
            for ink in [0.0, 0.4, 0.8] {
                let found = decode(&line(&drawn(number), ink), 0).expect("is read");
                let text = String::from_utf8(found.bytes).expect("ASCII");
                assert_eq!(
                    (found.kind, &text[..15]),
                    (Kind::RssLimited, format!("01{number:013}").as_str()),
                    "ink {ink}"
                );
            }
            let linked = decode(&line(&drawn(number + LINKED), 0.0), 0).expect("is read");
            assert_eq!(&linked.bytes[2..15], format!("{number:013}").as_bytes(), "of a composite symbol");
        }
    }

    #[test]
    fn a_symbol_with_an_element_changed_is_not_read_as_another() {
        let widths = drawn(1_234_567_890_123);
        for k in 1..widths.len() - 1 {
            let mut bad = widths.clone();
            // One module from an element to the next but one: no sum changes.
            if bad[k] > 1 && k + 2 < bad.len() {
                (bad[k], bad[k + 2]) = (bad[k] - 1, bad[k + 2] + 1);
                assert!(decode(&line(&bad, 0.0), 0).is_none(), "element {k}");
            }
        }
    }
}
