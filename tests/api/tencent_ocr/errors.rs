//! Every documented error code, by an input where there is one, else by force; and that none is missing.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use qrstack::faults::Failures;
use qrstack::signing::sha256_hex;

use super::client::{ID, KEY, Tc3, V1};
use super::{by_address, code, message, picture, with_pictures};
use crate::support::{Log, NOW, Server, blank_png, qr_png};

struct Case {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    request: Request<Body>,
    code: &'static str,
    /// Of the answer in English.
    message: &'static str,
}

fn case(name: &'static str, request: Request<Body>, code: &'static str, message: &'static str) -> Case {
    Case { name, settings: &[], request, code, message }
}

fn qrcode(body: &str) -> Tc3 {
    Tc3::post("QrcodeOCR", body).header("X-TC-Language", "en-US")
}

fn bar_code(body: &str) -> Tc3 {
    Tc3::post("QueryBarCode", body).header("X-TC-Language", "en-US")
}

fn v1() -> V1 {
    V1::new(Method::POST, "QueryBarCode", &[("BarCode", "6941858722888"), ("Language", "en-US")])
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn gateway_cases() -> Vec<Case> {
    let multipart = |body: &str| Tc3 { content_type: "multipart/form-data; boundary=x".to_owned(), ..qrcode(body) };
    let json_type = "Parameter `body` type error.";
    let signature = "The provided credentials could not be validated. Please check your signature is correct.";
    let authorization = "The Authorization header is invalid.";
    let strict: &[(&str, &str)] = &[("ocr_strict", "true")];
    vec![
        case(
            "no region",
            qrcode("{}").without("X-TC-Region").sign(),
            "MissingParameter",
            "The request is missing a required parameter `Region`.",
        ),
        case(
            "no action",
            qrcode("{}").without("X-TC-Action").sign(),
            "MissingParameter",
            "The request is missing a required parameter `Action`.",
        ),
        case(
            "no version",
            qrcode("{}").without("X-TC-Version").sign(),
            "MissingParameter",
            "The request is missing a required parameter `Version`.",
        ),
        case(
            "no bar code",
            bar_code("{}").sign(),
            "MissingParameter",
            "The request is missing a required parameter `BarCode`.",
        ),
        case(
            "no key in v1",
            v1().without("SecretId").sign(),
            "MissingParameter",
            "The request is missing a required parameter `SecretId`.",
        ),
        case(
            "no signature in v1",
            v1().unsigned(),
            "MissingParameter",
            "The request is missing a required parameter `Signature`.",
        ),
        case("nonce", v1().with("Nonce", "x").sign(), "InvalidParameter", "Parameter `Nonce` type error."),
        case(
            "timestamp",
            Tc3 { timestamp: "soon".to_owned(), ..bar_code("{}") }.sign(),
            "InvalidParameter",
            "Parameter `Timestamp` type error.",
        ),
        case(
            "number for a text",
            bar_code(r#"{"BarCode":6941858722888}"#).sign(),
            "InvalidParameter",
            "Parameter `BarCode` type error.",
        ),
        case(
            "list for a text",
            qrcode(r#"{"ImageBase64":[]}"#).sign(),
            "InvalidParameter",
            "Parameter `ImageBase64` type error.",
        ),
        case("bad JSON", qrcode("{").sign(), "InvalidParameter", json_type),
        case(
            "bad UTF-8",
            Tc3 { body: b"{\"ImageUrl\":\"\xff\"}".to_vec(), ..qrcode("") }.sign(),
            "InvalidParameter",
            json_type,
        ),
        case("no body", qrcode("").sign(), "InvalidParameter", json_type),
        case("JSON in v1", V1::json_and_query(), "InvalidParameter", json_type),
        case(
            "empty region",
            qrcode("{}").header("X-TC-Region", "").sign(),
            "InvalidParameterValue",
            "A value specified in `X-TC-Region` is not valid, is unsupported, or cannot be used.",
        ),
        case(
            "no region at all in v1",
            v1().with("Region", "Mars").sign(),
            "InvalidParameterValue",
            "A value specified in `Region` is not valid, is unsupported, or cannot be used.",
        ),
        case(
            "another region",
            qrcode("{}").header("X-TC-Region", "ap-shanghai").sign(),
            "UnsupportedRegion",
            "The action not support this region.",
        ),
        case(
            "another action",
            Tc3::post("qrcodeocr", "{}").unsigned(),
            "InvalidAction",
            "The request action=`qrcodeocr` is invalid or not found in service=`ocr` and version=`2018-11-19`.",
        ),
        case(
            "another version",
            qrcode("{}").header("X-TC-Version", "2019-07-22").sign(),
            "NoSuchVersion",
            "The specified api version=`2019-07-22` does not exist in service=`ocr`.",
        ),
        case(
            "unknown key",
            Tc3 { id: "AKIDother", ..qrcode("{}") }.sign(),
            "AuthFailure.SecretIdNotFound",
            "The SecretId is not found, please ensure that your SecretId is correct.",
        ),
        case(
            "unknown key in v1",
            v1().with("SecretId", "AKIDother").sign(),
            "AuthFailure.SecretIdNotFound",
            "The SecretId is not found, please ensure that your SecretId is correct.",
        ),
        case("wrong key", Tc3 { key: "x", ..qrcode("{}") }.sign(), "AuthFailure.SignatureFailure", signature),
        case("wrong key in v1", V1 { key: "x", ..v1() }.sign(), "AuthFailure.SignatureFailure", signature),
        case(
            "local date",
            Tc3 { date: "2023-11-15", ..qrcode("{}") }.sign(),
            "AuthFailure.SignatureFailure",
            signature,
        ),
        Case {
            settings: strict,
            ..case(
                "v1 over 1 MiB",
                v1().with("BarCode", &"1".repeat(1 << 20)).sign(),
                "AuthFailure.SignatureFailure",
                "The provided credentials could not be validated because of exceeding request size limit, please use \
                 new signature method `TC3-HMAC-SHA256`.",
            )
        },
        case(
            "too old",
            Tc3 { timestamp: (NOW - 301).to_string(), ..qrcode("{}") }.sign(),
            "AuthFailure.SignatureExpire",
            "The signature is expired, please request again.",
        ),
        case(
            "too early in v1",
            v1().with("Timestamp", &(NOW + 301).to_string()).sign(),
            "AuthFailure.SignatureExpire",
            "The signature is expired, please request again.",
        ),
        case("no header", qrcode("{}").unsigned(), "AuthFailure.InvalidAuthorization", authorization),
        case(
            "SKIP",
            qrcode("{}").header("Authorization", "SKIP").unsigned(),
            "AuthFailure.InvalidAuthorization",
            authorization,
        ),
        case(
            "host is not signed",
            Tc3 { signed_headers: "content-type", ..qrcode("{}") }.sign(),
            "AuthFailure.InvalidAuthorization",
            authorization,
        ),
        case(
            "token of a permanent key",
            qrcode("{}").header("X-TC-Token", "x").sign(),
            "AuthFailure.TokenFailure",
            "The token is invalid.",
        ),
        case(
            "broken multipart",
            multipart("--x\r\nContent-Disposition").sign(),
            "InvalidRequest",
            "The multipart format of the request body is wrong.",
        ),
        Case {
            settings: strict,
            ..case(
                "unknown parameter",
                bar_code(r#"{"BarCode":"6941858722888","Foo":1}"#).sign(),
                "UnknownParameter",
                "The parameter `Foo` is not recognized.",
            )
        },
        case(
            "long target",
            Tc3::get("QueryBarCode", &"a".repeat(32_767)).sign(),
            "RequestSizeLimitExceeded",
            "The size of the request exceeds the limit.",
        ),
        case(
            "method",
            Tc3 { method: Method::PUT, ..qrcode("{}") }.sign(),
            "UnsupportedProtocol",
            "The HTTP(S) protocol of the request is wrong: only GET and POST are supported.",
        ),
    ]
}

fn action_cases() -> Vec<Case> {
    let empty = "The image is empty.";
    let undecodable = "Failed to decode the image.";
    vec![
        case("no picture", qrcode("{}").sign(), "FailedOperation.EmptyImageError", empty),
        case(
            "empty texts",
            qrcode(r#"{"ImageUrl":"","ImageBase64":""}"#).sign(),
            "FailedOperation.EmptyImageError",
            empty,
        ),
        case("line breaks alone", qrcode(r#"{"ImageBase64":"\r\n"}"#).sign(), "FailedOperation.EmptyImageError", empty),
        case(
            "octet-stream",
            Tc3 { content_type: "application/octet-stream".to_owned(), ..qrcode("PNG") }.sign(),
            "FailedOperation.EmptyImageError",
            empty,
        ),
        case(
            "no base64",
            qrcode(r#"{"ImageBase64":"data:image/png;base64,AAAA"}"#).sign(),
            "FailedOperation.ImageDecodeFailed",
            undecodable,
        ),
        case("PDF", qrcode(&picture(b"%PDF-1.7\n")).sign(), "FailedOperation.ImageDecodeFailed", undecodable),
        case(
            "truncated picture",
            qrcode(&picture(&qr_png("x")[..60])).sign(),
            "FailedOperation.ImageDecodeFailed",
            undecodable,
        ),
        case(
            "no code",
            qrcode(&picture(&blank_png())).sign(),
            "FailedOperation.ImageNoText",
            "No text is detected in the image.",
        ),
        case(
            "no address",
            qrcode(r#"{"ImageUrl":"file:///etc/passwd"}"#).sign(),
            "InvalidParameterValue.InvalidParameterValueLimit",
            "Invalid parameter value.",
        ),
        case(
            "inner address",
            qrcode(r#"{"ImageUrl":"http://127.0.0.1:1/a.png"}"#).sign(),
            "FailedOperation.DownLoadError",
            "Failed to download the file.",
        ),
        case(
            "empty bar code",
            bar_code(r#"{"BarCode":""}"#).sign(),
            "InvalidParameterValue.InvalidParameterValueLimit",
            "Invalid parameter value.",
        ),
        case(
            "check digit",
            bar_code(r#"{"BarCode":"6941858722889"}"#).sign(),
            "InvalidParameter.InvalidGTINError",
            "Invalid GTIN.",
        ),
        case(
            "length",
            bar_code(r#"{"BarCode":"694185872"}"#).sign(),
            "InvalidParameter.InvalidGTINError",
            "Invalid GTIN.",
        ),
        case(
            "Chinese bar code",
            bar_code(r#"{"BarCode":"条码"}"#).sign(),
            "InvalidParameter.InvalidGTINError",
            "Invalid GTIN.",
        ),
    ]
}

/// Codes that need more than a request and a setting; each has a test of its own.
const ELSEWHERE: [&str; 4] = [
    "RequestLimitExceeded",              // more_calls_than_the_rate_allows…, a_full_queue…
    "FailedOperation.UnKnowError",       // a_closed_store…
    "FailedOperation.ImageSizeTooLarge", // limits.rs
    "LimitExceeded.TooLargeFileError",   // limits.rs
];

/// Codes without a natural cause, and our own bugs: by force alone.
const FORCED: [&str; 7] = [
    "AuthFailure.UnauthorizedOperation",
    "FailedOperation.ImageBlur",
    "FailedOperation.OcrFailed",
    "FailedOperation.UnOpenError",
    "InternalError",
    "InvalidParameter.EngineImageDecodeFailed",
    "ResourcesSoldOut.ChargeStatusException",
];

/// The codes of the vendor's pages that the two actions can meet: "Common Error Codes" and the lists of the actions.
const DOCUMENTED: [&str; 32] = [
    "MissingParameter",
    "InvalidParameter",
    "InvalidParameterValue",
    "UnsupportedRegion",
    "InvalidAction",
    "NoSuchVersion",
    "AuthFailure.SecretIdNotFound",
    "AuthFailure.SignatureFailure",
    "AuthFailure.SignatureExpire",
    "AuthFailure.InvalidAuthorization",
    "AuthFailure.TokenFailure",
    "AuthFailure.UnauthorizedOperation",
    "InvalidRequest",
    "UnknownParameter",
    "RequestLimitExceeded",
    "RequestSizeLimitExceeded",
    "UnsupportedProtocol",
    "InternalError",
    "FailedOperation.DownLoadError",
    "FailedOperation.EmptyImageError",
    "FailedOperation.ImageBlur",
    "FailedOperation.ImageDecodeFailed",
    "FailedOperation.ImageNoText",
    "FailedOperation.ImageSizeTooLarge",
    "FailedOperation.OcrFailed",
    "FailedOperation.UnKnowError",
    "FailedOperation.UnOpenError",
    "InvalidParameter.EngineImageDecodeFailed",
    "InvalidParameter.InvalidGTINError",
    "InvalidParameterValue.InvalidParameterValueLimit",
    "LimitExceeded.TooLargeFileError",
    "ResourcesSoldOut.ChargeStatusException",
];

#[tokio::test]
async fn each_bad_request_has_its_code_and_message() {
    let plain = Server::start().await;
    for case in gateway_cases().into_iter().chain(action_cases()) {
        let answer = if case.settings.is_empty() {
            plain.send(case.request).await
        } else {
            Server::with(case.settings).await.send(case.request).await
        };
        assert_eq!((code(&answer), message(&answer)), (case.code.to_owned(), case.message.to_owned()), "{}", case.name);
    }
}

#[test]
fn no_documented_code_is_without_a_case() {
    let cases = gateway_cases().into_iter().chain(action_cases()).map(|case| case.code);
    let documented = BTreeSet::from(DOCUMENTED);
    assert_eq!(cases.chain(ELSEWHERE).chain(FORCED).collect::<BTreeSet<_>>(), documented);
    let vendor = qrstack::server::VENDORS.iter().find(|vendor| vendor.name == "tencent_ocr").expect("there");
    let failures = (vendor.failures)();
    assert_eq!(failures.iter().flat_map(Failures::codes).collect::<BTreeSet<_>>(), documented);
}

#[tokio::test]
async fn every_code_can_be_forced_upon_its_action() {
    let vendor = qrstack::server::VENDORS.iter().find(|vendor| vendor.name == "tencent_ocr").expect("there");
    for of in (vendor.failures)() {
        let operation = of.operation;
        for expected in of.codes() {
            let server = Server::with(&[("force_error", &format!("{operation}={expected}"))]).await;
            let good = match operation {
                "QrcodeOCR" => qrcode(&picture(&qr_png("x"))).sign(),
                _ => bar_code(r#"{"BarCode":"6941858722888"}"#).sign(),
            };
            assert_eq!(code(&server.send(good).await), expected, "{operation}");
            // Who may not call learns nothing but that, unless the force is about just that.
            let found = code(&server.send(Tc3 { key: "x", ..Tc3::post(operation, "{}") }.sign()).await);
            let first = if expected.starts_with("AuthFailure.") { expected } else { "AuthFailure.SignatureFailure" };
            assert_eq!(found, first, "{operation}={expected}");
        }
    }
}

#[tokio::test]
async fn more_calls_than_the_rate_allows_are_refused_until_the_next_second() {
    let server = Server::with(&[("ocr_rate_limit", "2")]).await;
    let call = || bar_code(r#"{"BarCode":"6941858722888"}"#).sign();
    assert_eq!(code(&server.send(call()).await), "ok");
    assert_eq!(code(&server.send(call()).await), "ok");
    let answer = server.send(call()).await;
    assert_eq!(code(&answer), "RequestLimitExceeded");
    assert_eq!(
        message(&answer),
        "Your current request times equals to `3` in a second, which exceeds the frequency limit `2` for a second. \
         Please reduce the frequency of calls."
    );
    server.clock.set(NOW + 1);
    assert_eq!(code(&server.send(call()).await), "ok");
}

#[tokio::test]
async fn a_full_queue_is_answered_as_too_many_calls() {
    let server = Server::with(&[("read_threads", "1"), ("read_queue", "0")]).await;
    let (started, on_start) = tokio::sync::oneshot::channel();
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let work = server.shared().work().clone();
    let busy = tokio::spawn(async move {
        work.run(0, move || {
            let _ = started.send(());
            let _ = gate.recv();
        })
        .await
    });
    on_start.await.expect("the thread is busy");
    let call = || qrcode(&picture(&qr_png("x"))).sign();
    assert_eq!(code(&server.send(call()).await), "RequestLimitExceeded");
    // What is no base64 is found out at once where it is short, else where there is a thread.
    let broken = |length| qrcode(&format!(r#"{{"ImageBase64":"{}"}}"#, "?".repeat(length))).sign();
    assert_eq!(code(&server.send(broken(64 << 10)).await), "FailedOperation.ImageDecodeFailed");
    assert_eq!(code(&server.send(broken((64 << 10) + 1)).await), "RequestLimitExceeded");
    assert_eq!(code(&server.send(broken(3_145_729)).await), "LimitExceeded.TooLargeFileError");
    release.send(()).expect("the job waits");
    busy.await.expect("joined").expect("done");
    assert_eq!(code(&server.send(call()).await), "ok");
    assert_eq!(code(&server.send(broken((64 << 10) + 1)).await), "FailedOperation.ImageDecodeFailed");
}

#[tokio::test]
async fn the_log_shows_what_was_signed_and_nothing_secret() {
    let server = Server::start().await;
    let tc3 = || Tc3 {
        signed_headers: "content-type;host;x-tc-action;x-tc-token;cookie",
        target: "/?a=1&Token=tok1&Signature=tok2".to_owned(),
        ..qrcode("{}").header("X-TC-Token", "tok3").header("Cookie", "tok4")
    };
    let canonical = format!(
        "POST\n/\na=1&Token=***&Signature=***\ncontent-type:application/json\nhost:127.0.0.1:8080\n\
         x-tc-action:QrcodeOCR\nx-tc-token:***\ncookie:***\n\ncontent-type;host;x-tc-action;x-tc-token;cookie\n{}",
        sha256_hex(b"{}")
    );
    let v1 = || v1().with("Token", "tok5").with("SignatureMethod", "HmacSHA1");
    let source = format!(
        "POST127.0.0.1:8080/?Action=QueryBarCode&BarCode=6941858722888&Language=en-US&Nonce=1234567890123456789&\
         Region=ap-guangzhou&SecretId={ID}&SignatureMethod=HmacSHA1&Timestamp={NOW}&Token=***&Version=2018-11-19"
    );
    for (name, right, wrong, shown) in [
        ("key", tc3().sign(), Tc3 { key: "another", ..tc3() }.sign(), [&*canonical, "TC3-HMAC-SHA256\n1700000000\n"]),
        (
            "date",
            tc3().sign(),
            Tc3 { date: "2023-11-15", ..tc3() }.sign(),
            [&*canonical, "TC3-HMAC-SHA256\n1700000000\n2023-11-15/ocr/tc3_request\n"],
        ),
        ("v1", v1().sign(), V1 { key: "another", ..v1() }.sign(), [&*source, ""]),
    ] {
        let ((right, _), (wrong, request)) = (signature(right).await, signature(wrong).await);
        let log = Log::start();
        assert_eq!(code(&server.send(request).await), "AuthFailure.SignatureFailure", "{name}");
        let text = log.text();
        assert!(shown.iter().all(|shown| text.contains(shown)), "{name}: {text}");
        for secret in ["tok1", "tok2", "tok3", "tok4", "tok5", KEY, "another", &right, &wrong] {
            assert!(!text.contains(secret), "{name}, {secret}: {text}");
        }
    }
}

/// The signature of a request, in whichever style it is, and the request whole again.
async fn signature(request: Request<Body>) -> (String, Request<Body>) {
    let (parts, body) = request.into_parts();
    let bytes = http_body_util::BodyExt::collect(body).await.expect("a body").to_bytes();
    let form = String::from_utf8(bytes.to_vec()).expect("text");
    let header = parts.headers.get("Authorization").map(|value| value.to_str().expect("visible").to_owned());
    let carrier = header.unwrap_or(form);
    let signature = carrier.rsplit_once("Signature=").expect("a signature").1;
    let signature = percent_encoding::percent_decode_str(signature).decode_utf8().expect("text").into_owned();
    (signature, Request::from_parts(parts, Body::from(bytes)))
}

#[tokio::test]
async fn a_closed_store_is_an_unknown_error_and_pictures_are_still_read() {
    let server = Server::start().await;
    server.shared().store().close().await;
    assert_eq!(
        code(&server.send(bar_code(r#"{"BarCode":"6941858722888"}"#).sign()).await),
        "FailedOperation.UnKnowError"
    );
    assert_eq!(code(&server.send(qrcode(&picture(&qr_png("x"))).sign()).await), "ok");
}

#[tokio::test]
async fn what_an_address_gives_is_judged_as_a_picture() {
    let (_folder, server) =
        with_pictures(&[("empty.png", b""), ("no.png", b"<svg/>"), ("blank.png", &blank_png())]).await;
    for (name, expected) in [
        ("empty.png", "FailedOperation.EmptyImageError"),
        ("no.png", "FailedOperation.ImageDecodeFailed"),
        ("blank.png", "FailedOperation.ImageNoText"),
    ] {
        assert_eq!(code(&server.send(by_address(name).sign()).await), expected, "{name}");
    }
}

#[tokio::test]
async fn changed_bytes_and_swapped_parts_are_refused() {
    let server = Server::start().await;
    let body = r#"{"BarCode":"6941858722888"}"#;
    let authorization = Tc3::post("QueryBarCode", body).authorization();
    let with = |call: Tc3| call.header("Authorization", authorization.clone()).unsigned();
    let post = || Tc3::post("QueryBarCode", body);
    for (name, request) in [
        ("body", with(Tc3::post("QueryBarCode", body.replace("888", "889")))),
        ("query", with(Tc3 { target: "/?x=1".to_owned(), ..post() })),
        ("method", with(Tc3 { method: Method::GET, ..post() })),
        ("content type", with(Tc3 { content_type: "application/json ;".to_owned(), ..post() })),
        ("host", with(post().header("Host", "127.0.0.1:8081"))),
        ("timestamp", with(Tc3 { timestamp: (NOW + 1).to_string(), ..post() })),
        ("payload said to be unsigned", with(post().header("X-TC-Content-SHA256", "UNSIGNED-PAYLOAD"))),
        ("order of the signed headers", {
            let swapped = authorization.replace("content-type;host", "host;content-type");
            post().header("Authorization", swapped).unsigned()
        }),
        ("service", post().header("Authorization", authorization.replace("/ocr/", "/cvm/")).unsigned()),
        ("upper case", {
            let (head, signature) = authorization.rsplit_once('=').expect("a signature");
            post().header("Authorization", format!("{head}={}", signature.to_uppercase())).unsigned()
        }),
    ] {
        assert_eq!(code(&server.send(request).await), "AuthFailure.SignatureFailure", "{name}");
    }
    assert!(authorization.contains(ID) && !authorization.contains(KEY));
}
