//! Picture hosts on loopback that follow a script and count who comes, and the three doors that fetch pictures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use qrstack::signing::percent_encode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, Server, request};

/// What a host does once it has read the head of a request.
pub enum Act {
    /// Writes this and closes.
    Say(Vec<u8>),
    /// Writes this and stays silent, until the other side closes.
    Hang(Vec<u8>),
    /// Writes the first, then the second again and again, until the other side closes.
    Repeat(Vec<u8>, Vec<u8>),
    /// Writes the first, then a byte now and then, until the other side closes.
    Drip(Vec<u8>),
}

/// A host.
pub struct Canary {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Canary {
    /// Listens on a free port of `ip`; `script` gets path and query of each request.
    pub async fn start(ip: &str, script: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("bound");
        let (address, accepted) = (listener.local_addr().expect("an address"), Arc::<AtomicUsize>::default());
        let (count, script) = (Arc::clone(&accepted), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                // A client that leaves ends the script.
                tokio::spawn(async move { serve(stream, &*script).await });
            }
        });
        Self { address, accepted }
    }

    /// One that answers everything with a text, as long as nobody should come.
    pub async fn silent(ip: &str) -> Self {
        Self::start(ip, |_| Act::Say(ok("text/plain", b"reached"))).await
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections until here.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, script: &(impl Fn(&str) -> Act + Sync)) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            length => head.extend_from_slice(&buffer[..length]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    match script(head.split(' ').nth(1).unwrap_or_default()) {
        Act::Say(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Act::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            stream.read(&mut [0]).await.map(drop)
        }
        Act::Repeat(first, again) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(&again).await?;
            }
        }
        Act::Drip(first) => {
            stream.write_all(&first).await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// A whole answer with status 200.
pub fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Doors that fetch pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Wechat,
    TencentOcr,
    CliIm,
}

impl Door {
    pub const ALL: [Self; 3] = [Self::Wechat, Self::TencentOcr, Self::CliIm];

    /// The code where a picture cannot be downloaded.
    pub fn no_download(self) -> &'static str {
        match self {
            Self::Wechat => "101000",
            Self::TencentOcr => "FailedOperation.DownLoadError",
            Self::CliIm => "1031",
        }
    }

    /// The code where a text is no address at all.
    pub fn no_address(self) -> &'static str {
        match self {
            Self::Wechat => "101000",
            Self::TencentOcr => "InvalidParameterValue.InvalidParameterValueLimit",
            Self::CliIm => "400",
        }
    }

    /// The code where bytes are no picture.
    pub fn no_picture(self) -> &'static str {
        match self {
            Self::Wechat => "101002",
            Self::TencentOcr => "FailedOperation.ImageDecodeFailed",
            Self::CliIm => "1032",
        }
    }

    /// Asks a server that wants no credentials for the codes behind an address.
    pub async fn fetch(self, server: &Server, address: &str) -> Answer {
        let request = match self {
            Self::Wechat => {
                let target = format!("/cv/img/qrcode?img_url={}", percent_encode(address));
                request(Method::GET, &target, &[], "")
            }
            Self::TencentOcr => {
                let headers = [
                    ("X-TC-Action", "QrcodeOCR"),
                    ("X-TC-Version", "2018-11-19"),
                    ("X-TC-Region", "ap-guangzhou"),
                    ("Content-Type", "application/json"),
                ];
                request(Method::POST, "/", &headers, json!({ "ImageUrl": address }).to_string())
            }
            Self::CliIm => request(Method::POST, "/api/v1/qrcode/scan_url", &[], json!({ "url": address }).to_string()),
        };
        server.send(request).await
    }
}

/// A server that wants no credentials and fetches pictures from what `allow` names besides public addresses.
pub async fn open_server(allow: &str) -> Server {
    Server::with(&[("auth", "open"), ("fetch_allow", allow)]).await
}

/// The value of a line of the metrics page, 0 where it is not there.
pub async fn metric(server: &Server, name: &str) -> u64 {
    let page = server.get("/_qrstack/metrics").await;
    let line = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().expect("a count"))
}

/// A TLS host whose certificate is its own work and was valid for a day.
pub fn untrusted() -> SocketAddr {
    use base64::Engine;
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    let decode = |text: &str| base64::prelude::BASE64_STANDARD.decode(text.replace(['\n', ' '], "")).expect("base64");
    let certificate = CertificateDer::from(decode(
        "MIIBjjCCATOgAwIBAgITZq/r/nlOGNyw5zN0OEG0FDerhTAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwHhcNMjYxMTIyMDA0MjAw
         WhcNMjYxMTIzMDA0MjAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS8kpcEoFD2+y+ixfaOwK0iNHyT
         +O6dbtqHwgajW5Olvkast824jmFjM8vJ1SEShnYFUIOExyHzHtQEhpAGU3l7o2QwYjAdBgNVHQ4EFgQU/w1jIP2AHmVnbOt+9sBYum0GhAEwHwYD
         VR0jBBgwFoAU/w1jIP2AHmVnbOt+9sBYum0GhAEwDwYDVR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYCIQDL
         NhlaKaBe0KN19UyGoD7+jdNK++94rmcfBFS7HbqXnQIhAJZxOjnZH7C+zO4sdH5giyaBx3FYcJ5e5EWqp1OlVi4B",
    ));
    let key = PrivatePkcs8KeyDer::from(decode(
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJ++1orTB4kiYsq/idL52DJzwxuQzsG+XNW/CzNjZQU2hRANCAAS8kpcEoFD2+y+i
         xfaOwK0iNHyT+O6dbtqHwgajW5Olvkast824jmFjM8vJ1SEShnYFUIOExyHzHtQEhpAGU3l7",
    ));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .expect("a pair");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            let mut head = [0; 1024];
            // Nobody may send a request through it.
            assert!(std::io::Read::read(&mut tls, &mut head).is_err(), "a request came through");
        }
    });
    address
}
