//! Bits of an Aztec symbol to bytes (ISO/IEC 24778, 7.1 and annex on ECI).

use crate::codec::read::payload::Payload;

/// The character sets of five (digits: four) bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Upper,
    Lower,
    Mixed,
    Punctuation,
    Digit,
}

/// Values 2 to 27 of the mixed set.
const MIXED: &[u8; 26] = b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\n\x0B\x0C\r\x1B\x1C\x1D\x1E\x1F@\\^_`|~\x7F";
/// Values 27 to 30 of the punctuation set.
const BRACKETS: &[u8; 4] = b"[]{}";

/// How a symbol that is one of several begins: two latches that say nothing.
const APPENDED: [bool; 10] = [true, true, true, false, true, true, true, true, false, true];

/// Reads the data bits after error correction. `None` if they break the rules.
pub(super) fn parse(bits: &[bool]) -> Option<Payload> {
    let mut payload = Payload::default();
    let mut reader = Reader { bits };
    let (mut set, mut shift) = (Set::Upper, None);
    loop {
        let now = shift.take().unwrap_or(set);
        let Some(value) = reader.take(if now == Set::Digit { 4 } else { 5 }) else { break };
        let byte = value as u8;
        match (now, value) {
            (Set::Punctuation, 0) => match reader.take(3) {
                // FNC1, where it is not the first thing, separates.
                Some(0) => payload.push(0x1D),
                Some(digits @ 1..=6) => {
                    let mut eci = 0;
                    for _ in 0..digits {
                        eci = eci * 10 + reader.take(4)?.checked_sub(2).filter(|d| *d < 10)?;
                    }
                    payload.announce(eci);
                }
                Some(_) => return None,
                None => break,
            },
            (_, 0) => (set, shift) = (now, Some(Set::Punctuation)),
            (Set::Punctuation, 1) => payload.push(b'\r'),
            (Set::Punctuation, 2) => payload.extend(*b"\r\n"),
            (Set::Punctuation, 3..=5) => payload.extend([[b'.', b' '], [b',', b' '], [b':', b' ']][value as usize - 3]),
            (Set::Punctuation, 6..=20) => payload.push(b'!' + byte - 6),
            (Set::Punctuation, 21..=26) => payload.push(b':' + byte - 21),
            (Set::Punctuation, 27..=30) => payload.push(BRACKETS[value as usize - 27]),
            (_, 1) => payload.push(b' '),
            (Set::Upper, 2..=27) => payload.push(b'A' + byte - 2),
            (Set::Lower, 2..=27) => payload.push(b'a' + byte - 2),
            (Set::Mixed, 2..=27) => payload.push(MIXED[value as usize - 2]),
            (Set::Digit, 2..=11) => payload.push(b'0' + byte - 2),
            (Set::Digit, 12) => payload.push(b','),
            (Set::Digit, 13) => payload.push(b'.'),
            (Set::Upper | Set::Mixed, 28) => set = Set::Lower,
            (Set::Upper | Set::Lower, 29) => set = Set::Mixed,
            (Set::Upper | Set::Lower, 30) => set = Set::Digit,
            (Set::Mixed, 30) => set = Set::Punctuation,
            (Set::Mixed, 29) | (Set::Punctuation, _) | (Set::Digit, 14) => set = Set::Upper,
            (Set::Lower, 28) | (Set::Digit, _) => (set, shift) = (now, Some(Set::Upper)),
            _ => {
                // Behind bytes that followed a shift to upper case, upper case holds.
                set = now;
                let length = match reader.take(5) {
                    Some(0) => reader.take(11).map(|n| n + 31),
                    length => length,
                };
                for _ in 0..length.unwrap_or(0) {
                    let Some(byte) = reader.take(8) else { break };
                    payload.push(byte as u8);
                }
            }
        }
    }
    if bits.starts_with(&APPENDED) {
        // Perhaps a name between spaces, then place and count as letters: none of it is content.
        let bytes = payload.bytes();
        let name = if bytes.first() == Some(&b' ') { bytes[1..].iter().position(|&b| b == b' ') } else { None };
        payload.drop_first(name.map_or(0, |length| length + 2) + 2);
    }
    Some(payload)
}

struct Reader<'a> {
    bits: &'a [bool],
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let (value, rest) = self.bits.split_at_checked(count)?;
        self.bits = rest;
        Some(value.iter().fold(0, |value, &bit| value << 1 | u32::from(bit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: &[(u32, usize)]) -> Option<String> {
        let bits: Vec<bool> =
            values.iter().flat_map(|&(value, size)| (0..size).rev().map(move |k| value >> k & 1 == 1)).collect();
        parse(&bits).map(|payload| payload.into_text_or_latin_1().0)
    }

    #[test]
    fn values_say_what_their_set_makes_of_them() {
        type Values<'a> = &'a [(u32, usize)];
        let cases: [(&str, Values<'_>, Option<&str>); 9] = [
            ("latches", &[(2, 5), (28, 5), (2, 5), (30, 5), (3, 4), (14, 4), (3, 5)], Some("Aa1B")),
            ("shifts", &[(28, 5), (2, 5), (28, 5), (3, 5), (3, 5), (0, 5), (6, 5), (2, 5)], Some("aBb!a")),
            ("two characters in one", &[(0, 5), (5, 5), (2, 5)], Some(": A")),
            ("mixed", &[(29, 5), (20, 5), (30, 5), (29, 5), (31, 5), (2, 5)], Some("@{A")),
            ("bytes behind a shift", &[(30, 5), (15, 4), (31, 5), (1, 5), (0x41, 8), (2, 5)], Some("AA")),
            ("bytes", &[(31, 5), (2, 5), (0xC3, 8), (0xA9, 8), (2, 5)], Some("éA")),
            ("a set", &[(0, 5), (0, 5), (1, 3), (9, 4), (31, 5), (1, 5), (0xE1, 8)], Some("с")),
            ("one of several", &[(29, 5), (29, 5), (1, 5), (4, 5), (1, 5), (3, 5), (4, 5), (24, 5)], Some("W")),
            ("what is reserved", &[(0, 5), (0, 5), (7, 3)], None),
        ];
        for (name, values, expected) in cases {
            assert_eq!(text(values).as_deref(), expected, "{name}");
        }
    }
}
