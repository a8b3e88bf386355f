//! Sets the log up: to stderr, as text on a terminal, as JSON elsewhere; panics go the same way.

use std::io::{self, IsTerminal};

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
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        log.with_ansi(terminal).init();
    }
    // A panic is one line like all others; who contains it answers for it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic = panic.payload_as_str().unwrap_or("no text"), place, "a panic");
    }));
}
