//! The command line: one file per subcommand. Exit codes: 0 done, 1 failed, 2 wrong usage (clap's own).

mod decode;
mod encode;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Self-hosted server for five QR and barcode APIs, and the tools that go with it.
#[derive(Debug, Parser)]
#[command(name = "qrstack", arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the codes in picture files.
    Decode(decode::Arguments),
    /// Draw a code into a picture file.
    Encode(encode::Arguments),
}

/// Does what the command line asks for.
pub fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Encode(arguments) => encode::run(&arguments),
    }
}
