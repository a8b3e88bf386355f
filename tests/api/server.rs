//! Our own end points, and what no vendor owns.

use axum::http::StatusCode;

use crate::support::Server;

#[tokio::test]
async fn our_own_end_points_answer() {
    let server = Server::start().await;
    assert_eq!(server.get("/_qrstack/livez").await.text(), "ok\n");
    let ready = server.get("/_qrstack/readyz").await;
    assert_eq!((ready.status, ready.text()), (StatusCode::OK, r#"{"store":true,"workers":true}"#));
    assert_eq!(server.get("/_qrstack/version").await.json()["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(server.get("/_qrstack/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn readiness_tells_of_a_closed_store() {
    let server = Server::start().await;
    server.shared().store().close().await;
    let ready = server.get("/_qrstack/readyz").await;
    assert_eq!((ready.status, ready.text()), (StatusCode::SERVICE_UNAVAILABLE, r#"{"store":false,"workers":true}"#));
}

#[tokio::test]
async fn what_nobody_owns_points_to_our_own_pages() {
    let answer = Server::start().await.get("/favicon.ico").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text().contains("/_qrstack/"));
}

#[tokio::test]
async fn a_forced_error_that_no_operation_has_is_refused_at_start() {
    use qrstack::clock::{Clock, Ids};
    use qrstack::config::{Config, Raw};
    for value in ["scan_url=7", "scan=400"] {
        let flags = [("force_error".to_owned(), value.to_owned())].into();
        let config =
            Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let store = qrstack::store::Store::in_memory(&[]).await.expect("a store");
        let refused = qrstack::server::open(config, store, Clock::system(), Ids::system()).err().expect("refused");
        assert!(refused.to_string().starts_with("force_error: "), "{refused}");
    }
}
