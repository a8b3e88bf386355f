//! The orientation in EXIF data; nothing else of it is looked at.

use super::Orientation;

/// Tag of the orientation in the first directory (EXIF 2.32, 4.6.4).
const ORIENTATION: u16 = 0x0112;
/// Types of a 16-bit and of a 32-bit number.
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// The orientation that `tiff`, EXIF data from its TIFF header on, states; upright where it does not.
pub(super) fn orientation(tiff: &[u8]) -> Orientation {
    find(tiff).map_or(Orientation::Upright, Orientation::from_exif)
}

/// The value of the orientation tag.
fn find(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let pair: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let u32_at = |at: usize| {
        let (first, second) = (u32::from(u16_at(at)?), u32::from(u16_at(at + 2)?));
        Some(if little { second << 16 | first } else { first << 16 | second })
    };
    let directory = u32_at(4)? as usize;
    (0..usize::from(u16_at(directory)?)).find_map(|i| {
        let entry = directory + 2 + 12 * i;
        (u16_at(entry)? == ORIENTATION).then_some(())?;
        match u16_at(entry + 2)? {
            SHORT => u16_at(entry + 8),
            LONG => u16::try_from(u32_at(entry + 8)?).ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF data of two entries, the second of which is the orientation.
    fn tiff(little: bool, kind: u16, value: u16) -> Vec<u8> {
        let two = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let four = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        bytes.extend(four(8));
        bytes.extend(two(2));
        for (tag, kind, value) in [(0x010F, 2, 0), (ORIENTATION, kind, value)] {
            bytes.extend(two(tag));
            bytes.extend(two(kind));
            bytes.extend(four(1));
            if kind == LONG {
                bytes.extend(four(u32::from(value)));
            } else {
                bytes.extend(two(value));
                bytes.extend(two(0));
            }
        }
        bytes
    }

    #[test]
    fn both_byte_orders_and_both_number_types_are_read() {
        for little in [true, false] {
            for kind in [SHORT, LONG] {
                for value in 1..=8 {
                    let found = orientation(&tiff(little, kind, value));
                    assert_eq!(found, Orientation::from_exif(value), "{little} {kind} {value}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_nonsense_is_upright() {
        let whole = tiff(true, SHORT, 6);
        for length in 0..whole.len() - 2 {
            assert_eq!(orientation(&whole[..length]), Orientation::Upright, "{length}");
        }
        let mut far = whole;
        far[4..8].fill(0xFF);
        assert_eq!(orientation(&far), Orientation::Upright);
    }
}
