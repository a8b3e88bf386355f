//! Requests to draw: sizes and contents of any kind give a bounded picture or the vendor's error.

use base64::prelude::*;

use crate::harness::{Check, block_on, check};
use crate::support::{Server, request};

pub fn checks() -> Vec<Check> {
    vec![check("F59", "every size, content and mode gives a picture of bounded size or the vendor's error", drawing)]
}

fn drawing() -> String {
    let widths = [
        "",
        "0",
        "-1",
        "1",
        "2",
        "20",
        "21",
        "199",
        "4096",
        "4097",
        "1000000",
        "99999999999999999999",
        "1e3",
        "0x10",
        "NaN",
    ];
    let long = |length: usize| "a".repeat(length);
    let contents = [
        String::new(),
        "%00".to_owned(),
        "x".to_owned(),
        "%E4%B8%AD%E6%96%87".to_owned(),
        "%FF%FE".to_owned(),
        long(80),
        long(300),
        long(2331),
        long(2954),
        long(10_000),
        long(50_000),
        "%F0%9F%98%80".repeat(700),
    ];
    let modes = ["", "0", "1", "2", "-1", "x"];
    let (mut pictures, mut refusals) = (0, 0);
    block_on(async {
        let server = Server::with(&[("auth", "open")]).await;
        for width in widths {
            for content in &contents {
                for mode in modes {
                    let target =
                        format!("/?ci-process=qrcode-generate&qrcode-content={content}&width={width}&mode={mode}");
                    let answer = server.send(request("GET".parse().expect("a method"), &target, &[], "")).await;
                    let start = &content[..content.len().min(20)];
                    match answer.status.as_u16() {
                        200 => {
                            let text = answer.text();
                            let encoded = text.split_once("<ResultImage>").and_then(|(_, rest)| rest.split_once('<'));
                            let png = BASE64_STANDARD.decode(encoded.expect("a picture").0).expect("base64");
                            let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
                            // The smallest picture of the longest code, or what was asked for.
                            let most = width.parse().unwrap_or(0u32).max(20_000);
                            assert!(
                                side(16) <= most && side(20) <= most,
                                "{width} {start} {mode}: {} x {}",
                                side(16),
                                side(20)
                            );
                            assert!(png.len() < 1 << 20, "{width} {start} {mode}: {} bytes", png.len());
                            pictures += 1;
                        }
                        400 => {
                            let codes = ["InvalidArgument", "InvalidURI"].map(|code| format!("<Code>{code}</Code>"));
                            assert!(codes.iter().any(|code| answer.text().contains(code)), "{}", answer.text());
                            refusals += 1;
                        }
                        other => panic!("{width} {start} {mode}: {other} {}", answer.text()),
                    }
                }
            }
        }
    });
    format!("{pictures} pictures, {refusals} refusals")
}
