//! [`Emulator`]: a whole server inside a test, on a free port of this machine, that ends with its handle.
//!
//! It runs on threads of its own, so that a test may use a blocking client, or an async one on any runtime. Nothing is
//! written to disk. To be read first: [`Emulator::start`].

mod lab;
mod own;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Ids};
use crate::config::{Config, Mistake, Raw};
use crate::faults;
use crate::journal::Journal;
use crate::server::{self, App, StartError};
use crate::store::{OpenError, Store};
use crate::tls::export;

pub use own::{Fresh, Scope, Time};

/// A running server. It stops when the handle is dropped; [`Emulator::stop`] lets requests under way finish first.
///
/// ```
/// # rustls::crypto::ring::default_provider().install_default().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let emulator = qrstack::Emulator::start().await;
/// let keys = emulator.credentials();
/// let token_address = format!(
///     "{}/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
///     emulator.url(), keys.wechat_appid, keys.wechat_secret,
/// );
/// let answer = reqwest::get(token_address).await?.text().await?;
/// assert!(answer.contains("access_token"), "{answer}");
/// # Ok::<(), reqwest::Error>(()) }).unwrap();
/// ```
///
/// Settings are those of the program, by the names of its configuration file:
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let emulator = qrstack::Emulator::builder()
///     .setting("wechat_apps", "wxmine:mysecret")
///     .setting("ocr_no_code", "empty")
///     .seed(7) // the same tickets and tokens in every run
///     .start()
///     .await?;
/// assert_eq!(emulator.credentials().wechat_appid, "wxmine");
/// # Ok::<(), qrstack::EmulatorError>(()) }).unwrap();
/// ```
pub struct Emulator {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    url: String,
    app: App,
    /// Lets requests under way finish.
    stop: CancellationToken,
    /// Ends everything at once.
    end: CancellationToken,
    server: Option<JoinHandle<()>>,
    runtime: Handle,
}

/// What an [`Emulator`] starts with.
#[derive(Default)]
pub struct Builder {
    settings: BTreeMap<String, String>,
    clock: Option<Clock>,
    ids: Option<Ids>,
}

/// Keys that a client needs: the first of each vendor.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// `SecretId` of Tencent COS and Tencent Cloud.
    pub tencent_secret_id: String,
    /// `SecretKey` of Tencent COS and Tencent Cloud.
    pub tencent_secret_key: String,
    /// A bucket, `name-appid`.
    pub cos_bucket: String,
    /// AppID of a WeChat account.
    pub wechat_appid: String,
    /// AppSecret of that account.
    pub wechat_secret: String,
    /// Key of cli.im.
    pub cli_im_key: String,
}

/// Why an emulator does not start.
#[derive(Debug, Error)]
pub enum EmulatorError {
    /// Settings that do not exist or do not parse.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Settings(Vec<Mistake>),
    /// The server cannot be put together.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No port, or no thread, can be had.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl From<OpenError> for EmulatorError {
    fn from(error: OpenError) -> Self {
        Self::Start(error.into())
    }
}

impl Emulator {
    /// Starts a server with all defaults on a free port of `127.0.0.1`.
    ///
    /// # Panics
    /// Where [`Builder::start`] gives an error.
    pub async fn start() -> Self {
        match Self::builder().start().await {
            Ok(emulator) => emulator,
            Err(error) => panic!("the emulator does not start: {error}"),
        }
    }

    /// Chooses settings, clock and ids first.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end: what an SDK is given as its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it speaks TLS for the vendors' names: where the setting `tls_listen` says, for instance `127.0.0.1:0`.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// The certificate of the authority that vouches for the vendors' names there, and in tunnels through the proxy that
    /// [`Emulator::url`] is; PEM. Every emulator has its own, in memory.
    pub fn authority_pem(&self) -> Option<String> {
        let authority = self.app.tls.as_ref()?.authority()?;
        Some(export::pem(authority.certificate()))
    }

    /// The credentials that it was started with.
    pub fn credentials(&self) -> Keys {
        let config = self.app.shared.config();
        let tencent = config.tencent_credentials.first();
        let wechat = config.wechat_apps.first();
        Keys {
            tencent_secret_id: tencent.map_or_else(String::new, |credential| credential.id.clone()),
            tencent_secret_key: tencent.map_or_else(String::new, |credential| credential.key.expose().to_owned()),
            cos_bucket: config.cos_buckets.first().unwrap_or(&config.cos_default_bucket).clone(),
            wechat_appid: wechat.map_or_else(String::new, |app| app.appid.clone()),
            wechat_secret: wechat.map_or_else(String::new, |app| app.secret.expose().to_owned()),
            cli_im_key: config.cli_im_keys.first().map_or_else(String::new, |key| key.expose().to_owned()),
        }
    }

    /// Makes requests fail as `spec` says; a rule for a credential may name any, or a set of them.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use qrstack::faults::Spec;
    /// let emulator = qrstack::Emulator::start().await;
    /// // The next two codes are refused for the day's quota, then creating works.
    /// emulator.fail(Spec::sequence(&["45009", "45009"])?.of("qrcode/create"))?;
    /// // Half of all pictures are read two seconds late.
    /// emulator.fail(Spec::fault("latency=2s")?.of("QrcodeOCR").with_probability(0.5))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Where the rule could never strike.
    pub fn fail(&self, spec: faults::Spec) -> Result<faults::View, faults::Refused> {
        let credential = spec.credential.as_deref();
        let named = credential.and_then(|name| self.app.shared.credentials().named(name));
        let members = named.unwrap_or_else(|| credential.into_iter().map(Into::into).collect());
        self.app.shared.faults().add(spec, &members)
    }

    /// The rules that make requests fail, and all failures that there are.
    pub fn faults(&self) -> &faults::Faults {
        self.app.shared.faults()
    }

    /// The last requests and their answers: to be looked at, waited for, counted.
    pub fn journal(&self) -> &Journal {
        self.app.shared.journal()
    }

    /// Time and sockets are the server's runtime's, whichever the caller has.
    async fn on_its_runtime<T: Send + 'static>(&self, job: impl Future<Output = T> + Send + 'static) -> T {
        match self.runtime.spawn(job).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends with the handle, and the handle is here.
                Err(error) => unreachable!("{error}"),
            },
        }
    }

    /// Ends the server once requests under way have finished, within `drain_timeout`.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            // Joining blocks: that is not for an async thread.
            let _ = tokio::task::spawn_blocking(|| server.join()).await;
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(server) = self.server.take() {
            // Nothing is waited for there, so that this takes no time; its port is free again afterwards.
            let _ = server.join();
        }
    }
}

impl Builder {
    /// Sets one of the program's settings by its name, for instance `("auth", "open")`.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// What the vendors time follows this clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes ids, tickets and tokens the same in every run.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.ids = Some(Ids::seeded(seed));
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// Where a setting does not exist or does not parse, or the system has no port or thread to give.
    pub async fn start(self) -> Result<Emulator, EmulatorError> {
        let mut settings = self.settings;
        let free_port = || SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string();
        settings.entry("listen".to_owned()).or_insert_with(free_port);
        let config = Config::from_raw(Raw { flags: settings, ..Raw::default() }).map_err(EmulatorError::Settings)?;
        let (clock, ids) = (self.clock.unwrap_or_else(Clock::system), self.ids.unwrap_or_else(Ids::system));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("qrstack-emulator")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let (told, started) = oneshot::channel();
        let (stopping, ending) = (stop.clone(), end.clone());
        let server = std::thread::Builder::new().name("qrstack-emulator".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = run(config, clock, ids, stopping, told) => {}
                    () = ending.cancelled() => {}
                }
            });
            // What is still being read is left to end by itself.
            runtime.shutdown_background();
        })?;
        let started = started.await.map_err(|_| io::Error::other("the emulator's thread ended"))?;
        let Started { address, tls_address, app } = started?;
        Ok(Emulator {
            address,
            tls_address,
            url: format!("http://{address}"),
            app,
            stop,
            end,
            server: Some(server),
            runtime: handle,
        })
    }
}

/// A server that listens.
struct Started {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    app: App,
}

/// Runs the server until `stop`, and says at its beginning where it is or why it is not.
async fn run(
    config: Config,
    clock: Clock,
    ids: Ids,
    stop: CancellationToken,
    told: oneshot::Sender<Result<Started, EmulatorError>>,
) {
    let opened = async {
        let store = Store::in_memory(&server::migrations()).await?;
        let mut listener = server::bind(config.listen).await?;
        if let Some(address) = config.tls_listen {
            listener = listener.and_tls(address).await?;
        }
        let tls = match config.tls_cert {
            Some(_) => server::configured_tls(&config),
            None => server::passing_tls(),
        };
        let app = server::open(config, store, clock, ids)?.with_tls(tls.map_err(StartError::from)?);
        for own in [Some(listener.address()), listener.tls_address()].into_iter().flatten() {
            app.shared.fetch().own_listener(own);
        }
        Ok((listener, app))
    };
    match opened.await {
        Err(error) => drop(told.send(Err(error))),
        Ok((listener, app)) => {
            // Where nobody waits any more, the handle's end token says so.
            let (address, tls_address) = (listener.address(), listener.tls_address());
            let _ = told.send(Ok(Started { address, tls_address, app: app.clone() }));
            listener.serve(app, stop).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::fetch::probe::{self, Way};

    #[tokio::test]
    async fn it_listens_while_its_handle_lives_and_no_longer() {
        let emulator = Emulator::start().await;
        let address = emulator.address();
        assert!(std::net::TcpStream::connect(address).is_ok());
        drop(emulator);
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[tokio::test]
    async fn it_stops_in_peace() {
        let emulator = Emulator::start().await;
        let address = emulator.address();
        emulator.stop().await;
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[tokio::test]
    async fn many_run_side_by_side() {
        let (one, other) = (Emulator::start().await, Emulator::start().await);
        assert_ne!(one.url(), other.url());
    }

    #[tokio::test]
    async fn it_speaks_tls_where_that_is_asked_for() {
        let emulator = Emulator::builder().setting("tls_listen", "127.0.0.1:0").start().await.expect("started");
        let authority = emulator.authority_pem().expect("an authority");
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate");
        let address = emulator.tls_address().expect("an address");
        let patience = Duration::from_mins(1);
        let direct = probe::greet(Way::Direct(address), "api.weixin.qq.com", &authority, patience).await;
        direct.expect("a handshake by name");
        let proxy = emulator.address().to_string();
        probe::greet(Way::Proxy(&proxy), "api.weixin.qq.com", &authority, patience).await.expect("one by the proxy");
        assert_eq!(Emulator::start().await.tls_address(), None);
    }

    #[tokio::test]
    async fn a_wrong_setting_is_named() {
        let error = Emulator::builder().setting("auht", "open").start().await.err().expect("refused");
        assert!(error.to_string().contains("auht"), "{error}");
    }
}
