//! How many bits a writer of a language would need for some bytes in an encoding: the lower, the likelier.
//!
//! A character costs the negative logarithm of about how often it occurs: a [common](super::common) one nine or ten
//! bits, one of a standard's first level thirteen or fourteen, one of its second level seventeen and more. What all
//! candidates share (ASCII) costs the same everywhere, so that a byte which one of them takes for a letter is not free
//! for another. Each function adds how rarely its encoding is met. Bytes have been checked to be valid in the encoding.

use std::sync::LazyLock;

use encoding_rs::{BIG5, EUC_KR, Encoding, GB18030, SHIFT_JIS};

use super::common;

/// A set of two-byte codes.
struct Codes(Box<[u64; 1024]>);

impl Codes {
    /// The codes of the two-byte characters in `text`.
    fn of(text: &str, encoding: &'static Encoding) -> Self {
        let mut set = Box::new([0; 1024]);
        let mut buffer = [0; 4];
        for character in text.chars() {
            if let &[high, low] = &*encoding.encode(character.encode_utf8(&mut buffer)).0 {
                let code = usize::from(u16::from_be_bytes([high, low]));
                set[code / 64] |= 1 << (code % 64);
            }
        }
        Self(set)
    }

    fn contains(&self, code: u16) -> bool {
        let code = usize::from(code);
        self.0[code / 64] & 1 << (code % 64) != 0
    }
}

static SIMPLIFIED: LazyLock<Codes> = LazyLock::new(|| Codes::of(common::SIMPLIFIED, GB18030));
static TRADITIONAL: LazyLock<Codes> = LazyLock::new(|| Codes::of(common::TRADITIONAL, BIG5));
static KANJI: LazyLock<Codes> = LazyLock::new(|| Codes::of(common::KANJI, SHIFT_JIS));
static HANGUL: LazyLock<Codes> = LazyLock::new(|| Codes::of(common::HANGUL, EUC_KR));

/// The sum over `bytes` of ASCII and of what `next` says of the rest: how many bytes the character at the head takes, and
/// how many bits. `next` is also given the character before.
fn sum(bytes: &[u8], next: impl Fn(&[u8], &[u8]) -> (usize, u32)) -> u32 {
    let mut bits = 0;
    let mut before: &[u8] = &[];
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let (length, cost) = if first < 0x80 { (1, ascii(first)) } else { next(before, rest) };
        let (character, after) = rest.split_at(length.min(rest.len()));
        bits += cost;
        if first >= 0x80 {
            // East Asian characters keep away from small letters, which those of the west stand among.
            let beside = [before.first(), after.first()];
            bits += 3 * beside.into_iter().flatten().filter(|byte| byte.is_ascii_lowercase()).count() as u32;
        }
        (before, rest) = (character, after);
    }
    bits
}

/// One byte below 0x80. A control character other than a line break or a tab hardly belongs to a text.
fn ascii(byte: u8) -> u32 {
    if byte.is_ascii_control() && !b"\t\r\n".contains(&byte) { 14 } else { 6 }
}

/// What stands at the head of `rest` where high bytes come in pairs.
fn pair(rest: &[u8], bits: impl Fn(u16) -> u32) -> (usize, u32) {
    match rest {
        [high, low, ..] => (2, bits(u16::from_be_bytes([*high, *low]))),
        _ => (1, 20),
    }
}

/// Chinese as the mainland writes it; the likeliest to be met.
pub(super) fn gb18030(bytes: &[u8]) -> u32 {
    sum(bytes, |_, rest| match rest {
        // A rare character, an emoji.
        [_, b'0'..=b'9', _, b'0'..=b'9', ..] => (4, 26),
        // The euro sign of old Windows.
        [0x80, ..] => (1, 20),
        _ => pair(rest, gb_pair),
    })
}

fn gb_pair(code: u16) -> u32 {
    if SIMPLIFIED.contains(code) {
        return 10;
    }
    let [high, low] = code.to_be_bytes();
    match (high, low) {
        // GB 2312: level 1; punctuation and full-width ASCII; level 2, kana, Greek to box drawing.
        (0xB0..=0xD7, 0xA1..) => 13,
        (0xA1..=0xA3, 0xA1..) => 15,
        (0xD8..=0xF7 | 0xA4..=0xA9, 0xA1..) => 17,
        // Private use.
        (0xAA..=0xAF | 0xF8.., 0xA1..) | (0xA1..=0xA7, _) => 27,
        // What GBK added.
        _ => 21,
    }
}

/// Chinese as Taiwan and Hong Kong write it.
pub(super) fn big5(bytes: &[u8]) -> u32 {
    let bits = |code| match code {
        code if TRADITIONAL.contains(code) => 10,
        // Punctuation, levels 1 and 2, and what vendors and Hong Kong added.
        0xA140..=0xA3FE => 15,
        0xA440..=0xC67E => 13,
        0xC940..=0xF9D5 => 18,
        _ => 22,
    };
    2 + sum(bytes, |_, rest| pair(rest, bits))
}

/// Japanese.
pub(super) fn shift_jis(bytes: &[u8]) -> u32 {
    2 + sum(bytes, |before, rest| match rest {
        // Half-width kana are seldom met, and then in whole words. A voice mark behind a kana that takes one is what
        // Chinese text shows least: its second bytes fall there once in ninety characters.
        [0xDE, ..] if matches!(before, [0xB6..=0xC4 | 0xCA..=0xCE]) => (1, 0),
        [0xDF, ..] if matches!(before, [0xCA..=0xCE]) => (1, 0),
        [0xA1..=0xDF, ..] => (1, if matches!(before, [0xA1..=0xDF]) { 6 } else { 14 }),
        [0x80 | 0xA0, ..] => (1, 20),
        _ => pair(rest, jis_pair),
    })
}

fn jis_pair(code: u16) -> u32 {
    if KANJI.contains(code) {
        return 11;
    }
    match code {
        // Hiragana; katakana and the long vowel; comma, full stop, middle dot, brackets, space, wave dash.
        0x829F..=0x82F1 => 7,
        0x8340..=0x8396 | 0x815B => 8,
        0x8140..=0x8142 | 0x8145 | 0x8148 | 0x8149 | 0x8160 | 0x8169 | 0x816A | 0x8175..=0x8178 => 10,
        // Full-width letters and digits; other signs and level 1; Greek, Cyrillic, boxes; level 2.
        0x824F..=0x829A => 11,
        0x8140..=0x81FC | 0x889F..=0x9872 => 14,
        0x839F..=0x84BE => 17,
        0x989F..=0xEAA4 => 18,
        // Private use, and vendors' characters.
        0xF040..=0xF9FC => 27,
        _ => 20,
    }
}

/// Korean.
pub(super) fn euc_kr(bytes: &[u8]) -> u32 {
    let bits = |code: u16| {
        if HANGUL.contains(code) {
            return 9;
        }
        let [high, low] = code.to_be_bytes();
        match (high, low) {
            // Hangul and Chinese characters of KS X 1001, its signs, then what Windows added.
            (0xB0..=0xC8, 0xA1..) => 13,
            (0xCA..=0xFD, 0xA1..) => 18,
            (0xA1..=0xAC, 0xA1..) => 15,
            _ => 20,
        }
    };
    5 + sum(bytes, |_, rest| pair(rest, bits))
}

/// Western European languages. Bytes that no text has make it `None`.
pub(super) fn windows_1252(bytes: &[u8]) -> Option<u32> {
    let mut bits = 3;
    for (i, &byte) in bytes.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| bytes[i]);
        let after = bytes.get(i + 1).copied();
        bits += match byte {
            0..0x80 if byte.is_ascii_control() && !b"\t\r\n".contains(&byte) => return None,
            0..0x80 => ascii(byte),
            // Undefined.
            0x81 | 0x8D | 0x8F | 0x90 | 0x9D => return None,
            // Degrees Celsius, and the apostrophe within a word.
            0xB0 if matches!(after, Some(b'C' | b'F')) => 4,
            0x92 if before.is_some_and(|b| b.is_ascii_alphabetic()) => 6,
            // Quotes, dashes, euro, pound, section, degree, plus-minus, exponents, middle dot, fractions, inverted marks.
            0x80
            | 0x85
            | 0x91..=0x97
            | 0xA0
            | 0xA1
            | 0xA3
            | 0xA7
            | 0xA9
            | 0xAB
            | 0xAE
            | 0xB0..=0xB4
            | 0xB7
            | 0xBA..=0xBF
            | 0xD7 => 11,
            0x8A | 0x8C | 0x8E | 0x9A | 0x9C | 0x9E | 0x9F | 0xC0.. => letter(before, byte, after),
            _ => 15,
        };
    }
    Some(bits)
}

/// A letter of Windows-1252 outside ASCII: it stands among ASCII letters, a capital one not behind a small one.
fn letter(before: Option<u8>, byte: u8, after: Option<u8>) -> u32 {
    let common = matches!(byte, 0x8A | 0x8C | 0x8E | 0x9A | 0x9C | 0x9E | 0xC0 | 0xC4..=0xCA | 0xCD | 0xCE | 0xD1 | 0xD3 | 0xD4
        | 0xD6 | 0xD8 | 0xDA | 0xDC | 0xDF..=0xF6 | 0xF8..=0xFC);
    let alone = ![before, after].into_iter().flatten().any(|b| b.is_ascii_alphabetic());
    let capital_inside = matches!(byte, 0xC0..=0xDE) && before.is_some_and(|b| b.is_ascii_lowercase());
    8 + if common { 0 } else { 4 } + if alone { 4 } else { 0 } + if capital_inside { 5 } else { 0 }
}
