//! Parameter codes: making them, and showing them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use qrstack::codec::{self, Budget, Kinds, Limits};
use qrstack::server::migrations;
use qrstack::signing::percent_encode;
use qrstack::store::{Access, Error, Store};

use super::{CREATE, FIXED, config, errcode, failure, post, text};
use crate::support::{Answer, NOW, Server, request};

fn body(action: &str, scene: &str) -> String {
    format!(r#"{{"action_name":"{action}","action_info":{{"scene":{{{scene}}}}}}}"#)
}

fn permanent(scene_id: u32) -> String {
    body("QR_LIMIT_SCENE", &format!(r#""scene_id":{scene_id}"#))
}

fn ticket_of(answer: &Answer) -> String {
    text(&answer.json(), "ticket").to_owned()
}

async fn create(server: &Server, body: &str) -> Answer {
    post(server, CREATE, body).await
}

async fn show(server: &Server, ticket: &str) -> Answer {
    server.get(&format!("/cgi-bin/showqrcode?ticket={}", percent_encode(ticket))).await
}

fn read(picture: &[u8]) -> Vec<String> {
    let luma = codec::load(picture, &Limits::default()).expect("a picture").luma;
    assert_eq!((luma.width(), luma.height()), (430, 430));
    codec::read(&luma, Kinds::ALL, &Budget::default()).symbols.into_iter().map(|symbol| symbol.text).collect()
}

async fn started() -> Server {
    Server::with(&[FIXED]).await
}

#[tokio::test]
async fn a_temporary_code_is_answered_to_the_byte() {
    let server = started().await;
    let answer = create(
        &server,
        r#"{"expire_seconds":604800,"action_name":"QR_SCENE","action_info":{"scene":{"scene_id":123}}}"#,
    )
    .await;
    let json = answer.json();
    let (ticket, url) = (text(&json, "ticket"), text(&json, "url"));
    let shown = url.replace('/', r"\/");
    assert_eq!(answer.text(), format!(r#"{{"ticket":"{ticket}","expire_seconds":604800,"url":"{shown}"}}"#));
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json; encoding=utf-8");
    assert_eq!(answer.header("connection"), "keep-alive");

    let code = url.strip_prefix("http://weixin.qq.com/q/").expect("the address");
    assert!(code.len() == 22 && code.starts_with("02") && &code[13..14] == "1", "{code}");
    assert_eq!(ticket.len(), 96);
    let bytes = BASE64_STANDARD.decode(ticket.replace('_', "+").replace('-', "/")).expect("base64");
    assert_eq!(bytes[..2], [0x81, 1]);
    assert_eq!(bytes[4..14], [60, 0, 0, 0, 0, 0, 0, 0, 1, 46]);
    assert_eq!(&bytes[14..59], url.as_bytes());
    assert_eq!(hex::encode(&bytes[59..]), "00020400f153650304803a0900");
}

#[tokio::test]
async fn a_permanent_code_has_no_end_and_is_made_once_a_scene() {
    let server = started().await;
    for one in [permanent(1), body("QR_LIMIT_STR_SCENE", r#""scene_str":"1""#)] {
        let answer = create(&server, &one).await;
        let json = answer.json();
        let (ticket, url) = (text(&json, "ticket"), text(&json, "url").replace('/', r"\/"));
        assert_eq!(answer.text(), format!(r#"{{"ticket":"{ticket}","url":"{url}"}}"#));
        assert!(
            ["w0", "M0", "g0"].iter().any(|mark| url[url.len() - 9..].starts_with(&format!("10000{mark}"))),
            "{url}"
        );
        server.clock.set(NOW + 99);
        assert_eq!(create(&server, &one).await.text(), answer.text(), "the same scene");
        server.clock.set(NOW);
    }
    let mut tickets = BTreeSet::new();
    for (target, scene) in [
        (CREATE, permanent(1)),
        (CREATE, permanent(2)),
        (CREATE, body("QR_LIMIT_STR_SCENE", r#""scene_str":"1""#)),
        (CREATE, body("QR_LIMIT_STR_SCENE", r#""scene_str":"a""#)),
        (CREATE, body("QR_LIMIT_STR_SCENE", r#""scene_str":"A""#)),
        ("/cgi-bin/qrcode/create?access_token=U", permanent(1)),
    ] {
        tickets.insert(ticket_of(&post(&server, target, &scene).await));
    }
    assert_eq!(tickets.len(), 6, "each has its own");
}

#[tokio::test]
async fn a_temporary_code_is_another_each_time() {
    let server = started().await;
    let one = body("QR_STR_SCENE", r#""scene_str":"渠道""#);
    let (first, second) = (create(&server, &one).await, create(&server, &one).await);
    assert_ne!(ticket_of(&first), ticket_of(&second));
    assert_eq!(first.json()["expire_seconds"], 60);
}

#[tokio::test]
async fn an_account_has_a_hundred_thousand_permanent_codes() {
    let server = started().await;
    let fill = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99998)
        INSERT INTO wechat_codes SELECT 'T' || n, n, ?1, 'QR_LIMIT_STR_SCENE', 'scene ' || n, 0, NULL FROM numbers";
    let filled = server.shared().store().run(|store| Ok::<_, Error>(store.execute(fill, [super::APPID])?)).await;
    assert_eq!(filled.expect("written"), 99_998);
    let first = ticket_of(&create(&server, &permanent(1)).await);
    assert_eq!(errcode(&create(&server, &permanent(2)).await), 0);
    let answer = create(&server, &permanent(3)).await;
    assert_eq!(failure(&answer), (45029, "qrcode count out of limit".to_owned()));
    assert_eq!(ticket_of(&create(&server, &permanent(1)).await), first, "a scene that is there is not counted");
    assert_eq!(errcode(&create(&server, &body("QR_SCENE", "")).await), 0, "temporary codes are not counted");
    assert_eq!(errcode(&post(&server, "/cgi-bin/qrcode/create?access_token=U", &permanent(3)).await), 0);
}

#[tokio::test]
async fn the_limit_of_permanent_codes_is_a_setting() {
    let server = Server::with(&[FIXED, ("wechat_permanent_limit", "2")]).await;
    for (scene, expected) in [(1, 0), (2, 0), (3, 45029), (2, 0), (4, 45029)] {
        assert_eq!(errcode(&create(&server, &permanent(scene)).await), expected, "{scene}");
    }
}

#[tokio::test]
async fn calls_at_once_do_not_go_past_the_limit() {
    let server = Server::with(&[FIXED, ("wechat_permanent_limit", "3")]).await;
    for (first, expected) in [(1, 3), (11, 0)] {
        let scenes: Vec<_> = (first..first + 8).map(permanent).collect();
        let answers = futures_util::future::join_all(scenes.iter().map(|scene| create(&server, scene))).await;
        let codes: Vec<_> = answers.iter().map(errcode).collect();
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), expected, "{codes:?}");
        assert!(codes.iter().all(|code| [0, 45029].contains(code)), "{codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_for_a_permanent_scene_give_one_ticket() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), &migrations(), Access::Alone, Duration::ZERO).await.expect("opened");
    let server = Arc::new(Server::on(config(&[FIXED]), store));
    for scene in 1..=4 {
        let callers: Vec<_> = (0..12)
            .map(|_| {
                let server = Arc::clone(&server);
                tokio::spawn(async move { ticket_of(&create(&server, &permanent(scene)).await) })
            })
            .collect();
        let mut tickets = BTreeSet::new();
        for caller in callers {
            tickets.insert(caller.await.expect("joined"));
        }
        assert_eq!(tickets.len(), 1, "{tickets:?}");
    }
    let count = "SELECT count(*) FROM wechat_codes WHERE expires_at IS NULL";
    let counted = server.shared().store().run(|store| Ok::<i64, Error>(store.query_one(count, (), |row| row.get(0))?));
    assert_eq!(counted.await.expect("read"), 4);
}

#[tokio::test]
async fn codes_survive_a_restart_with_the_same_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = async || Store::open(folder.path(), &migrations(), Access::Alone, Duration::ZERO).await.expect("opened");
    let (made, picture, other) = {
        let server = Server::on(config(&[FIXED]), open().await);
        let made = create(&server, &permanent(7)).await;
        let picture = show(&server, &ticket_of(&made)).await;
        assert_eq!(picture.status, StatusCode::OK);
        (made, picture.body, ticket_of(&create(&server, &body("QR_SCENE", r#""scene_id":7"#)).await))
    };
    let server = Server::on(config(&[FIXED]), open().await);
    assert_eq!(show(&server, &ticket_of(&made)).await.body, picture);
    assert_eq!(show(&server, &other).await.status, StatusCode::OK);
    assert_eq!(create(&server, &permanent(7)).await.text(), made.text());
    // The ids of both servers come from the same seed: what is drawn twice is drawn again.
    let next = ticket_of(&create(&server, &permanent(8)).await);
    assert!(next != ticket_of(&made) && next != other);
    server.clock.set(NOW + 2_500_000_000);
    assert_eq!(show(&server, &ticket_of(&made)).await.body, picture, "it never expires");
    drop(server);
    let server = Server::on(config(&[FIXED, ("wechat_permanent_limit", "3")]), open().await);
    for (scene, expected) in [(9, 0), (10, 45029), (7, 0)] {
        assert_eq!(errcode(&create(&server, &permanent(scene)).await), expected, "{scene}: all are counted");
    }
}

#[tokio::test]
async fn the_picture_has_the_documented_headers_and_reads_back() {
    let server = started().await;
    let json = create(&server, &permanent(1)).await.json();
    let (ticket, url) = (text(&json, "ticket"), text(&json, "url"));
    let answer = show(&server, ticket).await;
    assert_eq!(answer.status, StatusCode::OK);
    let mut headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("visible"))).collect();
    headers.sort_unstable();
    let length = answer.body.len().to_string();
    assert_eq!(
        headers,
        [
            ("accept-ranges", "bytes"),
            ("cache-control", "max-age=604800"),
            ("connection", "keep-alive"),
            ("content-length", length.as_str()),
            ("content-type", "image/jpg"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
            ("expires", "Tue, 21 Nov 2023 22:13:20 GMT"),
            ("server", "qrstack"),
        ]
    );
    assert_eq!(read(&answer.body), [url]);

    let target = format!("/cgi-bin/showqrcode?access_token=whatever&ticket={ticket}");
    let ranged = server.send(request(Method::GET, &target, &[("Range", "bytes=0-9")], "")).await;
    assert_eq!((ranged.status, ranged.body), (StatusCode::OK, answer.body.clone()), "a range is not looked at");
    let head = server.send(request(Method::HEAD, &target, &[], "")).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers, answer.headers);
}

#[tokio::test]
async fn what_has_no_picture_is_not_found() {
    let server = started().await;
    let ticket = ticket_of(&create(&server, &permanent(1)).await);
    let other = format!("{}{}", &ticket[..95], if ticket.ends_with('A') { 'B' } else { 'A' });
    for target in [
        "/cgi-bin/showqrcode".to_owned(),
        "/cgi-bin/showqrcode?ticket=".to_owned(),
        "/cgi-bin/showqrcode?ticket=%00%ff".to_owned(),
        "/cgi-bin/showqrcode?ticket=gQ-_AA%3D%3D".to_owned(),
        format!("/cgi-bin/showqrcode?ticket={other}"),
        format!("/cgi-bin/showqrcode?ticket={}", ticket.to_lowercase()),
        format!("/cgi-bin/showqrcode?Ticket={ticket}"),
    ] {
        let answer = server.get(&target).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_FOUND, 0), "{target}");
        assert_eq!(answer.header("content-type"), "", "{target}");
    }
    let posted = post(&server, &format!("/cgi-bin/showqrcode?ticket={ticket}"), "").await;
    assert_eq!(posted.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_temporary_picture_ends_with_its_code() {
    let server = started().await;
    let ticket = ticket_of(&create(&server, &body("QR_SCENE", r#""scene_id":1"#)).await);
    for (at, expected) in [(0, 200), (59, 200), (60, 404), (100_000, 404)] {
        server.clock.set(NOW + at);
        assert_eq!(show(&server, &ticket).await.status.as_u16(), expected, "{at}");
    }
}

#[tokio::test]
async fn a_body_is_json_whatever_its_type() {
    let server = started().await;
    let json = permanent(1);
    for headers in [
        &[][..],
        &[("Content-Type", "application/json")][..],
        &[("Content-Type", "application/json;charset=utf-8")][..],
        &[("Content-Type", "application/x-www-form-urlencoded")][..],
        &[("Content-Type", "text/plain; charset=GBK")][..],
    ] {
        for body in [json.clone(), format!("{json}\n"), format!("\u{feff}{json}")] {
            let answer = server.send(request(Method::POST, CREATE, headers, body)).await;
            assert_eq!(errcode(&answer), 0, "{headers:?}");
        }
    }
    let bad_utf8 =
        [br#"{"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":""#, &[0xC7, 0xFE][..], b"\"}}}"];
    let answer = server.send(request(Method::POST, CREATE, &[], bad_utf8.concat())).await;
    assert_eq!(errcode(&answer), 47001);
    let deep = format!(r#"{{"action_name":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(errcode(&create(&server, &deep).await), 47001);
    let padded = |length: usize| format!("{json}{}", " ".repeat(length - json.len()));
    assert_eq!(errcode(&create(&server, &padded(1 << 20)).await), 0, "a body of a mebibyte");
    assert_eq!(errcode(&create(&server, &padded((1 << 20) + 1)).await), 47001, "one byte more");
}
