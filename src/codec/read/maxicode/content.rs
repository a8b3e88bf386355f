//! Modules of a MaxiCode symbol to its message (ISO/IEC 16023, 4.3 to 4.6).

use rxing::common::BitMatrix;
use rxing::common::reedsolomon::{PredefinedGenericGF, ReedSolomonDecoder};
use rxing::maxicode::decoder::BitMatrixParser;

use crate::codec::read::payload::Payload;

/// Codewords of the primary message and of its check.
const PRIMARY: usize = 10;
const PRIMARY_CHECKS: usize = 10;

/// Decodes `modules`, 30 columns by 33 rows.
pub(super) fn decode(modules: &BitMatrix) -> Option<Payload> {
    let words = BitMatrixParser::new(modules).readCodewords().map(i32::from);
    let field = || ReedSolomonDecoder::new(PredefinedGenericGF::MaxicodeField64.into());
    let (primary, secondary) = words.split_at(PRIMARY + PRIMARY_CHECKS);
    let mut primary = primary.to_vec();
    field().decode(&mut primary, PRIMARY_CHECKS as i32).ok()?;
    let mode = primary[0] & 0xF;
    let checks = match mode {
        2..=4 | 6 => 40,
        5 => 56,
        _ => return None,
    };
    // Even and odd codewords are corrected apart.
    let mut corrected = vec![0; secondary.len()];
    for half in 0..2 {
        let mut part: Vec<i32> = secondary.iter().skip(half).step_by(2).copied().collect();
        field().decode(&mut part, checks / 2).ok()?;
        corrected.iter_mut().skip(half).step_by(2).zip(part).for_each(|(to, word)| *to = word);
    }
    corrected.truncate(secondary.len() - checks as usize);
    let words = |from: usize| primary[from..PRIMARY].iter().chain(&corrected).map(|&w| (w & 0x3F) as u8);
    let mut payload = Payload::default();
    if mode == 2 || mode == 3 {
        let carrier = carrier(&primary, mode)?;
        let message: Vec<u8> = words(PRIMARY).collect();
        // A message in the carriers' format begins with its header and year, before the address.
        parse(&message, &mut payload)?;
        payload.insert(if payload.bytes().starts_with(b"[)>\x1E01\x1D") { 9 } else { 0 }, carrier.as_bytes());
    } else {
        parse(&words(1).collect::<Vec<u8>>(), &mut payload)?;
    }
    Some(payload)
}

/// Postal code, country and class of service, each with a separator behind it.
fn carrier(primary: &[i32], mode: i32) -> Option<String> {
    // The bits are scattered over the codewords, counted from 1.
    let number = |places: &[usize]| {
        places.iter().fold(0u32, |n, &place| n << 1 | (primary[(place - 1) / 6] >> (5 - (place - 1) % 6) & 1) as u32)
    };
    let run = |from: usize, to: usize| (from..=to).collect::<Vec<usize>>();
    let places = [run(39, 42), run(31, 36), run(25, 30), run(19, 24), run(13, 18), run(7, 12), run(1, 2)].concat();
    let postcode = if mode == 2 {
        let digits = number(&places[..6]) as usize;
        if digits > 10 {
            return None;
        }
        format!("{:0digits$}", number(&places[6..]))
    } else {
        places.chunks_exact(6).map(|six| char::from(symbol(Set::A, number(six) as u8).unwrap_or(b' '))).collect()
    };
    let country = number(&[vec![53, 54], run(43, 48), vec![37, 38]].concat());
    let service = number(&[run(55, 60), run(49, 52)].concat());
    Some(format!("{postcode}\x1D{country:03}\x1D{service:03}\x1D"))
}

/// The five code sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    A,
    B,
    C,
    D,
    E,
}

/// Values 32 to 58 of set A, 32 to 54 of set B, 37 to 57 of sets C and D, and 36 to 57 of set E.
const A_SIGNS: &[u8] = b" \0\"#$%&'()*+,-./0123456789:";
const B_SIGNS: &[u8] = b"{\0}~\x7F;<=>?[\\]^_ ,./:@!|";
const C_SIGNS: &[u8] = b"\xAA\xAC\xB1\xB2\xB3\xB5\xB9\xBA\xBC\xBD\xBE\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89";
const D_SIGNS: &[u8] = b"\xA1\xA8\xAB\xAF\xB0\xB4\xB7\xB8\xBB\xBF\x8A\x8B\x8C\x8D\x8E\x8F\x90\x91\x92\x93\x94";
const E_SIGNS: &[u8] = b"\x9F\xA0\xA2\xA3\xA4\xA5\xA6\xA7\xA9\xAD\xAE\xB6\x95\x96\x97\x98\x99\x9A\x9B\x9C\x9D\x9E";

/// The byte of a value that stands for one.
fn symbol(set: Set, value: u8) -> Option<u8> {
    let at = |signs: &[u8], from: u8| signs.get(usize::from(value.checked_sub(from)?)).copied();
    match (set, value) {
        (Set::A, 0) => Some(b'\r'),
        (Set::A, 1..=26) => Some(b'@' + value),
        (Set::A | Set::B | Set::C | Set::D, 28..=30) | (Set::E, 0..=26) => Some(value),
        (Set::A | Set::B, 33) => None,
        (Set::A, _) => at(A_SIGNS, 32),
        (Set::B, 0..=26) => Some(b'`' + value),
        (Set::B, _) => at(B_SIGNS, 32),
        (Set::C, 0..=26) => Some(0xC0 + value),
        (Set::C, 32..=36) => Some(0xDB + (value - 32)),
        (Set::D, 0..=26) => Some(0xE0 + value),
        (Set::D, 32..=36) => Some(0xFB + (value - 32)),
        (Set::C | Set::D | Set::E, 59) => Some(b' '),
        (Set::C, _) => at(C_SIGNS, 37),
        (Set::D, _) => at(D_SIGNS, 37),
        (Set::E, 30) => Some(0x1B),
        (Set::E, 32..=34) => Some(value - 4),
        (Set::E, 35) => Some(0x1F),
        (Set::E, _) => at(E_SIGNS, 36),
    }
}

const PAD: u8 = 33;
const ECI: u8 = 27;
const NUMBER: u8 = 31;

fn parse(words: &[u8], payload: &mut Payload) -> Option<()> {
    // One of several symbols begins with a codeword that elsewhere fills up, then place and count.
    let words = if words.first() == Some(&PAD) { words.get(2..)? } else { words };
    let mut words = words.iter().copied();
    // The set that holds, and the one for so many values more.
    let (mut set, mut shifted) = (Set::A, None);
    while let Some(word) = words.next() {
        let now = match &mut shifted {
            Some((set, left)) if *left > 0 => {
                *left -= 1;
                *set
            }
            _ => set,
        };
        match (now, word) {
            (_, NUMBER) => {
                let value = (0..5).try_fold(0u32, |n, _| Some(n << 6 | u32::from(words.next()?)))?;
                payload.extend(format!("{value:09}").into_bytes());
            }
            (_, ECI) => {
                let first = words.next()?;
                let more = match first {
                    0..0x20 => 0,
                    0x20..0x30 => 1,
                    0x30..0x38 => 2,
                    _ => 3,
                };
                let high = u32::from(first & [0x1F, 0xF, 0x7, 0x3][more]);
                payload.announce((0..more).try_fold(high, |n, _| Some(n << 6 | u32::from(words.next()?)))?);
            }
            (Set::A | Set::B, PAD) | (Set::B, 55 | 58) | (Set::E, 28 | 29) => {} // fills up
            (Set::A | Set::C | Set::D | Set::E, 63) => set = Set::B,
            (Set::B, 63) | (Set::C | Set::D | Set::E, 58) => set = Set::A,
            (Set::B, 56) => shifted = Some((Set::A, 2)),
            (Set::B, 57) => shifted = Some((Set::A, 3)),
            (Set::A, 59) => shifted = Some((Set::B, 1)),
            (Set::B, 59) => shifted = Some((Set::A, 1)),
            // In sets C to E the place of the own shift locks the set.
            (_, 60..=62) => {
                let to = [Set::C, Set::D, Set::E][usize::from(word - 60)];
                if to == now {
                    set = to;
                } else {
                    shifted = Some((to, 1));
                }
            }
            (set, value) => payload.extend(symbol(set, value)),
        }
    }
    Some(())
}
