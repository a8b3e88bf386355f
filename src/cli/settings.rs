//! The settings as flags: one for each row of the settings table, so that no flag can be forgotten; and the reading of
//! all layers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::config::{CONFIG_VARIABLE, Config, Mistake, Raw, SETTINGS, Setting};
use crate::server;

/// The flags that were given.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingsArguments {
    file: Option<PathBuf>,
    flags: BTreeMap<String, String>,
}

impl SettingsArguments {
    /// The effective settings: flag, then environment, then file, then default.
    ///
    /// Prints all mistakes to stderr, a line each.
    ///
    /// # Errors
    /// The exit code for wrong settings.
    pub(super) fn load(&self) -> Result<Config, std::process::ExitCode> {
        let config = Config::from_raw(self.read());
        let mistakes = match config {
            Ok(config) => match server::check_settings(&config) {
                mistakes if mistakes.is_empty() => return Ok(config),
                mistakes => mistakes,
            },
            Err(mistakes) => mistakes,
        };
        for mistake in &mistakes {
            eprintln!("qrstack: {mistake}");
        }
        Err(super::WRONG_USAGE.into())
    }

    fn read(&self) -> Raw {
        // A variable that is not UTF-8 is none of ours, or a mistake that its setting will name.
        let environment: BTreeMap<_, _> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        let mut raw = Raw { flags: self.flags.clone(), environment, ..Raw::default() };
        if let Some(path) = self.file.clone().or_else(|| raw.environment.get(CONFIG_VARIABLE).map(PathBuf::from)) {
            match std::fs::read_to_string(&path) {
                Ok(text) => raw.file = Some((path, text)),
                Err(error) => raw.mistakes.push(Mistake::new(&path.display().to_string(), error)),
            }
        }
        raw
    }
}

/// The names of a setting's flags: its own, and for secrets the one that names a file.
fn names(setting: &Setting) -> impl Iterator<Item = String> {
    let file = setting.secret.then(|| format!("{}_file", setting.name));
    std::iter::once(setting.name.to_owned()).chain(file)
}

fn argument(setting: &Setting, name: &str) -> Arg {
    let is_file = name != setting.name;
    let help = if is_file {
        format!("File that holds `{}`, an item a line", setting.name)
    } else if setting.secret {
        setting.about.trim().to_owned()
    } else {
        format!(
            "{} [default: {}]",
            setting.about.trim(),
            if setting.default.is_empty() { "none" } else { setting.default }
        )
    };
    Arg::new(name.to_owned())
        .long(name.replace('_', "-"))
        .value_name(if is_file { "FILE" } else { "VALUE" })
        .help(format!("{help} [env: QRSTACK_{}]", name.to_uppercase()))
        .help_heading("Settings")
}

/// All flags, in the order of the table.
fn arguments() -> impl Iterator<Item = Arg> {
    let file = Arg::new("config_file")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help(format!("Settings file (TOML, the names below with underscores) [env: {CONFIG_VARIABLE}]"))
        .help_heading("Settings");
    let settings = SETTINGS.iter().flat_map(|setting| names(setting).map(|name| argument(setting, &name)));
    std::iter::once(file).chain(settings)
}

impl Args for SettingsArguments {
    /// Nearly every subcommand has all of them: only the one that is called for makes them.
    fn augment_args(command: Command) -> Command {
        command.defer(|command| command.args(arguments()))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingsArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |name: String| matches.get_one::<String>(&name).cloned().map(|value| (name, value));
        let flags = SETTINGS.iter().flat_map(names).filter_map(given).collect();
        Ok(Self { file: matches.get_one::<PathBuf>("config_file").cloned(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
