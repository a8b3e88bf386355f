//! Loading against the crate `image`, over every way in which a format stores pixels.

use image::DynamicImage;
use qrstack::codec::{Limits, load};

use crate::{corpora, files};

/// Grey by Rec. 601 on white, through red, green, blue and opacity of each pixel.
fn reference(picture: &DynamicImage) -> Vec<u8> {
    let grey = |p: &image::Rgba<u8>| {
        let [r, g, b, a] = p.0.map(f64::from);
        ((0.299 * r + 0.587 * g + 0.114 * b) * a / 255.0 + 255.0 - a).round() as u8
    };
    picture.to_rgba8().pixels().map(grey).collect()
}

/// The largest and the mean difference.
fn differences(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let each = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (each.clone().max().unwrap_or(0), each.map(f64::from).sum::<f64>() / a.len() as f64)
}

#[test]
fn corpus_pictures_load_as_image_loads_them() {
    let Some(corpora) = corpora() else { return };
    let mut compared = 0;
    for file in files(&corpora, &["png", "jpg", "jpeg", "gif", "webp", "bmp"]) {
        let bytes = std::fs::read(&file).expect("readable");
        let loaded = load(&bytes, &Limits::default());
        let expected = image::load_from_memory(&bytes);
        match (&loaded, &expected) {
            (Ok(loaded), Ok(expected)) => {
                let (worst, mean) = differences(loaded.luma.pixels(), &reference(expected));
                if mean > 1.0 || worst > 3 {
                    println!(
                        "{}: {:?} {}x{} worst {worst}, mean {mean:.3}",
                        file.display(),
                        loaded.format,
                        loaded.luma.width(),
                        loaded.luma.height()
                    );
                }
                compared += 1;
            }
            _ => println!("{}: {:?} {:?}", file.display(), loaded.err(), expected.err()),
        }
    }
    println!("{compared} compared");
}
