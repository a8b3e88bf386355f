//! Sets the log up: to stderr, as text on a terminal, as JSON elsewhere; panics go the same way.
//!
//! Whatever a client sends and a line repeats, it stays one line and moves no cursor: JSON escapes by itself, text is
//! escaped here.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts logging as `config` says.
pub(super) fn start(config: &Config) {
    let filter = EnvFilter::new(&config.log.0);
    let terminal = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let as_json = match config.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    if as_json {
        log.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    } else {
        // The formatter's own colours are the one thing that may steer a terminal; it escapes those of others.
        log.with_ansi(terminal).with_writer(move || OneLine { out: io::stderr(), colours: terminal }).init();
    }
    // A panic is one line like all others; who contains it answers for it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic = panic.payload_as_str().unwrap_or("no text"), place, "a panic");
    }));
}

/// Writes each event as one line without control characters.
struct OneLine<W> {
    out: W,
    /// Whether escape sequences are the formatter's own.
    colours: bool,
}

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole event, as the formatter hands it over: with the line's end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = String::with_capacity(text.len());
        for character in line.chars() {
            match character {
                '\u{1b}' if self.colours => escaped.push(character),
                // Separators of lines and paragraphs, and marks that turn the direction of text, rearrange lines, too.
                '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(escaped, "{}", character.escape_unicode()).map_err(io::Error::other)?;
                }
                control if control.is_control() => {
                    write!(escaped, "{}", control.escape_default()).map_err(io::Error::other)?;
                }
                visible => escaped.push(visible),
            }
        }
        escaped.push('\n');
        self.out.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What the log holds after one event that repeats `text`, as text and as JSON.
    fn logged(text: &str, colours: bool) -> [String; 2] {
        let write = |as_json: bool| {
            let written = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&written);
            let writer = move || -> Box<dyn Write> {
                let out = Sink(Arc::clone(&sink));
                if as_json { Box::new(out) } else { Box::new(OneLine { out, colours }) }
            };
            let log = tracing_subscriber::fmt().with_writer(writer).with_ansi(colours);
            let event = || {
                let span = tracing::info_span!("request", of = text);
                span.in_scope(|| tracing::info!(shown = %text, debugged = ?text, "{text}"));
            };
            if as_json {
                tracing::subscriber::with_default(log.json().flatten_event(true).finish(), event);
            } else {
                tracing::subscriber::with_default(log.finish(), event);
            }
            let bytes = written.lock().expect("no writer panics").clone();
            String::from_utf8(bytes).expect("the log is UTF-8")
        };
        [write(false), write(true)]
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
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
