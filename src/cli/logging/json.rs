//! The log as JSON, an object a line: time, level, what the event says, where it says so, and the innermost span.
//!
//! Every request is a line. The formatter that comes with the library goes through a serialiser piece by piece, and reads
//! what a span says anew for each event; here a line is put together in one text.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Motion, log_time};

/// Bytes of most lines.
const LINE: usize = 512;

/// Writes events as lines, and fields as members of an object.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = String::with_capacity(LINE);
        line.extend([
            "{\"timestamp\":\"",
            &log_time(Motion::default().now()),
            "\",\"level\":\"",
            metadata.level().as_str(),
        ]);
        line.push('"');
        event.record(&mut Members(&mut line));
        line.push_str(",\"target\":");
        text(&mut line, metadata.target());
        if let Some(span) = context.parent_span() {
            line.push_str(",\"span\":{\"name\":");
            text(&mut line, span.name());
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                line.push_str(&fields.fields);
            }
            line.push('}');
        }
        line.push_str("}\n");
        out.write_str(&line)
    }
}

impl FormatFields<'_> for Json {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'_>, fields: R) -> fmt::Result {
        let mut members = String::with_capacity(LINE / 4);
        fields.record(&mut Members(&mut members));
        out.write_str(&members)
    }

    fn add_fields(&self, current: &mut FormattedFields<Self>, fields: &tracing::span::Record<'_>) -> fmt::Result {
        fields.record(&mut Members(&mut current.fields));
        Ok(())
    }
}

/// Adds each field as a member that is not the first.
struct Members<'a>(&'a mut String);

impl Members<'_> {
    fn name(&mut self, field: &Field) -> &mut String {
        self.0.push(',');
        text(self.0, field.name());
        self.0.push(':');
        self.0
    }

    /// A value that is written in JSON as it is in Rust.
    fn plain(&mut self, field: &Field, value: impl Debug) {
        write!(self.name(field), "{value:?}").expect("memory takes every text");
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, value);
        } else {
            self.name(field).push_str("null");
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        text(self.name(field), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let out = self.name(field);
        out.push('"');
        write!(Escaped(out), "{value:?}").expect("memory takes every text");
        out.push('"');
    }
}

/// Adds a text between quotes.
fn text(out: &mut String, text: &str) {
    out.push('"');
    Escaped(out).write_str(text).expect("memory takes every text");
    out.push('"');
}

/// Takes texts on as they stand between the quotes of JSON.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(place) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            self.0.push_str(&rest[..place]);
            match rest.as_bytes()[place] {
                b'\n' => self.0.push_str("\\n"),
                b'\r' => self.0.push_str("\\r"),
                b'\t' => self.0.push_str("\\t"),
                quoted @ (b'"' | b'\\') => self.0.extend(['\\', quoted.into()]),
                control => write!(self.0, "\\u{control:04x}")?,
            }
            rest = &rest[place + 1..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::written;

    #[test]
    fn a_line_is_an_object_whatever_it_says() {
        for said in ["a", "\"\\/\0\u{8}\t\n\r\u{1f}\u{7f}\u{2028}你\u{10ffff}", ""] {
            let line = written(super::super::json_lines, || {
                let span = tracing::info_span!("request", of = said, later = tracing::field::Empty);
                span.record("later", 7);
                span.in_scope(|| {
                    let (whole, not) = (1.0, f64::NAN);
                    tracing::warn!(text = said, shown = %said, debugged = ?said, whole, not, yes = true, less = -1, "{said}");
                });
            });
            let mut object: Value = serde_json::from_str(&line).expect("JSON");
            let time = object["timestamp"].take();
            assert!(time.as_str().expect("a text").parse::<jiff::Timestamp>().is_ok(), "{line}");
            let expected = json!({
                "timestamp": null,
                "level": "WARN",
                "message": said,
                "text": said,
                "shown": said,
                "debugged": format!("{said:?}"),
                "whole": 1.0,
                "not": null,
                "yes": true,
                "less": -1,
                "target": module_path!(),
                "span": { "name": "request", "of": said, "later": 7 },
            });
            assert_eq!(object, expected, "{line}");
        }
    }

    #[test]
    fn an_event_outside_of_every_span_has_none() {
        let line = written(super::super::json_lines, || tracing::info!("alone"));
        let object: Value = serde_json::from_str(&line).expect("JSON");
        assert!(object.get("span").is_none() && line.ends_with("}\n"), "{line}");
    }
}
