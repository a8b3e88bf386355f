//! Reading: the fast path of a clean code, many codes, pictures without a code, and what each symbology's stages take of
//! them. Drawn pictures, so that the figures can be compared from machine to machine; the corpora's figures come from
//! their own scorer.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use qrstack::codec::encode::{QrOptions, qr};
use qrstack::codec::{Budget, Kind, Kinds, Limits, Luma, load, read, render};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    // The first stage alone reads these.
    let clean = [("clean QR code, 400 x 400", sheet(1, 400)), ("25 QR codes, 1500 x 1500", sheet(5, 300))];
    // Every stage has its turn: the second round, too, and in the small picture all that is enlarged.
    let empty = [
        ("no code, 240 x 240", waves(240, 240)),
        ("no code, 1000 x 900", waves(1000, 900)),
        ("no code, 4000 x 3000", waves(4000, 3000)),
    ];
    let mut group = criterion.benchmark_group("read");
    for (name, luma) in clean.iter().chain(&empty) {
        for (kinds, set) in [("all", Kinds::ALL), ("QR", Kinds::QR)] {
            group.bench_function(format!("{name}, {kinds}"), |b| {
                b.iter(|| read(black_box(luma), set, &Budget::default()));
            });
        }
    }
    group.finish();
    // The pyramid and its thresholds are a part of each.
    let mut group = criterion.benchmark_group("stages");
    for (name, luma) in &empty[..2] {
        for (stage, set) in [
            ("pyramid", Kinds::from_iter([])),
            ("QR", Kinds::QR),
            ("Data Matrix", Kinds::from_iter([Kind::DataMatrix])),
            ("Aztec", Kinds::from_iter([Kind::Aztec])),
            ("PDF417", Kinds::from_iter([Kind::Pdf417])),
            ("MaxiCode", Kinds::from_iter([Kind::MaxiCode])),
            ("linear", Kind::ALL.into_iter().filter(|kind| kind.is_linear()).collect()),
        ] {
            group.bench_function(format!("{name}, {stage}"), |b| {
                b.iter(|| read(black_box(luma), set, &Budget::default()));
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

/// `side` × `side` QR codes, each in a square of `size` pixels.
fn sheet(side: usize, size: usize) -> Luma {
    let width = side * size;
    let mut pixels = vec![255; width * width];
    for k in 0..side * side {
        let matrix = qr(&format!("https://example.com/item/{k}"), &QrOptions::default()).expect("a short text fits");
        let picture = render::png(&render::place(&matrix, 4, size as u32, size as u32));
        let code = load(&picture, &Limits::default()).expect("our own picture loads").luma;
        for y in 0..size {
            let at = (k / side * size + y) * width + k % side * size;
            pixels[at..at + size].copy_from_slice(code.row(y as u32));
        }
    }
    Luma::new(width as u32, width as u32, pixels)
}

/// A picture with edges of all directions and no code. Its upper half is free of noise: of a picture that is nothing but
/// texture most stages keep off.
fn waves(width: u32, height: u32) -> Luma {
    let pixels = (0..width * height).map(|i| {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        let noise = if i / width < height / 2 { 0.0 } else { (i.wrapping_mul(2_654_435_761) >> 27) as f32 };
        (128.0 + 60.0 * (x / 31.0 + (y / 47.0).sin() * 3.0).sin() + 40.0 * (y / 23.0).cos() + noise) as u8
    });
    Luma::new(width, height, pixels.collect())
}
