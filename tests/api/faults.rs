//! Failures on demand, over HTTP: a client meets every documented error of every API, by a rule and by its own input, and
//! what happens to answers on their way.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use qrstack::Emulator;
use qrstack::faults::{Failure, Spec, TextMatch};
use serde_json::{Value, json};

use crate::support::{Answer, Server, qr_png, request};
use crate::{tencent_cos, tencent_ocr};

const API_KEY: (&str, &str) = ("Authorization", "Bearer Abc123456");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const APPID: &str = "wx0123456789abcdef";
const TOKENS: (&str, &str) = ("wechat_tokens", "wx0123456789abcdef:T");

/// Asks the control API.
async fn control(server: &Server, method: Method, path: &str, body: Option<Value>) -> Answer {
    let body = body.map_or_else(String::new, |body| body.to_string());
    server.send(request(method, &format!("/_qrstack/v1{path}"), &[JSON], body)).await
}

async fn add(server: &Server, rule: Value) -> Value {
    let answer = control(server, Method::POST, "/faults", Some(rule)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// A request of an operation that succeeds where no fault strikes; `content` is what it is about, where it can say so.
fn good(operation: &str, content: Option<&str>) -> Request<Body> {
    let get = |target: &str| request(Method::GET, target, &[], "");
    let post =
        |target: &str, headers: &[(&str, &str)], body: Value| request(Method::POST, target, headers, body.to_string());
    let sample = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png";
    match operation {
        "qrcode-generate" => {
            let mut parameters = tencent_cos::QR;
            parameters[1].1 = content.unwrap_or("x");
            tencent_cos::call(&parameters).signed()
        }
        "QrcodeOCR" => {
            let body = content.map_or_else(
                || tencent_ocr::picture(&qr_png("x")),
                |address| json!({ "ImageUrl": address }).to_string(),
            );
            tencent_ocr::client::Tc3::post(operation, body).sign()
        }
        "QueryBarCode" => {
            let body = json!({ "BarCode": content.unwrap_or("6941858722888") });
            tencent_ocr::client::Tc3::post(operation, body.to_string()).sign()
        }
        "token" => get(&format!(
            "/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret=0123456789abcdef0123456789abcdef"
        )),
        "stable_token" => post(
            "/cgi-bin/stable_token",
            &[JSON],
            json!({
                "grant_type": "client_credential",
                "appid": APPID,
                "secret": "0123456789abcdef0123456789abcdef",
            }),
        ),
        "img/qrcode" => {
            let address = qrstack::signing::percent_encode(content.unwrap_or(sample));
            get(&format!("/cv/img/qrcode?access_token=T&img_url={address}"))
        }
        "qrcode/create" => post(
            "/cgi-bin/qrcode/create?access_token=T",
            &[JSON],
            json!({
                "action_name": "QR_STR_SCENE",
                "action_info": { "scene": { "scene_str": content.unwrap_or("x") } },
            }),
        ),
        "showqrcode" => get(&format!("/cgi-bin/showqrcode?ticket={}", content.unwrap_or("x"))),
        "scan_url" => post("/api/v1/qrcode/scan_url", &[API_KEY, JSON], json!({ "url": content.unwrap_or(sample) })),
        other => panic!("no request for {other}"),
    }
}

/// Checks that an answer is what the vendor's table says of a failure: status, code and text, each where the vendor has it.
fn check_failure(vendor: &str, answer: &Answer, failure: &Failure) {
    let Failure { code, status, message, .. } = failure;
    assert_eq!(answer.status.as_u16(), *status, "{failure:?}");
    assert_eq!(&answer.code, code, "{failure:?}");
    match vendor {
        "tencent_cos" => {
            for element in [format!("<Code>{code}</Code>"), format!("<Message>{message}</Message>")] {
                assert!(answer.text().contains(&element), "{element}: {}", answer.text());
            }
        }
        "tencent_ocr" => {
            let error = &answer.json()["Response"]["Error"];
            assert_eq!((&error["Code"], &error["Message"]), (&json!(code), &json!(message)));
        }
        // The one operation of WeChat that fails by its status.
        "wechat" if *status == 404 => assert!(answer.body.is_empty()),
        "wechat" => {
            let body = answer.json();
            assert_eq!(body["errcode"].to_string(), *code);
            let text = body["errmsg"].as_str().and_then(|text| text.split_once(" rid: ")).expect("a rid").0;
            assert_eq!(text, message);
        }
        "cli_im" => {
            let body = answer.json();
            assert_eq!((body["code"].to_string(), &body["message"]), (code.clone(), &json!(message)));
            assert!(body["data"].is_null());
        }
        other => panic!("nothing is known of {other}"),
    }
}

#[tokio::test]
async fn a_client_meets_every_documented_error_of_all_apis_by_a_rule() {
    let server = Server::with(&[TOKENS]).await;
    let mut met = 0;
    for (vendor, of) in server.shared().faults().catalogue().operations() {
        for failure in &of.failures {
            let rule = json!({ "vendor": vendor, "operation": of.operation, "fault": failure.fault, "times": 1 });
            add(&server, rule).await;
            check_failure(vendor, &server.send(good(of.operation, None)).await, failure);
            met += 1;
        }
        // No rule is left; what comes next works, but for a ticket that nobody made.
        let works = server.send(good(of.operation, None)).await;
        let expected = if of.operation == "showqrcode" { "404" } else { "ok" };
        assert_eq!(works.code, expected, "{}", of.operation);
    }
    assert_eq!(met, 25 + 33 + 25 + 12 + 15 + 12 + 14 + 1 + 10);
}

#[tokio::test]
async fn a_client_meets_every_documented_error_of_all_apis_by_its_own_input() {
    let server = Server::with(&[TOKENS]).await;
    let catalogue = server.shared().faults().catalogue();
    for (vendor, of) in catalogue.operations().filter(|(_, of)| !of.content.is_empty()) {
        for failure in &of.failures {
            let mut inputs = vec![format!("qrstack-fault:{}", failure.fault)];
            if of.content.iter().any(|field| field.to_lowercase().ends_with("url")) {
                inputs.push(format!("http://qrstack-fault/{}", failure.fault));
            }
            for input in inputs {
                check_failure(vendor, &server.send(good(of.operation, Some(&input))).await, failure);
            }
        }
    }
}

#[tokio::test]
async fn an_input_that_asks_for_what_there_is_not_is_an_ordinary_one() {
    let server = Server::with(&[TOKENS]).await;
    for input in ["qrstack-fault:45029x", "qrstack-fault:SlowDown", "qrstack-fault:", "qrstack-fault:latency=x"] {
        assert_eq!(server.send(good("qrcode/create", Some(input))).await.code, "ok", "{input}");
    }
    assert_eq!(
        server.send(good("QrcodeOCR", Some("qrstack-fault:45009"))).await.code,
        "InvalidParameterValue.InvalidParameterValueLimit"
    );
    let server = Server::with(&[TOKENS, ("control", "false")]).await;
    assert_eq!(server.send(good("qrcode/create", Some("qrstack-fault:45009"))).await.code, "ok");
}

#[tokio::test]
async fn a_client_that_tries_again_succeeds_after_two_failures() {
    let server = Server::with(&[TOKENS]).await;
    add(
        &server,
        json!({ "operation": "QrcodeOCR", "sequence": ["FailedOperation.OcrFailed", "RequestLimitExceeded"] }),
    )
    .await;
    let input = "qrstack-fault:-1;times=2;id=again";
    let mut codes = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        codes[0].push(server.send(good("QrcodeOCR", None)).await.code);
        codes[1].push(server.send(good("qrcode/create", Some(input))).await.code);
    }
    assert_eq!(codes[0], ["FailedOperation.OcrFailed", "RequestLimitExceeded", "ok"]);
    assert_eq!(codes[1], ["-1", "-1", "ok"]);
}

#[tokio::test]
async fn a_late_answer_is_not_there_while_others_are() {
    let server = Server::with(&[TOKENS]).await;
    add(&server, json!({ "operation": "token", "fault": "latency=10m", "times": 1 })).await;
    {
        let mut late = std::pin::pin!(server.send(good("token", None)));
        tokio::select! {
            biased;
            answer = &mut late => panic!("it is there: {}", answer.text()),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
    assert_eq!(server.send(good("token", None)).await.code, "ok");
}

#[tokio::test]
async fn a_rule_for_a_credential_leaves_others_alone() {
    let server = Server::with(&[("wechat_tokens", "wx0123456789abcdef:T,wx2:U")]).await;
    add(&server, json!({ "credential": "wx2", "fault": "45009" })).await;
    let create = |token: &str| {
        let body = r#"{"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"x"}}}"#;
        request(Method::POST, &format!("/cgi-bin/qrcode/create?access_token={token}"), &[], body)
    };
    assert_eq!(server.send(create("T")).await.code, "ok");
    assert_eq!(server.send(create("U")).await.code, "45009");
    let refused =
        control(&server, Method::POST, "/faults", Some(json!({ "credential": "wx3", "fault": "45009" }))).await;
    assert_eq!(refused.status, 404);
    let cleared = control(&server, Method::DELETE, "/faults?credential=wx2", None).await;
    assert_eq!(cleared.json()["removed"], 1);
    assert_eq!(server.send(create("U")).await.code, "ok");
}

#[tokio::test]
async fn a_rule_without_credentials_of_the_caller_strikes_whoever_may_ask() {
    let server = Server::start().await;
    add(&server, json!({ "operation": "QueryBarCode", "fault": "InternalError", "times": 1 })).await;
    let stranger = tencent_ocr::client::Tc3 { key: "x", ..tencent_ocr::client::Tc3::post("QueryBarCode", "{}") };
    assert_eq!(server.send(stranger.sign()).await.code, "AuthFailure.SignatureFailure");
    assert_eq!(server.send(good("QueryBarCode", None)).await.code, "InternalError", "it was not spent");
}

#[tokio::test]
async fn rules_are_listed_shown_and_removed() {
    let server = Server::with(&[("force_error", "scan_url=500")]).await;
    let content = json!({ "prefix": "log" });
    let rule = add(
        &server,
        json!({ "operation": "qrcode/create", "content": content, "sequence": ["reset", "pass"], "times": 2 }),
    )
    .await;
    assert_eq!(rule["left"], 4);
    let list = control(&server, Method::GET, "/faults", None).await.json();
    let rules = list["rules"].as_array().expect("a list");
    assert_eq!((rules.len(), &rules[0]), (2, &rule));
    assert_eq!((&rules[1]["configured"], &rules[1]["fault"]), (&json!(true), &json!("500")));
    let path = format!("/faults/{}", rule["id"]);
    assert_eq!(control(&server, Method::GET, &path, None).await.json(), rule);
    assert_eq!(control(&server, Method::DELETE, &path, None).await.json()["removed"], 1);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(control(&server, method, &path, None).await.status, 404);
    }
    assert_eq!(control(&server, Method::DELETE, "/faults", None).await.json()["removed"], 0);
    assert_eq!(server.send(good("scan_url", None)).await.code, "500", "the settings' rule stays");
}

#[tokio::test]
async fn a_rule_that_is_none_is_refused_by_its_mistake() {
    let server = Server::start().await;
    for (rule, status, named) in [
        (json!({ "fault": "45009x" }), 404, "45009x"),
        (json!({ "fault": "45009", "operations": "token" }), 422, "operations"),
        (json!({ "fault": "latency=soon" }), 422, "soon"),
        (json!({ "fault": "45009", "times": -1 }), 422, "-1"),
        (json!({}), 422, "fault"),
        (json!([]), 422, "a map"),
    ] {
        let answer = control(&server, Method::POST, "/faults", Some(rule.clone())).await;
        let message = answer.json()["error"]["message"].as_str().map(str::to_owned).expect("a message");
        assert_eq!(answer.status, status, "{rule}");
        assert!(message.contains(named) || named == "a map", "{rule}: {message}");
    }
}

#[tokio::test]
async fn the_catalogue_is_the_vendors_own_tables() {
    let server = Server::start().await;
    let catalogue = control(&server, Method::GET, "/faults/catalog", None).await.json();
    let vendors = catalogue["vendors"].as_array().expect("a list");
    assert_eq!(vendors.len(), qrstack::server::VENDORS.len());
    let create = vendors.iter().flat_map(|vendor| vendor["operations"].as_array().expect("a list"));
    let create = create.clone().find(|of| of["operation"] == "qrcode/create").expect("it is there");
    let failure = create["failures"].as_array().expect("a list").iter().find(|failure| failure["code"] == "45029");
    assert_eq!(failure.expect("it is there")["message"], "qrcode count out of limit");
}

/// What arrives of the answer to a request on a connection of its own, and how the connection ends.
fn raw(emulator: &Emulator, target: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(emulator.address()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
    let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut arrived = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (arrived, None),
            Ok(count) => arrived.extend_from_slice(&piece[..count]),
            Err(error) => return (arrived, Some(error.kind())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_lost_and_spoilt_on_the_wire() {
    let emulator = Emulator::builder().setting("wechat_tokens", "wx0123456789abcdef:T").start().await.expect("started");
    let scan = |input: &str| format!("/cv/img/qrcode?access_token=T&img_url={input}");
    let (whole, end) = raw(&emulator, &scan("http://127.0.0.1/"));
    let head = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let (size, errcode) = (whole.len() - head, b"\"errcode\"");
    assert!(end.is_none() && whole[head..].windows(errcode.len()).any(|part| part == errcode));

    let body = |arrived: &[u8]| -> Vec<u8> {
        let head = arrived.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        arrived[head..].to_vec()
    };
    let (arrived, end) = raw(&emulator, &scan("qrstack-fault:reset"));
    assert_eq!((arrived.len(), end), (0, Some(ErrorKind::ConnectionReset)));
    // These say how long they are, and are not: `Host: h` gives the same refusal each time, but for its rid.
    for fault in ["half", "stall=10ms"] {
        let (arrived, _) = raw(&emulator, &scan(&format!("qrstack-fault:{fault};101000")));
        let arrived = body(&arrived);
        assert!(!arrived.is_empty() && arrived.len() < size, "{fault}: {} of {size}", arrived.len());
    }
    let (arrived, end) = raw(&emulator, &scan("qrstack-fault:garbage;101000"));
    let noise = body(&arrived);
    assert!(end.is_none() && noise.len() == size && !noise.windows(errcode.len()).any(|part| part == errcode));
    let (arrived, end) = raw(&emulator, &scan("qrstack-fault:latency=1ms..5ms;101000"));
    assert!(end.is_none() && body(&arrived).len() == size);

    let entries = emulator.journal().find(&qrstack::journal::Query { fault: Some(true), ..Default::default() }, 10);
    let faults: Vec<_> = entries.entries.iter().filter_map(|entry| entry.fault.clone()).collect();
    assert_eq!(faults, ["reset", "half;101000", "stall=10ms;101000", "garbage;101000", "latency=1ms..5ms;101000"]);
    emulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_fails_as_it_is_told() {
    let emulator = Emulator::builder().setting("wechat_tokens", "wx0123456789abcdef:T").start().await.expect("started");
    let scene = TextMatch::Prefix("login-".to_owned());
    let rule =
        Spec::fault("45029").expect("a fault").of("qrcode/create").about(scene).by("wx0123456789abcdef").times(1);
    let rule = emulator.fail(rule).expect("a rule");
    let create = async |scene: &str| {
        let body = json!({ "action_name": "QR_STR_SCENE", "action_info": { "scene": { "scene_str": scene } } });
        let target = format!("{}/cgi-bin/qrcode/create?access_token=T", emulator.url());
        let answer = client().post(target).body(body.to_string()).send().await.expect("an answer");
        serde_json::from_str::<Value>(&answer.text().await.expect("a body")).expect("JSON")
    };
    assert!(create("other").await["ticket"].is_string());
    assert_eq!(create("login-1").await["errcode"], 45029);
    assert!(create("login-2").await["ticket"].is_string());
    assert_eq!(emulator.faults().get(rule.id).expect("it is there").left, Some(0));
    assert!(emulator.fail(Spec::fault("1").expect("a fault")).is_err());
}

/// A client without TLS of its own, for loopback.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}
