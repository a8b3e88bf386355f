//! What an application answers to a message.
//!
//! Documented: an empty body or `success` is taken, and there is no repeat; XML is a message for the user, within
//! `Encrypt` where messages are encrypted. Recorded: werobot writes white space before `<xml>`, npm wechat names no type
//! and gives times in milliseconds.

use axum::body::Bytes;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use serde_json::{Map, Value};

use super::crypto::{AesKey, signature};
use crate::secret;
use crate::simulator::{Mode, Reply, ReplyKind, SHOWN_BYTES, shown};

/// Elements within each other that a message may have; real ones have four.
const MAX_DEPTH: usize = 16;

/// What is needed to open a reply.
pub(super) struct Opener<'a> {
    pub(super) token: &'a str,
    pub(super) key: Option<&'a AesKey>,
    pub(super) mode: Mode,
    pub(super) appid: &'a str,
}

/// Reads a reply.
pub(super) fn read(bytes: &Bytes, opener: &Opener<'_>) -> Reply {
    let text = shown(bytes);
    let reply = |kind| Reply { kind, encrypted: false, text: text.clone(), message: None, problem: None };
    let unreadable = |problem: String| Reply { problem: Some(problem), ..reply(ReplyKind::Unreadable) };
    let Ok(whole) = std::str::from_utf8(bytes) else { return unreadable("it is not UTF-8".to_owned()) };
    let whole = whole.trim_start_matches('\u{feff}').trim();
    match whole {
        "" => return reply(ReplyKind::Empty),
        "success" => return reply(ReplyKind::Success),
        _ => {}
    }
    let message = match parse(whole) {
        Ok(message) => message,
        Err(problem) => return unreadable(problem),
    };
    let Some(encrypted) = field(&message, "Encrypt") else {
        let problem = (opener.mode == Mode::Security)
            .then(|| "it is not encrypted, although messages are: the vendor takes no such answer".to_owned());
        return Reply { message: Some(message), problem, ..reply(ReplyKind::Message) };
    };
    let opened = open(&message, &encrypted, opener);
    match opened.map(|clear| (parse(clear.trim()), clear)) {
        Ok((Ok(message), clear)) => Reply {
            kind: ReplyKind::Message,
            encrypted: true,
            text: clear.chars().take(SHOWN_BYTES).collect(),
            message: Some(message),
            problem: None,
        },
        Ok((Err(_), clear)) if matches!(clear.trim(), "" | "success") => {
            Reply { encrypted: true, text: clear, ..reply(ReplyKind::Success) }
        }
        Ok((Err(problem), clear)) => Reply { encrypted: true, text: clear, ..unreadable(problem) },
        Err(problem) => Reply { encrypted: true, ..unreadable(problem) },
    }
}

/// The message within `Encrypt`, whose signature must be right.
fn open(message: &Value, encrypted: &str, opener: &Opener<'_>) -> Result<String, String> {
    let key = opener.key.ok_or("it is encrypted, and the callback has no EncodingAESKey")?;
    let needed = |name: &str| field(message, name).ok_or_else(|| format!("it has no {name}"));
    let (sent, timestamp, nonce) = (needed("MsgSignature")?, needed("TimeStamp")?, needed("Nonce")?);
    let ours = signature(&[opener.token, &timestamp, &nonce, encrypted]);
    if !secret::equal(ours.as_bytes(), sent.as_bytes()) {
        return Err("its MsgSignature is wrong".to_owned());
    }
    key.decrypt(encrypted, opener.appid).map_err(|broken| format!("it cannot be decrypted: {broken}"))
}

/// A field as text; JSON has numbers where XML has texts.
fn field(message: &Value, name: &str) -> Option<String> {
    match message.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The fields of a message, in XML or JSON.
fn parse(text: &str) -> Result<Value, String> {
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"));
    }
    let broken = |what: &dyn std::fmt::Display| format!("it is neither empty, nor success, nor XML: {what}");
    let mut reader = Reader::from_str(text);
    // Open elements: name, fields, text.
    let mut open: Vec<(String, Map<String, Value>, String)> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(start) => {
                if open.len() == MAX_DEPTH || root.is_some() {
                    return Err(broken(&"too many elements"));
                }
                open.push((start.name().as_ref().to_owned(), Map::new(), String::new()));
            }
            Event::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                let (_, fields, _) = open.last_mut().ok_or_else(|| broken(&"an empty element"))?;
                add(fields, name, Value::String(String::new()));
            }
            Event::End(_) => {
                let (name, fields, text) = open.pop().ok_or_else(|| broken(&"an end without a start"))?;
                let value =
                    if fields.is_empty() { Value::String(text.trim().to_owned()) } else { Value::Object(fields) };
                match open.last_mut() {
                    Some((_, fields, _)) => add(fields, name, value),
                    None if name == "xml" => root = Some(value),
                    None => return Err(broken(&format!("the root is {name}, not xml"))),
                }
            }
            Event::Text(piece) => push(&mut open, &piece),
            Event::CData(piece) => push(&mut open, &piece),
            Event::GeneralRef(name) => {
                let character = name.resolve_char_ref().map_err(|error| broken(&error))?;
                match (character, resolve_predefined_entity(&name)) {
                    (Some(character), _) => push(&mut open, character.encode_utf8(&mut [0; 4])),
                    (None, Some(text)) => push(&mut open, text),
                    (None, None) => return Err(broken(&format!("an unknown entity {}", &*name))),
                }
            }
            Event::DocType(_) => return Err(broken(&"a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(broken(&"it ends too early"));
    }
    root.ok_or_else(|| broken(&"no element"))
}

fn push(open: &mut [(String, Map<String, Value>, String)], piece: &str) {
    if let Some((_, _, text)) = open.last_mut() {
        text.push_str(piece);
    }
}

/// Adds a field; one that comes again makes a list.
fn add(fields: &mut Map<String, Value>, name: String, value: Value) {
    match fields.get_mut(&name) {
        None => drop(fields.insert(name, value)),
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    #[derive(Deserialize)]
    struct Vectors {
        replies: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        body: String,
        message: String,
    }

    fn opened(body: &str, token: &str, key: Option<&AesKey>, mode: Mode) -> Reply {
        let opener = Opener { token, key, mode, appid: "wx0123456789abcdef" };
        read(&Bytes::from(body.to_owned()), &opener)
    }

    #[test]
    fn an_encrypted_reply_of_a_real_library_is_opened() {
        let text = include_str!("../../../../fixtures/vectors/wechat.json");
        let vectors: Vectors = serde_json::from_str(text).expect("vectors");
        let (key, vector) = (AesKey::parse(KEY), &vectors.replies[0]);
        let reply = opened(&vector.body, "emuToken123", key.as_ref(), Mode::Security);
        assert_eq!((reply.kind, reply.encrypted, reply.text), (ReplyKind::Message, true, vector.message.clone()));
        assert_eq!(reply.message.expect("a message")["Content"], "hello");

        for (about, token, key) in [
            ("wrong token", "other", key.clone()),
            ("wrong key", "emuToken123", AesKey::parse(&"A".repeat(43))),
            ("no key", "emuToken123", None),
        ] {
            let reply = opened(&vector.body, token, key.as_ref(), Mode::Security);
            assert_eq!((reply.kind, reply.message), (ReplyKind::Unreadable, None), "{about}");
            assert!(reply.problem.is_some(), "{about}");
        }
    }

    #[test]
    fn what_applications_answer_is_understood() {
        let kind = |body: &str| opened(body, "t", None, Mode::Plain).kind;
        for (body, expected) in [
            ("", ReplyKind::Empty),
            (" \r\n", ReplyKind::Empty),
            ("success", ReplyKind::Success),
            ("\u{feff}success\n", ReplyKind::Success),
            ("SUCCESS", ReplyKind::Unreadable),
            ("\n  <xml><MsgType>text</MsgType></xml>\n", ReplyKind::Message),
            ("<?xml version=\"1.0\"?><xml><a/></xml>", ReplyKind::Message),
            (r#"{"MsgType":"text"}"#, ReplyKind::Message),
            ("{", ReplyKind::Unreadable),
            ("<html></html>", ReplyKind::Unreadable),
            ("<xml><a></xml>", ReplyKind::Unreadable),
            ("<xml><a>", ReplyKind::Unreadable),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><xml><a>&b;</a></xml>", ReplyKind::Unreadable),
            ("<xml>&nbsp;</xml>", ReplyKind::Unreadable),
            (&format!("{}{}", "<xml>".repeat(17), "</xml>".repeat(17)), ReplyKind::Unreadable),
        ] {
            assert_eq!(kind(body), expected, "{body}");
        }
    }

    #[test]
    fn fields_become_texts_objects_and_lists() {
        let body = "<xml><MsgType><![CDATA[news]]></MsgType><CreateTime>1700000000123</CreateTime><Articles>\
                    <item><Title>a &amp; b&#33;</Title></item><item><Title>2</Title></item></Articles></xml>";
        let reply = opened(body, "t", None, Mode::Plain);
        assert_eq!(
            reply.message,
            Some(json!({
                "MsgType": "news",
                "CreateTime": "1700000000123",
                "Articles": { "item": [{ "Title": "a & b!" }, { "Title": "2" }] },
            }))
        );
        assert!(opened(body, "t", AesKey::parse(KEY).as_ref(), Mode::Security).problem.is_some(), "in the clear");
    }
}
