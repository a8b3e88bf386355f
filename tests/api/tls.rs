//! Handshakes and names, with a client in this process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use qrstack::Emulator;
use qrstack::clock::{Clock, Ids};
use qrstack::server::{self, App, domains};
use qrstack::tls::{Authority, Keeper, Tls, export};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::support::{NOW, Server, request};

const DAY: i64 = 24 * 60 * 60;
const ALL_VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

/// A listener on loopback, and its end.
struct Listening {
    tls: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Listening {
    async fn start(app: App) -> Self {
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = server::bind(any).await.expect("bound").and_tls(any).await.expect("bound");
        let (tls, stop) = (listener.tls_address().expect("TLS"), CancellationToken::new());
        Self { tls, serving: tokio::spawn(listener.serve(app, stop.clone())), stop }
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.await.expect("the listener ends");
    }
}

/// Certificates by an authority in memory, and that authority.
fn minted(clock: &Clock) -> (Tls, CertificateDer<'static>) {
    let authority = Authority::make(&domains(), clock, &Ids::system()).expect("made");
    let certificate = authority.certificate().clone();
    (Tls::minted(Keeper::in_memory(authority, clock.clone()), domains()).expect("set up"), certificate)
}

async fn greet(
    address: SocketAddr,
    name: &str,
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(ring).with_protocol_versions(versions).expect("versions");
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("connected");
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).expect("a name"), stream).await
}

/// Why a client did not like a certificate.
fn dislike(error: &io::Error) -> Option<&CertificateError> {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(why)) => Some(why),
        _ => None,
    }
}

#[tokio::test]
async fn every_name_of_every_vendor_has_a_certificate() {
    let (tls, authority) = minted(&Clock::system());
    let listening = Listening::start(Server::start().await.app().with_tls(tls)).await;
    let fill = |place: &str| vec![if place == "bucket" { "examplebucket-1250000000" } else { "ap-beijing" }.to_owned()];
    let names = domains().into_iter().flat_map(|domain| domain.names(fill));
    for name in names.chain(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]) {
        for versions in [ALL_VERSIONS, &[&rustls::version::TLS12]] {
            let mut stream = greet(listening.tls, &name, &authority, versions).await.expect(&name);
            let request = format!("GET /_qrstack/livez HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("a whole answer, and an end in good order");
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{name}: {answer}");
        }
    }
    listening.end().await;
}

#[tokio::test]
async fn an_expired_certificate_and_a_foreign_authority_are_refused_by_clients() {
    // An authority of ten years, and a server whose certificates ended two years ago.
    let clock = Clock::fixed(Clock::system().unix_seconds() - 2 * 365 * DAY);
    let (tls, authority) = minted(&clock);
    let listening = Listening::start(Server::start().await.app().with_tls(tls)).await;
    let expired = greet(listening.tls, "open.cli.im", &authority, ALL_VERSIONS).await.expect_err("expired");
    assert!(matches!(dislike(&expired), Some(CertificateError::ExpiredContext { .. })), "{expired}");
    listening.end().await;

    let ((tls, _), (_, foreign)) = (minted(&Clock::system()), minted(&Clock::system()));
    let listening = Listening::start(Server::start().await.app().with_tls(tls)).await;
    let unknown = greet(listening.tls, "open.cli.im", &foreign, ALL_VERSIONS).await.expect_err("foreign");
    assert_eq!(dislike(&unknown), Some(&CertificateError::UnknownIssuer));
    listening.end().await;
}

#[tokio::test]
async fn the_clock_of_the_emulated_contract_does_not_reach_certificates() {
    let server = Server::start().await;
    assert_eq!(server.clock.unix_seconds(), NOW);
    let (tls, authority) = minted(&Clock::system());
    let listening = Listening::start(server.app().with_tls(tls)).await;
    server.clock.set(NOW + 20 * 365 * DAY);
    greet(listening.tls, "open.cli.im", &authority, ALL_VERSIONS).await.expect("greeted");
    listening.end().await;
}

#[tokio::test]
async fn a_given_certificate_is_shown_and_ours_is_not_to_be_had() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let own = rcgen::generate_simple_self_signed(["qrstack.example".to_owned()]).expect("made");
    std::fs::write(&certificate, own.cert.pem()).expect("written");
    std::fs::write(&key, own.signing_key.serialize_pem()).expect("written");
    let tls = Tls::given(&certificate, &key, domains()).expect("taken");
    let app = Server::start().await.app().with_tls(tls);
    let listening = Listening::start(app.clone()).await;
    greet(listening.tls, "qrstack.example", own.cert.der(), ALL_VERSIONS).await.expect("greeted");
    let other = greet(listening.tls, "open.cli.im", own.cert.der(), ALL_VERSIONS).await.expect_err("another name");
    assert!(matches!(dislike(&other), Some(CertificateError::NotValidForNameContext { .. })), "{other}");
    assert_eq!(send(&app, "/_qrstack/ca.pem", "x").await.status, StatusCode::NOT_FOUND);
    listening.end().await;

    let (_, foreign) = minted(&Clock::system());
    std::fs::write(&certificate, export::pem(&foreign)).expect("written");
    assert!(Tls::given(&certificate, &key, domains()).is_err(), "key and certificate do not go together");
    std::fs::write(&certificate, "").expect("written");
    assert!(Tls::given(&certificate, &key, domains()).is_err(), "there is no certificate");
}

#[tokio::test]
async fn the_authority_can_be_fetched_in_three_forms() {
    let (tls, authority) = minted(&Clock::system());
    let app = Server::start().await.app().with_tls(tls);
    let get = async |path: &str| send(&app, path, "127.0.0.1:8080").await;
    let (pem, der, p12) = (get("/_qrstack/ca.pem").await, get("/_qrstack/ca.der").await, get("/_qrstack/ca.p12").await);
    assert_eq!(pem.text(), export::pem(&authority));
    assert_eq!(der.body, authority.as_ref());
    let store =
        p12_keystore::KeyStore::from_pkcs12(&p12.body, export::PASSWORD, p12_keystore::Pkcs12ImportPolicy::Strict);
    assert_eq!(store.expect("a store").entries_len(), 1);
    for (answer, content_type) in
        [(pem, "application/x-pem-file"), (der, "application/pkix-cert"), (p12, "application/x-pkcs12")]
    {
        assert_eq!(answer.header("content-type"), content_type);
    }
}

#[tokio::test]
async fn a_stop_waits_for_no_handshake_and_ends_idle_connections() {
    let (tls, authority) = minted(&Clock::system());
    let listening = Listening::start(Server::with(&[("drain_timeout", "60s")]).await.app().with_tls(tls)).await;
    let mut silent = TcpStream::connect(listening.tls).await.expect("connected");
    silent.write_all(b"\x16\x03\x01").await.expect("sent");
    let mut idle = greet(listening.tls, "open.cli.im", &authority, ALL_VERSIONS).await.expect("greeted");
    idle.write_all(b"GET /_qrstack/livez HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut status = [0; 12];
    idle.read_exact(&mut status).await.expect("an answer");
    listening.end().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("an end in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_on_the_wire_reaches_through_a_tunnel() {
    let emulator = Emulator::builder().setting("wechat_tokens", "wx0123456789abcdef:T").start().await.expect("started");
    let mut stream = TcpStream::connect(emulator.address()).await.expect("connected");
    stream.write_all(b"CONNECT api.weixin.qq.com:80 HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    let scan =
        "GET /cv/img/qrcode?access_token=T&img_url=qrstack-fault:reset HTTP/1.1\r\nHost: api.weixin.qq.com\r\n\r\n";
    stream.write_all(scan.as_bytes()).await.expect("sent");
    let end = stream.read_u8().await.expect_err("no answer");
    assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
}

/// An answer to a request that is sent to `host`.
async fn send(app: &App, path: &str, host: &str) -> crate::support::Answer {
    let request = request(Method::GET, path, &[("Host", host)], "");
    crate::support::Answer::of(app.front.answer(request).await).await
}

#[tokio::test]
async fn the_name_that_a_request_was_sent_to_decides_whose_it_is() {
    let app = Server::start().await.app();
    let send = async |host: &str, path: &str| send(&app, path, host).await;
    assert_eq!(send("api.weixin.qq.com", "/anything").await.json()["errcode"], 40066);
    assert_eq!(send("mp.weixin.qq.com:443", "/?ci-process=qrcode-generate").await.json()["errcode"], 40066);
    assert!(send("ocr.tencentcloudapi.com", "/").await.json()["Response"]["Error"]["Code"].is_string());
    assert!(send("ocr.ap-guangzhou.tencentcloudapi.com", "/cgi-bin/token").await.json()["Response"].is_object());
    assert_eq!(send("open.cli.im", "/cgi-bin/token").await.json()["code"], 404);
    let object = send("examplebucket-1250000000.cos.ap-beijing.myqcloud.com", "/cgi-bin/token").await;
    assert_eq!(object.status, StatusCode::NOT_IMPLEMENTED);
    assert!(object.text().contains("<Code>NotImplemented</Code>"), "{}", object.text());
    // Other names leave it to path and content.
    assert_eq!(send("staging.example", "/cgi-bin/anything").await.json()["errcode"], 40066);
    for host in ["api.weixin.qq.com", "ocr.tencentcloudapi.com"] {
        assert_eq!(send(host, "/_qrstack/livez").await.text(), "ok\n");
    }
}
