//! The accept loop: connections in, answers out, until the server is told to stop. What happens on one connection is
//! `connection/`.

use std::convert::Infallible;
use std::future::ready;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{Extensions, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower::util::Oneshot;

use super::attend::NOBODYS;
use super::connection::{self, Connection, Deadlines, Refusal};
use super::damage::Reset;
use super::{App, Gate, spelling};
use crate::config::Config;
use crate::intake::{Bound, Peer};
use crate::metrics::Metrics;

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

    /// Serves `app` until `stop`: then `readyz` says no, after `drain_delay` nobody new is let in, and requests under way
    /// finish within `drain_timeout`.
    pub async fn serve(self, app: App, stop: CancellationToken) {
        let (config, journal) = (app.shared.config().clone(), app.shared.journal().clone());
        let connections = GracefulShutdown::new();
        let house = House::new(app, &config, self.address).await;
        let until = async {
            stop.cancelled().await;
            house.gate.stop();
            // Who follows the journal would follow it for ever.
            journal.end();
            tokio::time::sleep(config.drain_delay).await;
        };
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => break,
                (stream, peer, place) = house.next(&self.inner) => house.serve(stream, peer, place, &connections),
            }
        }
        drop(self.inner);
        if tokio::time::timeout(config.drain_timeout, connections.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way when drain_timeout ended");
        }
    }
}

/// What all connections share.
struct House {
    bound: Bound,
    router: Router,
    metrics: Metrics,
    gate: Gate,
    deadlines: Deadlines,
    /// What every answer carries for the names of its headers.
    spelling: Extensions,
    places: Arc<Semaphore>,
    /// Told, once for each connection that finds no place, so that an idle one leaves.
    crowd: Arc<Notify>,
}

impl House {
    async fn new(app: App, config: &Config, bound: SocketAddr) -> Self {
        Self {
            bound: Bound(bound),
            router: app.router,
            metrics: app.shared.metrics().clone(),
            gate: app.gate,
            deadlines: Deadlines {
                head: config.head_timeout,
                idle: config.idle_timeout,
                body: config.body_timeout,
                write: config.write_timeout,
            },
            spelling: spelling::learn(super::VENDORS.iter().flat_map(|vendor| vendor.header_names).copied()).await,
            places: Arc::new(Semaphore::new(config.max_connections)),
            crowd: Arc::default(),
        }
    }

    /// The next connection, once there is a place for it.
    async fn next(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let (stream, peer) = loop {
            match listener.accept().await {
                Ok(accepted) => break accepted,
                // The client is gone already.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Out of file descriptors: that does not end the server, and passes once connections end.
                    if self.gate.room(false) {
                        tracing::warn!(%error, "connections cannot be accepted for now");
                    }
                    tokio::time::sleep(NO_ROOM).await;
                }
            }
        };
        let place = if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            place
        } else {
            if self.gate.room(false) {
                tracing::warn!("max_connections is reached; idle connections are closed, new ones wait");
            }
            self.crowd.notify_one();
            Arc::clone(&self.places).acquire_owned().await.expect("the places are never closed")
        };
        if self.gate.room(true) {
            tracing::info!("connections are accepted again");
        }
        (stream, peer, place)
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit, connections: &GracefulShutdown) {
        // Small answers are not held back for more to come.
        let _ = stream.set_nodelay(true);
        let connection = Connection::new(stream, self.deadlines, Arc::clone(&self.crowd));
        let (router, metrics, gate) = (self.router.clone(), self.metrics.clone(), self.gate.clone());
        let (spelling, link, bound) = (self.spelling.clone(), connection.link(), self.bound);
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (gate, spelling, link) = (gate.clone(), spelling.clone(), Arc::clone(&link));
            let answer = match link.refusal() {
                Some(refusal) => Either::Left(ready(Ok(refuse(refusal, peer, &metrics)))),
                None => Either::Right(ask(router.clone(), request, peer, bound)),
            };
            async move {
                let mut response = answer.await?;
                if response.extensions().get::<Reset>().is_some() {
                    link.reset();
                }
                if link.is_unread() || gate.is_stopping() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response.extensions_mut().extend(spelling);
                Ok::<_, Infallible>(response)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            // Heads have their deadline in `connection`.
            .header_read_timeout(None)
            .max_buf_size(connection::BUFFER)
            // Some clients close their side once they have sent everything.
            .half_close(true)
            // As the vendors' servers write them, but for what `spelling` knows.
            .title_case_headers(true)
            .serve_connection(TokioIo::new(connection), service);
        let watched = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
}

fn ask(router: Router, request: Request<Incoming>, peer: SocketAddr, bound: Bound) -> Oneshot<Router, Request> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    request.extensions_mut().insert(bound);
    router.oneshot(request)
}

/// The answer to what is no request: nobody's, since it is not known whose it would have been.
fn refuse(refusal: Refusal, peer: SocketAddr, metrics: &Metrics) -> Response {
    let (status, why) = refusal.answer();
    tracing::info!(provider = NOBODYS, status = status.as_u16(), %peer, why, "refused");
    metrics.answered(NOBODYS, "refused", status.as_str(), Duration::ZERO);
    let headers = [
        (CONNECTION, HeaderValue::from_static("close")),
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
    ];
    (status, headers, format!("{why}\n")).into_response()
}
