//! Codewords of a Data Matrix symbol to bytes (ISO/IEC 16022, 5.2).

use crate::codec::read::payload::Payload;

/// Separates the fields of GS1 and the carriers' messages.
const GS: u8 = 0x1D;
/// What the two macro codewords stand for, and what ends their message.
const MACRO_05: &[u8] = b"[)>\x1E05\x1D";
const MACRO_06: &[u8] = b"[)>\x1E06\x1D";
const MACRO_END: &[u8] = b"\x1E\x04";

/// Reads `words`, the corrected data codewords. `None` if they break the rules.
pub(super) fn parse(words: &[u8]) -> Option<Payload> {
    let mut reader = Reader { words, at: 0, payload: Payload::default(), trailer: &[], upper: false };
    // A symbol that is one of several begins with its place and the file's name.
    if words.first() == Some(&233) {
        reader.at = 4;
    }
    let start = reader.at;
    while let Some(word) = reader.next() {
        match word {
            1..=128 => reader.push(word - 1),
            129 => break, // fills up
            130..=229 => {
                let value = word - 130;
                reader.payload.extend([b'0' + value / 10, b'0' + value % 10]);
            }
            230 => reader.triplets(Triplets::C40)?,
            231 => reader.base_256()?,
            // FNC1: in the first place it marks GS1, in the second the industry; later it separates.
            232 if reader.at <= start + 2 => {}
            232 => reader.payload.push(GS),
            234 | 254 => {} // sets up readers; back to where it is
            235 => reader.upper = true,
            236 => reader.message(MACRO_05),
            237 => reader.message(MACRO_06),
            238 => reader.triplets(Triplets::X12)?,
            239 => reader.triplets(Triplets::Text)?,
            240 => reader.edifact()?,
            241 => {
                let eci = reader.eci()?;
                reader.payload.announce(eci);
            }
            _ => return None,
        }
    }
    reader.payload.extend(reader.trailer.iter().copied());
    Some(reader.payload)
}

/// Encodations of three values in two codewords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Triplets {
    C40,
    Text,
    X12,
}

struct Reader<'a> {
    words: &'a [u8],
    at: usize,
    payload: Payload,
    trailer: &'static [u8],
    /// The next character is of the upper half.
    upper: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let word = self.words.get(self.at).copied()?;
        self.at += 1;
        Some(word)
    }

    fn push(&mut self, byte: u8) {
        self.payload.push(byte.wrapping_add(if self.upper { 128 } else { 0 }));
        self.upper = false;
    }

    fn message(&mut self, header: &[u8]) {
        self.payload.extend(header.iter().copied());
        self.trailer = MACRO_END;
    }

    fn eci(&mut self) -> Option<u32> {
        let first = u32::from(self.next()?);
        let mut more = || self.next().map(|word| u32::from(word).wrapping_sub(1) % 256);
        match first {
            1..=127 => Some(first - 1),
            128..=191 => Some((first - 128) * 254 + 127 + more()?),
            192..=207 => Some((first - 192) * 64516 + 16383 + more()? * 254 + more()?),
            _ => None,
        }
    }

    fn triplets(&mut self, encodation: Triplets) -> Option<()> {
        // The set of the next value; 0 is the basic one.
        let mut set = 0;
        // A single codeword at the end is in ASCII again.
        while self.at + 1 < self.words.len() {
            if self.words[self.at] == 254 {
                self.at += 1;
                return Some(());
            }
            let pair = u32::from(self.next()?) * 256 + u32::from(self.next()?);
            let pair = pair.checked_sub(1)?;
            for value in [pair / 1600, pair / 40 % 40, pair % 40] {
                self.value(encodation, value as u8, &mut set)?;
            }
        }
        if self.words.get(self.at) == Some(&254) {
            self.at += 1;
        }
        Some(())
    }

    fn value(&mut self, encodation: Triplets, value: u8, set: &mut u8) -> Option<()> {
        let letters = if encodation == Triplets::Text { b'a' } else { b'A' };
        match (std::mem::take(set), value) {
            (0, 0..=2) if encodation == Triplets::X12 => self.push([b'\r', b'*', b'>'][usize::from(value)]),
            (0, 0..=2) => *set = value + 1,
            (0, 3) => self.push(b' '),
            (0, 4..=13) => self.push(b'0' + value - 4),
            (0, 14..=39) => self.push(letters + value - 14),
            (1, 0..=31) => self.push(value),
            (2, 0..=14) => self.push(b'!' + value),
            (2, 15..=21) => self.push(b':' + value - 15),
            (2, 22..=26) => self.push(b'[' + value - 22),
            (2, 27) => self.payload.push(GS),
            (2, 30) => self.upper = true,
            // The third set has the letters of the other case.
            (3, 1..=26) => self.push(if encodation == Triplets::Text { b'@' } else { b'`' } + value),
            (3, 0) => self.push(b'`'),
            (3, 27..=31) => self.push(b'{' + value - 27),
            _ => return None,
        }
        Some(())
    }

    /// Four characters of six bits in three codewords.
    fn edifact(&mut self) -> Option<()> {
        while self.at + 2 < self.words.len() {
            let three = [self.next()?, self.next()?, self.next()?].iter().fold(0u32, |all, &w| all << 8 | u32::from(w));
            for k in 0..4 {
                let value = (three >> (18 - 6 * k) & 0x3F) as u8;
                if value == 0x1F {
                    // The rest of the codeword in which the latch ends says nothing.
                    self.at -= [2, 1, 0, 0][k];
                    return Some(());
                }
                self.push(if value & 0x20 == 0 { value | 0x40 } else { value });
            }
        }
        Some(())
    }

    /// A length, then bytes; all mixed with a sequence of pseudo-random numbers.
    fn base_256(&mut self) -> Option<()> {
        let first = usize::from(self.plain()?);
        let length = match first {
            0 => self.words.len() - self.at,
            1..=249 => first,
            _ => 250 * (first - 249) + usize::from(self.plain()?),
        };
        for _ in 0..length {
            let byte = self.plain()?;
            self.payload.push(byte);
        }
        Some(())
    }

    /// The next codeword without its pseudo-random number, which depends on its place.
    fn plain(&mut self) -> Option<u8> {
        let word = self.next()?;
        let noise = (149 * self.at % 255 + 1) as u8;
        Some(word.wrapping_sub(noise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[u8]) -> Option<String> {
        parse(words).map(|payload| payload.into_text().0)
    }

    /// A codeword of base 256 at its place, counted from 1.
    fn mixed(value: u8, place: usize) -> u8 {
        value.wrapping_add((149 * place % 255 + 1) as u8)
    }

    #[test]
    fn codewords_say_what_their_encodation_makes_of_them() {
        let bytes =
            [&[231, mixed(4, 2)], &[mixed(0xC4, 3), mixed(0xE3, 4), mixed(0xBA, 5), mixed(0xC3, 6)][..]].concat();
        let cases: [(&str, &[u8], Option<&str>); 10] = [
            ("letters, digits, what fills up", &[66, 142, 129, 9], Some("A12")),
            ("upper half", &[235, 106], Some("é")),
            ("C40 and back", &[230, 91, 11, 91, 11, 254, 98], Some("AIMAIMa")),
            ("Text", &[239, 91, 11, 254, 66], Some("aimA")),
            ("X12", &[238, 89, 233, 254, 66], Some("ABCA")),
            ("EDIFACT, four and the latch", &[240, 0x04, 0x20, 0xC4, 0x7C, 66, 129], Some("ABCDA")),
            ("bytes without a set", &bytes, Some("你好")),
            ("separators", &[232, 50, 232, 51], Some("1\x1D2")),
            ("a macro and its end", &[236, 66], Some("[)>\x1E05\x1DA\x1E\x04")),
            ("what nobody has defined", &[66, 250], None),
        ];
        for (name, words, expected) in cases {
            assert_eq!(text(words).as_deref(), expected, "{name}");
        }
        assert_eq!(text(&[241, 27, 235, 68, 235, 42]).as_deref(), Some("é"), "UTF-8 announced");
    }
}
