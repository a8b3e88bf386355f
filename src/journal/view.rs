//! An entry as it is shown: masked, pictures as digests, bodies as far as somebody can read them.

use axum::body::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::mask::Masker;
use super::{Entry, Head};
use crate::explain::{Canonical, Explanation};
use crate::intake::form;
use crate::underway::Kept;

/// An entry without its messages.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Its number.
    pub id: u64,
    /// When the request came, in real time (RFC 3339).
    pub at: String,
    /// From its head to its answer.
    pub elapsed_ms: f64,
    /// Whose it was; `none` where it was nobody's.
    pub vendor: String,
    /// What it asked for.
    pub operation: String,
    /// Its method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// The vendor's code; `ok` for successes, empty where no vendor answered.
    pub code: String,
    /// The credential that it named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// What it was about: texts to be drawn, scenes, addresses, numbers.
    pub content: Vec<String>,
    /// The fault that it met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// An entry with its messages.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// What can be said in a line.
    #[serde(flatten)]
    pub summary: Summary,
    /// Why its signature was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
    /// What was sent.
    pub request: Message,
    /// What was answered, before any fault damaged it.
    pub answer: Message,
}

/// A request or an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// All headers in their order.
    pub headers: Vec<Header>,
    /// Its body.
    pub body: Content,
}

/// A header.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// Lower-case.
    pub name: String,
    /// As sent, secrets masked.
    pub value: String,
}

/// A body, or a part of one.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Content {
    /// Bytes that passed.
    pub size: u64,
    /// Whether its end passed: nobody waits for a body that does not matter.
    pub complete: bool,
    /// Its type as sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The text, where it is one. Of a long text the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// SHA-256 in hexadecimal, where it is no text or not all of it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The parts of a form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Part>>,
}

/// A part of a form.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Whether it has a file name.
    pub is_file: bool,
    /// What is in it.
    #[serde(flatten)]
    pub content: Content,
}

impl Summary {
    /// Of an entry.
    pub fn of(entry: &Entry) -> Self {
        let mut masker = Masker::default();
        let [method, target, _] = entry.request.line();
        let target = masker.target(&target);
        let content = entry.content.iter().map(|text| masker.named(text)).collect::<Vec<_>>();
        Self {
            id: entry.id,
            at: entry.at.to_string(),
            elapsed_ms: (entry.elapsed.as_secs_f64() * 1e6).round() / 1e3,
            vendor: entry.vendor.clone(),
            operation: entry.operation.clone(),
            method: method.into_owned(),
            target: masker.known(target),
            status: entry.status,
            code: entry.code.clone(),
            credential: entry.credential.clone(),
            content: content.into_iter().map(|text| masker.known(text)).collect(),
            fault: entry.fault.clone(),
        }
    }
}

impl View {
    /// Of an entry.
    pub fn of(entry: &Entry) -> Self {
        let mut masker = Masker::default();
        masker.target(&entry.request.line()[1]);
        let request = message(&entry.request, &entry.request_body, &mut masker);
        let answer = message(&entry.answer, &entry.answer_body, &mut masker);
        let mut view =
            Self { summary: Summary::of(entry), explanation: entry.explanation.as_deref().cloned(), request, answer };
        // What one message names may stand in the other.
        view.each_text(&mut |text| *text = masker.known(std::mem::take(text)));
        view
    }

    /// Everything in it that can be searched.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let messages = [&self.request, &self.answer];
        let headers = messages.into_iter().flat_map(|message| &message.headers).map(|header| header.value.as_str());
        let bodies = messages.into_iter().flat_map(|message| message.body.texts());
        [self.summary.target.as_str()].into_iter().chain(headers).chain(bodies)
    }

    /// Calls `change` with every text that came from outside.
    fn each_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        let Self { summary, explanation, request, answer } = self;
        change(&mut summary.target);
        summary.content.iter_mut().for_each(&mut *change);
        for message in [request, answer] {
            message.headers.iter_mut().for_each(|header| change(&mut header.value));
            message.body.each_text(change);
        }
        if let Some(Explanation { ours, theirs, difference, mistakes, .. }) = explanation {
            for Canonical { canonical_request, string_to_sign } in [ours, theirs].into_iter().flatten() {
                change(canonical_request);
                change(string_to_sign);
            }
            if let Some(difference) = difference {
                change(&mut difference.ours);
                change(&mut difference.theirs);
            }
            for mistake in mistakes {
                change(&mut mistake.about);
            }
        }
    }
}

impl Content {
    fn of(bytes: &[u8], media_type: &str, masker: &mut Masker) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(|text| masker.named(text));
        let sha256 = if text.is_some() { None } else { Some(hex::encode(Sha256::digest(bytes))) };
        let media_type = media_type.to_owned();
        Self { size: bytes.len() as u64, complete: true, media_type, text, sha256, parts: None }
    }

    fn texts(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let parts = self
            .parts
            .iter()
            .flatten()
            .flat_map(|part| [part.name.as_str()].into_iter().chain(part.content.text.as_deref()));
        Box::new(self.text.as_deref().into_iter().chain(parts))
    }

    fn each_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        self.text.iter_mut().for_each(&mut *change);
        for part in self.parts.iter_mut().flatten() {
            change(&mut part.name);
            part.content.each_text(change);
        }
    }
}

fn message(head: &Head, kept: &Kept, masker: &mut Masker) -> Message {
    let headers = head
        .headers()
        .map(|(name, value)| Header { value: masker.header(&name, &value), name: name.into_owned() })
        .collect();
    let media_type = head.header("content-type").unwrap_or_default();
    Message { headers, body: body(kept, &media_type, masker) }
}

fn body(kept: &Kept, media_type: &str, masker: &mut Masker) -> Content {
    let bytes = kept.joined();
    let mut content = Content { size: kept.size(), complete: kept.is_complete(), ..Content::default() };
    if kept.size() == 0 {
        return content;
    }
    media_type.clone_into(&mut content.media_type);
    if kept.is_whole() && kept.is_complete() && media_type.to_ascii_lowercase().starts_with("multipart/form-data") {
        content.parts = parts(media_type, bytes.clone(), masker);
        if content.parts.is_some() {
            return content;
        }
    }
    let text = if kept.is_whole() { std::str::from_utf8(&bytes).ok() } else { beginning(&bytes) };
    // Neither broken text nor a form that cannot be read is taken apart: its secrets have no names.
    content.text = text.map(|text| masker.named(text));
    if content.text.is_none() || !kept.is_whole() {
        content.sha256 = Some(kept.digest());
    }
    content
}

/// The text that a cut body begins with, if it is one.
fn beginning(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // Cut within a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

fn parts(content_type: &str, body: Bytes, masker: &mut Masker) -> Option<Vec<Part>> {
    let parts = form::parts(content_type, body).ok()?;
    let shown = parts.into_iter().map(|part| {
        let is_secret = crate::secret::is_secret_name(&part.name);
        let mut content = Content::of(&part.bytes, &part.content_type, masker);
        if is_secret {
            content.text = Some(super::mask::MASK.to_owned());
        }
        Part { name: part.name, is_file: part.has_file_name, content }
    });
    Some(shown.collect())
}
