//! The parameters of an action, whichever way they came: JSON, multipart, urlencoded.

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Map, Value};

use super::action::Action;
use super::error::Error;
use super::received::{COMMON, Received, Style, header, repeated};
use crate::intake::form::{self, Part};
use crate::intake::{self, query};

/// The parameters of a request by name, the common ones left out.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, Given)>);

/// What a client gave for one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Text(String),
    /// A binary part of a form.
    Raw(Bytes),
    /// A number, a list, text that is not UTF-8 …: nothing that the two actions take.
    Other,
}

impl Parameters {
    /// Reads the parameters of `received`.
    pub(super) fn of(received: Received) -> Result<Self, Error> {
        let Received { parts, body, style } = received;
        let pairs = match style {
            Style::V1(pairs) => pairs.into_iter().filter(|(name, _)| !COMMON.contains(&name.as_str())).collect(),
            Style::Tc3 if parts.method == Method::GET => {
                query::owned_pairs(parts.uri.query().unwrap_or_default()).map_err(|_| Error::InvalidBody)?
            }
            Style::Tc3 => match intake::content_type(&parts.headers).as_str() {
                "multipart/form-data" => {
                    let content_type = header(&parts.headers, "content-type").unwrap_or_default();
                    return Ok(Self(form::parts(content_type, body)?.into_iter().map(given_part).collect()));
                }
                // Recorded: the SDKs' octet-stream calls put a file into the body, and parameters nowhere that the two
                // actions read. captures/tencent_ocr/tencentcloud-python-octet-stream
                "application/octet-stream" => Vec::new(),
                // What `curl -d '{…}'` says of its JSON.
                "application/x-www-form-urlencoded" if !body.trim_ascii_start().starts_with(b"{") => {
                    let text = std::str::from_utf8(&body).map_err(|_| Error::InvalidBody)?;
                    query::owned_pairs(text).map_err(|_| Error::InvalidBody)?
                }
                _ => return Self::from_json(&body),
            },
        };
        Ok(Self(pairs.into_iter().map(|(name, value)| (name, Given::Text(value))).collect()))
    }

    fn from_json(body: &[u8]) -> Result<Self, Error> {
        let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Error::InvalidBody)?;
        Ok(Self(fields.into_iter().filter_map(|(name, value)| Some((name, given_value(value)?))).collect()))
    }

    /// Refuses parameters that `action` does not have.
    pub(super) fn check_known(&self, action: Action) -> Result<(), Error> {
        match self.0.iter().find(|(name, _)| !action.parameters().contains(&name.as_str())) {
            Some((name, _)) => Err(Error::UnknownParameter(repeated(name).into())),
            None => Ok(()),
        }
    }

    /// The texts that a call of `action` is about.
    pub(super) fn content(&self, action: Action) -> Vec<&str> {
        let is_content = |name: &String| action.content().contains(&name.as_str());
        let texts = self.0.iter().filter(|(name, _)| is_content(name)).map(|(_, given)| match given {
            Given::Text(text) => Some(text.as_str()),
            Given::Raw(_) | Given::Other => None,
        });
        texts.flatten().collect()
    }

    /// Takes a parameter out, whatever it is; the first where a name is repeated.
    pub(super) fn take(&mut self, name: &str) -> Option<Given> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a parameter out that must be a text.
    pub(super) fn take_text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Given::Text(text)) => Ok(Some(text)),
            Some(Given::Raw(_) | Given::Other) => Err(Error::InvalidParameter(name.into())),
        }
    }
}

/// `null` is the same as nothing: some clients write out every field that they have.
fn given_value(value: Value) -> Option<Given> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Given::Text(text)),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(Given::Other),
    }
}

/// Recorded: binary parts have a file name (Python, Java, PHP) or the type `application/octet-stream` (Node.js); parts
/// of type `application/json` hold lists and objects; text parts have neither.
fn given_part(part: Part) -> (String, Given) {
    let given = match part.content_type.as_str() {
        "application/json" => serde_json::from_slice(&part.bytes).ok().and_then(given_value).unwrap_or(Given::Other),
        "" | "text/plain" if !part.has_file_name => match String::from_utf8(part.bytes.into()) {
            Ok(text) => Given::Text(text),
            Err(_) => Given::Other,
        },
        _ => Given::Raw(part.bytes),
    };
    (part.name, given)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;

    use super::*;
    use crate::intake::Intake;

    async fn read(method: &str, target: &str, content_type: &str, body: &[u8]) -> Result<Parameters, Error> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("X-TC-Action", "QrcodeOCR")
            .header("Content-Type", content_type)
            .body(Body::from(body.to_vec()))
            .expect("valid");
        Parameters::of(Received::take(request, &Intake::new(16)).await?)
    }

    #[tokio::test]
    async fn a_parameter_is_found_whichever_way_it_came() {
        let form = "--x\r\nContent-Disposition: form-data; name=\"ImageUrl\"\r\n\r\n中\r\n--x--\r\n";
        for (method, target, content_type, body) in [
            ("POST", "/?ImageUrl=other", "application/json; charset=utf-8", r#"{"ImageUrl":"中"}"#),
            ("POST", "/", "application/x-www-form-urlencoded", r#" {"ImageUrl":"\u4e2d"}"#),
            ("POST", "/", "application/x-www-form-urlencoded", "ImageUrl=%E4%B8%AD"),
            ("POST", "/", "multipart/form-data; boundary=x", form),
            ("GET", "/?ImageUrl=%E4%B8%AD", "application/x-www-form-urlencoded", ""),
        ] {
            let mut read = read(method, target, content_type, body.as_bytes()).await.expect("parameters");
            assert_eq!(read.take_text("ImageUrl"), Ok(Some("中".to_owned())), "{content_type} {body}");
            assert_eq!(read.take_text("ImageUrl"), Ok(None));
        }
    }

    #[tokio::test]
    async fn broken_bodies_are_told_apart() {
        const JSON: &str = "application/json";
        for (content_type, body, expected) in [
            (JSON, &b"{"[..], Error::InvalidBody),
            (JSON, b"", Error::InvalidBody),
            (JSON, b"[]", Error::InvalidBody),
            (JSON, b"\"x\"", Error::InvalidBody),
            (JSON, b"{\"a\":\"\xff\"}", Error::InvalidBody),
            ("text/plain", b"x", Error::InvalidBody),
            ("application/x-www-form-urlencoded", b"a=%zz", Error::InvalidBody),
            ("multipart/form-data", b"x", Error::InvalidRequest),
            ("multipart/form-data; boundary=x", b"--x\r\nContent-Disp", Error::InvalidRequest),
        ] {
            let refused = read("POST", "/", content_type, body).await.err();
            assert_eq!(refused, Some(expected), "{content_type} {}", String::from_utf8_lossy(body));
        }
        let deep = "[".repeat(100_000);
        assert_eq!(read("POST", "/", JSON, deep.as_bytes()).await.err(), Some(Error::InvalidBody));
    }

    #[tokio::test]
    async fn parts_are_binary_by_their_file_name_or_type() {
        let part = |head: &str, body: &[u8]| {
            let head = format!("--x\r\nContent-Disposition: form-data; name=\"a\"{head}\r\n\r\n");
            [head.as_bytes(), body, b"\r\n--x--\r\n"].concat()
        };
        for (head, body, expected) in [
            ("", &b"text"[..], Given::Text("text".to_owned())),
            ("", b"\xff", Given::Other),
            ("; filename=\"a\"", b"raw", Given::Raw(Bytes::from_static(b"raw"))),
            ("\r\nContent-Type: application/octet-stream", b"raw", Given::Raw(Bytes::from_static(b"raw"))),
            ("\r\nContent-Type: text/plain; charset=utf-8", b"text", Given::Text("text".to_owned())),
            ("\r\nContent-Type: application/json", b"[1]", Given::Other),
            ("\r\nContent-Type: application/json", b"\"text\"", Given::Text("text".to_owned())),
        ] {
            let mut read = read("POST", "/", "multipart/form-data; boundary=x", &part(head, body)).await.expect("read");
            assert_eq!(read.take("a"), Some(expected), "{head}");
        }
    }

    #[tokio::test]
    async fn types_and_names_are_checked() {
        let body = r#"{"ImageUrl":1,"BarCode":null,"Foo":{}}"#;
        let mut read = read("POST", "/", "application/json", body.as_bytes()).await.expect("parameters");
        assert_eq!(read.check_known(Action::QrcodeOcr), Err(Error::UnknownParameter("Foo".into())));
        assert_eq!(read.take_text("ImageUrl"), Err(Error::InvalidParameter("ImageUrl".into())));
        assert_eq!(read.take_text("BarCode"), Ok(None));
    }
}
