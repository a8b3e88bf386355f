//! Answers and log lines repeat what strangers wrote. Whatever that is, the answer is well-formed, its headers are ours,
//! and a log line is one line.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use qrstack::codec::{Matrix, render};
use qrstack::signing::percent_encode;
use quick_xml::Reader as XmlReader;
use quick_xml::events::Event;

use crate::canary::Door;
use crate::harness::{Check, block_on, check};
use crate::pictures::{Reader, texts};
use crate::program::Program;
use crate::support::{Answer, Server, request};

pub fn checks() -> Vec<Check> {
    vec![
        check("F25", "XML of random paths, hosts, contents and signatures, well-formed", documents),
        check("F26", "contents drawn at COS and read back at three doors, XML and JSON parsed strictly", roundtrips),
        check("F26", "payloads that are not UTF-8, at three doors: valid JSON, one text", binary_payloads),
        check("F27", "headers written by strangers", headers),
        check("F28", "log lines, in both forms, forged or steering a terminal", log_lines),
    ]
}

/// Runs `property` on the same random values in every run.
fn for_all<T: std::fmt::Debug>(cases: u32, values: impl Strategy<Value = T>, property: impl Fn(T)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::default()));
    let result = runner.run(&values, |value| {
        property(value);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Texts with everything in them that XML, JSON, headers and terminals stumble over.
fn any_text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "\0",
        "]]>",
        "<!--",
        "&amp;",
        "&#0;",
        "<![CDATA[",
        "\u{feff}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{2028}",
        "\u{2029}",
        "</script>",
        "\u{1b}[2J",
        "\r\n",
        "\n",
        "\u{85}",
        "\u{202e}",
        "\\u0000",
        "\u{d7ff}\u{e000}",
        "\"",
        "'",
        "你好",
        "\u{10ffff}",
        "\u{7f}",
        "%00",
        "+",
        " ",
    ]);
    prop::collection::vec(prop_oneof![odd.prop_map(str::to_owned), ".{0,6}", any::<String>()], 0..8)
        .prop_map(|parts| parts.concat().chars().take(120).collect())
}

/// The elements of a document and their texts, after every rule of XML 1.0 was checked.
fn elements(answer: &Answer) -> Vec<(String, String)> {
    let document = answer.text();
    let is_char =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(document.chars().all(is_char), "{document:?}");
    let (mut reader, mut open, mut found) = (XmlReader::from_str(document), Vec::new(), Vec::new());
    reader.config_mut().check_comments = true;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {document:?}")) {
            Event::Start(start) => open.push((start.name().as_ref().to_owned(), String::new())),
            Event::Text(text) => {
                assert!(!text.contains("]]>"), "{document:?}");
                if let Some((_, known)) = open.last_mut() {
                    known.push_str(&text);
                }
            }
            Event::GeneralRef(name) => {
                let character = name.resolve_char_ref().expect("a reference");
                let text = character.map(String::from);
                let text = text.or_else(|| quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned));
                open.last_mut()
                    .expect("inside")
                    .1
                    .push_str(&text.unwrap_or_else(|| panic!("an entity in {document:?}")));
            }
            Event::End(_) => found.push(open.pop().expect("opened")),
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?} in {document:?}"),
        }
    }
    assert!(open.is_empty(), "{document:?}");
    found
}

fn element<'a>(elements: &'a [(String, String)], name: &str) -> &'a str {
    elements.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text)
}

async fn draw(server: &Server, content: &str) -> Answer {
    let target = format!("/?ci-process=qrcode-generate&width=400&qrcode-content={}", percent_encode(content));
    server.send(request(Method::GET, &target, &[], "")).await
}

fn documents() -> String {
    const CASES: u32 = 300;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (open, strict) = runtime.block_on(async { (Server::with(&[("auth", "open")]).await, Server::start().await) });
    for_all(CASES, (any_text(), any_text(), any_text()), |(path, content, extra)| {
        let path = percent_encode(&path);
        let bucket: String = extra.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let host = format!("x{bucket}-1250000000.cos.ap-beijing.myqcloud.com");
        let signature = format!("x{}", percent_encode(&extra));
        // A wrong signature is answered with what was signed: path, query and headers of the client.
        let signed = format!(
            "/{path}?ci-process=qrcode-generate&qrcode-content={}&q-sign-algorithm=sha1&\
             q-ak=AKIDEMUexample0123456789ABCDEFGHIJKL&q-sign-time=1699999000;1700009000&q-key-time=1699999000;1700009000\
             &q-header-list=host&q-url-param-list=ci-process;qrcode-content&q-signature={signature}",
            percent_encode(&content)
        );
        let other = format!("/{path}?ci-process={signature}");
        for (server, target, code) in [
            (&strict, &signed, "SignatureDoesNotMatch"),
            (&open, &other, "InvalidArgument"),
            (&strict, &other, "AccessDenied"),
        ] {
            let answer = runtime.block_on(server.send(request(Method::GET, target, &[("Host", &host)], "")));
            let elements = elements(&answer);
            assert_eq!(element(&elements, "Code"), answer.code, "{target}");
            assert!(answer.code == code || answer.code == "InvalidURI", "{target}: {}", answer.code);
            assert!(element(&elements, "Resource").starts_with(&host), "{elements:?}");
        }
    });
    format!("{} of {}", CASES * 3, CASES * 3)
}

fn roundtrips() -> String {
    const CASES: u32 = 60;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let reader = runtime.block_on(Reader::start());
    for_all(CASES, any_text(), |content| {
        let answer = runtime.block_on(draw(&reader.server, &content));
        let elements = elements(&answer);
        if answer.code != "ok" {
            assert!(content.is_empty(), "{content:?}: {}", answer.code);
            return;
        }
        let picture = BASE64_STANDARD.decode(element(&elements, "ResultImage")).expect("base64");
        // A byte order mark at the head tells the character set, and is no part of the text.
        let expected = content.strip_prefix('\u{feff}').unwrap_or(&content);
        for door in Door::ALL {
            let answer = runtime.block_on(reader.read(door, &picture));
            assert_eq!(texts(door, &answer), [expected], "{door:?}");
        }
    });
    format!("{CASES} × {} doors", Door::ALL.len())
}

/// A PNG with a QR code that holds exactly these bytes.
fn qr_of_bytes(bytes: &[u8]) -> Vec<u8> {
    let code = qrcode::QrCode::new(bytes).expect("fits");
    let dark = code.to_colors().iter().map(|colour| *colour == qrcode::Color::Dark).collect();
    let side = (code.width() as u32 + 8) * 4;
    render::png(&render::place(&Matrix::new(code.width(), code.width(), dark), 4, side, side))
}

fn binary_payloads() -> String {
    let (shift_jis, _, _) = encoding_rs::SHIFT_JIS.encode("こんにちは世界");
    let (gbk, _, _) = encoding_rs::GBK.encode("你好，世界");
    let payloads: [&[u8]; 12] = [
        &shift_jis,
        &gbk,
        b"\xED\xA0\x80\xED\xB0\x80",
        b"\xFF\xFE\x00\x01",
        b"\xC0\x80",
        b"\xF8\x88\x80\x80\x80",
        b"\x80",
        b"\0\x01\x02\x03\xFF",
        b"</script>\xE2\x80\xA8\xE2\x80\xA9\xFF",
        b"\xEF\xBB\xBF\xEF\xBF\xBE",
        b"\x1B]0;title\x07\x9B2J",
        &[0xFF; 64],
    ];
    block_on(async {
        let reader = Reader::start().await;
        for payload in payloads {
            let picture = qr_of_bytes(payload);
            let mut read = Vec::new();
            for door in Door::ALL {
                let answer = reader.read(door, &picture).await;
                assert_eq!(answer.code, "ok", "{} at {door:?}", payload.escape_ascii());
                // Strict twice: the bytes are UTF-8, and JSON without anything behind it.
                read.push(texts(door, &answer));
            }
            assert!(read[0].len() == 1 && read.iter().all(|texts| *texts == read[0]), "{read:?}");
        }
    });
    format!("{} of {}", payloads.len(), payloads.len())
}

/// The whole answer to bytes on a connection of their own.
fn exchange(program: &Program, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(program.address()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
    stream.write_all(bytes).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("nothing more to say");
    let mut answer = Vec::new();
    // A server may also just close.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn headers() -> String {
    const BREAKS: [&str; 6] = ["%0d%0a", "%0a", "%0D", "%E5%98%8A%E5%98%8D", "%C4%8D%C4%8A", "%00"];
    let program = Program::start(&["--auth", "open"]);
    let mut requests = Vec::new();
    for mark in BREAKS {
        let value = format!("a{mark}Injected:%20yes{mark}{mark}<b>");
        for target in [
            format!("/cgi-bin/showqrcode?ticket={value}"),
            format!("/cgi-bin/token?grant_type=client_credential&appid={value}&secret={value}"),
            format!("/?ci-process=qrcode-generate&qrcode-content={value}"),
            format!("/{value}?ci-process={value}"),
            format!("/?Action=QrcodeOCR&Version={value}&Region={value}&Nonce={value}"),
            format!("/cv/img/qrcode?img_url={value}"),
        ] {
            requests.push(format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        }
    }
    for line in [
        "X-TC-TraceId: a\r\n Injected: yes",
        "X-TC-TraceId: a\rInjected: yes",
        "X-TC-TraceId: a\nInjected: yes",
        "X-TC-TraceId: a\0Injected: yes",
        "X-Request-Id: a\r\n\tInjected: yes",
        "X-TC-Language: zh-CN\r\n Injected: yes",
        "Host: x\r\n Injected: yes",
        "X-TC-Action : QrcodeOCR",
    ] {
        let rest = "X-TC-Action: QrcodeOCR\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        requests.push(format!("POST / HTTP/1.1\r\nHost: x\r\n{line}\r\n{rest}"));
    }
    for sent in &requests {
        let answer = exchange(&program, sent.as_bytes());
        let text = String::from_utf8_lossy(&answer);
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        // No line of the head is the stranger's, and no character could begin one.
        assert!(
            !head.split(['\r', '\n']).any(|line| line.trim_start().to_ascii_lowercase().starts_with("injected")),
            "{text}"
        );
        assert!(head.replace("\r\n", "").chars().all(|c| !c.is_control()), "{head:?}");
        assert!(text.is_empty() || head.starts_with("HTTP/1.1 "), "{text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), usize::from(!text.is_empty()), "{text}");
    }
    format!("0 after {} requests", requests.len())
}

fn log_lines() -> String {
    const TEXTS: [&str; 6] = [
        "a\nINFO forged",
        "\r\n2026-01-01T00:00:00Z ERROR forged",
        "\u{1b}]0;title\u{7}\u{1b}[2J",
        "\u{9b}31m",
        "\0\u{8}",
        "\u{2028}\u{202e}",
    ];
    let mut lines = 0;
    for form in ["text", "json"] {
        let program = Program::start(&["--log-format", form, "--log", "debug", "--fetch-allow", "127.0.0.1"]);
        for text in TEXTS {
            let text = percent_encode(text);
            for target in [
                format!("/{text}?ci-process={text}"),
                format!("/cgi-bin/showqrcode?ticket={text}"),
                format!("/cv/img/qrcode?access_token={text}&img_url=http://127.0.0.1/{text}"),
                format!("/?Action=QrcodeOCR&Version={text}&SecretId={text}&Signature={text}&Nonce=1&Timestamp=1"),
                format!("/?q-sign-algorithm={text}&q-ak={text}&ci-process=qrcode-generate&qrcode-content={text}"),
            ] {
                program.get(&target);
            }
        }
        let (code, log) = program.terminate_and_read_log();
        assert_eq!(code, Some(0));
        for line in log.split('\n').filter(|line| !line.is_empty()) {
            match form {
                "json" => assert!(
                    serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object()),
                    "{line}"
                ),
                _ => assert!(line.starts_with("20") && line.contains('Z'), "{line:?}"),
            }
            let is_control = |c: char| c.is_control() && (form == "text" || c < '\u{20}');
            assert!(!line.contains(is_control), "{line:?}");
            lines += 1;
        }
    }
    assert!(lines > 2 * TEXTS.len(), "{lines} lines");
    format!("0 after {} requests", 2 * TEXTS.len() * 5)
}
