//! The log as JSON, an object a line: time, level, what the event says, where it says so, and the innermost span.
//!
//! Every request is a line. The formatter that comes with the library makes a value of each field first, and reads what a
//! span says anew for each event; here every field goes straight into the line.

use std::fmt::{self, Debug};

use serde::{Serialize, Serializer as _};
use serde_json::Serializer;
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
        let mut members = Members::default();
        members.add("timestamp", &log_time(Motion::default().now()));
        members.add("level", metadata.level().as_str());
        event.record(&mut members);
        members.add("target", metadata.target());
        if let Some(span) = context.parent_span() {
            let mut own = Members::default();
            own.add("name", span.name());
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>().filter(|fields| !fields.is_empty()) {
                own.0.extend_from_slice(b",");
                own.0.extend_from_slice(fields.fields.as_bytes());
            }
            members.name("span");
            members.0.extend_from_slice(b"{");
            members.0.append(&mut own.0);
            members.0.extend_from_slice(b"}");
        }
        writeln!(out, "{{{}}}", members.text())
    }
}

impl FormatFields<'_> for Json {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'_>, fields: R) -> fmt::Result {
        let mut members = Members::default();
        fields.record(&mut members);
        out.write_str(members.text())
    }

    fn add_fields(&self, current: &mut FormattedFields<Self>, fields: &tracing::span::Record<'_>) -> fmt::Result {
        let mut members = Members(std::mem::take(&mut current.fields).into_bytes());
        fields.record(&mut members);
        current.fields = String::from_utf8(members.0).expect("JSON is UTF-8");
        Ok(())
    }
}

/// Members of an object, without its braces.
struct Members(Vec<u8>);

impl Default for Members {
    fn default() -> Self {
        Self(Vec::with_capacity(LINE))
    }
}

impl Members {
    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.value(name);
        self.0.push(b':');
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        value.serialize(&mut Serializer::new(&mut self.0)).expect("texts and numbers are always JSON");
    }

    fn add(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        self.value(value);
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("JSON is UTF-8")
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field.name());
        let written = Serializer::new(&mut self.0).collect_str(&format_args!("{value:?}"));
        written.expect("texts are always JSON");
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
