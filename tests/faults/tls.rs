//! TLS, the certificate authority and the proxy, as hostile clients and thieves see them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use qrstack::clock::{Clock, Ids};
use qrstack::domains::Domain;
use qrstack::tls::{Authority, Keeper};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use x509_parser::extensions::GeneralName;

use crate::harness::{Check, check};
use crate::program::Program;
use crate::raw::{Raw, last_answer};

pub fn checks() -> Vec<Check> {
    vec![
        check("F40", "silent TLS handshakes lose their places, and nobody else waits for them", handshake_flood),
        check("F42", "HTTP/2 is neither offered in a handshake nor spoken without one", no_http2),
        check("F56", "the authority's key is this installation's alone and for its owner alone", own_key),
        check("F56", "the authority may vouch for the vendors' names and loopback, and for nothing below it", narrow),
        check("F56", "handshakes for other names are refused before a certificate is shown", other_names),
        check("F56", "an authority that was replaced is shown at once", rotated),
        check("F57", "no request and no tunnel leads anywhere but to the emulated names", no_relay),
        check("F57", "what a tunnel carries is served here, and has no tunnels in it", tunnels),
    ]
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A server that speaks TLS, and where.
fn start(arguments: &[&str]) -> (Program, SocketAddr) {
    let program = Program::start(&[&["--tls-listen", "127.0.0.1:0"], arguments].concat());
    let address = program.tls_address();
    (program, address)
}

fn authority(program: &Program) -> CertificateDer<'static> {
    let answer =
        last_answer(program.address(), "GET /_qrstack/ca.pem HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CertificateDer::from_pem_slice(&answer.body).expect("a certificate")
}

pub fn client(trusted: &CertificateDer<'static>, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn stream(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
    stream
}

/// Shakes hands on `stream` for `name`.
fn greet(stream: TcpStream, name: &str, config: &Arc<ClientConfig>) -> Result<Tls, std::io::Error> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

/// The TLS error that a handshake ended with.
fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Sends a request and gives the whole answer, after which the server ends the connection.
fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    }
    String::from_utf8(answer).expect("text")
}

fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

fn handshake_flood() -> String {
    let (program, address) = start(&["--head-timeout", "300ms", "--max-connections", "40"]);
    let silent: Vec<_> = (0..60).map(|_| Raw::connect(address)).collect();
    let mut begun = Raw::connect(address);
    begun.send(b"\x16\x03\x01\x02\x00\x01");
    assert!(begun.is_over(), "a handshake that was begun is waited for");
    let over = silent.into_iter().map(|mut raw| raw.is_over()).filter(|over| *over).count();
    assert_eq!(over, 60);
    assert_eq!(program.get("/_qrstack/livez").0, 200);
    let config = client(&authority(&program), &[]);
    let tls = greet(stream(address), "api.weixin.qq.com", &config).expect("greeted");
    assert!(exchange(tls, &get("api.weixin.qq.com", "/nothing")).contains("40066"));
    format!("{over} of 60 closed")
}

fn no_http2() -> String {
    let (program, address) = start(&[]);
    let authority = authority(&program);
    let offers: [(&[&str], Option<&str>); 3] =
        [(&["h2", "http/1.1"], Some("http/1.1")), (&["http/1.1"], Some("http/1.1")), (&[], None)];
    for (offer, expected) in offers {
        let tls = greet(stream(address), "open.cli.im", &client(&authority, offer)).expect("greeted");
        assert_eq!(tls.conn.alpn_protocol(), expected.map(str::as_bytes), "{offer:?}");
    }
    let refused = greet(stream(address), "open.cli.im", &client(&authority, &["h2"])).expect_err("nothing in common");
    let alert = Some(&rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol));
    assert_eq!(tls_error(&refused), alert);

    const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let tls = greet(stream(address), "open.cli.im", &client(&authority, &[])).expect("greeted");
    assert!(exchange(tls, PREFACE).starts_with("HTTP/1.1 505 "));
    let upgrade = "GET /_qrstack/livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    assert_eq!(last_answer(program.address(), upgrade).status, 200, "an offer to change is not taken up");
    "5 ways".to_owned()
}

fn own_key() -> String {
    let ((one, _), (other, _)) = (start(&[]), start(&[]));
    assert_ne!(authority(&one), authority(&other), "every installation has its own");
    let file = one.data_dir().join("authority.pem");
    let mode = std::fs::metadata(&file).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let private = std::fs::read_to_string(&file).expect("the key");
    let body = private.split("PRIVATE KEY-----").nth(1).expect("a private key").trim().lines().next().expect("a line");
    for path in ["ca.pem", "ca.der", "ca.p12", "metrics", "version"] {
        let answer = last_answer(one.address(), get("x", &format!("/_qrstack/{path}")));
        assert_eq!(answer.status, 200, "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(body), "{path}");
    }
    let (folder, known) = (one.folder(), authority(&one));
    let (_, log) = one.terminate_and_read_log();
    assert!(!log.contains(body));
    let again = Program::start_in(folder, &[]);
    assert_eq!(authority(&again), known, "a restart keeps it");
    format!("mode {:o}", mode & 0o777)
}

fn narrow() -> String {
    let (program, _) = start(&[]);
    let der = authority(&program);
    let (_, authority) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
    let constraints = authority.basic_constraints().expect("readable").expect("there");
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = authority.key_usage().expect("readable").expect("there").value;
    assert!(usage.key_cert_sign() && !usage.digital_signature());
    let names = authority.name_constraints().expect("readable").expect("there");
    assert!(names.critical);
    let permitted = names.value.permitted_subtrees.as_ref().expect("there");
    let mut roots = Vec::new();
    for subtree in permitted {
        match &subtree.base {
            GeneralName::DNSName(name) => roots.push((*name).to_owned()),
            GeneralName::IPAddress(net) => assert!(
                **net == [127, 0, 0, 0, 255, 0, 0, 0] || (net.len() == 32 && net[15] == 1 && net[16..] == [255; 16]),
                "{net:?}"
            ),
            other => panic!("{other:?}"),
        }
    }
    roots.retain(|root| root != "localhost");
    assert!(
        roots.iter().all(|root| qrstack::server::domains().iter().any(|domain| domain.root() == root)),
        "{roots:?}"
    );
    // Whoever steals the key gains nothing elsewhere: clients see that it goes too far.
    let foreign = [Domain::new("www.example.com")];
    let clock = Clock::system();
    let keeper =
        Keeper::in_memory(Authority::make(&qrstack::server::domains(), &clock, &Ids::system()).expect("made"), clock);
    let trusted = keeper.current().certificate().clone();
    let stolen = qrstack::tls::Tls::minted(keeper, foreign.to_vec()).expect("set up");
    let refused = in_memory(&stolen, "www.example.com", &trusted).expect_err("beyond its constraints");
    assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused:?}");
    format!("{} subtrees of names, 2 of addresses", roots.len() + 1)
}

/// A handshake without sockets; gives the client's error.
fn in_memory(tls: &qrstack::tls::Tls, name: &str, trusted: &CertificateDer<'static>) -> Result<(), rustls::Error> {
    let mut server = rustls::ServerConnection::new(tls.config()).expect("a server");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(client(trusted, &[]), name).expect("a client");
    while client.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory takes it");
        }
        let mut sent = wire.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).expect("memory gives it");
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory takes it");
        }
        let mut sent = wire.as_slice();
        while !sent.is_empty() {
            client.read_tls(&mut sent).expect("memory gives it");
            client.process_new_packets()?;
        }
    }
    Ok(())
}

fn other_names() -> String {
    let (program, address) = start(&[]);
    let config = client(&authority(&program), &[]);
    let alert = Some(&rustls::Error::AlertReceived(AlertDescription::UnrecognisedName));
    let mut refused = 0;
    for name in [
        "example.com",
        "weixin.qq.com",
        "evil.api.weixin.qq.com",
        "api.weixin.qq.com.example.com",
        "myqcloud.com",
        "a.b.cos.ap-beijing.myqcloud.com",
        "cvm.tencentcloudapi.com",
        "cli.im",
        "metadata.google.internal",
    ] {
        let error = greet(stream(address), name, &config).expect_err(name);
        assert_eq!(tls_error(&error), alert, "{name}");
        refused += 1;
    }
    for name in ["api.weixin.qq.com", "b-1250000000.cos.ap-beijing.myqcloud.com", "localhost", "127.0.0.1"] {
        greet(stream(address), name, &config).expect(name);
    }
    format!("{refused} names")
}

fn rotated() -> String {
    let (program, address) = start(&[]);
    let old = authority(&program);
    greet(stream(address), "open.cli.im", &client(&old, &[])).expect("greeted");
    let (domains, ids) = (qrstack::server::domains(), Ids::system());
    let made = Keeper::rotate(&program.data_dir(), &domains, &Clock::system(), &ids).expect("rotated");
    let new = made.certificate().clone();
    assert_eq!(authority(&program), new);
    greet(stream(address), "open.cli.im", &client(&new, &[])).expect("greeted");
    let refused = greet(stream(address), "open.cli.im", &client(&old, &[])).expect_err("another authority");
    assert!(matches!(tls_error(&refused), Some(rustls::Error::InvalidCertificate(_))), "{refused}");
    String::new()
}

fn no_relay() -> String {
    let (program, _) = start(&[]);
    // Where a relay would lead to.
    let target = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    target.set_nonblocking(true).expect("set");
    let inside = target.local_addr().expect("an address");
    let other_port = inside.port();
    let connect = |to: &str| format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let absolute = |to: &str| format!("GET {to} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut refused = 0;
    for request in [
        connect(&inside.to_string()),
        connect(&format!("localhost:{other_port}")),
        connect(&format!("api.weixin.qq.com:{other_port}")),
        connect("example.com:443"),
        connect("example.com:80"),
        connect("api.weixin.qq.com:25"),
        connect("api.weixin.qq.com.example.com:443"),
        connect("169.254.169.254:80"),
        connect("[::1]:443"),
        absolute("http://example.com/cgi-bin/token"),
        absolute("http://169.254.169.254/latest/meta-data"),
        absolute("http://metadata.google.internal/api/x"),
        absolute("https://example.com/?ci-process=qrcode-generate"),
        absolute("ftp://example.com/"),
    ] {
        let answer = last_answer(program.address(), &request);
        assert_eq!((answer.status, answer.header("Connection")), (403, Some("close")), "{request}");
        assert!(answer.text().ends_with('\n') && answer.text().len() > 10, "{request}: the answer says why");
        refused += 1;
    }
    assert_eq!(target.accept().expect_err("nobody came").kind(), ErrorKind::WouldBlock);
    // To itself: an absolute target of its own address is a request like any other.
    let own = absolute(&format!("http://{}/_qrstack/livez", program.address()));
    let mut raw = Raw::connect(program.address());
    raw.send(own);
    assert_eq!(raw.answer().status, 200);
    format!("{refused} requests, 0 connections")
}

/// Opens a tunnel and gives the stream, which carries whatever comes next.
fn tunnel(program: &Program, to: &str) -> TcpStream {
    let mut stream = stream(program.address());
    stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
    stream
}

fn tunnels() -> String {
    let (program, _) = start(&["--head-timeout", "500ms"]);
    let config = client(&authority(&program), &["h2", "http/1.1"]);
    let host = "api.weixin.qq.com";
    let tls = greet(tunnel(&program, "api.weixin.qq.com:443"), host, &config).expect("greeted");
    assert_eq!(tls.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(exchange(tls, &get(host, "/nothing")).contains("40066"));
    assert!(exchange(tunnel(&program, "api.weixin.qq.com:80"), &get(host, "/nothing")).contains("40066"));
    // A name in the tunnel may be another than the tunnel's, if it is ours.
    let other = greet(tunnel(&program, "api.weixin.qq.com:443"), "open.cli.im", &config).expect("greeted");
    assert!(exchange(other, &get("open.cli.im", "/nothing")).starts_with("HTTP/1.1 404 "));
    greet(tunnel(&program, "api.weixin.qq.com:443"), "example.com", &config).expect_err("not ours");

    let nested = "CONNECT api.weixin.qq.com:443 HTTP/1.1\r\nHost: x\r\n\r\n";
    assert!(exchange(tunnel(&program, "api.weixin.qq.com:80"), nested).starts_with("HTTP/1.1 403 "));
    let tls = greet(tunnel(&program, "api.weixin.qq.com:443"), host, &config).expect("greeted");
    assert!(exchange(tls, nested).starts_with("HTTP/1.1 403 "));
    // Silence in a tunnel ends it, like silence elsewhere.
    for to in ["api.weixin.qq.com:443", "api.weixin.qq.com:80"] {
        let mut rest = Vec::new();
        let _ = tunnel(&program, to).read_to_end(&mut rest);
    }
    assert_eq!(program.terminate().code(), Some(0));
    "2 kinds".to_owned()
}
