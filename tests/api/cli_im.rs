//! cli.im over HTTP.

use axum::http::{Method, StatusCode};

use crate::support::{Answer, Server, blank_png, qr_png, request};

const PATH: &str = "/api/v1/qrcode/scan_url";
const SAMPLE: &str = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png";

async fn scan(server: &Server, headers: &[(&str, &str)], body: &str) -> Answer {
    server.send(request(Method::POST, PATH, headers, body.to_owned())).await
}

async fn scan_picture(server: &Server, url: &str) -> Answer {
    let headers = [("Authorization", "Bearer Abc123456"), ("Content-Type", "application/json")];
    scan(server, &headers, &serde_json::json!({ "url": url }).to_string()).await
}

/// A server that answers `http://pictures.test/NAME` with the given bytes.
async fn with_pictures(pictures: &[(&str, &[u8])], settings: &[(&str, &str)]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let stand_ins: Vec<_> = pictures
        .iter()
        .map(|(name, bytes)| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            format!("http://pictures.test/{name}={}", path.display())
        })
        .collect();
    let stand_ins = stand_ins.join(",");
    let mut settings = settings.to_vec();
    settings.push(("fetch_stand_ins", &stand_ins));
    let server = Server::with(&settings).await;
    (folder, server)
}

#[tokio::test]
async fn the_vendors_sample_is_answered_to_the_byte() {
    let answer = scan_picture(&Server::start().await, SAMPLE).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("date"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_eq!(answer.text(), r#"{"code":0,"message":"ok","data":{"content":"https://cli.im","provider":"Caoliao"}}"#);
}

#[tokio::test]
async fn the_example_spelling_is_a_setting() {
    let server = Server::with(&[("cli_im_provider", "example")]).await;
    assert_eq!(scan_picture(&server, SAMPLE).await.json()["data"]["provider"], "caoliao");
}

#[tokio::test]
async fn the_short_path_is_the_same_operation() {
    let server = Server::start().await;
    let headers = [("Authorization", "Bearer Abc123456")];
    let body = format!("url={SAMPLE}");
    let answer = server.send(request(Method::POST, "/qrcode/scan_url", &headers, body)).await;
    assert_eq!(answer.json()["code"], 0);
}

#[tokio::test]
async fn slashes_and_chinese_leave_unescaped() {
    let text = "https://例子.test/路径?a=\"b\"";
    let (_folder, server) = with_pictures(&[("a.png", &qr_png(text))], &[]).await;
    let answer = scan_picture(&server, "http://pictures.test/a.png").await;
    assert_eq!(
        answer.text(),
        r#"{"code":0,"message":"ok","data":{"content":"https://例子.test/路径?a=\"b\"","provider":"Other"}}"#
    );
}

#[tokio::test]
async fn every_failure_has_its_status_code_and_text() {
    let (_folder, server) = with_pictures(&[("blank.png", &blank_png()), ("no.png", b"<svg/>")], &[]).await;
    let json = ("Content-Type", "application/json");
    let key = ("Authorization", "Bearer Abc123456");
    let picture = |name: &str| format!(r#"{{"url": "http://pictures.test/{name}"}}"#);
    let (blank, broken) = (picture("blank.png"), picture("no.png"));
    for (name, headers, body, status, expected) in [
        (
            "no key",
            &[json][..],
            SAMPLE,
            401,
            r#"{"code":403,"message":"鉴权失败！未上送鉴权参数Authorization","data":null}"#,
        ),
        (
            "other scheme",
            &[("Authorization", "Basic x")][..],
            "",
            401,
            r#"{"code":403,"message":"鉴权失败！未上送鉴权参数Authorization","data":null}"#,
        ),
        (
            "unknown key",
            &[("Authorization", "Bearer x")][..],
            "",
            401,
            r#"{"code":401,"message":"鉴权失败！API Key无效","data":null}"#,
        ),
        ("no body", &[key, json][..], "", 400, r#"{"code":400,"message":"请求的数据格式不符","data":null}"#),
        ("bad JSON", &[key, json][..], "{", 400, r#"{"code":400,"message":"请求的数据格式不符","data":null}"#),
        (
            "a file address",
            &[key, json][..],
            r#"{"url":"file:///etc/passwd"}"#,
            400,
            r#"{"code":400,"message":"请求的数据格式不符","data":null}"#,
        ),
        (
            "multipart",
            &[key, ("Content-Type", "multipart/form-data; boundary=x")][..],
            "url=http://a",
            400,
            r#"{"code":400,"message":"请求的数据格式不符","data":null}"#,
        ),
        (
            "inner address",
            &[key, json][..],
            r#"{"url":"http://127.0.0.1/a.png"}"#,
            200,
            r#"{"code":1031,"message":"图片下载失败","data":null}"#,
        ),
        ("no picture", &[key, json][..], &broken, 200, r#"{"code":1032,"message":"图片解析失败","data":null}"#),
        ("no code", &[key, json][..], &blank, 200, r#"{"code":1030,"message":"未识别到二维码","data":null}"#),
    ] {
        let answer = scan(&server, headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, expected), "{name}");
        assert_eq!(answer.header("content-type"), "application/json", "{name}");
    }
    let answer = server.get(PATH).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_i64()), (405, Some(405)));
    let answer = server.get("/api/v1/qrcode/read_json").await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_i64()), (404, Some(404)));
}

/// The codes of the vendor's pages and of our own choice, apart from the code's own table.
const CODES: [i64; 10] = [400, 401, 403, 404, 405, 429, 500, 1030, 1031, 1032];

#[tokio::test]
async fn every_failure_can_be_forced_and_none_is_missing() {
    let vendor = qrstack::server::VENDORS.iter().find(|vendor| vendor.name == "cli_im").expect("a vendor");
    let mut codes: Vec<i64> = (vendor.failures)()[0].codes().map(|code| code.parse().expect("a number")).collect();
    codes.sort_unstable();
    assert_eq!(codes, CODES);
    for code in CODES {
        let server = Server::with(&[("force_error", &format!("scan_url={code}"))]).await;
        assert_eq!(scan_picture(&server, SAMPLE).await.json()["code"], code);
        let without_key = if code == 401 { 401 } else { 403 };
        assert_eq!(scan(&server, &[], "{}").await.json()["code"], without_key, "{code}");
    }
}

#[tokio::test]
async fn overload_is_answered_at_once() {
    let server = Server::with(&[("read_queue", "0"), ("read_threads", "1")]).await;
    let (started, on_start) = tokio::sync::oneshot::channel();
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let work = server.shared().work().clone();
    let busy = tokio::spawn(async move {
        let job = move || {
            let _ = started.send(());
            let _ = gate.recv();
        };
        work.run(0, job).await
    });
    on_start.await.expect("the only thread is busy");
    let answer = scan_picture(&server, SAMPLE).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_i64()), (429, Some(429)));
    release.send(()).expect("the job waits");
    busy.await.expect("joined").expect("done");
}

#[tokio::test]
async fn authentication_can_be_loosened() {
    let body = format!("url={SAMPLE}");
    let any_key = [("Authorization", "Bearer whatever")];
    let accept = Server::with(&[("auth", "accept")]).await;
    assert_eq!(scan(&accept, &any_key, &body).await.json()["code"], 0);
    assert_eq!(scan(&accept, &[], &body).await.json()["code"], 403);
    let open = Server::with(&[("auth", "open")]).await;
    assert_eq!(scan(&open, &[], &body).await.json()["code"], 0);
}
