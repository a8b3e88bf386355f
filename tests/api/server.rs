//! Our own end points, and what no vendor owns.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use futures_util::StreamExt;

use crate::support::{Server, request};

#[tokio::test]
async fn our_own_end_points_answer() {
    let server = Server::start().await;
    assert_eq!(server.get("/_qrstack/livez").await.text(), "ok\n");
    let ready = server.get("/_qrstack/readyz").await;
    assert_eq!((ready.status, ready.text()), (StatusCode::OK, r#"{"store":true,"workers":true,"listener":true}"#));
    assert_eq!(server.get("/_qrstack/version").await.json()["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(server.get("/_qrstack/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn readiness_tells_of_a_closed_store() {
    let server = Server::start().await;
    server.shared().store().close().await;
    let ready = server.get("/_qrstack/readyz").await;
    assert_eq!(
        (ready.status, ready.text()),
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"store":false,"workers":true,"listener":true}"#)
    );
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

#[tokio::test]
async fn a_form_that_never_ends_is_answered_in_the_vendors_shape() {
    let server = Server::with(&[("request_timeout", "50ms")]).await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let stalled = || {
        let first = futures_util::stream::once(async { Ok::<_, String>("a=1") });
        Body::from_stream(first.chain(futures_util::stream::pending()))
    };
    let answer = server.send(request(Method::POST, "/", &form, stalled())).await;
    assert_eq!(answer.json()["Response"]["Error"]["Code"], "InternalError");
    let answer = server.send(request(Method::POST, "/cgi-bin/menu/create", &form, stalled())).await;
    assert_eq!(answer.json()["errcode"], -1);
    let answer = server.send(request(Method::POST, "/api/v1/x", &form, stalled())).await;
    assert_eq!(answer.json()["code"], 500);
}

#[tokio::test]
async fn a_form_with_an_action_is_tencent_clouds_on_any_path() {
    let server = Server::start().await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let post = async |path: &str, body: String| server.send(request(Method::POST, path, &form, body)).await;
    assert!(post("/cgi-bin/x", "a=1&Action=QrcodeOCR".to_owned()).await.json()["Response"].is_object());
    assert_eq!(post("/cgi-bin/x", "action=QrcodeOCR".to_owned()).await.json()["errcode"], 40066);
    assert_eq!(post("/", "a=1".to_owned()).await.status, StatusCode::NOT_FOUND);
    let too_large = post("/", "a".repeat(11_534_337)).await;
    assert_eq!(too_large.json()["Response"]["Error"]["Code"], "RequestSizeLimitExceeded");
}
