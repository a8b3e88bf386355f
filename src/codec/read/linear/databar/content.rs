//! What the data characters of a GS1 DataBar Expanded symbol say (ISO/IEC 24724, clause 7.2).
//!
//! A symbol begins with a method: the most frequent element strings have compact forms of their own, everything else is
//! general purpose data in three modes. The text is the element string as a scanner transmits it: application identifiers
//! without parentheses, and a GS between a field of variable length and the next.

/// What separates fields.
const GS: u8 = 0x1D;

/// Bits, the next one at `at`.
struct Reader<'a> {
    bits: &'a [bool],
    at: usize,
    after_gs: AfterGs,
}

/// How data goes on behind a separator among letters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AfterGs {
    /// With pairs of digits, as the standard has it.
    Digits,
    /// In the mode that it was in, as some printers have it.
    Letters,
}

impl Reader<'_> {
    fn left(&self) -> usize {
        self.bits.len().saturating_sub(self.at)
    }

    fn peek(&self, count: usize) -> Option<u32> {
        let bits = self.bits.get(self.at..self.at + count)?;
        Some(bits.iter().fold(0, |value, &bit| value << 1 | u32::from(bit)))
    }

    fn take(&mut self, count: usize) -> Option<u32> {
        let value = self.peek(count)?;
        self.at += count;
        Some(value)
    }
}

/// The text of data characters of twelve bits, the check character left out.
pub(super) fn text(characters: impl Iterator<Item = u32>) -> Option<String> {
    let bits: Vec<bool> = characters.flat_map(|value| (0..12).rev().map(move |k| value >> k & 1 == 1)).collect();
    let read = |after_gs| element_string(&mut Reader { bits: &bits, at: 0, after_gs });
    let sound = |text: &Vec<u8>| text.split(|&b| b == GS).skip(1).all(begins_with_identifier);
    let text = read(AfterGs::Digits).filter(sound).or_else(|| read(AfterGs::Letters).filter(sound))?;
    String::from_utf8(text).ok()
}

/// The largest second digit of application identifiers by their first (GS1 General Specifications, section 3.2).
const SECOND_DIGITS: [Option<u8>; 10] =
    [Some(b'4'), Some(b'7'), Some(b'5'), Some(b'9'), Some(b'3'), None, None, Some(b'2'), Some(b'2'), Some(b'9')];

/// Whether a field begins as an application identifier and what belongs to it do: by the first two digits, and by the
/// number of digits where it is fixed.
fn begins_with_identifier(field: &[u8]) -> bool {
    let digits = field.iter().take_while(|b| b.is_ascii_digit()).count();
    let [first @ b'0'..=b'9', second, _, ..] = *field else { return false };
    let least = match (first, second) {
        (b'0', b'0') => 20,
        (b'0', b'1'..=b'3') => 16,
        (b'1', b'1'..=b'7') => 8,
        _ => 2,
    };
    digits >= least && SECOND_DIGITS[usize::from(first - b'0')].is_some_and(|largest| second <= largest)
}

/// How a symbol begins.
#[derive(Clone, Copy)]
enum Method {
    /// Any GTIN and what comes behind it.
    Gtin,
    /// General purpose data alone.
    General,
    /// A GTIN that begins with 9, and a weight in grams.
    Grams,
    /// The same in hundredths or thousandths of a pound.
    Pounds,
    /// The same with a price.
    Price,
    /// The same with a price and its currency.
    PriceInCurrency,
    /// The same with a weight and a date.
    Dated,
}

/// The bits of each method: their number and their value.
const METHODS: [(usize, u32, Method); 7] = [
    (1, 0b1, Method::Gtin),
    (2, 0b00, Method::General),
    (4, 0b0100, Method::Grams),
    (4, 0b0101, Method::Pounds),
    (5, 0b0_1100, Method::Price),
    (5, 0b0_1101, Method::PriceInCurrency),
    (4, 0b0111, Method::Dated),
];

fn element_string(bits: &mut Reader<'_>) -> Option<Vec<u8>> {
    bits.take(1)?; // whether a two-dimensional component belongs to it
    let &(length, _, method) = METHODS.iter().find(|(length, value, _)| bits.peek(*length) == Some(*value))?;
    bits.take(length)?;
    let mut text = Vec::new();
    match method {
        Method::Gtin => {
            bits.take(2)?; // how long the symbol is, which its finders say, too
            let first = bits.take(4)?;
            gtin(bits, first, &mut text)?;
            general(bits, &mut text)?;
        }
        Method::General => {
            bits.take(2)?;
            general(bits, &mut text)?;
        }
        Method::Grams => {
            gtin(bits, 9, &mut text)?;
            text.extend(format!("3103{:06}", bits.take(15)?).bytes());
        }
        Method::Pounds => {
            gtin(bits, 9, &mut text)?;
            let weight = bits.take(15)?;
            let (identifier, weight) = if weight < 10_000 { (3202, weight) } else { (3203, weight - 10_000) };
            text.extend(format!("{identifier}{weight:06}").bytes());
        }
        Method::Price => {
            bits.take(2)?;
            gtin(bits, 9, &mut text)?;
            text.extend(format!("392{}", bits.take(2)?).bytes());
            general(bits, &mut text)?;
        }
        Method::PriceInCurrency => {
            bits.take(2)?;
            gtin(bits, 9, &mut text)?;
            text.extend(format!("393{}{:03}", bits.take(2)?, bits.take(10)?).bytes());
            general(bits, &mut text)?;
        }
        Method::Dated => {
            let variant = bits.take(3)? as usize;
            gtin(bits, 9, &mut text)?;
            let (weight, date) = (bits.take(20)?, bits.take(16)?);
            let unit = if variant.is_multiple_of(2) { 310 } else { 320 };
            text.extend(format!("{unit}{}{:06}", weight / 100_000, weight % 100_000).bytes());
            if date < NO_DATE {
                let identifier = [11, 13, 15, 17][variant / 2];
                let (year, month, day) = (date / 32 / 12, date / 32 % 12 + 1, date % 32);
                text.extend(format!("{identifier}{year:02}{month:02}{day:02}").bytes());
            }
        }
    }
    let length = text.iter().rposition(|&b| b != GS)? + 1;
    text.truncate(length);
    Some(text)
}

/// In place of a date: there is none.
const NO_DATE: u32 = 38_400;

/// AI 01 and a GTIN whose first digit is known: twelve digits in 40 bits, and the check digit.
fn gtin(bits: &mut Reader<'_>, first: u32, text: &mut Vec<u8>) -> Option<()> {
    let mut digits = vec![b'0' + u8::try_from(first).ok().filter(|&d| d < 10)?];
    for _ in 0..4 {
        let three = bits.take(10).filter(|&three| three < 1000)?;
        digits.extend(format!("{three:03}").bytes());
    }
    text.extend(b"01");
    text.extend(&digits);
    text.push(b'0' + super::check_digit(&digits));
    Some(())
}

/// The modes of general purpose data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Two digits, or a digit and a separator, in seven bits.
    Numeric,
    /// Digits in five bits, capitals in six.
    Alphanumeric,
    /// The same, and small letters in seven bits and punctuation in eight.
    Iso646,
    /// What is left is too short for a character.
    End,
}

/// Punctuation of the third mode, from 232 on.
const PUNCTUATION: &[u8; 21] = b"!\"%&'()*+,-./:;<=>?_ ";

/// The rest of the bits.
fn general(bits: &mut Reader<'_>, text: &mut Vec<u8>) -> Option<()> {
    let mut mode = Mode::Numeric;
    while mode != Mode::End {
        mode = if mode == Mode::Numeric { numeric(bits, text)? } else { alphanumeric(bits, text, mode)? };
    }
    Some(())
}

/// One step in the first mode; gives the mode of the next.
fn numeric(bits: &mut Reader<'_>, text: &mut Vec<u8>) -> Option<Mode> {
    if bits.left() < 7 {
        // A last digit, if there is one.
        if let Some(digit @ 1..=10) = bits.take(4) {
            text.push(b'0' + digit as u8 - 1);
        }
        return Some(Mode::End);
    }
    if bits.peek(4)? == 0 {
        // An identifier begins with digits.
        if bits.after_gs == AfterGs::Digits && text.last() == Some(&GS) {
            return None;
        }
        bits.take(4)?;
        return Some(Mode::Alphanumeric);
    }
    let pair = bits.take(7)? - 8;
    text.extend([pair / 11, pair % 11].map(|digit| if digit == 10 { GS } else { b'0' + digit as u8 }));
    Some(Mode::Numeric)
}

/// One step in the other modes.
fn alphanumeric(bits: &mut Reader<'_>, text: &mut Vec<u8>, mode: Mode) -> Option<Mode> {
    let small = mode == Mode::Iso646;
    if bits.peek(3) == Some(0) {
        bits.take(3)?;
        return Some(Mode::Numeric);
    }
    let Some(five) = bits.peek(5) else { return Some(Mode::End) };
    match five {
        4 => {
            bits.take(5)?;
            return Some(if small { Mode::Alphanumeric } else { Mode::Iso646 });
        }
        5..=14 => {
            bits.take(5)?;
            text.push(b'0' + five as u8 - 5);
            return Some(mode);
        }
        15 => {
            bits.take(5)?;
            text.push(GS);
            return Some(if bits.after_gs == AfterGs::Digits { Mode::Numeric } else { mode });
        }
        _ => {}
    }
    let count = match (small, five) {
        (false, _) => 6,
        (true, ..29) => 7,
        (true, _) => 8,
    };
    let Some(value) = bits.take(count) else { return Some(Mode::End) };
    let value = value as u8;
    text.push(match (count, value) {
        (6, 32..=57) => value - 32 + b'A',
        (6, 58..=62) => b"*,-./"[usize::from(value) - 58],
        (7, 64..=89) => value - 64 + b'A',
        (7, 90..=115) => value - 90 + b'a',
        (8, 232..=252) => PUNCTUATION[usize::from(value) - 232],
        _ => return None,
    });
    Some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits as data characters, filled up as the standard says.
    fn read(bits: &str) -> Option<String> {
        let mut bits: Vec<u32> =
            bits.bytes().filter(|b| !b.is_ascii_whitespace()).map(|b| u32::from(b - b'0')).collect();
        let mut padding = [0, 0, 1, 0, 0].into_iter().cycle();
        while !bits.len().is_multiple_of(12) {
            bits.extend(padding.next());
        }
        text(bits.chunks(12).map(|c| c.iter().fold(0, |v, b| v << 1 | b)))
    }

    /// 9 001 234 567 890, the GTIN of these tests, behind its first digit.
    const GTIN: &str = "0000000001 0011101010 1000110111 1101111010";

    #[test]
    fn every_method_gives_its_element_string() {
        let gtin = "0190012345678908";
        for (bits, expected) in [
            (format!("0 1 00 1001 {GTIN}"), String::new()),
            (format!("0 0100 {GTIN} 000011011011010"), "3103001754".to_owned()),
            (format!("0 0101 {GTIN} 000000000001100"), "3202000012".to_owned()),
            (format!("0 0101 {GTIN} 010011100010001"), "3203000001".to_owned()),
            (format!("0 01100 00 {GTIN} 10 0001001"), "392201".to_owned()),
            (format!("0 01101 00 {GTIN} 10 0001111011 0001001 0000"), "393212301".to_owned()),
            (format!("0 0111000 {GTIN} 00011001000101001101 0000110010100011"), "310100273311080603".to_owned()),
            (format!("0 0111111 {GTIN} 00000000000000000001 1001011000000000"), "3200000001".to_owned()),
        ] {
            assert_eq!(read(&bits), Some(format!("{gtin}{expected}")), "{bits}");
        }
    }

    #[test]
    fn a_separator_behind_letters_leads_back_to_digits() {
        let letters = "0 00 00 0010011 0010101 0000 100000 00110 01111";
        for behind in ["0010011 1110100 0000", "000 0010011 1110100 0000"] {
            // As the standard has it, and as a printer has it that stays among letters.
            assert_eq!(read(&format!("{letters} {behind}")).as_deref(), Some("1012A1\u{1d}1099"));
        }
    }

    #[test]
    fn small_letters_and_punctuation_have_a_mode_of_their_own() {
        let found = read("0 00 00 0000 00100 1011010 11101000 1000001 11111100 00101 00100 100010");
        assert_eq!(found.as_deref(), Some("a!B 0C"));
        assert_eq!(read("0 00 00 0000 00100 11111111 0000"), None);
    }
}
