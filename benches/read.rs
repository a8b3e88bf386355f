//! Reading: a clean code, many codes, a noisy picture and one without a code. Drawn pictures, so that the figures can be
//! compared from machine to machine; the corpora's figures come from their own scorer.

use std::hint::black_box;

use criterion::Criterion;
use qrstack::codec::encode::{QrOptions, qr};
use qrstack::codec::{Budget, Kinds, Limits, Luma, load, read, render};

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("read");
    for (name, luma) in [
        ("clean QR code, 400 x 400", sheet(1, 400)),
        ("25 QR codes, 1500 x 1500", sheet(5, 300)),
        ("no code, 1000 x 900", waves(1000, 900)),
        ("no code, 4000 x 3000", waves(4000, 3000)),
    ] {
        for (kinds, set) in [("all", Kinds::ALL), ("QR", Kinds::QR)] {
            group.bench_function(format!("{name}, {kinds}"), |b| {
                b.iter(|| read(black_box(&luma), set, &Budget::default()));
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

/// A picture with edges of all directions and no code.
fn waves(width: u32, height: u32) -> Luma {
    let pixels = (0..width * height).map(|i| {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        let noise = (i.wrapping_mul(2_654_435_761) >> 27) as f32;
        (128.0 + 60.0 * (x / 31.0 + (y / 47.0).sin() * 3.0).sin() + 40.0 * (y / 23.0).cos() + noise) as u8
    });
    Luma::new(width, height, pixels.collect())
}
