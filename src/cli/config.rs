//! `qrstack config`: the effective settings, where each came from, secrets as `***`.

use std::process::ExitCode;

use super::settings::SettingsArguments;

pub(super) fn run(settings: &SettingsArguments) -> ExitCode {
    let config = match settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    for (name, value, source) in config.shown() {
        println!("{name} = {value:?}  # {source}");
    }
    ExitCode::SUCCESS
}
