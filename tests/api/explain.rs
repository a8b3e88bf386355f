//! Requests signed with each of the usual mistakes: the vendor's answer stays as it is, and the outcome names the mistake.
//!
//! The signers here share no code with the server's, but for the primitives.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use qrstack::explain::Explanation;
use qrstack::signing::{hmac_sha1, hmac_sha256, percent_encode, sha1_hex, sha256_hex};
use serde_json::{Value, json};

use crate::support::{Answer, NOW, Server, request};

const ID: &str = "AKIDEMUexample0123456789ABCDEFGHIJKL";
const KEY: &str = "EMUsecretExampleKey0123456789abcdefg";
const OTHER: &str = "AKIDother:another/key";

fn double(text: &str) -> String {
    percent_encode(&percent_encode(text))
}

fn plus(text: &str) -> String {
    percent_encode(text).replace("%20", "+")
}

fn small(text: &str) -> String {
    let mut out = String::new();
    for (place, piece) in percent_encode(text).split('%').enumerate() {
        if place == 0 {
            out.push_str(piece);
        } else {
            out.extend(["%", &piece[..2].to_lowercase(), &piece[2..]]);
        }
    }
    out
}

/// What a client of COS did before it signed.
const COS: &[&str] = &[
    "plus_for_space",
    "unencoded_values",
    "lower_case_escapes",
    "double_encoding",
    "upper_case_method",
    "other_method",
    "encoded_path",
    "other_path",
    "unsorted_keys",
    "header_list_case",
    "unlisted_host",
    "unsigned_host",
    "unlisted_parameters",
    "unsigned_parameters",
    "unsigned_parameter",
    "no_trailing_newline",
    "trailing_newline",
    "raw_sign_key",
    "no_sign_key",
    "other_hash",
    "swapped_times",
    "upper_case_signature",
    "base64_signature",
    "port_in_host",
    "other_host",
    "key_with_newline",
    "key_with_space",
    "key_with_quotes",
    "empty_key",
    "other_key",
    "swapped_id_and_key",
    "unknown_key",
    "expired",
    "skewed_clock",
    "milliseconds",
    "sign_time_outside_key_time",
    "incomplete",
    "other_algorithm",
    "malformed_time",
];

/// A call of COS, signed with a mistake; none for `""`.
fn cos(content: &str, mistake: &str) -> Request<Body> {
    const HOST: &str = "examplebucket-1250000000.cos.ap-beijing.myqcloud.com";
    let is = |name: &str| mistake == name;
    let path = if is("encoded_path") || is("other_path") { "/a b" } else { "/" };
    let sent_path = path.replace(' ', "%20");
    let parameters = [("width", "200"), ("ci-process", "qrcode-generate"), ("mode", "0"), ("qrcode-content", content)];
    let encode: fn(&str) -> String = match mistake {
        "plus_for_space" => plus,
        "unencoded_values" => str::to_owned,
        "lower_case_escapes" => small,
        "double_encoding" => double,
        _ => percent_encode,
    };
    let mut signed: Vec<_> = parameters.iter().map(|(key, value)| ((*key).to_owned(), encode(value))).collect();
    if !is("unsorted_keys") {
        signed.sort();
    }
    let mut list: Vec<_> = signed.iter().map(|(key, _)| key.clone()).collect();
    match mistake {
        "unlisted_parameters" => list.clear(),
        "unsigned_parameters" => signed.clear(),
        "unsigned_parameter" => drop(signed.remove(1)),
        _ => {}
    }
    let host = match mistake {
        "port_in_host" => format!("{HOST}:443"),
        "other_host" => "localhost".to_owned(),
        _ => HOST.to_owned(),
    };
    let headers = match mistake {
        "unsigned_host" => String::new(),
        "header_list_case" => format!("Host={}", encode(&host)),
        _ => format!("host={}", encode(&host)),
    };
    let header_list = match mistake {
        "unlisted_host" => "",
        "header_list_case" => "Host",
        _ => "host",
    };
    let method = match mistake {
        "upper_case_method" => "GET",
        "other_method" => "put",
        _ => "get",
    };
    let signed_path = match mistake {
        "encoded_path" => &sent_path,
        "other_path" => "/",
        _ => path,
    };
    let joined: Vec<_> = signed.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let end = match mistake {
        "no_trailing_newline" => "",
        "trailing_newline" => "\n\n",
        _ => "\n",
    };
    let format_string = format!("{method}\n{signed_path}\n{}\n{headers}{end}", joined.join("&"));
    let span = |start: i64, end: i64| format!("{start};{end}");
    let sign_time = match mistake {
        "expired" => span(NOW - 900, NOW - 1),
        "skewed_clock" => span(NOW + 3600, NOW + 7200),
        "milliseconds" => span(NOW * 1000, NOW * 1000 + 600_000),
        "malformed_time" => format!("{NOW}"),
        _ => span(NOW - 60, NOW + 600),
    };
    let key_time = match mistake {
        "swapped_times" => span(NOW - 120, NOW + 700),
        "sign_time_outside_key_time" => span(NOW - 30, NOW + 600),
        _ => sign_time.clone(),
    };
    let signed_time = if is("swapped_times") { &key_time } else { &sign_time };
    let digest =
        if is("other_hash") { sha256_hex(format_string.as_bytes()) } else { sha1_hex(format_string.as_bytes()) };
    let string_to_sign = format!("sha1\n{signed_time}\n{digest}\n");
    let hmac = if is("other_hash") { hmac_sha256 } else { hmac_sha1 };
    let (id, key) = keys(mistake);
    let of_time = hmac(key.as_bytes(), key_time.as_bytes());
    let sign_key = match mistake {
        "raw_sign_key" => of_time,
        "no_sign_key" => key.into_bytes(),
        _ => hex::encode(of_time).into_bytes(),
    };
    let signature = hmac(&sign_key, string_to_sign.as_bytes());
    let signature = match mistake {
        "upper_case_signature" => hex::encode_upper(signature),
        "base64_signature" => BASE64_STANDARD.encode(signature),
        _ => hex::encode(signature),
    };
    let algorithm = if is("other_algorithm") { "sha256" } else { "sha1" };
    let list_field = if is("incomplete") { String::new() } else { format!("&q-url-param-list={}", list.join(";")) };
    let authorization = format!(
        "q-sign-algorithm={algorithm}&q-ak={id}&q-sign-time={sign_time}&q-key-time={key_time}&\
         q-header-list={header_list}{list_field}&q-signature={signature}"
    );
    let query: Vec<_> = parameters.iter().map(|(key, value)| format!("{key}={}", percent_encode(value))).collect();
    let headers = [("Host", HOST), ("Authorization", authorization.as_str())];
    request(Method::GET, &format!("{sent_path}?{}", query.join("&")), &headers, "")
}

/// Id and key as a client uses them.
fn keys(mistake: &str) -> (String, String) {
    let (id, key) = (ID.to_owned(), KEY.to_owned());
    match mistake {
        "key_with_newline" => (id, key + "\n"),
        "key_with_space" => (id, key + " "),
        "key_with_quotes" => (id, format!("\"{key}\"")),
        "empty_key" => (id, String::new()),
        "other_key" => (id, "another/key".to_owned()),
        "swapped_id_and_key" => (key, id),
        "unknown_key" => ("AKIDnobody".to_owned(), key),
        _ => (id, key),
    }
}

/// What a client of Tencent Cloud did before it signed with TC3.
const TC3: &[&str] = &[
    "empty_body_hash",
    "unsigned_payload",
    "empty_json_hash",
    "unhashed_body",
    "upper_case_body_hash",
    "body_reencoded",
    "query_not_signed",
    "plus_for_space",
    "lower_case_escapes",
    "double_encoding",
    "unencoded_values",
    "sorted_query",
    "other_content_type",
    "unsorted_headers",
    "header_list_case",
    "space_behind_colon",
    "unsigned_host",
    "unsigned_content_type",
    "other_method",
    "other_path",
    "missing_blank_line",
    "trailing_newline",
    "unhashed_request",
    "hex_keys",
    "wrong_key_prefix",
    "wrong_service",
    "local_date",
    "wrong_date",
    "other_timestamp",
    "upper_case_signature",
    "base64_signature",
    "port_in_host",
    "other_host",
    "key_with_newline",
    "key_with_space",
    "key_with_quotes",
    "empty_key",
    "other_key",
    "swapped_id_and_key",
    "unknown_key",
    "skewed_clock",
    "milliseconds",
    "region_in_scope",
    "wrong_scope",
    "other_algorithm",
    "incomplete",
    "malformed_time",
];

/// The query that is signed.
fn tc3_query(content: &str, mistake: &str) -> String {
    match mistake {
        "query_not_signed" => String::new(),
        "plus_for_space" => format!("b=1&BarCode={}", plus(content)),
        "lower_case_escapes" => format!("b=1&BarCode={}", small(content)),
        "double_encoding" => format!("b=1&BarCode={}", double(content)),
        "unencoded_values" => format!("b=1&BarCode={content}"),
        "sorted_query" => format!("BarCode={}&b=1", percent_encode(content)),
        _ => format!("b=1&BarCode={}", percent_encode(content)),
    }
}

/// The headers that are signed, and their list.
fn tc3_headers(mistake: &str, host: &str, signed_type: &str) -> (String, &'static str) {
    match mistake {
        "unsorted_headers" => (format!("host:{host}\ncontent-type:{signed_type}\n"), "content-type;host"),
        "header_list_case" => (format!("Content-Type:{signed_type}\nHost:{host}\n"), "content-type;host"),
        "space_behind_colon" => (format!("content-type: {signed_type}\nhost: {host}\n"), "content-type;host"),
        "unsigned_host" => (format!("content-type:{signed_type}\n"), "content-type"),
        "unsigned_content_type" => (format!("host:{host}\n"), "host"),
        "missing_blank_line" => (format!("content-type:{signed_type}\nhost:{host}"), "content-type;host"),
        _ => (format!("content-type:{signed_type}\nhost:{host}\n"), "content-type;host"),
    }
}

/// A call with TC3-HMAC-SHA256, signed with a mistake; none for `""`.
fn tc3(content: &str, mistake: &str) -> Request<Body> {
    const HOST: &str = "ocr.tencentcloudapi.com";
    let is = |name: &str| mistake == name;
    let is_get = matches!(
        mistake,
        "query_not_signed"
            | "plus_for_space"
            | "lower_case_escapes"
            | "double_encoding"
            | "unencoded_values"
            | "sorted_query"
    );
    let body = if is_get { String::new() } else { json!({ "BarCode": content }).to_string() };
    let query = if is_get { format!("b=1&BarCode={}", percent_encode(content)) } else { String::new() };
    let signed_query = if is_get { tc3_query(content, mistake) } else { String::new() };
    let payload = match mistake {
        "empty_body_hash" => String::new(),
        "unsigned_payload" => "UNSIGNED-PAYLOAD".to_owned(),
        "empty_json_hash" => "{}".to_owned(),
        // As Python writes it.
        "body_reencoded" => body.replacen("\":\"", "\": \"", 1).chars().fold(String::new(), |text, character| {
            if character.is_ascii() {
                text + character.encode_utf8(&mut [0; 4])
            } else {
                format!("{text}\\u{:04x}", u32::from(character))
            }
        }),
        _ => body.clone(),
    };
    let hash = match mistake {
        "unhashed_body" => body.clone(),
        "upper_case_body_hash" => sha256_hex(payload.as_bytes()).to_uppercase(),
        _ => sha256_hex(payload.as_bytes()),
    };
    let content_type = "application/json";
    let signed_type = if is("other_content_type") { "application/json; charset=utf-8" } else { content_type };
    let host = match mistake {
        "port_in_host" => "ocr.tencentcloudapi.com:443",
        "other_host" => "ocr.ap-guangzhou.tencentcloudapi.com",
        _ => HOST,
    };
    let (headers, list) = tc3_headers(mistake, host, signed_type);
    let method = if is_get { "GET" } else { "POST" };
    let signed_method = if is("other_method") { "GET" } else { method };
    let path = if is("other_path") { "/ocr" } else { "/" };
    let end = if is("trailing_newline") { "\n" } else { "" };
    let canonical = format!("{signed_method}\n{path}\n{signed_query}\n{headers}\n{list}\n{hash}{end}");
    let timestamp = match mistake {
        "skewed_clock" => (NOW - 3600).to_string(),
        "milliseconds" => (NOW * 1000).to_string(),
        "malformed_time" => "now".to_owned(),
        _ => NOW.to_string(),
    };
    let signed_timestamp = if is("other_timestamp") { (NOW - 1).to_string() } else { timestamp.clone() };
    let date = match mistake {
        "local_date" => "2023-11-15",
        "wrong_date" => "2022-01-01",
        // Three days in the year 55840: nobody's mistake here.
        "milliseconds" => "55840-10-15",
        _ => "2023-11-14",
    };
    let (service, key_service) = if is("wrong_service") { ("cvm", "ocr") } else { ("ocr", "ocr") };
    let digest = if is("unhashed_request") { canonical.clone() } else { sha256_hex(canonical.as_bytes()) };
    let string = format!("TC3-HMAC-SHA256\n{signed_timestamp}\n{date}/{service}/tc3_request\n{digest}");
    let (id, key) = keys(mistake);
    let prefix = if is("wrong_key_prefix") { "" } else { "TC3" };
    let step = |key: &[u8], text: &str| {
        let made = hmac_sha256(key, text.as_bytes());
        if is("hex_keys") { hex::encode(made).into_bytes() } else { made }
    };
    let signing = step(&step(&step(format!("{prefix}{key}").as_bytes(), date), key_service), "tc3_request");
    let signature = hmac_sha256(&signing, string.as_bytes());
    let signature = match mistake {
        "upper_case_signature" => hex::encode_upper(signature),
        "base64_signature" => BASE64_STANDARD.encode(signature),
        _ => hex::encode(signature),
    };
    let scope = match mistake {
        "region_in_scope" => format!("{date}/ap-guangzhou/ocr/tc3_request"),
        "wrong_scope" => format!("{date}/ocr/aws4_request"),
        _ => format!("{date}/{service}/tc3_request"),
    };
    let algorithm = if is("other_algorithm") { "TC3-HMAC-SHA1" } else { "TC3-HMAC-SHA256" };
    let list = if is("incomplete") { String::new() } else { format!(" SignedHeaders={list},") };
    let authorization = format!("{algorithm} Credential={id}/{scope},{list} Signature={signature}");
    let target = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
    let headers = [
        ("Host", HOST),
        ("Content-Type", content_type),
        ("X-TC-Action", "QueryBarCode"),
        ("X-TC-Version", "2018-11-19"),
        ("X-TC-Timestamp", timestamp.as_str()),
        ("Authorization", authorization.as_str()),
    ];
    request(method.parse().expect("a method"), &target, &headers, body)
}

/// What a client of Tencent Cloud did before it signed with HmacSHA1.
const V1: &[&str] = &[
    "encoded_values",
    "plus_for_space",
    "lower_case_escapes",
    "unsorted_keys",
    "other_method",
    "other_path",
    "no_question_mark",
    "other_hash",
    "hex_signature",
    "trailing_newline",
    "unsigned_parameter",
    "unsigned_host",
    "plus_in_signature",
    "double_encoding",
    "port_in_host",
    "other_host",
    "key_with_newline",
    "key_with_space",
    "key_with_quotes",
    "empty_key",
    "other_key",
    "swapped_id_and_key",
    "unknown_key",
    "skewed_clock",
    "milliseconds",
    "incomplete",
];

/// A call with HmacSHA1, signed with a mistake; none for `""`.
fn v1(content: &str, mistake: &str) -> Request<Body> {
    const HOST: &str = "ocr.tencentcloudapi.com";
    let is = |name: &str| mistake == name;
    let (id, key) = keys(mistake);
    let timestamp = match mistake {
        "skewed_clock" => (NOW + 3600).to_string(),
        "milliseconds" => (NOW * 1000).to_string(),
        _ => NOW.to_string(),
    };
    let encode: fn(&str) -> String = match mistake {
        "encoded_values" => percent_encode,
        "plus_for_space" => plus,
        "lower_case_escapes" => small,
        _ => str::to_owned,
    };
    for nonce in 1.. {
        let nonce = nonce.to_string();
        let parameters = [
            ("Version", "2018-11-19"),
            ("BarCode", content),
            ("Action", "QueryBarCode"),
            ("Nonce", nonce.as_str()),
            ("SecretId", id.as_str()),
            ("Timestamp", timestamp.as_str()),
        ];
        let mut signed: Vec<_> = parameters.iter().map(|(name, value)| (*name, encode(value))).collect();
        if is("unsigned_parameter") {
            signed.retain(|(name, _)| *name != "BarCode");
        }
        if !is("unsorted_keys") {
            signed.sort();
        }
        let joined: Vec<_> = signed.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let host = match mistake {
            "port_in_host" => "ocr.tencentcloudapi.com:80",
            "other_host" => "127.0.0.1",
            "unsigned_host" => "",
            _ => HOST,
        };
        let method = if is("other_method") { "GET" } else { "POST" };
        let path = if is("other_path") { "/v2/index.php" } else { "/" };
        let question = if is("no_question_mark") { "" } else { "?" };
        let end = if is("trailing_newline") { "\n" } else { "" };
        let source = format!("{method}{host}{path}{question}{}{end}", joined.join("&"));
        let hmac = if is("other_hash") { hmac_sha256 } else { hmac_sha1 };
        let made = hmac(key.as_bytes(), source.as_bytes());
        let signature = if is("hex_signature") { hex::encode(made) } else { BASE64_STANDARD.encode(made) };
        // Only a signature with a plus shows what becomes of it.
        if is("plus_in_signature") && !signature.contains('+') {
            continue;
        }
        let signature = match mistake {
            "plus_in_signature" => signature,
            "double_encoding" => double(&signature),
            _ => percent_encode(&signature),
        };
        let mut form: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
        if is("incomplete") {
            form.retain(|pair| !pair.starts_with("Nonce"));
        }
        form.push(format!("Signature={signature}"));
        let headers = [("Host", HOST), ("Content-Type", "application/x-www-form-urlencoded")];
        return request(Method::POST, "/", &headers, form.join("&"));
    }
    unreachable!("some nonce gives a signature with a plus")
}

type Signer = fn(&str, &str) -> Request<Body>;

const SCHEMES: [(&str, &[&str], Signer); 3] = [("cos", COS, cos), ("tc3", TC3, tc3), ("v1", V1, v1)];

async fn server() -> Server {
    Server::with(&[("tencent_credentials", &format!("{ID}:{KEY},{OTHER}"))]).await
}

fn named(answer: &Answer) -> (Option<&'static str>, Option<&Explanation>) {
    let explanation = answer.explanation.as_deref();
    (explanation.and_then(|explanation| explanation.mistakes.first()).map(|mistake| mistake.name), explanation)
}

/// No key and no signature is in what is told.
fn tells_no_secret(explanation: &Explanation, sent: &str) {
    let told = serde_json::to_string(explanation).expect("JSON");
    assert!(!told.contains(KEY) && !told.contains("another/key"), "{told}");
    for signature in sent.split("ignature=").skip(1) {
        let signature: String = signature.chars().take_while(|c| !matches!(c, '&' | ' ' | ',')).collect();
        assert!(signature.len() < 8 || !told.contains(&signature), "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Each text has what the mistakes are about: a space, something to escape, something that is not ASCII.
    #[test]
    fn every_mistake_is_named(content in "[a-z0-9]{1,6} [a-z]{1,6}/[你好世界]{1,3}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = server().await;
            for (scheme, mistakes, sign) in SCHEMES {
                let right = server.send(sign(&content, "")).await;
                assert!(right.explanation.is_none(), "{scheme}: {:?}", right.explanation);
                for mistake in mistakes {
                    let sent = sign(&content, mistake);
                    let signature = format!("{:?}", sent.headers().get("authorization"));
                    let answer = server.send(sent).await;
                    let (name, explanation) = named(&answer);
                    assert_eq!(name, Some(*mistake), "{scheme}, {content:?}: {explanation:#?}\n{}", answer.text());
                    tells_no_secret(explanation.expect("it is there"), &signature);
                }
            }
        });
    }
}

#[tokio::test]
async fn long_requests_are_explained_as_short_ones_are() {
    let server = server().await;
    // As long as what COS draws, and as a picture in base64.
    let (long, picture) = (format!("{} 你/", "x".repeat(2900)), format!("{} 你/", "x".repeat(200_000)));
    let in_body = ["body_reencoded", "local_date", "key_with_quotes", "swapped_id_and_key"];
    let in_form: Vec<_> = V1.iter().copied().filter(|mistake| *mistake != "incomplete").collect();
    for (scheme, content, mistakes, sign) in
        [("cos", &long, COS, cos as Signer), ("tc3", &picture, &in_body, tc3), ("v1", &picture, &in_form, v1)]
    {
        for mistake in mistakes {
            let answer = server.send(sign(content, mistake)).await;
            let (name, explanation) = named(&answer);
            let told = explanation.map(|explanation| &explanation.mistakes);
            assert_eq!(name, Some(*mistake), "{scheme}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_right_signature_is_right_however_much_it_covers() {
    let server = server().await;
    let sent = v1(&"x".repeat(5 << 20), "");
    let (parts, body) = sent.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("in memory");
    let mut raw = format!("POST {} HTTP/1.1\r\n", parts.uri).into_bytes();
    for (name, value) in &parts.headers {
        raw.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    raw.extend([b"\r\n", &*body].concat());
    let headers = [("Content-Type", "application/json")];
    let asked = json!({ "request_base64": BASE64_STANDARD.encode(raw) }).to_string();
    let told = server.send(request(Method::POST, "/_qrstack/v1/explain", &headers, asked)).await.json();
    assert_eq!((&told["right"], &told["mistakes"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn both_texts_and_their_first_difference_are_told_and_the_answer_is_the_vendors() {
    let server = server().await;
    let answer = server.send(cos("a b", "plus_for_space")).await;
    assert_eq!((answer.status.as_u16(), answer.code.as_str()), (403, "SignatureDoesNotMatch"));
    assert!(!answer.text().contains("plus_for_space"));
    let explanation = answer.explanation.expect("an explanation");
    let (ours, theirs) = (explanation.ours.as_ref().expect("ours"), explanation.theirs.as_ref().expect("theirs"));
    assert!(ours.canonical_request.contains("qrcode-content=a%20b&"), "{ours:?}");
    assert!(theirs.canonical_request.contains("qrcode-content=a+b&"), "{theirs:?}");
    let difference = explanation.difference.as_ref().expect("a difference");
    let byte = ours.canonical_request.find("%20").expect("it is there");
    assert_eq!((difference.place, difference.byte, difference.line), ("canonical_request", byte, 3));

    let answer = server.send(tc3("1 你", "body_reencoded")).await;
    assert_eq!(answer.code, "AuthFailure.SignatureFailure");
    let explanation = answer.explanation.expect("an explanation");
    assert!(explanation.mistakes[0].about.contains("\\u escapes"), "{explanation:?}");
    assert_eq!(explanation.difference.as_ref().map(|difference| difference.place), Some("canonical_request"));
}

#[tokio::test]
async fn a_mistake_that_nobody_knows_leaves_our_side_to_compare_with() {
    let server = server().await;
    for (_, _, sign) in SCHEMES {
        let answer = server.send(sign("x", "")).await;
        assert!(answer.explanation.is_none(), "nothing to explain");
    }
    let mut sent = cos("x", "");
    let authorization =
        sent.headers()["authorization"].to_str().expect("text").replace("q-signature=", "q-signature=0");
    sent.headers_mut().insert("authorization", authorization.parse().expect("a value"));
    let explanation = server.send(sent).await.explanation.expect("an explanation");
    assert!(explanation.mistakes.is_empty() && explanation.theirs.is_none() && explanation.ours.is_some());
}

#[tokio::test]
async fn tokens_and_pictures_are_not_told() {
    let server = server().await;
    let mut sent = tc3(&"x".repeat(5000), "query_not_signed");
    sent.headers_mut().insert("x-tc-token", "marker-token".parse().expect("a value"));
    let list = sent.headers()["authorization"]
        .to_str()
        .expect("text")
        .replace("content-type;host", "content-type;host;x-tc-token");
    sent.headers_mut().insert("authorization", list.parse().expect("a value"));
    let explanation = server.send(sent).await.explanation.expect("an explanation");
    let told = serde_json::to_string(&*explanation).expect("JSON");
    assert!(!told.contains("marker-token") && told.contains("x-tc-token:***") && told.len() < 3000, "{told}");
}

#[tokio::test]
async fn the_control_api_explains_a_request_on_demand() {
    let server = server().await;
    let explain = async |body: Value| {
        let headers = [("Content-Type", "application/json")];
        server.send(request(Method::POST, "/_qrstack/v1/explain", &headers, body.to_string())).await
    };
    let sent = cos("a b", "plus_for_space");
    let raw = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n",
        sent.uri(),
        sent.headers()["host"].to_str().expect("text"),
        sent.headers()["authorization"].to_str().expect("text")
    );
    let told = explain(json!({ "request": raw })).await.json();
    assert_eq!(
        (&told["provider"], &told["mistakes"][0]["name"]),
        (&json!("tencent_cos"), &json!("plus_for_space")),
        "{told}"
    );
    let told = explain(json!({ "request_base64": BASE64_STANDARD.encode(raw.replace('\r', "")), "at": NOW + 10_000 }))
        .await
        .json();
    let names: Vec<_> =
        told["mistakes"].as_array().expect("a list").iter().map(|mistake| mistake["name"].clone()).collect();
    assert_eq!(names, ["plus_for_space", "expired"], "{told}");
    for (body, status) in [
        (json!({}), 422),
        (json!({ "request": "x", "request_base64": "x" }), 422),
        (json!({ "request_base64": "!" }), 422),
        (json!({ "request": "hello" }), 422),
        (json!({ "request": "GET / HTTP/1.1\n\n" }), 422),
        (json!({ "request": raw, "at": "yesterday" }), 422),
        (json!({ "request": raw, "at": -1 }), 422),
        (json!({ "request": raw, "when": 1 }), 422),
    ] {
        assert_eq!(explain(body.clone()).await.status.as_u16(), status, "{body}");
    }
}
