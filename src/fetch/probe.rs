//! What `qrstack doctor` asks: whether a server is there, and whom a TLS handshake shows. The operator asks, so the guard
//! does not apply, and nothing comes back but the outcome.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::DATE;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{FetchError, chain, tls_config, unreachable_or_slow};

/// The end of a head, and how long the one of a proxy's answer may be.
const END: &[u8] = b"\r\n\r\n";
const MAX_HEAD: usize = 8 << 10;

/// How a host is reached.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// At an address.
    Direct(SocketAddr),
    /// By `CONNECT` to port 443, through a proxy at `host:port`.
    Proxy(&'a str),
}

/// The moment that a server names in its answers, as HTTP writes it.
///
/// # Errors
/// Where there is no answer within `patience`, or no date in it.
pub async fn date(address: &str, patience: Duration) -> Result<String, FetchError> {
    let tls = tls_config().map_err(|error| FetchError::Unreachable(chain(&error)))?;
    let client = reqwest::Client::builder().no_proxy().timeout(patience).tls_backend_preconfigured(tls).build();
    let client = client.map_err(|error| FetchError::Unreachable(chain(&error)))?;
    let answer = client.get(address).send().await.map_err(unreachable_or_slow)?;
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    date.map(str::to_owned).ok_or_else(|| FetchError::Unreachable("there is no date in the answer".to_owned()))
}

/// Shakes hands with the host `name`, of which `authority` must vouch.
///
/// # Errors
/// Where the host is not reached within `patience`, or shows a certificate that is not trusted.
pub async fn greet(
    way: Way<'_>,
    name: &str,
    authority: &CertificateDer<'static>,
    patience: Duration,
) -> Result<(), FetchError> {
    let mut roots = RootCertStore::empty();
    let unreachable = |error: &dyn std::error::Error| FetchError::Unreachable(chain(error));
    roots.add(authority.clone()).map_err(|error| unreachable(&error))?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.map_err(|error| unreachable(&error))?.with_root_certificates(roots).with_no_client_auth();
    let host = ServerName::try_from(name.to_owned()).map_err(|error| unreachable(&error))?;
    let greeting = async {
        let stream = match way {
            Way::Direct(address) => TcpStream::connect(address).await?,
            Way::Proxy(proxy) => tunnel(TcpStream::connect(proxy).await?, name).await?,
        };
        TlsConnector::from(Arc::new(config)).connect(host, stream).await
    };
    match tokio::time::timeout(patience, greeting).await {
        Ok(greeted) => greeted.map(drop).map_err(|error| unreachable(&error)),
        Err(_) => Err(FetchError::TooSlow),
    }
}

/// Asks a proxy for a way to port 443 of the host `name`.
async fn tunnel(mut stream: TcpStream, name: &str) -> io::Result<TcpStream> {
    stream.write_all(format!("CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head is not ours to take.
    while !head.ends_with(END) && head.len() < MAX_HEAD {
        head.push(stream.read_u8().await?);
    }
    let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if status == b"200" {
        Ok(stream)
    } else {
        Err(io::Error::other(format!("the proxy answers {}", String::from_utf8_lossy(status))))
    }
}
