//! Sets the log up: to stderr, as text on a terminal, as JSON elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat, Mistake};

/// Starts logging as `config` says.
///
/// # Errors
/// Where the filter does not parse.
pub(super) fn start(config: &Config) -> Result<(), Mistake> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| Mistake::new("log", error))?;
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
    Ok(())
}
