//! What requests have left behind: cleared, taken along, put back.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use qrstack::config::Config;
use qrstack::server;
use qrstack::store::{Access, Store};
use serde_json::{Value, json};

use super::{Set, failure, get, is, post, send, show};
use crate::support::{NOW, Server};

/// Status of a request that is done or refused.
async fn status(server: &Server, method: Method, path: &str, body: &Value) -> u16 {
    send(server, method, path, body).await.status.as_u16()
}

/// A set with a token and a code.
async fn begun(server: &Server) -> (Set, String, String) {
    let set = Set::create(server, json!({})).await;
    let token = set.token(server).await;
    let ticket = set.ticket(server, &token, "x", 600).await;
    (set, token, ticket)
}

/// Whether the token counts and the code is shown.
async fn is_there(server: &Server, (set, token, ticket): &(Set, String, String)) -> (bool, bool) {
    let answer = set.create_code(server, token, &json!({})).await.json();
    (answer["errcode"] == 40052, show(server, ticket).await.status == StatusCode::OK)
}

#[tokio::test]
async fn a_reset_of_one_leaves_the_others() {
    let server = Server::start().await;
    let (one, other) = (begun(&server).await, begun(&server).await);
    post(&server, "/clock", json!({ "credential": one.0.id, "advance": 1 })).await;
    assert_eq!(status(&server, Method::POST, "/reset", &json!({ "credential": one.0.id })).await, 204);
    assert_eq!(is_there(&server, &one).await, (false, false));
    assert_eq!(is_there(&server, &other).await, (true, true));
    assert_eq!(get(&server, &format!("/clock?credential={}", one.0.id)).await.json()["own"], false);
    one.0.token(&server).await;
}

#[tokio::test]
async fn a_reset_of_everything_is_as_at_the_start() {
    let server = Server::start().await;
    let first = begun(&server).await;
    post(&server, "/clock", json!({ "real": true })).await;
    assert_eq!(status(&server, Method::POST, "/reset", &json!({})).await, 204);
    assert_eq!(get(&server, "/clock").await.json()["unix_seconds"], NOW);
    assert_eq!(get(&server, "/credentials").await.json()["total"], 0);
    let again = begun(&server).await;
    assert_eq!((first.0.id, first.1, first.2), (again.0.id, again.1, again.2), "the server's seed begins anew as well");
}

/// How many fault rules, and how many journal entries, belong to a set.
async fn rules_and_entries(server: &Server, set: &Set) -> (usize, u64) {
    let rules = get(server, &format!("/faults?credential={}", set.id)).await.json();
    let entries = get(server, &format!("/journal?credential={}", set.id)).await.json();
    (rules["rules"].as_array().expect("a list").len(), entries["total"].as_u64().expect("a number"))
}

#[tokio::test]
async fn a_reset_takes_rules_and_journal_with_it() {
    let server = Server::start().await;
    let [(one, ..), (other, ..)] = [begun(&server).await, begun(&server).await];
    for set in [&one, &other] {
        post(&server, "/faults", json!({ "credential": set.id, "fault": "45009" })).await;
    }
    assert_eq!(rules_and_entries(&server, &one).await, (1, 2), "a token and a code");
    assert_eq!(status(&server, Method::POST, "/reset", &json!({ "credential": one.id })).await, 204);
    assert_eq!(rules_and_entries(&server, &one).await, (0, 0));
    assert_eq!(rules_and_entries(&server, &other).await, (1, 2));
    assert_eq!(status(&server, Method::POST, "/reset", &json!({})).await, 204);
    assert_eq!(get(&server, "/faults").await.json()["rules"], json!([]));
    assert_eq!(get(&server, "/journal").await.json()["total"], 0);
}

#[tokio::test]
async fn a_snapshot_holds_time_seed_and_rules_of_whom_it_is_about() {
    let server = Server::start().await;
    let (set, ..) = begun(&server).await;
    let scope = json!({ "credential": set.id });
    post(&server, "/clock", json!({ "credential": set.id, "set": NOW + 60, "freeze": true })).await;
    post(&server, "/seed", json!({ "credential": set.id, "seed": 5 })).await;
    let rule = json!({ "credential": set.id, "operation": "token", "fault": "45009", "times": 1 });
    post(&server, "/faults", rule).await;
    for (path, scope) in [("/snapshots/one", &scope), ("/snapshots/all", &json!({}))] {
        assert_eq!(status(&server, Method::PUT, path, scope).await, 204);
    }
    let mut tokens = Vec::new();
    for name in ["one", "all"] {
        assert_eq!(status(&server, Method::POST, "/reset", &scope).await, 204);
        let restore = format!("/snapshots/{name}/restore");
        assert_eq!(status(&server, Method::POST, &restore, &json!({})).await, 204);
        let clock = get(&server, &format!("/clock?credential={}", set.id)).await.json();
        assert_eq!((&clock["own"], &clock["unix_seconds"]), (&json!(true), &json!(NOW + 60)), "{name}");
        let rules = get(&server, &format!("/faults?credential={}", set.id)).await.json();
        assert_eq!(rules["rules"][0]["left"], 1, "{name}");
        super::delete(&server, &format!("/faults?credential={}", set.id)).await;
        tokens.push(set.token(&server).await);
    }
    assert_eq!(tokens[0], tokens[1], "the ids come from the same place");
}

#[tokio::test]
async fn a_state_goes_to_another_server_and_goes_on_there() {
    let (here, there) = (Server::start().await, Server::start().await);
    let begun = begun(&here).await;
    post(&here, "/clock", json!({ "credential": begun.0.id, "advance": "1m" })).await;
    post(&here, "/clock", json!({ "advance": "1h" })).await;
    post(&here, "/seed", json!({ "seed": 9 })).await;
    let state = get(&here, "/state").await.json();
    assert_eq!(status(&there, Method::PUT, "/state", &state).await, 204);
    assert_eq!(is_there(&there, &begun).await, (true, true));
    let clock = get(&there, &format!("/clock?credential={}", begun.0.id)).await.json();
    assert_eq!(clock["unix_seconds"], NOW + 60);
    assert_eq!(get(&there, "/clock").await.json()["unix_seconds"], NOW + 3600);
    is_there(&here, &begun).await;
    assert_eq!(begun.0.token(&here).await, begun.0.token(&there).await, "ids go on from the same place");
}

#[tokio::test]
async fn a_snapshot_of_one_is_put_back_beside_the_others() {
    let server = Server::start().await;
    let (one, other) = (begun(&server).await, begun(&server).await);
    let scope = json!({ "credential": one.0.id });
    assert_eq!(status(&server, Method::PUT, "/snapshots/begun", &scope).await, 204);
    assert_eq!(status(&server, Method::POST, "/reset", &scope).await, 204);
    post(&server, "/clock", json!({ "credential": one.0.id, "advance": 9 })).await;
    let later = other.0.ticket(&server, &other.1, "later", 600).await;
    assert_eq!(status(&server, Method::POST, "/snapshots/begun/restore", &json!({})).await, 204);
    assert_eq!(is_there(&server, &one).await, (true, true));
    assert_eq!(get(&server, &format!("/clock?credential={}", one.0.id)).await.json()["own"], false);
    assert_eq!(is_there(&server, &other).await, (true, true));
    assert_eq!(show(&server, &later).await.status, StatusCode::OK);

    // Also once the set itself is gone.
    super::delete(&server, &format!("/credentials/{}", one.0.id)).await;
    assert_eq!(is_there(&server, &one).await, (false, false));
    assert_eq!(status(&server, Method::POST, "/snapshots/begun/restore", &json!({})).await, 204);
    assert_eq!(is_there(&server, &one).await, (true, true));
}

#[tokio::test]
async fn snapshots_are_listed_shown_and_deleted() {
    let server = Server::start().await;
    for name in ["b", "a-1"] {
        assert_eq!(status(&server, Method::PUT, &format!("/snapshots/{name}"), &json!({})).await, 204);
    }
    let listed = get(&server, "/snapshots").await.json();
    let names: Vec<_> =
        listed["snapshots"].as_array().expect("a list").iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["a-1", "b"]);
    assert_eq!(get(&server, "/snapshots/b").await.json()["version"], 1);
    assert_eq!(status(&server, Method::DELETE, "/snapshots/b", &json!({})).await, 204);
    for (method, path) in
        [(Method::GET, "/snapshots/b"), (Method::DELETE, "/snapshots/b"), (Method::POST, "/snapshots/b/restore")]
    {
        assert_eq!(failure(&send(&server, method, path, &json!({})).await), is(404, "not_found"), "{path}");
    }
    for name in ["..%2Fa", "A", "a.json", "%00", "-"] {
        let answer = send(&server, Method::PUT, &format!("/snapshots/{name}"), &json!({})).await;
        assert_eq!(failure(&answer), is(422, "invalid"), "{name}");
    }
}

#[tokio::test]
async fn a_snapshot_outlives_the_server_in_the_stores_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let begun = {
        let store =
            Store::open(folder.path(), &server::migrations(), Access::Alone, Duration::ZERO).await.expect("a store");
        let server = Server::on(Config::defaults(), store);
        let begun = begun(&server).await;
        assert_eq!(status(&server, Method::PUT, "/snapshots/kept", &json!({})).await, 204);
        server.shared().store().close().await;
        begun
    };
    let text = std::fs::read_to_string(folder.path().join("snapshots/kept.json")).expect("a file");
    assert!(text.contains(&begun.0.appid));
    let other = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(other.path().join("snapshots")).expect("made");
    std::fs::write(other.path().join("snapshots/kept.json"), text).expect("written");
    let store = Store::open(other.path(), &server::migrations(), Access::Alone, Duration::ZERO).await.expect("a store");
    let server = Server::on(Config::defaults(), store);
    assert_eq!(status(&server, Method::POST, "/snapshots/kept/restore", &json!({})).await, 204);
    assert_eq!(is_there(&server, &begun).await, (true, true));
}

#[tokio::test]
async fn a_document_may_have_tables_that_are_no_more() {
    let server = Server::start().await;
    let begun = begun(&server).await;
    let mut document = get(&server, "/state").await.json();
    assert_eq!(document["tables"]["wechat_accounts"], Value::Null);
    document["tables"]["wechat_accounts"] = json!([["wx0123456789abcdef", 1]]);
    assert_eq!(status(&server, Method::PUT, "/state", &document).await, 204);
    assert_eq!(is_there(&server, &begun).await, (true, true));
    document["tables"]["wechat_friends"] = json!([]);
    assert_eq!(failure(&send(&server, Method::PUT, "/state", &document).await), is(422, "invalid"));
}

#[tokio::test]
async fn a_document_that_is_none_changes_nothing() {
    let server = Server::start().await;
    let begun = begun(&server).await;
    let good = get(&server, "/state").await.json();
    let with = |pointer: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {good}")) = value;
        bad
    };
    let token = good["tables"]["wechat_tokens"][0].clone();
    for (bad, expected) in [
        (with("/version", json!(2)), is(422, "invalid")),
        (with("/tables", json!({ "sqlite_master": [] })), is(422, "invalid")),
        (with("/tables/wechat_tokens", json!([["x"]])), is(422, "invalid")),
        (with("/tables/wechat_tokens/0/4", json!("now")), is(422, "invalid")),
        (with("/tables/wechat_tokens", json!([token, token])), is(409, "conflict")),
        (
            with("/clock/server", json!({ "now": "9999-01-01T00:00:00Z", "frozen": true, "scale": 1.0 })),
            is(422, "invalid"),
        ),
        (
            with("/clock/server", json!({ "now": "2023-01-01T00:00:00Z", "frozen": true, "scale": 0.0 })),
            is(422, "invalid"),
        ),
        (with("/seeds/server", json!({ "seed": 1, "drawn": u64::MAX })), is(422, "invalid")),
        (with("/sets/0/appid", json!("wx0123456789abcdef")), is(409, "conflict")),
        (with("/credentials", json!(["nobody"])), is(422, "invalid")),
        (json!({ "version": 1 }), is(422, "invalid")),
        (json!([]), is(422, "invalid")),
    ] {
        assert_eq!(failure(&send(&server, Method::PUT, "/state", &bad).await), expected, "{bad}");
        assert_eq!(is_there(&server, &begun).await, (true, true));
    }
    assert_eq!(status(&server, Method::PUT, "/state", &good).await, 204);
}
