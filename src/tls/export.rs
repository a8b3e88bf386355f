//! Certificates as clients take them in.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry};
use rustls::pki_types::CertificateDer;

/// What Java expects a trust store to be locked with. It keeps nothing secret: there are certificates in it, no keys.
pub const PASSWORD: &str = "changeit";

/// PEM (RFC 7468), with a line break at its end.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for at in (0..text.len()).step_by(64) {
        pem.extend([&text[at..text.len().min(at + 64)], "\n"]);
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// A PKCS#12 trust store that Java reads.
///
/// # Errors
/// Where a certificate is none, or the password has characters that the format cannot hold.
pub fn pkcs12(certificates: &[CertificateDer<'_>], password: &str) -> Result<Vec<u8>, p12_keystore::error::Error> {
    let mut store = KeyStore::new();
    for (number, certificate) in certificates.iter().enumerate() {
        let name = if number == 0 { "qrstack".to_owned() } else { format!("machine{number}") };
        store.add_entry(&name, KeyStoreEntry::Certificate(Certificate::from_der(certificate)?));
    }
    store.writer(password).write()
}

/// The certificates that this machine trusts, as far as they can be read.
pub fn machine() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(%error, "a certificate of this machine cannot be read");
    }
    found.certs
}

/// `ours`, then what this machine trusts besides: a bundle takes the place of the machine's own, and must not lose it.
pub fn bundle(ours: &CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
    let mut all = vec![ours.clone()];
    for certificate in machine() {
        // Where a bundle of ours is what the machine trusts already.
        if certificate != *ours {
            all.push(certificate);
        }
    }
    all
}
