//! `qrstack config`: the effective settings, where each came from, secrets as `***`.

use std::io::Write;
use std::process::ExitCode;

use super::settings::SettingsArguments;

pub(super) fn run(settings: &SettingsArguments) -> ExitCode {
    let config = match settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let mut out = std::io::stdout().lock();
    for (name, value, source) in config.shown() {
        // A reader that has seen enough closes the pipe; that is no failure.
        if writeln!(out, "{name} = {value:?}  # {source}").is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}
