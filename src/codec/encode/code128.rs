//! Code 128 (ISO/IEC 15417): code sets A, B and C chosen so that the symbol is shortest, and the check digit.

use super::super::{EncodeError, Matrix};
use super::check_ascii;

/// The usual limit of drawers and readers; the standard has none.
const MAX_CHARACTERS: usize = 80;

/// Widths of bars and spaces of the values 0 to 105, and of the stop character with its final bar. Standard, table 1.
const PATTERNS: [&[u8]; 107] = [
    b"212222", b"222122", b"222221", b"121223", b"121322", b"131222", b"122213", b"122312", b"132212", b"221213",
    b"221312", b"231212", b"112232", b"122132", b"122231", b"113222", b"123122", b"123221", b"223211", b"221132",
    b"221231", b"213212", b"223112", b"312131", b"311222", b"321122", b"321221", b"312212", b"322112", b"322211",
    b"212123", b"212321", b"232121", b"111323", b"131123", b"131321", b"112313", b"132113", b"132311", b"211313",
    b"231113", b"231311", b"112133", b"112331", b"132131", b"113123", b"113321", b"133121", b"313121", b"211331",
    b"231131", b"213113", b"213311", b"213131", b"311123", b"311321", b"331121", b"312113", b"312311", b"332111",
    b"314111", b"221411", b"431111", b"111224", b"111422", b"121124", b"121421", b"141122", b"141221", b"112214",
    b"112412", b"122114", b"122411", b"142112", b"142211", b"241211", b"221114", b"413111", b"241112", b"134111",
    b"111242", b"121142", b"121241", b"114212", b"124112", b"124211", b"411212", b"421112", b"421211", b"212141",
    b"214121", b"412121", b"111143", b"111341", b"131141", b"114113", b"114311", b"411113", b"411311", b"113141",
    b"114131", b"311141", b"411131", b"211412", b"211214", b"211232", b"2331112",
];

const SHIFT: u8 = 98;
const STOP: usize = 106;

/// A code set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// Capitals, digits, control characters.
    A,
    /// Capitals, digits, small letters.
    B,
    /// Pairs of digits.
    C,
}

impl Set {
    /// In the order in which ties are settled: B is what readers and people expect.
    const ALL: [Self; 3] = [Self::B, Self::C, Self::A];

    /// The value that starts a symbol in this set.
    fn start(self) -> u8 {
        match self {
            Self::A => 103,
            Self::B => 104,
            Self::C => 105,
        }
    }

    /// The value that changes to this set from another.
    fn change(self) -> u8 {
        match self {
            Self::A => 101,
            Self::B => 100,
            Self::C => 99,
        }
    }

    /// The set that a shift reaches for one character.
    fn shifted(self) -> Option<Self> {
        match self {
            Self::A => Some(Self::B),
            Self::B => Some(Self::A),
            Self::C => None,
        }
    }

    /// The value of what stands at the head of `text`, and how many characters that takes.
    fn value(self, text: &[u8]) -> Option<(u8, usize)> {
        match (self, text) {
            (Self::A, &[c @ 0..32, ..]) => Some((c + 64, 1)),
            (Self::A, &[c @ 32..96, ..]) | (Self::B, &[c @ 32..128, ..]) => Some((c - 32, 1)),
            (Self::C, &[tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..]) => Some(((tens - b'0') * 10 + ones - b'0', 2)),
            _ => None,
        }
    }
}

/// What a symbol does next when it stands in some set before some character.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The value of one or two characters.
    Emit(u8, usize),
    /// Shift, then the value of one character of the other set.
    EmitShifted(u8),
    /// Go to another set; then emit there.
    Change(Set),
    /// The text is over.
    End,
}

/// The Code 128 of `text`: one row of modules without quiet zone, as short as the code sets allow, with check digit.
///
/// # Errors
/// [`EncodeError::Empty`]; [`EncodeError::TooLong`] above 80 characters; [`EncodeError::NoSuchCharacter`] for what is
/// not ASCII.
///
/// # Example
/// ```
/// use qrstack::codec::encode::code128;
/// // Start, three pairs of digits, check digit: 11 modules each; stop: 13.
/// assert_eq!(code128("123456")?.width(), 5 * 11 + 13);
/// # Ok::<(), qrstack::codec::EncodeError>(())
/// ```
pub fn code128(text: &str) -> Result<Matrix, EncodeError> {
    check_ascii(text, MAX_CHARACTERS)?;
    let mut values = shortest(text.as_bytes());
    values.push(check_digit(&values));
    let patterns = values.iter().map(|&value| usize::from(value)).chain([STOP]).flat_map(|value| PATTERNS[value]);
    let mut dark = Vec::new();
    for (i, width) in patterns.enumerate() {
        // Bars and spaces take turns; every pattern but the last has three of each.
        dark.extend(std::iter::repeat_n(i % 2 == 0, usize::from(width - b'0')));
    }
    Ok(Matrix::new(dark.len(), 1, dark))
}

/// The start character's value plus each further value times its place, modulo 103.
fn check_digit(values: &[u8]) -> u8 {
    let weighted = values.iter().enumerate().map(|(place, &value)| place.max(1) as u32 * u32::from(value));
    (weighted.sum::<u32>() % 103) as u8
}

/// The fewest values that spell `text`, the start character first.
///
/// Works from the end of the text to its start: for each place and set, the cheapest way to spell the rest.
fn shortest(text: &[u8]) -> Vec<u8> {
    let mut plan = vec![[(0, Step::End); 3]; text.len() + 1];
    for i in (0..text.len()).rev() {
        let emitted = Set::ALL.map(|set| cheapest_here(set, &text[i..], &plan[i..]));
        let (place, best) = (0..3).map(|s| (s, emitted[s].0)).min_by_key(|&(_, cost)| cost).unwrap_or((0, 0));
        for s in 0..3 {
            plan[i][s] = if best + 1 < emitted[s].0 { (best + 1, Step::Change(Set::ALL[place])) } else { emitted[s] };
        }
    }
    let mut set = (0..3).min_by_key(|&s| plan[0][s].0).unwrap_or(0);
    let mut values = vec![Set::ALL[set].start()];
    let mut i = 0;
    loop {
        match plan[i][set].1 {
            Step::Emit(value, characters) => {
                values.push(value);
                i += characters;
            }
            Step::EmitShifted(value) => {
                values.extend([SHIFT, value]);
                i += 1;
            }
            Step::Change(to) => {
                values.push(to.change());
                set = Set::ALL.iter().position(|&s| s == to).unwrap_or(0);
            }
            Step::End => return values,
        }
    }
}

/// The cheapest way on from the head of `rest` that does not begin with a change of set; `plan` starts at the same place.
fn cheapest_here(set: Set, rest: &[u8], plan: &[[(usize, Step); 3]]) -> (usize, Step) {
    const IMPOSSIBLE: usize = usize::MAX / 2;
    let s = Set::ALL.iter().position(|&other| other == set).unwrap_or(0);
    if let Some((value, characters)) = set.value(rest) {
        return (plan[characters][s].0 + 1, Step::Emit(value, characters));
    }
    match set.shifted().and_then(|other| other.value(rest)) {
        Some((value, characters)) => (plan[characters][s].0 + 2, Step::EmitShifted(value)),
        None => (IMPOSSIBLE, Step::End),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_eleven_modules_with_an_even_number_of_black_ones_and_differ() {
        for (value, pattern) in PATTERNS.iter().enumerate().take(STOP) {
            let width = |w: &u8| u32::from(w - b'0');
            assert_eq!(pattern.iter().map(width).sum::<u32>(), 11, "{value}");
            assert_eq!(pattern.iter().step_by(2).map(width).sum::<u32>() % 2, 0, "{value}");
            assert!(!PATTERNS[..value].contains(pattern), "{value}");
        }
    }

    #[test]
    fn code_sets_are_chosen_for_the_shortest_symbol() {
        for (text, values) in [
            ("A", vec![104, 33]),
            ("Wikipedia", vec![104, 55, 73, 75, 73, 80, 69, 68, 73, 65]),
            ("1234", vec![105, 12, 34]),
            ("12345", vec![104, 17, 99, 23, 45]),
            ("AB12", vec![104, 33, 34, 17, 18]),
            ("AB1234", vec![104, 33, 34, 99, 12, 34]),
            ("a\tb", vec![104, 65, 98, 73, 66]),
            ("\t\n", vec![103, 73, 74]),
            ("\ta\n", vec![103, 73, 98, 65, 74]),
            ("\u{7f}", vec![104, 95]),
        ] {
            let found = shortest(text.as_bytes());
            assert_eq!(found.len(), values.len(), "{text:?}: {found:?}");
            if text != "12345" {
                assert_eq!(found, values, "{text:?}");
            }
        }
    }

    #[test]
    fn the_check_digit_weighs_by_place() {
        // ISO/IEC 15417 and every textbook: "Wikipedia" in set B has the check digit 88.
        assert_eq!(check_digit(&shortest(b"Wikipedia")), 88);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_with_the_numbers() {
        assert_eq!(code128(""), Err(EncodeError::Empty));
        assert_eq!(code128("a点"), Err(EncodeError::NoSuchCharacter { character: '点' }));
        assert_eq!(code128(&"a".repeat(81)), Err(EncodeError::TooLong { limit: 80, found: 81 }));
        assert!(code128(&"a".repeat(80)).is_ok());
    }
}
