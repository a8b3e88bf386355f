//! The metrics page: what it shows, and that nobody but ourselves decides how large it is.

use axum::http::Method;

use crate::canary::{Door, metric, open_server};
use crate::harness::{Check, block_on, check};
use crate::support::{Server, qr_png, request};

pub fn checks() -> Vec<Check> {
    vec![
        check("F55", "lines that 100000 random paths, actions, keys and hosts add to the metrics page", explosion),
        check(
            "F55",
            "the page counts answers, reads, symbols, fetches and failures of the store by fixed names",
            counts,
        ),
    ]
}

/// The lines of the page, without their values.
async fn names(server: &Server) -> Vec<String> {
    let page = server.get("/_qrstack/metrics").await;
    page.text().lines().map(|line| line.rsplit_once(' ').map_or(line, |(name, _)| name).to_owned()).collect()
}

/// A small generator, so that every run sends the same.
struct Random(u64);

impl Random {
    fn word(&mut self) -> String {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:x}", self.0 >> 8)
    }
}

async fn send(server: &Server, kind: usize, word: &str) {
    let headers =
        [("Host", format!("{word}-1250000000.cos.ap-beijing.myqcloud.com")), ("X-TC-Action", word.to_owned())];
    let (host, action) = ((headers[0].0, headers[0].1.as_str()), (headers[1].0, headers[1].1.as_str()));
    let request = match kind {
        0 => request(Method::GET, &format!("/{word}"), &[], ""),
        1 => request(Method::GET, &format!("/_qrstack/{word}"), &[], ""),
        2 => request(Method::GET, &format!("/cgi-bin/{word}?appid={word}"), &[], ""),
        3 => request(Method::GET, &format!("/cgi-bin/token?grant_type={word}&appid={word}&secret={word}"), &[], ""),
        4 => request(Method::POST, "/", &[action, ("X-TC-Version", word)], "{}"),
        5 => request(Method::GET, &format!("/{word}?ci-process={word}"), &[host], ""),
        6 => request(Method::from_bytes(word.as_bytes()).expect("a token"), &format!("/api/{word}"), &[], ""),
        _ => request(Method::POST, "/qrcode/scan_url", &[("Authorization", word)], "{}"),
    };
    server.send(request).await;
}

fn explosion() -> String {
    const KINDS: usize = 8;
    block_on(async {
        let (server, mut random) = (Server::start().await, Random(1));
        for kind in 0..KINDS {
            send(&server, kind, &random.word()).await;
        }
        // The page itself is counted as well, once it was asked for.
        names(&server).await;
        let before = names(&server).await;
        for round in 0..100_000 {
            send(&server, round % KINDS, &random.word()).await;
        }
        let after = names(&server).await;
        let added: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
        assert!(added.is_empty() && after.len() == before.len(), "{added:#?}");
        format!("{} to {}", added.len(), before.len())
    })
}

fn counts() -> String {
    block_on(async {
        let server = open_server("").await;
        let folder = tempfile::tempdir().expect("a folder");
        let picture = folder.path().join("a.png");
        std::fs::write(&picture, qr_png("counted")).expect("written");
        let stand_in = format!("http://example.com/a.png={}", picture.display());
        let server_with_picture = Server::with(&[("auth", "open"), ("fetch_stand_ins", &stand_in)]).await;
        assert_eq!(Door::Wechat.fetch(&server_with_picture, "http://example.com/a.png").await.code, "ok");
        assert_eq!(Door::CliIm.fetch(&server, "http://10.0.0.1/").await.code, "1031");
        assert_eq!(server.get("/cgi-bin/none").await.code, "40066");
        server.shared().store().close().await;
        // One of the published ones: what is none is not looked for.
        let ticket = "gQGT7zwAAAAAAAAAAS5odHRwOi8vd2VpeGluLnFxLmNvbS9xLzAyUV9BbmdZY3ljNzIxV1hHLWh2Y3gAAgR-qv5fAwQ8AAAA";
        assert_eq!(server.get(&format!("/cgi-bin/showqrcode?ticket={ticket}")).await.code, "-1");
        let mut lines = 0;
        for (server, name) in [
            (&server_with_picture, r#"qrstack_requests_total{provider="wechat",operation="img/qrcode",code="ok"}"#),
            (
                &server_with_picture,
                r#"qrstack_request_duration_seconds_count{provider="wechat",operation="img/qrcode"}"#,
            ),
            (&server_with_picture, r#"qrstack_reads_total{outcome="found"}"#),
            (&server_with_picture, r#"qrstack_symbols_total{kind="QrCode"}"#),
            (&server_with_picture, r#"qrstack_fetches_total{outcome="ok"}"#),
            (&server, r#"qrstack_requests_total{provider="cli_im",operation="scan_url",code="1031"}"#),
            (&server, r#"qrstack_requests_total{provider="wechat",operation="unknown",code="40066"}"#),
            (&server, r#"qrstack_requests_total{provider="wechat",operation="showqrcode",code="-1"}"#),
            (&server, r#"qrstack_fetches_total{outcome="refused"}"#),
        ] {
            assert_eq!(metric(server, name).await, 1, "{name}");
            lines += 1;
        }
        // Of the whole process, in which other checks run as well.
        assert!(metric(&server, "qrstack_store_errors_total").await >= 1);
        format!("{} counts", lines + 1)
    })
}
