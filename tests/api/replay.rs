//! Every capture under `fixtures/captures/<provider>/<case>/`, sent again: a new case is a new folder and no code.
//!
//! `request.http` holds the bytes that a client sent, from the request line to the end of the body; they go through
//! hyper's own parser. `case.json` ([`Case`]) says who sent them and when, how the server is set up, and what must come
//! out. A case with `tampered` is signed: each character of its signature is changed in turn, and the last character of
//! each text of `signed`, and each of these requests must be refused with that code.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use qrstack::codec::{self, Budget, Kinds, Limits};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use crate::support::{Answer, Server, qr_png};

/// What stands before a signature, in a header, a query or a form, bare or percent-encoded.
const SIGNATURES: [&str; 3] = ["q-signature=", "q-signature%3D", "Signature="];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "client, version and call are for people")]
struct Case {
    /// Who sent the request: the SDK or tool.
    client: String,
    /// Its version.
    version: String,
    /// What was called.
    call: String,
    /// What the server's clock says, in seconds since 1970.
    moment: i64,
    /// Settings by name.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// Remote pictures by address: `qr:TEXT` (a drawn QR Code) or a file below `fixtures/`.
    #[serde(default)]
    stand_ins: BTreeMap<String, String>,
    /// What comes out.
    expect: Expected,
    /// Where the expectation is known from: `documented`, `recorded` or `assumed`.
    known: Known,
    /// The code of the refusal where a signed byte was changed.
    tampered: Option<String>,
    /// Texts of the request, each found once, whose last character is covered by the signature.
    #[serde(default)]
    signed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// HTTP status.
    status: u16,
    /// The vendor's code, or `ok`.
    code: String,
    /// The whole body.
    body: Option<String>,
    /// A part of the body.
    contains: Option<String>,
    /// The text of the code in the picture that is the answer, or that stands in its `ResultImage` as base64.
    reads: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Known {
    Documented,
    Recorded,
    Assumed,
}

/// `fixtures/` of this package.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The folders in `folder`, by name.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut folders: Vec<_> =
        entries.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Sends raw bytes over a connection without a socket. `None` where hyper refuses them before they are a request.
async fn send(server: &Server, bytes: &[u8]) -> Option<Answer> {
    let answer = Arc::new(Mutex::new(None));
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let answer = Arc::clone(&answer);
        async move {
            let received = server.send(request.map(Body::new)).await;
            *answer.lock().expect("one request at a time") = Some(received);
            Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new()))
        }
    });
    let (mut client, end) = tokio::io::duplex(bytes.len().max(1 << 16));
    client.write_all(bytes).await.expect("there is room for the whole request");
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(end), service).await;
    drop(connection);
    drop(client);
    answer.lock().expect("one request at a time").take()
}

/// `bytes` with the character at `place` changed to another of its kind.
fn changed(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[place] = match bytes[place] {
        last @ (b'9' | b'f' | b'F' | b'z' | b'Z') => match last {
            b'9' => b'0',
            b'f' => b'a',
            b'F' => b'A',
            b'z' => b'g',
            _ => b'G',
        },
        byte if byte.is_ascii_alphanumeric() => byte + 1,
        byte => panic!("a letter or a digit is needed at {place}, not {:?}", char::from(byte)),
    };
    changed
}

/// Where `text` stands in `bytes`, which hold it once.
fn position(bytes: &[u8], text: &str) -> usize {
    let places: Vec<_> =
        bytes.windows(text.len()).enumerate().filter(|(_, window)| *window == text.as_bytes()).collect();
    assert_eq!(places.len(), 1, "{text:?} stands in the request {} times", places.len());
    places[0].0
}

/// Every place that the signature covers and the case tells of, with a name.
fn signed_places(bytes: &[u8], case: &Case) -> Vec<(String, usize)> {
    let after =
        |marker: &str| bytes.windows(marker.len()).rposition(|at| at == marker.as_bytes()).map(|at| at + marker.len());
    let start = SIGNATURES.into_iter().find_map(after).expect("a signed case has a signature");
    // The percent signs of an encoded signature stay, the digits behind them change.
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'%').count();
    assert!(length > 0, "the signature is empty");
    let places = (start..start + length).filter(|place| bytes[*place] != b'%');
    let signature = places.map(|place| (format!("byte {place}, in the signature"), place));
    let texts = case.signed.iter().map(|text| (format!("the end of {text:?}"), position(bytes, text) + text.len() - 1));
    signature.chain(texts).collect()
}

/// The text of the first code in the picture of an answer.
fn reads(answer: &Answer) -> Option<String> {
    let picture = if answer.body.starts_with(b"<") {
        let (_, rest) = answer.text().split_once("<ResultImage>")?;
        BASE64_STANDARD.decode(rest.split_once("</ResultImage>")?.0).ok()?
    } else {
        answer.body.clone()
    };
    let loaded = codec::load(&picture, &Limits::default()).ok()?;
    let symbols = codec::read(&loaded.luma, Kinds::ALL, &Budget::default()).symbols;
    symbols.into_iter().next().map(|symbol| symbol.text)
}

/// A server as the case wants it, and the folder of its stand-ins.
async fn server(case: &Case) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = case.settings.clone();
    let stand_ins: Vec<_> = (case.stand_ins.iter().enumerate())
        .map(|(number, (url, picture))| {
            let path = match picture.strip_prefix("qr:") {
                None => fixtures().join(picture),
                Some(text) => {
                    let path = folder.path().join(number.to_string());
                    fs::write(&path, qr_png(text)).expect("written");
                    path
                }
            };
            format!("{url}={}", path.display())
        })
        .collect();
    if !stand_ins.is_empty() {
        settings.insert("fetch_stand_ins".to_owned(), stand_ins.join(","));
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let server = Server::with(&settings).await;
    server.clock.set(case.moment);
    (folder, server)
}

/// What is wrong with the answers to a case.
async fn mistakes(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("case.json")).expect("a case");
    let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let bytes = fs::read(folder.join("request.http")).expect("a request");
    let (_stand_ins, server) = server(&case).await;
    let mut mistakes = Vec::new();

    match send(&server, &bytes).await {
        None => mistakes.push("is not HTTP".to_owned()),
        Some(answer) => {
            let shown = String::from_utf8_lossy(&answer.body).into_owned();
            let found = (answer.status.as_u16(), answer.code.as_str());
            if found != (case.expect.status, case.expect.code.as_str()) {
                mistakes.push(format!("answers {found:?}: {shown}"));
            }
            if case.expect.body.as_ref().is_some_and(|body| *body != shown)
                || case.expect.contains.as_ref().is_some_and(|part| !shown.contains(part))
            {
                mistakes.push(format!("has another body: {shown}"));
            }
            if let Some(text) = &case.expect.reads
                && reads(&answer).as_ref() != Some(text)
            {
                mistakes.push(format!("reads {:?}, not {text:?}", reads(&answer)));
            }
        }
    }
    if let Some(code) = &case.tampered {
        for (name, place) in signed_places(&bytes, &case) {
            let found = send(&server, &changed(&bytes, place)).await.map(|answer| answer.code);
            if found.as_ref() != Some(code) {
                mistakes.push(format!("with {name} changed answers {found:?}"));
            }
        }
    }
    mistakes
}

#[tokio::test]
async fn every_capture_is_answered_as_expected_and_no_changed_one_is_accepted() {
    let mut failures = Vec::new();
    let mut cases = BTreeMap::new();
    for provider in folders(&fixtures().join("captures")) {
        let name = provider.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(qrstack::server::VENDORS.iter().any(|vendor| vendor.name == name), "{name} is no provider");
        for case in folders(&provider) {
            *cases.entry(name.clone()).or_insert(0) += 1;
            let id = format!("{name}/{}", case.file_name().expect("a name").to_string_lossy());
            failures.extend(mistakes(&case).await.into_iter().map(|mistake| format!("{id} {mistake}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    for vendor in qrstack::server::VENDORS {
        assert!(cases.contains_key(vendor.name), "there are no captures of {}: {cases:?}", vendor.name);
    }
}
