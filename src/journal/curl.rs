//! An entry as a command that sends its request again. Secrets are masked in it; whoever runs it puts their own there.

use std::fmt::Write as _;

use super::Entry;
use super::view::{Content, View};
use crate::shell;

/// Headers that curl writes itself.
const OWN: [&str; 4] = ["content-length", "connection", "transfer-encoding", "expect"];

/// A command for a POSIX shell. A body that is no text, or is not all here, is read from a file named by its digest.
///
/// # Panics
/// Never: memory takes every text.
pub fn command(entry: &Entry) -> String {
    let view = View::of(entry);
    let header = |name: &str| view.request.headers.iter().find(|header| header.name == name);
    let target = &view.summary.target;
    let url = if target.starts_with('/') {
        let host = header("host").map_or("127.0.0.1", |host| host.value.as_str());
        format!("http://{host}{target}")
    } else {
        target.clone()
    };
    let mut command = format!("curl -sS -X {} {}", shell::word(&view.summary.method), shell::word(&url));
    let mut add = |option: &str, word: &str| {
        write!(command, " {option} {}", shell::word(word)).expect("memory takes every text");
    };
    let body = &view.request.body;
    for header in &view.request.headers {
        // The boundary of a form is curl's own.
        let is_boundary = body.parts.is_some() && header.name == "content-type";
        if header.name != "host" && !OWN.contains(&header.name.as_str()) && !is_boundary {
            add("-H", &format!("{}: {}", header.name, header.value));
        }
    }
    match &body.parts {
        Some(parts) => {
            for part in parts {
                match file(&part.content) {
                    Some(file) => add("-F", &format!("{}=@{file}", part.name)),
                    None => add(
                        "--form-string",
                        &format!("{}={}", part.name, part.content.text.as_deref().unwrap_or_default()),
                    ),
                }
            }
        }
        None => match (file(body), &body.text) {
            (Some(file), _) => add("--data-binary", &format!("@{file}")),
            (None, Some(text)) => add("--data-raw", text),
            (None, None) => {}
        },
    }
    command
}

/// The file that stands for a body.
fn file(content: &Content) -> Option<String> {
    content.sha256.as_ref().map(|digest| format!("body-{}", &digest[..12]))
}
