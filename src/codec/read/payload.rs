//! What a symbol says, put together from bytes and the character sets (ECI) announced between them.

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7,
    ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14, ISO_8859_15, ISO_8859_16, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1254, WINDOWS_1256,
};

use crate::codec::text;

/// Bytes in the order of the symbol. Without any ECI their character set is guessed.
#[derive(Debug, Default)]
pub(super) struct Payload {
    bytes: Vec<u8>,
    /// Where each announced character set begins.
    sets: Vec<(usize, u32)>,
}

impl Payload {
    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn extend(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.bytes.extend(bytes);
    }

    /// What follows is in the character set of this assignment number.
    pub(super) fn announce(&mut self, eci: u32) {
        self.sets.push((self.bytes.len(), eci));
    }

    /// Puts bytes in front of the one at `place`.
    pub(super) fn insert(&mut self, place: usize, bytes: &[u8]) {
        let place = place.min(self.bytes.len());
        self.bytes.splice(place..place, bytes.iter().copied());
        self.sets.iter_mut().filter(|set| set.0 >= place).for_each(|set| set.0 += bytes.len());
    }

    /// Takes the first `count` bytes away.
    pub(super) fn drop_first(&mut self, count: usize) {
        let count = count.min(self.bytes.len());
        self.bytes.drain(..count);
        self.sets.iter_mut().for_each(|set| set.0 = set.0.saturating_sub(count));
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The text, and the bytes as they were.
    pub(super) fn into_text(self) -> (String, Vec<u8>) {
        self.text_by(text::guess)
    }

    /// The same for symbologies whose bytes are in practice UTF-8 or, as their standard says, Latin-1.
    pub(super) fn into_text_or_latin_1(self) -> (String, Vec<u8>) {
        self.text_by(|bytes| if std::str::from_utf8(bytes).is_ok() { text::guess(bytes) } else { latin_1(bytes) })
    }

    fn text_by(self, guess: impl Fn(&[u8]) -> String) -> (String, Vec<u8>) {
        if self.sets.is_empty() {
            return (guess(&self.bytes), self.bytes);
        }
        let mut text = String::new();
        let first = self.sets[0].0;
        text.push_str(&latin_1(&self.bytes[..first]));
        for (k, &(start, eci)) in self.sets.iter().enumerate() {
            let end = self.sets.get(k + 1).map_or(self.bytes.len(), |next| next.0);
            text.push_str(&decoded(&self.bytes[start..end], eci));
        }
        (text, self.bytes)
    }
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Bytes in the character set of an assignment number; those that nobody has assigned are taken for Latin-1.
fn decoded(bytes: &[u8], eci: u32) -> String {
    encoding(eci).map_or_else(|| latin_1(bytes), |set| set.decode_without_bom_handling(bytes).0.into_owned())
}

/// The character sets of AIM ITS/04-023 that are not Latin-1 or ASCII.
fn encoding(eci: u32) -> Option<&'static Encoding> {
    Some(match eci {
        4 => ISO_8859_2,
        5 => ISO_8859_3,
        6 => ISO_8859_4,
        7 => ISO_8859_5,
        8 => ISO_8859_6,
        9 => ISO_8859_7,
        10 => ISO_8859_8,
        11 => WINDOWS_1254, // ISO 8859-9 with more
        12 => ISO_8859_10,
        13 => WINDOWS_874, // ISO 8859-11 with more
        15 => ISO_8859_13,
        16 => ISO_8859_14,
        17 => ISO_8859_15,
        18 => ISO_8859_16,
        20 => SHIFT_JIS,
        21 => WINDOWS_1250,
        22 => WINDOWS_1251,
        23 => WINDOWS_1252,
        24 => WINDOWS_1256,
        25 => UTF_16BE,
        26 => UTF_8,
        28 => BIG5,
        29 | 31 | 32 => GB18030,
        30 => EUC_KR,
        33 => UTF_16LE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = &'a [(Option<u32>, &'a [u8])];

    fn text(parts: Parts<'_>) -> String {
        let mut payload = Payload::default();
        for (eci, bytes) in parts {
            if let Some(eci) = *eci {
                payload.announce(eci);
            }
            payload.extend(bytes.iter().copied());
        }
        payload.into_text().0
    }

    #[test]
    fn each_part_is_in_the_set_announced_before_it() {
        let cases: [(&str, Parts<'_>); 5] = [
            ("é", &[(None, "é".as_bytes())]),
            ("é点", &[(None, b"\xE9"), (Some(20), b"\x93\x5F")]),
            ("α茗", &[(Some(9), b"\xE1"), (Some(28), b"\xAF\xFA")]),
            ("¡ÿ", &[(Some(3), b"\xA1"), (Some(1234), b"\xFF")]),
            ("你好", &[(None, b"\xC4\xE3\xBA\xC3")]),
        ];
        for (expected, parts) in cases {
            assert_eq!(text(parts), expected);
        }
    }
}
