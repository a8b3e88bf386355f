//! Keys, tokens and app secrets: they are in no log, error, metric or file, cannot be guessed, and are compared in constant
//! time.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Method;

use crate::harness::{Check, block_on, check};
use crate::program::{Program, qrstack};
use crate::support::{Server, request};

pub fn checks() -> Vec<Check> {
    vec![
        check("F29", "marker secrets in log, answers, metrics, settings and store after traffic of all APIs", markers),
        check("F32", "places that compare a secret with `==`", comparisons),
        check("F33", "bits of issued tokens and tickets, at least", entropy),
        check("F33", "guesses of tokens, tickets and keys that hit, or got another answer than the rest", guesses),
    ]
}

const SECRET_KEY: &str = "MARKERsecretKey0123456789abcdefghijk";
const TEMPORARY: &str = "MARKERtemporaryToken0123456789";
const APP_SECRET: &str = "MARKERappSecret0123456789abcdef0";
const FIXED_TOKEN: &str = "MARKERfixedToken0123456789";
const API_KEY: &str = "MARKERapiKey0123456789";
const GUESSED: &str = "MARKERguessed0123456789";

const APPID: &str = "wx0123456789abcdef";

/// The environment of the server and of the commands that sign for it.
fn environment() -> Vec<(&'static str, String)> {
    vec![
        (
            "QRSTACK_TENCENT_CREDENTIALS",
            format!(
                "AKIDmarker0123456789ABCDEFGHIJKLMNOP:{SECRET_KEY},AKIDmarker1123456789ABCDEFGHIJKLMNOP:{SECRET_KEY}:{TEMPORARY}"
            ),
        ),
        ("QRSTACK_WECHAT_APPS", format!("{APPID}:{APP_SECRET}")),
        ("QRSTACK_WECHAT_TOKENS", format!("{APPID}:{FIXED_TOKEN}")),
        ("QRSTACK_CLI_IM_KEYS", API_KEY.to_owned()),
        ("QRSTACK_LOG", "debug".to_owned()),
    ]
}

/// The request that a printed example makes, with `Host` and target as it says.
fn example(name: &str, base: &str) -> String {
    let output = qrstack().args(["example", name, "--base", base]).envs(environment()).output().expect("it runs");
    let command = String::from_utf8(output.stdout).expect("UTF-8");
    let quoted = |text: &str| text.trim_start_matches('\'').split('\'').next().unwrap_or_default().to_owned();
    let address = command.split_whitespace().nth(2).expect("an address");
    let target = quoted(address).strip_prefix(base).expect("the base").to_owned();
    let mut headers: Vec<_> = command.split("-H '").skip(1).map(quoted).collect();
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        headers.push(format!("Host: {}", base.trim_start_matches("http://")));
    }
    let body = command.split("-d '").nth(1).map(quoted);
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\n{}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}",
        headers.join("\r\n")
    )
}

/// The whole answer to a request, as text.
fn send(program: &Program, request: &str) -> String {
    let mut stream = TcpStream::connect(program.address()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("received");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(program: &Program, target: &str) -> String {
    send(program, &format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", program.address()))
}

fn post(program: &Program, target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n", program.address());
    send(program, &format!("{head}{headers}Connection: close\r\n\r\n{body}"))
}

/// A text field of the JSON object at the end of an answer.
fn field(answer: &str, name: &str) -> String {
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    json[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

/// A signature, where a request has one.
fn signature(request: &str) -> Option<&str> {
    let (_, rest) = request.split_once("q-signature=").or_else(|| request.split_once("Signature="))?;
    rest.split(['\r', '&']).next()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What those are answered who have no right key, secret or token.
fn strangers(program: &Program) -> Vec<String> {
    let mut answers = Vec::new();
    for target in [
        format!("/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={GUESSED}"),
        format!("/cgi-bin/token?grant_type=client_credential&appid=wx1&secret={APP_SECRET}"),
        format!("/cgi-bin/token?grant_type={GUESSED}&appid={APPID}&secret={APP_SECRET}"),
        format!("/cgi-bin/qrcode/create?access_token={GUESSED}"),
        format!(
            "/?Action=QrcodeOCR&Version=2018-11-19&Region=ap-beijing&Nonce=1&Timestamp=1&SecretId=AKIDmarker0&Token={GUESSED}&Signature={GUESSED}"
        ),
        format!("/?ci-process=qrcode-generate&sign={GUESSED}"),
    ] {
        answers.push(get(program, &target));
    }
    for authorization in [
        format!("Bearer {GUESSED}"),
        GUESSED.to_owned(),
        format!("TC3-HMAC-SHA256 {GUESSED}"),
        format!("Basic {GUESSED}"),
    ] {
        let headers = format!("Authorization: {authorization}\r\n");
        answers.push(post(program, "/api/v1/qrcode/scan_url", &headers, "{}"));
        answers.push(post(program, "/", &headers, "{}"));
        answers.push(post(program, "/cgi-bin/none", &headers, "{}"));
    }
    answers
}

fn markers() -> String {
    let environment = environment();
    let pairs: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (mut hits, mut requests) = (0, 0);
    for form in ["json", "text"] {
        let program = Program::start_with(&["--log-format", form], &pairs);
        let base = format!("http://{}", program.address());
        // What may stand nowhere; and what only its own answer and the store may hold.
        let mut secrets =
            [SECRET_KEY, TEMPORARY, APP_SECRET, FIXED_TOKEN, API_KEY, GUESSED].map(str::to_owned).to_vec();
        let mut answers = vec![program.banner.clone()];
        for name in ["cos", "ocr", "barcode", "cli-im"] {
            let request = example(name, &base);
            answers.push(send(&program, &request));
            assert!(answers[answers.len() - 1].starts_with("HTTP/1.1 200"), "{name}: {answers:?}");
            // The same again as others would send it: another signature, a stranger's key, a token that nobody asked for.
            if let Some(signature) = signature(&request).map(str::to_owned) {
                let (head, tail) = signature.split_at(signature.len() - 4);
                let wrong = format!("{head}{}", if tail == "0000" { "1111" } else { "0000" });
                for (from, to) in [
                    (signature.as_str(), wrong.as_str()),
                    ("AKIDmarker0", "AKIDmarker2"),
                    ("AKIDmarker0", "AKIDmarker1"),
                ] {
                    let changed = request.replace(from, to);
                    answers.push(send(&program, &changed));
                    let token = format!(
                        "X-TC-Token: {GUESSED}\r\nx-cos-security-token: {GUESSED}\r\nCookie: {GUESSED}\r\nConnection"
                    );
                    answers.push(send(&program, &changed.replacen("Connection", &token, 1)));
                }
                secrets.extend([signature, wrong]);
            }
        }
        let token =
            get(&program, &format!("/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={APP_SECRET}"));
        let stable = format!(r#"{{"grant_type":"client_credential","appid":"{APPID}","secret":"{APP_SECRET}"}}"#);
        let issued = [
            field(&token, "access_token"),
            field(&post(&program, "/cgi-bin/stable_token", "", &stable), "access_token"),
        ];
        let body = r#"{"action_name":"QR_LIMIT_SCENE","action_info":{"scene":{"scene_id":7}}}"#;
        for token in issued.iter().map(String::as_str).chain([FIXED_TOKEN]) {
            let created = post(&program, &format!("/cgi-bin/qrcode/create?access_token={token}"), "", body);
            answers.push(get(
                &program,
                &format!("/cgi-bin/showqrcode?ticket={}&access_token={token}", field(&created, "ticket")),
            ));
            answers
                .push(get(&program, &format!("/cv/img/qrcode?access_token={token}&img_url=http://10.0.0.1/{GUESSED}")));
            answers.push(get(&program, &format!("/cgi-bin/none?access_token={token}")));
            answers.push(post(&program, &format!("/cgi-bin/qrcode/create?access_token={token}"), "", "{"));
        }
        answers.extend(strangers(&program));
        answers.push(get(&program, "/_qrstack/metrics"));
        requests += answers.len();
        answers.extend(journal(&program));
        let settings = qrstack().arg("config").envs(environment.iter().map(|(name, value)| (*name, value))).output();
        answers.push(String::from_utf8_lossy(&settings.expect("it runs").stdout).into_owned());
        let folder = program.folder();
        let (code, log) = program.terminate_and_read_log();
        assert_eq!(code, Some(0));
        assert!(log.lines().count() > answers.len() / 2, "{log}");
        for file in files(folder.path()) {
            let content = std::fs::read(&file).expect("readable");
            for secret in &secrets {
                assert!(
                    !content.windows(secret.len()).any(|part| part == secret.as_bytes()),
                    "{secret} in {}",
                    file.display()
                );
            }
        }
        secrets.extend(issued);
        for (place, text) in answers.iter().map(|answer| ("an answer", answer)).chain([("the log", &log)]) {
            for secret in &secrets {
                if let Some(line) = text.lines().find(|line| line.contains(secret.as_str())) {
                    eprintln!("{secret} in {place}: {line}");
                    hits += 1;
                }
            }
        }
    }
    assert_eq!(hits, 0);
    format!("{hits} after {requests} requests")
}

/// Everything that the journal shows. A guess that stood where no secret stands is no secret.
fn journal(program: &Program) -> Vec<String> {
    let json = "Content-Type: application/json\r\n";
    let shown = [
        get(program, "/_qrstack/v1/journal?limit=1000"),
        get(program, "/_qrstack/v1/journal/har"),
        post(program, "/_qrstack/v1/journal/wait", json, r#"{"count":0,"limit":100}"#),
    ];
    for text in &shown {
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("***"), "{text}");
    }
    let public = [
        format!("grant_type={GUESSED}"),
        format!("\"name\":\"grant_type\",\"value\":\"{GUESSED}\""),
        format!("10.0.0.1/{GUESSED}"),
    ];
    shown.map(|text| public.iter().fold(text, |text, public| text.replace(public, ""))).into()
}

fn comparisons() -> String {
    let mut found = Vec::new();
    let mut lines = 0;
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let source = std::fs::read_to_string(&file).expect("a source");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            // Names and ids are public, and so is the shape of a text.
            let words = line.replace("secret_id", "id").replace("secret_name", "name");
            let names_secret =
                ["expose()", "signature", "secret", "api_key", "token"].iter().any(|word| words.contains(word));
            lines += usize::from(names_secret);
            if names_secret && (line.contains(" == ") || line.contains(" != ")) && !line.contains(".len()") {
                found.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(lines > 20, "the words are no longer those of the sources");
    found.len().to_string()
}

const TOKEN: &str =
    "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";
const CREATE: &str = r#"{"expire_seconds":60,"action_name":"QR_SCENE","action_info":{"scene":{"scene_id":1}}}"#;

/// Bits of a set of random texts: those that vary, by the characters seen at each place.
fn bits(texts: &BTreeSet<String>) -> u32 {
    let length = texts.iter().map(String::len).min().unwrap_or_default();
    let seen = |place: usize| texts.iter().map(|text| text.as_bytes()[place]).collect::<BTreeSet<_>>().len();
    (0..length).map(|place| (seen(place) as f64).log2()).sum::<f64>() as u32
}

fn entropy() -> String {
    const SAMPLES: usize = 300;
    block_on(async {
        let server = Server::start().await;
        let (mut tokens, mut tickets) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..SAMPLES {
            let token = server.get(TOKEN).await.json()["access_token"].as_str().expect("a token").to_owned();
            let create = request(Method::POST, &format!("/cgi-bin/qrcode/create?access_token={token}"), &[], CREATE);
            tickets.insert(server.send(create).await.json()["ticket"].as_str().expect("a ticket").to_owned());
            tokens.insert(token);
        }
        assert_eq!((tokens.len(), tickets.len()), (SAMPLES, SAMPLES));
        let least = bits(&tokens).min(bits(&tickets));
        assert!(least >= 128, "{least} bits");
        "128".to_owned()
    })
}

fn guesses() -> String {
    const GUESSES: u32 = 100_000;
    block_on(async {
        let server = Server::start().await;
        server.get(TOKEN).await;
        let (mut hits, mut kinds) = (0, [BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new()]);
        let mut state = 1_u64;
        for guess in 0..GUESSES {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = format!("{state:016x}{:016x}", state.rotate_left(32));
            let kind = guess as usize % kinds.len();
            let request = match kind {
                0 => request(Method::POST, &format!("/cgi-bin/qrcode/create?access_token={word}"), &[], CREATE),
                1 => request(Method::GET, &format!("/cgi-bin/showqrcode?ticket={word}"), &[], ""),
                2 => {
                    let headers = [("Authorization", &*format!("Bearer {word}"))];
                    request(Method::POST, "/api/v1/qrcode/scan_url", &headers, r#"{"url":"http://10.0.0.1/"}"#)
                }
                // A wrong secret of an account that exists.
                _ => request(Method::GET, &TOKEN.replace("0123456789abcdef0123456789abcdef", &word), &[], ""),
            };
            let answer = server.send(request).await;
            hits += u32::from(answer.code == "ok");
            kinds[kind].insert((answer.status, answer.code));
        }
        let answers = kinds.map(|answers| answers.into_iter().collect::<Vec<_>>());
        assert!(answers.iter().all(|answers| answers.len() == 1), "{answers:?}");
        let codes: Vec<_> = answers.iter().map(|answers| answers[0].1.as_str()).collect();
        assert_eq!(codes, ["40001", "404", "401", "40125"]);
        format!("{hits} of {GUESSES}")
    })
}
