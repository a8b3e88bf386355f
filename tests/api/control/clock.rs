//! The clock that the vendors go by.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Set, delete, failure, get, is, post, show};
use crate::support::{NOW, Server, qr_png};

const DAY: i64 = 86_400;

/// Moves the clock and gives what it shows.
async fn adjust(server: &Server, change: Value) -> Value {
    let answer = post(server, "/clock", change).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn it_is_frozen_set_and_advanced() {
    let server = Server::start().await;
    let shown = get(&server, "/clock").await.json();
    let expected = json!({
        "credential": null, "own": false, "now": "2023-11-14T22:13:20Z", "unix_seconds": NOW, "mode": "frozen", "scale": 1.0,
    });
    assert_eq!(shown, expected);
    assert_eq!(adjust(&server, json!({ "advance": 5 })).await["unix_seconds"], NOW + 5);
    assert_eq!(adjust(&server, json!({ "advance": "-5s" })).await["unix_seconds"], NOW);
    assert_eq!(adjust(&server, json!({ "advance": 0.25 })).await["now"], "2023-11-14T22:13:20.25Z");
    assert_eq!(adjust(&server, json!({ "set": "2038-01-19T03:14:08Z" })).await["unix_seconds"], 2_147_483_648_i64);
    assert_eq!(adjust(&server, json!({ "set": NOW, "advance": "1d" })).await["unix_seconds"], NOW + DAY);
    assert_eq!(server.get("/_qrstack/version").await.header("date"), "Wed, 15 Nov 2023 22:13:20 GMT");
    let running = adjust(&server, json!({ "freeze": false, "scale": 0.001 })).await;
    assert_eq!((&running["mode"], &running["scale"]), (&json!("running"), &json!(0.001)));
    assert_eq!(adjust(&server, json!({ "real": true })).await["mode"], "real");
    assert_eq!(delete(&server, "/clock").await.json()["now"], "2023-11-14T22:13:20Z", "as at the start");
}

#[tokio::test]
async fn far_dates_and_odd_scales_are_refused() {
    let server = Server::start().await;
    for change in [
        json!({ "set": "1969-12-31T23:59:59Z" }),
        json!({ "set": "2106-02-07T06:28:16Z" }),
        json!({ "set": 4_294_967_296_u64 }),
        json!({ "set": "9999-12-31T23:59:59Z" }),
        json!({ "set": "1969-12-31T23:59:59Z", "advance": "30d" }),
        json!({ "set": "yesterday" }),
        json!({ "advance": "100000d" }),
        json!({ "advance": -1_700_000_001 }),
        json!({ "advance": 1e300 }),
        json!({ "advance": "1w" }),
        json!({ "scale": 0 }),
        json!({ "scale": -1 }),
        json!({ "scale": 100_001 }),
        json!({ "scale": 0.0001 }),
        json!({ "freeze": "yes" }),
    ] {
        assert_eq!(failure(&post(&server, "/clock", change.clone()).await), is(422, "invalid"), "{change}");
    }
    assert_eq!(get(&server, "/clock").await.json()["unix_seconds"], NOW, "nothing has changed");
}

#[tokio::test]
async fn a_ticket_ends_by_the_clock_and_is_back_when_that_goes_back() {
    let server = Server::start().await;
    let set = Set::create(&server, json!({})).await;
    let token = set.token(&server).await;
    let ticket = set.ticket(&server, &token, "login", 2_592_000).await;
    assert_eq!(show(&server, &ticket).await.status, StatusCode::OK);
    for _ in 0..2 {
        adjust(&server, json!({ "advance": "30d" })).await;
        assert_eq!(show(&server, &ticket).await.status, StatusCode::NOT_FOUND);
        // What is made by a clock that was moved forgets nothing.
        set.ticket(&server, &set.token(&server).await, "other", 60).await;
        adjust(&server, json!({ "advance": "-30d" })).await;
        let shown = show(&server, &ticket).await;
        assert_eq!(shown.status, StatusCode::OK);
        assert_eq!(shown.header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(shown.header("expires"), "Tue, 21 Nov 2023 22:13:20 GMT");
    }
}

#[tokio::test]
async fn a_token_that_the_clock_has_not_come_to_is_not_given_again() {
    let server = Server::start().await;
    let stable = async || {
        let body = json!({
            "grant_type": "client_credential", "appid": "wx0123456789abcdef", "secret": "0123456789abcdef0123456789abcdef",
        });
        let request = crate::support::request(axum::http::Method::POST, "/cgi-bin/stable_token", &[], body.to_string());
        server.send(request).await.json()
    };
    adjust(&server, json!({ "advance": "1d" })).await;
    stable().await;
    adjust(&server, json!({ "advance": "-1d" })).await;
    assert_eq!(stable().await["expires_in"], 7200);
}

#[tokio::test]
async fn a_credential_has_its_own_time_and_the_others_do_not_notice() {
    let server = Server::start().await;
    let (one, other) = (Set::create(&server, json!({})).await, Set::create(&server, json!({})).await);
    let tokens = [one.token(&server).await, other.token(&server).await];
    let tickets = [one.ticket(&server, &tokens[0], "a", 60).await, other.ticket(&server, &tokens[1], "a", 60).await];
    let own = adjust(&server, json!({ "credential": one.id, "advance": "60s" })).await;
    assert_eq!((&own["own"], &own["unix_seconds"]), (&json!(true), &json!(NOW + 60)));

    assert_eq!(show(&server, &tickets[0]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(show(&server, &tickets[1]).await.header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(get(&server, &format!("/clock?credential={}", other.id)).await.json()["own"], false);

    // Tokens and signatures go by it, too; and so does the answer's date.
    adjust(&server, json!({ "credential": one.id, "advance": "2h" })).await;
    let body = json!({});
    assert_eq!(one.create_code(&server, &tokens[0], &body).await.json()["errcode"], 42001);
    assert_eq!(other.create_code(&server, &tokens[1], &body).await.json()["errcode"], 40052);
    let moment = jiff::Timestamp::from_second(NOW + 7260).expect("a moment");
    let code = |answer: &crate::support::Answer| answer.json()["Response"]["Error"]["Code"].clone();
    let read = one.ocr(&server, &qr_png("x"), moment).await;
    assert_eq!((code(&read), read.header("date")), (Value::Null, "Wed, 15 Nov 2023 00:14:20 GMT"));
    let late = other.ocr(&server, &qr_png("x"), moment).await;
    assert_eq!(code(&late), "AuthFailure.SignatureExpire");
    let drawn = one.draw(&server, "x", NOW + 7260).await;
    assert_eq!((drawn.status, drawn.header("date")), (StatusCode::OK, "Wed, 15 Nov 2023 00:14:20 GMT"));
    assert_eq!(other.draw(&server, "x", NOW + 7260).await.status, StatusCode::FORBIDDEN);

    // The server's time does not touch it, until it is given back.
    adjust(&server, json!({ "set": 5 })).await;
    assert_eq!(get(&server, &format!("/clock?credential={}", one.appid)).await.json()["unix_seconds"], NOW + 7260);
    let back = delete(&server, &format!("/clock?credential={}", one.id)).await.json();
    assert_eq!((&back["own"], &back["unix_seconds"]), (&json!(false), &json!(5)));
}
