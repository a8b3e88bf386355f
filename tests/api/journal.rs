//! The journal, over HTTP: what it shows of requests, how they are found, waited for and counted.

use axum::http::{Method, StatusCode};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Answer, Server, qr_png, request};

const TOKEN: &str =
    "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";
const TOKENS: (&str, &str) = ("wechat_tokens", "wx0123456789abcdef:TOKEN-ONE,wx2:TOKEN-TWO");

async fn control(server: &Server, method: Method, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("Content-Type", "application/json")];
    server.send(request(method, &format!("/_qrstack/v1{path}"), &headers, body)).await
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = control(server, Method::GET, path, &Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

async fn post(server: &Server, path: &str, body: &Value) -> Value {
    let answer = control(server, Method::POST, path, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

async fn create(server: &Server, token: &str, scene: &str) -> Answer {
    let body = json!({ "action_name": "QR_STR_SCENE", "action_info": { "scene": { "scene_str": scene } } });
    let target = format!("/cgi-bin/qrcode/create?access_token={token}");
    server.send(request(Method::POST, &target, &[], body.to_string())).await
}

fn ids(list: &Value) -> Vec<u64> {
    let entries = list["entries"].as_array().expect("a list").iter();
    entries.map(|entry| entry["id"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn a_request_is_shown_with_its_answer_and_without_its_secrets() {
    let server = Server::start().await;
    let token = server.get(TOKEN).await.json()["access_token"].as_str().expect("a token").to_owned();
    create(&server, &token, "login-1").await;
    let list = get(&server, "/journal").await;
    assert_eq!((ids(&list), &list["total"], &list["fill"]["recorded"]), (vec![1, 2], &json!(2), &json!(2)));

    let entry = get(&server, "/journal/2").await;
    for (pointer, expected) in [
        ("/vendor", json!("wechat")),
        ("/operation", json!("qrcode/create")),
        ("/method", json!("POST")),
        ("/target", json!("/cgi-bin/qrcode/create?access_token=***")),
        ("/status", json!(200)),
        ("/code", json!("ok")),
        ("/credential", json!("wx0123456789abcdef")),
        ("/content", json!(["login-1"])),
        ("/request/headers/0/name", json!("host")),
        ("/request/body/complete", json!(true)),
        ("/answer/body/media_type", json!("application/json; encoding=utf-8")),
    ] {
        assert_eq!(entry.pointer(pointer), Some(&expected), "{pointer}: {entry}");
    }
    assert!(entry["request"]["body"]["text"].as_str().expect("a text").contains("login-1"));
    assert!(entry["answer"]["body"]["text"].as_str().expect("a text").contains("ticket"));
    assert!(
        entry["curl"].as_str().expect("a command").starts_with("curl -sS -X 'POST' 'http://127.0.0.1:8080/cgi-bin/")
    );
    assert!(entry["elapsed_ms"].is_number() && entry["at"].as_str().expect("a moment").ends_with('Z'));

    let har = get(&server, "/journal/har").await;
    assert_eq!(har["log"]["entries"].as_array().expect("a list").len(), 2);
    let everything = format!("{list}{entry}{har}{}", get(&server, "/journal/1").await);
    for secret in [token.as_str(), "0123456789abcdef0123456789abcdef"] {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}

#[tokio::test]
async fn what_is_asked_here_is_not_recorded_and_what_nobody_owns_is() {
    let server = Server::start().await;
    server.get("/_qrstack/livez").await;
    get(&server, "/journal").await;
    server.get("/nowhere").await;
    let list = get(&server, "/journal").await;
    assert_eq!((ids(&list), &list["entries"][0]["vendor"]), (vec![1], &json!("none")));
}

#[tokio::test]
async fn entries_are_found_by_their_fields_and_typos_are_refused() {
    let server = Server::with(&[TOKENS]).await;
    create(&server, "TOKEN-ONE", "red").await;
    create(&server, "TOKEN-TWO", "blue").await;
    create(&server, "TOKEN-ONE", "").await;
    server.get("/cgi-bin/showqrcode?ticket=none").await;
    for (filter, expected) in [
        ("operation=qrcode/create", vec![1, 2, 3]),
        ("credential=wx2", vec![2]),
        ("content=re", vec![1]),
        ("code=40053", vec![3]),
        ("status=404", vec![4]),
        ("path=/cgi-bin/showqrcode&method=get", vec![4]),
        ("text=scene_str", vec![1, 2, 3]),
        ("text=TOKEN-ONE", vec![]),
        ("after=1&before=4", vec![2, 3]),
        ("limit=2", vec![3, 4]),
        ("since=2020-01-01T00:00:00Z&until=4102444800", vec![1, 2, 3, 4]),
        ("since=4102444800", vec![]),
        ("fault=false&vendor=wechat", vec![1, 2, 3, 4]),
    ] {
        assert_eq!(ids(&get(&server, &format!("/journal?{filter}")).await), expected, "{filter}");
    }
    for (filter, status) in [
        ("operations=x", 422),
        ("status=many", 422),
        ("status=70000", 422),
        ("since=yesterday", 422),
        ("limit=0", 422),
        ("limit=1001", 422),
        ("fault=perhaps", 422),
        ("credential=nobody", 404),
        ("text=%zz", 400),
        ("code=1&code=2", 422),
    ] {
        let refused = control(&server, Method::GET, &format!("/journal?{filter}"), &Value::Null).await;
        assert_eq!(refused.status.as_u16(), status, "{filter}: {}", refused.text());
    }
    assert_eq!(control(&server, Method::GET, "/journal/99", &Value::Null).await.status, 404);
    let cleared = control(&server, Method::DELETE, "/journal?credential=wx2", &Value::Null).await;
    assert_eq!(cleared.json()["removed"], 1);
    assert_eq!(ids(&get(&server, "/journal").await), [1, 3, 4]);
}

#[tokio::test]
async fn who_waits_is_answered_when_the_request_comes() {
    let server = Server::with(&[TOKENS]).await;
    let body = json!({ "match": { "operation": "qrcode/create", "code": "ok" }, "count": 2, "timeout_ms": 20000 });
    let waiting = post(&server, "/journal/wait", &body);
    let asking = async {
        for scene in ["a", "b"] {
            tokio::task::yield_now().await;
            create(&server, "TOKEN-ONE", scene).await;
        }
    };
    let (waited, ()) = tokio::join!(waiting, asking);
    assert_eq!((&waited["satisfied"], ids(&waited)), (&json!(true), vec![1, 2]));
    assert!(waited["entries"][0]["request"]["body"]["text"].is_string());

    let none = post(&server, "/journal/wait", &json!({ "match": { "code": "45009" }, "timeout_ms": 1 })).await;
    assert_eq!((&none["satisfied"], &none["total"]), (&json!(false), &json!(0)));
    for (body, named) in [
        (json!({ "match": { "operations": "x" } }), "operations"),
        (json!({ "timeout": 1 }), "timeout"),
        (json!({ "limit": 0 }), "limit"),
    ] {
        let refused = control(&server, Method::POST, "/journal/wait", &body).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains(named), "{}", refused.text());
    }
}

#[tokio::test]
async fn requests_are_counted_and_their_order_is_checked() {
    let server = Server::with(&[TOKENS]).await;
    server.get(TOKEN).await;
    create(&server, "TOKEN-ONE", "a").await;
    create(&server, "TOKEN-ONE", "b").await;
    let (token, create) = (json!({ "operation": "token" }), json!({ "operation": "qrcode/create" }));
    for (body, satisfied, found) in [
        (json!({ "match": create }), true, 2),
        (json!({ "match": create, "count": { "exactly": 2 } }), true, 2),
        (json!({ "match": create, "count": { "at_most": 1 } }), false, 2),
        (json!({ "match": { "code": "45009" }, "count": { "exactly": 0 } }), true, 0),
        (json!({}), true, 3),
        (json!({ "order": [token, create, create] }), true, 3),
        (json!({ "order": [create, token] }), false, 1),
    ] {
        let verified = post(&server, "/journal/verify", &body).await;
        assert_eq!(verified, json!({ "satisfied": satisfied, "found": found }), "{body}");
    }
    for body in
        [json!({ "order": [] }), json!({ "order": [token], "match": create }), json!({ "count": { "exact": 1 } })]
    {
        assert_eq!(control(&server, Method::POST, "/journal/verify", &body).await.status, 422, "{body}");
    }
}

#[tokio::test]
async fn a_live_view_gets_entries_as_they_come() {
    let server = Server::with(&[TOKENS]).await;
    create(&server, "TOKEN-ONE", "before").await;
    let live = async |headers: &[(&str, &str)]| {
        let request = request(Method::GET, "/_qrstack/v1/journal/live?operation=qrcode/create", headers, "");
        let answer = server.app().front.answer(request).await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        answer.into_body().into_data_stream()
    };
    let (mut live, mut again) = (live(&[]).await, live(&[("Last-Event-ID", "0")]).await);
    server.get(TOKEN).await;
    create(&server, "TOKEN-ONE", "after").await;
    let event = async |stream: &mut axum::body::BodyDataStream| {
        let bytes = stream.next().await.expect("an event").expect("bytes");
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    };
    let first = event(&mut live).await;
    assert!(first.contains("event: entry") && first.contains("id: 3") && first.contains("\"after\""), "{first}");
    assert!(event(&mut again).await.contains("id: 1"));
    assert!(event(&mut again).await.contains("id: 3"));
    server.shared().journal().end();
    assert!(live.next().await.is_none(), "the server stops");
}

#[tokio::test]
async fn pictures_are_shown_by_their_digest() {
    let server = Server::with(&[TOKENS]).await;
    let picture = qr_png("x");
    let digest = qrstack::signing::sha256_hex(&picture);
    let form = [
        b"--x\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a.png\"\r\n\r\n".as_slice(),
        &picture,
        b"\r\n--x--\r\n",
    ];
    let headers = [("Content-Type", "multipart/form-data; boundary=x")];
    let upload = request(Method::POST, "/cv/img/qrcode?access_token=TOKEN-ONE", &headers, form.concat());
    assert_eq!(server.send(upload).await.code, "ok");
    let body = crate::tencent_ocr::picture(&picture);
    server.send(crate::tencent_ocr::client::Tc3::post("QrcodeOCR", body).sign()).await;
    let parts = &get(&server, "/journal/1").await["request"]["body"]["parts"];
    assert_eq!((&parts[0]["sha256"], &parts[0]["size"]), (&json!(digest), &json!(picture.len())));
    let entry = get(&server, "/journal/2").await;
    assert_eq!(entry["code"], "ok");
    let text = entry["request"]["body"]["text"].as_str().expect("a text");
    // Short texts are shown as they are.
    assert!(text.contains(&digest) || text.len() < 600, "{text}");
}

#[tokio::test]
async fn a_refused_signature_is_explained() {
    let server = Server::start().await;
    let stranger = crate::tencent_ocr::client::Tc3 {
        key: "another key",
        ..crate::tencent_ocr::client::Tc3::post("QueryBarCode", r#"{"BarCode":"6941858722888"}"#)
    };
    server.send(stranger.sign()).await;
    let entry = get(&server, "/journal/1").await;
    assert_eq!(entry["code"], "AuthFailure.SignatureFailure");
    let canonical = entry["explanation"]["ours"]["canonical_request"].as_str().expect("a canonical request");
    assert!(canonical.starts_with("POST\n/\n"), "{canonical}");
}

#[tokio::test]
async fn nothing_is_recorded_where_the_control_api_is_off() {
    let server = Server::with(&[TOKENS, ("control", "false")]).await;
    let answer = create(&server, "TOKEN-ONE", "a").await;
    assert_eq!(answer.code, "ok");
    assert_eq!(server.shared().journal().fill().recorded, 0);
    let answer = server.get("/_qrstack/v1/journal").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_answer_leaves_as_if_nobody_kept_it() {
    let (kept, not_kept) = (Server::start().await, Server::with(&[("control", "false")]).await);
    for target in [TOKEN, "/cgi-bin/showqrcode?ticket=x", "/nowhere", "/?ci-process=qrcode-generate"] {
        let answers = [kept.get(target).await, not_kept.get(target).await];
        assert_eq!(answers[0].headers, answers[1].headers, "{target}");
        assert_eq!(answers[0].body, answers[1].body, "{target}");
    }
    let head = request(Method::HEAD, "/cgi-bin/showqrcode?ticket=x", &[], "");
    let answer = kept.app().front.answer(head).await;
    assert!(answer.into_body().collect().await.expect("a body").to_bytes().is_empty());
}

#[tokio::test]
async fn a_page_follows_the_journal_where_the_control_api_is_on() {
    let page = Server::start().await.get("/_qrstack/journal").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'sha256-"));
    let off = Server::with(&[("control", "false")]).await.get("/_qrstack/journal").await;
    assert_eq!(off.status, StatusCode::NOT_FOUND);
}
