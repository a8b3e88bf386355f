//! What messages are signed and encrypted with.
//!
//! Documented: "Message encryption and decryption", read 2026-10. Vectors, the page's own and some that five SDKs have read
//! back, in `fixtures/vectors/wechat.json`.

use aes::Aes256;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use thiserror::Error;

use crate::signing::sha1_hex;

/// Bytes of a block of AES.
const BLOCK: usize = 16;
/// Padded is to whole multiples of so many bytes, not to blocks. Documented.
const PADDED_TO: usize = 32;
/// Random bytes, and the length of the message, which stand before it.
const BEFORE: usize = 16 + 4;

/// The last character of a key may carry bits that belong to no byte. Recorded: all SDKs take such keys.
const KEYS: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key of one account's messages.
#[derive(Clone)]
pub(super) struct AesKey([u8; 32]);

/// Why a text cannot be decrypted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Broken {
    #[error("it is not base64 of whole blocks")]
    Blocks,
    #[error("its padding is wrong, as with another EncodingAESKey")]
    Padding,
    #[error("its length is wrong")]
    Length,
    #[error("it is not UTF-8")]
    Text,
    #[error("it is encrypted for another appid")]
    Appid,
}

/// The signature of some texts: SHA-1 of them in the order of their bytes, without anything between them.
pub(super) fn signature(texts: &[&str]) -> String {
    let mut sorted = texts.to_vec();
    sorted.sort_unstable();
    sha1_hex(sorted.concat().as_bytes())
}

impl AesKey {
    /// From `EncodingAESKey`: base64 of 32 bytes without its padding.
    pub(super) fn parse(encoding_aes_key: &str) -> Option<Self> {
        let is_key = encoding_aes_key.len() == 43;
        let bytes = KEYS.decode(encoding_aes_key).ok().filter(|_| is_key)?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The initialisation vector: the start of the key. Documented.
    fn iv(&self) -> [u8; BLOCK] {
        std::array::from_fn(|place| self.0[place])
    }

    /// Encrypts a message to `appid`, in base64. `random` is what makes equal messages differ.
    pub(super) fn encrypt(&self, random: [u8; 16], message: &str, appid: &str) -> String {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut bytes = [&random, &length[..], message.as_bytes(), appid.as_bytes()].concat();
        let padding = PADDED_TO - bytes.len() % PADDED_TO;
        bytes.resize(bytes.len() + padding, padding as u8);
        let mut cipher = cbc::Encryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        for block in bytes.as_chunks_mut::<BLOCK>().0 {
            cipher.encrypt_block(block.into());
        }
        BASE64_STANDARD.encode(bytes)
    }

    /// Decrypts a message, which must be meant for `appid`.
    pub(super) fn decrypt(&self, encrypted: &str, appid: &str) -> Result<String, Broken> {
        // Line breaks within it are what some libraries write.
        let encrypted: String = encrypted.split_ascii_whitespace().collect();
        let mut bytes = BASE64_STANDARD.decode(encrypted).map_err(|_| Broken::Blocks)?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK) {
            return Err(Broken::Blocks);
        }
        let mut cipher = cbc::Decryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        for block in bytes.as_chunks_mut::<BLOCK>().0 {
            cipher.decrypt_block(block.into());
        }
        let padding = usize::from(*bytes.last().ok_or(Broken::Blocks)?);
        if padding == 0 || padding > PADDED_TO || padding > bytes.len() {
            return Err(Broken::Padding);
        }
        bytes.truncate(bytes.len() - padding);
        let length = bytes.get(BEFORE - 4..BEFORE).and_then(|length| <[u8; 4]>::try_from(length).ok());
        let length = u32::from_be_bytes(length.ok_or(Broken::Length)?) as usize;
        let end = BEFORE.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(Broken::Length)?;
        if bytes[end..] != *appid.as_bytes() {
            return Err(Broken::Appid);
        }
        String::from_utf8(bytes[BEFORE..end].to_vec()).map_err(|_| Broken::Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        signatures: Vec<Signed>,
        messages: Vec<Sealed>,
    }

    #[derive(Deserialize)]
    struct Signed {
        token: String,
        timestamp: String,
        nonce: String,
        signature: String,
    }

    #[derive(Deserialize)]
    struct Sealed {
        about: String,
        token: String,
        encoding_aes_key: String,
        appid: String,
        timestamp: String,
        nonce: String,
        random: String,
        message: String,
        encrypted: String,
        msg_signature: String,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../../../fixtures/vectors/wechat.json")).expect("vectors")
    }

    #[test]
    fn signatures_agree_with_the_vectors() {
        let vectors = vectors();
        assert_eq!(vectors.signatures.len(), 3);
        for vector in vectors.signatures {
            let made = signature(&[&vector.token, &vector.timestamp, &vector.nonce]);
            assert_eq!(made, vector.signature, "{} {}", vector.token, vector.nonce);
        }
    }

    #[test]
    fn messages_agree_with_the_vectors_in_both_directions() {
        let vectors = vectors();
        assert_eq!(vectors.messages.len(), 4);
        for vector in vectors.messages {
            let key = AesKey::parse(&vector.encoding_aes_key).expect("a key");
            let random = vector.random.as_bytes().try_into().expect("16 bytes");
            assert_eq!(key.encrypt(random, &vector.message, &vector.appid), vector.encrypted, "{}", vector.about);
            assert_eq!(key.decrypt(&vector.encrypted, &vector.appid), Ok(vector.message), "{}", vector.about);
            assert_eq!(key.decrypt(&vector.encrypted, "wx1"), Err(Broken::Appid), "{}", vector.about);
            let made = signature(&[&vector.token, &vector.timestamp, &vector.nonce, &vector.encrypted]);
            assert_eq!(made, vector.msg_signature, "{}", vector.about);
        }
    }

    #[test]
    fn a_key_has_43_characters() {
        assert!(AesKey::parse(&"A".repeat(43)).is_some());
        for text in ["", "A", &"A".repeat(42), &"A".repeat(44), &format!("{}=", "A".repeat(42)), &"你".repeat(43)] {
            assert!(AesKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_broken_is_told() {
        let key = AesKey::parse(&"A".repeat(43)).expect("a key");
        let other = AesKey::parse(&"B".repeat(43)).expect("a key");
        let whole = key.encrypt([7; 16], "hello", "wx1");
        for (encrypted, expected) in [("", Broken::Blocks), ("x", Broken::Blocks), ("AAAA", Broken::Blocks)] {
            assert_eq!(key.decrypt(encrypted, "wx1"), Err(expected), "{encrypted}");
        }
        assert!(other.decrypt(&whole, "wx1").is_err());
        assert_eq!(key.decrypt(&format!("{}\r\n{}", &whole[..10], &whole[10..]), "wx1").as_deref(), Ok("hello"));
    }

    proptest! {
        #[test]
        fn every_message_reads_back(message in ".{0,80}", appid in "[a-z0-9]{0,40}", key in "[A-Za-z0-9]{43}") {
            let key = AesKey::parse(&key).expect("a key");
            let encrypted = key.encrypt([3; 16], &message, &appid);
            prop_assert_eq!(key.decrypt(&encrypted, &appid), Ok(message));
        }

        #[test]
        fn nothing_that_is_sent_breaks_it(encrypted in "[A-Za-z0-9+/]{0,200}={0,2}") {
            let key = AesKey::parse(&"A".repeat(43)).expect("a key");
            let _never_panics = key.decrypt(&encrypted, "wx1");
        }
    }
}
