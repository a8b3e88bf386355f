//! Every request that we send out: for remote pictures, and to the callbacks of our users. The only place that names
//! `reqwest`.
//!
//! The way of one address: parsed once; answered by a stand-in if there is one, which opens no socket; else resolved,
//! every address judged (`guard`), and exactly a judged address dialled; the same again at each redirect. A callback has
//! no stand-in, and its redirects are not followed.

mod error;
mod guard;
pub mod probe;
mod resolve;
mod stand_in;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue};
use futures_util::StreamExt;
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, VIA};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::{Host, Url};

pub use error::FetchError;
pub use resolve::{Resolve, Resolving, System};
pub use stand_in::StandIn;

use guard::Guard;
use resolve::Judged;
use stand_in::StandIns;

use crate::clock::Ids;
use crate::config::AllowRule;
use crate::metrics::Metrics;

/// How long a sender may pause.
const IDLE: Duration = Duration::from_secs(2);
/// Memory is taken for this many KiB of a picture at a time.
const PORTION_KIB: u32 = 64;

/// What the caller's vendor grants a remote picture.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Redirects that are followed.
    pub redirects: usize,
    /// Time from the first look-up to the last byte.
    pub total: Duration,
    /// Bytes of the answer.
    pub max_bytes: usize,
}

/// What a callback says.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its status, whichever.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

/// What [`Fetch`] is made of.
pub struct Setup {
    /// Whether other hosts are asked at all.
    pub enabled: bool,
    /// What may be reached besides public addresses.
    pub allow: Vec<AllowRule>,
    /// Pictures that are answered without the network.
    pub stand_ins: HashMap<Url, StandIn>,
    /// Finds the addresses of names.
    pub resolver: Arc<dyn Resolve>,
    /// How long a host may take to accept a connection, and pause while it sends.
    pub idle: Duration,
    /// Memory for all pictures under way at the same time, in MiB.
    pub memory_mib: u32,
    /// Memory for the pictures that [`Fetch::serve`] keeps, in MiB.
    pub served_mib: u32,
    /// Where pictures and failures are counted.
    pub metrics: Metrics,
}

impl Default for Setup {
    /// Public addresses by the system's resolver, within 256 MiB.
    fn default() -> Self {
        Self {
            enabled: true,
            allow: Vec::new(),
            stand_ins: HashMap::new(),
            resolver: Arc::new(System::default()),
            idle: IDLE,
            memory_mib: 256,
            served_mib: 64,
            metrics: Metrics::default(),
        }
    }
}

/// Fetches remote pictures; clones share it.
#[derive(Clone)]
pub struct Fetch(Arc<Inner>);

struct Inner {
    enabled: bool,
    tls: ClientConfig,
    guard: Guard,
    stand_ins: StandIns,
    resolver: Arc<dyn Resolve>,
    idle: Duration,
    memory_kib: Arc<Semaphore>,
    metrics: Metrics,
    /// What every request carries as `Via`, by which we know our own (RFC 9110, section 7.6.3).
    mark: HeaderValue,
}

impl Fetch {
    /// Reaches public addresses and what `setup` allows; its stand-ins are consulted first.
    ///
    /// # Errors
    /// Where TLS cannot be set up at all.
    pub fn new(setup: Setup) -> Result<Self, FetchError> {
        let tls = tls_config().map_err(|error| FetchError::Unreachable(chain(&error)))?;
        // Not from the server's ids: these are random even where answers are to be reproduced.
        let mark = HeaderValue::try_from(format!("1.1 qrstack-{}", Ids::system().uuid()))
            .map_err(|error| FetchError::Unreachable(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            enabled: setup.enabled,
            tls,
            guard: Guard::new(&setup.allow),
            stand_ins: StandIns::new(setup.stand_ins, (setup.served_mib as usize) << 20),
            resolver: setup.resolver,
            idle: setup.idle,
            memory_kib: Arc::new(Semaphore::new(setup.memory_mib as usize * 1024)),
            metrics: setup.metrics,
            mark,
        })))
    }

    /// Makes an address that we listen on unreachable for every picture address.
    pub fn own_listener(&self, address: SocketAddr) {
        self.0.guard.own_listener(address);
    }

    /// Whether a request with these headers was sent from here: it came round by an address that we do not know to be
    /// ours, such as one that a router forwards to us.
    pub fn sent(&self, headers: &HeaderMap) -> bool {
        headers.get_all(VIA).iter().any(|value| *value == self.0.mark)
    }

    /// Keeps a picture that stands behind every address with this path, whatever its host: no socket is opened for it.
    /// What was kept longest makes room.
    pub fn serve(&self, path: String, picture: Bytes) {
        self.0.stand_ins.keep(path, picture);
    }

    /// The picture that is kept for this path.
    pub fn served(&self, path: &str) -> Option<Bytes> {
        self.0.stand_ins.kept(path)
    }

    /// What the callback at `address` answers to a message of this type, or without one to a `GET`; whatever its status.
    ///
    /// # Errors
    /// Each way in which there is no whole answer within `limits`; redirects are answers.
    pub async fn call(
        &self,
        address: &str,
        message: Option<(&'static str, Bytes)>,
        limits: &FetchLimits,
    ) -> Result<Answered, FetchError> {
        let url = parse(address);
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default().to_owned();
        let result = match url {
            Ok(url) => {
                let called = tokio::time::timeout(limits.total, self.0.call(url, message, limits)).await;
                called.unwrap_or(Err(FetchError::TooSlow))
            }
            Err(error) => Err(error),
        };
        self.0.metrics.called(result.as_ref().map_or_else(FetchError::name, |_| "ok"));
        if let Err(error) = &result {
            tracing::info!(host, %error, "a callback could not be called");
        }
        result
    }

    /// The bytes behind `address`.
    ///
    /// # Errors
    /// Each way in which there is no picture to be had within `limits`; the status must be 200.
    pub async fn image(&self, address: &str, limits: &FetchLimits) -> Result<Bytes, FetchError> {
        let url = parse(address);
        // The host alone: the query may hold a signature.
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default().to_owned();
        let result = match url {
            Ok(url) => {
                let fetched = tokio::time::timeout(limits.total, self.0.follow(url, limits)).await;
                fetched.unwrap_or(Err(FetchError::TooSlow))
            }
            Err(error) => Err(error),
        };
        self.0.metrics.fetched(result.as_ref().map_or_else(FetchError::name, |_| "ok"));
        if let Err(error) = &result {
            tracing::info!(host, %error, "a remote picture could not be fetched");
        }
        result
    }
}

impl Inner {
    async fn follow(&self, mut url: Url, limits: &FetchLimits) -> Result<Bytes, FetchError> {
        for _ in 0..=limits.redirects {
            if let Some(stand_in) = self.stand_ins.of(&url) {
                return stand_in.read(limits).await;
            }
            let answer = self.send(self.client_for(&url).await?.get(url.clone())).await?;
            match answer.status().as_u16() {
                200 => return self.read(answer, limits).await,
                301 | 302 | 303 | 307 | 308 => {
                    let location = answer.headers().get(LOCATION).and_then(|at| str::from_utf8(at.as_bytes()).ok());
                    let next = location.and_then(|location| url.join(location).ok()).ok_or(FetchError::Redirects)?;
                    url = parse(next.as_str()).map_err(|_| FetchError::Redirects)?;
                }
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Redirects)
    }

    async fn call(
        &self,
        url: Url,
        message: Option<(&'static str, Bytes)>,
        limits: &FetchLimits,
    ) -> Result<Answered, FetchError> {
        let client = self.client_for(&url).await?;
        let request = match message {
            Some((content_type, body)) => client.post(url).header(CONTENT_TYPE, content_type).body(body),
            None => client.get(url),
        };
        let answer = self.send(request).await?;
        Ok(Answered { status: answer.status().as_u16(), body: self.read(answer, limits).await? })
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, FetchError> {
        let request = request.header(ACCEPT_ENCODING, "identity").header(VIA, &self.mark);
        request.send().await.map_err(unreachable_or_slow)
    }

    /// A client that can reach the judged addresses of `url` and no other.
    async fn client_for(&self, url: &Url) -> Result<reqwest::Client, FetchError> {
        if !self.enabled {
            return Err(FetchError::Off);
        }
        let judged = self.judged(url).await?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("qrstack/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.idle)
            .read_timeout(self.idle)
            .dns_resolver(Arc::new(Judged(judged)))
            .tls_backend_preconfigured(self.tls.clone());
        client.build().map_err(|error| FetchError::Unreachable(chain(&error)))
    }

    /// The addresses of `url`, each of them judged: the name is resolved here, once. A name with one inner address among
    /// its addresses is not trusted at all.
    async fn judged(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchError> {
        let port = url.port_or_known_default().unwrap_or_default();
        Guard::judge_port(url.host_str().unwrap_or_default(), port)?;
        let (host, found) = match url.host() {
            Some(Host::Ipv4(ip)) => (ip.to_string(), vec![ip.into()]),
            Some(Host::Ipv6(ip)) => (ip.to_string(), vec![ip.into()]),
            Some(Host::Domain(name)) => {
                let found = self.resolver.resolve(name).await;
                (name.to_owned(), found.map_err(|error| FetchError::Unreachable(error.to_string()))?)
            }
            None => return Err(FetchError::BadUrl("no host".to_owned())),
        };
        let found: Vec<_> = found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        found.iter().try_for_each(|address| self.guard.judge(&host, *address))?;
        if found.is_empty() { Err(FetchError::Unreachable("the name has no address".to_owned())) } else { Ok(found) }
    }

    async fn read(&self, answer: reqwest::Response, limits: &FetchLimits) -> Result<Bytes, FetchError> {
        let encodings = answer.headers().get_all(CONTENT_ENCODING);
        if let Some(encoding) = encodings.iter().find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(FetchError::Encoded(String::from_utf8_lossy(encoding.as_bytes()).chars().take(40).collect()));
        }
        let limit = limits.max_bytes;
        // The announced length only saves the trouble; what arrives is counted.
        if answer.content_length().is_some_and(|announced| announced > limit as u64) {
            return Err(FetchError::TooLarge { limit });
        }
        let (mut bytes, mut memory) = (Vec::new(), self.memory(PORTION_KIB)?);
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(unreachable_or_slow)?;
            if bytes.len() + chunk.len() > limit {
                return Err(FetchError::TooLarge { limit });
            }
            bytes.extend_from_slice(&chunk);
            while memory.num_permits() * 1024 < bytes.len() {
                memory.merge(self.memory(PORTION_KIB)?);
            }
        }
        Ok(bytes.into())
    }

    fn memory(&self, kib: u32) -> Result<OwnedSemaphorePermit, FetchError> {
        Arc::clone(&self.memory_kib).try_acquire_many_owned(kib).map_err(|_| FetchError::Overloaded)
    }
}

/// TLS with the certificates that this machine trusts; without any, pictures come by plain http alone.
fn tls_config() -> Result<ClientConfig, rustls::Error> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || ClientConfig::builder_with_provider(Arc::clone(&ring)).with_safe_default_protocol_versions();
    match builder()?.with_platform_verifier() {
        Ok(config) => Ok(config.with_no_client_auth()),
        Err(error) => {
            tracing::warn!(%error, "this machine trusts no certificates: remote pictures come by plain http alone");
            Ok(builder()?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
        }
    }
}

/// Status and body of one of our own end points, for the health check. The guard does not apply: the operator asks.
///
/// # Errors
/// Where there is no answer within `patience`.
pub async fn ask(address: &str, patience: Duration) -> Result<(u16, String), FetchError> {
    let tls = tls_config().map_err(|error| FetchError::Unreachable(chain(&error)))?;
    let client = reqwest::Client::builder().no_proxy().timeout(patience).tls_backend_preconfigured(tls).build();
    let client = client.map_err(|error| FetchError::Unreachable(chain(&error)))?;
    let answer = client.get(address).send().await.map_err(unreachable_or_slow)?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(unreachable_or_slow)?;
    Ok((status, body))
}

fn parse(address: &str) -> Result<Url, FetchError> {
    let mut url = Url::parse(address.trim()).map_err(|error| FetchError::BadUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::BadUrl("only http and https are fetched".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::BadUrl("addresses with a user are not fetched".to_owned()));
    }
    url.set_fragment(None);
    Ok(url)
}

/// The address stays out of it: its query may hold a signature.
fn unreachable_or_slow(error: reqwest::Error) -> FetchError {
    if error.is_timeout() { FetchError::TooSlow } else { FetchError::Unreachable(chain(&error.without_url())) }
}

/// The message of an error with those of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Redirect};
    use axum::routing::get;

    use super::*;

    const LIMITS: FetchLimits = FetchLimits { redirects: 2, total: Duration::from_secs(5), max_bytes: 10 };

    /// A picture host on loopback; gives its base address.
    async fn host() -> String {
        let routes = Router::new()
            .route("/ten", get(|| async { "0123456789" }))
            .route("/eleven", get(|| async { "0123456789a" }))
            .route("/missing", get(|| async { StatusCode::NOT_FOUND }))
            .route("/once", get(|| async { Redirect::to("/ten") }))
            .route("/twice", get(|| async { Redirect::to("/once") }))
            .route("/thrice", get(|| async { Redirect::to("/twice") }))
            .route("/inner", get(|| async { Redirect::to("http://10.0.0.1/") }))
            .route("/file", get(|| async { Redirect::to("file:///etc/passwd") }))
            .route("/gzip", get(|| async { ([("content-encoding", "gzip")], "x").into_response() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }

    fn loopback_allowed() -> Fetch {
        let allow = vec![AllowRule::Net("127.0.0.1/32".parse().expect("a CIDR"))];
        Fetch::new(Setup { allow, ..Setup::default() }).expect("set up")
    }

    #[tokio::test]
    async fn stand_ins_are_answered_where_nothing_is_fetched() {
        let (known, host) = (Url::parse("http://stand.in/").expect("an address"), host().await);
        let stand_ins = [(known, StandIn::Bytes(Bytes::from_static(b"here")))].into();
        let allow = vec![AllowRule::Net("127.0.0.0/8".parse().expect("a net"))];
        let fetch = Fetch::new(Setup { enabled: false, allow, stand_ins, ..Setup::default() }).expect("set up");
        assert_eq!(&*fetch.image("http://stand.in/", &LIMITS).await.expect("a stand-in"), b"here");
        assert!(matches!(fetch.image(&format!("{host}/ten"), &LIMITS).await, Err(FetchError::Off)));
    }

    #[tokio::test]
    async fn limits_hold_at_their_edges() {
        let (host, fetch) = (host().await, loopback_allowed());
        let get = async |path: &str| fetch.image(&format!("{host}{path}"), &LIMITS).await;
        assert_eq!(get("/ten").await.expect("ten bytes").len(), 10);
        assert!(matches!(get("/eleven").await, Err(FetchError::TooLarge { limit: 10 })));
        assert!(matches!(get("/missing").await, Err(FetchError::Status(404))));
        assert_eq!(get("/twice").await.expect("two redirects").len(), 10);
        assert!(matches!(get("/thrice").await, Err(FetchError::Redirects)));
        assert!(matches!(get("/inner").await, Err(FetchError::Refused { .. })));
        assert!(matches!(get("/file").await, Err(FetchError::Redirects)));
        assert!(matches!(get("/gzip").await, Err(FetchError::Encoded(_))));
    }

    #[tokio::test]
    async fn nothing_inside_is_reached_unless_it_is_allowed() {
        let host = host().await;
        let strict = Fetch::new(Setup::default()).expect("set up");
        let refused = strict.image(&format!("{host}/ten"), &LIMITS).await.expect_err("loopback");
        assert!(refused.to_string().contains("QRSTACK_FETCH_ALLOW=127.0.0.1"), "{refused}");
        for address in
            ["file:///etc/passwd", "ftp://example.com/", "http://user@example.com/", "//x", "", "http://x:65536/"]
        {
            assert!(matches!(strict.image(address, &LIMITS).await, Err(FetchError::BadUrl(_))), "{address}");
        }
        for address in
            ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://localhost/", "HTTP://[::ffff:7f00:1]/"]
        {
            assert!(matches!(strict.image(address, &LIMITS).await, Err(FetchError::Refused { .. })), "{address}");
        }
    }

    #[tokio::test]
    async fn our_own_listener_is_never_fetched() {
        let (host, fetch) = (host().await, loopback_allowed());
        fetch.own_listener(host.trim_start_matches("http://").parse().expect("an address"));
        assert!(matches!(fetch.image(&format!("{host}/ten"), &LIMITS).await, Err(FetchError::Ourselves { .. })));
    }

    #[tokio::test]
    async fn a_stand_in_answers_without_the_network() {
        let url = Url::parse("https://example.invalid/a.png").expect("valid");
        let stand_ins = HashMap::from([(url, StandIn::Bytes(Bytes::from_static(b"png")))]);
        let fetch = Fetch::new(Setup { stand_ins, ..Setup::default() }).expect("set up");
        assert_eq!(fetch.image("https://example.invalid/a.png", &LIMITS).await.expect("answered").as_ref(), b"png");
    }
}
