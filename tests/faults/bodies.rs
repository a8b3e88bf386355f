//! Bodies that are too long, too deep, or not what they say: forms and JSON.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::harness::{Check, block_on, check};
use crate::program::Program;
use crate::raw::Raw;
use crate::support::{Server, qr_png, request};

pub fn checks() -> Vec<Check> {
    vec![
        check("F35", "forms that are broken or excessive get the vendor's error, odd ones are read", forms),
        check("F36", "JSON and base64 that are broken or excessive get the vendor's error, odd ones are read", json),
        check("F36", "a client that sends far more than the limit reads the vendor's answer, whole", too_much),
    ]
}

fn forms() -> String {
    let picture = qr_png("in a form");
    let part = |head: &str, body: &[u8]| [format!("--x\r\n{head}\r\n\r\n").as_bytes(), body, b"\r\n"].concat();
    let form = |parts: &[Vec<u8>]| [parts.concat(), b"--x--\r\n".to_vec()].concat();
    let named = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let file = |name: &str| format!("{}; filename=\"a.png\"", named(name));
    let text = part(&named("a"), b"1");
    let inner = format!("--y\r\n{}\r\n\r\n", file("img"));
    let nested = [inner.as_bytes(), &picture, b"\r\n--y--\r\n"].concat();
    let too_large = [picture.clone(), vec![0; 2_097_153 - picture.len()]].concat();
    const TYPE: &str = "multipart/form-data; boundary=x";
    let cases: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        ("100 000 parts", TYPE, form(&vec![text.clone(); 100_000]), "41005"),
        ("65 parts", TYPE, form(&vec![text.clone(); 65]), "41005"),
        ("a part header of 1 MB", TYPE, form(&[part(&format!("A: {}", "b".repeat(1 << 20)), b"1")]), "41005"),
        ("10 000 part headers", TYPE, form(&[part(&"A: b\r\n".repeat(10_000), b"1")]), "41005"),
        ("no boundary", "multipart/form-data", form(&[part(&file("img"), &picture)]), "41005"),
        ("another boundary", "multipart/form-data; boundary=z", form(&[part(&file("img"), &picture)]), "41005"),
        ("an unfinished form", TYPE, part(&file("img"), &picture), "41005"),
        ("nothing", TYPE, Vec::new(), "41005"),
        ("a nested form", TYPE, form(&[part("Content-Type: multipart/mixed; boundary=y", &nested)]), "101002"),
        ("2 MiB and a byte", TYPE, form(&[part(&file("img"), &too_large)]), "101002"),
        ("no file name", TYPE, form(&[part(&named("img"), &picture)]), "ok"),
        ("a name with brackets", TYPE, form(&[part(&file("img[]"), &picture)]), "ok"),
        ("no name", TYPE, form(&[part("Content-Disposition: form-data; filename=\"a\"", &picture)]), "ok"),
        ("64 parts", TYPE, form(&[vec![text; 63], vec![part(&file("img"), &picture)]].concat().as_slice()), "ok"),
    ];
    block_on(async {
        let server = Server::with(&[("auth", "open")]).await;
        for (about, content_type, body, expected) in &cases {
            let headers = [("Content-Type", *content_type)];
            let request = request(Method::POST, "/cv/img/qrcode?access_token=x", &headers, body.clone());
            assert_eq!(server.send(request).await.code, *expected, "{about}");
        }
        // The same forms never make the other vendor that takes forms fail otherwise than by its own errors.
        for (about, content_type, body, _) in &cases {
            let answer = server.send(ocr(content_type, body.clone())).await;
            assert!(!answer.code.is_empty() && answer.code != "InternalError", "{about}: {answer:?}");
        }
    });
    format!("{} forms, 2 vendors", cases.len())
}

fn ocr(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let headers = [
        ("X-TC-Action", "QrcodeOCR"),
        ("X-TC-Version", "2018-11-19"),
        ("X-TC-Region", "ap-beijing"),
        ("X-TC-Timestamp", "1"),
        ("Authorization", "SKIP"),
        ("Content-Type", content_type),
    ];
    request(Method::POST, "/", &headers, body)
}

fn json() -> String {
    let picture = BASE64_STANDARD.encode(qr_png("in JSON"));
    let image = |text: &str| format!(r#"{{"ImageBase64":"{text}"}}"#);
    // The same bytes always have a `+` or `/` where they are this many.
    let url_safe = picture.replace('+', "-").replace('/', "_");
    assert_ne!(url_safe, picture);
    let cases = [
        ("depth", format!(r#"{{"a":{}"#, "[".repeat(1_000_000)), "InvalidParameter"),
        ("a closed depth", format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000)), "InvalidParameter"),
        ("a byte order mark", format!("\u{feff}{}", image(&picture)), "InvalidParameter"),
        ("NaN", r#"{"ImageUrl":NaN}"#.to_owned(), "InvalidParameter"),
        ("a number beyond all", r#"{"ImageUrl":1e999}"#.to_owned(), "InvalidParameter"),
        ("a long number", format!(r#"{{"ImageUrl":{}}}"#, "9".repeat(100_000)), "InvalidParameter"),
        ("a lone surrogate", r#"{"ImageUrl":"\ud800"}"#.to_owned(), "InvalidParameter"),
        ("a bare control character", image("\u{1}"), "InvalidParameter"),
        ("100 000 names", format!("{{{}\"a\":1}}", "\"b\":1,".repeat(100_000)), "FailedOperation.EmptyImageError"),
        ("a name twice", format!(r#"{{"ImageBase64":"?","ImageBase64":"{picture}"}}"#), "ok"),
        ("line breaks in base64", image(&picture.replacen('A', "A\\r\\n", 20)), "ok"),
        ("no padding", image(picture.trim_end_matches('=')), "ok"),
        ("the other alphabet", image(&url_safe), "FailedOperation.ImageDecodeFailed"),
        ("a data address", image(&format!("data:image/png;base64,{picture}")), "FailedOperation.ImageDecodeFailed"),
        ("base64 past its limit", image(&"A".repeat(3_145_729)), "LimitExceeded.TooLargeFileError"),
        ("a body past its limit", " ".repeat(11_534_337), "RequestSizeLimitExceeded"),
    ];
    block_on(async {
        let server = Server::with(&[("auth", "open")]).await;
        for (about, body, expected) in &cases {
            let answer = server.send(ocr("application/json", body.clone())).await;
            assert_eq!(answer.code, *expected, "{about}");
            // The same text as the JSON of the two other vendors: their own errors, or what they make of it.
            for path in ["/cgi-bin/qrcode/create?access_token=x", "/qrcode/scan_url"] {
                let answer = server.send(request(Method::POST, path, &[], body.clone())).await;
                // WeChat fails with status 200, cli.im with another.
                let is_refused = answer.status.is_client_error() || !answer.json()["errcode"].is_null();
                assert!(is_refused, "{about} {path}: {answer:?}");
            }
        }
    });
    format!("{} texts, 3 vendors", cases.len())
}

fn too_much() -> String {
    let program = Program::start(&["--auth", "open"]);
    let cases = [
        ("POST / HTTP/1.1\r\nX-TC-Action: QrcodeOCR\r\n", 30 << 20, "RequestSizeLimitExceeded"),
        (
            "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            30 << 20,
            "RequestSizeLimitExceeded",
        ),
        ("POST /cv/img/qrcode HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n", 30 << 20, "101002"),
        ("POST /cgi-bin/qrcode/create HTTP/1.1\r\n", 30 << 20, "47001"),
        ("POST /qrcode/scan_url HTTP/1.1\r\n", 30 << 20, "400"),
        ("PUT /object?ci-process=qrcode-generate HTTP/1.1\r\n", 30 << 20, "MethodNotAllowed"),
        ("POST /api/v1/nothing HTTP/1.1\r\n", 30 << 20, "404"),
    ];
    for (head, length, expected) in cases {
        for chunked in [false, true] {
            let mut raw = Raw::connect(program.address());
            // The whole of it before anything is read, as simple clients do.
            if chunked {
                raw.send(format!("{head}Host: x\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"));
            } else {
                raw.send(format!("{head}Host: x\r\nContent-Length: {length}\r\n\r\n"));
            }
            raw.send(vec![b' '; length]);
            if chunked {
                raw.send("\r\n0\r\n\r\n");
            }
            let answer = raw.answer();
            assert!(answer.text().contains(expected), "{head}: {answer:?}");
            raw.ends();
        }
    }
    format!("{} of 30 MiB", 2 * cases.len())
}
