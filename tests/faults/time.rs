//! The clock jumps: what the vendors time follows it, nothing breaks.

use crate::harness::{Check, block_on, check};
use crate::support::{NOW, Server, request};

pub fn checks() -> Vec<Check> {
    vec![
        check(
            "F51",
            "the clock jumps back, over DST, leap seconds and 2038: tokens and codes follow, nothing breaks",
            jumps,
        ),
        check("F51", "every odd `expire_seconds` has its documented outcome", expire_seconds),
    ]
}

const TOKEN: &str =
    "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";
const DAY: i64 = 86_400;

async fn post(server: &Server, target: &str, body: &str) -> serde_json::Value {
    let sent = request("POST".parse().expect("a method"), target, &[], body.to_owned());
    server.send(sent).await.json()
}

fn jumps() -> String {
    // Seconds since 1970: a day back, the end of a leap second, a change to summer time, the end of 32 bits, and the last
    // that a clock can show, which a ticket has room for, less the life of a token.
    let last = i64::from(u32::MAX) - 7201;
    let moments = [NOW - DAY, 1_483_228_799, 1_483_228_800, 1_711_846_800, (1 << 31) - 1, 1 << 31, last];
    block_on(async {
        let server = Server::start().await;
        for moment in moments {
            server.clock.set(moment);
            let token = server.get(TOKEN).await.json()["access_token"].as_str().expect("a token").to_owned();
            let create = format!("/cgi-bin/qrcode/create?access_token={token}");
            let made =
                post(&server, &create, r#"{"expire_seconds":60,"action_name":"QR_SCENE","action_info":{}}"#).await;
            let show = format!("/cgi-bin/showqrcode?ticket={}", made["ticket"].as_str().expect("a ticket"));
            assert_eq!(server.get(&show).await.status, 200, "at {moment}");
            server.clock.set(moment + 59);
            assert_eq!(server.get(&show).await.status, 200, "59 s after {moment}");
            server.clock.set(moment + 61);
            assert_eq!(server.get(&show).await.status, 404, "61 s after {moment}");
            server.clock.set(moment + 7201);
            let late = post(&server, &create, "{}").await;
            assert_eq!(late["errcode"], 42001, "a token of {moment} after two hours: {late}");
            // The clock is set back: the code is there again.
            server.clock.set(moment + 30);
            assert_eq!(server.get(&show).await.status, 200, "set back to {moment}");
        }
    });
    format!("{} moments", moments.len())
}

fn expire_seconds() -> String {
    // The seconds granted, or the code of the refusal.
    let outcomes = [
        ("0", 60),
        ("1", 1),
        ("59", 59),
        ("60", 60),
        ("2592000", 2_592_000),
        ("2592001", 2_592_000),
        ("-1", 60),
        ("604800", 604_800),
        ("99999999999999999999", 2_592_000),
        ("60.9", 47001),
        ("\"604800\"", 604_800),
        ("\"x\"", 47001),
        ("null", 60),
        ("true", 47001),
        ("[]", 47001),
        ("1e3", 1000),
    ];
    block_on(async {
        let server = Server::with(&[("auth", "open")]).await;
        let mut wrong = Vec::new();
        for (text, expected) in outcomes {
            let body = format!(r#"{{"expire_seconds":{text},"action_name":"QR_SCENE","action_info":{{}}}}"#);
            let made = post(&server, "/cgi-bin/qrcode/create?access_token=x", &body).await;
            if made.get("expire_seconds").or(made.get("errcode")) != Some(&expected.into()) {
                wrong.push(format!("{text}: {made}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
    format!("{} values", outcomes.len())
}
