//! What is fuzzed, and the seeds: bytes of strangers in, an answer in the vendor's shape out, and never a panic.
//!
//! Each target takes any bytes. What goes over the wire goes through the whole server, without sockets and without remote
//! pictures, so that every parser on the way is met; answers must be whole documents of their vendor.

use std::path::Path;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use qrstack::clock::{Clock, Ids};
use qrstack::codec::{self, Budget, Kinds, Limits, Luma};
use qrstack::config::{Config, Raw};
use qrstack::server::{self, Front};
use qrstack::store::Store;

/// Takes what a stranger sends.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const ALL: &[(&str, Target)] = &[
    ("load", load),
    ("read", read),
    ("authorization", authorization),
    ("body", body),
    ("multipart", multipart),
    ("query", query),
    ("ticket", ticket),
    ("import", import),
];

/// The moment of the captures' signatures: most of them hold around it.
const NOW: i64 = 1_795_288_500;
const KEYS: &str = "AKIDTESTTESTTESTTESTTESTTESTTEST1234:testSecretKeyForEmulator0123456789ab";

/// A server with nothing outside of it.
struct House {
    runtime: tokio::runtime::Runtime,
    front: Front,
    store: Store,
}

impl House {
    fn new(auth: &str) -> Self {
        let settings = [("auth", auth), ("fetch_enabled", "false"), ("tencent_credentials", KEYS)];
        let flags = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config =
            Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (front, store) = runtime.block_on(async {
            let store = Store::in_memory(&server::migrations()).await.expect("a store in memory");
            let app = server::open(config, store.clone(), Clock::fixed(NOW), Ids::seeded(1)).expect("opened");
            (app.front, store)
        });
        Self { runtime, front, store }
    }

    /// The answer to a request; `None` where it cannot be one at all.
    fn send(&self, request: axum::http::request::Builder, body: &[u8]) -> Option<(Response<()>, Bytes)> {
        let request = request.header("Host", "127.0.0.1:8080").body(Body::from(body.to_vec())).ok()?;
        Some(self.runtime.block_on(async {
            let answer = self.front.answer(request).await;
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            assert_ne!(parts.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&body));
            (Response::from_parts(parts, ()), body)
        }))
    }
}

thread_local! {
    static VERIFYING: House = House::new("verify");
    static OPEN: House = House::new("open");
}

fn is_json(answer: Option<(Response<()>, Bytes)>) {
    if let Some((_, body)) = answer {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(&body);
        assert!(value.is_ok_and(|value| value.is_object()), "{}", String::from_utf8_lossy(&body));
    }
}

fn is_xml(answer: Option<(Response<()>, Bytes)>) {
    let Some((_, body)) = answer else { return };
    let text = std::str::from_utf8(&body).expect("UTF-8");
    // XML 1.0, production Char.
    assert!(
        text.chars()
            .all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..))
    );
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return,
            Ok(_) => {}
            Err(error) => panic!("{error}: {text}"),
        }
    }
}

/// Picture files.
pub fn load(data: &[u8]) {
    let limits = Limits { max_side: 2000, max_pixels: 1_000_000, ..Limits::default() };
    let probed = codec::probe(data, &limits);
    if let Ok(loaded) = codec::load(data, &limits) {
        assert_eq!(probed.expect("what loads has a header"), (loaded.luma.width(), loaded.luma.height()));
    }
}

/// Grey pixels: width, height less one, then rows; missing pixels are white.
pub fn read(data: &[u8]) {
    let [width, height, pixels @ ..] = data else { return };
    let (width, height) = (u32::from(*width) + 1, u32::from(*height) + 1);
    let mut pixels = pixels.to_vec();
    pixels.resize((width * height) as usize, 255);
    let budget = Budget { cpu: Duration::from_millis(300) };
    for symbol in codec::read(&Luma::new(width, height, pixels), Kinds::ALL, &budget).symbols {
        assert!(!symbol.text.is_empty() || !symbol.bytes.is_empty() || symbol.corners.is_some());
        for point in symbol.corners.iter().flat_map(|corners| corners.0) {
            assert!(point.x.is_finite() && point.y.is_finite(), "{symbol:?}");
        }
    }
}

/// `Authorization` of COS and of both generations of Tencent Cloud: the first byte says whose.
pub fn authorization(data: &[u8]) {
    let [whose, text @ ..] = data else { return };
    VERIFYING.with(|house| match whose % 3 {
        0 => {
            let Ok(value) = HeaderValue::from_bytes(text) else { return };
            let target = "/?ci-process=qrcode-generate&qrcode-content=x&width=200";
            is_xml(house.send(Request::get(target).header("Authorization", value), b""));
        }
        1 => {
            let Ok(value) = HeaderValue::from_bytes(text) else { return };
            let request = Request::post("/").header("Authorization", value).header("X-TC-Action", "QrcodeOCR");
            let request = request.header("X-TC-Version", "2018-11-19").header("X-TC-Timestamp", NOW.to_string());
            is_json(house.send(request.header("Content-Type", "application/json"), b"{}"));
        }
        _ => {
            let request = Request::post("/").header("Content-Type", "application/x-www-form-urlencoded");
            is_json(house.send(request, &[b"Action=QrcodeOCR&Version=2018-11-19&", text].concat()));
        }
    });
}

/// Bodies of every operation that takes one; the first byte says which.
pub fn body(data: &[u8]) {
    let [which, body @ ..] = data else { return };
    let tencent = |action: &str, content_type: &str| {
        let request = Request::post("/").header("X-TC-Action", action).header("X-TC-Version", "2018-11-19");
        request.header("Content-Type", content_type)
    };
    let json = |path: &str| Request::post(path).header("Content-Type", "application/json");
    OPEN.with(|house| {
        is_json(match which % 7 {
            0 => house.send(tencent("QrcodeOCR", "application/json"), body),
            1 => house.send(tencent("QueryBarCode", "application/json; charset=utf-8"), body),
            2 => house.send(tencent("QrcodeOCR", "application/x-www-form-urlencoded"), body),
            3 => house.send(json("/cgi-bin/qrcode/create?access_token=x"), body),
            4 => house.send(json("/cgi-bin/stable_token"), body),
            5 => house.send(json("/api/v1/qrcode/scan_url"), body),
            _ => {
                let form = Request::post("/cv/img/qrcode?access_token=x");
                house.send(form.header("Content-Type", "application/x-www-form-urlencoded"), body)
            }
        });
    });
}

/// Multipart bodies; the boundary is what follows the first two hyphens, as in every such body.
pub fn multipart(data: &[u8]) {
    let line = data.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let Some(boundary) = line.strip_prefix(b"--").and_then(|boundary| std::str::from_utf8(boundary).ok()) else {
        return;
    };
    let Ok(content_type) = HeaderValue::from_str(&format!("multipart/form-data; boundary=\"{boundary}\"")) else {
        return;
    };
    OPEN.with(|house| {
        let scan = Request::post("/cv/img/qrcode?access_token=x").header("Content-Type", content_type.clone());
        is_json(house.send(scan, data));
        let ocr = Request::post("/").header("X-TC-Action", "QrcodeOCR").header("X-TC-Version", "2018-11-19");
        is_json(house.send(ocr.header("Content-Type", content_type), data));
    });
}

/// The query of COS, and of a Tencent Cloud call by GET.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    OPEN.with(|house| {
        is_xml(house.send(Request::get(format!("/?ci-process=qrcode-generate&{text}")), b""));
        let ocr = Request::get(format!("/?Action=QueryBarCode&Version=2018-11-19&{text}"));
        if let Some((_, body)) = house.send(ocr, b"") {
            assert!(body.starts_with(b"{") || body.starts_with(b"<"), "{}", String::from_utf8_lossy(&body));
        }
    });
}

/// Tickets that nobody gave out: no picture, whatever they are.
pub fn ticket(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    OPEN.with(|house| {
        for name in ["ticket", "Ticket"] {
            if let Some((answer, _)) = house.send(Request::get(format!("/cgi-bin/showqrcode?{name}={text}")), b"") {
                assert_eq!(answer.status(), StatusCode::NOT_FOUND);
            }
        }
    });
}

/// Files of products.
pub fn import(data: &[u8]) {
    OPEN.with(|house| {
        let imported = house.runtime.block_on(server::products::import(&house.store, data, |_| {}));
        if let Err(error) = imported {
            assert!(!matches!(error, server::products::ImportError::Store(_)), "{error}");
        }
    });
}

/// Seeds of a target, out of `fixtures`.
pub fn seeds(fixtures: &Path, target: &str) -> Vec<Vec<u8>> {
    let prefixed = |first: u8, rest: &[u8]| [&[first], rest].concat();
    match target {
        "load" => files(&fixtures.join("images/loading")),
        "read" => ["1", "https://example.com/some/longer/text?with=a&query"]
            .iter()
            .map(|text| {
                let code = codec::encode::qr(text, &codec::encode::QrOptions::default()).expect("it fits");
                let side = (code.width() as u32 + 8) * 3;
                let png = codec::render::png(&codec::render::place(&code, 3, side, side));
                let luma = codec::load(&png, &Limits::default()).expect("a picture").luma;
                [&[(side - 1) as u8, (side - 1) as u8], luma.pixels()].concat()
            })
            .collect(),
        "authorization" => [("tencent_cos", 0), ("tencent_ocr", 1)]
            .iter()
            .flat_map(|(vendor, whose)| {
                let values = captures(fixtures, vendor).into_iter().filter_map(|(head, _)| {
                    let line = head.lines().find_map(|line| line.strip_prefix("Authorization: "))?.to_owned();
                    Some(prefixed(*whose, line.as_bytes()))
                });
                values.collect::<Vec<_>>()
            })
            .chain(forms(fixtures).into_iter().map(|form| prefixed(2, &form)))
            .collect(),
        "body" => {
            let of =
                |vendor| captures(fixtures, vendor).into_iter().map(|(_, body)| body).filter(|body| !body.is_empty());
            let tencent =
                of("tencent_ocr").flat_map(|body| [prefixed(0, &body), prefixed(1, &body), prefixed(2, &body)]);
            let wechat = of("wechat").flat_map(|body| [prefixed(3, &body), prefixed(4, &body), prefixed(6, &body)]);
            tencent.chain(wechat).chain(of("cli_im").map(|body| prefixed(5, &body))).collect()
        }
        "multipart" => ["wechat", "tencent_ocr"]
            .iter()
            .flat_map(|vendor| captures(fixtures, vendor))
            .map(|(_, body)| body)
            .filter(|body| body.starts_with(b"--"))
            .collect(),
        "query" => ["tencent_cos", "tencent_ocr"]
            .iter()
            .flat_map(|vendor| captures(fixtures, vendor))
            .filter_map(|(head, _)| Some(head.split(' ').nth(1)?.split_once('?')?.1.as_bytes().to_vec()))
            .collect(),
        "ticket" => captures(fixtures, "wechat")
            .into_iter()
            .filter_map(|(head, _)| Some(head.split(' ').nth(1)?.split_once("icket=")?.1.as_bytes().to_vec()))
            .collect(),
        "import" => [
            "BarCode,ProductName,ImageLink\n6928804021912,可乐,http://a/1|http://a/2\n",
            "{\"BarCode\":\"6928804021912\",\"ProductName\":\"可乐\",\"ImageLink\":[\"http://a/1\"]}\n",
            "\u{feff}BarCode,ProductName\r\n\"06941858722888\",\"a \"\"quoted\"\" name\"\r\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec(),
        unknown => panic!("no target {unknown}"),
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("readable")).collect()
}

/// Head and body of every captured request of a vendor.
fn captures(fixtures: &Path, vendor: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fixtures.join("captures").join(vendor);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("readable").path().join("request.http"))
        .collect();
    paths.sort();
    let requests = paths.iter().map(|path| std::fs::read(path).expect("readable"));
    requests
        .filter_map(|request| {
            let end = request.windows(4).position(|window| window == b"\r\n\r\n")?;
            Some((String::from_utf8_lossy(&request[..end]).into_owned(), request[end + 4..].to_vec()))
        })
        .collect()
}

/// Bodies of the first generation's signed forms.
fn forms(fixtures: &Path) -> Vec<Vec<u8>> {
    let bodies = captures(fixtures, "tencent_ocr").into_iter().map(|(_, body)| body);
    bodies.filter(|body| body.windows(10).any(|window| window == b"Signature=")).collect()
}
