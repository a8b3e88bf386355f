//! Where values come from: flag, then environment, then file, then default; and what is wrong with them.
//!
//! What a value means is `value.rs`; which settings exist is `mod.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::Setting;
use super::value::Value;

/// The variable that names the settings file, beside the flag `--config`.
pub const CONFIG_VARIABLE: &str = "QRSTACK_CONFIG";

const PREFIX: &str = "QRSTACK_";

/// Where an effective value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag,
    /// An environment variable.
    Environment,
    /// The settings file at this path.
    File(PathBuf),
    /// The built-in default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A mistake in the settings, in a sentence for the operator that names the setting. Never shows the value of a secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake(String);

impl Mistake {
    /// A mistake about `setting`, named as the operator wrote it.
    pub fn new(setting: &str, what: impl fmt::Display) -> Self {
        Self(format!("{setting}: {what}"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The layers as found, before anything is checked.
#[derive(Default)]
pub struct Raw {
    /// Flags by name of the setting (or `<name>_file`).
    pub flags: BTreeMap<String, String>,
    /// The whole environment; only names with the prefix count.
    pub environment: BTreeMap<String, String>,
    /// Path and text of the settings file.
    pub file: Option<(PathBuf, String)>,
    /// What was wrong before the layers were complete, for instance a settings file that cannot be read.
    pub mistakes: Vec<Mistake>,
}

/// The layers with known names alone, and what has come of them.
pub(super) struct Layers {
    /// Strongest first.
    found: Vec<Layer>,
    bounds: &'static [Bounds],
    /// Where the values came from that were taken, but for defaults.
    pub(super) sources: BTreeMap<&'static str, Source>,
    /// What is wrong.
    pub(super) mistakes: Vec<Mistake>,
}

/// The least and the greatest number that a setting takes.
pub(super) type Bounds = (&'static str, RangeInclusive<u64>);

struct Layer {
    source: Source,
    values: BTreeMap<String, String>,
}

impl Layer {
    /// The setting's name as the operator wrote it in this layer.
    fn spelled(&self, name: &str) -> String {
        match &self.source {
            Source::Flag => format!("--{}", name.replace('_', "-")),
            Source::Environment => format!("{PREFIX}{}", name.to_uppercase()),
            Source::File(_) | Source::Default => name.to_owned(),
        }
    }
}

impl Raw {
    /// Sorts out unknown names.
    pub(super) fn check(self, settings: &[Setting], bounds: &'static [Bounds]) -> Layers {
        let mut mistakes = self.mistakes;
        let known: BTreeSet<String> = settings
            .iter()
            .flat_map(|setting| {
                let file = setting.secret.then(|| format!("{}_file", setting.name));
                std::iter::once(setting.name.to_owned()).chain(file)
            })
            .collect();

        // The command line knows its flags itself; settings given by code come this way too.
        for name in self.flags.keys().filter(|name| !known.contains(*name)) {
            mistakes.push(Mistake::new(name, "no such setting"));
        }

        let mut environment = BTreeMap::new();
        for (variable, value) in self.environment {
            let Some(name) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else { continue };
            if known.contains(&name) {
                environment.insert(name, value);
            } else if variable != CONFIG_VARIABLE && !is_service_link(&name, &value) {
                mistakes.push(Mistake::new(&variable, "no such setting"));
            }
        }

        let mut found = vec![
            Layer { source: Source::Flag, values: self.flags },
            Layer { source: Source::Environment, values: environment },
        ];
        if let Some((path, text)) = self.file {
            let values = read_toml(&path, &text, &known, &mut mistakes);
            found.push(Layer { source: Source::File(path), values });
        }
        Layers { found, bounds, sources: BTreeMap::new(), mistakes }
    }
}

/// Docker links and Kubernetes put the address of a service called `qrstack` into such variables of every container.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = value.contains("://");
    match name {
        "port" => is_address,
        "name" => value.starts_with('/'),
        _ => {
            name.starts_with("service_host")
                || name.starts_with("service_port")
                || (name.starts_with("port_") && is_port_part(name))
        }
    }
}

/// `port_8080_tcp` and what follows it.
fn is_port_part(name: &str) -> bool {
    let mut parts = name.split('_').skip(1);
    parts.next().is_some_and(|number| number.parse::<u16>().is_ok())
        && parts.next().is_some_and(|protocol| matches!(protocol, "tcp" | "udp"))
}

fn read_toml(
    path: &Path,
    text: &str,
    known: &BTreeSet<String>,
    mistakes: &mut Vec<Mistake>,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            mistakes.push(Mistake::new(&path.display().to_string(), error.message()));
            return values;
        }
    };
    for (name, value) in table {
        if !known.contains(&name) {
            mistakes.push(Mistake::new(&name, format_args!("no such setting, in {}", path.display())));
            continue;
        }
        match plain_text(&value) {
            Some(text) => drop(values.insert(name, text)),
            None => mistakes.push(Mistake::new(&name, "takes a text, a number, true or false, or a list of these")),
        }
    }
    values
}

/// A value of the file as one would write it in the environment; lists are joined by commas.
fn plain_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) => Some(items.iter().map(plain_text).collect::<Option<Vec<_>>>()?.join(",")),
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

impl Layers {
    /// The value of `name` from the strongest layer that has it; a note is kept of which one that was, and of what is
    /// wrong with it.
    pub(super) fn take<T: Value>(&mut self, name: &'static str, default: &str) -> Option<T> {
        let (spelled, text) = self.find(name, default)?;
        match text.and_then(|text| T::parse(&text)) {
            Ok(value) => self.is_within(name, &spelled, value.number()).then_some(value),
            Err(why) => {
                self.mistakes.push(Mistake::new(&spelled, why));
                None
            }
        }
    }

    /// The text of `name`, and the setting's name as the operator wrote it.
    fn find(&mut self, name: &'static str, default: &str) -> Option<(String, Result<String, String>)> {
        let file_name = format!("{name}_file");
        for layer in &self.found {
            let (spelled, text) = match (layer.values.get(name), layer.values.get(&file_name)) {
                (None, None) => continue,
                (Some(_), Some(_)) => {
                    let both = format!("{} and {}", layer.spelled(name), layer.spelled(&file_name));
                    self.mistakes.push(Mistake::new(&both, "give one of the two"));
                    return None;
                }
                (Some(text), None) => (layer.spelled(name), Ok(text.trim().to_owned())),
                (None, Some(path)) => (layer.spelled(&file_name), read_list(Path::new(path))),
            };
            self.sources.insert(name, layer.source.clone());
            return Some((spelled, text));
        }
        Some((name.to_owned(), Ok(default.to_owned())))
    }

    fn is_within(&mut self, name: &str, spelled: &str, number: Option<u64>) -> bool {
        let bounds = self.bounds.iter().find(|(bounded, _)| *bounded == name);
        let (Some((_, bounds)), Some(number)) = (bounds, number) else { return true };
        let is_within = bounds.contains(&number);
        if !is_within {
            let what = format!("{number} is not within {} and {}", bounds.start(), bounds.end());
            self.mistakes.push(Mistake::new(spelled, what));
        }
        is_within
    }
}

/// A file with one item a line; empty lines and lines that begin with `#` do not count.
fn read_list(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.flat_map(|line| [line, "\n"]).collect())
}
