//! Tencent COS over HTTP. Here: requests as a client signs them, and what a success looks like.

mod failures;
mod pictures;
mod signatures;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use qrstack::codec::{self, Budget, Kind, Kinds, Limits, encode, render};
use qrstack::providers::tencent_cos::VENDOR;
use qrstack::signing::{hmac_sha1, percent_encode, sha1_hex};
use qrstack::vendor::ExampleContext;

use crate::support::{Answer, NOW, Server, request};

const ID: &str = "AKIDEMUexample0123456789ABCDEFGHIJKL";
const KEY: &str = "EMUsecretExampleKey0123456789abcdefg";
const HOST: &str = "examplebucket-1250000000.cos.ap-beijing.myqcloud.com";
pub const QR: [(&str, &str); 4] =
    [("ci-process", "qrcode-generate"), ("qrcode-content", "https://www.example.com"), ("mode", "0"), ("width", "200")];

/// A request to draw, and what is signed of it.
#[derive(Clone)]
pub struct Call {
    method: &'static str,
    path: &'static str,
    parameters: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub id: &'static str,
    pub key: &'static str,
    pub times: String,
}

pub fn call(parameters: &[(&str, &str)]) -> Call {
    Call {
        method: "GET",
        path: "/",
        parameters: owned(parameters),
        headers: owned(&[("host", HOST)]),
        id: ID,
        key: KEY,
        times: format!("{};{}", NOW - 60, NOW + 600),
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn strs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn query(parameters: &[(String, String)]) -> String {
    let pairs: Vec<_> =
        parameters.iter().map(|(key, value)| format!("{}={}", percent_encode(key), percent_encode(value))).collect();
    pairs.join("&")
}

/// Keys joined by `;`, and `key=value` joined by `&`, as the vendor's page describes both.
fn canonical(pairs: &[(String, String)]) -> (String, String) {
    let mut pairs: Vec<_> =
        pairs.iter().map(|(key, value)| (percent_encode(key).to_lowercase(), percent_encode(value))).collect();
    pairs.sort();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
    let both: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (keys.join(";"), both.join("&"))
}

impl Call {
    /// Signs the call with a signer that shares no code with the server's, but for the primitives.
    fn authorization(&self) -> String {
        let (parameter_list, parameters) = canonical(&self.parameters);
        let (header_list, headers) = canonical(&self.headers);
        let format_string = format!("{}\n{}\n{parameters}\n{headers}\n", self.method.to_lowercase(), self.path);
        let string_to_sign = format!("sha1\n{}\n{}\n", self.times, sha1_hex(format_string.as_bytes()));
        let sign_key = hex::encode(hmac_sha1(self.key.as_bytes(), self.times.as_bytes()));
        let signature = hex::encode(hmac_sha1(sign_key.as_bytes(), string_to_sign.as_bytes()));
        format!(
            "q-sign-algorithm=sha1&q-ak={}&q-sign-time={times}&q-key-time={times}&q-header-list={header_list}&\
             q-url-param-list={parameter_list}&q-signature={signature}",
            self.id,
            times = self.times,
        )
    }

    fn target(&self) -> String {
        format!("{}?{}", self.path, query(&self.parameters))
    }

    /// The call with its signature in the header.
    pub fn signed(&self) -> Request<Body> {
        let mut headers = self.headers.clone();
        headers.push(("authorization".to_owned(), self.authorization()));
        self.with(&self.target(), &strs(&headers))
    }

    /// The same method with another target and other headers.
    fn with(&self, target: &str, headers: &[(&str, &str)]) -> Request<Body> {
        request(self.method.parse().expect("a method"), target, headers, "")
    }
}

/// The picture in an answer.
pub fn picture(answer: &Answer) -> Vec<u8> {
    let text = answer.text().strip_prefix("<?xml version='1.0' encoding='utf-8' ?>\n<Response>\n\t<ResultImage>");
    let text = text.unwrap_or_else(|| panic!("no picture: {}", answer.text()));
    let text = text.strip_suffix("</ResultImage>\n</Response>\n").expect("the end of the document");
    BASE64_STANDARD.decode(text).expect("padded base64 on one line")
}

fn element<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.text().split_once(&format!("\t<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>\n"))?.0)
}

/// The headers of an answer in the order in which they leave.
fn headers(answer: &Answer) -> Vec<(&str, &str)> {
    answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("visible"))).collect()
}

fn read(png: &[u8], kind: Kind) -> (u32, u32, Vec<String>) {
    let luma = codec::load(png, &Limits::default()).expect("a picture").luma;
    let found = codec::read(&luma, Kinds::from_iter([kind]), &Budget::default()).symbols;
    (luma.width(), luma.height(), found.into_iter().map(|symbol| symbol.text).collect())
}

#[tokio::test]
async fn a_success_is_golden() {
    let answer = Server::start().await.send(call(&QR).signed()).await;
    let id = answer.header("x-cos-request-id").to_owned();
    let code = encode::qr("https://www.example.com", &encode::QrOptions::default()).expect("short");
    let drawn = render::png(&render::place(&code, 6, 200, 200));
    assert_eq!(
        answer.text(),
        format!(
            "<?xml version='1.0' encoding='utf-8' ?>\n<Response>\n\t<ResultImage>{}</ResultImage>\n</Response>\n",
            BASE64_STANDARD.encode(drawn)
        )
    );
    let length = answer.body.len().to_string();
    assert_eq!(
        headers(&answer),
        [
            ("content-type", "application/xml"),
            ("content-length", length.as_str()),
            ("connection", "keep-alive"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
            ("server", "tencent-ci"),
            ("x-cos-request-id", id.as_str()),
            ("x-ci-request-id", id.as_str()),
        ]
    );
    assert_eq!(answer.status.as_u16(), 200);
    let decoded = String::from_utf8(BASE64_STANDARD.decode(&id).expect("base64")).expect("text");
    let parts: Vec<_> = decoded.split('_').map(|part| u64::from_str_radix(part, 16).expect("hexadecimal")).collect();
    assert_eq!((parts.len(), parts[0]), (4, NOW as u64));
}

fn with(change: impl FnOnce(&mut Call)) -> Request<Body> {
    let mut call = call(&QR);
    change(&mut call);
    call.signed()
}

/// The call with one parameter changed, or left out where `value` is `None`.
fn parameter(key: &str, value: Option<&str>) -> Request<Body> {
    with(|call| {
        call.parameters.retain(|(name, _)| name != key);
        call.parameters.extend(value.map(|value| (key.to_owned(), value.to_owned())));
    })
}

fn unsigned(target: &str) -> Request<Body> {
    request(Method::GET, target, &[("host", HOST)], "")
}

fn authorized(authorization: &str) -> Request<Body> {
    let call = call(&QR);
    call.with(&call.target(), &[("host", HOST), ("authorization", authorization)])
}

#[tokio::test]
async fn buckets_are_taken_from_hosts_that_name_them() {
    let settings =
        [("cos_buckets", "a-1250000000,b-1250000000"), ("cos_default_bucket", "b-1250000000"), ("auth", "open")];
    let server = Server::with(&settings).await;
    for (host, expected) in [
        ("a-1250000000.cos.ap-beijing.myqcloud.com", "ok"),
        ("A-1250000000.cos.ap-beijing.tencentcos.cn:80", "ok"),
        ("b-1250000000.ci.ap-beijing.myqcloud.com", "ok"),
        ("c-1250000000.cos.ap-beijing.myqcloud.com", "NoSuchBucket"),
        ("localhost:8080", "ok"),
    ] {
        let answer = server.send(request(Method::GET, &call(&QR).target(), &[("host", host)], "")).await;
        assert_eq!(answer.code, expected, "{host}");
    }
    let strict = Server::with(&[("cos_strict_host", "true"), ("auth", "open")]).await;
    for (host, expected) in
        [(HOST, "ok"), ("localhost:8080", "InvalidHost"), ("x.cos.ap-beijing.myqcloud.com", "InvalidHost")]
    {
        let answer = strict.send(request(Method::GET, &call(&QR).target(), &[("host", host)], "")).await;
        assert_eq!(answer.code, expected, "{host}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = Server::start().await;
    let get = server.send(call(&QR).signed()).await;
    let head = server.send(with(|call| call.method = "HEAD")).await;
    assert_eq!((head.status, head.code.as_str()), (get.status, "ok"));
    assert!(head.body.is_empty());
    for name in ["content-length", "content-type", "server", "connection", "date"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let refused = server.send(request(Method::HEAD, &call(&QR).target(), &[("host", HOST)], "")).await;
    assert_eq!((refused.status.as_u16(), refused.body.len()), (403, 0));
}

#[tokio::test]
async fn a_connection_with_an_unread_body_is_closed() {
    let server = Server::start().await;
    for (header, expected) in [
        (("content-length", "0"), "keep-alive"),
        (("content-length", "2"), "close"),
        (("transfer-encoding", "chunked"), "close"),
    ] {
        let authorization = call(&QR).authorization();
        let headers = [("host", HOST), ("authorization", authorization.as_str()), header];
        let body = if expected == "close" { "{}" } else { "" };
        let answer = server.send(request(Method::GET, &call(&QR).target(), &headers, body)).await;
        assert_eq!((answer.code.as_str(), answer.header("connection")), ("ok", expected), "{header:?}");
    }
}

#[tokio::test]
async fn a_target_may_have_sixty_thousand_bytes() {
    let server = Server::start().await;
    let call = call(&QR);
    let authorization = call.authorization();
    for (length, expected) in [(60_000, "ok"), (60_001, "InvalidURI")] {
        let target = format!("{}&extra=", call.target());
        let target = format!("{target}{}", "x".repeat(length - target.len()));
        let answer = server.send(call.with(&target, &[("host", HOST), ("authorization", &authorization)])).await;
        assert_eq!(answer.code, expected, "{length}");
    }
}

#[tokio::test]
async fn the_example_is_a_command_that_succeeds() {
    for settings in [
        &[][..],
        &[
            ("tencent_credentials", "AKIDtest:it's:tok'en"),
            ("cos_buckets", "a-1250000000"),
            ("cos_strict_host", "true"),
        ],
    ] {
        let server = Server::with(settings).await;
        let shared = server.shared();
        let (config, clock, ids) = (shared.config(), shared.clock(), shared.ids());
        let command = (VENDOR.examples[0].command)(&ExampleContext { config, base: "http://127.0.0.1:1", clock, ids });
        // Words in single quotes: the address, then one header after each `-H`.
        let words = command.strip_prefix("curl -s '").and_then(|rest| rest.strip_suffix('\'')).expect("a curl command");
        let mut words = words.split("' \\\n  -H '").map(|word| word.replace(r"'\''", "'"));
        let target = words.next().expect("an address").replace("http://127.0.0.1:1", "");
        let headers: Vec<(String, String)> = words
            .map(|header| {
                header.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).expect("a header")
            })
            .collect();
        let answer = server.send(request(Method::GET, &target, &strs(&headers), "")).await;
        assert_eq!(answer.code, "ok", "{command}: {}", answer.text());
    }
}

#[tokio::test]
async fn no_two_answers_have_one_id() {
    let server = Server::start().await;
    let mut ids = BTreeSet::new();
    for _ in 0..100 {
        let answer = server.send(unsigned("/?ci-process=x")).await;
        assert!(ids.insert(answer.header("x-cos-request-id").to_owned()));
    }
}
