//! `qrstack ca`: the certificate that clients are to trust, and its replacement.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::settings::SettingsArguments;
use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::fetch;
use crate::server;
use crate::tls::{Keeper, export};

/// How long a server may take to give it.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How it is written: p12 is a trust store for Java.
    #[arg(long, value_enum, default_value_t = Format::Pem)]
    format: Format,
    /// Password of the trust store.
    #[arg(long, default_value = export::PASSWORD)]
    password: String,
    /// Where it is written, instead of stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Put a new authority in place of this one. A running server shows it at once; every client must be told.
    Rotate(SettingsArguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Pem,
    Der,
    P12,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let settings = match &arguments.command {
        Some(Command::Rotate(settings)) => settings,
        None => &arguments.settings,
    };
    let config = match settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let done = match arguments.command {
        Some(Command::Rotate(_)) => rotate(&config),
        None => print(&config, arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("qrstack: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The certificate of the authority in the data folder, which is made if there is none.
pub(super) fn certificate(config: &Config) -> Result<CertificateDer<'static>, String> {
    if config.tls_cert.is_some() {
        return Err("tls_cert is set: clients are to trust whoever signed that certificate".to_owned());
    }
    let keeper = Keeper::open(&config.data_dir, &server::domains(), Clock::system(), &Ids::system());
    keeper.map(|keeper| keeper.current().certificate().clone()).map_err(|error| error.to_string())
}

/// The certificate of the authority that the server at `base` has; none where the operator gave certificates of their own.
pub(super) async fn served(base: &str) -> Result<CertificateDer<'static>, String> {
    let address = format!("{base}/_qrstack/ca.pem");
    let (status, body) = fetch::ask(&address, PATIENCE).await.map_err(|error| format!("{base}: {error}"))?;
    if status != 200 {
        return Err(format!("{address} answers {status}: {}", body.trim()));
    }
    CertificateDer::from_pem_slice(body.as_bytes()).map_err(|error| format!("{address}: {error}"))
}

fn print(config: &Config, arguments: &Arguments) -> Result<(), String> {
    let certificate = certificate(config)?;
    let bytes = match arguments.format {
        Format::Pem => export::pem(&certificate).into_bytes(),
        Format::Der => certificate.to_vec(),
        Format::P12 => export::pkcs12(&[certificate], &arguments.password).map_err(|error| error.to_string())?,
    };
    match &arguments.output {
        Some(path) => std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display())),
        None if arguments.format != Format::Pem && io::stdout().is_terminal() => {
            Err("this format is not for terminals: --output FILE".to_owned())
        }
        None => io::stdout().write_all(&bytes).map_err(|error| error.to_string()),
    }
}

fn rotate(config: &Config) -> Result<(), String> {
    let made = Keeper::rotate(&config.data_dir, &server::domains(), &Clock::system(), &Ids::system());
    let made = made.map_err(|error| error.to_string())?;
    print!("{}", export::pem(made.certificate()));
    eprintln!("qrstack: this is a new authority; clients that trusted the old one are to trust it instead");
    Ok(())
}
