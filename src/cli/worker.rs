//! `qrstack worker`: reads pictures for the server that started it. For nobody else: it talks on a socket.

use std::process::ExitCode;

use crate::work;

/// Arguments of `qrstack worker`: all that a worker gets to know of the settings.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Memory for reading, in MiB.
    #[arg(long)]
    memory_mib: u64,
}

/// Runs `qrstack worker`.
pub fn run(arguments: &Arguments) -> ExitCode {
    work::worker::run(arguments.memory_mib, work::read)
}
