//! The command line: one file a subcommand. Exit codes: 0 done, 1 failed, 2 wrong usage or wrong settings.

mod accuracy;
mod ca;
mod config;
mod decode;
mod doctor;
mod encode;
mod env;
mod example;
mod explain;
mod healthcheck;
mod hosts;
pub mod logging;
mod products;
mod serve;
mod settings;
mod worker;

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use settings::SettingsArguments;

/// Exit code for mistakes of the operator: wrong usage (clap's own) and wrong settings.
const WRONG_USAGE: u8 = 2;

/// Self-hosted server for five QR and barcode APIs, and the tools that go with it.
#[derive(Debug, Parser)]
#[command(name = "qrstack", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: SettingsArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server; what happens without a subcommand.
    Serve(SettingsArguments),
    /// Print the effective settings and where each came from, secrets as ***.
    Config(SettingsArguments),
    /// Print a freshly signed curl command that shows one operation at work.
    Example(example::Arguments),
    /// Print the certificate that clients are to trust, or replace it.
    Ca(ca::Arguments),
    /// Print lines for a hosts file that lead the vendors' names to a server.
    Hosts(hosts::Arguments),
    /// Print variables that make the common runtimes trust this authority and use this server as their proxy.
    Env(env::Arguments),
    /// Look at names, trust, clock and ports as a client has them; exit 1 where something is wrong, with the line that mends it.
    Doctor(doctor::Arguments),
    /// Read a signed request from standard input and say why its signature is refused; exit 0 if it is right.
    Explain(explain::Arguments),
    /// Ask a running server whether it is ready; exit 0 if it is.
    Healthcheck(healthcheck::Arguments),
    /// Fill the catalogue of QueryBarCode, or write it out.
    Products(products::Arguments),
    /// Read the codes in picture files.
    Decode(decode::Arguments),
    /// Print how well a folder of pictures with known texts is read.
    Accuracy(accuracy::Arguments),
    /// Draw a code into a picture file.
    Encode(encode::Arguments),
    /// Read pictures for a server, which starts this itself.
    #[command(hide = true)]
    Worker(worker::Arguments),
}

/// Does to its end on this thread what waits more than it works.
fn block_on<T>(task: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(task))
}

/// The exit code of what was done, or 1 after the error has been printed.
fn exit(done: Result<ExitCode, impl Display>) -> ExitCode {
    done.unwrap_or_else(|error| {
        eprintln!("qrstack: {error}");
        ExitCode::FAILURE
    })
}

/// Does what the command line asks for.
pub fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        None => serve::run(&arguments.settings),
        Some(Command::Serve(settings)) => serve::run(&settings),
        Some(Command::Config(settings)) => config::run(&settings),
        Some(Command::Example(arguments)) => example::run(&arguments),
        Some(Command::Ca(arguments)) => ca::run(&arguments),
        Some(Command::Hosts(arguments)) => hosts::run(&arguments),
        Some(Command::Env(arguments)) => env::run(&arguments),
        Some(Command::Doctor(arguments)) => doctor::run(&arguments),
        Some(Command::Explain(arguments)) => explain::run(&arguments),
        Some(Command::Healthcheck(arguments)) => healthcheck::run(&arguments),
        Some(Command::Products(arguments)) => products::run(&arguments),
        Some(Command::Decode(arguments)) => decode::run(&arguments),
        Some(Command::Accuracy(arguments)) => accuracy::run(&arguments),
        Some(Command::Encode(arguments)) => encode::run(&arguments),
        Some(Command::Worker(arguments)) => worker::run(&arguments),
    }
}
