//! A trust store in PKCS#12 (RFC 7292), as Java reads it: certificates in the clear, a MAC by the store's password.
//!
//! Nothing but the writing of it: there are no keys in such a store, and thus nothing to encrypt.

use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::clock::Ids;

// Tags of DER (X.690).
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT: u8 = 0x06;
const BMP_TEXT: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] EXPLICIT`.
const CONTENT: u8 = 0xa0;

// Object identifiers, encoded.
/// 1.2.840.113549.1.7.1, RFC 5652.
const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
/// 1.2.840.113549.1.12.10.1.3, RFC 7292, appendix D.
const CERTIFICATE_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";
/// 1.2.840.113549.1.9.22.1, RFC 2985.
const X509_CERTIFICATE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";
/// 1.2.840.113549.1.9.20, RFC 2985.
const FRIENDLY_NAME: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14";
/// 2.16.840.1.113894.746875.1.1: what Java asks of an entry that it is to trust.
const TRUSTED_KEY_USAGE: &[u8] = b"\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01\x01";
/// 2.5.29.37.0, RFC 5280.
const ANY_USAGE: &[u8] = b"\x55\x1d\x25\x00";
/// 2.16.840.1.101.3.4.2.1.
const SHA_256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";

/// How often the password is hashed: as often as Java does it.
const ITERATIONS: u16 = 10_000;
const SALT_BYTES: usize = 20;

/// Certificates, each by its name, in a store with this password.
pub(super) fn store<'a>(
    certificates: impl Iterator<Item = (String, &'a CertificateDer<'a>)>,
    password: &str,
    ids: &Ids,
) -> Vec<u8> {
    let bags: Vec<_> = certificates.map(|(name, certificate)| bag(&name, certificate)).collect();
    let bags: Vec<_> = bags.iter().map(Vec::as_slice).collect();
    let safe = der(SEQUENCE, &[&data(&der(SEQUENCE, &bags))]);
    let salt: [u8; SALT_BYTES] = ids.bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(&mac_key(password, salt)).expect("a key may have any length");
    mac.update(&safe);
    let mac = der(
        SEQUENCE,
        &[
            &der(
                SEQUENCE,
                &[
                    &der(SEQUENCE, &[&der(OBJECT, &[SHA_256]), &der(NULL, &[])]),
                    &der(OCTETS, &[&mac.finalize().into_bytes()]),
                ],
            ),
            &der(OCTETS, &[&salt]),
            &der(INTEGER, &[&ITERATIONS.to_be_bytes()]),
        ],
    );
    der(SEQUENCE, &[&der(INTEGER, &[&[3]]), &data(&safe), &mac])
}

/// `ContentInfo` of type `data`.
fn data(content: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&der(OBJECT, &[DATA]), &der(CONTENT, &[&der(OCTETS, &[content])])])
}

/// `SafeBag` with a certificate.
fn bag(name: &str, certificate: &CertificateDer<'_>) -> Vec<u8> {
    let attribute = |kind, value: &[u8]| der(SEQUENCE, &[&der(OBJECT, &[kind]), &der(SET, &[value])]);
    let mut attributes = [
        attribute(FRIENDLY_NAME, &der(BMP_TEXT, &[&utf16(name)])),
        attribute(TRUSTED_KEY_USAGE, &der(OBJECT, &[ANY_USAGE])),
    ];
    // The order that DER demands of a set.
    attributes.sort_unstable();
    let certificate =
        der(SEQUENCE, &[&der(OBJECT, &[X509_CERTIFICATE]), &der(CONTENT, &[&der(OCTETS, &[certificate])])]);
    der(
        SEQUENCE,
        &[
            &der(OBJECT, &[CERTIFICATE_BAG]),
            &der(CONTENT, &[&certificate]),
            &der(SET, &attributes.each_ref().map(Vec::as_slice)),
        ],
    )
}

/// One element: its tag, its length, and its parts one behind the other.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let bytes = &bytes[length.leading_zeros() as usize / 8..];
    let mut element = vec![tag];
    // A length up to 127 is one byte; before a longer one stands how many bytes it has.
    if length > 0x7f {
        element.push(0x80 | bytes.len() as u8);
    }
    element.extend_from_slice(if bytes.is_empty() { &[0] } else { bytes });
    element.extend(parts.iter().copied().flatten());
    element
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The key of the MAC (RFC 7292, appendix B.2, with SHA-256): one block of the hash is just as long as it.
fn mac_key(password: &str, salt: [u8; SALT_BYTES]) -> [u8; 32] {
    /// Bytes that the hash takes at a time.
    const BLOCK: usize = 64;
    /// What the key is for.
    const MAC: u8 = 3;
    let filled =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().cycle().take(bytes.len().next_multiple_of(BLOCK)).collect() };
    // The password ends with a zero.
    let password = [utf16(password), vec![0, 0]].concat();
    let mut key = Sha256::digest([vec![MAC; BLOCK], filled(&salt), filled(&password)].concat());
    for _ in 1..ITERATIONS {
        key = Sha256::digest(key);
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};

    fn certificate() -> CertificateDer<'static> {
        rcgen::generate_simple_self_signed(["qrstack.example".to_owned()]).expect("made").cert.der().clone()
    }

    #[test]
    fn another_reader_finds_the_certificates_by_their_names() {
        // So many that the length of a part of it has three bytes.
        let certificates: Vec<_> = (0..300).map(|number| (format!("name{number}"), certificate())).collect();
        for password in ["changeit", "pass wörd 密码"] {
            let named = certificates.iter().map(|(name, certificate)| (name.clone(), certificate));
            let bytes = store(named, password, &Ids::system());
            let read = |password| KeyStore::from_pkcs12(&bytes, password, Pkcs12ImportPolicy::Strict);
            let found = read(password).unwrap_or_else(|error| panic!("{password}: {error}"));
            assert_eq!(found.entries_len(), certificates.len());
            for (name, certificate) in &certificates {
                let Some(KeyStoreEntry::Certificate(found)) = found.entry(name) else { panic!("{name}") };
                assert_eq!(found.as_der(), certificate.as_ref());
            }
            assert!(read("another").is_err());
        }
    }

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        let head = |length: usize| der(OCTETS, &[&vec![0; length]])[1..][..4].to_vec();
        assert_eq!(der(OCTETS, &[]), [OCTETS, 0]);
        assert_eq!(head(0x7f)[0], 0x7f);
        assert_eq!(head(0x80)[..2], [0x81, 0x80]);
        assert_eq!(head(0x100)[..3], [0x82, 1, 0]);
        assert_eq!(head(0x1_0000), [0x83, 1, 0, 0]);
    }
}
