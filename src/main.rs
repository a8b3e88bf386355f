//! Parses the command line, calls [`qrstack::cli`], sets the exit code; nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    qrstack::cli::run(qrstack::cli::Arguments::parse())
}
