//! `qrstack accuracy`: how well a folder of pictures is read, as a table with a line for each of its folders.
//!
//! The truth of `a.jpg` is `a.txt` beside it: the text of each code on a line of its own, an empty file for a picture
//! without a code. Pictures without a truth are read and timed, and what they gave is counted apart. Exit code 0 when every
//! picture could be loaded, 1 when one could not or there is none.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::decode::{self, Line};

/// Endings of the files that are taken for pictures.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "jfif"];

/// Arguments of `qrstack accuracy`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name the pictures that were not read right.
    #[arg(long)]
    list: bool,
    /// Folder of pictures, with all folders in it.
    #[arg(required = true, value_name = "FOLDER")]
    folder: PathBuf,
}

/// What became of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Every code was read, and nothing else.
    Right,
    /// Every code was read, and something else.
    Extra,
    /// Something was read that is not there, and not all that is.
    Wrong,
    /// Not all was read, and nothing wrong.
    Missed,
    /// There is no code, and one was read.
    False,
    /// Nobody says what is in it, and something was read.
    Read,
    /// Nobody says what is in it, and nothing was read.
    Nothing,
    /// The file is no picture.
    Broken,
}

/// The columns: verdicts under one heading each.
const COLUMNS: [(&str, &[Verdict]); 7] = [
    ("right", &[Verdict::Right, Verdict::Extra]),
    ("extra", &[Verdict::Extra]),
    ("wrong", &[Verdict::Wrong]),
    ("missed", &[Verdict::Missed]),
    ("false", &[Verdict::False]),
    ("no truth", &[Verdict::Read, Verdict::Nothing]),
    ("broken", &[Verdict::Broken]),
];

/// What became of the pictures of a folder.
#[derive(Default)]
struct Tally {
    verdicts: Vec<Verdict>,
    load_ms: Vec<f64>,
    decode_ms: Vec<f64>,
}

/// Runs `qrstack accuracy`.
pub fn run(arguments: &Arguments) -> ExitCode {
    decode::warm_up();
    let mut pictures = Vec::new();
    if let Err(error) = find(&arguments.folder, &mut pictures) {
        eprintln!("qrstack: {}: {error}", arguments.folder.display());
        return ExitCode::FAILURE;
    }
    pictures.sort();
    match table(&arguments.folder, &pictures, arguments.list, &mut io::stdout().lock()) {
        Ok(true) if !pictures.is_empty() => ExitCode::SUCCESS,
        // One is broken, there is none, or whoever read our output has gone.
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

fn find(folder: &Path, pictures: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(&path, pictures)?;
        } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending))) {
            pictures.push(path);
        }
    }
    Ok(())
}

/// Prints the table; says whether every picture could be loaded.
fn table(root: &Path, pictures: &[PathBuf], list: bool, out: &mut impl Write) -> io::Result<bool> {
    let mut folders: BTreeMap<String, Tally> = BTreeMap::new();
    let mut all = Tally::default();
    for picture in pictures {
        let name = picture.strip_prefix(root).unwrap_or(picture);
        let line = decode::line("", picture);
        let truth = std::fs::read_to_string(picture.with_extension("txt")).ok();
        let verdict = judge(&line, truth.as_deref());
        if list && !matches!(verdict, Verdict::Right | Verdict::Read | Verdict::Nothing) {
            let texts: Vec<_> = line.symbols.iter().map(|symbol| symbol.text.escape_debug().to_string()).collect();
            writeln!(out, "{verdict:?}: {} {texts:?}", name.display())?;
        }
        let folder = name.parent().map(|parent| parent.display().to_string()).filter(|parent| !parent.is_empty());
        folders.entry(folder.unwrap_or_else(|| ".".to_owned())).or_default().add(verdict, &line);
        all.add(verdict, &line);
    }
    let width = folders.keys().map(|name| name.chars().count()).max().unwrap_or_default().max("folder".len());
    write!(out, "{:width$} {:>8}", "folder", "pictures")?;
    for (name, _) in COLUMNS {
        write!(out, " {name:>8}")?;
    }
    writeln!(out, " {:>10} {:>8} {:>10}", "median ms", "p95 ms", "loading ms")?;
    for (name, tally) in &folders {
        tally.print(name, width, out)?;
    }
    if folders.len() > 1 {
        all.print("all", width, out)?;
    }
    Ok(!all.verdicts.contains(&Verdict::Broken))
}

/// Compares what was read with the lines of the truth.
fn judge(line: &Line<'_>, truth: Option<&str>) -> Verdict {
    if line.error.is_some() {
        return Verdict::Broken;
    }
    let Some(truth) = truth else {
        return if line.symbols.is_empty() { Verdict::Nothing } else { Verdict::Read };
    };
    // A single code may hold line breaks itself.
    let whole = truth.trim_end_matches(['\r', '\n']);
    let expected: Vec<&str> = match line.symbols.as_slice() {
        [only] if only.text.trim_end_matches(['\r', '\n']) == whole => return Verdict::Right,
        _ => truth.lines().filter(|line| !line.is_empty()).collect(),
    };
    let read = |text: &str| line.symbols.iter().any(|symbol| symbol.text == text);
    let missed = expected.iter().any(|text| !read(text));
    let other = line.symbols.iter().any(|symbol| !expected.contains(&symbol.text.as_str()));
    match (expected.is_empty(), missed, other) {
        (true, _, true) => Verdict::False,
        (_, false, false) => Verdict::Right,
        (_, false, true) => Verdict::Extra,
        (_, true, true) => Verdict::Wrong,
        (_, true, false) => Verdict::Missed,
    }
}

impl Tally {
    fn add(&mut self, verdict: Verdict, line: &Line<'_>) {
        self.verdicts.push(verdict);
        if verdict != Verdict::Broken {
            self.load_ms.push(line.load_ms);
            self.decode_ms.push(line.decode_ms);
        }
    }

    fn print(&self, name: &str, width: usize, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{name:width$} {:>8}", self.verdicts.len())?;
        for (_, counted) in COLUMNS {
            write!(out, " {:>8}", self.verdicts.iter().filter(|verdict| counted.contains(verdict)).count())?;
        }
        let (median, p95) = (quantile(&self.decode_ms, 0.5), quantile(&self.decode_ms, 0.95));
        writeln!(out, " {median:>10.1} {p95:>8.1} {:>10.1}", quantile(&self.load_ms, 0.5))
    }
}

/// The value below which a part of them lies; 0 where there are none.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{encode, render};

    fn picture(path: &Path, text: Option<&str>) {
        let bytes = if let Some(text) = text {
            let matrix = encode::qr(text, &encode::QrOptions::default()).expect("short");
            render::png(&render::place(&matrix, 6, 300, 300))
        } else {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 40, 40);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.write_header().and_then(|mut writer| writer.write_image_data(&[255; 1600])).expect("written");
            bytes
        };
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }

    #[test]
    fn each_folder_has_a_line_with_what_became_of_its_pictures() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        for (name, text, truth) in [
            ("a/right.png", Some("one\ntwo"), Some("one\ntwo\n")),
            ("a/wrong.png", Some("one"), Some("two\n")),
            ("a/missed.png", None, Some("one\n")),
            ("b/extra.png", Some("one"), Some("one\n")),
            ("b/false.png", Some("one"), Some("")),
            ("b/blank.png", None, Some("")),
            ("b/unknown.PNG", Some("one"), None),
        ] {
            picture(&at(name), text);
            if let Some(truth) = truth {
                std::fs::write(at(name).with_extension("txt"), truth).expect("written");
            }
        }
        std::fs::write(at("b/broken.jpg"), "no picture").expect("written");
        let mut pictures = Vec::new();
        find(root.path(), &mut pictures).expect("readable");
        pictures.sort();
        let mut out = Vec::new();
        assert!(!table(root.path(), &pictures, true, &mut out).expect("memory"), "one is broken");
        let out = String::from_utf8(out).expect("UTF-8");
        let counts = |name: &str| -> Vec<u32> {
            let line = out.lines().find(|line| line.split_whitespace().next() == Some(name)).expect("a line");
            line.split_whitespace().skip(1).take(8).map(|n| n.parse().expect("a count")).collect()
        };
        // pictures, right, extra, wrong, missed, false, no truth, broken
        assert_eq!(counts("a"), [3, 1, 0, 1, 1, 0, 0, 0], "{out}");
        assert_eq!(counts("b"), [5, 2, 0, 0, 0, 1, 1, 1], "{out}");
        assert_eq!(counts("all"), [8, 3, 0, 1, 1, 1, 1, 1], "{out}");
        assert!(out.contains("Wrong: a/wrong.png [\"one\"]"), "{out}");
    }

    #[test]
    fn quantiles_of_few_values_are_among_them() {
        assert!(quantile(&[], 0.5).abs() < 1e-9);
        assert!((quantile(&[3.0, 1.0, 2.0], 0.5) - 2.0).abs() < 1e-9);
        assert!((quantile(&[3.0, 1.0, 2.0], 0.95) - 3.0).abs() < 1e-9);
    }
}
