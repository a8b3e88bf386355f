//! Which stretches of a text go into a QR Code as digits, as alphanumeric characters, as bytes, so that the whole is
//! shortest. Kanji mode is never used.

/// The modes in the order in which ties are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Byte,
    Alphanumeric,
    Numeric,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Byte, Self::Alphanumeric, Self::Numeric];

    fn carries(self, byte: u8) -> bool {
        match self {
            Self::Byte => true,
            Self::Alphanumeric => byte.is_ascii_digit() || byte.is_ascii_uppercase() || b" $%*+-./:".contains(&byte),
            Self::Numeric => byte.is_ascii_digit(),
        }
    }

    /// Sixths of a bit a character: 8 bits a byte, 11 bits two characters, 10 bits three digits.
    fn sixths(self) -> usize {
        match self {
            Self::Byte => 48,
            Self::Alphanumeric => 33,
            Self::Numeric => 20,
        }
    }

    /// Bits of the mode indicator and the character count (ISO/IEC 18004, table 3).
    fn header_bits(self, version: i16) -> usize {
        let class = usize::from(version > 9) + usize::from(version > 26);
        4 + match self {
            Self::Byte => [8, 16, 16],
            Self::Alphanumeric => [9, 11, 13],
            Self::Numeric => [10, 12, 14],
        }[class]
    }

    /// Bits of `count` characters: a rest of one or two takes its own whole number of bits.
    fn data_bits(self, count: usize) -> usize {
        (count * self.sixths()).div_ceil(6)
    }
}

/// A stretch of the text in one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) mode: Mode,
    pub(super) bytes: &'a [u8],
}

/// The bits that `segments` take in this version.
pub(super) fn bits(segments: &[Segment<'_>], version: i16) -> usize {
    segments.iter().map(|s| s.mode.header_bits(version) + s.mode.data_bits(s.bytes.len())).sum()
}

/// The segments of `bytes` that take the fewest bits in a symbol of the class of `version`.
///
/// Goes through the text once, keeping for each mode the cheapest way to have come to the present byte in that mode.
pub(super) fn shortest(bytes: &[u8], version: i16) -> Vec<Segment<'_>> {
    const UNREACHABLE: usize = usize::MAX / 2;
    let headers = Mode::ALL.map(|mode| 6 * mode.header_bits(version));
    // In sixths of a bit; a segment that ends is rounded up to whole bits.
    let mut cost = [UNREACHABLE; 3];
    // came_from[i][mode]: the mode of byte i - 1 on the cheapest way that has byte i in `mode`.
    let mut came_from: Vec<[usize; 3]> = Vec::with_capacity(bytes.len());
    for (i, &byte) in bytes.iter().enumerate() {
        let mut next = [UNREACHABLE; 3];
        let mut from = [0; 3];
        let ended = cost.map(|sixths| sixths.next_multiple_of(6));
        for (m, mode) in Mode::ALL.into_iter().enumerate().filter(|(_, mode)| mode.carries(byte)) {
            let header = headers[m];
            // Staying is the first candidate, so that a tie does not split a segment.
            (next[m], from[m]) = if i == 0 { (header, m) } else { (cost[m], m) };
            if i > 0 {
                for (other, &before) in ended.iter().enumerate().filter(|&(other, _)| other != m) {
                    let switched = before + header;
                    if switched < next[m] {
                        (next[m], from[m]) = (switched, other);
                    }
                }
            }
            next[m] += mode.sixths();
        }
        cost = next;
        came_from.push(from);
    }
    trace(bytes, &came_from, cost)
}

/// Walks back from the cheapest end and cuts where the mode changes.
fn trace<'a>(bytes: &'a [u8], came_from: &[[usize; 3]], cost: [usize; 3]) -> Vec<Segment<'a>> {
    let mut mode = (0..3).min_by_key(|&m| cost[m].div_ceil(6)).unwrap_or(0);
    let mut segments = Vec::new();
    let mut end = bytes.len();
    for i in (0..bytes.len()).rev() {
        let before = came_from[i][mode];
        if i == 0 || before != mode {
            segments.push(Segment { mode: Mode::ALL[mode], bytes: &bytes[i..end] });
            end = i;
        }
        mode = before;
    }
    segments.reverse();
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(text: &str) -> Vec<(Mode, &str)> {
        let segments = shortest(text.as_bytes(), 1);
        segments.iter().map(|s| (s.mode, std::str::from_utf8(s.bytes).expect("cut at ASCII"))).collect()
    }

    #[test]
    fn stretches_are_cut_only_where_that_saves_bits() {
        use Mode::{Alphanumeric, Byte, Numeric};
        assert_eq!(modes("12345"), [(Numeric, "12345")]);
        assert_eq!(modes("HTTP://A.B"), [(Alphanumeric, "HTTP://A.B")]);
        assert_eq!(modes("abc12"), [(Byte, "abc12")]);
        assert_eq!(modes("abc1234567890"), [(Byte, "abc"), (Numeric, "1234567890")]);
        assert_eq!(modes("A1"), [(Alphanumeric, "A1")]);
        assert_eq!(modes("点茗"), [(Byte, "点茗")]);
    }

    #[test]
    fn no_other_cut_of_a_short_text_is_shorter() {
        // All ways to give each of up to eight bytes a mode, against the one found.
        for text in ["a1B2c3", "123A4567", "aaAAAA11", "1a2b3c4d", "12345678", "A12a34B5", "点1点2"] {
            let bytes = text.as_bytes();
            let found = bits(&shortest(bytes, 1), 1);
            let best = (0..3_usize.pow(bytes.len() as u32))
                .filter_map(|choice| {
                    let mode = |i: usize| Mode::ALL[choice / 3_usize.pow(i as u32) % 3];
                    if !(0..bytes.len()).all(|i| mode(i).carries(bytes[i])) {
                        return None;
                    }
                    let mut segments: Vec<Segment<'_>> = Vec::new();
                    let mut start = 0;
                    for i in 1..=bytes.len() {
                        if i == bytes.len() || mode(i) != mode(start) {
                            segments.push(Segment { mode: mode(start), bytes: &bytes[start..i] });
                            start = i;
                        }
                    }
                    Some(bits(&segments, 1))
                })
                .min();
            assert_eq!(Some(found), best, "{text}");
        }
    }
}
