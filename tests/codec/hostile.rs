//! Pictures that are broken, oversized or made to harm: an answer or an error, soon, and never a panic.

use std::time::Duration;

use cpu_time::ThreadTime;
use qrstack::codec::{Limits, LoadError, load, probe};

use crate::{files, fixtures};

/// Name and bytes of every sound picture that is stored for the tests.
fn sound() -> Vec<(String, Vec<u8>)> {
    let files = files(&fixtures(), &["png", "jpg", "gif", "webp", "bmp"]);
    files.iter().map(|file| (file.display().to_string(), std::fs::read(file).expect("readable"))).collect()
}

/// Loads with small limits, and checks that what comes out keeps them and agrees with the header.
fn load_damaged(bytes: &[u8], name: &str) -> Result<(), LoadError> {
    let limits = Limits { max_side: 2000, max_pixels: 500_000, ..Limits::default() };
    let loaded = load(bytes, &limits)?;
    let size = (loaded.luma.width(), loaded.luma.height());
    assert_eq!(probe(bytes, &limits).expect("what loads has a header"), size, "{name}");
    assert!(size.0.max(size.1) <= 2000, "{name}: {size:?}");
    Ok(())
}

/// Loads a picture that must be refused from its header.
fn refused(name: &str, bytes: &[u8]) -> LoadError {
    let start = ThreadTime::now();
    let result = load(bytes, &Limits::default());
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_millis(5), "{name}: {elapsed:?}");
    assert!(probe(bytes, &Limits::default()).is_err(), "{name}");
    result.expect_err(name)
}

#[test]
fn truncated_pictures_do_not_panic() {
    for (name, bytes) in sound() {
        for percent in 0..100 {
            let cut = &bytes[..bytes.len() * percent / 100];
            let result = load_damaged(cut, &name);
            if percent < 5 {
                assert!(result.is_err(), "{name} at {percent} %");
            }
        }
    }
}

#[test]
fn a_jpeg_whose_end_is_missing_still_shows_what_there_is() {
    for name in ["baseline-420.jpg", "progressive-420.jpg", "grey.jpg", "cmyk.jpg"] {
        let bytes = std::fs::read(fixtures().join(name)).expect("a fixture");
        for cut in [2, 10, bytes.len() / 10] {
            let result = load(&bytes[..bytes.len() - cut], &Limits::default());
            assert!(result.is_ok(), "{name} without its last {cut} bytes: {result:?}");
        }
        let scan = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).expect("a scan");
        let header = usize::from(u16::from_be_bytes([bytes[scan + 2], bytes[scan + 3]]));
        let headers_alone = load(&bytes[..scan + 2 + header], &Limits::default());
        assert!(matches!(headers_alone, Err(LoadError::Broken { format: "JPEG", .. })), "{name}: {headers_alone:?}");
    }
}

#[test]
fn damaged_pictures_do_not_panic() {
    // A small generator of its own, so that every run damages the same bits.
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    for (name, bytes) in sound() {
        for round in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..=round % 4 {
                // Half of the damage goes to the header, where it matters most.
                let at = below(if round % 2 == 0 { damaged.len() } else { damaged.len().min(200) });
                match round % 3 {
                    0 => damaged[at] ^= 1 << below(8),
                    1 => damaged[at] = [0, 0xFF, 0x7F, 0x80][below(4)],
                    _ => {
                        damaged.remove(at);
                    }
                }
            }
            // Check sums would stop most of the damage before it gets anywhere.
            if damaged.starts_with(b"\x89PNG") {
                mend_check_sums(&mut damaged);
            }
            let _ = load_damaged(&damaged, &name);
        }
    }
}

/// Gives every PNG chunk the check sum of its bytes.
fn mend_check_sums(png: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = png.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes) {
        let end = at + 8 + length as usize;
        if end + 4 > png.len() {
            return;
        }
        let sum = crc(&png[at + 4..end]);
        png[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

/// A PNG that has no more than a header.
fn png_header(width: u32, height: u32, depth: u8, colours: u8) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png.extend([depth, colours, 0, 0, 0]);
    png.extend([0; 4]);
    mend_check_sums(&mut png);
    png
}

/// A WebP of these chunks.
fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend(*name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(*content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

#[test]
fn pictures_too_large_are_refused_from_the_header() {
    let vp8_16383 = [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0xFF, 0x3F, 0xFF, 0x3F, 0, 0, 0, 0];
    let vp8l_16383 = [0x2F, 0xFE, 0xBF, 0xFF, 0x0F, 0, 0, 0, 0, 0];
    let small_canvas = [0, 0, 0, 0, 9, 0, 0, 9, 0, 0];
    let animation = [&[0; 6][..], &[9, 0, 0, 9, 0, 0], &[0; 4], b"VP8 \x0e\0\0\0", &vp8_16383].concat();
    let gif = |screen: u16, frame: u16| {
        let [screen, frame] = [screen, frame].map(u16::to_le_bytes);
        let colours = [0x80, 0, 0, 0, 0, 0, 255, 255, 255, b',', 0, 0, 0, 0];
        [b"GIF89a", &screen[..], &screen, &colours, &frame, &frame, &[0, 2, 2, 0x44, 1, 0, b';']].concat()
    };
    let bmp = |width: i32, height: i32| {
        let sizes = [width.to_le_bytes(), height.to_le_bytes()].concat();
        [b"BM", &[0; 8][..], &[54, 0, 0, 0, 40, 0, 0, 0], &sizes, &[1, 0, 24, 0], &[0; 24]].concat()
    };
    let jpeg = |side: u16| {
        let side = side.to_be_bytes();
        [&[0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8], &side[..], &side, &[1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]]
            .concat()
    };
    for (name, bytes) in [
        ("PNG of 60000 × 60000 bits", png_header(60_000, 60_000, 1, 0)),
        ("PNG of 2³¹ - 1 squared", png_header(0x7FFF_FFFF, 0x7FFF_FFFF, 16, 6)),
        ("PNG of 8000 × 8000 × 16-bit RGBA", png_header(8000, 8000, 16, 6)),
        ("PNG of 16000 × 16000 bits", png_header(16_000, 16_000, 1, 0)),
        ("lossless WebP of 16383²", webp(&[(b"VP8L", &vp8l_16383)])),
        ("lossy WebP of 16383²", webp(&[(b"VP8 ", &vp8_16383)])),
        ("GIF of 16000²", gif(16_000, 1)),
        ("BMP of 60000²", bmp(60_000, 60_000)),
        ("BMP of 60000 × -60000", bmp(60_000, -60_000)),
        ("JPEG of 65500²", jpeg(65_500)),
        ("JPEG of 8000²", jpeg(8000)),
    ] {
        let error = refused(name, &bytes);
        assert!(matches!(error, LoadError::SideTooLong { .. } | LoadError::TooManyPixels { .. }), "{name}: {error:?}");
    }
    // Large pictures that hide in a small one.
    for (name, bytes) in [
        ("lossy WebP on a small canvas", webp(&[(b"VP8X", &small_canvas), (b"VP8 ", &vp8_16383)])),
        ("lossless WebP on a small canvas", webp(&[(b"VP8X", &small_canvas), (b"VP8L", &vp8l_16383)])),
        ("WebP frame in a small animation", webp(&[(b"VP8X", &small_canvas), (b"ANMF", &animation)])),
        ("BMP of -2³¹ rows", bmp(1, i32::MIN)),
    ] {
        let error = refused(name, &bytes);
        assert!(matches!(error, LoadError::Broken { .. } | LoadError::SideTooLong { .. }), "{name}: {error:?}");
    }
    let large_frame = load(&gif(1, 16_000), &Limits::default());
    assert!(matches!(large_frame, Err(LoadError::TooManyPixels { found: 256_000_000, .. })), "{large_frame:?}");
}

#[test]
fn limits_hold_exactly_at_their_edges() {
    let bytes = std::fs::read(fixtures().join("rgb8.png")).expect("a fixture");
    let exact = Limits { max_bytes: bytes.len(), max_side: 37, max_pixels: 37 * 29 };
    assert!(load(&bytes, &exact).is_ok());
    assert!(matches!(
        load(&bytes, &Limits { max_bytes: bytes.len() - 1, ..exact }),
        Err(LoadError::TooManyBytes { limit, found }) if limit + 1 == found
    ));
    assert!(matches!(
        load(&bytes, &Limits { max_side: 36, ..exact }),
        Err(LoadError::SideTooLong { limit: 36, width: 37, height: 29 })
    ));
    assert!(matches!(
        load(&bytes, &Limits { max_pixels: 37 * 29 - 1, ..exact }),
        Err(LoadError::TooManyPixels { limit: 1072, found: 1073 })
    ));
}

#[test]
fn pictures_without_pixels_are_broken() {
    for (name, bytes) in
        [("PNG", png_header(0, 5, 8, 0)), ("WebP", webp(&[(b"VP8 ", &[0x10, 0, 0, 0x9D, 0x01, 0x2A, 0, 0, 5, 0])]))]
    {
        assert!(matches!(refused(name, &bytes), LoadError::Broken { .. }), "{name}");
    }
}

#[test]
fn other_files_are_of_unknown_format_whatever_they_are_called() {
    for bytes in [
        &b"<!DOCTYPE html><html><img src=x></html>"[..],
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\"/>",
        b"<?xml version=\"1.0\"?><svg/>",
        b"PK\x03\x04\x14\0\0\0\0\0",
        b"%PDF-1.7\n",
        b"II*\0\x08\0\0\0\0\0\0\0",
        b"\0\0\0\x18ftypavif",
        b"BMW is a maker of cars",
        b"\x7FELF",
        b"\x89PN",
        b"P5 1 1 255 \0",
        b"\0",
    ] {
        let result = load(bytes, &Limits::default());
        assert!(matches!(result, Err(LoadError::UnknownFormat)), "{:?}: {result:?}", bytes.escape_ascii());
    }
    assert!(matches!(load(b"", &Limits::default()), Err(LoadError::Empty)));
}

#[test]
fn compressed_texts_and_profiles_are_left_alone() {
    // 50 million letters in 50 kB, before and behind the pixels, and the same again as a colour profile.
    let mut bomb = Vec::new();
    let mut encoder = png::Encoder::new(&mut bomb, 1, 1);
    encoder.add_ztxt_chunk("Comment".to_owned(), "a".repeat(50_000_000)).expect("Latin-1");
    let mut writer = encoder.write_header().expect("memory");
    let text = &"a".repeat(50_000_000);
    let mut chunk = png::text_metadata::ITXtChunk::new("Comment", text);
    chunk.compressed = true;
    writer.write_text_chunk(&chunk).expect("memory");
    writer.write_image_data(&[0]).expect("one pixel");
    writer.finish().expect("memory");
    let ztxt = bomb.windows(4).position(|name| name == b"zTXt").expect("just written");
    let mut profile = bomb.clone();
    profile[ztxt..ztxt + 4].copy_from_slice(b"iCCP");
    mend_check_sums(&mut profile);
    for (name, bytes) in [("texts", bomb), ("profile", profile)] {
        let start = ThreadTime::now();
        assert!(load(&bytes, &Limits::default()).is_ok(), "{name}");
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_millis(20), "{name}: {elapsed:?}");
    }
}

#[test]
fn frames_after_the_first_cost_nothing() {
    let mut animation = Vec::new();
    let mut encoder = gif::Encoder::new(&mut animation, 200, 200, &[0, 0, 0, 255, 255, 255]).expect("memory");
    for _ in 0..2000 {
        let frame = gif::Frame { width: 200, height: 200, buffer: vec![1; 40_000].into(), ..gif::Frame::default() };
        encoder.write_frame(&frame).expect("memory");
    }
    drop(encoder);
    let start = ThreadTime::now();
    let loaded = load(&animation, &Limits::default()).expect("sound");
    let elapsed = start.elapsed();
    assert_eq!(loaded.luma.pixels()[0], 255);
    assert!(elapsed < Duration::from_millis(20), "{elapsed:?}");
}

#[test]
fn a_jpeg_of_very_many_scans_does_not_keep_the_decoder_busy() {
    let bytes = std::fs::read(fixtures().join("grey-progressive.jpg")).expect("a fixture");
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC2]).expect("progressive");
    let scan = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).expect("a scan");
    let end = bytes.len() - 2;
    let mut bomb = bytes[..scan].to_vec();
    for _ in 0..1000 {
        bomb.extend(&bytes[scan..end]);
    }
    bomb.extend(&bytes[end..]);
    // 7000 pixels a side.
    bomb[frame + 5..frame + 9].copy_from_slice(&[0x1B, 0x58, 0x1B, 0x58]);
    let start = ThreadTime::now();
    let _ = load(&bomb, &Limits::default());
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}
