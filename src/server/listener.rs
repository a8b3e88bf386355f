//! The accept loop: connections in, answers out, until the server is told to stop. What happens on one connection is
//! `connection/`.

use std::convert::Infallible;
use std::future::ready;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attend::NOBODYS;
use super::connection::{self, Connection, Deadlines, Link, Transport};
use super::damage::Reset;
use super::proxy::{self, Route, Speech};
use super::spelling::Spelling;
use super::{App, Front, Gate, handshake};
use crate::config::Config;
use crate::intake::{Bound, Peer};
use crate::metrics::Metrics;
use crate::tls::Tls;

/// How long to wait where the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// Bound listeners that do not accept yet.
pub struct Listener {
    plain: Socket,
    tls: Option<Socket>,
}

struct Socket {
    inner: TcpListener,
    address: SocketAddr,
}

/// Binds `address`; port 0 picks a free one.
///
/// # Errors
/// The system's, where the address cannot be had.
pub async fn bind(address: SocketAddr) -> io::Result<Listener> {
    Ok(Listener { plain: Socket::new(address).await?, tls: None })
}

impl Socket {
    async fn new(address: SocketAddr) -> io::Result<Self> {
        let inner = TcpListener::bind(address).await?;
        let address = inner.local_addr()?;
        Ok(Self { inner, address })
    }
}

impl Listener {
    /// Binds a second address, where TLS is spoken; without certificates ([`App::with_tls`]) nobody is served there.
    ///
    /// # Errors
    /// As [`bind`].
    pub async fn and_tls(self, address: SocketAddr) -> io::Result<Self> {
        Ok(Self { tls: Some(Socket::new(address).await?), ..self })
    }

    /// The address with the real port.
    pub fn address(&self) -> SocketAddr {
        self.plain.address
    }

    /// The address where TLS is spoken, with the real port.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(|socket| socket.address)
    }

    /// Serves `app` until `stop`: then `readyz` says no, after `drain_delay` nobody new is let in, and requests under way
    /// finish within `drain_timeout`.
    pub async fn serve(self, app: App, stop: CancellationToken) {
        let (config, journal) = (app.shared.config().clone(), app.shared.journal().clone());
        let house = Arc::new(House::new(app, &config).await);
        let until = async {
            stop.cancelled().await;
            house.gate.stop();
            // Who follows the journal would follow it for ever.
            journal.end();
            tokio::time::sleep(config.drain_delay).await;
        };
        let secure = async {
            match (&self.tls, &house.tls) {
                (Some(socket), Some(tls)) => house.accept(socket, Some(tls)).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = until => {}
            () = house.accept(&self.plain, None) => {}
            () = secure => {}
        }
        drop(self);
        house.drain.cancel();
        house.tasks.close();
        if tokio::time::timeout(config.drain_timeout, house.tasks.wait()).await.is_err() {
            tracing::warn!("requests were still under way when drain_timeout ended");
        }
    }
}

/// What all connections share.
struct House {
    front: Front,
    metrics: Metrics,
    gate: Gate,
    deadlines: Deadlines,
    spelling: Spelling,
    tls: Option<Tls>,
    /// Host names of ours beside those of the connection itself.
    public_hosts: Vec<String>,
    /// Cancelled once nobody new is let in: connections end with what is under way.
    drain: CancellationToken,
    /// All connections.
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    /// Told, once for each connection that finds no place, so that an idle one leaves.
    crowd: Arc<Notify>,
}

impl House {
    async fn new(app: App, config: &Config) -> Self {
        Self {
            front: app.front,
            metrics: app.shared.metrics().clone(),
            gate: app.gate,
            deadlines: Deadlines {
                head: config.head_timeout,
                idle: config.idle_timeout,
                body: config.body_timeout,
                write: config.write_timeout,
            },
            spelling: Spelling::of(
                &super::VENDORS.iter().flat_map(|vendor| vendor.header_names).copied().collect::<Vec<_>>(),
            )
            .await,
            tls: app.tls,
            public_hosts: config.public_hosts.clone(),
            drain: CancellationToken::new(),
            tasks: TaskTracker::new(),
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

    /// Takes connections for ever, with TLS on them where that is given.
    async fn accept(self: &Arc<Self>, socket: &Socket, tls: Option<&Tls>) {
        let bound = Bound(socket.address);
        loop {
            let (stream, peer, place) = self.next(&socket.inner).await;
            // Small answers are not held back for more to come.
            let _ = stream.set_nodelay(true);
            let ours = stream.local_addr().ok().map(|address| address.ip().to_canonical());
            let visitor = Visitor { peer, bound, ours, outer: None, _place: Arc::new(place) };
            match tls {
                None => self.tasks.spawn(Arc::clone(self).converse(stream, visitor)),
                Some(tls) => self.tasks.spawn(Arc::clone(self).greet(stream, visitor, tls.clone())),
            };
        }
    }

    /// Speaks TLS from here on. The handshake has the time of a head.
    async fn greet<T: Transport>(self: Arc<Self>, stream: T, visitor: Visitor, tls: Tls) {
        let greeted = tokio::select! {
            greeted = tokio::time::timeout(self.deadlines.head, handshake::accept(stream, &tls)) => greeted,
            () = self.drain.cancelled() => return,
        };
        let peer = visitor.peer;
        match greeted {
            Ok(Ok(stream)) => self.converse(stream, visitor).await,
            Ok(Err(error)) => tracing::info!(provider = NOBODYS, %peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::info!(provider = NOBODYS, %peer, "a TLS handshake did not come to an end in time"),
        }
    }

    /// Answers the requests of a connection.
    async fn converse<T: Transport>(self: Arc<Self>, stream: T, visitor: Visitor) {
        let connection = Connection::new(stream, self.deadlines, Arc::clone(&self.crowd));
        let link = connection.link();
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            let (house, link, outer) = (Arc::clone(&self), Arc::clone(&link), visitor.outer.clone());
            let answer = match link.refusal() {
                Some(refusal) => Either::Left(ready(refuse(refusal.answer(), visitor.peer, &self.metrics))),
                None => match self.divert(&mut request, &visitor, &link) {
                    Some(answer) => Either::Left(ready(answer)),
                    None => Either::Right(ask(&self.front, request, &visitor)),
                },
            };
            async move {
                let mut response = answer.await;
                if response.extensions().get::<Reset>().is_some() {
                    link.reset();
                    if let Some(outer) = outer {
                        outer.reset();
                    }
                }
                if link.is_unread() || house.gate.is_stopping() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                house.spelling.spell(&mut response);
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
            .serve_connection(TokioIo::new(connection), service)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// Opens tunnels, and answers everything else that is meant for another server; nothing where a request is for us.
    fn divert(
        self: &Arc<Self>,
        request: &mut Request<Incoming>,
        visitor: &Visitor,
        link: &Arc<Link>,
    ) -> Option<Response> {
        let refused = match proxy::route(request, visitor.ours, &self.public_hosts) {
            Route::Here => return None,
            Route::Tunnel(_) if visitor.outer.is_some() => proxy::NESTED,
            Route::Tunnel(Speech::Tls) if self.tls.is_none() => proxy::NO_TLS,
            Route::Tunnel(speech) => {
                let upgrade = hyper::upgrade::on(request);
                let visitor = Visitor { outer: Some(Arc::clone(link)), ..visitor.clone() };
                self.tasks.spawn(Arc::clone(self).tunnel(upgrade, speech, visitor));
                return Some(StatusCode::OK.into_response());
            }
            Route::Refused(why) => why,
        };
        Some(self.refuse(refused, visitor))
    }

    fn refuse(&self, why: &'static str, visitor: &Visitor) -> Response {
        refuse((StatusCode::FORBIDDEN, why), visitor.peer, &self.metrics)
    }

    /// Serves what comes through a tunnel as if the client had reached us by name: nothing is dialled. Boxed, since a
    /// connection may hold a tunnel, which is a connection.
    fn tunnel(
        self: Arc<Self>,
        upgrade: OnUpgrade,
        speech: Speech,
        visitor: Visitor,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let stream = match upgrade.await {
                Ok(upgraded) => TokioIo::new(upgraded),
                Err(error) => return tracing::debug!(%error, "a tunnel did not come about"),
            };
            match (speech, self.tls.clone()) {
                (Speech::Tls, Some(tls)) => self.greet(stream, visitor, tls).await,
                (Speech::Tls, None) => {}
                (Speech::Plain, _) => self.converse(stream, visitor).await,
            }
        })
    }
}

/// Who is at the other end of a connection.
#[derive(Clone)]
struct Visitor {
    peer: SocketAddr,
    /// What the listener is bound to.
    bound: Bound,
    /// The address of ours that it reached.
    ours: Option<IpAddr>,
    /// The connection that carries it, where it came through a tunnel; there is no tunnel within that.
    outer: Option<Arc<Link>>,
    /// Given back once the connection and the tunnel in it are over.
    _place: Arc<OwnedSemaphorePermit>,
}

fn ask(front: &Front, request: Request<Incoming>, visitor: &Visitor) -> impl Future<Output = Response> + use<> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(visitor.peer));
    request.extensions_mut().insert(visitor.bound);
    front.answer(request)
}

/// The answer to what is no request, or none for us: nobody's, since it is not known whose it would have been.
fn refuse((status, why): (StatusCode, &'static str), peer: SocketAddr, metrics: &Metrics) -> Response {
    tracing::info!(provider = NOBODYS, status = status.as_u16(), %peer, why, "refused");
    metrics.answered(NOBODYS, "refused", status.as_str(), Duration::ZERO);
    let headers = [
        (CONNECTION, HeaderValue::from_static("close")),
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
    ];
    (status, headers, format!("{why}\n")).into_response()
}
