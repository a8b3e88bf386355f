//! Reading the codes in a picture.

use axum::http::{Method, StatusCode};
use qrstack::codec::{encode, render};
use qrstack::signing::percent_encode;

use super::{FIXED, SCAN, errcode, text};
use crate::support::{Answer, Server, blank_png, qr_png, request};

/// Bytes of a picture, at most.
const MOST: usize = 2_097_151;

/// A server that answers `http://pictures.test/NAME` with the given bytes, and the folder of these.
async fn with_pictures(pictures: &[(&str, &[u8])]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let stand_ins: Vec<_> = pictures
        .iter()
        .enumerate()
        .map(|(number, (name, bytes))| {
            let path = folder.path().join(number.to_string());
            std::fs::write(&path, bytes).expect("written");
            format!("http://pictures.test/{name}={}", path.display())
        })
        .collect();
    let server = Server::with(&[FIXED, ("fetch_stand_ins", &stand_ins.join(","))]).await;
    (folder, server)
}

/// A form with one part, as most clients write it.
fn form(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"test.jpg\"");
    form_with("boundary", &head, bytes)
}

fn form_with(boundary: &str, head: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = format!("--{boundary}\r\n{head}\r\n\r\n").into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

async fn upload_as(server: &Server, content_type: &str, body: Vec<u8>) -> Answer {
    server.send(request(Method::POST, SCAN, &[("Content-Type", content_type)], body)).await
}

async fn upload(server: &Server, body: Vec<u8>) -> Answer {
    upload_as(server, "multipart/form-data; boundary=boundary", body).await
}

fn data(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!(json["errcode"], 0, "{json}");
    text(&json["code_results"][0], "data").to_owned()
}

/// A PNG of exactly so many bytes.
fn padded(text: &str, length: usize) -> Vec<u8> {
    let mut picture = qr_png(text);
    picture.resize(length, 0);
    picture
}

#[tokio::test]
async fn a_code_is_answered_to_the_byte() {
    let server = Server::with(&[FIXED]).await;
    let text = "https://www.qq.com/a?b=\"你\"";
    let side = u32::try_from(encode::qr(text, &encode::QrOptions::default()).expect("it fits").width()).expect("small");
    let answer = upload(&server, form("img", &qr_png(text))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json; encoding=utf-8");
    assert_eq!(answer.header("connection"), "keep-alive");
    let json = answer.json();
    let pos = &json["code_results"][0]["pos"];
    let shown = |corner: &str| {
        let place = |axis: &str| pos[corner][axis].as_u64().expect("a whole number");
        format!(r#""{corner}":{{"x":{},"y":{}}}"#, place("x"), place("y"))
    };
    let size = (side + 8) * 4;
    assert_eq!(
        answer.text(),
        format!(
            concat!(
                r#"{{"errcode":0,"errmsg":"ok","code_results":[{{"type_name":"QR_CODE","#,
                r#""data":"https:\/\/www.qq.com\/a?b=\"你\"","pos":{{{},{},{},{}}}}}],"img_size":{{"w":{},"h":{}}}}}"#
            ),
            shown("left_top"),
            shown("right_top"),
            shown("right_bottom"),
            shown("left_bottom"),
            size,
            size
        )
    );
    let (low, high) = (16, 16 + side * 4);
    for (corner, x, y) in
        [("left_top", low, low), ("right_top", high, low), ("right_bottom", high, high), ("left_bottom", low, high)]
    {
        let near = |axis: &str, expected: u32| {
            let found = pos[corner][axis].as_u64().expect("a whole number");
            assert!(found.abs_diff(u64::from(expected)) <= 16, "{corner} {axis}: {found}, not {expected}");
        };
        near("x", x);
        near("y", y);
    }
}

#[tokio::test]
async fn a_picture_without_a_code_is_an_empty_list() {
    let server = Server::with(&[FIXED]).await;
    let answer = upload(&server, form("img", &blank_png())).await;
    assert_eq!(answer.text(), r#"{"errcode":0,"errmsg":"ok","code_results":[],"img_size":{"w":100,"h":80}}"#);
}

#[tokio::test]
async fn a_bar_code_has_no_place() {
    let server = Server::with(&[FIXED]).await;
    let bars = encode::code128("50090500019191").expect("it fits");
    let layout = render::fit(&bars, 600, 10, 10);
    let picture = render::png(&render::place(&bars, layout.module_px, layout.width_px, layout.height_px));
    let answer = upload(&server, form("img", &picture)).await;
    assert_eq!(
        answer.text(),
        concat!(
            r#"{"errcode":0,"errmsg":"ok","code_results":[{"type_name":"CODE_128","data":"50090500019191"}],"#,
            r#""img_size":{"w":600,"h":300}}"#
        )
    );
}

#[tokio::test]
async fn an_address_is_taken_from_the_query_and_then_from_the_form() {
    let (_folder, server) = with_pictures(&[("a%20b.jpg?x=1", &qr_png("query")), ("b", &qr_png("form"))]).await;
    let encoded = percent_encode("http://pictures.test/a b.jpg?x=1");
    let plus = encoded.replace("%20", "+").replace("%3A", ":");
    let urlencoded = [("Content-Type", "application/x-www-form-urlencoded")];
    let json = [("Content-Type", "application/json")];
    for (method, target, headers, body, expected) in [
        (Method::GET, format!("/cv/img/qrcode?img_url={encoded}&access_token=T"), &[][..], "", "query"),
        (Method::GET, format!("{SCAN}&img_url={plus}"), &[][..], "", "query"),
        (Method::POST, format!("{SCAN}&img_url={encoded}"), &[][..], "", "query"),
        (Method::POST, format!("{SCAN}&img_url={plus}"), &urlencoded[..], "", "query"),
        (Method::POST, format!("{SCAN}&img_url={encoded}"), &json[..], "{}", "query"),
        (
            Method::POST,
            format!("{SCAN}&img_url={encoded}"),
            &urlencoded[..],
            "img_url=http%3A%2F%2Fpictures.test%2Fb",
            "query",
        ),
        (Method::POST, SCAN.to_owned(), &urlencoded[..], "img_url=http%3A%2F%2Fpictures.test%2Fb", "form"),
        (Method::POST, format!("{SCAN}&img_url="), &urlencoded[..], "img_url=http://pictures.test/b", "form"),
    ] {
        let answer = server.send(request(method.clone(), &target, headers, body)).await;
        assert_eq!(data(&answer), expected, "{method} {target} {headers:?} {body}");
    }
    let both = server
        .send(request(
            Method::POST,
            &format!("{SCAN}&img_url={encoded}"),
            &[("Content-Type", "multipart/form-data; boundary=boundary")],
            form("img", &qr_png("upload")),
        ))
        .await;
    assert_eq!(data(&both), "query", "an address wins over a file");
}

#[tokio::test]
async fn odd_forms_are_read() {
    let server = Server::with(&[FIXED]).await;
    let picture = qr_png("read");
    for (name, boundary, head) in [
        (
            "part file, binary",
            "zg7rXMwkyO4j7eItR2Mbz_RdwcWl7jKZZZQO",
            "Content-Disposition: form-data; name=\"file\"; filename=\"test.jpg\"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary",
        ),
        (
            "disposition last, short boundary",
            "fSt6OmSy",
            "Content-Type: image/jpeg\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: form-data; name=\"img\"; filename=\"test.jpg\"",
        ),
        (
            "no part type, encoded name",
            "98c4728832a1731d44f1a566ca809f08",
            "Content-Disposition: form-data; name=\"img\"; filename=\"pics/%E6%B5%8B%E8%AF%95.jpg\"",
        ),
        ("bare Chinese name", "boundary", "Content-Disposition: form-data; name=\"img\"; filename=\"测试.jpg\""),
        ("no file name", "boundary", "Content-Disposition: form-data; name=\"img\""),
        ("no quotes", "boundary", "Content-Disposition: form-data; name=img; filename=a.png"),
        ("another name", "boundary", "Content-Disposition: form-data; name=\"picture\"; filename=\"a.png\""),
        ("media", "boundary", "Content-Disposition: form-data; name=\"media\"; filename=\"a.png\"; filelength=9"),
        ("quoted boundary", "a b", "Content-Disposition: form-data; name=\"img\"; filename=\"a.png\""),
    ] {
        let content_type = if boundary.contains(' ') {
            format!("multipart/form-data; boundary=\"{boundary}\"")
        } else {
            format!("multipart/form-data; boundary={boundary}")
        };
        let answer = upload_as(&server, &content_type, form_with(boundary, head, &picture)).await;
        assert_eq!(data(&answer), "read", "{name}");
    }
}

#[tokio::test]
async fn a_picture_has_less_than_two_mebibytes() {
    let (most, beyond) = (padded("most", MOST), padded("beyond", MOST + 1));
    let (_folder, server) = with_pictures(&[("most", &most), ("beyond", &beyond)]).await;
    assert_eq!(data(&upload(&server, form("img", &most)).await), "most");
    assert_eq!(errcode(&upload(&server, form("img", &beyond)).await), 101_002);
    assert_eq!(errcode(&upload(&server, form("img", &padded("far", 9 << 20))).await), 101_002);
    let fetched = async |name: &str| server.get(&format!("{SCAN}&img_url=http://pictures.test/{name}")).await;
    assert_eq!(data(&fetched("most").await), "most");
    assert_eq!(errcode(&fetched("beyond").await), 101_000);
    assert_eq!(errcode(&fetched("nothing").await), 101_000);
}

#[tokio::test]
async fn bytes_that_are_no_picture_are_invalid_data_wherever_they_come_from() {
    let (_folder, server) = with_pictures(&[("page", b"<html>"), ("empty", b"")]).await;
    for target in ["page", "empty"] {
        let answer = server.get(&format!("{SCAN}&img_url=http://pictures.test/{target}")).await;
        assert_eq!(errcode(&answer), 101_002, "{target}");
    }
    assert_eq!(errcode(&upload(&server, form("img", b"\xff\xd8\xff\xe0fake")).await), 101_002);
}

#[tokio::test]
async fn a_full_queue_is_a_system_error() {
    let server = Server::with(&[FIXED, ("read_threads", "1"), ("read_queue", "1")]).await;
    // Reading takes far longer than taking a request, so that they meet.
    let code = encode::qr("x", &encode::QrOptions::default()).expect("the text fits");
    let picture = render::png(&render::place(&code, 4, 2400, 2400));
    let answers = futures_util::future::join_all((0..16).map(|_| upload(&server, form("img", &picture)))).await;
    let codes: Vec<_> = answers.iter().map(errcode).collect();
    assert!(codes.contains(&-1) && codes.contains(&0), "{codes:?}");
}
