//! Sets the log up: to stderr, as text on a terminal, as JSON elsewhere; panics go the same way.
//!
//! Whatever a client sends and a line repeats, it stays one line and moves no cursor: JSON escapes by itself, text is
//! escaped here.

mod json;

use std::fmt::{self, Debug, Write as _};
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use json::Json;

use crate::config::{Config, LogFormat};

/// Starts logging as `config` says.
pub(super) fn start(config: &Config) {
    let terminal = io::stderr().is_terminal();
    let filter = config.log.0.clone();
    let as_json = match config.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    if as_json {
        json_lines(filter, io::stderr).init();
    } else {
        text_lines(filter, io::stderr, terminal).init();
    }
    // A panic is one line like all others; who contains it answers for it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic = panic.payload_as_str().unwrap_or("no text"), place, "a panic");
    }));
}

/// The log as JSON, an object a line, to `writer`.
pub fn json_lines<W>(filter: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt::layer().with_writer(writer).fmt_fields(Json).event_format(Json);
    tracing_subscriber::registry().with(filter).with(log)
}

/// The log as text, to `writer`.
fn text_lines<W>(filter: Targets, writer: W, colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    tracing_subscriber::registry().with(filter).with(log.fmt_fields(debug_fn(write_field).delimited(" ")))
}

/// Writes a field of an event or a span as the formatter itself would, its value escaped.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        "message" => {}
        // Italic and dim.
        name if writer.has_ansi_escapes() => write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?,
        name => write!(writer, "{name}=")?,
    }
    write!(Escaped(writer), "{value:?}")
}

/// Takes texts on, what would end a line, steer a terminal or rearrange a text escaped.
struct Escaped<W>(W);

impl<W: fmt::Write> fmt::Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            // Separators of lines and paragraphs, and marks that turn the direction of what follows.
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(self.0, "{}", character.escape_unicode())
            }
            control if control.is_control() => write!(self.0, "{}", control.escape_default()),
            visible => self.0.write_char(visible),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    /// What is in the log of `start` after `event`.
    pub(super) fn written<S>(start: impl FnOnce(Targets, Sink) -> S, event: impl FnOnce()) -> String
    where
        S: Subscriber + Send + Sync + 'static,
    {
        let sink = Sink::default();
        tracing::subscriber::with_default(start(Targets::new().with_default(LevelFilter::INFO), sink.clone()), event);
        let bytes = sink.0.lock().expect("no writer panics").clone();
        String::from_utf8(bytes).expect("the log is UTF-8")
    }

    /// What the log holds after one event that repeats `text`, as text and as JSON.
    fn logged(text: &str, colours: bool) -> [String; 2] {
        let event = || {
            let span = tracing::info_span!("request", of = text);
            span.in_scope(|| tracing::info!(shown = %text, debugged = ?text, "{text}"));
        };
        [written(|filter, sink| text_lines(filter, sink, colours), event), written(json_lines, event)]
    }

    /// A log in memory.
    #[derive(Clone, Default)]
    pub(super) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl MakeWriter<'_> for Sink {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_that_is_repeated_forges_a_line_or_steers_a_terminal() {
        for text in [
            "a\nINFO forged",
            "a\r\nb",
            "\u{1b}]0;title\u{7}\u{1b}[2J",
            "\u{9b}31m",
            "\0\u{8}\u{7f}\t\u{b}",
            "\u{2028}\u{2029}\u{202e}",
        ] {
            let [as_text, as_json] = logged(text, false);
            for (line, is_json) in [(as_text, false), (as_json, true)] {
                let inside = line.strip_suffix('\n').expect("a whole line");
                // JSON has no need to escape DEL and what follows it, and no terminal shows it.
                let is_harmful = |c: char| c.is_control() && (!is_json || c < ' ');
                assert!(!inside.contains(is_harmful), "{line:?}");
            }
            let [coloured, _] = logged(text, true);
            let mut rest = coloured.trim_end_matches('\n');
            assert!(rest.chars().all(|c| c == '\u{1b}' || !c.is_control()), "{coloured:?}");
            // What is left are colours: digits and an `m`.
            while let Some((_, after)) = rest.split_once('\u{1b}') {
                let end = after.find('m').expect("a colour");
                assert!(after[1..end].chars().all(|c| c.is_ascii_digit() || c == ';'), "{coloured:?}");
                rest = after;
            }
        }
    }
}
