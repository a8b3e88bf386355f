//! The operations and their requests, signed as a client signs them.

use std::io::Cursor;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use qrstack::clock::Clock;
use qrstack::codec::{encode, render};
use qrstack::providers::tencent_ocr::catalog;
use qrstack::signing::{hmac_sha1, hmac_sha256, percent_encode, sha1_hex, sha256_hex};
use qrstack::store::Store;

use crate::client::Connection;

const ID: &str = "AKIDEMUexample0123456789ABCDEFGHIJKL";
const KEY: &str = "EMUsecretExampleKey0123456789abcdefg";
const APPID: &str = "wx0123456789abcdef";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const BUCKET: &str = "examplebucket-1250000000.cos.ap-beijing.myqcloud.com";
const PRODUCT: &str = "6941858722888";
/// Where the number of a request goes that must differ from all others.
const NUMBER: &[u8] = b"0000000000";

/// An operation and its requests.
pub struct Operation {
    pub name: &'static str,
    requests: Requests,
}

/// The requests of an operation: the same one each time, several in turn where what they ask for is in their signature,
/// or one with a number that is another each time.
#[derive(Clone)]
pub struct Requests {
    turns: Arc<[Vec<u8>]>,
    /// A copy that has a number, and where that stands.
    numbered: Option<(Vec<u8>, usize)>,
}

impl Operation {
    /// Its requests.
    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }
}

impl Requests {
    fn new(turns: Vec<Vec<u8>>) -> Self {
        let place = turns[0].windows(NUMBER.len()).position(|part| part == NUMBER);
        Self { numbered: place.map(|place| (turns[0].clone(), place)), turns: turns.into() }
    }

    /// The request with this number.
    pub fn of(&mut self, mut number: u32) -> &[u8] {
        let Some((request, place)) = &mut self.numbered else {
            return &self.turns[number as usize % self.turns.len()];
        };
        for digit in request[*place..*place + NUMBER.len()].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        request
    }
}

/// Puts the one product into the catalogue that is asked for.
pub async fn import_product(store: &Store) {
    let csv = format!("BarCode,ProductName\n{PRODUCT},Water\n");
    let summary = catalog::import(store, Cursor::new(csv), |_| {}).await.expect("imported");
    assert_eq!(summary.imported, 1);
}

/// All operations, in the order of the table.
pub async fn all(address: SocketAddr) -> Vec<Operation> {
    let stable = post(
        "/cgi-bin/stable_token",
        "",
        format!(r#"{{"grant_type":"client_credential","appid":"{APPID}","secret":"{SECRET}"}}"#).as_bytes(),
    );
    let mut connection = Connection::open(address).await;
    let token = field(&connection.answer(&stable).await.body, "access_token");
    let create = |body: &str| post(&format!("/cgi-bin/qrcode/create?access_token={token}"), "", body.as_bytes());
    let temporary =
        create(r#"{"expire_seconds":604800,"action_name":"QR_SCENE","action_info":{"scene":{"scene_id":123}}}"#);
    let permanent =
        create(r#"{"action_name":"QR_LIMIT_STR_SCENE","action_info":{"scene":{"scene_str":"bench-0000000000"}}}"#);
    let ticket = field(&connection.answer(&temporary).await.body, "ticket");

    let picture = picture();
    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a.png\"\r\n\
                     Content-Type: image/png\r\n\r\n"
        .to_vec();
    form.extend_from_slice(&picture);
    form.extend_from_slice(b"\r\n--b--\r\n");
    let scan = post(
        &format!("/cv/img/qrcode?access_token={token}"),
        "Content-Type: multipart/form-data; boundary=b\r\n",
        &form,
    );
    let sample = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png";
    let scan_url = post(
        "/api/v1/qrcode/scan_url",
        "Authorization: Bearer Abc123456\r\nContent-Type: application/json\r\n",
        format!(r#"{{"url":"{sample}"}}"#).as_bytes(),
    );
    let image = BASE64_STANDARD.encode(&picture);
    let generated = |texts: Range<u32>| texts.map(|number| qrcode_generate(&text(number))).collect();
    let requests = [
        (
            "wechat token",
            get(&format!("/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={SECRET}"), ""),
        ),
        ("wechat stable_token", stable),
        ("wechat create temporary", temporary),
        ("wechat create permanent", permanent),
        ("wechat showqrcode", get(&format!("/cgi-bin/showqrcode?ticket={ticket}"), "")),
        ("wechat img/qrcode", scan),
        ("ocr QrcodeOCR", tc3("QrcodeOCR", &format!(r#"{{"ImageBase64":"{image}"}}"#))),
        ("ocr QueryBarCode", tc3("QueryBarCode", &format!(r#"{{"BarCode":"{PRODUCT}"}}"#))),
        ("cli.im scan_url", scan_url),
    ];
    let mut all: Vec<_> = requests.map(|(name, request)| (name, vec![request])).into();
    all.insert(6, ("cos qrcode-generate", generated(0..64)));
    // More than the server remembers, so that each is drawn.
    all.insert(7, ("cos qrcode-generate, new texts", generated(100..3800)));
    all.into_iter().map(|(name, turns)| Operation { name, requests: Requests::new(turns) }).collect()
}

/// A text of its own for each number; all have the same length.
fn text(number: u32) -> String {
    const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let digit = |number: u32| char::from(DIGITS[number as usize % DIGITS.len()]);
    format!("https://www.example.com/{}{}", digit(number / 62), digit(number))
}

/// A clean picture of a short text.
fn picture() -> Vec<u8> {
    let code = encode::qr("Hello from qrstack", &encode::QrOptions::default()).expect("a short text fits");
    let side = (code.width() as u32 + 8) * 4;
    render::png(&render::place(&code, 4, side, side))
}

fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n").into_bytes()
}

fn post(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn qrcode_generate(content: &str) -> Vec<u8> {
    let parameters = [("ci-process", "qrcode-generate"), ("mode", "0"), ("qrcode-content", content), ("width", "200")];
    let both: Vec<_> = parameters.map(|(key, value)| format!("{key}={}", percent_encode(value))).into();
    let both = both.join("&");
    let now = Clock::system().unix_seconds();
    let times = format!("{};{}", now - 60, now + 3600);
    let format_string = format!("get\n/\n{both}\nhost={BUCKET}\n");
    let string_to_sign = format!("sha1\n{times}\n{}\n", sha1_hex(format_string.as_bytes()));
    let sign_key = hex::encode(hmac_sha1(KEY.as_bytes(), times.as_bytes()));
    let signature = hex::encode(hmac_sha1(sign_key.as_bytes(), string_to_sign.as_bytes()));
    let keys = parameters.map(|(key, _)| key).join(";");
    format!(
        "GET /?{both} HTTP/1.1\r\nHost: {BUCKET}\r\nAuthorization: q-sign-algorithm=sha1&q-ak={ID}&q-sign-time={times}&\
         q-key-time={times}&q-header-list=host&q-url-param-list={keys}&q-signature={signature}\r\n\r\n"
    )
    .into_bytes()
}

fn tc3(action: &str, body: &str) -> Vec<u8> {
    let now = Clock::system().now();
    let (date, timestamp) = (now.strftime("%Y-%m-%d").to_string(), now.as_second());
    let canonical = format!(
        "POST\n/\n\ncontent-type:application/json\nhost:127.0.0.1\n\ncontent-type;host\n{}",
        sha256_hex(body.as_bytes())
    );
    let scope = format!("{date}/ocr/tc3_request");
    let string = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let day = hmac_sha256(format!("TC3{KEY}").as_bytes(), date.as_bytes());
    let signing = hmac_sha256(&hmac_sha256(&day, b"ocr"), b"tc3_request");
    let signature = hex::encode(hmac_sha256(&signing, string.as_bytes()));
    let headers = format!(
        "Authorization: TC3-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders=content-type;host, \
         Signature={signature}\r\nContent-Type: application/json\r\nX-TC-Action: {action}\r\nX-TC-Version: 2018-11-19\r\n\
         X-TC-Timestamp: {timestamp}\r\nX-TC-Region: ap-guangzhou\r\n"
    );
    post("/", &headers, body.as_bytes())
}

/// A text field of a JSON object.
fn field(object: &[u8], name: &str) -> String {
    let value: serde_json::Value = serde_json::from_slice(object).expect("JSON");
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}
