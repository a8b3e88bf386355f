//! Many test cases at the same time against one server, each as somebody of its own.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{Set, delete, get, picture, post, show};
use crate::support::{NOW, Server, request};
use crate::tencent_cos;

/// At the same time.
const CASES: u32 = 500;
const SAMPLE: &str = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png";

/// Reads a picture back by `/cv/img/qrcode`.
async fn read(server: &Server, token: &str, picture: &[u8]) -> String {
    let mut body = b"--b\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a\"\r\n\r\n".to_vec();
    body.extend_from_slice(picture);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let target = format!("/cv/img/qrcode?access_token={token}");
    let headers = [("Content-Type", "multipart/form-data; boundary=b")];
    let answer = server.send(request(Method::POST, &target, &headers, body)).await;
    answer.json()["code_results"][0]["data"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// A login by QR code and the other APIs, by a time that is the case's own.
async fn walk(server: &Server, number: u32) -> Vec<String> {
    let set = Set::create(server, json!({ "seed": number })).await;
    let now = NOW + i64::from(number) * 86_400;
    post(server, "/clock", json!({ "credential": set.id, "set": now, "freeze": true })).await;

    let token = set.token(server).await;
    let (life, scene) = (60 + number, format!("case {number}"));
    let ticket = set.ticket(server, &token, &scene, life).await;
    let body = json!({ "action_name": "QR_LIMIT_SCENE", "action_info": { "scene": { "scene_id": 1 } } });
    let permanent = set.create_code(server, &token, &body).await.json();
    let shown = show(server, &ticket).await;
    assert_eq!(shown.status, StatusCode::OK);
    let url = read(server, &token, &shown.body).await;
    assert_ne!(permanent["url"], url.as_str());

    let moment = jiff::Timestamp::from_second(now).expect("a moment");
    let ocr = set.ocr(server, &picture(&scene), moment).await.json();
    assert_eq!(ocr["Response"]["CodeResults"][0]["Url"], scene.as_str(), "{ocr}");
    let drawn = set.draw(server, &scene, now).await;
    assert_eq!(read(server, &token, &tencent_cos::picture(&drawn)).await, scene);
    assert_eq!(set.scan_url(server, SAMPLE).await.json()["data"]["content"], "https://cli.im");

    post(server, "/clock", json!({ "credential": set.id, "advance": life - 1 })).await;
    assert_eq!(show(server, &ticket).await.status, StatusCode::OK);
    post(server, "/clock", json!({ "credential": set.id, "advance": 1 })).await;
    assert_eq!(show(server, &ticket).await.status, StatusCode::NOT_FOUND);
    post(server, "/clock", json!({ "credential": set.id, "set": now + 7200 })).await;
    assert_eq!(set.create_code(server, &token, &body).await.json()["errcode"], 42001);
    assert_eq!(get(server, &format!("/clock?credential={}", set.id)).await.json()["unix_seconds"], now + 7200);

    let request_id = ocr["Response"]["RequestId"].as_str().expect("an id").to_owned();
    assert_eq!(delete(server, &format!("/credentials/{}", set.id)).await.status, StatusCode::NO_CONTENT);
    vec![token, ticket, permanent["ticket"].to_string(), request_id, drawn.header("x-cos-request-id").to_owned()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_cases_do_not_disturb_each_other() {
    let server = Arc::new(Server::with(&[("read_queue", "100000"), ("request_timeout", "10m")]).await);
    let cases: Vec<_> = (0..CASES)
        .map(|number| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { walk(&server, number).await })
        })
        .collect();
    let mut walks = Vec::new();
    for case in cases {
        walks.push(case.await.expect("a case"));
    }
    // A case alone, with the same seed, gets the very same ids.
    let alone = Server::start().await;
    for number in [0, 123, CASES - 1] {
        assert_eq!(walk(&alone, number).await, walks[number as usize], "case {number}");
    }
    assert_eq!(get(&server, "/credentials").await.json()["total"], 0);
    assert_eq!(get(&server, "/state").await.json()["tables"]["wechat_tokens"], json!([]), "nothing is left behind");
}
