//! `qrstack decode`: reads the codes in picture files and prints them, as lines of JSON or for people.
//!
//! Corners are in pixels of the picture as stored (EXIF orientation not applied). Exit code 0 when every file could be
//! loaded, 1 when one could not.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cpu_time::ThreadTime;
use serde::Serialize;

use crate::codec::{self, Budget, Kinds, Limits, Symbol};

/// Arguments of `qrstack decode`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print one JSON object a file, in order.
    #[arg(long)]
    jsonl: bool,
    /// Pictures: PNG, JPEG, GIF, WebP or BMP.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// One file's line of `--jsonl`.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    /// The argument, unchanged.
    file: &'a str,
    /// Of the stored picture; 0 where it could not be loaded.
    width: u32,
    height: u32,
    pub(super) symbols: Vec<Found>,
    /// CPU time, file bytes to grey pixels.
    pub(super) load_ms: f64,
    /// CPU time, grey pixels to symbols.
    pub(super) decode_ms: f64,
    /// Why there is nothing, for people.
    pub(super) error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Found {
    kind: &'static str,
    pub(super) text: String,
    /// Hex of the payload, where it is not the UTF-8 of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    corners: Option<[Corner; 4]>,
}

#[derive(Debug, Serialize)]
struct Corner {
    x: f64,
    y: f64,
}

/// Runs `qrstack decode`.
pub fn run(arguments: &Arguments) -> ExitCode {
    warm_up();
    let mut out = io::stdout().lock();
    let mut failed = false;
    for file in &arguments.files {
        let name = file.to_string_lossy();
        let line = line(&name, file);
        failed |= line.error.is_some();
        let printed = if arguments.jsonl { print_json(&mut out, &line) } else { print_plain(&mut out, &line) };
        if printed.and_then(|()| out.flush()).is_err() {
            // Whoever read our output has gone.
            return ExitCode::FAILURE;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Reads a tiny symbol once, so that tables built at first use count for no file.
pub(super) fn warm_up() {
    if let Ok(matrix) = codec::encode::qr("0", &codec::encode::QrOptions::default()) {
        let picture = codec::render::png(&codec::render::place(&matrix, 3, 87, 87));
        if let Ok(loaded) = codec::load(&picture, &Limits::default()) {
            codec::read(&loaded.luma, Kinds::ALL, &Budget::default());
        }
    }
}

pub(super) fn line<'a>(name: &'a str, file: &Path) -> Line<'a> {
    let mut line =
        Line { file: name, width: 0, height: 0, symbols: Vec::new(), load_ms: 0.0, decode_ms: 0.0, error: None };
    let limits = Limits::default();
    let bytes = match contents(file, limits.max_bytes) {
        Ok(bytes) => bytes,
        Err(error) => {
            line.error = Some(error.to_string());
            return line;
        }
    };
    // A decoder that panics on an odd picture costs that picture, not the files after it.
    if catch_unwind(AssertUnwindSafe(|| fill(&mut line, &bytes, &limits))).is_err() {
        line.error = Some("the reader panicked".to_owned());
    }
    line
}

/// At most one byte more than `max_bytes`, which is enough for `load` to refuse it.
fn contents(file: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn fill(line: &mut Line<'_>, bytes: &[u8], limits: &Limits) {
    let start = ThreadTime::now();
    let loaded = codec::load(bytes, limits);
    line.load_ms = milliseconds(start);
    match loaded {
        Ok(loaded) => {
            line.width = loaded.luma.width();
            line.height = loaded.luma.height();
            let start = ThreadTime::now();
            let reading = codec::read(&loaded.luma, Kinds::ALL, &Budget::default());
            line.decode_ms = milliseconds(start);
            line.symbols = reading.symbols.into_iter().map(Found::from).collect();
        }
        Err(error) => line.error = Some(error.to_string()),
    }
}

/// CPU milliseconds of this thread since `start`, to the microsecond.
fn milliseconds(start: ThreadTime) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

impl From<Symbol> for Found {
    fn from(symbol: Symbol) -> Self {
        let corners =
            symbol.corners.map(|corners| corners.0.map(|p| Corner { x: hundredths(p.x), y: hundredths(p.y) }));
        let bytes = (symbol.bytes != symbol.text.as_bytes()).then(|| hex::encode(&symbol.bytes));
        Self { kind: symbol.kind.name(), text: symbol.text, bytes, corners }
    }
}

fn hundredths(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

fn print_json(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn print_plain(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    if let Some(error) = &line.error {
        return writeln!(out, "{}: {error}", line.file);
    }
    let count = line.symbols.len();
    let codes = if count == 1 { "code" } else { "codes" };
    writeln!(
        out,
        "{}: {} × {}, {count} {codes}, loaded in {:.1} ms, read in {:.1} ms",
        line.file, line.width, line.height, line.load_ms, line.decode_ms
    )?;
    for symbol in &line.symbols {
        // Escaped, so that a code's content cannot steer the terminal.
        write!(out, "  {} \"{}\"", symbol.kind, symbol.text.escape_debug())?;
        match &symbol.corners {
            Some([a, b, c, d]) => writeln!(
                out,
                "  ({:.0},{:.0}) ({:.0},{:.0}) ({:.0},{:.0}) ({:.0},{:.0})",
                a.x, a.y, b.x, b.y, c.x, c.y, d.x, d.y
            )?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Kind;
    use crate::codec::{encode, render};

    fn json(file: &Path) -> serde_json::Value {
        let name = file.to_string_lossy();
        let mut out = Vec::new();
        print_json(&mut out, &line(&name, file)).expect("memory");
        assert_eq!(out.pop(), Some(b'\n'));
        assert!(!out.contains(&b'\n'), "one line a file");
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn a_picture_is_a_line_with_its_symbols_and_times() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("code.png");
        let matrix = encode::qr("你好", &encode::QrOptions::default()).expect("short");
        std::fs::write(&file, render::png(&render::place(&matrix, 10, 300, 300))).expect("written");
        let line = json(&file);
        let keys: Vec<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut expected = ["file", "width", "height", "symbols", "load_ms", "decode_ms", "error"];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(line["file"], *file.to_string_lossy());
        assert_eq!((&line["width"], &line["height"]), (&300.into(), &300.into()));
        assert!(line["error"].is_null());
        let symbol = &line["symbols"][0];
        assert_eq!((&symbol["kind"], &symbol["text"]), (&"QR_CODE".into(), &"你好".into()));
        assert!(symbol.get("bytes").is_none(), "the payload is the text's UTF-8");
        // 21 modules of 10 pixels in the middle of 300.
        let corner = |i: usize, axis: &str| symbol["corners"][i][axis].as_f64().expect("a number");
        for (i, (x, y)) in [(45.0, 45.0), (255.0, 45.0), (255.0, 255.0), (45.0, 255.0)].into_iter().enumerate() {
            assert!((corner(i, "x") - x).abs() < 5.0 && (corner(i, "y") - y).abs() < 5.0, "{symbol}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_line_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().join("text.png");
        std::fs::write(&text, "no picture").expect("written");
        for file in [text, folder.path().join("absent.png")] {
            let line = json(&file);
            assert!(line["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
            assert_eq!(line["symbols"], serde_json::json!([]));
        }
    }

    #[test]
    fn payloads_that_are_not_the_text_are_shown_in_hex() {
        let symbol =
            Symbol {
                kind: Kind::QrCode, text: "你好".to_owned(), bytes: vec![0xC4, 0xE3, 0xBA, 0xC3], corners: None
            };
        assert_eq!(Found::from(symbol).bytes.as_deref(), Some("c4e3bac3"));
    }

    #[test]
    fn people_get_texts_that_cannot_steer_their_terminal() {
        let found = Found { kind: "QR_CODE", text: "\u{1b}[2J".to_owned(), bytes: None, corners: None };
        let line =
            Line { file: "x", width: 1, height: 1, symbols: vec![found], load_ms: 0.0, decode_ms: 0.0, error: None };
        let mut out = Vec::new();
        print_plain(&mut out, &line).expect("memory");
        assert!(!out.contains(&0x1B));
    }
}
