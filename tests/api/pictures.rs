//! The picture lab: what it draws is read by each of the reading APIs, from its own address, with no opening of the guard.

use axum::http::{Method, StatusCode};
use qrstack::signing::percent_encode;
use serde_json::{Value, json};

use crate::support::{Answer, Server, request};

const PICTURES: &str = "/_qrstack/v1/pictures";

/// A server that wants no credentials and reaches nothing inside.
async fn server() -> Server {
    Server::with(&[("auth", "open")]).await
}

async fn draw(server: &Server, recipe: &Value) -> Answer {
    let headers = [("Content-Type", "application/json")];
    server.send(request(Method::POST, PICTURES, &headers, recipe.to_string())).await
}

/// The texts that each API reads behind an address, or its whole answer.
async fn read(server: &Server, url: &str) -> [String; 3] {
    let wechat = server.get(&format!("/cv/img/qrcode?img_url={}", percent_encode(url))).await.json();
    let headers = [
        ("X-TC-Action", "QrcodeOCR"),
        ("X-TC-Version", "2018-11-19"),
        ("X-TC-Region", "ap-guangzhou"),
        ("Content-Type", "application/json"),
    ];
    let ocr = server.send(request(Method::POST, "/", &headers, json!({ "ImageUrl": url }).to_string())).await.json();
    let body = json!({ "url": url }).to_string();
    let cli_im = server.send(request(Method::POST, "/api/v1/qrcode/scan_url", &[], body)).await.json();
    let texts = |list: &Value, field: &str| -> Option<String> {
        let texts = list.as_array()?.iter().filter_map(|item| item[field].as_str());
        Some(texts.collect::<Vec<_>>().join(","))
    };
    let found = [
        texts(&wechat["code_results"], "data"),
        texts(&ocr["Response"]["CodeResults"], "Url"),
        cli_im["data"]["content"].as_str().map(str::to_owned),
    ];
    let [one, two, three] = found;
    [one.unwrap_or(wechat.to_string()), two.unwrap_or(ocr.to_string()), three.unwrap_or(cli_im.to_string())]
}

#[tokio::test]
async fn undamaged_and_mildly_damaged_pictures_are_read_by_every_api() {
    let server = server().await;
    let text = "https://example.com/lab";
    for damage in [
        json!({}),
        json!({ "rotation": 30, "seed": 1 }),
        json!({ "perspective": 0.2, "seed": 2 }),
        json!({ "blur": 1.2, "noise": 0.04, "seed": 3 }),
        json!({ "glare": 0.3, "contrast": 0.7, "seed": 4 }),
        json!({ "quality": 25 }),
        json!({ "inverted": true }),
        json!({ "module_px": 2, "width": 500, "height": 300 }),
        json!({ "rotation": -15, "perspective": 0.1, "blur": 0.7, "noise": 0.02, "glare": 0.2, "quality": 60, "seed": 5 }),
    ] {
        let mut recipe = damage.clone();
        recipe["text"] = json!(text);
        let made = draw(&server, &recipe).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let made = made.json();
        let url = made["url"].as_str().expect("an address");
        assert_eq!(read(&server, url).await, [text; 3], "{damage}");
    }
    let page = server.get("/_qrstack/metrics").await;
    assert!(!page.text().contains("qrstack_fetches_total{outcome=\"refused\"}"), "nothing was refused");
}

#[tokio::test]
async fn every_field_changes_the_picture() {
    let server = server().await;
    let digest = async |field: &str, value: Value| {
        let mut recipe = json!({ "text": "x", "format": "jpg" });
        recipe[field] = value;
        draw(&server, &recipe).await.json()["sha256"].as_str().expect("a digest").to_owned()
    };
    let mut seen = vec![digest("seed", json!(0)).await];
    for (field, value) in [
        ("rotation", json!(10)),
        ("perspective", json!(0.2)),
        ("blur", json!(1)),
        ("noise", json!(0.1)),
        ("glare", json!(0.4)),
        ("contrast", json!(0.5)),
        ("inverted", json!(true)),
        ("module_px", json!(3)),
        ("width", json!(400)),
        ("height", json!(400)),
        ("quality", json!(30)),
        ("kind", json!("AZTEC")),
        ("text", json!("y")),
    ] {
        let digest = digest(field, value).await;
        assert!(!seen.contains(&digest), "{field}");
        seen.push(digest);
    }
}

#[tokio::test]
async fn the_same_request_gives_the_same_picture_at_the_same_address() {
    let server = server().await;
    let recipe = json!({ "text": "x", "noise": 0.1, "rotation": 10, "seed": 7 });
    let (one, again) = (draw(&server, &recipe).await.json(), draw(&server, &recipe).await.json());
    assert_eq!(one, again);
    let elsewhere = draw(&self::server().await, &recipe).await.json();
    assert_eq!((&one["path"], &one["sha256"]), (&elsewhere["path"], &elsewhere["sha256"]));
    let picture = server.get(one["path"].as_str().expect("a path")).await;
    assert_eq!(picture.header("content-type"), "image/png");
    assert_eq!(qrstack::signing::sha256_hex(&picture.body), one["sha256"].as_str().expect("a digest"));
    let other = draw(&server, &json!({ "text": "x", "noise": 0.1, "rotation": 10, "seed": 8 })).await.json();
    assert_ne!(one["path"], other["path"]);
    let jpeg = draw(&server, &json!({ "text": "x", "format": "jpg" })).await.json();
    let picture = server.get(jpeg["path"].as_str().expect("a path")).await;
    assert_eq!((picture.header("content-type"), &picture.body[..2]), ("image/jpeg", &[0xFF, 0xD8][..]));
}

#[tokio::test]
async fn several_codes_lie_where_the_answer_says() {
    let server = server().await;
    let codes = json!([
        { "text": "one" },
        { "text": "6901234567892", "kind": "EAN_13" },
        { "text": "three", "kind": "DATA_MATRIX" },
    ]);
    let made = draw(&server, &json!({ "codes": codes, "rotation": 5 })).await.json();
    let url = made["url"].as_str().expect("an address");
    let found = server.get(&format!("/cv/img/qrcode?img_url={}", percent_encode(url))).await.json();
    let results = found["code_results"].as_array().expect("results");
    assert_eq!(results.len(), 3, "{found}");
    let one = results.iter().find(|result| result["data"] == "one").expect("it is read");
    let (read, drawn) = (&one["pos"]["left_top"], &made["codes"][0]["corners"][0]);
    for axis in ["x", "y"] {
        let off = read[axis].as_f64().expect("a place") - drawn[axis].as_f64().expect("a place");
        assert!(off.abs() < 6.0, "{read} {drawn}");
    }
}

#[tokio::test]
async fn a_picture_that_nobody_drew_is_not_fetched_from_ourselves() {
    let server = server().await;
    for path in ["/_qrstack/v1/pictures/0.png", "/_qrstack/livez"] {
        let found = server.get(&format!("/cv/img/qrcode?img_url=http%3A%2F%2F127.0.0.1%3A8080{path}")).await.json();
        assert_eq!(found["errcode"], 101_000, "{path}");
    }
    assert_eq!(server.get("/_qrstack/v1/pictures/0.png").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_drawn_names_its_field() {
    let server = server().await;
    for (recipe, field) in [
        (json!({}), "text"),
        (json!({ "text": "" }), "text"),
        (json!({ "text": "x", "codes": [] }), "codes"),
        (json!({ "codes": [] }), "codes"),
        (json!({ "text": "x", "kind": "MAXICODE" }), "MAXICODE"),
        (json!({ "text": "x", "kind": "qr" }), "kind"),
        (json!({ "text": "x", "kind": "EAN_13" }), "EAN_13"),
        (json!({ "text": "x", "rotate": 1 }), "rotate"),
        (json!({ "text": "x", "blur": 11 }), "blur"),
        (json!({ "text": "x", "quality": 0 }), "quality"),
        (json!({ "text": "x", "quality": 50, "format": "png" }), "quality"),
        (json!({ "text": "x", "width": 10 }), "pixels"),
        (json!({ "text": "x", "module_px": 100, "width": 4000, "height": 4000 }), "pixels"),
        (json!({ "text": "x".repeat(3000) }), "QR_CODE"),
    ] {
        let answer = draw(&server, &recipe).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{recipe}");
        assert!(
            answer.json()["error"]["message"].as_str().is_some_and(|text| text.contains(field)),
            "{}",
            answer.text()
        );
    }
}
