//! Tickets and the codes within them: the vendor's byte layout. Which ones exist is `store/codes.rs`.
//!
//! Recorded: decoded from thirty published tickets of 2013 to 2024; 29 of them have this check sum, and the thirtieth was
//! presumably mistyped where it was published.
//!
//! ```text
//! 81 01 | check sum, 16 bits | length of the payload, 64 bits | payload            (all little-endian)
//! payload:  01 len "http://weixin.qq.com/q/<code>" 00 | 02 04 creation, Unix seconds | 03 04 granted seconds
//! ```

use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD};

use crate::clock::Ids;

/// What stands before a code in the address that the symbol carries.
const ADDRESS: &str = "http://weixin.qq.com/q/";

/// The reverse of the usual alphabet for addresses: `_` for `+` and `-` for `/`.
const BASE64: GeneralPurpose = {
    let alphabet = Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    match alphabet {
        Ok(alphabet) => GeneralPurpose::new(&alphabet, PAD),
        Err(_) => panic!("64 different characters"),
    }
};

/// Characters of codes and tokens.
pub(super) const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// The address that the symbol of `code` carries.
pub(super) fn url(code: &str) -> String {
    [ADDRESS, code].concat()
}

/// The code in the text of a symbol, where that is one of ours.
pub(super) fn code_of(text: &str) -> Option<&str> {
    let bare = text.trim().strip_prefix("http://").or_else(|| text.trim().strip_prefix("https://"))?;
    let code = bare.strip_prefix("weixin.qq.com/q/")?;
    let is_code = !code.is_empty() && code.bytes().all(|byte| URL_SAFE.contains(&byte));
    is_code.then_some(code)
}

/// Bytes before the payload, and those around the address within it.
const HEAD: usize = 12;
const AROUND: usize = 15;

/// The ticket of a code that was made at `created` (Unix seconds) for so many seconds, 0 meaning for ever.
pub(super) fn ticket(code: &str, created: u32, seconds: u32) -> String {
    let url = ADDRESS.len() + code.len();
    let mut bytes = Vec::with_capacity(HEAD + url + AROUND);
    bytes.extend_from_slice(&[0; HEAD]);
    bytes.extend_from_slice(&[1, url as u8 + 1]);
    bytes.extend_from_slice(ADDRESS.as_bytes());
    bytes.extend_from_slice(code.as_bytes());
    bytes.push(0);
    for (tag, value) in [(2, created), (3, seconds)] {
        bytes.extend_from_slice(&[tag, 4]);
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let (head, payload) = bytes.split_at_mut(HEAD);
    head[..2].copy_from_slice(&[0x81, 1]);
    head[2..4].copy_from_slice(&checksum(payload).to_le_bytes());
    head[4..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    BASE64.encode(bytes)
}

/// The code within a ticket, where it is like one of ours.
pub(super) fn code_within(ticket: &str) -> Option<String> {
    let bytes = BASE64.decode(ticket).ok()?;
    let (length, payload) = (usize::from(*bytes.get(HEAD + 1)?), bytes.get(HEAD + 2..)?);
    let url = payload.get(..length.checked_sub(1)?)?;
    Some(code_of(std::str::from_utf8(url).ok()?)?.to_owned())
}

/// The inverted low 16 bits of the sum of the bytes, each taken as a signed number.
fn checksum(payload: &[u8]) -> u16 {
    !payload.iter().fold(0_u16, |sum, byte| sum.wrapping_add_signed(i16::from(byte.cast_signed())))
}

/// Characters of a code.
const CODE: usize = 22;

/// A code of 22 characters that nobody can guess: `02`, eleven, `1`, eight.
///
/// Recorded: the pattern of the published sample; the last eight of permanent codes are `0000`, one of `w M g`, `0`, `3`
/// or `7`, and one more.
pub(super) fn draw_code(ids: &Ids, permanent: bool) -> String {
    let mut code = String::with_capacity(CODE);
    code.push_str("02");
    ids.add_text(&mut code, 11, URL_SAFE);
    code.push('1');
    if permanent {
        code.push_str("0000");
        ids.add_text(&mut code, 1, b"wMg");
        code.push('0');
        ids.add_text(&mut code, 1, b"37");
        ids.add_text(&mut code, 1, URL_SAFE);
    } else {
        ids.add_text(&mut code, 8, URL_SAFE);
    }
    code
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        tickets: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        code: String,
        created: u32,
        seconds: u32,
        checksum: String,
        bytes: String,
        ticket: String,
    }

    #[test]
    fn tickets_agree_with_the_published_ones_at_every_step() {
        let text = include_str!("../../../fixtures/vectors/wechat.json");
        let vectors: Vectors = serde_json::from_str(text).expect("vectors");
        assert_eq!(vectors.tickets.len(), 5);
        for vector in vectors.tickets {
            let made = ticket(&vector.code, vector.created, vector.seconds);
            let bytes = BASE64.decode(&made).expect("base64");
            assert_eq!(format!("{:04x}", checksum(&bytes[12..])), vector.checksum, "{}", vector.code);
            assert_eq!(hex::encode(&bytes), vector.bytes, "{}", vector.code);
            assert_eq!(made, vector.ticket, "{}", vector.code);
            assert_eq!(code_within(&made).as_ref(), Some(&vector.code));
        }
    }

    #[test]
    fn what_is_no_ticket_has_no_code_within_it() {
        let whole = ticket("02TestTempCode1Zz_-xy9", 1_700_000_000, 60);
        for end in 0..whole.len() {
            // Cut within what follows the code, its four bytes of base64 being whole, it still says which code that is.
            let code = code_within(&whole[..end]);
            assert!(code.is_none() || (end > 64 && end % 4 == 0 && code.as_deref() == Some("02TestTempCode1Zz_-xy9")));
        }
        for text in ["", "gQ", "gQH47joAAAAAAAAAASxodHRw", "中文", "gQ==", "////"] {
            assert_eq!(code_within(text), None, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_symbol_names_its_code() {
        let code = "02TestTempCode1Zz_-xy9";
        assert_eq!(code_of(&url(code)), Some(code));
        assert_eq!(code_of(&format!(" https://weixin.qq.com/q/{code}\n")), Some(code));
        for text in ["", code, "http://weixin.qq.com/q/", "http://weixin.qq.com/q/a/b", "http://example.com/q/a"] {
            assert_eq!(code_of(text), None, "{text}");
        }
    }

    #[test]
    fn codes_follow_the_pattern_and_give_tickets_of_96_characters() {
        let ids = Ids::seeded(3);
        for permanent in [false, true].repeat(100) {
            let code = draw_code(&ids, permanent);
            assert_eq!(code.len(), 22, "{code}");
            assert!(code.starts_with("02") && code[13..].starts_with('1'), "{code}");
            assert!(code.bytes().all(|byte| URL_SAFE.contains(&byte)), "{code}");
            let end = &code.as_bytes()[14..];
            if permanent {
                assert!(end.starts_with(b"0000") && b"wMg".contains(&end[4]), "{code}");
                assert!(end[5] == b'0' && b"37".contains(&end[6]), "{code}");
            }
            let ticket = ticket(&code, 1_700_000_000, 60);
            assert_eq!(ticket.len(), 96, "{ticket}");
            assert!(ticket.starts_with("gQ") && ticket.is_ascii() && !ticket.contains(['+', '/', '=']), "{ticket}");
            assert!(ticket[6..].starts_with("wAAAAAAAAAAS5odHRwOi8vd2VpeGluLnFxLmNvbS9xLzAy"), "{ticket}");
        }
    }
}
