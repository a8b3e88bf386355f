//! Trade item numbers: 8, 12, 13 or 14 digits, the last one a check digit.

use std::fmt;

use thiserror::Error;

/// A GTIN whose check digit is right, as sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gtin(String);

/// Why a text is no GTIN.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GtinError {
    /// Something else than the digits 0–9.
    #[error("a bar code has digits alone")]
    NotDigits,
    /// Another number of digits.
    #[error("a bar code has 8, 12, 13 or 14 digits, not {0}")]
    Length(usize),
    /// The last digit does not follow from the others.
    #[error("the check digit is {found}, it must be {expected}")]
    CheckDigit {
        /// What it must be.
        expected: u8,
        /// What it is.
        found: u8,
    },
}

impl Gtin {
    /// Reads a GTIN; white space around it does not count.
    ///
    /// # Errors
    /// [`GtinError`], the first that applies in its order.
    pub fn parse(text: &str) -> Result<Self, GtinError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(GtinError::NotDigits);
        }
        if !matches!(text.len(), 8 | 12 | 13 | 14) {
            return Err(GtinError::Length(text.len()));
        }
        let mut digits = text.bytes().rev().map(|byte| byte - b'0');
        let found = digits.next().unwrap_or_default();
        // From the right the digits before the check digit weigh 3, 1, 3 … (GS1 General Specifications, 7.9).
        let sum: u32 = digits.zip([3, 1].into_iter().cycle()).map(|(digit, weight)| u32::from(digit) * weight).sum();
        let expected = ((10 - sum % 10) % 10) as u8;
        if found == expected { Ok(Self(text.to_owned())) } else { Err(GtinError::CheckDigit { expected, found }) }
    }

    /// With zeros in front, 14 digits: the form under which a product is known.
    pub fn padded(&self) -> String {
        format!("{:0>14}", self.0)
    }

    /// The GS1 prefix of the code as sent: digits 1–3 of 13 and of 8, 2–4 of 14, and 0 with two of 12.
    pub fn prefix(&self) -> u16 {
        let digits = match self.0.len() {
            14 => &self.0[1..4],
            12 => &self.0[..2],
            _ => &self.0[..3],
        };
        digits.bytes().fold(0, |number, byte| number * 10 + u16::from(byte - b'0'))
    }
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_lengths_count_and_the_check_digit_decides() {
        for (text, expected) in [
            ("6941858722888", Ok(("06941858722888", 694))),
            (" 06941858722888\n", Ok(("06941858722888", 694))),
            ("6928804021912", Ok(("06928804021912", 692))),
            ("036000291452", Ok(("00036000291452", 3))),
            ("96385074", Ok(("00000096385074", 963))),
            ("10012345678902", Ok(("10012345678902", 1))),
            ("6941858722889", Err(GtinError::CheckDigit { expected: 8, found: 9 })),
            ("9638507", Err(GtinError::Length(7))),
            ("123456789", Err(GtinError::Length(9))),
            ("069418587228880", Err(GtinError::Length(15))),
            ("", Err(GtinError::Length(0))),
            ("694185872288X", Err(GtinError::NotDigits)),
            ("-941858722888", Err(GtinError::NotDigits)),
            ("６９４１８５８７２２８８８", Err(GtinError::NotDigits)),
            ("6941858 722888", Err(GtinError::NotDigits)),
        ] {
            let found = Gtin::parse(text).map(|gtin| (gtin.padded(), gtin.prefix()));
            assert_eq!(found, expected.map(|(padded, prefix)| (padded.to_owned(), prefix)), "{text:?}");
        }
    }

    #[test]
    fn any_changed_digit_is_noticed() {
        let good = "6941858722888";
        for place in 0..good.len() {
            for digit in b'0'..=b'9' {
                let mut changed = good.as_bytes().to_vec();
                changed[place] = digit;
                let changed = String::from_utf8(changed).expect("digits");
                assert_eq!(Gtin::parse(&changed).is_ok(), changed == good, "{changed}");
            }
        }
    }
}
