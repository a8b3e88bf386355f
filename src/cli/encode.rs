//! `qrstack encode`: draws a code into a picture file.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::codec::encode::{self, QrOptions};
use crate::codec::render;

/// Quality of a JPEG: large enough that its ripples do not disturb readers.
const JPEG_QUALITY: u8 = 90;

/// Arguments of `qrstack encode`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What the code says.
    text: String,
    /// Where the picture goes; the ending .png, .jpg or .jpeg decides on its format.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Symbology.
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Width of the picture in pixels. Wider where the code does not fit.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=4096))]
    width: u32,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Kind {
    /// QR Code, level M where it fits.
    #[default]
    Qr,
    /// Code 128: up to 80 ASCII characters.
    Code128,
}

/// Runs `qrstack encode`.
pub fn run(arguments: &Arguments) -> ExitCode {
    match draw(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("qrstack encode: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn draw(arguments: &Arguments) -> Result<(), String> {
    let file = &arguments.output;
    let (matrix, quiet_modules) = match arguments.kind {
        Kind::Qr => (encode::qr(&arguments.text, &QrOptions::default()), 4),
        Kind::Code128 => (encode::code128(&arguments.text), 10),
    };
    let matrix = matrix.map_err(|error| error.to_string())?;
    let layout = render::fit(&matrix, arguments.width, quiet_modules, 1);
    if layout.widened {
        eprintln!("qrstack encode: the code needs more; the picture is {} pixels wide", layout.width_px);
    }
    let bitmap = render::place(&matrix, layout.module_px, layout.width_px, layout.height_px);
    let ending = file.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    let bytes = match ending.as_deref() {
        Some("png") => render::png(&bitmap),
        Some("jpg" | "jpeg") => render::jpeg(&bitmap, JPEG_QUALITY),
        _ => return Err(format!("{}: the name must end in .png, .jpg or .jpeg", file.display())),
    };
    std::fs::write(file, bytes).map_err(|error| format!("{}: {error}", file.display()))
}
