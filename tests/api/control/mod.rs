//! The control API over HTTP: here who may use it and what all its tests need.

mod clock;
mod credentials;
mod parallel;
mod state;

use std::net::SocketAddr;

use axum::http::{Method, StatusCode};
use qrstack::intake::{Bound, Peer};
use serde_json::{Value, json};

use crate::support::{Answer, Server, qr_png, request};
use crate::tencent_cos;
use crate::tencent_ocr::client::Tc3;

/// The base of every path.
const BASE: &str = "/_qrstack/v1";
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Sends JSON to the control API.
async fn send(server: &Server, method: Method, path: &str, body: &Value) -> Answer {
    server.send(request(method, &format!("{BASE}{path}"), &[JSON], body.to_string())).await
}

async fn get(server: &Server, path: &str) -> Answer {
    server.get(&format!("{BASE}{path}")).await
}

async fn post(server: &Server, path: &str, body: Value) -> Answer {
    send(server, Method::POST, path, &body).await
}

async fn delete(server: &Server, path: &str) -> Answer {
    server.send(request(Method::DELETE, &format!("{BASE}{path}"), &[], "")).await
}

/// Status and code of a failure, after its shape was checked.
fn failure(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.text());
    let json = answer.json();
    let error = json["error"].as_object().unwrap_or_else(|| panic!("no error in {json}"));
    assert_eq!((json.as_object().expect("an object").len(), error.len()), (1, 2), "{json}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
    (answer.status.as_u16(), error["code"].as_str().expect("a code").to_owned())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Everything that a test case needs to call the five APIs as somebody of its own.
struct Set {
    id: String,
    appid: String,
    secret: String,
    secret_id: &'static str,
    secret_key: &'static str,
    api_key: String,
    bucket: String,
}

impl Set {
    async fn create(server: &Server, body: Value) -> Self {
        let answer = post(server, "/credentials", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        Self::of(&answer.json())
    }

    fn of(json: &Value) -> Self {
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned();
        Self {
            id: text("/id"),
            appid: text("/app/appid"),
            secret: text("/app/secret"),
            // Signers of tests take what lives as long as the test.
            secret_id: text("/key_pair/secret_id").leak(),
            secret_key: text("/key_pair/secret_key").leak(),
            api_key: text("/api_key/key"),
            bucket: text("/bucket"),
        }
    }

    /// A new token.
    async fn token(&self, server: &Server) -> String {
        let target = format!("/cgi-bin/token?grant_type=client_credential&appid={}&secret={}", self.appid, self.secret);
        let answer = server.get(&target).await;
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    }

    /// The answer to a call of `create`.
    async fn create_code(&self, server: &Server, token: &str, body: &Value) -> Answer {
        let target = format!("/cgi-bin/qrcode/create?access_token={token}");
        server.send(request(Method::POST, &target, &[], body.to_string())).await
    }

    /// The ticket of a temporary code.
    async fn ticket(&self, server: &Server, token: &str, scene: &str, seconds: u32) -> String {
        let body = json!({
            "expire_seconds": seconds, "action_name": "QR_STR_SCENE", "action_info": { "scene": { "scene_str": scene } },
        });
        let answer = self.create_code(server, token, &body).await;
        answer.json()["ticket"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    }

    /// QrcodeOCR of a picture, signed at a moment.
    async fn ocr(&self, server: &Server, picture: &[u8], moment: jiff::Timestamp) -> Answer {
        use base64::Engine;
        let body = json!({ "ImageBase64": base64::prelude::BASE64_STANDARD.encode(picture) }).to_string();
        let date = moment.strftime("%Y-%m-%d").to_string().leak();
        let call = Tc3 { id: self.secret_id, key: self.secret_key, date, ..Tc3::post("QrcodeOCR", body) };
        server.send(Tc3 { timestamp: moment.as_second().to_string(), ..call }.sign()).await
    }

    /// A code from COS, signed at a moment.
    async fn draw(&self, server: &Server, text: &str, moment: i64) -> Answer {
        let mut parameters = tencent_cos::QR;
        parameters[1].1 = text;
        let mut call = tencent_cos::call(&parameters);
        (call.id, call.key) = (self.secret_id, self.secret_key);
        call.times = format!("{};{}", moment - 60, moment + 600);
        server.send(call.signed()).await
    }

    /// What `cli.im` reads at an address.
    async fn scan_url(&self, server: &Server, url: &str) -> Answer {
        let bearer = format!("Bearer {}", self.api_key);
        let headers = [("Authorization", bearer.as_str()), JSON];
        let body = json!({ "url": url }).to_string();
        server.send(request(Method::POST, "/api/v1/qrcode/scan_url", &headers, body)).await
    }
}

async fn show(server: &Server, ticket: &str) -> Answer {
    server.get(&format!("/cgi-bin/showqrcode?ticket={ticket}")).await
}

#[tokio::test]
async fn every_failure_has_the_one_shape() {
    let server = Server::start().await;
    for (method, path, headers, body, expected) in [
        (Method::GET, "", &[][..], "", is(404, "no_such_path")),
        (Method::GET, "/", &[], "", is(404, "no_such_path")),
        (Method::POST, "/nothing", &[], "", is(404, "no_such_path")),
        (Method::PATCH, "/clock", &[], "", is(405, "method_not_allowed")),
        (Method::POST, "/clock", &[JSON], "{", is(400, "malformed")),
        (Method::POST, "/clock", &[JSON], "{} x", is(400, "malformed")),
        (Method::POST, "/clock", &[JSON], "[]", is(422, "invalid")),
        (Method::POST, "/clock", &[JSON], r#"{"freez":true}"#, is(422, "invalid")),
        (Method::POST, "/clock", &[("Content-Type", "text/plain")], "{}", is(415, "unsupported_media_type")),
        (Method::POST, "/clock", &[], "freeze=true", is(415, "unsupported_media_type")),
        (Method::GET, "/clock?credentials=x", &[], "", is(422, "invalid")),
        (Method::GET, "/clock?credential=x&credential=x", &[], "", is(422, "invalid")),
        (Method::GET, "/clock?credential=%ff", &[], "", is(400, "malformed")),
        (Method::GET, "/clock?credential=nobody", &[], "", is(404, "not_found")),
        (Method::POST, "/seed", &[JSON], "[null, 7]", is(422, "invalid")),
        (Method::POST, "/seed", &[JSON], r#"{"seed":-1}"#, is(422, "invalid")),
        (Method::GET, "/credentials/%ff", &[], "", is(400, "malformed")),
        (Method::GET, "/credentials?limit=many", &[], "", is(422, "invalid")),
        (Method::GET, "/credentials?limit=0", &[], "", is(422, "invalid")),
    ] {
        let answer = server.send(request(method.clone(), &format!("{BASE}{path}"), headers, body)).await;
        assert_eq!(failure(&answer), expected, "{method} {path} {body}");
    }
    let typo = post(&server, "/clock", json!({ "freez": true })).await;
    assert!(typo.text().contains("freez"), "the message names the field: {}", typo.text());
    let large = server.send(request(Method::POST, &format!("{BASE}/clock"), &[JSON], vec![b' '; (1 << 20) + 1])).await;
    assert_eq!(failure(&large), is(413, "too_large"));
}

/// A request that came through a listener bound to `bound`.
async fn through(server: &Server, bound: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = request(Method::GET, &format!("{BASE}/clock"), headers, "");
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    request.extensions_mut().insert(Peer(address("127.0.0.1:50000")));
    request.extensions_mut().insert(Bound(address(bound)));
    server.send(request).await
}

#[tokio::test]
async fn without_a_token_only_this_machine_is_let_in() {
    let server = Server::start().await;
    assert_eq!(through(&server, "127.0.0.1:8080", &[]).await.status, StatusCode::OK);
    assert_eq!(through(&server, "[::1]:8080", &[]).await.status, StatusCode::OK);
    for bound in ["0.0.0.0:8080", "192.0.2.1:8080", "[::]:8080"] {
        let refused = through(&server, bound, &[("Authorization", "Bearer x")]).await;
        assert_eq!(failure(&refused), is(403, "forbidden"), "{bound}");
        assert!(refused.text().contains("QRSTACK_CONTROL_TOKEN"), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_token_is_asked_for_wherever_it_is_set() {
    let server = Server::with(&[("control_token", "marker")]).await;
    for bound in ["127.0.0.1:8080", "0.0.0.0:8080"] {
        for wrong in [&[][..], &[("Authorization", "Bearer markeR")], &[("Authorization", "Basic marker")]] {
            let refused = through(&server, bound, wrong).await;
            assert_eq!(failure(&refused), is(401, "unauthorized"), "{bound} {wrong:?}");
            assert_eq!(refused.header("www-authenticate"), "Bearer");
        }
        // Who has the token may come under any name, such as that of a container.
        for host in ["127.0.0.1", "qrstack:8080"] {
            let headers = [("Authorization", "bearer marker"), ("Host", host)];
            assert_eq!(through(&server, bound, &headers).await.status, StatusCode::OK, "{bound} {host}");
        }
    }
    assert_eq!(failure(&get(&server, "/nothing").await), is(401, "unauthorized"), "nor is told what there is");
    assert_eq!(server.get("/_qrstack/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn web_pages_of_others_are_refused() {
    let server = Server::with(&[("public_hosts", "qr.test")]).await;
    for headers in [
        &[("Host", "evil.test:8080")][..],
        &[("Host", "evil.test:8080"), ("Origin", "http://evil.test:8080")],
        &[("Host", "127.0.0.1:8080"), ("Origin", "http://evil.test")],
        &[("Host", "127.0.0.1:8080"), ("Origin", "null")],
        &[("Host", "127.0.0.1:8080"), ("Sec-Fetch-Site", "cross-site")],
    ] {
        let refused = through(&server, "127.0.0.1:8080", headers).await;
        assert_eq!(failure(&refused), is(403, "forbidden"), "{headers:?}");
        assert!(!refused.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{headers:?}");
    }
    for host in ["localhost:8080", "[::1]:8080", "qr.test"] {
        assert_eq!(through(&server, "127.0.0.1:8080", &[("Host", host)]).await.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let server = Server::with(&[("control", "false")]).await;
    assert_eq!(failure(&get(&server, "/clock").await), is(404, "control_off"));
    assert_eq!(server.get("/_qrstack/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn both_documents_are_served() {
    let server = Server::start().await;
    for (target, path) in
        [("/_qrstack/v1/openapi.json", "/clock"), ("/_qrstack/openapi/emulated.json", "/cgi-bin/token")]
    {
        let answer = server.get(target).await;
        assert_eq!(answer.header("content-type"), "application/json");
        let document = answer.json();
        assert_eq!(document["openapi"], "3.1.0");
        assert!(document["paths"][path].is_object(), "{target}");
    }
}

/// What a document says at a place, references followed.
fn resolve<'a>(document: &'a Value, place: &'a Value) -> &'a Value {
    match place["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference}")),
        None => place,
    }
}

#[tokio::test]
async fn every_example_of_the_document_is_understood() {
    let server = Server::with(&[("request_timeout", "1s"), ("fetch_allow", "127.0.0.1")]).await;
    let document = server.get("/_qrstack/v1/openapi.json").await.json();
    let mut sent = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            let schema = resolve(&document, &operation["requestBody"]["content"]["application/json"]["schema"]);
            for example in schema["examples"].as_array().into_iter().flatten() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
                let answer = send(&server, method, path, example).await;
                assert!(![400, 415, 422].contains(&answer.status.as_u16()), "{path} {example}: {}", answer.text());
                sent += 1;
            }
        }
    }
    assert!(sent > 15, "{sent} examples");
}

#[tokio::test]
async fn no_answer_is_kept_by_a_cache() {
    let server = Server::start().await;
    assert_eq!(get(&server, "/clock").await.header("cache-control"), "no-store");
    assert_eq!(post(&server, "/credentials", json!({})).await.header("cache-control"), "no-store");
}

/// A picture that no other test case has.
fn picture(text: &str) -> Vec<u8> {
    qr_png(text)
}
