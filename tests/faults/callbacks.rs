//! Callbacks of the scan simulator: whoever may use the control API names their addresses. They leave through the same
//! guard as remote pictures do.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use qrstack::fetch::{Fetch, FetchError, FetchLimits, Setup};
use qrstack::server;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::canary::{Act, Canary, ok};
use crate::fetch::{LIMITS, OTHER_SCHEMES, Scripted, hiding, moved, setup, special, spelled};
use crate::harness::{Check, block_on, check};
use crate::support::{Answer, Server, request};

const APPID: &str = "wx0123456789abcdef";

pub fn checks() -> Vec<Check> {
    vec![
        check(
            "F60",
            "callbacks at special, misspelled and hidden addresses refused, connections made",
            inner_addresses,
        ),
        check("F60", "callbacks of other schemes refused", schemes),
        check("F60", "our own listener is told nothing where all is allowed", ourselves),
        check("F60", "redirects of callbacks followed, connections made where they point", redirects),
        check("F60", "names of callbacks that change or mix, connections made inside", rebinding),
        check("F60", "callbacks that hang, drip, never end or encode are given up", answers),
        check("F60", "attempts at an application that fails each time", attempts),
    ]
}

async fn call(server: &Server, method: Method, path: &str, body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json")];
    server.send(request(method, &format!("/_qrstack/v1{path}"), &headers, body.to_string())).await
}

/// Sets the callback; whether it was taken.
async fn set(server: &Server, url: &str) -> bool {
    let callback = json!({ "credential": APPID, "url": url, "token": "t" });
    let answer = call(server, Method::PUT, "/callbacks", &callback).await;
    assert!([200, 422].contains(&answer.status.as_u16()), "{url}: {}", answer.text());
    answer.status.as_u16() == 200
}

async fn verify(server: &Server) -> Value {
    call(server, Method::POST, "/callbacks/verify", &json!({ "credential": APPID })).await.json()
}

/// A server with a code, and the code's ticket.
async fn with_code(allow: &str) -> (Server, String) {
    let server = Server::with(&[("auth", "open"), ("fetch_allow", allow)]).await;
    let body = json!({ "action_name": "QR_SCENE", "action_info": { "scene": { "scene_id": 1 } } }).to_string();
    let made = server.send(request(Method::POST, "/cgi-bin/qrcode/create", &[], body)).await.json();
    let ticket = made["ticket"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    (server, ticket)
}

async fn scan(server: &Server, ticket: &str) -> Value {
    call(server, Method::POST, "/scan", &json!({ "ticket": ticket })).await.json()
}

fn inner_addresses() -> String {
    block_on(async {
        let (server, ticket) = with_code("").await;
        let canaries = [Canary::silent("127.0.0.1").await, Canary::silent("127.0.0.2").await];
        let hosts = [special(), spelled(), hiding()].concat();
        for host in &hosts {
            for canary in &canaries {
                let address = host.replace("{port}", &canary.port().to_string());
                if !set(&server, &address).await {
                    continue;
                }
                let verified = verify(&server).await;
                assert_eq!(verified["verified"], false, "{address}: {verified}");
                assert_eq!(verified["status"], Value::Null, "{address}: {verified}");
                let scanned = scan(&server, &ticket).await;
                assert_eq!(scanned["delivered"], false, "{address}: {scanned}");
                // Names that lead nowhere are tried again, addresses that may not be reached are not.
                let told = scanned["attempts"][0]["error"].as_str().unwrap_or_default();
                let tried = scanned["attempts"].as_array().map_or(0, Vec::len);
                assert!(tried == 1 || told.contains("no answer"), "{address}: {scanned}");
            }
        }
        let reached: usize = canaries.iter().map(Canary::accepted).sum();
        assert_eq!(reached, 0);
        format!("{}, {reached}", hosts.len())
    })
}

fn schemes() -> String {
    block_on(async {
        let (server, _) = with_code("127.0.0.0/8").await;
        for address in OTHER_SCHEMES {
            assert!(!set(&server, address).await, "{address}");
        }
        for address in ["http://user@127.0.0.1/", "http://127.0.0.1:25/", "http://127.0.0.1:0/"] {
            assert!(set(&server, address).await, "{address}");
            assert_eq!(verify(&server).await["status"], Value::Null, "{address}");
        }
        OTHER_SCHEMES.len().to_string()
    })
}

fn ourselves() -> String {
    block_on(async {
        let (server, _) = with_code("0.0.0.0/0,::/0,localhost").await;
        let listener = server::bind(([127, 0, 0, 1], 0).into()).await.expect("bound");
        let (own, stop) = (listener.address(), CancellationToken::new());
        server.shared().fetch().own_listener(own);
        let running = tokio::spawn(listener.serve(server.app(), stop.clone()));
        let hosts = ["127.0.0.1", "127.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"];
        for host in hosts {
            assert!(set(&server, &format!("http://{host}:{}/_qrstack/v1/reset", own.port())).await, "{host}");
            let verified = verify(&server).await;
            assert!(verified["error"].as_str().is_some_and(|error| error.contains("this server itself")), "{verified}");
        }
        stop.cancel();
        running.await.expect("ended");
        format!("{} of {} addresses", hosts.len(), hosts.len())
    })
}

fn redirects() -> String {
    block_on(async {
        let inner = Canary::silent("127.0.0.2").await;
        let port = inner.port();
        let outer = Canary::start("127.0.0.1", move |path| match path.split('?').next().unwrap_or_default() {
            "/private" => moved(&format!("http://127.0.0.2:{port}/")),
            "/public" => moved("/ok"),
            _ => Act::Say(ok("text/plain", b"success")),
        })
        .await;
        let (server, _) = with_code("127.0.0.1/32").await;
        for path in ["/private", "/public"] {
            assert!(set(&server, &format!("http://{}{path}", outer.address)).await);
            assert_eq!(verify(&server).await["status"], 302, "{path}");
        }
        assert_eq!((outer.accepted(), inner.accepted()), (2, 0));
        format!("0 of 2, {}", inner.accepted())
    })
}

const MESSAGE: (&str, Bytes) = ("text/xml", Bytes::from_static(b"<xml/>"));

fn rebinding() -> String {
    block_on(async {
        let (outer, inner) = (
            Canary::start("127.0.0.1", |_| Act::Say(ok("text/plain", b"success"))).await,
            Canary::silent("127.0.0.2").await,
        );
        let [public, private]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        let ask = async |answers: &[&[IpAddr]], port: u16| {
            let answers = answers.iter().map(|set| set.to_vec()).collect();
            let scripted = Arc::new(Scripted { answers, asked: AtomicUsize::new(0) });
            let resolver = Arc::clone(&scripted);
            let fetch = Fetch::new(Setup { resolver, ..setup() }).expect("set up");
            let result = fetch.call(&format!("http://name.example.:{port}/"), Some(MESSAGE), &LIMITS).await;
            (result, scripted.asked.load(Ordering::SeqCst))
        };
        let (result, asked) = ask(&[&[public], &[private]], outer.port()).await;
        assert_eq!((result.expect("reached").body.as_ref(), asked), (&b"success"[..], 1));
        let sets: [&[IpAddr]; 3] = [&[private], &[public, private], &[public, "::1".parse().expect("an address")]];
        for set in sets {
            let (result, _) = ask(&[set], inner.port()).await;
            assert!(matches!(result, Err(FetchError::Refused { .. })), "{set:?}: {result:?}");
        }
        assert_eq!(inner.accepted(), 0);
        format!("{}, {}", sets.len() + 1, inner.accepted())
    })
}

fn answers() -> String {
    block_on(async {
        let host = Canary::start("127.0.0.1", |path| match path {
            "/silent" => Act::Hang(Vec::new()),
            "/stall" => Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsucc".to_vec()),
            "/drip" => Act::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            "/endless" => Act::Repeat(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 256]),
            "/huge" => Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 11534336\r\n\r\n".to_vec()),
            "/gzip" => Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n".to_vec()),
            "/headers" => Act::Repeat(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Header: a\r\n".to_vec()),
            "/closed" => Act::Say(Vec::new()),
            path => panic!("no script for {path}"),
        })
        .await;
        let fetch = Fetch::new(Setup { idle: Duration::from_millis(300), ..setup() }).expect("set up");
        let limits = FetchLimits { redirects: 0, total: Duration::from_millis(900), max_bytes: 1000 };
        let kinds = ["/silent", "/stall", "/drip", "/endless", "/huge", "/gzip", "/headers", "/closed"];
        for path in kinds {
            let result = fetch.call(&format!("http://{}{path}", host.address), Some(MESSAGE), &limits).await;
            let expected = match path {
                "/endless" | "/huge" => matches!(result, Err(FetchError::TooLarge { limit: 1000 })),
                "/gzip" => matches!(result, Err(FetchError::Encoded(_))),
                "/headers" | "/closed" => matches!(result, Err(FetchError::Unreachable(_) | FetchError::TooSlow)),
                _ => matches!(result, Err(FetchError::TooSlow)),
            };
            assert!(expected, "{path}: {result:?}");
        }
        format!("{} kinds", kinds.len())
    })
}

fn attempts() -> String {
    block_on(async {
        let application = Canary::start("127.0.0.1", |_| {
            Act::Say(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec())
        })
        .await;
        let (server, ticket) = with_code("127.0.0.1/32").await;
        assert!(set(&server, &format!("http://{}/", application.address)).await);
        let scanned = scan(&server, &ticket).await;
        assert_eq!(scanned["attempts"].as_array().map(Vec::len), Some(application.accepted()), "{scanned}");
        application.accepted().to_string()
    })
}
