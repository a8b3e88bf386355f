//! What signatures are made of: HMAC, digests, hexadecimal, the percent-encoding alphabet. No vendor's canonical form.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// Everything but the unreserved characters of RFC 3986 (`A–Z a–z 0–9 - _ . ~`).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes all but the unreserved characters of RFC 3986, in upper-case hexadecimal.
///
/// ```
/// assert_eq!(qrstack::signing::percent_encode("a b/c~"), "a%20b%2Fc~");
/// ```
pub fn percent_encode(text: &str) -> String {
    percent_encoded(text).into_owned()
}

/// As [`percent_encode`]; what needs no encoding stays where it is.
pub fn percent_encoded(text: &str) -> Cow<'_, str> {
    // Room that a text gets for its escapes beforehand: all that any of usual length needs; long ones may grow.
    const SPARE: usize = 1 << 10;
    let mut pieces = utf8_percent_encode(text, RESERVED);
    let (first, second) = (pieces.next().unwrap_or_default(), pieces.next());
    let Some(second) = second else { return first.into() };
    // The library would let every text grow from its first piece.
    let mut encoded = String::with_capacity(text.len() + (2 * text.len()).min(SPARE));
    encoded.extend([first, second].into_iter().chain(pieces));
    encoded.into()
}

/// HMAC-SHA-1 (RFC 2104), 20 bytes.
#[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
pub fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA-256 (RFC 2104), 32 bytes.
#[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hexadecimal.
#[expect(clippy::missing_panics_doc, reason = "there is room for two digits a byte, and they are ASCII")]
pub fn lower_hex(bytes: &[u8]) -> String {
    // `hex::encode` adds one character after the other.
    let mut digits = vec![0; 2 * bytes.len()];
    hex::encode_to_slice(bytes, &mut digits).expect("there is room for two digits a byte");
    String::from_utf8(digits).expect("digits are ASCII")
}

/// SHA-1 in lower-case hexadecimal.
pub fn sha1_hex(message: &[u8]) -> String {
    Sha1Pieces::default().and(message).hex()
}

/// SHA-1 of a message that comes in pieces. Of messages that begin alike, what they share is hashed once: a clone goes on
/// behind the pieces of the original.
///
/// ```
/// use qrstack::signing::{Sha1Pieces, sha1_hex};
/// let shared = Sha1Pieces::default().and(b"a");
/// assert_eq!(shared.clone().and(b"b").hex(), sha1_hex(b"ab"));
/// assert_eq!(shared.and(b"c").hex(), sha1_hex(b"ac"));
/// ```
#[derive(Clone, Default)]
pub struct Sha1Pieces(Sha1);

impl Sha1Pieces {
    /// The same with one more piece.
    #[must_use]
    pub fn and(self, piece: impl AsRef<[u8]>) -> Self {
        Self(self.0.chain_update(piece))
    }

    /// The digest in lower-case hexadecimal.
    pub fn hex(self) -> String {
        lower_hex(&self.0.finalize())
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(message: &[u8]) -> String {
    lower_hex(&Sha256::digest(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_agree_with_the_published_vectors() {
        // RFC 2202 and RFC 4231, test case 2; FIPS 180-4 examples.
        assert_eq!(
            hex::encode(hmac_sha1(b"Jefe", b"what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(sha1_hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_unreserved_characters_stay_bare() {
        assert_eq!(percent_encode("AZaz09-_.~!'()*/ 你+"), "AZaz09-_.~%21%27%28%29%2A%2F%20%E4%BD%A0%2B");
    }

    #[test]
    fn a_text_of_one_piece_is_not_copied() {
        for (text, encoded) in [("", ""), ("az", "az"), ("*", "%2A")] {
            assert!(matches!(percent_encoded(text), Cow::Borrowed(found) if found == encoded), "{text}");
        }
        assert_eq!(percent_encoded(&"*".repeat(1000)), "%2A".repeat(1000));
    }
}
