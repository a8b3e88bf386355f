//! Hostile, broken, slow and many clients, as the listener sees them: bytes on sockets.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use qrstack::codec::{self, Budget, Kinds, Limits};
use qrstack::server::{self, App};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::harness::{Check, block_on, check};
use crate::program::Program;
use crate::raw::{Raw, last_answer};
use crate::support::Server;

pub fn checks() -> Vec<Check> {
    vec![
        check("F27", "no header can be put into an answer, and headers with line breaks are refused", no_injection),
        check("F37", "what could be read in two ways is refused with its status, and the connection ends", refusals),
        check(
            "F37",
            "a refusal comes after the answers to what was asked before, and nothing after it",
            refused_in_order,
        ),
        check(
            "F37",
            "what clients really send is taken: empty lines, absolute targets, raw brackets and quotes",
            oddities,
        ),
        check("F37", "whatever a target holds, the answer is ours and not the library's", targets),
        check("F38", "slow-loris connections of four kinds are closed", slow_loris),
        check("F39", "a body that does not arrive is answered in the vendor's shape", slow_body),
        check("F39", "a client that does not take its answer is cut off", slow_reader),
        check("F40", "out of files the listener goes on, says so, and recovers", out_of_files),
        check("F40", "at the limit of connections idle ones make room, and silent ones lose theirs", crowd),
        check("F43", "clients that leave while their picture is read take no reader with them", leavers),
        check(
            "F44",
            "a host that names no bucket is refused where that is demanded, and never more than a name",
            hosts,
        ),
        check(
            "F52",
            "after SIGTERM a request under way is finished, idle connections end, new ones are refused",
            drain,
        ),
        check("F52", "readyz says no first, requests are still served, and a second signal ends at once", drain_delay),
    ]
}

const LIVE: &str = "GET /_qrstack/livez HTTP/1.1\r\nHost: x\r\n\r\n";
const READY: &str = "GET /_qrstack/readyz HTTP/1.1\r\nHost: x\r\n\r\n";

fn no_injection() -> String {
    let program = Program::start(&["--auth", "open"]);
    let (mut taken, mut refused) = (0, 0);
    for attempt in [
        "GET /cgi-bin/showqrcode?ticket=a%0d%0aX-Evil:1 HTTP/1.1\r\nHost: x\r\n",
        "GET /%0d%0aX-Evil:%201?ci-process=qrcode-generate&width=9 HTTP/1.1\r\nHost: x\r\n",
        "GET /?ci-process=qrcode-generate&qrcode-content=a%0d%0aX-Evil:1&width=200 HTTP/1.1\r\nHost: x\r\n",
        "GET /?Action=QrcodeOCR%0d%0aX-Evil:1 HTTP/1.1\r\nHost: x\r\nX-TC-TraceId: a%0d%0aX-Evil: 1\r\n",
        "GET /cgi-bin/token?appid=%0d%0aX-Evil:1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: 1\r\n",
    ] {
        let answer = last_answer(program.address(), format!("{attempt}Connection: close\r\n\r\n"));
        assert!(!answer.head.lines().any(|line| line.to_ascii_lowercase().starts_with("x-evil")), "{answer:?}");
        taken += 1;
    }
    for attempt in [
        "X-TC-TraceId: a\r\n X-Evil: 1\r\n",
        "X-TC-TraceId: a\nX-Evil: 1\r\n",
        "X-TC-TraceId: a\rX-Evil: 1\r\n",
        "X-TC-TraceId: a\0\r\n",
        "X-TC-TraceId : a\r\n",
    ] {
        let request = format!("GET /?Action=QrcodeOCR HTTP/1.1\r\nHost: x\r\n{attempt}\r\n");
        assert_eq!(last_answer(program.address(), request).status, 400, "{attempt:?}");
        refused += 1;
    }
    format!("{taken} answered without, {refused} refused")
}

fn refusals() -> String {
    let program = Program::start(&[]);
    let get = |headers: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    let cases = [
        (400, "both a length and a coding", get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
        (400, "two lengths", get("Content-Length: 1\r\nContent-Length: 2\r\n")),
        (400, "a length that is none", get("Content-Length: -1\r\n")),
        (501, "an unknown coding", get("Transfer-Encoding: gzip, chunked\r\n")),
        (400, "a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()),
        (400, "a folded header", get("A: b\r\n c\r\n")),
        (400, "bare line feeds", "GET / HTTP/1.1\nHost: x\n\n".to_owned()),
        (400, "two hosts", get("Host: y\r\n")),
        (400, "a control character", get("A: \x01\r\n")),
        (400, "no name", get(": b\r\n")),
        (400, "HTTP/0.9", "GET /\r\n".to_owned()),
        (505, "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (400, "a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        (400, "a TLS greeting", "\x16\x03\x01\x02\0\x01\0\x01\r\n".to_owned()),
        (414, "64 KiB of target", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(64 << 10))),
        (414, "a request line without end", "G".repeat(80 << 10)),
        (431, "10 000 headers", get(&"A: b\r\n".repeat(10_000))),
        (431, "101 headers", get(&"A: b\r\n".repeat(100))),
        (431, "a header of 64 KiB", get(&format!("A: {}\r\n", "b".repeat(64 << 10)))),
        (431, "a header without end", format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(80 << 10))),
    ];
    for (status, about, request) in &cases {
        let answer = last_answer(program.address(), request);
        assert_eq!((answer.status, answer.header("Connection")), (*status, Some("close")), "{about}");
        assert!(!answer.body.is_empty(), "{about}: the answer says why");
    }
    format!("{} of {}", cases.len(), cases.len())
}

fn refused_in_order() -> String {
    let program = Program::start(&[]);
    let mut raw = Raw::connect(program.address());
    raw.send([LIVE, LIVE, "GET / HTTP/1.1\nHost: x\r\n\r\n", LIVE].concat());
    let statuses: Vec<_> = (0..3).map(|_| raw.answer().status).collect();
    raw.ends();
    assert_eq!(statuses, [200, 200, 400]);
    String::new()
}

fn oddities() -> String {
    let program = Program::start(&["--auth", "open"]);
    let mut raw = Raw::connect(program.address());
    raw.send(format!("\r\n\r\n{LIVE}"));
    assert_eq!(raw.answer().status, 200, "empty lines before a request");
    raw.send("GET http://open.cli.im/_qrstack/livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.answer().status, 200, "an absolute target");

    // The example of the COS page, as printed, and a body between that looks like a request of that kind.
    let content = "<https://www.example.com/?a=\"b\">";
    let draw = format!(
        "GET /?ci-process=qrcode-generate&qrcode-content={content}&mode=0&width=200 HTTP/1.1\r\n\
         Host: examplebucket-1250000000.cos.ap-beijing.myqcloud.com\r\n\r\n"
    );
    let body = format!(r#"{{"url":"GET /<\" HTTP/1.1\r\n\r\n{}"}}"#, "<\">".repeat(50));
    let post = format!("POST /qrcode/scan_url HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "POST /qrcode/scan_url HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    raw.send([draw.as_str(), &post, &draw, &chunked, &draw].concat());
    let mut drawn = 0;
    for place in 0..5 {
        let answer = raw.answer();
        if place % 2 == 1 {
            assert_eq!(answer.json()["code"], 400, "an address that is none: {answer:?}");
            continue;
        }
        let picture =
            answer.text().split(['>', '<']).find(|text| text.starts_with("iVBOR")).expect("a picture").to_owned();
        let picture = BASE64_STANDARD.decode(picture).expect("base64");
        let luma = codec::load(&picture, &Limits::default()).expect("a PNG").luma;
        let found = codec::read(&luma, Kinds::QR, &Budget::default()).symbols;
        assert_eq!(found.iter().map(|symbol| symbol.text.as_str()).collect::<Vec<_>>(), [content]);
        drawn += 1;
    }
    format!("{drawn} pictures of a raw target on one connection")
}

fn targets() -> String {
    let program = Program::start(&[]);
    let mut count = 0;
    for byte in (0x01..=0xff).filter(|byte| ![b'\r', b'\n', b' '].contains(byte)) {
        for before in [&b"/a"[..], b"/?a=", b"http://h/", b"http://h", b"*", b""] {
            let request = [b"GET ", before, &[byte], b"b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"].concat();
            let answer = last_answer(program.address(), request);
            let text = answer.text();
            let is_ours = ["no API here", "this is a proxy for"].iter().any(|ours| text.starts_with(ours))
                || text.ends_with("is not one\n");
            assert!(is_ours, "{byte:#x} behind {before:?}: {answer:?}");
            count += 1;
        }
    }
    format!("{count} targets")
}

fn slow_loris() -> String {
    let program = Program::start(&["--head-timeout", "300ms", "--idle-timeout", "300ms"]);
    let connect = || Raw::connect(program.address());
    let mut silent = connect();
    let mut partial = connect();
    partial.send("GET / HTTP/1.1\r\nHost: x\r\nA: ");
    let mut idle = connect();
    idle.send(LIVE);
    assert_eq!(idle.answer().status, 200);
    let mut dribble = connect();
    // Longer than the deadline allows at this pace; what comes after the end is not taken.
    let sent = LIVE.bytes().take_while(|byte| {
        sleep(Duration::from_millis(50));
        dribble.try_send([*byte])
    });
    assert!(sent.count() > 1);
    silent.ends();
    idle.ends();
    assert_eq!(partial.answer().status, 408);
    partial.ends();
    assert!(dribble.is_over());
    assert_eq!(program.get("/_qrstack/livez").0, 200);
    "4 of 4 kinds".to_owned()
}

fn slow_body() -> String {
    let program = Program::start(&["--body-timeout", "300ms", "--auth", "open"]);
    let heads = [
        ("POST / HTTP/1.1\r\nX-TC-Action: QrcodeOCR\r\n", "Response"),
        ("POST /cv/img/qrcode HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n", "errcode"),
        ("POST /cgi-bin/qrcode/create HTTP/1.1\r\n", "errcode"),
        ("POST /qrcode/scan_url HTTP/1.1\r\n", "code"),
    ];
    let mut answered = 0;
    for (head, field) in heads {
        for framing in ["Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"] {
            let mut raw = Raw::connect(program.address());
            raw.send(format!("{head}Host: x\r\n{framing}"));
            // One byte at a time: each of them is progress, and yet it is over.
            for _ in 0..4 {
                sleep(Duration::from_millis(100));
                raw.try_send(" ");
            }
            let answer = raw.answer();
            assert!(!answer.json()[field].is_null(), "{head}: {answer:?}");
            assert_eq!(answer.header("Connection"), Some("close"), "{head}");
            answered += 1;
        }
    }
    format!("{answered} of {}", 2 * heads.len())
}

/// Tells when it is dropped.
struct Guard(Option<tokio::sync::oneshot::Sender<()>>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.take().expect("dropped once").send(());
    }
}

/// What an endless answer is made of.
static PIECE: [u8; 64 << 10] = [0; 64 << 10];

fn slow_reader() -> String {
    for with_tls in [false, true] {
        block_on(read_slowly(with_tls));
    }
    "with and without TLS".to_owned()
}

/// Takes a byte now and then of an endless answer, until the server gives it up.
async fn read_slowly(with_tls: bool) {
    let app = Server::with(&[("write_timeout", "300ms")]).await.app();
    let (gone, mut on_gone) = tokio::sync::oneshot::channel();
    let endless = Arc::new(Mutex::new(Some(Guard(Some(gone)))));
    let answer = move || {
        let guard = endless.lock().expect("no holder panics").take().expect("asked once");
        let pieces = futures_util::stream::repeat_with(move || {
            let _held = &guard;
            Ok::<_, std::convert::Infallible>(Bytes::from_static(&PIECE))
        });
        std::future::ready(Body::from_stream(pieces))
    };
    let front = Router::new().route("/", get(answer)).into();
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = server::bind(any).await.expect("bound").and_tls(any).await.expect("bound");
    let (plain, secure) = (listener.address(), listener.tls_address().expect("TLS"));
    let tls = server::passing_tls().expect("certificates");
    let trusted = tls.authority().expect("an authority").certificate().clone();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(App { front, ..app }.with_tls(tls), stop.clone()));
    let connect = async |address| tokio::net::TcpStream::connect(address).await.expect("connected");
    if with_tls {
        let connector = tokio_rustls::TlsConnector::from(crate::tls::client(&trusted, &[]));
        let name = "open.cli.im".try_into().expect("a name");
        sip(connector.connect(name, connect(secure).await).await.expect("greeted"), &mut on_gone).await;
    } else {
        sip(connect(plain).await, &mut on_gone).await;
    }
    stop.cancel();
    serving.await.expect("the listener ends");
}

async fn sip(mut client: impl AsyncRead + AsyncWrite + Unpin, on_gone: &mut tokio::sync::oneshot::Receiver<()>) {
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let mut byte = [0];
    while on_gone.try_recv().is_err() {
        client.read_exact(&mut byte).await.expect("something of an answer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn out_of_files() -> String {
    const FILES: u32 = 64;
    const CLIENTS: usize = 200;
    let program = Program::start_with_files(FILES, &[]);
    let mut early = Raw::connect(program.address());
    early.send(READY);
    assert_eq!(early.answer().status, 200);
    let flood: Vec<_> =
        (0..CLIENTS).map(|_| TcpStream::connect(program.address()).expect("queued by the system")).collect();
    loop {
        early.send(READY);
        let answer = early.answer();
        if answer.status == 503 {
            assert_eq!(answer.json()["listener"], false, "{answer:?}");
            break;
        }
        sleep(Duration::from_millis(10));
    }
    drop(flood);
    assert_eq!(program.get("/_qrstack/readyz").0, 200);
    format!("{CLIENTS} connections against {FILES} files")
}

fn crowd() -> String {
    const PLACES: usize = 8;
    const CLIENTS: usize = 100;
    let places = PLACES.to_string();
    let program = Program::start(&["--max-connections", &places, "--head-timeout", "300ms", "--idle-timeout", "30m"]);
    let mut kept = Vec::new();
    for _ in 0..CLIENTS {
        let mut raw = Raw::connect(program.address());
        raw.send(LIVE);
        assert_eq!(raw.answer().status, 200);
        kept.push(raw);
    }
    let silent: Vec<_> =
        (0..CLIENTS).map(|_| TcpStream::connect(program.address()).expect("queued by the system")).collect();
    assert_eq!(program.get("/_qrstack/livez").0, 200);
    drop((kept, silent));
    format!("{CLIENTS} idle and {CLIENTS} silent connections in {PLACES} places")
}

fn leavers() -> String {
    const LEAVERS: usize = 30;
    let program = Program::start(&["--auth", "open", "--read-threads", "1", "--read-queue", "4"]);
    let picture = BASE64_STANDARD.encode(crate::support::qr_png("still here"));
    let body = format!(r#"{{"ImageBase64":"{picture}"}}"#);
    let head = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nX-TC-Action: QrcodeOCR\r\nX-TC-Version: 2018-11-19\r\nX-TC-Region: ap-beijing\r\n\
             X-TC-Timestamp: 1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    for leaver in 0..LEAVERS {
        let mut raw = Raw::connect(program.address());
        raw.send(head(body.len()));
        // After the head, within the body, behind it.
        raw.send(&body[..[0, body.len() / 2, body.len()][leaver % 3]]);
    }
    // Those who left behind the body may still be read; their places come back one by one.
    loop {
        let mut raw = Raw::connect(program.address());
        raw.send(head(body.len()) + &body);
        let answer = raw.answer().json();
        if answer["Response"]["Error"]["Code"] != "RequestLimitExceeded" {
            assert_eq!(answer["Response"]["CodeResults"][0]["Url"], "still here", "{answer}");
            break;
        }
    }
    assert_eq!(program.get("/_qrstack/readyz").0, 200);
    format!("{LEAVERS} left, 1 reader still there")
}

fn hosts() -> String {
    const RIGHT: &str = "cos.ap-beijing.myqcloud.com";
    let program = Program::start(&["--auth", "open", "--cos-strict-host", "true"]);
    let ask = |host: &str| {
        let request = format!(
            "GET /?ci-process=qrcode-generate&qrcode-content=a&width=200 HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
        );
        let answer = last_answer(program.address(), request);
        let code =
            answer.text().split("<Code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("ok").to_owned();
        (answer.status, code)
    };
    let long = format!("{}-1250000000.{RIGHT}", "a".repeat(300));
    let named = |bucket: &str| format!("{bucket}.{RIGHT}");
    let refused = [
        named("../../etc/passwd"),
        named("..%2f..%2fetc-1250000000"),
        named("%2e%2e-1250000000"),
        named("a.b-1250000000"),
        named("a.b"),
        named("a_b-1250000000"),
        named("-1250000000"),
        named("a-1"),
        named("a-1234567890123"),
        long,
        format!("{}-1250000000.{RIGHT}", "a".repeat(51)),
        "127.0.0.1:8080".to_owned(),
        "[::1]".to_owned(),
        "a-1250000000.cos".to_owned(),
        "a-1250000000.s3.ap-beijing.myqcloud.com".to_owned(),
        ":80".to_owned(),
    ];
    for host in &refused {
        assert_eq!(ask(&format!("Host: {host}\r\n")), (400, "InvalidHost".to_owned()), "{host}");
    }
    // What is no text is as good as absent.
    for absent in [String::new(), format!("Host: {}\r\n", named("\u{fc}-1250000000"))] {
        assert_eq!(ask(&absent), (400, "MissingSecurityHeader".to_owned()), "{absent}");
    }
    let taken = [named("a-1250000000"), named("A-1250000000").to_uppercase(), named("a-b-1250000000") + ":8080"];
    for host in &taken {
        assert_eq!(ask(&format!("Host: {host}\r\n")), (200, "ok".to_owned()), "{host}");
    }
    format!("{} refused, {} taken", refused.len() + 2, taken.len())
}

fn drain() -> String {
    let program = Program::start(&["--auth", "open"]);
    let mut idle = Raw::connect(program.address());
    idle.send(LIVE);
    assert_eq!(idle.answer().status, 200);
    let mut busy = Raw::connect(program.address());
    busy.send("POST /qrcode/scan_url HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    // The interim answer says that the request is under way.
    assert_eq!(busy.answer().status, 100);
    program.signal("-TERM");
    idle.ends();
    while TcpStream::connect(program.address()).is_ok() {
        sleep(Duration::from_millis(10));
    }
    busy.send("{}");
    let answer = busy.answer();
    assert_eq!((answer.json()["code"].as_i64(), answer.header("Connection")), (Some(400), Some("close")));
    busy.ends();
    assert_eq!(program.wait(), Some(0));
    "exit 0".to_owned()
}

fn drain_delay() -> String {
    let program = Program::start(&["--drain-delay", "10m"]);
    assert_eq!(program.get("/_qrstack/readyz").0, 200);
    program.signal("-TERM");
    loop {
        let (status, body) = program.get("/_qrstack/readyz");
        if status == 503 {
            assert!(body.contains(r#""listener":false"#), "{body}");
            break;
        }
        sleep(Duration::from_millis(10));
    }
    assert_eq!(program.get("/_qrstack/livez").0, 200);
    program.signal("-INT");
    assert_eq!(program.wait(), Some(1));
    "exit 1".to_owned()
}
