//! Loading against the crate `image`, over every way in which a format stores pixels.

use std::path::PathBuf;

use image::{DynamicImage, ImageDecoder};
use qrstack::codec::{Format, Limits, Loaded, Orientation, load, probe};

use crate::{corpora, files, fixtures};

/// Grey by Rec. 601 on white, through red, green, blue and opacity of each pixel.
fn reference(picture: &DynamicImage) -> Vec<u8> {
    let grey = |p: &image::Rgba<u8>| {
        let [r, g, b, a] = p.0.map(f32::from);
        ((0.299 * r + 0.587 * g + 0.114 * b) * a / 255.0 + 255.0 - a).round() as u8
    };
    picture.to_rgba8().pixels().map(grey).collect()
}

/// The mean difference, and the one that only one pixel in a hundred exceeds.
fn differences(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len(), "as many pixels");
    let mut each: Vec<u8> = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).collect();
    each.sort_unstable();
    let mean = each.iter().copied().map(f64::from).sum::<f64>() / each.len() as f64;
    (mean, each[each.len() - 1 - each.len() / 100])
}

fn loads_like_image(file: &PathBuf) -> Result<(), String> {
    let bytes = std::fs::read(file).expect("readable");
    let Loaded { luma, .. } = load(&bytes, &Limits::default()).map_err(|error| error.to_string())?;
    let size = (luma.width(), luma.height());
    if probe(&bytes, &Limits::default()).ok() != Some(size) {
        return Err(format!("the header does not say {size:?}"));
    }
    let expected = image::load_from_memory(&bytes).map_err(|error| format!("image: {error}"))?;
    let (mean, most) = differences(luma.pixels(), &reference(&expected));
    // Colours that lie outside red, green and blue (JPEG, WebP) are clipped on the way that `image` goes.
    if mean > 2.5 || most > 25 { Err(format!("mean difference {mean:.2}, worst {most}")) } else { Ok(()) }
}

#[test]
fn every_way_to_store_a_picture_loads_as_image_loads_it() {
    let files = files(&fixtures(), &["png", "jpg", "gif", "webp", "bmp"]);
    assert!(files.len() > 60, "{} files", files.len());
    // `image` gives the value that a greyscale picture declares transparent as it is.
    let differing = |file: &&PathBuf| !file.to_string_lossy().contains("-transparent.png");
    for file in files.iter().filter(differing) {
        assert_eq!(loads_like_image(file), Ok(()), "{}", file.display());
    }
}

#[test]
fn interlaced_pictures_load_as_plain_ones_do() {
    let mut pairs = 0;
    for file in files(&fixtures(), &["png"]) {
        let name = file.to_string_lossy();
        let Some(plain) = name.strip_suffix("-interlaced.png").map(|stem| format!("{stem}.png")) else { continue };
        let pixels =
            |file: &str| load(&std::fs::read(file).expect("readable"), &Limits::default()).expect("sound").luma;
        assert!(pixels(&name) == pixels(&plain), "{name}");
        pairs += 1;
    }
    assert_eq!(pairs, 15);
}

#[test]
fn what_is_declared_transparent_is_white() {
    for depth in ["grey4", "grey8", "grey16", "rgb8", "rgb16"] {
        let loaded = |ending: &str| {
            let bytes = std::fs::read(fixtures().join(format!("{depth}{ending}.png"))).expect("a fixture");
            load(&bytes, &Limits::default()).expect("sound").luma
        };
        let (plain, transparent) = (loaded(""), loaded("-transparent"));
        // The colour of the first pixel is the transparent one; whatever else changes must have had it too.
        assert_eq!(transparent.pixels()[0], 255, "{depth}");
        for (plain_pixel, pixel) in plain.pixels().iter().zip(transparent.pixels()) {
            let had_it = *plain_pixel == plain.pixels()[0];
            assert!(pixel == plain_pixel || (*pixel == 255 && had_it), "{depth}");
        }
    }
}

#[test]
fn of_an_animation_the_first_frame_counts() {
    let still = std::fs::read(fixtures().join("rgb8.png")).expect("a fixture");
    let still = load(&still, &Limits::default()).expect("sound").luma;
    for name in ["animated.png", "animated.gif", "animated.webp"] {
        let bytes = std::fs::read(fixtures().join(name)).expect("a fixture");
        let loaded = load(&bytes, &Limits::default()).expect("sound");
        let (mean, _) = differences(loaded.luma.pixels(), still.pixels());
        assert!(mean < 3.0, "{name}: {mean}");
    }
}

#[test]
fn orientation_is_told_and_not_applied() {
    for (name, expected) in [
        ("orientation-1.jpg", Orientation::Upright),
        ("orientation-6.jpg", Orientation::Rotated90),
        ("orientation-6.png", Orientation::Rotated90),
        ("orientation-8.webp", Orientation::Rotated270),
        ("baseline-420.jpg", Orientation::Upright),
        ("rgb8.png", Orientation::Upright),
    ] {
        let bytes = std::fs::read(fixtures().join(name)).expect("a fixture");
        let loaded = load(&bytes, &Limits::default()).expect("sound");
        assert_eq!(loaded.orientation, expected, "{name}");
        assert_eq!((loaded.luma.width(), loaded.luma.height()), (37, 29), "{name}");
    }
}

#[test]
fn the_format_is_told_by_the_bytes() {
    for (name, format) in [
        ("grey1.png", Format::Png),
        ("cmyk.jpg", Format::Jpeg),
        ("palette.gif", Format::Gif),
        ("lossy.webp", Format::WebP),
        ("4bit.bmp", Format::Bmp),
    ] {
        let bytes = std::fs::read(fixtures().join(name)).expect("a fixture");
        assert_eq!(load(&bytes, &Limits::default()).expect("sound").format, format, "{name}");
    }
}

#[test]
fn corpus_pictures_load_as_image_loads_them_and_state_the_same_orientation() {
    let Some(corpora) = corpora() else { return };
    for file in files(&corpora, &["png", "jpg", "jpeg", "gif", "webp", "bmp"]).iter().step_by(12) {
        // `image` gives the value that a greyscale picture declares transparent as it is.
        if !file.to_string_lossy().contains("qrcode-7/") {
            assert_eq!(loads_like_image(file), Ok(()), "{}", file.display());
        }
        let bytes = std::fs::read(file).expect("readable");
        let decoder = image::ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format().expect("memory");
        let stated = decoder.into_decoder().and_then(|mut decoder| decoder.orientation()).expect("sound");
        let ours = load(&bytes, &Limits::default()).expect("sound").orientation;
        assert_eq!(ours, Orientation::from_exif(stated.to_exif().into()), "{}", file.display());
    }
}
