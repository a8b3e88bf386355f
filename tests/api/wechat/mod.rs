//! WeChat over HTTP: here what all its tests need, and every failure in one table.

mod codes;
mod scan;
mod tokens;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::http::{Method, StatusCode};
use qrstack::config::{Config, Raw};
use qrstack::faults::Failures;
use qrstack::intake::Peer;
use qrstack::server::VENDORS;
use serde_json::json;

use crate::support::{Answer, NOW, Server, request};

const APPID: &str = "wx0123456789abcdef";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOKEN: &str =
    "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";
/// A token that never expires.
const FIXED: (&str, &str) = ("wechat_tokens", "wx0123456789abcdef:T,wx2:U");

fn config(settings: &[(&str, &str)]) -> Config {
    let flags = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

async fn post(server: &Server, target: &str, body: &str) -> Answer {
    server.send(request(Method::POST, target, &[], body.to_owned())).await
}

async fn stable(server: &Server, force: bool) -> Answer {
    let body = json!({
        "grant_type": "client_credential", "appid": APPID, "secret": SECRET, "force_refresh": force,
    });
    post(server, "/cgi-bin/stable_token", &body.to_string()).await
}

fn text<'a>(json: &'a serde_json::Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("no {key} in {json}"))
}

/// The code of a failure; 0 where there is none.
fn errcode(answer: &Answer) -> i64 {
    answer.json()["errcode"].as_i64().unwrap_or(0)
}

/// Code and text of a failure, after everything else about it was checked.
fn failure(answer: &Answer) -> (i64, String) {
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json; encoding=utf-8");
    assert_eq!(answer.header("connection"), "keep-alive");
    assert_eq!(answer.header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
    let json = answer.json();
    let (code, errmsg) = (errcode(answer), text(&json, "errmsg"));
    let (shown, rid) = errmsg.split_once(" rid: ").expect("a rid");
    assert_eq!(answer.text(), format!(r#"{{"errcode":{code},"errmsg":"{}"}}"#, errmsg.replace('/', r"\/")));
    let groups: Vec<_> = rid.split('-').collect();
    assert!(groups.len() == 3 && groups[0] == format!("{NOW:08x}"), "{rid}");
    assert!(groups.iter().all(|group| group.len() == 8 && u32::from_str_radix(group, 16).is_ok()), "{rid}");
    assert_eq!(rid, rid.to_ascii_lowercase());
    (code, shown.to_owned())
}

/// Every code with its text, as the wire reference has them; 45009 has a longer one for `token`.
const TEXTS: [(i64, &str); 28] = [
    (-1, "system error"),
    (
        40001,
        "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, \
         more details at https://mmbizurl.cn/s/JtxxFh33r",
    ),
    (40002, "invalid grant_type"),
    (40013, "invalid appid"),
    (40014, "invalid access_token"),
    (40052, "invalid action name"),
    (40053, "invalid action info, please check document"),
    (40066, "invalid url"),
    (40125, "invalid appsecret"),
    (40164, "invalid ip 192.0.2.7 ipv6 ::ffff:192.0.2.7, not in whitelist"),
    (40243, "AppSecret frozen"),
    (41001, "access_token missing"),
    (41002, "appid missing"),
    (41004, "appsecret missing,"),
    (41005, "media data missing"),
    (42001, "access_token expired"),
    (43002, "require POST method"),
    (44002, "empty post data"),
    (45009, "reach max api daily quota limit"),
    (
        45009,
        "reach max api daily quota limit, could get access_token by getStableAccessToken, more details at \
         https://mmbizurl.cn/s/JtxxFh33r",
    ),
    (45011, "api minute-quota reach limit, must slower, retry next minute"),
    (45029, "qrcode count out of limit"),
    (47001, "data format error"),
    (48001, "api unauthorized"),
    (50004, "token interface forbidden"),
    (50007, "account frozen"),
    (101_000, "invalid image url"),
    (101_002, "invalid image data"),
];

/// The codes that no request brings about.
const FORCED_ALONE: [i64; 5] = [40014, 40243, 48001, 50004, 50007];

/// A request that must fail.
struct Case {
    code: i64,
    settings: &'static [(&'static str, &'static str)],
    method: Method,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
}

const fn get(code: i64, target: &'static str) -> Case {
    Case { code, settings: &[], method: Method::GET, target, headers: &[], body: "" }
}

const fn posted(code: i64, target: &'static str, body: &'static str) -> Case {
    Case { code, settings: &[], method: Method::POST, target, headers: &[], body }
}

const CREATE: &str = "/cgi-bin/qrcode/create?access_token=T";
const STABLE: &str = "/cgi-bin/stable_token";
const SCAN: &str = "/cv/img/qrcode?access_token=T";
const FORM: &[(&str, &str)] = &[("Content-Type", "multipart/form-data; boundary=b")];

/// What a client can do wrong. All servers know the token `T`.
fn cases() -> Vec<Case> {
    let with = |settings, case: Case| Case { settings, ..case };
    let form = |code, body| Case { headers: FORM, ..posted(code, SCAN, body) };
    vec![
        get(40066, "/cgi-bin/menu/create"),
        posted(40066, "/cv/img/aicrop?access_token=T", "{}"),
        get(40066, "/cgi-bin/"),
        // Token: account, grant, secret, address; in this order.
        get(41002, "/cgi-bin/token"),
        get(41002, "/cgi-bin/token?grant_type=client_credential&appid=&secret=x"),
        get(40013, "/cgi-bin/token?appid=wx1"),
        get(40013, "/cgi-bin/token?appid=WX0123456789ABCDEF"),
        get(40002, "/cgi-bin/token?appid=wx0123456789abcdef"),
        get(40002, "/cgi-bin/token?appid=wx0123456789abcdef&grant_type=password&secret=x"),
        get(41004, "/cgi-bin/token?appid=wx0123456789abcdef&grant_type=client_credential"),
        get(40125, "/cgi-bin/token?appid=wx0123456789abcdef&grant_type=client_credential&secret=x"),
        with(
            &[("wechat_ip_allow", "10.0.0.0/8")],
            get(40125, "/cgi-bin/token?appid=wx0123456789abcdef&grant_type=client_credential&secret=x"),
        ),
        with(&[("wechat_ip_allow", "10.0.0.0/8")], get(40164, TOKEN)),
        Case { method: Method::PUT, ..get(43002, TOKEN) },
        Case { method: Method::HEAD, ..get(43002, TOKEN) },
        posted(
            41002,
            "/cgi-bin/token",
            "grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef",
        ),
        // Stable token: the values stand in the body.
        get(43002, STABLE),
        posted(44002, STABLE, " \r\n"),
        posted(47001, STABLE, "appid=wx0123456789abcdef"),
        posted(47001, STABLE, r#"{"appid":1}"#),
        posted(47001, STABLE, r#"{"appid":"wx0123456789abcdef","force_refresh":"yes"}"#),
        posted(41002, STABLE, "{}"),
        posted(40013, STABLE, r#"{"appid":"wx1"}"#),
        posted(40002, STABLE, r#"{"appid":"wx0123456789abcdef","grant_type":null}"#),
        posted(41004, STABLE, r#"{"appid":"wx0123456789abcdef","grant_type":"client_credential"}"#),
        posted(40125, STABLE, r#"{"appid":"wx0123456789abcdef","grant_type":"client_credential","secret":"x"}"#),
        // Tokens come before everything else.
        get(41001, "/cgi-bin/qrcode/create"),
        posted(41001, "/cgi-bin/qrcode/create?access_token=", "{"),
        posted(41001, "/cv/img/qrcode", "access_token=T"),
        Case { headers: &[("Authorization", "Bearer T"), ("access_token", "T")], ..get(41001, "/cv/img/qrcode") },
        get(40001, "/cv/img/qrcode?access_token=t"),
        get(40001, "/cgi-bin/qrcode/create?access_token=%00%ff"),
        // Create: method, body, JSON, action, scene.
        get(43002, CREATE),
        Case { method: Method::DELETE, ..get(43002, CREATE) },
        posted(44002, CREATE, ""),
        posted(44002, CREATE, "\u{feff}\n"),
        posted(47001, CREATE, "{"),
        posted(47001, CREATE, "[]"),
        posted(47001, CREATE, "null"),
        posted(47001, CREATE, "action_name=QR_SCENE"),
        posted(40052, CREATE, "{}"),
        posted(40052, CREATE, r#"{"action_name":"QR_CARD"}"#),
        posted(40053, CREATE, r#"{"action_name":"QR_SCENE"}"#),
        posted(40053, CREATE, r#"{"action_name":"QR_SCENE","action_info":{"scene":{"scene_id":0}}}"#),
        posted(40053, CREATE, r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":100001}}}"#),
        posted(47001, CREATE, r#"{"action_name":"QR_SCENE","expire_seconds":"soon","action_info":{}}"#),
        with(
            &[("wechat_permanent_limit", "0")],
            posted(45029, CREATE, r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":1}}}"#),
        ),
        // Scan: method, source, picture.
        Case { method: Method::PUT, ..get(43002, SCAN) },
        get(41005, SCAN),
        posted(41005, SCAN, ""),
        posted(41005, SCAN, "{}"),
        posted(41005, "/cv/img/qrcode?access_token=T&img_url=", "\u{89}PNG"),
        form(41005, ""),
        form(41005, "no form"),
        form(41005, "--b\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a\"\r\n\r\ncut off"),
        form(41005, "--b\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a\"\r\n\r\n\r\n--b--\r\n"),
        form(41005, "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ntext\r\n--b--\r\n"),
        form(101_002, "--b\r\nContent-Disposition: form-data; name=\"img\"\r\n\r\nno picture\r\n--b--\r\n"),
        get(101_000, "/cv/img/qrcode?access_token=T&img_url=file:///etc/passwd"),
        get(101_000, "/cv/img/qrcode?access_token=T&img_url=a.jpg"),
        get(101_000, "/cv/img/qrcode?access_token=T&img_url=http%3A%2F%2F127.0.0.1%2Fa.jpg"),
        get(101_000, "/cv/img/qrcode?access_token=T&img_url=http%3A%2F%2Fuser%40example.com%2Fa.jpg"),
    ]
}

/// A server that knows the token `T`.
async fn server_with(settings: &[(&str, &str)]) -> Server {
    let mut settings = settings.to_vec();
    settings.push(FIXED);
    Server::with(&settings).await
}

async fn send(server: &Server, case: &Case) -> Answer {
    let mut request = request(case.method.clone(), case.target, case.headers, case.body);
    let peer: SocketAddr = "192.0.2.7:50000".parse().expect("an address");
    request.extensions_mut().insert(Peer(peer));
    server.send(request).await
}

fn is_text(code: i64, shown: &str) -> bool {
    TEXTS.contains(&(code, shown))
}

#[tokio::test]
async fn whatever_a_client_does_wrong_has_its_code_and_text() {
    for case in cases() {
        let answer = send(&server_with(case.settings).await, &case).await;
        let name = format!("{} {} {:?} {}", case.method, case.target, case.headers, case.body);
        if case.method == Method::HEAD {
            assert_eq!(answer.status, StatusCode::OK, "{name}");
            continue;
        }
        let (code, shown) = failure(&answer);
        assert_eq!(code, case.code, "{name}: {shown}");
        assert!(is_text(code, &shown), "{name}: {code} {shown}");
    }
}

#[tokio::test]
async fn every_documented_failure_can_be_forced() {
    let vendor = VENDORS.iter().find(|vendor| vendor.name == "wechat").expect("it is there");
    for of in (vendor.failures)() {
        let operation = of.operation;
        let case = match operation {
            "token" => get(0, TOKEN),
            "stable_token" => posted(
                0,
                STABLE,
                r#"{"appid":"wx0123456789abcdef","grant_type":"client_credential","secret":"0123456789abcdef0123456789abcdef"}"#,
            ),
            "img/qrcode" => get(0, SCAN),
            "qrcode/create" => posted(0, CREATE, r#"{"action_name":"QR_SCENE","action_info":{}}"#),
            "showqrcode" => get(0, "/cgi-bin/showqrcode?ticket=x"),
            other => panic!("no request for {other}"),
        };
        for code in of.codes() {
            let server = server_with(&[("force_error", &format!("{operation}={code}"))]).await;
            let answer = send(&server, &case).await;
            if operation == "showqrcode" {
                assert_eq!(answer.status.as_u16().to_string(), code);
                continue;
            }
            let (found, shown) = failure(&answer);
            assert_eq!(found.to_string(), code, "{operation}");
            let shown = shown.replace("0.0.0.0", "192.0.2.7");
            assert!(is_text(found, &shown), "{operation}: {found} {shown}");
        }
    }
}

#[tokio::test]
async fn a_forced_failure_comes_after_the_caller_is_known_unless_it_is_about_that() {
    let server = server_with(&[("force_error", "qrcode/create=48001")]).await;
    assert_eq!(errcode(&server.get("/cgi-bin/qrcode/create").await), 41001);
    assert_eq!(errcode(&server.get(CREATE).await), 48001, "before the method");
    let server = server_with(&[("force_error", "qrcode/create=40014,token=50004")]).await;
    assert_eq!(errcode(&server.get("/cgi-bin/qrcode/create").await), 40014);
    assert_eq!(errcode(&server.get("/cgi-bin/token").await), 41002);
    assert_eq!(errcode(&server.get(TOKEN).await), 50004);
}

#[test]
fn no_code_is_missing_from_the_tables() {
    let vendor = VENDORS.iter().find(|vendor| vendor.name == "wechat").expect("it is there");
    let failures = (vendor.failures)();
    let failures = failures.iter().filter(|of| of.operation != "showqrcode");
    let mut all: BTreeSet<i64> =
        failures.flat_map(Failures::codes).map(|code| code.parse().expect("a number")).collect();
    all.insert(40066);
    assert_eq!(all, TEXTS.iter().map(|(code, _)| *code).collect(), "each code has its text");

    let mut brought_about: BTreeSet<i64> = cases().iter().map(|case| case.code).collect();
    // By tests of their own: time, quotas, a store that fails.
    brought_about.extend([42001, 45009, 45011, -1]);
    brought_about.extend(FORCED_ALONE);
    assert_eq!(all, brought_about, "each code is brought about");
}

#[tokio::test]
async fn a_store_that_fails_is_a_system_error() {
    let server = server_with(&[]).await;
    server.shared().store().close().await;
    let create = r#"{"action_name":"QR_SCENE","action_info":{}}"#;
    let permanent = r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":1}}}"#;
    for (name, answer) in [
        ("token", server.get(TOKEN).await),
        ("stable token", stable(&server, false).await),
        ("forced", stable(&server, true).await),
        ("another token", post(&server, "/cgi-bin/qrcode/create?access_token=x", create).await),
        ("temporary", post(&server, CREATE, create).await),
        ("permanent", post(&server, CREATE, permanent).await),
    ] {
        assert_eq!(failure(&answer), (-1, "system error".to_owned()), "{name}");
    }
    let shown = server.get("/cgi-bin/showqrcode?ticket=x").await;
    assert_eq!((shown.status, shown.body.len()), (StatusCode::NOT_FOUND, 0));
}

#[tokio::test]
async fn authentication_can_be_loosened() {
    let create = r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":1}}}"#;
    let made = |answer: Answer| text(&answer.json(), "ticket").to_owned();

    let accept = Server::with(&[("auth", "accept"), FIXED]).await;
    let whatever = made(post(&accept, "/cgi-bin/qrcode/create?access_token=whatever", create).await);
    assert_eq!(made(post(&accept, CREATE, create).await), whatever, "an unknown token belongs to the first app");
    assert_ne!(made(post(&accept, "/cgi-bin/qrcode/create?access_token=U", create).await), whatever, "wx2's own");
    assert_eq!(errcode(&post(&accept, "/cgi-bin/qrcode/create", create).await), 41001);
    let any = "/cgi-bin/token?grant_type=client_credential&appid=wxany&secret=any";
    let token = text(&accept.get(any).await.json(), "access_token").to_owned();
    let own = made(post(&accept, &format!("/cgi-bin/qrcode/create?access_token={token}"), create).await);
    assert_ne!(own, whatever, "a token that was issued belongs to its app");
    assert_eq!(errcode(&accept.get("/cgi-bin/token?grant_type=client_credential&appid=wxany").await), 41004);
    assert_eq!(errcode(&accept.get("/cgi-bin/token?grant_type=client_credential").await), 41002);

    let open = Server::with(&[("auth", "open")]).await;
    assert_eq!(errcode(&open.get("/cgi-bin/token?grant_type=client_credential").await), 0);
    assert_eq!(errcode(&open.get("/cgi-bin/token").await), 40002, "the grant is no credential");
    let without = made(post(&open, "/cgi-bin/qrcode/create", create).await);
    assert_eq!(made(post(&open, CREATE, create).await), without);
    assert_eq!(errcode(&open.get("/cv/img/qrcode").await), 41005);
}

#[tokio::test]
async fn a_panic_and_a_timeout_leave_in_wechats_shape() {
    let server = server_with(&[]).await;
    let vendor = VENDORS.iter().find(|vendor| vendor.name == "wechat").expect("it is there");
    let defect = ((vendor.open)(server.shared()).defect)(server.shared());
    assert_eq!(defect.status(), StatusCode::OK);
    assert_eq!(defect.headers()["content-type"], "application/json; encoding=utf-8");
    let body = axum::body::to_bytes(defect.into_body(), 1000).await.expect("a body");
    assert!(body.starts_with(br#"{"errcode":-1,"errmsg":"system error rid: 6553f100-"#), "{body:?}");

    // A picture that never comes to its end.
    let server = server_with(&[("request_timeout", "1ms")]).await;
    let endless = axum::body::Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let answer = server.send(request(Method::POST, SCAN, FORM, endless)).await;
    assert!(answer.text().starts_with(r#"{"errcode":-1,"errmsg":"system error rid: "#), "{}", answer.text());
}

#[tokio::test]
async fn a_connection_that_the_client_closes_is_not_kept_alive() {
    let server = Server::start().await;
    let answer = server.send(request(Method::GET, TOKEN, &[("Connection", "Close")], "")).await;
    assert_eq!(answer.header("connection"), "");
}
