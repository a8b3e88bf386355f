//! More work than there are readers: what is refused is refused at once and in the vendor's words, the rest is served.

use std::sync::mpsc;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::task::JoinHandle;

use crate::harness::{Check, block_on, check};
use crate::support::{Answer, Server, qr_png, request};

pub fn checks() -> Vec<Check> {
    vec![
        check("F41", "with every reader taken, each vendor throttles in its own words", throttled),
        check("F41", "with every reader taken, codes, tokens, tickets and health are served", served),
        check("F41", "many times the capacity: the queue takes its length, the rest is refused before it moves", many),
        check("F41", "with the room for large bodies taken, large ones are throttled and small ones served", no_room),
    ]
}

/// A server whose one reader is taken.
struct Busy {
    server: Server,
    release: mpsc::Sender<()>,
    job: JoinHandle<()>,
}

impl Busy {
    async fn new(queue: &str) -> Self {
        let settings = [("read_threads", "1"), ("read_queue", queue), ("auth", "open")];
        let server = Server::with(&settings).await;
        let (started, on_start) = tokio::sync::oneshot::channel();
        let (release, gate) = mpsc::channel::<()>();
        let work = server.shared().work().clone();
        let job = tokio::spawn(async move {
            let job = move || {
                let _ = started.send(());
                let _ = gate.recv();
            };
            work.run(0, job).await.expect("the job ends");
        });
        on_start.await.expect("the reader is taken");
        Self { server, release, job }
    }

    async fn free(self) -> Server {
        self.release.send(()).expect("the job waits");
        self.job.await.expect("joined");
        self.server
    }
}

fn ocr(picture: &[u8]) -> Request<Body> {
    let headers = [
        ("X-TC-Action", "QrcodeOCR"),
        ("X-TC-Version", "2018-11-19"),
        ("X-TC-Region", "ap-beijing"),
        ("X-TC-Timestamp", "1"),
        ("Authorization", "SKIP"),
        ("Content-Type", "application/json"),
    ];
    let body = format!(r#"{{"ImageBase64":"{}"}}"#, BASE64_STANDARD.encode(picture));
    request(Method::POST, "/", &headers, body)
}

fn scan(picture: &[u8]) -> Request<Body> {
    let head = b"--x\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a\"\r\n\r\n";
    let body = [&head[..], picture, b"\r\n--x--\r\n"].concat();
    let headers = [("Content-Type", "multipart/form-data; boundary=x")];
    request(Method::POST, "/cv/img/qrcode?access_token=x", &headers, body)
}

fn scan_url() -> Request<Body> {
    let sample = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png";
    request(Method::POST, "/qrcode/scan_url", &[], format!("url={sample}"))
}

fn draw(width: u32) -> Request<Body> {
    let target = format!("/?ci-process=qrcode-generate&qrcode-content=a&width={width}");
    request(Method::GET, &target, &[], "")
}

/// Status and the vendor's code.
fn outcome(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), &answer.code)
}

fn throttled() -> String {
    block_on(async {
        let busy = Busy::new("0").await;
        let picture = qr_png("a");
        let asked = [
            (draw(4096), (503, "SlowDown")),
            (ocr(&picture), (200, "RequestLimitExceeded")),
            (scan(&picture), (200, "-1")),
            (scan_url(), (429, "429")),
        ];
        let vendors = asked.len();
        for (request, expected) in asked {
            assert_eq!(outcome(&busy.server.send(request).await), expected);
        }
        let server = busy.free().await;
        for request in [draw(4096), ocr(&picture), scan(&picture), scan_url()] {
            let answer = server.send(request).await;
            assert!(matches!(outcome(&answer), (200, "ok" | "0")), "{answer:?}");
        }
        format!("{vendors} of {vendors}")
    })
}

fn served() -> String {
    block_on(async {
        let busy = Busy::new("0").await;
        let server = &busy.server;
        let credentials =
            "grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";
        let token = server.get(&format!("/cgi-bin/token?{credentials}")).await;
        let token = token.json()["access_token"].as_str().expect("a token").to_owned();
        let create = r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":7}}}"#;
        let target = format!("/cgi-bin/qrcode/create?access_token={token}");
        let created = server.send(request(Method::POST, &target, &[], create)).await;
        let ticket = created.json()["ticket"].as_str().expect("a ticket").to_owned();
        let show = format!("/cgi-bin/showqrcode?ticket={ticket}");
        let asked = [show.as_str(), "/_qrstack/livez", "/_qrstack/readyz", "/_qrstack/version"]
            .map(|target| request(Method::GET, target, &[], ""));
        let mut count = 2;
        for request in asked.into_iter().chain([draw(300)]) {
            assert_eq!(server.send(request).await.status, 200);
            count += 1;
        }
        busy.free().await;
        format!("{count} of {count}")
    })
}

fn many() -> String {
    const QUEUE: usize = 4;
    const CLIENTS: usize = 100;
    block_on(async {
        let busy = Busy::new("4").await;
        let picture = qr_png("a");
        let mut asking: Vec<_> = (0..CLIENTS).map(|_| Box::pin(busy.server.send(ocr(&picture)))).collect();
        // Those that are refused are answered while the reader is still taken; the others wait for it.
        let mut refused = 0;
        while refused < CLIENTS - QUEUE {
            let (answer, _, rest) = futures_util::future::select_all(asking).await;
            assert_eq!(outcome(&answer), (200, "RequestLimitExceeded"));
            asking = rest;
            refused += 1;
        }
        busy.release.send(()).expect("the job waits");
        let accepted = futures_util::future::join_all(asking).await;
        for answer in &accepted {
            assert_eq!(outcome(answer), (200, "ok"));
        }
        format!("{} read, {refused} refused", accepted.len())
    })
}

fn no_room() -> String {
    block_on(async {
        let server = Server::with(&[("auth", "open"), ("body_memory_mib", "16")]).await;
        let taken = server.shared().intake().body(Body::from(vec![0; 16 << 20]), 16 << 20).await.expect("room");
        let large = vec![b' '; 1 << 20];
        let post = |target: &str, headers: &[(&str, &str)]| request(Method::POST, target, headers, large.clone());
        let asked = [
            (ocr(&large), "RequestLimitExceeded"),
            (scan(&large), "-1"),
            (post("/cgi-bin/qrcode/create?access_token=x", &[]), "-1"),
            (post("/qrcode/scan_url", &[]), "429"),
            (post("/", &[("Content-Type", "application/x-www-form-urlencoded")]), "RequestLimitExceeded"),
        ];
        let count = asked.len();
        for (request, expected) in asked {
            assert_eq!(server.send(request).await.code, expected);
        }
        assert_eq!(outcome(&server.send(ocr(&qr_png("a"))).await), (200, "ok"));
        drop(taken);
        assert_eq!(server.send(ocr(&large)).await.code, "FailedOperation.ImageDecodeFailed");
        format!("{count} of {count}")
    })
}
