//! One request on a connection of its own, to addresses that the caller has chosen: no look-up, no pool, no proxy, no
//! redirect.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{ACCEPT, HOST, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Position, Url};

use super::{FetchError, chain};

/// How long an address is tried before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// What all requests have in common.
pub(super) struct Client {
    /// Whom we trust.
    pub(super) tls: Arc<ClientConfig>,
    /// How long a host may take to connect, to begin its answer, and pause within.
    pub(super) idle: Duration,
}

/// The head of an answer, and its body as it arrives; the connection ends with it.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    idle: Duration,
    _connection: AbortOnDropHandle<()>,
}

impl Client {
    /// Sends `request`, which needs neither address nor host, to `url` at the first of `addresses` that accepts.
    ///
    /// # Errors
    /// [`FetchError::TooSlow`] and [`FetchError::Unreachable`].
    pub(super) async fn send(
        &self,
        url: &Url,
        addresses: &[SocketAddr],
        mut request: Request<Body>,
    ) -> Result<Answer, FetchError> {
        *request.uri_mut() = Uri::try_from(&url[Position::BeforePath..Position::AfterQuery]).map_err(unreachable)?;
        // A port is left out where it is the scheme's.
        let host = HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort]).map_err(unreachable)?;
        request.headers_mut().extend([
            (HOST, host),
            (ACCEPT, HeaderValue::from_static("*/*")),
            (USER_AGENT, HeaderValue::from_static(concat!("qrstack/", env!("CARGO_PKG_VERSION")))),
        ]);
        let connected = timeout(self.idle, self.connect(url, addresses)).await.map_err(|_| FetchError::TooSlow)?;
        let stream = TokioIo::new(connected.map_err(unreachable)?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(unreachable)?;
        // What is wrong with the connection, the answer says as well.
        let connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
        let answer = timeout(self.idle, sender.send_request(request)).await.map_err(|_| FetchError::TooSlow)?;
        let (head, body) = answer.map_err(unreachable)?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body, idle: self.idle, _connection: connection })
    }

    async fn connect(
        &self,
        url: &Url,
        addresses: &[SocketAddr],
    ) -> io::Result<Either<TcpStream, tokio_rustls::client::TlsStream<TcpStream>>> {
        let stream = dial(addresses).await?;
        if url.scheme() != "https" {
            return Ok(Either::Left(stream));
        }
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(io::Error::other)?,
            Some(Host::Ipv4(ip)) => ServerName::from(std::net::IpAddr::from(ip)),
            Some(Host::Ipv6(ip)) => ServerName::from(std::net::IpAddr::from(ip)),
            None => return Err(io::Error::other("no host")),
        };
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map(Either::Right)
    }
}

/// A connection to the first of `addresses` that accepts. The next one is tried as soon as one refuses, and beside it
/// where it only takes its time.
async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let (mut waiting, mut attempts) = (addresses.iter(), FuturesUnordered::new());
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        attempts.extend(waiting.next().map(|address| TcpStream::connect(*address)));
        match timeout(HEAD_START, attempts.next()).await {
            Ok(Some(Ok(stream))) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Some(Err(error))) => refused = error,
            Ok(None) => return Err(refused),
            Err(_) => {}
        }
    }
}

impl Answer {
    /// How many bytes the body has, where the head says it.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes of the body; none at its end.
    ///
    /// # Errors
    /// [`FetchError::TooSlow`] and [`FetchError::Unreachable`].
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            let Some(frame) = timeout(self.idle, frame).await.map_err(|_| FetchError::TooSlow)? else {
                return Ok(None);
            };
            // What is no data are trailers.
            if let Ok(bytes) = frame.map_err(unreachable)?.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

fn unreachable(error: impl std::error::Error) -> FetchError {
    FetchError::Unreachable(chain(&error))
}
