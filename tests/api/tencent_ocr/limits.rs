//! Limits, exact at their edges.

use super::client::Tc3;
use super::{by_address, code, picture, with_pictures};
use crate::support::{Server, qr_png};

/// Characters of base64, and the bytes that they hold.
const BASE64: usize = 3_145_728;
const BYTES: usize = 2_359_296;
/// Bytes of a body.
const BODY: usize = 11_534_336;

/// A picture of `length` bytes: what follows its end does not count.
fn padded(length: usize) -> Vec<u8> {
    let mut png = qr_png("x");
    png.resize(length, 0);
    png
}

/// A PNG of which there is nothing but the header, and an empty chunk of pixels.
fn header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    drop(encoder.write_header().expect("written"));
    bytes.truncate(8 + 25);
    bytes.extend_from_slice(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

/// A body of `length` bytes whose base64 is as long as that allows.
fn body(length: usize) -> String {
    let (head, tail) = (r#"{"ImageBase64":""#, r#""}"#);
    format!("{head}{}{tail}", "A".repeat(length - head.len() - tail.len()))
}

#[tokio::test]
async fn the_base64_may_have_3145728_characters() {
    let server = Server::start().await;
    let fits = picture(&padded(BYTES));
    assert_eq!(fits.len(), BASE64 + 18);
    assert_eq!(code(&server.send(Tc3::post("QrcodeOCR", fits).sign()).await), "ok");
    for length in [BASE64 + 1, BODY - 18] {
        let too_long = format!(r#"{{"ImageBase64":"{}"}}"#, "A".repeat(length));
        let answer = server.send(Tc3::post("QrcodeOCR", too_long).sign()).await;
        assert_eq!(code(&answer), "LimitExceeded.TooLargeFileError", "{length}");
    }
}

#[tokio::test]
async fn the_largest_base64_is_a_setting() {
    let server = Server::with(&[("ocr_max_base64", "10485760")]).await;
    let fits = picture(&padded(7_864_320));
    assert_eq!(code(&server.send(Tc3::post("QrcodeOCR", fits).sign()).await), "ok");
    let too_long = picture(&padded(7_864_321));
    let answer = server.send(Tc3::post("QrcodeOCR", too_long).sign()).await;
    assert_eq!(code(&answer), "LimitExceeded.TooLargeFileError");
}

#[tokio::test]
async fn a_body_past_11_mib_is_not_looked_into() {
    let server = Server::start().await;
    let answer = server.send(Tc3::post("QrcodeOCR", body(BODY)).sign()).await;
    assert_eq!(code(&answer), "LimitExceeded.TooLargeFileError");
    let answer = server.send(Tc3::post("QrcodeOCR", body(BODY + 1)).sign()).await;
    assert_eq!(code(&answer), "RequestSizeLimitExceeded");
}

#[tokio::test]
async fn a_form_past_11_mib_is_refused_in_the_same_words() {
    use axum::http::Method;
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let form = |length: usize| format!("Action=QrcodeOCR&ImageBase64={}", "A".repeat(length - 29));
    let server = Server::with(&[("auth", "open")]).await;
    let send =
        async |length| code(&server.send(crate::support::request(Method::POST, "/", &headers, form(length))).await);
    assert_eq!(send(BODY).await, "MissingParameter");
    assert_eq!(send(BODY + 1).await, "RequestSizeLimitExceeded");
}

#[tokio::test]
async fn a_fetched_or_binary_picture_may_have_three_quarters_of_that() {
    let (fits, too_long) = (padded(BYTES), padded(BYTES + 1));
    let (_folder, server) = with_pictures(&[("fits.png", &fits), ("long.png", &too_long)]).await;
    assert_eq!(code(&server.send(by_address("fits.png").sign()).await), "ok");
    let answer = server.send(by_address("long.png").sign()).await;
    assert_eq!(code(&answer), "LimitExceeded.TooLargeFileError");
    let part = |content: &[u8]| {
        let head = "--x\r\nContent-Disposition: form-data; name=\"ImageBase64\"; filename=\"a\"\r\n\r\n";
        let body = [head.as_bytes(), content, b"\r\n--x--\r\n"].concat();
        Tc3 { content_type: "multipart/form-data; boundary=x".to_owned(), ..Tc3::post("QrcodeOCR", body) }.sign()
    };
    assert_eq!(code(&server.send(part(&fits)).await), "ok");
    assert_eq!(code(&server.send(part(&too_long)).await), "LimitExceeded.TooLargeFileError");
}

#[tokio::test]
async fn a_picture_may_have_10000_pixels_a_side_and_50_million_in_all() {
    let server = Server::start().await;
    // A header alone is no picture, but it is judged by its size first.
    for (width, height, expected) in [
        (10_000, 1, "FailedOperation.ImageDecodeFailed"),
        (1, 10_000, "FailedOperation.ImageDecodeFailed"),
        (10_001, 1, "FailedOperation.ImageSizeTooLarge"),
        (1, 10_001, "FailedOperation.ImageSizeTooLarge"),
        (10_000, 5_000, "FailedOperation.ImageDecodeFailed"),
        (10_000, 5_001, "FailedOperation.ImageSizeTooLarge"),
    ] {
        let answer = server.send(Tc3::post("QrcodeOCR", picture(&header(width, height))).sign()).await;
        assert_eq!(code(&answer), expected, "{width} × {height}");
    }
    let smaller = Server::with(&[("max_side", "100")]).await;
    let answer = smaller.send(Tc3::post("QrcodeOCR", picture(&header(101, 1))).sign()).await;
    assert_eq!(code(&answer), "FailedOperation.ImageSizeTooLarge");
}

#[tokio::test]
async fn the_target_of_a_get_may_have_32768_bytes() {
    let server = Server::start().await;
    let get = |length: usize| Tc3::get("QueryBarCode", &format!("BarCode=6941858722888&x={}", "y".repeat(length - 26)));
    assert_eq!(get(32_768).target.len(), 32_768);
    assert_eq!(code(&server.send(get(32_768).sign()).await), "ok");
    assert_eq!(code(&server.send(get(32_769).sign()).await), "RequestSizeLimitExceeded");
}

#[tokio::test]
async fn the_clock_may_be_off_by_five_minutes() {
    let server = Server::start().await;
    for (off, expected) in
        [(-301, "AuthFailure.SignatureExpire"), (-300, "ok"), (300, "ok"), (301, "AuthFailure.SignatureExpire")]
    {
        let timestamp = (crate::support::NOW + off).to_string();
        let call = Tc3 { timestamp, ..Tc3::post("QueryBarCode", r#"{"BarCode":"6941858722888"}"#) };
        assert_eq!(code(&server.send(call.sign()).await), expected, "{off}");
    }
}
