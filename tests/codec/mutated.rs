//! Two thousand damaged samples: each is refused when it is loaded, or read within its budget, without a panic or a hang.
//!
//! What is read does not matter here; `corpus` counts that on sound pictures. The same seed damages the same bits in
//! every run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use cpu_time::ThreadTime;
use qrstack::codec::{Budget, Kinds, Limits, Luma, load, read};

const MUTATIONS: usize = 2000;
/// Larger samples are left out: an unoptimised build takes too long for them.
const MOST_PIXELS: usize = 200_000;
/// What a reading may cost. Every stage is gone through by one picture in eight.
const SHORT: Budget = Budget { cpu: Duration::from_millis(15) };
const LONG: Budget = Budget { cpu: Duration::from_millis(600) };
/// How much longer the last stage may take, in an unoptimised build: far more than any stage needs, far less than a hang.
const OVERRUN: Duration = Duration::from_secs(4);
/// Without a single result for so long, something hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// A small generator of random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// The file with some bytes changed, or cut off.
fn damaged_file(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    if dice.below(2) == 0 {
        bytes.truncate(dice.below(bytes.len()));
        return bytes;
    }
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len());
        bytes[at] = dice.below(256) as u8;
    }
    bytes
}

/// The picture with noise, patches, stripes, out of line, cut, or thinned out.
fn damaged_picture(luma: &Luma, dice: &mut Dice) -> Luma {
    let (w, h) = (luma.width() as usize, luma.height() as usize);
    let mut pixels = luma.pixels().to_vec();
    match dice.below(7) {
        0 => {
            let strength = 1 + dice.below(120);
            for v in &mut pixels {
                *v = v.saturating_add(dice.below(strength) as u8).saturating_sub(dice.below(strength) as u8);
            }
        }
        1 => {
            for _ in 0..=dice.below(12) {
                let (x, y, colour) = (dice.below(w), dice.below(h), [0, 255, 128][dice.below(3)]);
                let (right, bottom) = (x + 1 + dice.below(w / 3), y + 1 + dice.below(h / 3));
                for row in pixels.chunks_exact_mut(w).take(bottom).skip(y) {
                    row[x..right.min(w)].fill(colour);
                }
            }
        }
        2 => {
            let period = 2 + dice.below(14);
            for (k, row) in pixels.chunks_exact_mut(w).enumerate() {
                if k % period == 0 {
                    for v in row.iter_mut() {
                        *v = 255 - *v;
                    }
                }
            }
        }
        3 => {
            let most = 1 + dice.below(9);
            for row in pixels.chunks_exact_mut(w) {
                row.rotate_left(dice.below(most).min(w));
            }
        }
        4 | 5 => {
            // Thin strips among them.
            let narrow = dice.below(3) == 0;
            let (x, y) = (dice.below(w), dice.below(h));
            let right = if narrow { (x + 1 + dice.below(9)).min(w) } else { x + 1 + dice.below(w - x) };
            let bottom = y + 1 + dice.below(h - y);
            let rows = pixels.chunks_exact(w).take(bottom).skip(y);
            let cut: Vec<u8> = rows.flat_map(|row| row[x..right].iter().copied()).collect();
            return Luma::new((right - x) as u32, (bottom - y) as u32, cut);
        }
        _ => {
            let (dx, dy) = (1 + dice.below(4), 1 + dice.below(4));
            let rows = pixels.chunks_exact(w).step_by(dy);
            let thin: Vec<u8> = rows.flat_map(|row| row.iter().copied().step_by(dx)).collect();
            return Luma::new(w.div_ceil(dx) as u32, h.div_ceil(dy) as u32, thin);
        }
    }
    Luma::new(luma.width(), luma.height(), pixels)
}

/// Damages a sample in its way of number `number` and reads it; says what went wrong.
fn mutation(path: &PathBuf, number: usize) -> Option<String> {
    let mut dice = Dice(number as u64 * 7919 + 1);
    let bytes = std::fs::read(path).expect("readable");
    let in_file = number.is_multiple_of(4);
    let bytes = if in_file { damaged_file(bytes, &mut dice) } else { bytes };
    let limits = Limits { max_pixels: MOST_PIXELS as u64, ..Limits::default() };
    let budget = if number % 8 == 3 { LONG } else { SHORT };
    let elapsed = catch_unwind(AssertUnwindSafe(|| {
        let loaded = load(&bytes, &limits).ok()?;
        let luma = if in_file { loaded.luma } else { damaged_picture(&loaded.luma, &mut dice) };
        let start = ThreadTime::now();
        let reading = read(&luma, Kinds::ALL, &budget);
        let elapsed = start.elapsed();
        for corners in reading.symbols.iter().filter_map(|s| s.corners) {
            assert!(corners.0.iter().all(|p| p.x.is_finite() && p.y.is_finite()), "{corners:?}");
        }
        Some(elapsed)
    }));
    let name = || format!("{} with damage {number}", path.display());
    match elapsed {
        Err(_) => Some(format!("{} panics", name())),
        Ok(Some(elapsed)) if elapsed > budget.cpu + OVERRUN => Some(format!("{} takes {elapsed:?}", name())),
        Ok(_) => None,
    }
}

#[test]
fn damaged_samples_neither_panic_nor_hang() {
    let Some(root) = crate::corpora() else { return };
    let mut samples = crate::files(&root.join("zxing-cpp"), &["png", "jpg", "jpeg", "webp", "gif", "bmp"]);
    samples.retain(|path| {
        let bytes = std::fs::read(path).expect("readable");
        load(&bytes, &Limits { max_pixels: MOST_PIXELS as u64, ..Limits::default() }).is_ok()
    });
    assert!(samples.len() > 300, "{} samples", samples.len());
    let samples = Arc::new(samples);
    let next = Arc::new(AtomicUsize::new(0));
    let (report, reports) = channel();
    for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(4) {
        let (samples, next, report) = (Arc::clone(&samples), Arc::clone(&next), report.clone());
        // Not scoped: a thread that hangs must not keep the test from failing.
        std::thread::spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= MUTATIONS || report.send(mutation(&samples[number * 7 % samples.len()], number)).is_err() {
                    return;
                }
            }
        });
    }
    drop(report);
    let mut done = 0;
    let mut faults = Vec::new();
    loop {
        match reports.recv_timeout(PATIENCE) {
            Ok(fault) => {
                done += 1;
                faults.extend(fault);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("after {done} readings one hangs; before that: {faults:#?}"),
        }
    }
    assert_eq!((done, faults), (MUTATIONS, Vec::<String>::new()));
}
