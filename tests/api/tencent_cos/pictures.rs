//! Pictures: as wide as asked for, and read back to what was asked for.

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestCaseError, TestRunner};

use super::*;

#[tokio::test]
async fn the_longest_text_is_drawn_and_read() {
    // All of them escape to three bytes each.
    let text: String = "你好世界".chars().cycle().take(984).collect();
    let mut call = call(&[]);
    call.parameters = parameters(&text, "0", 740);
    let answer = Server::start().await.send(call.signed()).await;
    assert_eq!(read(&picture(&answer), Kind::QrCode), (740, 740, vec![text]));
}

#[tokio::test]
async fn a_picture_is_as_wide_as_asked_for_wherever_modules_fit() {
    let server = Server::with(&[("auth", "open")]).await;
    // The text has 25 modules as QR Code; `abc` has 68 as bars.
    for (content, mode, width, expected) in [
        ("https://www.example.com", "0", 200, (200, 200)),
        ("https://www.example.com", "0", 4096, (4096, 4096)),
        ("https://www.example.com", "0", 27, (27, 27)),
        ("https://www.example.com", "0", 26, (33, 33)),
        ("abc", "1", 300, (300, 150)),
        ("abc", "1", 301, (301, 150)),
        ("abc", "1", 70, (70, 35)),
        ("abc", "1", 69, (88, 44)),
        ("12", "1", 50, (50, 32)),
    ] {
        let asked = parameters(content, mode, width);
        let answer = server.send(unsigned(&format!("/?{}", query(&asked)))).await;
        let luma = codec::load(&picture(&answer), &Limits::default()).expect("a picture").luma;
        assert_eq!((luma.width(), luma.height()), expected, "{content} {mode} {width}");
    }
}

fn parameters(content: &str, mode: &str, width: u32) -> Vec<(String, String)> {
    owned(&[
        ("ci-process", "qrcode-generate"),
        ("qrcode-content", content),
        ("mode", mode),
        ("width", &width.to_string()),
    ])
}

/// Sends what the strategy makes and hands the picture to `check`.
fn draws(cases: u32, texts: impl Strategy<Value = String>, widths: impl Strategy<Value = u32>, mode: &str, kind: Kind) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(Server::start());
    let mut runner = TestRunner::new(Cases { cases, failure_persistence: None, ..Cases::default() });
    let checked = runner.run(&(texts, widths), |(text, width)| {
        let mut call = call(&[]);
        call.parameters = parameters(&text, mode, width);
        let answer = runtime.block_on(server.send(call.signed()));
        prop_assert_eq!(&answer.code, "ok", "{}", answer.text());
        let (drawn, height, texts) = read(&picture(&answer), kind);
        prop_assert!(drawn >= width, "{} wide", drawn);
        let expected_height = if kind == Kind::QrCode { drawn } else { (drawn / 2).max(32) };
        prop_assert_eq!(height, expected_height);
        prop_assert_eq!(texts, [text]);
        Ok::<_, TestCaseError>(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_qr_code_reads_back_to_its_content() {
    let texts = prop_oneof![
        "[0-9]{1,60}",
        "[A-Z0-9 $%*+./:-]{1,60}",
        "[ -~]{1,200}",
        "[a-zA-Z0-9/:.?=&%#]{1,40}",
        "[一-龥，。a-z ]{2,60}",
    ];
    draws(128, texts, 1_u32..700, "0", Kind::QrCode);
}

#[test]
fn every_bar_code_reads_back_to_its_content() {
    let texts = prop_oneof!["[0-9]{1,80}", "[A-Z0-9-]{1,80}", "[ -~]{1,80}", "[\\x00-\\x7f]{1,80}"];
    draws(40, texts, 1_u32..1500, "1", Kind::Code128);
}
