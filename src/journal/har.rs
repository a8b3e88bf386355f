//! Entries as an HTTP Archive, version 1.2, which browsers and proxies show.

use serde_json::{Value, json};

use super::Entry;
use super::view::{Content, Header, View};
use crate::intake::query;

/// The archive of `entries`, in their order. Secrets are masked in it.
pub fn archive<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Value {
    let entries: Vec<_> = entries.into_iter().map(entry).collect();
    json!({
        "log": {
            "version": "1.2",
            "creator": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "entries": entries,
        }
    })
}

fn entry(entry: &Entry) -> Value {
    let View { summary, request, answer, .. } = View::of(entry);
    let host = request.headers.iter().find(|header| header.name == "host").map_or("", |header| header.value.as_str());
    let target = &summary.target;
    let url = if target.starts_with('/') { format!("http://{host}{target}") } else { target.clone() };
    let pairs = query::pairs_lossy(target.split_once('?').map_or("", |(_, query)| query));
    let query: Vec<_> = pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let mut sent = json!({
        "method": summary.method,
        "url": url,
        "httpVersion": entry.request.line()[2],
        "cookies": [],
        "headers": headers(&request.headers),
        "queryString": query,
        "headersSize": -1,
        "bodySize": request.body.size,
    });
    if request.body.size > 0 {
        sent["postData"] = posted(&request.body);
    }
    let redirect = answer.headers.iter().find(|header| header.name == "location");
    json!({
        "startedDateTime": summary.at,
        "time": summary.elapsed_ms,
        "request": sent,
        "response": {
            "status": summary.status,
            "statusText": entry.answer.line()[2],
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": headers(&answer.headers),
            "content": content(&answer.body),
            "redirectURL": redirect.map_or("", |header| header.value.as_str()),
            "headersSize": -1,
            "bodySize": answer.body.size,
        },
        "cache": {},
        "timings": { "send": 0, "wait": summary.elapsed_ms, "receive": 0 },
        "comment": format!("{} {} {}", summary.vendor, summary.operation, summary.code),
    })
}

fn headers(headers: &[Header]) -> Vec<Value> {
    headers.iter().map(|header| json!({ "name": header.name, "value": header.value })).collect()
}

fn posted(body: &Content) -> Value {
    let parts = body.parts.iter().flatten().map(|part| {
        let content = &part.content;
        json!({ "name": part.name, "value": text(content), "contentType": content.media_type })
    });
    json!({ "mimeType": body.media_type, "text": text(body), "params": parts.collect::<Vec<_>>() })
}

fn content(body: &Content) -> Value {
    json!({ "size": body.size, "mimeType": body.media_type, "text": text(body) })
}

/// The text of a body, or its digest.
fn text(body: &Content) -> String {
    match (&body.text, &body.sha256) {
        (Some(text), None) => text.clone(),
        (Some(text), Some(digest)) => format!("{text}… [{} bytes, sha256 {digest}]", body.size),
        (None, Some(digest)) => format!("[{} bytes, sha256 {digest}]", body.size),
        (None, None) => String::new(),
    }
}
