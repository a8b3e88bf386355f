//! `qrstack products`: fills the catalogue that QueryBarCode answers from, and writes it out. Runs beside a server that
//! is up, which sees what changes at once.
//!
//! `import` exits with 0 when products were imported, or when the file has none; bad lines are skipped, reported on
//! stderr and counted. It exits with 1 when lines were bad and not one was good, or when the file or the store failed.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use super::settings::SettingsArguments;
use crate::config::Config;
use crate::server;
use crate::server::products::{self, Event, Summary};
use crate::store::Access;

/// How much of a file is read at once.
const BUFFER: usize = 1 << 18;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read products from CSV (header: BarCode and the vendor's field names) or JSON lines; known ones are replaced.
    Import {
        /// The file; - is standard input.
        file: PathBuf,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Write all products as CSV.
    Export {
        /// The file; - is standard output.
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        settings: SettingsArguments,
    },
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (What::Import { settings, .. } | What::Export { settings, .. }) = &arguments.what;
    let config = match settings.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let done = super::block_on(async {
        match &arguments.what {
            What::Import { file, .. } => import(&config, file).await,
            What::Export { file, .. } => export(&config, file).await,
        }
    });
    super::exit(done.map_err(Into::into).flatten())
}

async fn import(config: &Config, path: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let (input, length) = open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let store = server::open_store(config, Access::Beside).await?;
    let bar = progress_bar(length);
    let imported = products::import(&store, input, |event| match event {
        Event::BadLine { line, reason } => bar.suspend(|| eprintln!("line {line}: {reason}")),
        Event::Written { bytes } => bar.set_position(bytes),
    })
    .await;
    bar.finish_and_clear();
    store.close().await;
    let Summary { imported, bad } = imported?;
    println!("{imported} products imported, {bad} bad lines skipped");
    Ok(if imported == 0 && bad > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn export(config: &Config, path: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let store = server::open_store(config, Access::Beside).await?;
    let output = create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (count, _output) = products::export(&store, output).await?;
    store.close().await;
    // Standard output may hold the products.
    eprintln!("{count} products exported");
    Ok(ExitCode::SUCCESS)
}

/// The file and its length, where it has one.
fn open(path: &Path) -> io::Result<(Box<dyn BufRead>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::with_capacity(BUFFER, io::stdin())), None));
    }
    let file = File::open(path)?;
    let length = Some(file.metadata()?.len()).filter(|length| *length > 0);
    Ok((Box::new(BufReader::with_capacity(BUFFER, file)), length))
}

fn create(path: &Path) -> io::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    Ok(Box::new(BufWriter::new(File::create(path)?)))
}

/// On a terminal alone.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => {
            (ProgressBar::new(length), "{bar:40} {percent:>3} % of {total_bytes}, {bytes_per_sec}, {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the templates are constants and valid"))
}
