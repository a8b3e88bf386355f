//! A server in this process: no socket, no disk, a clock that stands still, ids from a seed.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use qrstack::clock::{Clock, Ids};
use qrstack::codec::{encode, render};
use qrstack::config::{Config, Raw};
use qrstack::explain::Explanation;
use qrstack::server::{self, App};
use qrstack::shared::{Outcome, Shared};
use qrstack::store::Store;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The moment at which every test server starts: Tue, 14 Nov 2023 22:13:20 GMT.
pub const NOW: i64 = 1_700_000_000;

/// A running server.
pub struct Server {
    app: App,
    /// Its clock.
    pub clock: Clock,
}

/// What a client receives.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What the request log says of it: the vendor's code, `ok`, or nothing where no vendor answered.
    pub code: String,
    /// Why the signature was refused, where it was.
    pub explanation: Option<Arc<Explanation>>,
}

impl Answer {
    /// Takes the whole of a response.
    pub async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let code = parts.extensions.get::<Outcome>().map_or_else(String::new, |outcome| outcome.code.to_string());
        let explanation = parts.extensions.get::<Outcome>().and_then(|outcome| outcome.explanation.clone());
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body, code, explanation }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a visible header"))
    }
}

impl Server {
    /// With all defaults.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings by name, for instance `("auth", "open")`.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let flags: BTreeMap<_, _> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let config =
            Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let store = Store::in_memory(&server::migrations()).await.expect("a store in memory");
        Self::on(config, store)
    }

    /// On a store that the test made.
    pub fn on(config: Config, store: Store) -> Self {
        let clock = Clock::fixed(NOW);
        let app = server::open(config, store, clock.clone(), Ids::seeded(1)).expect("opened");
        Self { app, clock }
    }

    /// All of it, to be served by a listener.
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// What the server runs on.
    pub fn shared(&self) -> &Shared {
        &self.app.shared
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.app.front.answer(request).await).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send(request(Method::GET, target, &[], "")).await
    }
}

/// What this thread logs, from debug level up, as long as it lives.
pub struct Log {
    written: Written,
    _guard: DefaultGuard,
    /// With a single subscriber in the process, what another thread logs first is taken for disabled everywhere.
    _second: tracing::Dispatch,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    pub fn start() -> Self {
        let written = Written::default();
        let subscriber = || {
            let writer = written.clone();
            let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
            tracing::Dispatch::new(builder.with_writer(writer).finish())
        };
        let second = subscriber();
        let guard = tracing::dispatcher::set_default(&subscriber());
        Self { written, _guard: guard, _second: second }
    }

    /// Everything until here, line breaks within values unescaped.
    pub fn text(&self) -> String {
        let bytes = self.written.0.lock().expect("no writer panics").clone();
        String::from_utf8(bytes).expect("the log is UTF-8").replace("\\n", "\n")
    }
}

/// A request as a client would send it; `Host` is `127.0.0.1:8080` unless `headers` name another.
pub fn request(method: Method, target: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(target);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("Host", "127.0.0.1:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).expect("a valid request")
}

/// A PNG with a QR code of `text`.
pub fn qr_png(text: &str) -> Vec<u8> {
    let code = encode::qr(text, &encode::QrOptions::default()).expect("the text fits");
    let side = (code.width() as u32 + 8) * 4;
    render::png(&render::place(&code, 4, side, side))
}

/// A PNG without any code.
pub fn blank_png() -> Vec<u8> {
    static BLANK: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 100, 80);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&[255; 8000])).expect("written");
        bytes
    });
    BLANK.clone()
}
