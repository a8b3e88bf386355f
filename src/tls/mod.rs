//! TLS by name: the certificate authority of this installation, certificates that it makes for the vendors' names as they
//! are asked for, or certificates that the operator gave instead.
//!
//! | room | holds |
//! |---|---|
//! | `authority.rs` | the authority: made once, kept in the data folder, replaced by `qrstack ca rotate` |
//! | `leaves.rs` | certificates by name, made when they are asked for and kept for a while |
//! | `export.rs` | certificates as clients take them in: PEM, PKCS#12, together with those that the machine trusts |
//!
//! No vendor is named here: the names come in as [`Domain`]s. Certificates follow the system's clock and not the one that
//! tests set: it is the client's clock that judges them, and a handshake is no part of any vendor's contract.

mod authority;
pub mod export;
mod leaves;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use thiserror::Error;

pub use authority::{Authority, Keeper};

use crate::domains::Domain;
use leaves::Leaves;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: {what}", path.display())]
    Content {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// Key and certificate do not go together, or are of a kind that is not spoken.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// What a listener needs for TLS; clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    domains: Vec<Domain>,
    config: Arc<ServerConfig>,
    /// None where the operator gave a certificate.
    keeper: Option<Arc<Keeper>>,
}

impl Tls {
    /// Certificates made by the authority that `keeper` has, for names of `domains` alone.
    ///
    /// # Errors
    /// Where the library does not take what it is given.
    pub fn minted(keeper: Keeper, domains: Vec<Domain>) -> Result<Self, TlsError> {
        let keeper = Arc::new(keeper);
        let config = config(Arc::new(Leaves::new(Arc::clone(&keeper), domains.clone())))?;
        Ok(Self(Arc::new(Inner { domains, config, keeper: Some(keeper) })))
    }

    /// The operator's own certificate with the chain below it, and its key, both PEM; it is shown whatever name is asked for.
    ///
    /// # Errors
    /// Where the files cannot be read or do not go together.
    pub fn given(certificate: &Path, key: &Path, domains: Vec<Domain>) -> Result<Self, TlsError> {
        let wrong = |path: &Path| {
            let path = path.to_owned();
            |error: rustls::pki_types::pem::Error| match error {
                rustls::pki_types::pem::Error::Io(source) => TlsError::File { path, source },
                error => TlsError::Content { path, what: error.to_string() },
            }
        };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(wrong(certificate))?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong(certificate))?;
        if chain.is_empty() {
            return Err(TlsError::Content {
                path: certificate.to_owned(),
                what: "there is no certificate in it".to_owned(),
            });
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(wrong(key))?;
        let shown = Arc::new(CertifiedKey::from_der(chain, key, &provider())?);
        Ok(Self(Arc::new(Inner { domains, config: config(Arc::new(Shown(shown)))?, keeper: None })))
    }

    /// Whether a client that asks for `name`, or for none, is to be answered.
    ///
    /// Without a name there is no telling whom the client wants: it gets the certificate for `localhost` and the addresses
    /// of loopback, which is of use to those alone that were pointed there.
    pub fn answers(&self, name: Option<&str>) -> bool {
        self.0.keeper.is_none() || name.is_none_or(|name| is_local(name) || self.covers(name))
    }

    /// Whether `name` is one of a vendor's.
    pub fn covers(&self, name: &str) -> bool {
        self.0.domains.iter().any(|domain| domain.matches(name))
    }

    /// For handshakes.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.config)
    }

    /// The authority as it is at this moment; none where the operator gave a certificate.
    pub fn authority(&self) -> Option<Arc<Authority>> {
        self.0.keeper.as_ref().map(|keeper| keeper.current())
    }
}

/// Whether a name is this machine's for itself.
fn is_local(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The one set of algorithms of this program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// HTTP/1.1 is all that is spoken: no client of these APIs needs more, and what is not offered cannot be abused.
fn config(certificates: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// One certificate for everybody.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
