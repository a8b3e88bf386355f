//! Credentials that are made for a test.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::json;

use super::{Set, delete, failure, get, is, picture, post, show};
use crate::support::{NOW, Server};

const SAMPLE: &str = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png";

#[tokio::test]
async fn a_set_opens_every_door_and_no_longer_once_it_is_gone() {
    let server = Server::start().await;
    let set = Set::create(&server, json!({})).await;
    let moment = jiff::Timestamp::from_second(NOW).expect("a moment");
    let token = set.token(&server).await;
    let ticket = set.ticket(&server, &token, "x", 60).await;
    let read = set.ocr(&server, &picture("hello"), moment).await.json();
    assert_eq!(read["Response"]["CodeResults"][0]["Url"], "hello", "{read}");
    assert_eq!(set.draw(&server, "x", NOW).await.status, StatusCode::OK);
    assert_eq!(set.scan_url(&server, SAMPLE).await.json()["code"], 0);

    assert_eq!(delete(&server, &format!("/credentials/{}", set.id)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(failure(&delete(&server, &format!("/credentials/{}", set.id)).await), is(404, "not_found"));
    let target = format!("/cgi-bin/token?grant_type=client_credential&appid={}&secret={}", set.appid, set.secret);
    assert_eq!(server.get(&target).await.json()["errcode"], 40013);
    assert_eq!(set.create_code(&server, &token, &json!({})).await.json()["errcode"], 40001, "its tokens went with it");
    assert_eq!(show(&server, &ticket).await.status, StatusCode::NOT_FOUND);
    let refused = set.ocr(&server, &picture("hello"), moment).await.json();
    assert_eq!(refused["Response"]["Error"]["Code"], "AuthFailure.SecretIdNotFound");
    assert!(set.draw(&server, "x", NOW).await.text().contains("InvalidAccessKeyId"));
    assert_eq!(set.scan_url(&server, SAMPLE).await.json()["code"], 401);
}

#[tokio::test]
async fn secrets_are_told_once() {
    let server = Server::start().await;
    let set = Set::create(&server, json!({})).await;
    for path in [format!("/credentials/{}", set.id), "/credentials".to_owned()] {
        let answer = get(&server, &path).await;
        assert!(answer.text().contains(&set.appid), "{}", answer.text());
        for secret in [&set.secret, &set.secret_key.to_owned(), &set.api_key] {
            assert!(!answer.text().contains(secret), "{path}");
        }
    }
    let configured = get(&server, "/credentials").await.json()["configured"].clone();
    assert_eq!(configured, json!(["wx0123456789abcdef", "AKIDEMUexample0123456789ABCDEFGHIJKL", "api-key-1"]));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::start().await;
    let mut made = BTreeSet::new();
    for _ in 0..5 {
        made.insert(Set::create(&server, json!({})).await.id);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&server, &format!("/credentials?limit=2&after={after}")).await.json();
        assert_eq!(page["total"], 5);
        seen.extend(
            page["sets"].as_array().expect("sets").iter().map(|set| set["id"].as_str().expect("an id").to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(seen, made.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn limits_are_each_ones_own() {
    let server = Server::with(&[("wechat_permanent_limit", "1"), ("wechat_token_daily_limit", "1")]).await;
    for _ in 0..2 {
        let set = Set::create(&server, json!({})).await;
        let token = set.token(&server).await;
        let permanent =
            |scene: u32| json!({ "action_name": "QR_LIMIT_SCENE", "action_info": { "scene": { "scene_id": scene } } });
        assert!(set.create_code(&server, &token, &permanent(1)).await.json()["ticket"].is_string());
        assert_eq!(set.create_code(&server, &token, &permanent(2)).await.json()["errcode"], 45029);
        let target = format!("/cgi-bin/token?grant_type=client_credential&appid={}&secret={}", set.appid, set.secret);
        assert_eq!(server.get(&target).await.json()["errcode"], 45009);
    }
}

#[tokio::test]
async fn a_bucket_of_a_set_exists_where_others_do_not() {
    let server = Server::with(&[("cos_buckets", "other-1250000000")]).await;
    let set = Set::create(&server, json!({})).await;
    assert!(set.draw(&server, "x", NOW).await.text().contains("NoSuchBucket"), "the bucket of the settings");
    let host = format!("{}.cos.ap-beijing.myqcloud.com", set.bucket);
    let mut call = crate::tencent_cos::call(&crate::tencent_cos::QR);
    (call.id, call.key) = (set.secret_id, set.secret_key);
    call.headers = vec![("host".to_owned(), host)];
    assert_eq!(server.send(call.signed()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_seeded_set_gets_the_same_ids_whatever_others_do() {
    let mut walks = Vec::new();
    for noise in [false, true] {
        let server = Server::start().await;
        let set = Set::create(&server, json!({ "seed": 7 })).await;
        let other = Set::create(&server, json!({})).await;
        if noise {
            other.token(&server).await;
        }
        let token = set.token(&server).await;
        if noise {
            let token = other.token(&server).await;
            other.ticket(&server, &token, "x", 60).await;
        }
        let ticket = set.ticket(&server, &token, "x", 60).await;
        let moment = jiff::Timestamp::from_second(NOW).expect("a moment");
        let read = set.ocr(&server, &picture("x"), moment).await.json()["Response"]["RequestId"].clone();
        let drawn = set.draw(&server, "x", NOW).await.header("x-cos-request-id").to_owned();
        walks.push((token, ticket, read, drawn));
    }
    assert_eq!(walks[0], walks[1]);
}

#[tokio::test]
async fn a_seed_can_be_begun_anew() {
    let server = Server::start().await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        assert_eq!(post(&server, "/reset", json!({})).await.status, StatusCode::NO_CONTENT);
        assert_eq!(post(&server, "/seed", json!({ "seed": 42 })).await.status, StatusCode::NO_CONTENT);
        let set = Set::create(&server, json!({})).await;
        tokens.push((set.token(&server).await, set.id));
    }
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(post(&server, "/seed", json!({ "seed": null })).await.status, StatusCode::NO_CONTENT);
}
