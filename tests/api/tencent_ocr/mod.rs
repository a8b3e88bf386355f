//! Tencent Cloud OCR over HTTP.

pub mod client;
mod errors;
mod limits;

use std::path::Path;

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::support::{Answer, Server, blank_png, qr_png};
use client::{HOST, Tc3, V1};

const UUID: &str = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";

/// JSON with a picture as base64.
pub fn picture(bytes: &[u8]) -> String {
    format!(r#"{{"ImageBase64":"{}"}}"#, BASE64_STANDARD.encode(bytes))
}

/// The code of an answer, which must have the vendor's frame whatever it says.
fn code(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("server"), "nginx");
    let json = answer.json();
    let response = json["Response"].as_object().expect("an object");
    let id = response["RequestId"].as_str().expect("a text");
    assert_eq!(answer.header("x-tc-requestid"), id);
    assert!(
        id.len() == UUID.len()
            && id.bytes().zip(UUID.bytes()).all(|(found, form)| match form {
                b'x' => found.is_ascii_digit() || (b'a'..=b'f').contains(&found),
                b'y' => b"89ab".contains(&found),
                form => found == form,
            }),
        "{id}"
    );
    match response.get("Error") {
        None => "ok".to_owned(),
        Some(error) => {
            assert_eq!(response.len(), 2, "{response:?}");
            error["Code"].as_str().expect("a text").to_owned()
        }
    }
}

/// The message of a failure.
fn message(answer: &Answer) -> String {
    answer.json()["Response"]["Error"]["Message"].as_str().unwrap_or_default().to_owned()
}

/// A server that answers `http://pictures.test/NAME` with the given bytes.
async fn with_pictures(pictures: &[(&str, &[u8])]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let stand_in = |(name, bytes): &(&str, &[u8])| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        stand_in(name, &path)
    };
    let stand_ins: Vec<_> = pictures.iter().map(stand_in).collect();
    let server = Server::with(&[("fetch_stand_ins", &stand_ins.join(","))]).await;
    (folder, server)
}

fn stand_in(name: &str, path: &Path) -> String {
    format!("http://pictures.test/{name}={}", path.display())
}

fn by_address(name: &str) -> Tc3 {
    Tc3::post("QrcodeOCR", format!(r#"{{"ImageUrl":"http://pictures.test/{name}"}}"#))
}

#[tokio::test]
async fn a_qr_code_is_answered_to_the_byte() {
    let server = Server::start().await;
    let body = picture(&qr_png("https://例子.test/?a=\"b\""));
    let answer = server.send(Tc3::post("QrcodeOCR", body).header("X-TC-TraceId", "trace-1").sign()).await;
    let id = answer.header("x-tc-requestid").to_owned();
    assert_eq!(
        answer.text().replace(&id, "{{uuid}}"),
        r#"{"Response":{"CodeResults":[{"TypeName":"QR_CODE","Url":"https://例子.test/?a=\"b\"","Position":{"LeftTop":{"X":16,"Y":16},"RightTop":{"X":116,"Y":16},"RightBottom":{"X":116,"Y":116},"LeftBottom":{"X":16,"Y":116}}}],"ImgSize":{"Wide":132,"High":132},"RequestId":"{{uuid}}"}}"#
    );
    let mut headers: Vec<_> = answer.headers.keys().map(|name| (name.as_str(), answer.header(name.as_str()))).collect();
    headers.sort_unstable();
    let length = answer.body.len().to_string();
    assert_eq!(
        headers,
        [
            ("content-length", length.as_str()),
            ("content-type", "application/json"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
            ("server", "nginx"),
            ("x-tc-requestid", id.as_str()),
            ("x-tc-traceid", "trace-1"),
        ]
    );
    assert_eq!(code(&answer), "ok");
}

#[tokio::test]
async fn the_documented_product_is_answered_to_the_byte() {
    let server = Server::start().await;
    for sent in ["6941858722888", "06941858722888", " 6941858722888 "] {
        let answer = server.send(Tc3::post("QueryBarCode", format!(r#"{{"BarCode": "{sent}"}}"#)).sign()).await;
        let id = answer.header("x-tc-requestid");
        assert_eq!(
            answer.text().replace(id, "{{uuid}}"),
            r#"{"Response":{"BarCode":"06941858722888","ProductDataRecords":[{"ProductName":"真快洁涂擦式清洁剂","EnName":"N.F Inunction Detergent","CategoryCode":"47131830","BrandName":"RQC","Type":"125ML","Width":"180.000","Height":"250.000","Depth":"60.000","KeyWord":"安全真快洁","Description":"专利设计突破原有清洁剂的使用方","ImageLink":["http://www.anccnet.com/userfile/2011219/137935376.jpg"],"ManufacturerName":"深圳市绿韵纳米清洁用品有限公司","ManufacturerAddress":"深圳市坪山新区坑梓街道宝红路12号宝红工业园A栋302","FirmCode":"91440300793853037W","CheckResult":"1"}],"RequestId":"{{uuid}}"}}"#
        );
        assert_eq!(code(&answer), "ok");
    }
}

#[tokio::test]
async fn a_failure_is_answered_to_the_byte() {
    let server = Server::start().await;
    let wrong = Tc3 { key: "wrong", ..Tc3::post("QrcodeOCR", "{}") };
    let answer = server.send(wrong.sign()).await;
    let id = answer.header("x-tc-requestid");
    assert_eq!(
        answer.text().replace(id, "{{uuid}}"),
        r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":"The provided credentials could not be validated. Please check your signature is correct."},"RequestId":"{{uuid}}"}}"#
    );
    assert!(!answer.headers.contains_key("x-tc-traceid"));
}

#[tokio::test]
async fn an_unknown_product_has_one_record_of_empty_fields() {
    let server = Server::start().await;
    let answer = server.send(Tc3::post("QueryBarCode", r#"{"BarCode":"6928804021912"}"#).sign()).await;
    let id = answer.header("x-tc-requestid");
    assert_eq!(
        answer.text().replace(id, "{{uuid}}"),
        r#"{"Response":{"BarCode":"06928804021912","ProductDataRecords":[{"ProductName":"","EnName":"","CategoryCode":"","BrandName":"","Type":"","Width":"","Height":"","Depth":"","KeyWord":"","Description":"","ImageLink":[""],"ManufacturerName":"","ManufacturerAddress":"","FirmCode":"","CheckResult":"4"}],"RequestId":"{{uuid}}"}}"#
    );
    let server = Server::with(&[("ocr_unknown_product", "empty")]).await;
    let answer = server.send(Tc3::post("QueryBarCode", r#"{"BarCode":"6928804021912"}"#).sign()).await;
    assert_eq!(answer.json()["Response"]["ProductDataRecords"], serde_json::json!([]));
}

#[tokio::test]
async fn what_an_import_writes_is_answered_at_once() {
    let server = Server::start().await;
    let csv = "BarCode,ProductName\n6928804021912,可乐\n";
    qrstack::server::products::import(server.shared().store(), csv.as_bytes(), |_| {}).await.expect("imported");
    let answer = server.send(Tc3::post("QueryBarCode", r#"{"BarCode":"06928804021912"}"#).sign()).await;
    let record = &answer.json()["Response"]["ProductDataRecords"][0];
    assert_eq!((&record["ProductName"], &record["ImageLink"]), (&"可乐".into(), &serde_json::json!([""])));
}

#[tokio::test]
async fn linear_codes_have_hyphens_and_no_place() {
    let bars = qrstack::codec::encode::code128("QR-128").expect("Code 128 has the characters");
    let bitmap = qrstack::codec::render::place(&bars, 3, (bars.width() as u32 + 20) * 3, 120);
    let png = qrstack::codec::render::png(&bitmap);
    let answer = Server::start().await.send(Tc3::post("QrcodeOCR", picture(&png)).sign()).await;
    let found = &answer.json()["Response"]["CodeResults"][0];
    assert_eq!((&found["TypeName"], &found["Url"]), (&"CODE-128".into(), &"QR-128".into()));
    let nowhere = serde_json::json!({"X": -1, "Y": -1});
    for corner in ["LeftTop", "RightTop", "RightBottom", "LeftBottom"] {
        assert_eq!(found["Position"][corner], nowhere);
    }
}

#[tokio::test]
async fn a_picture_without_a_code_is_a_failure_or_by_setting_an_empty_list() {
    let call = || Tc3::post("QrcodeOCR", picture(&blank_png())).sign();
    assert_eq!(code(&Server::start().await.send(call()).await), "FailedOperation.ImageNoText");
    let answer = Server::with(&[("ocr_no_code", "empty")]).await.send(call()).await;
    assert_eq!(code(&answer), "ok");
    assert_eq!(answer.json()["Response"]["CodeResults"], serde_json::json!([]));
    assert_eq!(answer.json()["Response"]["ImgSize"], serde_json::json!({"Wide": 100, "High": 80}));
}

#[tokio::test]
async fn the_address_wins_over_the_base64_even_where_it_fails() {
    let (_folder, server) = with_pictures(&[("a.png", &qr_png("from the address"))]).await;
    let both = |url: &str| {
        let base64 = BASE64_STANDARD.encode(qr_png("from the base64"));
        Tc3::post("QrcodeOCR", format!(r#"{{"ImageUrl":"{url}","ImageBase64":"{base64}"}}"#)).sign()
    };
    let answer = server.send(both("http://pictures.test/a.png")).await;
    assert_eq!(answer.json()["Response"]["CodeResults"][0]["Url"], "from the address");
    assert_eq!(code(&server.send(both("http://127.0.0.1:1/")).await), "FailedOperation.DownLoadError");
    let answer = server.send(both("")).await;
    assert_eq!(answer.json()["Response"]["CodeResults"][0]["Url"], "from the base64");
}

#[tokio::test]
async fn every_form_of_request_reaches_the_action() {
    let server = Server::start().await;
    let json = r#"{"BarCode":"6941858722888"}"#;
    let post = || Tc3::post("QueryBarCode", json);
    let form = "--x\r\nContent-Disposition: form-data; name=\"BarCode\"\r\n\r\n6941858722888\r\n--x--\r\n";
    let v1 = |method| V1::new(method, "QueryBarCode", &[("BarCode", "6941858722888")]);
    for (name, request) in [
        ("POST JSON", post().sign()),
        ("GET", Tc3::get("QueryBarCode", "BarCode=6941858722888").sign()),
        ("unsigned payload", post().header("X-TC-Content-SHA256", "UNSIGNED-PAYLOAD").sign()),
        (
            "multipart",
            Tc3 { content_type: "multipart/form-data; boundary=x".to_owned(), ..Tc3::post("QueryBarCode", form) }
                .sign(),
        ),
        ("charset", Tc3 { content_type: "application/json; charset=utf-8".to_owned(), ..post() }.sign()),
        ("the service of an endpoint without a name", Tc3 { service: "127", ..post() }.sign()),
        ("host without port", Tc3 { signed_host: "127.0.0.1", ..post() }.sign()),
        (
            "host with scheme",
            Tc3 { signed_host: "http://127.0.0.1:8080", ..post() }.header("Host", "http://127.0.0.1:8080").sign(),
        ),
        ("path, / signed", Tc3 { target: "/ocr".to_owned(), signed_path: "/", ..post() }.sign()),
        ("path, signed", Tc3 { target: "/ocr".to_owned(), ..post() }.sign()),
        ("query of a POST, signed and ignored", Tc3 { target: "/?BarCode=x".to_owned(), ..post() }.sign()),
        ("further signed headers, lower-cased", {
            let call = Tc3 { signed_headers: "content-type;host;x-tc-action", ..post() };
            let lower = call.clone().header("X-TC-Action", "querybarcode").authorization();
            call.header("Authorization", lower).unsigned()
        }),
        ("further signed headers, as sent", Tc3 { signed_headers: "content-type;host;x-tc-action", ..post() }.sign()),
        ("no region", post().without("X-TC-Region").sign()),
        ("v1 GET", v1(Method::GET).sign()),
        ("v1 POST", v1(Method::POST).sign()),
        ("v1 SHA-1", v1(Method::POST).with("SignatureMethod", "HmacSHA1").sign()),
        ("v1 without a method", v1(Method::GET).without("SignatureMethod").sign()),
        ("v1 with a path", V1 { path: "/ocr", ..v1(Method::POST) }.sign()),
        ("v1 with a name that has an underscore", v1(Method::GET).with("a_b", "1").sign()),
    ] {
        let answer = server.send(request).await;
        assert_eq!(code(&answer), "ok", "{name}: {}", answer.text());
        assert_eq!(answer.json()["Response"]["BarCode"], "06941858722888", "{name}");
    }
}

#[tokio::test]
async fn pictures_come_in_parts_of_text_and_of_bytes() {
    let server = Server::start().await;
    let png = qr_png("in a part");
    let part = |head: &str, content: &[u8]| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"ImageBase64\"{head}\r\n\r\n");
        let body = [head.as_bytes(), content, b"\r\n--x--\r\n"].concat();
        Tc3 { content_type: "multipart/form-data; boundary=x".to_owned(), ..Tc3::post("QrcodeOCR", body) }.sign()
    };
    for (name, request) in [
        ("text", part("", BASE64_STANDARD.encode(&png).as_bytes())),
        ("file name", part("; filename=\"ImageBase64\"", &png)),
        ("type", part("\r\nContent-Type: application/octet-stream", &png)),
    ] {
        let answer = server.send(request).await;
        assert_eq!(answer.json()["Response"]["CodeResults"][0]["Url"], "in a part", "{name}: {}", answer.text());
    }
    assert_eq!(code(&server.send(part("; filename=\"x\"", b"")).await), "FailedOperation.EmptyImageError");
    assert_eq!(code(&server.send(part("", &png)).await), "InvalidParameter");
}

#[tokio::test]
async fn a_temporary_key_comes_with_its_token() {
    let credentials = format!("{}:{}:emuTmpToken+/=abc", client::ID, client::KEY);
    let server = Server::with(&[("tencent_credentials", &credentials)]).await;
    let tc3 = || Tc3::post("QueryBarCode", r#"{"BarCode":"6941858722888"}"#);
    let v1 = || V1::new(Method::GET, "QueryBarCode", &[("BarCode", "6941858722888")]);
    for (request, expected) in [
        (tc3().header("X-TC-Token", "emuTmpToken+/=abc").sign(), "ok"),
        (tc3().header("X-TC-Token", "other").sign(), "AuthFailure.TokenFailure"),
        (tc3().sign(), "AuthFailure.TokenFailure"),
        (v1().with("Token", "emuTmpToken+/=abc").sign(), "ok"),
        (v1().sign(), "AuthFailure.TokenFailure"),
    ] {
        assert_eq!(code(&server.send(request).await), expected);
    }
}

#[tokio::test]
async fn authentication_can_be_loosened() {
    let (accept, open) = (Server::with(&[("auth", "accept")]).await, Server::with(&[("auth", "open")]).await);
    let tc3 = || Tc3::post("QueryBarCode", r#"{"BarCode":"6941858722888"}"#);
    let strange = Tc3 { id: "AKIDother", key: "x", timestamp: "1".to_owned(), ..tc3() };
    let v1 = V1::new(Method::GET, "QueryBarCode", &[("BarCode", "6941858722888")]);
    for (name, request, accepted) in [
        ("strange key", strange.sign(), "ok"),
        ("SKIP", tc3().header("Authorization", "SKIP").unsigned(), "AuthFailure.InvalidAuthorization"),
        ("none", tc3().unsigned(), "AuthFailure.InvalidAuthorization"),
        ("v1, wrong", v1.clone().with("Signature", "x").with("SecretId", "y").unsigned(), "ok"),
        ("v1, none", v1.clone().unsigned(), "MissingParameter"),
    ] {
        let (parts, body) = request.into_parts();
        let bytes = http_body_util::BodyExt::collect(body).await.expect("a body").to_bytes();
        let again = || axum::http::Request::from_parts(parts.clone(), axum::body::Body::from(bytes.clone()));
        assert_eq!(code(&accept.send(again()).await), accepted, "{name}");
        assert_eq!(code(&open.send(again()).await), "ok", "{name}");
    }
    // Whatever the setting, the request must make sense.
    assert_eq!(code(&open.send(Tc3::post("Foo", "{}").unsigned()).await), "InvalidAction");
}

#[tokio::test]
async fn the_order_of_the_checks_is_the_vendors() {
    let server = Server::start().await;
    // Each request has all the faults of those below it.
    let bad = || Tc3 {
        id: "AKIDother",
        key: "x",
        timestamp: "1".to_owned(),
        ..Tc3::post("Foo", "{").header("X-TC-Version", "1").header("X-TC-Region", "Mars")
    };
    let known = || bad().header("X-TC-Action", "QueryBarCode");
    let versioned = || known().header("X-TC-Version", "2018-11-19");
    let owned = || Tc3 { id: client::ID, ..versioned() };
    let timely = || Tc3 { timestamp: crate::support::NOW.to_string(), ..owned() };
    let signed = || Tc3 { key: client::KEY, ..timely() };
    for (request, expected) in [
        (Tc3 { method: Method::DELETE, ..bad() }.sign(), "UnsupportedProtocol"),
        (bad().sign(), "InvalidAction"),
        (known().sign(), "NoSuchVersion"),
        (versioned().sign(), "AuthFailure.SecretIdNotFound"),
        (owned().sign(), "AuthFailure.SignatureExpire"),
        (timely().sign(), "AuthFailure.SignatureFailure"),
        (signed().header("X-TC-Token", "x").sign(), "AuthFailure.TokenFailure"),
        (signed().sign(), "InvalidParameterValue"),
        (signed().header("X-TC-Region", "eu-frankfurt").sign(), "UnsupportedRegion"),
        (signed().header("X-TC-Region", "ap-beijing").sign(), "InvalidParameter"),
    ] {
        assert_eq!(code(&server.send(request).await), expected);
    }
}

#[tokio::test]
async fn messages_follow_the_language() {
    let server = Server::start().await;
    let failing = |language: Option<&'static str>| {
        let (gateway, action) = (Tc3::post("Foo", "{}"), Tc3::post("QrcodeOCR", "{}"));
        match language {
            Some(language) => {
                (gateway.header("X-TC-Language", language).sign(), action.header("X-TC-Language", language).sign())
            }
            None => (gateway.sign(), action.sign()),
        }
    };
    let english = "The request action=`Foo` is invalid or not found in service=`ocr` and version=`2018-11-19`.";
    let chinese = "请求的 action=`Foo` 在 service=`ocr` 和 version=`2018-11-19` 中无效或不存在。";
    for (language, gateway, action) in [
        (None, english, "图片内容为空。"),
        (Some("en-US"), english, "The image is empty."),
        (Some("zh-CN"), chinese, "图片内容为空。"),
        (Some("fr-FR"), english, "图片内容为空。"),
    ] {
        let (of_gateway, of_action) = failing(language);
        assert_eq!(message(&server.send(of_gateway).await), gateway, "{language:?}");
        assert_eq!(message(&server.send(of_action).await), action, "{language:?}");
    }
    let v1 = V1::new(Method::GET, "QrcodeOCR", &[]).with("Language", "en-US").sign();
    assert_eq!(message(&server.send(v1).await), "The image is empty.");
    // Also where the parameters cannot be read; headers win where both styles meet.
    let broken = |method, query: &str, headers: &[(&str, &str)]| {
        crate::support::request(method, &format!("/?Action=QrcodeOCR&{query}"), headers, "")
    };
    for (request, expected) in [
        (broken(Method::GET, "Language=zh-CN&x=%zz", &[]), "参数 `body` 类型错误。"),
        (broken(Method::GET, "Language=en-US&x=%zz", &[]), "Parameter `body` type error."),
        (broken(Method::PUT, "Language=zh-CN", &[]), "http(s) 请求协议错误，只支持 GET 和 POST 请求。"),
        (
            broken(Method::PUT, "Language=zh-CN", &[("X-TC-Language", "en-US")]),
            "The HTTP(S) protocol of the request is wrong: only GET and POST are supported.",
        ),
    ] {
        assert_eq!(message(&server.send(request).await), expected);
    }
    let nonce = V1::new(Method::GET, "QrcodeOCR", &[]).with("Nonce", "x").with("Language", "zh-CN").sign();
    assert_eq!(message(&server.send(nonce).await), "参数 `Nonce` 类型错误。");
}

#[tokio::test]
async fn printed_examples_are_signed_for_the_server_that_they_name() {
    use qrstack::clock::{Clock, Ids};
    use qrstack::vendor::ExampleContext;
    let server = Server::start().await;
    let context = ExampleContext {
        config: server.shared().config(),
        base: &format!("http://{HOST}"),
        clock: &Clock::fixed(crate::support::NOW),
        ids: &Ids::seeded(1),
    };
    let examples = qrstack::server::VENDORS.iter().filter(|vendor| vendor.name == "tencent_ocr");
    let examples: Vec<_> = examples.flat_map(|vendor| vendor.examples).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        // The words of the command, all in single quotes.
        let command = (example.command)(&context);
        let words: Vec<_> = command.split('\'').skip(1).step_by(2).collect();
        let (body, headers) = words.split_last().expect("a body");
        let headers: Vec<_> = headers.iter().map(|header| header.split_once(": ").expect("a header")).collect();
        let request = crate::support::request(Method::POST, "/", &headers, (*body).to_owned());
        let answer = server.send(request).await;
        assert_eq!(code(&answer), "ok", "{command}\n{}", answer.text());
    }
}
