//! Codewords of a PDF417 symbol to bytes: text, byte and numeric compaction (ISO/IEC 15438, 5.4).

use crate::codec::read::payload::Payload;

/// Codewords with a meaning of their own.
pub(super) const TEXT: u16 = 900;
pub(super) const BYTES: u16 = 901;
const NUMBERS: u16 = 902;
const BYTE_SHIFT: u16 = 913;
const BYTES_BY_SIX: u16 = 924;
const ECI_USER: u16 = 925;
const ECI_GENERAL: u16 = 926;
const ECI_CHARSET: u16 = 927;
const MACRO_BLOCK: u16 = 928;
const READER_SETUP: u16 = 921;

/// Mixed and Punctuation sub-mode, from value 0 on.
const MIXED: &[u8; 25] = b"0123456789&\r\t,:#-.$/+%*=^";
const PUNCTUATION: &[u8; 29] = b";<>@[\\]_`~!\r\t,:\n-.$/\"|*()?{}'";

/// Reads `words`, the data codewords without length and error correction, which begin in the mode that codeword `mode`
/// latches to. `None` if they follow a rule that is not known here.
pub(super) fn parse(words: &[u16], mode: u16) -> Option<Payload> {
    let mut payload = Payload::default();
    let (mut mode, mut rest) = (mode, words);
    let mut text = Text::default();
    let mut bytes = Bytes::of(words, mode);
    while let Some((&word, after)) = rest.split_first() {
        rest = after;
        match word {
            0..900 => {
                let end = after.iter().position(|&w| w >= 900).unwrap_or(after.len());
                let run = &words[words.len() - after.len() - 1..][..=end];
                rest = &after[end..];
                match mode {
                    TEXT => {
                        for &w in run {
                            text.pair(w, &mut payload);
                        }
                        // A shift in front of what is no text only fills a codeword up.
                        text.shift = None;
                    }
                    NUMBERS => run.chunks(15).try_for_each(|group| numbers(group, &mut payload))?,
                    _ => run.iter().for_each(|&w| bytes.word(w, &mut payload)),
                }
            }
            TEXT | BYTES | NUMBERS | BYTES_BY_SIX => {
                mode = word;
                text = Text::default();
                bytes = Bytes::of(after, mode);
            }
            BYTE_SHIFT => {
                let (&byte, after) = rest.split_first()?;
                payload.push(u8::try_from(byte).ok()?);
                rest = after;
            }
            ECI_CHARSET => {
                let (&eci, after) = rest.split_first()?;
                payload.announce(u32::from(eci));
                rest = after;
            }
            ECI_GENERAL => {
                let (&[a, b], after) = rest.split_first_chunk()?;
                payload.announce(900 * (u32::from(a) + 1) + u32::from(b));
                rest = after;
            }
            ECI_USER => {
                let (&eci, after) = rest.split_first()?;
                payload.announce(810_900 + u32::from(eci));
                rest = after;
            }
            // A part of a larger file: what follows is about the file.
            MACRO_BLOCK => break,
            READER_SETUP => {}
            _ => return None,
        }
    }
    Some(payload)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Case {
    #[default]
    Upper,
    Lower,
    Mixed,
    Punctuation,
}

/// Text compaction: two values a codeword.
#[derive(Debug, Default)]
struct Text {
    case: Case,
    /// Holds for one value only.
    shift: Option<Case>,
}

impl Text {
    fn pair(&mut self, word: u16, payload: &mut Payload) {
        self.value((word / 30) as u8, payload);
        self.value((word % 30) as u8, payload);
    }

    fn value(&mut self, value: u8, payload: &mut Payload) {
        let at = usize::from(value);
        match (self.shift.take().unwrap_or(self.case), value) {
            (Case::Upper, 0..26) => payload.push(b'A' + value),
            (Case::Lower, 0..26) => payload.push(b'a' + value),
            (Case::Mixed, 0..25) => payload.push(MIXED[at]),
            (Case::Punctuation, 0..29) => payload.push(PUNCTUATION[at]),
            (Case::Upper | Case::Lower | Case::Mixed, 26) => payload.push(b' '),
            (Case::Mixed, 25) => self.case = Case::Punctuation,
            (Case::Lower, 27) => self.shift = Some(Case::Upper),
            (Case::Upper | Case::Mixed, 27) => self.case = Case::Lower,
            (Case::Mixed, 28) | (Case::Punctuation, _) => self.case = Case::Upper,
            (Case::Upper | Case::Lower, 28) => self.case = Case::Mixed,
            _ => self.shift = Some(Case::Punctuation),
        }
    }
}

/// Byte compaction: five codewords are six bytes; those left over are a byte each, unless there can be none.
#[derive(Debug, Default)]
struct Bytes {
    /// Groups of five that are still to come.
    groups: usize,
    /// The value and the number of the codewords of a group so far.
    value: u64,
    count: u32,
}

impl Bytes {
    /// For `words`, which follow the latch to `mode`. Character sets announced between bytes do not part groups.
    fn of(words: &[u16], mode: u16) -> Self {
        let (mut count, mut rest) = (0, words);
        while let Some((&word, after)) = rest.split_first() {
            let operands = match word {
                0..900 => {
                    count += 1;
                    0
                }
                ECI_CHARSET | ECI_USER => 1,
                ECI_GENERAL => 2,
                _ => break,
            };
            rest = after.get(operands..).unwrap_or_default();
        }
        let groups = if mode == BYTES_BY_SIX { count / 5 } else { usize::saturating_sub(count, 1) / 5 };
        Self { groups, ..Self::default() }
    }

    fn word(&mut self, word: u16, payload: &mut Payload) {
        if self.groups == 0 {
            payload.push(word as u8);
            return;
        }
        (self.value, self.count) = (self.value * 900 + u64::from(word), self.count + 1);
        if self.count == 5 {
            payload.extend(self.value.to_be_bytes()[2..].iter().copied());
            *self = Self { groups: self.groups - 1, ..Self::default() };
        }
    }
}

/// Numeric compaction: a number in base 900 whose decimal digits follow a leading 1.
fn numbers(group: &[u16], payload: &mut Payload) -> Option<()> {
    // Least significant digit first.
    let mut digits: Vec<u8> = Vec::with_capacity(45);
    for &word in group {
        let mut carry = u32::from(word);
        for digit in &mut digits {
            carry += u32::from(*digit) * 900;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    let (&1, digits) = digits.split_last()? else { return None };
    payload.extend(digits.iter().rev().map(|digit| b'0' + digit));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[u16], mode: u16) -> Option<String> {
        parse(words, mode).map(|payload| payload.into_text().0)
    }

    #[test]
    fn codewords_say_what_their_mode_makes_of_them() {
        let cases: [(&str, &[u16], u16, Option<&str>); 9] = [
            ("upper, lower and back by shift", &[7 * 30 + 27, 4 * 30 + 27, 8 * 30 + 29], TEXT, Some("HeI")),
            ("punctuation by shift", &[29 * 30 + 10, 30], TEXT, Some("!BA")),
            ("the standard's number", &[902, 1, 624, 434, 632, 282, 200], TEXT, Some("000213298174000")),
            ("six bytes", &[924, 163, 238, 432, 766, 244], TEXT, Some("alcool")),
            ("seven bytes", &[163, 238, 432, 766, 244, 97], BYTES, Some("alcoola")),
            ("sets between bytes", &[163, 238, 432, 766, 244, 927, 20, 927, 9, 225], BYTES, Some("alcoolα")),
            ("a byte between letters", &[1, 913, 33, 30, 900, 900], TEXT, Some("AB!BA")),
            ("a byte after a shift that means nothing", &[29, 913, 33, 29], TEXT, Some("A!A")),
            ("what nobody has defined", &[903], TEXT, None),
        ];
        for (name, words, mode, expected) in cases {
            assert_eq!(text(words, mode).as_deref(), expected, "{name}");
        }
    }
}
