//! Pictures: strangers send the bytes. What is too large is refused before memory is taken, what is broken is the
//! vendor's decode error, and no reading goes on for ever.

use std::path::PathBuf;

use qrstack::codec::{Budget, Kinds, Limits, LoadError, Luma, PEAK_BYTES_PER_PIXEL, load, probe, read};
use qrstack::codec::{encode, render};

use crate::canary::{Door, metric};
use crate::harness::{Check, block_on, check};
use crate::memory::peak;
use crate::pictures::{Reader, bmp, gif, grey_png, jpeg, plain_png, png_header, texts, webp};
use crate::support::qr_png;

pub fn checks() -> Vec<Check> {
    vec![
        check("F14", "PNG bombs refused from their header, KiB taken at most", png_bombs),
        check("F15", "WebP, GIF, BMP and JPEG bombs refused from their header, KiB taken at most", other_bombs),
        check("F15", "large pictures that hide in a small one, KiB taken at most", hidden_bombs),
        check("F16", "the largest legal pictures stay within what is reserved for them, bytes a pixel", largest),
        check("F18", "150 MB of compressed texts and profiles beside a pixel, KiB taken at most", texts_left_alone),
        check("F19", "memory for 10000 frames beyond that for one, KiB at most", frames),
        check("F20", "fixtures cut at every 1 %, at every door: the vendor's answers, failures of ours", cuts),
        check("F20", "fixtures with flipped bits, at every door: the vendor's answers, failures of ours", flips),
        check("F20", "empty, tiny, thin and sizeless pictures, at every door", tiny),
        check("F21", "files of other kinds refused at every door, whatever they are called", other_files),
        check("F21", "pictures with another file behind them are read as pictures", polyglots),
        check("F24", "noise, chessboards, finders and stripes come to an end, symbols found", time_bombs),
        check("F24", "codes on one sheet, codes read", sheet),
    ]
}

/// KiB that refusing may take: error texts, and the few bytes that a decoder's reader holds.
const REFUSAL_KIB: usize = 64;

/// Every bomb is refused by `codec` at once and by each door in its own words.
fn refuse(bombs: &[(&str, Vec<u8>)], is_expected: fn(&LoadError) -> bool, ocr: &[&str]) -> String {
    for (name, bytes) in bombs {
        let (result, bytes_taken) = peak(|| (probe(bytes, &Limits::default()), load(bytes, &Limits::default())));
        let (Err(probed), Err(loaded)) = result else { panic!("{name} was taken") };
        assert!(is_expected(&probed) && is_expected(&loaded), "{name}: {probed:?}, {loaded:?}");
        assert!(bytes_taken <= REFUSAL_KIB * 1024, "{name}: {bytes_taken} bytes");
    }
    block_on(async {
        let reader = Reader::start().await;
        for (name, bytes) in bombs {
            for door in Door::ALL {
                let answer = reader.read(door, bytes).await;
                let is_expected = if door == Door::TencentOcr {
                    ocr.contains(&&*answer.code)
                } else {
                    answer.code == door.no_picture()
                };
                assert!(is_expected && answer.status == 200, "{name} at {door:?}: {}", answer.code);
            }
        }
    });
    format!("{} of {}, {REFUSAL_KIB}", bombs.len(), bombs.len())
}

fn is_too_large(error: &LoadError) -> bool {
    matches!(error, LoadError::SideTooLong { .. } | LoadError::TooManyPixels { .. })
}

const TOO_LARGE: &[&str] = &["FailedOperation.ImageSizeTooLarge"];

fn png_bombs() -> String {
    let bombs = [
        ("60000 × 60000 bits", png_header(60_000, 60_000, 1, 0)),
        ("60000 × 60000 bits with pixels", [png_header(60_000, 60_000, 1, 0), vec![0; 437_000]].concat()),
        ("2³¹ - 1 squared", png_header(0x7FFF_FFFF, 0x7FFF_FFFF, 16, 6)),
        ("8000 × 8000 × 16-bit RGBA", png_header(8000, 8000, 16, 6)),
        ("16000 × 16000 bits", png_header(16_000, 16_000, 1, 0)),
        ("one row of 2³¹ - 1", png_header(0x7FFF_FFFF, 1, 1, 0)),
        ("one column of 16385", png_header(1, 16_385, 1, 0)),
        ("10001 squared, whole", plain_png(10_001, 10_001, png::BitDepth::One, png::ColorType::Grayscale)),
    ];
    refuse(&bombs, is_too_large, TOO_LARGE)
}

const VP8_16383: [u8; 14] = [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F, 0, 0, 0, 0];
const VP8L_16383: [u8; 10] = [0x2F, 0xFE, 0xBF, 0xFF, 0x0F, 0, 0, 0, 0, 0];

fn other_bombs() -> String {
    let bombs = [
        ("lossless WebP of 16383²", webp(&[(b"VP8L", &VP8L_16383)])),
        ("lossy WebP of 16383²", webp(&[(b"VP8 ", &VP8_16383)])),
        ("GIF of 16000²", gif(16_000, 1)),
        ("GIF of 65535²", gif(65_535, 65_535)),
        ("BMP of 60000²", bmp(60_000, 60_000)),
        ("BMP of 60000 × -60000", bmp(60_000, -60_000)),
        ("BMP of 65535²", bmp(65_535, 65_535)),
        ("JPEG of 65500²", jpeg(65_500)),
        ("JPEG of 8000²", jpeg(8000)),
    ];
    assert!(bombs[0].1.len() <= 34, "the smallest of them has {} bytes", bombs[0].1.len());
    refuse(&bombs, is_too_large, TOO_LARGE)
}

fn hidden_bombs() -> String {
    let canvas = [0, 0, 0, 0, 9, 0, 0, 9, 0, 0];
    let animation = [&[0; 6][..], &[9, 0, 0, 9, 0, 0], &[0; 4], b"VP8 \x0e\0\0\0", &VP8_16383].concat();
    let bombs = [
        ("lossy WebP on a small canvas", webp(&[(b"VP8X", &canvas), (b"VP8 ", &VP8_16383)])),
        ("lossless WebP on a small canvas", webp(&[(b"VP8X", &canvas), (b"VP8L", &VP8L_16383)])),
        ("WebP frame in a small animation", webp(&[(b"VP8X", &canvas), (b"ANMF", &animation)])),
        ("BMP of -2³¹ rows", bmp(1, i32::MIN)),
        ("BMP of 2³¹ - 1 squared", bmp(i32::MAX, i32::MAX)),
    ];
    let is_broken = |error: &LoadError| matches!(error, LoadError::Broken { .. } | LoadError::SideTooLong { .. });
    refuse(&bombs, is_broken, &["FailedOperation.ImageDecodeFailed", "FailedOperation.ImageSizeTooLarge"])
}

fn largest() -> String {
    use png::{BitDepth, ColorType};
    // Most pixels for the bytes, and most bytes for the pixels.
    let legal = [
        plain_png(7071, 7071, BitDepth::One, ColorType::Grayscale),
        plain_png(16_384, 3051, BitDepth::One, ColorType::Grayscale),
        plain_png(2500, 2000, BitDepth::Sixteen, ColorType::Rgba),
    ];
    let mut most = 0;
    for bytes in &legal {
        let (loaded, taken) = peak(|| load(bytes, &Limits::default()).expect("legal"));
        let pixels = loaded.luma.pixels().len();
        // What a search costs in memory shows in its first stages, which look at the whole picture.
        let (_, searched) = peak(|| read(&loaded.luma, Kinds::ALL, &Budget { cpu: std::time::Duration::ZERO }));
        let bytes_a_pixel = taken.max(pixels + searched).div_ceil(pixels) as u64;
        assert!(bytes_a_pixel <= PEAK_BYTES_PER_PIXEL, "{bytes_a_pixel} bytes a pixel");
        most = most.max(pixels);
    }
    assert!(most > 49_900_000, "{most}");
    format!("{PEAK_BYTES_PER_PIXEL}")
}

fn texts_left_alone() -> String {
    let text = "a".repeat(50_000_000);
    let mut bomb = Vec::new();
    let mut encoder = png::Encoder::new(&mut bomb, 1, 1);
    encoder.add_ztxt_chunk("Comment".to_owned(), text.clone()).expect("Latin-1");
    let mut info = png::Info::with_size(1, 1);
    info.icc_profile = Some(text.as_bytes().to_vec().into());
    let mut writer = encoder.write_header().expect("memory");
    let mut chunk = png::text_metadata::ITXtChunk::new("Comment", &text);
    chunk.compressed = true;
    writer.write_text_chunk(&chunk).expect("memory");
    writer.write_image_data(&[0]).expect("one pixel");
    writer.finish().expect("memory");
    let mut with_profile = Vec::new();
    let mut writer =
        png::Encoder::with_info(&mut with_profile, info).and_then(png::Encoder::write_header).expect("memory");
    writer.write_image_data(&[0]).expect("one pixel");
    writer.finish().expect("memory");
    for bytes in [&bomb, &with_profile] {
        let (result, taken) = peak(|| load(bytes, &Limits::default()));
        assert!(result.is_ok(), "{result:?}");
        assert!(taken < 1 << 20, "{taken} bytes");
    }
    "1024".to_owned()
}

fn frames() -> String {
    let animation = |count: usize| {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 100, 100, &[0, 0, 0, 255, 255, 255]).expect("memory");
        for _ in 0..count {
            let frame = gif::Frame { width: 100, height: 100, buffer: vec![1; 10_000].into(), ..gif::Frame::default() };
            encoder.write_frame(&frame).expect("memory");
        }
        drop(encoder);
        bytes
    };
    let apng = |count: u32| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 100, 100);
        encoder.set_animated(count, 0).expect("an animation");
        let mut writer = encoder.write_header().expect("memory");
        for _ in 0..count {
            writer.write_image_data(&[255; 10_000]).expect("memory");
        }
        writer.finish().expect("memory");
        bytes
    };
    for (one, many) in [(animation(1), animation(10_000)), (apng(1), apng(10_000))] {
        let taken = [one, many].map(|bytes| peak(|| load(&bytes, &Limits::default()).expect("sound")).1);
        assert!(taken[1] <= taken[0] + REFUSAL_KIB * 1024, "{taken:?}");
    }
    REFUSAL_KIB.to_string()
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/images/loading");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "md"))
        .collect();
    files.sort();
    files.iter().map(|file| (file.display().to_string(), std::fs::read(file).expect("readable"))).collect()
}

/// What a door may answer to a damaged picture: that it is damaged, or what is still in it.
fn is_sound(door: Door, code: &str, is_empty: bool) -> bool {
    let others: &[&str] = match door {
        // A part without bytes is no part.
        Door::Wechat if is_empty => &["41005"],
        Door::Wechat => &["ok"],
        Door::TencentOcr => &[
            "ok",
            "FailedOperation.ImageNoText",
            "FailedOperation.EmptyImageError",
            "FailedOperation.ImageSizeTooLarge",
        ],
        Door::CliIm => &["ok", "1030"],
    };
    code == door.no_picture() || others.contains(&code)
}

/// Sends every picture to every door; gives the count of answers and of failures that are ours.
async fn send_all(pictures: impl Iterator<Item = (String, Vec<u8>)>) -> String {
    let (reader, mut answers) = (Reader::start().await, 0_u64);
    for (name, bytes) in pictures {
        for door in Door::ALL {
            let answer = reader.read(door, &bytes).await;
            assert!(
                is_sound(door, &answer.code, bytes.is_empty()) && answer.status == 200,
                "{name} at {door:?}: {}",
                answer.code
            );
            answers += 1;
        }
    }
    let died = metric(&reader.server, r#"qrstack_reads_total{outcome="died"}"#).await;
    assert_eq!(died, 0);
    format!("{answers}, {died}")
}

fn cuts() -> String {
    let cut = |(name, bytes): (String, Vec<u8>)| {
        (0..100).map(move |percent| (format!("{name} at {percent} %"), bytes[..bytes.len() * percent / 100].to_vec()))
    };
    block_on(async { send_all(fixtures().into_iter().flat_map(cut)).await })
}

fn flips() -> String {
    // A small generator of its own, so that every run flips the same bits.
    let mut state = 1_u64;
    let mut below = move |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut flipped = Vec::new();
    for (name, bytes) in fixtures() {
        for round in 0..20 {
            let mut bytes = bytes.clone();
            let at = below(if round % 2 == 0 { bytes.len() } else { bytes.len().min(200) });
            bytes[at] ^= 1 << below(8);
            flipped.push((format!("{name} with a bit of byte {at} flipped"), bytes));
        }
    }
    block_on(async { send_all(flipped.into_iter()).await })
}

fn tiny() -> String {
    use png::{BitDepth, ColorType};
    let mut pictures = vec![
        ("no bytes".to_owned(), Vec::new()),
        ("no width".to_owned(), png_header(0, 5, 8, 0)),
        ("no height".to_owned(), png_header(5, 0, 8, 0)),
        ("lossy WebP of no width".to_owned(), webp(&[(b"VP8 ", &[0x10, 0, 0, 0x9D, 0x01, 0x2A, 0, 0, 5, 0])])),
        ("GIF of no size".to_owned(), gif(0, 0)),
        ("BMP of no size".to_owned(), bmp(0, 0)),
        ("JPEG of no size".to_owned(), jpeg(0)),
    ];
    for (width, height) in [(1, 1), (1, 2), (2, 1), (3, 3), (7, 7), (8, 8), (1, 8000), (8000, 1), (7, 4000), (4000, 7)]
    {
        let name = format!("{width} × {height}");
        pictures.push((name, plain_png(width, height, BitDepth::Eight, ColorType::Grayscale)));
    }
    let count = pictures.len();
    block_on(async { send_all(pictures.into_iter()).await });
    format!("{count} of {count}")
}

fn other_files() -> String {
    let files: [&[u8]; 14] = [
        b"<!DOCTYPE html><html><img src=x></html>",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\"><image href=\"http://127.0.0.1/\"/></svg>",
        b"<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><svg>&x;</svg>",
        b"PK\x03\x04\x14\0\0\0\0\0",
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0\n",
        b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://127.0.0.1/)'\npop graphic-context",
        b"II*\0\x08\0\0\0\0\0\0\0",
        b"\0\0\0\x18ftypavif\0\0\0\0",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\0\0\x01\0\x01\0\x10\x10\0\0",
        b"\x7FELF\x02\x01\x01",
        b"P5 1 1 255 \0",
        b"BMW is a maker of cars",
    ];
    block_on(async {
        let reader = Reader::start().await;
        for file in files {
            for door in Door::ALL {
                let answer = reader.read(door, file).await;
                assert_eq!(answer.code, door.no_picture(), "{} at {door:?}", file.escape_ascii());
            }
        }
    });
    format!("{} of {}", files.len(), files.len())
}

fn polyglots() -> String {
    let tails: [&[u8]; 4] =
        [b"PK\x03\x04\x14\0\0\0\0\0", b"<script>alert(1)</script>", b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n"];
    block_on(async {
        let reader = Reader::start().await;
        for tail in tails {
            let picture = [&qr_png("polyglot")[..], tail].concat();
            for door in Door::ALL {
                let answer = reader.read(door, &picture).await;
                assert_eq!(texts(door, &answer), ["polyglot"], "{} at {door:?}", tail.escape_ascii());
            }
        }
    });
    format!("{} of {}", tails.len(), tails.len())
}

/// Whether a pixel of a QR finder of 7 modules is dark, with a light module around it.
fn finder(x: u32, y: u32) -> bool {
    let (x, y) = (x % 9, y % 9);
    let ring = x.abs_diff(4).max(y.abs_diff(4));
    ring == 3 || ring <= 1
}

/// The grey of a place.
type Pixel<'a> = Box<dyn Fn(u32, u32) -> u8 + 'a>;

fn time_bombs() -> String {
    const SIDE: u32 = 600;
    let mut state = 7_u32;
    let noise: Vec<u8> = (0..SIDE * SIDE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect();
    let dark = |is_dark: bool| if is_dark { 0 } else { 255 };
    let bombs: [(&str, Pixel<'_>); 8] = [
        ("noise", Box::new(|x, y| noise[(y * SIDE + x) as usize])),
        ("noise in black and white", Box::new(|x, y| dark(noise[(y * SIDE + x) as usize] > 127))),
        ("coarse noise", Box::new(|x, y| dark(noise[(y / 3 * SIDE + x / 3) as usize] > 127))),
        ("a chessboard of pixels", Box::new(move |x, y| dark((x + y) % 2 == 0))),
        ("a chessboard", Box::new(move |x, y| dark((x / 8 + y / 8) % 2 == 0))),
        ("finders", Box::new(move |x, y| dark(finder(x / 2, y / 2)))),
        ("upright stripes", Box::new(move |x, _| dark(x % 3 == 0))),
        ("slanting stripes", Box::new(move |x, y| dark((x + 2 * y) % 9 < 3))),
    ];
    let mut found = 0;
    for (_, pixel) in &bombs {
        let picture = grey_png(SIDE, SIDE, pixel);
        let loaded = load(&picture, &Limits::default()).expect("sound");
        let budget = Budget { cpu: std::time::Duration::from_millis(400) };
        found += read(&loaded.luma, Kinds::QR, &budget).symbols.len();
        found +=
            read(&loaded.luma, Kinds::ALL, &budget).symbols.iter().filter(|symbol| !symbol.kind.is_linear()).count();
    }
    format!("{} pictures, {found}", bombs.len())
}

fn sheet() -> String {
    const ACROSS: u32 = 14;
    const DOWN: u32 = 10;
    let (cell, mut pixels) = (33 * 3, Vec::new());
    let codes: Vec<_> = (0..ACROSS * DOWN)
        .map(|number| encode::qr(&format!("code {number}"), &encode::QrOptions::default()).expect("fits"))
        .map(|code| render::place(&code, 3, cell, cell).to_luma())
        .collect();
    for y in 0..DOWN * cell {
        for x in 0..ACROSS {
            pixels.extend_from_slice(codes[(y / cell * ACROSS + x) as usize].row(y % cell));
        }
    }
    let luma = Luma::new(ACROSS * cell, DOWN * cell, pixels);
    let budget = Budget { cpu: std::time::Duration::from_mins(10) };
    let mut texts: Vec<_> = read(&luma, Kinds::QR, &budget).symbols.into_iter().map(|symbol| symbol.text).collect();
    texts.sort();
    texts.dedup();
    format!("{}, {}", ACROSS * DOWN, texts.len())
}
