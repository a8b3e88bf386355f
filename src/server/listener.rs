//! The accept loop: connections in, answers out, until the server is told to stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::intake::Peer;

/// How long a client may take for the head of a request, and leave a connection idle before the next one.
const HEAD: Duration = Duration::from_secs(30);
/// How long to wait where the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// A bound listener that does not accept yet.
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

/// Binds `address`; port 0 picks a free one.
///
/// # Errors
/// The system's, where the address cannot be had.
pub async fn bind(address: SocketAddr) -> io::Result<Listener> {
    let inner = TcpListener::bind(address).await?;
    let address = inner.local_addr()?;
    Ok(Listener { inner, address })
}

impl Listener {
    /// The address with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop`, then lets requests under way finish within `drain`.
    pub async fn serve(self, router: Router, stop: CancellationToken, drain: Duration) {
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.inner.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => serve_connection(stream, peer, router.clone(), &connections),
                Err(error) => {
                    // Out of file descriptors, or a connection that is gone already: neither ends the server.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(NO_ROOM).await;
                }
            }
        }
        drop(self.inner);
        if tokio::time::timeout(drain, connections.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way when drain_timeout ended");
        }
    }
}

fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, connections: &GracefulShutdown) {
    // Small answers are not held back for more to come.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        // Some clients close their side once they have sent everything.
        .half_close(true)
        // As the vendors' servers write them; no client may care, some naive ones do.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let watched = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
