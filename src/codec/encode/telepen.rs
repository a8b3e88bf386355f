//! Telepen (SB Telepen Systems), full ASCII: eight bits a character in sixteen modules, and a check character.

use super::super::{EncodeError, Matrix};
use super::check_ascii;

/// The limit of the picture's width; the standard has none.
const MAX_CHARACTERS: usize = 120;

const START: u8 = b'_';
const STOP: u8 = b'z';

/// The Telepen of `text`: one row of modules without quiet zone.
///
/// # Errors
/// [`EncodeError::Empty`]; [`EncodeError::TooLong`] above 120 characters; [`EncodeError::NoSuchCharacter`] for what is
/// not ASCII.
///
/// # Example
/// ```
/// use qrstack::codec::encode::telepen;
/// // Start, four characters, check, stop: 16 modules each. The last is white and not drawn.
/// assert_eq!(telepen("1972")?.width(), 7 * 16 - 1);
/// # Ok::<(), qrstack::codec::EncodeError>(())
/// ```
pub fn telepen(text: &str) -> Result<Matrix, EncodeError> {
    check_ascii(text, MAX_CHARACTERS)?;
    let mut dark = Vec::with_capacity(16 * (text.len() + 3));
    for byte in [START].into_iter().chain(text.bytes()).chain([check(text.as_bytes()), STOP]) {
        append(byte, &mut dark);
    }
    dark.pop();
    Ok(Matrix::new(dark.len(), 1, dark))
}

/// What makes the sum of all characters between start and stop a multiple of 127.
fn check(text: &[u8]) -> u8 {
    let sum: u32 = text.iter().map(|byte| u32::from(*byte)).sum();
    ((127 - sum % 127) % 127) as u8
}

/// Appends the modules of `byte`: its bits, the lowest first, made even in number by an eighth. Such a character has an even
/// number of zeros, so that they come in pairs, with any number of ones within.
fn append(byte: u8, dark: &mut Vec<bool>) {
    let bits = byte | (byte.count_ones() as u8 & 1) << 7;
    let mut element = |bar: usize, space: usize| {
        dark.extend(std::iter::repeat_n(true, bar));
        dark.extend(std::iter::repeat_n(false, space));
    };
    let mut at = 0;
    while at < 8 {
        if bits >> at & 1 == 1 {
            element(1, 1);
            at += 1;
            continue;
        }
        let ones = (bits >> at >> 1).trailing_ones() as usize;
        match ones {
            0 => element(3, 1),
            1 => element(3, 3),
            more => {
                element(1, 3);
                (2..more).for_each(|_| element(1, 1));
                element(1, 3);
            }
        }
        at += ones + 2;
    }
}

#[cfg(test)]
mod tests {
    use rxing::oned::TelepenWriter;
    use rxing::{BarcodeFormat, EncodeHints, Writer};

    use super::*;

    #[test]
    fn every_character_has_sixteen_modules() {
        for byte in 0..128 {
            let mut dark = Vec::new();
            append(byte, &mut dark);
            assert_eq!(dark.len(), 16, "{byte}");
            assert!(dark[0] && !dark[15], "{byte}");
        }
    }

    #[test]
    fn another_drawer_draws_the_same() {
        let hints = EncodeHints { Margin: Some("0".to_owned()), ..EncodeHints::default() };
        let all: String = ('\0'..'\u{80}').collect();
        for text in ["A", "Telepen 1972", "~ !\"#$%&'()", &all[..64], &all[64..]] {
            let theirs =
                TelepenWriter.encode_with_hints(text, &BarcodeFormat::TELEPEN, 0, 1, &hints).expect("is drawn");
            let ours = telepen(text).expect("is drawn");
            for x in 0..ours.width() {
                assert_eq!(ours.is_dark(x, 0), theirs.get(x as u32, 0), "{text:?}, module {x}");
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_with_the_numbers() {
        assert_eq!(telepen(""), Err(EncodeError::Empty));
        assert_eq!(telepen("a点"), Err(EncodeError::NoSuchCharacter { character: '点' }));
        assert_eq!(telepen(&"a".repeat(121)), Err(EncodeError::TooLong { limit: 120, found: 121 }));
    }
}
