//! Loading: CPU time of a thread, beside `image::load_from_memory(..).to_luma8()` in the same run.
//!
//! First a table of ratios (the sum over some pictures, the best of several rounds by turns), then criterion's own
//! figures. Pictures are those of `../shared/corpora` where it is present, and drawn ones.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use cpu_time::ThreadTime;
use criterion::Criterion;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use qrstack::codec::{Limits, load};

/// Rounds by turns; the best counts, which leaves out what else the machine did.
const ROUNDS: usize = 5;

/// A name and the bytes of pictures.
type Set = (String, Vec<Vec<u8>>);

fn main() {
    let sets: Vec<Set> = drawn().into_iter().chain(corpora()).filter(|(_, pictures)| !pictures.is_empty()).collect();
    println!("{:32} {:>8} {:>10} {:>10} {:>6}", "set", "pictures", "ours ms", "image ms", "ratio");
    for (name, pictures) in &sets {
        let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
        for picture in pictures {
            let rounds = (0..ROUNDS).map(|_| (cpu_time(|| our_load(picture)), cpu_time(|| image_load(picture))));
            let (a, b): (Vec<_>, Vec<_>) = rounds.unzip();
            ours += a.into_iter().min().unwrap_or_default();
            theirs += b.into_iter().min().unwrap_or_default();
        }
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        let [ours, theirs] = [ours, theirs].map(|time| time.as_secs_f64() * 1e3);
        println!("{name:32} {:>8} {ours:>10.2} {theirs:>10.2} {ratio:>6.2}", pictures.len());
    }

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("load");
    for (name, pictures) in &sets {
        let name = name.chars().fold(String::new(), |mut name, c| {
            let _ = name.write_char(if c.is_alphanumeric() { c } else { '_' });
            name
        });
        group.bench_function(name, |bencher| bencher.iter(|| pictures.iter().map(|p| our_load(p)).sum::<usize>()));
    }
    group.finish();
    criterion.final_summary();
}

fn our_load(bytes: &[u8]) -> usize {
    load(black_box(bytes), &Limits::default()).map_or(0, |loaded| loaded.luma.into_pixels().len())
}

fn image_load(bytes: &[u8]) -> usize {
    image::load_from_memory(black_box(bytes)).map_or(0, |picture| picture.to_luma8().into_raw().len())
}

fn cpu_time(work: impl Fn() -> usize) -> Duration {
    let start = ThreadTime::now();
    assert_ne!(black_box(work()), 0, "a picture that loads");
    start.elapsed()
}

/// Pictures that need no files.
fn drawn() -> Vec<Set> {
    // A gradient with fine structure, so that it compresses about as a photo does.
    let colour = RgbImage::from_fn(2000, 1500, |x, y| {
        let grain = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)) >> 28;
        image::Rgb([(x / 8 + grain) as u8, (y / 6 + grain) as u8, ((x + y) / 14 + grain) as u8])
    });
    let grey = GrayImage::from_fn(1000, 1000, |x, y| image::Luma([if x / 10 % 3 == y / 10 % 2 { 0 } else { 255 }]));
    let colour = DynamicImage::ImageRgb8(colour);
    let grey = DynamicImage::ImageLuma8(grey);
    let set = |name: &str, picture: &DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("memory takes every byte");
        (format!("drawn {name}"), vec![bytes.into_inner()])
    };
    let rgba = DynamicImage::ImageRgba8(colour.to_rgba8());
    vec![
        set("JPEG, colour", &colour, ImageFormat::Jpeg),
        set("PNG, colour", &colour, ImageFormat::Png),
        set("PNG, colour and opacity", &rgba, ImageFormat::Png),
        set("PNG, grey", &grey, ImageFormat::Png),
        set("GIF", &rgba, ImageFormat::Gif),
        set("WebP, lossless", &colour, ImageFormat::WebP),
        set("BMP", &colour, ImageFormat::Bmp),
    ]
}

/// Every so many-eth picture of the corpora, by folder and format.
fn corpora() -> Vec<Set> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    [
        ("boofcv-even", "jpg", 16),
        ("quagga2-even", "jpg", 6),
        ("negatives-even", "jpg", 10),
        ("zxing-cpp", "png", 12),
        ("generated", "png", 12),
        ("zxing-cpp", "webp", 40),
    ]
    .into_iter()
    .map(|(folder, ending, step)| {
        let mut files = Vec::new();
        collect(&root.join(folder), ending, &mut files);
        files.sort();
        let pictures = files.iter().step_by(step).filter_map(|file| std::fs::read(file).ok()).collect();
        (format!("{folder} {ending}"), pictures)
    })
    .collect()
}

fn collect(folder: &Path, ending: &str, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, ending, files);
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending)) {
            files.push(path);
        }
    }
}
