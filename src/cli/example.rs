//! `qrstack example NAME`: a freshly signed `curl` command. A signature lives minutes, so commands are made, not kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, ExitCode};

use super::settings::SettingsArguments;
use crate::clock::{Clock, Ids};
use crate::server;
use crate::vendor::{Example, ExampleContext};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which one; without it, all of them are listed.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(names()))]
    name: Option<String>,
    /// Run the command instead of printing it.
    #[arg(long)]
    run: bool,
    /// Address of the server, where it is not the one of the settings.
    #[arg(long, value_name = "http://HOST:PORT")]
    base: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

fn names() -> Vec<&'static str> {
    all().map(|example| example.name).collect()
}

/// Every vendor's examples.
pub(super) fn all() -> impl Iterator<Item = &'static Example> {
    server::VENDORS.iter().flat_map(|vendor| vendor.examples)
}

/// Where a client on this machine reaches a server that listens on `listen`.
pub(super) fn base(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(name) = &arguments.name else {
        for example in all() {
            println!("qrstack example {:<14} {}", example.name, example.about);
        }
        return ExitCode::SUCCESS;
    };
    let config = match arguments.settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let base = arguments.base.clone().unwrap_or_else(|| base(config.listen));
    let context = ExampleContext {
        config: &config,
        base: base.trim_end_matches('/'),
        clock: &Clock::system(),
        ids: &Ids::system(),
    };
    let example = all().find(|example| example.name == name).expect("clap let a known name pass");
    let command = (example.command)(&context);
    if !arguments.run {
        println!("{command}");
        return ExitCode::SUCCESS;
    }
    match Command::new("sh").arg("-c").arg(&command).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("qrstack: sh cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}
