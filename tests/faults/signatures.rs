//! Signatures that are made to cost: whoever knows a key's id, which is public, can send a wrong one, and every refusal is
//! explained.

use axum::body::Body;
use axum::http::{Method, Request};
use qrstack::config::Config;

use crate::harness::{Check, check};
use crate::memory::peak;
use crate::support::{NOW, Server, request};

pub fn checks() -> Vec<Check> {
    vec![check(
        "F31",
        "requests of many names under a wrong signature, refused, and explained in memory that grows as they do",
        many_names,
    )]
}

/// Memory that a refusal takes, at most: so much, and so many times the request.
const MOST: usize = 4 << 20;
const TIMES: usize = 32;

fn many_names() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(Server::start());
    let id = &Config::defaults().tencent_credentials[0].id;
    let mut refused = 0;
    for names in [10, 1000, 12_000] {
        for (kind, request) in [
            ("cos, listed", cos(id, names, "")),
            ("cos, sent", cos(id, 1, &format!("&{}", list(names, "&")))),
            ("tc3", tc3(id, names)),
            ("v1", v1(id, names)),
            ("v1, large", v1(id, 20 * names)),
        ] {
            let (request, length) = request;
            let (answer, most) = peak(|| runtime.block_on(server.send(request)));
            let text = answer.text();
            let is_refused = text.contains("SignatureDoesNotMatch") || text.contains("AuthFailure.SignatureFailure");
            assert!(is_refused, "{kind}: {text}");
            let explanation = answer.explanation.as_ref().expect("it is explained");
            let is_cut_short = explanation.mistakes.iter().any(|mistake| mistake.name == "too_long");
            assert_eq!(is_cut_short, names > 10, "{kind}, {names} names: {:?}", explanation.mistakes);
            assert!(most <= MOST + TIMES * length, "{kind}, {names} names: {most} bytes for {length}");
            refused += 1;
        }
    }
    refused.to_string()
}

/// So many names with `divider` between them.
fn list(names: usize, divider: &str) -> String {
    (0..names).map(|name| format!("{name:x}")).collect::<Vec<_>>().join(divider)
}

fn cos(id: &str, names: usize, further: &str) -> (Request<Body>, usize) {
    let time = format!("{};{}", NOW - 10, NOW + 10);
    let authorization = format!(
        "q-sign-algorithm=sha1&q-ak={id}&q-sign-time={time}&q-key-time={time}&q-header-list=host&q-url-param-list={}&\
         q-signature={}",
        list(names, ";"),
        "0".repeat(40)
    );
    let target = format!("/?ci-process=qrcode-generate&qrcode-content=x&width=200{further}");
    let headers = [("Host", "a-1.cos.ap-beijing.myqcloud.com"), ("Authorization", authorization.as_str())];
    (request(Method::GET, &target, &headers, ""), authorization.len() + target.len())
}

fn tc3(id: &str, names: usize) -> (Request<Body>, usize) {
    let authorization = format!(
        "TC3-HMAC-SHA256 Credential={id}/2023-11-14/ocr/tc3_request, SignedHeaders=content-type;host;{}, Signature={}",
        list(names, ";"),
        "0".repeat(64)
    );
    let timestamp = NOW.to_string();
    let headers = [
        ("Host", "ocr.tencentcloudapi.com"),
        ("Content-Type", "application/json"),
        ("X-TC-Action", "QrcodeOCR"),
        ("X-TC-Version", "2018-11-19"),
        ("X-TC-Region", "ap-beijing"),
        ("X-TC-Timestamp", timestamp.as_str()),
        ("Authorization", authorization.as_str()),
    ];
    let body = r#"{"ImageUrl":"http://pictures.test/x"}"#;
    (request(Method::POST, "/", &headers, body), authorization.len())
}

fn v1(id: &str, names: usize) -> (Request<Body>, usize) {
    let body = format!(
        "Action=QrcodeOCR&Version=2018-11-19&Region=ap-beijing&Nonce=1&Timestamp={NOW}&SecretId={id}&Signature=eA%3D%3D&{}=",
        list(names, "=&")
    );
    let headers =
        [("Host", "ocr.tencentcloudapi.com"), ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")];
    let length = body.len();
    (request(Method::POST, "/", &headers, body), length)
}
