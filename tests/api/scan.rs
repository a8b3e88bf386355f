//! Scans over the control API: an application on loopback is told as WeChat tells it. And the walk of a whole QR login.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aes::Aes256;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use qrstack::intake::query;
use qrstack::signing::sha1_hex;
use serde_json::{Value, json};

use crate::support::{Answer, NOW, Server, request};

const APPID: &str = "wx0123456789abcdef";
const TOKEN: &str = "emuToken123";
/// 43 characters; its 32 bytes in hexadecimal below.
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const AES_BYTES: &str = "69b71d79f8218a39259a7a29aabb2dbafc31cb3d35db7e39ebbf3d0010831051";
const OPENID: &str = "oEMU_0123456789abcdefghijkl";
const SCAN: &str = "/_qrstack/v1/scan";

/// An application that checks what it is told, and answers as the test wants it.
#[derive(Clone, Default)]
struct App {
    /// Status and body of the next answers; `success` once there are none left.
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    /// Queries and bodies.
    told: Arc<Mutex<Vec<(String, String)>>>,
}

impl App {
    /// The application, and its address.
    async fn start() -> (Self, String) {
        let app = Self::default();
        let routes = Router::new().route("/wx", get(echo).post(tell)).route("/other", get(async || "something else"));
        let routes = routes.with_state(app.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (app, format!("http://{address}/wx?from=test"))
    }

    fn answer(&self, status: u16, body: &str) {
        self.answers.lock().expect("no panic").push_back((status, body.to_owned()));
    }

    fn told(&self) -> Vec<(String, String)> {
        self.told.lock().expect("no panic").clone()
    }
}

/// Whether the query is signed: the three texts in the order of their bytes, SHA-1.
fn is_signed(query: &str) -> bool {
    let pairs = query::pairs(query).expect("a query");
    let value = |name: &str| query::first(&pairs, name).unwrap_or_default().to_owned();
    let mut texts = [TOKEN.to_owned(), value("timestamp"), value("nonce")];
    texts.sort_unstable();
    value("from") == "test" && sha1_hex(texts.concat().as_bytes()) == value("signature")
}

async fn echo(RawQuery(raw): RawQuery) -> impl IntoResponse {
    let raw = raw.unwrap_or_default();
    if !is_signed(&raw) {
        return (StatusCode::FORBIDDEN, String::new());
    }
    let pairs = query::pairs(&raw).expect("a query");
    (StatusCode::OK, format!("  {}\n", query::first(&pairs, "echostr").unwrap_or_default()))
}

async fn tell(State(app): State<App>, RawQuery(raw): RawQuery, body: String) -> impl IntoResponse {
    let raw = raw.unwrap_or_default();
    if !is_signed(&raw) {
        return (StatusCode::FORBIDDEN, String::new());
    }
    app.told.lock().expect("no panic").push((raw, body));
    let (status, answer) = app.answers.lock().expect("no panic").pop_front().unwrap_or((200, "success".to_owned()));
    (StatusCode::from_u16(status).expect("a status"), answer)
}

fn aes() -> ([u8; 32], [u8; 16]) {
    let key: [u8; 32] = hex::decode(AES_BYTES).expect("hexadecimal").try_into().expect("32 bytes");
    (key, std::array::from_fn(|place| key[place]))
}

/// The message within base64, as an application decrypts it.
fn decrypt(encrypted: &str) -> String {
    let mut bytes = BASE64_STANDARD.decode(encrypted).expect("base64");
    assert_eq!(bytes.len() % 32, 0, "padded to 32");
    let (key, iv) = aes();
    let mut cipher = cbc::Decryptor::<Aes256>::new(&key.into(), &iv.into());
    for block in bytes.as_chunks_mut::<16>().0 {
        cipher.decrypt_block(block.into());
    }
    let padding = usize::from(*bytes.last().expect("bytes"));
    bytes.truncate(bytes.len() - padding);
    let length = u32::from_be_bytes(bytes[16..20].try_into().expect("4 bytes")) as usize;
    assert_eq!(&bytes[20 + length..], APPID.as_bytes());
    String::from_utf8(bytes[20..20 + length].to_vec()).expect("UTF-8")
}

/// An encrypted answer, as an application makes it.
fn encrypted_reply(message: &str) -> String {
    let mut bytes = b"0123456789abcdef".to_vec();
    bytes.extend_from_slice(&u32::try_from(message.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(message.as_bytes());
    bytes.extend_from_slice(APPID.as_bytes());
    let padding = 32 - bytes.len() % 32;
    bytes.resize(bytes.len() + padding, u8::try_from(padding).expect("at most 32"));
    let (key, iv) = aes();
    let mut cipher = cbc::Encryptor::<Aes256>::new(&key.into(), &iv.into());
    for block in bytes.as_chunks_mut::<16>().0 {
        cipher.encrypt_block(block.into());
    }
    let encrypted = BASE64_STANDARD.encode(bytes);
    let mut texts = [TOKEN, "1700000001", "987654321", &encrypted];
    texts.sort_unstable();
    let signature = sha1_hex(texts.concat().as_bytes());
    format!(
        "<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt><MsgSignature><![CDATA[{signature}]]></MsgSignature>\
         <TimeStamp>1700000001</TimeStamp><Nonce><![CDATA[987654321]]></Nonce></xml>"
    )
}

/// A server that tells the application, through the guard.
async fn server(callback: &str) -> Server {
    Server::with(&[
        ("fetch_allow", "127.0.0.1/32"),
        ("wechat_callbacks", &format!("{APPID}={callback}")),
        ("wechat_tokens", &format!("{APPID}:T")),
    ])
    .await
}

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json")];
    server.send(request(Method::POST, path, &headers, body.to_string())).await
}

async fn create(server: &Server, body: Value) -> (String, String) {
    let made = post(server, "/cgi-bin/qrcode/create?access_token=T", &body).await.json();
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    (text("ticket"), text("url"))
}

fn scene(text: &str, seconds: u32) -> Value {
    json!({ "expire_seconds": seconds, "action_name": "QR_STR_SCENE", "action_info": { "scene": { "scene_str": text } } })
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_whole_login_by_qr_code() {
    let (app, address) = App::start().await;
    let server = server(&format!("{address}|{TOKEN}|{AES_KEY}")).await;

    // The web page asks for a code and shows it.
    let keys = format!("grant_type=client_credential&appid={APPID}&secret=0123456789abcdef0123456789abcdef");
    let token = server.get(&format!("/cgi-bin/token?{keys}")).await.json()["access_token"].as_str().map(str::to_owned);
    let token = token.expect("a token");
    let made =
        post(&server, &format!("/cgi-bin/qrcode/create?access_token={token}"), &scene("login-42", 60)).await.json();
    let (ticket, url) = (made["ticket"].as_str().expect("a ticket"), made["url"].as_str().expect("an address"));
    let show = format!("/cgi-bin/showqrcode?ticket={ticket}");
    let shown = server.get(&show).await;
    assert_eq!((shown.status, shown.header("content-type")), (StatusCode::OK, "image/jpg"));

    // The picture says what the code is.
    let form = [
        b"--b\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a.jpg\"\r\n\r\n",
        &shown.body[..],
        b"\r\n--b--\r\n",
    ];
    let read = request(
        Method::POST,
        &format!("/cv/img/qrcode?access_token={token}"),
        &[("Content-Type", "multipart/form-data; boundary=b")],
        form.concat(),
    );
    assert_eq!(server.send(read).await.json()["code_results"][0]["data"], url);

    // A user who does not follow yet holds a phone up, and follows.
    app.answer(
        200,
        &encrypted_reply("<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好]]></Content></xml>"),
    );
    let picture = BASE64_STANDARD.encode(&shown.body);
    let scanned = post(&server, SCAN, &json!({ "picture": picture, "openid": OPENID })).await;
    assert_eq!(scanned.status, StatusCode::OK, "{}", scanned.text());
    let scanned = scanned.json();
    assert_eq!((&scanned["event"], &scanned["delivered"]), (&json!("subscribe"), &json!(true)), "{scanned}");
    let reply = &scanned["attempts"][0]["reply"];
    assert_eq!((&reply["kind"], &reply["encrypted"]), (&json!("message"), &json!(true)), "{reply}");
    assert_eq!(reply["message"]["Content"], "你好");

    // What the application was told.
    let told = app.told();
    let (query, body) = &told[0];
    assert!(query.contains(&format!("&openid={OPENID}&encrypt_type=aes&msg_signature=")), "{query}");
    assert!(!body.contains("login-42"), "encrypted: {body}");
    let encrypted = body.split("<Encrypt><![CDATA[").nth(1).and_then(|rest| rest.split("]]>").next()).expect("Encrypt");
    let message = decrypt(encrypted);
    assert_eq!(message, scanned["message"].as_str().expect("a message"));
    for piece in [
        format!("<FromUserName><![CDATA[{OPENID}]]>"),
        "<CreateTime>1700000000</CreateTime>".to_owned(),
        "<Event><![CDATA[subscribe]]></Event>".to_owned(),
        "<EventKey><![CDATA[qrscene_login-42]]></EventKey>".to_owned(),
        format!("<Ticket><![CDATA[{ticket}]]></Ticket>"),
    ] {
        assert!(message.contains(&piece), "{piece} in {message}");
    }

    // From then on he follows; the time comes to its end.
    let again = post(&server, SCAN, &json!({ "ticket": ticket, "openid": OPENID })).await.json();
    assert_eq!((&again["event"], &again["scene"]), (&json!("SCAN"), &json!("login-42")));
    let advanced = post(&server, "/_qrstack/v1/clock", &json!({ "advance": "61s" })).await;
    assert_eq!(advanced.status, StatusCode::OK, "{}", advanced.text());
    assert_eq!(server.get(&show).await.status, StatusCode::NOT_FOUND);
    assert_eq!(code(&post(&server, SCAN, &json!({ "ticket": ticket })).await), (410, "code_expired".to_owned()));
}

#[tokio::test]
async fn a_code_is_known_by_ticket_text_scene_and_picture_in_json_and_forms() {
    let (app, address) = App::start().await;
    let server = server(&format!("{address}|{TOKEN}")).await;
    let (ticket, url) = create(&server, scene("one", 600)).await;
    let (_, other) = create(&server, scene("two", 600)).await;
    let picture = BASE64_STANDARD.encode(crate::support::qr_png(&url));
    for (asked, expected) in [
        (json!({ "ticket": ticket }), "one"),
        (json!({ "url": other }), "two"),
        (json!({ "url": other.replace("http:", "https:"), "credential": APPID }), "two"),
        (json!({ "scene": "one" }), "one"),
        (json!({ "picture": picture }), "one"),
    ] {
        let scanned = post(&server, SCAN, &asked).await.json();
        assert_eq!(scanned["scene"], expected, "{scanned}");
    }
    let (query, body) = app.told().remove(0);
    assert!(!query.contains("encrypt_type") && body.contains("<EventKey><![CDATA[qrscene_one]]>"), "{query} {body}");

    let form = [
        b"--b\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"a\"\r\n\r\n",
        &crate::support::qr_png(&other)[..],
        b"\r\n--b\r\nContent-Disposition: form-data; name=\"follows\"\r\n\r\nfalse\r\n--b--\r\n",
    ];
    let headers = [("Content-Type", "multipart/form-data; boundary=b")];
    let scanned = server.send(request(Method::POST, SCAN, &headers, form.concat())).await.json();
    assert_eq!((&scanned["scene"], &scanned["event"]), (&json!("two"), &json!("subscribe")), "{scanned}");
}

#[tokio::test]
async fn who_has_scanned_follows_unless_the_request_says_otherwise() {
    let (_app, address) = App::start().await;
    let server = server(&format!("{address}|{TOKEN}")).await;
    let (ticket, _) = create(&server, scene("x", 600)).await;
    let event = async |openid: Option<&str>, follows: Option<bool>| {
        let asked = json!({ "ticket": ticket, "openid": openid, "follows": follows });
        let scanned = post(&server, SCAN, &asked).await.json();
        (
            scanned["event"].as_str().unwrap_or_default().to_owned(),
            scanned["openid"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let (first, somebody) = event(None, None).await;
    assert_eq!((first.as_str(), somebody.len(), somebody.starts_with('o')), ("subscribe", 28, true));
    assert_eq!(event(None, None).await, ("SCAN".to_owned(), somebody));
    for (openid, follows, expected) in [
        ("oA", None, "subscribe"),
        ("oA", None, "SCAN"),
        ("oA", Some(false), "subscribe"),
        ("oA", None, "SCAN"),
        ("oB", Some(true), "SCAN"),
        ("oB", None, "SCAN"),
    ] {
        assert_eq!(event(Some(openid), follows).await.0, expected, "{openid} {follows:?}");
    }
    assert_eq!(post(&server, "/_qrstack/v1/reset", &json!({})).await.status, StatusCode::NO_CONTENT);
    let (ticket, _) = create(&server, scene("x", 600)).await;
    let scanned = post(&server, SCAN, &json!({ "ticket": ticket, "openid": "oA" })).await.json();
    assert_eq!(scanned["event"], "subscribe", "a reset forgets followers");
}

#[tokio::test]
async fn an_event_has_the_time_of_its_account() {
    let (_app, address) = App::start().await;
    let server = server(&format!("{address}|{TOKEN}")).await;
    let (ticket, _) = create(&server, scene("x", 6000)).await;
    post(&server, "/_qrstack/v1/clock", &json!({ "credential": APPID, "advance": "1h" })).await;
    let scanned = post(&server, SCAN, &json!({ "ticket": ticket })).await.json();
    let message = scanned["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("<CreateTime>{}</CreateTime>", NOW + 3600)), "{message}");
}

#[tokio::test]
async fn an_application_is_told_three_times_at_most() {
    let (app, address) = App::start().await;
    let server = server(&format!("{address}|{TOKEN}")).await;
    let (ticket, _) = create(&server, scene("x", 600)).await;
    app.answer(500, "");
    let scanned = post(&server, SCAN, &json!({ "ticket": ticket })).await.json();
    assert_eq!((&scanned["delivered"], scanned["attempts"].as_array().map(Vec::len)), (&json!(true), Some(2)));
    assert_eq!(
        (&scanned["attempts"][0]["status"], &scanned["attempts"][1]["reply"]["kind"]),
        (&json!(500), &json!("success"))
    );
    let told = app.told();
    let created = |body: &str| body.split("<CreateTime>").nth(1).map(|rest| rest[..10].to_owned());
    assert_eq!(created(&told[0].1), created(&told[1].1), "repeats are known by their time");
    assert_ne!(told[0].0, told[1].0, "and signed anew");

    for _ in 0..4 {
        app.answer(302, "");
    }
    let scanned = post(&server, SCAN, &json!({ "ticket": ticket })).await.json();
    assert_eq!((&scanned["delivered"], scanned["attempts"].as_array().map(Vec::len)), (&json!(false), Some(3)));
}

#[tokio::test]
async fn callbacks_are_set_shown_verified_and_taken_away() {
    let (app, address) = App::start().await;
    let server = Server::with(&[("fetch_allow", "127.0.0.1/32"), ("wechat_tokens", &format!("{APPID}:T"))]).await;
    let (ticket, _) = create(&server, scene("x", 600)).await;
    let put = async |body: Value| {
        let headers = [("Content-Type", "application/json")];
        server.send(request(Method::PUT, "/_qrstack/v1/callbacks", &headers, body.to_string())).await
    };
    assert_eq!(code(&post(&server, SCAN, &json!({ "ticket": ticket })).await), (409, "no_callback".to_owned()));
    let of = json!({ "credential": APPID });
    assert_eq!(code(&post(&server, "/_qrstack/v1/callbacks/verify", &of).await), (409, "no_callback".to_owned()));

    let plain = json!({ "credential": APPID, "url": address, "token": TOKEN });
    let set = put(plain.clone()).await;
    assert_eq!(set.json(), json!({ "credential": APPID, "url": address, "mode": "plain" }));
    let verified = post(&server, "/_qrstack/v1/callbacks/verify", &of).await.json();
    assert_eq!((&verified["verified"], &verified["error"]), (&json!(true), &Value::Null), "{verified}");
    let with = |name: &str, value: Value| {
        let mut body = plain.clone();
        body[name] = value;
        body
    };
    let both = put(with("encoding_aes_key", json!(AES_KEY))).await.json();
    assert_eq!(both["mode"], "security");
    let mut compatible = with("encoding_aes_key", json!(AES_KEY));
    compatible["mode"] = json!("compatible");
    assert_eq!(put(compatible).await.json()["mode"], "compatible");
    post(&server, SCAN, &json!({ "ticket": ticket })).await;
    let body = app.told().remove(0).1;
    assert!(body.contains("qrscene_x") && body.contains("<Encrypt>"), "{body}");
    let listed = server.get("/_qrstack/v1/callbacks").await;
    assert_eq!(listed.json()["callbacks"][0]["mode"], "compatible");
    assert!(!listed.text().contains(TOKEN) && !listed.text().contains(AES_KEY), "{}", listed.text());

    put(with("token", json!("another"))).await;
    let verified = post(&server, "/_qrstack/v1/callbacks/verify", &of).await.json();
    assert_eq!((&verified["verified"], &verified["status"]), (&json!(false), &json!(403)), "{verified}");

    put(with("url", json!(address.replace("/wx", "/other")))).await;
    let verified = post(&server, "/_qrstack/v1/callbacks/verify", &of).await.json();
    assert_eq!((&verified["verified"], &verified["answer"]), (&json!(false), &json!("something else")), "{verified}");

    for wrong in [
        with("url", json!("ftp://x/")),
        with("url", json!("")),
        with("token", json!("")),
        with("mode", json!("security")),
        with("encoding_aes_key", json!("short")),
        with("tokn", json!("x")),
    ] {
        assert_eq!(code(&put(wrong.clone()).await), (422, "invalid".to_owned()), "{wrong}");
    }
    assert_eq!(code(&put(with("credential", json!("nobody"))).await).0, 404);
    let path = format!("/_qrstack/v1/callbacks?credential={APPID}");
    let delete = async || server.send(request(Method::DELETE, &path, &[], "")).await.status.as_u16();
    assert_eq!((delete().await, delete().await), (204, 404));
}

#[tokio::test]
async fn what_cannot_be_scanned_is_told() {
    let (_app, address) = App::start().await;
    let server = server(&format!("{address}|{TOKEN}")).await;
    let (ticket, _) = create(&server, scene("x", 600)).await;
    for (asked, status, expected) in [
        (json!({}), 422, "invalid"),
        (json!({ "ticket": ticket, "scene": "x" }), 422, "invalid"),
        (json!({ "tickets": ticket }), 422, "invalid"),
        (json!({ "ticket": ticket, "openid": "" }), 422, "invalid"),
        (json!({ "ticket": ticket, "credential": "nobody" }), 404, "not_found"),
        (json!({ "ticket": "x" }), 404, "no_such_code"),
        (json!({ "ticket": "\u{0}" }), 404, "no_such_code"),
        (json!({ "url": "https://example.com/" }), 404, "no_such_code"),
        (json!({ "scene": "y" }), 404, "no_such_code"),
        (json!({ "picture": "!" }), 422, "invalid"),
        (json!({ "picture": "AAAA" }), 422, "invalid"),
        (json!({ "picture": BASE64_STANDARD.encode(crate::support::blank_png()) }), 422, "invalid"),
    ] {
        assert_eq!(code(&post(&server, SCAN, &asked).await), (status, expected.to_owned()), "{asked}");
    }
}

#[tokio::test]
async fn the_page_of_a_code_acts_the_scan_out_at_a_click() {
    let (app, address) = App::start().await;
    let server = server(&format!("{address}|{TOKEN}")).await;
    let (_, url) = create(&server, scene("<b>page</b>", 600)).await;
    let path = url.strip_prefix("http://weixin.qq.com").expect("the vendor's address");
    let page = server.get(path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let proof = page.text().split("name=\"proof\" value=\"").nth(1).expect("a proof")[..64].to_owned();
    let press = async |headers: &[(&str, &str)], form: String| {
        let mut headers = headers.to_vec();
        headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        server.send(request(Method::POST, path, &headers, form)).await
    };
    let form = format!("proof={proof}&openid=oA%3Ci%3E&follows=no");
    let done = press(&[("Origin", "http://127.0.0.1:8080"), ("Sec-Fetch-Site", "same-origin")], form.clone()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    assert!(
        done.text().contains("subscribe of oA&lt;i&gt;") && done.text().contains("&lt;b&gt;page"),
        "{}",
        done.text()
    );
    assert!(press(&[], form.clone()).await.text().contains("subscribe of"), "the form says that he does not follow");
    assert!(press(&[], form.replace("follows=no", "follows=")).await.text().contains("SCAN of"), "it says nothing");
    assert_eq!(app.told().len(), 3);

    for (headers, form) in [
        (&[][..], "openid=oA".to_owned()),
        (&[][..], format!("proof={}", "0".repeat(64))),
        (&[("Origin", "http://evil.test")][..], form.clone()),
        (&[("Origin", "null")][..], form.clone()),
        (&[("Sec-Fetch-Site", "cross-site")][..], form.clone()),
        (&[("Host", "evil.test")][..], form.clone()),
    ] {
        assert_eq!(press(headers, form).await.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    let other = server.get("/q/unknown%3Cscript%3E").await;
    assert!(!other.text().contains("<script>"));
    assert_eq!(server.send(request(Method::PUT, path, &[], "")).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(app.told().len(), 3);

    let off = Server::with(&[("control", "false")]).await;
    assert_eq!(off.get("/q/x").await.status, StatusCode::NOT_FOUND);
    let secured = Server::with(&[("control_token", "secret-token")]).await;
    let page = secured.get("/q/x").await;
    let proof = page.text().split("name=\"proof\" value=\"").nth(1).expect("a proof")[..64].to_owned();
    assert!(page.text().contains("type=\"password\""));
    for (token, status) in [("", 403), ("wrong", 403), ("secret-token", 422)] {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let form = format!("proof={proof}&token={token}");
        let answer = secured.send(request(Method::POST, "/q/x", &headers, form)).await;
        assert_eq!(answer.status.as_u16(), status, "{token}");
    }
}
